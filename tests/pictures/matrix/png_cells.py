"""PNG cells: every colour type, depth and kind of transparency, plain and interlaced.

Source: W3C PNG (Third Edition), clauses 8 (interlacing), 11.2 and 11.3.1 (tRNS).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from itertools import product

import numpy as np

from tests.pictures.matrix.cells import Cell, Reading
from tests.png_files import SIGNATURE, chunk
from tests.support import Pixels

#: Samples a pixel and depths of the colour types.
TYPES = {0: (1, (1, 2, 4, 8, 16)), 2: (3, (8, 16)), 3: (1, (1, 2, 4, 8)), 4: (2, (8, 16)), 6: (4, (8, 16))}
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_SIZES = [(1, 1), (5, 7), (33, 17), (2, 9)]


def png(values: Pixels, colour: int, depth: int, *, interlaced: bool, chunks: bytes = b"") -> bytes:
    """The file of `values` (height, width, samples), rows without filters or with the filter Sub in turn."""
    height, width = values.shape[:2]
    raw = b""
    for x, y, across, down in _ADAM7 if interlaced else ((0, 0, 1, 1),):
        part = values[y::down, x::across]
        if part.size:
            raw += _rows(part, depth)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    parts = chunk(b"IHDR", header), chunks, chunk(b"IDAT", zlib.compress(raw)), chunk(b"IEND", b"")
    return SIGNATURE + b"".join(parts)


def _rows(part: Pixels, depth: int) -> bytes:
    height, _, samples = part.shape
    bits = (part.reshape(height, -1, 1) >> np.arange(depth - 1, -1, -1)) & 1
    packed = np.packbits(bits.reshape(height, -1).astype(np.uint8), axis=1)
    step, out = max(1, samples * depth // 8), b""
    for number, row in enumerate(packed):
        before = np.concatenate([np.zeros(step, np.uint8), row[:-step]])[: len(row)]
        out += b"\0" + row.tobytes() if number % 2 else b"\1" + (row - before).tobytes()
    return out


def cells() -> Iterator[Cell]:
    for colour, (samples, depths) in TYPES.items():
        for depth, interlaced, size in product(depths, (False, True), _SIZES):
            rng = np.random.default_rng(depth)
            for name, before, transparent in _transparency(colour, depth, rng):
                values = rng.integers(0, 1 << depth, (*size, samples))
                if len(transparent) == samples and colour in (0, 2):
                    values[0, 0] = transparent  # one pixel at least
                data = png(values, colour, depth, interlaced=interlaced, chunks=before)
                yield Cell(
                    name=f"type {colour}, {depth} bits, {'inter' * interlaced}laced, {size}, {name}",
                    file=lambda data=data: data, readings=_right(values, colour, depth, before, transparent),
                    extension=".png", format="png",
                )  # fmt: skip


def _transparency(colour: int, depth: int, rng: np.random.Generator) -> Iterator[tuple[str, bytes, list[int]]]:
    """Kinds of transparency: a name, the chunks that say it, and the values: of a sample, or of a palette's entries."""
    if colour == 3:
        palette = chunk(b"PLTE", rng.integers(0, 256, 3 << depth).astype(np.uint8).tobytes())
        yield "opaque", palette, []
        for share in (1, 2):
            alpha = rng.integers(0, 256, max(1, (1 << depth) // share)).astype(np.uint8)
            yield f"tRNS of a {share}. of the palette", palette + chunk(b"tRNS", alpha.tobytes()), alpha.tolist()
        return
    yield "opaque" if colour < 4 else "alpha", b"", []
    if colour in (0, 2):
        value = rng.integers(0, 1 << depth, 3 if colour else 1).tolist()
        yield "tRNS", chunk(b"tRNS", struct.pack(f">{len(value)}H", *value)), value


def _right(values: Pixels, colour: int, depth: int, before: bytes, transparent: list[int]) -> tuple[Reading, ...]:
    dtype, full = (np.uint16, 65535) if depth == 16 else (np.uint8, 255)
    if colour == 3:
        table = np.frombuffer(before[8 : 8 + (3 << depth)], np.uint8).reshape(-1, 3)
        pixels = table[values[..., 0]]
        if transparent:
            alpha = np.array(transparent + [255] * ((1 << depth) - len(transparent)), np.uint8)[values]
            pixels = np.concatenate([pixels, alpha], axis=2)
    else:
        pixels = (values * full // ((1 << depth) - 1)).astype(dtype)
        if transparent:
            alpha = np.where((values == transparent).all(axis=2, keepdims=True), 0, full).astype(dtype)
            pixels = np.concatenate([pixels, alpha], axis=2)
    colours = 3 if pixels.shape[2] > 2 else 1
    return (Reading(pixels=pixels, colours=colours, extra=("straight",) * (pixels.shape[2] - colours)),)
