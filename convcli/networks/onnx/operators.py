"""ONNX operators, each as layers of a network file. Source: ONNX operator specifications, opset 22."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from convcli.networks.onnx.attributes import Attributes, layer_name, padding_of, square
from convcli.networks.onnx.graph import Graph, Layer, Pad, Unsupported
from convcli.records import late

if TYPE_CHECKING:
    import numpy as np
else:
    np = late("numpy")

#: Kinds of layers that have weights, into which factors and biases are folded.
WEIGHTED: Final = ("dense", "deformable", "transposed", "fc")
#: The least and greatest number that `clip` has where ONNX's has none.
_FAR: Final = 1e18


def _weigh(graph: Graph, layer: Layer, weights: Any, bias: Any = None) -> None:
    graph.arrays[f"{layer.name}.weight"] = np.ascontiguousarray(weights, np.float32)
    layer.fields["bias"] = bias is not None
    if bias is not None:
        graph.arrays[f"{layer.name}.bias"] = np.ascontiguousarray(np.reshape(bias, -1), np.float32)


def _bank(graph: Graph, node: Any, attributes: Attributes) -> tuple[Any, Any]:
    """The weights of a convolution, and its bias or None."""
    weights = graph.constant(node.input[1])
    if weights.ndim != 4:
        raise Unsupported(f"its weights have rank {weights.ndim}; networks here take 4")
    if (taps := tuple(attributes.get("kernel_shape", weights.shape[2:]))) != weights.shape[2:]:
        raise Unsupported(f"kernel_shape {taps}, and weights of shape {weights.shape}")
    has_bias = node.op_type != "DeformConv" and len(node.input) > 2 and node.input[2]
    return weights, graph.constant(node.input[2]) if has_bias else None


def convolution(graph: Graph, node: Any, attributes: Attributes) -> None:
    weights, bias = _bank(graph, node, attributes)
    source, pad = graph.padded(node.input[0])
    layer = graph.add(
        node.output[0], "dense", weights.shape[0], [source], layer_name(node, node.input[1]),
        kernel_size=list(weights.shape[2:]), stride=square(attributes, "strides"),
        dilation=square(attributes, "dilations"), padding=padding_of(attributes, pad),
        groups=int(attributes.get("group", 1)), border=pad.border if pad and pad.border != "zero" else None,
    )  # fmt: skip
    _weigh(graph, layer, weights, bias)


def deformable(graph: Graph, node: Any, attributes: Attributes) -> None:
    """Offsets and mask are made by the nodes before it."""
    weights, _ = _bank(graph, node, attributes)
    _, _, offsets, bias, mask = (*node.input, "", "")[:5]
    name, supplied = layer_name(node, node.input[1]), graph.source(offsets)
    if mask:
        both = [supplied, graph.source(mask)]
        supplied = graph.add("", "concat", both, both, f"{name}.offsets").name
    layer = graph.add(
        node.output[0], "deformable", weights.shape[0], [graph.source(node.input[0])], name, offsets=supplied,
        kernel_size=list(weights.shape[2:]), stride=square(attributes, "strides"),
        dilation=square(attributes, "dilations"), padding=padding_of(attributes), mask=bool(mask) or None,
        groups=int(attributes.get("group", 1)), offset_groups=int(attributes.get("offset_group", 1)),
    )  # fmt: skip
    _weigh(graph, layer, weights, graph.constant(bias) if bias else None)


def transposed(graph: Graph, node: Any, attributes: Attributes) -> None:
    weights, bias = _bank(graph, node, attributes)
    if attributes.get("output_shape"):
        raise Unsupported("output_shape, which fits one size")
    groups = int(attributes.get("group", 1))
    layer = graph.add(
        node.output[0], "transposed", weights.shape[1] * groups, [graph.source(node.input[0])],
        layer_name(node, node.input[1]), kernel_size=list(weights.shape[2:]), stride=square(attributes, "strides"),
        dilation=square(attributes, "dilations"), padding=padding_of(attributes), groups=groups,
        output_padding=square(attributes, "output_padding", 0),
    )  # fmt: skip
    _weigh(graph, layer, weights, bias)


def fully_connected(graph: Graph, node: Any, attributes: Attributes) -> None:
    """Gemm, and MatMul with constant weights."""
    weights = np.asarray(graph.constant(node.input[1]), np.float64)
    if node.input[0] not in graph.flat:
        raise Unsupported("its input is no row per picture: Flatten or Gemm makes one")
    if weights.ndim != 2 or attributes.get("transA"):
        raise Unsupported(f"weights of rank {weights.ndim}" if weights.ndim != 2 else "transA")
    weights = weights * attributes.get("alpha", 1.0)
    if not attributes.get("transB"):
        weights = weights.T
    bias = None
    if len(node.input) > 2 and node.input[2]:
        bias = np.broadcast_to(graph.constant(node.input[2]) * attributes.get("beta", 1.0), (1, len(weights)))
    source = graph.source(node.input[0])
    layer = graph.add(node.output[0], "fc", len(weights), [source], layer_name(node, node.input[1]))
    _weigh(graph, layer, weights, bias)


def batch_norm(graph: Graph, node: Any, attributes: Attributes) -> None:
    """Folded into the convolution before it, in float64; else a kernel of one tap per channel."""
    if attributes.get("training_mode"):
        raise Unsupported("training_mode")
    scale, shift, mean, variance = (np.asarray(graph.constant(name), np.float64) for name in node.input[1:5])
    if len({array.shape for array in (scale, shift, mean, variance)}) > 1:
        raise Unsupported("scale, bias, mean and variance of different shapes")
    factor = scale / np.sqrt(variance + attributes.get("epsilon", 1e-5))
    scaled(graph, node, factor, shift - mean * factor)


def scaled(graph: Graph, node: Any, factor: Any, shift: Any) -> None:
    """Each channel times a factor, plus a shift."""
    layer = graph.foldable(node.input[0])
    if layer is None or layer.kind not in WEIGHTED:
        source = graph.source(node.input[0])
        layer = graph.add(node.output[0], "depthwise", 1, [source], layer_name(node), kernel_size=1)
        _weigh(graph, layer, factor.reshape(-1, 1, 1, 1), shift)
        return
    weights = graph.arrays[f"{layer.name}.weight"].astype(np.float64)
    if factor.shape != (layer.value,):
        raise Unsupported(f"{factor.size} numbers for {layer.value} channels")
    if layer.kind == "transposed":
        groups = layer.fields["groups"]
        split = weights.reshape(groups, -1, *weights.shape[1:])
        weights = (split * factor.reshape(groups, 1, -1, 1, 1)).reshape(weights.shape)
    else:
        weights = weights * factor.reshape(-1, *[1] * (weights.ndim - 1))
    before = graph.arrays.get(f"{layer.name}.bias")
    _weigh(graph, layer, weights, shift if before is None else before.astype(np.float64) * factor + shift)
    graph.replaced(node.output[0], layer)


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
        if not _is_per_channel(slopes, flat=node.input[0] in graph.flat):
            raise Unsupported(f"slopes of shape {slopes.shape}: one, or one per channel")
        _bend("prelu", slopes.reshape(-1))(graph, node)
    elif kind == "Clip":
        _clip(graph, node, attributes)
    else:
        _bend(kind.lower())(graph, node)


def _is_per_channel(numbers: Any, *, flat: bool) -> bool:
    """Whether an operator takes one of the numbers for each channel, or a single one for all."""
    return bool(numbers.size == 1 or numbers.shape[-1 if flat else -3 :] == (numbers.size, *(() if flat else (1, 1))))


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
    _shift(graph, node, constant[0], -1.0 if kind == "subtract" else 1.0)


def _shift(graph: Graph, node: Any, constant: str, sign: float) -> None:
    """A bias, as a node of its own."""
    shift = sign * np.asarray(graph.constant(constant), np.float64)
    value = next((name for name in node.input if not graph.is_constant(name)), "")
    layer = graph.foldable(value)
    if layer is None or layer.kind not in WEIGHTED or not _is_per_channel(shift, flat=value in graph.flat):
        raise Unsupported(f"a constant of shape {shift.shape}: a bias of the layer before it is taken")
    if shift.size not in (1, layer.value):
        raise Unsupported(f"a constant of {shift.size} numbers for {layer.value} channels")
    shift = np.broadcast_to(shift.reshape(-1), (layer.value,))
    before = graph.arrays.get(f"{layer.name}.bias", np.zeros(1))
    _weigh(graph, layer, graph.arrays[f"{layer.name}.weight"], before.astype(np.float64) + shift)
    graph.replaced(node.output[0], layer)


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
    "Conv": convolution, "DeformConv": deformable, "ConvTranspose": transposed,
    "Gemm": fully_connected, "MatMul": fully_connected,
    "BatchNormalization": batch_norm, "Relu": activation, "LeakyRelu": activation, "PRelu": activation,
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
