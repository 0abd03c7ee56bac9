"""Logarithmic axes of plots, with lines and labels at round numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from convcli.drawing.scene import Path, Text
from convcli.reports.tables import engineering


class Axis:
    """A logarithmic axis from a little below the least to a little above the greatest value."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        self.low, self.high = min(values) / 1.8, max(values) * 1.8
        self.start, self.end = start, end

    def at(self, value: float) -> float:
        share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        return self.start + (self.end - self.start) * min(share, 1.0)

    def ticks(self) -> list[float]:
        exponents = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        steps = (1, 2, 5) if self.high / self.low < 1e3 else (1,)
        return [m * 10.0**e for e in exponents for m in steps if self.low <= m * 10.0**e <= self.high]


def count(value: float) -> str:
    """A round count as a label: 5 M, not 5.00 M."""
    return re.sub(r"\.0+(?!\d)", "", engineering(value))


def grid(across: Axis, up: Axis, below: Callable[[float], str], beside: Callable[[float], str]) -> list[Any]:
    """The lines of both axes, labelled below and beside the plot."""
    items: list[Any] = []
    for tick in across.ticks():
        x = across.at(tick)
        items.append(Path(points=((x, up.end), (x, up.start)), stroke="rule"))
        items.append(Text(x=x, y=up.start + 17, text=below(tick), size=11, role="faint"))
    for tick in up.ticks():
        y = up.at(tick)
        items.append(Path(points=((across.start, y), (across.end, y)), stroke="rule"))
        items.append(Text(x=across.start - 8, y=y + 4, text=beside(tick), size=11, role="faint", anchor="end"))
    return items
