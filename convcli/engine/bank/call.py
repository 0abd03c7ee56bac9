"""All of a small input by one call: what bands and windows there are is worked out once, and kept with the kernel."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from convcli.engine.bank.apart import planes_call
from convcli.engine.bank.bank import correlate_bank
from convcli.engine.bank.layouts import by_rows, laid, pixels, room_for
from convcli.engine.bank.plan import BAND, CALL_BYTES, TILES
from convcli.engine.bank.straight import straight_call
from convcli.engine.borders import read_window
from convcli.engine.dtypes import planar
from convcli.engine.facts import Facts
from convcli.engine.geometry import Gather, Grid, constant, even_cuts, grid_of
from convcli.engine.threads import one_thread_below, run_all
from convcli.engine.tiles import bands

#: Bytes of a window that one thread reads for all.
ONCE_BYTES = 1 << 20

if TYPE_CHECKING:
    from convcli.engine.bank.bank import Filters, Share
    from convcli.engine.dtypes import Array, Call, Floats, Signature
    from convcli.engine.geometry import Window
    from convcli.engine.plan import Plan
    from convcli.engine.threads import Cut


def bank_call(
    x: Signature, filters: Filters, windows: Sequence[Window], border: str, *, beside: bool = False
) -> Call | None:
    """All of a small input at once, by two threads where that pays: all that can be is worked out beforehand.

    None where more is read and written than caches hold, or pairs of channels are filtered one by one. `beside` other
    threads that do the like it starts none.
    """
    grid = grid_of(windows)
    plan = filters.plan(grid, planes=x.planes, beside=beside)
    if beside:
        plan = replace(plan, rows=grid.lengths[0], shares=1)
    if plan.algorithm == "planes" and not x.native:
        return planes_call(x, filters, windows, border, plan)
    shape = (*grid.lengths, len(filters.weights))
    itemsize = np.dtype(x.work).itemsize
    if x.native or (math.prod(x.shape) + math.prod(shape)) * itemsize > CALL_BYTES:
        return None
    if plan.algorithm == "pointwise" and x.dtype == x.work and (call := _mixed_call(x, filters, windows, plan)):
        return call
    if plan.algorithm == "net":
        return _net_call(x, filters, windows, border, plan)
    if plan.algorithm == "multiply-adds" and constant(border) is not None and not x.planes:
        return _added_call(x, filters, windows, border, plan, beside)
    if plan.algorithm in TILES and constant(border) == 0 and (call := _tiles_call(x, filters, windows, border, plan)):
        return call
    straight = straight_call(x, filters, windows, border, plan) if plan.algorithm == "columns" else None
    return straight or _banded_call(x, filters, windows, border, plan)


def _tiles_call(x: Signature, filters: Filters, windows: Sequence[Window], border: str, plan: Plan) -> Call | None:
    """Winograd's tiles of what lies in zeros, in two bands, of all outputs or of half of them; or one by one.

    None where each phase of a dilation is made by itself.
    """
    from convcli.engine.bank.winograd import is_by_phases, multiply_tiles

    grid, step, outputs = grid_of(windows), TILES[plan.algorithm], len(filters.weights)
    if is_by_phases(filters.spectra(step), grid.dilation, grid.lengths[1]):
        return None
    columns = replace(plan, algorithm="columns")
    otherwise = straight_call(x, filters, windows, border, columns)
    otherwise = otherwise or _banded_call(x, filters, windows, border, columns)
    itemsize, left = np.dtype(x.work).itemsize, windows[1].reads(0, 1)[0]
    cuts = (
        bands(x.shape, windows, itemsize, plan.rows, outputs, small=True)
        if plan.shares == 1
        else [(0, grid.lengths[0])]
    )
    pieces = [
        (slice(*cut), (windows[0].reads(*cut)[0], left), share) for cut in cuts for share in filters.shares(plan.shares)
    ]
    # What is small is turned once: threads that do so each for themselves wait for each other.
    small = itemsize * math.prod(x.shape) <= ONCE_BYTES

    def call(array: Array, out: Floats | None) -> Floats:
        # Looked at once, and before threads wait for each other to do so.
        if not Facts(laid(array), plain=x.dtype.kind != "f").bounded:
            return otherwise(array, out)
        y = room_for(grid.lengths, outputs, x.work, planes=x.planes) if out is None else out
        source = pixels(array, "source") if small else array

        def make(piece: tuple[slice, tuple[int, int], Share]) -> None:
            rows, first, share = piece
            spectra = share.filters.spectra(step)
            multiply_tiles(source, spectra, grid.dilation, y[rows][..., share.outputs], first)

        with one_thread_below(), np.errstate(over="ignore", invalid="ignore"):
            run_all(make, pieces)
        return y

    return call


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


def _mixed_call(x: Signature, filters: Filters, windows: Sequence[Window], plan: Plan) -> Call | None:
    """A mix of channels that is not worth two threads, and reads nothing outside, from where they lie."""
    from convcli.engine.bank.pointwise import is_inside, mix

    grid = grid_of(windows)
    if plan.shares > 1 or plan.rows < grid.lengths[0] or not is_inside(windows, x.shape):
        return None
    wanted = tuple(slice(0, (n - 1) * by + 1, by) for n, by in zip(grid.lengths, grid.stride, strict=True))
    mixes = filters.mixes

    def call(array: Array, out: Floats | None) -> Floats:
        y = room_for(grid.lengths, len(filters.weights), x.work, planes=x.planes) if out is None else out
        with one_thread_below(), np.errstate(over="ignore", invalid="ignore"):
            mix(array[wanted], mixes, y)
        return y

    return call


def _added_call(
    x: Signature, filters: Filters, windows: Sequence[Window], border: str, plan: Plan, beside: bool
) -> Call:
    """Multiply-adds of pixels by one thread, or by two in a band each; samples outside are left out, or all alike."""
    from convcli.engine.bank.multiply_adds import Products, multiply_add

    grid, outputs = grid_of(windows), len(filters.weights)
    cuts = bands(x.shape, windows, np.dtype(x.work).itemsize, plan.rows, outputs, small=True)
    rest = tuple((0, n) for n in grid.lengths[1:])
    products = None
    if not beside and len(cuts) == 1 and len(windows) == 2 and constant(border) == 0:
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


def _net_call(x: Signature, filters: Filters, windows: Sequence[Window], border: str, plan: Plan) -> Call:
    """All at once by a network, on threads of OpenCV's own; it pads zeros itself."""
    grid, ranges = grid_of(windows), [window.reads(0, window.length) for window in windows]
    pads = [(-start, stop - n) for (start, stop), n in zip(ranges, x.shape, strict=False)]
    # OpenCV reads beyond its input where single taps have cells around it.
    single = math.prod(filters.shape[2:]) == 1 and max(map(max, pads)) > 0
    whole = constant(border) == 0 and x.dtype == x.work and min(map(min, pads)) >= 0 and not single
    sizes = [stop - start for start, stop in ranges]
    otherwise = _banded_call(x, filters, windows, border, replace(plan, algorithm="columns"))

    def call(array: Array, out: Floats | None) -> Floats:
        y = room_for(grid.lengths, len(filters.weights), x.work, planes=x.planes) if out is None else out
        data = array
        if not whole:
            window = room_for(sizes, data.shape[-1], x.work, planes=x.planes, name="window")
            data = read_window(data, ranges, border, x.work, out=window)
        done = filters.nets.fill(by_rows(data), grid, y, pads if whole else ((0, 0), (0, 0)))
        return y if done else otherwise(array, y)

    return call


