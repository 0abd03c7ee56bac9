"""ONNX graphs as network files: the numbers of onnxruntime on the original, or one line that names the node."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings, strategies as st
from networks import shared
from networks.test_layers_run import KINDS, random_graph
from onnx import helper

from tests.support import run, save

RNG = np.random.default_rng(0)


def numbers(*shape: int) -> Any:
    return (RNG.normal(size=shape) / np.sqrt(max(1, np.prod(shape[1:])))).astype(np.float32)


def imported(model: Any, folder: Path, x: Any) -> Any:
    """What the network file that `convcli import` makes of a model makes of an input."""
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    size = f"{x.shape[0]}x{x.shape[1]}"
    result = run("import", folder / "m.onnx", "-o", folder / "m.yaml", "--size", size, "--overwrite")
    assert result.code == 0, result.err
    return shared.ours(folder / "m.yaml", x)


def agree(model: Any, folder: Path, x: Any) -> None:
    expected, y = shared.answer(model, x), imported(model, folder, x)
    assert y.shape == expected.shape
    assert np.abs(y - expected).max() <= 1e-5 * max(1, np.abs(expected).max()), (folder / "m.yaml").read_text()


def node(operator: str, *inputs: str, out: str = "y", **attributes: Any) -> Any:
    return helper.make_node(operator, list(inputs), [out], name=f"{operator}_{out}", **attributes)


@settings(max_examples=40, deadline=None)
@given(kinds=KINDS, channels=st.sampled_from([1, 3, 4]), side=st.sampled_from([(9, 12), (16, 7)]))
def test_random_graphs(kinds: Any, channels: int, side: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    net, x = random_graph(kinds, channels, side)
    if net.lines:
        agree(net.model(channels), tmp_path_factory.mktemp("onnx"), x)


def batch_norm(channels: int) -> dict[str, Any]:
    return {
        "scale": numbers(channels) + 1, "shift": numbers(channels), "mean": numbers(channels),
        "variance": np.abs(numbers(channels)) + 0.1,
    }  # fmt: skip


NORM = ("scale", "shift", "mean", "variance")
GRAPHS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "a norm behind a convolution": (
        [node("Conv", "x", "w", out="a", pads=[1] * 4), node("BatchNormalization", "a", *NORM, out="b"),
         node("Relu", "b")],
        {"w": numbers(6, 3, 3, 3), **batch_norm(6)},
    ),
    "a norm behind a convolution with groups and a bias": (
        [node("Conv", "x", "w", "b", out="a", group=3), node("BatchNormalization", "a", *NORM, epsilon=0.01)],
        {"w": numbers(6, 1, 3, 3), "b": numbers(6), **batch_norm(6)},
    ),
    "a norm behind a transposed convolution with groups": (
        [node("ConvTranspose", "x", "w", out="a", group=3, strides=[2, 2]), node("BatchNormalization", "a", *NORM)],
        {"w": numbers(3, 2, 3, 3), **batch_norm(6)},
    ),
    "a norm before a convolution": (
        [node("BatchNormalization", "x", *NORM, out="a"), node("Conv", "a", "w")],
        {"w": numbers(4, 3, 3, 3), **batch_norm(3)},
    ),
    "a norm of what two read": (
        [
            node("Conv", "x", "w", out="a", pads=[1] * 4), node("BatchNormalization", "a", *NORM, out="b"),
            node("Relu", "b", out="c"), node("Add", "a", "c"),
        ],
        {"w": numbers(3, 3, 3, 3), **batch_norm(3)},
    ),
    "a bias as a node": (
        [node("Conv", "x", "w", out="a"), node("Add", "a", "b")], {"w": numbers(4, 3, 1, 1), "b": numbers(1, 4, 1, 1)},
    ),
    "a classifier": (
        [
            node("Conv", "x", "w", out="a", strides=[2, 2]), node("Relu", "a", out="b"),
            node("GlobalAveragePool", "b", out="c"), node("Flatten", "c", out="d"),
            node("MatMul", "d", "fc", out="e"), node("Add", "e", "bias"),
        ],
        {"w": numbers(4, 3, 3, 3), "fc": numbers(4, 7), "bias": numbers(7)},
    ),
    "reshape before gemm": (
        [node("Reshape", "x", "to", out="a"), node("Gemm", "a", "w", "b", transB=1, alpha=0.5, beta=2.0)],
        {"to": np.int64([1, -1]), "w": numbers(5, 3 * 12 * 10), "b": numbers(5)},
    ),
    "cells of the picture itself": (
        [node("Pad", "x", "pads", out="a", mode="reflect"), node("Conv", "a", "w")],
        {"pads": np.int64([0, 0, 1, 2, 0, 0, 3, 1]), "w": numbers(4, 3, 3, 3)},
    ),
    "cells of zeros around a padded convolution": (
        [node("Pad", "x", "pads", out="a"), node("Conv", "a", "w", pads=[1, 0, 1, 2])],
        {"pads": np.int64([0, 0, 1, 2, 0, 0, 3, 1]), "w": numbers(4, 3, 3, 3)},
    ),
    "more cells at the end": (
        [node("Conv", "x", "w", pads=[1, 1, 2, 2])], {"w": numbers(2, 3, 4, 4)},
    ),
    "a pool with more cells at the end": (
        [node("MaxPool", "x", kernel_shape=[3, 2], strides=[2, 1], pads=[0, 0, 1, 1])], {},
    ),
    "branches": (
        [
            node("Conv", "x", "w", out="a"), node("Relu", "a", out="b"), node("Conv", "x", "v", out="c"),
            node("Sigmoid", "c", out="d"), node("Concat", "d", "b", "a", out="e", axis=1),
            node("Sub", "e", "e", out="f"),
            node("LeakyRelu", "e", out="g", alpha=0.3), node("Add", "f", "g"),
        ],
        {"w": numbers(2, 3, 1, 1), "v": numbers(3, 3, 1, 1)},
    ),
    "an output that is not the last": (
        [node("Conv", "x", "w"), node("Relu", "y", out="unused")], {"w": numbers(2, 3, 1, 1)},
    ),
    "auto_pad": (
        [node("Conv", "x", "w", out="a", auto_pad="SAME_UPPER", strides=[2, 2]),
         node("Conv", "a", "v", auto_pad="VALID")],
        {"w": numbers(2, 3, 4, 3), "v": numbers(2, 2, 2, 2)},
    ),
    "names for one value, which others read, too": (
        [node("Conv", "x", "w", out="a"), node("Identity", "a", out="b"), node("Relu", "b", out="c"),
         node("Dropout", "a", out="d"), node("Sigmoid", "d", out="e"), node("Concat", "e", out="f", axis=1),
         node("Tanh", "f", out="g"), node("Add", "c", "e", out="h"), node("Add", "g", "h")],
        {"w": numbers(2, 3, 1, 1)},
    ),
    "rows of numbers side by side": (
        [node("Flatten", "x", out="a"), node("Sigmoid", "a", out="b"), node("Concat", "a", "b", out="c", axis=-1),
         node("Gemm", "c", "w", out="d", transB=1), node("PRelu", "d", "s", out="e"),
         node("Gemm", "e", "v")],
        {"w": numbers(6, 720), "s": numbers(6), "v": numbers(6, 2)},
    ),
    "clips": (
        [node("Clip", "x", "low", out="a"), node("Clip", "a", "", "high", out="b"), node("Clip", "b", "low", "high")],
        {"low": np.float32(-0.5), "high": np.float32(0.75)},
    ),
    "numbers per channel": (
        [node("Mul", "x", "f", out="a"), node("Sub", "c", "a", out="b"), node("Conv", "b", "w", out="d", pads=[1] * 4),
         node("Div", "d", "g", out="e"), node("Relu", "e", out="h"), node("Add", "h", "s", out="i"),
         node("Neg", "i", out="j"), node("Mul", "j", "two")],
        {"f": numbers(3, 1, 1), "c": numbers(1, 3, 1, 1), "w": numbers(4, 3, 3, 3), "g": numbers(1, 4, 1, 1) + 2,
         "s": np.float32([0.5]), "two": np.float32(2)},
    ),
    "a picture's mean and deviation behind a branch": (
        [node("Sub", "x", "mean", out="a"), node("Div", "a", "deviation", out="b"), node("Conv", "b", "w", out="c"),
         node("Mul", "c", "half", out="d"), node("Add", "c", "d")],
        {"mean": np.float32([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1), "w": numbers(2, 3, 1, 1),
         "deviation": np.float32([0.229, 0.224, 0.225]).reshape(3, 1, 1), "half": np.float32([[[[0.5]]]])},
    ),
    "factors of groups of a transposed convolution": (
        [node("ConvTranspose", "x", "w", out="a", group=3, strides=[2, 2]), node("Mul", "a", "f", out="b"),
         node("HardSigmoid", "b", alpha=0.3, beta=0.4)],
        {"w": numbers(3, 2, 3, 3), "f": numbers(6, 1, 1)},
    ),
    "hard sigmoids": ([node("Relu", "x", out="a"), node("HardSigmoid", "a")], {}),
    "means of rows and columns": (
        [node("Conv", "x", "w", out="a"), node("ReduceMean", "a", "axes", out="b", keepdims=0),
         node("Mul", "b", "f", out="c"), node("Gemm", "c", "v", out="d"), node("Add", "d", "s")],
        {"w": numbers(4, 3, 1, 1), "axes": np.int64([-1, -2]), "f": numbers(4), "v": numbers(4, 5), "s": numbers(1, 5)},
    ),
    "the greatest of rows and columns, squeezed": (
        [node("ReduceMax", "x", "axes", out="a", keepdims=1), node("Squeeze", "a", "axes", out="b"),
         node("Gemm", "b", "v", out="c"), node("Unsqueeze", "c", "axes", out="d"), node("Conv", "d", "w", out="e"),
         node("Flatten", "e")],
        {"axes": np.int64([2, 3]), "v": numbers(3, 5), "w": numbers(4, 5, 1, 1)},
    ),
    "a pixel of numbers": (
        [node("GlobalAveragePool", "x", out="a"), node("Flatten", "a", out="b"), node("Gemm", "b", "v", out="c"),
         node("Reshape", "c", "to", out="d"), node("Conv", "d", "w", out="e"), node("Reshape", "e", "back")],
        {"v": numbers(3, 5), "w": numbers(4, 5, 1, 1), "to": np.int64([-1, 5, 1, 1]), "back": np.int64([1, -1])},
    ),
    "weights that nodes make of others": (
        [node("Transpose", "w", out="t", perm=[3, 2, 0, 1]), node("Conv", "x", "t", out="a"),
         node("Identity", "v", out="i"), node("Flatten", "a", out="b"), node("Transpose", "i", out="j", perm=[1, 0]),
         node("MatMul", "b", "j")],
        {"w": numbers(3, 3, 3, 4), "v": numbers(6, 4 * 10 * 8)},
    ),
    "shapes that nodes compute": (
        [node("Conv", "x", "w", out="a"), node("Shape", "a", out="s", end=1),
         node("Concat", "s", "rest", out="to", axis=0),
         node("Reshape", "a", "to", out="r"), node("Gemm", "r", "v", transB=1)],
        {"w": numbers(2, 3, 1, 1), "rest": np.int64([-1]), "v": numbers(3, 240)},
    ),
    "sizes that nodes compute": (
        [node("MaxPool", "x", out="p", kernel_shape=[2, 2], strides=[2, 2]), node("Shape", "x", out="s"),
         node("Slice", "s", "two", "four", out="side"), node("Concat", "head", "side", out="to", axis=0),
         node("Resize", "p", "", "", "to", out="up", mode="linear"), node("Add", "up", "x")],
        {"two": np.int64([2]), "four": np.int64([4]), "head": np.int64([1, 3])},
    ),
    "channels last, as TensorFlow has them": (
        [node("Transpose", "x", out="l", perm=[0, 2, 3, 1]), node("Mul", "l", "f", out="a"),
         node("Relu", "a", out="b"), node("Concat", "b", "l", out="c", axis=3),
         node("Transpose", "c", out="d", perm=[0, 3, 1, 2]), node("Conv", "d", "w", out="e"),
         node("Transpose", "e", out="g", perm=[0, 2, 3, 1]), node("Add", "g", "s", out="h"),
         node("Reshape", "h", "row", out="i"), node("MatMul", "i", "v")],
        {"f": numbers(3), "w": numbers(4, 6, 1, 1), "s": numbers(1, 1, 1, 4), "row": np.int64([-1, 480]),
         "v": numbers(480, 5)},
    ),
    "means of channels last": (
        [node("Transpose", "x", out="l", perm=[0, 2, 3, 1]), node("ReduceMean", "l", "axes", out="m", keepdims=1),
         node("Squeeze", "m", "axes", out="r"), node("Gemm", "r", "v")],
        {"axes": np.int64([1, 2]), "v": numbers(3, 4)},
    ),
    "an old name of resize": (
        [node("Conv", "x", "w", out="a"), node("Resize", "a", "", "s", mode="nearest", nearest_mode="floor",
              coordinate_transformation_mode="asymmetric")],
        {"w": numbers(2, 3, 1, 1), "s": np.float32([1, 1, 3, 3])},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs(name: str, tmp_path: Path) -> None:
    nodes, arrays = GRAPHS[name]
    agree(shared.model(nodes, arrays), tmp_path, RNG.normal(size=(12, 10, 3)).astype(np.float32))


def test_an_input_with_its_channels_last(tmp_path: Path) -> None:
    """As TensorFlow's exporters write it, with a size of its own; and in any size that is asked for."""
    nodes = [
        node("Transpose", "x", out="a", perm=[0, 3, 1, 2]), node("Conv", "a", "w", out="b", pads=[1] * 4),
        node("Transpose", "b", out="c", perm=[0, 2, 3, 1]), node("Add", "c", "s"),
    ]  # fmt: skip
    model = shared.model(nodes, {"w": numbers(5, 3, 3, 3), "s": numbers(5)})
    for size in ((12, 10), (9, 16)):
        sides = model.graph.input[0].type.tensor_type.shape.dim
        for side, value in zip(sides, (1, 12, 10, 3), strict=True):
            side.dim_value = value
        (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
        asked = [] if size == (12, 10) else ["--size", "x".join(map(str, size))]
        done = run("import", tmp_path / "m.onnx", "-o", tmp_path / "m.yaml", "--overwrite", *asked)
        assert done.code == 0, done.err
        assert f"input: {size[0]}x{size[1]}x3" in (tmp_path / "m.yaml").read_text()
        x = RNG.normal(size=(*size, 3)).astype(np.float32)
        for side, value in zip(sides, (1, *size, 3), strict=True):
            side.dim_value = value
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        (expected,) = session.run(None, {"x": x[None]})[0]
        assert np.abs(shared.ours(tmp_path / "m.yaml", x) - expected).max() <= 1e-5 * np.abs(expected).max()


def test_a_size_that_is_given_is_told_of(tmp_path: Path) -> None:
    """A graph for one size becomes a network for all."""
    resize = node("Resize", "x", "", "", "to", mode="linear")
    model, x = shared.model([resize], {"to": np.int64([1, 3, 36, 30])}), RNG.normal(size=(12, 10, 3)).astype(np.float32)
    agree(model, tmp_path, x)
    done = run("import", tmp_path / "m.onnx", "-o", tmp_path / "m.yaml", "--size", "12x10", "--overwrite")
    assert "node 'Resize_y' makes 30x36 pixels" in " ".join(done.err.split())
    unsized = run("import", tmp_path / "m.onnx", "-o", tmp_path / "n.yaml")
    assert unsized.code == 2 and "--size" in unsized.err


MODES = (
    "half_pixel",
    "pytorch_half_pixel",
    "half_pixel_symmetric",
    "asymmetric",
    "align_corners",
    "tf_crop_and_resize",
)
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")


@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("rounding", [*ROUNDINGS, "linear"])
def test_enlarging_gives_the_same_numbers_or_is_refused(factor: int, mode: str, rounding: str, tmp_path: Path) -> None:
    kind = {"mode": "linear"} if rounding == "linear" else {"mode": "nearest", "nearest_mode": rounding}
    resize = node("Resize", "x", "r", "s", coordinate_transformation_mode=mode, **kind)
    arrays = {"r": np.float32([0] * 4 + [1] * 4), "s": np.float32([1, 1, factor, factor])}
    model, x = shared.model([resize], arrays), RNG.normal(size=(5, 4, 3)).astype(np.float32)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    result = run("import", tmp_path / "m.onnx", "-o", tmp_path / "m.yaml", "--size", "5x4")
    centred = mode in MODES[:3] and rounding not in ("floor", "ceil")
    assert (result.code == 0) == (centred or (mode, rounding) == ("asymmetric", "floor"))
    if result.code == 0:
        agree(model, tmp_path, x)
    else:
        assert f"mode {kind['mode']}, {mode}" in result.err


@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("pads", [[0, 0, 0, 0], [1, 1, 1, 1], [1, 0, 0, 1]])
@pytest.mark.parametrize(("taps", "stride"), [(2, 2), (3, 2), (2, 3), (3, 3), (3, 1), (4, 3)])
def test_windows_beyond_the_end(operator: str, pads: list[int], taps: int, stride: int, tmp_path: Path) -> None:
    pool = node(operator, "x", kernel_shape=[taps] * 2, strides=[stride] * 2, pads=pads, ceil_mode=1)
    agree(shared.model([pool], {}, opset=22), tmp_path, RNG.normal(size=(11, 8, 3)).astype(np.float32))


REFUSED: dict[str, tuple[list[Any], dict[str, Any], list[str]]] = {
    "softmax": ([node("Conv", "x", "w", out="a"), node("Softmax", "a")], {"w": numbers(2, 3, 1, 1)}, ["Softmax_y"]),
    "another domain": ([node("Conv", "x", "w", out="a"), helper.make_node("Swish", ["a"], ["y"], domain="com.maker")],
                       {"w": numbers(2, 3, 1, 1)}, ["'y' (Swish)"]),
    "a cycle": ([node("Add", "x", "b", out="a"), node("Relu", "a", out="b")], {}, ["Add_a", "reads 'b'", "cycle"]),
    "computed weights": ([node("Relu", "x", out="w"), node("Conv", "x", "w")], {}, ["Conv_y", "'w' is no constant"]),
    "a volume": ([node("Conv", "x", "w")], {"w": numbers(2, 3, 1, 1, 1)}, ["Conv_y", "rank 5"]),
    "cells around the output": ([node("Relu", "x", out="a"), node("Pad", "a", "p")],
                                {"p": np.int64([0, 0, 1, 1, 0, 0, 1, 1])}, ["output 'y'", "Pad"]),
    "constants alone": ([node("Relu", "x", out="a"), node("Add", "c", "c")], {"c": numbers(3)},
                        ["output 'y'", "constant"]),
    "a product of layers": ([node("Sigmoid", "x", out="a"), node("Mul", "a", "x")], {},
                            ["Mul_y", "two layers", "1x3x12x10 and 1x3x12x10"]),
    "numbers per pixel": ([node("Mul", "x", "m")], {"m": numbers(12, 10)}, ["Mul_y", "(12, 10)", "1x3x12x10"]),
    "numbers of another count": ([node("Mul", "x", "m")], {"m": numbers(5, 1, 1)}, ["Mul_y", "5 numbers for 3"]),
    "numbers of a higher rank": ([node("Add", "x", "m")], {"m": numbers(1, 1, 1, 1, 1)}, ["Add_y", "(1, 1, 1, 1, 1)"]),
    "a constant over a layer": ([node("Div", "c", "x")], {"c": np.float32(1)}, ["Div_y", "over what a layer"]),
    "a division by 0": ([node("Div", "x", "c")], {"c": np.float32([1, 0, 1]).reshape(3, 1, 1)}, ["Div_y", "by 0"]),
    "a mean of rows alone": ([node("ReduceMean", "x", "a")], {"a": np.int64([2])}, ["ReduceMean_y", "[2]"]),
    "axes in another order": ([node("Transpose", "x", perm=[0, 1, 3, 2])], {}, ["Transpose_y", "[0, 1, 3, 2]"]),
    "a pool of channels last": (
        [node("Transpose", "x", out="a", perm=[0, 2, 3, 1]), node("MaxPool", "a", kernel_shape=[2, 2])], {},
        ["MaxPool_y", "channels last"],
    ),
    "rows of pixels with channels last": (
        [node("Transpose", "x", out="a", perm=[0, 2, 3, 1]), node("Flatten", "a", out="b"), node("Relu", "b")], {},
        ["Relu_y", "only Gemm"],
    ),
    "a size that is no multiple": ([node("Resize", "x", "", "", "s")], {"s": np.int64([1, 3, 30, 25])},
                                   ["Resize_y", "2.5"]),
    "one of many rows": ([node("Relu", "x", out="a"), node("Squeeze", "a", "i")], {"i": np.int64([2, 3])},
                         ["Squeeze_y", "more rows"]),
    "rows and a picture": ([node("Flatten", "x", out="a"), node("Add", "a", "x")], {}, ["Add_y", "one row"]),
    "a product along columns": ([node("MatMul", "x", "w")], {"w": numbers(10, 4)}, ["MatMul_y", "no row"]),
    "rows of all pictures": ([node("Flatten", "x", axis=2)], {}, ["Flatten_y", "axis 2"]),
    "norms of another number": ([node("Conv", "x", "w", out="a"), node("BatchNormalization", "a", *NORM)],
                                {"w": numbers(6, 3, 1, 1), **batch_norm(1)}, ["1 numbers for 6 channels"]),
    "taps that its weights don't have": ([node("Conv", "x", "w", kernel_shape=[1, 3])], {"w": numbers(2, 3, 3, 3)},
                                         ["Conv_y", "kernel_shape (1, 3)"]),
    "padded mean": ([node("AveragePool", "x", kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=1)], {},
                    ["count_include"]),
    "rows joined": ([node("Concat", "x", "x", axis=2)], {}, ["axis 2"]),
    "half sizes": ([node("Resize", "x", "", "s")], {"s": np.float32([1, 1, 0.5, 0.5])}, ["scales"]),
    "a shape": ([node("Reshape", "x", "s")], {"s": np.int64([1, 3, -1])}, ["[1, 3, -1]"]),
    "a pool behind Pad": ([node("Pad", "x", "p", out="a"), node("MaxPool", "a", kernel_shape=[2, 2])],
                          {"p": np.int64([0, 0, 1, 1, 0, 0, 1, 1])}, ["MaxPool_y", "Pad"]),
    "nothing known": ([node("Identity", "x")], {}, ["no layer that is known"]),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_layer_does_is_refused_by_name(name: str, tmp_path: Path) -> None:
    nodes, arrays, says = REFUSED[name]
    (tmp_path / "m.onnx").write_bytes(shared.model(nodes, arrays).SerializeToString())
    result = run("import", tmp_path / "m.onnx", "-o", tmp_path / "m.yaml", "--size", "12x10")
    assert result.code == 2, result.err
    assert result.err.count("Error:") == 1
    for text in ("m.onnx", *says):
        assert text in result.err
    assert not (tmp_path / "m.yaml").exists() and not (tmp_path / "m.safetensors").exists()


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    model = shared.model([node("Conv", "x", "w")], {"w": numbers(2, 5, 3, 3)})
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    result = run("import", tmp_path / "m.onnx", "-o", tmp_path / "m.yaml", "--size", "12x10")
    assert result.code == 2 and "2x5x3x3" in result.err and "2x3x3x3" in result.err


def test_names_of_files_that_yaml_would_read_otherwise(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(
        shared.model([node("Conv", "x", "w")], {"w": numbers(2, 3, 3, 3)}).SerializeToString()
    )
    for name in ("a: b #1", "it's", "[x]"):
        assert run("import", tmp_path / "m.onnx", "-o", tmp_path / f"{name}.yaml", "--size", "12x10").code == 0
        assert shared.ours(tmp_path / f"{name}.yaml", np.zeros((12, 10, 3), np.float32)).shape == (10, 8, 2)


def test_files_stay_unless_they_may_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(
        shared.model([node("Conv", "x", "w")], {"w": numbers(2, 3, 3, 3)}).SerializeToString()
    )
    (tmp_path / "m.safetensors").write_text("mine")
    command = ["import", tmp_path / "m.onnx", "-o", tmp_path / "m.yaml", "--size", "12x10"]
    refused = run(*command)
    assert refused.code == 1 and "exists" in refused.err and not (tmp_path / "m.yaml").exists()
    assert (tmp_path / "m.safetensors").read_text() == "mine"
    assert run(*command, "--overwrite").code == 0
    unsized = run(*command[:4], "--overwrite")
    assert unsized.code == 2 and "--size" in unsized.err
    picture = save(tmp_path / "a.npy.png", np.zeros((12, 10, 3), np.uint8))
    assert run("apply", picture, "-k", tmp_path / "m.yaml", "-o", tmp_path / "y.npy").code == 0


def test_compare_counts_what_import_would_refuse_as_nothing(tmp_path: Path) -> None:
    """A head of detection behind the convolutions: only these are counted, and a note says what is not."""
    nodes = [
        node("Conv", "x", "w", "b", out="a"), node("Transpose", "a", out="t", perm=[0, 2, 3, 1]),
        node("Reshape", "t", "to", out="r"), node("Softmax", "r"),
    ]  # fmt: skip
    arrays = {"w": numbers(8, 3, 3, 3), "b": numbers(8), "to": np.int64([1, -1, 2])}
    (tmp_path / "m.onnx").write_bytes(shared.model(nodes, arrays).SerializeToString())
    result = run("compare", tmp_path / "m.onnx", "--size", "12x10", "--format", "json")
    assert result.code == 0, result.err
    report = json.loads(result.out)
    row = report["rows"][0]
    assert (row["params_weights"], row["params_biases"], row["macs"]) == (216, 8, 216 * 10 * 8)
    assert any("Reshape (Reshape_r), Softmax (Softmax_y)" in note for note in report["notes"])


def test_an_output_of_one_row_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(
        shared.model([node("Relu", "x", out="a"), node("Flatten", "a")], {}).SerializeToString()
    )
    result = run("import", tmp_path / "m.onnx", "-o", tmp_path / "m.yaml", "--size", "12x10")
    assert result.code == 0 and "'y' is one row per picture" in " ".join(result.err.split())


def test_no_output_and_constants_elsewhere_are_refused(tmp_path: Path) -> None:
    model = shared.model([node("Conv", "x", "w")], {"w": numbers(2, 3, 3, 3)})
    stored = model.graph.initializer[0]
    stored.ClearField("raw_data")
    stored.data_location = onnx.TensorProto.EXTERNAL
    stored.external_data.add(key="location", value="elsewhere.bin")
    model.graph.node.insert(0, helper.make_node("Constant", [], ["w"], value=stored))
    del model.graph.initializer[:]
    for says in ("in another file", "names no output"):
        (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
        result = run("import", tmp_path / "m.onnx", "-o", tmp_path / "m.yaml", "--size", "12x10")
        assert result.code == 2 and says in result.err, result.err
        model = shared.model([node("Relu", "x")], {})
        del model.graph.output[:]


def test_external_data_is_refused(tmp_path: Path) -> None:
    model = shared.model([node("Conv", "x", "w")], {"w": numbers(2, 3, 3, 3)})
    stored = model.graph.initializer[0]
    stored.ClearField("raw_data")
    stored.data_location = onnx.TensorProto.EXTERNAL
    stored.external_data.add(key="location", value="elsewhere.bin")
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    result = run("import", tmp_path / "m.onnx", "-o", tmp_path / "m.yaml", "--size", "12x10")
    assert result.code == 2 and "in another file" in result.err
