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

from convcli.engine.bank.bank import part
from convcli.engine.dtypes import channels_first, channels_last
from convcli.engine.memory import scratch
from convcli.engine.stamps import is_tiled, stamp
from convcli.engine.tiles import Tile

if TYPE_CHECKING:
    import numpy.typing as npt

    from convcli.engine.dtypes import Floats
    from convcli.engine.geometry import Grid, Scatter
    from convcli.engine.threads import Cuts
    from convcli.engine.tiles import Tiling


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


def stamped_bank(
    tiling: Tiling, windows: Sequence[Scatter], weights: Floats, groups: int, picked: npt.NDArray[np.intp] | None
) -> Cuts:
    """A transposed bank `(out, in/groups, *taps)`, on the `windows` of a tiling.

    What one tap makes of all samples is put together as the stamps lie, shifted, and added where several meet. Where
    taps only pick samples, `picked` are the channels that they are.
    """
    matrix, (outputs, _, *taps) = matrices(weights, groups), weights.shape
    rank, target = len(taps), tiling.sink.target(tiling.dtype)
    side_by_side = picked is None and groups == 1 and rank == 2 and all(map(is_tiled, windows))
    by_rows = (
        np.ascontiguousarray(weights.transpose(2, 1, 3, 0)).reshape(taps[0], -1, taps[1] * outputs)
        if side_by_side
        else None
    )

    def compute(tile: Tile) -> Floats:
        if by_rows is not None and tile.data.flags.c_contiguous and not any(n % taps[0] for n in tile.region[0]):
            return _rows_of_stamps(tile, by_rows, outputs, None if target is None else target[slice(*tile.region[0])])
        if picked is None:
            apart = products(tile.data, matrix)
        else:
            planes = part(tile.data)
            apart = planes if np.array_equal(picked, np.arange(len(planes))) else planes[picked]
        by_taps = apart.reshape(outputs, *taps, *tile.data.shape[:-1])
        data = np.moveaxis(by_taps, range(1 + rank), range(rank, 1 + 2 * rank))
        into = None if target is None else target[slice(*tile.region[0])]
        return stamp(Tile(data, tile.origin, tile.region), windows, outputs, _sum_taps, into)

    return tiling.by_tiles(compute)


def _rows_of_stamps(tile: Tile, by_rows: Floats, outputs: int, into: Floats | None) -> Floats:
    """Stamps that lie side by side, of pixels `(h, w, channels)`: rows of results are rows of products."""
    shape = (*(stop - start for start, stop in tile.region), outputs)
    y = scratch("stamped", shape, tile.data.dtype) if into is None or not into.flags.c_contiguous else into
    high, wide = len(by_rows), by_rows.shape[2]
    rows = y.reshape(shape[0] // high, high, shape[1] * outputs // wide, wide)
    for row, matrix in enumerate(by_rows):
        np.matmul(tile.data, matrix, out=rows[:, row])
    return y


def _sum_taps(
    source: Floats, taps: tuple[slice, ...], dilation: tuple[int, ...], lengths: tuple[int, ...], name: str
) -> Floats:
    """One phase, `(*lengths, out)`, of what taps made: `(*spatial, out, *taps)`."""
    rank = len(taps)
    own = source[(slice(None),) * (rank + 1) + taps]
    if math.prod(own.shape[rank + 1 :]) == 1:
        return own.reshape(own.shape[: rank + 1])[tuple(slice(n) for n in lengths)]
    along, (channel, *between) = own.strides[:rank], own.strides[rank:]
    apart = [tap + by * step for tap, by, step in zip(between, dilation, along, strict=True)]
    shape = (own.shape[rank], *own.shape[rank + 1 :], *lengths)
    view = as_strided(own, shape, (channel, *apart, *along))
    sums = scratch(name, (shape[0], *lengths), source.dtype)
    np.add.reduce(view, axis=tuple(range(1, 1 + rank)), out=sums)
    return channels_last(sums)
