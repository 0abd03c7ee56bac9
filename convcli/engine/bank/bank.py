"""A filter bank, which mixes channels: `(out, in/groups, *taps)`, computed as its plan (`engine.bank.plan`) says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from convcli.engine.bank.layouts import by_rows, join, join_to, laid, part, part_to, pixels, room_for
from convcli.engine.bank.plan import TILES, Bank, by_pixels, plan_bank
from convcli.engine.channel.planes import correlate_planes
from convcli.engine.dtypes import channels_last, planar
from convcli.engine.facts import Facts
from convcli.engine.geometry import even_cuts, grid_of
from convcli.engine.memory import scratch
from convcli.engine.plan import Algorithm, Plan
from convcli.engine.processor import processor
from convcli.records import late, record

if TYPE_CHECKING:
    from convcli.engine.bank import columns, multiply_adds, pixel_rows, pointwise, rows, shifts, winograd
    from convcli.engine.bank.net import Nets
    from convcli.engine.dtypes import Array, Floats
    from convcli.engine.geometry import Grid, Window
    from convcli.engine.plan import Constraints
    from convcli.engine.sink import Sink
    from convcli.engine.threads import Cuts
    from convcli.engine.tiles import Tile, Tiling
else:  # a start without banks costs less
    columns, multiply_adds, pixel_rows, pointwise, rows, shifts, winograd = (
        late(f"convcli.engine.bank.{name}")
        for name in ("columns", "multiply_adds", "pixel_rows", "pointwise", "rows", "shifts", "winograd")
    )

#: Widths of rows for which a bank keeps its weights repeated.
WIDTHS = 4


def work_of(shape: Sequence[int], groups: int, grid: Grid, **more: bool) -> Bank:
    """What a bank of weights of this `shape` computes; and `more` that `Bank` says of it."""
    outputs, inputs, *taps = shape
    return Bank(
        outputs=outputs, inputs=inputs, taps=tuple(taps), groups=groups, lengths=grid.lengths, stride=grid.stride,
        dilation=grid.dilation, **more,
    )  # fmt: skip


def algorithm_of_bank(shape: Sequence[int], groups: int, grid: Grid) -> Algorithm | None:
    """How a bank of this shape runs on pixels, with its description; None where that is a matter of planes."""
    plan = plan_bank(work_of(shape, groups, grid, planes=False))
    if plan.algorithm == "planes":
        return None
    return Algorithm(plan.algorithm, f"{plan.algorithm} ({plan.reason}; {processor().name})")


def layouts_of_bank(shape: Sequence[int], groups: int, grid: Grid) -> tuple[bool | None, bool | None]:
    """Whether a bank of this shape reads planes best, and writes them best; None where pixels are as good."""

    chosen = plan_bank(work_of(shape, groups, grid)).algorithm
    if chosen == "columns":
        return not by_pixels(shape[1], groups), True if groups > 1 else None
    return _LAYOUTS[chosen]


#: Whether an algorithm reads and writes planes; None: planes or pixels.
_LAYOUTS = {
    "pointwise": (None, None), "multiply-adds": (False, False), "shifts": (None, True), "planes": (True, True),
    **dict.fromkeys(TILES, (False, False)), "net": (True, True), "rows": (True, None),
}  # fmt: skip


@record(kw_only=False, eq=False)
class Share:
    """A part of a bank: the channels that it reads, those that it makes, and its filters."""

    inputs: slice
    outputs: slice
    filters: Filters


class Filters:
    """The weights of a bank, `(out, in/groups, *taps)`, in the forms that algorithms want, each made once."""

    def __init__(self, weights: Floats, groups: int, whole: tuple[Filters, slice] | None = None) -> None:
        self.weights = weights
        self.groups = groups
        #: The bank of which these are some outputs, all of their groups.
        self._whole = whole
        self.shape = weights.shape
        self._rows: dict[int, Floats] = {}
        self._spectra: dict[int, Floats] = {}
        self._shares: dict[int, list[Share]] = {}

    def plan(self, grid: Grid, *, planes: bool, beside: bool = False) -> Plan:
        """How the outputs of a grid are computed, from planes or from pixels, alone or `beside` other threads."""
        single = self.weights.dtype == np.float32
        return plan_bank(work_of(self.shape, self.groups, grid, planes=planes, single=single, beside=beside))

    def shares(self, count: int) -> list[Share]:
        """The bank in `count` parts: of its groups where it has several, else of its outputs."""
        if count == 1:
            return [Share(slice(None), slice(None), self)]
        shares = self._shares.get(count)
        if shares is None:
            outputs, inputs, *_ = self.shape
            units, alone = (self.groups, False) if self.groups > 1 else (outputs, True)
            shares = self._shares[count] = []
            for start, stop in even_cuts(units, count):
                own = slice(start * (outputs // units), stop * (outputs // units))
                read = slice(None) if alone else slice(start * inputs, stop * inputs)
                groups, whole = (1, (self, own)) if alone else (stop - start, None)
                shares.append(Share(read, own, Filters(self.weights[own], groups, whole)))
        return shares

    @cached_property
    def nets(self) -> Nets:
        """For networks of one layer."""
        from convcli.engine.bank.net import Nets

        return Nets(self.weights, self.groups)

    @cached_property
    def mixes(self) -> Floats:
        """For products with samples."""
        from convcli.engine.bank import pointwise

        return pointwise.matrices(self.weights, self.groups)

    @cached_property
    def columns(self) -> Floats:
        """For products with columns."""
        pixels = by_pixels(self.shape[1], self.groups)
        return columns.matrices(self.weights, self.groups, pixels=pixels)

    @cached_property
    def by_rows(self) -> Floats:
        """For products that make a row each."""
        return rows.matrices(self.weights, self.groups)

    @cached_property
    def by_pixel_rows(self) -> Floats:
        """The same, of pixels."""
        return pixel_rows.matrix(self.weights)

    @cached_property
    def shifts(self) -> Floats:
        """For one product with all taps."""
        return shifts.matrices(self.weights, self.groups)

    def spectra(self, step: int) -> Floats:
        """For Winograd's tiles of `step` outputs a side."""
        if self._whole is not None:
            whole, own = self._whole
            return whole.spectra(step)[..., own]
        if step not in self._spectra:
            self._spectra[step] = winograd.transformed(self.weights, step)
        return self._spectra[step]

    def rows(self, width: int) -> Floats:
        """For multiply-adds of rows of `width` outputs."""
        rows = self._rows.get(width)
        if rows is None:
            if len(self._rows) >= WIDTHS:
                self._rows.clear()
            rows = self._rows[width] = multiply_adds.rows_of(self.weights, width)
        return rows


