"""A kernel per channel, each by a call of `filter2D` on its plane; pixels are turned to planes for it, and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from convcli.engine.bank.layouts import join_to, part, room_for
from convcli.engine.bank.plan import BANDED, CALL_BYTES, is_apart
from convcli.engine.channel import whole
from convcli.engine.channel.direct import most_taps
from convcli.engine.dtypes import channels_first, channels_last, planar
from convcli.engine.geometry import even_cuts, grid_of
from convcli.engine.memory import scratch
from convcli.engine.threads import Cuts, run_all

if TYPE_CHECKING:
    from convcli.engine.bank.bank import Filters, Share
    from convcli.engine.dtypes import Array, Call, Floats, Signature
    from convcli.engine.geometry import Window
    from convcli.engine.plan import Plan
    from convcli.engine.sink import Sink


def filter_apart(
    x: Floats, weights: Floats, y: Floats, windows: Sequence[Window], border: str, *, first: int = 0
) -> None:
    """Fills `y` `(*lengths, out)` from `x` `(height, width, channels)` by `weights` `(out, 1, *taps)`.

    The first row of `y` has its place in row `first` of `x`. Of what a stride leaves out all is made.
    """
    planes, lengths, outputs = part(x, "source planes"), y.shape[:-1], len(weights)
    steps, anchor = [window.stride for window in windows], (windows[1].before, windows[0].before)
    every = tuple(slice(at, at + (n - 1) * by + 1, by) for at, n, by in zip((first, 0), lengths, steps, strict=True))
    there, strided = planar(y) or (outputs == 1 and planar(x)), max(steps) > 1
    whole_planes = there and not strided and lengths == planes.shape[1:]
    filtered = scratch("result planes", (outputs, *(lengths if strided else planes.shape[1:])), x.dtype)
    filtered = channels_first(y) if whole_planes else filtered
    for channel, (own,) in enumerate(weights):
        full = scratch("full", planes.shape[1:], x.dtype) if strided else filtered[channel]
        cv2.filter2D(
            planes[channel * len(planes) // outputs], -1, own, dst=full, anchor=anchor, borderType=whole.RULES[border]
        )
        if strided:
            np.copyto(filtered[channel], full[every])
    if not whole_planes:
        result = filtered if strided else filtered[:, *every]
        join_to(channels_last(result), y)


def apart_cuts(x: Array, filters: Filters, windows: Sequence[Window], border: str, sink: Sink) -> Cuts | None:
    """All of a large input that lies as pixels, in bands of rows that are turned; None where that is not possible."""
    outputs, inputs, *taps = filters.shape
    plan, work = filters.plan(grid_of(windows), planes=False), filters.weights.dtype
    apart = plan.algorithm == "planes" and is_apart(inputs, taps, [window.dilation for window in windows], BANDED)
    if planar(x) or not apart or not whole.fits((*x.shape[:2], 1), tuple(taps), windows, border):
        return None
    lengths = [window.length for window in windows]
    out, high, count = sink.target(work), len(x), -(-lengths[0] // plan.rows)

    def band(rows: tuple[int, int]) -> None:
        start, stop = windows[0].reads(*rows)
        # A border rule reads what is next to the border.
        start, stop = max(0, min(start, high - 2 * taps[0])), min(high, max(stop, 2 * taps[0]))
        source = x[start:stop]
        if x.dtype != work:
            source = scratch("float", source.shape, work)
            np.copyto(source, x[start:stop])
        sizes = rows[1] - rows[0], *lengths[1:]
        y = room_for(sizes, outputs, work, planes=False) if out is None else out[slice(*rows)]
        place = rows[0] * windows[0].stride - start
        filter_apart(source, filters.weights, y, windows, border, first=place)
        sink.store(y, rows[0])

    return Cuts(band, even_cuts(lengths[0], count))


def planes_call(x: Signature, filters: Filters, windows: Sequence[Window], border: str, plan: Plan) -> Call | None:
    """All of a small input; None where that is not what the filters are."""
    outputs, inputs, *taps = filters.shape
    lengths = [window.length for window in windows]
    if (
        not is_apart(inputs, taps, [window.dilation for window in windows], most_taps(x.work) + 1)
        or not whole.fits((*x.shape[:2], 1), tuple(taps), windows, border, parts=False)
        or (math.prod(x.shape) + outputs * math.prod(lengths)) * np.dtype(x.work).itemsize > CALL_BYTES
    ):
        return None
    shares = filters.shares(plan.shares)

    def call(array: Array, out: Floats | None) -> Floats:
        y = room_for(lengths, outputs, x.work, planes=x.planes) if out is None else out

        def make(share: Share) -> None:
            source = array[..., share.inputs]
            if x.dtype != x.work:
                floats = room_for(x.shape[:2], source.shape[2], x.work, planes=x.planes, name="float")
                np.copyto(floats, source)
                source = floats
            filter_apart(source, share.filters.weights, y[..., share.outputs], windows, border)

        run_all(make, shares)
        return y

    return call
