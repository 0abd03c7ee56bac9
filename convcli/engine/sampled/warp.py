"""Reading by OpenCV's `remap`, part by part of a block of outputs.

A part reads in one window, continued by the border rule so that every neighbour of every place lies in it. Places are
counted from the corner of that window, in which float32 is fine enough. Pixels of 4 channels take `remap` little more
time than those of 1: channels go by fours, and the last ones of another number get company.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from convcli.engine.bank.bank import part as planes_of
from convcli.engine.borders import read_window
from convcli.engine.channel.direct import one_channel, opencv_layout
from convcli.engine.dtypes import planar
from convcli.engine.memory import scratch
from convcli.engine.sampled.samples import BLOCK

if TYPE_CHECKING:
    import numpy.typing as npt

    from convcli.engine.dtypes import Array, DTypeLike, Floats

    Places = npt.NDArray[np.float64]
    Range = tuple[int, int]
    #: Columns of outputs, and of the window that they read.
    Sources = Sequence[tuple[slice, slice]]

#: The widest window that places are counted in: below 256 float32 knows them to 1/100,000 of a pixel.
SPAN = 2 * BLOCK
#: Windows lie no further out than whole numbers that float32 tells apart.
FARTHEST = 1 << 22
#: The narrowest part that is worth a call of its own.
NARROW = 64
#: Outputs whose taps read far away go in parts of so many rows and columns: turned by any angle their window is
#: narrower than `SPAN`, and most of it lies below 128, where float32's steps are half as large.
FAR = (128, 96)
#: The same for bytes that are moved: an error of 1/30,000 of a pixel is a hundredth of what rounding them is.
BYTES_SPAN, BYTES_FAR = 4 * BLOCK, (BLOCK, 2 * BLOCK)
#: Places that are made at a time: they are read while they are in the cache.
PLACES = 1 << 18
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
        """Rows and columns that are read, `(groups, kh, kw, h, w)` each, in scratch memory."""
        rows, columns = scratch("rows and columns", (2, *self.down.shape), np.float64)
        np.add(self.down, self.rows[:, None, :, None], out=rows)
        np.add(self.right, self.columns[:, None, :], out=columns)
        return rows, columns


class Part(NamedTuple):
    """Outputs of a block that read in one `window`, half-open ranges of rows and columns.

    Their columns go in `cuts`, each with the range of columns in which it reads and from which its places count.
    """

    rows: slice
    columns: slice
    window: tuple[Range, Range]
    cuts: Sequence[tuple[slice, Range]]

    def sources(self) -> Sources:
        """The cuts, and the columns of the window that they read."""
        left = self.window[1][0]
        return [(cut, slice(start - left, stop - left)) for cut, (start, stop) in self.cuts]


class Local:
    """Where the taps of a part read in its window: `(groups, kh, kw, h, w)`, of which some rows of taps at a time are
    made in float32.

    Whole numbers of the size of the shift are added, which float32 holds: the sum, which is small, is rounded once.
    """

    def __init__(self, part: Part, shifts: Shifts) -> None:
        self._shifts = [shift[..., part.rows, part.columns] for shift in (shifts.down, shifts.right)]
        self._settled = False
        self.shape, kind = self._shifts[0].shape, np.result_type(shifts.down.dtype, np.float32)
        top, self.sources = part.window[0][0], part.sources()
        starts = [start for _, (start, _) in part.cuts]
        left = np.repeat(starts, [cut.stop - cut.start for cut, _ in part.cuts]) if len(starts) > 1 else starts[0]
        self._rows = (shifts.rows[:, None, part.rows, None] - top).astype(kind)
        self._columns = (shifts.columns[:, None, part.columns] - left).astype(kind)
        #: Rows of taps whose places are made at a time.
        self.step = max(1, PLACES // math.prod(self.shape[2:]))

    def taps(self, group: int, some: slice) -> list[Floats]:
        """Down and right of some rows of taps, in scratch memory unless all are made."""
        down, right = (shift[group, some] for shift in self._shifts)
        if self._settled:
            return [down, right]
        places = scratch("places", (2, *down.shape), np.float32)
        np.add(down, self._rows[some], out=places[0], casting="same_kind")
        np.add(right, self._columns, out=places[1], casting="same_kind")
        return list(places)

    def settled(self) -> Local:
        """The same with all places made, for picture after picture."""
        copies = [[places.copy() for places in self.taps(group, slice(None))] for group in range(self.shape[0])]
        self._shifts, self._settled = [np.stack(places) for places in zip(*copies, strict=True)], True
        return self


def near_part(shifts: Shifts, size: Sequence[int]) -> Part | None:
    """All of a block, in cuts as wide as places may count; None where taps read too far from their outputs."""
    down, right = ((float(shift.min()), float(shift.max())) for shift in (shifts.down, shifts.right))
    height, width = shifts.down.shape[-2:]
    step = float(shifts.columns[0, -1] - shifts.columns[0, 0]) / max(1, width - 1)
    room = SPAN - (float(shifts.columns[-1, 0] - shifts.columns[0, 0]) + right[1] - right[0] + 4)
    wide = width if step == 0 else int(room / step)
    if room <= 0 or wide < min(width, NARROW):
        return None
    cuts = [(cut, _range(shifts.columns[:, cut], right)) for cut in _slices(width, wide)]
    columns = min(start for _, (start, _) in cuts), max(stop for _, (_, stop) in cuts)
    part = Part(slice(0, height), slice(0, width), (_range(shifts.rows, down), columns), cuts)
    return part if is_narrow(part, size) else None


def far_parts(
    places: tuple[Places, Places], size: Sequence[int], shape: tuple[int, int] = FAR, first: tuple[int, int] = (0, 0),
    *, span: int = SPAN,
) -> list[Part]:  # fmt: skip
    """A block in parts of about this `shape` that may read anywhere, smaller ones where windows are wider than `span`.

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
            all_of_it = [(slice(0, cut.stop - cut.start), window[1])]
            part = Part(_moved(rows, first[0]), _moved(cut, first[1]), window, all_of_it)
            if is_narrow(part, size, span) or shape[0] <= SMALLEST:
                parts.append(part)
            else:
                own = places[0][..., rows, cut], places[1][..., rows, cut]
                half = shape[0] // 2, shape[1] // 2
                parts += far_parts(own, size, half, (part.rows.start, part.columns.start), span=span)
    return parts


