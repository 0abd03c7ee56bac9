"""Kernel files, network files, models and arrays to begin with; all made here or from samples/."""

from __future__ import annotations

import functools
import io
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from tests.support import KERNELS, ROOT, SAMPLES


@functools.cache
def kernels() -> dict[str, str]:
    """Path -> text of every kernel file of the project."""
    paths = [*sorted(KERNELS.glob("*.yaml")), *sorted((SAMPLES / "kernels").glob("*.yaml"))]
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in paths}


@functools.cache
def networks() -> dict[str, str]:
    """Name -> text of the network files of the project, and of small ones with layers of all kinds."""
    files = {path.name: path.read_text(encoding="utf-8") for path in sorted((SAMPLES / "networks").glob("*.yaml"))}
    return files | {name: f"input: 14x12x3\nlayers:\n{layers}" for name, layers in _LAYERS.items()}


_LAYERS = {
    "joined": "  - {pointwise: 3, name: a, weights: [[1, 0, -1], [2, 3, 0.5], [0, 1, 1]], bias: [1, 0, 2]}\n"
    "  - {activate: relu}\n  - {pool: average, kernel_size: 3, stride: 1, padding: same, name: b}\n"
    "  - {add: a}\n  - {concat: [a, b]}\n",
    "resized": "  - {pool: max}\n  - {upsample: 2}\n  - {upsample: 2, bilinear: true}\n"
    "  - {upsample: 2, cubic: true}\n"
    "  - {space_to_depth: 2}\n  - {depth_to_space: 2, order: dcr}\n",
    "one number": "  - {global_pool: average}\n  - {fc: 2, weights: [[1, 2, 3], [4, 5, 6]]}\n  - {activate: sigmoid}\n",
    "per channel": "  - {depthwise: 1, weights: [[[[0, 1, 2], [3, 4, 5], [6, 7, 8]]],"
    " [[[1, 1, 1], [1, 1, 1], [1, 1, 1]]], [[[0, 0, 0], [0, 1, 0], [0, 0, 0]]]], stride: 2, activation: {elu: 1}}\n",
    "normal": "  - {normalize: instance, activation: gelu, name: n}\n  - {normalize: group, groups: 3, epsilon: 0.1}\n"
    "  - {normalize: layer, weights: [1, 2, 3], bias: [0, 1, 2]}\n  - {subtract: n}\n  - {across_channels: softmax}\n",
    "spread": "  - {multiply: [[], [{global_pool: max}, {activate: sigmoid}]]}\n"
    "  - {divide: [[{activate: exp}], [{across_channels: max}, {activate: softplus}]]}\n"
    "  - {take: [2, 0]}\n  - {channel_shuffle: 2}\n  - {across_channels: argmax}\n",
}


@functools.cache
def models() -> dict[str, bytes]:
    """Name -> an ONNX model, with layers of each kind that is imported."""
    rng = np.random.default_rng(7)
    arrays = {
        "w": rng.standard_normal((4, 3, 3, 3)), "b": rng.standard_normal(4), "d": rng.standard_normal((4, 1, 3, 3)),
        "t": rng.standard_normal((4, 2, 2, 2)), "p": rng.random(4), "f": rng.standard_normal((5, 4)),
        "s": np.array([1, 1, 2, 2]), "n": rng.random((4, 4)), "q": rng.random((4, 1, 1)),
    }  # fmt: skip
    conv = helper.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1], kernel_shape=[3, 3])
    graphs = {
        "chain": [conv, helper.make_node("PRelu", ["c", "q"], ["e"]),
                  helper.make_node("Conv", ["e", "d"], ["g"], group=4, strides=[2, 2], pads=[1, 1, 1, 1]),
                  helper.make_node("ConvTranspose", ["g", "t"], ["y"], strides=[2, 2])],
        "joined": [conv, helper.make_node("Relu", ["c"], ["r"]), helper.make_node("Add", ["c", "r"], ["a"]),
                   helper.make_node("Concat", ["a", "c"], ["k"], axis=1),
                   helper.make_node("DepthToSpace", ["k"], ["y"], blocksize=2)],
        "head": [conv, helper.make_node("MaxPool", ["c"], ["m"], kernel_shape=[2, 2], strides=[2, 2]),
                 helper.make_node("GlobalAveragePool", ["m"], ["g"]), helper.make_node("Flatten", ["g"], ["v"]),
                 helper.make_node("Gemm", ["v", "f"], ["y"], transB=1)],
        "resized": [conv, helper.make_node("Resize", ["c", "", "s"], ["y"], mode="nearest")],
        "normal": [conv, helper.make_node("InstanceNormalization", ["c", "b", "p"], ["i"]),
                   helper.make_node("Softmax", ["i"], ["m"], axis=1), helper.make_node("Gelu", ["m"], ["g"]),
                   helper.make_node("Transpose", ["g"], ["l"], perm=[0, 2, 3, 1]),
                   helper.make_node("LayerNormalization", ["l", "p", "b"], ["k"]),
                   helper.make_node("MatMul", ["k", "n"], ["o"]),
                   helper.make_node("Transpose", ["o"], ["y"], perm=[0, 3, 1, 2])],
        "spread": [conv, helper.make_node("GlobalMaxPool", ["c"], ["m"]), helper.make_node("Sub", ["m", "c"], ["d"]),
                   helper.make_node("SpaceToDepth", ["d"], ["e"], blocksize=2),
                   helper.make_node("ArgMax", ["e"], ["y"], axis=1)],
    }  # fmt: skip
    return {name: _model(nodes, arrays) for name, nodes in graphs.items()}


def _model(nodes: list[Any], arrays: dict[str, Any]) -> bytes:
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 14, 12])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in arrays.items() if name in used],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    data: bytes = model.SerializeToString()
    return data


@functools.cache
def arrays() -> dict[str, bytes]:
    """Name -> an .npy or .npz file of each kind that is read."""
    files: dict[str, bytes] = {}
    grid = np.arange(60).reshape(3, 4, 5)
    for dtype in ("?", "u1", "<i2", ">i4", "<u8", "<f2", ">f4", "<f8"):
        out = io.BytesIO()
        np.save(out, grid.astype(dtype))
        files[f"npy {dtype}"] = out.getvalue()
    for version in ((1, 0), (2, 0), (3, 0)):
        out = io.BytesIO()
        np.lib.format.write_array(out, np.asfortranarray(grid.astype(np.float32)), version=version)
        files[f"npy version {version[0]}"] = out.getvalue()
    for name, save in (("stored", np.savez), ("deflated", np.savez_compressed)):
        out = io.BytesIO()
        save(out, weights=np.ones((3, 3)), bias=np.arange(3.0))
        files[f"npz {name}"] = out.getvalue()
    out = io.BytesIO()
    np.savez_compressed(out, only=np.zeros((200, 200)))
    files["npz of one"] = out.getvalue()
    return files
