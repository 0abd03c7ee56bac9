"""A block of deformable convolution: its taps are sampled plane by plane and multiplied with the weights at once.

Places are counted from the corner of a window around all that the block reads, in which float32 is fine enough, and
the window is continued by the border rule, so that every neighbour of every place lies in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from convcli.borders import read_window
from convcli.engine.bank import part
from convcli.engine.samples import BLOCK
from convcli.engine.threads import scratch

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.floating[Any]]


#: The widest window, so that places in it are known to 1/100,000 of a pixel; also the picture is not much smaller.
SPAN = 2 * BLOCK


def warp(
    image: npt.NDArray[Any],
    places: tuple[npt.NDArray[Any], npt.NDArray[Any]],
    nominal: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]],
    mask: npt.NDArray[Any] | None,
    weights: Array,
    groups: int,
    border: str,
) -> Array | None:
    """`(outputs, h, w)` of a block; None where it is not for this algorithm (far-flung places, NaN, infinity).

    `image` is `(height, width, channels)`. Tap `t` reads at `places[0][t] + nominal[0][t, :, None]` down and
    `places[1][t] + nominal[1][t, None, :]` right. `weights` is `(taps,)` or `(outputs, channels / groups, taps)`.
    """
    import cv2
    import numpy as np

    ranges = []
    for axis in (0, 1):
        low, high = (math.floor(float(end(places[axis])) + float(end(nominal[axis]))) for end in (np.min, np.max))
        if high + 2 - low > min(SPAN, image.shape[axis] + BLOCK // 4):
            return None
        ranges.append((low, high + 2))
    spans = [stop - start for start, stop in ranges]
    channels = image.shape[2]
    window = read_window(image, ranges, border, np.float32, out=scratch("window", [*spans, channels], np.float32))
    if image.dtype.kind == "f" and not math.isfinite(float(window.max()) - float(window.min())):
        # `remap` multiplies a neighbour of no share by 0, which would spread a NaN.
        return None
    planes = part(window)
    taps, height, width = places[0].shape
    down, right = (scratch(name, (height, width), np.float32) for name in ("down", "right"))
    samples = scratch("samples", (taps, channels, height, width), np.float32)
    # Whole numbers below `SPAN`: float32 holds them exactly.
    local = [(nominal[axis] - ranges[axis][0]).astype(np.float32) for axis in (0, 1)]
    for tap in range(taps):
        np.add(places[0][tap], local[0][tap, :, None], out=down, casting="same_kind")
        np.add(places[1][tap], local[1][tap, None, :], out=right, casting="same_kind")
        for channel in range(channels):
            target = samples[tap, channel]
            cv2.remap(planes[channel], right, down, cv2.INTER_LINEAR, target, cv2.BORDER_REPLICATE)
        if mask is not None:
            np.multiply(samples[tap], mask[tap], out=samples[tap], casting="same_kind")
    return _mix(weights, samples, groups)


def _mix(weights: Array, samples: Array, groups: int) -> Array:
    """The weights on `(taps, channels, h, w)`: every channel alone, or a filter bank as one product per group."""
    import numpy as np

    taps, channels, *size = samples.shape
    if weights.ndim == 1:
        y: Array = np.matmul(weights[None], samples.reshape(taps, -1)).reshape(channels, *size)
        return y
    outputs, inputs, _ = weights.shape
    y = np.empty((outputs, math.prod(size)), samples.dtype)
    for group, filters in enumerate(_slices(outputs, groups)):
        own = np.ascontiguousarray(samples[:, group * inputs : (group + 1) * inputs]).reshape(taps * inputs, -1)
        matrix = np.ascontiguousarray(weights[filters].transpose(0, 2, 1)).reshape(-1, taps * inputs)
        np.matmul(matrix, own, out=y[filters])
    return y.reshape(outputs, *size)


def _slices(count: int, groups: int) -> Sequence[slice]:
    share = count // groups
    return [slice(group * share, (group + 1) * share) for group in range(groups)]
