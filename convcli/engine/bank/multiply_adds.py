"""A kernel per channel on pixels with many channels: shifted multiply-adds, as one call for all taps.

The channels of a row of pixels are one long vector, and so are the weights of a tap, repeated along the row: numpy's
`einsum` multiplies and adds them where the sums are still in the cache. Columns that a stride leaves out are told apart
by their phase first, so that these vectors stay long.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convcli.engine.memory import scratch

if TYPE_CHECKING:
    from convcli.engine.dtypes import Floats
    from convcli.engine.geometry import Grid


def rows_of(weights: Floats, width: int) -> Floats:
    """`(*taps, width * out)`: the `weights` `(out, 1, *taps)` of each tap, repeated for a row of `width` outputs."""
    by_taps = np.moveaxis(weights[:, 0], 0, -1)
    return np.repeat(by_taps[..., None, :], width, axis=-2).reshape(*by_taps.shape[:-1], -1)


def multiply_add(x: Floats, rows: Floats, grid: Grid, y: Floats) -> None:
    """Fills `y` `(*lengths, out)` from pixels `x` `(*spatial, channels)` by the `rows_of` a bank of single channels."""
    outputs, rank = y.shape[-1], rows.ndim - 1
    if outputs != x.shape[-1]:
        x = np.repeat(x, outputs // x.shape[-1], axis=-1)
    *taps, wide = rows.shape
    step, dilation = grid.stride[-1], grid.dilation[-1]
    phases = _phases(x, step)
    outer, sample = phases.strides[:-3], x.itemsize
    pixel = sample * outputs
    places, letters = "abc"[: rank - 1] + "x", "ijk"[:rank]
    added = False
    every = step // math.gcd(step, dilation)
    for tap in range(min(every, taps[-1])):
        own = rows[..., tap::every, :]
        place = tap * dilation
        source = phases[..., place % step, place // step :, :]
        shape = (*grid.lengths[:-1], wide, *taps[:-1], own.shape[-2])
        along = [by * apart for by, apart in zip(grid.stride, outer, strict=False)]
        between = [by * apart for by, apart in zip(grid.dilation, outer, strict=False)]
        view = as_strided(source, shape, (*along, sample, *between, every * dilation // step * pixel))
        sums = scratch("phase sums", (*grid.lengths[:-1], wide), y.dtype) if added else _rows(y)
        np.einsum(f"{places}{letters},{letters}x->{places}", view, own, out=sums)
        if added:
            np.add(_rows(y), sums, out=_rows(y))
        added = True


def _rows(y: Floats) -> Floats:
    """Pixels `(*lengths, out)` with each row as one vector: a view."""
    return y.reshape(*y.shape[:-2], -1)


def _phases(x: Floats, step: int) -> Floats:
    """`(..., width, channels)` as `(..., step, width / step, channels)`: columns told apart by their phase."""
    if step == 1:
        return x[..., None, :, :]
    *outer, width, channels = x.shape
    whole = -(-width // step)
    phases = scratch("column phases", (*outer, step, whole, channels), x.dtype)
    for phase in range(step):
        part = x[..., phase::step, :]
        phases[..., phase, : part.shape[-2], :] = part
    return phases
