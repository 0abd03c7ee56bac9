"""Layers of a network that look at all of a map, or at all channels of a pixel: norms, softmax, the greatest channel.

Mean and deviation of a map come of strips of rows, each by its own mean, so that nothing is lost where samples lie far
from 0: Chan, Golub & LeVeque 1983, "Algorithms for computing the sample variance", doi:10.1080/00031305.1983.10483115.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from convcli.engine.dtypes import per_channel
from convcli.engine.geometry import Gather
from convcli.filtering.graph import Node, Part, Pointwise
from convcli.filtering.layers import Stretched, bent
from convcli.ops.dense import Dense

if TYPE_CHECKING:
    from convcli.engine.activation import Curve
    from convcli.engine.dtypes import Array, Floats
    from convcli.networks import Placed
    from convcli.networks.placed import Norm

#: Bytes of a strip of rows.
_STRIP_BYTES: Final = 1 << 18


def normalized(part: Part, placed: Placed, norm: Norm, shape: Sequence[int], curve: Curve | None) -> Node:
    """A part less its mean, over its deviation, by channel scaled and shifted where the layer does that."""
    dtype, channels = part.node.dtype, placed.channels_in
    if not norm.groups:
        make = partial(_by_pixel, norm.epsilon, *(numbers.astype(dtype) for numbers in _numbers(placed)))
        return Pointwise(partial(bent, make, curve), [part], channels, dtype)
    height, width = placed.size_in
    rows = max(1, min(height, _STRIP_BYTES // max(1, dtype.itemsize * width * channels)))
    count = -(-height // rows)
    strips = replace(placed, windows=(Gather(rows, rows, 1, 0, count), Gather(width, 1, 1, 0, 1)))
    whole = replace(placed, windows=(Gather(count, 1, 1, 0, 1), Gather(1, 1, 1, 0, 1)))
    moments = Moments(part, strips, (*shape[:-3], count, 1, 2 * channels), None)
    moments.dtype = np.dtype(np.float64)
    sizes = np.full(count, rows * width, np.float64)
    sizes[-1] = (height - (count - 1) * rows) * width
    factors = Factors(Part(moments), whole, norm, (*shape[:-3], 1, 1, 3 * channels), sizes)
    factors.dtype = dtype
    return Pointwise(partial(bent, _scaled, curve), [part, Part(factors)], channels, dtype)


def _numbers(placed: Placed) -> tuple[Floats, Floats]:
    """What each channel is multiplied by, and what is added then, in float64."""
    kernel, channels = placed.kernels.get("scale"), placed.channels_in
    if kernel is None:
        return np.ones(channels), np.zeros(channels)
    assert isinstance(kernel, Dense)
    shift = np.zeros(channels) if kernel.bias is None else np.broadcast_to(kernel.bias.array.reshape(-1), channels)
    return kernel.effective.reshape(-1), shift.astype(np.float64)


class Moments(Stretched):
    """Per strip of rows, and channel: the mean, then the sum of squared differences from it."""

    def compute(self, x: Array, out: Floats, start: int) -> None:
        rows, channels = self._windows[0].taps, x.shape[-1]
        with np.errstate(all="ignore"):
            for number, moments in enumerate(out[:, 0], start):
                samples = x[number * rows : (number + 1) * rows].reshape(-1, channels)
                about = _sums(samples) / len(samples)
                beside = samples - about.astype(x.dtype)
                # What the first mean lost by rounding.
                rest = _sums(beside) / len(samples)
                moments[:channels] = about.astype(x.dtype) + rest
                np.multiply(beside, beside, out=beside)
                moments[channels:] = _sums(beside) - len(samples) * rest**2


def _sums(samples: Floats) -> Floats:
    """The sums of each column, by a product."""
    sums: Floats = (np.ones(len(samples), samples.dtype) @ samples).astype(np.float64)
    return sums


class Factors(Stretched):
    """Of the moments of strips of so many samples: per channel what is taken off, the factor, and what is added."""

    def __init__(
        self, part: Part, placed: Placed, norm: Norm, shape: Sequence[int], sizes: Floats
    ) -> None:  # fmt: skip
        super().__init__(part, placed, shape, None)
        self._norm, self._sizes, self._numbers = norm, sizes, _numbers(placed)

    def compute(self, x: Array, out: Floats, start: int) -> None:
        groups, (scale, shift) = self._norm.groups, self._numbers
        with np.errstate(all="ignore"):
            # Strips, and channels, of each group.
            means, squares = x[:, 0].reshape(len(x), 2, groups, -1).swapaxes(0, 1)
            sizes = self._sizes[:, None, None]
            count = sizes.sum() * means.shape[-1]
            mean = (sizes * means).sum((0, 2)) / count
            variance = (squares + sizes * (means - mean[:, None]) ** 2).sum((0, 2)) / count
            each = means.shape[-1]
            factor = scale * np.repeat(1 / np.sqrt(variance + self._norm.epsilon), each)
            mean = np.repeat(mean, each)
            rounded = mean.astype(out.dtype)
            out[0, 0] = np.concatenate([rounded, factor, shift - (mean - rounded) * factor])


def _scaled(out: Floats, x: Array, factors: Array) -> None:
    if x.ndim > 3:  # pictures, each by its own
        for one in zip(out, x, factors, strict=True):
            _scaled(*one)
        return
    flat = out.flags.c_contiguous and x.flags.c_contiguous
    with np.errstate(all="ignore"):
        for combine, numbers in zip(_SCALING, np.split(factors.reshape(-1), 3), strict=True):
            view, own = per_channel(x, numbers) if flat else (x, numbers)
            combine(view, own, out=out.reshape(view.shape))
            x = out


#: What is taken off, the factor, and what is added, in their order.
_SCALING: Final = (np.subtract, np.multiply, np.add)


def _by_pixel(epsilon: float, scale: Floats, shift: Floats, out: Floats, x: Array) -> None:
    with np.errstate(all="ignore"):
        np.subtract(x, x.mean(axis=-1, keepdims=True), out=out)
        out -= out.mean(axis=-1, keepdims=True)  # what the first mean lost by rounding
        variance = np.square(out).mean(axis=-1, keepdims=True)
        out *= 1 / np.sqrt(variance + out.dtype.type(epsilon))
        out *= scale
        out += shift


def across_channels(part: Part, placed: Placed, curve: Curve | None) -> Node:
    """What a layer makes of each pixel's channels."""
    make = _ACROSS[placed.type.split()[0]]
    return Pointwise(partial(bent, make, curve), [part], placed.channels_out, part.node.dtype)


def _softmax(out: Floats, x: Array) -> None:
    with np.errstate(all="ignore"):
        np.subtract(x, x.max(axis=-1, keepdims=True), out=out)
        np.exp(out, out=out)
        out /= out.sum(axis=-1, keepdims=True)


def _mean(out: Floats, x: Array) -> None:
    np.mean(x, axis=-1, keepdims=True, out=out)


def _max(out: Floats, x: Array) -> None:
    np.max(x, axis=-1, keepdims=True, out=out)


def _argmax(out: Floats, x: Array) -> None:
    out[...] = x.argmax(axis=-1)[..., None]


_ACROSS: Final[Mapping[str, Callable[[Floats, Array], None]]] = {
    "softmax": _softmax, "mean": _mean, "max": _max, "argmax": _argmax,
}  # fmt: skip
