"""What a picture made row by row comes to: how its rows are kept, and what is counted of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from convcli.engine.sink import Sink
from convcli.filtering.chain import nonfinite
from convcli.filtering.graph import Node
from convcli.filtering.stages import Stage
from convcli.records import record

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, Floats


class Tally:
    """What became of the samples of all rows kept so far, counted as `Filtered` does."""

    def __init__(self) -> None:
        self.below = self.above = self.unkept = self.nonfinite = 0
        self._lock = threading.Lock()

    def add(self, sink: Sink, rows: Array) -> None:
        """A sink that is done with, and the rows of the result that came of it."""
        unkept = nonfinite(rows)
        with self._lock:
            self.below += sink.below
            self.above += sink.above
            self.unkept += sink.nonfinite
            self.nonfinite += unkept


@record
class Chain:
    """The colours after the chain, before they are kept: `rows(start, stop)` and their opacity, None where it is 1.

    The rows need those of `nodes`, and those of `behind` where `hidden(start, stop)` says so.
    """

    nodes: Sequence[Node]
    rows: Callable[[int, int], tuple[Floats, Floats | None]]
    behind: Sequence[Node] = ()
    hidden: Callable[[int, int], bool] = lambda start, stop: False


@record
class Result:
    """A filtered picture of `shape` and `dtype`: `keep(start, stop)` makes rows of it from the same rows of `nodes`.

    Where there is a `measure`, it must see all rows before the first of them is kept.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    stages: tuple[Stage, ...]
    notes: tuple[str, ...]
    chain: Chain
    nodes: Sequence[Node]
    keep: Callable[[int, int], Array]
    tally: Tally
    #: Where the result lies in rows of its own as the last kernel makes it, that node.
    final: Node | None = None
    measure: Callable[[int, int], None] | None = None


class Ends:
    """The least and the greatest value of all bands."""

    def __init__(self) -> None:
        self.ends: tuple[float, float] | None = None
        self._lock = threading.Lock()

    def add(self, span: tuple[float, float] | None) -> None:
        with self._lock:
            if span and self.ends:
                self.ends = min(self.ends[0], span[0]), max(self.ends[1], span[1])
            else:
                self.ends = span or self.ends
