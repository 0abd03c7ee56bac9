"""Strided convolution of a picture as matrix products that make none but the wanted outputs.

The columns of every row are laid out by their phase, every `s`-th one side by side, as the picture is read. Then tap
`s n + v` of a row meets phase `v`, `n` columns on: for each `n` a block of output rows is the product of a banded
matrix, which holds the taps once per output row, each time `s` rows further, and of all phases of the rows it reads.
These products are made as one, and their results added up, each `n` columns further to the left.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from convcli.engine.borders import read_window
from convcli.engine.channel.columns import columns_of, lay_out, rows_of
from convcli.engine.channel.correlation import Correlation
from convcli.engine.channel.passes import UNPACKED, view
from convcli.engine.geometry import Gather, cuts_of
from convcli.engine.memory import scratch
from convcli.engine.processor import Processor
from convcli.engine.threads import Cuts
from convcli.records import record

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, Floats
    from convcli.engine.sink import Sink

#: Bytes of the phases of one band: they are read again from the cache, by calls that are long enough for threads not to
#: wait for one another.
BAND_BYTES = 1 << 21
#: The least rows of a band, in units of what it reads of the next one.
OVERLAP = 4
#: Up to so many, one thread is as fast as two.
LEAST_BYTES = 1 << 21
#: Rows of a product at least; below, its calls for a vector of results are mostly loads.
LEAST_ROWS = 6
#: The fewest samples in a row of outputs.
LEAST_WIDTH = 16


@record
class Layout:
    """How the products go: `shifts` and phases of the columns, `block` output rows of a product that reads `reach`."""

    taps: tuple[int, int]
    stride: tuple[int, int]

    @property
    def shifts(self) -> int:
        return -(-self.taps[1] // self.stride[1])

    @property
    def block(self) -> int:
        return max(2, -(-LEAST_ROWS // self.shifts))

    @property
    def reach(self) -> int:
        return (self.block - 1) * self.stride[0] + self.taps[0]

    def cost(self, kind: Processor) -> float:
        """Nanoseconds per output sample on one core: to lay out samples, for multiply-adds, and to add up results."""
        lay_out, multiply_add, add_up = kind.strided
        products = self.shifts * self.stride[1] * self.reach
        return lay_out * self.stride[0] * self.stride[1] + multiply_add * products + add_up * self.shifts


def fits(work: Correlation) -> bool:
    """Whether the input is a picture, of whose outputs there are some in every row and column."""
    x, windows = work.x, work.windows
    gathered = all(isinstance(window, Gather) for window in windows)
    return gathered and x.ndim == 3 and min(window.length for window in windows) >= LEAST_WIDTH


def strided(work: Correlation, otherwise: Callable[[Floats, tuple[int, int]], Floats]) -> Cuts:
    """A strided kernel on a picture `(h, w, channels)`.

    `otherwise(window, lengths)` computes a band from its samples where some are not finite: a product would spread them
    to outputs that don't read them.
    """
    (_, width, channels), taps, border, (down, across) = work.x.shape, work.taps, work.border, work.windows
    layout = Layout(taps=(taps.shape[0], taps.shape[1]), stride=(down.stride, across.stride))
    matrix = banded(taps.tobytes(), taps.dtype.str, layout)
    columns = columns_of(across, layout.shifts, width, border)
    there = work.sink.target(taps.dtype) is not None

    def band(x: Array, sink: Sink, rows: tuple[int, int]) -> None:
        shape = (rows[1] - rows[0], across.length)
        y = sink.out[slice(*rows)] if there else scratch("strided", (*shape, channels), taps.dtype)
        blocks = -(-shape[0] // layout.block)
        count = (blocks * layout.block - 1) * layout.stride[0] + layout.taps[0]
        phases = lay_out(rows_of(x, down.reads(*rows), border), columns, count, taps.dtype)
        for channel, plane in enumerate(phases):
            _multiply(plane, matrix, layout, blocks, columns.wanted, y[..., channel])
        if not (np.isfinite(y.sum()) or np.isfinite(y).all()):
            ranges = [down.reads(*rows), across.reads(0, across.length)]
            y = otherwise(read_window(x, ranges, border, taps.dtype), shape)
        sink.store(y, rows[0])

    return Cuts.on(work.x, work.sink, band, bands(layout, down.length, across.length * channels, taps.itemsize))


def bands(layout: Layout, height: int, samples: int, itemsize: int) -> list[tuple[int, int]]:
    """The rows of an output with `samples` a row in bands of whole blocks, much higher than what two of them share."""
    row = layout.stride[0] * layout.stride[1] * samples * itemsize
    if row * height <= LEAST_BYTES:
        return [(0, height)]
    rows = max(BAND_BYTES // row, OVERLAP * -(-layout.taps[0] // layout.stride[0]))
    # Even shares, for threads to end together.
    count = 2 * max(1, round(height / (2 * rows)))
    return cuts_of(height, -(-height // (count * layout.block)) * layout.block)


def _multiply(phases: Floats, matrix: Floats, layout: Layout, blocks: int, wide: int, y: Floats) -> None:
    """Fills `y` `(h, w)` from the `(rows, phases, columns)` of one channel, `wide` columns."""
    size, pitch = phases.itemsize, phases.strides[1]
    (high, deep), (step, shifts, block) = matrix.shape, (layout.stride[1], layout.shifts, layout.block)
    held = scratch("sums", (blocks, high, pitch // size), phases.dtype)
    sums = held[..., :wide]
    apart = block * layout.stride[0] * step * pitch
    rows = view(phases, (blocks, deep, wide), (apart, pitch, size))
    count = -(-wide * high * deep // UNPACKED)
    for part in range(count):
        cut = slice(wide * part // count, wide * (part + 1) // count)
        np.matmul(matrix, rows[..., cut], out=sums[..., cut])
    width, whole = y.shape[1], len(y) // block * block
    parted = view(held, (blocks, shifts, block, wide), (high * pitch, block * pitch, pitch, size))
    if whole:
        target = view(y, (whole // block, block, width), (block * y.strides[0], *y.strides))
        _add_up(parted[: whole // block], target)
    if rest := len(y) - whole:
        _add_up(parted[-1:, :, :rest], y[None, whole:])


def _add_up(sums: Floats, y: Floats) -> None:
    """`(blocks, shifts, rows, columns)` into `(blocks, rows, width)`."""
    width, shifts = y.shape[2], sums.shape[1]
    if shifts == 1:
        np.copyto(y, sums[:, 0, :, :width])
        return
    np.add(sums[:, 0, :, :width], sums[:, 1, :, 1 : 1 + width], out=y)
    for shift in range(2, shifts):
        np.add(y, sums[:, shift, :, shift : shift + width], out=y)


@lru_cache(maxsize=32)
def banded(data: bytes, dtype: str, layout: Layout) -> Floats:
    """`(shifts * block, reach * phases)`: for each shift and output row of a block its taps, by rows and phases."""
    (kh, kw), (down, across) = layout.taps, layout.stride
    taps = np.zeros((kh, layout.shifts * across), dtype)
    taps[:, :kw] = np.frombuffer(data, dtype).reshape(kh, kw)
    matrix = np.zeros((layout.shifts, layout.block, layout.reach, across), dtype)
    for row in range(layout.block):
        matrix[:, row, row * down : row * down + kh] = taps.reshape(kh, layout.shifts, across).transpose(1, 0, 2)
    return matrix.reshape(layout.shifts * layout.block, -1)
