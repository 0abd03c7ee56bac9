"""A separable convolution of a picture, both passes on one band while it is in the cache.

The pass along columns reads the picture where it lies; borders to the left and right are made from its result (both
passes continue the picture by the same rule, so it does not matter which comes first); the pass along rows writes to
where the result goes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from convcli.borders import read_window, source_indices
from convcli.engine import tiles
from convcli.engine.direct import CHANNEL_LIMIT, one_channel, opencv_layout
from convcli.engine.facts import Facts
from convcli.engine.passes import columns_by_product, product_columns, product_rows, rows_by_product
from convcli.engine.plan import FOURIER_AREA
from convcli.engine.threads import run_cuts, scratch
from convcli.engine.whole import RULES
from convcli.geometry import Gather, Window
from convcli.ranges import float_target

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.floating[Any]]


def fits(x: npt.NDArray[Any], taps: tuple[int, int], windows: Sequence[Window]) -> bool:
    """Whether these passes can run in bands: stride and dilation 1, and rows of at least two taps."""
    plain = all(isinstance(w, Gather) and w.stride == 1 and (w.dilation == 1 or w.taps == 1) for w in windows)
    short = taps[0] < FOURIER_AREA or taps[1] < FOURIER_AREA
    return plain and short and x.ndim == 3 and x.shape[2] <= CHANNEL_LIMIT and x.shape[1] >= 16


def run_fused(
    x: npt.NDArray[Any],
    down: Array,
    across: Array,
    windows: Sequence[Window],
    border: str,
    store: Callable[[Array, int], None],
) -> None:
    """`down` along the columns and `across` along the rows of `x`, `(h, w, channels)`."""
    import numpy as np

    dtype = down.dtype
    out = float_target(store, dtype)
    x, out = one_channel(x), None if out is None else one_channel(out)
    if out is not None and not opencv_layout(out):
        out = None
    width, channels = x.shape[1:]
    readable = x.dtype == dtype and opencv_layout(x)
    plain = x.dtype.kind != "f"

    def band(rows: tuple[int, int]) -> None:
        low, high = windows[0].reads(*rows)
        if readable and low >= 0 and high <= x.shape[0]:
            source = x[low:high]
        else:
            shape = (high - low, width, channels)
            source = read_window(x, [(low, high), (0, width)], border, dtype, out=scratch("rows", shape, dtype))
        finite = plain or Facts(source, plain=False).finite
        target = out[rows[0] : rows[1]] if out is not None else None
        result = _along_rows(_along_columns(source, down, finite), across, windows[1], border, finite, target)
        if target is None:
            store(result, rows[0])
        elif result is not target:
            np.copyto(target, result)

    run_cuts(band, tiles._bands(x.shape, windows, dtype.itemsize))


def _along_columns(x: Array, taps: Array, finite: bool) -> Array:
    import cv2
    import numpy as np

    if taps.size == 1:
        return x if taps[0] == 1 else x * taps[0]
    height = x.shape[0] - taps.size + 1
    if columns_by_product(taps.size, finite):
        y = scratch("down", (height, *x.shape[1:]), x.dtype)
        product_columns(np.ascontiguousarray(x).reshape(x.shape[0], -1), taps, y.reshape(height, -1))
        return y
    y = scratch("down", x.shape, x.dtype)
    cv2.filter2D(x, -1, taps[:, None], dst=y, anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
    return y[:height]


def _along_rows(x: Array, taps: Array, window: Window, border: str, finite: bool, target: Array | None) -> Array:
    """The pass along rows, into `target` where there is one and it can be written to at once."""
    import cv2

    height, width, channels = x.shape
    low, high = window.reads(0, window.length)
    shape = (height, window.length, channels)
    if taps.size == 1 and (low, high) == (0, width):
        return x if taps[0] == 1 else x * taps[0]
    product = rows_by_product(taps.size, finite, height)
    y = target if target is not None else scratch("across", shape, x.dtype)
    if not product and border in RULES and window.length == width and -low < taps.size and width >= taps.size:
        cv2.filter2D(x, -1, taps[None], dst=y, anchor=(-low, 0), borderType=RULES[border])
        return y
    wide = scratch("wide", (height, high - low, channels), x.dtype)
    _widen(x, low, high, border, wide)
    if not product:
        full = scratch("full", wide.shape, x.dtype)
        cv2.filter2D(wide, -1, taps[None], dst=full, anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
        return full[:, : window.length]
    product_rows(wide, taps, y)
    return y


def _widen(x: Array, low: int, high: int, border: str, wide: Array) -> None:
    """`x` with its columns continued to `low .. high`."""
    import numpy as np

    width = x.shape[1]
    first, last = max(low, 0), min(high, width)
    wide[:, first - low : last - low] = x[:, first:last]
    for start, stop in ((low, min(0, high)), (max(width, low), high)):
        if start < stop:
            target = wide[:, start - low : stop - low]
            if border == "zero":
                target[...] = 0
            else:
                target[...] = x.take(source_indices(np.arange(start, stop), width, border), axis=1)
