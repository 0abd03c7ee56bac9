"""Separable convolution of a plane: one row of taps per axis, summed over the ranks of the kernel.

From so many taps on as the processor says, it is a product with a Toeplitz matrix, which holds the taps once per row,
each time one place further: a block of outputs is then one small matrix product on overlapping views of the input.
Fewer taps, and samples that are not finite, go through `filter2D`.

Views are made first and products done afterwards: two threads that ask for Python's lock between short calls wait for
one another longer than they compute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np

from convcli.engine.channel.direct import direct
from convcli.engine.channel.factors import Factors
from convcli.engine.memory import scratch
from convcli.engine.processor import ACROSS, processor

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, Floats
    from convcli.engine.sink import Sink

#: A call that is ready to be made.
Step: TypeAlias = "Callable[[], object]"

#: The most columns of a product along columns, and rows of one along rows: long calls, that read what is still near.
COLUMNS = 1024
ROWS = 256
#: The multiply-adds of a product up to which OpenBLAS does not rearrange its operands, which takes twice as long.
UNPACKED = 1_000_000


def run(steps: Iterable[Step]) -> None:
    """Makes the calls one after the other."""
    for step in steps:
        step()


def passes(x: Floats, factors: Factors, finite: bool) -> Floats:
    """The sum over ranks of `down[r]` along columns and then `across[r]` along rows, wherever the kernel fits."""
    y: Floats | None = None
    for down, across in zip(*factors, strict=True):
        part = along_rows(along_columns(x, down, finite), across, finite)
        if y is None:
            y = part
        else:
            y += part
    assert y is not None
    return y


def along_columns(x: Floats, taps: Floats, finite: bool) -> Floats:
    """`taps` along the first axis of `(h, w, channels)`: `(h - taps + 1, w, channels)`."""
    if taps.size == 1:
        return x if taps[0] == 1 else x * taps[0]
    if not finite or not processor().columns_by_product(taps.size):
        return direct(x, taps[:, None])
    y = np.empty((x.shape[0] - taps.size + 1, *x.shape[1:]), x.dtype)
    flat = np.ascontiguousarray(x).reshape(1, x.shape[0], -1)
    run(column_steps(flat, taps, y.reshape(1, y.shape[0], -1)))
    return y


def along_rows(x: Floats, taps: Floats, finite: bool, into: Floats | None = None) -> Floats:
    """`taps` along the second axis of `(h, w, channels)`: `(h, w - taps + 1, channels)`, products in `into`."""
    if taps.size == 1:
        return x if taps[0] == 1 else x * taps[0]
    if not finite or not processor().rows_by_product(taps.size, x.shape[2]):
        return direct(x, taps[None])
    y = np.empty((x.shape[0], x.shape[1] - taps.size + 1, x.shape[2]), x.dtype) if into is None else into
    if x.shape[0] == 1:
        product_line(np.ascontiguousarray(x).reshape(-1), taps, y.reshape(-1))
    else:
        run(row_steps(x[None, ..., 0], taps, y[None, ..., 0]))
    return y


def view(x: Floats, shape: tuple[int, ...], strides: tuple[int, ...], first: int = 0) -> Floats:
    """`x` with other axes, `strides` in bytes, from sample `first` of its first row on; fast."""
    if x.flags.c_contiguous:
        return np.ndarray(shape, x.dtype, x, first * x.itemsize, strides)
    return np.lib.stride_tricks.as_strided(x[..., first:] if first else x, shape, strides)


def column_steps(x: Floats, taps: Floats, y: Floats) -> list[Step]:
    """`taps` along the columns of planes `(n, h, w)` as matrix products, into `y`.

    Samples of a row lie side by side; rows and planes may lie any distance apart.
    """
    if taps.size == 1:
        return [partial(np.multiply, x, taps[0], out=y)]
    count, height, width = y.shape
    block = min(processor().column_block(taps.size), height)
    matrix = toeplitz(taps.tobytes(), taps.dtype.str, block)
    columns = min(width, unpacked(COLUMNS, matrix.size))
    (near, step, sample), (far, out, _) = x.strides, y.strides
    full, wide, reach = height // block, width // columns, block + taps.size - 1
    steps: list[Step] = []
    for first, tiles, across in ((0, wide, columns), (wide * columns, 1, width - wide * columns)):
        if across:
            # Down the columns first: a block finds in the cache what the one above it has read.
            shape = (count, tiles, full)
            source = (near, across * sample, block * step, step, sample)
            target = (far, across * sample, block * out, out, sample)
            held = view(x, (*shape, reach, across), source, first)
            steps.append(partial(np.matmul, matrix, held, view(y, (*shape, block, across), target, first)))
    if rest := height - full * block:
        short = matrix[:rest, : rest + taps.size - 1]
        steps.append(partial(np.matmul, short, x[:, full * block :], y[:, full * block :]))
    return steps


def row_steps(x: Floats, taps: Floats, y: Floats) -> list[Step]:
    """`taps` along the rows of planes `(n, h, w)` into `y`: blocks of outputs side by side, some rows at a time."""
    count, height, width = y.shape
    block = min(ACROSS, width)
    matrix = upright(taps.tobytes(), taps.dtype.str, block)
    most = unpacked(ROWS, matrix.size)
    (near, step, sample), (far, out, _) = x.strides, y.strides
    full, reach = width // block, block + taps.size - 1
    steps: list[Step] = []
    for top, rows in ((0, height // most * most), (height // most * most, height % most)):
        if rows:
            high = min(most, rows)
            shape = (count, rows // high, full, high)
            held = view(x[:, top:], (*shape, reach), (near, high * step, block * sample, step, sample))
            target = view(y[:, top:], (*shape, block), (far, high * out, block * sample, out, sample))
            steps.append(partial(np.matmul, held, matrix, target))
    if rest := width - full * block:
        short = matrix[: rest + taps.size - 1, :rest]
        steps.append(partial(np.matmul, x[..., full * block :], short, y[..., full * block :]))
    return steps


def split(x: Array, name: str) -> Array:
    """The channels of `(h, w, channels)` as planes `(channels, h, w)`, in the scratch array `name`."""
    planes = scratch(name, (x.shape[2], *x.shape[:2]), x.dtype)
    if x.shape[2] <= 4 and x.dtype in (np.uint8, np.uint16, np.float32, np.float64):
        if not x.flags.c_contiguous and x.itemsize < 4:
            # OpenCV takes rows apart three times as long, where they do not follow one another.
            together = scratch(f"{name} before", x.shape, x.dtype)
            np.copyto(together, x)
            x = together
        cv2.split(x, list(planes))
    else:
        np.copyto(planes, np.moveaxis(x, 2, 0))
    return planes


def join(planes: Array, y: Array) -> None:
    """Planes `(channels, h, w)` as pixels into `y`, `(h, w, channels)`."""
    alike = len(planes) <= 4 and y.dtype == planes.dtype and y.dtype in (np.uint8, np.uint16, np.float32, np.float64)
    if alike and y.strides[1:] == (len(planes) * y.itemsize, y.itemsize):
        cv2.merge(list(planes), y)
    else:
        np.copyto(y, np.moveaxis(planes, 0, 2))


def keep_planes(planes: Floats, sink: Sink, top: int, left: int) -> None:
    """Keeps planes as the rows from `top` and the columns from `left` on.

    They become pixels last: of bytes there are less to put together than of floats.
    """
    if len(planes) == 1 or sink.mixes:
        pixels = planes[0, ..., None]
        if len(planes) > 1:
            pixels = scratch("passed pixels", (*planes.shape[1:], len(planes)), planes.dtype)
            join(planes, pixels)
        sink.store(pixels, top, left)
        return
    target = sink.out[top : top + planes.shape[1], left : left + planes.shape[2]]
    rounded = scratch("kept", planes.shape, target.dtype)
    sink.keep(planes, rounded, planes=True)
    join(rounded, target)


def product_line(x: Floats, taps: Floats, y: Floats) -> None:
    """One single row: its blocks become the rows of a product, interleaved so that none overlaps the next one."""
    width = y.size
    block = min(ACROSS, width)
    reach, sample = block + taps.size - 1, x.itemsize
    sets = -(-reach // block)
    matrix = upright(taps.tobytes(), taps.dtype.str, block)
    step = sets * block * sample
    count = width // (block * sets)
    most = unpacked(count, matrix.size)
    for first, rows in ((0, count // most * most), (count // most * most, count % most)):
        if not rows:
            continue
        high = min(most, rows)
        start = first * sets * block
        steps = (high * step, block * sample, step, sample)
        np.matmul(
            view(x[start:], (rows // high, sets, high, reach), steps),
            matrix,
            out=view(y[start:], (rows // high, sets, high, block), steps),
        )
    for start in range(count * sets * block, width, block):
        rest = min(block, width - start)
        np.matmul(x[start : start + rest + taps.size - 1], matrix[: rest + taps.size - 1, :rest], out=y[start:][:rest])


def unpacked(most: int, size: int) -> int:
    """Vectors that a matrix of this `size` is multiplied with at a time, whole registers of them."""
    return max(ACROSS, min(most, UNPACKED // size // ACROSS * ACROSS))


@lru_cache(maxsize=64)
def toeplitz(taps: bytes, dtype: str, block: int) -> Floats:
    """`(block, block + taps - 1)`: row `i` holds the taps from column `i` on."""
    row = np.frombuffer(taps, dtype)
    matrix = np.zeros((block, block + row.size - 1), row.dtype)
    for i in range(block):
        matrix[i, i : i + row.size] = row
    return matrix


@lru_cache(maxsize=64)
def upright(taps: bytes, dtype: str, block: int) -> Floats:
    """The same matrix transposed, and laid out so: BLAS takes three times as long for one that lies on its side."""
    return np.ascontiguousarray(toeplitz(taps, dtype, block).T)
