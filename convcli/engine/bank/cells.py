"""Transposed banks of small inputs whose taps are whole strides: one product makes all phases of the outputs.

The outputs from one stamp's beginning to the next, a cell, are made of the same samples, whatever their phase: what a
cell reads is laid out once, as pixels, and multiplied with all taps. Where stamps lie side by side, that are the
samples themselves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from convcli.engine.bank.layouts import part_to, pixels, room_for
from convcli.engine.bank.plan import BAND, CALL_BYTES
from convcli.engine.bank.speeds import Speeds
from convcli.engine.borders import read_window
from convcli.engine.geometry import constant
from convcli.engine.memory import scratch
from convcli.engine.threads import even_cuts, one_thread_below, run_all

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
        self.reads = (self.first - self.depth + 1, self.first + self.count)

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
    cuts = bands(rows.count, parts, shared=work >= 2 * BAND)

    def call(array: Array, out: Floats | None) -> Floats:
        y = room_for(lengths, outputs, x.work, planes=x.planes) if out is None else out

        def make(band: Cut) -> None:
            own = y[slice(*rows.outputs(band))]
            turned = own.strides[2] != itemsize
            apart = room_for(own.shape[:2], outputs, x.work, planes=False, name="cells") if turned else own
            _multiply(_laid(array, rows, columns, band), matrix, rows, columns, band, apart)
            if turned:
                part_to(apart, own)

        with one_thread_below(), np.errstate(over="ignore", invalid="ignore"):
            run_all(make, cuts)
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


def _laid(x: Floats, rows: Cells, columns: Cells, band: Cut) -> Floats:
    """What a band of cells reads, `(rows, columns, depth)`."""
    count, channels = band[1] - band[0], x.shape[2]
    first = rows.reads[0] + band[0]
    ranges = [(first, first + count + rows.depth - 1), columns.reads]
    if any(start < 0 or stop > n for (start, stop), n in zip(ranges, x.shape, strict=False)):
        sizes = [stop - start for start, stop in ranges]
        turned = channels > 1 and x.strides[2] != x.itemsize
        window = room_for(sizes, channels, x.dtype, planes=turned, name="window")
        data = pixels(read_window(x, ranges, "zero", x.dtype, out=window))
    else:
        data = pixels(x[tuple(slice(*part) for part in ranges)])
    if rows.depth == columns.depth == 1:
        return data
    line, pixel, step = data.strides
    shape = (count, columns.count, rows.depth, columns.depth * channels)
    laid = scratch("columns", shape, x.dtype)
    np.copyto(laid, np.ndarray(shape, x.dtype, data, 0, (line, pixel, line, step)))
    return laid.reshape(count, columns.count, -1)


def _multiply(laid: Floats, matrix: Floats, rows: Cells, columns: Cells, band: Cut, y: Floats) -> None:
    """Fills pixels `y`, the outputs of a band of cells."""
    count, across, outputs = *laid.shape[:2], y.shape[2]
    if y.shape[:2] == (count * rows.step, across * columns.step) and y.flags.c_contiguous:
        places = y.reshape(count, rows.step, across, -1)
        for down, own in enumerate(np.split(matrix, rows.step, axis=1)):
            np.matmul(laid, own, out=places[:, down])
        return
    products = scratch("cell products", (count * across, matrix.shape[1]), y.dtype)
    np.matmul(laid.reshape(count * across, -1), matrix, out=products)
    by_places = products.reshape(count, across, rows.step, columns.step, outputs)
    for down, beside in np.ndindex(rows.step, columns.step):
        (above, some), (left, others) = rows.place(down, band), columns.place(beside, (0, across))
        np.copyto(y[above, left], by_places[some, others, down, beside])
