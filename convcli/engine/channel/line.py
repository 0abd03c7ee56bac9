"""A kernel along a line of samples, such as a sound, from where they lie to where the result goes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from convcli.engine.borders import read_window
from convcli.engine.channel.correlation import Correlation, Otherwise
from convcli.engine.channel.direct import direct
from convcli.engine.channel.line_fourier import lines, pieces
from convcli.engine.channel.passes import product_line
from convcli.engine.geometry import Gather, cuts_of
from convcli.engine.memory import scratch
from convcli.engine.plan import Plan
from convcli.engine.processor import ACROSS
from convcli.engine.threads import Cuts

if TYPE_CHECKING:
    from convcli.engine.dtypes import Floats

#: Outputs of a band of products.
BAND = 1 << 18


def along_line(work: Correlation, plan: Plan, otherwise: Otherwise) -> Cuts | None:
    """A kernel on a line `(n, 1)`; None where `plan` is not for samples as they lie.

    `otherwise(samples)` computes a band whose samples are not fit for a Fourier transform.
    """
    x, taps, (window,) = work.x, work.taps, work.windows
    out = work.sink.target(taps.dtype)
    plain = isinstance(window, Gather) and window.stride == window.dilation == 1
    if plan.algorithm == "direct" or not plain or out is None or x.shape[1] != 1 or x.dtype != taps.dtype:
        return None
    if not (x.flags.c_contiguous and out.flags.c_contiguous):
        return None
    tile = plan.tile[1] if plan.algorithm == "fourier" else 0

    def band(cut: tuple[int, int]) -> None:
        low, high = window.reads(*cut)
        if low >= 0 and high <= len(x):
            source = x[low:high, 0]
        else:
            space = scratch("window", (high - low, 1), x.dtype)
            source = read_window(x, [(low, high)], work.border, x.dtype, out=space)[:, 0]
        target = out[slice(*cut), 0]
        if not tile:
            along(source, taps, target)
        elif work.facts(source).bounded:
            lines(source[None], taps[None], tile, target[None])
        else:
            target[:] = otherwise(source)
        work.sink.store(out[slice(*cut)], cut[0])

    unit, most = (tile - taps.size + 1, pieces(tile)) if tile else (1, BAND)
    return Cuts(band, bands(window.length, unit, most))


def bands(length: int, unit: int, most: int) -> list[tuple[int, int]]:
    """A line of `length` in an even number of bands of at most so many units."""
    units = -(-length // unit)
    count = 2 * -(-units // (2 * most)) if units > most else 1
    return cuts_of(length, unit * -(-units // count))


def along(x: Floats, taps: Floats, y: Floats) -> None:
    """`taps` along `x` into `y`, both in one piece, wherever they fit."""
    product_line(x, taps, y)
    # A product multiplies each sample of a block with a tap or with 0: the first output of a block tells of them all.
    seen = y[::ACROSS]
    if not (math.isfinite(np.add.reduce(seen)) or np.isfinite(seen).all()):
        y[:] = direct(x[None, :, None], taps[None])[0, :, 0]
