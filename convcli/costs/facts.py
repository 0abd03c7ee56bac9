"""What can be told of a kernel before it runs: what it is, what it does to sizes, what it costs; its weights."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from convcli.ops import Kernel
from convcli.ops.branches import Branch
from convcli.ops.deformable import Deformable
from convcli.ops.displacements import Displacement
from convcli.ops.rules import RuleCall
from convcli.ops.tensors import Tensor
from convcli.ops.transposed import Transposed

#: The picture, height and width, on which the reach of offsets is told.
NOMINAL = (480, 640)


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


def orientation(kernel: Kernel) -> str:
    """Which way round the weights are laid on the image, in words."""
    if isinstance(kernel, Transposed):
        return "stamped flipped" if kernel.flip else "stamped as written, the adjoint of cross-correlation"
    return "convolution (weights flipped)" if kernel.flip else "cross-correlation (weights not flipped)"


def said(source: Tensor | RuleCall | Branch | None) -> str:
    """Where offsets or a mask come from, and how far offsets reach that follow from a picture's size, in words."""
    if isinstance(source, RuleCall):
        if not isinstance(source.rule, Displacement):
            return source.describe()
        reach = source.rule.reach(source.values(2, "offsets"), NOMINAL)
        return f"{source.describe()}, up to {reach:.3g} pixels away on a picture of {NOMINAL[1]}x{NOMINAL[0]}"
    if isinstance(source, Tensor):
        return f"{source.origin}, {'x'.join(map(str, source.shape))}"
    return str(source) if source else "with the offsets, by the same branch"


def effect(kernel: Kernel) -> str:
    """How results are mixed with the samples `x`, and what of it the weights that are printed hold."""
    change = "x - K(x)" if kernel.unsharp else "K(x) - x"
    least = f" where |K(x) - x| >= {kernel.threshold:g}" if kernel.threshold else ""
    unit = "" if not kernel.threshold else " of white" if kernel.threshold < 1 else " samples"
    held = "K has the weights above" if kernel.folded.has_effect else "in the weights above"
    return f"x + {kernel.amount:g} * ({change}){least}{unit}; {held}"


def facts(kernel: Kernel, channels: int) -> dict[str, Any]:
    """What `convcli show` tells of a kernel, on an input of `channels`, as plain values."""
    from convcli.costs.weights import part, phase_sums

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
        "activation": str(kernel.activation) if kernel.activation else None,
        "macs_per_output": {part: macs / outputs for part, macs in count.macs.items()},
        "input_channels": channels,
        "algorithm": kernel.algorithm(),
    }
    if isinstance(kernel, Transposed):
        entries["taps_per_output"] = taps_per_output(kernel)
        entries["phase_sums"] = phase_sums(kernel)
    if isinstance(kernel, Deformable):
        entries["offsets"] = said(kernel.offsets)
        entries["mask"] = said(kernel.mask) if kernel.mask or kernel.packed else None
    if kernel.has_effect:
        entries["effect"] = effect(kernel)
    entries["notes"] = list(kernel.notes)
    entries["parts"] = {name: part(weights) for name, weights in kernel.folded.parts().items()}
    return entries
