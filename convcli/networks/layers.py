"""A layer by its type, channels and geometry -> a kernel with random weights, which are made only when it runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any

from convcli.engine.geometry import AxisPadding, KernelAxis, gather_window
from convcli.errors import FieldError, ShapeError
from convcli.ops import TYPES, Kernel, tensors
from convcli.ops.activation import Activation
from convcli.ops.branches import BranchCall, Supplied, branch_call
from convcli.ops.deformable import Deformable
from convcli.ops.tensors import Tensor
from convcli.ops.transposed import Transposed
from convcli.ops.weights import paddings, per_axis
from convcli.records import record

if TYPE_CHECKING:
    from convcli.networks.network import Item

#: What of `Layer.tensors` belongs to the branches of a deformable layer.
BRANCHES = ("offsets", "offsets.bias", "mask", "mask.bias")
#: Pixels by which the random offsets of a deformable layer stray (one standard deviation).
OFFSET_SPREAD = 0.5


@record
class Layer:
    """A layer: everything about it but its input. `taps`, `stride`, `dilation`, `padding` have one entry per axis.

    `mask` makes a deformable layer version 2, which is `supplied` with offsets where another layer makes them.
    """

    type: str
    channels_out: int
    taps: tuple[int, ...] = (3, 3)
    axes: str = "yx"
    stride: tuple[int, ...] = (1, 1)
    dilation: tuple[int, ...] = (1, 1)
    padding: tuple[AxisPadding, ...] = ("same", "same")
    output_padding: tuple[int, ...] = (0, 0)
    groups: int = 1
    border: str = "zero"
    bias: bool = False
    activation: Activation | None = None
    mask: bool = False
    offset_groups: int = 1
    supplied: bool = False
    #: The true numbers by what they are, "weights" or "bias" for one; random ones stand for what is missing.
    tensors: Mapping[str, Tensor] = field(default_factory=dict)

    def kernel(self, channels: int, sizes: Mapping[str, int], name: str) -> Kernel:
        """The layer on `channels` inputs; `sizes` per axis matter to deformable layers, whose offsets fit one size.

        Raises `FieldError` where channels, groups and taps don't go together, `ShapeError` where the output is empty.
        """
        self._check(channels)
        fields: dict[str, Any] = {
            "name": name, "about": "", "axes": self.axes, "stride": self.stride, "dilation": self.dilation,
            "padding": self.padding, "output_padding": self.output_padding, "border": self.border, "divisor": 1,
            "flip": False, "groups": self.groups, "bias": self._bias(),
            "activation": self.activation,
        }  # fmt: skip
        fields |= _WEIGHTS[self.type](self, channels, sizes)
        for part, tensor in self.tensors.items():
            if part not in BRANCHES:
                _put(fields, part, tensor)
        return TYPES[self.type].build(fields)

    @property
    def has_branches(self) -> bool:
        """Whether the branches of a deformable layer have their true numbers."""
        return "offsets" in self.tensors

    @property
    def fits_one_size(self) -> bool:
        """Whether its kernel does: a deformable one's with random offsets, one for each output."""
        return self.type == "deformable" and not self.supplied and not self.has_branches

    def _check(self, channels: int) -> None:
        """What the shapes of weights can't tell: input channels per group, offset groups."""
        if channels % self.groups:
            raise FieldError("groups", f"{channels} input channels don't split into {self.groups} groups")
        if self.channels_out % self.groups:
            raise FieldError("groups", f"{self.channels_out} output channels don't split into {self.groups} groups")
        if channels % self.offset_groups:
            raise FieldError(
                "offset_groups", f"{channels} channels don't split into {self.offset_groups} offset groups"
            )

    def _bias(self) -> Tensor | None:
        return tensors.noise((self.channels_out,), seed=1) if self.bias else None


def _put(fields: dict[str, Any], part: str, tensor: Tensor) -> None:
    """Puts true numbers in the place of random ones; raises `FieldError` where their shape is another.

    Sides of 1 may be left out, and a matrix may stand for weights whose inputs lie one after the other.
    """
    if part == "bias":
        fields["bias"] = tensor
        return
    held, axis = (fields["taps"], part) if part in "zyx" else (fields, part)
    held[axis] = _fitted(tensor, held[axis].shape)


