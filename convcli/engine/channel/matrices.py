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

from convcli.engine.borders import source_indices
from convcli.engine.channel.factors import factorise
from convcli.engine.channel.passes import join, split
from convcli.engine.geometry import Gather, constant
from convcli.engine.memory import scratch
from convcli.engine.processor import Processor
from convcli.engine.threads import one_thread_below
from convcli.records import record

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, Call, Floats, Signature
    from convcli.engine.geometry import Window

#: Nanoseconds for the calls of numpy.
CALLS = 12_000
#: The longest side of a picture, whose matrices stay in the cache.
LONGEST = 256


@record
class Matrices:
    """One product along columns `(rows of outputs, rows)` and one along rows `(columns, columns of outputs)` a rank."""

    down: tuple[Floats, ...]
    across: tuple[Floats, ...]

    def cost(self, channels: int, kind: Processor) -> float:
        """Nanoseconds on one core."""
        (length, height), (width, wide) = self.down[0].shape, self.across[0].shape
        macs = len(self.down) * channels * length * width * (height + wide)
        return float(CALLS + kind.multiply_add * macs)

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


def matrices_of(x: Signature, taps: Floats, windows: Sequence[Window], border: str) -> Matrices | None:
    """Those of a kernel on pictures of a shape; None where it is no sum of few separable ones, or they are large."""
    factors = factorise(taps)
    outside = constant(border)
    if factors is None or len(x.shape) != 3 or max(x.shape[:2]) > LONGEST or outside not in (None, 0):
        return None
    if not all(isinstance(window, Gather) and window.length <= LONGEST for window in windows):
        return None
    sides = []
    for window, n, side in zip(windows, x.shape, factors, strict=False):
        steps = window.taps, window.stride, window.dilation, window.before, window.length
        sides.append(tuple(_matrix(row.tobytes(), row.dtype.str, steps, n, border) for row in side))
    return Matrices(down=sides[0], across=tuple(np.ascontiguousarray(matrix.T) for matrix in sides[1]))


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


def matrices_call(x: Signature, matrices: Matrices, otherwise: Call) -> Call:
    """All of a picture by products; by `otherwise` where a sample is not finite, which would spread."""
    shape = (len(matrices.down[0]), matrices.across[0].shape[1], x.shape[2])

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
                return otherwise(picture, out)
        if out is not None and y is not out:
            np.copyto(out, y)
            return out
        return y

    return call
