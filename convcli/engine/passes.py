"""Separable convolution of a plane: one row of taps per axis, summed over the ranks of the kernel.

Short rows go through `filter2D`. Long ones are products with a Toeplitz matrix, which holds the taps once per row,
each time one place further: a block of outputs is then one small matrix product on overlapping views of the input.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from convcli.engine import plan
from convcli.engine.direct import direct
from convcli.engine.factors import Factors
from convcli.engine.threads import scratch

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.floating[Any]]

#: Sizes of a pixel in bytes that OpenCV's `transpose` moves at once.
TURNED_BYTES = (4, 8, 12, 16, 24, 32)
#: Bytes of columns that are turned at a time, to stay in the cache.
CHUNK_BYTES = 1 << 18
#: Columns of a block of the vertical product: its operands stay in the innermost cache.
COLUMNS = 256


def passes(x: Array, factors: Factors, finite: bool) -> Array:
    """The sum over ranks of `down[r]` along columns and then `across[r]` along rows, wherever the kernel fits."""
    y: Array | None = None
    for down, across in zip(*factors, strict=True):
        part = along_rows(along_columns(x, down, finite), across, finite)
        if y is None:
            y = part
        else:
            y += part
    assert y is not None
    return y


def columns_by_product(taps: int, finite: bool) -> bool:
    """Whether a pass along columns is a matrix product, which needs finite samples."""
    return finite and plan.product_cost(taps) < plan.short_cost(taps)


def rows_by_product(taps: int, finite: bool, height: int) -> bool:
    """Whether a pass along rows of that number is a matrix product, which needs finite samples."""
    return finite and plan.across_cost(taps, True, height) < plan.across_cost(taps, False, height)


def along_columns(x: Array, taps: Array, finite: bool) -> Array:
    """`taps` along the first axis of `(h, w, channels)`: `(h - taps + 1, w, channels)`."""
    if taps.size == 1:
        return x if taps[0] == 1 else x * taps[0]
    if not columns_by_product(taps.size, finite):
        return direct(x, taps[:, None])
    import numpy as np

    y = np.empty((x.shape[0] - taps.size + 1, *x.shape[1:]), x.dtype)
    product_columns(np.ascontiguousarray(x).reshape(x.shape[0], -1), taps, y.reshape(y.shape[0], -1))
    return y


def along_rows(x: Array, taps: Array, finite: bool) -> Array:
    """`taps` along the second axis of `(h, w, channels)`: `(h, w - taps + 1, channels)`."""
    if taps.size == 1:
        return x if taps[0] == 1 else x * taps[0]
    channels = x.shape[2]
    if not rows_by_product(taps.size, finite, x.shape[0]):
        return direct(x, taps[None])
    import numpy as np

    y = np.empty((x.shape[0], x.shape[1] - taps.size + 1, channels), x.dtype)
    product_rows(np.ascontiguousarray(x), taps, y)
    return y


def product_columns(x: Array, taps: Array, y: Array) -> None:
    """`taps` along the columns of `(h, w)` as matrix products, into `y`; both may have rows any distance apart."""
    import numpy as np
    from numpy.lib.stride_tricks import as_strided

    height, width = y.shape
    block = min(_block(taps.size), height)
    matrix = toeplitz(taps.tobytes(), taps.dtype.str, block)
    full, wide = height // block, width // COLUMNS
    step, sample = x.strides
    out = y.strides[0]
    reach = block + taps.size - 1
    if wide:
        np.matmul(
            matrix,
            as_strided(x, (wide, full, reach, COLUMNS), (COLUMNS * sample, block * step, step, sample)),
            out=as_strided(y, (wide, full, block, COLUMNS), (COLUMNS * sample, block * out, out, sample)),
        )
    if rest := width - wide * COLUMNS:
        source, target = x[:, wide * COLUMNS :], y[:, wide * COLUMNS :]
        np.matmul(
            matrix,
            as_strided(source, (full, reach, rest), (block * step, step, sample)),
            out=as_strided(target, (full, block, rest), (block * out, out, sample)),
        )
    if rest := height - full * block:
        np.matmul(matrix[:rest, : rest + taps.size - 1], x[full * block :], out=y[full * block :])


def product_rows(x: Array, taps: Array, y: Array) -> None:
    """`taps` along the rows of `(h, w, channels)` as matrix products, into `y`; both as OpenCV reads them.

    Rows are turned into columns and back: much cheaper than a product whose operands lie the other way round.
    """
    if x.shape[0] == 1 and x.shape[2] == 1:
        return _line(x[..., 0], taps, y[..., 0])
    import cv2

    if x.shape[2] * x.itemsize not in TURNED_BYTES:
        for channel in range(x.shape[2]):
            one = _contiguous(y[..., channel : channel + 1])
            product_rows(_contiguous(x[..., channel : channel + 1]), taps, one)
            y[..., channel : channel + 1] = one
        return None
    height, width, channels = y.shape
    chunk = max(4 * taps.size, CHUNK_BYTES // (height * channels * x.itemsize))
    chunk = -(-width // -(-width // chunk))
    for left in range(0, width, chunk):
        wide = min(chunk, width - left)
        reads = wide + taps.size - 1
        turned = scratch("turned", (reads, height, channels), x.dtype)
        result = scratch("turned back", (wide, height, channels), x.dtype)
        cv2.transpose(x[:, left : left + reads], turned)
        product_columns(turned.reshape(reads, -1), taps, result.reshape(wide, -1))
        cv2.transpose(result, y[:, left : left + wide])
    return None


def _contiguous(x: Array) -> Array:
    import numpy as np

    return np.ascontiguousarray(x)


def _line(x: Array, taps: Array, y: Array) -> None:
    """One single row: its blocks become the rows of a product, interleaved so that none overlaps the next one."""
    import numpy as np
    from numpy.lib.stride_tricks import as_strided

    width = y.shape[1]
    block = min(32 if taps.size < 24 else 64 if taps.size < 100 else 128, width)
    reach = block + taps.size - 1
    sets = -(-reach // block)
    matrix = toeplitz(taps.tobytes(), taps.dtype.str, block).T
    count = width // (block * sets)
    sample = x.itemsize
    if count:
        shape = (sets, count)
        steps = (block * sample, sets * block * sample, sample)
        np.matmul(as_strided(x, (*shape, reach), steps), matrix, out=as_strided(y, (*shape, block), steps))
    for start in range(count * sets * block, width, block):
        rest = min(block, width - start)
        reads = x[:, start : start + rest + taps.size - 1]
        np.matmul(reads, matrix[: rest + taps.size - 1, :rest], out=y[:, start : start + rest])


def _block(taps: int) -> int:
    """Outputs per row of the matrix: longer ones waste fewer loads, shorter ones fewer multiplications with zero."""
    return 16 if taps < 200 else 32


@lru_cache(maxsize=64)
def toeplitz(taps: bytes, dtype: str, block: int) -> Array:
    """`(block, block + taps - 1)`: row `i` holds the taps from column `i` on."""
    import numpy as np

    row = np.frombuffer(taps, dtype)
    matrix = np.zeros((block, block + row.size - 1), row.dtype)
    for i in range(block):
        matrix[i, i : i + row.size] = row
    return matrix
