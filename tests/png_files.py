"""PNG files made by the specification: any filter for each row, any cut of the stream into chunks."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from tests.support import Pixels

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_file(
    pixels: Pixels,
    *,
    filters: Sequence[int] = (0, 1, 2, 3, 4),
    pieces: Iterable[int] = (),
    level: int = 6,
    before: bytes = b"",
    behind: bytes = b"",
    change: Callable[[bytes], bytes] = lambda stream: stream,
) -> bytes:
    """`pixels` (height, width, channels) of 8 or 16 bits as a file.

    Rows take the `filters` in turn; `pieces` are the lengths of the first IDAT chunks, one more has the rest; further
    chunks stand `before` and `behind` them; `change` makes another zlib stream of the right one.
    """
    height, width, channels = pixels.shape
    rows = pixels.astype(pixels.dtype.newbyteorder(">")).reshape(height, -1).view(np.uint8)
    step = channels * pixels.itemsize
    above = np.zeros_like(rows[0])
    packed = b""
    for number, row in enumerate(rows):
        kind = filters[number % len(filters)]
        packed += bytes([kind]) + (row - _predicted(kind, row, above, step)).tobytes()
        above = row
    stream = change(zlib.compress(packed, level))
    parts, at = [], 0
    for size in pieces:
        parts.append(chunk(b"IDAT", stream[at : at + size]))
        at += size
    parts.append(chunk(b"IDAT", stream[at:]))
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, _COLOURS[channels], 0, 0, 0)
    return b"".join((SIGNATURE, chunk(b"IHDR", header), before, *parts, behind, chunk(b"IEND", b"")))


def _predicted(kind: int, row: Any, above: Any, step: int) -> Any:
    """Clause 9.2 of the specification."""
    a = np.concatenate([np.zeros(step, np.int32), row[:-step].astype(np.int32)])
    b = above.astype(np.int32)
    c = np.concatenate([np.zeros(step, np.int32), b[:-step]])
    p = a + b - c
    other = np.where(abs(p - b) <= abs(p - c), b, c)
    nearest = np.where(abs(p - a) <= np.minimum(abs(p - b), abs(p - c)), a, other)
    guesses = {0: np.zeros_like(a), 1: a, 2: b, 3: (a + b) // 2, 4: nearest}
    return guesses.get(kind, guesses[0]).astype(np.uint8)
