"""Transposed banks of small inputs, of many channels to few: one product with all taps, added where they meet.

The product makes what every tap makes of every sample; beyond the edge nothing is read. Taps that lie a stride apart
meet in a cell, in all of its places at once: what they make is added up, moved by a cell each.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import cv2
import numpy as np

from convcli.engine.bank.cells import Cells, bands
from convcli.engine.bank.layouts import room_for
from convcli.engine.bank.plan import BAND, CALL_BYTES
from convcli.engine.bank.speeds import Speeds
from convcli.engine.bank.straight import within
from convcli.engine.dtypes import channels_first, channels_last
from convcli.engine.geometry import constant
from convcli.engine.memory import prepared, scratch
from convcli.engine.threads import one_thread_below, run_all

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, Call, DTypeLike, Floats, Signature
    from convcli.engine.geometry import Scatter
    from convcli.engine.threads import Cut

#: Bytes of the products that are added up together: about what the caches of a core hold.
PRODUCT_BYTES = 1 << 21


def is_spread(shape: Sequence[int], lengths: Sequence[int], outputs: int, border: str, itemsize: int = 4) -> bool:
    """Whether an input of this `shape` `(*spatial, channels)` is small enough, and has zeros around it."""
    size = itemsize * (math.prod(shape) + outputs * math.prod(lengths))
    return len(lengths) == 2 and size <= CALL_BYTES and constant(border) == 0


def spread_call(x: Signature, weights: Floats, windows: Sequence[Scatter], border: str, speeds: Speeds) -> Call | None:
    """All of a small result by a transposed bank `(out, in, down, across)`, in two bands where each is worth a thread.

    None where taps are dilated, the border is another one, or more is read and written than caches hold.
    """
    outputs, inputs, *taps = weights.shape
    lengths, (height, width) = [window.length for window in windows], x.shape[:2]
    small = is_spread(x.shape, lengths, outputs, border, weights.itemsize)
    if not small or x.dtype != x.work or x.native or any(window.dilation > 1 for window in windows):
        return None
    matrix = np.ascontiguousarray(weights.transpose(2, 3, 0, 1)).reshape(-1, inputs)
    rows, columns = (Cells(window) for window in windows)
    worth = matrix.size * height * width * speeds.product >= 2 * BAND
    parts = -(-height * width * len(matrix) * weights.itemsize // PRODUCT_BYTES)
    key, pieces = object(), []
    for band in bands(rows.count, parts, shared=worth):
        samples = within(rows.reads(band), height)
        places = Places(rows, band, samples), Places(columns, (0, columns.count), (0, width))
        shape = (*taps, outputs, samples[1] - samples[0], width)
        room = partial(Room, shape, *places, x.work, planes=x.planes)
        pieces.append(((key, band), room, slice(*samples), slice(*rows.outputs(band))))

    def call(array: Array, out: Floats | None) -> Floats:
        y = room_for(lengths, outputs, x.work, planes=x.planes) if out is None else out

        def make(piece: tuple[Hashable, Callable[[], Room], slice, slice]) -> None:
            name, room, samples, own = piece
            prepared(name, room).fill(array[samples], matrix, y[own])

        with one_thread_below(), np.errstate(over="ignore", invalid="ignore"):
            run_all(make, pieces)
        return y

    return call


class Places:
    """Some cells along an axis, and how they are made of the samples `read`."""

    def __init__(self, axis: Cells, cells: Cut, read: Cut) -> None:
        self.step, self.count = axis.step, cells[1] - cells[0]
        #: The places of a cell that are among the outputs: those outputs, and the cells.
        self.outputs = [axis.place(place, cells) for place in range(axis.step)]
        #: What taps a stride apart add: to which places and cells, by which taps, of which samples.
        self.moves: list[tuple[tuple[slice, slice], tuple[slice, slice]]] = []
        for number in range(axis.depth):
            taps = slice(number * axis.step, min(axis.taps, (number + 1) * axis.step))
            shift = axis.first + cells[0] - number - read[0]
            first = min(max(0, -shift), self.count)
            last = max(first, min(self.count, read[1] - read[0] - shift))
            added = (slice(0, taps.stop - taps.start), slice(first, last)), (taps, slice(first + shift, last + shift))
            self.moves.append(added)


class Room:
    """Where a product of all taps is made and its parts are added up: views of scratch arrays, of products of a `shape`
    `(down, across, out, height, width)`."""

    def __init__(
        self, shape: tuple[int, ...], rows: Places, columns: Places, dtype: DTypeLike, *, planes: bool
    ) -> None:
        self._products = scratch("tap products", (math.prod(shape[:3]), math.prod(shape[3:])), dtype)
        self._turned = None if planes else scratch("turned products", self._products.shape[::-1], dtype)
        by_taps = self._products.reshape(shape)
        cells = scratch("cells", (rows.step, columns.step, shape[2], rows.count, columns.count), dtype)
        self._steps: list[Callable[[], object]] = [partial(cells.fill, 0)]
        for (down, above), (across, beside) in itertools.product(rows.moves, columns.moves):
            own = cells[down[0], across[0], :, down[1], across[1]]
            self._steps.append(partial(np.add, own, by_taps[above[0], beside[0], :, above[1], beside[1]], out=own))
        self._results = [
            ((above, left), channels_last(cells[place, other][:, some, others]))
            for place, (above, some) in enumerate(rows.outputs)
            for other, (left, others) in enumerate(columns.outputs)
        ]

    def fill(self, x: Floats, matrix: Floats, y: Floats) -> None:
        """Fills `y` `(rows, columns, out)` from samples `(height, width, channels)`."""
        if self._turned is None:
            np.matmul(matrix, channels_first(x).reshape(x.shape[2], -1), out=self._products)
        else:
            np.matmul(x.reshape(-1, x.shape[2]), matrix.T, out=self._turned)
            cv2.transpose(self._turned, self._products)
        for step in self._steps:
            step()
        for outputs, result in self._results:
            np.copyto(y[outputs], result)
