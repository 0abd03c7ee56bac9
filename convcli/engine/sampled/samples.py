"""Bilinear sampling at fractional places, for deformable kernels.

Exact to the four neighbours: coordinates are formed in float64 and each neighbour outside the image comes from the
border rule (`zero`: each counts 0, as torchvision's `deform_conv2d` and ONNX `DeformConv`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from convcli.engine.borders import read_window, source_indices
from convcli.engine.geometry import constant
from convcli.engine.memory import scratch

if TYPE_CHECKING:
    import numpy.typing as npt

    from convcli.engine.dtypes import Array, DTypeLike, Floats

    Places = npt.NDArray[np.float64]

#: Outputs are sampled in blocks of this many columns: OpenCV's `remap` takes float32 places, which near the middle of a
#: large picture would be coarse, so places are counted from the corner of each block's window.
BLOCK = 128
#: The widest window that `remap` serves; places further apart are gathered one by one.
WINDOW_LIMIT = 2 * BLOCK


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
    """`x` (`(height, width, channels)`) read at `(taps, h, w)` places: `(taps, h, w, channels)` of `dtype`."""
    rows, columns = fold(rows, x.shape[0], border), fold(columns, x.shape[1], border)
    top, left = int(np.floor(rows.min())), int(np.floor(columns.min()))
    bottom, right = int(np.floor(rows.max())) + 2, int(np.floor(columns.max())) + 2
    if dtype == np.float32 and x.shape[2] <= 4 and max(bottom - top, right - left) <= WINDOW_LIMIT:
        window = read_window(x, [(top, bottom), (left, right)], border, dtype)
        # `remap` multiplies a neighbour of no share by 0, which would spread a NaN.
        if x.dtype.kind != "f" or np.isfinite(window).all():
            return _remap(window, (rows - top).astype(np.float32), (columns - left).astype(np.float32))
    return _operator(x, rows, columns, border, dtype)


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


def _operator(x: Array, rows: Places, columns: Places, border: str, dtype: DTypeLike) -> Floats:
    """As a sparse matrix times the pixels that are read."""
    shares, pixels = _shares(rows, columns, x.shape[:2], border, dtype)
    beyond = (constant(border) or 0) * (1 - shares.sum(axis=1, dtype=np.float64))  # the sparse matrix takes `shares` up
    # Only the pixels that are read are converted, not the picture once per block.
    used, pixels = np.unique(pixels, return_inverse=True)
    flat = x[used // x.shape[1], used % x.shape[1]].astype(dtype)
    read: Floats = _sparse(shares, pixels.reshape(shares.shape), len(flat)) @ flat
    if constant(border):
        read += beyond.astype(dtype)[:, None]
    return read.reshape(*rows.shape, x.shape[2])


def _shares(
    rows: Places, columns: Places, size: Sequence[int], border: str, dtype: DTypeLike
) -> tuple[Floats, npt.NDArray[np.int64]]:
    """The shares of the four neighbours of every place, and their numbers in the picture: `(places, 4)` each."""
    height, width = size
    top, left = np.floor(rows).ravel(), np.floor(columns).ravel()
    down, across = rows.ravel() - top, columns.ravel() - left
    shares = np.empty((rows.size, 4), dtype)
    pixels = np.empty((rows.size, 4), np.int64)
    for corner, (dy, dx) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        row = source_indices(top.astype(np.int64) + dy, height, border)
        column = source_indices(left.astype(np.int64) + dx, width, border)
        share = (down if dy else 1 - down) * (across if dx else 1 - across)
        shares[:, corner] = np.where((row < 0) | (column < 0), 0, share)
        pixels[:, corner] = np.maximum(row, 0) * width + np.maximum(column, 0)
    return shares, pixels


def _sparse(shares: Floats, pixels: Array, count: int) -> Any:
    from scipy import sparse

    ends = np.arange(0, shares.size + 1, 4, dtype=np.int32)
    indices = pixels.ravel().astype(np.int32)
    matrix = sparse.csr_array((shares.ravel(), indices, ends), shape=(len(shares), count))
    # A neighbour with no share must not spread a NaN or an infinity of its own.
    matrix.eliminate_zeros()
    return matrix


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
