"""What lies outside an array: five border rules, and reading a window that reaches over the edge.

| rule        | `abcd` continued   | PyTorch     | scipy.ndimage | OpenCV               |
|-------------|--------------------|-------------|---------------|----------------------|
| `reflect`   | `dcb abcd cba`     | `reflect`   | `mirror`      | `BORDER_REFLECT_101` |
| `symmetric` | `cba abcd dcb`     |             | `reflect`     | `BORDER_REFLECT`     |
| `replicate` | `aaa abcd ddd`     | `replicate` | `nearest`     | `BORDER_REPLICATE`   |
| `wrap`      | `bcd abcd abc`     | `circular`  | `grid-wrap`   | `BORDER_WRAP`        |
| `zero`      | `000 abcd 000`     | `zeros`     | `constant`    | `BORDER_CONSTANT`    |

Each rule holds at any distance: an array shorter than the reach is continued again and again.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from convcli.engine.dtypes import Array, DTypeLike


def source_indices(positions: npt.NDArray[np.int64], n: int, border: str) -> npt.NDArray[np.int64]:
    """The indices in `0 .. n-1` that the integer `positions` show; -1 where the border rule says zero."""
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
    shape = tuple(stop - start for start, stop in ranges) + x.shape[len(ranges) :]
    window = np.empty(shape, dtype) if out is None else out
    pieces = [list(_pieces(start, stop, n)) for (start, stop), n in zip(ranges, x.shape, strict=False)]
    for combination in itertools.product(*pieces):
        target = tuple(slice(a - start, b - start) for (a, b, _), (start, _) in zip(combination, ranges, strict=True))
        if border == "zero" and not all(inside for _, _, inside in combination):
            window[target] = 0
            continue
        source = x[tuple(slice(a, b) if inside else slice(None) for a, b, inside in combination)]
        for axis, (a, b, inside) in enumerate(combination):
            if not inside:
                # Not `take`, which copies all of what does not lie in one piece.
                source = source[(slice(None),) * axis + (source_indices(np.arange(a, b), x.shape[axis], border),)]
        window[target] = source
    return window


def _pieces(start: int, stop: int, n: int) -> itertools.chain[tuple[int, int, bool]]:
    """`start .. stop` cut at 0 and `n`, as (start, stop, whether inside); empty pieces left out."""
    cuts = [(start, min(stop, 0), False), (max(start, 0), min(stop, n), True), (max(start, n), stop, False)]
    return itertools.chain(piece for piece in cuts if piece[0] < piece[1])


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
