"""A filter bank as matrix products of rows.

For each row of outputs the samples that it reads are laid out as columns, once per tap along the row only: the rows of
the kernel are views of the same columns, wherever they are next to each other. Products take many rows in one call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convcli.engine.memory import scratch

if TYPE_CHECKING:
    from convcli.engine.dtypes import Floats
    from convcli.engine.geometry import Grid

#: Bytes of columns laid out at a time: some rows for every call, within reach of the cache.
COLUMN_BYTES = 5 << 19
#: The most columns of one product: OpenBLAS gets slower where they don't fit its cache.
ACROSS = 1024
#: The least work in multiply-adds of a band, which is to be worth its calls, and the most samples of its outputs.
BAND_MACS = 1 << 25
BAND_SAMPLES = 1 << 17


def band_samples(macs: int) -> int:
    """Outputs, of `macs` multiply-adds each for all channels, that a band should have."""
    return min(BAND_SAMPLES, max(1 << 13, BAND_MACS // macs))


def matrices(weights: Floats, groups: int) -> list[Floats]:
    """A matrix `(out/groups, depth)` per group of `weights` `(out, in/groups, *taps)`, in the order of columns."""
    outputs, inputs, *taps = weights.shape
    deep, high, wide = (1, 1, 1, *taps)[-3:]
    by_rows = weights.reshape(groups, outputs // groups, inputs, deep, high, wide).transpose(0, 1, 4, 2, 3, 5)
    return list(np.ascontiguousarray(by_rows).reshape(groups, outputs // groups, -1))


def multiply_rows(planes: Floats, filters: Sequence[Floats], taps: Sequence[int], grid: Grid, y: Floats) -> None:
    """Fills `y` `(*lengths, out)` from `planes` `(channels, *spatial)` by the `matrices` of a bank with `taps`."""
    rank = len(taps)
    lead = 3 - rank
    # One or two axes are three of which the first are one sample long.
    planes = planes[(slice(None), *(None,) * lead)]
    y = y[(None,) * lead]
    taps, stride, dilation = ((1,) * lead + tuple(steps) for steps in (taps, grid.stride, grid.dilation))
    inputs = planes.shape[0] // len(filters)
    first = 0
    for group, matrix in enumerate(filters):
        own = planes[group * inputs : (group + 1) * inputs]
        for z in range(y.shape[0]):
            start = z * stride[0]
            slices = own[:, start : start + (taps[0] - 1) * dilation[0] + 1 : dilation[0]]
            _multiply(slices, matrix, taps[1:], stride[1:], dilation[1:], y[z, ..., first : first + len(matrix)])
        first += len(matrix)


def _multiply(
    source: Floats, matrix: Floats, taps: Sequence[int], stride: Sequence[int], dilation: Sequence[int], y: Floats
) -> None:
    """One group on `(channels, slices, height, width)`, whose slices count as channels: `y` `(h, w, out)`."""
    (height, width), (kh, kw), depth = y.shape[:2], taps, matrix.shape[1]
    across = -(-width // -(-width // ACROSS))
    # With rows of the kernel next to each other, the columns of one row of samples serve all rows of outputs.
    shared = dilation[0] == 1
    row_bytes = depth // kh * across * source.itemsize * (stride[0] if shared else kh)
    down = max(1, COLUMN_BYTES // row_bytes - (kh - 1 if shared else 0))
    down = -(-height // -(-height // down))
    for top in range(0, height, down):
        for left in range(0, width, across):
            part = y[top : top + down, left : left + across]
            corner = source[:, :, top * stride[0] :, left * stride[1] :]
            columns = _columns(corner, part.shape[:2], (kh, kw), stride, dilation)
            if by_planes(y):
                np.matmul(matrix, columns, out=np.moveaxis(part, -1, 1))
            else:
                np.matmul(columns.transpose(0, 2, 1), matrix.T, out=part)


def _columns(
    source: Floats, size: Sequence[int], taps: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> Floats:
    """What `size` outputs from the corner of `source` on read: `(rows, depth, columns)`."""
    (rows, wide), (kh, kw), (channels, slices) = size, taps, source.shape[:2]
    plane_step, slice_step, row_step, step = source.strides
    inner = (channels, slices, kw, wide)
    steps = (plane_step, slice_step, dilation[1] * step, stride[1] * step)
    if dilation[0] == 1:
        count = (rows - 1) * stride[0] + kh
        columns = scratch("columns", (count, *inner), source.dtype)
        np.copyto(columns, as_strided(source, (count, *inner), (row_step, *steps)))
        apart = stride[0] * columns.strides[0]
    else:
        columns = scratch("columns", (rows, kh, *inner), source.dtype)
        outer = (stride[0] * row_step, dilation[0] * row_step)
        np.copyto(columns, as_strided(source, (rows, kh, *inner), (*outer, *steps)))
        apart = columns.strides[0]
    depth = kh * channels * slices * kw
    return as_strided(columns, (rows, depth, wide), (apart, wide * source.itemsize, source.itemsize))


def by_planes(y: Floats) -> bool:
    """Whether samples of one channel of `(*spatial, channels)` lie side by side, as in planes."""
    return bool(y.strides[-2] == y.itemsize)
