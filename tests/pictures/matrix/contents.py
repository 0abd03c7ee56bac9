"""What the samples of a page may be: noise over the whole range, in which every mistake shows."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from tests.pictures.matrix.pages import Page
from tests.support import Pixels

#: What numpy holds samples in, until they are packed.
_HELD = {"u": np.uint64, "v": np.uint64, "i": np.int64, "f": np.float64, "c": np.complex128, "z": np.complex128}


def samples_of(page: Page) -> Pixels:
    """(height, width, samples), the same for the same page; colours stored premultiplied are from 0 to their alpha."""
    rng = np.random.default_rng(zlib.crc32(repr(page).encode()))
    shape = (*page.size, page.samples)
    alpha = page.samples - len(page.extra) + page.extra.index(1) if page.extra and 1 in page.extra else -1
    if page.kind in "cz":
        return (rng.integers(-99, 99, shape) + 1j * rng.integers(-99, 99, shape)).astype(_HELD[page.kind])
    if page.kind == "f":
        return _floats(rng, shape, page.depths[0], alpha)
    out = np.empty(shape, _HELD[page.kind])
    for s, bits in enumerate(page.depths):
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if page.kind == "i" else (0, (1 << bits) - 1)
        out[..., s] = rng.integers(low, high, shape[:2], out.dtype, endpoint=True)
        out[0, 0, s], out[-1, -1, s] = high, low
    if alpha >= 0:
        np.maximum(out[..., : alpha + 1], 0, out=out[..., : alpha + 1])
        out[..., :alpha] = np.minimum(out[..., :alpha], out[..., alpha : alpha + 1])
    return out


def _floats(rng: np.random.Generator, shape: tuple[int, ...], bits: int, alpha: int) -> Pixels:
    """Numbers that the depth holds exactly, as float64."""
    values = rng.normal(0, 100, shape)
    if alpha >= 0:
        values[..., alpha] = rng.uniform(0.1, 1, shape[:2])
        values[..., :alpha] = rng.uniform(0, 1, (*shape[:2], alpha)) * values[..., alpha : alpha + 1]
    if bits == 24:
        codes = values.astype(np.float32).view(np.uint32) & np.uint32(0xFFFFFF80)
        return codes.view(np.float32).astype(np.float64)
    return values.astype(f"f{bits // 8}").astype(np.float64)


def colour_map(page: Page, *, eight: bool = False) -> tuple[int, ...]:
    """Red, green and blue of 2 ** bits colours; `eight`: of 8 bits, stored as they are."""
    rng = np.random.default_rng(page.depths[0])
    return tuple(rng.integers(0, 256 if eight else 65536, 3 << page.depths[0]).tolist())


def native(page: Page, values: Pixels) -> Any:
    """The dtype that holds the samples as they are, or scaled to 8, 16, 32 or 64 bits."""
    if page.kind == "f":
        return np.float64 if page.depths[0] == 64 else np.float32
    deepest = next(size for size in (8, 16, 32, 64) if size >= max(page.depths))
    return np.dtype(f"{'i' if page.kind == 'i' else 'u'}{deepest // 8}").type
