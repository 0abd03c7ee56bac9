"""One kernel on every channel alone, by OpenCV's `filter2D` on planes; any rank, stride and dilation.

Along each axis the sums with stride `s` and dilation `d` fall apart into classes that are plain convolutions of every
lcm(s, d)-th sample: with g = gcd(s, d), outputs `u + (d/g) m` and taps `v + (s/g) n` read `s u + d v + lcm (m + n)`.
No tap is ever multiplied with a sample that isn't wanted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.floating[Any]]

#: `filter2D` goes over to a discrete Fourier transform from this many cells of the kernel, zeros included.
FOURIER_AREA = 130
#: The most channels `filter2D` takes (CV_CN_MAX of OpenCV 5).
CHANNEL_LIMIT = 128


def correlate_planes(
    x: Array, taps: Array, stride: Sequence[int], dilation: Sequence[int], lengths: Sequence[int], *, bounded: bool
) -> Array:
    """`y[o] = sum_t taps[t] * x[stride*o + dilation*t]` per channel, for `o` in `lengths`, nothing outside read.

    `x` is `(*spatial, channels)`, `taps` has its spatial rank. `bounded` says that the samples are of like size (8- or
    16-bit pictures), so that a Fourier transform keeps the relative error of every one of them.
    """
    spatial = taps.ndim
    while spatial > 1 and taps.shape[-1] == 1 and stride[spatial - 1] == 1:
        # An axis that the kernel does not move along is as good as channels.
        x = x[(slice(None),) * (spatial - 1) + (slice(0, lengths[spatial - 1]),)]
        spatial -= 1
        x = x.reshape(*x.shape[:spatial], -1)
        taps = taps[..., 0]
    stride, dilation, inner = stride[:spatial], dilation[:spatial], tuple(lengths[:spatial])
    if spatial == 1:
        if x.shape[1] <= 4:
            y = _correlate(x[None], taps[None], (1, *stride), (1, *dilation), (1, *inner), bounded)[0]
        else:
            y = _correlate(x[..., None], taps[:, None], (*stride, 1), (*dilation, 1), (*inner, x.shape[1]), bounded)
    else:
        y = _correlate(x, taps, stride, dilation, inner, bounded)
    shaped: Array = y.reshape(*lengths, -1)
    return shaped


def _correlate(
    x: Array, taps: Array, stride: Sequence[int], dilation: Sequence[int], lengths: Sequence[int], bounded: bool
) -> Array:
    """As `correlate_planes`, for two axes or more: the last two by planes, the others one slice at a time."""
    import numpy as np

    if taps.ndim == 2:
        return _correlate_plane(x, taps, stride, dilation, lengths, bounded)
    y = np.zeros((*lengths, x.shape[-1]), x.dtype)
    for o in range(lengths[0]):
        for t in range(taps.shape[0]):
            if taps[t].any():
                row = x[o * stride[0] + t * dilation[0]]
                y[o] += _correlate(row, taps[t], stride[1:], dilation[1:], lengths[1:], bounded)
    return y


def _correlate_plane(
    x: Array, taps: Array, stride: Sequence[int], dilation: Sequence[int], lengths: Sequence[int], bounded: bool
) -> Array:
    """Rows by classes (views, nothing copied); columns with zeros between the taps, then every stride-th one kept."""
    import numpy as np

    height, width = lengths
    columns = (width - 1) * stride[1] + 1
    spread = _spread(taps, dilation[1])
    x = x[:, : columns + spread.shape[1] - 1]
    if stride[0] == dilation[0] == 1:
        return _filter(x[: height + taps.shape[0] - 1], spread, bounded)[:, :: stride[1]]
    y = np.zeros((height, width, x.shape[-1]), x.dtype)
    for output, tap, source in _classes(stride[0], dilation[0], height, taps.shape[0]):
        part, rows = spread[tap], len(range(height)[output])
        y[output] += _filter(x[source][: rows + part.shape[0] - 1], part, bounded)[:, :: stride[1]]
    return y


def _classes(stride: int, dilation: int, outputs: int, taps: int) -> Iterator[tuple[slice, slice, slice]]:
    """The plain convolutions that one strided, dilated axis falls into, as slices of outputs, taps and inputs."""
    common = math.gcd(stride, dilation)
    output_step, tap_step, source_step = dilation // common, stride // common, stride * dilation // common
    for u in range(min(output_step, outputs)):
        for v in range(min(tap_step, taps)):
            source = slice(stride * u + dilation * v, None, source_step)
            yield slice(u, None, output_step), slice(v, None, tap_step), source


def _spread(taps: Array, dilation: int) -> Array:
    import numpy as np

    if dilation == 1:
        return taps
    spread = np.zeros((taps.shape[0], dilation * (taps.shape[1] - 1) + 1), taps.dtype)
    spread[:, ::dilation] = taps
    return spread


def _filter(x: Array, taps: Array, bounded: bool) -> Array:
    """The convolution of plane `x` with `taps` at all places where it fits, `(h - kh + 1, w - kw + 1, channels)`."""
    import numpy as np

    height, width = x.shape[0] - taps.shape[0] + 1, x.shape[1] - taps.shape[1] + 1
    if taps.size < FOURIER_AREA or (bounded and np.count_nonzero(taps) >= FOURIER_AREA):
        return _filter2d(x, taps)[:height, :width]
    y = np.zeros((height, width, x.shape[2]), x.dtype)
    for i, j, block in _blocks(taps):
        if block.any():
            y += _filter2d(x[i : i + height + block.shape[0] - 1, j : j + width + block.shape[1] - 1], block)[
                :height, :width
            ]
    return y


def _blocks(taps: Array) -> Iterator[tuple[int, int, Array]]:
    """`taps` cut into blocks too small for `filter2D` to use its Fourier transform, with their places."""
    columns = min(taps.shape[1], FOURIER_AREA - 1)
    rows = (FOURIER_AREA - 1) // columns
    for i in range(0, taps.shape[0], rows):
        for j in range(0, taps.shape[1], columns):
            yield i, j, taps[i : i + rows, j : j + columns]


def _filter2d(x: Array, taps: Array) -> Array:
    import cv2
    import numpy as np

    if x.shape[2] > CHANNEL_LIMIT:
        parts = range(0, x.shape[2], CHANNEL_LIMIT)
        return np.concatenate([_filter2d(x[..., i : i + CHANNEL_LIMIT], taps) for i in parts], axis=2)
    if not _opencv_layout(x):
        x = np.ascontiguousarray(x)
    y: Any = cv2.filter2D(x, -1, np.ascontiguousarray(taps), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
    return y.reshape(x.shape)  # type: ignore[no-any-return]


def _opencv_layout(x: Array) -> bool:
    """Whether OpenCV can read `x` where it lies: pixels side by side, rows any distance apart."""
    return (
        x.strides[2] == x.itemsize
        and x.strides[1] == x.shape[2] * x.itemsize
        and x.strides[0] >= x.strides[1] * x.shape[1]
    )
