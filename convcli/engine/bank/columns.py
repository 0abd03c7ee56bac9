"""A filter bank as one matrix product for many outputs: what each of them reads is laid out as a column.

Columns lie as the input does, which makes them in long copies: of planes a row holds one tap of many outputs; of pixels
with many channels, one output has all that it reads along a row in one piece. BLAS takes either, and gives either.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from convcli.engine.bank.layouts import part_to
from convcli.engine.bank.plan import by_pixels
from convcli.engine.dtypes import channels_first, planar
from convcli.engine.memory import scratch

if TYPE_CHECKING:
    from convcli.engine.dtypes import Floats
    from convcli.engine.geometry import Grid

    Sizes = tuple[int, ...]

#: Bytes of the columns of one product, or of those of some groups: within the last cache's share, and enough for BLAS.
#: A core's own cache holds less, but then threads wait for Python's lock between many short products.
COLUMN_BYTES = 1 << 22
#: The most columns of one product.
ACROSS = 1 << 12
#: Outputs in a row below which rows of planes are laid out in one piece, with what lies between them.
NARROW = 80


def matrices(weights: Floats, groups: int, *, pixels: bool) -> Floats:
    """`(groups, out/groups, depth)` of `weights` `(out, in/groups, *taps)`, in the order of columns."""
    outputs = len(weights)
    ordered = np.moveaxis(weights, 1, -1) if pixels else weights
    return np.ascontiguousarray(ordered).reshape(groups, outputs // groups, -1)


def multiply_columns(x: Floats, matrix: Floats, taps: Sequence[int], grid: Grid, y: Floats) -> None:
    """Fills `y` `(*lengths, out)` from `x`, by the `matrices` of a bank with `taps`.

    `x` is `(*spatial, channels)`, pixels one after the other where columns are made of those, else planes.
    """
    lead = 3 - len(taps)
    # One or two axes are three of which the first are one sample long.
    x, y = x[(None,) * lead], y[(None,) * lead]
    taps, stride, dilation = ((1,) * lead + tuple(steps) for steps in (taps, grid.stride, grid.dilation))
    groups, _, depth = matrix.shape
    if by_pixels(x.shape[-1] // groups, groups):
        for part, first, shape, strides in _of_pixels(x.shape, y.shape[:3], taps, stride, dilation, x.itemsize):
            columns = scratch("columns", shape, x.dtype)
            np.copyto(columns, np.ndarray(shape, x.dtype, x, first, strides))
            multiply_pixels(columns.reshape(-1, depth), matrix[0], y[part])
        return
    flat = max(stride) == 1 and y.shape[2] < NARROW and x[0, ..., 0].flags.c_contiguous
    pitch = x.shape[2] if flat else 0
    for results, corner in _corners(x, y, stride, depth * x.itemsize, pitch):
        source = channels_first(corner)
        if flat:
            view = _of_rows(source, results.shape, taps, dilation)
        else:
            view = _of_planes(source, results.shape, taps, stride, dilation)
        _multiply_groups(matrix, view, results, pitch)


def _corners(x: Floats, y: Floats, stride: Sequence[int], column: int, pitch: int) -> Iterator[tuple[Floats, Floats]]:
    """The parts of `y`, see `_parts`, and `x` from the first sample on that each reads."""
    for part in _parts(y.shape[:3], column, pitch):
        yield y[part], x[tuple(slice(cut.start * step, None) for cut, step in zip(part, stride, strict=True))]


def _multiply_groups(matrix: Floats, view: Floats, y: Floats, pitch: int) -> None:
    """Fills `y` by products of as many groups at a time as the cache holds the columns of.

    The columns are those of `view` `(channels, *taps, ...)`, whose rows are `pitch` samples apart, or without any.
    """
    groups, per_group, depth = matrix.shape
    inputs = len(view) // groups
    few = max(1, COLUMN_BYTES * groups // (view.size * view.itemsize))
    for start in range(0, groups, few):
        own, source = matrix[start : start + few], view[start * inputs : (start + few) * inputs]
        laid = scratch("columns", source.shape, source.dtype)
        np.copyto(laid, source)
        columns, results = laid.reshape(len(own), depth, -1), y[..., start * per_group : (start + few) * per_group]
        if pitch:
            _multiply_apart(own, columns, results, pitch)
        else:
            _multiply(own, columns, results)


def _parts(lengths: Sequence[int], column: int, pitch: int) -> Iterator[tuple[slice, ...]]:
    """The outputs in parts whose columns, of so many bytes each, go in one product; rows may be `pitch` apart."""
    _, height, width = lengths
    most = max(64, min(ACROSS, COLUMN_BYTES // column))
    across = width if pitch else -(-width // -(-width // most))
    down = max(1, most // (pitch or across)) if across == width else 1
    # Even shares.
    down = -(-height // -(-height // down))
    steps = (1, down, across)
    for corner in itertools.product(*(range(0, n, step) for n, step in zip(lengths, steps, strict=True))):
        yield tuple(slice(start, min(start + step, n)) for start, step, n in zip(corner, steps, lengths, strict=True))


def _multiply(matrix: Floats, columns: Floats, y: Floats) -> None:
    """Fills `y` `(*spatial, out)` with the products of `matrix` and `columns`, both with a group for each product."""
    results = y.reshape(-1, y.shape[-1])
    whole = np.may_share_memory(results, y)
    if not whole:
        results = scratch("products", results.shape, y.dtype)
    groups, per_group, _ = matrix.shape
    if results.strides[0] == results.itemsize:
        np.matmul(matrix, columns, out=results.T.reshape(groups, per_group, -1))
    else:
        by_groups = results.reshape(-1, groups, per_group).transpose(1, 0, 2)
        np.matmul(columns.transpose(0, 2, 1), matrix.transpose(0, 2, 1), out=by_groups)
    if not whole:
        np.copyto(y, results.reshape(y.shape))


def multiply_pixels(columns: Floats, matrix: Floats, y: Floats) -> None:
    """Fills `y` `(*spatial, out)` with the products of `columns` `(samples, depth)`: BLAS makes pixels of them faster
    than planes, by more than it takes to turn those."""
    size = math.prod(y.shape[:-1]), y.shape[-1]
    if y.flags.c_contiguous:
        np.matmul(columns, matrix.T, out=y.reshape(size))
        return
    products = scratch("products", size, y.dtype)
    np.matmul(columns, matrix.T, out=products)
    if planar(y):
        part_to(products.reshape(y.shape), y)
    else:
        np.copyto(y, products.reshape(y.shape))


def _of_planes(
    source: Floats, lengths: Sequence[int], taps: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> Floats:
    """What outputs read from the corner of `(channels, *spatial)` on: a view `(channels, *taps, *lengths)`."""
    shape = (len(source), *taps, *lengths[:3])
    plane, *steps = source.strides
    apart = [[step * by for step, by in zip(steps, other, strict=True)] for other in (dilation, stride)]
    return as_strided(source, shape, (plane, *apart[0], *apart[1]))


def _of_rows(source: Floats, lengths: Sequence[int], taps: Sequence[int], dilation: Sequence[int]) -> Floats:
    """The same at stride 1 with the samples between the rows of planes, each tap in one piece; one slice."""
    size = (lengths[1] - 1) * source.shape[3] + lengths[2]
    plane, *steps = source.strides
    apart = (step * by for step, by in zip(steps, dilation, strict=True))
    return as_strided(source, (len(source), *taps, size), (plane, *apart, source.itemsize))


def _multiply_apart(matrix: Floats, columns: Floats, y: Floats, pitch: int) -> None:
    """Fills `y` `(1, h, w, out)` with the products of `columns` whose rows are `pitch` samples apart."""
    _, height, width, outputs = y.shape
    groups, per_group, _ = matrix.shape
    results = scratch("products", (groups, per_group, height * pitch), y.dtype)
    np.matmul(matrix, columns, out=results[..., : columns.shape[-1]])
    np.copyto(channels_first(y[0]), results.reshape(outputs, height, pitch)[..., :width])


@lru_cache(maxsize=64)
def _of_pixels(
    whole: Sizes, lengths: Sizes, taps: Sizes, stride: Sizes, dilation: Sizes, itemsize: int
) -> list[tuple[Any, ...]]:
    """Parts of `lengths` outputs, and where pixels of a `whole` have what those read: the first byte, and the shape
    `(*lengths, *taps, channels)` and the strides of a view."""
    steps = [math.prod(whole[axis:]) * itemsize for axis in range(1, 5)]
    outer = [step * by for step, by in zip(steps, stride, strict=False)]
    apart = [step * by for step, by in zip(steps, dilation, strict=False)]
    views: list[tuple[Any, ...]] = []
    for part in _parts(lengths, math.prod(taps) * whole[3] * itemsize, 0):
        own = [cut.stop - cut.start for cut in part]
        first = sum(cut.start * step for cut, step in zip(part, outer, strict=True))
        views.append((part, first, (*own, *taps, whole[3]), (*outer, *apart, itemsize)))
    return views
