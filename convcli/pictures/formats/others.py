"""Formats that OpenCV decodes right, and those that need little besides: JPEG 2000, GIF, Radiance HDR, Sun raster.

Source: ITU-T T.800, annexes A and I (JPEG 2000).
"""

from __future__ import annotations

import re
import struct
from typing import Final

from convcli.errors import ImageError
from convcli.pictures.codecs import encoded, read, upright
from convcli.pictures.format import Decoded, Header, Pixels, Source, Target, TruncatedError
from convcli.pictures.formats.boxes import boxes
from convcli.pictures.formats.tiff import directories
from convcli.pictures.opencv import opencv
from convcli.pictures.sniff import header

_CODESTREAM: Final = b"\xff\x4f\xff\x51"
_LEAST: Final = 32  # pixels a side: OpenCV asks for five halvings, and leaves a temporary file where it fails
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


def jp2(data: bytes) -> Header:
    """The SIZ segment, with which a codestream starts; in a JP2 file it lies in a box of its own."""
    inside = boxes(data, 0, 0 if data.startswith(_CODESTREAM) else len(data))
    at = next((start for kind, (start, _) in inside if kind == b"jp2c"), 0)
    if not data.startswith(_CODESTREAM, at):
        raise TruncatedError("damaged or truncated JPEG 2000: no codestream starts where its boxes say")
    right, bottom, left, top = struct.unpack_from(">4I", data, at + 8)
    return Header(width=max(0, right - left), height=max(0, bottom - top))


def encode_jp2(pixels: Pixels, target: Target) -> bytes:
    cv2 = opencv()
    height, width = pixels.shape[:2]
    if min(height, width) < _LEAST:
        fact = f"OpenCV can't write {width} x {height} as jp2"
        raise ImageError(fact, hint=f"it needs {_LEAST} pixels a side")
    flags = [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, target.settings["compression"]]
    return encoded(pixels, target, flags, by_header=False)
