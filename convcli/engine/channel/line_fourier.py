"""Convolution along rows by overlap-save: pieces of rows, many in a call, are multiplied with the taps' spectrum.

Transforms of real numbers whose length is a power of two are so much faster, in the library below, than complex ones
that nothing is won where two pieces share one. A spectrum comes as `Re 0, Re 1, Im 1, Re 2, ..., Re n/2`: all but its
ends are complex numbers where they lie.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.lib.stride_tricks import as_strided

from convcli.engine.memory import scratch

if TYPE_CHECKING:
    import numpy.typing as npt

    from convcli.engine.dtypes import Floats

#: Samples of the pieces of a call: few long calls, as threads wait for one another between calls.
BATCH = 1 << 18


def pieces(length: int) -> int:
    """Pieces of transforms of this `length` in a call."""
    return max(1, BATCH // length)


def lines(x: Floats, taps: Floats, length: int, y: Floats) -> None:
    """The taps `(1, k)` along the rows of `x`, finite ones, wherever they fit, into `y`; transforms of `length`."""
    height, width = y.shape
    useful = min(length - taps.size + 1, width)
    count, most = -(-width // useful), pieces(length)
    across = min(count, most)
    down = most // across
    for top in range(0, height, down):
        rows = slice(top, min(top + down, height))
        for first in range(0, count, across):
            begin, end = first * useful, min((first + across) * useful, width)
            _filter(x[rows, begin : end + taps.size - 1], taps, length, useful, y[rows, begin:end])


def _filter(x: Floats, taps: Floats, length: int, useful: int, y: Floats) -> None:
    """As `lines`, for what goes in one call, in pieces of `useful` outputs; the last one may be shorter."""
    (height, width), (row, step) = y.shape, y.strides
    whole, rest = divmod(width, useful)
    read = useful + taps.size - 1
    held = scratch("pieces", (height, whole + bool(rest), length), x.dtype)
    held[..., read:] = 0
    if whole:
        held[:, :whole, :read] = as_strided(x, (height, whole, read), (x.strides[0], useful * x.itemsize, x.itemsize))
    if rest:
        held[:, whole, : x.shape[1] - whole * useful] = x[:, whole * useful :]
        held[:, whole, x.shape[1] - whole * useful :] = 0
    flat = held.reshape(-1, length)
    cv2.dft(flat, dst=flat, flags=cv2.DFT_ROWS)
    first, inner, last = _spectrum(taps.tobytes(), taps.dtype.str, length)
    values = flat[:, 1:-1].view(inner.dtype)
    np.multiply(values, inner, out=values)
    flat[:, 0] *= first
    flat[:, -1] *= last
    cv2.dft(flat, dst=flat, flags=cv2.DFT_ROWS | cv2.DFT_INVERSE | cv2.DFT_REAL_OUTPUT)
    if whole:
        as_strided(y, (height, whole, useful), (row, useful * step, step))[...] = held[:, :whole, :useful]
    if rest:
        y[:, whole * useful :] = held[:, whole, :rest]


@lru_cache(maxsize=32)
def _spectrum(data: bytes, dtype: str, length: int) -> tuple[Any, npt.NDArray[np.complexfloating[Any, Any]], Any]:
    """The conjugate spectrum of the taps, scaled for the way back and computed in float64: its ends are real."""
    kind = np.dtype(dtype)
    padded = np.zeros((1, length))
    taps = np.frombuffer(data, kind)
    padded[0, : taps.size] = taps
    packed = np.asarray(cv2.dft(padded))[0] / length
    inner = np.conj(packed[1:-1].view(np.complex128)).astype(np.complex64 if kind.itemsize == 4 else np.complex128)
    return kind.type(packed[0]), inner, kind.type(packed[-1])
