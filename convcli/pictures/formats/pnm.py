"""Netpbm: PBM, PGM, PPM and PAM."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


def read_pixels(data: bytes, *, shape: tuple[int, int, int], maximum: int, start: int) -> Array:
    """The pixels of a binary PGM, PPM or PAM from byte `start` on: uint8, or uint16 where `maximum` is above 255.

    Raises ValueError where the file is too short for them.
    """
    import numpy as np

    dtype = np.dtype(">u2" if maximum > 255 else np.uint8)
    needed, left = math.prod(shape) * dtype.itemsize, len(data) - start
    if left < needed:
        raise ValueError(f"its pixels need {needed} bytes, {left} are left")
    return np.frombuffer(data, dtype, math.prod(shape), start).reshape(shape).astype(dtype.newbyteorder("="))


def full_range(pixels: Array, maximum: int) -> Array:
    """Integer pixels up to `maximum` scaled so that white is their dtype's largest value, rounded."""
    import numpy as np

    full = int(np.iinfo(pixels.dtype).max)
    scaled = (np.minimum(pixels, maximum).astype(np.uint32) * full + maximum // 2) // maximum
    return scaled.astype(pixels.dtype)


def write_pixels(pixels: Array, *, format: str) -> bytes:
    """A binary "pnm" (PGM for 1 channel, PPM for 3), "pam" (1 to 4) or "pfm" (1 or 3, float32) file.

    `pixels` are (height, width, channels), uint8 or uint16, or float32 for PFM.
    """
    height, width, channels = pixels.shape
    if format == "pfm":  # rows from the bottom up; a negative scale says little-endian
        head = f"P{'f' if channels == 1 else 'F'}\n{width} {height}\n-1.0\n"
        return head.encode("ascii") + pixels[::-1].astype("<f4").tobytes()
    top = 255 if pixels.dtype.itemsize == 1 else 65535
    if format == "pam":
        kind = ("GRAYSCALE", "GRAYSCALE_ALPHA", "RGB", "RGB_ALPHA")[channels - 1]
        head = f"P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH {channels}\nMAXVAL {top}\nTUPLTYPE {kind}\nENDHDR\n"
    else:
        head = f"P{5 if channels == 1 else 6}\n{width} {height}\n{top}\n"
    return head.encode("ascii") + (pixels if top == 255 else pixels.astype(">u2")).tobytes()
