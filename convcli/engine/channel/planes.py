"""One kernel on every channel alone, plane by plane; any rank, stride and dilation."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from convcli.engine import tiles
from convcli.engine.channel import fused, phases, whole
from convcli.engine.channel.correlation import Correlation
from convcli.engine.channel.direct import direct, one_channel, opencv_layout
from convcli.engine.channel.factors import factorise
from convcli.engine.channel.fourier import by_tiles, fourier
from convcli.engine.channel.passes import passes
from convcli.engine.channel.phases import correlate_phases, spread_taps
from convcli.engine.channel.volume import are_small, band_slices, correlate_slices, correlate_volume, folded, pays
from convcli.engine.dtypes import planar, work_dtype
from convcli.engine.facts import Facts
from convcli.engine.geometry import Gather, Grid, extent
from convcli.engine.plan import FOURIER_AREA, Algorithm, Plan, Plane, options, plan_plane
from convcli.engine.processor import line, processor
from convcli.engine.threads import Cuts

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, DTypeLike, Floats

#: Nanoseconds to keep every so manieth sample of the result of a plain convolution, and to add it up.
PICK = 0.3
#: Nanoseconds to copy a sample to the window of a band.
WINDOW = 0.5
#: Samples of which OpenCV makes running sums without being made floats first.
SUMMED = (np.dtype(np.uint8), np.dtype(np.uint16))
#: Dilated taps are looked at with the zeros between them up to this many; among more, finding factors takes too long.
SPREAD_LIMIT = 1 << 16


def correlate_planes(x: Floats, taps: Floats, grid: Grid, *, facts: Facts, into: Floats | None = None) -> Floats:
    """`y[o] = sum_t taps[t] * x[stride*o + dilation*t]` per channel, for the `o` of a grid, nothing outside read.

    `x` is `(*spatial, channels)`, `taps` has its spatial rank. `facts` say what the samples allow. The result is `into`
    where that is given and the algorithm can write to it at once.
    """
    spatial, stride, lengths = taps.ndim, grid.stride, grid.lengths
    if spatial == x.ndim - 1 == 3 and grid.is_dense and taps.shape[-1] > 1:
        return _correlate(x, taps, grid, facts, into)
    if not grid.is_dense and spatial == 2:
        return _correlate(x, taps, grid, facts, into)
    while spatial > 1 and taps.shape[-1] == 1 and stride[spatial - 1] == 1:
        # An axis that the kernel does not move along is as good as channels.
        x = x[(slice(None),) * (spatial - 1) + (slice(0, lengths[spatial - 1]),)]
        spatial -= 1
        x = x.reshape(*x.shape[:spatial], -1)
        taps = taps[..., 0]
    stride, dilation, inner = stride[:spatial], grid.dilation[:spatial], lengths[:spatial]
    if spatial == 1:
        if x.shape[1] <= 4:
            y = _correlate(x[None], taps[None], Grid((1, *stride), (1, *dilation), (1, *inner)), facts)[0]
        else:
            wide = Grid((*stride, 1), (*dilation, 1), (*inner, x.shape[1]))
            y = _correlate(x[..., None], taps[:, None], wide, facts)
    else:
        y = _correlate(x, taps, Grid(stride, dilation, inner), facts)
    shaped: Floats = y.reshape(*lengths, -1)
    return shaped


def _correlate(x: Floats, taps: Floats, grid: Grid, facts: Facts, into: Floats | None = None) -> Floats:
    """As `correlate_planes`, for two axes or more: the last two by planes, the others one slice at a time."""
    lengths = grid.lengths
    if taps.ndim == 2:
        if grid.is_dense:
            return _filter(x[: lengths[0] + taps.shape[0] - 1, : lengths[1] + taps.shape[1] - 1], taps, facts)
        return correlate_phases(x, taps, grid, lambda part, few: _phase(part, few, facts), into)
    if taps.ndim == 3 and grid.is_dense:
        if pays(taps, lengths) and facts.bounded:
            return correlate_volume(x, taps, lengths, into)
        if are_small(x, taps):
            return correlate_slices(x, taps, lengths, into)
    y = np.zeros((*lengths, x.shape[-1]), x.dtype)
    for o in range(lengths[0]):
        for t in range(taps.shape[0]):
            if taps[t].any():
                row = x[o * grid.stride[0] + t * grid.dilation[0]]
                y[o] += _correlate(row, taps[t], grid.inner(), facts)
    return y


def plan_for(
    taps: Floats, size: Sequence[int], *, facts: Facts | None = None, algorithm: str | None = None,
    integers: bool = False, calls: bool = False,
) -> Plan:  # fmt: skip
    """The plan for outputs `(h, w, channels)` of the plain convolution with `taps`, on samples with these `facts`;
    `integers` says that they are read as such, `calls` that all of a picture is filtered at once."""
    work, algorithm = _work(taps, size), facts.algorithm if facts else algorithm
    plan = plan_plane(replace(work, integers=integers) if integers else work, algorithm, calls=calls)
    if facts is None or plan.algorithm == "direct":
        return plan
    if plan.algorithm in ("fourier", "sums") and not facts.bounded:
        plan = plan_plane(replace(work, bounded=False), algorithm, calls=calls)
    if plan.algorithm == "passes" and not facts.finite:
        plan = plan_plane(replace(work, bounded=False, finite=False), algorithm, calls=calls)
    return plan


def _work(taps: Floats, size: Sequence[int]) -> Plane:
    factors = factorise(taps)
    if factors and taps.size <= 9 and len(factors[0]) > 1:
        factors = None  # so few taps are never worth several passes
    return Plane(
        taps=(taps.shape[0], taps.shape[1]), height=size[0], width=size[1], channels=size[2],
        nonzero=int(np.count_nonzero(taps)), rank=len(factors[0]) if factors else 0,
        mirrored=factors is not None and len(factors[0]) == 1 and whole.are_mirrored(*factors[0], *factors[1]),
        equal=taps.dtype == np.float32 and bool((taps == taps.flat[0]).all()), processor=processor(),
    )  # fmt: skip


def work_for(
    taps: Array, stride: Sequence[int], dilation: Sequence[int], spatial: Sequence[int] | None, channels: int
) -> tuple[Plane, int]:
    """The plain convolution that `correlate_planes` makes of these taps on `spatial` sizes, and of how many rows.

    A kernel that is strided or dilated along the rows is several such convolutions, each of every so manieth row.
    """
    plane = np.asarray(taps, np.float32)
    plane = plane.reshape(-1, *plane.shape[-2:])[0] if plane.ndim > 1 else plane[None]
    height, width = ([1, *(spatial or (1000, 1000))])[-2:]
    if extent(plane.shape[1], dilation[-1]) * len(plane) <= SPREAD_LIMIT:
        plane = spread_taps(plane, dilation[-1])
    count = math.lcm(stride[0], dilation[0]) if taps.ndim > 1 else 1
    return _work(plane, (max(1, height // stride[0]), width, channels)), count


def plan_strided(
    taps: Array, stride: Sequence[int], dilation: Sequence[int], algorithm: str | None = None
) -> Plan | None:
    """The plan for taps `(y, x)` with a stride, on a picture of some size; None where there is none of this kind.

    `direct` and `passes` filter all of a picture and keep every so manieth result; `products` make no others, and
    `phases` are plain convolutions of every so manieth row.
    """
    if taps.ndim != 2 or max(stride) == 1 or max(dilation) > 1:
        return None
    kernel = np.ascontiguousarray(taps, np.float32)
    return _plan_strided(kernel.tobytes(), kernel.shape, (stride[0], stride[1]), algorithm)


@lru_cache(maxsize=64)
def _plan_strided(data: bytes, shape: tuple[int, int], stride: tuple[int, int], algorithm: str | None) -> Plan:
    from convcli.engine.channel import strided

    taps, (down, across), kind = np.frombuffer(data, np.float32).reshape(shape), stride, processor()
    work = _work(taps, (1000, 1000, 1))
    every = {plan.algorithm: plan for plan in options(work)}
    costs: dict[str, float] = {}
    if taps.size < FOURIER_AREA:
        costs["direct"] = down * across * every["direct"].cost + PICK
    if "passes" in every and max(shape) < FOURIER_AREA:
        columns, rows = (line(cost, n) if n > 1 else 0 for cost, n in zip((kind.column, kind.row), shape, strict=True))
        costs["passes"] = max(work.rank, 1) * (down * across * columns + across * rows + PICK)
    if across > 1 and shape[1] > 1:
        costs["products"] = strided.Layout(taps=shape, stride=stride).cost(kind)
    parts = [taps[phase::down] for phase in range(min(down, len(taps)))]
    phases = across * sum(plan_plane(_work(part, (1000, 1000, 1)), calls=False).cost + PICK for part in parts)
    costs["phases"] = phases + WINDOW * down * across
    name = algorithm if algorithm in costs else min(costs, key=lambda name: costs[name])
    reasons = {
        "direct": f"{every['direct'].reason}, some results kept", "products": f"strided, {taps.size} taps",
        "passes": f"{every['passes'].reason}, some results kept" if "passes" in every else "",
        "phases": f"{len(parts)} of rows, {taps.size} taps",
    }  # fmt: skip
    return Plan(algorithm=name, reason=reasons[name], cost=costs[name])


def algorithm_for(
    taps: Array, steps: tuple[Sequence[int], Sequence[int]], spatial: Sequence[int] | None, channels: int,
    asked: str | None = None,
) -> Algorithm:  # fmt: skip
    """How `correlate_planes` goes about these taps, with strides and dilations, on an input of `spatial` sizes."""
    picked = plan_strided(taps, *steps, asked)
    if picked and picked.algorithm != "phases":
        return Algorithm(picked.algorithm, str(picked))
    work, count = work_for(taps, *steps, spatial, channels)
    plan = plan_plane(work, asked)
    return Algorithm(plan.algorithm, f"{plan}, {count} phases of rows" if count > 1 else str(plan))


def bands(plan: Plan, work: Plane, dtype: DTypeLike) -> list[tuple[int, int]]:
    """The rows of the output in the bands that a picture of `dtype` is cut into."""
    kind = np.dtype(dtype)
    if plan.call:
        return [(0, work.height)]
    if plan.algorithm == "fourier" and min(work.taps) > 1:
        return list(itertools.pairwise([*range(0, work.height, plan.rows), work.height]))
    if plan.algorithm == "passes":
        row, rank = work.width * work.channels, max(work.rank, 1)
        macs = work.height * row * rank * sum(work.taps)
        return fused.bands(work.height, row * work_dtype(kind).itemsize, macs, work.taps[0])
    samples = work.height * work.width * work.channels
    if plan.algorithm == "direct" and (
        kind.kind == "f" or (kind == np.uint8 and math.prod(work.taps) <= whole.NATIVE_AREA)
    ):
        return whole.parts(work.height, samples * kind.itemsize, samples, work.taps, whole.PART)
    windows = [Gather(k, 1, 1, k // 2, n) for k, n in zip(work.taps, (work.height, work.width), strict=True)]
    return tiles.bands((work.height, work.width, work.channels), windows, 4, plan.rows)


def band_rows(work: Correlation) -> int:
    """The height that bands should have for these outputs; 0 where the algorithm does not care."""
    taps, grid, channels = work.taps, work.grid, work.x.shape[-1]
    if taps.ndim == 3 and grid.is_dense:
        return band_slices(taps, grid.lengths)
    if taps.ndim != 2:
        return 0
    if not grid.is_dense:
        return phases.band_rows(grid, channels, taps.itemsize)
    return plan_for(taps, (*grid.lengths, channels), algorithm=work.constraints.algorithm).rows


def whole_cuts(work: Correlation) -> Cuts | None:
    """The work on all of the input without copying windows, where the fastest algorithm is one that can do so."""
    x, taps = work.x, work.taps
    if taps.ndim == 3 and x.ndim == 4 and not planar(x):
        return folded(work)
    if taps.ndim == 1 and x.ndim == 2:
        return _line(work)
    if taps.ndim != 2 or x.ndim != 3:
        return None
    if planar(x):
        parts = [whole_cuts(work.channel(channel, channel, taps)) for channel in range(x.shape[2])]
        # All channels are of one shape: what serves the first serves the others.
        joined = [part for part in parts if part is not None]
        return Cuts.joined(joined) if len(joined) == len(parts) else None
    if any(window.stride > 1 for window in work.windows):
        return _strided(work)
    together = spread(taps, [window.dilation for window in work.windows])
    return None if together is None else _plain(work.by(together))


def spread(taps: Floats, dilation: Sequence[int]) -> Floats | None:
    """`taps` `(y, x)` with the zeros between them; None where there are too many."""
    if max(dilation) > 1:
        if extent(taps.shape[0], dilation[0]) * extent(taps.shape[1], dilation[1]) > SPREAD_LIMIT:
            return None
        taps = spread_taps(spread_taps(taps, dilation[1]).T, dilation[0]).T
    return np.ascontiguousarray(taps)


def _line(work: Correlation) -> Cuts | None:
    """A kernel along a line of samples."""
    from convcli.engine.channel.line import along_line

    taps, samples = work.taps[None], work.x.shape[1]
    plan = plan_for(taps, (1, work.windows[0].length, samples), algorithm=work.constraints.algorithm)
    return along_line(work, plan, lambda line: _filter(line[None, :, None], taps, work.facts(line))[0, :, 0])


def _strided(work: Correlation) -> Cuts | None:
    """A kernel with a stride."""
    from convcli.engine.channel import strided

    taps, grid = work.taps, work.grid
    plan = plan_strided(taps, grid.stride, grid.dilation, work.constraints.algorithm)
    if plan is None:
        return None
    fitting = whole.fits(work.x.shape, taps.shape, work.windows, work.border)
    if fitting and whole.halves(taps, work.windows, work.border):
        return whole.filter_bands(work, whole.halving_filter(work.border), step=2)
    if fitting and plan.algorithm == "direct":
        return whole.filter_bands(work, whole.filter_of(plan, taps, work.windows, work.border))
    factors = factorise(taps) if plan.algorithm == "passes" and fused.fits(work) else None
    if factors is not None:
        return fused.fused(work, factors)
    if plan.algorithm != "products" or not strided.fits(work):
        return None

    def otherwise(window: Floats, lengths: tuple[int, int]) -> Floats:
        return correlate_planes(window, taps, Grid(grid.stride, (1, 1), lengths), facts=work.facts(window))

    return strided.strided(work, otherwise)


def _plain(work: Correlation) -> Cuts | None:
    """A kernel on a picture at stride 1, the zeros between dilated taps among them."""
    taps, windows, asked = work.taps, work.windows, work.constraints.algorithm
    size = (windows[0].length, windows[1].length, work.x.shape[2])
    plan = plan_for(taps, size, algorithm=asked, integers=work.x.dtype in SUMMED)
    if plan.algorithm == "sums" and whole.fits_in_place(work):
        filtered = whole.filter_of(plan, taps, windows, work.border)
        return whole.filter_bands(work, filtered, as_read=work.x.dtype in SUMMED)
    if plan.algorithm == "direct" and taps.size < FOURIER_AREA and whole.fits_in_place(work):
        return _direct(work, plan)
    if not fused.fits(work):
        return None
    factors = factorise(taps) if plan.algorithm in ("passes", "sums") else None
    if factors is not None:
        return fused.fused(work, factors)
    if plan.algorithm == "fourier" and min(taps.shape) > 1:
        return by_tiles(work, plan.tile, lambda window: _filter(window, taps, work.facts(window)))
    return None


def _direct(work: Correlation, plan: Plan) -> Cuts:
    """By `filter2D`, to where the result goes if that can be, else by way of floats."""
    x, taps, sink = work.x, work.taps, work.sink
    filtered = whole.filter_of(plan, taps, work.windows, work.border)
    exact = x.dtype == "uint8" and whole.are_integers(taps)
    native = x.dtype == "uint8" and taps.size <= whole.NATIVE_AREA
    out = sink.native(x.dtype, exact=exact) if native else sink.target(taps.dtype)
    if out is not None and x.dtype == out.dtype and opencv_layout(one_channel(out)):
        return whole.filter_to(work, filtered, out)
    return whole.filter_bands(work, filtered)


def _phase(x: Floats, taps: Floats, facts: Facts) -> Floats:
    """As `_filter`, for a result that is used up before the next one is asked for."""
    size = (x.shape[0] - taps.shape[0] + 1, x.shape[1] - taps.shape[1] + 1, x.shape[2])
    if phases.is_small(x, taps) and plan_for(taps, size, facts=facts).algorithm == "direct":
        return phases.correlate_small(x, taps)
    return _filter(x, taps, facts)


def _filter(x: Floats, taps: Floats, facts: Facts) -> Floats:
    """The convolution of plane `x` with `taps` at all places where it fits, `(h - kh + 1, w - kw + 1, channels)`."""
    size = (x.shape[0] - taps.shape[0] + 1, x.shape[1] - taps.shape[1] + 1, x.shape[2])
    plan = plan_for(taps, size, facts=facts)
    if plan.algorithm == "fourier":
        return fourier(x, taps, plan.tile)
    factors = factorise(taps) if plan.algorithm in ("passes", "sums") else None
    return direct(x, taps) if factors is None else passes(x, factors, facts.finite)
