"""ONNX graphs with edges, attributes and arrays changed: onnxruntime's numbers, or refused in one line."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from networks import shared
from networks.test_onnx_import import GRAPHS, REFUSED
from onnx import helper, numpy_helper

from convcli.errors import ConvcliError
from convcli.filtering import Chain, filter_pixels
from convcli.networks.onnx import reading
from convcli.networks.onnx.operators import OPERATORS
from convcli.networks.runnable import NetworkKernel
from convcli.spec import check

SOUND = [graph[:2] for graph in (*GRAPHS.values(), *REFUSED.values())]
NAMES = (
    "pads", "strides", "dilations", "group", "kernel_shape", "auto_pad", "axis", "mode", "nearest_mode", "alpha",
    "coordinate_transformation_mode", "transA", "transB", "ceil_mode", "count_include_pad", "output_padding", "value",
    "blocksize", "axes", "training_mode", "storage_order",
)  # fmt: skip
VALUES = (
    0, 1, 2, -1, 0.5, [1, 1], [2, 2], [2, 1], [0, 0, 1, 1], [1, 1, 1, 1], [1], [1.0, 2.0], "SAME_UPPER", "SAME_LOWER",
    "VALID", "floor", "round_prefer_ceil", "asymmetric", "half_pixel", "linear", "nearest", "reflect", "CRD",
)  # fmt: skip


def values_of(graph: Any) -> list[str]:
    return [*(i.name for i in graph.initializer), "x", *(name for node in graph.node for name in node.output)]


def other_edge(graph: Any, node: Any, draw: random.Random) -> None:
    if node.input:
        node.input[draw.randrange(len(node.input))] = draw.choice([*values_of(graph), "", "nowhere"])


def fewer_or_more_edges(graph: Any, node: Any, draw: random.Random) -> None:
    if node.input and draw.random() < 0.5:
        del node.input[draw.randrange(len(node.input))]
    else:
        node.input.append(draw.choice(values_of(graph)))


def other_operator(graph: Any, node: Any, draw: random.Random) -> None:
    node.op_type = draw.choice([*OPERATORS, "CumSum"])


def other_attribute(graph: Any, node: Any, draw: random.Random) -> None:
    name = draw.choice(NAMES)
    others = [entry for entry in node.attribute if entry.name != name]
    del node.attribute[:]
    node.attribute.extend([*others, helper.make_attribute(name, draw.choice(VALUES))])


def fewer_attributes(graph: Any, node: Any, draw: random.Random) -> None:
    if node.attribute:
        del node.attribute[draw.randrange(len(node.attribute))]


def other_numbers(graph: Any, node: Any, draw: random.Random) -> None:
    if graph.initializer:
        stored = draw.choice(graph.initializer)
        array = np.atleast_1d(numpy_helper.to_array(stored))
        array = draw.choice([array.reshape(-1), array[..., None], array.T, array[:1], array.astype(np.float64)])
        stored.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(array), stored.name))


def one_more_node(graph: Any, node: Any, draw: random.Random) -> None:
    """Between a node and what it reads, for it alone."""
    if node.input and node.input[0] in values_of(graph):
        kind, name = draw.choice(["Identity", "Dropout", "Flatten", "Relu"]), f"new{len(graph.node)}"
        more = helper.make_node(kind, [node.input[0]], [name])
        node.input[0] = name
        graph.node.insert(list(graph.node).index(node), more)


def other_output(graph: Any, node: Any, draw: random.Random) -> None:
    graph.output[0].name = draw.choice(values_of(graph))


def constant_node(graph: Any, node: Any, draw: random.Random) -> None:
    if graph.initializer:
        stored = draw.choice(graph.initializer)
        graph.node.insert(0, helper.make_node("Constant", [], [stored.name], value=stored))
        graph.initializer.remove(stored)


CHANGES: tuple[Callable[[Any, Any, random.Random], None], ...] = (
    other_edge, fewer_or_more_edges, other_operator, other_attribute, fewer_attributes, other_numbers, one_more_node,
    other_output, constant_node,
)  # fmt: skip


def changed(draw: random.Random) -> Any:
    nodes, arrays = draw.choice(SOUND)
    model = shared.model([onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes], arrays)
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        draw.choice(CHANGES)(model.graph, draw.choice(model.graph.node), draw)
    return model


def imported(path: Path, x: Any) -> Any:
    """What the network of a file makes of an input; None where it is refused."""
    try:
        kernel = NetworkKernel(name="m", network=reading.read(path, size=x.shape[:2]).network("m"), border="zero")
        kernel.check_layers()
        check(kernel)
        return filter_pixels(x, Chain([kernel]), axes="yx").array
    except ConvcliError as error:
        assert str(error).strip()
        return None


def alike(y: Any, expected: Any) -> bool:
    """An output of one row per picture stays rows, columns and channels here, and so does one with channels last."""
    if y.shape != expected.shape and expected.shape[:2] == (1, 1):
        y = y.transpose(2, 0, 1).reshape(1, 1, -1)
    elif y.shape != expected.shape:
        expected = expected.transpose(2, 0, 1)
    return y.shape == expected.shape and np.abs(y - expected).max() <= 1e-5 * max(1, np.abs(expected).max())


@pytest.mark.parametrize("seeds", [range(150), range(1000, 1150)], ids=str)
def test_changed_graphs(seeds: range, tmp_path: Path) -> None:
    """What both run, both run to the same numbers; what onnxruntime takes for no model is not asked of it."""
    agreed = refused = 0
    for seed in seeds:
        model, x = changed(random.Random(seed)), np.random.default_rng(seed).normal(size=(12, 10, 3)).astype(np.float32)
        path = tmp_path / "m.onnx"
        path.write_bytes(model.SerializeToString())
        y = imported(path, x)
        try:
            reading.read(path, size=(12, 10), strict=False)
        except ConvcliError as error:
            assert str(error).strip()
        try:
            expected = None if y is None else shared.answer(model, x)
        except Exception:  # of whatever class onnxruntime has for what is no model
            expected = None
        if expected is None:
            refused += 1
        else:
            assert alike(y, expected), seed
            agreed += 1
    assert agreed >= 20 <= refused
