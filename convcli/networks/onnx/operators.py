"""ONNX operators, each as layers of a network file. Source: ONNX operator specifications, opset 22."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from convcli.networks.onnx import norms, sizes, weighted
from convcli.networks.onnx.attributes import Attributes, layer_name, padding_of, square
from convcli.networks.onnx.graph import FIRST, LAST, Graph, Unsupported
from convcli.networks.onnx.moved import else_moved, moved
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
        value = node.input[0]
        if not weighted.is_per_channel(slopes, flat=value in graph.flat, last=value in graph.last):
            raise Unsupported(f"slopes of shape {slopes.shape}: one, or one per channel")
        _bend("prelu", slopes.reshape(-1))(graph, node)
    elif kind == "Clip":
        _clip(graph, node, attributes)
    elif kind == "Elu":
        _bend({"elu": float(attributes.get("alpha", 1.0))})(graph, node)
    elif attributes.get("approximate", b"none") != b"none":
        raise Unsupported(f"approximate {attributes['approximate'].decode()}")
    else:
        _bend(kind.lower())(graph, node)


def power(graph: Graph, node: Any, attributes: Attributes) -> None:
    """The square, as a product, and the root."""
    exponent = np.reshape(graph.constant(node.input[1]), -1)
    if exponent.tolist() == [2]:
        sources = [graph.source(node.input[0])] * 2
        graph.add(node.output[0], "multiply", sources, sources, layer_name(node))
    elif exponent.tolist() == [0.5]:
        _bend("sqrt")(graph, node)
    else:
        raise Unsupported(f"to the power {exponent.tolist()}: 2 and 0.5 are taken")


def _clip(graph: Graph, node: Any, attributes: Attributes) -> None:
    ends = []
    for place, (key, default) in enumerate((("min", -_FAR), ("max", _FAR)), 1):
        named = len(node.input) > place and node.input[place]
        end = float(graph.constant(node.input[place])) if named else float(attributes.get(key, default))
        ends.append(min(max(end, -_FAR), _FAR))
    _bend("relu" if ends == [0, _FAR] else {"clip": ends})(graph, node)


def joined(graph: Graph, node: Any, attributes: Attributes) -> None:
    """Add, Sub, Mul and Div of two layers, Sum of several; Concat of channels."""
    kind = {"Add": "add", "Sum": "add", "Sub": "subtract", "Mul": "multiply", "Div": "divide", "Concat": "concat"}[
        node.op_type
    ]
    constant = [name for name in node.input if graph.is_constant(name)]
    if kind == "concat":
        rank, axis = (2, 1) if node.input[0] in graph.flat else (4, 3 if node.input[0] in graph.last else 1)
        if attributes["axis"] not in (axis, axis - rank):
            raise Unsupported(f"axis {attributes['axis']}: channels, axis {axis}, are joined here")
        if constant:
            raise Unsupported(f"a constant, '{constant[0]}', beside the others")
    elif constant:
        weighted.arithmetic(graph, node, attributes)
        return
    if len(node.input) == 1:
        graph.alias(node.output[0], node.input[0])
        return
    for group, what in ((graph.flat, "one row per picture"), (graph.last, "channels last")):
        if len({name in group for name in node.input}) > 1:
            raise Unsupported(f"{what}, and a picture")
    sources = [graph.source(name) for name in node.input]
    graph.add(node.output[0], kind, sources, sources, layer_name(node))
    if graph.spread.issuperset(node.input):
        graph.spread.add(node.output[0])


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
        "ceil_mode and auto_pad": attributes.get("ceil_mode") and isinstance(padding, str),
    }  # fmt: skip
    if unsupported := [name for name, there in refused.items() if there]:
        raise Unsupported(unsupported[0])
    if attributes.get("count_include_pad") and padding != [[0, 0], [0, 0]]:
        if isinstance(padding, str):
            raise Unsupported("count_include_pad and auto_pad")
        source, padding = graph.surrounded(source, padding, "zero"), [[0, 0], [0, 0]]
    graph.add(
        node.output[0], "pool", word, [source], layer_name(node), kernel_size=square(attributes, "kernel_shape"),
        stride=square(attributes, "strides"), padding=padding, ceil=bool(attributes.get("ceil_mode")) or None,
    )  # fmt: skip


def same(graph: Graph, node: Any, attributes: Attributes) -> None:
    """What changes no number in a network that runs: Identity and Dropout."""
    if len(node.input) > 2 and node.input[2] and np.any(graph.constant(node.input[2])):
        raise Unsupported("training_mode")
    graph.alias(node.output[0], node.input[0])


def reduced(graph: Graph, node: Any, attributes: Attributes) -> None:
    """The mean, or the greatest, of all rows and columns, a global pool, or of each pixel's channels."""
    value = node.input[0]
    axes = attributes.get("axes", graph.constant(node.input[1]) if len(node.input) > 1 and node.input[1] else [])
    places = sorted(int(axis) % 4 for axis in np.reshape(axes, -1))
    if places == norms.channel_axis(graph, value) and attributes.get("keepdims", 1):
        norms.across(graph, node, "max" if node.op_type == "ReduceMax" else "mean")
        return
    if places != ([1, 2] if value in graph.last else [2, 3]):
        raise Unsupported(f"along the axes {places}: rows and columns, or channels that stay an axis, are taken")
    word = "max" if node.op_type == "ReduceMax" else "average"
    graph.add(node.output[0], "global_pool", word, [graph.source(value)], layer_name(node))
    if not attributes.get("keepdims", 1):
        graph.flat.add(node.output[0])
    elif value in graph.last:
        graph.last.add(node.output[0])


