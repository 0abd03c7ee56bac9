"""A plain convolution of a picture that OpenCV continues over the edge itself: no window is copied.

Float pictures are filtered from where they lie to where the result goes, in parts; the rows next to each cut, which
saw the border instead of their neighbours, are then done again. Integer ones go through a float band.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from convcli.engine import tiles
from convcli.engine.channel.correlation import Correlation
from convcli.engine.channel.direct import CHANNEL_LIMIT, one_channel, opencv_layout
from convcli.engine.geometry import Gather
from convcli.engine.memory import scratch
from convcli.engine.plan import FOURIER_AREA
from convcli.engine.threads import Cuts

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, Floats

#: Bytes of a part of a picture that is filtered where it lies: it needs no cache, and seams cost.
PART = 1 << 23
#: The same where the parts are made by and by: memory for some of them is all that there is.
FINE_PART = 1 << 21
#: `filter2D` on bytes is slower than on floats, but up to this many taps it is not worth making them floats.
NATIVE_AREA = 9
#: Multiplications that are worth a second thread.
LEAST = 12_000_000
#: Multiplications in the time that it takes to read and write a sample.
AROUND = 9
#: So many taps that are not 0 go faster over bytes than over floats that were made of them.
INTEGER_TAPS = 6
#: OpenCV's number for each border rule that `filter2D` knows.
RULES = {"zero": 0, "replicate": 1, "symmetric": 2, "reflect": 4}


def fits(work: Correlation) -> bool:
    """Whether `filter2D` computes just this: a small kernel at stride 1 on a picture that keeps its size."""
    x, taps, windows, border = work.x, work.taps, work.windows, work.border
    if border not in RULES or taps.ndim != 2 or x.ndim != 3 or taps.size >= FOURIER_AREA or x.shape[2] > CHANNEL_LIMIT:
        return False
    same_size = all(
        isinstance(window, Gather) and window.stride == 1 and 0 <= window.before < k and n == window.length >= 2 * k
        for window, n, k in zip(windows, x.shape, taps.shape, strict=False)
    )
    return same_size and opencv_layout(x)


def filter_to(work: Correlation, out: Array) -> Cuts:
    """Filters the input into `out`, both `(h, w, channels)` of one dtype: that of the taps, or uint8."""
    x, out, taps, border = one_channel(work.x), one_channel(out), work.taps, work.border
    up, down, anchor = _reach(work)
    # Of float64 OpenCV makes Fourier transforms from 50 taps on: there the last bit depends on where a part begins.
    part = FINE_PART if work.constraints.fine and x.itemsize < 8 else PART
    cuts = parts(x.shape[0], x.nbytes, x.size, taps.shape, part)

    def band(cut: tuple[int, int]) -> None:
        cv2.filter2D(x[slice(*cut)], -1, taps, dst=out[slice(*cut)], anchor=anchor, borderType=RULES[border])
        if cut[0]:
            seam(cut[0], cut[0] + up)
        if cut[1] < x.shape[0]:
            seam(cut[1] - down, cut[1])
        work.sink.store(work.sink.out[slice(*cut)], cut[0])

    def seam(low: int, high: int) -> None:
        if low < high:
            redone = cv2.filter2D(x[low - up : high + down], -1, taps, anchor=anchor, borderType=RULES[border])
            out[low:high] = redone[up : up + high - low].reshape(high - low, *x.shape[1:])

    return Cuts(band, cuts)


def _reach(work: Correlation) -> tuple[int, int, tuple[int, int]]:
    """Rows that outputs reach upwards and downwards, and the kernel's anchor as OpenCV takes it."""
    up = work.windows[0].before
    return up, work.taps.shape[0] - 1 - up, (work.windows[1].before, up)


def parts(height: int, size: int, samples: int, taps: tuple[int, ...], part: int) -> list[tuple[int, int]]:
    """The rows of a picture of `size` bytes in an even number of parts, each taller than what its seams do again."""
    count = min(max(2, -(-size // (2 * part)) * 2), height // (4 * taps[0]))
    if samples * (math.prod(taps) + AROUND) < LEAST or count < 2:
        count = 1
    return list(itertools.pairwise(height * number // count for number in range(count + 1)))


def are_integers(taps: Floats) -> bool:
    """Whether bytes are filtered with these taps without any rounding."""
    return bool((taps == np.rint(taps)).all())


def filter_bands(work: Correlation, *, integers: bool = False) -> Cuts:
    """Filters an input of any dtype in bands of the dtype of the taps; or bytes by `integers`, to int16."""
    x, taps, border = work.x, work.taps, work.border
    up, down, anchor = _reach(work)
    depth, kind = (cv2.CV_16S, np.dtype(np.int16)) if integers else (-1, taps.dtype)

    def band(rows: tuple[int, int]) -> None:
        low, high = max(0, rows[0] - up), min(x.shape[0], rows[1] + down)
        source, shape = x[low:high], (high - low, *x.shape[1:])
        if not integers:
            source = scratch("window", shape, taps.dtype)
            np.copyto(source, x[low:high])
        result = scratch("filtered", shape, kind)
        cv2.filter2D(source, depth, taps, dst=result, anchor=anchor, borderType=RULES[border])
        work.sink.store(result[rows[0] - low : rows[1] - low], rows[0])

    return Cuts(band, tiles.bands(x.shape, work.windows, taps.itemsize))
