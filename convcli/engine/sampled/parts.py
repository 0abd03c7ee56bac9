"""Blocks of outputs in parts, each of which reads in one window: near its outputs, or wherever its places lie."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convcli.engine.memory import scratch

if TYPE_CHECKING:
    import numpy.typing as npt

    from convcli.engine.dtypes import Array

    Places = npt.NDArray[np.float64]
    Range = tuple[int, int]

#: How far rounding may move places, in pixels down and right together: as much of white may a sample be wrong by.
FINE = 0.96e-5
#: Windows, rows by columns, in which float32 knows places as well as that.
WINDOWS = ((129, 129), (65, 257))
#: Windows lie no further out than whole numbers that float32 tells apart.
FARTHEST = 1 << 22
#: Outputs of the smallest part that is worth a call of its own.
WORTH = 1 << 11
#: Outputs of a tile, which goes in one part or in several.
TILE = 120 * 120
#: The same for bytes that are moved: an error of 1/30,000 of a pixel is a hundredth of what rounding them is.
BYTES_FINE, BYTES_TILE = 1 / 30_000, 128 * 256
#: Rows of a tile at most.
TALL = 144
#: Cells of a tile along each axis, and how many rows and columns of parts they make, few parts first; none of them with
#: fewer rows or columns of outputs.
CELLS = 12
SMALLEST = 16
GRIDS: list[tuple[int, ...]] = sorted(
    itertools.product((1, 2, 3, 4, 6, 12), repeat=2), key=lambda grid: (math.prod(grid), max(grid))
)
#: A window is larger than the picture by no more samples than this.
AROUND = 32


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

    def moved(self, down: int, right: int) -> Part:
        """The same of a larger block, in which its own lies at a row and a column."""
        return self._replace(rows=_moved(self.rows, down), columns=_moved(self.columns, right))


class Fit(NamedTuple):
    """What `remap` can read of pictures of a `size` (height, width), as a `border` rule continues them: in windows in
    which rounding moves places by no more than `fine`; `tile` outputs are looked at together."""

    size: Sequence[int]
    border: str
    fine: float = FINE
    tile: int = TILE

    def settled(self, part: Part) -> Part | None:
        """A part in a window that lies in the picture, along every axis along which that shows all that its own shows
        where it is continued by the border rule; None where places that count from its corner are not known well
        enough, or it is far larger than the picture."""
        lengths = [stop - start for start, stop in part.window]
        if rounding(lengths) > self.fine or not all(
            length <= n + AROUND and abs(start) <= FARTHEST
            for length, (start, _), n in zip(lengths, part.window, self.size, strict=True)
        ):
            return None
        down, right = (_visible(*one, n, self.border) for one, n in zip(part.window, self.size, strict=True))
        return part._replace(window=(down, right))


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
        single = field[:, None, None, :: step_of(rows, 1) or 1, :: step_of(columns, 1) or 1]
        return single[0], single[1]
    steps = [step_of(places, axis) for places in (rows, columns) for axis in (0, 1)]
    shape = (rows.shape[0], columns.shape[0], rows.shape[1], columns.shape[1])
    strides = [steps[axis] * field.strides[1 + axis // 2] for axis in (0, 2, 1, 3)]
    down, right = (as_strided(part, shape, strides, writeable=False) for part in field)
    return down, right


def step_of(places: Places, axis: int) -> int:
    """How far whole numbers that are evenly spaced along `axis` lie apart."""
    return int(places.item(places.shape[1] if axis == 0 else 1) - places.item(0)) if places.shape[axis] > 1 else 0


def near_parts(shifts: Shifts, fit: Fit) -> list[Part] | None:
    """A block in parts as large as places may count; None where taps read too far from their outputs."""
    around = [(float(shift.min()), float(shift.max())) for shift in (shifts.down, shifts.right)]
    axes = shifts.rows, shifts.columns
    lengths = [
        [_fitting(axis, ends, room) for axis, ends, room in zip(axes, around, window, strict=True)]
        for window in WINDOWS
    ]
    cuts = [[slices(axis.shape[1], n) for axis, n in zip(axes, own, strict=True)] for own in lengths if math.prod(own)]
    if not cuts:
        return None
    down, right = min(cuts, key=lambda own: len(own[0]) * len(own[1]))
    if math.prod(shifts.down.shape[-2:]) < (len(down) * len(right) - 1) * WORTH:
        return None
    ranges = [
        [_range(axis[:, cut], *ends) for cut in own]
        for axis, own, ends in zip(axes, (down, right), around, strict=True)
    ]
    parts = [
        Part(rows, columns, (above, beside))
        for rows, above in zip(down, ranges[0], strict=True)
        for columns, beside in zip(right, ranges[1], strict=True)
    ]
    return parts if all(map(fit.settled, parts)) else None


def _fitting(places: Places, around: tuple[float, float], room: int) -> int:
    """Outputs along an axis whose taps read within `room` samples."""
    room -= math.ceil(float(places[-1, 0] - places[0, 0]) + around[1] - around[0]) + 3
    return max(0, room // max(1, step_of(places, 1)) + 1)


def far_parts(places: tuple[Places, Places], fit: Fit) -> Iterator[Part]:
    """A block in parts that may read anywhere, by its `places`: see `parts_of`."""
    for rows, columns in tiling(places[0].shape[-2:], fit.tile):
        shape = rows.stop - rows.start, columns.stop - columns.start
        # No cell is empty: the least and the greatest are those of some place in it, or of the next one.
        starts = [[min(edge, n - 1) for edge in edges(n)[:-1]] for n in shape]
        own = [one[..., rows, columns].reshape(-1, *shape) for one in places]
        cells = [_over_cells(how, place, *starts) for place in own for how in (np.minimum, np.maximum)]
        bounds = np.stack([cells[0], -cells[1], cells[2], -cells[3]])
        for part, _ in parts_of(bounds, shape, fit):
            yield part.moved(rows.start, columns.start)


def _over_cells(how: np.ufunc, places: Places, rows: list[int], columns: list[int]) -> Places:
    """The least or greatest of places `(taps, h, w)` from each of some rows and columns to the next one."""
    all_taps = how.reduce(places, axis=0) if len(places) > 1 else places[0]
    over: Places = how.reduceat(how.reduceat(all_taps, rows, axis=0), columns, axis=1)
    return over


def tiling(shape: Sequence[int], tile: int, steps: Sequence[int] = (1, 1)) -> Iterator[tuple[slice, slice]]:
    """A block of outputs that are `steps` apart in tiles of about so many samples."""
    for rows in slices(shape[0], max(1, TALL // steps[0])):
        for columns in slices(shape[1], max(1, tile // ((rows.stop - rows.start) * math.prod(steps)))):
            yield rows, columns


def edges(count: int) -> list[int]:
    """Where the cells of so many outputs begin, and where the last one ends; of few some are empty."""
    return [count * cell // CELLS for cell in range(CELLS + 1)]


def parts_of(bounds: Places, shape: Sequence[int], fit: Fit) -> Iterator[tuple[Part, bool]]:
    """A tile of a `shape` in as few parts as can all be settled, and whether one is; of the smallest some may not.

    `bounds` are those of its cells, `(4, CELLS, CELLS)`: the least place down, the greatest one times -1, and the same
    to the right.
    """
    most = [max(1, n // SMALLEST) for n in shape]
    grids = [grid for grid in GRIDS if grid[0] <= most[0] and grid[1] <= most[1]]
    for grid in (*itertools.dropwhile(_too_few(bounds, fit), grids[:-1]), grids[-1]):
        parts = (_part(bounds, shape, *own) for own in itertools.product(*(_shares(CELLS, count) for count in grid)))
        own = [part for part in itertools.takewhile(bool, map(fit.settled, parts)) if part]
        if len(own) == grid[0] * grid[1]:
            yield from ((part, True) for part in own)
            return
    for cells in itertools.product(*(_shares(CELLS, count) for count in grids[-1])):
        part = _part(bounds, shape, *cells)
        fitting = fit.settled(part)
        yield fitting or part, fitting is not None


def _too_few(bounds: Places, fit: Fit) -> Callable[[Sequence[int]], bool]:
    """Whether parts in so many rows and columns are likely to be too large, by how far the corners of a tile are apart:
    each need not be tried."""
    (((top, beside), (below, _)), _, ((left, end), (under, _)), _) = bounds[:, :: CELLS - 1, :: CELLS - 1].tolist()
    tall, wide = (abs(below - top), abs(beside - top)), (abs(under - left), abs(end - left))
    return lambda grid: rounding([one[0] / grid[0] + one[1] / grid[1] for one in (tall, wide)]) > fit.fine


def _part(bounds: Places, shape: Sequence[int], down: slice, right: slice) -> Part:
    """Some cells of a tile."""
    top, bottom, left, end = bounds[:, down, right].min(axis=(1, 2)).tolist()
    rows, columns = (
        slice(n * own.start // CELLS, n * own.stop // CELLS) for n, own in zip(shape, (down, right), strict=True)
    )
    return Part(rows, columns, (between(top, -bottom), between(left, -end)))


def _moved(cut: slice, by: int) -> slice:
    return slice(cut.start + by, cut.stop + by)


def rounding(lengths: Iterable[float]) -> float:
    """How far float32 may move places in a window, in pixels down and right together."""
    # Half of the last of 24 binary digits; a place lies below the last sample.
    return math.fsum(math.ldexp(1, max(0, int(length) - 2).bit_length() - 25) for length in lengths)


def _range(nominal: Places, least: float, greatest: float) -> tuple[int, int]:
    """The half-open range of samples that are read along an axis, by shifts between two."""
    return between(float(nominal.min()) + least, float(nominal.max()) + greatest)


def between(least: float, greatest: float) -> Range:
    """The half-open range of the neighbours of places; of a whole number it is its own, and the next one has no share.

    So places on the last row of a picture don't read the border, for which it would be copied.
    """
    return math.floor(least), math.ceil(greatest) + 1


def slices(count: int, longest: int) -> list[slice]:
    """`count` things in even shares, none of them larger than `longest`."""
    return _shares(count, -(-count // longest))


def _shares(count: int, shares: int) -> list[slice]:
    return [slice(count * i // shares, count * (i + 1) // shares) for i in range(shares)]
