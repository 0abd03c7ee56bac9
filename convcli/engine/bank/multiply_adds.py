"""A kernel per channel on pixels with many channels: shifted multiply-adds of rows.

The channels of a row are one long vector, and so are the weights of a tap, repeated along it. Columns that a stride
leaves out are told apart by their phase first, so that vectors stay long. One thread adds the products of a tap to some
rows at a time, in its cache, by a call of OpenCV's each, and leaves out what lies beyond the borders (`Products`). Two
would wait for Python's lock between those: each has one call of numpy's `einsum` for all taps (`multiply_add`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.lib.stride_tricks import as_strided

from convcli.engine.bank.plan import ADDED
from convcli.engine.borders import read_window
from convcli.engine.memory import scratch

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, DTypeLike, Floats
    from convcli.engine.geometry import Grid

    #: The range of samples along each axis.
    Window = Sequence[tuple[int, int]]
    #: Rows and samples to which products are added, those of the input, and weights.
    Term = tuple[tuple[slice, slice], tuple[slice, slice], Floats]


def rows_of(weights: Floats, width: int) -> Floats:
    """`(*taps, width * out)`: the `weights` `(out, 1, *taps)` of each tap, repeated for a row of `width` outputs."""
    by_taps = np.moveaxis(weights[:, 0], 0, -1)
    return np.repeat(by_taps[..., None, :], width, axis=-2).reshape(*by_taps.shape[:-1], -1)


class Products:
    """The sums of a bank `(out, 1, *taps)` on pixels of a `size`, with zeros `before` and behind, a call for each tap.

    The first tap of some rows is the middle one, which hardly ever misses the input.
    """

    def __init__(self, weights: Floats, size: Sequence[int], grid: Grid, before: Sequence[int]) -> None:
        (height, width), (down, across) = grid.lengths, grid.stride
        rows, self._outputs, self._step = rows_of(weights, width), len(weights), across
        high = -(-height // max(1, -(-height * rows.shape[-1] // ADDED)))
        repeated = np.repeat(rows[:, :, None], high, axis=2)
        phase, taps = -(-size[1] // across), rows.shape[:2]
        order = sorted(np.ndindex(taps), key=lambda tap: tap != (taps[0] // 2, taps[1] // 2))
        self._blocks: list[tuple[slice, list[Term]]] = []
        for start in range(0, height, high):
            block, terms = slice(start, min(start + high, height)), []
            for tap in order:
                shift, aside = (place * by - pad for place, by, pad in zip(tap, grid.dilation, before, strict=True))
                first, stop = _inside(block.start, block.stop, size[0], down, shift)
                left, right = _inside(0, width, size[1], across, aside)
                column, number = divmod(left * across + aside, across)
                place = number * phase + column
                if first < stop and left < right:
                    source = slice(first * down + shift, (stop - 1) * down + shift + 1, down)
                    read = source, self._samples(place, place + right - left)
                    own = repeated[tap][first - start : stop - start, self._samples(left, right)]
                    terms.append(((slice(first, stop), self._samples(left, right)), read, own))
            self._blocks.append((block, terms))

    def _samples(self, start: int, stop: int) -> slice:
        return slice(start * self._outputs, stop * self._outputs)

    def add(self, x: Floats, y: Floats) -> None:
        """Fills `y` `(*lengths, out)` from `x` `(*size, channels)`, both pixels one after the other."""
        if self._outputs != x.shape[-1]:
            x = np.repeat(x, self._outputs // x.shape[-1], axis=-1)
        whole = [(0, n) for n in x.shape[:-1]]
        rows, results = _phases(x, self._step, whole, "zero", y.dtype).reshape(len(x), -1), y.reshape(len(y), -1)
        for block, terms in self._blocks:
            begun = bool(terms) and terms[0][-1].size == results[block].size
            if begun:
                (_, source, weights), *terms = terms
                np.multiply(rows[source], weights, out=results[block])
            else:
                results[block] = 0
            for into, source, weights in terms:
                cv2.accumulateProduct(rows[source], weights, results[into])


def _inside(start: int, stop: int, n: int, stride: int, shift: int) -> tuple[int, int]:
    """Those of the outputs `start .. stop-1` that read one of `n` samples, `shift` from where their stride is."""
    return max(start, -(shift // stride)), min(stop, (n - 1 - shift) // stride + 1)


def multiply_add(x: Floats, rows: Floats, grid: Grid, y: Floats, *, at: Window = (), border: str = "zero") -> None:
    """Fills `y` `(*lengths, out)` from pixels `x` `(*spatial, channels)` by the `rows_of` a bank of single channels.

    Outputs read the window `at` these ranges of `x`, by default all of it; around it lies the constant `border`.
    """
    outputs, rank = y.shape[-1], rows.ndim - 1
    if outputs != x.shape[-1]:
        x = np.repeat(x, outputs // x.shape[-1], axis=-1)
    *taps, wide = rows.shape
    step, dilation = grid.stride[-1], grid.dilation[-1]
    phases = _phases(x, step, at or [(0, n) for n in x.shape[:-1]], border, y.dtype)
    outer, sample = phases.strides[:-3], phases.itemsize
    pixel = sample * outputs
    places, letters = "abc"[: rank - 1] + "x", "ijk"[:rank]
    added = False
    every = step // math.gcd(step, dilation)
    for tap in range(min(every, taps[-1])):
        own = rows[..., tap::every, :]
        place = tap * dilation
        source = phases[..., place % step, place // step :, :]
        shape = (*grid.lengths[:-1], wide, *taps[:-1], own.shape[-2])
        along = [by * apart for by, apart in zip(grid.stride, outer, strict=False)]
        between = [by * apart for by, apart in zip(grid.dilation, outer, strict=False)]
        view = as_strided(source, shape, (*along, sample, *between, every * dilation // step * pixel))
        sums = scratch("phase sums", (*grid.lengths[:-1], wide), y.dtype) if added else _rows(y)
        np.einsum(f"{places}{letters},{letters}x->{places}", view, own, out=sums)
        if added:
            np.add(_rows(y), sums, out=_rows(y))
        added = True


def _rows(y: Floats) -> Floats:
    """Pixels `(*lengths, out)` with each row as one vector: a view."""
    return y.reshape(*y.shape[:-2], -1)


def _phases(x: Array, step: int, at: Window, border: str, dtype: DTypeLike) -> Floats:
    """A window of `(*spatial, channels)` as `(..., step, width / step, channels)`: columns apart by their phase."""
    inside = all(start >= 0 and stop <= n for (start, stop), n in zip(at, x.shape, strict=False))
    if step == 1 and inside and x.dtype == dtype:
        return x[(*(slice(*part) for part in at[:-1]), None, slice(*at[-1]))]
    *outer, (start, stop) = at
    across = -(-(stop - start) // step)
    shape = (*(b - a for a, b in outer), step, across, x.shape[-1])
    phases = scratch("column phases", shape, dtype)
    for phase in range(step):
        first, column = divmod(start + phase, step)
        own = x[..., column::step, :]
        read_window(own, [*outer, (first, first + across)], border, dtype, out=phases[..., phase, :, :])
    return phases
