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
from networks.layer_graphs import KINDS, random_graph
from networks.onnx_graphs import GRAPHS, REFUSED, RNG, node, numbers
from onnx import helper

from tests.support import run, save


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


@settings(max_examples=40, deadline=None)
@given(kinds=KINDS, channels=st.sampled_from([1, 3, 4]), side=st.sampled_from([(9, 12), (16, 7)]))
def test_random_graphs(kinds: Any, channels: int, side: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    net, x = random_graph(kinds, channels, side)
    if net.lines:
        agree(net.model(channels), tmp_path_factory.mktemp("onnx"), x)


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
