"""How float results become the samples of a picture: the ranges and depths they are kept in.

| mode      | what is kept of a float result `y`, for integers with white at `top`                              |
|-----------|----------------------------------------------------------------------------------------------------|
| `clip`    | `y`, cut off below 0 and above `top`                                                               |
| `abs`     | `|y|`, cut off above `top`: both directions of an edge are bright                                  |
| `offset`  | `y + (top + 1) / 2`, cut off: 0 is mid-grey                                                        |
| `rescale` | `y` stretched so that the least value becomes 0 and the greatest `top`                             |
| `float`   | `y` itself, as float32                                                                             |
| `auto`    | `clip`; `abs` where the weights of the last kernel sum to 0; for an array file `float` where `clip`|
|           | could lose something. Floats, which lose nothing, stay themselves                                  |

Then they are brought to another depth, where one is asked for: white stays white.
"""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from convcli.channels import DEPTHS
from convcli.engine.dtypes import limits
from convcli.engine.sink import Storage
from convcli.ops import Kernel
from convcli.records import record

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, DTypeLike, Floats
    from convcli.filtering.chain import Chain


def reach(kernel: Kernel, dtype: DTypeLike) -> tuple[float, float] | None:
    """The least and greatest number that a kernel can make of bytes; None where that isn't known."""
    return kernel.reach(*limits(dtype)) if np.dtype(dtype) == "uint8" else None


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
    """NaN and infinite samples of a result; a finite sum, of squares where that is faster, says that there are none."""
    if array.dtype.kind != "f":
        return 0
    with np.errstate(over="ignore", invalid="ignore"):
        flat = array.reshape(-1) if array.flags.c_contiguous else None
        total = array.sum(dtype=np.float64) if flat is None else np.dot(flat, flat)
    return 0 if np.isfinite(total) else int(array.size - np.count_nonzero(np.isfinite(array)))


@record
class Output:
    """How the results of a chain on samples of `source` are stored: in range `mode`, `reason` says why, as `dtype`.

    `scale` takes white of `source` to white of `dtype`.
    """

    mode: str
    reason: str
    source: np.dtype[Any]
    dtype: np.dtype[Any]
    scale: float

    @classmethod
    def of(cls, chain: Chain, source: np.dtype[Any]) -> Output:
        """As the chain says; what it leaves open is found out."""
        dtype = np.dtype(DEPTHS[chain.depth]) if chain.depth else source
        mode, reason = (chain.range, "") if chain.range != "auto" else _best(chain, source, dtype)
        if mode == "float" and dtype.kind != "f":
            return cls(mode=mode, reason=reason, source=source, dtype=np.dtype(np.float32), scale=1.0)
        return cls(mode=mode, reason=reason, source=source, dtype=dtype, scale=white(dtype) / white(source))

    @property
    def white(self) -> float:
        """The value of white, and of full opacity."""
        return white(self.source) * self.scale

    @property
    def is_looked_at(self) -> bool:
        """Whether samples of another depth may come out dark, since white of the source is far above them."""
        return self.scale != 1 and self.dtype.kind != "f" and self.mode != "rescale"

    def darkness(self, greatest: float) -> tuple[str, ...]:
        """A note where no sample is above an eighth of white: 12 bits in samples of 16, counts in an int32."""
        if not self.is_looked_at or greatest >= self.white / 8:
            return ()
        fact = f"its greatest sample is {greatest:.0f} of {self.white:.0f}"
        return (f"{fact}, since white of {self.source} is {white(self.source):.0f}; --range rescale spreads them",)

    def storage(self, *, reach: tuple[float, float] | None = None, counted: bool = True) -> Storage:
        """What the sink does with results; `rescale` is left to `stretched`."""
        low, high = (0.0, 0.0) if self.dtype.kind == "f" else limits(self.dtype)
        middle = 0.5 if self.dtype.kind == "f" else (low + high + 1) / 2
        return Storage(
            shift=middle / self.scale if self.mode == "offset" else 0.0, scale=self.scale,
            absolute=self.mode == "abs", reach=reach, counted=counted, alike=True,
        )  # fmt: skip


def _best(chain: Chain, source: np.dtype[Any], dtype: np.dtype[Any]) -> tuple[str, str]:
    """The range for results of a chain that says none, and why it is another than `clip`."""
    if chain.makes_maps:
        return "float", "numbers of any meaning have no limits"
    if dtype.kind == "f":
        return "clip", ""
    last = chain.kernels[-1]
    if chain.to_array and not chain.depth:
        reach: tuple[float, float] | None = limits(source)
        for kernel in chain.kernels:
            reach = reach and kernel.reach(*reach)
        low, high = limits(dtype)
        if not reach or reach[0] < low - 0.5 or reach[1] > high + 0.5:
            return "float", f"{dtype} could not keep all results"
    if last.sums_to_zero:
        return "abs", f"the weights of {last.name} sum to 0"
    return "clip", ""


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
