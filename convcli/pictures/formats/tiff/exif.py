"""EXIF blocks, changed without moving what they hold: maker notes have offsets of their own, which must stay true.

Source: CIPA DC-008 (Exif 2.32), sections 4.5 and 4.6; TIFF Revision 6.0.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from convcli.pictures.format import Metadata
from convcli.pictures.formats.tiff import directories, stacks
from convcli.pictures.formats.tiff.directories import Value, longs, shorts

ICC_PROFILE, XMP_PACKET = 34675, 700
EXIF_DIRECTORY, GPS_DIRECTORY, INTEROPERABILITY = 34665, 34853, 40965
NODATA = 42113
PIXELS_ACROSS, PIXELS_DOWN, MAKER_NOTE = 0xA002, 0xA003, 0x927C
_THUMBNAILS: Final = ((513, 514), directories.STRIPS)

#: Tags of a TIFF's first directory that tell of the picture and not of how its pixels lie: description, make, model,
#: software, date, artist, host, rating, copyright, XP title to subject.
DESCRIPTIVE: Final = frozenset({270, 271, 272, 305, 306, 315, 316, 18246, 18249, 33432, *range(40091, 40096)})
POINTERS: Final = frozenset({EXIF_DIRECTORY, GPS_DIRECTORY, INTEROPERABILITY})

#: What is left behind, by its tags.
_LOST: Final = {
    "Photoshop and IPTC records": {33723, 34377},
    "place on the map (GeoTIFF)": {33550, 33922, 34264, 34735},
    "GDAL records": {42112},
    "ImageJ records": {50838, 50839},
    "content credentials (C2PA)": {52545},
}

#: Bytes of the words that kinds of values are made of, where they have more than one.
_WORDS: Final = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8}

EMPTY: Final = b"II*\0\x08\0\0\0" + bytes(6)


def metadata(data: bytes) -> Metadata:
    """What the first page of a TIFF file carries besides its pixels."""
    page = directories.listed(data)[0][0]
    lost = [f"{name} dropped" for name, among in _LOST.items() if among & page.entries.keys()]
    if NODATA in page.entries:
        value = page.raw(NODATA).rstrip(b"\0 ").decode("ascii", "replace")
        lost.append(f"nodata value {value} dropped; --nodata {value} leaves out such samples, which are filtered else")
    return Metadata(
        icc=page.raw(ICC_PROFILE),
        exif=gathered(page),
        xmp=page.raw(XMP_PACKET),
        dpi=directories.resolution(page),
        pictures=stacks.described(page),
        lost=tuple(lost),
    )


def renewed(block: bytes, *, width: int, height: int, dpi: tuple[float, float] | None = None) -> bytes:
    """An EXIF block for upright pixels of this size: orientation 1, size tags renewed, its thumbnail wiped out.

    Everything else stays where it is. With `dpi` the resolution is set, too.

    Raises ValueError, saying what is wrong, where the block can't be read.
    """
    if block[2:4] in (b"+\0", b"\0+"):
        raise ValueError("it is a BigTIFF")
    pages = directories.directories(block)
    first = next(pages, None)
    if first is None:
        raise ValueError("it has no directory")
    out = bytearray(block)
    try:
        _drop_thumbnails(out, pages, first)
        sides = {directories.WIDTH: width, directories.HEIGHT: height, PIXELS_ACROSS: width, PIXELS_DOWN: height}
        for directory in (first, subdirectory(first, EXIF_DIRECTORY)):
            for tag, value in sides.items():
                _set(out, directory, tag, 4, value)
            _set(out, directory, directories.ORIENTATION, 3, 1)
    except struct.error:
        raise ValueError("its parts overlap") from None
    fresh = bytes(out)
    if next(directories.directories(fresh)).entries.keys() != first.entries.keys():
        raise ValueError("its parts overlap")
    if dpi is None or directories.resolution(first) == dpi:
        return fresh
    return _with_tags(fresh, resolution_tags(dpi, first.order))


def undescribed(block: bytes) -> bytes:
    """An EXIF block without its description. Raises ValueError, saying what is wrong, where it can't be read."""
    page = next(directories.directories(block), None)
    entry = page.entries.get(directories.DESCRIPTION) if page else None
    if page is None or entry is None:
        return block
    out = bytearray(block)
    out[entry.values_at : entry.values_at + entry.count] = bytes(len(page.raw(directories.DESCRIPTION)))
    struct.pack_into(page.order + "HI4x", out, entry.count_at - 2, 2, 1)  # ASCII, its end alone
    return bytes(out)


def merged(block: bytes, more: bytes) -> bytes:
    """An EXIF block with the fields of another that it lacks; maker notes stay behind, as in `gathered`.

    Raises ValueError, saying what is wrong, where either can't be read.
    """
    page, other = next(directories.directories(block), None), next(directories.directories(more), None)
    if page is None or other is None:
        raise ValueError("it has no directory")
    lacking = POINTERS | {MAKER_NOTE, *directories.STRIPS, *directories.TILES}
    fresh = _turned(_values(other, other.entries.keys() - page.entries.keys() - lacking), other.order, page.order)
    out = bytearray(block)
    for pointer in (EXIF_DIRECTORY, GPS_DIRECTORY):
        mine, inner = subdirectory(page, pointer), subdirectory(other, pointer)
        values = _values(inner, inner.entries.keys() - (mine.entries.keys() if mine else ()) - lacking) if inner else {}
        if values:
            at = _append(out, _turned(values, other.order, page.order), page.order, _entries(mine) if mine else ())
            fresh[pointer] = longs(page.order, at)
    return _with_tags(bytes(out), fresh) if fresh else block


