"""Logarithmic axes of plots, with lines and labels at round numbers, and the names of points."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from convcli.drawing.parts import width_of
from convcli.drawing.scene import Path, Point, Text
from convcli.reports.tables import engineering

#: How far from points their names are tried, and in which directions, to the right first; and how large they are.
_DISTANCES, _TURNS, _SIZE = (11, 24, 40, 56, 72, 96, 128, 160), (0, 12, 1, 23, 11, 13, 3, 21, 9, 15, 6, 18), 12
#: Half the side of the square that a point takes.
_POINT = 8


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


def grid(
    across: Axis, up: Axis, below: Callable[[float], str], beside: Callable[[float], str],
    ticks: Sequence[float] = (),
) -> list[Any]:  # fmt: skip
    """The lines of both axes, labelled below and beside the plot; `ticks` are those across unless round numbers are."""
    items: list[Any] = []
    for tick in ticks or across.ticks():
        x = across.at(tick)
        items.append(Path(points=((x, up.end), (x, up.start)), stroke="rule"))
        items.append(Text(x=x, y=up.start + 17, text=below(tick), size=11, role="faint"))
    for tick in up.ticks():
        y = up.at(tick)
        items.append(Path(points=((across.start, y), (across.end, y)), stroke="rule"))
        items.append(Text(x=across.start - 8, y=y + 4, text=beside(tick), size=11, role="faint", anchor="end"))
    return items


def named(
    names: Sequence[str], points: Sequence[Point], room: tuple[float, float, float, float]
) -> tuple[list[Any], list[Any]]:
    """The names of points, each where it hides no other and no point, and lines to those that stand apart.

    They stay in the `room` from left and top to right and bottom. Crowded points are named last, farther away.
    """
    taken = [(x - _POINT, y - _POINT, x + _POINT, y + _POINT) for x, y in points]
    leaders, texts = [], []
    apart = [sum(math.dist(one, other) < 5 * _POINT for other in points) for one in points]
    for index in sorted(range(len(points)), key=lambda index: (apart[index], points[index][1])):
        (x, y), long = points[index], width_of(names[index], _SIZE)
        for far, turn in ((far, turn) for far in _DISTANCES for turn in _TURNS):
            right, down = math.cos(turn * math.tau / 24), math.sin(turn * math.tau / 24)
            at, middle = x + far * right, y + far * down
            anchor, left = _anchored(right, at, long)
            box = left, middle - 8, left + long, middle + 7
            inside = room[0] <= box[0] and box[2] <= room[2] and room[1] <= box[1] and box[3] <= room[3]
            if inside and not any(_meet(box, other) for other in taken):
                break
        else:
            anchor, box, at, middle, far = "start", (x + 11, y - 8, x + 11 + long, y + 7), x + 11, y, 0
        taken.append(box)
        if far > _DISTANCES[0]:
            leaders.append(Path(points=((x, y), (at, middle)), stroke="ghostline"))
        texts.append(Text(x=at, y=middle + 4, text=names[index], size=_SIZE, anchor=anchor, halo=True))
    return leaders, texts


def _anchored(right: float, at: float, long: float) -> tuple[str, float]:
    """How a text in a direction is anchored, and where it begins."""
    if abs(right) < 0.3:
        return "middle", at - long / 2
    return ("start", at) if right > 0 else ("end", at - long)


def _meet(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
