"""A sum of separable convolutions of a picture, both passes on one band while it is in the cache.

The pass along columns reads the picture where it lies, if it can: as matrix products, or by `filter2D` where taps are
few. The pass along rows is `filter2D`, which continues what it reads over the edge itself (both passes continue the
picture by the same rule, so it does not matter which comes first), and writes to where the result goes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from convcli.engine.borders import read_window
from convcli.engine.channel.correlation import Correlation
from convcli.engine.channel.direct import CHANNEL_LIMIT, direct, most_taps, one_channel, opencv_layout
from convcli.engine.channel.factors import Factors
from convcli.engine.channel.passes import along_rows, column_steps, run
from convcli.engine.channel.whole import RULES
from convcli.engine.dtypes import copy_pixels
from convcli.engine.geometry import Gather, Window, constant, cuts_of
from convcli.engine.memory import scratch
from convcli.engine.processor import processor
from convcli.engine.threads import Cuts
from convcli.records import record

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, Floats
    from convcli.engine.sink import Sink

#: Bytes of what lies between the passes, which stays in the cache, and the rows of a band at least and at most.
BAND_BYTES = 1 << 21
LEAST, MOST = 16, 512
#: Bands are a multiple of this high: whole blocks of the products along columns.
BLOCK = 8
#: Nanoseconds of multiply-adds that are not worth a second thread: two wait for one another between products.
ALONE = 300_000


def fits(work: Correlation) -> bool:
    """Whether passes can run in bands: no dilation, and rows of some length."""
    x, windows = work.x, work.windows
    plain = all(isinstance(w, Gather) and (w.dilation == 1 or w.taps == 1) for w in windows)
    return plain and x.ndim == 3 and x.shape[2] <= CHANNEL_LIMIT and x.shape[1] >= 16


def fused(work: Correlation, factors: Factors) -> Cuts:
    """The sum of the separable kernels `factors` on an input `(h, w, channels)`."""
    dtype, (down, across) = factors[0].dtype, work.windows
    (_, width, channels), out = work.x.shape, work.sink.target(dtype)
    direct_out = out is not None and opencv_layout(one_channel(out))
    passes = _Passes(factors, down, across, work.border)

    def band(x: Array, sink: Sink, rows: tuple[int, int]) -> None:
        source = rows_of(one_channel(x), down.reads(*rows), passes.border, dtype)
        shape = (rows[1] - rows[0], across.length, channels)
        result = one_channel(sink.out)[slice(*rows)] if direct_out else scratch("passed", shape, dtype)
        passes.fill(source, result, finite=x.dtype.kind != "f")
        sink.store(sink.out[slice(*rows)] if direct_out else result, rows[0])

    macs = down.length * across.length * channels * factors[0].shape[0] * sum(side.shape[1] for side in factors)
    cuts = bands(down.length, width * channels * dtype.itemsize, macs, factors[0].shape[1])
    return Cuts.on(work.x, work.sink, band, cuts)


def bands(length: int, row_bytes: int, macs: int, taps: int) -> list[tuple[int, int]]:
    """Bands of whole blocks of rows, each read with `taps - 1` more, of an output that takes so many multiply-adds."""
    rows = max(LEAST, 2 * taps, min(MOST, BAND_BYTES // row_bytes))
    count = max(-(-length // rows), 2) if macs * processor().multiply_add > ALONE else 1
    if 1 < count < 8:
        # No thread is left without a band.
        count += count % 2
    return cuts_of(length, -(-length // (count * BLOCK)) * BLOCK)


def rows_of(x: Array, reads: tuple[int, int], border: str, dtype: np.dtype[np.floating]) -> Floats:
    """The rows `reads` of a picture as floats, where they lie if they are such: rows beyond its edge by the border."""
    low, high = reads
    if low >= 0 and high <= x.shape[0] and x.dtype == dtype and opencv_layout(x):
        return x[low:high]
    shape = (high - low, *x.shape[1:])
    return read_window(x, [(low, high), (0, x.shape[1])], border, dtype, out=scratch("source", shape, dtype))


@record(kw_only=False, eq=False)
class _Passes:
    """Both passes of each rank, on rows of a picture that hold those beyond its edges, too."""

    factors: Factors
    down: Window
    across: Window
    border: str

    def fill(self, source: Floats, result: Floats, *, finite: bool) -> None:
        """The outputs that can be made of `source`, into `result`; `finite` says that all samples are."""
        for rank, (down, across) in enumerate(zip(*self.factors, strict=True)):
            room = self._room(source, across, len(result))
            between = self._along_columns(source, down, len(result), finite=finite, into=room and room[1])
            outside = constant(self.border)
            # Beside the sums along columns lie those of the number that lies outside.
            border = f"{outside * float(down.sum()):.17g}" if outside else self.border
            target = scratch("more", result.shape, result.dtype) if rank else result
            if room:
                self._beside(room, between, border)
                self._products(room[0], across, target)
            else:
                self._along_rows(between, across, border, target)
            if rank:
                np.add(result, target, out=result)

    def _room(self, source: Floats, across: Floats, count: int) -> tuple[Floats, Floats] | None:
        """Where products along rows read, the columns beyond the edges among them, and its part within the picture."""
        (low, high), width = self.across.reads(0, self.across.length), source.shape[1]
        by_product = processor().rows_by_product(across.size, source.shape[2])
        if across.size == 1 or low > 0 or high < width or not by_product:
            return None
        wide = scratch("wide", (count, high - low, source.shape[2]), source.dtype)
        return wide, wide[:, -low : width - low]

    def _beside(self, room: tuple[Floats, Floats], between: Floats, border: str) -> None:
        """Fills what `between` was not put in already, and the columns that the border rule shows beside it."""
        wide, inside = room
        if between is not inside:
            np.copyto(inside, between)
        (low, high), width = self.across.reads(0, self.across.length), inside.shape[1]
        for reads in ((low, 0), (width, high)):
            if reads[0] < reads[1]:
                side = wide[:, reads[0] - low : reads[1] - low]
                read_window(inside, [(0, len(inside)), reads], border, inside.dtype, out=side)

    def _products(self, wide: Floats, taps: Floats, result: Floats) -> None:
        """The pass along rows that hold what lies beyond the edges, too, by what its samples allow."""
        finite = math.isfinite(np.add.reduce(wide, axis=None)) or bool(np.isfinite(wide).all())
        into = result if self.across.stride == 1 else None
        y = along_rows(wide, taps, finite, into)
        if y is not into:
            copy_pixels(result, y[:, :: self.across.stride])

    def _along_columns(
        self, source: Floats, taps: Floats, count: int, *, finite: bool, into: Floats | None = None
    ) -> Floats:
        """The rows of outputs, `(count, w, channels)`; products go `into` an array where it is given."""
        stride = self.down.stride
        if taps.size == 1:
            rows = source[::stride]
            return rows if taps[0] == 1 else np.multiply(rows, taps[0], out=scratch("between", rows.shape, rows.dtype))
        between = scratch("between", source.shape, source.dtype)
        if stride > 1 or (taps.size <= most_taps(taps.dtype) and not processor().columns_by_product(taps.size)):
            if taps.size > most_taps(taps.dtype):
                return direct(source, taps[:, None])[::stride]
            cv2.filter2D(source, -1, taps[:, None], dst=between, anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
            return between[: (count - 1) * stride + 1 : stride]
        flat = source.reshape(1, len(source), -1) if source.flags.c_contiguous else _flat(source)
        rows = between[:count] if into is None else into
        run(column_steps(flat, taps, _flat(rows)))
        if not finite and not _finite(rows, taps.size):
            # A product would spread what is not finite to places that the kernel does not reach.
            return direct(source, taps[:, None])
        return rows

    def _along_rows(self, between: Floats, taps: Floats, border: str, result: Floats) -> None:
        """The pass along rows of `(h, w, channels)`, into `result`."""
        window, width = self.across, between.shape[1]
        last = (window.length - 1) * window.stride + 1
        if taps.size == 1 and not window.before and last <= width:
            np.multiply(between[:, : last : window.stride], taps[0], out=result)
            return
        few = taps.size <= most_taps(taps.dtype) and not processor().rows_by_product(taps.size, between.shape[2])
        if few and border in RULES and 0 <= window.before < taps.size <= width // 2 and last <= width:
            there = result.shape == between.shape
            full = result if there else scratch("full", between.shape, between.dtype)
            anchor = (window.before, 0)
            cv2.filter2D(between, -1, taps[None], dst=full, anchor=anchor, borderType=RULES[border])
            if not there:
                copy_pixels(result, full[:, : last : window.stride])
            return
        reads = window.reads(0, window.length)
        shape = (len(between), reads[1] - reads[0], between.shape[2])
        wide = read_window(
            between, [(0, len(between)), reads], border, between.dtype, out=scratch("wide", shape, between.dtype)
        )
        finite = few or math.isfinite(np.add.reduce(wide, axis=None)) or bool(np.isfinite(wide).all())
        copy_pixels(result, along_rows(wide, taps, finite)[:, :: window.stride])


def _flat(x: Floats) -> Floats:
    """Rows that lie any distance apart as `(1, h, w * channels)`."""
    shape, strides = (1, len(x), x[0].size), (0, x.strides[0], x.itemsize)
    return np.lib.stride_tricks.as_strided(x, shape, strides)


def _finite(y: Floats, taps: int) -> bool:
    """Whether all samples that products along columns made `y` of were finite.

    A product multiplies each sample of a block with a tap or with 0: the first output of a block tells of them all.
    """
    seen = y[:: processor().column_block(taps)]
    return math.isfinite(np.add.reduce(seen, axis=None)) or bool(np.isfinite(seen).all())
