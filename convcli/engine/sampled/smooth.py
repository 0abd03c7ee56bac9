"""Where taps read that follow a smooth field of displacements: in tiles, as polynomials of the place.

A formula of a field takes tens of operations for every place, roots and sines among them. Where it is smooth a product
of matrices makes places of coefficients.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from convcli.engine.memory import scratch
from convcli.engine.sampled.chebyshev import coefficients, curvatures, values
from convcli.engine.sampled.parts import CELLS, Part, edges, of_taps, parts_of, step_of, tiling
from convcli.records import record

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, Floats
    from convcli.engine.sampled.chebyshev import Formula
    from convcli.engine.sampled.parts import Fit, Places, Range

#: The coefficients of no displacement.
STILL = np.zeros((2, 2, 2))


@record(eq=False)
class Field:
    """Displacements in pixels, `of(rows, columns)`, down and right, `(h, w)` each, for places `(h, 1)` and `(1, w)`:
    smooth, but perhaps in the `middle`, up to `rim` pixels from there and beyond, where nothing moves in truth."""

    of: Formula
    middle: tuple[float, float]
    rim: float

    def beyond(self, rows: Places, columns: Places) -> Array:
        """Which of some places lie beyond the rim."""
        y, x = rows - self.middle[0], columns - self.middle[1]
        beyond: Array = y * y + x * x >= self.rim * self.rim
        return beyond


class Still:
    """Outputs of a single tap that reads where they lie: every `steps`-th sample of a window."""

    compact, size = False, 0

    def __init__(self, steps: tuple[slice, slice]) -> None:
        self.steps = steps


class Settled:
    """As `reading`, with all places made, for picture after picture.

    While they come from memory, it takes no time that the rows of a window lie apart.
    """

    compact = False

    def __init__(self, reading: Any) -> None:
        self.shape, self.step = reading.shape, reading.step
        groups = [[places.copy() for places in reading.taps(group, slice(None))] for group in range(self.shape[0])]
        self._places = [np.stack(places) for places in zip(*groups, strict=True)]
        #: Bytes that are held.
        self.size = sum(places.nbytes for places in self._places)

    def taps(self, group: int, some: slice) -> list[Floats]:
        """Down and right of some rows of taps."""
        return [places[group, some] for places in self._places]


class Smooth:
    """As `Local`: where the taps of a tile read in its window. Their places are made whenever they are asked for."""

    compact = True

    def __init__(self, taps: tuple[Places, Places], down: Places, across: Places, beyond: Array | None) -> None:
        (kh, height), (kw, width) = (places.shape for places in taps)
        self.shape, self.step = (1, kh, kw, height, width), kh
        #: Bytes that are held.
        self.size = across.nbytes + (0 if beyond is None else beyond.nbytes)
        self._taps, self._down, self._across, self._beyond = taps, down, across, beyond

    def places(self) -> Places:
        """`(2, h, w)`: rows and columns that are read, of all places that taps have, one by one, without an offset."""
        return _halves(self._grid())

    def _grid(self) -> Places:
        """The same beside each other, `(h, 2 * w)`, in scratch memory."""
        grid: Places = scratch("polynomials", (len(self._down), self._across.shape[1]), np.float64)
        np.matmul(self._down, self._across, out=grid)
        if self._beyond is not None:
            for part, nominal in zip(_halves(grid), _steps(self._taps), strict=True):
                np.copyto(part, nominal, where=self._beyond)
        return grid

    def of(self, rows: slice, columns: slice, corner: tuple[int, ...]) -> Smooth:
        """The same for some of the outputs, counted from a corner."""
        taps = self._taps[0][:, rows], self._taps[1][:, columns]
        down, right = (
            slice(int(own[0, 0] - all_of_them[0, 0]), int(own[-1, -1] - all_of_them[0, 0]) + 1)
            for own, all_of_them in zip(taps, self._taps, strict=True)
        )
        across = self._across.reshape(len(self._across), 2, -1)[..., right].copy()
        across[0] -= np.array(corner, np.float64)[:, None]
        beyond = None if self._beyond is None else self._beyond[down, right]
        taps = taps[0] - corner[0], taps[1] - corner[1]
        return Smooth(taps, self._down[down], across.reshape(len(across), -1), beyond)

    def some(self, rows: Array, columns: Array) -> Places:
        """`(2, rows, columns)`: as `places` of some of all, numbered from the first, on the polynomial alone."""
        across = self._across.reshape(len(self._across), 2, -1)[..., columns].reshape(len(self._across), -1)
        return _halves(self._down[rows] @ across)

    def of_outputs(self) -> tuple[Places, Places]:
        """The places by taps and outputs, `(kh, kw, h, w)` each."""
        return of_taps(self.places(), *self._taps)

    def taps(self, group: int, some: slice) -> list[Floats]:
        """Down and right of some rows of taps, in scratch memory."""
        grid = self._grid()
        narrow = scratch("places", grid.shape, np.float32)
        np.copyto(narrow, grid, casting="same_kind")
        return [part[some] for part in of_taps(_halves(narrow), *self._taps)]


def _halves(grid: Places) -> Places:
    """`(h, 2 * w)` as `(2, h, w)`."""
    return grid.reshape(len(grid), 2, -1).transpose(1, 0, 2)


def tiles(
    field: Field, rows: Places, columns: Places, fit: Fit
) -> Iterator[tuple[Part, Smooth | Still | None]]:  # fmt: skip
    """Outputs in tiles, and those in parts that are settled, and where the taps of each read, whose own places are
    `rows`, `(kh, h)`, and `columns`, `(kw, w)`; None where no polynomial is near enough."""
    single = len(rows) == len(columns) == 1
    shape, steps = (rows.shape[1], columns.shape[1]), [max(1, step_of(taps, 1)) for taps in (rows, columns)]
    for down, across in itertools.groupby(tiling(shape, fit.tile, steps), key=lambda one: one[0]):
        cuts = [cut for _, cut in across]
        tall, wide = rows[:, down], [columns[:, cut] for cut in cuts]
        distances = [_distances(field, tall, one) for one in wide]
        moves = [number for number, (nearest, _) in enumerate(distances) if nearest < field.rim]
        terms = dict(coefficients(field.of, tall, wide, moves))
        if single:
            yield from (_still(tall, columns, down, cut) for cut in _between(cuts, moves))
        else:
            terms |= {number: STILL for number in range(len(cuts)) if number not in moves}
        for number in range(len(cuts)) if not single else moves:
            cut, taps = cuts[number], (tall, wide[number])
            if number not in terms:
                yield Part(down, cut, (_reach(taps[0]), _reach(taps[1]))), None
                continue
            nearest, farthest = distances[number]
            beyond = field.beyond(*_steps(taps)) if nearest < field.rim <= farthest else None
            smooth = _smooth(taps, terms[number], beyond)
            bounds = _bounds(taps, smooth, terms[number], field if beyond is not None else None)
            for part, fits in parts_of(bounds, (tall.shape[1], cut.stop - cut.start), fit):
                corner = tuple(start for start, _ in part.window)
                own = smooth.of(part.rows, part.columns, corner) if fits else None
                yield part.moved(down.start, cut.start), own


def _bounds(taps: tuple[Places, Places], smooth: Smooth, terms: Places, field: Field | None) -> Places:
    """Those of the cells of a tile, as for `parts_of`: of their corners, and of what lies between; where the rim of a
    `field` runs through it, of places that don't move, too.

    A function lies within d^2 / 8 times its greatest second derivative of the line between two points that are d apart;
    that of a Chebyshev polynomial of degree j is j^2 (j^2 - 1) / 3, where the tile is from -1 to 1.
    """
    numbers = [_ends(own.shape[1], step_of(own, 1), int(own[-1, 0] - own[0, 0])) for own in taps]
    cells = smooth.some(*(own.ravel() for own in numbers)).reshape(2, 2, CELLS, 2, CELLS)
    sizes, curved = abs(terms), curvatures(terms.shape[-1])
    margin = np.zeros(2)
    for axis, own in enumerate(numbers):
        longest = 2 * float((own[1] - own[0]).max()) / max(1, int(own[1, -1]))
        margin += sizes.sum(axis=2 - axis) @ curved * (longest * longest)
    bounds = np.empty((2, 2, CELLS, CELLS))
    for least, own in ((bounds[:, 0], cells), (bounds[:, 1], -cells)):
        between = np.minimum(own[:, 0], own[:, 1])
        np.minimum(between[:, :, 0], between[:, :, 1], out=least)
    bounds -= margin[:, None, None, None]
    if field:
        ends = (one[0, 0] + own for one, own in zip(taps, numbers, strict=True))
        top: Any
        left: Any
        (top, left), (bottom, right) = (np.meshgrid(*own, indexing="ij") for own in zip(*ends, strict=True))
        still = np.stack([top, -bottom, left, -right]).reshape(bounds.shape)
        y, x = field.middle
        far = field.beyond(np.where(y - top > bottom - y, top, bottom), np.where(x - left > right - x, left, right))
        beyond = field.beyond(np.minimum(np.maximum(y, top), bottom), np.minimum(np.maximum(x, left), right))
        bounds = np.where(beyond, still, np.where(far, np.minimum(bounds, still), bounds))
    return bounds.reshape(4, CELLS, CELLS)


@lru_cache
def _ends(count: int, step: int, extent: int) -> Array:
    """Of the cells of so many outputs: the places of the first tap and of the last one, `(2, CELLS)`, counted from the
    very first; outputs are a `step` apart, and taps reach over an `extent`."""
    starts = edges(count)
    ends: Array = step * np.array([starts[:-1], [max(0, edge - 1) for edge in starts[1:]]])
    ends[0] = np.minimum(ends[0], ends[1])
    ends[1] += extent
    return ends


def _between(cuts: Sequence[slice], some: Sequence[int]) -> Iterator[slice]:
    """What lies between `some` of neighbouring cuts, before them and behind."""
    for first, last in itertools.pairwise([-1, *some, len(cuts)]):
        if last - first > 1:
            yield slice(cuts[first + 1].start, cuts[last - 1].stop)


def _still(rows: Places, columns: Places, down: slice, right: slice) -> tuple[Part, Still]:
    columns = columns[:, right]
    window = _reach(rows), _reach(columns)
    steps = [slice(None, None, max(1, int((line[1:2] - line[:1]).sum()))) for line in (rows[0], columns[0])]
    return Part(down, right, window), Still((steps[0], steps[1]))


def _reach(places: Places) -> Range:
    return int(places[0, 0]), int(places[-1, -1]) + 1


def _steps(taps: tuple[Places, Places]) -> tuple[Places, Places]:
    """All places that taps have, one by one: `(h, 1)` and `(1, w)`."""
    down, right = (np.arange(places[0, 0], places[-1, -1] + 1) for places in taps)
    return down[:, None], right[None, :]


def _distances(field: Field, rows: Places, columns: Places) -> tuple[float, float]:
    """How far from the middle the nearest and the farthest of places lie."""
    nearest, farthest = [], []
    for places, middle in zip((rows, columns), field.middle, strict=True):
        first, last = float(places[0, 0]) - middle, float(places[-1, -1]) - middle
        nearest.append(max(first, -last, 0))
        farthest.append(max(-first, last))
    return math.hypot(*nearest), math.hypot(*farthest)


def _smooth(taps: tuple[Places, Places], terms: Places, beyond: Array | None) -> Smooth:
    """By coefficients of displacements, to which those of the places themselves are added."""
    count, terms = terms.shape[-1], terms.copy()
    for axis, places in enumerate(taps):
        first, last = float(places[0, 0]), float(places[-1, -1])
        terms[axis, 0, 0] += (first + last) / 2
        terms[axis][(0, 1) if axis else (1, 0)] += (last - first) / 2
    down, right = (values(int(places[-1, -1] - places[0, 0]) + 1, count) for places in taps)
    return Smooth(taps, down, np.concatenate([own @ right.T for own in terms], axis=1), beyond)
