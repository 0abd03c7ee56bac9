"""One kernel on all of an input, every channel alone: what it is made of, for those who compute it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from convcli.engine.facts import Facts
from convcli.engine.geometry import grid_of
from convcli.engine.plan import FREE, Constraints

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, Floats
    from convcli.engine.geometry import Grid, Window
    from convcli.engine.sink import Sink


class Correlation:
    """`y[o] = sum_t taps[t] * x[stride*o + dilation*t - before]` per channel of `x` `(*spatial, channels)`.

    Results go to `sink`. `taps` has the rank of the spatial axes, `windows` one entry for each of them.
    """

    def __init__(
        self,
        x: Array,
        taps: Floats,
        windows: Sequence[Window],
        border: str,
        sink: Sink,
        constraints: Constraints = FREE,
    ) -> None:
        self.x, self.taps, self.windows, self.border = x, taps, windows, border
        self.sink, self.constraints = sink, constraints

    @property
    def grid(self) -> Grid:
        """Where the outputs lie."""
        return grid_of(self.windows)

    def by(self, taps: Floats) -> Correlation:
        """The same with other taps."""
        return Correlation(self.x, taps, self.windows, self.border, self.sink, self.constraints)

    def channel(self, source: int, target: int, taps: Floats) -> Correlation:
        """`taps` on one channel alone, whose results are one channel of the output."""
        x, sink = self.x[..., source : source + 1], self.sink.channel(target)
        return Correlation(x, taps, self.windows, self.border, sink, self.constraints)

    def facts(self, window: Floats) -> Facts:
        """What is known of a part of the input."""
        return Facts(window, plain=False, algorithm=self.constraints.algorithm)


#: Computes a window of floats by whatever bears its samples, where an algorithm can't.
Otherwise = Callable[["Floats"], "Floats"]
