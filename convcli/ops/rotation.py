"""Weights that are turned: a matrix by quarters, the ring of a 3x3 one by eighths."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convcli.errors import FieldError
from convcli.ops.tensors import Tensor
from convcli.records import late

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
else:
    np = late("numpy")

#: The places around the middle of 3x3 taps, clockwise.
RING = ((0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0))


def rotated(tensor: Tensor, degrees: int, axes: str) -> Tensor:
    """Weights `(..., y, x)` turned clockwise, as ImageMagick's `Sobel:90` is.

    Raises `FieldError` for an eighth of a turn of what isn't 3x3, and for a row of taps, which has no second axis.
    """
    if not degrees:
        return tensor
    if not axes.endswith("yx"):
        hint = "rows of numbers turn: [[1, 2, 1]]"
        raise FieldError("rotate", f"weights along {axes} alone don't turn", hint=hint)
    height, width = tensor.shape[-2:]
    eighths = degrees // 45
    if eighths % 2 and (height, width) != (3, 3):
        fact = f"{width}x{height} taps turn by multiples of 90 degrees, not by {degrees}; 3x3 by 45, too"
        raise FieldError("rotate", fact, hint="motion and gabor take an angle")

    def make() -> npt.NDArray[np.float64]:
        weights = tensor.array
        if eighths % 2 == 0:
            return np.ascontiguousarray(np.rot90(weights, -eighths // 2, axes=(-2, -1)))
        turned = weights.copy()
        for index, (y, x) in enumerate(RING):
            to = RING[(index + eighths) % len(RING)]
            turned[..., to[0], to[1]] = weights[..., y, x]
        return turned

    shape = (*tensor.shape[:-2], width, height) if eighths % 4 == 2 else tensor.shape
    return Tensor(shape=shape, origin=f"{tensor.origin} turned by {degrees}", make=make, fail=tensor.fail)
