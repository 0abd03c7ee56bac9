"""A kernel of three axes as the stack of its slices, seen at a slant: where its taps lie to one another."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from convcli.drawing.parts import Look, signed, width_of
from convcli.drawing.scene import Path, Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from convcli.drawing.parts import Floats

#: Taps along an axis beyond which their cells are too small to be told apart.
MOST: Final = 9
#: How wide cells are, by the most taps along an axis; how much of that a row goes back to the right, and up.
_SIDES: Final = ((4, 30.0), (6, 22.0), (MOST, 16.0))
_BACK, _UP = 0.4, 0.43
#: How far slices lie apart, the share of a cell that is left free around it, and the length of an arrow's head.
_APART, _FREE, _HEAD = 20.0, 0.035, 6.0


def stack(weights: Floats, labels: Sequence[str], x: float, y: float, look: Look) -> tuple[list[Any], float, float]:
    """Slices of `weights` (z, y, x) below one another, the first on top, each with its label; where they end.

    An oblique projection: rows go back to the right, so that x and z keep their lengths and no slice hides another.
    """
    deep, high, wide = weights.shape
    side = next(side for most, side in _SIDES if max(weights.shape) <= most)
    apart = high * side * _UP + _APART

    def place(z: int, row: float, column: float) -> tuple[float, float]:
        return x + side * (column + (high - row) * _BACK), y + z * apart + side * row * _UP

    edges = [(0, 0), (0, wide), (high, wide), (high, 0)]
    items: list[Any] = [
        Path(points=(place(0, *edge), place(deep - 1, *edge)), stroke="ghostline", dashed=True) for edge in edges
    ]
    for (z, row, column), value in np.ndenumerate(weights):
        inside = [(a, b) for a, b in ((_FREE, _FREE), (_FREE, 1 - _FREE), (1 - _FREE, 1 - _FREE), (1 - _FREE, _FREE))]
        points = tuple(place(z, row + a, column + b) for a, b in inside)
        role, opacity = signed(float(value), look.peak)
        note = f"w[{z}, {row}, {column}] = {value:.6g}"
        items.append(Path(points=points, closed=True, fill="ghost", note=note))
        if opacity > 0.004:
            items.append(dataclasses.replace(items[-1], fill=role, opacity=opacity))
    right = place(0, 0, wide)[0] + 22
    for z, label in enumerate(labels):
        at = place(z, high / 2, 0)[1] + 4
        items.append(Text(x=right, y=at, text=label, role="faint", anchor="start"))
    for name, start, end, aside in (
        ("x", (high, 0), (high, wide), (0.0, 9.0)), ("y", (0, wide), (high, wide), (9.0, 2.0)),
    ):  # fmt: skip
        first, last = ((a + aside[0], b + aside[1]) for a, b in (place(deep - 1, *start), place(deep - 1, *end)))
        items.append(Path(points=(first, last), stroke="rule", arrow=_HEAD))
        middle = ((first[0] + last[0]) / 2, (first[1] + last[1]) / 2)
        items.append(Text(x=middle[0] + aside[0], y=middle[1] + 4 + aside[1], text=name, size=11, role="faint"))
    return items, right + max(map(width_of, labels)), place(deep - 1, high, 0)[1] + 26
