"""Palette indices that a BMP file packs as runs.

Source: Microsoft, Bitmap Compression (Win32 API): BI_RLE8, BI_RLE4.
"""

from __future__ import annotations

from typing import Final

from convcli.errors import ImageError
from convcli.pictures.format import LEAST_SHARE, Note, TruncatedError
from convcli.pictures.formats.bmp.headers import RLE4, Layout

_MOST: Final = 255 / 2  # pixels that a byte can stand for
_SKIPPED: Final = Note("colours", "pixels that its runs leave out get the first colour of its palette")


def indices(data: bytes, facts: Layout, complaints: list[str]) -> tuple[bytearray, tuple[Note, ...]]:
    """The index of each pixel, in the order of the file's rows, and what there is to be said of them.

    What lies outside the picture is left out, and complained of. Raises TruncatedError where rows are missing, and
    ImageError where the header promises far more than runs can tell.
    """
    width, height, at = facts.width, facts.height, facts.start
    if width * height * LEAST_SHARE > max(0, len(data) - at) * _MOST:
        fact = f"damaged BMP: its header promises {width} x {height} pixels, more than {len(data)} bytes can hold"
        raise ImageError(fact)
    out, narrow = bytearray(width * height), facts.packing == RLE4
    x = y = written = outside = 0
    while at + 1 < len(data):
        count, value = data[at], data[at + 1]
        at += 2
        if count:
            run = bytes((value >> 4, value & 15)) * (count + 1 >> 1) if narrow else bytes((value,)) * count
        elif value == 0:
            x, y = 0, y + 1
            continue
        elif value == 1:
            break
        elif value == 2:
            if at + 1 >= len(data):
                raise _truncated(y, height)
            x, y, at = x + data[at], y + data[at + 1], at + 2
            continue
        else:  # so many pixels as they are, on an even number of bytes
            count, size = value, value + 1 >> 1 if narrow else value
            run = data[at : at + size]
            if len(run) < size:
                raise _truncated(y, height)
            at += size + (size & 1)
            if narrow:
                run = bytes(half for byte in run for half in (byte >> 4, byte & 15))
        inner = min(count, width - x) if y < height else 0
        if inner > 0:
            out[y * width + x : y * width + x + inner] = run[:inner]
            written += inner
        outside += count - max(0, inner)
        x += count
    else:
        if y < height - 1 or (y == height - 1 and x < width):
            raise _truncated(y, height)
    if outside:
        complaints.append(f"{outside} pixels of its runs lie outside of {width} x {height}")
    return out, (_SKIPPED,) if written < width * height else ()


def _truncated(row: int, height: int) -> TruncatedError:
    return TruncatedError(f"truncated BMP: its runs end in row {row + 1} of {height}")
