"""A plain convolution of a picture that OpenCV continues over the edge itself: no window is copied.

Float pictures are filtered from where they lie to where the result goes, in parts; the rows next to each cut, which
saw the border instead of their neighbours, are done again. Integer ones go through a float band, small ones are a call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import TYPE_CHECKING, Any, TypeAlias

import cv2
import numpy as np

from convcli.engine import tiles
from convcli.engine.borders import read_window
from convcli.engine.channel.correlation import Correlation
from convcli.engine.channel.direct import CHANNEL_LIMIT, direct, most_taps, one_channel, opencv_layout
from convcli.engine.channel.factors import Factors, factorise, kernels
from convcli.engine.dtypes import copy_pixels
from convcli.engine.facts import CARRIED, Facts
from convcli.engine.geometry import Gather, Window, even_cuts
from convcli.engine.integers import OVERFLOW
from convcli.engine.memory import scratch
from convcli.engine.plan import Plan
from convcli.engine.threads import Cuts

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, DTypeLike, Floats
    from convcli.engine.sink import Sink

#: `filter(x, dst=y)`: a picture of the same size, the border included; `dst` may be left out.
Filter: TypeAlias = "Callable[..., Any]"

#: Bytes of a part of a picture that is filtered where it lies: it needs no cache, and seams cost.
PART = 1 << 23
#: The same where the parts are made by and by: memory for some of them is all that there is.
FINE_PART = 1 << 21
#: Rows of a part, in units of the taps, from which on what is next to its ends is filtered again, three times as many
#: rows as taps for each cut. Shorter ones are filtered with what they reach, a third as many, and copied.
SEAMS = 12
#: How far from 1 the sum of a side is at least that `sepFilter2D` can't take for a mean.
SMOOTH = 1e-3
#: Taps up to which OpenCV's `blur` rounds the mean of integers right: a test looks at all sums next to a half.
BLURRED = {np.dtype(np.uint8): 1 << 12, np.dtype(np.uint16): 81}
#: Taps up to which sums of 16-bit integers are below 2^31.
BLUR_LIMIT = 1 << 15
#: Pixels of a picture from which on `filter2D` and `sepFilter2D` start threads of their own.
THREADED = 1 << 20
#: Nanoseconds on one core for a sample of half a picture.
HALVED = 0.25
#: The same for one that is blurred, by few taps, which OpenCV adds up in vector registers, and by running sums.
BLURRING, LONG_BLURRING = {3: 0.16, 5: 0.18}, 0.45
#: OpenCV's number for each border rule that it knows.
RULES = {"zero": 0, "replicate": 1, "symmetric": 2, "reflect": 4}


def fits(
    shape: Sequence[int], taps: tuple[int, ...], windows: Sequence[Window], border: str, *, parts: bool = True
) -> bool:
    """Whether OpenCV can filter a picture of this `shape`: outputs lie on its samples, some of which are left out.

    In `parts`, for which it is to be larger than what outputs at their ends see, unless it is filtered at once.
    """
    if border not in RULES or len(taps) != 2 or len(shape) != 3 or shape[2] > CHANNEL_LIMIT:
        return False
    return all(
        isinstance(window, Gather)
        and 0 <= window.before < k
        and (window.length - 1) * window.stride < n
        and (n >= 2 * k or k == 1 or not parts)
        for window, n, k in zip(windows, shape, taps, strict=False)
    )


def floats(x: Array, dtype: DTypeLike, name: str) -> Floats:
    """`x` `(h, w, channels)` in `dtype`: itself where OpenCV reads it so, else in the scratch array `name`."""
    if x.dtype == dtype and opencv_layout(x):
        return x
    copy = scratch(name, x.shape, dtype)
    np.copyto(copy, x)
    return copy


def fits_in_place(work: Correlation) -> bool:
    """Whether OpenCV can filter a picture from where it lies, and no sample is left out."""
    fitting = fits(work.x.shape, work.taps.shape, work.windows, work.border)
    return fitting and is_same_size(work.x.shape, work.windows) and opencv_layout(work.x)


def is_same_size(shape: Sequence[int], windows: Sequence[Window]) -> bool:
    """Whether there is an output for each sample."""
    return all(window.length == n and window.stride == 1 for window, n in zip(windows, shape, strict=False))


def filter_of(plan: Plan, taps: Floats, windows: Sequence[Window], border: str, *, finite: bool = False) -> Filter:
    """The calls of OpenCV that `plan`, one that has such, is made of, on samples that are `finite` and of like size, or
    that have to be looked at."""
    if plan.algorithm == "sums":
        return _sums_filter(taps, windows, border)
    factors = factorise(taps) if plan.algorithm == "passes" else None
    if factors is not None and plan.folded:
        return _folded_filter(factors, windows, border)
    filtered = _passes_filter(factors, windows, border) if factors else _direct_filter(taps, windows, border)
    transforms = (max(taps.shape) if factors else taps.size) > most_taps(taps.dtype)
    return _guarded(filtered, taps, windows, border) if transforms and not finite else filtered


def _direct_filter(taps: Floats, windows: Sequence[Window], border: str) -> Filter:
    """`filter2D`, which makes a Fourier transform of itself where there are many taps."""
    anchor = (windows[1].before, windows[0].before)
    return partial(cv2.filter2D, ddepth=-1, kernel=taps, anchor=anchor, borderType=RULES[border])


def _guarded(transformed: Filter, taps: Floats, windows: Sequence[Window], border: str) -> Filter:
    """A filter by Fourier transforms; sums where samples are not fit for that."""

    def filtered(x: Array, dst: Array | None = None) -> Any:
        if Facts(x, plain=False).bounded:
            return transformed(x, dst=dst)
        ranges = [(-w.before, n + k - 1 - w.before) for w, n, k in zip(windows, x.shape, taps.shape, strict=False)]
        pixels = x if x.ndim == 3 else x[..., None]
        y = direct(read_window(pixels, ranges, border, taps.dtype), taps).reshape(x.shape)
        if dst is None:
            return y
        np.copyto(dst, y)
        return dst

    return filtered


def _passes_filter(factors: Factors, windows: Sequence[Window], border: str) -> Filter:
    """A pass along columns and one along rows for each rank, by `filter2D`."""
    anchor, rule = (windows[1].before, windows[0].before), RULES[border]
    ranks = kernels(factors)

    def pass_of(x: Array, taps: Floats, dst: Array | None = None) -> Any:
        place = tuple(place if side > 1 else 0 for place, side in zip(anchor, taps.shape[::-1], strict=True))
        return cv2.filter2D(x, -1, taps, dst=dst, anchor=place, borderType=rule)

    def filtered(x: Array, dst: Array | None = None) -> Any:
        total: Any = None
        for *first, last in ranks:
            part = pass_of(reduce(pass_of, first, x), last, None if total is not None else dst)
            total = part if total is None else cv2.add(total, part, dst=total)
        return total

    return filtered


def _folded_filter(factors: Factors, windows: Sequence[Window], border: str) -> Filter:
    """Mirrored taps of rank 1 by `sepFilter2D`, which adds up samples of the same tap first."""
    (down,), (across,) = factors
    anchor = (windows[1].before, windows[0].before)
    return partial(
        cv2.sepFilter2D, ddepth=-1, kernelX=across, kernelY=down, anchor=anchor, borderType=RULES[border]
    )  # fmt: skip


def _sums_filter(taps: Floats, windows: Sequence[Window], border: str) -> Filter:
    """Equal taps by running sums, to float32, exact of integers; two passes where samples are not fit for it.

    A running sum carries a NaN, an infinity, and the rounding errors of what is far greater than all else along.
    """
    (high, wide), anchor, share = taps.shape, (windows[1].before, windows[0].before), float(taps.flat[0])
    sides = np.ones(high, taps.dtype), np.full(wide, taps.flat[0])
    otherwise = _passes_filter((sides[0][None], sides[1][None]), windows, border)
    mean = _is_mean(taps)

    def filtered(x: Array, dst: Array | None = None) -> Any:
        if x.dtype.kind == "f" and not Facts(x, plain=False).within(CARRIED):
            return otherwise(x, dst)
        y = cv2.boxFilter(x, cv2.CV_32F, (wide, high), dst=dst, anchor=anchor, normalize=mean, borderType=RULES[border])
        return y if mean else np.multiply(y, share, out=y)

    return filtered


def filter_to(work: Correlation, filtered: Filter) -> Cuts:
    """Filters the input into the output, both `(h, w, channels)` of one dtype: that of the taps, or integers."""
    shape, taps = work.x.shape, work.taps
    up, down = _reach(work)
    # Of float64 OpenCV makes Fourier transforms from 50 taps on: there the last bit depends on where a part begins.
    part = FINE_PART if work.constraints.fine and work.x.itemsize < 8 else PART
    cuts = parts(shape[0], work.x.nbytes, taps.shape, part)

    def band(x: Array, sink: Sink, cut: tuple[int, int]) -> None:
        x, out = one_channel(x), one_channel(sink.out)
        low, high = max(0, cut[0] - up), min(shape[0], cut[1] + down)
        if high - low > cut[1] - cut[0] and cut[1] - cut[0] < SEAMS * taps.shape[0]:
            window = filtered(x[low:high], dst=scratch("part", (high - low, *shape[1:]), out.dtype))
            out[slice(*cut)] = window.reshape(-1, *shape[1:])[cut[0] - low : cut[1] - low]
        else:
            filtered(x[slice(*cut)], dst=out[slice(*cut)])
            seams = [(cut[0], cut[0] + up)] * (low < cut[0]) + [(cut[1] - down, cut[1])] * (high > cut[1])
            for low, high in seams:
                seam = filtered(x[low - up : high + down])
                out[low:high] = seam[up : up + high - low].reshape(high - low, *shape[1:])
        sink.store(sink.out[slice(*cut)], cut[0])

    return Cuts.on(work.x, work.sink, band, cuts)


def _reach(work: Correlation) -> tuple[int, int]:
    """Rows that outputs reach upwards and downwards."""
    up = work.windows[0].before
    return up, work.taps.shape[0] - 1 - up


def parts(height: int, size: int, taps: tuple[int, ...], part: int) -> list[tuple[int, int]]:
    """The rows of a picture of `size` bytes in an even number of parts, each taller than what its seams do again."""
    most = max(height // (SEAMS * taps[0]), min(2, height // (4 * taps[0])))
    count = max(1, min(max(2, -(-size // (2 * part)) * 2), most))
    return even_cuts(height, count)


def blurs(taps: Floats, dtype: np.dtype[Any], asked: str | None, *, exact: bool = True) -> bool:
    """Whether OpenCV's `blur` makes of integers of `dtype` what rounding half to even makes of their exact means; or,
    where they need not be `exact`, of means in float32.

    No mean of an odd number of taps lies halfway between two integers.
    """
    most = BLURRED.get(dtype, 0) if exact or dtype not in BLURRED else BLUR_LIMIT
    return taps.size % 2 == 1 < taps.size <= most and asked in (None, "sums") and _is_mean(taps)


def blurring_cost(taps: Floats) -> float:
    """Nanoseconds on one core for a sample by `blur`."""
    return max(BLURRING.get(side, LONG_BLURRING) for side in taps.shape)


def _is_mean(taps: Floats) -> bool:
    return bool((taps == taps.dtype.type(1 / taps.size)).all())


def blur_filter(taps: Floats, windows: Sequence[Window], border: str) -> Filter:
    """Means of integers, as such."""
    anchor = (windows[1].before, windows[0].before)
    return partial(cv2.blur, ksize=taps.shape[::-1], anchor=anchor, borderType=RULES[border])


def bears_bytes(taps: Floats) -> bool:
    """Whether OpenCV makes bytes of bytes as rounding the sums would.

    Of sums beyond 32-bit integers it makes black where white is. Of sides that both sum to 1 `sepFilter2D` may make
    whole numbers, whose half it rounds up.
    """
    factors = factorise(taps) or ()
    smooth = bool(factors) and all(abs(float(side.sum()) - 1) < SMOOTH for side in factors)
    return not smooth and bool(255 * np.abs(taps).sum() < OVERFLOW)


def are_integers(taps: Floats) -> bool:
    """Whether bytes are filtered with these taps without any rounding: they are integers, and floats hold all sums."""
    return bool((taps == np.rint(taps)).all() and 255 * np.abs(taps).sum() < 1 << np.finfo(taps.dtype).nmant + 1)


def halves(taps: Floats, windows: Sequence[Window], border: str) -> bool:
    """Whether this is OpenCV's `pyrDown`: every second sample of a binomial blur of 5 taps (Burt & Adelson 1983)."""
    row = np.array([1, 4, 6, 4, 1]) / 16
    same = taps.shape == (5, 5) and border in RULES and border != "zero" and bool((taps == np.outer(row, row)).all())
    return same and all(window.stride == window.before == 2 for window in windows)


