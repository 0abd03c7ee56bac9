"""Transposed banks of small inputs with zeros around them: products with all taps, added where they meet.

A product makes what every tap makes of every sample of some rows, where those lie: nothing is laid out, and beyond the
edge nothing is read. Rows end with zeros, so that what one tap adds to a phase of the outputs is one long vector of
products: what it has too much at the end of a row it takes from those zeros, and they add nothing.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from convcli.engine.bank.layouts import pixels, room_for
from convcli.engine.bank.plan import BAND, CALL_BYTES, Speeds
from convcli.engine.dtypes import channels_first, channels_last
from convcli.engine.geometry import constant
from convcli.engine.memory import scratch
from convcli.engine.stamps import Phase, phases, put
from convcli.engine.threads import one_thread_below, run_all

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, Call, Floats, Signature
    from convcli.engine.geometry import Scatter

#: Bytes of the products that are added up together: about what the caches of a core hold.
PRODUCT_BYTES = 1 << 21
#: The fewest outputs that threads share, instead of rows.
SHARED = 16


def is_spread(shape: Sequence[int], lengths: Sequence[int], outputs: int, border: str, itemsize: int = 4) -> bool:
    """Whether an input of this `shape` `(*spatial, channels)` is small enough, and has zeros around it."""
    size = itemsize * (math.prod(shape) + outputs * math.prod(lengths))
    return len(lengths) == 2 and size <= CALL_BYTES and constant(border) == 0


def spread_call(x: Signature, weights: Floats, windows: Sequence[Scatter], border: str, speeds: Speeds) -> Call | None:
    """All of a small result by a transposed bank `(out, in, down, across)`, in two bands where each is worth a thread.

    None where the border is another one, or more is read and written than caches hold.
    """
    outputs, inputs, *taps = weights.shape
    lengths = [window.length for window in windows]
    small = is_spread(x.shape, lengths, outputs, border, np.dtype(x.work).itemsize)
    if not small or x.dtype != x.work or x.native:
        return None
    columns = list(phases(windows[1], 0, lengths[1], 0))
    pad = _pad(columns, x.shape[1])
    worth = weights.size * math.prod(x.shape[:2]) * speeds.product >= 2 * BAND
    # Planes are put together by few calls where all of their rows are, by one for each of them else.
    shared = worth and outputs >= SHARED
    per_output = np.dtype(x.work).itemsize * math.prod(taps) * math.prod(x.shape[:2])
    parts = min(outputs, -(-outputs * per_output // PRODUCT_BYTES))
    parts = 2 * -(-parts // 2) if shared else parts
    cuts = itertools.pairwise(outputs * part // parts for part in range(parts + 1))
    matrices = [
        (slice(*cut), np.ascontiguousarray(weights[slice(*cut)].transpose(2, 3, 0, 1)).reshape(-1, inputs))
        for cut in cuts
    ]
    step, height = windows[0].stride, lengths[0]
    half = -(-height // (2 * step)) * step
    bands = [(0, half), (half, height)] if worth and not shared and half < height else [(0, height)]
    pieces = [(band, matrices) for band in bands] if not shared else [(bands[0], [one]) for one in matrices]

    def call(array: Array, out: Floats | None) -> Floats:
        y = room_for(lengths, outputs, x.work, planes=x.planes) if out is None else out

        def make(piece: tuple[tuple[int, int], list[tuple[slice, Floats]]]) -> None:
            band, own = piece
            start, stop = (min(max(0, row), x.shape[0]) for row in windows[0].reads(*band))
            rows = list(phases(windows[0], *band, start))
            samples = _padded(array[start:stop], pad, planes=x.planes)
            for some, matrix in own:
                products = scratch("tap products", (len(matrix), samples.shape[1]), y.dtype)
                np.matmul(matrix, samples, out=products)
                by_taps = products.reshape(*taps, some.stop - some.start, stop - start, x.shape[1] + pad)
                _put_together(by_taps, rows, columns, y[slice(*band)][..., some])

        with one_thread_below():
            run_all(make, pieces)
        return y

    return call


def _pad(columns: Sequence[Phase], width: int) -> int:
    """Zeros behind each row, for all that phases of its outputs read beyond either end of it."""
    pad = 0
    for phase in columns:
        last = phase.source + (_count(phase) - 1) * phase.dilation
        pad = max(pad, -phase.source, last + phase.count - width, phase.count - width)
    return pad


def _count(phase: Phase) -> int:
    """Taps that meet in each output."""
    return len(_taps(phase))


def _taps(phase: Phase) -> range:
    """Those taps, in the order of the inputs that they meet."""
    first, step = phase.taps.start, phase.taps.step
    return range(first, -1 if phase.taps.stop is None else phase.taps.stop, step)


def _padded(x: Floats, pad: int, *, planes: bool) -> Floats:
    """`(height, width, channels)` as `(channels, height * (width + pad))`, in the order in which it lies."""
    height, width, channels = x.shape
    room = x
    if pad:
        room = room_for((height, width + pad), channels, x.dtype, planes=planes, name="padded")
        room[:, :width] = x
        room[:, width:] = 0
    samples = height * (width + pad)
    return channels_first(room).reshape(channels, samples) if planes else room.reshape(samples, channels).T


def _put_together(by_taps: Floats, rows: Sequence[Phase], columns: Sequence[Phase], y: Floats) -> None:
    """Fills `y` `(height, width, out)` from products `(down, across, out, rows, columns)` with zeros behind rows."""
    if sum(row.count for row in rows) * sum(column.count for column in columns) < y.shape[0] * y.shape[1]:
        y[...] = 0
    turned = y.strides[1] != y.itemsize
    for row in rows:
        results = []
        for number, column in enumerate(columns):
            result = channels_last(_summed(by_taps, row, column, f"phase {number}"))
            results.append(pixels(result, f"turned {number}") if turned else result)
        put(results, y[row.outputs], columns, planes=not turned)


def _summed(by_taps: Floats, row: Phase, column: Phase, name: str) -> Floats:
    """One phase of the outputs, `(out, rows, columns)`: of every tap that meets it one long vector for each output."""
    *_, outputs, height, pitch = by_taps.shape
    taps = [(_taps(phase), phase.source, phase.dilation) for phase in (row, column)]
    if all(len(own) == 1 and not source for own, source, _ in taps) and row.count <= height:
        only: Floats = by_taps[taps[0][0][0], taps[1][0][0]][:, : row.count, : column.count]
        return only
    sums = scratch(name, (outputs, row.count * pitch), by_taps.dtype)
    for (place, down), (other, across) in itertools.product(*(enumerate(own) for own, _, _ in taps)):
        shift = (taps[0][1] + place * taps[0][2]) * pitch + taps[1][1] + other * taps[1][2]
        first = min(max(0, -shift), row.count * pitch)
        last = max(first, min(row.count * pitch, height * pitch - shift))
        own, added = sums[:, first:last], by_taps[down, across].reshape(outputs, height * pitch)
        if place or other:
            np.add(own, added[:, first + shift : last + shift], out=own)
        else:
            np.copyto(own, added[:, first + shift : last + shift])
            sums[:, :first], sums[:, last:] = 0, 0
    phase: Floats = sums.reshape(outputs, row.count, pitch)[..., : column.count]
    return phase
