"""ONNX operators that look at all of a picture, or at all channels of a pixel, as layers of a network file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from convcli.networks.onnx.attributes import Attributes, layer_name
from convcli.networks.onnx.graph import Graph, Layer, Unsupported
from convcli.records import late

if TYPE_CHECKING:
    import numpy as np
else:
    np = late("numpy")

#: ONNX's numbers of float32 and float64, and of whole numbers.
_FLOATS, _WHOLE = (1, 11), (2, 3, 4, 5, 6, 7, 12, 13)


def _add(graph: Graph, node: Any, attributes: Attributes, output: str, source: str, word: str, **fields: Any) -> Layer:
    """A norm, with the numbers per channel, or per group, of its second and third inputs."""
    epsilon = float(str(np.float32(attributes.get("epsilon", 1e-5))))
    if epsilon <= 0:
        raise Unsupported(f"epsilon {epsilon:g}: more than 0 is added to the variance")
    layer = graph.add(output, "normalize", word, [source], layer_name(node, node.input[1]), epsilon=epsilon, **fields)
    channels = graph.channels(source)
    arrays = [np.reshape(graph.constant(name), -1) for name in node.input[1:3] if name]
    for array, part in zip(arrays, ("weight", "bias"), strict=False):
        if not array.size or channels % array.size:
            raise Unsupported(f"{array.size} numbers for {channels} channels")
        graph.arrays[f"{layer.name}.{part}"] = np.repeat(array, channels // array.size).astype(np.float32)
    layer.fields["bias"] = len(arrays) > 1
    return layer


def instance(graph: Graph, node: Any, attributes: Attributes) -> None:
    """Of each channel; of groups where channels were put together before, as PyTorch writes its GroupNorm."""
    moved = graph.moved.get(node.input[0])
    if moved is None:
        _add(graph, node, attributes, node.output[0], graph.source(node.input[0]), "instance")
        return
    groups = moved.numbers.shape[1] if moved.numbers.ndim > 2 else 0
    if not groups or not np.array_equal(moved.numbers.reshape(-1), np.arange(moved.numbers.size)):
        raise Unsupported(moved.reason, moved.node)
    normal = f"{node.output[0]} as a picture"
    _add(graph, node, attributes, normal, graph.source(moved.value), "group", groups=int(groups))
    graph.moved[node.output[0]] = replace(moved, value=normal)


def group(graph: Graph, node: Any, attributes: Attributes) -> None:
    source = graph.source(node.input[0])
    _add(graph, node, attributes, node.output[0], source, "group", groups=int(attributes["num_groups"]))


def layer(graph: Graph, node: Any, attributes: Attributes) -> None:
    value = node.input[0]
    _check_axis(graph, value, attributes.get("axis", -1))
    if len([name for name in node.output if name]) > 1:
        raise Unsupported("a second output")
    if graph.constant(node.input[1]).size != graph.channels(graph.source(value)):
        raise Unsupported(f"{graph.constant(node.input[1]).size} numbers: one per channel is taken")
    if value in graph.last or value in graph.flat:
        _add(graph, node, attributes, node.output[0], graph.source(value), "layer")
        return
    raise Unsupported("along more axes than that of channels")


def softmax(graph: Graph, node: Any, attributes: Attributes) -> None:
    old, value = graph.version < 13, node.input[0]
    moved = graph.moved.get(value)
    if moved is not None:  # as older exporters put the axis last
        axis = int(attributes.get("axis", -1)) % moved.numbers.ndim
        _, channels, height, width = moved.shape
        if moved.numbers.shape[axis] != channels or not (np.diff(moved.numbers, axis=axis) == height * width).all():
            raise Unsupported(moved.reason, moved.node)
        if old and axis < moved.numbers.ndim - 1:
            raise Unsupported(f"axis {axis}: before opset 13 it was of all axes from there on together")
        normal = f"{node.output[0]} as a picture"
        graph.add(normal, "across_channels", "softmax", [graph.source(moved.value)], layer_name(node))
        graph.moved[node.output[0]] = replace(moved, value=normal)
        return
    _check_axis(graph, value, attributes.get("axis", 1 if old else -1))
    if old and value not in graph.flat and graph.has_rows(graph.source(value)):
        raise Unsupported("before opset 13 it was of all rows and columns together")
    across(graph, node, "softmax")


def argmax(graph: Graph, node: Any, attributes: Attributes) -> None:
    _check_axis(graph, node.input[0], attributes.get("axis", 0))
    if attributes.get("select_last_index"):
        raise Unsupported("select_last_index")
    if not attributes.get("keepdims", 1) and not graph.ends_with(node.output[0]):
        raise Unsupported("what reads it reads no channels (keepdims=0)")
    across(graph, node, "argmax")


def across(graph: Graph, node: Any, word: str) -> None:
    """A layer across the channels of each pixel."""
    value = node.input[0]
    source = graph.source(value)
    if value in graph.flat and graph.has_rows(source):
        raise Unsupported("its input is a row of all pixels")
    graph.add(node.output[0], "across_channels", word, [source], layer_name(node))
    if value in graph.last:
        graph.last.add(node.output[0])


def cast(graph: Graph, node: Any, attributes: Attributes) -> None:
    """To floats of as many digits, or what is whole to whole numbers: nothing."""
    kind, source = attributes["to"], graph.source(node.input[0])
    whole = any(one.name == source and one.value == "argmax" for one in graph.layers)
    if kind not in _FLOATS and not (whole and kind in _WHOLE):
        raise Unsupported("to numbers of fewer digits")
    graph.alias(node.output[0], node.input[0])


def channel_axis(graph: Graph, value: str) -> list[int]:
    """The axis of a value's channels."""
    return [3] if value in graph.last else [1]


def _check_axis(graph: Graph, value: str, axis: int) -> None:
    """Raises `Unsupported` where an axis is not that of channels."""
    rank = 2 if value in graph.flat else 4
    if [axis % rank] != channel_axis(graph, value):
        raise Unsupported(f"axis {axis}: it is taken across channels")
