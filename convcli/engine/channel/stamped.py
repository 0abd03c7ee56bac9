"""Transposed kernels on every channel alone: each phase of the outputs is a plain convolution, put in its place."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np

from convcli.engine.borders import read_window
from convcli.engine.channel.direct import CHANNEL_LIMIT, one_channel
from convcli.engine.channel.phases import FEW, correlate_phase
from convcli.engine.channel.plain_call import PlainCall
from convcli.engine.channel.planes import correlate_planes
from convcli.engine.channel.whole import RULES, floats
from convcli.engine.dtypes import planar
from convcli.engine.facts import Facts
from convcli.engine.geometry import Grid, even_cuts
from convcli.engine.memory import results, scratch, scratch_space
from convcli.engine.plan import STAMPED, is_call
from convcli.engine.stamps import MERGED, are_apart, is_tiled, phases, stamp
from convcli.engine.threads import Cuts
from convcli.engine.tiles import Tile

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, Call, Floats, Signature
    from convcli.engine.geometry import Scatter
    from convcli.engine.sink import Sink

#: Bytes of the products that are merged at once, from the cache, and of the results of a band.
PRODUCT_BYTES, BAND_BYTES = 1 << 19, 1 << 21
#: Rows of a band at least, in units of those that it sees around them, which are filtered again.
SEAMS = 4


def stamped(
    weights: Floats, windows: Sequence[Scatter], channels: int
) -> Callable[[Tile, Facts, Floats | None], Floats]:
    """What makes the outputs of a tile, given its facts, in the array that is handed to it where that can be."""
    ones, apart = (1,) * len(windows), are_apart(windows)

    def by_phases(tile: Tile, facts: Facts, into: Floats | None) -> Floats:
        def phase(
            source: Floats, taps: tuple[slice, ...], dilation: tuple[int, ...], lengths: tuple[int, ...], name: str
        ) -> Floats:
            if apart:
                part = source[tuple(slice(0, n) for n in lengths)]
                product: Floats = np.multiply(part, weights[taps].item(), out=scratch(name, part.shape, part.dtype))
                return product
            result = correlate_phase(source, weights[taps], dilation, lengths, name)
            if result is not None:
                return result
            # Others may hand out the same scratch array again.
            return np.array(correlate_planes(source, weights[taps], Grid(ones, dilation, lengths), facts=facts))

        return stamp(tile, windows, channels, phase, into)

    return by_phases


#: `fill(x, within, y)`: what the rows `within` of `x` `(h, w, channels)` stamp, into `y`, which lies in one piece.
_Fill: TypeAlias = "Callable[[Array, slice, Floats], None]"


def stamped_call(x: Signature, taps: Floats, windows: Sequence[Scatter], border: str) -> Call | None:
    """Stamps on a small picture, all at once; None where bands are faster."""
    size = (*(window.length for window in windows), x.shape[-1])
    if x.native or x.planes or len(x.shape) != 3 or taps.ndim != 2 or not is_call(STAMPED * math.prod(size)):
        return None
    if fill := _together(x.shape, taps, windows, border)[0]:
        every = slice(0, x.shape[0])

        def filtered(picture: Array, dst: Array | None = None) -> Array:
            y = results(size, x.work) if dst is None else dst.reshape(size)
            fill(picture if picture.ndim == 3 else picture[..., None], every, y)
            return y if picture.ndim == 3 else y[..., 0]

        return PlainCall(filtered, size)
    ranges = [window.reads(0, window.length) for window in windows]
    tile = tuple(low for low, _ in ranges), tuple((0, window.length) for window in windows)
    make, sizes = stamped(taps, windows, x.shape[2]), [*(high - low for low, high in ranges), x.shape[2]]

    def call(array: Array, out: Array | None) -> Array:
        data = read_window(array, ranges, border, x.work, out=scratch("window", sizes, x.work))
        return make(Tile(data, *tile), Facts(data, plain=x.dtype.kind != "f", algorithm=x.algorithm), out)

    return call


def stamped_cuts(x: Array, taps: Floats, windows: Sequence[Scatter], border: str, sink: Sink) -> Cuts | None:
    """The same in bands of rows, from where the samples lie; None where that can't be."""
    fill, reach = _together(x.shape, taps, windows, border) if taps.ndim == 2 and not planar(x) else (None, 0)
    if fill is None:
        return None
    there = sink.target(taps.dtype) is not None and sink.out.flags.c_contiguous
    height, step, row = x.shape[0], windows[0].stride, (windows[1].length, x.shape[2])

    def band(x: Array, sink: Sink, cut: tuple[int, int]) -> None:
        y = sink.out[slice(*cut)] if there else scratch("stamped", (cut[1] - cut[0], *row), taps.dtype)
        first, last = cut[0] // step, cut[1] // step
        low = max(0, first - reach)
        fill(x[low : min(height, last + reach)], slice(first - low, last - low), y)
        sink.store(y, cut[0])

    return Cuts.on(x, sink, band, bands(height, step, step * math.prod(row) * taps.itemsize, reach))


