"""A matrix of weights as the product of two rows of taps, in whole numbers where there are such."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from convcli.records import late

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.floating[Any]]
else:
    np = late("numpy")


def whole_factor(weights: Floats) -> float:
    """What makes the weights whole numbers, where there is such: 16 for [1 2 1; 2 4 2; 1 2 1] / 16; else 1."""
    sizes = np.abs(weights[np.abs(weights) > 1e-12])
    least = sizes.min(initial=np.inf)
    for k in range(1, 9):
        factor = float(k / least)
        if 0 < factor < 4096 and np.allclose(weights * factor, np.rint(weights * factor), atol=1e-7):
            return factor
    return 1.0


def factors(weights: Floats) -> tuple[Floats, Floats] | None:
    """Taps down and right whose product the weights are: whole numbers where that works, else of the same height."""
    if min(weights.shape) == 1 or not weights.any():
        return None
    row, column = np.unravel_index(np.abs(weights).argmax(), weights.shape)
    right = weights[row] * whole_factor(weights[row])
    down = weights[:, column] / right[column]
    if not np.allclose(np.outer(down, right), weights, rtol=0, atol=1e-9 * np.abs(weights).max()):
        return None
    factor = whole_factor(down)
    if not all(np.allclose(taps, np.rint(taps), atol=1e-7) for taps in (right, down * factor)):
        scale = math.sqrt(np.abs(down).max() / np.abs(right).max())
        down, right = down / scale, right * scale
    return (down, right) if down[np.abs(down).argmax()] > 0 else (-down, -right)
