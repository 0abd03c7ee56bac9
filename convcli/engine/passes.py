"""Separable convolution of a plane: one row of taps per axis, summed over the ranks of the kernel.

Along columns, and along rows that are long enough, it is a product with a Toeplitz matrix, which holds the taps once
per row, each time one place further: a block of outputs is then one small matrix product on overlapping views of the
input. Short rows, and samples that are not finite, go through `filter2D`.
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

#: Columns of a block of the product along columns: its operands stay in the innermost cache.
COLUMNS = 256
#: Rows of a block of the product along rows: small enough for BLAS not to rearrange its operands.
ROWS = 32


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


def rows_by_product(taps: int) -> bool:
    """Whether a pass of so many taps along rows of finite samples is a matrix product."""
    return plan.row_product_cost(taps) < plan.short_cost(taps)


def along_columns(x: Array, taps: Array, finite: bool) -> Array:
    """`taps` along the first axis of `(h, w, channels)`: `(h - taps + 1, w, channels)`."""
    if taps.size == 1:
        return x if taps[0] == 1 else x * taps[0]
    if not finite:
        return direct(x, taps[:, None])
    import numpy as np

    y = np.empty((x.shape[0] - taps.size + 1, *x.shape[1:]), x.dtype)
    product_columns(np.ascontiguousarray(x).reshape(x.shape[0], -1), taps, y.reshape(y.shape[0], -1))
    return y


def along_rows(x: Array, taps: Array, finite: bool) -> Array:
    """`taps` along the second axis of `(h, w, channels)`: `(h, w - taps + 1, channels)`."""
    if taps.size == 1:
        return x if taps[0] == 1 else x * taps[0]
    if not finite or not rows_by_product(taps.size):
        return direct(x, taps[None])
    import numpy as np

    y = np.empty((x.shape[0], x.shape[1] - taps.size + 1, x.shape[2]), x.dtype)
    if x.shape[0] == x.shape[2] == 1:
        product_line(np.ascontiguousarray(x).reshape(-1), taps, y.reshape(-1))
    else:
        product_rows(x, taps, y)
    return y


def product_columns(x: Array, taps: Array, y: Array) -> None:
    """`taps` along the columns of `(h, w)` as matrix products, into `y`; both may have rows any distance apart."""
    import numpy as np
    from numpy.lib.stride_tricks import as_strided

    height, width = y.shape
    block = min(column_block(taps.size), height)
    matrix = toeplitz(taps.tobytes(), taps.dtype.str, block)
    columns = COLUMNS if taps.size < 100 else COLUMNS // 2
    full, wide = height // block, width // columns
    step, sample = x.strides
    out = y.strides[0]
    reach = block + taps.size - 1
    if wide:
        np.matmul(
            matrix,
            as_strided(x, (wide, full, reach, columns), (columns * sample, block * step, step, sample)),
            out=as_strided(y, (wide, full, block, columns), (columns * sample, block * out, out, sample)),
        )
    if rest := width - wide * columns:
        source, target = x[:, wide * columns :], y[:, wide * columns :]
        np.matmul(
            matrix,
            as_strided(source, (full, reach, rest), (block * step, step, sample)),
            out=as_strided(target, (full, block, rest), (block * out, out, sample)),
        )
    if rest := height - full * block:
        np.matmul(matrix[:rest, : rest + taps.size - 1], x[full * block :], out=y[full * block :])


def product_rows(x: Array, taps: Array, y: Array) -> None:
    """`taps` along the rows of `(h, w, channels)` as matrix products, into `y`."""
    if x.shape[2] == 1:
        _plane_rows(x[..., 0], taps, y[..., 0])
        return
    sources = split(x, "rows apart")
    targets = scratch("results apart", (y.shape[2], *y.shape[:2]), y.dtype)
    for source, target in zip(sources, targets, strict=True):
        _plane_rows(source, taps, target)
    join(targets, y)


def split(x: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    """The channels of `(h, w, channels)` as planes `(channels, h, w)`, in the scratch array `name`."""
    import cv2
    import numpy as np

    planes = scratch(name, (x.shape[2], *x.shape[:2]), x.dtype)
    if x.shape[2] <= 4 and x.dtype in (np.uint8, np.uint16, np.float32, np.float64):
        cv2.split(x, list(planes))
    else:
        np.copyto(planes, np.moveaxis(x, 2, 0))
    return planes


def join(planes: npt.NDArray[Any], y: npt.NDArray[Any]) -> None:
    """Planes `(channels, h, w)` as pixels into `y`, `(h, w, channels)`."""
    import cv2
    import numpy as np

    if len(planes) <= 4 and y.strides[1:] == (len(planes) * y.itemsize, y.itemsize):
        cv2.merge(list(planes), y)
    else:
        np.copyto(y, np.moveaxis(planes, 0, 2))


def _plane_rows(x: Array, taps: Array, y: Array) -> None:
    """`taps` along the rows of `(h, w)`: blocks of outputs side by side, some rows at a time."""
    import numpy as np
    from numpy.lib.stride_tricks import as_strided

    height, width = y.shape
    block = min(row_block(taps.size), width)
    matrix = upright(taps.tobytes(), taps.dtype.str, block)
    reach, sample = block + taps.size - 1, x.itemsize
    full = width // block
    for top, rows in ((0, height // ROWS * ROWS), (height // ROWS * ROWS, height % ROWS)):
        if not rows:
            continue
        source, target = x[top:], y[top:]
        high = min(ROWS, rows)
        (step, _), (out, _) = x.strides, y.strides
        np.matmul(
            as_strided(source, (full, rows // high, high, reach), (block * sample, high * step, step, sample)),
            matrix,
            out=as_strided(target, (full, rows // high, high, block), (block * sample, high * out, out, sample)),
        )
    if rest := width - full * block:
        np.matmul(x[:, full * block :], matrix[: rest + taps.size - 1, :rest], out=y[:, full * block :])


def product_line(x: Array, taps: Array, y: Array) -> None:
    """One single row: its blocks become the rows of a product, interleaved so that none overlaps the next one."""
    import numpy as np
    from numpy.lib.stride_tricks import as_strided

    width = y.size
    block = min(row_block(taps.size), width)
    reach, sample = block + taps.size - 1, x.itemsize
    sets = -(-reach // block)
    matrix = upright(taps.tobytes(), taps.dtype.str, block)
    step = sets * block * sample
    count = width // (block * sets)
    for first, rows in ((0, count // ROWS * ROWS), (count // ROWS * ROWS, count % ROWS)):
        if not rows:
            continue
        high = min(ROWS, rows)
        start = first * sets * block
        steps = (high * step, block * sample, step, sample)
        np.matmul(
            as_strided(x[start:], (rows // high, sets, high, reach), steps),
            matrix,
            out=as_strided(y[start:], (rows // high, sets, high, block), steps),
        )
    for start in range(count * sets * block, width, block):
        rest = min(block, width - start)
        np.matmul(x[start : start + rest + taps.size - 1], matrix[: rest + taps.size - 1, :rest], out=y[start:][:rest])


def column_block(taps: int) -> int:
    """Outputs per row of the matrix along columns: longer ones waste fewer loads, shorter ones fewer products."""
    return 8 if taps < 40 else 16 if taps < 100 else 32


def row_block(taps: int) -> int:
    """The same along rows, where a whole vector register is the least that pays."""
    return 16 if taps < 20 else 32


@lru_cache(maxsize=64)
def toeplitz(taps: bytes, dtype: str, block: int) -> Array:
    """`(block, block + taps - 1)`: row `i` holds the taps from column `i` on."""
    import numpy as np

    row = np.frombuffer(taps, dtype)
    matrix = np.zeros((block, block + row.size - 1), row.dtype)
    for i in range(block):
        matrix[i, i : i + row.size] = row
    return matrix


@lru_cache(maxsize=64)
def upright(taps: bytes, dtype: str, block: int) -> Array:
    """The same matrix transposed, and laid out so: BLAS takes three times as long for one that lies on its side."""
    import numpy as np

    return np.ascontiguousarray(toeplitz(taps, dtype, block).T)
