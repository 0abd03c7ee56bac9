"""Strided and dilated convolutions of a plane as plain ones: nothing is multiplied with a sample that isn't wanted.

Along an axis the sums with stride `s` and dilation `d` fall apart into classes that are plain convolutions of every
lcm(s, d)-th sample: with g = gcd(s, d), outputs `u + (d/g) m` and taps `v + (s/g) n` read `s u + d v + lcm (m + n)`.
Rows are taken so, as views. Along columns zeros between the taps cost OpenCV nothing, and every stride-th result is
kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from convcli.engine.channel.direct import CHANNEL_LIMIT, most_taps, opencv_layout
from convcli.engine.geometry import Grid, extent
from convcli.engine.memory import scratch

if TYPE_CHECKING:
    from convcli.engine.dtypes import Floats

#: Up to so many taps no other algorithm is faster than one call of `filter2D`.
FEW = 49
#: Columns of taps that span more than this are summed one by one.
FAR = 1 << 12
#: Bytes of the input that a band reads: every class is a call, which is to be worth its while.
BAND_BYTES = 1 << 22


def correlate_phases(
    x: Floats, taps: Floats, grid: Grid, plain: Callable[[Floats, Floats], Floats], into: Floats | None = None
) -> Floats:
    """`y[o] = sum_t taps[t] * x[stride*o + dilation*t]` for `x` `(h, w, channels)`, in `into` where that is given.

    `plain(x, taps)` convolves at unit stride wherever the taps fit; its result is used up at once.
    """
    (height, width), stride, dilation = grid.lengths, grid.stride, grid.dilation
    if dilation[1] > 1 and extent(taps.shape[1], dilation[1]) > FAR:
        many = taps.shape[1] > taps.shape[0] * dilation[1] * stride[1]
        return (_row_by_row if many else _column_by_column)(x, taps, grid, plain, into)
    spread = spread_taps(taps, dilation[1])
    x = x[:, : (width - 1) * stride[1] + spread.shape[1]]
    # Not an array of scratch: `x` may be the result of another pass.
    y = np.empty((height, width, x.shape[-1]), x.dtype) if into is None else into
    begun = set()
    for output, tap, source in classes(stride[0], dilation[0], height, taps.shape[0]):
        part, rows = spread[tap], len(range(height)[output])
        read = x[source][: rows + part.shape[0] - 1]
        sums = plain(read, part)[:, :: stride[1]]
        if output.start in begun:
            y[output] += sums
        else:
            y[output] = sums
            begun.add(output.start)
    return y


def _column_by_column(
    x: Floats, taps: Floats, grid: Grid, plain: Callable[[Floats, Floats], Floats], into: Floats | None
) -> Floats:
    """As `correlate_phases`, for taps so far apart that zeros between them would cost more than a sum for each."""
    y = np.empty((*grid.lengths, x.shape[-1]), x.dtype) if into is None else into
    y.fill(0)
    for column in range(taps.shape[1]):
        start, one = x[:, grid.dilation[1] * column :], taps[:, column : column + 1]
        y += correlate_phases(start, one, Grid(grid.stride, (grid.dilation[0], 1), grid.lengths), plain)
    return y


def _row_by_row(
    x: Floats, taps: Floats, grid: Grid, plain: Callable[[Floats, Floats], Floats], into: Floats | None
) -> Floats:
    """The same for many such taps in a row: turned by 90 degrees, each row of them falls into classes."""
    y = np.empty((*grid.lengths, x.shape[-1]), x.dtype) if into is None else into
    y.fill(0)
    turned = Grid(grid.stride[::-1], (grid.dilation[1], 1), grid.lengths[::-1])
    for row in range(taps.shape[0]):
        start, one = x[grid.dilation[0] * row :], taps[row, :, None]
        y += correlate_phases(start.swapaxes(0, 1), one, turned, plain).swapaxes(0, 1)
    return y


def classes(stride: int, dilation: int, outputs: int, taps: int) -> Iterator[tuple[slice, slice, slice]]:
    """The plain convolutions that one strided, dilated axis falls into, as slices of outputs, taps and inputs."""
    common = math.gcd(stride, dilation)
    output_step, tap_step, source_step = dilation // common, stride // common, stride * dilation // common
    for u in range(min(output_step, outputs)):
        for v in range(min(tap_step, taps)):
            source = slice(stride * u + dilation * v, None, source_step)
            yield slice(u, None, output_step), slice(v, None, tap_step), source


def spread_taps(taps: Floats, dilation: int) -> Floats:
    """`taps` with `dilation - 1` zeros between columns."""
    if dilation == 1:
        return taps
    spread = np.zeros((taps.shape[0], dilation * (taps.shape[1] - 1) + 1), taps.dtype)
    spread[:, ::dilation] = taps
    return spread


def is_small(x: Floats, taps: Floats) -> bool:
    """Whether one call of `filter2D` does it, without a Fourier transform of its own."""
    return taps.size <= most_taps(taps.dtype) and x.shape[2] <= CHANNEL_LIMIT and opencv_layout(x)


def correlate_small(x: Floats, taps: Floats, name: str = "small") -> Floats:
    """Small `taps` on `x` `(h, w, channels)` wherever they fit, in the scratch array `name`."""
    y = scratch(name, x.shape, x.dtype)
    cv2.filter2D(x, -1, np.ascontiguousarray(taps), dst=y, anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
    return y[: x.shape[0] - taps.shape[0] + 1, : x.shape[1] - taps.shape[1] + 1]


def correlate_phase(
    x: Floats, taps: Floats, dilation: Sequence[int], lengths: Sequence[int], name: str
) -> Floats | None:
    """One phase of a transposed kernel, of few taps on `x` `(h, w, channels)`, in the scratch array `name`.

    None where that is not a single call.
    """
    if x.ndim != 3 or any(step != 1 for step in dilation):
        return None
    x = x[tuple(slice(0, n + k - 1) for n, k in zip(lengths, taps.shape, strict=True))]
    return correlate_small(x, taps, name) if taps.size <= FEW and is_small(x, taps) else None


def band_rows(grid: Grid, channels: int, itemsize: int) -> int:
    """The height that bands of outputs should have."""
    row = math.prod(grid.lengths[1:]) * math.prod(grid.stride) * channels * itemsize
    return max(1, min(BAND_BYTES // row, -(-grid.lengths[0] // 4)))
