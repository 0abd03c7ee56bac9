"""A filter bank as matrix products that make a row of outputs each, of rows of planes laid out once per tap across.

The taps down find what they read where it lies already: the columns of a product are the laid-out rows that its taps
meet, one after the other, and the next product begins a row further. So a sample is copied once per tap across, not
once per tap, and few channels make products that are deep enough. Rows that a dilation skips belong to other outputs:
each phase of rows is laid out by itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convcli.engine.bank.plan import LEAST_COLUMNS, SPEEDS, UNPACKED
from convcli.engine.memory import scratch
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
    row = depth // taps[0] * groups * width
    count = -(-height // max(1, LAID_BYTES // (row * stride[0] * y.itemsize)))
    for part in range(count):
        own = slice(height * part // count, height * (part + 1) // count)
        first = own.start * stride[0]
        rows = source[:, :, first : first + (own.stop - own.start - 1) * stride[0] + taps[0]]
        laid = _laid(rows, groups, taps[1], stride[1], dilation, width)
        apart, step = laid.strides[0], laid.strides[-1]
        shape = (groups, own.stop - own.start, depth, width)
        columns = as_strided(laid, shape, (apart, stride[0] * laid.strides[1], width * step, step))
        _products(matrix[:, None], columns, y[own].reshape(*y[own].shape[:2], groups, per_group))


def _laid(source: Floats, groups: int, taps: int, stride: int, dilation: int, width: int) -> Floats:
    """The rows of `(channels, front, rows, columns)` once per tap across: `(groups, rows, front, in/groups, taps,
    width)`."""
    channels, front, rows, _ = source.shape
    plane, slab, line, step = source.strides
    laid = scratch("laid rows", (groups, rows, front, channels // groups, taps, width), source.dtype)
    strides = (channels // groups * plane, line, slab, plane, step * dilation, step * stride)
    np.copyto(laid, as_strided(source, laid.shape, strides))
    return laid


def _products(matrix: Floats, columns: Floats, y: Floats) -> None:
    """Fills `y` `(height, width, groups, out/groups)` with `matrix` `(groups, 1, out/groups, depth)` times `columns`
    `(groups, height, depth, width)`."""
    width = y.shape[1]
    most = width // LEAST_COLUMNS if SPEEDS[processor().name].unpacked else 1
    count = max(1, min(-(-matrix[0].size * width // UNPACKED), most), -(-width // ACROSS))
    for part in range(count):
        own = slice(width * part // count, width * (part + 1) // count)
        results = y[:, own].transpose(2, 0, 1, 3)
        if results.strides[-1] == y.itemsize:
            np.matmul(columns[..., own].swapaxes(2, 3), matrix.swapaxes(2, 3), out=results)
        else:
            np.matmul(matrix, columns[..., own], out=results.swapaxes(2, 3))
