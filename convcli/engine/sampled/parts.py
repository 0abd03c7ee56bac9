"""Blocks of outputs in parts, each of which reads in one window: near its outputs, or wherever its places lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convcli.engine.memory import scratch
from convcli.engine.sampled.samples import BLOCK

if TYPE_CHECKING:
    import numpy.typing as npt

    from convcli.engine.dtypes import Array

    Places = npt.NDArray[np.float64]
    Range = tuple[int, int]

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
#: Rows of a part that is not made smaller.
SMALLEST = 16


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
    """Outputs of a block, some `rows` and `columns`, that read in one `window`: half-open ranges of rows and columns,
    from whose first ones their places count."""

    rows: slice
    columns: slice
    window: tuple[Range, Range]

    @classmethod
    def of(cls, rows: slice, columns: slice, places: tuple[Places, Places]) -> Part:
        """With the window of their `places`, `(..., h, w)` for all of the block."""
        down, right = (
            between(float(own.min()), float(own.max())) for own in (one[..., rows, columns] for one in places)
        )
        return cls(rows, columns, (down, right))

    def moved(self, down: int, right: int) -> Part:
        """The same of a larger block, in which its own lies at a row and a column."""
        return self._replace(rows=_moved(self.rows, down), columns=_moved(self.columns, right))

    def within(self, size: Sequence[int], border: str) -> Part:
        """The same in a window that lies in a picture, along every axis along which that shows all that its own shows
        where it is continued by the border rule."""
        window = [_visible(*one, n, border) for one, n in zip(self.window, size, strict=True)]
        return self._replace(window=(window[0], window[1]))


def _visible(start: int, stop: int, n: int, border: str) -> Range:
    """What of a range lies in `0 .. n`, unless what lies beyond shows other samples, or of that nothing is left."""
    first, last = max(0, start), min(stop, n)
    beyond = max(first - start, stop - last)
    deepest = {"reflect": last - first - 1, "symmetric": last - first, "wrap": 0}.get(border, beyond)
    is_all = (first, last) == (0, n)
    return (first, last) if first < last and (is_all or beyond <= deepest) else (start, stop)


def of_taps(field: Array, rows: Places, columns: Places) -> tuple[Array, Array]:
    """Both parts of a field `(2, h, w)`, which goes on place by place from the first of `rows` and of `columns`, at the
    places of taps, `(kh, h)` and `(kw, w)`: views, `(kh, kw, h, w)` each."""
    if len(rows) == len(columns) == 1:
        single = field[:, None, None, :: _step(rows, 1) or 1, :: _step(columns, 1) or 1]
        return single[0], single[1]
    steps = [_step(places, axis) for places in (rows, columns) for axis in (0, 1)]
    shape = (rows.shape[0], columns.shape[0], rows.shape[1], columns.shape[1])
    strides = [steps[axis] * field.strides[1 + axis // 2] for axis in (0, 2, 1, 3)]
    down, right = (as_strided(part, shape, strides, writeable=False) for part in field)
    return down, right


def _step(places: Places, axis: int) -> int:
    """How far whole numbers that are evenly spaced along `axis` lie apart."""
    return int(places.item(places.shape[1] if axis == 0 else 1) - places.item(0)) if places.shape[axis] > 1 else 0


def tight(parts: Sequence[Part], shifts: Shifts) -> list[Part]:
    """The same with windows that reach no further than taps read."""
    places = shifts.places()
    return [Part.of(part.rows, part.columns, places) for part in parts]


def near_parts(shifts: Shifts, size: Sequence[int]) -> list[Part] | None:
    """A block in parts as wide as places may count; None where taps read too far from their outputs."""
    down, right = ((float(shift.min()), float(shift.max())) for shift in (shifts.down, shifts.right))
    height, width = shifts.down.shape[-2:]
    step = float(shifts.columns[0, -1] - shifts.columns[0, 0]) / max(1, width - 1)
    room = SPAN - (float(shifts.columns[-1, 0] - shifts.columns[0, 0]) + right[1] - right[0] + 4)
    wide = width if step == 0 else int(room / step)
    if room <= 0 or wide < min(width, NARROW):
        return None
    rows = _range(shifts.rows, down)
    cuts = slices(width, wide)
    parts = [Part(slice(0, height), cut, (rows, _range(shifts.columns[:, cut], right))) for cut in cuts]
    return parts if all(is_narrow(part, size) for part in parts) else None


def far_parts(
    places: tuple[Places, Places], size: Sequence[int], shape: tuple[int, int] = FAR, first: tuple[int, int] = (0, 0),
    *, span: int = SPAN,
) -> list[Part]:  # fmt: skip
    """A block in parts of about this `shape` that may read anywhere, smaller ones where windows are wider than `span`.

    `first` are the row and the column of the block from which on `places` are those of outputs.
    """
    height, width = places[0].shape[-2:]
    parts = []
    for rows in slices(height, shape[0]):
        cuts = slices(width, shape[1])
        starts = [cut.start for cut in cuts]
        ranges = []
        for place in places:
            columns = place[..., rows, :].reshape(-1, width)
            low = np.minimum.reduceat(columns.min(axis=0), starts).tolist()
            high = np.maximum.reduceat(columns.max(axis=0), starts).tolist()
            ranges.append([between(*ends) for ends in zip(low, high, strict=True)])
        for cut, window in zip(cuts, zip(*ranges, strict=True), strict=True):
            part = Part(rows, cut, window).moved(*first)
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
    """Whether places that count from the corner of a part are known well enough, and it isn't far larger than the
    picture."""
    return all(
        stop - start <= min(span, n + BLOCK // 4) and abs(start) <= FARTHEST
        for (start, stop), n in zip(part.window, size, strict=True)
    )


def _range(nominal: Places, around: tuple[float, float]) -> tuple[int, int]:
    """The half-open range of samples that are read along an axis."""
    return between(float(nominal.min()) + around[0], float(nominal.max()) + around[1])


def between(least: float, greatest: float) -> Range:
    """The half-open range of the neighbours of places; of a whole number it is its own, and the next one has no share.

    So places on the last row of a picture don't read the border, for which it would be copied.
    """
    return math.floor(least), math.ceil(greatest) + 1


def slices(count: int, longest: int) -> list[slice]:
    """`count` things in even shares, none of them larger than `longest`."""
    shares = -(-count // longest)
    return [slice(count * i // shares, count * (i + 1) // shares) for i in range(shares)]
