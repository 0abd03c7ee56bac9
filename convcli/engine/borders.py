"""What lies outside an array: six border rules, and reading a window that reaches over the edge.

| rule        | `abcd` continued   | PyTorch     | scipy.ndimage | OpenCV               |
|-------------|--------------------|-------------|---------------|----------------------|
| `reflect`   | `dcb abcd cba`     | `reflect`   | `mirror`      | `BORDER_REFLECT_101` |
| `symmetric` | `cba abcd dcb`     |             | `reflect`     | `BORDER_REFLECT`     |
| `replicate` | `aaa abcd ddd`     | `replicate` | `nearest`     | `BORDER_REPLICATE`   |
| `wrap`      | `bcd abcd abc`     | `circular`  | `grid-wrap`   | `BORDER_WRAP`        |
| `zero`      | `000 abcd 000`     | `zeros`     | `constant`    | `BORDER_CONSTANT`    |
| a number n  | `nnn abcd nnn`     |             | `constant`    | `BORDER_CONSTANT`    |

Each rule holds at any distance: an array shorter than the reach is continued again and again.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from convcli.engine.dtypes import limits
from convcli.engine.geometry import constant
from convcli.errors import ShapeError

if TYPE_CHECKING:
    import numpy.typing as npt

    from convcli.engine.dtypes import Array, DTypeLike


def source_indices(positions: npt.NDArray[np.int64], n: int, border: str) -> npt.NDArray[np.int64]:
    """The indices in `0 .. n-1` that the integer `positions` show; -1 where a number lies outside."""
    folded: npt.NDArray[np.int64]
    if border == "reflect":
        period = max(2 * n - 2, 1)
        folded = np.mod(positions, period)
        return np.minimum(folded, period - folded) if n > 1 else np.zeros_like(positions)
    if border == "symmetric":
        folded = np.mod(positions, 2 * n)
        return np.minimum(folded, 2 * n - 1 - folded)
    if border == "replicate":
        return np.clip(positions, 0, n - 1)
    if border == "wrap":
        return np.mod(positions, n)
    return np.where((positions >= 0) & (positions < n), positions, -1)


def read_window(
    x: Array, ranges: Sequence[tuple[int, int]], border: str, dtype: DTypeLike,
    out: Array | None = None,
) -> Array:  # fmt: skip
    """The window `ranges` (half-open, one per leading axis, reaching outside at will) of `x` as a `dtype` array.

    Axes of `x` beyond `ranges` (the channels) are taken whole. The window is `out` where it is given, else new.
    """
    lengths = x.shape[: len(ranges)]
    shape = tuple(stop - start for start, stop in ranges) + x.shape[len(ranges) :]
    window = np.empty(shape, dtype) if out is None else out
    outside = sum(max(0, -start) + max(0, stop - n) for (start, stop), n in zip(ranges, lengths, strict=True))
    # What a batch of small pictures, or bands, asks for again and again is worked out once.
    copies = _kept_copies if outside <= _FEW_OUTSIDE else _copies
    outside_is = constant(border)
    for target, source, folded in copies(tuple(ranges), lengths, border):
        if source is None:
            window[target] = outside_is
            continue
        samples = x[source]
        for place in folded:
            # Not `take`, which copies all of what does not lie in one piece.
            samples = samples[place]
        window[target] = samples
    return window


#: Samples outside along the axes of a window up to which it is remembered where they come from.
_FEW_OUTSIDE = 1 << 8
_Copy: TypeAlias = "tuple[tuple[slice, ...], tuple[slice, ...] | None, list[tuple[Any, ...]]]"


def _copies(ranges: tuple[tuple[int, int], ...], lengths: tuple[int, ...], border: str) -> list[_Copy]:
    """The parts of a window: where each goes, the samples it comes from, and the indices of those along some axes."""
    copies: list[_Copy] = []
    pieces = [list(_pieces(start, stop, n)) for (start, stop), n in zip(ranges, lengths, strict=True)]
    for combination in itertools.product(*pieces):
        target = tuple(slice(a - start, b - start) for (a, b, _), (start, _) in zip(combination, ranges, strict=True))
        if constant(border) is not None and not all(inside for _, _, inside in combination):
            copies.append((target, None, []))
            continue
        source = tuple(slice(a, b) if inside else slice(None) for a, b, inside in combination)
        folded = [
            ((slice(None),) * axis + (source_indices(np.arange(a, b), lengths[axis], border),))
            for axis, (a, b, inside) in enumerate(combination)
            if not inside
        ]
        copies.append((target, source, folded))
    return copies


_kept_copies = lru_cache(maxsize=256)(_copies)


def _pieces(start: int, stop: int, n: int) -> itertools.chain[tuple[int, int, bool]]:
    """`start .. stop` cut at 0 and `n`, as (start, stop, whether inside); empty pieces left out."""
    cuts = [(start, min(stop, 0), False), (max(start, 0), min(stop, n), True), (max(start, n), stop, False)]
    return itertools.chain(piece for piece in cuts if piece[0] < piece[1])


def check_border(border: str, dtype: np.dtype[Any]) -> None:
    """Raises `ShapeError` where a number that lies outside is none that samples of `dtype` can be."""
    number = constant(border)
    if not number or dtype.kind == "f":
        return
    low, high = limits(dtype)
    if number != int(number):
        nearest = round(min(max(number, low), high))
        raise ShapeError(f"border {border}: samples of {dtype} are whole numbers", hint=f"--border {nearest}")
    if not low <= number <= high:
        fact = f"border {border}: samples of {dtype} go from {low} to {high}"
        raise ShapeError(fact, hint=f"--border {low if number < low else high}")


def rows_behind(start: int, stop: int, n: int, border: str) -> list[tuple[int, int]]:
    """The ranges of `0 .. n-1` in which all samples lie that the positions `start .. stop-1` show.

    >>> rows_behind(-2, 3, 10, "reflect"), rows_behind(-2, 3, 10, "wrap")
    ([(0, 3), (1, 3)], [(0, 3), (8, 10)])
    """
    ranges = [(a, b) for a, b, inside in _pieces(start, stop, n) if inside]
    for a, b, inside in _pieces(start, stop, n):
        if not inside:
            # Far outside every rule goes on as it does over two periods.
            near = np.arange(a, b) if b - a < 4 * n else np.arange(a, a + 4 * n)
            indices = source_indices(near, n, border)
            indices = indices[indices >= 0]
            if indices.size:
                ranges.append((int(indices.min()), int(indices.max()) + 1))
    return ranges
