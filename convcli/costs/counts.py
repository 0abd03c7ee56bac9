"""What a layer in its place costs, from the counts of its kernels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from convcli.costs.cost import ITEM_BYTES, SAMPLING, Cost
from convcli.costs.facts import taps_per_output
from convcli.networks import Placed
from convcli.ops import Kernel
from convcli.ops.deformable import Deformable
from convcli.ops.transposed import Transposed

#: Layers without kernels that read windows.
_WINDOWED: Final = ("pool", "upsample", "depth to space", "space to depth")


def cost(placed: Placed) -> Cost:
    """What a layer costs, without its receptive field, which depends on the layers before it."""
    kernel = placed.kernel
    counts = {part: k.count(placed.size_in, placed.channels_in, placed.axes) for part, k in placed.kernels.items()}
    branches = [count for part, count in counts.items() if part and kernel]
    macs: dict[str, int] = {}
    for part, count in counts.items():
        macs |= {part: count.total_macs} if part else count.macs
    weights, biases = (sum(getattr(count, kind) for count in counts.values()) for kind in ("weights", "biases"))
    # Branches that have weights are counted with their kernel.
    own = kernel.weights_by_part.items() if kernel else ()
    own_weights = sum(held for part, held in own if part.endswith("branch"))
    own_biases = kernel.branch_biases if isinstance(kernel, Deformable) else 0
    output = math.prod(placed.size_out) * placed.channels_out
    geometry: dict[str, Any] = _geometry(placed)
    moved = math.prod(placed.size_in) * placed.channels_in + weights + biases + output
    total = Cost(
        name=placed.name, type=placed.type, size_in=placed.size_in, channels_in=placed.channels_in,
        size_out=placed.size_out, channels_out=placed.channels_out, params_weights=weights, params_biases=biases,
        branch_weights=sum(count.weights for count in branches) + own_weights,
        branch_biases=sum(count.biases for count in branches) + own_biases,
        macs_by_part=macs, output_bytes=ITEM_BYTES * output, moved_bytes=ITEM_BYTES * moved, **geometry,
    )  # fmt: skip
    if isinstance(kernel, Transposed):
        return replace(total, taps_per_output=tuple(taps_per_output(kernel)))
    return total


def _geometry(placed: Placed) -> dict[str, Any]:
    """Taps, stride, dilation and groups: the kernel's, or those of a pool's windows."""
    kernel = placed.kernel
    if kernel is not None:
        return {
            "kernel_size": kernel.taps, "stride": kernel.stride, "dilation": kernel.dilation, "extent": kernel.extent,
            "groups": getattr(kernel, "groups", 1),
        }  # fmt: skip
    if not placed.type.startswith(_WINDOWED):
        return {}
    taps, stride, dilation = (tuple(getattr(w, key) for w in placed.windows) for key in ("taps", "stride", "dilation"))
    return {"kernel_size": taps, "stride": stride, "dilation": dilation, "extent": taps}


def operations(layers: Sequence[Placed]) -> dict[str, tuple[int, int]]:
    """Weights and MACs by kind of operation ("1x1", "3x3 depthwise", "fully connected"), as papers list them."""
    sums: dict[str, tuple[int, int]] = {}
    for placed in layers:
        for branch, kernel in placed.kernels.items():
            weights = kernel.weights_by_part
            for part, macs in kernel.macs(placed.size_in, placed.axes, placed.channels_in).items():
                label = _operation(placed, kernel, branch, part)
                before = sums.get(label, (0, 0))
                sums[label] = before[0] + weights.get(part, 0), before[1] + macs
    return sums


def _operation(placed: Placed, kernel: Kernel, branch: str, part: str) -> str:
    if placed.type == "fc":
        return "fully connected"
    if branch or part in SAMPLING or part.endswith("branch"):
        return branch or part
    size = "x".join(map(str, kernel.taps))
    if part == "pointwise":
        return "1x1"
    if part == "depthwise" or (kernel.type == "dense" and getattr(kernel, "groups", 1) == placed.channels_in > 1):
        return f"{size} depthwise"
    return {"dense": size, "separable": f"{size} separable, {part}"}.get(kernel.type, f"{size} {kernel.type}")
