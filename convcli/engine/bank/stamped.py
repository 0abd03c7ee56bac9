"""Transposed banks: what every sample spreads, mixed over the channels and put together as the stamps lie.

Where stamps lie side by side, rows of results are rows of products. Else each phase of the outputs is a bank of its own
on the input, with the taps that reach it; or, of many channels to few, one product makes what each tap makes of all
samples, and these are added where they meet.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convcli.engine.bank import shifts
from convcli.engine.bank.bank import Filters, correlate_bank
from convcli.engine.bank.cells import cells_call
from convcli.engine.bank.layouts import part, pixels, room_for
from convcli.engine.bank.speeds import SPEEDS
from convcli.engine.bank.spread import spread_call
from convcli.engine.dtypes import channels_last, planar
from convcli.engine.geometry import Grid
from convcli.engine.memory import scratch
from convcli.engine.processor import processor
from convcli.engine.stamps import is_tiled, stamp
from convcli.engine.tiles import Tile

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from convcli.engine.dtypes import Call, Floats, Signature
    from convcli.engine.geometry import Scatter
    from convcli.engine.threads import Cuts
    from convcli.engine.tiles import Tiling

#: Inputs for an output from which adding up what taps make costs less than laying out what phases read.
MANY = 2


def is_by_phases(outputs: int, inputs: int, groups: int) -> bool:
    """Whether a transposed bank with so many `inputs` to a group is a bank for each phase of its outputs."""
    return inputs * groups < MANY * outputs


class StampedBank:
    """A transposed bank of `weights` `(out, in/groups, *taps)`, in the forms that are wanted, each made once.

    Where taps only pick samples, `picked` are the channels that they are.
    """

    def __init__(self, weights: Floats, groups: int, picked: npt.NDArray[np.intp] | None) -> None:
        self.weights, self.groups, self.picked = weights, groups, picked
        self._outputs, inputs, *self._taps = weights.shape
        self._by_phases = picked is None and is_by_phases(self._outputs, inputs, groups)
        self._phases: dict[str, Filters] = {}

    @cached_property
    def _matrix(self) -> Floats:
        """For one product with all taps."""
        return shifts.matrices(self.weights, self.groups)

    @cached_property
    def _by_rows(self) -> Floats:
        """`(taps down, in, taps across * out)`, for stamps side by side."""
        high, wide = self._taps
        return np.ascontiguousarray(self.weights.transpose(2, 1, 3, 0)).reshape(high, -1, wide * self._outputs)

    def cuts(self, tiling: Tiling, windows: Sequence[Scatter]) -> Cuts:
        """The work on the `windows` of a tiling."""
        target, by_rows = tiling.sink.target(tiling.dtype), self._is_by_rows(windows)

        def compute(tile: Tile) -> Floats:
            into = None if target is None else target[slice(*tile.region[0])]
            whole = by_rows and not any(n % self._taps[0] for n in tile.region[0])
            if not whole and not self._by_phases:
                return self._added(tile, windows, into)
            # Pixels are put side by side in longer pieces than samples of planes are, by more than turning them costs.
            data, apart = pixels(tile.data, "turned input"), into is None or not into.flags.c_contiguous
            shape = (*(stop - start for start, stop in tile.region), self._outputs)
            y = scratch("stamped", shape, tile.data.dtype) if into is None or apart else into
            if whole:
                self._multiply_rows(data, y)
            else:
                self._correlate_phases(tiling, Tile(data, tile.origin, tile.region), windows, y)
            return channels_last(part(y, "turned stamps")) if into is not None and planar(into) else y

        return tiling.by_tiles(compute)

    def call(self, x: Signature, windows: Sequence[Scatter], border: str) -> Call | None:
        """All of a small result at once, as cells or spread; None where channels are in groups, or only picked."""
        if self.picked is not None or self.groups > 1 or len(self._taps) != 2:
            return None
        speeds = SPEEDS[processor().name]
        if self._by_phases or self._is_by_rows(windows):
            call = cells_call(x, self.weights, windows, border, speeds)
            if call is not None:
                return call
        return spread_call(x, self.weights, windows, border, speeds)

    def _is_by_rows(self, windows: Sequence[Scatter]) -> bool:
        """Whether rows of results are rows of products, of a bank without groups."""
        return self.picked is None and self.groups == 1 and len(self._taps) == 2 and all(map(is_tiled, windows))

    def _multiply_rows(self, x: Floats, y: Floats) -> None:
        """Fills pixels `y` with stamps that lie side by side."""
        high, _, wide = self._by_rows.shape
        rows = y.reshape(y.shape[0] // high, high, y.shape[1] * self._outputs // wide, wide)
        for row, matrix in enumerate(self._by_rows):
            np.matmul(x, matrix, out=rows[:, row])

    def _correlate_phases(self, tiling: Tiling, tile: Tile, windows: Sequence[Scatter], y: Floats) -> None:
        """Fills pixels `y` with what the bank of each phase makes of a tile of pixels."""
        facts, ones = tiling.facts(tile.data, None), (1,) * len(self._taps)

        def phase(
            source: Floats, taps: tuple[slice, ...], dilation: tuple[int, ...], lengths: tuple[int, ...], name: str
        ) -> Floats:
            own = self._phases.get(str(taps))
            if own is None:
                weights = np.ascontiguousarray(self.weights[(slice(None), slice(None), *taps)])
                own = self._phases[str(taps)] = Filters(weights, self.groups)
            sides = zip(lengths, own.shape[2:], dilation, strict=True)
            read = source[tuple(slice(n + (count - 1) * step) for n, count, step in sides)]
            room = room_for(lengths, self._outputs, y.dtype, planes=False, name=name)
            result = correlate_bank(read, own, Grid(ones, dilation, lengths), facts=facts, into=room)
            if result is not room:  # an array of scratch that the next phase may get again
                np.copyto(room, result)
            return room

        stamp(tile, windows, self._outputs, phase, y)

    def _added(self, tile: Tile, windows: Sequence[Scatter], into: Floats | None) -> Floats:
        """The outputs of a tile from what all taps make of it."""
        rank = len(self._taps)
        if self.picked is None:
            apart = shifts.products(tile.data, self._matrix)
        else:
            planes = part(tile.data)
            apart = planes if np.array_equal(self.picked, np.arange(len(planes))) else planes[self.picked]
        by_taps = apart.reshape(self._outputs, *self._taps, *tile.data.shape[:-1])
        data = np.moveaxis(by_taps, range(1 + rank), range(rank, 1 + 2 * rank))
        return stamp(Tile(data, tile.origin, tile.region), windows, self._outputs, _sum_taps, into)


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
