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
from convcli.engine.passes import (
    ROWS,
    along_columns,
    column_block,
    passes,
    product_columns,
    product_rows,
    rows_by_product,
)
from convcli.engine.threads import run_cuts, scratch
from convcli.geometry import Gather, Window
from convcli.ranges import cell_store, float_target

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

    import numpy as np

    dtype = factors[0].dtype
    out, cells = float_target(store, dtype), cell_store(store)
    x, out = one_channel(x), None if out is None else one_channel(out)
    channels, width = x.shape[2], windows[1].length
    step = max(ROWS, WIDTH // channels, 2 * factors[1].shape[1])

    def band(rows: tuple[int, int]) -> None:
        whole = None
        if out is None and cells is None:
            whole = scratch("band", (rows[1] - rows[0], width, channels), dtype)
        for left in range(0, width, step):
            region = (rows, (left, min(left + step, width)))
            part = _strip(x, factors, windows, border, region)
            if out is not None:
                np.copyto(out[slice(*rows), slice(*region[1])], part)
            elif cells is not None:
                cells(part, rows[0], left)
            elif whole is not None:
                whole[:, slice(*region[1])] = part
        if whole is not None:
            store(whole, rows[0])

    taps = factors[0].shape[1]
    run_cuts(band, bands(windows[0].length, 0 if x.dtype == dtype else taps))


def bands(length: int, least: int = 0) -> list[tuple[int, int]]:
    """Bands of whole blocks of rows, of at least so many rows where that can be."""
    rows = max(HEIGHT, -(-least // ROWS) * ROWS)
    return list(itertools.pairwise([*range(0, length, rows), length]))


def _strip(
    x: npt.NDArray[Any], factors: Factors, windows: Sequence[Window], border: str, region: tuple[tuple[int, int], ...]
) -> Array:
    """A few columns of a band, in the cache from where they are read to where they are stored."""
    import numpy as np

    dtype = factors[0].dtype
    (top, bottom), (low, high) = (window.reads(*part) for window, part in zip(windows, region, strict=True))
    first, last = max(low, 0), min(high, x.shape[1])
    if x.dtype == dtype and top >= 0 and bottom <= x.shape[0] and opencv_layout(x):
        source = x[top:bottom, first:last]
    else:
        rows = scratch("rows", (bottom - top, last - first, x.shape[2]), dtype)
        source = read_window(x[:, first:last], [(top, bottom), (0, last - first)], border, dtype, out=rows)
    height, width = (stop - start for start, stop in region)
    wide = scratch("wide", (height, high - low, x.shape[2]), dtype)
    y, more = (scratch(name, (height, width, x.shape[2]), dtype) for name in ("strip", "more"))
    for index, (down, across) in enumerate(zip(*factors, strict=True)):
        finite = _along_columns(source, down, wide[:, first - low : last - low])
        if not finite or not _continue(wide, low, high, border, x, (top, bottom), down):
            # A product would spread what is not finite to places that the kernel does not reach.
            return passes(read_window(x, [(top, bottom), (low, high)], border, dtype), factors, finite=False)
        _along_rows(wide, across, more if index else y)
        if index:
            np.add(y, more, out=y)
    return y


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


def _continue(
    wide: Array, low: int, high: int, border: str, x: npt.NDArray[Any], rows: tuple[int, int], down: Array
) -> bool:
    """Makes the columns of `wide`, which reaches from `low` to `high`, that the picture `x` does not have.

    False where a sample is not finite.
    """
    import numpy as np

    width = x.shape[1]
    for start, stop in ((low, min(0, high)), (max(width, low), high)):
        if start >= stop:
            continue
        target = wide[:, start - low : stop - low]
        sources = source_indices(np.arange(start, stop), width, border)
        if border == "zero":
            target[...] = 0
        elif sources.min() >= low and sources.max() < high:
            target[...] = wide.take(sources - low, axis=1)
        else:
            # What continues the picture here lies in another strip.
            source = read_window(x, [rows, (start, stop)], border, wide.dtype)
            if not np.isfinite(source).all():
                return False
            target[...] = along_columns(source, down, finite=True)
    return True