def bank_cuts(x: Array, filters: Filters, windows: Sequence[Window], border: str, sink: Sink) -> Cuts | None:
    """The work on all of an input without copying windows, where the algorithm is one that can do so."""
    if len(filters.weights[0, 0].reshape(-1)) > 1:
        from convcli.engine.bank.apart import apart_cuts

        return apart_cuts(x, filters, windows, border, sink)
    return pointwise.pointwise(x, filters.mixes, windows, sink)


def bank_is_by_planes(filters: Filters, windows: Sequence[Window]) -> bool:
    """Whether every pair of channels is a convolution of its own."""
    return filters.plan(grid_of(windows), planes=True).algorithm == "planes"


def bank_rows(filters: Filters, tiling: Tiling) -> int:
    """The height that bands should have; 0 where the algorithm does not care."""
    return filters.plan(tiling.grid(), planes=planar(tiling.x)).rows


def correlate(x: Floats, weights: Floats | Filters, grid: Grid, facts: Facts, into: Floats | None = None) -> Floats:
    """A filter bank, or weights of the spatial rank on every channel alone.

    The result is `into` where that is given and the algorithm can write to it at once.
    """
    if isinstance(weights, Filters):
        return correlate_bank(x, weights, grid, facts=facts, into=into)
    return correlate_planes(x, weights, grid, facts=facts, into=into)


