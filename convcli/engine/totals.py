"""Results of several kernels that become one, sample by sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from convcli.engine.dtypes import DTypeLike, Floats


class Total:
    """Results that become one, one after the other: each is put in `next` and added."""

    def __init__(self, by: str, shape: Sequence[int], channels: int, dtype: DTypeLike) -> None:
        self._by, self._count = by, 0
        self._sum: Floats = np.empty((*shape, channels), dtype)
        self._next: Floats = np.empty((*shape, channels), dtype)
        self.next = self._sum

    def add(self, factor: float) -> None:
        """Takes the result in `next`, times its factor."""
        if factor != 1:
            np.multiply(self.next, self.next.dtype.type(factor), out=self.next)
        if self._count:
            add: Any = {"magnitude": _hypot, "max": np.maximum, "min": np.minimum}.get(self._by, np.add)
            add(self._sum, self._next, out=self._sum)
        elif self._by == "magnitude":
            np.abs(self._sum, out=self._sum)
        self._count, self.next = self._count + 1, self._next

    def result(self) -> Floats:
        return self._sum


def _hypot(one: Floats, other: Floats, out: Floats) -> None:
    """The root of the sum of two squares, also where those are too large or too small for numbers; `other` is used up.

    numpy's own takes ten times as long.
    """
    limits = np.finfo(one.dtype)
    low, high = float(limits.tiny) ** 0.5 / float(limits.eps), float(limits.max) ** 0.5 / 2
    peak = np.maximum(one, np.abs(other))
    odd = np.flatnonzero((peak < low) & (peak > 0) | ~(peak < high))
    exact = np.hypot(one.reshape(-1)[odd], other.reshape(-1)[odd])
    np.multiply(one, one, out=out)
    np.multiply(other, other, out=other)
    np.add(out, other, out=out)
    np.sqrt(out, out=out)
    out.reshape(-1)[odd] = exact
