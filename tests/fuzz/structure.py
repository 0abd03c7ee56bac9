"""Where the numbers and the parts of a file lie, per format: what a random byte seldom hits and a decoder relies on.

The walks are lenient, since they also go over files that were changed already: they end where nothing fits any more.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Field:
    """A number of `size` bytes at byte `at`, `order` "little" or "big"; size 0: decimal digits up to byte `end`."""

    at: int
    size: int
    order: str = "big"
    end: int = 0


@dataclass(frozen=True)
class Structure:
    """The fields of a file, and its parts as (start, end): chunks, segments, boxes, directory entries, rows of text."""

    fields: tuple[Field, ...]
    parts: tuple[tuple[int, int], ...]


def structure(data: bytes, format: str) -> Structure:
    """The fields and parts of a file, none where the format has none that matter."""
    walk = _WALKS.get(format)
    fields: list[Field] = []
    parts: list[tuple[int, int]] = []
    try:
        for actual in walk(data) if walk else ():
            if isinstance(actual, Field):
                if actual.at >= 0 and max(actual.at + actual.size, actual.end) <= len(data):
                    fields.append(actual)
            else:
                parts.append(actual)
    except (struct.error, IndexError, OverflowError):
        return Structure(tuple(fields), tuple(parts))
    return Structure(tuple(fields), tuple(parts))


def repaired(data: bytes, format: str) -> bytes:
    """The file with its checksums and total sizes set right, so that the rest of a change is what is looked at."""
    out = bytearray(data)
    if format == "png":
        for start, end in structure(data, "png").parts:
            if end <= len(data):
                out[end - 4 : end] = zlib.crc32(out[start + 4 : end - 4]).to_bytes(4, "big")
    elif format == "webp" and len(data) > 12:
        out[4:8] = (len(data) - 8).to_bytes(4, "little")
    elif format == "bmp" and len(data) > 6:
        out[2:6] = len(data).to_bytes(4, "little")
    return bytes(out)


Found = Field | tuple[int, int]


def _png(data: bytes) -> Iterator[Found]:
    at = 8
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        yield Field(at, 4)
        yield at, min(at + 12 + length, len(data))
        if kind in (b"IHDR", b"acTL", b"fcTL", b"pHYs"):
            yield from (Field(at + 8 + 4 * word, 4) for word in range(min(length // 4, 6)))
        if kind == b"IHDR":
            yield from (Field(at + 16 + byte, 1) for byte in range(5))
        at += 12 + length


def _jpeg(data: bytes) -> Iterator[Found]:
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        yield Field(at + 1, 1)
        yield Field(at + 2, 2)
        yield at, min(at + 2 + length, len(data))
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            yield from (Field(at + 5, 2), Field(at + 7, 2))
        if marker == 0xE1:
            yield from _tiff(data, at + 10)
        else:
            yield from (Field(at + byte, 1) for byte in range(4, min(2 + length, 24)))
        at += 2 + length
        if marker == 0xDA:
            break
    for actual in re.finditer(rb"\xff[\x01-\xfe]", data[at:]):
        yield Field(at + actual.start() + 1, 1)


def _tiff(data: bytes, base: int = 0) -> Iterator[Found]:
    order, sign = ("little", "<") if data[base : base + 1] == b"I" else ("big", ">")
    big = data[base + 2 : base + 4] in (b"+\0", b"\0+")
    word, letter, entry = (8, "Q", 20) if big else (4, "I", 12)
    pointer = base + (8 if big else 4)
    for _ in range(8):
        yield Field(pointer, word, order)
        (at,) = struct.unpack_from(sign + letter, data, pointer)
        at += base
        if at <= base:
            return
        (count,) = struct.unpack_from(sign + ("Q" if big else "H"), data, at)
        yield Field(at, 8 if big else 2, order)
        at += 8 if big else 2
        for start in range(at, at + entry * min(count, 64), entry):
            yield start, start + entry
            yield from (Field(start, 2, order), Field(start + 2, 2, order), Field(start + 4, word, order))
            yield from (Field(start + 4 + word, word, order), Field(start + 4 + word, 2, order))
            (values,) = struct.unpack_from(sign + letter, data, start + 4 + word)
            if base + values + 8 <= len(data):
                yield from (Field(base + values, 2, order), Field(base + values, 4, order))
        pointer = at + entry * count


def _webp(data: bytes) -> Iterator[Found]:
    yield Field(4, 4, "little")
    yield from _riff(data, 12, len(data))


def _riff(data: bytes, at: int, end: int) -> Iterator[Found]:
    while at + 8 <= end:
        kind, length = struct.unpack_from("<4sI", data, at)
        yield Field(at + 4, 4, "little")
        yield at, min(at + 8 + length + (length & 1), end)
        if kind in (b"VP8X", b"ANMF", b"VP8 ", b"VP8L", b"ANIM"):
            yield from (Field(at + 8 + byte, size, "little") for byte in range(13) for size in (1, 3))
        if kind == b"ANMF":
            yield from _riff(data, at + 24, at + 8 + length)
        at += 8 + length + (length & 1)


_CONTAINERS = {
    b"meta": 4,
    b"iprp": 0,
    b"ipco": 0,
    b"iref": 4,
    b"iinf": 6,
    b"moov": 0,
    b"trak": 0,
    b"mdia": 0,
    b"minf": 0,
}
_CONTAINERS |= {b"stbl": 0, b"jp2h": 0, b"stsd": 8, b"dinf": 0, b"edts": 0}


def _boxes(data: bytes, at: int = 0, end: int = -1) -> Iterator[Found]:
    end = len(data) if end < 0 else end
    while at + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, at)
        stop = end if size == 0 else at + max(size, 8)
        yield Field(at, 4)
        yield Field(at + 4, 1)
        yield at, min(stop, end)
        if kind in _CONTAINERS:
            yield from _boxes(data, at + 8 + _CONTAINERS[kind], min(stop, end))
        elif kind in (b"jp2c",):
            yield from _codestream(data, at + 8)
        elif kind != b"mdat":
            for byte in range(at + 8, min(stop, at + 72)):
                yield from (Field(byte, 1), Field(byte, 4))
        at = stop


def _codestream(data: bytes, at: int = 0) -> Iterator[Found]:
    """JPEG 2000's marker segments."""
    at += 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, length = struct.unpack_from(">HH", data, at)
        yield from (Field(at, 2), Field(at + 2, 2))
        yield at, min(at + 2 + length, len(data))
        if marker == 0xFF51:
            yield from (Field(at + 6 + 4 * word, 4) for word in range(8))
        yield from (Field(at + byte, 1) for byte in range(4, min(2 + length, 48)))
        at += 2 + length
        if marker == 0xFF93:
            return


