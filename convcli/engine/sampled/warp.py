"""Reading by OpenCV's `remap`, part by part of a block of outputs.

A part reads in one window, continued by the border rule so that every neighbour of every place lies in it. Places are
counted from the corner of that window, in which float32 is fine enough. Pixels of 4 channels take `remap` little more
time than those of 1: channels go by fours, and the last ones of another number get company.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from convcli.engine.bank.bank import part as planes_of
from convcli.engine.borders import read_window
from convcli.engine.dtypes import planar
from convcli.engine.memory import scratch
from convcli.engine.sampled.samples import BLOCK

if TYPE_CHECKING:
    import numpy.typing as npt

    from convcli.engine.dtypes import Array, Floats

    Places = npt.NDArray[np.float64]

#: The widest window that places are counted in, so that they are known to 1/100,000 of a pixel: below 128 float32's
#: steps are half as large as above, where few should lie.
SPAN = 5 * BLOCK // 4
#: Windows lie no further out than whole numbers that float32 tells apart.
FARTHEST = 1 << 22
#: The narrowest part that is worth a call of its own.
NARROW = 64
#: Outputs whose taps read far away go in parts of so many rows and columns: turned by any angle their window is
#: narrower than 128 samples.
FAR = (64, 96)
#: Rows of a part that is not made smaller.
SMALLEST = 16
#: Channels that `remap` reads together. On 2 it rounds places to 1/32 of a pixel, on 3 it is slow.
TOGETHER = 4
#: The most rows of places in a call, which OpenCV counts in 16 bits.
TALLEST = 1 << 14


class Shifts(NamedTuple):
    """Where taps read: at `down + rows` and `right + columns`.

    `down` and `right` are `(groups, kh, kw, h, w)`, `rows` the places without them, `(kh, h)`, and `columns`,
    `(kw, w)`: whole numbers.
    """

    down: Array
    right: Array
    rows: Places
    columns: Places

    def places(self) -> tuple[Places, Places]:
        """Rows and columns that are read, `(groups, kh, kw, h, w)` each."""
        return self.down + self.rows[:, None, :, None], self.right + self.columns[:, None, :]


class Part(NamedTuple):
    """Outputs of a block that read in one `window`, half-open ranges of rows and columns."""

    rows: slice
    columns: slice
    window: tuple[tuple[int, int], tuple[int, int]]


class Local(NamedTuple):
    """Where the taps of a part read in its window: `(groups, kh, kw, h, w)` in float32."""

    down: Floats
    right: Floats


def located(parts: Sequence[Part], shifts: Shifts, *, held: bool) -> list[Local]:
    """Where the taps of parts side by side read, in memory of their own where they are to be `held`.

    Whole numbers of the size of the shift are added, which float32 holds: the sum, which is small, is rounded once.
    """
    make = np.empty if held else partial(scratch, "places")
    down, right = make((2, *shifts.down.shape), np.float32)
    tops = {part.window[0][0] for part in parts}
    lefts = np.concatenate([np.full(part.columns.stop - part.columns.start, part.window[1][0]) for part in parts])
    if len(tops) == 1 and lefts.size == down.shape[-1]:  # all in one call: rows of a part are short
        _add(shifts.down, shifts.rows[:, None, :, None] - tops.pop(), down)
        _add(shifts.right, shifts.columns[:, None, :] - lefts, right)
        return [Local(down[..., part.columns], right[..., part.columns]) for part in parts]
    locals_ = []
    for part in parts:
        own = Local(down[..., part.rows, part.columns], right[..., part.rows, part.columns])
        (top, _), (left, _) = part.window
        _add(shifts.down[..., part.rows, part.columns], shifts.rows[:, None, part.rows, None] - top, own.down)
        _add(shifts.right[..., part.rows, part.columns], shifts.columns[:, None, part.columns] - left, own.right)
        locals_.append(own)
    return locals_


def _add(shifts: Array, nominal: Places, out: Floats) -> None:
    np.add(shifts, nominal.astype(np.result_type(shifts.dtype, np.float32)), out=out, casting="same_kind")


def near_parts(shifts: Shifts, size: Sequence[int]) -> list[Part] | None:
    """A block in parts as wide as one window may be; None where taps read too far from their outputs."""
    down, right = ((float(shift.min()), float(shift.max())) for shift in (shifts.down, shifts.right))
    height, width = shifts.down.shape[-2:]
    rows = _range(shifts.rows, down)
    step = float(shifts.columns[0, -1] - shifts.columns[0, 0]) / max(1, width - 1)
    room = SPAN - (float(shifts.columns[-1, 0] - shifts.columns[0, 0]) + right[1] - right[0] + 4)
    wide = width if step == 0 else int(room / step)
    if room <= 0 or wide < min(width, NARROW):
        return None
    cuts = _slices(width, wide)
    parts = [Part(slice(0, height), cut, (rows, _range(shifts.columns[:, cut], right))) for cut in cuts]
    return parts if all(is_narrow(part, size) for part in parts) else None


def far_parts(
    places: tuple[Places, Places], size: Sequence[int], shape: tuple[int, int] = FAR, first: tuple[int, int] = (0, 0)
) -> list[Part]:
    """A block in parts of about this `shape` that may read anywhere, smaller ones where places lie far apart.

    `first` are the row and the column of the block from which on `places` are those of outputs.
    """
    height, width = places[0].shape[-2:]
    parts = []
    for rows in _slices(height, shape[0]):
        cuts = _slices(width, shape[1])
        starts = [cut.start for cut in cuts]
        ranges = []
        for place in places:
            columns = place[..., rows, :].reshape(-1, width)
            low = np.floor(np.minimum.reduceat(columns.min(axis=0), starts)).tolist()
            high = np.floor(np.maximum.reduceat(columns.max(axis=0), starts)).tolist()
            ranges.append([(int(a), int(b) + 2) for a, b in zip(low, high, strict=True)])
        for cut, window in zip(cuts, zip(*ranges, strict=True), strict=True):
            part = Part(_moved(rows, first[0]), _moved(cut, first[1]), window)
            if is_narrow(part, size) or shape[0] <= SMALLEST:
                parts.append(part)
            else:
                own = places[0][..., rows, cut], places[1][..., rows, cut]
                half = shape[0] // 2, shape[1] // 2
                parts += far_parts(own, size, half, (part.rows.start, part.columns.start))
    return parts


def _moved(cut: slice, by: int) -> slice:
    return slice(cut.start + by, cut.stop + by)


def is_narrow(part: Part, size: Sequence[int]) -> bool:
    """Whether places in the window of a part are known well enough, and it isn't far larger than the picture."""
    return all(
        stop - start <= min(SPAN, n + BLOCK // 4) and abs(start) <= FARTHEST
        for (start, stop), n in zip(part.window, size, strict=True)
    )


def _range(nominal: Places, around: tuple[float, float]) -> tuple[int, int]:
    """The half-open range of samples that are read along an axis."""
    return math.floor(float(nominal.min()) + around[0]), math.floor(float(nominal.max()) + around[1]) + 2


def _slices(count: int, longest: int) -> list[slice]:
    """`count` things in even shares, none of them larger than `longest`."""
    shares = -(-count // longest)
    return [slice(count * i // shares, count * (i + 1) // shares) for i in range(shares)]


def window_of(image: Array, part: Part, border: str) -> Floats | None:
    """The window that a part reads, in float32; None where a sample of it is NaN or infinite.

    `remap` multiplies a neighbour of no share by 0, which would spread those.
    """
    shape, channels = [stop - start for start, stop in part.window], image.shape[2]
    if planar(image):
        window = scratch("window", (channels, *shape), np.float32).transpose(1, 2, 0)
    else:
        window = scratch("window", (*shape, channels), np.float32)
    read_window(image, part.window, border, np.float32, out=window)
    if image.dtype.kind == "f" and not math.isfinite(float(window.max()) - float(window.min())):
        return None
    return window


def read_pixels(window: Floats, local: Local) -> Floats:
    """`(h, w, channels)` for pixels of 1, 3 or 4 channels and a single tap."""
    down, right = local.down[0, 0, 0], local.right[0, 0, 0]
    if window.shape[2] != 3:
        return _read(window, down, right).reshape(*down.shape, window.shape[2])
    colours = scratch("colours", (*down.shape, 3), np.float32)
    cv2.cvtColor(_read(_with_fourth(window), down, right), cv2.COLOR_BGRA2BGR, colours)
    return colours


def read_planes(window: Floats, local: Local) -> Floats:
    """`(channels, taps, h, w)`: the taps of every channel, which lie in as many even groups as places do."""
    groups, kh, kw, height, width = local.down.shape
    channels = window.shape[2]
    samples = scratch("samples", (channels, kh * kw, height, width), np.float32)
    whole = groups == 1 and channels in (3, 4) and window.flags.c_contiguous
    planes = None if whole else planes_of(window)
    for group in range(groups):
        down, right = local.down[group].reshape(-1, width), local.right[group].reshape(-1, width)
        end = (group + 1) * channels // groups
        for first in range(group * channels // groups, end, TOGETHER):
            some = slice(first, min(first + TOGETHER, end))
            pixels = _with_fourth(window) if planes is None else _merged(planes[some])
            _read_taps(pixels, down, right, samples[some].reshape(some.stop - first, -1, width))
    return samples


def _with_fourth(window: Floats) -> Floats:
    """Pixels of 4 channels, or of 3 with a fourth."""
    if window.shape[2] == TOGETHER:
        return window
    pixels = scratch("pixels", (*window.shape[:2], TOGETHER), np.float32)
    cv2.cvtColor(window, cv2.COLOR_BGR2BGRA, pixels)
    return pixels


def _merged(planes: Floats) -> Floats:
    """Two to four planes as pixels of four channels; a single one as it is."""
    count = len(planes)
    if count == 1:
        only: Floats = planes[0]
        return only
    channels = [planes[min(c, count - 1)] for c in range(TOGETHER)]
    pixels = scratch("pixels", (*planes.shape[1:], TOGETHER), np.float32)
    cv2.merge(channels, pixels)
    return pixels


def _read_taps(pixels: Floats, down: Floats, right: Floats, samples: Floats) -> None:
    """Fills `(channels, rows of all taps, w)`: places of several taps are one tall picture, calls are long then."""
    channels, height, _ = samples.shape
    for top in range(0, height, TALLEST):
        rows = slice(top, min(top + TALLEST, height))
        if pixels.ndim == 2:
            _read(pixels, down[rows], right[rows], samples[0, rows])
        else:
            read = _read(pixels, down[rows], right[rows])
            cv2.transpose(read.reshape(-1, TOGETHER)[:, :channels], samples[:, rows].reshape(channels, -1))


def _read(pixels: Floats, down: Floats, right: Floats, out: Floats | None = None) -> Floats:
    if out is None:
        out = scratch("read", (*down.shape, *pixels.shape[2:]), np.float32)
    cv2.remap(pixels, right, down, cv2.INTER_LINEAR, out, cv2.BORDER_REPLICATE)
    return out


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
