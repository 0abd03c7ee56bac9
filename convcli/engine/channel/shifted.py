"""Few taps far apart, in blocks that are small enough for `filter2D`, each on the picture moved to where it reads.

OpenCV passes over the zeros in a block; those between blocks are in none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from convcli.engine import tiles
from convcli.engine.borders import read_window
from convcli.engine.channel.direct import most_taps, one_channel, opencv_layout
from convcli.engine.channel.phases import spread_taps
from convcli.engine.channel.plain_call import PlainCall
from convcli.engine.channel.whole import RULES
from convcli.engine.geometry import Gather, extent
from convcli.engine.memory import results, scratch
from convcli.engine.plan import FOURIER_AREA
from convcli.engine.threads import Cuts

if TYPE_CHECKING:
    from convcli.engine.channel.correlation import Correlation
    from convcli.engine.dtypes import Array, Floats, Signature
    from convcli.engine.geometry import Window
    from convcli.engine.sink import Sink

#: The most taps; of more the rows fall apart into plain convolutions instead (`phases`).
MOST = 16
#: Nanoseconds on one core to read a sample and its border, and for each tap.
READ, ADDED = 0.15, 0.07


def fits(x: Array | Signature, taps: Floats, windows: Sequence[Window]) -> bool:
    """Whether this is a dilated kernel of few taps on pixels, which with its zeros is too large for `filter2D`."""
    if taps.ndim != 2 or len(x.shape) != 3 or not all(isinstance(window, Gather) for window in windows):
        return False
    area = extent(taps.shape[0], windows[0].dilation) * extent(taps.shape[1], windows[1].dilation)
    plain = all(window.stride == 1 for window in windows)
    return plain and area >= FOURIER_AREA and bool(0 < np.count_nonzero(taps) <= MOST < area / 4)


def cost(taps: Floats) -> float:
    """Nanoseconds on one core for an output sample."""
    return READ + ADDED * int(np.count_nonzero(taps))


def shifted(work: Correlation) -> Cuts:
    """In bands of rows."""
    (down, across), taps, border = work.windows, work.taps, work.border
    reads, there = across.reads(0, across.length), work.sink.target(taps.dtype) is not None
    shape, blocks = (across.length, work.x.shape[2]), _blocks(taps, work.windows)
    there = there and opencv_layout(one_channel(work.sink.out))

    def band(x: Array, sink: Sink, rows: tuple[int, int]) -> None:
        ranges = [down.reads(*rows), reads]
        window = scratch("window", (*(high - low for low, high in ranges), shape[1]), taps.dtype)
        read_window(x, ranges, border, taps.dtype, out=window)
        y = sink.out[slice(*rows)] if there else scratch("shifted", (rows[1] - rows[0], *shape), taps.dtype)
        _add_up(window, blocks, one_channel(y))
        sink.store(y, rows[0])

    return Cuts.on(work.x, work.sink, band, tiles.bands(work.x.shape, work.windows, taps.itemsize))


def shifted_call(x: Signature, taps: Floats, windows: Sequence[Window], border: str) -> PlainCall:
    """All of a picture at once."""
    ranges, blocks = [window.reads(0, window.length) for window in windows], _blocks(taps, windows)
    pads = [(-low, high - n) for (low, high), n in zip(ranges, x.shape, strict=False)]
    (above, below), (left, right) = pads
    plain = border in RULES and min(above, below, left, right) >= 0
    shape = (*(window.length for window in windows), x.shape[2])

    def filtered(picture: Array, dst: Array | None = None) -> Array:
        y = results(shape[: picture.ndim], x.work) if dst is None else dst
        window: Any
        if plain:
            window = cv2.copyMakeBorder(picture, above, below, left, right, RULES[border])
        else:
            window = read_window(picture, ranges, border, x.work)
        _add_up(window, blocks, y)
        return y

    call = PlainCall(filtered, shape)
    return call if x.dtype == x.work else call.of_floats(x.work)


class _Block(NamedTuple):
    """Some taps, with the zeros between them, and how far they lie from the first of all."""

    top: int
    left: int
    taps: Floats


def _blocks(taps: Floats, windows: Sequence[Window]) -> list[_Block]:
    """All taps that are not 0: as many rows together as can be, and as many columns of these."""
    (down, across), most, blocks = (window.dilation for window in windows), most_taps(taps.dtype), []
    rows, columns = (np.flatnonzero(taps.any(axis=axis)).tolist() for axis in (1, 0))
    for top, bottom in _runs(rows, down, most // extent(columns[-1] - columns[0] + 1, across)):
        part = taps[top : bottom + 1]
        own = np.flatnonzero(part.any(axis=0)).tolist()
        for left, right in _runs(own, across, most // extent(len(part), down)):
            spread = spread_taps(spread_taps(part[:, left : right + 1], across).T, down).T
            blocks.append(_Block(top * down, left * across, np.ascontiguousarray(spread)))
    return blocks


def _runs(places: Sequence[int], dilation: int, most: int) -> list[tuple[int, int]]:
    """`places` of taps in runs, first and last of each, that span at most so many samples, or are a single tap."""
    runs: list[tuple[int, int]] = []
    for place in places:
        if runs and extent(place - runs[-1][0] + 1, dilation) <= most:
            runs[-1] = runs[-1][0], place
        else:
            runs.append((place, place))
    return runs


def _add_up(window: Floats, blocks: Sequence[_Block], y: Floats) -> None:
    """The outputs of a window that holds all that they read, in `y`, where OpenCV can write."""
    height, width = y.shape[:2]
    first: Floats | None = None
    for number, (top, left, taps) in enumerate(blocks):
        part = window[top : top + height + len(taps) - 1, left : left + width + taps.shape[1] - 1]
        term = results(part.shape, y.dtype)
        cv2.filter2D(part, -1, taps, dst=term, anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
        term = term[:height, :width]
        if first is None:
            first = term
        else:
            cv2.add(first if number == 1 else y, term, dst=y)
    if first is not None and len(blocks) == 1:
        np.copyto(y, first.reshape(y.shape))