def _jp2(data: bytes) -> Iterator[Found]:
    yield from _codestream(data) if data.startswith(b"\xff\x4f") else _boxes(data)


def _gif(data: bytes) -> Iterator[Found]:
    yield from (Field(6, 2, "little"), Field(8, 2, "little"), Field(10, 1), Field(11, 1))
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    while at < len(data) and data[at] != 0x3B:
        start = at
        yield Field(at, 1)
        if data[at] == 0x2C:
            yield from (Field(at + 1 + 2 * word, 2, "little") for word in range(4))
            yield from (Field(at + 9, 1), Field(at + 10, 1))
            at += 10 + (3 << (data[at + 9] & 7) + 1 if data[at + 9] & 0x80 else 0)
            yield Field(at, 1)
        else:
            yield Field(at + 1, 1)
            at += 1
        at += 1
        while data[at]:
            yield Field(at, 1)
            at += 1 + data[at]
        at += 1
        yield start, at


def _bmp(data: bytes) -> Iterator[Found]:
    yield from (Field(at, 4, "little") for at in (2, 10, 14, 18, 22, 30, 34, 46, 50))
    yield from (Field(at, 2, "little") for at in (26, 28))
    yield 54, min(54 + 1024, len(data))


def _ras(data: bytes) -> Iterator[Found]:
    yield from (Field(4 * word, 4) for word in range(1, 8))


def _text(data: bytes) -> Iterator[Found]:
    """The numbers and lines of a header in text."""
    head = data[:200]
    for actual in re.finditer(rb"\d+", head):
        yield Field(actual.start(), 0, "", actual.end())
    for actual in re.finditer(rb"[^\n]*\n", head):
        yield actual.span()


def _zip(data: bytes) -> Iterator[Found]:
    """Local headers, directory entries and the end record of a zip archive, and .npy headers inside."""
    for signature, words in ((b"PK\3\4", 30), (b"PK\1\2", 46), (b"PK\5\6", 22)):
        for actual in re.finditer(re.escape(signature), data):
            yield actual.start(), min(actual.start() + words, len(data))
            for byte in range(4, words - 1):
                yield Field(actual.start() + byte, 2, "little")
            for byte in range(4, words - 3):
                yield Field(actual.start() + byte, 4, "little")


def _npy(data: bytes) -> Iterator[Found]:
    yield from (Field(6, 1), Field(7, 1), Field(8, 2, "little"), Field(8, 4, "little"))
    yield from _text(data)


_WALKS = {
    "png": _png, "jpeg": _jpeg, "tiff": _tiff, "webp": _webp, "avif": _boxes, "heif": _boxes, "jp2": _jp2, "gif": _gif,
    "bmp": _bmp, "ras": _ras, "pnm": _text, "pfm": _text, "hdr": _text, "npz": _zip, "npy": _npy,
}  # fmt: skip
