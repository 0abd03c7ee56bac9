"""PNG files that were cut short: the pixels inflated as far as they go, zeros after them, and all packed again."""

from __future__ import annotations

import struct
import zlib
from typing import Final

from convcli.pictures.format import LEAST_SHARE, Completed
from convcli.pictures.formats.png.structure import SAMPLES, SIGNATURE, chunk, reader, walked

#: Of each pass of an interlaced picture: the first column and row, and the steps to the next ones.
_ADAM7: Final = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def completed(data: bytes) -> Completed | None:
    width, height, depth, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    packed: list[bytes] = []
    others: list[bytes] = []
    for kind, start, end in walked(reader(data), len(data)):
        if kind == b"IDAT":
            packed.append(data[start:end])
        elif end + 4 <= len(data) and not packed:
            others.append(data[start - 8 : end + 4])
    if colour not in SAMPLES:
        return None
    pixel = depth * SAMPLES[colour]
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    needed = 0
    for x, y, across, down in passes:
        columns, rows = -(-(width - x) // across), -(-(height - y) // down)
        needed += rows * (1 + (columns * pixel + 7) // 8) if columns > 0 and rows > 0 else 0
    if not needed or len(data) * 1032 < needed * LEAST_SHARE:  # deflate packs no tighter
        return None
    raw = zlib.decompressobj().decompress(b"".join(packed), needed)
    if len(raw) < needed * LEAST_SHARE:
        return None
    whole = zlib.compress(raw + bytes(needed - len(raw)), 1)
    file = b"".join((data[: len(SIGNATURE)], *others, chunk(b"IDAT", whole), chunk(b"IEND", b"")))
    return Completed(data=file, share=len(raw) / needed, coarse=bool(interlaced))
