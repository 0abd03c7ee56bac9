"""A sum of separable kernels on a small picture: both passes as products with matrices that hold the border rule, too.

A matrix has a row for each output and a column for each sample of an axis, with the sum of the taps that meet there, by
way of the border or not. So many taps, any stride and dilation cost no more than few; samples are read where they lie.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from convcli.engine.borders import read_window, source_indices
from convcli.engine.channel.factors import factorise
from convcli.engine.channel.passes import join, split
from convcli.engine.channel.planes import correlate_planes
from convcli.engine.facts import Facts
from convcli.engine.geometry import Gather, constant, grid_of
from convcli.engine.memory import scratch
from convcli.engine.threads import one_thread_below
from convcli.records import record

if TYPE_CHECKING:
    from convcli.engine.channel.factors import Factors
    from convcli.engine.dtypes import Array, Call, Floats, Signature
    from convcli.engine.geometry import Window


@record
class Matrices:
    """One product along columns `(rows of outputs, rows)` and one along rows `(columns, columns of outputs)` a rank."""

    down: tuple[Floats, ...]
    across: tuple[Floats, ...]

    def fill(self, x: Floats, y: Floats) -> None:
        """The outputs `(h, w, channels)`, into `y`; numbers that are not finite spread over all of them."""
        channels, (length, _), (width, wide) = x.shape[2], self.down[0].shape, self.across[0].shape
        planes = x[None, ..., 0] if channels == 1 else split(x, "planes")
        between = scratch("between", (channels, length, width), x.dtype)
        results = y[None, ..., 0] if channels == 1 else scratch("results apart", (channels, length, wide), x.dtype)
        for rank, (down, across) in enumerate(zip(self.down, self.across, strict=True)):
            np.matmul(down, planes, out=between)
            np.matmul(between, across, out=results if not rank else (part := scratch("part", results.shape, x.dtype)))
            if rank:
                np.add(results, part, out=results)
        if channels > 1:
            join(results, y)


@lru_cache(maxsize=64)
def _matrix(data: bytes, dtype: str, steps: tuple[int, int, int, int, int], n: int, border: str) -> Floats:
    """`(outputs, n)`: what each output takes of each sample."""
    taps, window = np.frombuffer(data, dtype), Gather(*steps)
    outputs = np.arange(window.length)[:, None]
    places = outputs * window.stride - window.before + window.dilation * np.arange(window.taps)
    samples = source_indices(places, n, border)
    # A last column is for what lies outside where that counts 0.
    matrix = np.zeros((window.length, n + 1))
    np.add.at(matrix, (outputs, samples), taps.astype(np.float64))
    return np.ascontiguousarray(matrix[:, :n], dtype=dtype)


def matrices_call(x: Signature, taps: Floats, windows: Sequence[Window], border: str) -> Call | None:
    """All of a picture by products, of taps that `factorise`; None where a number lies outside, or no samples do.

    A sample that is not finite would spread: then by what bears it.
    """
    factors = factorise(taps)
    if factors is None or constant(border) not in (None, 0) or not all(isinstance(w, Gather) for w in windows):
        return None
    matrices = _matrices_of(x, factors, windows, border)
    shape = (*(window.length for window in windows), x.shape[2])

    def call(picture: Array, out: Array | None) -> Array:
        source = picture
        if x.dtype != x.work:
            source = scratch("picture", x.shape, x.work)
            np.copyto(source, picture)
        y = out if out is not None and shape[2] == 1 else scratch("multiplied", shape, x.work)
        # Threads of BLAS would make bits depend on their number.
        with one_thread_below(), np.errstate(over="ignore", invalid="ignore"):
            matrices.fill(source, y)
            if x.dtype.kind == "f" and not math.isfinite(float(np.add.reduce(y, axis=None))):
                ranges = [window.reads(0, window.length) for window in windows]
                window = read_window(picture, ranges, border, x.work)
                y = correlate_planes(window, taps, grid_of(windows), facts=Facts(window, plain=False))
        if out is None or y is out:
            return y
        np.copyto(out, y)
        return out

    return call


def _matrices_of(x: Signature, factors: Factors, windows: Sequence[Window], border: str) -> Matrices:
    sides = []
    for window, n, side in zip(windows, x.shape, factors, strict=False):
        steps = window.taps, window.stride, window.dilation, window.before, window.length
        sides.append(tuple(_matrix(row.tobytes(), row.dtype.str, steps, n, border) for row in side))
    return Matrices(down=sides[0], across=tuple(np.ascontiguousarray(matrix.T) for matrix in sides[1]))
