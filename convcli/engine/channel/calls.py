"""All of a small picture, every channel alone, by plain calls of OpenCV: without bands, threads or windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from convcli.engine.channel import shifted, whole
from convcli.engine.channel.choice import SUMMED, plan_strided, plane_of, spread
from convcli.engine.channel.factors import factorise
from convcli.engine.channel.plain_call import PlainCall
from convcli.engine.geometry import Gather
from convcli.engine.memory import scratch
from convcli.engine.plan import BANDS, CONVERTED, is_call, plan_plane
from convcli.engine.processor import processor
from convcli.engine.threads import thread_count
from convcli.records import late

if TYPE_CHECKING:
    from convcli.engine.channel import slices
    from convcli.engine.channel.whole import Filter
    from convcli.engine.dtypes import Array, Call, Floats, Signature
    from convcli.engine.geometry import Window
    from convcli.engine.plan import Plan
else:  # not for pictures
    slices = late("convcli.engine.channel.slices")

#: The longest side of a picture whose matrices of taps and border stay in the cache, and nanoseconds for their calls.
LONGEST, PRODUCTS = 256, 7_000
#: How much more a call that makes results which a stride leaves out is like, beside bands that make none.
UNWANTED = 1.25
#: How much more is a call where there is but one thread, which nobody would help, and it takes no memory on its way.
ALONE = 15
#: Taps up to which bands by passes make few rows twice: of bytes, and of floats of several channels.
FEW = 5, 11


def plane_call(x: Signature, taps: Floats, windows: Sequence[Window], border: str) -> Call | None:
    """`taps` on every channel alone by calls of OpenCV on all of a picture; None where bands are faster."""
    if taps.ndim == 1 and len(x.shape) == 2 and not x.planes:
        line = plane_call(x._replace(shape=(1, *x.shape)), taps[None], [Gather(1, 1, 1, 0, 1), *windows], border)
        return None if line is None else lambda row, out: line(row[None], None if out is None else out[None])[0]
    if x.planes:
        plane = plane_call(x._replace(shape=(*x.shape[:-1], 1), planes=False), taps, windows, border)
        return None if plane is None else partial(by_planes, plane)
    if taps.ndim == 3:
        return slices.sliced_call(x, taps, windows, border)
    if taps.ndim != 2 or len(x.shape) != 3:
        return None
    if x.native:
        return _native_call(x, taps, windows, border)
    filtered = _filtered_call(x, taps, windows, border)
    factors = factorise(taps) if max(x.shape[:2]) <= LONGEST and x.algorithm in (None, "passes") else None
    if factors and _cost_of_matrices(x, len(factors[0]), windows) < (filtered[0] if filtered else _banded(x, taps)):
        from convcli.engine.channel.matrices import matrices_call

        return matrices_call(x, taps, windows, border) or (filtered[1] if filtered else None)
    return filtered[1] if filtered else None


def _cost_of_matrices(x: Signature, rank: int, windows: Sequence[Window]) -> float:
    """Nanoseconds for both passes as products with matrices; infinite where that is no call."""
    (height, width, channels), (length, wide) = x.shape, (window.length for window in windows)
    cost = PRODUCTS + processor().multiply_add * rank * channels * length * width * (height + wide)
    return cost if is_call(cost) else math.inf


def _banded(x: Signature, taps: Floats) -> float:
    """Nanoseconds on one core by bands of rows."""
    return plan_plane(plane_of(taps, x.shape), x.algorithm, calls=False).cost * math.prod(x.shape) + BANDS


def _native_call(x: Signature, taps: Floats, windows: Sequence[Window], border: str) -> Call | None:
    """Integers from integers, as rounded floats would be: their means, and bytes by few taps that are integers."""
    native = _native_filter(x, taps, windows, border, exact=x.exact)
    if native is None or not _is_native_call(native[0]):
        return None
    call = PlainCall(native[1], x.shape)
    return call if whole.is_same_size(x.shape, windows) else call.some(x.dtype, windows)


def _is_native_call(nanoseconds: float) -> bool:
    return is_call(nanoseconds / (ALONE if thread_count() == 1 else 1), in_place=True)


def _native_filter(
    x: Signature, taps: Floats, windows: Sequence[Window], border: str, *, exact: bool
) -> tuple[float, Filter] | None:
    """What makes integers of all of a picture of integers, and its nanoseconds on one core."""
    plain = whole.fits(x.shape, taps.shape, windows, border, parts=False)
    if not plain or max(window.dilation for window in windows) > 1:
        return None
    same = whole.is_same_size(x.shape, windows)
    if same and whole.blurs(taps, x.dtype, x.algorithm, exact=exact):
        return whole.blurring_cost(taps) * math.prod(x.shape), whole.blur_filter(taps, windows, border)
    if whole.halves(taps, windows, border):
        return None
    if x.dtype != np.uint8 or not whole.bears_bytes(taps) or (exact and not whole.are_integers(taps)):
        return None
    plan = plan_plane(plane_of(taps, x.shape, native=True), x.algorithm)
    if not plan.native:
        return None
    # Of results by few taps those that a stride leaves out take little.
    cost = _cost(x, plan, taps, in_place=same or plan.algorithm == "direct")
    return cost, whole.filter_of(plan, taps, windows, border)


def _cost(x: Signature, plan: Plan, taps: Floats, *, in_place: bool) -> float:
    """Nanoseconds on one core by `plan`; none where OpenCV has all cores do it as fast as bands are made."""
    samples = math.prod(x.shape)
    # What the cache does not hold bands make faster, unless passes then make many rows twice.
    twice = plan.folded and (plan.native or x.shape[2] > 1) and max(taps.shape) > FEW[not plan.native]
    held = twice or samples * x.dtype.itemsize <= 2 * whole.PART
    fitting = math.prod(x.shape[:2]) >= whole.THREADED and held
    if x.threaded and in_place and fitting and (plan.folded or plan.algorithm == "direct"):
        return 0.0
    converted = not plan.native and x.dtype != x.work
    return (plan.cost + CONVERTED * converted) * samples


def _filtered_call(x: Signature, taps: Floats, windows: Sequence[Window], border: str) -> tuple[float, Call] | None:
    """A call of OpenCV's filters and its nanoseconds; None where bands are faster."""
    if shifted.fits(x, taps, windows) and x.algorithm is None:
        cost = shifted.cost(taps) * math.prod(x.shape)
        return (cost, shifted.shifted_call(x, taps, windows, border)) if is_call(cost) else None
    if whole.is_same_size(x.shape, windows):
        native = _native_filter(x, taps, windows, border, exact=False)
        if native and not _is_native_call(native[0]):
            # Bands of integers take less than all of it in floats.
            return None
    together = spread(taps, [window.dilation for window in windows])
    if together is None or not whole.fits(x.shape, together.shape, windows, border, parts=False):
        return None
    taps = together
    shape = (*(window.length for window in windows), x.shape[2])
    if whole.halves(taps, windows, border) and min(x.shape[:2]) >= 2 * len(taps):
        cost = whole.HALVED * math.prod(x.shape)
        alone = x.threaded and x.dtype == x.work
        return (cost, _called(x, shape, whole.halving_filter(border))) if alone or is_call(cost) else None
    plan = plan_plane(plane_of(taps, x.shape, integers=x.dtype in SUMMED), x.algorithm)
    # Of a strided kernel only some results are wanted, which bands may make alone.
    steps, gaps = zip(*((window.stride, window.dilation) for window in windows), strict=True)
    banded = plan_strided(taps, steps, gaps, x.algorithm)
    same = max(steps) == 1 or (banded is not None and banded.algorithm in ("direct", "passes"))
    in_place = x.dtype == x.work and max(steps) == 1 and plan.algorithm != "sums"
    cost = (1 if same else UNWANTED) * _cost(x, plan, taps, in_place=in_place)
    if (cost and not plan.call) or not is_call(cost, in_place=in_place):
        return None
    as_read = x.dtype == x.work or (plan.algorithm == "sums" and x.dtype in SUMMED)
    filtered = whole.filter_of(plan, taps, windows, border, finite=x.dtype.kind != "f")
    full = _called(x, x.shape, filtered, as_read=as_read)
    return cost, full if shape == x.shape else full.some(x.work, windows)


def _called(x: Signature, shape: tuple[int, ...], filtered: Filter, *, as_read: bool = False) -> PlainCall:
    """`filtered` on a picture, of which it makes `shape`: on floats unless it takes samples `as_read`."""
    call = PlainCall(filtered, shape)
    return call if as_read or x.dtype == x.work else call.of_floats(x.work)


def by_planes(call: Call, x: Array, out: Array | None) -> Array:
    """Every channel by a call for one, as planes."""
    first = call(x[..., :1], None if out is None else out[..., :1])
    if out is None:
        out = np.moveaxis(scratch("planes", (x.shape[-1], *first.shape[:-1]), first.dtype), 0, -1)
        out[..., :1] = first
    for channel in range(1, x.shape[-1]):
        own = slice(channel, channel + 1)
        out[..., own] = call(x[..., own], out[..., own])
    return out