def halving_filter(border: str) -> Filter:
    """Of a picture every second sample, from the first on."""
    return partial(cv2.pyrDown, borderType=RULES[border])


def filter_bands(work: Correlation, filtered: Filter, *, as_read: bool = False, step: int = 1) -> Cuts:
    """Filters an input of any dtype in bands of the dtype of the taps, into which `filtered` brings it if `as_read`.

    What `filtered` makes are results for every `step`-th sample.
    """
    shape, dtype, (rows_of, columns) = work.x.shape, work.taps.dtype, work.windows
    up, down = _reach(work)
    as_read = (as_read or work.x.dtype == dtype) and opencv_layout(one_channel(work.x))
    inner = [rows_of.stride // step, columns.stride // step]
    across = slice(0, (columns.length - 1) * inner[1] + 1, inner[1])

    def band(x: Array, sink: Sink, rows: tuple[int, int]) -> None:
        first, last = rows[0] * rows_of.stride, (rows[1] - 1) * rows_of.stride + 1
        low, high = max(0, first - up), min(shape[0], last + down)
        source = one_channel(x)[low:high]
        if not as_read:
            source = scratch("window", (high - low, *shape[1:]), dtype)
            np.copyto(source, x[low:high])
        size = (-(-(high - low) // step), -(-shape[1] // step), shape[2])
        result = filtered(source, dst=scratch("filtered", size, dtype)).reshape(size)
        top = (first - low) // step
        some = result[top : top + (rows[1] - rows[0] - 1) * inner[0] + 1 : inner[0], across]
        if inner[1] > 1:
            copy_pixels(picked := scratch("kept", some.shape, dtype), some)
            some = picked
        sink.store(some, rows[0])

    return Cuts.on(work.x, work.sink, band, tiles.bands(shape, work.windows, dtype.itemsize))
