"""A network as it was written, and the same on an input: every layer in its place."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from convcli.engine.geometry import Scatter, Window, gather_window
from convcli.errors import FieldError, ShapeError
from convcli.networks.layers import Layer
from convcli.networks.placed import INPUT, Placed, place_layer
from convcli.networks.swaps import Swap, swapped
from convcli.ops.weights import per_axis
from convcli.records import record
from convcli.spec.nodes import Node

#: Layers in all, repeats and blocks written out.
LAYER_LIMIT = 10_000
AXES = "yx"


@record
class Item:
    """One entry of a network file: a kind ("dense", "pool", "add", "block"...), its value and fields, its place.

    `branches` are what a join joins, or the one chain of a block or of repeated layers.
    """

    kind: str
    value: Any
    node: Node = field(repr=False)
    fields: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    repeat: int = 1
    branches: tuple[tuple[Item, ...], ...] = ()


@record
class Network:
    """A network file: its input (height, width) and channels, its layers, and factors on width and resolution.

    `width` multiplies the output channels of every convolution (rounded down, 1 at least) but not of fully connected
    layers, `resolution` the sides of the input (rounded). `swap` is the type that every eligible layer is swapped to.
    """

    name: str
    about: str = ""
    size: tuple[int, int]
    channels: int
    items: tuple[Item, ...]
    width: float = 1.0
    resolution: float = 1.0
    swap: str = ""

    @property
    def input_size(self) -> tuple[int, int]:
        """The input's sides with the resolution multiplier, rounded, 1 at least."""
        height, width = (max(1, round(side * self.resolution)) for side in self.size)
        return height, width

    def changed(self, **changes: Any) -> Network:
        """A copy with other fields; those that are None stay."""
        return replace(self, **{key: value for key, value in changes.items() if value is not None})


@record
class Assembled:
    """A network on its input: all layers in order, and what became of each where a type was to be swapped in."""

    network: Network
    layers: tuple[Placed, ...]
    swaps: tuple[Swap, ...]


@record(kw_only=False)
class _Flow:
    """What the next layer gets: the number of the layer it comes from, its size and channels."""

    source: int
    size: tuple[int, ...]
    channels: int


def assemble(network: Network) -> Assembled:
    """The network's layers, each on what the one before it makes.

    Raises `KernelError` with the place in the file, the layer's name and its numbers where a layer is impossible.
    """
    builder = _Builder(network)
    builder.chain(network.items, _Flow(INPUT, network.input_size, network.channels), "")
    return Assembled(network=network, layers=tuple(builder.layers), swaps=tuple(builder.swaps))