def banks_call(x: Signature, filters: Filters, mix: Filters, windows: Sequence[Window], border: str) -> Call | None:
    """All of a small input by a bank, whose channels are then mixed by one of single taps: by two threads that make
    some rows of both where that pays."""
    lengths, ones = grid_of(windows).lengths, (1,) * len(windows)
    first, second = filters.plan(grid_of(windows), planes=x.planes), mix.plan(Grid(ones, ones, lengths), planes=True)
    count = 2 if constant(border) is not None and (first.cost + second.cost) * math.prod(lengths) >= 2 * BAND else 1
    calls = [_both_calls(x, filters, mix, windows, border, cut) for cut in even_cuts(lengths[0], count)]
    parts = [call for call in calls if call is not None]
    if x.native or len(parts) < count:
        return None

    def call(array: Array, out: Floats | None) -> Floats:
        y = room_for(lengths, len(mix.weights), x.work, planes=x.planes, name="mixed") if out is None else out
        if len(parts) > 1:
            run_all(lambda part: part(array, y), parts)
        else:
            with one_thread_below():
                parts[0](array, y)
        return y

    return call


def _both_calls(
    x: Signature, filters: Filters, mix: Filters, windows: Sequence[Window], border: str, cut: Cut
) -> Callable[[Array, Floats], Floats] | None:
    """The rows of a cut by both banks."""
    first, lengths = windows[0], (cut[1] - cut[0], *(window.length for window in windows[1:]))
    (start, stop), beside = first.reads(*cut), lengths[0] < first.length
    rows = slice(max(0, start), min(stop, x.shape[0])) if beside else slice(0, x.shape[0])
    own = [replace(first, before=rows.start - start, length=lengths[0]), *windows[1:]]
    source = x._replace(shape=(rows.stop - rows.start, *x.shape[1:]))
    # Products read planes as they do pixels.
    planes = x.planes or filters.plan(grid_of(own), planes=False, beside=beside).algorithm in ("net", "planes")
    between = x._replace(shape=(*lengths, mix.shape[1]), dtype=np.dtype(x.work), algorithm=None, planes=planes)
    filtered = bank_call(source, filters, own, border, beside=beside)
    mixed = bank_call(between, mix, [Gather(1, 1, 1, 0, n) for n in lengths], border, beside=beside)
    if filtered is None or mixed is None:
        return None
    before, after = filtered, mixed

    def part(array: Array, y: Floats) -> Floats:
        room = room_for(lengths, between.shape[-1], x.work, planes=planes, name="between")
        return after(before(array[rows], room), y[slice(*cut)])

    return part
