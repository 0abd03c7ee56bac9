"""Transposed convolution without stuffing zeros: each phase of the output is a plain convolution of the input.

Along an axis with stride s and dilation d, g = gcd(s, d): output `o` gets tap `t` from input `(o + before - d t) / s`.
For the outputs of one phase `o mod s` those are every (s/g)-th tap from some first one on, and the inputs they meet lie
d/g apart, last tap first.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from convcli.engine.direct import CHANNEL_LIMIT
from convcli.engine.threads import scratch
from convcli.records import record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from convcli.engine.tiles import Tile
    from convcli.geometry import Scatter

    Array = npt.NDArray[np.floating[Any]]


@record(kw_only=False)
class Phase:
    """The outputs of one phase within a tile, the taps that reach them (in input order) and the input they start at."""

    outputs: slice
    count: int
    taps: slice
    source: int
    dilation: int


def phases(window: Scatter, start: int, stop: int, origin: int) -> Iterator[Phase]:
    """The phases of the outputs `start .. stop-1`, on a tile whose first input is `origin`.

    Phases that no tap reaches are left out: those outputs are zero.
    """
    s, d = window.stride, window.dilation
    common = math.gcd(s, d)
    step = s // common
    for first in range(start, min(start + s, stop)):
        shifted = first + window.before
        if shifted % common:
            continue
        tap = next((t for t in range(min(step, window.taps)) if (shifted - d * t) % s == 0), None)
        if tap is None:
            continue
        count = len(range(tap, window.taps, step))
        last_tap = tap + (count - 1) * step
        taps = slice(last_tap, tap - 1 if tap else None, -step)
        outputs = slice(first - start, stop - start, s)
        yield Phase(outputs, len(range(first, stop, s)), taps, (shifted - d * last_tap) // s - origin, d // common)


def stamp(
    tile: Tile,
    windows: Sequence[Scatter],
    channels: int,
    correlate: Callable[[Array, tuple[slice, ...], tuple[int, ...], tuple[int, ...]], Array],
) -> Array:
    """The outputs of `tile.region`: `(*region, channels)`.

    `correlate(x, taps, dilation, lengths)` convolves `x` at stride 1 with the slice `taps` of the weights.
    """
    import cv2
    import numpy as np

    lengths = [stop - start for start, stop in tile.region]
    y = scratch("stamped", (*lengths, channels), tile.data.dtype)
    per_axis = [
        list(phases(window, *part, origin))
        for window, part, origin in zip(windows, tile.region, tile.origin, strict=True)
    ]
    if any(sum(phase.count for phase in axis) < n for axis, n in zip(per_axis, lengths, strict=True)):
        y.fill(0)
    last, stride = per_axis[-1], windows[-1].stride
    whole = 1 < channels <= 8 and 1 < stride * channels <= CHANNEL_LIMIT and len(last) == stride > 1
    whole = whole and len({phase.count for phase in last}) == 1
    for outer in itertools.product(*per_axis[:-1]):
        results = []
        for combination in ((*outer, phase) for phase in last):
            result = correlate(
                tile.data[tuple(slice(phase.source, None) for phase in combination)],
                tuple(phase.taps for phase in combination),
                tuple(phase.dilation for phase in combination),
                tuple(phase.count for phase in combination),
            )
            if whole and y.ndim == 3:
                results.append(np.array(result))
            else:
                y[tuple(phase.outputs for phase in combination)] = result
        if results:
            # Pixels of several channels are interleaved at once: numpy is slow on such short runs.
            rows = y[outer[0].outputs]
            cv2.merge(results, rows.reshape(len(rows), last[0].count, stride * channels))
    return y
