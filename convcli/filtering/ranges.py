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

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from convcli.engine.dtypes import limits
from convcli.engine.sink import Sink
from convcli.ops import Kernel

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, DTypeLike, Floats


MODES = ("clip", "abs", "offset", "rescale", "float")


def kept_dtype(mode: str, dtype: DTypeLike) -> np.dtype[Any]:
    """The dtype of the output in range `mode` for an input of `dtype`."""
    given = np.dtype(dtype)
    return np.dtype(np.float32) if mode == "float" and given.kind != "f" else given


def reach(kernel: Kernel, x: Array) -> tuple[float, float] | None:
    """The least and greatest number that a kernel can make of bytes; None where that isn't known."""
    return kernel.reach(*limits(x.dtype)) if x.dtype == "uint8" else None


def sink_for(
    shape: Sequence[int],
    mode: str,
    dtype: DTypeLike,
    out: Array | None = None,
    reach: tuple[float, float] | None = None,
    *,
    counted: bool = True,
) -> Sink:
    """The output in range `mode` for an input of `dtype`; into `out` where there is that array. Else as `Sink`."""
    kept = kept_dtype(mode, dtype)
    low, high = (0.0, 0.0) if kept.kind == "f" else limits(kept)
    middle = 0.5 if kept.kind == "f" else (low + high + 1) / 2
    shift = middle if mode == "offset" else 0.0
    return Sink(shape, kept, shift=shift, absolute=mode == "abs", out=out, reach=reach, counted=counted, alike=True)


def store(floats: Floats, mode: str, dtype: DTypeLike) -> Sink:
    """A whole float result kept in range `mode`; `rescale` stretches its finite values over 0 .. white."""
    sink = sink_for(floats.shape, mode, dtype)
    if mode == "rescale":
        floats = stretched(floats, span(floats) or (0.0, 1.0), dtype)
    sink.store(floats, 0)
    return sink


def span(floats: Floats) -> tuple[float, float] | None:
    """The least and greatest finite value; None where there is none."""
    finite = floats[np.isfinite(floats)]
    return (float(finite.min()), float(finite.max())) if finite.size else None


def stretched(floats: Floats, ends: tuple[float, float], dtype: DTypeLike) -> Floats:
    """Values from the first to the second of `ends` laid over 0 .. white of a `dtype`."""
    given = np.dtype(dtype)
    top = 1.0 if given.kind == "f" else limits(given)[1]
    least, greatest = ends
    return (floats - floats.dtype.type(least)) * floats.dtype.type(top / (greatest - least or 1.0))
