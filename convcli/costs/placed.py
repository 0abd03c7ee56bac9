"""A layer in its place: which input it gets, what it makes of it, and what that costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from convcli.analysis import taps_per_output
from convcli.costs.layers import Layer
from convcli.engine.geometry import Window
from convcli.ops import Kernel
from convcli.ops.deformable import Deformable
from convcli.ops.transposed import Transposed
from convcli.records import record

if TYPE_CHECKING:
    from convcli.costs.timing import Timing

#: Bytes of a number in a network: float32.
ITEM_BYTES = 4
#: The input of a network among the inputs of a `Placed`.
INPUT = -1
#: Parts of a deformable kernel's MACs that fetch samples rather than weigh them.
SAMPLING = ("bilinear sampling", "mask")


@record
class Placed:
    """A kernel, pool, join or other step on an input of known size.

    `kernels` are what is counted and run, the main one first under "" and the branches of a deformable one by name;
    pools and joins have none. `windows` say per axis of the array what an output reads. `inputs` are the numbers of the
    layers it reads (`INPUT` is the network's input), all of the same size.
    """

    name: str
    type: str
    axes: str
    size_in: tuple[int, ...]
    channels_in: int
    size_out: tuple[int, ...]
    channels_out: int
    windows: tuple[Window, ...]
    inputs: tuple[int, ...] = (INPUT,)
    kernels: Mapping[str, Kernel] = field(default_factory=dict)

    @property
    def kernel(self) -> Kernel | None:
        return self.kernels.get("")


@record
class Cost:
    """One row: what a kernel, a layer or a whole network costs. Sizes are in the order of `axes`, bytes are float32.

    Parameters and MACs are totals; `branch_*` is the share of a deformable layer's offset and mask branches in them.
    """

    name: str
    type: str
    network: str = ""
    kernel_size: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    groups: int = 1
    size_in: tuple[int, ...]
    channels_in: int
    size_out: tuple[int, ...]
    channels_out: int
    params_weights: int = 0
    params_biases: int = 0
    branch_weights: int = 0
    branch_biases: int = 0
    #: MACs by part, as the kernel types name them, branches under their own names.
    macs_by_part: Mapping[str, int] = field(default_factory=dict)
    output_bytes: int = 0
    #: Input, parameters and output, each moved once.
    moved_bytes: int = 0
    extent: tuple[int, ...] = ()
    receptive_field: tuple[int, ...] = ()
    #: Share of the receptive field's samples that are read at all; None where it was not worked out.
    coverage: float | None = None
    #: How many taps reach an output sample of a transposed kernel, over all phases.
    taps_per_output: tuple[int, ...] = ()
    #: Over the baseline's parameters and MACs; None without a baseline.
    params_ratio: float | None = None
    macs_ratio: float | None = None
    #: Over the whole network's MACs.
    macs_share: float | None = None
    timing: Timing | None = None

    @property
    def megapixels_per_s(self) -> float | None:
        return math.prod(self.size_in) / self.timing.median_s / 1e6 if self.timing else None

    @property
    def gmacs_per_s(self) -> float | None:
        return self.macs / self.timing.median_s / 1e9 if self.timing else None

    @property
    def params(self) -> int:
        return self.params_weights + self.params_biases

    @property
    def macs(self) -> int:
        return sum(self.macs_by_part.values())

    @property
    def macs_branch(self) -> int:
        return sum(macs for part, macs in self.macs_by_part.items() if part.endswith("branch"))

    @property
    def macs_sampling(self) -> int:
        return sum(self.macs_by_part.get(part, 0) for part in SAMPLING)

    @property
    def macs_kernel(self) -> int:
        return self.macs - self.macs_branch - self.macs_sampling

    @property
    def flops(self) -> int:
        return 2 * self.macs

    @property
    def intensity(self) -> float:
        """FLOPs per byte moved."""
        return self.flops / self.moved_bytes if self.moved_bytes else 0.0


def place_kernel(
    kernel: Kernel, *, name: str, axes: str, spatial: Sequence[int], channels: int, branches: bool = False,
    inputs: tuple[int, ...] = (INPUT,), type: str | None = None,
) -> Placed:  # fmt: skip
    """`kernel` on an input of `spatial` sizes along `axes`; `branches` adds those that a deformable kernel has.

    Raises `ShapeError` where kernel and input don't fit.
    """
    kernels: dict[str, Kernel] = {"": kernel}
    if branches and isinstance(kernel, Deformable):
        kernels |= kernel.branches(channels)
    windows = tuple(kernel.windows(spatial, axes))
    return Placed(
        name=name, type=type or kernel.type, axes=axes, size_in=tuple(spatial), channels_in=channels,
        size_out=tuple(window.length for window in windows), channels_out=kernel.output_channels(channels),
        windows=windows, inputs=inputs, kernels=kernels,
    )  # fmt: skip


def place_layer(
    layer: Layer, *, name: str, axes: str, spatial: Sequence[int], channels: int,
    inputs: tuple[int, ...] = (INPUT,), type: str | None = None,
) -> Placed:  # fmt: skip
    """`layer` on an input, with the branches of a deformable one. Raises `FieldError` and `ShapeError`."""
    kernel = layer.kernel(channels, dict(zip(axes, spatial, strict=True)), name)
    return place_kernel(
        kernel, name=name, axes=axes, spatial=spatial, channels=channels, branches=True, inputs=inputs, type=type
    )


def cost(placed: Placed) -> Cost:
    """What a layer costs, without its receptive field, which depends on the layers before it."""
    kernel = placed.kernel
    counts = {part: k.count(placed.size_in, placed.channels_in, placed.axes) for part, k in placed.kernels.items()}
    branches = [count for part, count in counts.items() if part]
    macs: dict[str, int] = {}
    for part, count in counts.items():
        macs |= {part: count.total_macs} if part else count.macs
    weights, biases = (sum(getattr(count, kind) for count in counts.values()) for kind in ("weights", "biases"))
    output = math.prod(placed.size_out) * placed.channels_out
    geometry: dict[str, Any] = _geometry(placed)
    moved = math.prod(placed.size_in) * placed.channels_in + weights + biases + output
    found = Cost(
        name=placed.name, type=placed.type, size_in=placed.size_in, channels_in=placed.channels_in,
        size_out=placed.size_out, channels_out=placed.channels_out, params_weights=weights, params_biases=biases,
        branch_weights=sum(count.weights for count in branches), branch_biases=sum(count.biases for count in branches),
        macs_by_part=macs, output_bytes=ITEM_BYTES * output, moved_bytes=ITEM_BYTES * moved, **geometry,
    )  # fmt: skip
    if isinstance(kernel, Transposed):
        return replace(found, taps_per_output=tuple(taps_per_output(kernel)))
    return found


def _geometry(placed: Placed) -> dict[str, Any]:
    """Taps, stride, dilation and groups: the kernel's, or those of a pool's windows."""
    kernel = placed.kernel
    if kernel is not None:
        return {
            "kernel_size": kernel.taps, "stride": kernel.stride, "dilation": kernel.dilation, "extent": kernel.extent,
            "groups": getattr(kernel, "groups", 1),
        }  # fmt: skip
    if placed.type in ("add", "concat"):
        return {}
    taps, stride, dilation = (tuple(getattr(w, key) for w in placed.windows) for key in ("taps", "stride", "dilation"))
    return {"kernel_size": taps, "stride": stride, "dilation": dilation, "extent": taps}


def operations(layers: Sequence[Placed]) -> dict[str, tuple[int, int]]:
    """Weights and MACs by kind of operation ("1x1", "3x3 depthwise", "fully connected"), as papers list them."""
    found: dict[str, tuple[int, int]] = {}
    for placed in layers:
        for branch, kernel in placed.kernels.items():
            weights = kernel.weights_by_part
            for part, macs in kernel.macs(placed.size_in, placed.axes, placed.channels_in).items():
                label = _operation(placed, kernel, branch, part)
                before = found.get(label, (0, 0))
                found[label] = before[0] + weights.get(part, 0), before[1] + macs
    return found


def _operation(placed: Placed, kernel: Kernel, branch: str, part: str) -> str:
    if placed.type == "fc":
        return "fully connected"
    if branch or part in SAMPLING:
        return branch or part
    size = "x".join(map(str, kernel.taps))
    if part == "pointwise":
        return "1x1"
    if part == "depthwise" or (kernel.type == "dense" and getattr(kernel, "groups", 1) == placed.channels_in > 1):
        return f"{size} depthwise"
    return {"dense": size, "separable": f"{size} separable, {part}"}.get(kernel.type, f"{size} {kernel.type}")