def correlated(tiling: Tiling, weights: Floats | Filters, constraints: Constraints) -> Cuts:
    """A filter bank, or weights of the spatial rank on every channel alone, by tiles."""
    target = tiling.sink.target(tiling.dtype)
    # What is best for all of the outputs is done in each band, whatever were best there.
    chosen = weights.plan(tiling.grid(), planes=planar(tiling.x)).algorithm if isinstance(weights, Filters) else ""
    chosen = "columns" if constraints.plain and chosen in TILES else chosen

    def compute(tile: Tile) -> Floats:
        into = None if target is None else target[slice(*tile.region[0])]
        grid, facts = tiling.grid(tile.region), tiling.facts(laid(tile.data), constraints.algorithm)
        if isinstance(weights, Filters):
            return correlate_bank(tile.data, weights, grid, facts=facts, into=into, chosen=chosen)
        return correlate(tile.data, weights, grid, facts, into)

    return tiling.by_tiles(compute)


def correlate_bank(
    x: Floats, filters: Filters, grid: Grid, *, facts: Facts, into: Floats | None = None, chosen: str = ""
) -> Floats:
    """`y[o, m] = sum_{t, c} weights[m, c, t] * x[stride*o + dilation*t, c]`, `c` in the group of `m`.

    `x` is `(*spatial, channels)`, the result `(*lengths, out)`; nothing outside `x` is read. Products go straight to
    `into` where it is given. `chosen` is the algorithm, by default the planner's for these outputs.
    """
    outputs, inputs, *taps = filters.shape
    chosen = chosen or filters.plan(grid, planes=planar(x)).algorithm
    if chosen in TILES and not facts.bounded:
        chosen = "columns"
    if chosen == "planes":

        def pair(m: int, c: int, plane: Floats) -> Floats:
            return correlate_planes(plane, filters.weights[m, c], grid, facts=facts)

        return sum_pairs(x, outputs, inputs, grid.lengths, pair)
    y = room_for(grid.lengths, outputs, x.dtype, planes=planar(x)) if into is None else into
    if chosen == "net":
        if filters.nets.fill(part(x), grid, y):
            return y
        chosen = "columns"
    if chosen == "pointwise":
        x = x[tuple(slice(0, (n - 1) * s + 1, s) for n, s in zip(grid.lengths, grid.stride, strict=True))]
        pointwise.mix(x, filters.mixes, y)
    elif chosen == "columns":
        _by_columns(x, filters, grid, y)
    elif chosen == "rows":
        pixel_rows.multiply_by_rows(x, filters, grid, y)
    elif chosen == "multiply-adds":
        apart = y if y.flags.c_contiguous else room_for(grid.lengths, outputs, x.dtype, planes=False)
        multiply_adds.multiply_add(pixels(x), filters.rows(grid.lengths[-1]), grid, apart)
        if apart is not y:
            part_to(apart, y)
    elif chosen in TILES:
        winograd.multiply_tiles(x, filters.spectra(TILES[chosen]), grid.dilation, y)
    else:
        apart = y if planar(y) else room_for(grid.lengths, outputs, x.dtype, planes=True)
        shifts.add_shifted(x, filters.shifts, taps, grid, apart)
        if apart is not y:
            join_to(apart, y)
    return y


def _by_columns(x: Floats, filters: Filters, grid: Grid, y: Floats) -> None:
    """Fills `y` `(*lengths, out)` by products with columns of pixels, or of planes."""
    outputs, inputs, *taps = filters.shape
    source = pixels(x) if by_pixels(inputs, filters.groups) else channels_last(by_rows(x))
    # Groups make few channels of a pixel each.
    turned = filters.groups > 1 and not planar(y)
    apart = room_for(grid.lengths, outputs, x.dtype, planes=True) if turned else y
    columns.multiply_columns(source, filters.columns, taps, grid, apart)
    if turned:
        join_to(apart, y)


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
    return channels_last(results) if planar(x) else join(results)
