"""A filter bank with few outputs: one matrix product over the channels for all taps, then shifted additions.

Products have as many rows as the bank has outputs times taps, which BLAS takes at full speed; laid out as columns, the
input would be copied once a tap for products that are mostly loads. A transposed convolution is the same: its stamps
are put together after the product.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convcli.engine.dtypes import channels_first
from convcli.engine.memory import scratch

if TYPE_CHECKING:
    from convcli.engine.dtypes import Floats
    from convcli.engine.geometry import Grid


def matrices(weights: Floats, groups: int) -> Floats:
    """`(groups, out/groups * taps, in/groups)` of `weights` `(out, in/groups, *taps)`."""
    outputs, inputs = weights.shape[:2]
    by_taps = np.moveaxis(weights, 1, -1).reshape(groups, outputs // groups * math.prod(weights.shape[2:]), inputs)
    return np.ascontiguousarray(by_taps)


def products(x: Floats, matrix: Floats) -> Floats:
    """All taps on every sample of `x` `(*spatial, channels)`, summed over channels: `(out * taps, *spatial)`."""
    groups, rows, inputs = matrix.shape
    spatial = x.shape[:-1]
    samples = x.reshape(-1, x.shape[-1]).T
    y = scratch("tap products", (groups, rows, samples.shape[1]), x.dtype)
    for own, result, columns in zip(matrix, y, samples.reshape(groups, inputs, -1), strict=True):
        np.matmul(own, columns, out=result)
    return y.reshape(groups * rows, *spatial)


def add_shifted(x: Floats, matrix: Floats, taps: Sequence[int], grid: Grid, y: Floats) -> None:
    """Fills `y` `(*lengths, out)` from `x` `(*spatial, channels)` by the `matrices` of a bank with `taps`."""
    apart, outputs, rank = products(x, matrix), y.shape[-1], len(taps)
    step = apart.strides[0]
    steps = [step * math.prod(taps[axis + 1 :]) for axis in range(rank)]
    moved = [a + b * by for a, b, by in zip(steps, apart.strides[1:], grid.dilation, strict=True)]
    along = [a * by for a, by in zip(apart.strides[1:], grid.stride, strict=True)]
    shape = (outputs, *taps, *grid.lengths)
    view = as_strided(apart, shape, (step * math.prod(taps), *moved, *along))
    np.add.reduce(view, axis=tuple(range(1, 1 + rank)), out=channels_first(y))
