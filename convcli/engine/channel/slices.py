"""Small kernels on volumes: a filter of OpenCV for each slice of the kernel, and the sum of their results.

OpenCV takes long for short rows, so slices lie beside each other, as one wide plane, on which those of the kernel are a
slice's width apart. Wide slices are filtered where they lie.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from convcli.engine.borders import read_window, source_indices
from convcli.engine.channel.correlation import Correlation
from convcli.engine.channel.direct import CHANNEL_LIMIT, most_taps, one_channel, opencv_layout
from convcli.engine.channel.volume import pays
from convcli.engine.channel.whole import RULES
from convcli.engine.geometry import Gather, even_cuts
from convcli.engine.memory import scratch
from convcli.engine.plan import direct_cost, is_call
from convcli.engine.processor import processor
from convcli.engine.threads import Cuts

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, Call, Floats, Signature
    from convcli.engine.geometry import Window
    from convcli.engine.sink import Sink

#: Nanoseconds to read a sample and to put a result in its place, and to add up the results of a slice of the kernel.
MOVED, ADDED = 0.4, 0.15
#: Samples of a row from which on it need not lie beside others.
WIDE = 192
#: Bytes of a window of slices: it, sums and terms stay within reach of the cache.
WINDOW_BYTES = 1 << 20
#: Bytes of the slices of a band, where they are that large.
BAND_BYTES = 1 << 25
#: Slices and rows of a window at least, in units of the taps: what lies around them is read again for the next one.
SEAMS = 4


def fits(shape: Sequence[int], taps: Floats, windows: Sequence[Window]) -> bool:
    """Whether taps `(kz, ky, kx)` on a volume of this `shape` are filters of OpenCV that are faster than spectra."""
    if taps.ndim != 3 or len(shape) != 4 or taps.shape[2] == 1 or not are_small(shape, taps):
        return False
    plain = all(isinstance(window, Gather) and window.stride == window.dilation == 1 for window in windows)
    depth, height, width = (window.length for window in windows)
    return plain and not pays(taps, (depth, height, width))


def are_small(shape: Sequence[int], taps: Floats) -> bool:
    """Whether a slice of `taps` is one call of `filter2D`, without a Fourier transform of its own."""
    return taps[0].size <= most_taps(taps.dtype) and shape[3] <= CHANNEL_LIMIT


def sliced_call(x: Signature, taps: Floats, windows: Sequence[Window], border: str) -> Call | None:
    """All of a small volume at once; None where bands are faster."""
    if x.native or x.planes or not fits(x.shape, taps, windows):
        return None
    shape = (*(window.length for window in windows), x.shape[3])
    one = direct_cost((taps.shape[1], taps.shape[2]), taps[0].size, processor())
    if not is_call((len(taps) * (one + ADDED) + MOVED) * math.prod(shape)):
        return None

    def call(volume: Array, out: Array | None) -> Array:
        y = scratch("sliced", shape, x.work) if out is None else out
        return _beside(volume, taps, windows, border, (0, shape[0]), y)

    return call


def sliced(work: Correlation) -> Cuts | None:
    """A volume in bands of slices; None where this can't be, or is slower."""
    x, taps, windows, border = work.x, work.taps, work.windows, work.border
    if not fits(x.shape, taps, windows):
        return None
    shape = (*(window.length for window in windows), x.shape[3])
    there = work.sink.target(taps.dtype) is not None
    same = all(
        window.length == n and 0 <= window.before < window.taps for window, n in zip(windows, x.shape, strict=False)
    )
    in_place = same and border in RULES and x.dtype == taps.dtype and shape[2] * shape[3] >= WIDE
    fill = _where_they_lie if in_place and opencv_layout(one_channel(x[0])) else _beside

    def band(x: Array, sink: Sink, cut: tuple[int, int]) -> None:
        y = sink.out[slice(*cut)] if there else scratch("sliced", (cut[1] - cut[0], *shape[1:]), taps.dtype)
        if fill is _where_they_lie and not opencv_layout(one_channel(y[0])):
            y = scratch("sliced", y.shape, taps.dtype)
        sink.store(fill(x, taps, windows, border, cut, y), cut[0])

    size = math.prod(n + k - 1 for n, k in zip(shape[1:], taps.shape[1:], strict=False)) * shape[3] * taps.itemsize
    most = max(WINDOW_BYTES // size, min(SEAMS * len(taps), BAND_BYTES // size), 1)
    return Cuts.on(x, work.sink, band, bands(shape[0], most))


def bands(depth: int, most: int) -> list[tuple[int, int]]:
    """Slices in bands of at most so many, as many bands for each of two threads."""
    return even_cuts(depth, min(depth, 2 * -(-depth // (2 * most))))


def _beside(x: Array, taps: Floats, windows: Sequence[Window], border: str, cut: tuple[int, int], y: Floats) -> Floats:
    """The slices `cut` of outputs, into `y`, from windows of rows of slices that lie beside each other."""
    (first, last), (left, right) = windows[0].reads(*cut), windows[2].reads(0, windows[2].length)
    row = (last - first) * (right - left) * x.shape[3]
    most = max(WINDOW_BYTES // (row * taps.itemsize), SEAMS * taps.shape[1])
    for rows in even_cuts(windows[1].length, -(-windows[1].length // most)):
        low, high = windows[1].reads(*rows)
        window = scratch("window", (high - low, last - first, right - left, x.shape[3]), taps.dtype).swapaxes(0, 1)
        read_window(x, [(first, last), (low, high), (left, right)], border, taps.dtype, out=window)
        correlate_slices(window, taps, y[:, slice(*rows)])
    return y


def correlate_slices(x: Floats, taps: Floats, y: Floats) -> Floats:
    """Small `taps` `(kz, ky, kx)` on any samples of `x` `(z, y, x, channels)` wherever they fit, into `y`.

    Nothing is moved where the slices of `x` lie beside each other, row by row.
    """
    beside = x.swapaxes(0, 1)
    if not beside.flags.c_contiguous:
        beside = scratch("beside", beside.shape, x.dtype)
        np.copyto(beside, x.swapaxes(0, 1))
    (depth, height, width, channels), (rows, _, columns, _) = y.shape, beside.shape
    wide = one_channel(beside.reshape(rows, -1, channels))
    shape = (rows, depth * columns, channels)

    def term(z: int, target: Floats) -> None:
        source = wide[:, z * columns : (z + depth) * columns]
        cv2.filter2D(source, -1, taps[z], dst=target, anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)

    some = np.flatnonzero(taps.any(axis=(1, 2))).tolist()
    sums = _sum(term, some, scratch("sums of slices", shape, x.dtype)).reshape(rows, depth, columns, channels)
    np.copyto(y, sums[:height, :, :width].swapaxes(0, 1))
    return y


def _where_they_lie(
    x: Array, taps: Floats, windows: Sequence[Window], border: str, cut: tuple[int, int], y: Floats
) -> Floats:
    """As `_beside`, of slices that OpenCV continues over the edge itself."""
    anchor, some = (windows[2].before, windows[1].before), taps.any(axis=(1, 2))
    for output, slice_ in zip(range(*cut), y, strict=True):
        places = np.arange(len(taps)) + output - windows[0].before
        sources = source_indices(places, len(x), border)

        def term(z: int, target: Floats, sources: Array = sources) -> None:
            source = one_channel(x[sources[z]])
            cv2.filter2D(source, -1, taps[z], dst=target, anchor=anchor, borderType=RULES[border])

        _sum(term, np.flatnonzero(some & (sources >= 0)).tolist(), slice_)
    return y


def _sum(term: Callable[[int, Floats], None], slices: Sequence[int], y: Floats) -> Floats:
    """The sum of `term(z, target)` of all `slices` of a kernel, into a plane `y`."""
    total = one_channel(y)
    if not slices:
        total.fill(0)
    for z in slices:
        target = total if z == slices[0] else one_channel(scratch("term", y.shape, y.dtype))
        term(z, target)
        if target is not total:
            np.add(total, target, out=total)
    return y