def bands(height: int, step: int, row: int, reach: int) -> list[tuple[int, int]]:
    """Bands of outputs of `height` rows, each of which makes `step` rows, `row` bytes, and sees so many around it."""
    count = max(1, min(2 * -(-height * row // (2 * BAND_BYTES)), height // max(1, SEAMS * reach)))
    return [(step * start, step * stop) for start, stop in even_cuts(height, count)]


def _together(shape: Sequence[int], taps: Floats, windows: Sequence[Scatter], border: str) -> tuple[_Fill | None, int]:
    """What makes all phases of outputs on pixels of this `shape` by few calls, and the rows that it sees around those
    it makes; None where that can't be, or others are faster."""
    if len(shape) != 3 or any(window.length != n * window.stride for window, n in zip(windows, shape, strict=False)):
        return None, 0
    if all(map(is_tiled, windows)):
        return _tile_pairs(taps) if shape[2] == 1 and not taps.shape[1] % 2 else partial(_tile, taps), 0
    filters = _filters(shape, taps, windows) if border in RULES else None
    if filters is None:
        return None, 0
    reach = max(max(y, part.shape[0] - 1 - y) for part, (_, y) in itertools.chain(*filters))
    return partial(_filter, filters, RULES[border]), reach


def _tile(taps: Floats, x: Array, within: slice, y: Floats) -> None:
    """Stamps that lie side by side: products with the taps, of which those of a row are merged."""
    x = x[within]
    (down, across), (height, width, channels) = taps.shape, x.shape
    if across == 1 or across * channels > MERGED:
        places = y.reshape(height, down, width, across, channels)
        for row, column in itertools.product(range(down), range(across)):
            np.multiply(x, taps[row, column], out=places[:, row, :, column])
        return
    rows = max(1, PRODUCT_BYTES // (taps.nbytes * width * channels))
    for top in range(0, height, rows):
        part = x[top : top + rows]
        products = results((*taps.shape, *part.shape), taps.dtype)
        np.multiply(part, taps[..., None, None, None], out=products)
        places = y[top * down : (top + len(part)) * down].reshape(len(part), down, width, across * channels)
        for row, factors in enumerate(products):
            cv2.merge(list(factors), places[:, row])


def _tile_pairs(taps: Floats) -> _Fill:
    """The same of one channel: a real number times a complex one is its products with two taps, side by side."""
    kind = np.result_type(taps.dtype, np.complex64)
    pairs = np.ascontiguousarray(taps).view(kind)
    factors = [(*place, pairs[place]) for place in np.ndindex(*pairs.shape)]

    def fill(x: Array, within: slice, y: Floats) -> None:
        x = x[within]
        height, width, _ = x.shape
        places = y.reshape(-1).view(kind).reshape(height, len(pairs), width, -1)
        rows = max(1, PRODUCT_BYTES // (kind.itemsize * width))
        for top in range(0, height, rows):
            part = x[top : top + rows, :, 0]
            samples = results(part.shape, kind)
            np.copyto(samples, part)
            for row, column, factor in factors:
                np.multiply(samples, factor, out=places[top : top + rows, row, :, column])

    return fill


#: For each phase of rows and of columns a filter: its taps, and where among them the output's own sample is, (x, y).
_Filters: TypeAlias = "list[list[tuple[Floats, tuple[int, int]]]]"


def _filters(shape: Sequence[int], taps: Floats, windows: Sequence[Scatter]) -> _Filters | None:
    """The phases of outputs on pixels of this `shape` as filters around its samples; None where some are not such, or
    have so many taps that others are faster."""
    down, across = ([*phases(window, 0, window.length, 0)] for window in windows)
    for window, axis in zip(windows, (down, across), strict=True):
        if len(axis) != window.stride or window.dilation != 1:
            return None
    filters = [
        [(np.ascontiguousarray(taps[row.taps, column.taps]), (-column.source, -row.source)) for column in across]
        for row in down
    ]
    every = itertools.chain(*filters)
    around = all(0 <= x < part.shape[1] and 0 <= y < part.shape[0] and part.size <= FEW for part, (x, y) in every)
    return filters if around and shape[2] <= CHANNEL_LIMIT and len(across) * shape[2] <= MERGED else None


def _filter(filters: _Filters, rule: int, x: Array, within: slice, y: Floats) -> None:
    """Each phase by a filter, continued over the edge by OpenCV's `rule`; those of a row are merged."""
    (_, width, channels), columns = x.shape, range(len(filters[0]))
    places = y.reshape(-1, len(filters), width, len(columns) * channels)
    with scratch_space():
        source = one_channel(floats(x, y.dtype, "picture"))
        parts = [one_channel(scratch(f"phase {number}", x.shape, y.dtype)) for number in columns]
        for row, several in enumerate(filters):
            for (taps, anchor), part in zip(several, parts, strict=True):
                cv2.filter2D(source, -1, taps, dst=part, anchor=anchor, borderType=rule)
            cv2.merge([part[within] for part in parts], places[:, row])
