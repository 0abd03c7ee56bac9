"""An ONNX graph on its way to a network file: values, constants, and the layers made so far."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from convcli.errors import KernelError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from convcli.ops.weight_files import Members

    Numbers = npt.NDArray[np.floating[Any]]

#: The name of a network's input in network files.
INPUT = "input"


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


class Unsupported(Exception):
    """A node that no layer of a network file stands for; the reason is its text."""


class Graph:
    """The layers made of an ONNX graph's nodes, and the arrays that they take."""

    def __init__(self, graph: Any, stored: Members) -> None:
        self.place = place = str(stored.path)
        self.layers: list[Layer] = []
        self.arrays: dict[str, Numbers] = {}
        self._stored = stored
        self.computed: dict[str, Any] = {}
        entering = [value for value in graph.input if not self.is_constant(value.name)]
        if len(entering) != 1:
            names = ", ".join(value.name for value in entering) or "none"
            raise KernelError(f"it has {len(entering)} inputs ({names}); a network here has one", place=place)
        self.entering = entering[0]
        self._made = {self.entering.name: INPUT}
        self._pads: dict[str, Pad] = {}
        #: Values of one row per picture, which a layer makes of what has rows and columns.
        self.flat: set[str] = set()
        self.uses = Counter(name for node in graph.node for name in node.input)
        self.uses.update(value.name for value in graph.output)

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
        """A value without cells around it. Raises `Unsupported`."""
        if value in self._pads:
            raise Unsupported("it reads what Pad made, which only Conv does here")
        return value

    def source(self, value: str) -> str:
        """The layer that makes a value, without cells around it. Raises `Unsupported`."""
        return self._layer_of(self.unpadded(value))

    def padded(self, value: str) -> tuple[str, Pad | None]:
        """The same, and the cells that were added."""
        return self._layer_of(value), self._pads.get(value)

    def _layer_of(self, value: str) -> str:
        if self.is_constant(value) and value not in self._made:
            raise Unsupported(f"its input '{value}' is a constant")
        if value not in self._made:
            raise KernelError(
                f"'{value}' is read, and no node above makes it: a cycle, or wrong order", place=self.place
            )
        return self._made[value]

    def is_known(self, value: str) -> bool:
        """Whether a node can read it: a constant, the input, or what a node above makes."""
        return value in self._made or self.is_constant(value)

    def alias(self, value: str, source: str, pad: Pad | None = None) -> None:
        """`value` is what `source` is; with cells around it, where there are."""
        self._made[value] = self._layer_of(source)
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
        self._made[output] = layer.name
        return layer

    def replaced(self, output: str, layer: Layer) -> None:
        """`layer` makes `output` now: what a node did was folded into it."""
        self._made[output] = layer.name

    def foldable(self, value: str) -> Layer | None:
        """The layer that makes a value which nobody else reads, and that has no activation yet."""
        if self.uses[value] != 1 or value in self._pads or value not in self._made:
            return None
        layer = next((one for one in self.layers if one.name == self._made[value]), None)
        return layer if layer and layer.kind != "activate" and "activation" not in layer.fields else None

    def has_rows(self, name: str) -> bool:
        """Whether what a layer makes may have more rows and columns than one."""
        layers = {layer.name: layer for layer in self.layers}
        while name in layers and layers[name].kind not in ("fc", "global_pool"):
            name = layers[name].sources[0]
        return name not in layers

    def _own_name(self, name: str) -> str:
        plain = re.sub(r"[^A-Za-z0-9_.]+", "_", name).strip("_.") or "layer"
        taken = {layer.name for layer in self.layers} | {INPUT}
        number, own = 1, plain
        while own in taken:
            number += 1
            own = f"{plain}_{number}"
        return own
