"""A sum of separable convolutions of a picture, both passes on one band while it is in the cache.

The pass along columns reads the picture where it lies; borders to the left and right are made from its result (both
passes continue the picture by the same rule, so it does not matter which comes first); the pass along rows writes to
where the result goes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from convcli.borders import read_window, source_indices
from convcli.engine.direct import CHANNEL_LIMIT, one_channel, opencv_layout
from convcli.engine.factors import Factors
from convcli.engine.passes import ROWS, column_block, passes, product_columns, product_rows, rows_by_product
from convcli.engine.threads import run_cuts, scratch
from convcli.geometry import Gather, Window
from convcli.ranges import float_target

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.floating[Any]]

#: Rows of a band, and samples of a row that are filtered at a time: what lies between the passes stays in the cache.
HEIGHT = 128
WIDTH = 2048


def fits(x: npt.NDArray[Any], windows: Sequence[Window]) -> bool:
    """Whether passes can run in bands: stride and dilation 1, and rows of some length."""
    plain = all(isinstance(w, Gather) and w.stride == 1 and (w.dilation == 1 or w.taps == 1) for w in windows)
    return plain and x.ndim == 3 and x.shape[2] <= CHANNEL_LIMIT and x.shape[1] >= 16


def run_fused(
    x: npt.NDArray[Any],
    factors: Factors,
    windows: Sequence[Window],
    border: str,
    store: Callable[[Array, int], None],
) -> None:
    """The sum of the separable kernels `factors` on `x`, `(h, w, channels)`."""

    dtype = factors[0].dtype
    out = float_target(store, dtype)
    x, out = one_channel(x), None if out is None else one_channel(out)
    if out is not None and not opencv_layout(out):
        out = None
    readable = x.dtype == dtype and opencv_layout(x)

    def band(rows: tuple[int, int]) -> None:
        low, high = windows[0].reads(*rows)
        if readable and low >= 0 and high <= x.shape[0]:
            source = x[low:high]
        else:
            shape = (high - low, *x.shape[1:])
            source = read_window(x, [(low, high), (0, x.shape[1])], border, dtype, out=scratch("rows", shape, dtype))
        shape = (rows[1] - rows[0], windows[1].length, x.shape[2])
        result = scratch("band", shape, dtype) if out is None else out[rows[0] : rows[1]]
        if not _band(source, factors, windows[1], border, result):
            # A product would spread what is not finite to places that the kernel does not reach.
            reads = windows[1].reads(0, windows[1].length)
            result[...] = passes(read_window(x, [(low, high), reads], border, dtype), factors, finite=False)
        if out is None:
            store(result, rows[0])

    taps = factors[0].shape[1]
    run_cuts(band, bands(windows[0].length, 0 if readable else taps))


def bands(length: int, least: int = 0) -> list[tuple[int, int]]:
    """Bands of whole blocks of rows, of at least so many rows where that can be."""
    rows = max(HEIGHT, -(-least // ROWS) * ROWS)
    return list(itertools.pairwise([*range(0, length, rows), length]))


def _band(x: Array, factors: Factors, window: Window, border: str, y: Array) -> bool:
    """One band of the picture, all of its columns; False where a sample is not finite."""
    import numpy as np

    height, width, channels = y.shape
    step = max(ROWS, WIDTH // channels, 2 * factors[1].shape[1])
    for left in range(0, width, step):
        right = min(left + step, width)
        low, high = window.reads(left, right)
        first, last = max(low, 0), min(high, x.shape[1])
        wide = scratch("wide", (height, high - low, channels), x.dtype)
        # What is written a few columns at a time is written to the cache, and from there to where it goes.
        part = scratch("part", (height, right - left, channels), x.dtype)
        for index, (down, across) in enumerate(zip(*factors, strict=True)):
            if not _along_columns(x[:, first:last], down, wide[:, first - low : last - low]):
                return False
            _continue(wide, low, high, border, x.shape[1])
            _along_rows(wide, across, part)
            if index:
                np.add(y[:, left:right], part, out=y[:, left:right])
            else:
                np.copyto(y[:, left:right], part)
    return True


def _along_columns(x: Array, taps: Array, y: Array) -> bool:
    """The pass along columns into `y`; False where a sample is not finite."""
    import numpy as np

    if taps.size == 1:
        np.multiply(x, taps[0], out=y)
        seen = y
    else:
        product_columns(_flat(x), taps, _flat(y))
        # A product multiplies each sample of a block with a tap or with 0: the first row of a block tells of them all.
        block = min(column_block(taps.size), y.shape[0])
        seen = y[:: block if y.shape[0] % block == 0 else 1]
    return bool(np.isfinite(seen.sum()) or np.isfinite(seen).all())


def _flat(y: Array) -> Array:
    """`(h, w, channels)` with pixels side by side as rows of samples."""
    from numpy.lib.stride_tricks import as_strided

    return as_strided(y, (y.shape[0], y.shape[1] * y.shape[2]), (y.strides[0], y.itemsize))


def _along_rows(wide: Array, taps: Array, y: Array) -> None:
    """The pass along rows into `y`."""
    import cv2
    import numpy as np

    if taps.size == 1:
        np.multiply(wide, taps[0], out=y)
    elif rows_by_product(taps.size):
        product_rows(wide, taps, y)
    else:
        full = scratch("full", wide.shape, wide.dtype)
        cv2.filter2D(wide, -1, taps[None], dst=full, anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
        y[...] = full[:, : y.shape[1]]


def _continue(wide: Array, low: int, high: int, border: str, width: int) -> None:
    """The columns of `wide`, which reaches from `low` to `high`, that the picture of this width does not have."""
    import numpy as np

    for start, stop in ((low, min(0, high)), (max(width, low), high)):
        if start >= stop:
            continue
        target = wide[:, start - low : stop - low]
        sources = source_indices(np.arange(start, stop), width, border)
        if border == "zero":
            target[...] = 0
        else:
            target[...] = wide.take(sources - low, axis=1)
