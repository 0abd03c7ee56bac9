"""TIFF directories: how a TIFF file's pixels lie, and the orientation in an EXIF block, which is a small TIFF.

Source: TIFF Revision 6.0 (Adobe, 1992), BigTIFF (Aware Systems), CIPA DC-008 (Exif 2.32), section 4.6.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from convcli.channels import Extra
from convcli.pictures.format import EXIF_MARK, TruncatedError
from convcli.pictures.registry import is_tiff
from convcli.records import record

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
STRIP_OFFSETS, ORIENTATION, SAMPLES, STRIP_BYTES, PLANAR, PREDICTOR = 273, 274, 277, 279, 284, 317
ROWS_PER_STRIP, TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES = 278, 322, 323, 324, 325
FILL_ORDER, COLOUR_MAP, EXTRA_SAMPLES, SAMPLE_FORMAT = 266, 320, 338, 339
SUBFILE, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT, DESCRIPTION, DEPTH = 254, 282, 283, 296, 270, 32997
#: What each value of EXTRA_SAMPLES says of a sample.
EXTRA: Final[tuple[Extra, ...]] = ("band", "premultiplied", "straight")
#: Where strips or tiles start, and their bytes.
STRIPS, TILES = (STRIP_OFFSETS, STRIP_BYTES), (TILE_OFFSETS, TILE_BYTES)

_LETTERS: Final = {1: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 16: "Q", 17: "q", 18: "Q"}
SIZES: Final = {2: 1, 5: 8, 10: 8, 11: 4, 12: 8, 13: 4} | {
    kind: struct.calcsize(f"={c}") for kind, c in _LETTERS.items()
}
_MOST_VALUES: Final = 1 << 24
_MOST_BYTES: Final = 1 << 24

Value = tuple[int, int, bytes]
"""A tag's kind, count and packed value."""


@record
class Entry:
    """One tag: its `kind` of value, how many (`count`), where they lie, and where the count itself is written."""

    kind: int
    count: int
    values_at: int
    count_at: int


@record
class Directory:
    """One page's tags, from byte `at`; where the next page starts is written at `link`.

    `data` is the whole file, `order` "<" or ">", `big` whether it is a BigTIFF.
    """

    at: int
    link: int
    data: bytes
    order: str
    big: bool
    entries: Mapping[int, Entry]

    def get(self, tag: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """All integers of a tag; `default` where it is absent or no integer. Raises ValueError if they are cut off."""
        entry = self.entries.get(tag)
        if entry is None or entry.kind not in _LETTERS:
            return default
        if entry.count > _MOST_VALUES:
            raise ValueError(f"tag {tag} promises {entry.count} values")
        try:
            return struct.unpack_from(f"{self.order}{entry.count}{_LETTERS[entry.kind]}", self.data, entry.values_at)
        except (struct.error, OverflowError):
            raise ValueError(f"the values of tag {tag} lie beyond its end") from None

    def first(self, tag: int, default: int) -> int:
        """The first integer of a tag, or `default`."""
        return (self.get(tag) or (default,))[0]

    def raw(self, tag: int) -> bytes:
        """The bytes of a tag's value; empty where it is absent, cut off, or larger than metadata is."""
        entry = self.entries.get(tag)
        size = entry.count * SIZES.get(entry.kind, 1) if entry else 0
        if entry is None or size > _MOST_BYTES or entry.values_at + size > len(self.data):
            return b""
        return self.data[entry.values_at : entry.values_at + size]

    def as_last(self, data: bytes) -> bytes:
        """`data`, the file or one with its directories in the same places, where this page is followed by none."""
        size = 8 if self.big else 4
        return b"".join((memoryview(data)[: self.link], bytes(size), memoryview(data)[self.link + size :]))

    @property
    def is_page(self) -> bool:
        """Whether it is a page of its own, and no reduced copy of another."""
        return not self.first(SUBFILE, 0) & 1


def directories(data: bytes) -> Iterator[Directory]:
    """The directories (pages) of a TIFF file in order.

    Raises ValueError, saying what is wrong, where one lies beyond the end or the list goes in a circle.
    """
    if not is_tiff(data):
        raise ValueError("it does not start as a TIFF does")
    order, big = ("<" if data[:1] == b"I" else ">"), b"+" in data[2:4]
    seen: set[int] = set()
    try:
        at = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0]
        while at:
            if at in seen:
                raise ValueError("its list of pages goes in a circle")
            seen.add(at)
            page, at = directory(data, at, order, big)
            yield page
    except (struct.error, OverflowError):
        raise ValueError("its directory lies beyond its end") from None


def listed(data: bytes) -> tuple[list[Directory], str]:
    """The directories of a TIFF file, as far as the list of them goes, and what is wrong where that is not its end.

    Pages come first, in order, reduced copies behind them.

    Raises ValueError where there is not even a first one.
    """
    pages: list[Directory] = []
    try:
        pages.extend(directories(data))
    except ValueError as error:
        if not pages:
            raise
        return _sorted(pages), str(error)
    if not pages:
        raise ValueError("it has no page")
    return _sorted(pages), ""


def _sorted(pages: list[Directory]) -> list[Directory]:
    return sorted(pages, key=lambda page: not page.is_page)


