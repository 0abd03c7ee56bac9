"""A filter bank, which mixes channels: `(out, in/groups, *taps)`; which algorithm computes it.

| algorithm   | what it does                                                   | where                             |
|-------------|----------------------------------------------------------------|-----------------------------------|
| `pointwise` | one matrix product for all samples                             | a single tap                      |
| `planes`    | every pair of channels by the plan for planes                  | few pairs, and large kernels      |
| `winograd`  | F(4x4, 3x3): a quarter of the products, and two transforms     | 3x3 taps, many channels, stride 1 |
| `rows`      | matrix products of rows, the taps along a row laid out         | all else                          |
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np

from convcli.engine.channel.direct import opencv_layout
from convcli.engine.channel.planes import correlate_planes
from convcli.engine.dtypes import planar
from convcli.engine.facts import Facts
from convcli.engine.geometry import grid_of
from convcli.engine.memory import scratch
from convcli.engine.plan import Algorithm

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, Floats
    from convcli.engine.geometry import Grid, Window
    from convcli.engine.sink import Sink
    from convcli.engine.threads import Cuts
    from convcli.engine.tiles import Tile, Tiling

ALGORITHMS = ("pointwise", "planes", "winograd", "rows")
#: Up to this many (output, input) pairs of channels in a group, kernels of so many taps go plane by plane.
PAIR_LIMIT = 12
PAIR_TAPS = 80
#: From so many channels on either side Winograd's transforms cost less than what they save.
WINOGRAD_CHANNELS = 32
#: Outputs in a row or column that use Winograd's tiles well.
WINOGRAD_SIZE = 12
#: Rows of a band by Winograd: whole tiles.
WINOGRAD_ROWS = 64


def algorithm(shape: Sequence[int], groups: int, grid: Grid) -> str:
    """How a bank of weights of this `shape` runs: one of `ALGORITHMS`."""
    outputs, inputs, *taps = shape
    per_group = outputs // groups
    area = math.prod(taps)
    if area == 1 and inputs > 1:
        return "pointwise"
    if per_group * inputs <= (PAIR_LIMIT if area >= PAIR_TAPS else 2):
        return "planes"
    if tuple(taps) == (3, 3) and grid.is_dense and groups == 1 and min(per_group, inputs) >= WINOGRAD_CHANNELS:
        return "winograd"
    return "rows"


def algorithm_of_bank(shape: Sequence[int], groups: int, grid: Grid) -> Algorithm | None:
    """How a bank of this shape runs, with its description; None where that is a matter of planes."""
    descriptions = {
        "pointwise": "matrix product of pixels",
        "winograd": "Winograd tiles of 4x4",
        "rows": "matrix products of rows",
    }
    name = descriptions.get(algorithm(shape, groups, grid))
    return Algorithm(name, name) if name else None


class Filters:
    """The weights of a bank, `(out, in/groups, *taps)`, in the forms that algorithms want, each made once."""

    def __init__(self, weights: Floats, groups: int) -> None:
        self.weights = weights
        self.groups = groups
        self.shape = weights.shape

    @cached_property
    def matrices(self) -> list[Floats]:
        """For products of rows."""
        from convcli.engine.bank import rows

        return rows.matrices(self.weights, self.groups)

    @cached_property
    def spectra(self) -> Floats:
        """For Winograd's tiles."""
        from convcli.engine.bank import winograd

        return winograd.transformed(self.weights)


def bank_cuts(x: Array, filters: Filters, windows: Sequence[Window], sink: Sink) -> Cuts | None:
    """The work on all of an input without copying windows, where the algorithm is one that can do so."""
    if algorithm(filters.shape, filters.groups, grid_of(windows)) != "pointwise":
        return None
    from convcli.engine.bank.pointwise import pointwise

    return pointwise(x, filters.weights, filters.groups, windows, sink)


