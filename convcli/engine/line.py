"""Matrix products along a line of samples, such as a sound, from where they lie to where the result goes.

The line is read as the rows of a picture, each of which goes on a little into the next one: blocks of outputs below one
another then are the rows of a product, as they are in a picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from convcli.borders import read_window
from convcli.engine.direct import direct
from convcli.engine.passes import ACROSS, ROWS, row_steps, run, view
from convcli.engine.threads import run_cuts, scratch
from convcli.geometry import Gather, Window
from convcli.ranges import float_target

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.floating[Any]]

#: Outputs of a row: whole blocks, and no power of two, at which rows would share their places in the cache.
ROW = 2016
#: Outputs of a band.
BAND = ROWS // 2 * ROW


def run_line(
    x: npt.NDArray[Any], taps: Array, windows: Sequence[Window], border: str, store: Callable[[Array, int], None]
) -> bool:
    """The kernel `taps` on the line `x`, `(n, 1)`; False where that is nothing for products on samples as they lie."""
    (window,) = windows
    out = float_target(store, taps.dtype)
    plain = isinstance(window, Gather) and window.stride == window.dilation == 1
    if not plain or out is None or x.shape[1] != 1 or x.dtype != taps.dtype:
        return False
    if not (x.flags.c_contiguous and out.flags.c_contiguous):
        return False

    def band(cut: tuple[int, int]) -> None:
        low, high = window.reads(*cut)
        if low >= 0 and high <= len(x):
            source = x[low:high, 0]
        else:
            held = scratch("window", (high - low, 1), x.dtype)
            source = read_window(x, [(low, high)], border, x.dtype, out=held)[:, 0]
        along(source, taps, out[slice(*cut), 0])

    run_cuts(band, [(start, min(start + BAND, window.length)) for start in range(0, window.length, BAND)])
    return True


def along(x: Array, taps: Array, y: Array) -> None:
    """`taps` along `x` into `y`, both in one piece, wherever they fit."""
    import numpy as np

    rows, reach = y.size // ROW, ROW + taps.size - 1
    whole = rows * ROW
    steps = []
    if rows:
        held = view(x, (1, rows, reach), (0, ROW * x.itemsize, x.itemsize))
        steps += row_steps(held, taps, y[:whole].reshape(1, rows, ROW))
    if whole < y.size:
        steps += row_steps(x[None, None, whole:], taps, y[None, None, whole:])
    run(steps)
    # A product multiplies each sample of a block with a tap or with 0: the first output of a block tells of them all.
    seen = y[:: min(ACROSS, y.size)]
    if not (math.isfinite(np.add.reduce(seen)) or np.isfinite(seen).all()):
        y[:] = direct(x[None, :, None], taps[None])[0, :, 0]
