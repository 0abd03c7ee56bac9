"""Where taps read that follow a smooth field of displacements: in tiles, as polynomials of the place.

A formula of a field takes tens of operations for every place, roots and sines among them. Where it is smooth its values
at some Chebyshev points of a tile tell all others, by a product of matrices: polynomials through such points converge
geometrically, and their last coefficients are as large as what is missing (Trefethen 2013, "Approximation Theory and
Approximation Practice", chapters 3 and 8).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from convcli.engine.memory import scratch
from convcli.engine.sampled.parts import SMALLEST, Part, of_taps, slices
from convcli.records import record

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, Floats
    from convcli.engine.sampled.parts import Places, Range

#: Points along an axis of a tile: more of them where the first are too few. Beyond the last the formula is as fast.
POINTS = (12, 24, 48)
#: Pixels that the last coefficients are at most: float32 rounds places, of up to 256, a hundred times as much.
ENOUGH = 1e-7
#: The coefficients of no displacement.
STILL = np.zeros((2, 2, 2))


@record(eq=False)
class Field:
    """Displacements in pixels, `of(rows, columns)`, down and right, `(h, w)` each, for places `(h, 1)` and `(1, w)`:
    smooth, but perhaps in the `middle`, up to `rim` pixels from there and beyond, where nothing moves in truth."""

    of: Callable[[Places, Places], tuple[Places, Places]]
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
        count, wide = len(self._down), self._across.shape[1] // 2
        grid: Places = scratch("polynomials", (count, 2 * wide), np.float64)
        np.matmul(self._down, self._across, out=grid)
        places = grid.reshape(count, 2, wide).transpose(1, 0, 2)
        if self._beyond is not None:
            own = _steps(self._taps)
            for part, nominal in zip(places, own, strict=True):
                np.copyto(part, nominal, where=self._beyond)
        return places

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

    def of_outputs(self) -> tuple[Places, Places]:
        """The places by taps and outputs, `(kh, kw, h, w)` each."""
        return of_taps(self.places(), *self._taps)

    def taps(self, group: int, some: slice) -> list[Floats]:
        """Down and right of some rows of taps, in scratch memory."""
        places = self.places()
        narrow = scratch("places", places.shape, np.float32)
        np.copyto(narrow, places, casting="same_kind")
        return [part[some] for part in of_taps(narrow, *self._taps)]


def tiles(
    field: Field, rows: Places, columns: Places, shape: tuple[int, int], settled: Callable[[Part], Part | None]
) -> Iterator[tuple[Part, Smooth | Still | None]]:
    """Outputs in tiles of about a `shape`, smaller ones where a part can't be `settled`, and where the taps of each
    read, whose own places are `rows`, `(kh, h)`, and `columns`, `(kw, w)`; None where no polynomial is near enough."""
    single = len(rows) == len(columns) == 1
    cuts = slices(columns.shape[1], shape[1])
    for down in slices(rows.shape[1], shape[0]):
        tall, wide = rows[:, down], [columns[:, cut] for cut in cuts]
        distances = [_distances(field, tall, one) for one in wide]
        moves = [number for number, (nearest, _) in enumerate(distances) if nearest < field.rim]
        terms = dict(_terms(field, tall, wide, moves))
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
            yield from _parts(_smooth(taps, terms[number], beyond), down, cut, settled)


def _between(cuts: Sequence[slice], some: Sequence[int]) -> Iterator[slice]:
    """What lies between `some` of neighbouring cuts, before them and behind."""
    for first, last in itertools.pairwise([-1, *some, len(cuts)]):
        if last - first > 1:
            yield slice(cuts[first + 1].start, cuts[last - 1].stop)


def _parts(
    smooth: Smooth, rows: slice, columns: slice, settled: Callable[[Part], Part | None]
) -> Iterator[tuple[Part, Smooth | None]]:
    """Outputs that read smoothly, in parts that can be `settled`; None where those would be tiny."""
    places = smooth.of_outputs()
    pending = [(slice(0, rows.stop - rows.start), slice(0, columns.stop - columns.start))]
    while pending:
        cut = pending.pop()
        part = Part.of(*cut, places)
        own = settled(part)
        if own:
            yield own.moved(rows.start, columns.start), smooth.of(*cut, tuple(start for start, _ in own.window))
        elif min(one.stop - one.start for one in cut) <= SMALLEST:
            yield part.moved(rows.start, columns.start), None
        else:
            # Across, where that leaves smaller windows.
            pending += min(_halves(*cut), key=lambda halves: max(_extent(half, places) for half in halves))


def _extent(cut: tuple[slice, slice], places: tuple[Places, Places]) -> int:
    return max(stop - start for start, stop in Part.of(cut[0], cut[1], places).window)


def _halves(down: slice, right: slice) -> Iterator[list[tuple[slice, slice]]]:
    """An upper and a lower half, and a left and a right one."""
    middle, centre = (down.start + down.stop) // 2, (right.start + right.stop) // 2
    yield [(slice(down.start, middle), right), (slice(middle, down.stop), right)]
    yield [(down, slice(right.start, centre)), (down, slice(centre, right.stop))]


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


def _terms(field: Field, rows: Places, columns: Sequence[Places], moves: Sequence[int]) -> Iterator[tuple[int, Places]]:
    """Of tiles side by side, those that polynomials are near: the number of each, and its coefficients
    `(2, n, n)` for displacements."""
    for count in POINTS:
        if not moves:
            return
        points, inverse = _points(count), _inverse(count)
        down = _spanned(rows, points)[:, None]
        right = np.concatenate([_spanned(columns[number], points) for number in moves])[None, :]
        values = np.stack(field.of(down, right)).reshape(2, count, len(moves), count).transpose(2, 0, 1, 3)
        terms = inverse @ values @ inverse.T
        last = np.concatenate([terms[..., -2:, :].reshape(len(moves), -1), terms[..., -2:].reshape(len(moves), -1)], 1)
        near = abs(last).sum(axis=1) <= ENOUGH
        yield from ((number, _shortened(own)) for number, own, one in zip(moves, terms, near, strict=True) if one)
        moves = [number for number, one in zip(moves, near, strict=True) if not one]


def _shortened(terms: Places) -> Places:
    """Coefficients `(2, n, n)` without the last ones, which change no place by more than `ENOUGH`."""
    sizes = abs(terms).sum(axis=0)
    rest = sizes.sum() - sizes.cumsum(axis=0).cumsum(axis=1).diagonal()
    count = max(2, int(np.argmax(rest <= ENOUGH)) + 1)
    return terms[:, :count, :count]


def _spanned(places: Places, points: Places) -> Places:
    """Points from -1 to 1 moved between the first and the last of places."""
    first, last = float(places[0, 0]), float(places[-1, -1])
    moved: Places = (first + last) / 2 + (last - first) / 2 * points
    return moved


def _smooth(taps: tuple[Places, Places], terms: Places, beyond: Array | None) -> Smooth:
    """By coefficients of displacements, to which those of the places themselves are added."""
    count, terms = terms.shape[-1], terms.copy()
    for axis, places in enumerate(taps):
        first, last = float(places[0, 0]), float(places[-1, -1])
        terms[axis, 0, 0] += (first + last) / 2
        terms[axis][(0, 1) if axis else (1, 0)] += (last - first) / 2
    down, right = (_values(int(places[-1, -1] - places[0, 0]) + 1, count) for places in taps)
    return Smooth(taps, down, np.concatenate([own @ right.T for own in terms], axis=1), beyond)


def _points(count: int) -> Places:
    """Chebyshev's points."""
    points: Places = np.cos(_angles(count))
    return points


def _angles(count: int) -> Places:
    angles: Places = np.pi * (np.arange(count) + 0.5) / count
    return angles


@lru_cache
def _values(length: int, count: int) -> Places:
    """Of Chebyshev's polynomials at so many places from -1 to 1: `(length, count)`."""
    values: Places = np.cos(np.arccos(np.linspace(-1, 1, length))[:, None] * np.arange(count))
    return values


@lru_cache
def _inverse(count: int) -> Places:
    """What makes coefficients of values at the points: `(count, count)`."""
    inverse: Places = np.cos(np.arange(count)[:, None] * _angles(count))
    inverse *= np.where(np.arange(count), 2, 1)[:, None] / count
    return inverse
