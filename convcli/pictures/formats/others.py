"""Formats that OpenCV decodes right, and those that need little besides: GIF, Radiance HDR, Sun raster."""

from __future__ import annotations

import re
import struct
from typing import Final

from convcli.errors import ImageError
from convcli.pictures.codecs import read, upright
from convcli.pictures.format import Decoded, Header, Source
from convcli.pictures.formats.tiff import directories
from convcli.pictures.sniff import header

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
    at, frames = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0), 0
    while data[at] != 0x3B:
        if data[at] == 0x21:
            at += 2
        elif data[at] == 0x2C:
            flags = data[at + 9]
            at += 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
            frames += 1
        else:
            raise ImageError(f"damaged GIF: no block starts at byte {at}")
        while data[at]:
            at += 1 + data[at]
        at += 1
    if not frames:
        raise ImageError("damaged GIF: it has no frames")
    return Header(width=width, height=height, frames=frames)


def hdr(data: bytes) -> Header:
    size = re.search(_HDR_SIZE, data[:65536])
    if not size:
        raise ImageError("damaged Radiance HDR: no line of its header says the size")
    sides = {size[1]: int(size[2]), size[3]: int(size[4])}
    return Header(width=sides.get(b"X", 0), height=sides.get(b"Y", 0))


def ras(data: bytes) -> Header:
    width, height = struct.unpack_from(">II", data, 4)
    return Header(width=width, height=height)
