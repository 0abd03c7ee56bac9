"""All of a small input by one call: what bands and windows there are is worked out once, and kept with the kernel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from convcli.engine.bank.apart import planes_call
from convcli.engine.bank.bank import correlate_bank
from convcli.engine.bank.layouts import laid, part, pixels, room_for
from convcli.engine.bank.plan import BAND, CALL_BYTES, TILES
from convcli.engine.bank.straight import straight_call
from convcli.engine.borders import read_window
from convcli.engine.dtypes import planar
from convcli.engine.facts import Facts
from convcli.engine.geometry import constant, grid_of
from convcli.engine.threads import one_thread_below, run_all
from convcli.engine.tiles import bands

#: Bytes of a window that one thread reads for all.
ONCE_BYTES = 1 << 20

if TYPE_CHECKING:
    from convcli.engine.bank.bank import Filters, Share
    from convcli.engine.dtypes import Array, Call, Floats, Signature
    from convcli.engine.geometry import Grid, Window
    from convcli.engine.plan import Plan
    from convcli.engine.threads import Cut


def bank_call(
    x: Signature, filters: Filters, windows: Sequence[Window], border: str, *, first: bool = False
) -> Call | None:
    """All of a small input at once, by two threads where that pays: all that can be is worked out beforehand.

    None where more is read and written than caches hold, or pairs of channels are filtered one by one. What is `first`
    of several such calls leaves threads to us: OpenCV's would have to be started again each time.
    """
    grid = grid_of(windows)
    plan = filters.plan(grid, planes=x.planes)
    if plan.algorithm == "planes" and not x.native:
        return planes_call(x, filters, windows, border, plan)
    shape = (*grid.lengths, len(filters.weights))
    itemsize = np.dtype(x.work).itemsize
    if x.native or (math.prod(x.shape) + math.prod(shape)) * itemsize > CALL_BYTES:
        return None
    if plan.algorithm == "net":
        return _net_call(x, filters, windows, border, plan, first)
    if plan.algorithm == "multiply-adds" and constant(border) is not None and not x.planes:
        return _added_call(x, filters, windows, border, plan)
    straight = straight_call(x, filters, windows, border, plan) if plan.algorithm == "columns" else None
    return straight or _banded_call(x, filters, windows, border, plan)


def _banded_call(x: Signature, filters: Filters, windows: Sequence[Window], border: str, plan: Plan) -> Call:
    """Two bands where each is worth a thread, of all outputs, or of half of them; one by one else."""
    grid = grid_of(windows)
    shape, itemsize = (*grid.lengths, len(filters.weights)), np.dtype(x.work).itemsize
    rest = tuple((0, n) for n in grid.lengths[1:])
    shares = filters.shares(plan.shares)
    if plan.algorithm in TILES:  # once, before threads ask for them
        filters.spectra(TILES[plan.algorithm])
    cuts = bands(x.shape, windows, itemsize, plan.rows, shape[-1], small=True) if len(shares) == 1 else [(0, shape[0])]
    spans = [window.reads(0, window.length) for window in windows]
    # What is small is turned once, and read once: threads that do so each for themselves wait for each other.
    small = itemsize * x.shape[-1] * math.prod(b - a for a, b in spans) <= ONCE_BYTES
    whole = len(cuts) * len(shares) > 1 and small
    pieces = []
    for cut in cuts:
        ranges = [window.reads(*part) for window, part in zip(windows, (cut, *rest), strict=True)]
        own = grid_of(windows, (cut, *rest))
        pieces += [(slice(*cut), ranges, own, share) for share in shares]

    def read(array: Array, ranges: Sequence[tuple[int, int]]) -> Floats:
        inside = all(start >= 0 and stop <= n for (start, stop), n in zip(ranges, x.shape, strict=False))
        if inside and x.dtype == x.work:
            return array[tuple(slice(*part) for part in ranges)]
        sizes = [stop - start for start, stop in ranges]
        window = room_for(sizes, x.shape[-1], x.work, planes=planar(array), name="window")
        return read_window(array, ranges, border, x.work, out=window)

    def call(array: Array, out: Floats | None) -> Floats:
        y = room_for(grid.lengths, shape[-1], x.work, planes=x.planes) if out is None else out
        # Looked at once, and before threads wait for each other to do so.
        facts = Facts(laid(array), plain=x.dtype.kind != "f", beside=constant(border) or 0.0)
        chosen = "columns" if plan.algorithm in TILES and not facts.bounded else plan.algorithm
        if chosen in TILES and small and x.dtype == x.work:
            array = pixels(array, "source")
        once = read(array, spans) if whole else None

        def make(piece: tuple[slice, Sequence[tuple[int, int]], Grid, Share]) -> None:
            rows, ranges, own, share = piece
            start = spans[0][0]
            data = read(array, ranges) if once is None else once[ranges[0][0] - start : ranges[0][1] - start]
            into = y[rows][..., share.outputs]
            correlate_bank(data, share.filters, own, facts=facts, into=into, chosen=chosen)

        # A single piece gets no threads of ours: those of BLAS would make its bits depend on their number.
        with one_thread_below(), np.errstate(over="ignore", invalid="ignore"):
            run_all(make, pieces)
        return y

    return call


def _added_call(x: Signature, filters: Filters, windows: Sequence[Window], border: str, plan: Plan) -> Call:
    """Multiply-adds of pixels by one thread, or by two in a band each; samples outside are left out, or all alike."""
    from convcli.engine.bank.multiply_adds import Products, multiply_add

    grid, outputs = grid_of(windows), len(filters.weights)
    cuts = bands(x.shape, windows, np.dtype(x.work).itemsize, plan.rows, outputs, small=True)
    rest = tuple((0, n) for n in grid.lengths[1:])
    products = None
    if len(cuts) == 1 and len(windows) == 2 and constant(border) == 0:
        products = Products(filters.weights, x.shape[:2], grid, [window.before for window in windows])

    def call(array: Array, out: Floats | None) -> Floats:
        y = out if out is not None and out.flags.c_contiguous else room_for(grid.lengths, outputs, x.work, planes=False)

        def make(cut: Cut) -> None:
            at = [window.reads(*part) for window, part in zip(windows, (cut, *rest), strict=True)]
            rows, own = filters.rows(grid.lengths[-1]), grid_of(windows, (cut, *rest))
            multiply_add(array, rows, own, y[slice(*cut)], at=at, border=border)

        if products is None:
            with one_thread_below():
                run_all(make, cuts)
        else:
            with np.errstate(over="ignore", invalid="ignore"):
                products.add(np.asarray(array, x.work), y)
        if out is not None and out is not y:
            np.copyto(out, y)
        return y if out is None else out

    return call


def _net_call(x: Signature, filters: Filters, windows: Sequence[Window], border: str, plan: Plan, first: bool) -> Call:
    """All at once by a network, on threads of OpenCV's own, or by two that share groups; they pad zeros themselves."""
    grid, ranges = grid_of(windows), [window.reads(0, window.length) for window in windows]
    pads = [(-start, stop - n) for (start, stop), n in zip(ranges, x.shape, strict=False)]
    whole = constant(border) == 0 and x.dtype == x.work and min(map(min, pads)) >= 0
    sizes = [stop - start for start, stop in ranges]
    otherwise = _banded_call(x, filters, windows, border, replace(plan, algorithm="columns"))
    shares = filters.shares(2 if first and filters.groups > 1 and plan.cost * math.prod(grid.lengths) >= BAND else 1)

    def call(array: Array, out: Floats | None) -> Floats:
        y = room_for(grid.lengths, len(filters.weights), x.work, planes=x.planes) if out is None else out
        finite: list[bool] = []

        def make(share: Share) -> None:
            data = array[..., share.inputs]
            if not whole:
                window = room_for(sizes, data.shape[-1], x.work, planes=x.planes, name="window")
                data = read_window(data, ranges, border, x.work, out=window)
            own, results = share.filters.nets, y[..., share.outputs]
            finite.append(own.fill(part(data), grid, results, pads if whole else ((0, 0), (0, 0))))

        if len(shares) > 1:
            run_all(make, shares)
        else:
            make(shares[0])
        return y if all(finite) else otherwise(array, y)

    return call
