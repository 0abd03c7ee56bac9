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

    from convcli.engine import memory

    Places = npt.NDArray[np.float64]
    #: Of (height, width): pixels.
    Length: TypeAlias = Callable[[Mapping[str, Any], tuple[int, ...]], float]
    Field: TypeAlias = Callable[[Mapping[str, Any], Places, Places, tuple[int, ...]], tuple[Places, Places]]
else:
    np, memory = late("numpy"), late("convcli.engine.memory")


@record
class Displacement:
    """`field(parameters, rows, columns, (height, width))` are displacements in pixels, down and right, `(h, w)` each.

    `rows` is `(h, 1)`, `columns` `(1, w)`; they follow from each place alone. `reach(parameters, (height, width))` is a
    length that none of them exceeds. Beyond `rim(parameters, (height, width))` pixels from the middle nothing moves;
    the field, smooth but in the middle, is what it were without an end. None: it isn't smooth, and has none.
    """

    name: str
    about: str
    parameters: Mapping[str, Parameter]
    field: Field
    reach: Length
    rim: Length | None = None


def _swirl(p: Mapping[str, Any], rows: Places, columns: Places, size: tuple[int, ...]) -> tuple[Places, Places]:
    y, x, half = _from_middle(rows, columns, size)
    near = 1 - np.sqrt(y * y + x * x) / (p["radius"] * half)
    turn = math.radians(p["angle"]) * near * near * (3 - 2 * near)
    # Anticlockwise on the screen, where y points down.
    sine, versine = np.sin(turn), 2 * np.sin(turn / 2) ** 2
    return x * sine - y * versine, -y * sine - x * versine


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


def _rim(p: Mapping[str, Any], size: tuple[int, ...]) -> float:
    return float(p["radius"] * _half(size))


def _jitter_reach(p: Mapping[str, Any], size: tuple[int, ...]) -> float:
    return float(p["amplitude"])


def _lens(p: Mapping[str, Any], rows: Places, columns: Places, size: tuple[int, ...]) -> tuple[Places, Places]:
    y, x, half = _from_middle(rows, columns, size)
    pull = p["strength"] * ((y * y + x * x) / (p["radius"] * half) ** 2 - 1)
    return y * pull, x * pull


def _jitter(p: Mapping[str, Any], rows: Places, columns: Places, size: tuple[int, ...]) -> tuple[Places, Places]:
    z, spare = memory.scratch("hashes", (2, len(rows), columns.size), np.uint64)
    np.add(rows.astype(np.int64) * (1 << 21), columns.astype(np.int64), out=z.view(np.int64))
    seed = np.array([(p["seed"] + 0x9E3779B97F4A7C15) % (1 << 64)], np.uint64)
    _mix(seed, np.empty_like(seed))
    z ^= seed
    _mix(z, spare)
    # Two uniform halves of one 64-bit hash: the displacement of a place depends on nothing but the place and the seed.
    np.right_shift(z, np.uint64(40), out=spare)
    np.bitwise_and(z, np.uint64(0xFFFFFF), out=z)
    down, right = ((half.view(np.int64) * (2 / (1 << 24)) - 1) * p["amplitude"] for half in (spare, z))
    return down, right


def _mix(z: npt.NDArray[np.uint64], spare: npt.NDArray[np.uint64]) -> None:
    """The finaliser of SplitMix64 (Steele, Lea & Flood 2014), in place."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
        np.right_shift(z, np.uint64(shift), out=spare)
        z ^= spare
        if factor != 1:
            z *= np.uint64(factor)


def _from_middle(rows: Places, columns: Places, size: tuple[int, ...]) -> tuple[Places, Places, float]:
    """Pixels down and right of the middle, and half the shorter side in pixels."""
    y, x = (places - middle for places, middle in zip((rows, columns), middle_of(size), strict=True))
    return y, x, _half(size)


def middle_of(size: tuple[int, ...]) -> tuple[float, float]:
    """The row and the column of the middle of a picture of a size (height, width)."""
    return (size[0] - 1) / 2, (size[1] - 1) / 2


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
            field=_swirl, reach=_swirl_reach, rim=_rim,
        ),
        Displacement(
            name="lens", about="Magnifies the middle (or shrinks it, where strength is negative).",
            parameters={
                "strength": Parameter("0.5 shows the middle at twice its size", default=0.3, low=-5, high=0.99),
                "radius": _RADIUS,
            },
            field=_lens, reach=_lens_reach, rim=_rim,
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
