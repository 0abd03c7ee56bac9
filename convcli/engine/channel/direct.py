"""Direct convolution of a plane by OpenCV's `filter2D`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from convcli.engine.plan import FOURIER_AREA

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, DTypeLike, Floats

#: The same of float64 (`filter2D` of OpenCV 5).
_WIDE_FOURIER_AREA = 50
#: The most channels `filter2D` takes (CV_CN_MAX of OpenCV 5).
CHANNEL_LIMIT = 128


def direct(x: Floats, taps: Floats) -> Floats:
    """`taps` on the plane `x` (`(h, w, channels)`) wherever it fits: `(h - kh + 1, w - kw + 1, channels)`."""
    height, width = x.shape[0] - taps.shape[0] + 1, x.shape[1] - taps.shape[1] + 1
    y: Floats | None = None
    for i, j, block in _blocks(taps):
        if not block.any():
            continue
        rows, columns = height + block.shape[0] - 1, width + block.shape[1] - 1
        part = filter2d(x[i : i + rows, j : j + columns], block)[:height, :width]
        if y is None:
            y = part
        else:
            y += part
    if y is None:
        # No tap at all: still a NaN or an infinity is no concern of the kernel's.
        y = np.zeros((height, width, x.shape[2]), x.dtype)
    return y


def most_taps(dtype: DTypeLike) -> int:
    """The most cells of a kernel, zeros included, of which `filter2D` makes sums on floats of a `dtype`, and no Fourier
    transform, which spreads a NaN over all of a picture."""
    return (FOURIER_AREA if np.dtype(dtype).itemsize == 4 else _WIDE_FOURIER_AREA) - 1


def _blocks(taps: Floats) -> Iterator[tuple[int, int, Floats]]:
    """`taps` cut into blocks too small for `filter2D` to use its Fourier transform, with their places."""
    most = most_taps(taps.dtype)
    columns = min(taps.shape[1], most)
    rows = most // columns
    for i in range(0, taps.shape[0], rows):
        for j in range(0, taps.shape[1], columns):
            yield i, j, taps[i : i + rows, j : j + columns]


def filter2d(x: Floats, taps: Floats) -> Floats:
    """`filter2D` anchored at its first tap, as large as `x`: its last `kh - 1` rows, `kw - 1` columns mean nothing."""
    if x.shape[2] > CHANNEL_LIMIT:
        parts = range(0, x.shape[2], CHANNEL_LIMIT)
        return np.concatenate([filter2d(x[..., i : i + CHANNEL_LIMIT], taps) for i in parts], axis=2)
    if not opencv_layout(x):
        x = np.ascontiguousarray(x)
    y: Any = cv2.filter2D(x, -1, np.ascontiguousarray(taps), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
    return y.reshape(x.shape)  # type: ignore[no-any-return]


def one_channel(x: Array) -> Array:
    """`x`, a single channel of which has the strides that OpenCV wants to see; a view."""
    return x[..., 0][..., None] if x.shape[-1] == 1 else x


def opencv_layout(x: Array) -> bool:
    """Whether OpenCV can read and write `x` where it lies: pixels side by side, rows any distance apart.

    Of columns that are one pixel wide it minds the stride, too, where it is to write.
    """
    height, width, channels = x.shape
    return bool(
        (x.strides[2] == x.itemsize or channels == 1)
        and x.strides[1] == channels * x.itemsize
        and (x.strides[0] >= width * channels * x.itemsize or height == 1)
    )
