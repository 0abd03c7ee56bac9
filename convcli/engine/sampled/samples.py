"""Bilinear sampling at fractional places, for deformable kernels.

Exact to the four neighbours: coordinates are formed in float64 and each neighbour outside the image comes from the
border rule (`zero`: each counts 0, as torchvision's `deform_conv2d` and ONNX `DeformConv`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from convcli.engine.bank.layouts import pixels as pixels_of
from convcli.engine.borders import read_window, source_indices
from convcli.engine.dtypes import channels_last, planar
from convcli.engine.geometry import constant
from convcli.engine.memory import scratch
from convcli.engine.sampled.parts import FINE, between, rounding

if TYPE_CHECKING:
    import numpy.typing as npt

    from convcli.engine.dtypes import Array, DTypeLike, Floats

    Places = npt.NDArray[np.float64]

#: Pixels of a window that is read whole, however few of them are wanted.
SMALL_WINDOW = 1 << 12


def fold(places: Places, n: int, border: str) -> Places:
    """`places` along an axis of `n` samples moved to within one sample of the image, where the same value is read."""
    if places.size == 0 or (places.min() >= 0 and places.max() <= n - 1):
        return places
    if constant(border) is not None:
        return np.clip(places, -1, n)
    if border == "replicate" or n == 1:
        return np.clip(places, 0, n - 1)
    if border == "wrap":
        return np.mod(places, n)
    if border == "reflect":
        folded, last = np.mod(places, 2 * n - 2), 2 * n - 2
    else:
        folded, last = np.mod(places + 0.5, 2 * n) - 0.5, 2 * n - 1
    near: Places = np.minimum(folded, last - folded)
    return near


def sample(x: Array, rows: Places, columns: Places, border: str, dtype: DTypeLike) -> Floats:
    """`x` (`(height, width, channels)`) read at places of any shape, `(taps, h, w)` where channels are few:
    `(*shape, channels)` of `dtype`."""
    rows, columns = fold(rows, x.shape[0], border), fold(columns, x.shape[1], border)
    if dtype == np.float32 and x.shape[2] <= 4:
        ranges = [between(float(places.min()), float(places.max())) for places in (rows, columns)]
        if rounding([stop - start for start, stop in ranges]) <= FINE:
            window, (top, left) = read_window(x, ranges, border, dtype), (start for start, _ in ranges)
            # `remap` multiplies a neighbour of no share by 0, which would spread a NaN.
            if x.dtype.kind != "f" or np.isfinite(window).all():
                return _remap(window, (rows - top).astype(np.float32), (columns - left).astype(np.float32))
    return Gathering(x.shape[:2], rows, columns, border, dtype).of(x)


def _remap(window: Floats, rows: npt.NDArray[np.float32], columns: npt.NDArray[np.float32]) -> Floats:
    if window.shape[2] == 2:
        # OpenCV 5's `remap` is exact on 1, 3 and 4 channels; on 2 it rounds places to 1/32 of a pixel.
        planes = [_remap(np.ascontiguousarray(window[..., c : c + 1]), rows, columns) for c in (0, 1)]
        return np.concatenate(planes, axis=-1)
    y = np.empty((*rows.shape, window.shape[2]), np.float32)
    for tap in range(rows.shape[0]):
        read = cv2.remap(window, columns[tap], rows[tap], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        y[tap] = read.reshape(y.shape[1:])
    return y


class Gathering:
    """What reads pictures of a `size` (height, width) at places of any shape, weighed by `factors` of the same shape:
    a sparse matrix, to be multiplied with the pixels that are read."""

    def __init__(
        self, size: Sequence[int], rows: Places, columns: Places, border: str, dtype: DTypeLike,
        factors: Array | None = None,
    ) -> None:  # fmt: skip
        places = [fold(part, n, border) for part, n in zip((rows, columns), size, strict=True)]
        (down, high), (right, wide) = (_split(part.ravel(), dtype) for part in places)
        self._ranges = [(int(first.min()), int(first.max()) + 2) for first in (down, right)]
        (top, bottom), (left, end) = self._ranges
        step = end - left
        kind = np.dtype(np.int32 if (bottom - top) * step < 1 << 31 else np.int64)
        corner = ((down - top) * step + (right - left)).astype(kind)
        shares, pixels = np.empty((rows.size, 4), dtype), np.empty((rows.size, 4), kind)
        for number, (share, beside) in enumerate(itertools.product(high, wide)):
            np.multiply(share, beside, out=shares[:, number])
            np.add(corner, kind.type(number // 2 * step + number % 2), out=pixels[:, number])
        self._shape, self._border, self._dtype = rows.shape, border, dtype
        self._used, count = None, (bottom - top) * step
        if count > max(pixels.size, SMALL_WINDOW):
            # Few of the pixels of the window are read: these alone are copied.
            self._used, numbers = np.unique(pixels, return_inverse=True)
            pixels, count = numbers.reshape(pixels.shape), self._used.size
        self._weighing = None if factors is None else factors.reshape(-1, 1).astype(dtype, copy=False)
        self._shares, self._pixels, self._count = shares, pixels, count
        self._matrix = _sparse(shares if self._weighing is None else shares * self._weighing, pixels, count)
        #: Bytes that are held.
        self.size = 2 * shares.nbytes + pixels.nbytes

    def of(self, x: Array) -> Floats:
        """`(*shape, channels)` of `x` `(height, width, channels)`."""
        flat = self._read(x)
        y: Floats = self._matrix @ flat
        # Each pixel is read several times: there are fewer of them.
        if not math.isfinite(np.vdot(flat, flat)) and not math.isfinite(np.vdot(y, y)):
            # A neighbour with no share must not spread a NaN or an infinity of its own; without it arrays are shorter.
            matrix = _sparse(self._shares.copy(), self._pixels.copy(), self._count)
            matrix.eliminate_zeros()
            y = matrix @ flat if self._weighing is None else (matrix @ flat) * self._weighing
        return y.reshape(*self._shape, x.shape[2])

    def _read(self, x: Array) -> Floats:
        """The pixels that are read, rows of channels: a window, or those of it that are used."""
        if self._used is not None:
            numbers = np.divmod(self._used, self._ranges[1][1] - self._ranges[1][0])
            places = (part + start for part, (start, _) in zip(numbers, self._ranges, strict=True))
            down, right = (source_indices(own, n, self._border) for own, n in zip(places, x.shape, strict=False))
            flat: Floats = x[down, right].astype(self._dtype)
            flat[(down < 0) | (right < 0)] = constant(self._border) or 0
            return flat
        shape = [stop - start for start, stop in self._ranges]
        if planar(x):
            window = channels_last(scratch("window", (x.shape[2], *shape), self._dtype))
        else:
            window = scratch("pixels", (*shape, x.shape[2]), self._dtype)
        pixels: Floats = pixels_of(read_window(x, self._ranges, self._border, self._dtype, out=window))
        return pixels.reshape(-1, x.shape[2])


def _split(places: Places, dtype: DTypeLike) -> tuple[Places, tuple[Floats, Floats]]:
    """Places along an axis as whole numbers, and the shares of the samples there and behind."""
    first = np.floor(places)
    part = (places - first).astype(dtype)
    return first, (1 - part, part)


def _sparse(shares: Floats, pixels: Array, count: int) -> Any:
    from scipy import sparse

    ends = np.arange(0, shares.size + 1, 4, dtype=pixels.dtype)
    return sparse.csr_array((shares.ravel(), pixels.ravel(), ends), shape=(len(shares), count))


def mix(weights: Floats, samples: Floats, groups: int) -> Floats:
    """The weights on `(channels, taps, h, w)`: every channel alone, or a filter bank as one product per group.

    `weights` are `(taps,)` or `(outputs, channels / groups, taps)`; the result is `(outputs, h, w)`.
    """
    channels, taps, *size = samples.shape
    if weights.ndim == 1:
        y: Floats = np.matmul(weights, samples.reshape(channels, taps, -1)).reshape(channels, *size)
        return y
    outputs, inputs, _ = weights.shape
    y = scratch("mixed", (outputs, math.prod(size)), samples.dtype)
    for group in range(groups):
        filters = slice(group * outputs // groups, (group + 1) * outputs // groups)
        own = samples[group * inputs : (group + 1) * inputs].reshape(inputs * taps, -1)
        np.matmul(weights[filters].reshape(-1, inputs * taps), own, out=y[filters])
    return y.reshape(outputs, *size)
