"""An ONNX graph on its way to a network file: values, constants, and the layers made so far."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from convcli.errors import KernelError
from convcli.networks.onnx import known
from convcli.records import late

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from convcli.networks.onnx.moved import Moved
    from convcli.ops.weight_files import Members

    Numbers = npt.NDArray[np.floating[Any]]
else:
    np = late("numpy")

#: The name of a network's input in network files.
INPUT = "input"
#: Kinds of layers that have weights, into which factors and biases are folded.
WEIGHTED: Final = ("dense", "deformable", "transposed", "fc")
#: Kinds of layers that join others.
JOINS: Final = ("add", "subtract", "multiply", "divide", "concat")
_ENLARGING: Final = ("upsample", "transposed", "depth_to_space")
#: How Transpose puts channels first, and last.
FIRST, LAST = (0, 3, 1, 2), (0, 2, 3, 1)


@dataclass
class Layer:
    """A layer of the file to be: `sources` are the names of those it reads; its weights may still be folded into."""

    kind: str
    value: Any
    name: str
    sources: list[str]
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Pad:
    """Cells added before a convolution: top, left, bottom, right, and the border rule that fills them."""

    cells: tuple[int, int, int, int]
    border: str


def is_order(node: Any, order: Sequence[int]) -> bool:
    """Whether a Transpose puts axes in this order."""
    return any(entry.name == "perm" and tuple(entry.ints) == tuple(order) for entry in node.attribute)


class Unsupported(Exception):
    """A node that no layer of a network file stands for; the reason is its text.

    `node` is that node where it is another than the one that is read.
    """

    def __init__(self, reason: str, node: Any = None) -> None:
        super().__init__(reason)
        self.node = node


class Graph:
    """The layers made of an ONNX graph's nodes, and the arrays that they take."""

    def __init__(self, stored: Members, size: tuple[int, int] | None = None) -> None:
        graph = stored.model.graph
        self.place = place = str(stored.path)
        self._size = size
        self.layers: list[Layer] = []
        self.arrays: dict[str, Numbers] = {}
        self._stored = stored
        self.computed: dict[str, Any] = {}
        self._shapes: Mapping[str, tuple[int, ...]] = {}
        entering = [value for value in graph.input if not self.is_constant(value.name)]
        if len(entering) != 1:
            names = ", ".join(value.name for value in entering) or "none"
            raise KernelError(f"it has {len(entering)} inputs ({names}); a network here has one", place=place)
        self.entering = entering[0]
        self._layer_names = {self.entering.name: INPUT}
        self._pads: dict[str, Pad] = {}
        #: Values of one row per picture, which a layer makes of what has rows and columns.
        self.flat: set[str] = set()
        #: Values whose channels are the last axis, as TensorFlow has them.
        self.last: set[str] = set()
        #: Values that are one pixel here, and that pixel all over in the graph.
        self.spread: set[str] = set()
        #: Of rows per picture that were made of such: their rows, columns and channels.
        self.interleaved: dict[str, tuple[int, ...]] = {}
        readers = [node for node in graph.node if self.entering.name in node.input]
        if readers and all(node.op_type == "Transpose" and is_order(node, FIRST) for node in readers):
            self.last.add(self.entering.name)
        self._channels = {INPUT: self.sides[3 if self.last else 1] if len(self.sides) == 4 else 0}
        #: Values whose samples lie as in no picture.
        self.moved: dict[str, Moved] = {}
        self.notes: list[str] = []
        self.uses = Counter(name for node in graph.node for name in node.input)
        self.uses.update(value.name for value in graph.output)

    @property
    def opsets(self) -> Any:
        """The versions of operators that its nodes are of."""
        return self._stored.model.opset_import

    @property
    def version(self) -> int:
        """The version of ONNX's own operators that its nodes are of."""
        return max([int(entry.version) for entry in self.opsets if entry.domain in ("", "ai.onnx")], default=1)

    def ends_with(self, value: str) -> bool:
        """Whether a value is an output that no node reads."""
        outputs = [output.name for output in self._stored.model.graph.output]
        return self.uses[value] == outputs.count(value) > 0

    @property
    def enters_last(self) -> bool:
        """Whether the input has its channels last."""
        return self.entering.name in self.last

    @property
    def sides(self) -> list[int]:
        """The input's sides as the file has them, height and width as they are asked for; 0 where there are none."""
        sides = [side.dim_value for side in self.entering.type.tensor_type.shape.dim]
        if len(sides) == 4 and self._size:
            place = 1 if self.enters_last else 2
            sides[place : place + 2] = self._size
        return sides

    def shape(self, value: str) -> tuple[int, ...]:
        """The shape of a value, where it is fixed. Raises `Unsupported`."""
        if self.is_constant(value):
            return tuple(np.shape(self.constant(value)))
        if value not in self._shapes:
            self._shapes = known.shapes(self._stored.model, self.sides, self.computed)
        if value not in self._shapes:
            raise Unsupported(f"the shape of '{value}' is not fixed; --size HxW fixes that of the input")
        return self._shapes[value]

    def channels(self, layer: str) -> int:
        """The channels that a layer makes."""
        return self._channels[layer]

    def evaluate(self, node: Any) -> bool:
        """Whether a node makes numbers of what is constant, which are known then."""
        if node.op_type == "Shape" and node.domain in ("", "ai.onnx"):
            first, last = (next((a.i for a in node.attribute if a.name == name), None) for name in ("start", "end"))
            self.computed[node.output[0]] = np.array(self.shape(node.input[0])[first:last], np.int64)
            return True
        if not node.input or not all(map(self.is_constant, filter(None, node.input))):
            return False
        array = known.evaluated(node, self.opsets, self.constant)
        if array is None or array.dtype.kind not in "buif":
            return False
        self.computed[node.output[0]] = array
        return True

    def constant(self, name: str) -> Any:
        """The numbers of a constant input. Raises `Unsupported`."""
        if name in self.computed:
            return self.computed[name]
        if not self.is_constant(name):
            raise Unsupported(f"its input '{name}' is no constant")
        return self._stored.tensor(name).native

    def is_constant(self, name: str) -> bool:
        return name in self.computed or name in self._stored.shapes

    def unpadded(self, value: str) -> str:
        """A value whose cells, if there are any, are made by a layer of their own. Raises `Unsupported`."""
        pad = self._pads.pop(value, None)
        if pad:
            top, left, bottom, right = pad.cells
            self._layer_names[value] = self.surrounded(
                self._layer_names[value], [[top, bottom], [left, right]], pad.border
            )
        return value

    def surrounded(self, source: str, padding: Sequence[Sequence[int]], border: str) -> str:
        """The layer that makes another one's samples with cells around them: kernels of one tap."""
        if min(min(cells) for cells in padding) < 0:
            raise Unsupported("it cuts off cells (negative pads)")
        channels = self.channels(source)
        layer = self.add(
            "", "depthwise", 1, [source], "pad", kernel_size=1, padding=[list(cells) for cells in padding],
            border=border, bias=False,
        )  # fmt: skip
        self.arrays[f"{layer.name}.weight"] = np.ones((channels, 1, 1, 1), np.float32)
        return layer.name

    def source(self, value: str) -> str:
        """The layer that makes a value. Raises `Unsupported`."""
        return self._layer_of(self.unpadded(value))

    def padded(self, value: str) -> tuple[str, Pad | None]:
        """The layer that makes a value without the cells that were added around it, and these."""
        return self._layer_of(value), self._pads.get(value)

    def _layer_of(self, value: str) -> str:
        if self.is_constant(value) and value not in self._layer_names:
            raise Unsupported(f"its input '{value}' is a constant")
        if value not in self._layer_names:
            raise KernelError(
                f"'{value}' is read, and no node above makes it: a cycle, or wrong order", place=self.place
            )
        return self._layer_names[value]

    def is_known(self, value: str) -> bool:
        """Whether a node can read it: a constant, the input, or what a node above makes."""
        return value in self._layer_names or value in self.moved or self.is_constant(value)

    def alias(self, value: str, source: str, pad: Pad | None = None) -> None:
        """`value` is what `source` is; with cells around it, where there are."""
        self._layer_names[value] = self._layer_of(source)
        # Who reads one reads the other: what several read is folded into by none.
        self.uses[source] = self.uses[value] = self.uses[source] - 1 + self.uses[value]
        before = self._pads.get(source)
        if pad and before:
            raise Unsupported("two Pads one after the other")
        if pad or before:
            self._pads[value] = pad or before  # type: ignore[assignment]

    def add(self, output: str, kind: str, value: Any, sources: Sequence[str], name: str, **fields: Any) -> Layer:
        """A new layer, which makes `output`; its name is made one of its own."""
        layer = Layer(
            kind, value, self._own_name(name), list(sources), {k: v for k, v in fields.items() if v is not None}
        )
        self.layers.append(layer)
        self._layer_names[output] = layer.name
        read = [self._channels[source] for source in layer.sources]
        channels = sum(read) if kind == "concat" else value if kind in WEIGHTED else max(read)
        if kind == "depth_to_space":
            channels = read[0] // max(1, value**2)
        elif kind == "take":
            channels = len(value) if isinstance(value, list) else value
        elif kind == "space_to_depth":
            channels = read[0] * value**2
        elif kind == "across_channels" and value != "softmax":
            channels = 1
        self._channels[layer.name] = channels
        return layer

    def replaced(self, output: str, layer: Layer) -> None:
        """`layer` makes `output` now: what a node did was folded into it."""
        self._layer_names[output] = layer.name

    def foldable(self, value: str) -> Layer | None:
        """The layer that makes a value which nobody else reads, and that has no activation yet."""
        if self.uses[value] != 1 or value in self._pads or value not in self._layer_names:
            return None
        layer = next((one for one in self.layers if one.name == self._layer_names[value]), None)
        return layer if layer and layer.kind != "activate" and "activation" not in layer.fields else None

    def has_rows(self, name: str) -> bool:
        """Whether what a layer makes may have more rows and columns than one."""
        layers = {layer.name: layer for layer in self.layers}
        while name in layers and layers[name].kind not in ("fc", "global_pool", *_ENLARGING):
            if layers[name].kind in JOINS:
                return any(map(self.has_rows, layers[name].sources))
            name = layers[name].sources[0]
        return name not in layers or layers[name].kind in _ENLARGING

    def _own_name(self, name: str) -> str:
        plain = re.sub(r"[^A-Za-z0-9_.]+", "_", name).strip("_.") or "layer"
        taken = {layer.name for layer in self.layers} | {INPUT}
        number, own = 1, plain
        while own in taken:
            number += 1
            own = f"{plain}_{number}"
        return own
