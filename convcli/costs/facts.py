"""What can be told of a kernel by looking at it: sums, symmetry, rank, what it does to sizes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from convcli.ops import Kernel
from convcli.ops.base import MOST_LOOKED_AT
from convcli.ops.transposed import Transposed

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Weights = npt.NDArray[np.float64]

#: Singular values below this share of the greatest count as 0.
RANK_TOLERANCE = 1e-7
#: What equal weights may differ by, as a share of the greatest.
ROUNDING = 1e-12


def symmetries(weights: Weights) -> list[str]:
    """The symmetries of weights: mirrored left-right, mirrored up-down, under transposition; or their odd kin."""
    import numpy as np

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
    import numpy as np

    difference = one - other
    return bool(np.abs(difference, out=difference).max() <= ROUNDING * np.abs(one).max())


def rank(weights: Weights) -> int | None:
    """The rank of a matrix of weights: 1 means that two 1-D kernels do the same (spatially separable).

    None where finding it would take seconds.
    """
    import numpy as np

    from convcli.engine.channel.factors import SVD_LIMIT

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


def size_effect(kernel: Kernel) -> str:
    """What the kernel does to the size of an image, in words."""
    sizes = (240,) * len(kernel.axes)
    output = kernel.output_shape(sizes)
    stride = "x".join(map(str, kernel.stride))
    if output == sizes:
        return "keeps the size"
    if isinstance(kernel, Transposed):
        exact = all(out == n * s for n, s, out in zip(sizes, kernel.stride, output, strict=True))
        return f"enlarges {stride} times" + ("" if exact else f", as in {_arrow(sizes, output)}")
    if any(s > 1 for s in kernel.stride):
        return f"keeps one sample in {stride}: {_arrow(sizes, output)}"
    return _arrow(sizes, output)


def _arrow(sizes: Sequence[int], output: Sequence[int]) -> str:
    return f"{'x'.join(map(str, sizes))} -> {'x'.join(map(str, output))}"


def taps_per_output(kernel: Transposed) -> list[int]:
    """How many taps reach an output sample, over all phases: one number where even, several where it will show.

    Odena, Dumoulin & Olah 2016, "Deconvolution and checkerboard artifacts", doi:10.23915/distill.00003.
    """
    per_axis = []
    for taps, stride, dilation in zip(kernel.taps, kernel.stride, kernel.dilation, strict=True):
        met = Counter(dilation * t % stride for t in range(taps))
        per_axis.append({*met.values(), *([0] if len(met) < stride else [])})
    counts = {1}
    for axis in per_axis:
        counts = {count * here for count in counts for here in axis}
    return sorted(counts)


def phase_sums(kernel: Transposed) -> list[float]:
    """The sums of the taps that reach an output sample, over all phases: all alike where ones stay flat."""
    import numpy as np

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


def orientation(kernel: Kernel) -> str:
    """Which way round the weights are laid on the image, in words."""
    if isinstance(kernel, Transposed):
        return "stamped flipped" if kernel.flip else "stamped as written, the adjoint of cross-correlation"
    return "convolution (weights flipped)" if kernel.flip else "cross-correlation (weights not flipped)"


def facts(kernel: Kernel, channels: int) -> dict[str, Any]:
    """What `convcli show` tells of a kernel, on an input of `channels`, as plain values."""
    sizes = (240,) * len(kernel.axes)
    count = kernel.count(sizes, channels)
    outputs = math.prod(kernel.output_shape(sizes))
    entries: dict[str, Any] = {
        "name": kernel.name,
        "about": kernel.about,
        "type": kernel.type,
        "summary": kernel.summary,
        "formula": kernel.formula,
        "source": kernel.source,
        "axes": kernel.axes,
        "taps": list(kernel.taps),
        "extent": list(kernel.extent),
        "stride": list(kernel.stride),
        "dilation": list(kernel.dilation),
        "padding": [p if isinstance(p, str) else list(p) for p in kernel.padding],
        "border": kernel.border,
        "orientation": orientation(kernel),
        "size": size_effect(kernel),
        "channels": list(kernel.channels) if kernel.channels else "each channel alone",
        "params_weights": count.weights,
        "params_biases": count.biases,
        "macs_per_output": {part: macs / outputs for part, macs in count.macs.items()},
        "input_channels": channels,
        "algorithm": kernel.algorithm(),
    }
    if isinstance(kernel, Transposed):
        entries["taps_per_output"] = taps_per_output(kernel)
        entries["phase_sums"] = phase_sums(kernel)
    entries["parts"] = {name: _part(weights) for name, weights in kernel.parts().items()}
    return entries


def _part(weights: Weights) -> dict[str, Any]:
    part: dict[str, Any] = {
        "shape": list(weights.shape),
        "sum": _tidy(float(weights.sum())),
        "sum_of_absolutes": _tidy(float(abs(weights).sum())),
        "least": float(weights.min()),
        "greatest": float(weights.max()),
    }
    if weights.ndim <= 3:
        part["symmetry"] = symmetries(weights)
    if weights.ndim == 2:
        part["rank"] = rank(weights)
        part["separability"] = separability(weights.shape, part["rank"])
    part["weights"] = weights.tolist() if weights.size <= MOST_LOOKED_AT else None
    return part


def _tidy(value: float) -> float:
    """Without the last digits' rounding noise: a sum of 1e-17 is a sum of 0."""
    return 0.0 if abs(value) < 1e-12 else float(f"{value:.12g}")