def _moved(cut: slice, by: int) -> slice:
    return slice(cut.start + by, cut.stop + by)


def is_narrow(part: Part, size: Sequence[int], span: int = SPAN) -> bool:
    """Whether places that count from the corners of a part are known well enough, and it isn't far larger than the
    picture."""
    ranges = [(part.window[0], size[0]), *((source, size[1]) for _, source in part.cuts)]
    return all(stop - start <= min(span, n + BLOCK // 4) and abs(start) <= FARTHEST for (start, stop), n in ranges)


def _range(nominal: Places, around: tuple[float, float]) -> tuple[int, int]:
    """The half-open range of samples that are read along an axis."""
    return math.floor(float(nominal.min()) + around[0]), math.floor(float(nominal.max()) + around[1]) + 2


def _slices(count: int, longest: int) -> list[slice]:
    """`count` things in even shares, none of them larger than `longest`."""
    shares = -(-count // longest)
    return [slice(count * i // shares, count * (i + 1) // shares) for i in range(shares)]


def window_of(image: Array, part: Part, border: str, dtype: DTypeLike) -> Array | None:
    """The window that a part reads, in `dtype`; None where a sample of it is NaN or infinite.

    `remap` multiplies a neighbour of no share by 0, which would spread those. It is a view where that can be.
    """
    inside = all(start >= 0 and stop <= n for (start, stop), n in zip(part.window, image.shape, strict=False))
    if inside and image.dtype == dtype and (planar(image) or opencv_layout(one_channel(image))):
        window = image[tuple(slice(*reach) for reach in part.window)]
    else:
        shape, channels = [stop - start for start, stop in part.window], image.shape[2]
        if planar(image):
            window = scratch("window", (channels, *shape), dtype).transpose(1, 2, 0)
        else:
            window = scratch("window", (*shape, channels), dtype)
        read_window(image, part.window, border, dtype, out=window)
    if image.dtype.kind == "f" and not math.isfinite(float(window.max()) - float(window.min())):
        return None
    return window


def read_pixels(window: Array, local: Local, out: Array) -> None:
    """Fills `(h, w, channels)` of the dtype of the window: pixels of 1, 3 or 4 channels under a single tap."""
    places = [shift[0, 0] for shift in local.taps(0, slice(1))]
    if window.shape[2] == 1:
        _read(window[..., 0], places, local.sources, out[..., 0])
    elif window.shape[2] == 3:
        read = scratch("read", (*out.shape[:2], TOGETHER), window.dtype)
        _read(_with_fourth(window), places, local.sources, read)
        cv2.cvtColor(read, cv2.COLOR_BGRA2BGR, out)
    else:
        _read(window, places, local.sources, out)


def read_planes(window: Floats, local: Local) -> Floats:
    """`(channels, taps, h, w)`: the taps of every channel, which lie in as many even groups as places do."""
    groups, kh, kw, height, width = local.shape
    channels = window.shape[2]
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
                _read_taps(pixels, places, local.sources, own)
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


def _read_taps(pixels: Floats, places: Sequence[Floats], sources: Sources, samples: Floats) -> None:
    """Fills `(channels, rows of all taps, w)`: places of several taps are one tall picture, calls are long then."""
    channels, height, width = samples.shape
    for top in range(0, height, TALLEST):
        rows = slice(top, min(top + TALLEST, height))
        some = [places[axis][rows] for axis in (0, 1)]
        if pixels.ndim == 2:
            _read(pixels, some, sources, samples[0, rows])
        else:
            read = scratch("read", (rows.stop - top, width, TOGETHER), np.float32)
            _read(pixels, some, sources, read)
            cv2.transpose(read.reshape(-1, TOGETHER)[:, :channels], samples[:, rows].reshape(channels, -1))


def _read(pixels: Array, places: Sequence[Floats], sources: Sources, out: Array) -> None:
    down, right = places
    for cut, source in sources:
        own = out[:, cut]
        cv2.remap(pixels[:, source], right[:, cut], down[:, cut], cv2.INTER_LINEAR, own, cv2.BORDER_REPLICATE)