class _Builder:
    """Walks through the items and collects the layers."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.layers: list[Placed] = []
        self.swaps: list[Swap] = []
        self._used: dict[str, int] = {}
        self._turns = 0

    def chain(self, items: Sequence[Item], flow: _Flow, prefix: str) -> _Flow:
        """Items one after the other, named or numbered, each name after `prefix`."""
        return self._run(items, flow, prefix, itertools.count(1))

    def _run(self, items: Sequence[Item], flow: _Flow, prefix: str, numbers: Iterator[int]) -> _Flow:
        for item in items:
            for _ in range(item.repeat):
                self._turns += 1
                if self._turns > LAYER_LIMIT:
                    raise item.node.error(f"the network has more than {LAYER_LIMIT:,} layers")
                named = item.name and self._unique(_under(prefix, item.name), item.repeat)
                if item.kind not in ("layers", "block"):
                    flow = self._step(item, flow, named or f"{prefix}{next(numbers)}")
                elif named:
                    flow = self.chain(item.branches[0], flow, f"{named}/")
                else:
                    flow = self._run(item.branches[0], flow, prefix, numbers)
        return flow

    def _unique(self, name: str, repeat: int) -> str:
        """`name`, numbered where it is repeated or was there before."""
        self._used[name] = self._used.get(name, 0) + 1
        return f"{name}.{self._used[name]}" if repeat > 1 or self._used[name] > 1 else name

    def _step(self, item: Item, flow: _Flow, name: str) -> _Flow:
        """One layer, with errors at its place in the file."""
        try:
            return _STEPS.get(item.kind, _Builder._convolution)(self, item, flow, name)
        except (FieldError, ShapeError) as error:
            size = "x".join(map(str, (*flow.size, flow.channels)))
            node = _blamed(item.node, error)
            raise node.error(f"layer '{name}' ({item.kind}, on {size}): {error.fact}", error.hint) from error

    def _placed(self, placed: Placed) -> _Flow:
        self.layers.append(placed)
        return _Flow(len(self.layers) - 1, placed.size_out, placed.channels_out)

    def _convolution(self, item: Item, flow: _Flow, name: str) -> _Flow:
        layer = _layer(item, flow.channels, self.network.width)
        layer, swap = swapped(layer, flow.channels, self.network.swap, name)
        if swap:
            self.swaps.append(swap)
        return self._place(layer, flow, name, layer.type)

    def _fully_connected(self, item: Item, flow: _Flow, name: str) -> _Flow:
        # A filter as large as its input, at its one place.
        layer = Layer(
            type="dense", channels_out=item.value, taps=flow.size, padding=((0, 0), (0, 0)), bias=item.fields["bias"]
        )
        if self.network.swap:
            self.swaps.append(Swap(name=name, reason="fully connected"))
        return self._place(layer, flow, name, "fc")

    def _place(self, layer: Layer, flow: _Flow, name: str, kind: str) -> _Flow:
        return self._placed(
            place_layer(
                layer,
                name=name,
                axes=AXES,
                spatial=flow.size,
                channels=flow.channels,
                inputs=(flow.source,),
                type=kind,
            )
        )

    def _pool(self, item: Item, flow: _Flow, name: str) -> _Flow:
        taps = per_axis(item.fields["kernel_size"], AXES, "kernel_size")
        stride = per_axis(item.fields["stride"] or taps, AXES, "stride")
        padding = [
            (p, p) if isinstance(p, int) else (0, 0) if p == "valid" else p
            for p in per_axis(item.fields["padding"], AXES, "padding")
        ]
        windows = [
            gather_window(n, taps=k, stride=s, dilation=1, padding=p, axis=axis)
            for n, k, s, p, axis in zip(flow.size, taps, stride, padding, AXES, strict=True)
        ]
        return self._windowed(name, f"pool {item.value}", flow, windows)

    def _global_pool(self, item: Item, flow: _Flow, name: str) -> _Flow:
        windows = [gather_window(n, taps=n, stride=1, dilation=1, padding=(0, 0), axis="") for n in flow.size]
        return self._windowed(name, f"pool {item.value}", flow, windows)

    def _upsample(self, item: Item, flow: _Flow, name: str) -> _Flow:
        factor = item.value
        # Bilinear: two neighbours per axis are mixed; nearest: one is copied.
        taps, before = (2 * factor, factor // 2) if item.fields["bilinear"] else (factor, 0)
        windows = [Scatter(taps, factor, 1, before, n * factor) for n in flow.size]
        return self._windowed(name, "upsample", flow, windows)

    def _windowed(self, name: str, kind: str, flow: _Flow, windows: Sequence[Window]) -> _Flow:
        return self._placed(
            Placed(
                name=name,
                type=kind,
                axes=AXES,
                size_in=flow.size,
                channels_in=flow.channels,
                size_out=tuple(window.length for window in windows),
                channels_out=flow.channels,
                windows=tuple(windows),
                inputs=(flow.source,),
            )
        )

    def _join(self, item: Item, flow: _Flow, name: str) -> _Flow:
        if item.branches:
            flows = [self.chain(branch, flow, f"{name}/{chr(ord('a') + n)}") for n, branch in enumerate(item.branches)]
        else:
            flows = [flow, self._earlier(item)]
        sizes = {one.size for one in flows}
        if len(sizes) > 1:
            shown = " and ".join("x".join(map(str, size)) for size in sorted(sizes, reverse=True))
            raise ShapeError(f"what is joined differs in size: {shown}")
        channels = [one.channels for one in flows]
        if item.kind == "add" and len(set(channels)) > 1:
            raise ShapeError(f"what is added differs in channels: {' and '.join(map(str, channels))}")
        windows = tuple(gather_window(n, taps=1, stride=1, dilation=1, padding=(0, 0), axis="") for n in flows[0].size)
        return self._placed(
            Placed(
                name=name,
                type=item.kind,
                axes=AXES,
                size_in=flows[0].size,
                channels_in=sum(channels),
                size_out=flows[0].size,
                channels_out=sum(channels) if item.kind == "concat" else channels[0],
                windows=windows,
                inputs=tuple(one.source for one in flows),
            )
        )

    def _earlier(self, item: Item) -> _Flow:
        """The output of an earlier layer by its name."""
        for number in range(len(self.layers) - 1, -1, -1):
            placed = self.layers[number]
            if item.value in (placed.name, placed.name.rpartition("/")[2]):
                return _Flow(number, placed.size_out, placed.channels_out)
        known = [placed.name for placed in self.layers if not placed.name.isdigit()]
        raise FieldError(item.kind, f"no layer above has the name '{item.value}'", hint=_names(known))


def _under(prefix: str, name: str) -> str:
    """A name in a chain: first/conv inside what is named, first/a.conv in a branch."""
    return f"{prefix}{name}" if not prefix or prefix.endswith("/") else f"{prefix}.{name}"


def _names(known: Sequence[str]) -> str:
    return f"named layers: {', '.join(known[:8])}" if known else "give the layer a name: {dense: 64, name: early}"


_STEPS: dict[str, Callable[[_Builder, Item, _Flow, str], _Flow]] = {
    "fc": _Builder._fully_connected,
    "pool": _Builder._pool,
    "global_pool": _Builder._global_pool,
    "upsample": _Builder._upsample,
    "add": _Builder._join,
    "concat": _Builder._join,
}


def _layer(item: Item, channels: int, width: float) -> Layer:
    """The convolution of an item on `channels`; its own channels times the width multiplier unless they are fixed."""
    given = item.fields
    scaled = item.value if given.get("fixed") else max(1, math.floor(item.value * width + 1e-9))
    kind, groups, taps = item.kind, given.get("groups", 1), given.get("kernel_size", 1)
    if item.kind == "depthwise":
        kind, groups, scaled = "dense", channels, item.value * channels
    elif item.kind == "pointwise":
        kind = "dense"
    padding = per_axis(given.get("padding", "same"), AXES, "padding")
    return Layer(
        type=kind, channels_out=scaled, groups=groups, border="zero", bias=given["bias"],
        taps=per_axis(taps, AXES, "kernel_size"),
        stride=per_axis(given.get("stride", 1), AXES, "stride"),
        dilation=per_axis(given.get("dilation", 1), AXES, "dilation"),
        padding=tuple((p, p) if isinstance(p, int) else (0, 0) if p == "valid" else p for p in padding),
        output_padding=per_axis(given.get("output_padding", 0), AXES, "output_padding"),
        mask=given.get("mask", False), offset_groups=given.get("offset_groups", 1),
    )  # fmt: skip


def _blamed(node: Node, error: ShapeError | FieldError) -> Node:
    """The field that an error is about where the item has it, else the item."""
    fields: dict[str, Node] = node.value if isinstance(node.value, dict) else {}
    return fields.get(str(error.path[0]), node) if isinstance(error, FieldError) else node
