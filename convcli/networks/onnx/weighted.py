"""ONNX operators with weights, as layers of a network file, and what is folded into such layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convcli.networks.onnx.attributes import Attributes, layer_name, padding_of, square
from convcli.networks.onnx.graph import WEIGHTED, Graph, Layer, Unsupported
from convcli.records import late

if TYPE_CHECKING:
    import numpy as np
else:
    np = late("numpy")


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
    """Gemm, and MatMul with constant weights; of channels that are last a 1x1 convolution."""
    weights = np.asarray(graph.constant(node.input[1]), np.float64)
    if node.input[0] in graph.last and node.op_type == "MatMul" and weights.ndim == 2:
        layer = graph.add(
            node.output[0], "dense", weights.shape[1], [graph.source(node.input[0])],
            layer_name(node, node.input[1]), kernel_size=[1, 1], stride=[1, 1], dilation=[1, 1],
            padding=[[0, 0], [0, 0]],
        )  # fmt: skip
        _weigh(graph, layer, weights.T[..., None, None])
        graph.last.add(node.output[0])
        return
    if node.input[0] not in graph.flat:
        raise Unsupported("its input is no row per picture: Flatten or Gemm makes one")
    if weights.ndim != 2 or attributes.get("transA"):
        raise Unsupported(f"weights of rank {weights.ndim}" if weights.ndim != 2 else "transA")
    weights = weights * attributes.get("alpha", 1.0)
    if not attributes.get("transB"):
        weights = weights.T
    if sides := graph.interleaved.get(node.input[0]):
        weights = weights.reshape(-1, *sides).transpose(0, 3, 1, 2).reshape(len(weights), -1)
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
    if scale.shape != (channels := graph.channels(graph.source(node.input[0])),):
        raise Unsupported(f"{scale.size} numbers for {channels} channels")
    factor = scale / np.sqrt(variance + attributes.get("epsilon", 1e-5))
    scaled(graph, node, node.input[0], factor, shift - mean * factor)


def scaled(graph: Graph, node: Any, value: str, factor: Any, shift: Any) -> Layer:
    """Each channel of a value times a factor, plus a shift: one number, or one per channel."""
    layer = graph.foldable(value)
    source = graph.source(value)
    channels = graph.channels(source)
    for numbers in (factor, shift):
        if np.size(numbers) not in (1, channels):
            raise Unsupported(f"{np.size(numbers)} numbers for {channels} channels")
    factor, shift = (np.broadcast_to(np.reshape(numbers, -1), channels) for numbers in (factor, shift))
    if layer is None or layer.kind not in (*WEIGHTED, "normalize"):
        layer = graph.add(node.output[0], "depthwise", 1, [source], layer_name(node), kernel_size=1)
        _weigh(graph, layer, factor.reshape(-1, 1, 1, 1), shift if shift.any() else None)
        return layer
    weights = graph.arrays[f"{layer.name}.weight"].astype(np.float64)
    if layer.kind == "transposed":
        groups = layer.fields["groups"]
        split = weights.reshape(groups, -1, *weights.shape[1:])
        weights = (split * factor.reshape(groups, 1, -1, 1, 1)).reshape(weights.shape)
    else:
        weights = weights * factor.reshape(-1, *[1] * (weights.ndim - 1))
    before = graph.arrays.get(f"{layer.name}.bias")
    _weigh(graph, layer, weights, shift if before is None else before.astype(np.float64) * factor + shift)
    graph.replaced(node.output[0], layer)
    return layer


def swish(graph: Graph, node: Any, attributes: Attributes) -> None:
    """HardSwish, a value times its HardSigmoid. Source: Howard et al. 2019, arXiv:1905.02244."""
    value = node.input[0]
    graph.uses[value] += 1  # for it is read twice
    factor = scaled(graph, node, value, 1 / 6, 0.5)
    factor.fields["activation"] = {"clip": [0.0, 1.0]}
    sources = [graph.source(value), factor.name]
    graph.add(node.output[0], "multiply", sources, sources, layer_name(node))


def is_per_channel(numbers: Any, *, flat: bool, last: bool = False) -> bool:
    """Whether an operator takes one of the numbers for each channel, or a single one for all."""
    own = numbers.shape[-1:] if flat or last else numbers.shape[-3:]
    fits = numbers.size == 1 or own == (numbers.size, *(() if flat or last else (1, 1)))
    return bool(fits and numbers.ndim <= (2 if flat else 4))


def arithmetic(graph: Graph, node: Any, attributes: Attributes) -> None:
    """Add, Sub, Mul and Div of what a layer makes and a constant, Neg, and HardSigmoid, which is cut off, too."""
    constant = [place for place, name in enumerate(node.input) if graph.is_constant(name)]
    value = next((name for name in node.input if not graph.is_constant(name)), node.input[0])
    if node.op_type == "Neg":
        scaled(graph, node, value, -1.0, 0.0)
    elif node.op_type == "HardSigmoid":
        layer = scaled(graph, node, value, float(attributes.get("alpha", 0.2)), float(attributes.get("beta", 0.5)))
        layer.fields["activation"] = {"clip": [0.0, 1.0]}
    elif len(node.input) != 2 or len(constant) != 1:
        what = "constants alone" if constant else "what two layers make"
        raise Unsupported(f"it reads {what}, and is known of a layer and a constant")
    else:
        numbers = np.asarray(graph.constant(node.input[constant[0]]), np.float64)
        if not is_per_channel(numbers, flat=value in graph.flat, last=value in graph.last):
            raise Unsupported(f"a constant of shape {numbers.shape}: one number, or one per channel, is taken")
        scaled(graph, node, value, *_straight(node.op_type, numbers.reshape(-1), before=constant == [0]))


def _straight(operator: str, numbers: Any, *, before: bool) -> tuple[Any, Any]:
    """The factor and the shift that an operator with constant numbers is, which stand `before` or behind the other."""
    if operator == "Mul":
        return numbers, 0.0
    if operator == "Div":
        if before or not numbers.all():
            raise Unsupported("a constant over what a layer makes" if before else "it divides by 0")
        return 1 / numbers, 0.0
    if operator == "Sub":
        return (-1.0, numbers) if before else (1.0, -numbers)
    return 1.0, numbers
