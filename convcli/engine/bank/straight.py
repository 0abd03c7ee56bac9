"""Columns of pixels straight from where a small input lies: beyond it they are 0, and no window with a border is made.

Outputs along an axis whose taps all lie within the input are laid out together, the few at its ends one by one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from convcli.engine.bank.columns import multiply_pixels
from convcli.engine.bank.layouts import pixels, room_for
from convcli.engine.bank.plan import by_pixels
from convcli.engine.geometry import constant
from convcli.engine.memory import scratch
from convcli.engine.threads import one_thread_below, run_all
from convcli.engine.tiles import bands
from convcli.records import record

if TYPE_CHECKING:
    from convcli.engine.bank.bank import Filters, Share
    from convcli.engine.dtypes import Array, Call, Floats, Signature
    from convcli.engine.geometry import Window
    from convcli.engine.plan import Plan

#: Copies that a window with a border is worth.
COPIES = 16


@record(kw_only=False)
class Reads:
    """What outputs read along an axis of `samples`: output `o` and tap `t`, of so many, sample `stride*o + dilation*t +
    first`, if there is such."""

    samples: int
    outputs: int
    taps: int
    first: int
    stride: int = 1
    dilation: int = 1

    def whole(self) -> range:
        """The outputs whose taps all lie within."""
        last = self.first + self.dilation * (self.taps - 1)
        start = min(self.outputs, max(0, -(self.first // self.stride)))
        return range(start, max(start, min(self.outputs, (self.samples - 1 - last) // self.stride + 1)))

    @property
    def is_whole(self) -> bool:
        """Whether there is an output for each sample, which has all of its taps."""
        return self.whole() == range(self.outputs) == range(self.samples)

    def parts(self) -> Iterator[tuple[slice, slice, int]]:
        """Outputs with the same taps within, those taps, and the sample that the first of each read."""
        whole = self.whole()
        if whole:
            yield slice(whole.start, whole.stop), slice(0, self.taps), self.first + self.stride * whole.start
        for output in (*range(whole.start), *range(whole.stop, self.outputs)):
            first = self.first + self.stride * output
            start = min(self.taps, max(0, -(first // self.dilation)))
            stop = min(self.taps, (self.samples - 1 - first) // self.dilation + 1)
            if start < stop:
                yield slice(output, output + 1), slice(start, stop), first + self.dilation * start


class Columns:
    """Where the columns of outputs come from: `(*outputs, *taps, channels)` of pixels `(*samples, channels)`."""

    def __init__(self, axes: Sequence[Reads], channels: int, itemsize: int) -> None:
        outputs, taps = [axis.outputs for axis in axes], [axis.taps for axis in axes]
        steps = [math.prod(axis.samples for axis in axes[at:]) * channels * itemsize for at in range(1, len(axes) + 1)]
        outer = [step * axis.stride for step, axis in zip(steps, axes, strict=True)]
        strides = (*outer, *(step * axis.dilation for step, axis in zip(steps, axes, strict=True)), itemsize)
        self.shape = (*outputs, *taps, channels)
        self.size = math.prod(outputs), math.prod(taps) * channels
        #: Whether they are the pixels themselves, one after the other.
        self.is_all = all(axis.taps == axis.stride == 1 and axis.is_whole for axis in axes)
        #: What is 0 but for the taps that are copied to it: outputs at the ends of each axis.
        self.ends: list[tuple[slice, ...]] = []
        for at, whole in enumerate(axis.whole() for axis in axes):
            ends = [slice(0, whole.start)] * (whole.start > 0) + [slice(whole.stop, None)] * (whole.stop < outputs[at])
            self.ends += [(slice(None),) * at + (end,) for end in ends]
        #: The place of each copy, and its first byte, shape and strides among the pixels.
        self.copies: list[tuple[Any, ...]] = []
        for parts in itertools.product(*(axis.parts() for axis in axes)):
            place = *(some for some, _, _ in parts), *(some for _, some, _ in parts)
            shape = (*(some.stop - some.start for some in place), channels)
            first = sum(step * start for step, (_, _, start) in zip(steps, parts, strict=True))
            self.copies.append((place, first, shape, strides))

    def laid(self, x: Floats) -> Floats:
        """The columns `(outputs, depth)` of pixels `x` in one piece."""
        columns = scratch("columns", self.shape, x.dtype)
        for place in self.ends:
            columns[place] = 0
        for place, first, shape, strides in self.copies:
            columns[place] = np.ndarray(shape, x.dtype, x, first, strides)
        return columns.reshape(self.size)


def straight_call(x: Signature, filters: Filters, windows: Sequence[Window], border: str, plan: Plan) -> Call | None:
    """All of a small result by columns of pixels, in bands that are shared by threads.

    None where columns are made of planes, what lies outside is another number than 0, or a window is as good.
    """
    outputs, inputs, itemsize = *filters.shape[:2], filters.weights.itemsize
    lengths = [window.length for window in windows]
    if not by_pixels(inputs, filters.groups) or constant(border) != 0 or x.dtype != x.work:
        return None
    cuts = bands(x.shape, windows, itemsize, plan.rows, outputs, small=True) if plan.shares == 1 else [(0, lengths[0])]
    inner = [_reads(window, (0, window.length), (0, n)) for window, n in zip(windows[1:], x.shape[1:], strict=False)]
    pieces: list[tuple[slice, Columns, slice, Share]] = []
    for cut in cuts:
        start, stop = within(windows[0].reads(*cut), x.shape[0])
        layout = Columns([_reads(windows[0], cut, (start, stop)), *inner], inputs, itemsize)
        if len(layout.copies) > COPIES:
            return None
        pieces += [(slice(start, stop), layout, slice(*cut), share) for share in filters.shares(plan.shares)]

    def call(array: Array, out: Floats | None) -> Floats:
        y = room_for(lengths, outputs, x.work, planes=x.planes) if out is None else out

        def make(piece: tuple[slice, Columns, slice, Share]) -> None:
            rows, layout, cut, share = piece
            columns = layout.laid(pixels(array[rows], "source"))
            multiply_pixels(columns, share.filters.columns[0], y[cut][..., share.outputs])

        with one_thread_below(), np.errstate(over="ignore", invalid="ignore"):
            run_all(make, pieces)
        return y

    return call


def within(places: tuple[int, int], n: int) -> tuple[int, int]:
    """What of a range lies in `0 .. n`."""
    start, stop = (min(max(0, place), n) for place in places)
    return start, stop


def _reads(window: Window, outputs: tuple[int, int], samples: tuple[int, int]) -> Reads:
    """What some outputs read of some samples."""
    first = window.reads(*outputs)[0] - samples[0]
    return Reads(samples[1] - samples[0], outputs[1] - outputs[0], window.taps, first, window.stride, window.dilation)
