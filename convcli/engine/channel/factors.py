"""Kernels as sums of separable ones, found by singular values."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from convcli.engine.dtypes import Floats

#: Rows of taps per rank, `(rank, kh)` and `(rank, kw)`.
Factors: TypeAlias = "tuple[Floats, Floats]"

#: What a factorisation may leave out, in units of the dtype's rounding error of all taps together.
RESIDUAL = 1.5
#: A kernel of a higher rank than this is never computed by passes.
RANK_LIMIT = 8
#: So few taps are never worth several passes.
FEW = 9
#: Steps that finding singular values may take; beyond, some seconds, only kernels of rank 1 are recognised.
SVD_LIMIT = 1 << 31


def factorise(taps: Floats) -> Factors | None:
    """`taps` as `sum_r down[r] (outer) across[r]`; None where it takes more than `RANK_LIMIT` of them.

    The error bound keeps the promise on accuracy: what is left out, summed over all taps, is below 1.5 rounding errors
    of the sum of their magnitudes, so that no output is off by more than a direct sum may be.
    """
    if min(taps.shape) == 1:
        one = np.ones((1, 1), taps.dtype)
        return (taps.T.copy(), one) if taps.shape[1] == 1 else (one, taps.copy())
    return _factorise(taps.tobytes(), taps.shape, taps.dtype.str)


def kernels(factors: Factors) -> list[list[Floats]]:
    """The passes of each rank, `(kh, 1)` and `(1, kw)`: a single tap of 1 is none."""
    ranks = [[down[:, None], across[None]] for down, across in zip(*factors, strict=True)]
    return [[side for side in sides if side.size > 1 or side.item() != 1] or sides[1:] for sides in ranks]


def are_mirrored(*sides: Floats) -> bool:
    """Whether all rows of taps read the same backwards, around one in the middle."""
    return all(taps.size % 2 and bool((taps == taps[::-1]).all()) for taps in sides)


@lru_cache(maxsize=64)
def _factorise(data: bytes, shape: tuple[int, int], dtype: str) -> Factors | None:
    kind = np.dtype(dtype)
    taps = np.frombuffer(data, kind).reshape(shape).astype(np.float64)
    allowed = RESIDUAL * float(np.finfo(kind).eps) * float(np.abs(taps).sum())
    # A cross through the greatest tap: whole numbers stay whole, as they would not by singular values.
    row, column = divmod(int(np.abs(taps).argmax()), shape[1])
    pivot = float(taps[row, column]) or 1.0
    down, across = taps[:, column] / pivot, taps[row]
    if float(np.abs(taps - np.outer(down, across)).sum()) <= allowed:
        return down[None].astype(kind), across[None].astype(kind)
    if taps.size <= FEW or min(shape) ** 2 * max(shape) > SVD_LIMIT:
        return None
    left, values, right = np.linalg.svd(taps, full_matrices=False)
    rest = taps.copy()
    for rank in range(1, min(RANK_LIMIT, len(values)) + 1):
        rest -= values[rank - 1] * np.outer(left[:, rank - 1], right[rank - 1])
        if float(np.abs(rest).sum()) <= allowed:
            scale = np.sqrt(values[:rank])
            return (left[:, :rank] * scale).T.astype(kind), (right[:rank].T * scale).T.astype(kind)
    return None
