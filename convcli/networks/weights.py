"""The weights of a network: which arrays of its file belong to which layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from convcli.errors import FieldError, KernelError, suggestion
from convcli.networks.layers import Layer
from convcli.ops import tensors
from convcli.ops.activation import Activation
from convcli.ops.tensors import MEMBERED, Tensor
from convcli.spec.arrays import PICKLES, pickled
from convcli.spec.nodes import Node

#: What the arrays of a layer are called behind its name, by its type and what they are.
NAMES: Final[Mapping[str, Mapping[str, str]]] = {
    "dense": {"weights": "weight"},
    "transposed": {"weights": "weight"},
    "deformable": {"weights": "weight"},
    "separable": {"y": "y.weight", "x": "x.weight"},
    "depthwise_separable": {"depthwise": "depthwise.weight", "pointwise": "pointwise.weight"},
}
#: PyTorch's slope of prelu before it is trained.
INITIAL_SLOPE: Final = 0.25
#: Names that an error lists.
_LISTED: Final = 12
#: What batch normalisation counts, which no layer takes.
_COUNTERS: Final = "num_batches_tracked"


def read(node: Node) -> dict[str, Tensor]:
    """All arrays, by name, of the file that `node` names. Raises `KernelError` there."""
    text = node.value
    if isinstance(text, str) and text.endswith(PICKLES):
        raise pickled(node, text)
    if not isinstance(text, str) or not text.endswith(MEMBERED):
        raise node.error(f"'weights' of a network must be a file: {', '.join(MEMBERED)}", "weights: net.safetensors")
    path = node.source.folder / text
    try:
        if path.suffix == ".npz":
            return {name: tensors.from_file(f"{text}::{name}", node.source.folder) for name in tensors.archived(path)}
        from convcli.ops.weight_files import members

        file = members(path)
        return {name: file.tensor(name) for name in file.shapes}
    except KernelError as error:
        raise node.error(f"{error.place}: {error.fact}" if error.place else error.fact, error.hint) from error
    except OSError as error:
        raise node.error(f"{path}: {(error.strerror or str(error)).lower()}") from error


class Shelf:
    """The arrays of a network's file, of which layers take theirs by name."""

    def __init__(self, arrays: Mapping[str, Tensor]) -> None:
        self._arrays = arrays
        self._taken: set[str] = set()
        #: Layers without weights, and NAME.bias or NAME.slope where these alone are missing: random ones stand there.
        self.untrained: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._arrays)

    def furnish(self, layer: Layer, names: tuple[str, str], fields: Mapping[str, Any]) -> Layer:
        """The layer with its true weights, bias and slopes: those that `fields` say, or else of the file.

        `names` are its name with those of what it stands in, first/conv, and its own; the file may have either. Raises
        `FieldError` for what the file lacks.
        """
        parts, name = {}, self._name(*names)
        own = fields.get("weights")
        if own is not None:
            parts["weights"] = own
        elif self._arrays:
            parts = {part: self._take(f"{name}.{ending}", "weights") for part, ending in NAMES[layer.type].items()}
        if layer.type == "deformable" and not layer.supplied:
            parts |= self._branches(name, layer)
        bias = fields.get("bias")
        if isinstance(bias, Tensor):
            parts["bias"] = bias
        elif self._arrays and bias is not False and (bias or f"{name}.bias" in self._arrays):
            parts["bias"] = self._take(f"{name}.bias", "bias")
        has_bias = "bias" in parts or bias is True
        if not parts.keys() - {"bias"}:
            self.untrained.append(names[0])
        elif layer.type == "deformable" and not layer.supplied and "offsets" not in parts:
            self.untrained.append(f"{names[0]}.offsets.weight")
        elif has_bias and "bias" not in parts:
            self.untrained.append(f"{names[0]}.bias")
        bent = self.bent(layer.activation, names)
        return replace(layer, tensors=parts, bias=has_bias, activation=bent)

    def has(self, names: tuple[str, str]) -> bool:
        """Whether the file has weights of a layer by one of its names."""
        return f"{self._name(*names)}.weight" in self._arrays

    def _branches(self, name: str, layer: Layer) -> dict[str, Tensor]:
        """The arrays of the branches of a deformable layer; of one alone where that makes the mask, too."""
        if not self._arrays:
            return {}
        offsets = "conv_offset" if f"{name}.conv_offset.weight" in self._arrays else "offsets"
        apart = layer.mask and f"{name}.mask.weight" in self._arrays
        parts = {}
        for part, called in (("offsets", offsets), *([("mask", "mask")] if apart else [])):
            parts[part] = self._take(f"{name}.{called}.weight", "offsets")
            if f"{name}.{called}.bias" in self._arrays:
                parts[f"{part}.bias"] = self._take(f"{name}.{called}.bias", "offsets")
        return parts

    def bent(self, activation: Activation | None, names: tuple[str, str]) -> Activation | None:
        """The activation of a layer, with the slopes of the file where it is prelu without any."""
        if activation is None or activation.name != "prelu" or activation.numbers is not None:
            return activation
        if not self._arrays:
            self.untrained.append(f"{names[0]}.slope")
            return replace(activation, numbers=tensors.inline([INITIAL_SLOPE], (1,)))
        return replace(activation, numbers=self._take(f"{self._name(*names)}.slope", "activation"))

    def _name(self, whole: str, own: str) -> str:
        """What the file calls a layer."""
        whole = whole.replace("/", ".")
        if own and not any(name.startswith(f"{whole}.") for name in self._arrays):
            return own
        return whole

    def _take(self, name: str, field: str) -> Tensor:
        if name not in self._arrays:
            listed = ", ".join(list(self._arrays)[:_LISTED])
            more = f" and {len(self._arrays) - _LISTED} more" if len(self._arrays) > _LISTED else ""
            hint = suggestion(name, self._arrays) or "the file's own names: name a layer as its arrays are"
            raise FieldError(field, f"the file of weights has no '{name}'; it holds {listed}{more}", hint=hint)
        if name in self._taken:
            raise FieldError(field, f"'{name}' is taken by a layer above already", hint="names tell layers apart")
        self._taken.add(name)
        return self._arrays[name]

    @property
    def left(self) -> tuple[str, ...]:
        """A note on arrays that no layer took, if there are any: something of the network may be missing."""
        names = [name for name in self._arrays if name not in self._taken and not name.endswith(_COUNTERS)]
        if not names:
            return ()
        listed = ", ".join(names[:_LISTED])
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        return (f"no layer takes {listed}{more} of the file of weights",)
