"""What is to be said of how a kernel was read: rows taken as squares, Gaussians that are cut off."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from convcli.ops.rules import RuleCall
from convcli.ops.tensors import Tensor, reshaped
from convcli.spec.nodes import Node

#: Fields of weights in rows and columns.
MATRICES = ("weights", "depthwise")
#: Percent of a Gaussian whose loss is told of.
CUT_OFF = 1
#: Also where both were said.
MUCH = 20


def squared(values: dict[str, Any]) -> list[str]:
    """Makes rows of 9, 25, 49 ... numbers, as other programs write a square, one; what is to be said of it."""
    notes = []
    for key, value in values.items():
        if key in MATRICES and isinstance(value, Tensor) and value.origin == "inline" and not values["axes"]:
            side = math.isqrt(value.size)
            if value.rank == 1 and side % 2 and side > 1 and side * side == value.size:
                values[key] = reshaped(value, (side, side))
                notes.append(f"{value.size} numbers in a row are taken as {side}x{side}; a row of taps has axes: x")
    return notes


def cut_off(calls: Iterable[RuleCall], overrides: Mapping[str, Node]) -> list[str]:
    """What a radius that was asked for leaves out of a Gaussian; where its sigma was, too, only if that is much."""
    if "radius" not in overrides:
        return []
    least = MUCH if "sigma" in overrides else CUT_OFF
    notes = []
    for call in calls:
        radius, sigma = call.parameters.get("radius"), call.parameters.get("sigma")
        if isinstance(radius, int | float) and isinstance(sigma, int | float) and sigma > 0:
            share = 100 * math.erfc((radius + 0.5) / (sigma * math.sqrt(2)))
            if share >= least:
                fits = f"sigma={radius / 4:g} fits" if radius else "leave radius out"
                notes.append(f"radius {radius:g} cuts {share:.2g} % off a Gaussian of sigma {sigma:g}; {fits}")
    return list(dict.fromkeys(notes))