def _turned(values: dict[int, Value], order: str, wanted: str) -> dict[int, Value]:
    """Values in another byte order."""
    if order == wanted:
        return values
    return {
        tag: (kind, count, np.frombuffer(packed, f"u{_WORDS[kind]}").byteswap().tobytes() if kind in _WORDS else packed)
        for tag, (kind, count, packed) in values.items()
    }


def _entries(page: directories.Directory, but: Collection[int] = ()) -> list[bytes]:
    """The entries of a directory as they are stored, without those of some tags."""
    return [page.data[entry.count_at - 4 : entry.count_at + 8] for tag, entry in page.entries.items() if tag not in but]


def subdirectory(page: directories.Directory, tag: int) -> directories.Directory | None:
    """The directory that a pointer tag leads to, if it is there and whole."""
    at = page.first(tag, 0)
    try:
        return directories.directory(page.data, at, page.order, page.big)[0] if at else None
    except (struct.error, ValueError):
        return None


def resolution_tags(dpi: tuple[float, float], order: str) -> dict[int, Value]:
    """Tags that give a resolution in pixels per inch."""
    tags = {directories.RESOLUTION_UNIT: shorts(order, 2)}
    for tag, value in zip((directories.X_RESOLUTION, directories.Y_RESOLUTION), dpi, strict=True):
        below = 1 if float(value).is_integer() else 10000
        tags[tag] = (5, 1, struct.pack(order + "II", min(round(value * below), 0xFFFFFFFF), below))
    return tags


def gathered(page: directories.Directory) -> bytes:
    """The EXIF block of a TIFF file's page: its descriptive tags, EXIF and GPS; empty where it has none of them.

    Maker notes are left behind, since they count their offsets from the old place.
    """
    tags = {tag: value for tag, value in _values(page, DESCRIPTIVE).items() if value[2]}
    out = bytearray(("II*\0" if page.order == "<" else "MM\0*").encode() + bytes(4))
    for pointer in (EXIF_DIRECTORY, GPS_DIRECTORY):
        inner = subdirectory(page, pointer)
        if inner is None:
            continue
        values = _values(inner, inner.entries.keys() - POINTERS - {MAKER_NOTE})
        innermost = subdirectory(inner, INTEROPERABILITY)
        if innermost is not None:
            at = _append(out, _values(innermost, innermost.entries.keys() - POINTERS), page.order)
            values[INTEROPERABILITY] = longs(page.order, at)
        tags[pointer] = longs(page.order, _append(out, values, page.order))
    if not tags:
        return b""
    dpi = directories.resolution(page)
    tags |= resolution_tags(dpi, page.order) if dpi else {}
    struct.pack_into(page.order + "I", out, 4, _append(out, tags, page.order))
    return bytes(out)


def _values(page: directories.Directory, tags: Collection[int]) -> dict[int, Value]:
    """Those of `tags` that a directory has, of kinds that every TIFF knows."""
    return {
        tag: (entry.kind, entry.count, page.raw(tag))
        for tag, entry in page.entries.items()
        if tag in tags and 1 <= entry.kind <= 12
    }


def _append(out: bytearray, tags: Mapping[int, Value], order: str, entries: Sequence[bytes] = ()) -> int:
    """Write values and a directory at the end of a block; returns where the directory starts."""
    packed, at = directories.pack(dict(sorted(tags.items())), len(out), order=order, entries=entries)
    out += packed
    return at


def _with_tags(block: bytes, tags: dict[int, Value]) -> bytes:
    """A block with tags of its first directory set; the values of the others stay in place."""
    page = next(directories.directories(block))
    short = {tag: value for tag, value in _values(page, page.entries.keys()).items() if len(value[2]) <= 4}
    fresh = short | tags
    # Entries that point to their values are copied as they are.
    out = bytearray(block)
    struct.pack_into(page.order + "I", out, 4, _append(out, fresh, page.order, _entries(page, fresh)))
    return bytes(out)


def _set(out: bytearray, page: directories.Directory | None, tag: int, kind: int, value: int) -> None:
    """Set a tag that is there to one SHORT (kind 3) or LONG (4)."""
    entry = page.entries.get(tag) if page else None
    if page is None or entry is None:
        return
    packed = struct.pack(page.order + ("H" if kind == 3 else "I"), value).ljust(4, b"\0")
    struct.pack_into(page.order + "HI", out, entry.count_at - 2, kind, 1)
    out[entry.count_at + 4 : entry.count_at + 8] = packed


def _drop_thumbnails(out: bytearray, pages: Iterator[directories.Directory], first: directories.Directory) -> None:
    """Cut the list of directories behind the first, and wipe out the pictures that the others hold."""
    (at,) = struct.unpack_from(first.order + "I", out, 4)
    (count,) = struct.unpack_from(first.order + "H", out, at)
    try:
        rest = list(pages)
    except ValueError:
        rest = []
    out[at + 2 + 12 * count : at + 6 + 12 * count] = bytes(4)
    for page in rest:
        for offsets, counts in _THUMBNAILS:
            for start, size in zip(page.get(offsets), page.get(counts), strict=False):
                stop = min(start + size, len(out))
                if start >= 8:
                    out[start:stop] = bytes(max(0, stop - start))
                if stop == len(out) and start >= 8:
                    del out[start:]
