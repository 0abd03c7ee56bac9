"""Transposed convolution without stuffing zeros: each phase of the output is a plain convolution of the input.

Along an axis with stride s and dilation d, g = gcd(s, d): output `o` gets tap `t` from input `(o + before - d t) / s`.
For the outputs of one phase `o mod s` those are every (s/g)-th tap from some first one on, and the inputs they meet lie
d/g apart, last tap first.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import cv2
from numpy.lib.stride_tricks import as_strided

from convcli.engine.dtypes import channels_first, planar
from convcli.engine.memory import scratch
from convcli.records import record

if TYPE_CHECKING:
    from convcli.engine.dtypes import Floats
    from convcli.engine.geometry import Scatter
    from convcli.engine.tiles import Tile

#: The most channels, of all phases of a row, that are merged at once.
MERGED = 32


@record(kw_only=False)
class Phase:
    """The outputs of one phase within a tile, the taps that reach them (in input order) and the input they start at."""

    outputs: slice
    count: int
    taps: slice
    source: int
    dilation: int


def phases(window: Scatter, start: int, stop: int, origin: int) -> Iterator[Phase]:
    """The phases of the outputs `start .. stop-1`, on a tile whose first input is `origin`.

    Phases that no tap reaches are left out: those outputs are zero.
    """
    s, d = window.stride, window.dilation
    common = math.gcd(s, d)
    step = s // common
    for first in range(start, min(start + s, stop)):
        shifted = first + window.before
        if shifted % common:
            continue
        tap = next((t for t in range(min(step, window.taps)) if (shifted - d * t) % s == 0), None)
        if tap is None:
            continue
        count = len(range(tap, window.taps, step))
        last_tap = tap + (count - 1) * step
        taps = slice(last_tap, tap - 1 if tap else None, -step)
        outputs = slice(first - start, stop - start, s)
        yield Phase(outputs, len(range(first, stop, s)), taps, (shifted - d * last_tap) // s - origin, d // common)


def stamp(
    tile: Tile,
    windows: Sequence[Scatter],
    channels: int,
    correlate: Callable[[Floats, tuple[slice, ...], tuple[int, ...], tuple[int, ...], str], Floats],
    into: Floats | None = None,
) -> Floats:
    """The outputs of `tile.region`: `(*region, channels)`, in `into` where that is given.

    `correlate(x, taps, dilation, lengths, name)` convolves `x` at stride 1 with the slice `taps` of the weights; what
    it returns is used up before it is called with the same `name` again.
    """
    lengths = [stop - start for start, stop in tile.region]
    y = scratch("stamped", (*lengths, channels), tile.data.dtype) if into is None else into
    per_axis = [
        list(phases(window, *part, origin))
        for window, part, origin in zip(windows, tile.region, tile.origin, strict=True)
    ]
    if any(sum(phase.count for phase in axis) < n for axis, n in zip(per_axis, lengths, strict=True)):
        y.fill(0)
    last, planes = per_axis[-1], planar(y)
    for outer in itertools.product(*per_axis[:-1]):
        results = [
            correlate(
                tile.data[tuple(slice(phase.source, None) for phase in combination)],
                tuple(phase.taps for phase in combination),
                tuple(phase.dilation for phase in combination),
                tuple(phase.count for phase in combination),
                f"phase {number}",
            )
            for number, combination in enumerate((*outer, phase) for phase in last)
        ]
        put(results, y[tuple(phase.outputs for phase in outer)], last, planes=planes)
    return y


def put(results: Sequence[Floats], rows: Floats, last: Sequence[Phase], *, planes: bool) -> None:
    """Puts phases `(*lengths, channels)` of the last axis in their places among `rows` `(*lengths, channels)`."""
    stride = len(last)
    whole = rows.ndim == 3 and stride > 1 and sum(phase.count for phase in last) == rows.shape[1]
    if whole and planes:
        _merge_planes([channels_first(part) for part in results], channels_first(rows), last)
    elif whole and _interleaves(rows, stride):
        _merge(results, rows, last)
    else:
        for phase, result in zip(last, results, strict=True):
            rows[..., phase.outputs, :] = result


def are_apart(windows: Sequence[Scatter]) -> bool:
    """Whether no two inputs meet in an output."""
    return all(window.taps <= window.stride and window.dilation == 1 for window in windows)


def is_tiled(window: Scatter) -> bool:
    """Whether stamps lie side by side along an axis, and none is cut."""
    whole = window.taps == window.stride and not window.length % window.stride
    return whole and window.dilation == 1 and not window.before


def _interleaves(y: Floats, stride: int) -> bool:
    """Whether phases of `y` `(h, w, channels)` are pixels of more channels for OpenCV to merge."""
    side_by_side = y.strides[1] == y.shape[2] * y.itemsize and (y.shape[2] == 1 or y.strides[2] == y.itemsize)
    return side_by_side and stride * y.shape[2] <= MERGED


def _merge_planes(results: Sequence[Floats], rows: Floats, last: Sequence[Phase]) -> None:
    """The same for planes `(channels, h, w)`, all of them by one call where their rows lie evenly apart."""
    channels, height, _ = rows.shape
    stride, whole, size = len(results), min(phase.count for phase in last), rows.itemsize
    near, row = rows.strides[:2]
    if near == height * row and all(_is_even(part) for part in results):
        target = as_strided(rows, (channels * height, whole, stride), (row, stride * size, size))
        cv2.merge([as_strided(part, (channels * height, whole), part.strides[1:]) for part in results], target)
    else:
        target = as_strided(rows, (channels, height, whole, stride), (near, row, stride * size, size))
        for channel in range(channels):
            cv2.merge([part[channel, :, :whole] for part in results], target[channel])
    for phase, result in zip(last, results, strict=True):
        if phase.count > whole:
            rows[..., phase.outputs][..., whole:] = result[..., whole:]


def _is_even(planes: Floats) -> bool:
    """Whether the rows of all planes lie evenly apart."""
    apart, row, step = planes.strides
    return step == planes.itemsize and apart == planes.shape[1] * row


def _merge(results: Sequence[Floats], rows: Floats, last: Sequence[Phase]) -> None:
    """Puts the phases of some rows of outputs in their places, all that are whole at once: numpy's steps are slow."""
    height, _, channels = rows.shape
    stride, whole = len(results), min(phase.count for phase in last)
    shape = (height, whole, stride * channels)
    target = as_strided(rows, shape, (rows.strides[0], stride * channels * rows.itemsize, rows.itemsize))
    parts = [result[:, :whole] for result in results]
    if planar(parts[0]):
        parts = [part[..., channel] for part in parts for channel in range(channels)]
    cv2.merge(parts, target)
    for phase, result in zip(last, results, strict=True):
        if phase.count > whole:
            rows[:, phase.outputs][:, whole:] = result[:, whole:]
