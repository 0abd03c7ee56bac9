"""A kernel along a line of samples, such as a sound, from where they lie to where the result goes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from convcli.engine.borders import read_window
from convcli.engine.channel.direct import direct
from convcli.engine.channel.line_fourier import lines, pieces
from convcli.engine.channel.passes import ACROSS, product_line
from convcli.engine.facts import Facts
from convcli.engine.geometry import Gather, Window
from convcli.engine.memory import scratch
from convcli.engine.plan import Plan
from convcli.engine.sink import float_target
from convcli.engine.threads import run_cuts

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, Floats


#: Outputs of a band of products.
BAND = 1 << 18


def run_line(
    x: Array,
    taps: Floats,
    plan: Plan,
    windows: Sequence[Window],
    border: str,
    store: Callable[[Floats, int], None],
    otherwise: Callable[[Floats], Floats],
) -> bool:
    """The kernel `taps` on the line `x`, `(n, 1)`; False where `plan` is not for samples as they lie.

    `otherwise(samples)` computes a band whose samples are not fit for a Fourier transform.
    """
    (window,) = windows
    out = float_target(store, taps.dtype)
    plain = isinstance(window, Gather) and window.stride == window.dilation == 1
    if plan.algorithm == "direct" or not plain or out is None or x.shape[1] != 1 or x.dtype != taps.dtype:
        return False
    if not (x.flags.c_contiguous and out.flags.c_contiguous):
        return False
    tile = plan.tile[1] if plan.algorithm == "fourier" else 0

    def band(cut: tuple[int, int]) -> None:
        low, high = window.reads(*cut)
        if low >= 0 and high <= len(x):
            source = x[low:high, 0]
        else:
            held = scratch("window", (high - low, 1), x.dtype)
            source = read_window(x, [(low, high)], border, x.dtype, out=held)[:, 0]
        target = out[slice(*cut), 0]
        if not tile:
            along(source, taps, target)
        elif Facts(source, plain=False).bounded:
            lines(source[None], taps[None], tile, target[None])
        else:
            target[:] = otherwise(source)

    run_cuts(band, bands(window.length, tile - taps.size + 1, pieces(tile)) if tile else bands(window.length, 1, BAND))
    return True


def bands(length: int, unit: int, most: int) -> list[tuple[int, int]]:
    """A line of `length` in an even number of bands of at most so many units."""
    units = -(-length // unit)
    count = 2 * -(-units // (2 * most)) if units > most else 1
    step = unit * -(-units // count)
    return list(itertools.pairwise([*range(0, length, step), length]))


def along(x: Floats, taps: Floats, y: Floats) -> None:
    """`taps` along `x` into `y`, both in one piece, wherever they fit."""
    product_line(x, taps, y)
    # A product multiplies each sample of a block with a tap or with 0: the first output of a block tells of them all.
    seen = y[::ACROSS]
    if not (math.isfinite(np.add.reduce(seen)) or np.isfinite(seen).all()):
        y[:] = direct(x[None, :, None], taps[None])[0, :, 0]
