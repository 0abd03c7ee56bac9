"""Few taps far apart, each by one multiply-add of all samples with the picture moved to where it reads.

The zeros between them, which `filter2D` would have to pass over, cost nothing, however many there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from convcli.engine import tiles
from convcli.engine.borders import read_window
from convcli.engine.channel.direct import one_channel, opencv_layout
from convcli.engine.geometry import Gather, extent
from convcli.engine.memory import scratch
from convcli.engine.plan import FOURIER_AREA
from convcli.engine.threads import Cuts

if TYPE_CHECKING:
    from convcli.engine.channel.correlation import Correlation
    from convcli.engine.dtypes import Array, Call, Floats, Signature
    from convcli.engine.geometry import Window
    from convcli.engine.sink import Sink

#: The most taps; of more the rows fall apart into plain convolutions instead (`phases`).
MOST = 16
#: Nanoseconds on one core to read a sample and its border, and for each tap.
READ, ADDED = 0.15, 0.1


def fits(x: Array | Signature, taps: Floats, windows: Sequence[Window]) -> bool:
    """Whether this is a dilated kernel of few taps on pixels, which with its zeros is too large for `filter2D`."""
    if taps.ndim != 2 or len(x.shape) != 3 or not all(isinstance(window, Gather) for window in windows):
        return False
    area = extent(taps.shape[0], windows[0].dilation) * extent(taps.shape[1], windows[1].dilation)
    plain = all(window.stride == 1 for window in windows)
    return plain and area >= FOURIER_AREA and bool(0 < np.count_nonzero(taps) <= MOST < area / 4)


def cost(taps: Floats) -> float:
    """Nanoseconds on one core for an output sample."""
    return READ + ADDED * int(np.count_nonzero(taps))


def shifted(work: Correlation) -> Cuts:
    """In bands of rows."""
    (down, across), taps, border = work.windows, work.taps, work.border
    reads, there = across.reads(0, across.length), work.sink.target(taps.dtype) is not None
    shape = (across.length, work.x.shape[2])

    def band(x: Array, sink: Sink, rows: tuple[int, int]) -> None:
        ranges = [down.reads(*rows), reads]
        window = scratch("window", (*(high - low for low, high in ranges), shape[1]), taps.dtype)
        read_window(x, ranges, border, taps.dtype, out=window)
        y = sink.out[slice(*rows)] if there else scratch("shifted", (rows[1] - rows[0], *shape), taps.dtype)
        sink.store(_sum(window, taps, (down, across), y), rows[0])

    return Cuts.on(work.x, work.sink, band, tiles.bands(work.x.shape, work.windows, taps.itemsize))


def shifted_call(x: Signature, taps: Floats, windows: Sequence[Window], border: str) -> Call:
    """All of a picture at once."""
    ranges = [window.reads(0, window.length) for window in windows]
    sizes = (*(high - low for low, high in ranges), x.shape[2])
    shape = (*(window.length for window in windows), x.shape[2])

    def call(picture: Array, out: Array | None) -> Array:
        window = read_window(picture, ranges, border, x.work, out=scratch("window", sizes, x.work))
        return _sum(window, taps, windows, scratch("shifted", shape, x.work) if out is None else out)

    return call


def _sum(window: Floats, taps: Floats, windows: Sequence[Window], y: Floats) -> Floats:
    """The outputs `(h, w, channels)` of a window that holds all that they read, in `y`."""
    height, width, channels = y.shape
    rows = window.reshape(len(window), -1)
    together = opencv_layout(one_channel(y))
    sums = one_channel(y) if together else scratch("sums", y.shape, y.dtype)
    sums = sums.reshape(height, -1)
    (down, across), first = (window.dilation for window in windows), True
    for place in zip(*np.nonzero(taps), strict=True):
        top, left = int(place[0]) * down, int(place[1]) * across * channels
        part, tap = rows[top : top + height, left : left + width * channels], float(taps[place])
        if first:
            np.multiply(part, taps[place], out=sums)
        else:
            cv2.scaleAdd(part, tap, sums, sums)
        first = False
    if not together:
        np.copyto(y, sums.reshape(y.shape))
    return y
