"""A filter bank as matrix products that make a row of outputs each, of rows of planes laid out once per tap across.

The taps down find what they read where it lies already: the columns of a product are the laid-out rows that its taps
meet, one after the other, and the next product begins a row further. So a sample is copied once per tap across, not
once per tap, and few channels make products that are deep enough. Rows that a dilation skips belong to other outputs:
each phase of rows is laid out by itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convcli.engine.bank.speeds import LEAST_COLUMNS, SPEEDS, UNPACKED
from convcli.engine.memory import prepared, scratch
from convcli.engine.processor import processor

if TYPE_CHECKING:
    from convcli.engine.dtypes import Floats
    from convcli.engine.geometry import Grid

#: Bytes of the rows that are laid out together: within a core's own cache.
LAID_BYTES = 1 << 19
#: The most columns of a product.
ACROSS = 1 << 12


def matrices(weights: Floats, groups: int) -> Floats:
    """`(groups, out/groups, depth)` of `weights` `(out, in/groups, *taps)`: by taps down, what lies before them,
    channels, and taps across."""
    outputs, inputs, *taps = weights.shape
    *before, down, across = (1, 1, *taps)[-max(2, len(taps)) :]
    ordered = np.moveaxis(weights.reshape(outputs, inputs, math.prod(before), down, across), (3, 2), (1, 2))
    return np.ascontiguousarray(ordered).reshape(groups, outputs // groups, -1)


def multiply_rows(planes: Floats, matrix: Floats, taps: Sequence[int], grid: Grid, y: Floats) -> None:
    """Fills `y` `(*lengths, out)`, planes or pixels, from planes `(channels, *spatial)` by the `matrices` of a bank."""
    lead = 3 - len(taps)
    # One or two axes are three of which the first are one sample long.
    planes, y = planes[(slice(None), *(None,) * lead)], y[(None,) * lead]
    taps, stride, dilation = ((1,) * lead + tuple(steps) for steps in (taps, grid.stride, grid.dilation))
    # Of a dilation's phases each has every so many rows of the input, and of the outputs.
    step = stride[1] // math.gcd(stride[1], dilation[1])
    every = dilation[1] // math.gcd(stride[1], dilation[1])
    for front in range(y.shape[0]):
        for phase in range(min(every, y.shape[1])):
            source = planes[:, front * stride[0] :: dilation[0], phase * stride[1] :: dilation[1]][:, : taps[0]]
            _multiply(source, matrix, taps[1:], (step, stride[2]), dilation[2], y[front, phase::every])


def _multiply(
    source: Floats, matrix: Floats, taps: Sequence[int], stride: tuple[int, int], dilation: int, y: Floats
) -> None:
    """Fills `y` `(height, width, out)` from `(channels, front, rows, columns)`, by `taps` of neighbouring rows."""
    (groups, per_group, depth), (height, width) = matrix.shape, y.shape[:2]
    channels, front, *_ = source.shape
    plane, slab, line, step = source.strides
    down, every = (height - 1) * stride[0] + taps[0], stride[0]
    shape = (groups, down, front, channels // groups, taps[1], width)
    # Each row once per tap across.
    rows = as_strided(source, shape, (channels // groups * plane, line, slab, plane, step * dilation, step * stride[1]))
    count = -(-height // max(1, LAID_BYTES // (depth // taps[0] * groups * width * stride[0] * y.itemsize)))
    most = -(-height // count)
    key = (shape, taps[0], every, most, y.dtype)
    laid, columns = prepared(("rows", *key), partial(_laid, *key))
    results, matrix, cuts = (
        y.reshape(height, width, groups, per_group),
        matrix[:, None],
        cuts_across(matrix[0].size, width),
    )
    for part in range(count):
        start, stop = height * part // count, height * (part + 1) // count
        read = (stop - start - 1) * every + taps[0]
        np.copyto(laid[:, :read], rows[:, start * every : start * every + read])
        own, products = columns[:, : stop - start], results[start:stop].transpose(2, 0, 1, 3)
        for cut in cuts:
            if products.strides[-1] == y.itemsize:
                np.matmul(own[..., cut].swapaxes(2, 3), matrix.swapaxes(2, 3), out=products[:, :, cut])
            else:
                np.matmul(matrix, own[..., cut], out=products[:, :, cut].swapaxes(2, 3))


def _laid(shape: tuple[int, ...], taps: int, stride: int, most: int, dtype: np.dtype[Any]) -> tuple[Floats, Floats]:
    """Where rows `(groups, rows, front, in/groups, taps, width)` are laid out for `most` outputs down, and the columns
    `(groups, most, depth, width)` that `taps` down read of them."""
    groups, _, *between, width = shape
    laid = scratch("laid rows", (groups, (most - 1) * stride + taps, *between, width), dtype)
    apart, row, step = laid.strides[0], laid.strides[1], laid.strides[-1]
    depth = taps * math.prod(between)
    return laid, as_strided(laid, (groups, most, depth, width), (apart, stride * row, width * step, step))


def cuts_across(size: int, width: int) -> list[slice]:
    """The columns of products of a matrix of this size, in parts that OpenBLAS need not rearrange where it can."""
    most = width // LEAST_COLUMNS if SPEEDS[processor().name].unpacked else 1
    count = max(1, min(-(-size * width // UNPACKED), most), -(-width // ACROSS))
    return [slice(width * part // count, width * (part + 1) // count) for part in range(count)]
