"""Graphs in the words of exporters, PyTorch above all, and nodes that change sizes: beside onnxruntime, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import shared
from networks.onnx_graphs import node, numbers
from networks.test_onnx_import import imported
from onnx import helper, numpy_helper

from convcli.filtering import layers, steps
from convcli.networks import runnable
from tests.support import run

HALF, TWO, ONE = np.float32(0.5), np.float32(2), np.float32(1)
W, V = numbers(6, 3, 3, 3), numbers(6, 6, 3, 3)


def conv(out: str, source: str = "x", weights: str = "w", **more: Any) -> Any:
    return node("Conv", source, weights, out=out, pads=[1] * 4, **more)


GRAPHS: dict[str, tuple[list[Any], dict[str, Any], int]] = {
    "cells whose numbers nodes put together": (
        [helper.make_node("ConstantOfShape", ["four"], ["zeros"], value=numpy_helper.from_array(np.int64([0]))),
         node("Concat", "near", "zeros", axis=0, out="all"), node("Reshape", "all", "pairs", out="pairs2"),
         node("Slice", "pairs2", "last", "far", "first", "back", out="turned"),
         node("Transpose", "turned", perm=[1, 0], out="across"), node("Reshape", "across", "flat", out="row"),
         node("Cast", "row", to=7, out="cells"), node("Pad", "x", "cells", mode="reflect", out="a"),
         node("Conv", "a", "w")],
        {"w": W, "four": np.int64([4]), "near": np.int64([1, 1, 1, 1]), "pairs": np.int64([-1, 2]),
         "last": np.int64([-1]), "far": np.int64([-(1 << 40)]), "first": np.int64([0]), "back": np.int64([-1]),
         "flat": np.int64([-1])}, 17,
    ),
    "a norm of channels in plain words": (
        [conv("a"), node("ReduceMean", "a", axes=[1], out="m"), node("Sub", "a", "m", out="b"),
         node("Pow", "b", "two", out="c"), node("ReduceMean", "c", axes=[1], out="d"), node("Add", "d", "e", out="f"),
         node("Sqrt", "f", out="g"), node("Sub", "a", "m", out="h"), node("Div", "h", "g", out="i"),
         node("Mul", "s", "i", out="j"), node("Add", "j", "t")],
        {"w": W, "two": TWO, "e": np.float32(1e-6), "s": numbers(1, 6, 1, 1), "t": numbers(1, 6, 1, 1)}, 17,
    ),
    "gelu in plain words": (
        [conv("a"), node("Div", "a", "root", out="b"), node("Erf", "b", out="c"), node("Add", "c", "one", out="d"),
         node("Mul", "a", "d", out="e"), node("Mul", "e", "half")],
        {"w": W, "root": np.float32(2**0.5), "one": ONE, "half": HALF}, 17,
    ),
    "gelu, and softplus": ([conv("a"), node("Gelu", "a", out="b"), node("Softplus", "b")], {"w": W}, 20),
    "sums of several": (
        [conv("a"), node("Sum", "a", out="b"), node("Relu", "b", out="c"), node("Sum", "a", "c", "b", out="d"),
         node("Sum", "t", "d")],
        {"w": W, "t": numbers(6, 1, 1)}, 17,
    ),
    "mish": (
        [conv("a"), node("Softplus", "a", out="b"), node("Tanh", "b", out="c"), node("Mul", "a", "c")], {"w": W}, 17),
    "elu, exp and a root": (
        [conv("a"), node("Elu", "a", alpha=0.5, out="b"), node("Exp", "b", out="c"), node("Pow", "c", "half")],
        {"w": W, "half": HALF}, 17,
    ),
    "products of channels that are last": (
        [conv("a"), node("Transpose", "a", perm=[0, 2, 3, 1], out="b"),
         node("LayerNormalization", "b", "s", "t", out="c"), node("MatMul", "c", "p", out="d"),
         node("Add", "u", "d", out="e"), node("Relu", "e", out="f"), node("MatMul", "f", "q", out="g"),
         node("Transpose", "g", perm=[0, 3, 1, 2], out="h"), node("Add", "a", "h")],
        {"w": W, "s": numbers(6), "t": numbers(6), "p": numbers(6, 24), "u": numbers(24), "q": numbers(24, 6)}, 17,
    ),
    "a pixel of the whole picture, all over": (
        [conv("a"), node("GlobalAveragePool", "a", out="b"), node("Conv", "b", "v", out="c"),
         node("Expand", "c", "to", out="d"), node("Concat", "a", "d", axis=1, out="e"), node("Conv", "e", "u")],
        {"w": W, "v": numbers(2, 6, 1, 1), "to": np.int64([1, 2, 12, 10]), "u": numbers(3, 8, 1, 1)}, 17,
    ),
    "a pixel that is enlarged to the picture": (
        [conv("a"), node("GlobalMaxPool", "a", out="b"), node("Resize", "b", "", "", "to", mode="linear", out="c"),
         node("Concat", "c", "a", axis=1, out="d"), node("Mul", "d", "d", out="e"), node("Conv", "e", "u")],
        {"w": W, "to": np.int64([1, 6, 12, 10]), "u": numbers(3, 12, 1, 1)}, 17,
    ),
    "pixels as channels, and back": (
        [node("Reshape", "x", "apart", out="a"), node("Transpose", "a", perm=[0, 1, 3, 5, 2, 4], out="b"),
         node("Reshape", "b", "deep", out="c"), conv("d", "c", "v"),
         node("DepthToSpace", "d", blocksize=2, mode="CRD")],
        {"apart": np.int64([-1, 3, 6, 2, 5, 2]), "deep": np.int64([1, 12, 6, 5]), "v": numbers(12, 12, 3, 3)}, 17,
    ),
    "space to depth": (
        [node("SpaceToDepth", "x", blocksize=2, out="a"), node("Relu", "a", out="b"), conv("y", "b", "v")],
        {"v": numbers(4, 12, 3, 3)}, 17,
    ),
    "softmax of channels that were put last": (
        [conv("a"), node("Transpose", "a", perm=[0, 3, 2, 1], out="b"), node("Softmax", "b", axis=3, out="c"),
         node("Transpose", "c", perm=[0, 3, 2, 1])],
        {"w": W}, 11,
    ),
}  # fmt: skip


def picture(*sides: int) -> Any:
    return np.random.default_rng(6).normal(size=sides).astype(np.float32)


def agree(model: Any, folder: Path, x: Any) -> None:
    expected, y = shared.answer(model, x), imported(model, folder, x)
    assert y.shape == expected.shape
    assert np.abs(y - expected).max() <= 1e-5 * max(1, np.abs(expected).max()), (folder / "m.yaml").read_text()


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs(name: str, tmp_path: Path) -> None:
    nodes, arrays, opset = GRAPHS[name]
    agree(shared.model(nodes, arrays, opset=opset), tmp_path, picture(12, 10, 3))


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("centres", ["half_pixel", "asymmetric", "pytorch_half_pixel"])
@pytest.mark.parametrize("rounding", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
def test_pictures_become_smaller(factor: int, mode: str, centres: str, rounding: str, tmp_path: Path) -> None:
    """By one over a whole factor, of sizes that are no multiple, too."""
    attributes = {"mode": mode, "coordinate_transformation_mode": centres, "nearest_mode": rounding}
    model = shared.model(
        [node("Resize", "x", "", "s", **attributes)], {"s": np.float32([1, 1, 1 / factor, 1 / factor])}
    )
    agree(model, tmp_path, picture(25, 17, 3))


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_pictures_become_larger_by_cubics(factor: int, tmp_path: Path) -> None:
    nodes = [node("Resize", "x", "", "s", mode="cubic", coordinate_transformation_mode="half_pixel")]
    model = shared.model(nodes, {"s": np.float32([1, 1, factor, factor])})
    agree(model, tmp_path, picture(9, 13, 3))
    assert f"{{upsample: {factor}, name: Resize_y, cubic: true}}" in (tmp_path / "m.yaml").read_text()


REFUSED: dict[str, tuple[list[Any], dict[str, Any], str]] = {
    "corners on corners": (
        [node("Resize", "x", "", "s", mode="linear", coordinate_transformation_mode="align_corners")],
        {"s": np.float32([1, 1, 2, 2])}, "align_corners"),
    "a cubic of another kind": (
        [node("Resize", "x", "", "s", mode="cubic", cubic_coeff_a=-0.5)], {"s": np.float32([1, 1, 2, 2])}, "cubic"),
    "a smaller cubic": ([node("Resize", "x", "", "s", mode="cubic")], {"s": np.float32([1, 1, 0.5, 0.5])}, "cubic"),
    "smoothed first": (
        [node("Resize", "x", "", "s", mode="linear", antialias=1)], {"s": np.float32([1, 1, 0.5, 0.5])},
        "by the scales"),
    "no whole factor": ([node("Resize", "x", "", "s")], {"s": np.float32([1, 1, 0.4, 0.4])}, "one over it"),
    "another factor across": ([node("Resize", "x", "", "s")], {"s": np.float32([1, 1, 2, 3])}, "by the scales"),
    "a cube": ([node("Pow", "x", "e")], {"e": np.float32(3)}, "to the power [3.0]"),
    "another gelu": ([node("Gelu", "x", approximate="tanh")], {}, "approximate tanh"),
    "a picture that is spread": (
        [conv("a"), node("Expand", "a", "to")], {"w": W, "to": np.int64([1, 6, 12, 10])}, "1x6x12x10: one pixel"),
    "a spread pixel that is filtered": (
        [node("GlobalMaxPool", "x", out="a"), node("Expand", "a", "to", out="b"), conv("y", "b")],
        {"w": W, "to": np.int64([1, 3, 12, 10])}, "joins alone"),
    "a spread pixel at last": (
        [node("GlobalMaxPool", "x", out="a"), node("Expand", "a", "to", out="b"), node("Add", "b", "b")],
        {"to": np.int64([1, 3, 12, 10])}, "one pixel all over"),
    "more zeros than anybody needs": (
        [helper.make_node("ConstantOfShape", ["many"], ["a"], name="z"), node("Add", "x", "a")],
        {"many": np.int64([1 << 20, 1 << 20])}, "ConstantOfShape"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str, tmp_path: Path) -> None:
    nodes, arrays, says = REFUSED[name]
    (tmp_path / "m.onnx").write_bytes(shared.model(nodes, arrays).SerializeToString())
    result = run("import", tmp_path / "m.onnx", "-o", tmp_path / "m.yaml", "--size", "12x10")
    error = " ".join(result.err.split())
    assert result.code in (1, 2) and says in error and not (tmp_path / "m.yaml").exists(), error


@pytest.mark.parametrize("order", ["crd", "dcr"])
def test_space_to_depth_undoes_depth_to_space(order: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In bands, too."""
    path = tmp_path / "net.yaml"
    path.write_text(
        f"input: 6x6x12\nlayers: [{{depth_to_space: 2, order: {order}}}, {{space_to_depth: 2, order: {order}}}]"
    )
    x = picture(40, 30, 12)
    assert np.array_equal(shared.ours(path, x), x)
    monkeypatch.setattr(steps, "goes_in_rows", lambda *_: True)
    monkeypatch.setattr(layers, "_BAND_BYTES", 1 << 10)
    assert np.array_equal(shared.ours(path, x), x)
    path.write_text("input: 6x6x1\nlayers: [{space_to_depth: 2}]")
    kernel = runnable.load(str(path))
    assert kernel
    with pytest.raises(Exception, match="9x6 pixels are no multiple of 2"):
        kernel.apply(picture(9, 6, 1))
