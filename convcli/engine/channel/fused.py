"""A sum of separable convolutions of a picture, both passes on one band while it is in the cache.

The pass along columns reads the picture where it lies, if it can; borders to the left and right are made from its
result (both passes continue the picture by the same rule, so it does not matter which comes first); the pass along
rows writes to where the result goes. Channels are planes in between.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from convcli.engine.borders import read_window, source_indices
from convcli.engine.channel.correlation import Correlation
from convcli.engine.channel.direct import CHANNEL_LIMIT, one_channel
from convcli.engine.channel.factors import Factors
from convcli.engine.channel.passes import (
    Step,
    along_columns,
    column_steps,
    join,
    keep_planes,
    passes,
    row_steps,
    run,
    split,
)
from convcli.engine.geometry import Gather, Window
from convcli.engine.memory import scratch
from convcli.engine.plan import ACROSS, column_block, rows_by_product
from convcli.engine.threads import Cuts
from convcli.records import record

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, Floats

#: Rows of a band, and samples of a row that are filtered at a time: what lies between the passes stays in the cache.
HEIGHT = 256
WIDTH = 2048
#: Bands are a multiple of this high: whole blocks of the products along columns.
BLOCK = 8


def fits(work: Correlation) -> bool:
    """Whether passes can run in bands: stride and dilation 1, and rows of some length."""
    x, windows = work.x, work.windows
    plain = all(isinstance(w, Gather) and w.stride == 1 and (w.dilation == 1 or w.taps == 1) for w in windows)
    return plain and x.ndim == 3 and x.shape[2] <= CHANNEL_LIMIT and x.shape[1] >= 16


def fused(work: Correlation, factors: Factors) -> Cuts:
    """The sum of the separable kernels `factors` on an input `(h, w, channels)`."""
    dtype = factors[0].dtype
    x, out = one_channel(work.x), work.sink.target(dtype)
    out = None if out is None else one_channel(out)
    channels, width = x.shape[2], work.windows[1].length
    step = strip_width(width, channels, factors[1].shape[1])
    strips = _Strips(x, factors, work.windows, work.border)

    def band(rows: tuple[int, int]) -> None:
        for left in range(0, width, step):
            region = (rows, (left, min(left + step, width)))
            target = None if out is None else out[slice(*rows), slice(*region[1])]
            if target is not None and channels == 1:
                strips.fill(region, target[None, ..., 0])
                continue
            # The last pass reads the input no more.
            planes = scratch("source", (channels, rows[1] - rows[0], region[1][1] - left), dtype)
            strips.fill(region, planes)
            if target is not None:
                join(planes, target)
            else:
                keep_planes(planes, work.sink, rows[0], left)
        if out is not None:
            work.sink.store(work.sink.out[slice(*rows)], rows[0])

    least = 0 if x.dtype == dtype else factors[0].shape[1]
    return Cuts(band, bands(work.windows[0].length, width * channels, len(factors[0]), least))


def strip_width(width: int, channels: int, taps: int) -> int:
    """Columns of the strips that a band is filtered in: even shares, in whole vectors."""
    most = max(ACROSS, WIDTH // channels, 2 * taps)
    share = -(-width // -(-width // most))
    return -(-share // ACROSS) * ACROSS


def bands(length: int, width: int, ranks: int = 1, least: int = 0) -> list[tuple[int, int]]:
    """Bands of whole blocks of rows of `width` samples, of at least so many rows where that can be.

    Narrow pictures get higher bands, since each one costs calls; what is less work than one band of one rank is not
    worth a second thread.
    """
    rows = max(HEIGHT, least, HEIGHT * WIDTH // width)
    count = max(-(-length // rows), 2 if length * width * ranks > HEIGHT * WIDTH else 1)
    if 1 < count < 8:
        # No thread is left without a band.
        count += count % 2
    rows = -(-length // (count * BLOCK)) * BLOCK
    return list(itertools.pairwise([*range(0, length, rows), length]))


@record(kw_only=False, eq=False)
class _Strips:
    """A few columns of a band each, in the cache from where they are read to where they go."""

    x: Array
    factors: Factors
    windows: Sequence[Window]
    border: str

    def fill(self, region: tuple[tuple[int, int], ...], result: Floats) -> None:
        """The outputs of a region into the planes `result`."""
        x, dtype = self.x, self.factors[0].dtype
        rows, (low, high) = (window.reads(*part) for window, part in zip(self.windows, region, strict=True))
        first, last = max(low, 0), min(high, x.shape[1])
        steps: list[Step] = []
        source = self._planes(rows, (first, last), steps)
        wide = scratch("wide", (x.shape[2], result.shape[1], high - low), dtype)
        ranks = list(zip(*self.factors, strict=True))
        # The sum of several kernels stays in the cache until it is complete.
        total = result if len(ranks) == 1 else scratch("sum", result.shape, dtype)
        for index, (down, across) in enumerate(ranks):
            steps += column_steps(source, down, wide[..., first - low : last - low])
            for edge in ((low, min(0, high)), (max(x.shape[1], low), high)):
                if edge[0] < edge[1]:
                    steps.append(self._continued(wide, low, edge, rows, down))
            part = scratch("more", result.shape, dtype) if index else total
            steps += _across(wide, across, part)
            if index:
                steps.append(partial(np.add, total, part, result if index == len(ranks) - 1 else total))
        run(steps)
        if x.dtype.kind == "f" and not _finite(result, ranks[0]):
            # A product would spread what is not finite to places that the kernel does not reach.
            window = read_window(x, [rows, (low, high)], self.border, dtype)
            result[...] = np.moveaxis(passes(window, self.factors, finite=False), 2, 0)

    def _planes(self, rows: tuple[int, int], columns: tuple[int, int], steps: list[Step]) -> Floats:
        """The channels of a part of the input as planes `(channels, h, w)`, once the `steps` that it adds are made.

        `columns` are those of the picture, `rows` may reach over its edge. A plane that can be read where it lies is.
        """
        x, dtype = self.x, self.factors[0].dtype
        inside = (max(rows[0], 0), min(rows[1], x.shape[0]))
        part = x[slice(*inside), slice(*columns)]
        shape = (x.shape[2], rows[1] - rows[0], part.shape[1])
        if shape[0] == 1 and inside == rows and x.dtype == dtype and part.strides[1] == part.itemsize:
            return part[None, ..., 0]
        planes = scratch("source", shape, dtype)
        within = planes[:, inside[0] - rows[0] : inside[1] - rows[0]]
        if shape[0] == 1:
            steps.append(partial(np.copyto, within[0], part[..., 0]))
        else:
            steps.append(lambda: np.copyto(within, split(part, "planes apart")))
        for edge in ((rows[0], inside[0]), (inside[1], rows[1])):
            if edge[0] < edge[1]:
                target = planes[:, edge[0] - rows[0] : edge[1] - rows[0]]
                places = _places(edge, x.shape[0], self.border, rows)
                if isinstance(places, slice):
                    steps.append(partial(np.copyto, target, planes[:, places]))
                else:
                    steps.append(partial(_read, x, [edge, columns], self.border, target))
        return planes

    def _continued(self, wide: Floats, low: int, edge: tuple[int, int], rows: tuple[int, int], down: Floats) -> Step:
        """How the columns `edge` of `wide`, which starts at `low`, are made, which the picture lacks."""
        target = wide[..., edge[0] - low : edge[1] - low]
        if self.border == "zero":
            return partial(target.fill, 0)
        places = _places(edge, self.x.shape[1], self.border, (low, low + wide.shape[2]))
        if isinstance(places, slice):
            return partial(np.copyto, target, wide[..., places])

        def elsewhere() -> None:
            # What continues the picture here lies in another strip, or in pieces.
            window = read_window(self.x, [rows, edge], self.border, wide.dtype)
            target[...] = np.moveaxis(along_columns(window, down, finite=True), 2, 0)

        return elsewhere


def _read(x: Array, ranges: list[tuple[int, int]], border: str, target: Floats) -> None:
    """Reads a window into planes."""
    target[...] = np.moveaxis(read_window(x, ranges, border, target.dtype), 2, 0)


def _across(wide: Floats, taps: Floats, y: Floats) -> list[Step]:
    """The pass along rows of planes `(channels, h, w)` into `y`."""
    if taps.size == 1:
        return [partial(np.multiply, wide, taps[0], out=y)]
    if rows_by_product(taps.size):
        return row_steps(wide, taps, y)
    full = scratch("full", wide.shape, wide.dtype)
    # All planes are one, since the kernel has one row.
    stacked: list[Any] = [plane.reshape(-1, wide.shape[2]) for plane in (wide, full)]
    known = {"anchor": (0, 0), "borderType": cv2.BORDER_CONSTANT}
    return [
        partial(cv2.filter2D, stacked[0], -1, taps[None], dst=stacked[1], **known),
        partial(np.copyto, y, full[..., : y.shape[2]]),
    ]


def _finite(y: Floats, taps: tuple[Floats, Floats]) -> bool:
    """Whether all samples that `y` was made of were finite.

    A product multiplies each sample of a block with a tap or with 0: the first output of a block tells of them all.
    """
    down, across = (side.size for side in taps)
    rows = column_block(down) if down > 1 else 1
    columns = ACROSS if across > 1 and rows_by_product(across) else 1
    seen = y[:, :: min(rows, y.shape[1]), :: min(columns, y.shape[2])]
    return math.isfinite(np.add.reduce(seen, axis=None)) or bool(np.isfinite(seen).all())


@lru_cache(maxsize=256)
def _places(edge: tuple[int, int], n: int, border: str, reach: tuple[int, int]) -> slice | None:
    """Where in `reach` the samples lie that continue `0 .. n-1` at `edge`; None unless they are neighbours there."""
    places = source_indices(np.arange(*edge), n, border)
    step = int(places[1] - places[0]) if places.size > 1 else 1
    if step == 0 and (places == places[0]).all():
        places, step = places[:1], 1
    apart = (places[1:] != places[:-1] + step).any()
    if apart or abs(step) != 1 or places.min() < max(reach[0], 0) or places.max() >= min(reach[1], n):
        return None
    stop = int(places[-1]) + step - reach[0]
    return slice(int(places[0]) - reach[0], stop if stop >= 0 else None, step)
