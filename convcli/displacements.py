"""Offsets by rule: a displacement of the picture as a whole, for deformable kernels on images of any size.

A rule gives, for every place that a tap would read, how far from there it reads instead. Lengths are fractions of half
the picture's shorter side, so that a rule looks the same at every size; angles are degrees, anticlockwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from convcli.records import record
from convcli.rules import Parameter

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Places = npt.NDArray[np.float64]
    Reach: TypeAlias = Callable[[Mapping[str, Any], tuple[int, ...]], float]
    Field: TypeAlias = Callable[[Mapping[str, Any], Places, Places, tuple[int, ...]], tuple[Places, Places]]


@record
class Displacement:
    """`field(parameters, rows, columns, (height, width))` gives the (down, right) displacements in pixels.

    `rows` is `(h, 1)`, `columns` `(1, w)`, the displacements `(h, w)`. `reach(parameters, (height, width))` is a length
    that none of them exceeds.
    """

    name: str
    about: str
    parameters: Mapping[str, Parameter]
    field: Field
    reach: Reach


def displaced(
    rule: Displacement, parameters: Mapping[str, Any], rows: Places, columns: Places, size: tuple[int, ...]
) -> tuple[Places, Places]:
    """Where taps read whose own places are `rows` `(taps, h)` and `columns` `(taps, w)`: `(taps, h, w)` each.

    Neighbouring outputs share places, so the field is worked out once per place and not once per tap.
    """
    import numpy as np

    top, left = rows.min(), columns.min()
    down = np.arange(top, rows.max() + 1)[:, None]
    right = np.arange(left, columns.max() + 1)[None, :]
    dy, dx = rule.field(parameters, down, right, size)
    dy, dx = dy + down, dx + right
    taps, height, width = rows.shape[0], rows.shape[1], columns.shape[1]
    if taps == 1 and dy.shape == (height, width):
        return dy[None], dx[None]
    y, x = np.empty((2, taps, height, width))
    for tap in range(taps):
        read = _steps(rows[tap], top), _steps(columns[tap], left)
        y[tap], x[tap] = dy[read], dx[read]
    return y, x


def _steps(places: Places, first: float) -> slice:
    """Evenly spaced `places` as indices from `first` on."""
    start, stop = int(places[0] - first), int(places[-1] - first)
    return slice(start, stop + 1, max(1, (stop - start) // max(1, len(places) - 1)))


def _swirl(p: Mapping[str, Any], rows: Places, columns: Places, size: tuple[int, ...]) -> tuple[Places, Places]:
    import numpy as np

    y, x, distance = _from_middle(rows, columns, size)
    near = np.clip(1 - distance / p["radius"], 0, 1)
    turn = math.radians(p["angle"]) * near * near * (3 - 2 * near)
    cosine, sine = np.cos(turn), np.sin(turn)
    return y * cosine + x * sine - y, x * cosine - y * sine - x


def _swirl_reach(p: Mapping[str, Any], size: tuple[int, ...]) -> float:
    """The longest chord of a turn, on fine rings; between two rings it grows by no more than its slope allows."""
    import numpy as np

    rings = 4096
    near = np.linspace(1, 0, rings + 1)
    angle = abs(math.radians(p["angle"]))
    turn = np.minimum(angle * near * near * (3 - 2 * near), math.pi)
    chord = 2 * (1 - near) * np.sin(turn / 2)
    return float((chord.max() + (2 + 1.5 * angle) / rings) * p["radius"] * _half(size))


def _lens_reach(p: Mapping[str, Any], size: tuple[int, ...]) -> float:
    # d (1 - d^2) is greatest at d = 1 / sqrt 3.
    return float(abs(p["strength"]) * p["radius"] * _half(size) * 2 / math.sqrt(27)) + 1


def _jitter_reach(p: Mapping[str, Any], size: tuple[int, ...]) -> float:
    return float(p["amplitude"])


def _lens(p: Mapping[str, Any], rows: Places, columns: Places, size: tuple[int, ...]) -> tuple[Places, Places]:
    import numpy as np

    y, x, distance = _from_middle(rows, columns, size)
    near = np.clip(1 - (distance / p["radius"]) ** 2, 0, 1)
    pull = -p["strength"] * near
    return y * pull, x * pull


def _jitter(p: Mapping[str, Any], rows: Places, columns: Places, size: tuple[int, ...]) -> tuple[Places, Places]:
    import numpy as np

    seed = np.uint64(p["seed"])
    cell = np.round(rows).astype(np.int64) * (1 << 21) + np.round(columns).astype(np.int64)
    mixed = _mix(cell.astype(np.uint64) ^ _mix(seed + np.uint64(0x9E3779B97F4A7C15)))
    # Two uniform halves of one 64-bit hash: the displacement of a place depends on nothing but the place and the seed.
    down = (mixed >> np.uint64(40)).astype(np.float64) / (1 << 24)
    right = (mixed & np.uint64(0xFFFFFF)).astype(np.float64) / (1 << 24)
    return p["amplitude"] * (2 * down - 1), p["amplitude"] * (2 * right - 1)


def _mix(z: Any) -> Any:
    """The finaliser of SplitMix64 (Steele, Lea & Flood 2014)."""
    import numpy as np

    with np.errstate(over="ignore"):
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def _from_middle(rows: Places, columns: Places, size: tuple[int, ...]) -> tuple[Places, Places, Places]:
    """Pixels down and right of the middle, and the distance from it in half-shorter-sides."""
    import numpy as np

    y, x = rows - (size[0] - 1) / 2, columns - (size[1] - 1) / 2
    return y, x, np.hypot(y, x) / _half(size)


def _half(size: tuple[int, ...]) -> float:
    """Half the picture's shorter side, in pixels."""
    return max(min(size) - 1, 1) / 2


_RADIUS = Parameter("how far from the middle it acts; 1 is half the shorter side", default=1.0, low=0.001, high=10)

DISPLACEMENTS: dict[str, Displacement] = {
    rule.name: rule
    for rule in (
        Displacement(
            name="swirl", about="Turns the picture about its middle, fading out to the rim.",
            parameters={"angle": Parameter("degrees of turn in the middle", default=90.0), "radius": _RADIUS},
            field=_swirl, reach=_swirl_reach,
        ),
        Displacement(
            name="lens", about="Magnifies the middle (or shrinks it, where strength is negative).",
            parameters={
                "strength": Parameter("0.5 shows the middle at twice its size", default=0.3, low=-5, high=0.99),
                "radius": _RADIUS,
            },
            field=_lens, reach=_lens_reach,
        ),
        Displacement(
            name="jitter", about="Moves every place at random, evenly in a square, as through frosted glass.",
            parameters={
                "amplitude": Parameter("pixels up, down, left and right at most", default=3.0, low=0),
                "seed": Parameter("another number, another pattern", default=0, low=0, high=2**53, whole=True),
            },
            field=_jitter, reach=_jitter_reach,
        ),
    )
}  # fmt: skip
