"""Channels that lie as planes, each filtered alone by OpenCV where it lies: nothing is copied, no plane is cut."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from convcli.engine.channel import whole
from convcli.engine.channel.direct import opencv_layout
from convcli.engine.channel.planes import plan_for
from convcli.engine.plan import asked_for
from convcli.engine.sink import float_target
from convcli.engine.threads import run_all, thread_count

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, Floats
    from convcli.engine.geometry import Window


#: The most samples of a plane that is not cut: threads are to end together.
PLANE = 1 << 21


def filter_planes(
    x: Array,
    kernels: Sequence[tuple[int, Floats]],
    windows: Sequence[Window],
    border: str,
    store: Callable[[Floats, int], None],
) -> bool:
    """Output channel `m` of `x` `(h, w, channels)` is `kernels[m]`: an input channel, and the taps on it.

    False, and nothing done, where `filter2D` does not compute just this, or a plane is better cut in parts.
    """
    out = float_target(store, x.dtype)
    if out is None or x.ndim != 3 or x[..., 0].size > PLANE or len(kernels) < thread_count():
        return False
    if not (opencv_layout(x[..., :1]) and opencv_layout(out[..., :1])):
        return False
    for _, taps in kernels:
        if taps.dtype != x.dtype or not _direct(taps.tobytes(), taps.shape, taps.dtype.str, x.shape[:2], asked_for()):
            return False
    shapes = {taps.shape: taps for _, taps in kernels}
    if not all(whole.fits(x[..., :1], taps, windows, border) for taps in shapes.values()):
        return False
    anchor = windows[1].before, windows[0].before

    def one(channel: int) -> None:
        source, taps = kernels[channel]
        rule = whole.RULES[border]
        cv2.filter2D(x[..., source], -1, taps, dst=out[..., channel], anchor=anchor, borderType=rule)

    run_all(one, range(len(kernels)))
    # What is there already is not copied, but counted.
    store(out, 0)
    return True


@lru_cache(maxsize=1024)
def _direct(data: bytes, shape: tuple[int, ...], dtype: str, size: tuple[int, int], forced: str | None) -> bool:
    """Whether the plan for these taps on a plane of this `size` is `filter2D`: layers have many, which take turns."""
    return len(shape) == 2 and plan_for(np.frombuffer(data, dtype).reshape(shape), *size, 1).algorithm == "direct"
