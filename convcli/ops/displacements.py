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
    Reach: TypeAlias = Callable[[Mapping[str, Any], tuple[int, ...]], float]
    Field: TypeAlias = Callable[[Mapping[str, Any], Places, Places, tuple[int, ...], Places, Places], None]
else:
    np, memory = late("numpy"), late("convcli.engine.memory")

#: Places whose displacement is worked out at once, all steps of it within the cache.
STRIP = 1 << 16
#: Radians up to which the power series are used; their terms beyond these are below 2e-11.
SMALL = 0.55
SINE = (2.0, -1 / 3, 1 / 60, -1 / 2520, 1 / 181440)
VERSINE = (1.0, -1 / 12, 1 / 360, -1 / 20160, 1 / 1814400)


@record
class Displacement:
    """`field(parameters, rows, columns, (height, width), down, right)` puts displacements in pixels into the last two.

    `rows` is `(h, 1)`, `columns` `(1, w)`, both in steps of 1, and the displacements `(h, w)`. They follow from each
    place alone. `reach(parameters, (height, width))` is a length that none of them exceeds.
    """

    name: str
    about: str
    parameters: Mapping[str, Parameter]
    field: Field
    reach: Reach


def displaced(
    rule: Displacement, parameters: Mapping[str, Any], rows: Places, columns: Places, size: tuple[int, ...]
) -> tuple[Places, Places]:
    """How far from them taps read whose own places are `rows` `(kh, h)` and `columns` `(kw, w)`: `(kh, kw, h, w)`.

    Neighbouring outputs share places, so the field is worked out once per place and not once per tap. It lies in
    scratch memory.
    """
    down = np.arange(rows[0, 0], rows[-1, -1] + 1)[:, None]
    right = np.arange(columns[0, 0], columns[-1, -1] + 1)[None, :]
    field = memory.scratch("field", (2, down.size, right.size), np.float64)
    high = max(1, STRIP // right.size)
    for top in range(0, down.size, high):
        part = slice(top, top + high)
        rule.field(parameters, down[part], right, size, *field[:, part])
    steps = [_step(places, axis) for places in (rows, columns) for axis in (0, 1)]
    shape = (rows.shape[0], columns.shape[0], rows.shape[1], columns.shape[1])
    strides = [steps[axis] * field.strides[1 + axis // 2] for axis in (0, 2, 1, 3)]
    y, x = (np.lib.stride_tricks.as_strided(part, shape, strides, writeable=False) for part in field)
    return y, x


def _step(places: Places, axis: int) -> int:
    """How far whole numbers that are evenly spaced along `axis` lie apart."""
    return (
        int(places[1, 0] - places[0, 0] if axis == 0 else places[0, 1] - places[0, 0]) if places.shape[axis] > 1 else 0
    )


def _swirl(
    p: Mapping[str, Any], rows: Places, columns: Places, size: tuple[int, ...], down: Places, right: Places
) -> None:
    y, x, half = _from_middle(rows, columns, size)
    across, mirrored = _magnitudes(x)
    near, turn, sine, versine = _spare(len(y), across.size)
    radius = p["radius"] * half
    np.add((y / radius) ** 2, (across / radius) ** 2, out=near)
    np.sqrt(near, out=near)
    np.subtract(1, near, out=near)
    near.clip(0, np.inf, out=near)
    np.multiply(near, near, out=turn)
    near *= -2
    near += 3
    turn *= near
    _turned(turn, math.radians(p["angle"]), near, sine, versine)
    # Anticlockwise on the screen, where y points down: x sin t - y (1 - cos t) down, -y sin t - x (1 - cos t) right.
    np.multiply(across / 2, sine, out=near)
    np.multiply(y / -2, versine, out=turn)
    sine *= y / -2
    versine *= across / 2
    for own, same in mirrored:
        down_by, right_by = (np.subtract, np.add) if x[0, own.start] < 0 else (np.add, np.subtract)
        down_by(turn[:, same], near[:, same], out=down[:, own])
        right_by(sine[:, same], versine[:, same], out=right[:, own])


def _spare(height: int, width: int) -> Places:
    """Scratch memory for the steps of a field."""
    return memory.scratch("steps of a field", (4, height, width), np.float64)


def _magnitudes(x: Places) -> tuple[Places, list[tuple[slice, slice]]]:
    """Those of numbers in steps of 1, ascending, and for parts of `x` which of them are theirs.

    What follows from the distance from the middle is the same on both sides of it.
    """
    negative, count = int(np.count_nonzero(x < 0)), x.size
    least = float(np.abs(x).min())
    across = least + np.arange(float(np.abs(x).max()) - least + 1)[None, :]
    parts = []
    if negative:
        first, last = int(-x[0, 0] - least), int(-x[0, negative - 1] - least)
        parts.append((slice(0, negative), slice(first, last - 1 if last else None, -1)))
    if negative < count:
        first = int(x[0, negative] - least)
        parts.append((slice(negative, count), slice(first, first + count - negative)))
    return across, parts


def _turned(share: Places, angle: float, spare: Places, sine: Places, versine: Places) -> None:
    """`2 sin t` and `2 - 2 cos t` for `t = share * angle`; `share` from 0 to 1 and `spare` are written over.

    Power series for a small part of the angle, which is then doubled: a third of the time of numpy's functions. The
    error is below 1e-9 per turn of the angle, a millionth of a pixel.
    """
    doublings = max(0, math.ceil(math.log2(max(abs(angle), 1e-9) / SMALL)))
    share *= angle / (1 << doublings)
    square = np.multiply(share, share, out=spare)
    _series(square, SINE, sine)
    sine *= share
    _series(square, VERSINE, versine)
    versine *= square
    for _ in range(doublings):
        # For S = 2 sin t and V = 2 - 2 cos t: 2 sin 2t = S (2 - V), 2 - 2 cos 2t = S^2.
        np.subtract(2, versine, out=spare)
        np.multiply(sine, sine, out=versine)
        sine *= spare


def _series(square: Places, terms: tuple[float, ...], total: Places) -> None:
    np.multiply(square, terms[-1], out=total)
    for term in terms[-2:0:-1]:
        total += term
        total *= square
    total += terms[0]


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


def _lens(
    p: Mapping[str, Any], rows: Places, columns: Places, size: tuple[int, ...], down: Places, right: Places
) -> None:
    y, x, half = _from_middle(rows, columns, size)
    across, mirrored = _magnitudes(x)
    pull = _spare(len(y), across.size)[0]
    np.add(y * y, across * across, out=pull)
    pull *= p["strength"] / (p["radius"] * half) ** 2
    pull -= p["strength"]
    # Nothing beyond the radius: there the sign would turn.
    pull.clip(*((-np.inf, 0) if p["strength"] > 0 else (0, np.inf)), out=pull)
    for own, same in mirrored:
        np.multiply(y, pull[:, same], out=down[:, own])
        np.multiply(x[:, own], pull[:, same], out=right[:, own])


def _jitter(
    p: Mapping[str, Any], rows: Places, columns: Places, size: tuple[int, ...], down: Places, right: Places
) -> None:
    z, spare = memory.scratch("hashes", (2, *down.shape), np.uint64)
    np.add(rows.astype(np.int64) * (1 << 21), columns.astype(np.int64), out=z.view(np.int64))
    seed = np.array([(p["seed"] + 0x9E3779B97F4A7C15) % (1 << 64)], np.uint64)
    _mix(seed, np.empty_like(seed))
    z ^= seed
    _mix(z, spare)
    # Two uniform halves of one 64-bit hash: the displacement of a place depends on nothing but the place and the seed.
    np.right_shift(z, np.uint64(40), out=spare)
    np.bitwise_and(z, np.uint64(0xFFFFFF), out=z)
    for half, shift in ((spare, down), (z, right)):
        np.multiply(half.view(np.int64), 2 / (1 << 24), out=shift)
        shift -= 1
        shift *= p["amplitude"]


def _mix(z: npt.NDArray[np.uint64], spare: npt.NDArray[np.uint64]) -> None:
    """The finaliser of SplitMix64 (Steele, Lea & Flood 2014), in place."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
        np.right_shift(z, np.uint64(shift), out=spare)
        z ^= spare
        if factor != 1:
            z *= np.uint64(factor)


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
