"""A network as it was written, and the same on an input: every layer in its place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any, ClassVar

from convcli.networks.entrance import Entrance
from convcli.networks.placed import Placed
from convcli.networks.swaps import Swap
from convcli.ops.tensors import Tensor
from convcli.records import record
from convcli.spec.nodes import Node

#: The input's sides where nobody says any: ImageNet's.
NOMINAL = (224, 224)


@record
class Item:
    """One entry of a network file: a kind ("dense", "pool", "add", "block"...), its value and fields, its place.

    `branches` are what a join joins, or the one chain of a block or of repeated layers.
    """

    #: Fields that change no result; a name does, by which a layer finds its weights.
    ASIDE: ClassVar[frozenset[str]] = frozenset({"node"})

    kind: str
    value: Any
    node: Node = field(repr=False)
    fields: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    repeat: int = 1
    #: The earlier layer that it reads; empty for the one above.
    source: str = ""
    branches: tuple[tuple[Item, ...], ...] = ()


@record
class Network:
    """A network file: its input (height, width) and channels, its layers, and factors on width and resolution.

    `width` multiplies the output channels of every convolution (rounded down, 1 at least) but not of fully connected
    layers, `resolution` the sides of the input (rounded). `swap` is the type that every eligible layer is swapped to.
    `arrays` are those of its file of weights, `picture` says how a picture enters; it ends with the layer `until`.
    """

    name: str
    about: str = ""
    size: tuple[int, int] | None
    channels: int
    items: tuple[Item, ...]
    arrays: Mapping[str, Tensor] = field(default_factory=dict, repr=False)
    picture: Entrance | None = None
    until: str = ""
    width: float = 1.0
    resolution: float = 1.0
    swap: str = ""

    @property
    def input_size(self) -> tuple[int, int]:
        """The input's sides with the resolution multiplier, rounded, 1 at least."""
        height, width = (max(1, round(side * self.resolution)) for side in self.size or NOMINAL)
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
    #: Layers whose weights are random ones, and what is to be said of the file of weights.
    untrained: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def needs_whole(self) -> str:
        """The first layer that needs all of a map at a time, which is more than a pixel; empty where all run in bands.

        The mean of a map is made of it in bands, too, but a map that is multiplied by its own mean is there whole.
        """
        large = (placed for placed in self.layers if math.prod(placed.size_in) > 1)
        return next((one.name for one in large if one.spreads or (one.sees_all and one.kernel)), "")

    @property
    def is_of_all(self) -> bool:
        """Whether each number that comes out is of all of the picture."""
        reduced: set[int] = set()
        for number, placed in enumerate(self.layers):
            if placed.sees_all or reduced.issuperset(placed.inputs):
                reduced.add(number)
        return len(self.layers) - 1 in reduced
