"""Runs a computation band by band: read a window of the input with its halo, compute, hand on the finished band.

A band is a range of output samples along the first axis, whole along the others. Its float window is the only copy of
the input that exists, so memory stays bounded by a few bands, and results do not depend on where the cuts are.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from convcli.engine.borders import read_window
from convcli.engine.dtypes import planar
from convcli.engine.memory import scratch
from convcli.engine.threads import run_cuts
from convcli.records import record

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, DTypeLike, Floats
    from convcli.engine.geometry import Window


#: Bytes of the float window that one band aims at: within a core's share of the cache.
TILE_BYTES = 1 << 20
#: The least bytes that are worth a band of their own.
LEAST_BYTES = 1 << 17
#: The most a band takes of them, where an algorithm wants many rows.
WIDE = 12

#: A half-open range of output samples per axis.
Region: TypeAlias = "tuple[tuple[int, int], ...]"


@record(kw_only=False)
class Tile:
    """A float window of the input, the input position of its first sample per axis, and the outputs it serves."""

    data: Floats
    origin: tuple[int, ...]
    region: Region


def run_tiled(
    x: Array,
    windows: Sequence[Window],
    border: str,
    dtype: DTypeLike,
    compute: Callable[[Tile], Floats],
    store: Callable[[Floats, int], None],
    *,
    rows: int = 0,
    channels: int = 0,
) -> None:
    """Computes all outputs of `windows` on `x` (`(*spatial, channels)`) in bands of rows.

    `compute(tile)` returns `(*region, channels out)`; `store(band, start)` gets it with the index of its first row,
    in any order and from several threads, each band once. An exception in either ends the run and is raised.
    `rows` asks for bands of that height; `channels` is the number of output channels of a filter bank, which then may
    get its window as planes.
    """

    # Channels that lie as planes, as networks keep them, stay planes.
    by_planes = channels > 0 and planar(x)

    def from_region(region: Region) -> Floats:
        ranges = [window.reads(*part) for window, part in zip(windows, region, strict=True)]
        shape = [stop - start for start, stop in ranges]
        if by_planes:
            window = np.moveaxis(scratch("window", [x.shape[-1], *shape], dtype), 0, -1)
        else:
            window = scratch("window", [*shape, x.shape[-1]], dtype)
        data = read_window(x, ranges, border, dtype, out=window)
        return compute(Tile(data, tuple(start for start, _ in ranges), region))

    run_bands(x.shape, windows, dtype, from_region, store, rows=rows, channels=channels)


def run_bands(
    shape: Sequence[int],
    windows: Sequence[Window],
    dtype: DTypeLike,
    compute: Callable[[Region], Floats],
    store: Callable[[Floats, int], None],
    *,
    rows: int = 0,
    channels: int = 0,
) -> None:
    """As `run_tiled`, for a `compute` that reads the input (of this `shape`) itself."""
    cuts = _bands(shape, windows, np.dtype(dtype).itemsize, rows, channels)
    rest = tuple((0, window.length) for window in windows[1:])
    run_cuts(lambda band: store(compute((band, *rest)), band[0]), cuts)


def _bands(
    shape: Sequence[int], windows: Sequence[Window], itemsize: int, rows: int = 0, channels: int = 0
) -> list[tuple[int, int]]:
    """The output rows cut into bands, for an input of this `shape`.

    The cuts follow from the sizes alone, never from the number of threads, so that results do not either. Halos are
    read again by each band, so a band is not shorter than they are.
    """
    lengths = [max(window.length, shape[axis]) for axis, window in enumerate(windows)]
    first = windows[0]
    low, high = first.reads(0, 1)
    per_row = max(1, (first.reads(0, first.length)[1] - low) // first.length)
    row_bytes = math.prod(lengths[1:]) * max(shape[-1] * per_row, channels) * itemsize
    if 4 * row_bytes * first.length <= TILE_BYTES:
        return [(0, first.length)]
    halo = -(-(high - low - 1) // per_row)
    if rows:
        rows = min(rows, WIDE * TILE_BYTES // row_bytes - halo)
    else:
        rows = min(TILE_BYTES, max(LEAST_BYTES, row_bytes * first.length // 4)) // row_bytes
    count = -(-first.length // max(rows, 2 * halo, 1))
    if count > 1:
        # Even shares: no thread waits long for the last band.
        step = 4 if count > 8 else 2
        count = min(-(-count // step) * step, first.length)
    cuts = [first.length * part // count for part in range(count + 1)]
    return list(itertools.pairwise(cuts))