def bank_rows(filters: Filters, tiling: Tiling) -> int:
    """The height that bands should have; 0 where the algorithm does not care."""
    grid = tiling.grid()
    name = algorithm(filters.shape, filters.groups, grid)
    if name == "planes":
        return 0
    if name == "winograd":
        return WINOGRAD_ROWS
    from convcli.engine.bank import rows

    first, *others = grid.lengths
    # Four bands at least, so that two threads end together.
    return max(1, min(rows.band_samples(math.prod(filters.shape)) // math.prod(others), first // 4))


def correlate(x: Floats, weights: Floats | Filters, grid: Grid, facts: Facts, into: Floats | None = None) -> Floats:
    """A filter bank, or weights of the spatial rank on every channel alone.

    The result is `into` where that is given and the algorithm can write to it at once.
    """
    if isinstance(weights, Filters):
        return correlate_bank(x, weights, grid, facts=facts, into=into)
    return correlate_planes(x, weights, grid, facts=facts, into=into)


def correlated(tiling: Tiling, weights: Floats | Filters, asked: str | None) -> Cuts:
    """A filter bank, or weights of the spatial rank on every channel alone, by tiles."""
    target = tiling.sink.target(tiling.dtype)

    def compute(tile: Tile) -> Floats:
        into = None if target is None else target[slice(*tile.region[0])]
        return correlate(tile.data, weights, tiling.grid(tile.region), tiling.facts(laid(tile.data), asked), into)

    return tiling.by_tiles(compute)


def correlate_bank(x: Floats, filters: Filters, grid: Grid, *, facts: Facts, into: Floats | None = None) -> Floats:
    """`y[o, m] = sum_{t, c} weights[m, c, t] * x[stride*o + dilation*t, c]`, `c` in the group of `m`.

    `x` is `(*spatial, channels)`, the result `(*lengths, out)`; nothing outside `x` is read. Products go straight to
    `into` where it is given.
    """
    # Only banks need them: a start without costs less.
    from convcli.engine.bank import pointwise, rows, winograd

    chosen, lengths = algorithm(filters.shape, filters.groups, grid), grid.lengths
    outputs, inputs = filters.shape[:2]
    if chosen == "planes":

        def pair(m: int, c: int, plane: Floats) -> Floats:
            return correlate_planes(plane, filters.weights[m, c], grid, facts=facts)

        return sum_pairs(x, outputs, inputs, lengths, pair)
    y = _result(x, lengths, outputs) if into is None else into
    if chosen == "pointwise":
        x = x[tuple(slice(0, (n - 1) * s + 1, s) for n, s in zip(lengths, grid.stride, strict=True))]
        pointwise.mix(x, filters.weights, filters.groups, y)
        return y
    planes = part(x)
    tiled = chosen == "winograd" and min(lengths) >= WINOGRAD_SIZE and facts.bounded
    # Few interleaved channels are put together afterwards: products with so narrow a result are slow.
    direct = rows.by_planes(y) or (outputs > 4 and not tiled)
    apart = y if direct else np.moveaxis(scratch("apart", (outputs, *lengths), y.dtype), 0, -1)
    if tiled:
        winograd.multiply_tiles(planes, filters.spectra, apart)
    else:
        rows.multiply_rows(planes, filters.matrices, filters.shape[2:], grid, apart)
    if apart is not y:
        join_to(apart, y)
    return y


def sum_pairs(
    x: Floats, outputs: int, inputs: int, lengths: Sequence[int], pair: Callable[[int, int, Floats], Floats]
) -> Floats:
    """For each of `outputs` channels the sum of `pair(m, c, plane)` over the `inputs` channels of its group."""
    planes = part(x)
    per_group = outputs * inputs // x.shape[-1]
    results = scratch("pairs", (outputs, *lengths), x.dtype)
    for m in range(outputs):
        first = m // per_group * inputs
        for c in range(inputs):
            part_sum = pair(m, c, planes[first + c][..., None])[..., 0]
            if c:
                results[m] += part_sum
            else:
                results[m] = part_sum
    return np.moveaxis(results, 0, -1) if planar(x) else join(results)


def laid(x: Floats) -> Floats:
    """`(*spatial, channels)`, with the channels in front where they lie as planes: in the order of memory."""
    return np.moveaxis(x, -1, 0) if planar(x) else x


def part(x: Floats) -> Floats:
    """`(*spatial, channels)` as planes, `(channels, *spatial)` contiguous."""
    if np.moveaxis(x, -1, 0).flags.c_contiguous:
        return np.moveaxis(x, -1, 0)
    planes = scratch("planes", (x.shape[-1], *x.shape[:-1]), x.dtype)
    flat = np.ascontiguousarray(x).reshape(-1, x.shape[-1])
    cv2.transpose(flat, planes.reshape(x.shape[-1], -1))
    return planes


def join(planes: Floats) -> Floats:
    """Planes as `(*spatial, channels)`."""
    if planes.shape[0] == 1:
        only: Floats = planes[0][..., None]
        return only
    y = scratch("joined", (*planes.shape[1:], planes.shape[0]), planes.dtype)
    join_to(np.moveaxis(planes, 0, -1), y)
    return y


def join_to(planes: Floats, y: Floats) -> None:
    """Copies `(*spatial, channels)` that lie as planes to `y`, where they lie pixel by pixel."""
    channels = y.shape[-1]
    whole = y.flags.c_contiguous and planar(planes)
    if 1 < channels <= 4 and y.ndim == 3 and planar(planes) and opencv_layout(y):
        cv2.merge(list(np.moveaxis(planes, -1, 0)), y)
    elif whole:
        cv2.transpose(np.moveaxis(planes, -1, 0).reshape(channels, -1), y.reshape(-1, channels))
    else:
        np.copyto(y, planes)


def _result(x: Floats, lengths: Sequence[int], outputs: int) -> Floats:
    """Where `(*lengths, outputs)` go: planes for an input of planes."""
    if planar(x):
        return np.moveaxis(scratch("bank", (outputs, *lengths), x.dtype), 0, -1)
    return scratch("bank", (*lengths, outputs), x.dtype)
