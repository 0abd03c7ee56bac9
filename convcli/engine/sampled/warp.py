"""Reading by OpenCV's `remap`, part by part of a block of outputs.

A part reads in one window of the picture, which `remap` continues by the border rule where it can. Places are counted
from the corner of that window, in which float32 is fine enough. Pixels of 4 channels take `remap` little more
time than those of 1: channels go by fours, and the last ones of another number get company.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import cv2
import numpy as np

from convcli.engine.bank.layouts import part as planes_of
from convcli.engine.borders import read_window
from convcli.engine.channel.direct import one_channel, opencv_layout
from convcli.engine.channel.plain_call import PlainCall
from convcli.engine.dtypes import planar
from convcli.engine.geometry import constant
from convcli.engine.memory import scratch, scratch_space
from convcli.engine.sampled.parts import BYTES_FINE, FINE, Part, Shifts, rounding
from convcli.engine.sampled.samples import fold
from convcli.engine.sampled.smooth import Settled, Smooth, Still

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, Call, DTypeLike, Floats
    from convcli.engine.sampled.parts import Places

#: Places that are made at a time: they are read while they are in the cache.
PLACES = 1 << 18
#: Channels that `remap` reads together. On 2 it rounds places to 1/32 of a pixel, on 3 it is slow.
TOGETHER = 4
#: Bytes of a window that is copied, into the cache.
COMPACT = 1 << 18
#: Borders as OpenCV numbers them; others are constant.
BORDERS = {
    "reflect": cv2.BORDER_REFLECT_101, "symmetric": cv2.BORDER_REFLECT, "replicate": cv2.BORDER_REPLICATE,
    "wrap": cv2.BORDER_WRAP,
}  # fmt: skip
#: What `remap` makes integers of as rounding floats would.
INTEGERS = (np.dtype(np.uint8), np.dtype(np.uint16))
#: The most rows of places in a call, which OpenCV counts in 16 bits.
TALLEST = 1 << 14


class Local:
    """Where the taps of a part read in its window: `(groups, kh, kw, h, w)`, of which some rows of taps at a time are
    made in float32.

    Whole numbers of the size of the shift are added, which float32 holds: the sum, which is small, is rounded once.
    """

    #: Whether windows are read sooner where their rows follow one another.
    compact = True

    def __init__(self, part: Part, shifts: Shifts) -> None:
        self._shifts = [shift[..., part.rows, part.columns] for shift in (shifts.down, shifts.right)]
        self.shape, kind = self._shifts[0].shape, np.result_type(shifts.down.dtype, np.float32)
        (top, _), (left, _) = part.window
        self._rows = (shifts.rows[:, None, part.rows, None] - top).astype(kind)
        self._columns = (shifts.columns[:, None, part.columns] - left).astype(kind)
        #: Rows of taps whose places are made at a time.
        self.step = max(1, PLACES // math.prod(self.shape[2:]))

    def taps(self, group: int, some: slice) -> list[Floats]:
        """Down and right of some rows of taps, in scratch memory."""
        down, right = (shift[group, some] for shift in self._shifts)
        places = scratch("places", (2, *down.shape), np.float32)
        np.add(down, self._rows[some], out=places[0], casting="same_kind")
        np.add(right, self._columns, out=places[1], casting="same_kind")
        return list(places)


#: Where the taps of a part read.
Reading: TypeAlias = Local | Smooth | Settled | Still


class Outside(NamedTuple):
    """What `remap` takes for samples beyond a window: OpenCV's number of a rule, and a constant."""

    mode: int
    value: tuple[float, ...]

    @classmethod
    def of(cls, border: str) -> Outside:
        return cls(BORDERS.get(border, cv2.BORDER_CONSTANT), (constant(border) or 0.0,) * 4)


class Windows:
    """The windows that parts read of a picture `(height, width, channels)`, as a border rule continues it, in `dtype`.

    `remap` multiplies a neighbour of no share by 0, which would spread a NaN or an infinity.
    """

    def __init__(self, image: Array, border: str, dtype: DTypeLike) -> None:
        self._image, self._border, self._dtype, self._by_planes = image, border, dtype, planar(image)
        lies = self._by_planes or opencv_layout(one_channel(image))
        #: Pixels of a window from which on it is read where it lies, if that can be; and of others.
        self._large = COMPACT // (image.shape[2] * image.itemsize) if lies and image.dtype == dtype else None

    def of(self, part: Part, *, checked: bool, compact: bool) -> Array | None:
        """The window of a part; where it is `checked`, None if a sample of it is NaN or infinite.

        A large one is a view where that can be: a small one that is to be `compact` is read across its rows, each in
        another page of memory, in half as long again.
        """
        image, ((top, bottom), (left, right)) = self._image, part.window
        height, width, channels = image.shape
        inside = top >= 0 <= left and bottom <= height and right <= width
        area = (bottom - top) * (right - left)
        if inside and self._large is not None and (area > self._large or not compact):
            window = image[top:bottom, left:right]
        else:
            if self._by_planes:
                window = scratch("window", (channels, bottom - top, right - left), self._dtype).transpose(1, 2, 0)
            else:
                window = scratch("window", (bottom - top, right - left, channels), self._dtype)
            if inside:
                np.copyto(window, image[top:bottom, left:right])
            else:
                read_window(image, part.window, self._border, self._dtype, out=window)
        if checked and image.dtype.kind == "f" and not math.isfinite(float(window.max()) - float(window.min())):
            return None
        return window