def flattened(graph: Graph, node: Any, attributes: Attributes) -> None:
    if attributes.get("axis", 1) not in (1, -1 if node.input[0] in graph.flat else -3):
        raise Unsupported(f"axis {attributes['axis']}: one row per picture is taken")
    _flatten(graph, node)


def _flatten(graph: Graph, node: Any) -> None:
    """Rows, columns and channels as one row per picture, in their order."""
    value, row = node.input[0], node.output[0]
    if value in graph.last and graph.has_rows(graph.source(value)):
        graph.interleaved[row] = graph.shape(value)[1:]
    graph.alias(row, graph.unpadded(value))
    graph.flat.add(row)


def reshaped(graph: Graph, node: Any, attributes: Attributes) -> None:
    """To one row per picture, as Gemm reads it; of such back to a single pixel."""
    shape = [int(side) for side in np.reshape(graph.constant(node.input[1]), -1)]
    pixel = len(shape) == 4 and shape[2:] == [1, 1] and node.input[0] in graph.flat
    if shape[:1] not in ([0], [1], [-1]) or not (len(shape) == 2 or pixel):
        raise Unsupported(f"to the shape {shape}: one row per picture, before Gemm, is taken")
    if not pixel:
        _flatten(graph, node)
    else:
        _as_pixel(graph, node)


def _as_pixel(graph: Graph, node: Any) -> None:
    """One row per picture, a number for each channel, as a picture of one pixel."""
    if graph.has_rows(graph.source(node.input[0])):
        raise Unsupported("rows and columns as channels")
    graph.alias(node.output[0], node.input[0])


def squeezed(graph: Graph, node: Any, attributes: Attributes) -> None:
    """Squeeze of rows and columns where there is one of each, and Unsqueeze, which is its opposite."""
    value, opposite = node.input[0], node.op_type == "Unsqueeze"
    axes = attributes.get("axes", graph.constant(node.input[1]) if len(node.input) > 1 and node.input[1] else [])
    places = sorted(int(axis) % 4 for axis in np.reshape(axes, -1))
    if places != ([1, 2] if value in graph.last else [2, 3]) or (value in graph.flat) != opposite:
        raise Unsupported(f"the axes {places}: those of rows and columns are taken")
    if opposite:
        _as_pixel(graph, node)
    elif graph.has_rows(graph.source(value)):
        raise Unsupported("there may be more rows and columns than one")
    else:
        _flatten(graph, node)


