"""Channels that lie as planes, each filtered alone by OpenCV where it lies: nothing is copied, no plane is cut."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from convcli.engine.channel import whole
from convcli.engine.channel.choice import plane_of
from convcli.engine.channel.correlation import Correlation
from convcli.engine.channel.direct import most_taps, opencv_layout
from convcli.engine.plan import plan_plane
from convcli.engine.threads import Cuts, thread_count

if TYPE_CHECKING:
    from convcli.engine.dtypes import Floats

#: The most samples of a plane that is not cut: threads are to end together.
PLANE = 1 << 21


def plane_by_plane(work: Correlation, kernels: Sequence[tuple[int, Floats]]) -> Cuts | None:
    """Output channel `m` of a picture `(h, w, channels)` is `kernels[m]`: an input channel, and the taps on it.

    None where `filter2D` does not compute just this, or a plane is better cut in parts.
    """
    x, asked = work.x, work.constraints.algorithm
    out = work.sink.target(x.dtype)
    if out is None or x.ndim != 3 or x[..., 0].size > PLANE or len(kernels) < thread_count():
        return None
    if not (opencv_layout(x[..., :1]) and opencv_layout(out[..., :1])):
        return None
    for _, taps in kernels:
        if taps.dtype != x.dtype or not _direct(taps.tobytes(), taps.shape, taps.dtype.str, x.shape[:2], asked):
            return None
    shapes = {taps.shape: taps for _, taps in kernels}
    if not all(
        whole.fits_in_place(work.channel(0, 0, taps)) and taps.size <= most_taps(taps.dtype) for taps in shapes.values()
    ):
        return None
    anchor, rule = (work.windows[1].before, work.windows[0].before), whole.RULES[work.border]

    def one(channel: int) -> None:
        source, taps = kernels[channel]
        cv2.filter2D(x[..., source], -1, taps, dst=out[..., channel], anchor=anchor, borderType=rule)
        work.sink.channel(channel).store(out[..., channel : channel + 1], 0)

    return Cuts(one, range(len(kernels)))


@lru_cache(maxsize=1024)
def _direct(data: bytes, shape: tuple[int, ...], dtype: str, size: tuple[int, int], algorithm: str | None) -> bool:
    """Whether the plan for these taps on a plane of this `size` is `filter2D`: layers have many, which take turns."""
    taps = np.frombuffer(data, dtype).reshape(shape)
    if taps.ndim != 2:
        return False
    plan = plan_plane(plane_of(taps, (*size, 1)), algorithm)
    return plan.algorithm == "direct" or (plan.call and algorithm is None)
