"""The samples of rows by their phase: every `s`-th column side by side, as products of strided kernels want them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from convcli.engine.borders import read_window, source_indices
from convcli.engine.channel.passes import view
from convcli.engine.geometry import Window, constant
from convcli.engine.memory import LINE, scratch
from convcli.records import record

if TYPE_CHECKING:
    import numpy.typing as npt

    from convcli.engine.dtypes import Array, DTypeLike, Floats

#: Bytes beyond whole cache lines from one row of phases to the next. Rows don't lie a power of two apart so; and OpenCV
#: writes past the cache where all rows start on vectors, but phases are read at once.
ASKEW = 16
#: The most phases of all channels that OpenCV takes apart by vectors.
APART = 4


def rows_of(x: Array, reads: tuple[int, int], border: str) -> list[Array]:
    """The rows `reads` of `x` in pieces: those that it has where they lie, those around it by the border rule."""
    low, high = reads
    first, last = max(low, 0), min(high, x.shape[0])
    if first >= last:
        return [read_window(x, [reads, (0, x.shape[1])], border, x.dtype)]
    pieces = [x[first:last]]
    if low < first:
        pieces.insert(0, read_window(x, [(low, first), (0, x.shape[1])], border, x.dtype))
    if last < high:
        pieces.append(read_window(x, [(last, high), (0, x.shape[1])], border, x.dtype))
    return pieces


@record
class Columns:
    """Where `wanted` columns of `step` phases come from: from number `first` to `last` all lie in the picture."""

    wanted: int
    step: int
    #: The column of the picture that the first of them starts with.
    start: int
    first: int
    last: int
    #: The columns of the picture that those before `first` and from `last` on show; -1 for the number `outside`, None
    #: where all are.
    sides: tuple[tuple[slice, npt.NDArray[np.int64] | None], ...]
    outside: float = 0.0


def columns_of(across: Window, shifts: int, width: int, border: str) -> Columns:
    """The columns of phases for the outputs `across` a picture of this `width`, each read `shifts` times."""
    step, start = across.stride, across.reads(0, 1)[0]
    wanted = across.length + shifts - 1
    first = min(max(-(start // step), 0), wanted)
    last = max(first, min(wanted, (width - start) // step))
    sides = []
    for low, high in ((0, first), (last, wanted)):
        if low < high:
            indices = source_indices(np.arange(low * step + start, high * step + start), width, border)
            sides.append((slice(low, high), None if (indices < 0).all() else indices))
    return Columns(
        wanted=wanted, step=step, start=start, first=first, last=last, sides=tuple(sides),
        outside=constant(border) or 0.0,
    )  # fmt: skip


def lay_out(pieces: Sequence[Array], columns: Columns, count: int, dtype: DTypeLike) -> Floats:
    """`(channels, count, phases, columns)` of the rows in `pieces`; rows that they lack are zero.

    There are some more columns than wanted, with any content.
    """
    itemsize = np.dtype(dtype).itemsize
    pitch = (-(-columns.wanted * itemsize // LINE) * LINE + ASKEW) // itemsize
    phases = scratch("phases", (pieces[0].shape[2], count, columns.step, pitch), dtype)
    done = 0
    for piece in pieces:
        _lay_rows(piece, columns, phases[:, done : done + len(piece)])
        done += len(piece)
    phases[:, done:] = 0
    return phases


def _lay_rows(source: Array, columns: Columns, phases: Floats) -> None:
    """Copies the rows `source` to `phases` `(channels, rows, phases, columns)`."""
    channels, rows, step, _ = phases.shape
    first, last = columns.first, columns.last
    if first < last:
        begin = first * step + columns.start
        _take_apart(source[:, begin : begin + (last - first) * step], phases[..., first:last])
    for place, indices in columns.sides:
        if indices is None:
            phases[..., place] = columns.outside
            continue
        strip = source[:, indices]
        strip[:, indices < 0] = columns.outside
        phases[..., place] = strip.reshape(rows, -1, step, channels).transpose(3, 0, 2, 1)


def _take_apart(source: Array, phases: Floats) -> None:
    """The samples of `(rows, phases * columns, channels)` by their phase: `(channels, rows, phases, columns)`."""
    channels, rows, step, wide = phases.shape
    if channels * step > APART:
        row, column, channel = source.strides
        np.copyto(phases, view(source, phases.shape, (channel, row, column, step * column)))
        return
    if source.dtype != phases.dtype or not source[0].flags.c_contiguous:
        held = scratch("together", source.shape, phases.dtype)
        np.copyto(held, source)
        source = held
    size = source.itemsize
    pixels = view(source, (rows, wide, step * channels), (source.strides[0], step * channels * size, size))
    cv2.split(pixels, [phases[channel, :, phase] for phase in range(step) for channel in range(channels)])
