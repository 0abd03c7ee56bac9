"""A bank of single taps: every sample's channels times a matrix.

Products are made in tiles so small that BLAS takes both operands as they lie: where a sample has few channels it costs
more to rearrange them than that saves. Of planes some columns are put beside one another first, and results put where
they belong afterwards: planes often lie a power of two apart, where their samples share their places in the cache.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.lib.stride_tricks import as_strided

from convcli.engine.channel.passes import UNPACKED
from convcli.engine.dtypes import planar
from convcli.engine.geometry import Gather
from convcli.engine.memory import scratch
from convcli.engine.threads import Cuts

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, Floats
    from convcli.engine.geometry import Window
    from convcli.engine.sink import Sink

#: Samples that are mixed in one call.
MIXED = 1 << 14
#: Pixels of a tile where channels lie side by side.
PIXELS = 96
#: Columns of a tile of planes: as many as the registers of a product hold.
COLUMNS = 64
#: The fewest output channels of a product for which that is worth more products.
SHARE = 32
#: Bytes of the columns of planes, and of their results, that are put together: within a core's cache, and long copies.
STAGED = 3 << 20
#: Channels up to which OpenCV mixes the pixels of a picture faster.
FEW = 4


def pointwise(x: Array, weights: Floats, groups: int, windows: Sequence[Window], sink: Sink) -> Cuts | None:
    """Mixes the channels of all samples from where they lie to where the result goes; None where that can't be."""
    out = sink.target(weights.dtype)
    in_place = all(isinstance(window, Gather) and window.stride == 1 and not window.before for window in windows)
    if out is None or x.dtype != out.dtype or not in_place or x.shape[:-1] != out.shape[:-1]:
        return None
    if planar(x) != planar(out) or (not planar(x) and max(weights.shape[:2]) <= FEW):
        return None
    row = math.prod(x.shape[1:-1])
    count = min(len(x), 4 * max(1, len(x) * row // (4 * MIXED)))

    def band(rows: tuple[int, int]) -> None:
        mix(x[slice(*rows)], weights, groups, out[slice(*rows)])
        sink.store(out[slice(*rows)], rows[0])

    return Cuts(band, list(itertools.pairwise(len(x) * part // count for part in range(count + 1))))


def mix(x: Floats, weights: Floats, groups: int, y: Floats) -> None:
    """Fills `y`, `(*spatial, out)`, from `x`, `(*spatial, channels)`, by `weights` `(out, in/groups, 1, ...)`."""
    outputs, inputs = weights.shape[:2]
    if groups == 1 and max(outputs, inputs) <= FEW and x.ndim == 3 and not planar(x):
        y[...] = np.asarray(
            cv2.transform(np.ascontiguousarray(x), np.ascontiguousarray(weights.reshape(outputs, inputs)))
        ).reshape(y.shape)
        return
    by_planes = planar(x) and planar(y)
    samples, mixed = (_flat(array, by_planes) for array in (x, y))
    whole = np.may_share_memory(mixed, y)
    if not whole:
        mixed = scratch("mix apart", mixed.shape, y.dtype)
    product = _mix_planes if by_planes else _mix_pixels
    matrices = weights.reshape(groups, outputs // groups, inputs)
    apart = (np.split(array, groups, axis=0 if by_planes else 1) for array in (samples, mixed))
    for own, outputs_of_group, matrix in zip(*apart, matrices, strict=True):
        product(own, outputs_of_group, matrix)
    if not whole:
        y[...] = mixed.T.reshape(y.shape) if by_planes else mixed.reshape(y.shape)


def _flat(x: Floats, by_planes: bool) -> Floats:
    """`(*spatial, channels)` with all samples along one axis, the first or, of planes, the last; a view if possible."""
    return np.moveaxis(x, -1, 0).reshape(x.shape[-1], -1) if by_planes else x.reshape(-1, x.shape[-1])


def _mix_pixels(x: Floats, y: Floats, matrix: Floats) -> None:
    """`(samples, channels)` by `matrix` `(out, channels)`."""
    # BLAS takes longer for a matrix that lies on its side.
    upright = np.ascontiguousarray(matrix.T)
    tiles = len(x) // PIXELS
    whole = tiles * PIXELS
    if tiles:
        samples, mixed = (_parted(array[:whole], 0, PIXELS) for array in (x, y))
        np.matmul(samples, upright, out=mixed)
    if whole < len(x):
        np.matmul(x[whole:], upright, out=y[whole:])


def _mix_planes(x: Floats, y: Floats, matrix: Floats) -> None:
    """`(channels, samples)` by `matrix` `(out, channels)`."""
    outputs, inputs = matrix.shape
    count = x.shape[1]
    wide = max(COLUMNS, STAGED // ((outputs + inputs) * x.itemsize) // COLUMNS * COLUMNS)
    share = max(1, UNPACKED // (COLUMNS * inputs) // 16) * 16
    small = outputs * inputs * COLUMNS <= UNPACKED or share >= SHARE
    for start in range(0, count, wide):
        size = min(wide, count - start)
        # Rows that don't lie a power of two apart.
        pitch = -(-size // COLUMNS) * COLUMNS + COLUMNS // 4
        columns = scratch("mix given", (inputs, pitch), x.dtype)
        mixed = scratch("mix made", (outputs, pitch), x.dtype)
        np.copyto(columns[:, :size], x[:, start : start + size])
        tile = COLUMNS if small else size
        whole = size // tile * tile
        for first in range(0, outputs, share if small else outputs):
            part = slice(first, first + share) if small else slice(None)
            if whole:
                tiles = _parted(columns[:, :whole], 1, tile), _parted(mixed[part, :whole], 1, tile)
                np.matmul(matrix[part], tiles[0], out=tiles[1])
            if whole < size:
                np.matmul(matrix[part], columns[:, whole:size], out=mixed[part, whole:size])
        np.copyto(y[:, start : start + size], mixed[:, :size])


def _parted(x: Floats, axis: int, size: int) -> Floats:
    """Matrices of `size` rows (or columns, along `axis` 1) of `x`, one after the other: views."""
    rows, columns = x.shape
    shape = (rows // size, size, columns) if axis == 0 else (columns // size, rows, size)
    return as_strided(x, shape, (size * x.strides[axis], *x.strides))
