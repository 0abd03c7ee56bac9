"""The same as `rows`, of pixels: what the taps across read of a row is one piece of memory, and moved whole.

What outputs below each other read lies one after the other, so that the taps down of the next output begin a stride of
rows further. OpenBLAS takes such columns, and weights in their order, faster than rows of planes, wherever it need not
rearrange them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from convcli.engine.bank.layouts import by_rows, join_to, part_to, pixels, room_for
from convcli.engine.bank.rows import LAID_BYTES, cuts_across, multiply_rows
from convcli.engine.bank.speeds import SPEEDS
from convcli.engine.dtypes import planar
from convcli.engine.memory import scratch
from convcli.engine.processor import processor

if TYPE_CHECKING:
    from convcli.engine.bank.bank import Filters
    from convcli.engine.dtypes import Floats
    from convcli.engine.geometry import Grid

#: The fewest outputs, which are the columns of the products.
OUTPUTS = 16
#: The least depth of products of planes for it.
DEPTH = 128
#: Outputs of a group of which products make planes faster than pixels, by more than it takes to turn those.
FEW = 4


def fits(shape: Sequence[int], groups: int, dilation: Sequence[int], *, planes: bool) -> bool:
    """Whether a bank of this shape can be computed so, in a plane, with taps side by side; and, of `planes`, whether
    deep products are so much faster that those are turned, and the results back."""
    worth = not planes or (SPEEDS[processor().name].unpacked > 0 and math.prod(shape[1:]) >= DEPTH)
    return worth and groups == 1 and len(shape) <= 4 and dilation[-1] == 1 and shape[0] >= OUTPUTS


def matrix(weights: Floats) -> Floats:
    """`(depth, out)` of `weights` `(out, in, *taps)`: by taps down, then across, then channels."""
    ordered = weights.transpose(*range(2, weights.ndim), 1, 0)
    return np.ascontiguousarray(ordered).reshape(-1, len(weights))


def multiply_pixel_rows(x: Floats, weights: Floats, taps: Sequence[int], grid: Grid, y: Floats) -> None:
    """Fills pixels `y` `(*lengths, out)` from pixels `x` in one piece by the `matrix` of a bank with `taps`."""
    lead = 2 - len(taps)
    # One axis is two of which the first is one sample long.
    x, y = x[(None,) * lead], y[(None,) * lead]
    down, across = ((1,) * lead + tuple(taps))[:2]
    (high, wide), (apart, _) = ((1,) * lead + steps for steps in (grid.stride, grid.dilation))
    # Of a dilation's phases each has every so many rows of the input, and of the outputs.
    step, every = high // math.gcd(high, apart), apart // math.gcd(high, apart)
    line, pixel, size = x.shape[1] * x.shape[2] * x.itemsize, x.shape[2] * x.itemsize, across * x.shape[2]
    kind = np.dtype((np.void, size * x.itemsize))
    width, cuts = y.shape[1], cuts_across(weights.size, y.shape[1])
    for phase in range(min(every, y.shape[0])):
        own = y[phase::every]
        count = -(-len(own) // max(1, LAID_BYTES // (size * width * step * x.itemsize)))
        most = (-(-len(own) // count) - 1) * step + down
        laid = scratch("laid pixels", (width, most), kind)
        row = size * x.itemsize
        for part in range(count):
            start, stop = len(own) * part // count, len(own) * (part + 1) // count
            read = (stop - start - 1) * step + down
            first = (phase * high + start * step * apart) * line
            np.copyto(laid[:, :read], np.ndarray((width, read), kind, x, first, (wide * pixel, apart * line)))
            shape, strides = (stop - start, width, len(weights)), (step * row, most * row, x.itemsize)
            columns: Floats = np.ndarray(shape, x.dtype, laid, 0, strides)
            for cut in cuts:
                np.matmul(columns[:, cut], weights, out=own[start:stop, cut])


def multiply_by_rows(x: Floats, filters: Filters, grid: Grid, y: Floats) -> None:
    """Fills `y` `(*lengths, out)` by products that make a row each, of pixels, or of planes."""
    outputs, _, *taps = filters.shape
    if fits(filters.shape, filters.groups, grid.dilation, planes=planar(x)):
        apart = y if y.flags.c_contiguous else room_for(grid.lengths, outputs, x.dtype, planes=False)
        multiply_pixel_rows(pixels(x), filters.by_pixel_rows, taps, grid, apart)
        if apart is not y and planar(y):
            part_to(apart, y)
        elif apart is not y:
            np.copyto(y, apart)
        return
    few = outputs // filters.groups <= FEW and not planar(y)
    apart = room_for(grid.lengths, outputs, x.dtype, planes=True) if few else y
    multiply_rows(by_rows(x), filters.by_rows, taps, grid, apart)
    if few:
        join_to(apart, y)
