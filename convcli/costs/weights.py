"""What can be told of an array of weights by looking at it: sums, symmetry, rank."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from convcli.engine.channel.factors import SVD_LIMIT
from convcli.ops.base import MOST_LOOKED_AT
from convcli.ops.products import factors
from convcli.ops.transposed import Transposed

Weights: TypeAlias = npt.NDArray[np.float64]

#: Singular values below this share of the greatest count as 0.
RANK_TOLERANCE = 1e-7
#: What equal weights may differ by, as a share of the greatest.
ROUNDING = 1e-12


def part(weights: Weights) -> dict[str, Any]:
    """What can be told of an array of weights, and the weights themselves unless they are too many."""
    entries: dict[str, Any] = {
        "shape": list(weights.shape),
        "sum": _tidy(float(weights.sum())),
        "sum_of_absolutes": _tidy(float(abs(weights).sum())),
        "least": float(weights.min()),
        "greatest": float(weights.max()),
    }
    if weights.ndim <= 3:
        entries["symmetry"] = symmetries(weights)
    if weights.ndim == 2:
        entries["rank"] = rank(weights)
        entries["separability"] = separability(weights.shape, entries["rank"])
        entries["factors"] = _factors(weights) if entries["rank"] == 1 else None
    entries["weights"] = weights.tolist() if weights.size <= MOST_LOOKED_AT else None
    return entries


def _factors(weights: Weights) -> dict[str, list[float]] | None:
    """Taps along y and x whose product the weights are."""
    pair = factors(weights)
    return {axis: (taps + 0.0).tolist() for axis, taps in zip("yx", pair, strict=True)} if pair else None


def _tidy(value: float) -> float:
    """Without the last digits' rounding noise: a sum of 1e-17 is a sum of 0."""
    return 0.0 if abs(value) < 1e-12 else float(f"{value:.12g}")


def symmetries(weights: Weights) -> list[str]:
    """The symmetries of weights: mirrored left-right, mirrored up-down, under transposition; or their odd kin."""
    if weights.ndim == 1 and weights.size > 1:
        mirrored = np.flip(weights)
        return ["even"] if _alike(mirrored, weights) else ["odd"] if _alike(mirrored, -weights) else []
    flips = {"left-right": -1, "up-down": -2, "front-back": -3}
    names = []
    for name, axis in list(flips.items())[: weights.ndim]:
        flipped = np.flip(weights, axis)
        if _alike(flipped, weights):
            names.append(f"even {name}")
        elif _alike(flipped, -weights):
            names.append(f"odd {name}")
    if weights.ndim == 2 and weights.shape[0] == weights.shape[1] > 1 and _alike(weights, weights.T):
        names.append("transposed")
    if not names and weights.size > 1 and _alike(np.flip(weights), weights):
        names.append("point")
    return names


def _alike(one: Weights, other: Weights) -> bool:
    """Whether two arrays of weights are equal but for errors of rounding."""
    difference = one - other
    return bool(np.abs(difference, out=difference).max() <= ROUNDING * np.abs(one).max())


def rank(weights: Weights) -> int | None:
    """The rank of a matrix of weights: 1 means that two 1-D kernels do the same (spatially separable).

    None where finding it would take seconds.
    """
    if min(weights.shape) ** 2 * max(weights.shape) > SVD_LIMIT:
        return None
    singular = np.linalg.svd(weights, compute_uv=False)
    return int(np.count_nonzero(singular > RANK_TOLERANCE * singular[0])) if singular[0] > 0 else 0


def separability(shape: tuple[int, ...], number: int | None) -> str:
    """The rank of a matrix of weights in words, with what separating would save."""
    rows, columns = shape
    if number is None:
        return f"not looked for in {rows}x{columns} taps"
    if number <= 1 and min(rows, columns) > 1:
        return f"1: separable, {rows} + {columns} multiplications instead of {rows * columns}"
    if number * (rows + columns) < rows * columns:
        saved = f"{number * (rows + columns)} multiplications instead of {rows * columns}"
        return f"{number}: a sum of {number} separable kernels, {saved}"
    return f"{number}: not separable" if min(rows, columns) > 1 else f"{number}: one row of taps"


def phase_sums(kernel: Transposed) -> list[float]:
    """The sums of the taps that reach an output sample, over all phases: all alike where ones stay flat."""
    weights = kernel.effective.sum(axis=1).mean(axis=0) if kernel.channels else kernel.effective
    # Tap t reaches the phase d*t mod s: only those that some tap reaches are looked at.
    met = [
        np.unique(dilation * np.arange(taps) % stride, return_inverse=True)
        for taps, stride, dilation in zip(kernel.taps, kernel.stride, kernel.dilation, strict=True)
    ]
    sums = np.zeros([phases.size for phases, _ in met])
    np.add.at(sums, np.ix_(*(places for _, places in met)), weights)
    missed = any(phases.size < stride for (phases, _), stride in zip(met, kernel.stride, strict=True))
    return sorted({*np.unique(np.round(sums, 9)).tolist(), *([0.0] if missed else [])})
