"""BMP files of every kind of header, written after the descriptions of them, for tests."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from tests.support import Pixels

Masks = Sequence[int]
HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)


def bmp(
    body: bytes, width: int, height: int, bits: int, *, size: int = 40, packing: int = 0, palette: Pixels | None = None,
    masks: Masks = (), used: int | None = None, gap: int = 0,
) -> bytes:  # fmt: skip
    """A file of these packed rows. `height` is negative where the top row is the first; `gap` bytes precede the rows.

    `palette` is (colours, 3) in RGB order. `masks` stand inside the header from one of 52 bytes on, else behind it.
    """
    colours = len(palette) if palette is not None else 0
    if size == 12:
        head = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        head = struct.pack(
            "<IiiHHIIiiII", size, width, height, 1, bits, packing, len(body), 2835, 2835,
            colours if used is None else used, 0,
        )  # fmt: skip
        inside = struct.pack(f"<{len(masks)}I", *masks) if size >= 52 and size != 64 else b""
        head = (head + inside).ljust(size, b"\0")[:size]
        head += struct.pack(f"<{len(masks)}I", *masks) if not inside else b""
    entry = 3 if size == 12 else 4
    table = b"".join(bytes((*colour[::-1], 0))[:entry] for colour in (palette.tolist() if colours else []))  # type: ignore[union-attr]
    start = 14 + len(head) + len(table) + gap
    return struct.pack("<2sIHHI", b"BM", start + len(body), 0, 0, start) + head + table + bytes(gap) + body


def packed(values: Pixels, bits: int, *, downwards: bool = False) -> bytes:
    """Rows of numbers of so many bits each, the lowest first unless `downwards`, each filled up to four bytes."""
    rows = values if downwards else values[::-1]
    out = []
    for row in rows:
        if bits >= 8:
            line = b"".join(int(value).to_bytes(bits // 8, "little") for value in row)
        else:
            digits = "".join(f"{value:0{bits}b}" for value in row)
            digits += "0" * (-len(digits) % 8)
            line = int(digits, 2).to_bytes(len(digits) // 8, "big")
        out.append(line + bytes(-len(line) % 4))
    return b"".join(out)


def joined(channels: Pixels, masks: Masks) -> Pixels:
    """Numbers that have each channel (height, width, count) in the bits of its mask."""
    total = np.zeros(channels.shape[:2], np.int64)
    for channel, mask in zip(np.moveaxis(channels, 2, 0), masks, strict=True):
        total |= channel.astype(np.int64) * (mask & -mask)
    return total
