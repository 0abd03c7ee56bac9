"""Deformable convolution by OpenCV's `remap`: taps are sampled plane by plane and multiplied with the weights at once.

Places are counted from the corner of a window around what is read, in which float32 is fine enough, and the window is
continued by the border rule, so that every neighbour of every place lies in it. Where places are near their outputs a
band shares one window: then a tap's places are made for a whole band at once, and calls are long.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from convcli.engine.bank.bank import part
from convcli.engine.borders import read_window
from convcli.engine.memory import scratch
from convcli.engine.sampled.samples import BLOCK

if TYPE_CHECKING:
    import numpy.typing as npt

    from convcli.engine.dtypes import Array, Floats

    Places = npt.NDArray[np.float64]

#: The widest window that places are counted in, so that they are known to 1/100,000 of a pixel: below 128 float32's
#: steps are half as large as above, where few should lie.
SPAN = 5 * BLOCK // 4
#: Channels of pixels that `remap` reads exactly in OpenCV 5: on 2 it rounds places to 1/32 of a pixel.
PIXELS = (1, 3, 4)
#: Places of taps that are made at a time, within reach of the cache.
PLACES = 1 << 18
#: The narrowest part of a band that is worth a call of its own.
NARROW = 64


def reach(places: tuple[Array, Array]) -> tuple[tuple[float, float], tuple[float, float]]:
    """The least and the greatest of `places` down and right."""
    down, right = ((float(part.min()), float(part.max())) for part in places)
    return down, right


class Reads:
    """Where taps read: tap `t` at `places[0][t] + nominal[0][t, :, None]` down, `places[1][t] + nominal[1][t, None, :]`
    right. `around` is the `reach` of `places`."""

    def __init__(
        self, places: tuple[Array, Array], nominal: tuple[Places, Places],
        around: tuple[tuple[float, float], tuple[float, float]],
    ) -> None:  # fmt: skip
        self.places, self.nominal, self.around = places, nominal, around


def warp(image: Array, reads: Reads, weights: Floats, groups: int, border: str, mask: Array | None) -> Floats | None:
    """`(h, w, outputs)`; None where it is not for this algorithm (far-flung places, NaN, infinity).

    `image` is `(height, width, channels)`, `weights` `(taps,)` or `(outputs, channels / groups, taps)`.
    """
    places, nominal, around = reads.places, reads.nominal, reads.around
    rows = _range(nominal[0], around[0])
    if rows[1] - rows[0] > min(SPAN, image.shape[0] + BLOCK // 4):
        return None
    cuts = _cuts(nominal[1], around[1], image.shape[1])
    if cuts is None:
        return None
    ranges = [_range(nominal[1][:, cut], around[1]) for cut in cuts]
    left, right = min(low for low, _ in ranges), max(high for _, high in ranges)
    shape = (rows[1] - rows[0], right - left, image.shape[2])
    window = read_window(image, [rows, (left, right)], border, np.float32, out=scratch("window", shape, np.float32))
    if image.dtype.kind == "f" and not math.isfinite(float(window.max()) - float(window.min())):
        # `remap` multiplies a neighbour of no share by 0, which would spread a NaN.
        return None
    corners = np.concatenate([np.full(cut.stop - cut.start, low) for cut, (low, _) in zip(cuts, ranges, strict=True)])
    # Whole numbers below `SPAN`: float32 holds them exactly.
    kind = np.result_type(places[0].dtype, np.float32)
    local = (nominal[0] - rows[0]).astype(kind), (nominal[1] - corners).astype(kind)
    sources = [(cut, slice(low - left, high - left)) for cut, (low, high) in zip(cuts, ranges, strict=True)]
    if len(nominal[0]) == weights.size == 1 and shape[2] in PIXELS:
        pixels: Floats = _samples([window], places, local, mask, sources)[0, 0]
        pixels *= weights.reshape(-1)[0]
        return pixels
    return np.moveaxis(_mix(weights, _samples(list(part(window)), places, local, mask, sources), groups), 0, -1)


def _range(nominal: Places, around: tuple[float, float]) -> tuple[int, int]:
    """The half-open range of samples that are read along an axis."""
    return math.floor(float(nominal.min()) + around[0]), math.floor(float(nominal.max()) + around[1]) + 2


def _cuts(nominal: Places, around: tuple[float, float], width: int) -> list[slice] | None:
    """The columns of outputs in parts whose windows are narrow enough; None where they would be too many."""
    columns = nominal.shape[1]
    step = float(nominal[0, -1] - nominal[0, 0]) / max(1, columns - 1)
    spread = float(nominal[:, 0].max() - nominal[:, 0].min()) + around[1] - around[0] + 4
    room = SPAN - spread
    if spread > width + BLOCK // 4:
        return None
    wide = columns if step == 0 else int(room / step)
    if room <= 0 or wide < min(columns, NARROW):
        return None
    count = -(-columns // wide)
    return [slice(columns * i // count, columns * (i + 1) // count) for i in range(count)]


def _samples(
    planes: Sequence[Floats],
    places: tuple[Array, Array],
    local: tuple[Array, Array],
    mask: Array | None,
    sources: Sequence[tuple[slice, slice]],
) -> Floats:
    """`(planes, taps, h, w, ...)` read from `planes` of the window, by parts: columns of outputs, and of the window.

    A plane may have pixels of several channels.
    """
    taps, height, width = places[0].shape
    samples = scratch("samples", (len(planes), taps, height, width, *planes[0].shape[2:]), np.float32)
    # Samples of a plane for several taps are one tall picture: calls are long then.
    share = max(1, PLACES // (height * width))
    for first in range(0, taps, share):
        some = slice(first, min(first + share, taps))
        shape = (some.stop - first, height, width)
        down, right = (scratch(name, shape, np.float32) for name in ("down", "right"))
        np.add(places[0][some], local[0][some, :, None], out=down, casting="same_kind")
        np.add(places[1][some], local[1][some, None, :], out=right, casting="same_kind")
        tall = [part.reshape(-1, width) for part in (right, down)]
        for plane, target in zip(planes, samples[:, some], strict=True):
            flat = target.reshape(-1, *target.shape[2:])
            for cut, read in sources:
                across, along = (part[:, cut] for part in tall)
                cv2.remap(plane[:, read], across, along, cv2.INTER_LINEAR, flat[:, cut], cv2.BORDER_REPLICATE)
        if mask is not None:
            factors = mask[some] if planes[0].ndim == 2 else mask[some, ..., None]
            np.multiply(samples[:, some], factors, out=samples[:, some], casting="same_kind")
    return samples


def _mix(weights: Floats, samples: Floats, groups: int) -> Floats:
    """The weights on `(channels, taps, h, w)`: every channel alone, or a filter bank as one product per group."""
    channels, taps, *size = samples.shape
    if weights.ndim == 1:
        y: Floats = np.matmul(weights, samples.reshape(channels, taps, -1)).reshape(channels, *size)
        return y
    outputs, inputs, _ = weights.shape
    y = scratch("mixed", (outputs, math.prod(size)), samples.dtype)
    for group, filters in enumerate(_slices(outputs, groups)):
        own = samples[group * inputs : (group + 1) * inputs].reshape(inputs * taps, -1)
        np.matmul(weights[filters].reshape(-1, inputs * taps), own, out=y[filters])
    return y.reshape(outputs, *size)


def _slices(count: int, groups: int) -> Sequence[slice]:
    share = count // groups
    return [slice(group * share, (group + 1) * share) for group in range(groups)]
