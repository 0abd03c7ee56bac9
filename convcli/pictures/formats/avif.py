"""AVIF: what the boxes of its files say, most of which OpenCV passes over, which decodes and encodes them.

Source: ISO/IEC 14496-12 (ISO base media file format), ISO/IEC 23008-12 (HEIF), AVIF 1.1.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from convcli.pictures.codecs import encoded, encoded_frames
from convcli.pictures.format import EXIF_MARK, NOTHING, Animation, Header, Metadata, Pixels, Target
from convcli.pictures.formats.tiff import directories
from convcli.pictures.opencv import opencv
from convcli.pictures.registry import brands

#: The EXIF orientation that quarter turns (irot, anticlockwise) and then a mirror (imir: 0 up-down, 1 left-right) make.
_ORIENTATIONS: Final = {
    (0, -1): 1, (1, -1): 8, (2, -1): 3, (3, -1): 6,
    (0, 0): 4, (1, 0): 5, (2, 0): 2, (3, 0): 7,
    (0, 1): 2, (1, 1): 7, (2, 1): 4, (3, 1): 5,
}  # fmt: skip


def header(data: bytes) -> Header:
    try:
        facts = inspect(data)[0]
    except (struct.error, IndexError, ValueError, KeyError):
        facts = Header(orientation=1)
    if b"avis" not in brands(data):
        return facts
    at = data.find(b"stsz", data.find(b"moov"))  # the table of sample sizes; its third word is their number
    return replace(facts, frames=max(1, struct.unpack_from(">I", data, at + 12)[0]) if at > 0 else 1)


def metadata(data: bytes) -> Metadata:
    blocks = inspect(data)[1]
    return replace(blocks, dpi=directories.dpi(blocks.exif))


def encode(pixels: Pixels, target: Target) -> bytes:
    """Read back, since OpenCV may cut it short."""
    return encoded(pixels, target, _flags(target), described=True, by_header=False)


def encode_frames(animation: Animation, target: Target) -> bytes:
    """A sequence, which takes no metadata and no `loops`."""
    return encoded_frames(animation, target, _flags(target))


def _flags(target: Target) -> list[int]:
    cv2 = opencv()
    quality, speed = target.settings["quality"], target.settings["speed"]
    return [cv2.IMWRITE_AVIF_QUALITY, quality, cv2.IMWRITE_AVIF_SPEED, speed]


def inspect(data: bytes) -> tuple[Header, Metadata]:
    """What the primary picture's properties and the file's metadata items say; the picture's size is that stored.

    Raises struct.error, IndexError or ValueError for boxes that are cut off inside.
    """
    meta = next((body for kind, body in boxes(data, 0, len(data)) if kind == b"meta"), None)
    if meta is None:
        return Header(orientation=1), NOTHING
    parts = dict(boxes(data, meta[0] + 4, meta[1]))
    primary = _number(data, parts[b"pitm"][0] + 4, 4 if data[parts[b"pitm"][0]] else 2) if b"pitm" in parts else 0
    fields = _properties(data, *parts[b"iprp"], primary) if b"iprp" in parts else {}
    items = _items(data, *parts[b"iinf"]) if b"iinf" in parts else {}
    places = _places(data, *parts[b"iloc"]) if b"iloc" in parts else {}
    contents = {kind: b"".join(data[a:b] for a, b in places.get(item, [])) for item, kind in items.items()}
    block = contents.get("exif", b"")
    if block:  # four bytes say where the TIFF header starts
        block = block[4 + _number(block, 0, 4) :].removeprefix(EXIF_MARK)
    sides = struct.unpack_from(">II", fields.get(b"ispe", b""), 4) if len(fields.get(b"ispe", b"")) >= 12 else (0, 0)
    turns = fields.get(b"irot", b"\0")[0] & 3
    mirror = fields[b"imir"][0] & 1 if b"imir" in fields else -1
    colour = fields.get(b"colr", b"")
    icc = colour[4:] if colour[:4] in (b"prof", b"rICC") else b""
    facts = Header(width=sides[0], height=sides[1], orientation=_ORIENTATIONS[turns, mirror])
    return facts, Metadata(icc=icc, exif=block, xmp=contents.get("xmp", b""))


def boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """(type, (start, end) of its content) of each box between two bytes."""
    while at + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start)
            start += 8
        elif size == 0:
            size = end - at
        if size < start - at or at + size > end:
            return
        yield kind, (start, at + size)
        at += size


def _number(data: bytes, at: int, size: int) -> int:
    if at + size > len(data):
        raise ValueError("a box is cut off")
    return int.from_bytes(data[at : at + size], "big")


def _properties(data: bytes, start: int, end: int, item: int) -> dict[bytes, bytes]:
    """The properties that `ipma` gives to an item; of `colr` the one with a profile."""
    parts = dict(boxes(data, start, end))
    known = [(kind, data[a:b]) for kind, (a, b) in boxes(data, *parts[b"ipco"])]
    at = parts[b"ipma"][0]
    version, wide = data[at], data[at + 3] & 1
    count, at = _number(data, at + 4, 4), at + 8
    properties: dict[bytes, bytes] = {}
    for _ in range(min(count, 65536)):
        number = _number(data, at, 4 if version else 2)
        at += 4 if version else 2
        links, at = data[at], at + 1
        for _ in range(links):
            index = _number(data, at, 1 + wide) & (0x7FFF if wide else 0x7F)
            at += 1 + wide
            if number == item and 1 <= index <= len(known):
                kind, content = known[index - 1]
                if kind != b"colr" or content[:4] != b"nclx":
                    properties[kind] = content
    return properties


def _items(data: bytes, start: int, end: int) -> dict[int, str]:
    """The items that are "exif" or "xmp"."""
    items: dict[int, str] = {}
    for kind, (at, stop) in boxes(data, start + (8 if data[start] else 6), end):
        if kind != b"infe" or data[at] < 2:
            continue
        wide = 4 if data[at] > 2 else 2
        item, what = _number(data, at + 4, wide), data[at + 6 + wide : at + 10 + wide]
        if what == b"Exif":
            items[item] = "exif"
        elif what == b"mime" and b"application/rdf+xml" in data[at:stop]:
            items[item] = "xmp"
    return items


def _places(data: bytes, start: int, end: int) -> dict[int, list[tuple[int, int]]]:
    """The byte ranges of each item that lies in the file itself."""
    version, sizes = data[start], _number(data, start + 4, 2)
    offset_size, length_size, base_size, index_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15, sizes & 15
    wide = 4 if version > 1 else 2
    count, at = _number(data, start + 6, wide), start + 6 + wide
    places: dict[int, list[tuple[int, int]]] = {}
    for _ in range(min(count, 65536)):
        item, at = _number(data, at, wide), at + wide
        method = _number(data, at, 2) & 15 if version else 0
        at += 4 if version else 2
        base, at = _number(data, at, base_size), at + base_size
        extents, at = _number(data, at, 2), at + 2
        if extents > 1 and not (index_size if version else 0) + offset_size + length_size:  # no bytes, but time
            raise ValueError("a box lists places without saying any")
        spans = []
        for _ in range(extents):
            at += index_size if version else 0
            first = base + _number(data, at, offset_size)
            length = _number(data, at + offset_size, length_size)
            at += offset_size + length_size
            spans.append((first, first + length))
        if method == 0 and at <= end:
            places[item] = spans
    return places
