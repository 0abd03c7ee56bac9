"""Layers one after the other on rows of planes that are in the cache: each makes rows for the next as soon as it can.

What a layer reads lies in a buffer of some rows, with zeros between them where it reads beyond an edge. So whole maps
are never there, and memory follows from a picture's width alone. Which rows are made when, and where they lie, follows
from sizes: it is worked out once, as calls on places in memory, which make them of one picture after the other.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from convcli.engine.bank.layouts import part
from convcli.engine.dtypes import channels_first, planar
from convcli.engine.memory import KEPT_BYTES, scratch
from convcli.records import record

if TYPE_CHECKING:
    from convcli.engine.dtypes import Floats
    from convcli.engine.threads import Cut

    #: Takes planes `(channels, rows, width)` of results, whose first row has this number.
    Store = Callable[[Floats, int], object]
    Calls = list[Callable[[], object]]

#: Bytes of what enters a layer, or leaves it, at a time.
_BLOCK_BYTES: Final = 1 << 20
#: Blocks of all maps whose calls stay, and bytes of their rows.
_STAYING, _STAYING_BYTES = 1 << 9, KEPT_BYTES // 2


class Rows:
    """Rows of `channels` planes, `width` samples each and `pitch` apart; zeros lie between them, and ones behind the
    channels. What is to be done with them is added to `calls`.

    The first row there is number `top`, which is below 0 where zeros lie before the picture; `count` of them are there.
    """

    def __init__(self, name: str, channels: int, place: Map, calls: Calls) -> None:
        self.calls = calls
        self.channels, self.width, self.pitch, self.top = channels, place.size[1], place.pitch, place.first
        self.margin = self.pitch - self.width
        self._planes = scratch(name, (channels + 1, 2 * self.margin + place.most * self.pitch), np.float32)
        self._apart = self._planes.strides[0]
        calls += [partial(self._planes[:-1, : self.margin].fill, 0), partial(self._planes[-1].fill, 1)]
        # The number of the row that lies first in memory: it may be given up already.
        self._most, self._first = place.most, self.top
        self.count = 0
        self.add_zeros(max(0, -self.top))

    @property
    def stop(self) -> int:
        """The number of the first row that is not there yet."""
        return self.top + self.count

    def view(self, row: int, column: int, shape: Sequence[int], steps: Sequence[int], *, ones: bool = False) -> Floats:
        """`(channels, *shape)` samples from a place on, `steps` apart; with `ones` behind the channels."""
        start = self.margin + (row - self._first) * self.pitch + column
        strides = self._apart, *[4 * step for step in steps]
        # A tenth of the time of numpy's `as_strided`.
        return np.ndarray((self.channels + ones, *shape), np.float32, self._planes, 4 * start, strides)

    def flat(self, row: int, size: int) -> Floats:
        """`(channels, size)` samples from the beginning of a row on."""
        return self.view(row, 0, (size,), (1,))

    def room(self, rows: int) -> Floats:
        """`(channels, rows * pitch)` where the next rows go; what lies between them may be written to."""
        if self.stop + rows - self._first > self._most and self._first < self.top:
            left = self.flat(self.top, self.count * self.pitch)
            self._first = self.top
            # What overlaps is copied by numpy by way of memory of its own.
            self.calls.append(partial(np.copyto, self.flat(self.top, self.count * self.pitch), left))
        return self.flat(self.stop, rows * self.pitch)

    def added(self, rows: int) -> None:
        """They are written."""
        if self.margin:
            self.calls.append(partial(self.view(self.stop, self.width, (rows, self.margin), (self.pitch, 1)).fill, 0))
        self.count += rows

    def places(self, rows: int) -> Floats:
        """`(channels, rows, width)` where the next rows go."""
        self.room(rows)
        return self.view(self.stop, 0, (rows, self.width), (self.pitch, 1))

    def add_zeros(self, rows: int) -> None:
        self.calls.append(partial(self.room(rows).fill, 0))
        self.count += rows

    def drop(self, row: int) -> None:
        """Gives up the rows before one."""
        gone = min(row - self.top, self.count)
        self.top += gone
        self.count -= gone

    def planes(self) -> Floats:
        """`(channels, rows, width)`: a view of all that is there."""
        return self.view(self.top, 0, (self.count, self.width), (self.pitch, 1))


class Leaving(Rows):
    """The same of the last results, which are stored at once."""

    def __init__(self, channels: int, place: Map, calls: Calls, store: Store) -> None:
        super().__init__("leaving rows", channels, place, calls)
        self._store = store

    def added(self, rows: int) -> None:
        self.count = rows
        self.calls.append(partial(self._store, self.planes(), self.top))
        self.drop(self.stop)


class Piece(ABC):
    """Some layers that make `outputs` channels of `inputs` channels."""

    inputs: int
    outputs: int
    #: What rows that it makes at a time are best a multiple of; 0 where it makes all at once.
    step: int = 1

    @abstractmethod
    def length(self, axis: int, n: int) -> int:
        """Outputs of `n` samples along an axis: 0 down, 1 across."""

    @abstractmethod
    def reads(self, cut: Cut, n: int) -> Cut:
        """The rows, of `n`, that a cut of its outputs is made of; where it reads zeros around them, those, too."""

    @abstractmethod
    def gap(self, width: int) -> int:
        """Zeros that are to lie between rows."""

    @abstractmethod
    def is_even(self) -> bool:
        """Whether rows lie as far apart behind as before it, and it writes between them."""

    @abstractmethod
    def make(self, source: Rows, cut: Cut, target: Rows) -> None:
        """Adds a cut of its outputs to `target`, by calls that are added to `target.calls`."""


@record(kw_only=False)
class Map:
    """What enters a piece, or leaves the last one, of a size, of which the rows of `cut` are wanted, `rows` at a time.

    Rows lie `pitch` apart; from `first` to `last` they are read with zeros around them, and up to `most` are there.
    """

    size: tuple[int, int]
    cut: Cut
    rows: int
    pitch: int
    first: int
    last: int
    most: int


def laid_out(pieces: Sequence[Piece], size: tuple[int, int], cut: Cut) -> list[Map]:
    """All maps of which a cut of the last one is made, for an input of a size."""
    sizes = sizes_of(pieces, size)
    cuts = [cut]
    for piece, (height, _) in zip(reversed(pieces), reversed(sizes[:-1]), strict=True):
        start, stop = piece.reads(cuts[0], height)
        cuts.insert(0, (max(start, 0), min(stop, height)))
    pitches, rows = _pitches(pieces, [width for _, width in sizes]), _rows(pieces, sizes, cuts)
    maps = []
    for number, piece in enumerate(pieces):
        (height, _), output = sizes[number], cuts[number + 1]
        first, last = piece.reads(output, height)
        start, stop = piece.reads((output[0], output[0] + rows[number + 1]), height)
        most = min(stop - start + rows[number] + max(0, last - height), last - first)
        maps.append(Map(sizes[number], cuts[number], rows[number], pitches[number], first, last, most))
    return [*maps, Map(sizes[-1], cut, rows[-1], pitches[-1], *cut, rows[-1])]


def sizes_of(pieces: Sequence[Piece], size: tuple[int, int]) -> list[tuple[int, int]]:
    """The sizes of all maps, from what enters on."""
    sizes = [size]
    for piece in pieces:
        sizes.append((piece.length(0, sizes[-1][0]), piece.length(1, sizes[-1][1])))
    return sizes


class Program:
    """The calls that make the rows of a cut of what pieces make, in scratch arrays of one thread."""

    def __init__(self, pieces: Sequence[Piece], maps: Sequence[Map]) -> None:
        self._pieces, self._maps = pieces, maps
        self._calls: Calls = []
        self._x: Floats | None = None
        self._store: Store | None = None

    @property
    def is_short(self) -> bool:
        """Whether there are few calls, on little memory: they are worked out once then."""
        blocks = sum(-(-(one.cut[1] - one.cut[0]) // max(1, one.rows)) for one in self._maps)
        inputs = [piece.inputs for piece in self._pieces]
        size = sum(4 * one.most * one.pitch * channels for one, channels in zip(self._maps, inputs, strict=False))
        return blocks <= _STAYING and size <= _STAYING_BYTES

    def run(self, x: Floats, store: Store) -> None:
        """Stores the rows that are made of `x`, all of `(height, width, channels)`."""
        self._x, self._store = x, store
        if self.is_short:
            self._calls = self._calls or [call for block in self._blocks() for call in block]
            for call in self._calls:
                call()
        else:
            for block in self._blocks():
                for call in block:
                    call()
        self._x = self._store = None

    def _enter(self, place: Floats, start: int) -> None:
        assert self._x is not None
        rows = self._x[start : start + place.shape[1]]
        place[...] = channels_first(rows) if planar(rows) else part(rows, "entering planes")

    def _leave(self, planes: Floats, first: int) -> None:
        assert self._store is not None
        self._store(planes, first)

    def _blocks(self) -> Iterator[Calls]:
        """The calls for each block of rows that enters."""
        pieces, maps = self._pieces, self._maps
        calls: Calls = []
        entering, leaving = maps[0], maps[-1]
        buffers = [Rows(f"rows {number}", piece.inputs, maps[number], calls) for number, piece in enumerate(pieces)]
        buffers.append(Leaving(pieces[-1].outputs, leaving, calls, self._leave))
        done = [one.cut[0] for one in maps]
        for start in range(*entering.cut, entering.rows):
            rows = min(entering.rows, entering.cut[1] - start)
            calls.append(partial(self._enter, buffers[0].places(rows), start))
            buffers[0].added(rows)
            self._ahead(0, buffers, done)
            yield calls.copy()
            calls.clear()

    def _ahead(self, number: int, buffers: Sequence[Rows], done: list[int]) -> None:
        """Has a piece make what can be made of the rows that are there, and those behind it use it; of each map the
        rows before those of `done` are made."""
        piece, source, target = self._pieces[number], buffers[number], buffers[number + 1]
        before, after = self._maps[number], self._maps[number + 1]
        if source.stop == before.cut[1] < before.last:
            source.add_zeros(before.last - source.stop)
        while done[number + 1] < after.cut[1]:
            cut = done[number + 1], min(done[number + 1] + after.rows, after.cut[1])
            last = before.last if cut[1] == after.cut[1] else piece.reads(cut, before.size[0])[1]
            if last > source.stop:
                return
            piece.make(source, cut, target)
            done[number + 1] = cut[1]
            if cut[1] < after.cut[1]:
                source.drop(piece.reads((cut[1], after.cut[1]), before.size[0])[0])
            if number + 1 < len(self._pieces):
                self._ahead(number + 1, buffers, done)


def _rows(pieces: Sequence[Piece], sizes: Sequence[tuple[int, int]], cuts: Sequence[Cut]) -> list[int]:
    """Rows of all maps that are made at a time: as many of all that are of one height, or what is left is moved."""
    most: dict[int, int] = {}
    steps: dict[int, int] = {}
    for piece, (_, wide), (height, width) in zip(pieces, sizes, sizes[1:], strict=False):
        if piece.step:
            fitting = max(1, _BLOCK_BYTES // (4 * max(piece.inputs * wide, piece.outputs * width)))
            most[height] = min(most.get(height, fitting), fitting)
            steps[height] = math.lcm(steps.get(height, 1), piece.step)
    rows = {height: -(-count // steps[height]) * steps[height] for height, count in most.items()}
    whole = [piece.step == 0 for piece in pieces]
    return [
        stop - start if alone else min(rows.get(height, height), stop - start)
        for alone, (height, _), (start, stop) in zip([False, *whole], sizes, cuts, strict=True)
    ]


def _pitches(pieces: Sequence[Piece], widths: Sequence[int]) -> list[int]:
    """How far rows of all maps lie apart: as far in all that are `even`."""
    gaps = [piece.gap(width) for piece, width in zip(pieces, widths, strict=False)] + [0]
    start = 0
    while start < len(pieces):
        stop = start
        while stop < len(pieces) and pieces[stop].is_even():
            stop += 1
        gaps[start : stop + 1] = [max(gaps[start : stop + 1])] * (stop + 1 - start)
        start = stop + 1
    return [width + gap for width, gap in zip(widths, gaps, strict=True)]
