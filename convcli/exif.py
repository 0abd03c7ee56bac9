"""TIFF directories: how a TIFF file's pixels lie, and the orientation in an EXIF block, which is a small TIFF.

Source: TIFF Revision 6.0 (Adobe, 1992), BigTIFF (Aware Systems), CIPA DC-008 (Exif 2.32), section 4.6.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from convcli.records import record

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
STRIP_OFFSETS, ORIENTATION, SAMPLES, STRIP_BYTES, PLANAR, PREDICTOR = 273, 274, 277, 279, 284, 317
TILE_WIDTH, TILE_OFFSETS, TILE_BYTES, EXTRA_SAMPLES, SAMPLE_FORMAT = 322, 324, 325, 338, 339
SUBFILE = 254

_LETTERS: Final = {1: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 16: "Q", 17: "q", 18: "Q"}
SIZES: Final = {2: 1, 5: 8, 10: 8, 11: 4, 12: 8, 13: 4} | {
    kind: struct.calcsize(f"={c}") for kind, c in _LETTERS.items()
}
_MOST_VALUES: Final = 1 << 24


@record
class Entry:
    """One tag: its `kind` of value, how many (`count`), where they lie, and where the count itself is written."""

    kind: int
    count: int
    values_at: int
    count_at: int


@record
class Directory:
    """One page's tags, from byte `at`; `data` is the whole file, `order` "<" or ">", `big` whether it is a BigTIFF."""

    at: int
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


def is_tiff(data: bytes) -> bool:
    """Whether these bytes start as a TIFF or BigTIFF file does."""
    return data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


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
    (following,) = struct.unpack_from(order + word, data, at + number * entry_size)
    return Directory(at=start_at, data=data, order=order, big=big, entries=entries), following


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
    block = block.removeprefix(b"Exif\0\0")
    try:
        value = next(directories(block)).first(ORIENTATION, 1)
    except (ValueError, StopIteration):
        return 1
    return value if 1 <= value <= 8 else 1


def upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Pixels as stored, turned and mirrored as their EXIF orientation (1 to 8) says; (height, width, channels)."""
    import cv2

    if not 2 <= orientation <= 8:
        return pixels
    turned: Any = pixels
    if orientation >= 5:
        turned = cv2.transpose(turned)
    flip = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(orientation)
    if flip is not None:
        turned = cv2.flip(turned, flip)
    result: NDArray[Any] = turned.reshape(*turned.shape[:2], pixels.shape[2])
    return result


@record
class Layout:
    """How the first page of a TIFF lies, and what a decoder that knows only simple layouts is to be told.

    `data` is the file, changed where OpenCV 5 would decode it wrongly. `pairs`: it reads as grey of twice the width,
    for grey and alpha, still as `differences` along the rows where it has a predictor, and turned by `orientation`.
    `inverted`: white is 0. `opaque`: CMYK, to which OpenCV gives an alpha channel that the file lacks. `refusal` says
    why the page can't be read right at all, or is empty.
    """

    data: bytes
    width: int
    height: int
    pages: int
    pairs: bool
    differences: bool
    orientation: int
    inverted: bool
    opaque: bool
    premultiplied: bool
    refusal: str


def layout(data: bytes) -> Layout:
    """The layout of a TIFF file's first page; reduced copies don't count as pages.

    Raises ValueError, saying what is wrong, where the file is cut short or damaged.
    """
    pages = list(directories(data))
    if not pages:
        raise ValueError("it has no page")
    page = pages[0]
    for offsets, counts in ((STRIP_OFFSETS, STRIP_BYTES), (TILE_OFFSETS, TILE_BYTES)):
        for start, count in zip(page.get(offsets), page.get(counts), strict=False):
            if start + count > len(data):
                raise ValueError(f"its pixels reach byte {start + count}, it ends at byte {len(data)}")
    samples, extra, predictor = page.first(SAMPLES, 1), page.get(EXTRA_SAMPLES), page.first(PREDICTOR, 1)
    refusal = _refusal(page, samples, predictor)
    changes: dict[int, int] = {}
    if samples == 2 and not refusal:
        kept = {BITS: page.first(BITS, 8), SAMPLE_FORMAT: page.first(SAMPLE_FORMAT, 1)}
        doubled = {tag: 2 * page.first(tag, 0) for tag in (WIDTH, TILE_WIDTH)}
        changes = {SAMPLES: 1, PREDICTOR: 1, ORIENTATION: 1, PHOTOMETRIC: 1, EXTRA_SAMPLES: 0} | kept | doubled
    elif samples == 4 and extra == (2,):
        changes = {EXTRA_SAMPLES: 0}  # told of an alpha channel, OpenCV multiplies 8-bit colours by it
    return Layout(
        data=patched(page, changes) if changes else data,
        width=page.first(WIDTH, 0),
        height=page.first(HEIGHT, 0),
        pages=sum(not page.first(SUBFILE, 0) & 1 for page in pages),
        pairs=samples == 2,
        differences=samples == 2 and predictor == 2,
        orientation=page.first(ORIENTATION, 1) if samples == 2 else 1,
        inverted=page.first(PHOTOMETRIC, 1) == 0 and (samples == 2 or page.first(BITS, 1) > 8),
        opaque=page.first(PHOTOMETRIC, 1) == 5 and samples == 4,
        premultiplied=1 in extra,
        refusal=refusal,
    )


def _refusal(page: Directory, samples: int, predictor: int) -> str:
    """Why OpenCV would fail on a page, or silently read something else; empty where it reads it right."""
    bits, photometric = page.first(BITS, 1), page.first(PHOTOMETRIC, 1)
    floats = page.first(SAMPLE_FORMAT, 1) == 3
    if samples > 4:
        return f"{samples} samples per pixel; 1 to 4 can be read"
    if samples > 1 and page.first(PLANAR, 1) == 2 and (bits > 8 or samples == 2):
        return f"{bits}-bit samples in separate planes; 8 bits, or samples side by side, can be read"
    if photometric > 6 and photometric not in (32844, 32845):
        return f"its colours are of kind {photometric}; grey, RGB, palette, CMYK and YCbCr can be read"
    if bits not in (1, 8, 12, 16, 32, 64) or (floats and bits == 16):
        return f"{bits}-bit {'floats' if floats else 'samples'}; 1, 8, 16, 32 and 64 bits, floats from 32, can be read"
    if samples == 2 and (predictor > 2 or (predictor == 2 and TILE_WIDTH in page.entries)):
        return "grey and alpha with a predictor, in tiles or floats"
    return ""
