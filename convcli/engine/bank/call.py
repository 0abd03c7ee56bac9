"""All of a small input by one call: what bands and windows there are is worked out once, and kept with the kernel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from convcli.engine.bank.bank import correlate_bank, laid, room_for
from convcli.engine.borders import read_window
from convcli.engine.facts import Facts
from convcli.engine.geometry import grid_of
from convcli.engine.threads import one_thread_below, run_all
from convcli.engine.tiles import bands

if TYPE_CHECKING:
    from convcli.engine.bank.bank import Filters
    from convcli.engine.dtypes import Array, Call, Floats, Signature
    from convcli.engine.geometry import Grid, Window

#: Bytes of an input and its result that are filtered by one call.
CALL_BYTES = 1 << 23


def bank_call(x: Signature, filters: Filters, windows: Sequence[Window], border: str) -> Call | None:
    """All of a small input at once, by two threads where that pays: all that can be is worked out beforehand.

    None where more is read and written than caches hold, or pairs of channels are filtered one by one.
    """
    grid = grid_of(windows)
    plan = filters.plan(grid, planes=x.planes)
    shape = (*grid.lengths, len(filters.weights))
    itemsize = np.dtype(x.work).itemsize
    if x.native or plan.algorithm == "planes" or (math.prod(x.shape) + math.prod(shape)) * itemsize > CALL_BYTES:
        return None
    rest = tuple((0, n) for n in grid.lengths[1:])
    pieces = []
    for cut in bands(x.shape, windows, itemsize, plan.rows, shape[-1], small=True):
        ranges = [window.reads(*part) for window, part in zip(windows, (cut, *rest), strict=True)]
        inside = all(start >= 0 and stop <= n for (start, stop), n in zip(ranges, x.shape, strict=False))
        pieces.append((slice(*cut), ranges, grid_of(windows, (cut, *rest)), inside and x.dtype == x.work))

    def call(array: Array, out: Floats | None) -> Floats:
        y = room_for(grid.lengths, shape[-1], x.work, planes=x.planes) if out is None else out

        def make(piece: tuple[slice, Sequence[tuple[int, int]], Grid, bool]) -> None:
            rows, ranges, own, inside = piece
            if inside:
                data = array[tuple(slice(*part) for part in ranges)]
            else:
                sizes = [stop - start for start, stop in ranges]
                window = room_for(sizes, x.shape[-1], x.work, planes=x.planes, name="window")
                data = read_window(array, ranges, border, x.work, out=window)
            facts = Facts(laid(data), plain=x.dtype.kind != "f")
            correlate_bank(data, filters, own, facts=facts, into=y[rows], chosen=plan.algorithm)

        # A single piece gets no threads of ours: those of BLAS would make its bits depend on their number.
        with one_thread_below(), np.errstate(over="ignore", invalid="ignore"):
            run_all(make, pieces)
        return y

    return call
