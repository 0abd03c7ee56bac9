"""ONNX operators, each as layers of a network file. Source: ONNX operator specifications, opset 22."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from convcli.networks.onnx import weighted
from convcli.networks.onnx.attributes import Attributes, layer_name, padding_of, square
from convcli.networks.onnx.graph import Graph, Pad, Unsupported
from convcli.records import late

if TYPE_CHECKING:
    import numpy as np
else:
    np = late("numpy")

#: The least and greatest number that `clip` has where ONNX's has none.
_FAR: Final = 1e18


def _bend(activation: Any, slopes: Any = None) -> Callable[[Graph, Any], None]:
    def bend(graph: Graph, node: Any) -> None:
        layer = graph.foldable(node.input[0])
        if layer is None:
            layer = graph.add(node.output[0], "activate", activation, [graph.source(node.input[0])], layer_name(node))
        else:
            layer.fields["activation"] = activation
            graph.replaced(node.output[0], layer)
        if slopes is not None:
            graph.arrays[f"{layer.name}.slope"] = np.ascontiguousarray(slopes, np.float32)

    return bend


def activation(graph: Graph, node: Any, attributes: Attributes) -> None:
    kind = node.op_type
    if kind == "LeakyRelu":
        _bend({"leaky_relu": float(attributes.get("alpha", 0.01))})(graph, node)
    elif kind == "PRelu":
        slopes = graph.constant(node.input[1])
        if not weighted.is_per_channel(slopes, flat=node.input[0] in graph.flat):
            raise Unsupported(f"slopes of shape {slopes.shape}: one, or one per channel")
        _bend("prelu", slopes.reshape(-1))(graph, node)
    elif kind == "Clip":
        _clip(graph, node, attributes)
    else:
        _bend(kind.lower())(graph, node)


def _clip(graph: Graph, node: Any, attributes: Attributes) -> None:
    ends = []
    for place, (key, default) in enumerate((("min", -_FAR), ("max", _FAR)), 1):
        named = len(node.input) > place and node.input[place]
        end = float(graph.constant(node.input[place])) if named else float(attributes.get(key, default))
        ends.append(min(max(end, -_FAR), _FAR))
    _bend("relu" if ends == [0, _FAR] else {"clip": ends})(graph, node)


def joined(graph: Graph, node: Any, attributes: Attributes) -> None:
    """Add and Sub of two layers, or of one and a number per channel; Concat of channels."""
    kind = {"Add": "add", "Sub": "subtract", "Concat": "concat"}[node.op_type]
    if kind == "concat":
        rank = 2 if node.input[0] in graph.flat else 4
        if attributes["axis"] not in (1, 1 - rank):
            raise Unsupported(f"axis {attributes['axis']}: channels, axis 1, are joined here")
        if len(node.input) == 1:
            graph.alias(node.output[0], node.input[0])
            return
    constant = [name for name in node.input if graph.is_constant(name)]
    if not constant:
        if len({name in graph.flat for name in node.input}) > 1:
            raise Unsupported("one row per picture, and a picture")
        sources = [graph.source(name) for name in node.input]
        graph.add(node.output[0], kind, sources, sources, layer_name(node))
        return
    if kind == "concat" or (kind == "subtract" and constant[0] == node.input[0]):
        raise Unsupported(f"a constant, '{constant[0]}', before the others")
    weighted.shift(graph, node, constant[0], -1.0 if kind == "subtract" else 1.0)


def pool(graph: Graph, node: Any, attributes: Attributes) -> None:
    word = "max" if "Max" in node.op_type else "average"
    source = graph.source(node.input[0])
    if node.op_type.startswith("Global"):
        graph.add(node.output[0], "global_pool", word, [source], layer_name(node))
        return
    padding = padding_of(attributes)
    refused = {
        "dilations": max(square(attributes, "dilations")) > 1,
        "storage_order": attributes.get("storage_order"), "a second output": len(node.output) > 1,
        "count_include_pad": attributes.get("count_include_pad") and padding != [[0, 0], [0, 0]],
        "ceil_mode and auto_pad": attributes.get("ceil_mode") and isinstance(padding, str),
    }  # fmt: skip
    if unsupported := [name for name, there in refused.items() if there]:
        raise Unsupported(unsupported[0])
    graph.add(
        node.output[0], "pool", word, [source], layer_name(node), kernel_size=square(attributes, "kernel_shape"),
        stride=square(attributes, "strides"), padding=padding, ceil=bool(attributes.get("ceil_mode")) or None,
    )  # fmt: skip


def same(graph: Graph, node: Any, attributes: Attributes) -> None:
    """What changes no number in a network that runs: Identity and Dropout."""
    if len(node.input) > 2 and node.input[2] and np.any(graph.constant(node.input[2])):
        raise Unsupported("training_mode")
    graph.alias(node.output[0], node.input[0])


def flattened(graph: Graph, node: Any, attributes: Attributes) -> None:
    if attributes.get("axis", 1) not in (1, -1 if node.input[0] in graph.flat else -3):
        raise Unsupported(f"axis {attributes['axis']}: one row per picture is taken")
    _flatten(graph, node)


def _flatten(graph: Graph, node: Any) -> None:
    graph.alias(node.output[0], graph.unpadded(node.input[0]))
    graph.flat.add(node.output[0])


def reshaped(graph: Graph, node: Any, attributes: Attributes) -> None:
    """To one row per picture, as Gemm reads it."""
    shape = [int(side) for side in graph.constant(node.input[1]).reshape(-1)]
    if len(shape) != 2 or shape[0] not in (0, 1, -1):
        raise Unsupported(f"to the shape {shape}: one row per picture, before Gemm, is taken")
    _flatten(graph, node)


def depth_to_space(graph: Graph, node: Any, attributes: Attributes) -> None:
    order = attributes.get("mode", b"DCR").decode().lower()
    source = graph.source(node.input[0])
    graph.add(node.output[0], "depth_to_space", int(attributes["blocksize"]), [source], layer_name(node), order=order)


def resized(graph: Graph, node: Any, attributes: Attributes) -> None:
    """Resize and Upsample by one whole factor."""
    scales = attributes.get("scales")
    if scales is None:
        where = 1 if node.op_type == "Upsample" else 2
        if len(node.input) <= where or not node.input[where]:
            raise Unsupported("to given sizes: whole scales are taken")
        scales = graph.constant(node.input[where]).reshape(-1)
    scales = [float(scale) for scale in scales]
    if attributes.get("axes") in ([2, 3], [-2, -1]):
        scales = [1.0, 1.0, *scales]
    if len(scales) != 4 or scales[:2] != [1, 1] or scales[2] != scales[3] or scales[2] != int(scales[2]):
        raise Unsupported(f"by the scales {scales}: one whole factor for rows and columns is taken")
    mode = attributes.get("mode", b"nearest").decode()
    # Before opset 11 there were two inputs, and one rule.
    old = len(node.input) <= 2
    centres = "asymmetric" if old else attributes.get("coordinate_transformation_mode", b"half_pixel").decode()
    rounding = "floor" if old else attributes.get("nearest_mode", b"round_prefer_floor").decode()
    centred = centres in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric")
    linear = mode == "linear" and centred
    nearest = mode == "nearest" and (
        rounding.startswith("round_prefer") if centred else (centres, rounding) == ("asymmetric", "floor")
    )
    if not nearest and not linear:
        raise Unsupported(f"mode {mode}, {centres}, {rounding}")
    source = graph.source(node.input[0])
    graph.add(node.output[0], "upsample", int(scales[2]), [source], layer_name(node), bilinear=linear)


def padded(graph: Graph, node: Any, attributes: Attributes) -> None:
    """Cells that the next Conv takes as its own."""
    cells = attributes.get("pads")
    if cells is None:
        cells = graph.constant(node.input[1]).reshape(-1)
    value = graph.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else attributes.get("value", 0)
    mode = attributes.get("mode", b"constant").decode()
    border = {"constant": "zero", "reflect": "reflect", "edge": "replicate", "wrap": "wrap"}.get(mode)
    cells = [int(cell) for cell in cells]
    if border is None or len(cells) != 8 or any(cells[:2] + cells[4:6]) or (mode == "constant" and np.any(value)):
        raise Unsupported(f"mode {mode}, pads {cells}: zeros, or the picture itself, around rows and columns are taken")
    around = Pad((cells[2], cells[3], cells[6], cells[7]), border) if any(cells) else None
    graph.alias(node.output[0], node.input[0], around)


def constant(graph: Graph, node: Any, attributes: Attributes) -> None:
    if "value" in attributes:  # is among those of the file
        return
    (value,) = attributes.values()
    array = np.asarray(value)
    if array.dtype.kind not in "if":
        raise Unsupported("it holds no numbers")
    graph.computed[node.output[0]] = array


OPERATORS: Final[Mapping[str, Callable[[Graph, Any, Attributes], None]]] = {
    "Conv": weighted.convolution, "DeformConv": weighted.deformable, "ConvTranspose": weighted.transposed,
    "Gemm": weighted.fully_connected, "MatMul": weighted.fully_connected,
    "BatchNormalization": weighted.batch_norm, "Relu": activation, "LeakyRelu": activation, "PRelu": activation,
    "Sigmoid": activation, "Tanh": activation, "Abs": activation, "Clip": activation, "Add": joined, "Sub": joined,
    "Concat": joined, "MaxPool": pool, "AveragePool": pool, "GlobalAveragePool": pool, "GlobalMaxPool": pool,
    "Flatten": flattened, "Identity": same, "Dropout": same, "Reshape": reshaped, "DepthToSpace": depth_to_space,
    "Resize": resized, "Upsample": resized, "Pad": padded, "Constant": constant,
}  # fmt: skip
#: Operators that take one row per picture, too, and make one of it.
ON_ROWS: Final = frozenset({
    "Gemm", "MatMul", "BatchNormalization", "Relu", "LeakyRelu", "PRelu", "Sigmoid", "Tanh", "Abs", "Clip", "Add",
    "Sub", "Concat", "Flatten", "Reshape", "Identity", "Dropout",
})  # fmt: skip
