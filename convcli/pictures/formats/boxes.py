"""The boxes of ISO media files, in which AVIF and JPEG 2000 keep what they say of a picture; items and tracks of AVIF.

Source: ISO/IEC 14496-12 (ISO base media file format), ISO/IEC 23008-12 (HEIF).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, TypeAlias

from convcli.records import record

#: The bytes of a box's content: its start and its end.
Span: TypeAlias = tuple[int, int]
#: Bytes of a visual sample entry before the boxes in it.
_ENTRY: Final = 78
_ALPHA: Final = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0", b"urn:mpeg:hevc:2015:auxid:1\0")


@record
class Item:
    """A thing in a file: its type in four letters, whether it is hidden, and what else its entry says."""

    kind: bytes
    hidden: bool
    words: bytes


@record
class Items:
    """What a file's `meta` box says: the primary picture's number, the items, and which refer to which.

    `references` are (type, from, to); `properties` those of each item by their type. Of `colr` a profile is under its
    own name, the code points (nclx) are under `nclx`.
    """

    primary: int
    items: dict[int, Item]
    references: list[tuple[bytes, int, int]]
    properties: dict[int, dict[bytes, bytes]]

    def of(self, item: int) -> dict[bytes, bytes]:
        """The properties of an item."""
        return self.properties.get(item, {})

    def auxiliary(self, item: int) -> bytes:
        """What an auxiliary picture is, by its URN; empty where it is none."""
        return self.of(item).get(b"auxC", b"")[4:]

    @property
    def has_alpha(self) -> bool:
        """Whether the primary picture has an opacity."""
        return any(
            kind == b"auxl" and to == self.primary and self.auxiliary(item) in _ALPHA
            for kind, item, to in self.references
        )


def boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, Span]]:
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


def inside(data: bytes, span: Span, *path: bytes) -> Span | None:
    """The box that a path of types leads to, the first of each, from what lies between two bytes; None without it."""
    for kind in path:
        following = next((content for name, content in boxes(data, *span) if name == kind), None)
        if following is None:
            return None
        span = following
    return span


def number(data: bytes, at: int, size: int) -> int:
    """An integer of `size` bytes. Raises ValueError where it is cut off."""
    if at + size > len(data):
        raise ValueError("a box is cut off")
    return int.from_bytes(data[at : at + size], "big")


def items(data: bytes) -> Items | None:
    """What a file says of its items; None where it has none.

    Raises struct.error, IndexError or ValueError for boxes that are cut off inside.
    """
    meta = inside(data, (0, len(data)), b"meta")
    if meta is None:
        return None
    parts = dict(boxes(data, meta[0] + 4, meta[1]))
    primary = number(data, parts[b"pitm"][0] + 4, 4 if data[parts[b"pitm"][0]] else 2) if b"pitm" in parts else 0
    return Items(
        primary=primary,
        items=_items(data, *parts[b"iinf"]) if b"iinf" in parts else {},
        references=_references(data, *parts[b"iref"]) if b"iref" in parts else [],
        properties=_properties(data, *parts[b"iprp"]) if b"iprp" in parts else {},
    )


def track(data: bytes) -> tuple[dict[bytes, bytes], tuple[int, ...], bool] | None:
    """Of the first track of pictures: properties of its samples, its turn (a, b, c, d of 65536), whether it has alpha.

    None where there is no such track.
    """
    pictures, alpha = [], False
    for kind, span in boxes(data, *(inside(data, (0, len(data)), b"moov") or (0, 0))):
        entries = inside(data, span, b"mdia", b"minf", b"stbl", b"stsd") if kind == b"trak" else None
        first = next(boxes(data, entries[0] + 8, entries[1]), None) if entries else None
        head = inside(data, span, b"tkhd")
        if first is None or head is None or first[0] != b"av01":
            continue
        start, end = first[1]
        properties = _described((kind, data[a:b]) for kind, (a, b) in boxes(data, start + _ENTRY, end))
        properties[b"ispe"] = struct.pack(">4xII", *struct.unpack_from(">HH", data, start + 24))
        if properties.get(b"auxi", b"")[4:] in _ALPHA:
            alpha = True
        elif b"auxi" not in properties:
            a, b, _, c, d = struct.unpack_from(">5i", data, head[0] + (52 if data[head[0]] else 40))
            pictures.append((properties, (a, b, c, d)))
    return (*pictures[0], alpha) if pictures else None


def _described(contents: Iterator[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Properties by their type, colours by what they are given as."""
    return {b"nclx" if kind == b"colr" and body[:4] == b"nclx" else kind: body for kind, body in contents}