def directory(data: bytes, at: int, order: str, big: bool) -> tuple[Directory, int]:
    """The directory at byte `at`, and where the next one starts (0: there is none)."""
    word, entry_size, inline = ("Q", 20, 8) if big else ("I", 12, 4)
    start_at = at
    number_format = order + ("Q" if big else "H")
    (number,) = struct.unpack_from(number_format, data, at)
    if number > 65535:
        raise ValueError(f"a directory promises {number} tags")
    at += struct.calcsize(number_format)
    entries: dict[int, Entry] = {}
    for start in range(at, at + number * entry_size, entry_size):
        tag, kind, count = struct.unpack_from(f"{order}HH{word}", data, start)
        values_at = start + entry_size - inline
        if SIZES.get(kind, 1) * count > inline:
            (values_at,) = struct.unpack_from(order + word, data, values_at)
        entries.setdefault(tag, Entry(kind=kind, count=count, values_at=values_at, count_at=start + 4))
    link = at + number * entry_size
    (following,) = struct.unpack_from(order + word, data, link)
    return Directory(at=start_at, link=link, data=data, order=order, big=big, entries=entries), following


def pages(data: bytes) -> Iterator[bytes]:
    """For every page of a TIFF file the same file starting with that page; reduced copies don't count.

    Raises TruncatedError where the list of pages breaks off.
    """
    listing, broken = listed(data)
    if broken:
        raise TruncatedError(f"damaged or truncated TIFF: {broken}", hint="without --all-frames the first page is read")
    return (starting_with(page) for page in listing if page.is_page)


def starting_with(page: Directory) -> bytes:
    """The file, with that page as its first one."""
    whole, (start, word) = memoryview(page.data), (8, "Q") if page.big else (4, "I")
    packed = struct.pack(page.order + word, page.at)
    if whole[start : start + len(packed)] == packed:
        return page.data
    return b"".join((whole[:start], packed, whole[start + len(packed) :]))


def patched(page: Directory, values: Mapping[int, int]) -> bytes:
    """The file with some tags of a page replaced, each by one value; tags that the page lacks stay away.

    Raises ValueError where a tag's kind can't hold its new value.
    """
    out = bytearray(page.data)
    for tag, value in values.items():
        entry = page.entries.get(tag)
        if entry is None:
            continue
        # One value always lies inside the entry, at its end.
        inside = entry.count_at + (8 if page.big else 4)
        try:
            struct.pack_into(page.order + _LETTERS[entry.kind], out, inside, value)
        except (struct.error, KeyError):
            raise ValueError(f"tag {tag} can't hold {value}") from None
        struct.pack_into(page.order + ("Q" if page.big else "I"), out, entry.count_at, 1)
    return bytes(out)


def orientation(block: bytes) -> int:
    """The orientation (1 to 8) in an EXIF block; 1, upright, where there is none or the block is damaged.

    >>> orientation(b"MM\\0*" + bytes.fromhex("00000008 0001 0112 0003 00000001 0006 0000 00000000"))
    6
    """
    block = block.removeprefix(EXIF_MARK)
    try:
        value = next(directories(block)).first(ORIENTATION, 1)
    except (ValueError, StopIteration):
        return 1
    return value if 1 <= value <= 8 else 1


def resolution(page: Directory) -> tuple[float, float] | None:
    """Pixels per inch (across, down) in a directory; None where it does not say."""
    unit = {2: 1.0, 3: 2.54}.get(page.first(RESOLUTION_UNIT, 2))
    sides = []
    for tag in (X_RESOLUTION, Y_RESOLUTION):
        packed = page.raw(tag)
        if unit is None or len(packed) != 8 or page.entries[tag].kind != 5:
            return None
        above, below = struct.unpack(page.order + "II", packed)
        if not above or not below:
            return None
        sides.append(round(above / below * unit, 4))
    return sides[0], sides[1]


def dpi(block: bytes) -> tuple[float, float] | None:
    """The resolution that an EXIF block gives; None where it gives none, or is damaged."""
    try:
        page = next(directories(block), None) if block else None
    except ValueError:
        return None
    return resolution(page) if page else None


def shorts(order: str, *values: int) -> Value:
    return 3, len(values), struct.pack(f"{order}{len(values)}H", *values)


def longs(order: str, *values: int, big: bool = False) -> Value:
    """Numbers of 32 bits, or of 64 in a BigTIFF."""
    return 16 if big else 4, len(values), struct.pack(f"{order}{len(values)}{'Q' if big else 'I'}", *values)


def pack(
    tags: Mapping[int, Value], at: int, *, order: str, big: bool = False, entries: Sequence[bytes] = ()
) -> tuple[bytes, int]:
    """Values and directory as bytes to be laid down from byte `at` of a file on, and where the directory starts.

    `entries` are further ones, packed. The last word says where the next directory starts; it is 0.
    """
    inline, word = (8, "Q") if big else (4, "I")
    values = bytes(at & 1)
    rows = list(entries)
    for tag, (kind, count, packed) in tags.items():
        place = packed.ljust(inline, b"\0")
        if len(packed) > inline:
            place = struct.pack(order + word, at + len(values))
            values += packed + bytes(len(packed) & 1)
        rows.append(struct.pack(f"{order}HH{word}", tag, kind, count) + place)
    rows.sort(key=lambda row: int(struct.unpack_from(order + "H", row)[0]))
    count_word = struct.pack(order + ("Q" if big else "H"), len(rows))
    return values + count_word + b"".join(rows) + bytes(inline), at + len(values)
