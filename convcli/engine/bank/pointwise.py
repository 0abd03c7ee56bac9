"""A bank of single taps: every sample's channels times a matrix, from where they lie to where they go.

BLAS takes planes and pixels as they are, and gives either. Some thousand samples go in one product: of more, both
operands leave the cache before they are used up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from convcli.engine.bank.speeds import SPEEDS, UNPACKED
from convcli.engine.dtypes import planar
from convcli.engine.geometry import Gather, even_cuts
from convcli.engine.memory import scratch
from convcli.engine.processor import processor
from convcli.engine.threads import Cuts

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, Floats
    from convcli.engine.geometry import Window
    from convcli.engine.sink import Sink

#: Samples of one product, and of a band.
MIXED, BAND = 1 << 12, 1 << 14
#: The fewest samples of products among many.
FEWEST = 1 << 9
#: Multiply-adds that are worth a band of their own.
BAND_MACS = 1 << 20
#: Channels up to which OpenCV mixes the pixels of a picture faster.
FEW = 4


def matrices(weights: Floats, groups: int) -> Floats:
    """`(groups, in/groups, out/groups)` of `weights` `(out, in/groups, 1, ...)`: as they lie so, OpenBLAS multiplies
    small ones in up to half the time that they take turned."""
    outputs, inputs = weights.shape[:2]
    return np.ascontiguousarray(weights.reshape(groups, outputs // groups, inputs).swapaxes(1, 2))


def is_inside(windows: Sequence[Window], sizes: Sequence[int]) -> bool:
    """Whether no output reads anything outside."""
    return all(
        isinstance(window, Gather) and not window.before and (window.length - 1) * window.stride < n
        for window, n in zip(windows, sizes, strict=False)
    )


def pointwise(x: Array, mixes: Floats, windows: Sequence[Window], sink: Sink) -> Cuts | None:
    """Mixes the channels of all samples by `matrices`, from where they lie to where the result goes; None where that
    can't be."""
    out = sink.target(mixes.dtype)
    if out is None or x.dtype != out.dtype or not is_inside(windows, x.shape):
        return None
    if not planar(x) and not planar(out) and max(mixes.shape[1], out.shape[-1]) <= FEW:
        return None
    first, *others = windows
    inner = tuple(slice(0, (window.length - 1) * window.stride + 1, window.stride) for window in others)
    samples = math.prod(out.shape[:-1])
    bands = max(samples // BAND, min(samples * mixes.size // BAND_MACS, 2), 1)
    count = min(len(out), bands + bands % 2 if bands > 1 else 1)

    def band(rows: tuple[int, int]) -> None:
        own = slice(rows[0] * first.stride, (rows[1] - 1) * first.stride + 1, first.stride)
        mix(x[(own, *inner)], mixes, out[slice(*rows)])
        sink.store(out[slice(*rows)], rows[0])

    return Cuts(band, even_cuts(len(out), count))


def mix(x: Floats, mixes: Floats, y: Floats) -> None:
    """Fills `y`, `(*spatial, out)`, from `x`, `(*spatial, channels)`, by `matrices`."""
    groups, inputs, per_group = mixes.shape
    outputs = groups * per_group
    if groups == 1 and max(outputs, inputs) <= FEW and x.ndim == 3 and not planar(x) and not planar(y):
        matrix = np.ascontiguousarray(mixes[0].T)
        y[...] = np.asarray(cv2.transform(np.ascontiguousarray(x), matrix)).reshape(y.shape)
        return
    samples, mixed = x.reshape(-1, x.shape[-1]), y.reshape(-1, outputs)
    whole = np.may_share_memory(mixed, y)
    if not whole:
        mixed = scratch("mix apart", mixed.shape, y.dtype)
    each = _each(len(samples), per_group * inputs)
    even = len(samples) // each * each
    parts = [slice(0, even)] + [slice(even, None)] * (even < len(samples))
    for group, matrix in enumerate(mixes):
        own, results = slice(group * inputs, (group + 1) * inputs), slice(group * per_group, (group + 1) * per_group)
        for part in parts:
            count = max(1, len(samples[part]) // each)
            columns = samples[part, own].reshape(count, -1, inputs).swapaxes(1, 2)
            product(matrix, columns, mixed[part, results].reshape(count, -1, per_group))
    if not whole:
        y[...] = mixed.reshape(y.shape)


def _each(samples: int, size: int) -> int:
    """Samples of a product with a matrix of this size: as many as OpenBLAS need not rearrange, where those are some."""
    most = UNPACKED // size if SPEEDS[processor().name].unpacked else 0
    most = most if most >= FEWEST else MIXED
    return -(-samples // -(-samples // most))


def product(matrix: Floats, columns: Floats, y: Floats) -> None:
    """Fills `y` `(..., samples, out)`, of planes or of pixels, by `matrix` `(depth, out)` and `columns`."""
    if y.strides[-2] == y.itemsize:
        np.matmul(matrix.T, columns, out=y.swapaxes(-1, -2))
    else:
        np.matmul(columns.swapaxes(-1, -2), matrix, out=y)