def transposed_axes(graph: Graph, node: Any, attributes: Attributes) -> None:
    """Channels last, and first again."""
    value, order = node.input[0], tuple(attributes.get("perm", (3, 2, 1, 0)))
    if order not in (LAST, FIRST) or (value in graph.last) != (order == FIRST):
        now = "last" if value in graph.last else "first"
        raise Unsupported(f"the order {list(order)} of a picture with channels {now}")
    graph.alias(node.output[0], graph.unpadded(value))
    if order == LAST:
        graph.last.add(node.output[0])


def constant(graph: Graph, node: Any, attributes: Attributes) -> None:
    if "value" in attributes:  # is among those of the file
        return
    (value,) = attributes.values()
    array = np.asarray(value)
    if array.dtype.kind not in "if":
        raise Unsupported("it holds no numbers")
    graph.computed[node.output[0]] = array


OPERATORS: Final[Mapping[str, Callable[[Graph, Any, Attributes], None]]] = {
    "Neg": weighted.arithmetic, "InstanceNormalization": norms.instance, "GroupNormalization": norms.group,
    "LayerNormalization": norms.layer, "Softmax": norms.softmax, "ArgMax": norms.argmax, "Cast": norms.cast,
    "HardSigmoid": weighted.arithmetic, "HardSwish": weighted.swish, "ReduceMean": reduced, "ReduceMax": reduced,
    "Squeeze": else_moved(squeezed), "Unsqueeze": else_moved(squeezed), "Transpose": else_moved(transposed_axes),
    "Split": moved, "Slice": moved, "Gather": moved,
    "Conv": weighted.convolution, "DeformConv": weighted.deformable, "ConvTranspose": weighted.transposed,
    "Gemm": weighted.fully_connected, "MatMul": weighted.fully_connected,
    "BatchNormalization": weighted.batch_norm, "Relu": activation, "LeakyRelu": activation, "PRelu": activation,
    "Sigmoid": activation, "Tanh": activation, "Abs": activation, "Clip": activation, "Elu": activation,
    "Gelu": activation, "Softplus": activation, "Exp": activation, "Sqrt": activation, "Erf": activation,
    "Pow": power, "SpaceToDepth": sizes.space_to_depth, "Expand": sizes.spread,
    "Add": joined, "Sum": joined, "Sub": joined, "Mul": joined, "Div": joined, "Concat": joined,
    "MaxPool": pool, "AveragePool": pool, "GlobalAveragePool": pool, "GlobalMaxPool": pool,
    "Flatten": flattened, "Identity": else_moved(same), "Dropout": same, "Reshape": else_moved(reshaped),
    "DepthToSpace": sizes.depth_to_space, "Resize": sizes.resized, "Upsample": sizes.resized, "Pad": sizes.padded,
    "Constant": constant,
}  # fmt: skip
_ANYWHERE: Final = frozenset({
    "Relu", "LeakyRelu", "PRelu", "Sigmoid", "Tanh", "Abs", "Clip", "HardSigmoid", "HardSwish", "Add", "Sub", "Mul",
    "Sum", "Elu", "Gelu", "Softplus", "Exp", "Sqrt", "Erf", "Pow", "Div", "Neg", "Concat", "Identity", "Dropout",
    "LayerNormalization", "Softmax", "Cast",
})  # fmt: skip
#: Operators that take one row per picture, too, and those that say themselves what they make of it.
ON_ROWS: Final = _ANYWHERE | {"Gemm", "MatMul", "BatchNormalization", "Flatten", "Reshape", "Unsqueeze"}
OFF_ROWS: Final = frozenset({"Flatten", "Reshape", "Unsqueeze"})
#: Operators that take channels last, too, and those that say themselves how their results lie.
ON_LAST: Final = _ANYWHERE | {
    "Transpose", "Flatten", "Reshape", "MatMul", "ReduceMean", "ReduceMax", "Squeeze", "Split", "Slice", "Gather",
}  # fmt: skip
OFF_LAST: Final = ON_LAST - _ANYWHERE
