"""One kernel on every channel alone, plane by plane; any rank, stride and dilation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from convcli.engine.channel import phases, shifted, whole
from convcli.engine.channel.choice import SUMMED, plan_for, plan_strided, plane_of, spread
from convcli.engine.channel.correlation import Correlation
from convcli.engine.channel.direct import direct, most_taps, one_channel, opencv_layout
from convcli.engine.channel.factors import factorise
from convcli.engine.channel.phases import correlate_phases
from convcli.engine.dtypes import planar
from convcli.engine.facts import Facts
from convcli.engine.geometry import Grid
from convcli.engine.plan import Plan, plan_plane
from convcli.engine.threads import Cuts
from convcli.records import late

if TYPE_CHECKING:
    from convcli.engine.channel import fourier, fused, passes, slices, volume
    from convcli.engine.dtypes import Floats
else:  # not for pictures, or not for most kernels
    fourier, fused, passes, slices, volume = (
        late(f"convcli.engine.channel.{name}") for name in ("fourier", "fused", "passes", "slices", "volume")
    )


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
        if volume.pays(taps, lengths) and facts.bounded:
            return volume.correlate_volume(x, taps, lengths, into)
        if slices.are_small(x.shape, taps):
            return slices.correlate_slices(
                x, taps, np.empty((*lengths, x.shape[-1]), x.dtype) if into is None else into
            )
    y = np.zeros((*lengths, x.shape[-1]), x.dtype)
    for o in range(lengths[0]):
        for t in range(taps.shape[0]):
            if taps[t].any():
                row = x[o * grid.stride[0] + t * grid.dilation[0]]
                y[o] += _correlate(row, taps[t], grid.inner(), facts)
    return y


def band_rows(work: Correlation) -> int:
    """The height that bands should have for these outputs; 0 where the algorithm does not care."""
    taps, grid, channels = work.taps, work.grid, work.x.shape[-1]
    if taps.ndim == 3 and grid.is_dense:
        return volume.band_slices(taps, grid.lengths)
    if taps.ndim != 2:
        return 0
    if not grid.is_dense:
        return phases.band_rows(grid, channels, taps.itemsize)
    return plan_plane(plane_of(taps, (*grid.lengths, channels)), work.constraints.algorithm, calls=False).rows


def whole_cuts(work: Correlation) -> Cuts | None:
    """The work on all of the input without copying windows, where the fastest algorithm is one that can do so."""
    x, taps = work.x, work.taps
    if taps.ndim == 3 and x.ndim == 4 and not planar(x):
        return slices.sliced(work)
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
    if shifted.fits(x, taps, work.windows) and work.constraints.algorithm is None:
        return shifted.shifted(work)
    together = spread(taps, [window.dilation for window in work.windows])
    return None if together is None else _plain(work.by(together))


def _line(work: Correlation) -> Cuts | None:
    """A kernel along a line of samples."""
    from convcli.engine.channel.line import along_line

    taps, samples = work.taps[None], work.x.shape[1]
    plane = plane_of(taps, (1, work.windows[0].length, samples))
    plan = plan_plane(plane, work.constraints.algorithm, calls=False)
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

    asked = work.constraints.algorithm

    def otherwise(window: Floats, lengths: tuple[int, int]) -> Floats:
        facts = Facts(window, plain=False, algorithm=asked)
        return correlate_planes(window, taps, Grid(grid.stride, (1, 1), lengths), facts=facts)

    return strided.strided(work, otherwise)


def _plain(work: Correlation) -> Cuts | None:
    """A kernel on a picture at stride 1, the zeros between dilated taps among them."""
    taps, windows, asked = work.taps, work.windows, work.constraints.algorithm
    size = (windows[0].length, windows[1].length, work.x.shape[2])
    bears = work.x.dtype == np.uint8 and whole.bears_bytes(taps)
    native = bears and work.sink.native(work.x.dtype, exact=whole.are_integers(taps)) is not None
    plan = plan_plane(plane_of(taps, size, integers=work.x.dtype in SUMMED, native=native), asked, calls=False)
    as_is = work.sink.keeps(work.x.dtype) and opencv_layout(one_channel(work.sink.out))
    if as_is and whole.blurs(taps, work.x.dtype, asked, exact=work.sink.exact) and whole.fits_in_place(work):
        return whole.filter_to(work, whole.blur_filter(taps, windows, work.border))
    if plan.algorithm == "sums" and whole.fits_in_place(work):
        filtered = whole.filter_of(plan, taps, windows, work.border)
        return whole.filter_bands(work, filtered, as_read=work.x.dtype in SUMMED)
    few = plan.algorithm == "direct" and taps.size <= most_taps(taps.dtype)
    called = few or (plan.folded and max(window.dilation for window in windows) == 1)
    if called and whole.fits_in_place(work):
        return _called(work, plan)
    if not fused.fits(work):
        return None
    factors = factorise(taps) if plan.algorithm in ("passes", "sums") else None
    if factors is not None:
        return fused.fused(work, factors)
    if plan.algorithm == "fourier" and min(taps.shape) > 1:
        return fourier.by_tiles(
            work, plan.tile, lambda window: _filter(window, taps, Facts(window, plain=False, algorithm=asked))
        )
    return None


def _called(work: Correlation, plan: Plan) -> Cuts:
    """By a call of OpenCV for each part, to where the result goes if that can be, else by way of floats."""
    x, filtered = work.x, whole.filter_of(plan, work.taps, work.windows, work.border)
    out = work.sink.out if plan.native else work.sink.target(work.taps.dtype)
    if out is not None and x.dtype == out.dtype and opencv_layout(one_channel(out)):
        return whole.filter_to(work, filtered)
    return whole.filter_bands(work, filtered)


def _phase(x: Floats, taps: Floats, facts: Facts) -> Floats:
    """As `_filter`, for a result that is used up before the next one is asked for."""
    size = (x.shape[0] - taps.shape[0] + 1, x.shape[1] - taps.shape[1] + 1, x.shape[2])
    if phases.is_small(x, taps) and plan_for(taps, size, facts).algorithm == "direct":
        return phases.correlate_small(x, taps)
    return _filter(x, taps, facts)


def _filter(x: Floats, taps: Floats, facts: Facts) -> Floats:
    """The convolution of plane `x` with `taps` at all places where it fits, `(h - kh + 1, w - kw + 1, channels)`."""
    size = (x.shape[0] - taps.shape[0] + 1, x.shape[1] - taps.shape[1] + 1, x.shape[2])
    plan = plan_for(taps, size, facts)
    if plan.algorithm == "fourier":
        return fourier.fourier(x, taps, plan.tile)
    factors = factorise(taps) if plan.algorithm in ("passes", "sums") else None
    return direct(x, taps) if factors is None else passes.passes(x, factors, facts.finite)
