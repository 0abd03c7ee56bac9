"""Convolution of a plane by overlap-save: tiles are multiplied with the kernel's spectrum, two in one transform.

The transform of `a + ib`, multiplied with the spectrum of a real kernel and transformed back, is the two results side
by side: no real-to-complex packing, and half the work. Tiles never wrap into their useful part.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from convcli.engine.borders import read_window
from convcli.engine.channel.correlation import Correlation, Otherwise
from convcli.engine.channel.passes import join, keep_planes, split
from convcli.engine.facts import Facts
from convcli.engine.geometry import even_cuts
from convcli.engine.memory import scratch
from convcli.engine.threads import Cuts

if TYPE_CHECKING:
    import numpy.typing as npt

    from convcli.engine.dtypes import Array, Floats
    from convcli.engine.sink import Sink

    Spectrum = npt.NDArray[np.complexfloating[Any, Any]]


def fourier(x: Floats, taps: Floats, tile: tuple[int, int]) -> Floats:
    """`taps` on the plane `x` (`(h, w, channels)`) wherever it fits, by tiles of `tile` samples, finite ones only."""
    # Only rows and columns need it: a start without costs less.
    from convcli.engine.channel.line_fourier import lines

    channels = x.shape[2]
    planes = [x[..., 0]] if channels == 1 else list(split(x, "planes apart"))
    height, width = x.shape[0] - taps.shape[0] + 1, x.shape[1] - taps.shape[1] + 1
    y = scratch("fourier", (height, width, channels), x.dtype)
    apart: Floats = y[None, ..., 0] if channels == 1 else scratch("results apart", (channels, height, width), x.dtype)
    results = list(apart)
    if taps.shape[0] == 1:
        for plane, result in zip(planes, results, strict=True):
            lines(np.ascontiguousarray(plane), taps, tile[1], result)
    elif taps.shape[1] == 1:
        for plane, result in zip(planes, results, strict=True):
            turned = scratch("turned", result.shape[::-1], x.dtype)
            columns = scratch("columns", plane.shape[::-1], x.dtype)
            cv2.transpose(np.ascontiguousarray(plane), columns)
            lines(columns, np.ascontiguousarray(taps.T), tile[0], turned)
            cv2.transpose(turned, dst=result)
    else:
        tiles(planes, taps, tile, results)
    if channels > 1:
        join(apart, y)
    return y


def tiles(
    planes: Sequence[Array], taps: Floats, tile: tuple[int, int], results: Sequence[Floats],
    window: tuple[int, str] = (0, "zero"),
) -> None:  # fmt: skip
    """The convolution of `planes` into `results`, two tiles in a transform.

    `planes` have the rows that `results` need; their columns begin at `window[0]` and are continued by the border rule
    `window[1]`.
    """
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
    for first in range(0, len(starts), 2):
        pair = starts[first : first + 2]
        if read != tile:
            buffer[read[0] :] = 0
            buffer[:, read[1] :] = 0
        parts = [_part(planes[i], top, left + window[0], read, window[1]) for i, top, left in pair]
        _fill(buffer[: read[0], : read[1]], parts[0], parts[-1])
        cv2.dft(buffer, dst=buffer)
        np.multiply(values, spectrum, out=values)
        cv2.dft(buffer, dst=buffer, flags=cv2.DFT_INVERSE)
        useful = buffer[:down, :across]
        targets = [results[i][top : top + down, left : left + across] for i, top, left in pair]
        if len(pair) == 2:
            cv2.split(useful, targets)
        else:
            targets[0][...] = useful[..., 0]


def _part(plane: Array, top: int, left: int, read: tuple[int, int], border: str) -> Array:
    """What a tile reads of a plane; a view where it lies inside."""
    if left >= 0 and left + read[1] <= plane.shape[1]:
        return plane[top : top + read[0], left : left + read[1]]
    return read_window(plane, [(top, top + read[0]), (left, left + read[1])], border, plane.dtype)


def _fill(target: Floats, first: Array, second: Array) -> None:
    """Two planes side by side into the complex numbers of `target`.

    Not at once by OpenCV: what it merges it writes past the cache, from which the transform is to read it.
    """
    if first.dtype.itemsize <= 2 and first.dtype.kind != "b":
        paired = scratch("paired", target.shape, first.dtype)
        cv2.merge([first, second], paired)
        np.copyto(target, paired)
    else:
        target[..., 0], target[..., 1] = first, second


def by_tiles(work: Correlation, tile: tuple[int, int], otherwise: Otherwise) -> Cuts:
    """A kernel on all of an input `(h, w, channels)`, in bands of one row of tiles.

    `otherwise(window)` computes a band whose samples are not fit for a Fourier transform.
    """
    (height, columns, channels), taps, border, windows = work.x.shape, work.taps, work.border, work.windows
    width, there = windows[1].length, channels == 1 and work.sink.target(work.taps.dtype) is not None
    count = -(-width // (2 * (tile[1] - taps.shape[1] + 1)))
    strips = even_cuts(width, count)
    left, right = windows[1].reads(0, width)

    def band(x: Array, sink: Sink, rows: tuple[int, int]) -> None:
        low, high = windows[0].reads(*rows)
        if low >= 0 and high <= height:
            source = x[low:high]
        else:
            source = read_window(x, [(low, high), (0, columns)], border, x.dtype)
        if not Facts(source, plain=x.dtype.kind != "f").bounded:
            sink.store(otherwise(read_window(x, [(low, high), (left, right)], border, taps.dtype)), rows[0])
            return
        planes = [source[..., 0]] if channels == 1 else list(split(source, "planes apart"))
        if there:
            tiles(planes, taps, tile, [sink.out[slice(*rows), :, 0]], (left, border))
            sink.store(sink.out[slice(*rows)], rows[0])
            return
        for start, stop in strips:
            results = scratch("results apart", (channels, rows[1] - rows[0], stop - start), taps.dtype)
            tiles(planes, taps, tile, list(results), (left + start, border))
            keep_planes(results, sink, rows[0], start)

    length, useful = windows[0].length, tile[0] - taps.shape[0] + 1
    cuts = [(top, min(top + useful, length)) for top in range(0, length, useful)]
    return Cuts.on(work.x, work.sink, band, cuts)


@lru_cache(maxsize=32)
def kernel_spectrum(data: bytes, shape: tuple[int, int], dtype: str, tile: tuple[int, int]) -> Spectrum:
    """The conjugate spectrum of the taps in a tile, scaled for the way back; computed in float64."""
    padded = np.zeros((*tile, 2), np.float64)
    padded[: shape[0], : shape[1], 0] = np.frombuffer(data, dtype).reshape(shape)
    values = np.asarray(cv2.dft(padded)).view(np.complex128)[..., 0]
    kind = np.complex64 if np.dtype(dtype).itemsize == 4 else np.complex128
    conjugate: Spectrum = (np.conj(values) / (tile[0] * tile[1])).astype(kind)
    return conjugate
