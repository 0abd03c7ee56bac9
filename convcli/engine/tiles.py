"""Computes band by band: read a window of the input with its halo, compute, hand on the finished band.

A band is a range of output samples along the first axis, whole along the others. Its float window is the only copy of
the input that exists, so memory stays bounded by a few bands, and results do not depend on where the cuts are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from convcli.engine.borders import read_window
from convcli.engine.dtypes import channels_last, planar
from convcli.engine.facts import Facts
from convcli.engine.geometry import even_cuts, grid_of
from convcli.engine.memory import scratch
from convcli.engine.threads import Cuts
from convcli.records import record

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, DTypeLike, Floats
    from convcli.engine.geometry import Grid, Window
    from convcli.engine.sink import Sink

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


@record(eq=False)
class Tiling:
    """Outputs of `windows` on `x` `(*spatial, channels)` that are computed in `dtype`, band by band, into `sink`.

    `rows` asks for bands of that height, of `small` inputs, too; `channels` is the number of output channels of a
    filter bank, which then may get its window as planes.
    """

    x: Array
    windows: Sequence[Window]
    border: str
    dtype: DTypeLike
    sink: Sink
    rows: int = 0
    channels: int = 0
    small: bool = False

    def grid(self, region: Region = ()) -> Grid:
        """Where the outputs lie, or those of a region."""
        return grid_of(self.windows, region)

    def facts(self, window: Floats, algorithm: str | None) -> Facts:
        """What is known of a part of the input: integers are finite and bounded."""
        return Facts(window, plain=self.x.dtype.kind != "f", algorithm=algorithm)

    def by_tiles(self, compute: Callable[[Tile], Floats]) -> Cuts:
        """`compute(tile)` returns `(*region, channels out)`, from several threads."""
        # Channels that lie as planes, as networks keep them, stay planes.
        by_planes = self.channels > 0 and planar(self.x)

        def from_region(region: Region) -> Floats:
            ranges = [window.reads(*part) for window, part in zip(self.windows, region, strict=True)]
            shape = [stop - start for start, stop in ranges]
            origin = tuple(start for start, _ in ranges)
            inside = all(start >= 0 and stop <= n for (start, stop), n in zip(ranges, self.x.shape, strict=False))
            if self.channels and inside and self.x.dtype == self.dtype:
                # Banks read it where it lies.
                return compute(Tile(self.x[tuple(slice(*part) for part in ranges)], origin, region))
            if by_planes:
                window = channels_last(scratch("window", [self.x.shape[-1], *shape], self.dtype))
            else:
                window = scratch("window", [*shape, self.x.shape[-1]], self.dtype)
            data = read_window(self.x, ranges, self.border, self.dtype, out=window)
            return compute(Tile(data, origin, region))

        return self.by_regions(from_region)

    def by_regions(self, compute: Callable[[Region], Floats]) -> Cuts:
        """As `by_tiles`, for a `compute` that reads the input itself."""
        cuts = bands(self.x.shape, self.windows, np.dtype(self.dtype).itemsize, self.rows, self.channels, self.small)
        rest = tuple((0, window.length) for window in self.windows[1:])
        return Cuts(lambda band: self.sink.store(compute((band, *rest)), band[0]), cuts)


def bands(
    shape: Sequence[int], windows: Sequence[Window], itemsize: int, rows: int = 0, channels: int = 0,
    small: bool = False,
) -> list[tuple[int, int]]:  # fmt: skip
    """The output rows cut into bands, for an input of this `shape`.

    The cuts follow from the sizes alone, never from the number of threads, so that results do not either. Halos are
    read again by each band, so a band is not shorter than they are.
    """
    lengths = [max(window.length, shape[axis]) for axis, window in enumerate(windows)]
    first = windows[0]
    low, high = first.reads(0, 1)
    per_row = max(1, (first.reads(0, first.length)[1] - low) // first.length)
    row_bytes = math.prod(lengths[1:]) * max(shape[-1] * per_row, channels) * itemsize
    if not (rows and small) and 4 * row_bytes * first.length <= TILE_BYTES:
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
    return even_cuts(first.length, count)
