"""A layer in its place: which input it gets, and what it makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

from convcli.engine.geometry import Window
from convcli.networks.layers import Layer
from convcli.ops import Kernel
from convcli.ops.deformable import Deformable
from convcli.records import record

#: The input of a network among the inputs of a `Placed`.
INPUT = -1


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
