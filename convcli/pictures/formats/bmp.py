"""BMP, which OpenCV decodes and encodes.

Source: Microsoft, BITMAPINFOHEADER and its successors (Win32 API).
"""

from __future__ import annotations

import struct

import numpy as np

from convcli.pictures.codecs import encoded
from convcli.pictures.format import INCH, NOTHING, Completed, Decoded, Header, Metadata, Pixels, Source, Target, padded
from convcli.pictures.formats import others


def header(data: bytes) -> Header:
    (size,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if size == 12 else "<ii", data, 18)
    return Header(width=abs(width), height=abs(height))


def metadata(data: bytes) -> Metadata:
    if int.from_bytes(data[14:18], "little") < 40:
        return NOTHING
    across, down = struct.unpack_from("<ii", data, 38)
    return Metadata(dpi=(round(across * INCH, 2), round(down * INCH, 2)) if across > 0 and down > 0 else None)


def completed(data: bytes) -> Completed | None:
    (start,) = struct.unpack_from("<I", data, 10)
    size, width, height, _, bits, packing = struct.unpack_from("<IiiHHI", data, 14)
    if size < 40 or packing not in (0, 3):
        return None
    return padded(data, start, (width * bits + 31) // 32 * 4 * abs(height))


def decode(source: Source) -> Decoded:
    decoded = others.decode(source)
    pixels = decoded.pixels
    if pixels.shape[2] == 4 and not pixels[:, :, 3].any():
        pixels = np.ascontiguousarray(pixels[:, :, :3])  # the fourth byte is padding, as it is in most such files
    return Decoded(pixels=pixels)


def encode(pixels: Pixels, target: Target) -> bytes:
    data = encoded(pixels, target)
    dpi = target.metadata.dpi
    return data[:38] + struct.pack("<ii", *(round(side / INCH) for side in dpi)) + data[46:] if dpi else data
