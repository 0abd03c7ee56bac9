"""A network on its input: every layer in its place, with its weights."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from convcli.errors import FieldError, KernelError, ShapeError, suggestion
from convcli.networks import operations
from convcli.networks.layers import Layer, of_item
from convcli.networks.network import Assembled, Item, Network
from convcli.networks.placed import Flow, Operation, Placed, place_kernel
from convcli.networks.swaps import Swap, swapped
from convcli.networks.weights import Shelf
from convcli.ops import Kernel
from convcli.ops.branches import Supplied
from convcli.ops.deformable import Deformable
from convcli.spec.nodes import Node

#: Kernels by the names of their layers: the layer, its channels and the kernel.
Kernels = dict[str, tuple[Layer, int, Kernel]]

#: Layers in all, repeats and blocks written out.
LAYER_LIMIT = 10_000


def assemble(network: Network, kernels: Kernels | None = None) -> Assembled:
    """The network's layers, each on what the one before it makes.

    `kernels` are those of the same network on inputs of other sizes: they serve again where a layer is the same.
    Raises `KernelError` with the place in the file, the layer's name and its numbers where a layer is impossible.
    """
    builder = _Builder(network, {} if kernels is None else kernels)
    builder.chain(network.items, Flow(size=network.input_size, channels=network.channels), "")
    layers = builder.layers[: builder.place(network.until) + 1] if network.until else builder.layers
    return Assembled(
        network=network,
        layers=tuple(layers),
        swaps=tuple(builder.swaps),
        untrained=tuple(builder.shelf.untrained),
        notes=builder.shelf.left,
    )


class _Builder:
    """Walks through the items and collects the layers."""

    def __init__(self, network: Network, kernels: Kernels) -> None:
        self.network, self._kernels = network, kernels
        self.layers: list[Placed] = []
        self.swaps: list[Swap] = []
        self.shelf = Shelf(network.arrays)
        self._entering = Flow(size=network.input_size, channels=network.channels)
        self._used: dict[str, int] = {}
        self._turns = 0

    def chain(self, items: Sequence[Item], flow: Flow, prefix: str) -> Flow:
        """Items one after the other, named or numbered, each name after `prefix`."""
        return self._run(items, flow, prefix, itertools.count(1))

    def _run(self, items: Sequence[Item], flow: Flow, prefix: str, numbers: Iterator[int]) -> Flow:
        for item in items:
            flow = self._entering_of(item, flow)
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

    def _entering_of(self, item: Item, flow: Flow) -> Flow:
        """What an item reads, the first time where it is repeated."""
        try:
            return self._earlier("from", item.source) if item.source else flow
        except FieldError as error:
            raise _blamed(item.node, error).error(f"{item.kind}: {error.fact}", error.hint) from error

    def _unique(self, name: str, repeat: int) -> str:
        """`name`, numbered where it is repeated or was there before."""
        self._used[name] = self._used.get(name, 0) + 1
        return f"{name}.{self._used[name]}" if repeat > 1 or self._used[name] > 1 else name

    def _step(self, item: Item, flow: Flow, name: str) -> Flow:
        """One layer, with errors at its place in the file."""
        try:
            if item.kind in _OPERATIONS:
                return self._bare(item, flow, name, _OPERATIONS[item.kind](item, flow))
            if item.kind in operations.JOINS:
                return self._join(item, flow, name)
            if item.kind == "normalize":
                return self._normalized(item, flow, name)
            return (self._fully_connected if item.kind == "fc" else self._convolution)(item, flow, name)
        except (FieldError, ShapeError) as error:
            node = _blamed(item.node, error)
            raise node.error(f"layer '{name}' ({item.kind}, on {flow}): {error.fact}", error.hint) from error

    def _placed(self, placed: Placed) -> Flow:
        self.layers.append(placed)
        return self._output(len(self.layers) - 1)

    def _output(self, number: int) -> Flow:
        placed = self.layers[number]
        return Flow(size=placed.size_out, channels=placed.channels_out, sources=(number,))

    def _convolution(self, item: Item, flow: Flow, name: str) -> Flow:
        layer = of_item(item, flow.channels, self.network.width)
        layer, swap = swapped(layer, flow.channels, self.network.swap, name)
        if swap:
            self.swaps.append(swap)
        offsets = item.fields.get("offsets") if layer.type == "deformable" else ""
        if offsets:
            layer = replace(layer, supplied=True)
        if not swap or swap.reason:  # what was swapped in was never trained
            layer = self.shelf.furnish(layer, (name, item.name), item.fields)
        result = self._weighted(layer, flow, name)
        if offsets:
            self._supply(self._earlier("offsets", offsets))
        return result

    def _supply(self, offsets: Flow) -> None:
        """Has the last layer, a deformable one, read its offsets there."""
        placed = self.layers[-1]
        kernel = placed.kernel
        assert isinstance(kernel, Deformable)
        assert isinstance(kernel.offsets, Supplied)
        offered, needed = (*offsets.size, offsets.channels), (*placed.size_out, kernel.offsets.planes)
        if offered != needed:
            fact = f"the offsets are {'x'.join(map(str, offered))}; the layer takes {'x'.join(map(str, needed))}"
            raise FieldError("offsets", fact, hint="its kernel_size, stride, padding, mask and offset_groups say so")
        self.layers[-1] = replace(placed, inputs=(*placed.inputs, *offsets.sources))

    def _weighted(self, layer: Layer, flow: Flow, name: str, type: str = "") -> Flow:
        """A layer with weights."""
        kernel = self._kernel(layer, flow, name)
        return self._placed(place_kernel(kernel, flow, name, type=type, branches=True, sees_all=type == "fc"))

    def _kernel(self, layer: Layer, flow: Flow, name: str) -> Kernel:
        """A layer's kernel; what of its weights was made ready for one size is so for all."""
        known = self._kernels.get(name)
        if known is None or known[:2] != (layer, flow.channels):
            sizes = dict(zip(flow.axes, flow.size, strict=True))
            known = layer, flow.channels, layer.kernel(flow.channels, sizes, name)
            if not layer.fits_one_size:
                self._kernels[name] = known
        return known[2]

    def _normalized(self, item: Item, flow: Flow, name: str) -> Flow:
        """A norm, and the numbers that scale its channels, as those of a kernel of one tap each."""
        operation = operations.normalize(item, flow)
        scaled = item.fields["scale"] or item.fields["weights"] is not None
        if not scaled and (item.fields["scale"] is False or not self.shelf.has((name, item.name))):
            if item.fields["bias"]:
                raise FieldError("bias", "'bias' is added to what is scaled", hint="scale: true")
            return self._bare(item, flow, name, operation)
        layer = Layer(
            type="dense", channels_out=flow.channels, taps=(1, 1), groups=flow.channels, bias=bool(item.fields["bias"])
        )
        layer = self.shelf.furnish(layer, (name, item.name), item.fields)
        return self._bare(item, flow, name, operation, {"scale": self._kernel(layer, flow, name)})

    def _bare(
        self, item: Item, flow: Flow, name: str, operation: Operation, kernels: Mapping[str, Kernel] | None = None
    ) -> Flow:
        """A layer without a kernel of its own, and its activation."""
        bending = item.value if item.kind == "activate" else item.fields["activation"]
        activation = self.shelf.bent(bending, (name, item.name))
        placed = Placed.on(flow, name, operation, kernels=kernels, activation=activation)
        if activation is not None:
            activation.check(placed.channels_out)
        return self._placed(placed)

    def _fully_connected(self, item: Item, flow: Flow, name: str) -> Flow:
        # A filter as large as its input, at its one place.
        layer = Layer(
            type="dense", channels_out=item.value, taps=flow.size, padding=((0, 0), (0, 0)),
            bias=bool(item.fields["bias"]), activation=item.fields["activation"],
        )  # fmt: skip
        layer = self.shelf.furnish(layer, (name, item.name), item.fields)
        if self.network.swap:
            self.swaps.append(Swap(name=name, reason="fully connected"))
        return self._weighted(layer, flow, name, "fc")

    def _join(self, item: Item, flow: Flow, name: str) -> Flow:
        if item.branches:
            flows = [self.chain(branch, flow, f"{name}/{chr(ord('a') + n)}") for n, branch in enumerate(item.branches)]
        else:
            # A name alone is joined to this chain; several stand for themselves.
            alone = isinstance(item.value, str)
            named = [self._earlier(item.kind, value) for value in ([item.value] if alone else item.value)]
            flows = [flow, *named] if alone else named
        both, operation = operations.join(item.kind, flows)
        return self._bare(item, both, name, operation)

    def _earlier(self, field: str, name: str) -> Flow:
        """The output of an earlier layer by its name, or the input."""
        number = self._number(name)
        if number is None and name == "input":
            return self._entering
        if number is None:
            known = [placed.name for placed in self.layers if not placed.name.isdigit()]
            raise FieldError(field, f"no layer above has the name '{name}'", hint=_names(known))
        return self._output(number)

    def _number(self, name: str) -> int | None:
        """The last layer of that name."""
        for number in range(len(self.layers) - 1, -1, -1):
            placed = self.layers[number]
            if name in (placed.name, placed.name.rpartition("/")[2]):
                return number
        return None

    def place(self, name: str) -> int:
        """The number of the layer with which the network is to end. Raises `KernelError`."""
        number = self._number(name)
        if number is None:
            known = [placed.name for placed in self.layers]
            hint = suggestion(name, known) or f"layers: {', '.join(known[:24])}"
            raise KernelError(
                f"no layer has the name '{name}'", place=f"network '{self.network.name}', until", hint=hint
            )
        return number


def _under(prefix: str, name: str) -> str:
    """A name in a chain: first/conv inside what is named, first/a.conv in a branch."""
    return f"{prefix}{name}" if not prefix or prefix.endswith("/") else f"{prefix}.{name}"


def _names(known: Sequence[str]) -> str:
    return f"named layers: {', '.join(known[:8])}" if known else "give the layer a name: {dense: 64, name: early}"


#: What an item does that is neither a convolution, a join nor fully connected.
_OPERATIONS: dict[str, Callable[[Item, Flow], Operation]] = {
    "pool": operations.pool,
    "global_pool": operations.global_pool,
    "upsample": operations.upsample,
    "depth_to_space": operations.depth_to_space,
    "space_to_depth": operations.space_to_depth,
    "take": operations.take,
    "channel_shuffle": operations.channel_shuffle,
    "across_channels": operations.across_channels,
    "activate": operations.activate,
}


def _blamed(node: Node, error: ShapeError | FieldError) -> Node:
    """The field that an error is about where the item has it, else the item."""
    fields: dict[str, Node] = node.value if isinstance(node.value, dict) else {}
    return fields.get(str(error.path[0]), node) if isinstance(error, FieldError) else node
