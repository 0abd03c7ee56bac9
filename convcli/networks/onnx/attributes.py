"""What attributes of ONNX nodes are as fields of a network file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convcli.networks.onnx.graph import Pad, Unsupported

Attributes = Mapping[str, Any]


def square(attributes: Attributes, name: str, default: int = 1) -> list[int]:
    """Two whole numbers, for rows and columns. Raises `Unsupported`."""
    values = list(attributes.get(name) or [default, default])
    if len(values) != 2:
        raise Unsupported(f"it moves along {len(values)} axes; networks here along 2")
    return [int(value) for value in values]


def padding_of(attributes: Attributes, pad: Pad | None = None) -> Any:
    """The field `padding`, with the cells of a Pad before it."""
    auto = attributes.get("auto_pad", b"NOTSET").decode()
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        if pad:
            raise Unsupported(f"auto_pad {auto} behind Pad")
        return auto.lower()
    top, left, bottom, right = attributes.get("pads") or [0, 0, 0, 0]
    if auto == "VALID":
        top = left = bottom = right = 0
    if pad:
        if pad.border != "zero" and any((top, left, bottom, right)):
            raise Unsupported(f"pads of zeros around a Pad of mode {pad.border}")
        top, left, bottom, right = (a + b for a, b in zip((top, left, bottom, right), pad.cells, strict=True))
    if min(top, left, bottom, right) < 0:
        raise Unsupported("it cuts off cells (negative pads)")
    return [[int(top), int(bottom)], [int(left), int(right)]]


def layer_name(node: Any, weight: str = "") -> str:
    """A layer's name: what its weights are called, the node's own name, or its operator."""
    for ending in (".weight", "/kernel", ".kernel", "_weight", "_W"):
        if weight.endswith(ending):
            return weight.removesuffix(ending)
    return str(node.name or node.op_type.lower())
