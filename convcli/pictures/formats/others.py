"""Formats that OpenCV decodes right, and those that need little besides: GIF and Radiance HDR."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Final

from convcli.errors import ImageError
from convcli.pictures.codecs import read, upright
from convcli.pictures.format import Decoded, Header, Metadata, Source
from convcli.pictures.formats.tiff import directories
from convcli.pictures.sniff import header

_EXTENSION, _FRAME = 0x21, 0x2C  # how blocks of a GIF begin
_CONTROL = 0xF9
#: Graphic controls that say that no colour is transparent, and that the first one is.
_OPAQUE, _TRANSPARENT = (bytes((_EXTENSION, _CONTROL, 4, flag, 0, 0, 0, 0)) for flag in (0, 1))
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


def gif_decode(source: Source) -> Decoded:
    """The first frame of a GIF, with alpha where one of its colours is transparent."""
    header(source.data, source.format)  # it is whole
    return decode(replace(source, data=_with_alpha(source.data)) if _transparent(source.data)[0] else source)


def gif_ordered(data: bytes) -> bytes:
    """A GIF as OpenCV reads it right: with alpha where any frame has a colour that is transparent, and a graphic
    control for each frame, since it would take that of the frame before."""
    transparent = _transparent(data)
    if None in transparent:
        starts = [at for kind, at in _blocks(data) if kind == _FRAME]
        lacking = [at for at, said in zip(starts, transparent, strict=True) if said is None]
        cuts = pairwise((0, *lacking, len(data)))
        data = _OPAQUE.join(data[start:stop] for start, stop in cuts)
    return _with_alpha(data) if any(transparent) else data


def _with_alpha(data: bytes) -> bytes:
    """A GIF that OpenCV, which goes by its last graphic control alone, reads with alpha."""
    end = max(_end(data, kind, at) for kind, at in _blocks(data))
    return data[:end] + _TRANSPARENT + data[end:]


def _transparent(data: bytes) -> list[bool | None]:
    """Whether a graphic control says that a colour is transparent, for each frame; None where it has none."""
    frames: list[bool | None] = []
    said: bool | None = None
    for kind, at in _blocks(data):
        if kind == _FRAME:
            frames.append(said)
            said = None
        elif data[at + 1] == _CONTROL:
            said = bool(data[at + 3] & 1)
    return frames


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
        at = _end(data, data[at], at)


def _end(data: bytes, kind: int, at: int) -> int:
    """Where the block of a GIF that begins at a byte ends."""
    if kind == _EXTENSION:
        at += 2
    else:
        flags = data[at + 9]
        at += 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    while data[at]:
        at += 1 + data[at]
    return at + 1


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