def _fitted(tensor: Tensor, expected: tuple[int, ...]) -> Tensor:
    """A tensor in the shape that is expected; raises `FieldError`. See `_put`."""
    alike = [side for side in tensor.shape if side > 1] == [side for side in expected if side > 1]
    matrix = tensor.rank == 2 and tensor.shape[0] == expected[0] and tensor.size == math.prod(expected)
    if not alike and not matrix:
        fact = f"{tensor.origin} has shape {_times(tensor.shape)}; the layer takes {_times(expected)}"
        raise FieldError("weights", fact, hint="its channels, groups and kernel_size say so")
    return tensors.reshaped(tensor, expected)


def _times(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def _random(shape: Sequence[int]) -> Tensor:
    """Weights that keep the size of numbers about as it is: normal, scaled by the taps that are summed."""
    return tensors.noise(tuple(shape), seed=0, scale=1 / math.sqrt(max(1, math.prod(shape[1:]))))


def _bank(layer: Layer, channels: int, sizes: Mapping[str, int]) -> dict[str, Any]:
    return {"weights": _random((layer.channels_out, channels // layer.groups, *layer.taps))}


def _transposed(layer: Layer, channels: int, sizes: Mapping[str, int]) -> dict[str, Any]:
    return {"weights": _random((channels, layer.channels_out // layer.groups, *layer.taps))}


def _separable(layer: Layer, channels: int, sizes: Mapping[str, int]) -> dict[str, Any]:
    lead = layer.channels_out, channels // layer.groups
    return {"taps": {axis: _random((*lead, taps)) for axis, taps in zip(layer.axes, layer.taps, strict=True)}}


def _depthwise_separable(layer: Layer, channels: int, sizes: Mapping[str, int]) -> dict[str, Any]:
    if layer.groups != 1:
        hint = "its first half has a group per channel, its second none"
        raise FieldError("groups", "a depthwise separable layer takes no groups", hint=hint)
    return {"depthwise": _random((channels, 1, *layer.taps)), "pointwise": _random((layer.channels_out, channels))}


def _deformable(layer: Layer, channels: int, sizes: Mapping[str, int]) -> dict[str, Any]:
    bank, planes = _bank(layer, channels, sizes), layer.offset_groups * math.prod(layer.taps)
    if layer.supplied:
        return {**bank, "mask": None, "offsets": Supplied(count=(2 + layer.mask) * planes, packed=layer.mask)}
    if layer.has_branches:
        packed = layer.mask and "mask" not in layer.tensors

        def branch(part: str, count: int, **more: Any) -> BranchCall:
            weights = _fitted(layer.tensors[part], (count, channels, *layer.taps))
            return branch_call(weights, layer.tensors.get(f"{part}.bias"), **more)

        mask = branch("mask", planes, activation=Activation(name="sigmoid")) if layer.mask and not packed else None
        return {**bank, "mask": mask, "offsets": branch("offsets", (2 + packed) * planes, packed=packed)}
    output = []
    for axis, taps, stride, dilation, padding in zip(
        layer.axes, layer.taps, layer.stride, layer.dilation, layer.padding, strict=True
    ):
        if axis not in sizes:
            raise ShapeError(f"a deformable layer moves along y and x; the input has no {axis}")
        output.append(gather_window(sizes[axis], KernelAxis(taps, stride, dilation, axis), padding).length)
    return bank | _random_offsets(planes, output, masked=layer.mask)


def _random_offsets(planes: int, output: Sequence[int], *, masked: bool) -> dict[str, Tensor | None]:
    return {
        "offsets": tensors.noise((2 * planes, *output), seed=2, scale=OFFSET_SPREAD),
        "mask": tensors.noise((planes, *output), seed=3) if masked else None,
    }


def alone(kernel: Kernel, output: Sequence[int]) -> Kernel:
    """A kernel that runs without other layers: by random offsets, for `output` sizes, where another one makes them."""
    if not isinstance(kernel, Deformable) or not kernel.is_supplied:
        return kernel
    planes = kernel.offset_groups * math.prod(kernel.taps)
    return kernel.replace(**_random_offsets(planes, output, masked=kernel.packed))


_WEIGHTS: dict[str, Callable[[Layer, int, Mapping[str, int]], dict[str, Any]]] = {
    "dense": _bank,
    "separable": _separable,
    "depthwise_separable": _depthwise_separable,
    "transposed": _transposed,
    "deformable": _deformable,
}

#: Types of kernels that layers have.
LAYERS = tuple(_WEIGHTS)


def of_item(item: Item, channels: int, width: float) -> Layer:
    """The convolution of an item on `channels`; its own channels times the width multiplier unless they are fixed."""
    fields = item.fields
    scaled = item.value if fields.get("fixed") else max(1, math.floor(item.value * width + 1e-9))
    kind, groups = item.kind, fields.get("groups", 1)
    if item.kind == "depthwise":
        kind, groups, scaled = "dense", channels, item.value * channels
    elif item.kind == "pointwise":
        kind = "dense"
    return Layer(
        type=kind, channels_out=scaled, groups=groups, border=fields.get("border", "zero"), bias=bool(fields["bias"]),
        activation=fields["activation"],
        padding=paddings(fields.get("padding", "same"), "yx"),
        taps=per_axis(fields.get("kernel_size", 1), "yx", "kernel_size"),
        stride=per_axis(fields.get("stride", 1), "yx", "stride"),
        dilation=per_axis(fields.get("dilation", 1), "yx", "dilation"),
        output_padding=per_axis(fields.get("output_padding", 0), "yx", "output_padding"),
        mask=fields.get("mask", False), offset_groups=fields.get("offset_groups", 1),
    )  # fmt: skip


def like(kernel: Kernel, *, channels_out: int, groups: int = 1, taps: int | None = None, bias: bool = False) -> Layer:
    """The layer that repeats a kernel's type and geometry for every pair of channels, its `taps` replaced if given.

    A kernel that runs on every channel alone becomes a filter bank. Groups are left out where the type has none.
    """
    deformable = kernel if isinstance(kernel, Deformable) else None
    return Layer(
        type=kernel.type, channels_out=channels_out, taps=(taps,) * len(kernel.axes) if taps else kernel.taps,
        axes=kernel.axes, stride=kernel.stride, dilation=kernel.dilation, padding=kernel.padding,
        output_padding=kernel.output_padding if isinstance(kernel, Transposed) else (0,) * len(kernel.axes),
        groups=groups if "groups" in kernel.FIELDS else 1, border=kernel.border,
        bias=bias or kernel.bias is not None, activation=kernel.activation,
        mask=deformable is not None and (deformable.mask is not None or deformable.packed),
        offset_groups=deformable.offset_groups if deformable else 1,
    )  # fmt: skip


def textbook(*, channels_out: int, taps: tuple[int, int] = (3, 3), groups: int = 1, bias: bool = False) -> list[
    tuple[str, Layer]
]:  # fmt: skip
    """Every type once, by name: the first is the standard convolution. Types without groups are left ungrouped."""

    def layer(kind: str, **fields: Any) -> Layer:
        own = groups if "groups" in TYPES[kind].FIELDS else 1
        return Layer(type=kind, channels_out=channels_out, **{"taps": taps, "groups": own, "bias": bias, **fields})

    return [
        ("standard", layer("dense")),
        ("spatially separable", layer("separable")),
        ("depthwise separable", layer("depthwise_separable")),
        ("dilated 2", layer("dense", dilation=(2, 2))),
        ("transposed 2x", layer("transposed", stride=(2, 2))),
        ("deformable v1", layer("deformable")),
        ("deformable v2", layer("deformable", mask=True)),
        ("pointwise 1x1", layer("dense", taps=(1, 1))),
    ]
