"""How float results become the samples of a picture: the ranges they are kept in.

| mode      | what is kept of a float result `y`, for integers with white at `top`                              |
|-----------|----------------------------------------------------------------------------------------------------|
| `clip`    | `y`, cut off below 0 and above `top`                                                               |
| `abs`     | `|y|`, cut off above `top`: both directions of an edge are bright                                  |
| `offset`  | `y + (top + 1) / 2`, cut off: 0 is mid-grey                                                        |
| `rescale` | `y` stretched so that the least value becomes 0 and the greatest `top`                             |
| `float`   | `y` itself, as float32                                                                             |
"""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from convcli.engine.dtypes import limits
from convcli.engine.sink import Storage
from convcli.ops import Kernel

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, DTypeLike, Floats


def kept_dtype(mode: str, dtype: DTypeLike) -> np.dtype[Any]:
    """The dtype of the output in range `mode` for an input of `dtype`."""
    kind = np.dtype(dtype)
    return np.dtype(np.float32) if mode == "float" and kind.kind != "f" else kind


def reach(kernel: Kernel, dtype: DTypeLike) -> tuple[float, float] | None:
    """The least and greatest number that a kernel can make of bytes; None where that isn't known."""
    return kernel.reach(*limits(dtype)) if np.dtype(dtype) == "uint8" else None


def storage(mode: str, dtype: DTypeLike, *, reach: tuple[float, float] | None = None, counted: bool = True) -> Storage:
    """How results in range `mode` are kept for an input of `dtype`; `rescale` is left to `stretched`."""
    kind = kept_dtype(mode, dtype)
    low, high = (0.0, 0.0) if kind.kind == "f" else limits(kind)
    middle = 0.5 if kind.kind == "f" else (low + high + 1) / 2
    shift = middle if mode == "offset" else 0.0
    return Storage(shift=shift, absolute=mode == "abs", reach=reach, counted=counted, alike=True)


def white(dtype: DTypeLike) -> float:
    """The value of white, and of full opacity."""
    return 1.0 if np.dtype(dtype).kind == "f" else limits(dtype)[1]


def span(floats: Floats) -> tuple[float, float] | None:
    """The least and greatest finite value; None where there is none."""
    least, greatest = float(floats.min()), float(floats.max())
    if math.isfinite(least) and math.isfinite(greatest):
        return least, greatest
    finite = floats[np.isfinite(floats)]
    return (float(finite.min()), float(finite.max())) if finite.size else None


def stretched(floats: Floats, ends: tuple[float, float], dtype: DTypeLike, *, weight: Floats | None = None) -> Floats:
    """Values from the first to the second of `ends` laid over 0 .. white of a `dtype`; each times its `weight`, as
    `floats` are, where that is given."""
    least, greatest = ends
    low = floats.dtype.type(least) if weight is None else weight * floats.dtype.type(least)
    return (floats - low) * floats.dtype.type(white(dtype) / (greatest - least or 1.0))


def nonfinite(array: Array) -> int:
    """NaN and infinite samples of a result; a finite sum says at once that there are none."""
    if array.dtype.kind != "f":
        return 0
    with np.errstate(over="ignore", invalid="ignore"):
        total = array.sum(dtype=np.float64)
    return 0 if np.isfinite(total) else int(array.size - np.count_nonzero(np.isfinite(array)))


class Ends:
    """The least and the greatest value of all rows."""

    def __init__(self) -> None:
        self.ends: tuple[float, float] | None = None
        self._lock = threading.Lock()

    def add(self, span: tuple[float, float] | None) -> None:
        with self._lock:
            if span and self.ends:
                self.ends = min(self.ends[0], span[0]), max(self.ends[1], span[1])
            else:
                self.ends = span or self.ends