def _properties(data: bytes, start: int, end: int) -> dict[int, dict[bytes, bytes]]:
    """The properties that `ipma` gives to items."""
    parts = dict(boxes(data, start, end))
    known = [(kind, data[a:b]) for kind, (a, b) in boxes(data, *parts[b"ipco"])]
    at = parts[b"ipma"][0]
    version, wide = data[at], data[at + 3] & 1
    count, at = number(data, at + 4, 4), at + 8
    properties: dict[int, dict[bytes, bytes]] = {}
    for _ in range(min(count, 65536)):
        item = number(data, at, 4 if version else 2)
        at += 4 if version else 2
        links, at = data[at], at + 1
        indices = [number(data, at + (1 + wide) * link, 1 + wide) & (0x7FFF if wide else 0x7F) for link in range(links)]
        at += (1 + wide) * links
        properties[item] = _described(known[index - 1] for index in indices if 1 <= index <= len(known))
    return properties


def _items(data: bytes, start: int, end: int) -> dict[int, Item]:
    entries: dict[int, Item] = {}
    for kind, (at, stop) in boxes(data, start + (8 if data[start] else 6), end):
        if kind != b"infe" or data[at] < 2:
            continue
        wide = 4 if data[at] > 2 else 2
        item = number(data, at + 4, wide)
        what, words = data[at + 6 + wide : at + 10 + wide], data[at + 10 + wide : stop]
        entries[item] = Item(kind=what, hidden=bool(data[at + 3] & 1), words=words)
    return entries


def _references(data: bytes, start: int, end: int) -> list[tuple[bytes, int, int]]:
    wide = 4 if data[start] else 2
    references = []
    for kind, (at, _) in boxes(data, start + 4, end):
        item, count = number(data, at, wide), number(data, at + wide, 2)
        references += [(kind, item, number(data, at + wide + 2 + wide * index, wide)) for index in range(count)]
    return references


def places(data: bytes) -> dict[int, list[Span]]:
    """The byte ranges of each item that lies in the file itself, be it in a box for small ones (idat).

    Raises ValueError or IndexError where the table is cut off.
    """
    meta = inside(data, (0, len(data)), b"meta") or (0, 0)
    start, end = inside(data, (meta[0] + 4, meta[1]), b"iloc") or (0, 0)
    if not end:
        return {}
    stored = inside(data, (meta[0] + 4, meta[1]), b"idat") or (0, 0)
    version, sizes = data[start], number(data, start + 4, 2)
    offset_size, length_size, base_size, index_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15, sizes & 15
    wide = 4 if version > 1 else 2
    count, at = number(data, start + 6, wide), start + 6 + wide
    ranges: dict[int, list[Span]] = {}
    for _ in range(min(count, 65536)):
        item, at = number(data, at, wide), at + wide
        method = number(data, at, 2) & 15 if version else 0
        at += 4 if version else 2
        base, at = number(data, at, base_size) + (stored[0] if method == 1 else 0), at + base_size
        extents, at = number(data, at, 2), at + 2
        if extents > 1 and not (index_size if version else 0) + offset_size + length_size:  # no bytes, but time
            raise ValueError("a box lists places without saying any")
        spans = []
        for _ in range(extents):
            at += index_size if version else 0
            first = base + number(data, at, offset_size)
            length = number(data, at + offset_size, length_size)
            at += offset_size + length_size
            spans.append((first, first + length))
        if method in (0, 1) and at <= end:
            ranges[item] = spans
    return ranges
