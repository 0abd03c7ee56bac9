"""JPEG 2000, which OpenCV decodes and encodes.

Source: ITU-T T.800, annexes A and I.
"""

from __future__ import annotations

import struct
from typing import Final

from convcli.errors import ImageError
from convcli.pictures.encoder import encoded
from convcli.pictures.format import Header, Target, TruncatedError
from convcli.pictures.formats.avif import boxes
from convcli.pictures.opencv import opencv
from convcli.pictures.pixels import Pixels

_CODESTREAM: Final = b"\xff\x4f\xff\x51"
_LEAST: Final = 32  # pixels a side: OpenCV asks for five halvings, and leaves a temporary file where it fails


def header(data: bytes) -> Header:
    """The SIZ segment, with which a codestream starts; in a JP2 file it lies in a box of its own."""
    inside = boxes(data, 0, 0 if data.startswith(_CODESTREAM) else len(data))
    at = next((start for kind, (start, _) in inside if kind == b"jp2c"), 0)
    if not data.startswith(_CODESTREAM, at):
        raise TruncatedError("damaged or truncated JPEG 2000: no codestream starts where its boxes say")
    right, bottom, left, top = struct.unpack_from(">4I", data, at + 8)
    return Header(width=max(0, right - left), height=max(0, bottom - top))


def encode(pixels: Pixels, target: Target) -> bytes:
    cv2 = opencv(target.place)
    height, width = pixels.shape[:2]
    if min(height, width) < _LEAST:
        fact = f"OpenCV can't write {width} x {height} as jp2"
        raise ImageError(fact, place=target.place, hint=f"it needs {_LEAST} pixels a side")
    flags = [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, target.settings["compression"]]
    return encoded(pixels, target, flags, by_header=False)
