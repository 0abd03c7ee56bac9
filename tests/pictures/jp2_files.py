"""JPEG 2000 files with any boxes, for tests."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import imagecodecs
import numpy as np

from tests.support import Pixels


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def codestream(pixels: Pixels, bits: Sequence[int] | int, *, reversible: bool = True, mct: bool = False) -> bytes:
    """Of components (height, width, count), each of its bits.

    Coded as 16 bits, so that a sample lies as far from the middle as it will when the header says how many there are.
    """
    count = pixels.shape[2]
    depths = np.array([bits] * count if isinstance(bits, int) else bits)
    wide = pixels.astype(np.int64) - (1 << depths - 1) + 32768 if reversible else pixels.astype(np.int64) << 16 - depths
    shaped = wide.astype(np.uint16)[..., 0] if count == 1 else wide.astype(np.uint16)
    data = bytearray(
        imagecodecs.jpeg2k_encode(
            shaped, level=0 if reversible else 80, reversible=reversible, codecformat="j2k", mct=mct
        )
    )
    for index, depth in enumerate(depths.tolist()):
        data[42 + 3 * index] = depth - 1
    return bytes(data)


def jp2(stream: bytes, *boxes: bytes) -> bytes:
    """A file of a codestream, with the boxes that say of its components what they are."""
    width, height, count, bits = (*struct.unpack_from(">II", stream, 8), stream[41], stream[42])
    head = box(b"ihdr", struct.pack(">IIHBBBB", height, width, count, bits, 7, 0, 0))
    return b"".join((
        b"\0\0\0\x0cjP  \r\n\x87\n", box(b"ftyp", b"jp2 \0\0\0\0jp2 "), box(b"jp2h", head + b"".join(boxes)),
        box(b"jp2c", stream),
    ))  # fmt: skip


def space(number: int) -> bytes:
    return box(b"colr", struct.pack(">BBBI", 1, 0, 0, number))


def profile(content: bytes, method: int = 2) -> bytes:
    return box(b"colr", bytes((method, 0, 0)) + content)


def meanings(*channels: tuple[int, int, int]) -> bytes:
    """Of each channel its number, its type (0 colour, 1 opacity, 2 of premultiplied colours) and its colour."""
    return box(b"cdef", struct.pack(">H", len(channels)) + b"".join(struct.pack(">HHH", *entry) for entry in channels))


def palette(columns: Pixels, bits: Sequence[int], mapping: Sequence[tuple[int, int, int]] = ()) -> bytes:
    """A palette (rows, columns), and for each channel its component, whether it is looked up, and its column."""
    rows, count = columns.shape
    form = ">" + "".join("B" if depth <= 8 else "H" for depth in bits)
    body = struct.pack(">HB", rows, count) + bytes(depth - 1 for depth in bits)
    body += b"".join(struct.pack(form, *row) for row in columns.tolist())
    channels = mapping or [(0, 1, column) for column in range(count)]
    return box(b"pclr", body) + box(b"cmap", b"".join(struct.pack(">HBB", *channel) for channel in channels))
