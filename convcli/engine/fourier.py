"""Convolution of a plane by overlap-save: tiles are multiplied with the kernel's spectrum, two in one transform.

The transform of `a + ib`, multiplied with the spectrum of a real kernel and transformed back, is the two results side
by side: no real-to-complex packing, and half the work. Tiles never wrap into their useful part.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from convcli.engine.threads import scratch

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.floating[Any]]
    Spectrum = npt.NDArray[np.complexfloating[Any, Any]]


def fourier(x: Array, taps: Array, tile: tuple[int, int]) -> Array:
    """`taps` on the plane `x` (`(h, w, channels)`) wherever it fits, by tiles of `tile` samples, finite ones only."""
    import cv2
    import numpy as np

    channels = x.shape[2]
    planes: list[Array] = list(np.moveaxis(x, 2, 0))
    if 1 < channels <= 4:
        planes = [np.asarray(plane, x.dtype) for plane in cv2.split(x)]
    height, width = x.shape[0] - taps.shape[0] + 1, x.shape[1] - taps.shape[1] + 1
    y = scratch("fourier", (height, width, channels), x.dtype)
    results = [y[..., 0]] if channels == 1 else [np.empty((height, width), x.dtype) for _ in planes]
    if taps.shape[0] == 1:
        for plane, result in zip(planes, results, strict=True):
            _lines(np.ascontiguousarray(plane), taps, tile[1], result)
    elif taps.shape[1] == 1:
        for plane, result in zip(planes, results, strict=True):
            turned = np.empty(result.shape[::-1], x.dtype)
            _lines(np.ascontiguousarray(plane.T), np.ascontiguousarray(taps.T), tile[0], turned)
            result[...] = turned.T
    else:
        _tiles(planes, taps, tile, results)
    if channels > 1:
        if channels <= 4:
            cv2.merge(results, y)
        else:
            np.stack(results, axis=2, out=y)
    return y


def _tiles(planes: list[Array], taps: Array, tile: tuple[int, int], results: list[Array]) -> None:
    import cv2
    import numpy as np

    (rows, columns), (kh, kw) = tile, taps.shape
    height, width = results[0].shape
    down, across = min(height, rows - kh + 1), min(width, columns - kw + 1)
    starts = [
        (index, min(top, height - down), min(left, width - across))
        for index in range(len(planes))
        for top in range(0, height, down)
        for left in range(0, width, across)
    ]
    spectrum = kernel_spectrum(taps.tobytes(), taps.shape, taps.dtype.str, tile)
    read = (down + kh - 1, across + kw - 1)
    buffer = scratch("tile", (*tile, 2), taps.dtype)
    values = buffer.view(spectrum.dtype)[..., 0]
    inside = buffer[: read[0], : read[1]]
    for first in range(0, len(starts), 2):
        pair = starts[first : first + 2]
        parts = [planes[i][top : top + read[0], left : left + read[1]] for i, top, left in pair]
        if read != tile:
            buffer[read[0] :] = 0
            buffer[:, read[1] :] = 0
        cv2.merge([parts[0], parts[-1]], inside)
        cv2.dft(buffer, dst=buffer)
        np.multiply(values, spectrum, out=values)
        cv2.dft(buffer, dst=buffer, flags=cv2.DFT_INVERSE)
        useful = buffer[:down, :across]
        targets = [results[i][top : top + down, left : left + across] for i, top, left in pair]
        if len(pair) == 2:
            cv2.split(useful, targets)
        else:
            targets[0][...] = useful[..., 0]


def _lines(x: Array, taps: Array, length: int, y: Array) -> None:
    """A one-row kernel: every row is cut into pieces; the first and second half of them share their transforms."""
    import cv2
    import numpy as np
    from numpy.lib.stride_tricks import as_strided

    height, width = y.shape
    useful = min(length - taps.shape[1] + 1, width)
    pieces = -(-width // useful)
    count = -(-pieces // 2)
    spectrum = kernel_spectrum(taps.tobytes(), taps.shape, taps.dtype.str, (1, length))
    read = useful + taps.shape[1] - 1
    starts = (0, max(0, width - count * useful))
    batch = max(1, (1 << 16) // (count * length))
    for top in range(0, height, batch):
        rows = min(batch, height - top)
        buffer = np.zeros((rows, count, length, 2), x.dtype)
        for part, start in enumerate(starts):
            if part and pieces == 1:
                break
            held = as_strided(x[top:, start:], (rows, count, read), (x.strides[0], useful * x.itemsize, x.itemsize))
            buffer[:, :, :read, part] = held
        flat = buffer.reshape(-1, length, 2)
        cv2.dft(flat, dst=flat, flags=cv2.DFT_ROWS)
        values = flat.view(spectrum.dtype)[..., 0]
        np.multiply(values, spectrum, out=values)
        cv2.dft(flat, dst=flat, flags=cv2.DFT_ROWS | cv2.DFT_INVERSE)
        for part, start in enumerate(starts):
            if part and pieces == 1:
                break
            shape = (rows, count, useful)
            target = as_strided(y[top:, start:], shape, (y.strides[0], useful * y.strides[1], y.strides[1]))
            target[...] = buffer[:, :, :useful, part]


@lru_cache(maxsize=32)
def kernel_spectrum(data: bytes, shape: tuple[int, int], dtype: str, tile: tuple[int, int]) -> Spectrum:
    """The conjugate spectrum of the taps in a tile, scaled for the way back; computed in float64."""
    import cv2
    import numpy as np

    padded = np.zeros((*tile, 2), np.float64)
    padded[: shape[0], : shape[1], 0] = np.frombuffer(data, dtype).reshape(shape)
    values = np.asarray(cv2.dft(padded)).view(np.complex128)[..., 0]
    kind = np.complex64 if np.dtype(dtype).itemsize == 4 else np.complex128
    conjugate: Spectrum = (np.conj(values) / (tile[0] * tile[1])).astype(kind)
    return conjugate