def moved_call(
    places: Sequence[Places], shape: Sequence[int], border: str, dtype: DTypeLike, otherwise: Call
) -> PlainCall | None:
    """Pixels of 1, 3 or 4 channels, all of a small picture of a `shape` `(height, width, channels)`, from `places` that
    count from its corner, down and right, `(h, w)` each; None where it is too large for them.

    `otherwise` makes a picture in which there is a NaN or an infinity, which `remap` spreads.
    """
    # Places that lie inside are read faster.
    places = [fold(part, n, border) for part, n in zip(places, shape, strict=False)]
    reached = [math.ceil(part.max()) + 1 for part in places]
    if rounding(reached) > (BYTES_FINE if dtype == np.uint8 else FINE):
        return None
    down, right = (part.astype(np.float32) for part in places)
    mode, value = Outside.of(border)

    def filtered(x: Array, dst: Array | None = None) -> Array:
        y: Any = cv2.remap(x, right, down, cv2.INTER_LINEAR, dst, mode, value)
        if y.dtype.kind == "f" and not math.isfinite(np.vdot(y, y)):
            with scratch_space():
                np.copyto(y, otherwise(x.reshape(shape), None).reshape(y.shape))
        return y  # type: ignore[no-any-return]

    return PlainCall(filtered, (*down.shape, shape[2]))


def read_pixels(window: Array, local: Reading, out: Array, outside: Outside) -> None:
    """Fills `(h, w, channels)` of the dtype of the window: pixels of 1, 3 or 4 channels under a single tap."""
    if isinstance(local, Still):
        np.copyto(out, window[local.steps])
        return
    places = [shift[0, 0] for shift in local.taps(0, slice(1))]
    if window.shape[2] == 1:
        _read(window[..., 0], places, outside, out[..., 0])
    elif window.shape[2] == 3:
        read = scratch("read", (*out.shape[:2], TOGETHER), window.dtype)
        _read(_with_fourth(window), places, outside, read)
        cv2.cvtColor(read, cv2.COLOR_BGRA2BGR, out)
    else:
        _read(window, places, outside, out)


def read_planes(window: Floats, local: Reading, outside: Outside) -> Floats:
    """`(channels, taps, h, w)`: the taps of every channel, which lie in as many even groups as places do."""
    channels = window.shape[2]
    if isinstance(local, Still):
        still = np.moveaxis(window[local.steps], -1, 0)[:, None]
        copies = scratch("samples", still.shape, np.float32)
        np.copyto(copies, still)
        return copies
    groups, kh, kw, height, width = local.shape
    samples = scratch("samples", (channels, kh, kw, height, width), np.float32)
    if groups == 1 and channels in (3, 4) and window.strides[2] == window.itemsize:
        planes = None
    else:
        planes = np.moveaxis(window, -1, 0) if window.strides[1] == window.itemsize else planes_of(window)
    for group in range(groups):
        end = (group + 1) * channels // groups
        fours = [slice(c, min(c + TOGETHER, end)) for c in range(group * channels // groups, end, TOGETHER)]
        step = local.step if len(fours) == 1 else kh
        for top in range(0, kh, step):
            some = slice(top, min(top + step, kh))
            places = [shift.reshape(-1, width) for shift in local.taps(group, some)]
            for four in fours:
                if top == 0:
                    pixels = _with_fourth(window) if planes is None else _merged(planes[four])
                own = samples[four, some].reshape(four.stop - four.start, -1, width)
                _read_taps(pixels, places, outside, own)
    return samples.reshape(channels, kh * kw, height, width)


def _with_fourth(window: Array) -> Array:
    """Pixels of 4 channels, or of 3 with a fourth."""
    if window.shape[2] == TOGETHER:
        return window
    pixels = scratch("pixels", (*window.shape[:2], TOGETHER), window.dtype)
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


def _read_taps(pixels: Floats, places: Sequence[Floats], outside: Outside, samples: Floats) -> None:
    """Fills `(channels, rows of all taps, w)`: places of several taps are one tall picture, calls are long then."""
    channels, height, width = samples.shape
    for top in range(0, height, TALLEST):
        rows = slice(top, min(top + TALLEST, height))
        some = [places[axis][rows] for axis in (0, 1)]
        if pixels.ndim == 2:
            _read(pixels, some, outside, samples[0, rows])
        else:
            read = scratch("read", (rows.stop - top, width, TOGETHER), np.float32)
            _read(pixels, some, outside, read)
            cv2.transpose(read.reshape(-1, TOGETHER)[:, :channels], samples[:, rows].reshape(channels, -1))


def _read(pixels: Array, places: Sequence[Floats], outside: Outside, out: Array) -> None:
    down, right = places
    cv2.remap(pixels, right, down, cv2.INTER_LINEAR, out, *outside)
