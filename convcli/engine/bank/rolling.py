"""Layers one after the other on rows of planes that are in the cache: each makes rows for the next as soon as it can.

What a layer reads lies in a buffer of some rows, with zeros between them where it reads beyond an edge. So whole maps
are never there, and memory follows from a picture's width alone.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from convcli.engine.bank.layouts import part
from convcli.engine.dtypes import channels_first, planar
from convcli.engine.memory import scratch

if TYPE_CHECKING:
    from convcli.engine.dtypes import Floats
    from convcli.engine.threads import Cut

    #: Takes planes `(channels, rows, width)` of results, whose first row has this number.
    Store = Callable[[Floats, int], object]

#: Bytes of what enters a layer, or leaves it, at a time.
_BLOCK_BYTES: Final = 1 << 20


class Rows:
    """Rows of `channels` planes, `width` samples each and `pitch` apart; zeros lie between them, and ones behind the
    channels.

    The first row there is number `top`, which is below 0 where zeros lie before the picture; `count` of them are there.
    """

    def __init__(self, name: str, channels: int, width: int, pitch: int, most: int, top: int = 0) -> None:
        self.channels, self.width, self.pitch, self.top = channels, width, pitch, top
        self.margin = pitch - width
        self._planes = scratch(name, (channels + 1, 2 * self.margin + most * pitch), np.float32)
        self._planes[:-1, : self.margin] = 0
        self._planes[-1] = 1
        # The number of the row that lies first in memory: it may be given up already.
        self._most, self._first = most, top
        self.count = 0
        self.add_zeros(max(0, -top))

    @property
    def stop(self) -> int:
        """The number of the first row that is not there yet."""
        return self.top + self.count

    def view(self, row: int, column: int, shape: Sequence[int], steps: Sequence[int], *, ones: bool = False) -> Floats:
        """`(channels, *shape)` samples from a place on, `steps` apart; with `ones` behind the channels."""
        start = self.margin + (row - self._first) * self.pitch + column
        strides = self._planes.strides[0], *[4 * step for step in steps]
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
            self.flat(self.top, self.count * self.pitch)[...] = left
        return self.flat(self.stop, rows * self.pitch)

    def added(self, rows: int) -> None:
        """They were written."""
        if self.margin:
            self.view(self.stop, self.width, (rows, self.margin), (self.pitch, 1))[...] = 0
        self.count += rows

    def add(self, planes: Floats) -> None:
        """Adds rows `(channels, rows, width)`."""
        rows = planes.shape[1]
        self.room(rows)
        self.view(self.stop, 0, (rows, self.width), (self.pitch, 1))[...] = planes
        self.added(rows)

    def add_zeros(self, rows: int) -> None:
        self.room(rows)[...] = 0
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

    def __init__(self, channels: int, width: int, pitch: int, most: int, top: int, store: Store) -> None:
        super().__init__("leaving rows", channels, width, pitch, most)
        self.top = self._first = top
        self._store = store

    def added(self, rows: int) -> None:
        self.count = rows
        self._store(self.planes(), self.top)
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
        """Adds a cut of its outputs to `target`."""


class _Stage:
    """A piece at work on the rows of a cut."""

    def __init__(self, piece: Piece, source: Rows, height: int, cut: Cut, rows: int) -> None:
        self._piece, self._source, self._height, self._cut, self._rows = piece, source, height, cut, rows
        self._made = cut[0]
        self._last = piece.reads(cut, height)[1]

    def run(self, target: Rows, ahead: Callable[[], object]) -> None:
        """Makes what can be made of the rows that are there, and has it used `ahead`."""
        source = self._source
        if source.stop == min(self._last, self._height) < self._last:
            source.add_zeros(self._last - source.stop)
        while self._made < self._cut[1]:
            stop = min(self._made + self._rows, self._cut[1])
            if self._piece.reads((self._made, stop), self._height)[1] > source.stop:
                return
            self._piece.make(source, (self._made, stop), target)
            self._made = stop
            if stop < self._cut[1]:
                source.drop(self._piece.reads((stop, self._cut[1]), self._height)[0])
            ahead()


def sizes_of(pieces: Sequence[Piece], size: tuple[int, int]) -> list[tuple[int, int]]:
    """The sizes of all maps, from what enters on."""
    sizes = [size]
    for piece in pieces:
        sizes.append((piece.length(0, sizes[-1][0]), piece.length(1, sizes[-1][1])))
    return sizes


def cuts_of(pieces: Sequence[Piece], sizes: Sequence[tuple[int, int]], cut: Cut) -> list[Cut]:
    """The rows of all maps that a cut of the last one is made of, without zeros around them."""
    cuts = [cut]
    for piece, (height, _) in zip(reversed(pieces), reversed(sizes[:-1]), strict=True):
        start, stop = piece.reads(cuts[0], height)
        cuts.insert(0, (max(start, 0), min(stop, height)))
    return cuts


def roll(pieces: Sequence[Piece], x: Floats, cut: Cut, store: Store) -> None:
    """Stores the rows of a cut of what the pieces make of `x`, all of `(height, width, channels)`."""
    sizes = sizes_of(pieces, (x.shape[0], x.shape[1]))
    cuts = cuts_of(pieces, sizes, cut)
    widths = [width for _, width in sizes]
    pitches = _pitches(pieces, widths)
    blocks = _blocks(pieces, sizes, cuts)
    buffers, stages = [], []
    for number, piece in enumerate(pieces):
        height = sizes[number][0]
        start, last = piece.reads(cuts[number + 1], height)
        first, stop = piece.reads((cuts[number + 1][0], cuts[number + 1][0] + blocks[number + 1]), height)
        most = stop - first + blocks[number] + max(0, last - height)
        buffers.append(Rows(f"rows {number}", piece.inputs, widths[number], pitches[number], most, start))
        stages.append(_Stage(piece, buffers[-1], height, cuts[number + 1], blocks[number + 1]))
    leaving = Leaving(pieces[-1].outputs, widths[-1], pitches[-1], blocks[-1], cut[0], store)
    targets = [*buffers[1:], leaving]

    def ahead(number: int) -> None:
        if number < len(stages):
            stages[number].run(targets[number], lambda: ahead(number + 1))

    for start in range(*cuts[0], blocks[0]):
        rows = x[start : min(start + blocks[0], cuts[0][1])]
        buffers[0].add(channels_first(rows) if planar(rows) else part(rows, "entering planes"))
        ahead(0)


def _blocks(pieces: Sequence[Piece], sizes: Sequence[tuple[int, int]], cuts: Sequence[Cut]) -> list[int]:
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
