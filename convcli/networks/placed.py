"""A layer in its place: which input it gets, and what it makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from convcli.engine.geometry import Window
from convcli.networks.layers import Layer
from convcli.ops import Kernel
from convcli.ops.activation import Activation
from convcli.ops.deformable import Deformable
from convcli.records import record

#: The input of a network among the inputs of a `Placed`.
INPUT = -1


@record
class Flow:
    """What a layer gets: `channels` of samples, `size` of them along `axes`, from the layers numbered `sources`."""

    size: tuple[int, ...]
    channels: int
    axes: str = "yx"
    sources: tuple[int, ...] = (INPUT,)

    def __str__(self) -> str:
        return "x".join(map(str, (*self.size, self.channels)))


@record
class Norm:
    """Of what mean and variance are: of `groups` of channels, or of each pixel's channels where there are none."""

    groups: int
    #: What is added to the variance.
    epsilon: float


@record
class Operation:
    """What a layer does: its type, and what an output reads per axis.

    It keeps the channels that it gets unless it says how many it makes; `sees_all`: one output sees all of the input,
    whatever its size; `spreads`: some of what it reads is one pixel, which goes to all of the others.
    """

    type: str
    windows: tuple[Window, ...]
    channels_out: int | None = None
    sees_all: bool = False
    spreads: bool = False
    #: The channels that it takes, in their order, where it computes none.
    picked: tuple[int, ...] = ()
    norm: Norm | None = None


@record
class Placed:
    """A kernel, pool, join or other step on an input of known size.

    `kernels` are what is counted and run, the main one first under "" and the branches of a deformable one by name;
    pools and joins have none, a norm may have its "scale". `windows` say per axis of the array what an output reads.
    `inputs` are the numbers of the layers it reads (`INPUT` is the network's input), all of the same size but for a
    pixel that it `spreads`.
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
    #: Of a layer without kernels; those have their own.
    activation: Activation | None = None
    #: Whether one output sees all of the input, whatever its size.
    sees_all: bool = False
    #: Whether some of what it reads is one pixel, which goes to all of the others.
    spreads: bool = False
    #: The channels that it takes, in their order, where it computes none.
    picked: tuple[int, ...] = ()
    norm: Norm | None = None

    @classmethod
    def on(
        cls, flow: Flow, name: str, operation: Operation, *, kernels: Mapping[str, Kernel] | None = None,
        activation: Activation | None = None,
    ) -> Placed:  # fmt: skip
        """An operation on a flow."""
        return cls(
            name=name, type=operation.type, axes=flow.axes, size_in=flow.size, channels_in=flow.channels,
            size_out=tuple(window.length for window in operation.windows), windows=operation.windows,
            channels_out=operation.channels_out or flow.channels, inputs=flow.sources, kernels=kernels or {},
            activation=activation, sees_all=operation.sees_all,
            spreads=operation.spreads, picked=operation.picked, norm=operation.norm,
        )  # fmt: skip

    @property
    def kernel(self) -> Kernel | None:
        return self.kernels.get("")


def place_kernel(
    kernel: Kernel, flow: Flow, name: str, *, type: str = "", branches: bool = False, sees_all: bool = False
) -> Placed:
    """`kernel` on a flow; `branches` adds those that a deformable kernel has.

    Raises `ShapeError` where they don't fit.
    """
    kernels: dict[str, Kernel] = {"": kernel}
    if branches and isinstance(kernel, Deformable):
        kernels |= kernel.branches(flow.channels)
    operation = Operation(
        type=type or kernel.type, windows=tuple(kernel.windows(flow.size, flow.axes)),
        channels_out=kernel.output_channels(flow.channels), sees_all=sees_all,
    )  # fmt: skip
    return Placed.on(flow, name, operation, kernels=kernels)


def place_layer(layer: Layer, flow: Flow, name: str, *, type: str = "") -> Placed:
    """`layer` on a flow, with the branches of a deformable one. Raises `FieldError` and `ShapeError`."""
    kernel = layer.kernel(flow.channels, dict(zip(flow.axes, flow.size, strict=True)), name)
    return place_kernel(kernel, flow, name, type=type, branches=True)
