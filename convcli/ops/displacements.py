"""Offsets by rule: a displacement of the picture as a whole, for deformable kernels on images of any size.

A rule gives, for every place that a tap would read, how far from there it reads instead. Lengths are fractions of half
the picture's shorter side, so that a rule looks the same at every size; angles are degrees, anticlockwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from convcli.ops.rules import Parameter
from convcli.records import late, record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Places = npt.NDArray[np.float64]
    Reach: TypeAlias = Callable[[Mapping[str, Any], tuple[int, ...]], float]
    Field: TypeAlias = Callable[[Mapping[str, Any], Places, Places, tuple[int, ...]], tuple[Places, Places]]
else:
    np = late("numpy")

#: Places whose displacement is worked out at once, all steps of it within the cache.
STRIP = 1 << 15
#: Radians up to which the power series are used; their terms beyond these are below 1e-15.
SMALL = 0.25
SINE = (1.0, -1 / 6, 1 / 120, -1 / 5040, 1 / 362880)
VERSINE = (1 / 2, -1 / 24, 1 / 720, -1 / 40320, 1 / 3628800)


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
    """How far from them taps read whose own places are `rows` `(taps, h)` and `columns` `(taps, w)`: `(taps, h, w)`.

    Neighbouring outputs share places, so the field is worked out once per place and not once per tap.
    """
    top, left = rows.min(), columns.min()
    down = np.arange(top, rows.max() + 1)[:, None]
    right = np.arange(left, columns.max() + 1)[None, :]
    strips = np.array_split(down, max(1, down.size * right.size // STRIP))
    dy, dx = np.empty((2, down.size, right.size))
    first = 0
    for strip in strips:
        part = slice(first, first + len(strip))
        dy[part], dx[part] = rule.field(parameters, strip, right, size)
        first = part.stop
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
    y, x, half = _from_middle(rows, columns, size)
    near = y * y + x * x
    np.sqrt(near, out=near)
    near *= -1 / (p["radius"] * half)
    near += 1
    np.maximum(near, 0, out=near)
    turn = near * near
    near *= -2
    near += 3
    turn *= near
    sine, versine = _turned(turn, math.radians(p["angle"]), near)
    # Anticlockwise on the screen, where y points down.
    down, right = x * sine, y * versine
    down -= right
    np.multiply(y, sine, out=right)
    versine *= x
    right += versine
    return down, np.negative(right, out=right)


def _turned(share: Places, angle: float, spare: Places) -> tuple[Places, Places]:
    """`sin t` and `1 - cos t` for `t = share * angle`, in float64; `share` from 0 to 1 and `spare` are written over.

    Power series for a small part of the angle, which is then doubled: a third of the time of numpy's functions. The
    error is below 1e-12 per turn of the angle.
    """
    doublings = max(0, math.ceil(math.log2(max(abs(angle), 1e-9) / SMALL)))
    share *= angle / (1 << doublings)
    square = np.multiply(share, share, out=spare)
    sine = _series(square, SINE)
    sine *= share
    versine = _series(square, VERSINE)
    versine *= square
    for _ in range(doublings):
        # sin 2t = 2 sin t (1 - v), 1 - cos 2t = 2 sin^2 t.
        np.subtract(1, versine, out=spare)
        np.multiply(sine, sine, out=versine)
        versine *= 2
        sine *= spare
        sine *= 2
    return sine, versine


def _series(square: Places, terms: tuple[float, ...]) -> Places:
    total = square * terms[-1]
    for term in terms[-2:0:-1]:
        total += term
        total *= square
    total += terms[0]
    return total


def _swirl_reach(p: Mapping[str, Any], size: tuple[int, ...]) -> float:
    """The longest chord of a turn, on fine rings; between two rings it grows by no more than its slope allows."""
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
    y, x, half = _from_middle(rows, columns, size)
    pull = y * y + x * x
    pull *= p["strength"] / (p["radius"] * half) ** 2
    pull -= p["strength"]
    # Nothing beyond the radius: there the sign would turn.
    (np.minimum if p["strength"] > 0 else np.maximum)(pull, 0, out=pull)
    return y * pull, x * pull


def _jitter(p: Mapping[str, Any], rows: Places, columns: Places, size: tuple[int, ...]) -> tuple[Places, Places]:
    seed = np.uint64(p["seed"])
    cell = np.round(rows).astype(np.int64) * (1 << 21) + np.round(columns).astype(np.int64)
    mixed = _mix(cell.astype(np.uint64) ^ _mix(seed + np.uint64(0x9E3779B97F4A7C15)))
    # Two uniform halves of one 64-bit hash: the displacement of a place depends on nothing but the place and the seed.
    down = (mixed >> np.uint64(40)).astype(np.float64) / (1 << 24)
    right = (mixed & np.uint64(0xFFFFFF)).astype(np.float64) / (1 << 24)
    return p["amplitude"] * (2 * down - 1), p["amplitude"] * (2 * right - 1)


def _mix(z: Any) -> Any:
    """The finaliser of SplitMix64 (Steele, Lea & Flood 2014)."""
    with np.errstate(over="ignore"):
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def _from_middle(rows: Places, columns: Places, size: tuple[int, ...]) -> tuple[Places, Places, float]:
    """Pixels down and right of the middle, and half the shorter side in pixels."""
    y, x = rows - (size[0] - 1) / 2, columns - (size[1] - 1) / 2
    return y, x, _half(size)


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
