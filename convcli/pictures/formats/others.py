"""Formats that OpenCV decodes right, and those that need little besides: GIF and Radiance HDR."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator
from typing import Final

from convcli.errors import ImageError
from convcli.pictures.codecs import read, upright
from convcli.pictures.format import Decoded, Header, Metadata, Source
from convcli.pictures.formats.tiff import directories
from convcli.pictures.sniff import header

_EXTENSION, _FRAME = 0x21, 0x2C  # how blocks of a GIF begin
_HDR_SIZE: Final = rb"\n[-+]([XY]) (\d{1,9}) [-+]([XY]) (\d{1,9})\n"


def decode(source: Source) -> Decoded:
    """What OpenCV makes of a file, turned upright."""
    facts = header(source.data, source.format)
    source.limit(facts.width, facts.height)
    pixels = read(source, source.data)
    orientation = facts.orientation or directories.orientation(facts.exif)
    return Decoded(pixels=upright(pixels, orientation), frames=facts.frames)


def gif(data: bytes) -> Header:
    """Walk the blocks up to the trailer, counting the frames."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    frames = 0
    for kind, at in _blocks(data):
        if kind != _FRAME:
            continue
        frames += 1
        x, y, across, down, local = struct.unpack_from("<HHHHB", data, at + 1)
        if not (flags | local) & 0x80:
            raise ImageError(f"unsupported GIF: its frame {frames} has no palette")
        if frames == 1 and (x + across > width or y + down > height or not across or not down):
            raise ImageError(f"unsupported GIF: a frame of {across} x {down} at {x}, {y} in {width} x {height}")
    if not frames:
        raise ImageError("damaged GIF: it has no frames")
    return Header(width=width, height=height, frames=frames)


def gif_metadata(data: bytes) -> Metadata:
    """The comments, and XMP and an ICC profile in application blocks."""
    texts, parts = [], {}
    for kind, at in _blocks(data):
        label = data[at + 1] if kind == _EXTENSION else 0
        if label == 0xFE:
            texts.append(("Comment", _joined(data, at + 2).decode("utf-8", "replace")))
        elif label == 0xFF and data[at + 3 : at + 14] == b"ICCRGBG1012":
            parts["icc"] = _joined(data, at + 14)
        elif label == 0xFF and data[at + 3 : at + 14] == b"XMP DataXMP":  # as it is, with a trailer that closes blocks
            end = data.find(b"\x01\xff\xfe", at)
            parts["xmp"] = data[at + 14 : end] if end > 0 else b""
    return Metadata(icc=parts.get("icc", b""), xmp=parts.get("xmp", b""), texts=tuple(texts))


def _blocks(data: bytes) -> Iterator[tuple[int, int]]:
    """(kind, byte where it starts) of a GIF's extensions and frames. Raises ImageError where neither starts."""
    flags = data[10]
    at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    while data[at] != 0x3B:
        if data[at] not in (_EXTENSION, _FRAME):
            raise ImageError(f"damaged GIF: no block starts at byte {at}")
        yield data[at], at
        if data[at] == _EXTENSION:
            at += 2
        else:
            flags = data[at + 9]
            at += 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
        while data[at]:
            at += 1 + data[at]
        at += 1


def _joined(data: bytes, at: int) -> bytes:
    """The content of blocks of up to 255 bytes, which end with an empty one."""
    parts = []
    while data[at]:
        parts.append(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
    return b"".join(parts)


def hdr(data: bytes) -> Header:
    head = data[:65536]
    size = re.search(_HDR_SIZE, head)
    if not size:
        raise ImageError("damaged Radiance HDR: no line of its header says the size")
    fields = _fields(head[: size.start()])
    if b"-Y " not in size[0][:4] or b" +X " not in size[0]:
        words = size[0].decode("ascii").strip()
        raise ImageError(f"unsupported Radiance HDR: its rows lie as {words}; -Y and then +X can be read")
    kind = fields.get("FORMAT", ["nothing"])[-1]
    if kind != "32-bit_rle_rgbe":
        raise ImageError(f"unsupported Radiance HDR: its format is {kind}; 32-bit_rle_rgbe can be read")
    sides = {size[1]: int(size[2]), size[3]: int(size[4])}
    return Header(width=sides.get(b"X", 0), height=sides.get(b"Y", 0))


def hdr_metadata(data: bytes) -> Metadata:
    """What a header says of its samples that no result says: nothing is taken up."""
    size = re.search(_HDR_SIZE, data[:65536])
    fields = _fields(data[: size.start()] if size else b"")
    lost = []
    exposure = math.prod(float(value) for value in fields.get("EXPOSURE", ()))
    if exposure != 1:
        lost.append(f"exposure of {exposure:g} dropped: its samples stay multiplied by it")
    for name in ("COLORCORR", "PIXASPECT", "PRIMARIES", "GAMMA"):
        values = [value for value in fields.get(name, ()) if set(map(float, value.split())) != {1.0}]
        if values:
            lost.append(f"{name} of {values[-1]} dropped")
    return Metadata(lost=tuple(lost))


def _fields(head: bytes) -> dict[str, list[str]]:
    """The lines NAME=value of a header, each name with all its values."""
    fields: dict[str, list[str]] = {}
    for name, value in re.findall(rb"^([A-Z]{1,20})=[ \t]*(.{1,200}?)[ \t\r]*$", head, re.M):
        fields.setdefault(name.decode("ascii"), []).append(value.decode("latin-1"))
    return fields
