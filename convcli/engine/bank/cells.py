"""Transposed banks of small inputs whose taps are whole strides: one product makes all phases of the outputs.

The outputs from one stamp's beginning to the next, a cell, are made of the same samples, whatever their phase: what a
cell reads is laid out once, as pixels, and multiplied with all taps. Where stamps lie side by side, that are the
samples themselves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from convcli.engine.bank.layouts import part_to, pixels, room_for
from convcli.engine.bank.plan import BAND, CALL_BYTES
from convcli.engine.bank.speeds import Speeds
from convcli.engine.bank.straight import Columns, Reads, within
from convcli.engine.geometry import constant, even_cuts
from convcli.engine.memory import scratch
from convcli.engine.threads import one_thread_below, run_all

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, Call, Floats, Signature
    from convcli.engine.geometry import Scatter
    from convcli.engine.threads import Cut

#: Bytes of the columns of one product: within a core's caches.
COLUMN_BYTES = 1 << 20


class Cells:
    """The cells of outputs along one axis: `count` of them, of which the first output is place `cut` of its cell."""

    def __init__(self, window: Scatter) -> None:
        self.taps, self.step, self.length = window.taps, window.stride, window.length
        #: Samples that a cell reads, the last of them the one of its own number.
        self.depth = -(-window.taps // window.stride)
        self.first, self.cut = divmod(window.before, window.stride)
        self.count = (window.length - 1 + window.before) // window.stride - self.first + 1

    def reads(self, cells: Cut) -> Cut:
        """The samples that some cells read, first and behind the last; beyond the input, too."""
        return self.first + cells[0] - self.depth + 1, self.first + cells[1]

    def outputs(self, cells: Cut) -> Cut:
        """The outputs of some cells, first and behind the last."""
        first, last = (cell * self.step - self.cut for cell in cells)
        return max(0, first), min(self.length, last)

    def place(self, place: int, cells: Cut) -> tuple[slice, slice]:
        """Where one place of some cells lies among the outputs of those, and which of the cells have it."""
        start, stop = self.outputs(cells)
        first = max(cells[0], int(place < self.cut))
        last = max(first, min(cells[1], (self.length - 1 + self.cut - place) // self.step + 1))
        begin = first * self.step + place - self.cut - start
        return slice(begin, max(begin, stop - start), self.step), slice(first - cells[0], last - cells[0])


def cells_call(x: Signature, weights: Floats, windows: Sequence[Scatter], border: str, speeds: Speeds) -> Call | None:
    """All of a small result by a transposed bank `(out, in, down, across)`, in two bands where each is worth a thread.

    None where taps are no whole strides, the border is no zeros, or more is read and written than caches hold.
    """
    outputs = len(weights)
    lengths, itemsize = [window.length for window in windows], weights.itemsize
    even = all(window.dilation == 1 and window.taps % window.stride == 0 for window in windows)
    size = itemsize * (math.prod(x.shape) + outputs * math.prod(lengths))
    if not even or x.dtype != x.work or x.native or size > CALL_BYTES or constant(border) != 0:
        return None
    rows, columns = (Cells(window) for window in windows)
    matrix = _matrix(weights, rows, columns)
    copied = (len(matrix) + (1 + x.planes) * outputs * rows.step * columns.step) * speeds.turned
    work = rows.count * columns.count * (matrix.size * speeds.product + copied)
    parts = -(-rows.count * columns.count * len(matrix) * itemsize // COLUMN_BYTES)
    pieces, steps = [], (rows.step, columns.step)
    for band in bands(rows.count, parts, shared=work >= 2 * BAND):
        start, stop = within(rows.reads(band), x.shape[0])
        down = Reads(stop - start, band[1] - band[0], rows.depth, rows.reads(band)[0] - start)
        across = Reads(x.shape[1], columns.count, columns.depth, columns.reads((0, columns.count))[0])
        layout, puts = Columns([down, across], x.shape[2], itemsize), _puts(rows, columns, band)
        pieces.append((slice(start, stop), layout, slice(*rows.outputs(band)), puts))

    def call(array: Array, out: Floats | None) -> Floats:
        y = room_for(lengths, outputs, x.work, planes=x.planes) if out is None else out

        def make(piece: tuple[slice, Columns, slice, list[tuple[Any, Any]]]) -> None:
            samples, layout, band, puts = piece
            own, source = y[band], pixels(array[samples], "source")
            turned = own.strides[2] != itemsize
            apart = room_for(own.shape[:2], outputs, x.work, planes=False, name="cells") if turned else own
            laid = source if layout.is_all else layout.laid(source)
            _multiply(laid.reshape(*layout.shape[:2], -1), matrix, steps, puts, apart)
            if turned:
                part_to(apart, own)

        with one_thread_below(), np.errstate(over="ignore", invalid="ignore"):
            run_all(make, pieces)
        return y

    return call


def bands(count: int, parts: int, *, shared: bool) -> list[Cut]:
    """So many rows of cells in so many parts, an even number of them where threads share them."""
    return even_cuts(count, min(count, 2 * -(-parts // 2) if shared else parts))


def _matrix(weights: Floats, rows: Cells, columns: Cells) -> Floats:
    """`(depth down, depth across, in; step down, step across, out)`, a matrix: the last sample meets the first taps."""
    outputs, inputs = weights.shape[:2]
    by_steps = weights.reshape(outputs, inputs, rows.depth, rows.step, columns.depth, columns.step)
    ordered = by_steps[:, :, ::-1, :, ::-1].transpose(2, 4, 1, 3, 5, 0)
    return np.ascontiguousarray(ordered).reshape(rows.depth * columns.depth * inputs, -1)


def _puts(rows: Cells, columns: Cells, band: Cut) -> list[tuple[Any, Any]]:
    """Where each place of a band of cells lies among its outputs, and among `(rows, columns, *steps, out)` products."""
    puts = []
    for down, beside in np.ndindex(rows.step, columns.step):
        (above, some), (left, others) = rows.place(down, band), columns.place(beside, (0, columns.count))
        puts.append(((above, left), (some, others, down, beside)))
    return puts


def _multiply(laid: Floats, matrix: Floats, steps: tuple[int, int], puts: Sequence[tuple[Any, Any]], y: Floats) -> None:
    """Fills pixels `y`, the outputs of a band of cells, from what those read, `(rows, columns, depth)`."""
    count, across, outputs = *laid.shape[:2], y.shape[2]
    if y.shape[:2] == (count * steps[0], across * steps[1]) and y.flags.c_contiguous:
        places = y.reshape(count, steps[0], across, -1)
        for down, own in enumerate(np.split(matrix, steps[0], axis=1)):
            np.matmul(laid, own, out=places[:, down])
        return
    products = scratch("cell products", (count * across, matrix.shape[1]), y.dtype)
    np.matmul(laid.reshape(count * across, -1), matrix, out=products)
    by_places = products.reshape(count, across, *steps, outputs)
    for there, place in puts:
        y[there] = by_places[place]
