"""Layers that look at all of a map, or at all channels of a pixel, against onnxruntime and by definition."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import shared
from networks.layer_graphs import Graph
from networks.onnx_graphs import node, numbers
from networks.test_onnx_import import imported
from safetensors.numpy import save_file

from convcli.errors import KernelError
from convcli.filtering import Chain, filter_pixels, norms
from convcli.networks import runnable
from tests.support import noise, run, save

CHANNELS = 6
SIZES = [(17, 20), (1, 1), (1, 40), (9, 1), (130, 70)]
#: The operator, its attributes and the line of a file; those with numbers per channel name them.
NORMS: dict[str, tuple[str, dict[str, Any], str]] = {
    "instance": ("InstanceNormalization", {}, "{normalize: instance, name: n}"),
    "group": ("GroupNormalization", {"num_groups": 2}, "{normalize: group, groups: 2, name: n}"),
    "of all": ("GroupNormalization", {"num_groups": 1}, "{normalize: group, name: n}"),
    "layer": ("LayerNormalization", {}, "{normalize: layer, name: n}"),
}
ACROSS: dict[str, tuple[str, dict[str, Any]]] = {
    "softmax": ("Softmax", {"axis": 1}), "argmax": ("ArgMax", {"axis": 1}), "mean": ("ReduceMean", {}),
    "max": ("ReduceMax", {}),
}  # fmt: skip


def grown(kind: str, net: Graph) -> None:
    """A norm, behind a convolution and with an activation, which is what networks have."""
    operator, attributes, line = NORMS[kind]
    net.layer("dense", outputs=CHANNELS)
    weight, bias = net.array("n.weight", CHANNELS), net.array("n.bias", CHANNELS)
    if kind == "layer":
        net.node("Transpose", net.x, perm=[0, 2, 3, 1])
        net.node(operator, net.x, weight, bias, epsilon=0.01, **attributes)
        net.node("Transpose", net.x, perm=[0, 3, 1, 2])
    else:
        net.node(operator, net.x, weight, bias, epsilon=0.01, **attributes)
    net.lines.append(line[:-1] + f", epsilon: 0.01{net.bend('prelu', CHANNELS, 'n')}}}")


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("kind", NORMS)
def test_norms(kind: str, size: tuple[int, int], tmp_path: Path) -> None:
    net, x = Graph(np.random.default_rng(0), 3), np.random.default_rng(1).normal(size=(*size, 3)).astype(np.float32)
    grown(kind, net)
    expected = shared.answer(shared.model([*net.nodes, node("Identity", net.x)], net.arrays, opset=21), x)
    save_file(net.arrays, tmp_path / "w.safetensors")
    lines = "".join(f"  - {line}\n" for line in net.lines)
    (tmp_path / "net.yaml").write_text(f"input: 8x8x3\nweights: w.safetensors\nlayers:\n{lines}")
    y = shared.ours(tmp_path / "net.yaml", x)
    assert y.shape == expected.shape
    assert np.abs(y - expected).max() <= 1e-5 * max(1, np.abs(expected).max())


@pytest.mark.parametrize("strip", [1, 1 << 12, 1 << 20])
@pytest.mark.parametrize("offset", [0, 300])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("outer", [(), (3,)], ids=["picture", "stack"])
def test_norms_are_what_they_are_by_definition(
    outer: tuple[int, ...], dtype: Any, offset: float, strip: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However far from 0 the samples lie, and wherever strips of rows end; pictures of a stack each by their own."""
    monkeypatch.setattr(norms, "_STRIP_BYTES", strip)
    x = np.random.default_rng(2).normal(offset, [0.1, 1, 2, 3, 4, 5], size=(*outer, 23, 31, CHANNELS)).astype(dtype)
    groups = x.astype(np.longdouble).reshape(*outer, 23, 31, 3, 2)
    axes = {"instance": (-4, -3), "layer": (-2, -1), "group, groups: 3": (-4, -3, -1)}
    for kind, along in axes.items():
        (tmp_path / "net.yaml").write_text(f"input: 8x8x{CHANNELS}\nlayers:\n  - {{normalize: {kind}}}\n")
        expected = (groups - groups.mean(along, keepdims=True)) / np.sqrt(groups.var(along, keepdims=True) + 1e-5)
        network = runnable.load(str(tmp_path / "net.yaml"))
        assert network
        y = network.apply(x, "hwc" if not outer else "nhwc")
        assert y.dtype == dtype
        digits = np.finfo(dtype).eps * (1 + offset if dtype == np.float64 else 1)
        assert np.abs(y.reshape(groups.shape) - expected).max() <= 32 * digits


def test_samples_that_are_all_alike_or_no_numbers(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text("input: 8x8x3\nlayers: [{normalize: instance}]\n")
    x = np.full((9, 11, 3), 200, np.float32)
    x[4, 5, 1], x[..., 2] = np.nan, np.arange(11)
    y = shared.ours(tmp_path / "net.yaml", x)
    assert (y[..., 0] == 0).all() and np.isnan(y[..., 1]).all()
    assert np.allclose(y[..., 2], (np.arange(11) - 5) / np.sqrt(10), atol=1e-5)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("kind", ACROSS)
def test_across_channels(kind: str, size: tuple[int, int], tmp_path: Path) -> None:
    operator, attributes = ACROSS[kind]
    x = np.random.default_rng(3).normal(0, 30, size=(*size, CHANNELS)).astype(np.float32)
    more = [] if attributes else ["axes"]
    nodes = [node(operator, "x", *more, out="a", **attributes), node("Cast", "a", to=1)]
    expected = shared.answer(shared.model(nodes, {"axes": np.int64([1])}, channels=CHANNELS), x)
    (tmp_path / "net.yaml").write_text(f"input: 8x8x{CHANNELS}\nlayers: [{{across_channels: {kind}}}]\n")
    y = shared.ours(tmp_path / "net.yaml", x)
    assert y.shape == expected.shape and np.abs(y - expected).max() <= 1e-5


@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul", "Div"])
@pytest.mark.parametrize("swapped", [True, False])
@pytest.mark.parametrize("spread", ["pixel", "channel", "both"])
def test_pixels_and_channels_go_to_all_others(kind: str, swapped: bool, spread: str, tmp_path: Path) -> None:
    line = {"pixel": "{global_pool: max}", "channel": "{across_channels: max}"}
    one = {"pixel": [node("GlobalMaxPool", "x", out="s")], "channel": [node("ReduceMax", "x", "channel", out="s")]}
    lines = ", ".join(line.values()) if spread == "both" else line[spread]
    nodes = one.get(spread) or [node("GlobalMaxPool", "x", out="p"), node("ReduceMax", "p", "channel", out="s")]
    nodes.append(node(kind, *(("s", "x") if swapped else ("x", "s"))))
    branches = f"[[{lines}], []]" if swapped else f"[[], [{lines}]]"
    word = {"Add": "add", "Sub": "subtract", "Mul": "multiply", "Div": "divide"}[kind]
    (tmp_path / "net.yaml").write_text(f"input: 8x8x{CHANNELS}\nlayers: [{{{word}: {branches}}}]\n")
    x = np.random.default_rng(4).uniform(1, 2, size=(33, 21, CHANNELS)).astype(np.float32)
    expected = shared.answer(shared.model(nodes, {"channel": np.int64([1])}, channels=CHANNELS), x)
    assert np.abs(shared.ours(tmp_path / "net.yaml", x) - expected).max() <= 1e-6


def conv(out: str, source: str = "x", weights: str = "w", **more: Any) -> Any:
    return node("Conv", source, weights, out=out, **more)


PADS = {"mode": "reflect", "pads": [0, 0, 1, 1, 0, 0, 1, 1]}
W, V = numbers(CHANNELS, 3, 3, 3), numbers(CHANNELS, CHANNELS, 3, 3)
OF_CHANNELS = {"w": W, "s": numbers(CHANNELS) + 1, "t": numbers(CHANNELS)}
GRAPHS: dict[str, tuple[list[Any], dict[str, Any], int]] = {
    "style transfer": (
        [node("Pad", "x", out="p", **PADS), conv("a", "p"), node("InstanceNormalization", "a", "s", "t", out="n"),
         node("Relu", "n", out="r"), node("Pad", "r", out="q", **PADS), conv("c", "q", "v"),
         node("InstanceNormalization", "c", "s", "t", out="m"), node("Add", "m", "r", out="d"),
         node("Upsample", "d", "twice", out="e"), conv("y", "e", "u")],
        OF_CHANNELS | {"v": V, "u": numbers(3, CHANNELS, 1, 1), "twice": np.float32([1, 1, 2, 2])}, 9,
    ),
    "groups in PyTorch's words": (
        [conv("a"), node("Reshape", "a", "apart", out="b"), node("InstanceNormalization", "b", "one", "zero", out="c"),
         node("Reshape", "c", "back", out="d"), node("Mul", "d", "s", out="e"), node("Add", "e", "t", out="f"),
         node("Relu", "f")],
        {"w": W, "apart": np.int64([0, 2, -1]), "back": np.int64([1, CHANNELS, 10, 8]), "one": np.ones(2, np.float32),
         "zero": np.zeros(2, np.float32), "s": numbers(CHANNELS, 1, 1), "t": numbers(CHANNELS, 1, 1)}, 20,
    ),
    "groups": ([conv("a"), node("GroupNormalization", "a", "s", "t", num_groups=3, epsilon=0.1)], OF_CHANNELS, 21),
    "groups, with numbers for each": (
        [conv("a"), node("GroupNormalization", "a", "s", "t", num_groups=3)],
        {"w": W, "s": numbers(3), "t": numbers(3)}, 18,
    ),
    "channels of each pixel": (
        [conv("a"), node("Transpose", "a", perm=[0, 2, 3, 1], out="b"),
         node("LayerNormalization", "b", "s", "t", out="c", epsilon=1e-6),
         node("Transpose", "c", perm=[0, 3, 1, 2], out="d"), conv("y", "d", "v")],
        OF_CHANNELS | {"v": V}, 20,
    ),
    "a norm, and what is folded into it": (
        [conv("a"), node("InstanceNormalization", "a", "s", "t", out="b"), node("Mul", "b", "f", out="c"),
         node("Add", "c", "g", out="d"), node("LeakyRelu", "d")],
        OF_CHANNELS | {"f": numbers(CHANNELS, 1, 1), "g": np.float32(0.5)}, 20,
    ),
    "segmentation": (
        [conv("a"), node("Softmax", "a", axis=-3, out="b"), node("ArgMax", "b", axis=1, out="c"),
         node("Cast", "c", to=1)],
        {"w": W}, 20,
    ),
    "attention over channels": (
        [conv("a"), node("ReduceMean", "a", "axes", out="m"), node("ReduceMax", "a", "axes", out="k"),
         node("Concat", "m", "k", axis=1, out="c"), conv("d", "c", "v"), node("Sigmoid", "d", out="e"),
         node("Mul", "e", "a")],
        {"w": W, "axes": np.int64([1]), "v": numbers(1, 2, 1, 1)}, 20,
    ),
    "a classifier's softmax": (
        [conv("a"), node("GlobalAveragePool", "a", out="b"), node("Flatten", "b", out="c"),
         node("LayerNormalization", "c", "s", "t", out="d"), node("Softmax", "d")],
        OF_CHANNELS, 20,
    ),
    "an old softmax": (
        [conv("a"), node("GlobalAveragePool", "a", out="b"), node("Flatten", "b", out="c"), node("Softmax", "c")],
        {"w": W}, 11,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs(name: str, tmp_path: Path) -> None:
    nodes, arrays, opset = GRAPHS[name]
    model = shared.model(nodes, arrays, opset=opset)
    x = np.random.default_rng(5).normal(size=(12, 10, 3)).astype(np.float32)
    expected, y = shared.answer(model, x), imported(model, tmp_path, x)
    assert y.shape == expected.shape
    assert np.abs(y - expected).max() <= 1e-5 * max(1, np.abs(expected).max()), (tmp_path / "m.yaml").read_text()


REFUSED: dict[str, tuple[list[Any], dict[str, Any], int, str]] = {
    "softmax along columns": ([node("Softmax", "x", axis=3)], {}, 20, "axis 3"),
    "softmax of all at once": ([node("Softmax", "x")], {}, 11, "before opset 13"),
    "softmax of a row of pixels": (
        [node("Flatten", "x", out="a"), node("Softmax", "a")], {}, 20, "a row of all pixels"),
    "a norm of all that stands in a row": (
        [node("LayerNormalization", "x", "s", axis=1)], {"s": numbers(3, 12, 10)}, 20, "one per channel is taken"),
    "a norm of rows": ([node("LayerNormalization", "x", "s")], {"s": numbers(10)}, 20, "axis -1"),
    "numbers of another count": ([node("InstanceNormalization", "x", "s", "s")], {"s": numbers(2)}, 20, "2 numbers"),
    "no epsilon": ([node("InstanceNormalization", "x", "s", "s", epsilon=0.0)], {"s": numbers(3)}, 20, "epsilon 0"),
    "the last that is greatest": ([node("ArgMax", "x", axis=1, select_last_index=1)], {}, 20, "select_last_index"),
    "the greatest row": ([node("ArgMax", "x", axis=2)], {}, 20, "axis 2"),
    "what reads a picture without channels": (
        [node("ArgMax", "x", axis=1, keepdims=0, out="a"), node("Cast", "a", to=1)], {}, 20, "keepdims"),
    "fewer digits": ([node("Relu", "x", out="a"), node("Cast", "a", to=10)], {}, 20, "fewer digits"),
    "whole numbers": ([node("Relu", "x", out="a"), node("Cast", "a", to=7)], {}, 20, "fewer digits"),
    "a norm of what lies otherwise": (
        [node("Reshape", "x", "to", out="a"), node("Transpose", "a", perm=[1, 0, 2], out="b"),
         node("InstanceNormalization", "b", "s", "s")],
        {"to": np.int64([2, 3, 60]), "s": numbers(2)}, 20, "Reshape_a"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str, tmp_path: Path) -> None:
    nodes, arrays, opset, says = REFUSED[name]
    (tmp_path / "m.onnx").write_bytes(shared.model(nodes, arrays, opset=opset).SerializeToString())
    result = run("import", tmp_path / "m.onnx", "-o", tmp_path / "m.yaml", "--size", "12x10")
    error = " ".join(result.err.split())
    assert result.code == 2 and says in error and "operators that are read" in error, error


def style(folder: Path, channels: int = 4) -> Path:
    arrays = {
        "a.weight": numbers(channels, 3, 3, 3), "n.weight": numbers(channels) + 1, "n.bias": numbers(channels),
        "b.weight": numbers(3, channels, 3, 3),
    }  # fmt: skip
    save_file(arrays, folder / "w.safetensors")
    path = folder / "style.yaml"
    path.write_text(
        "weights: w.safetensors\npicture: {channels: rgb, range: byte}\ndefaults: {border: reflect}\nlayers:\n"
        f"  - {{dense: {channels}, name: a}}\n  - {{normalize: instance, name: n, activation: relu}}\n"
        "  - {dense: 3, name: b}\n"
    )
    return path


def test_a_picture_from_the_shell_is_the_one_of_the_array(tmp_path: Path) -> None:
    """Read in rows or not, what mean and deviation are of is all of the picture."""
    path, x = style(tmp_path), noise(301, 200, 3)
    picture = save(tmp_path / "x.png", x)
    done = run("apply", picture, "-k", path, "-o", tmp_path / "y.npy", "--depth", "float")
    assert done.code == 0, done.err
    network = runnable.load(str(path))
    assert network and network.sees_all and not network.makes_maps
    y = filter_pixels(x.astype(np.float32), Chain([network]), axes="yx").array
    assert np.abs(np.load(tmp_path / "y.npy") - y).max() <= 1e-5 * np.abs(y).max()
    with pytest.raises(Exception, match="sees all of a picture"):
        network.draw(x)


def test_what_scales_is_counted(tmp_path: Path) -> None:
    result = run("compare", style(tmp_path), "--size", "10x12", "--format", "json")
    row = next(row for row in json.loads(result.out)["layers"] if row["name"] == "n")
    assert (row["type"], row["params_weights"], row["params_biases"]) == ("normalize instance", 4, 4)
    assert row["macs"] == 4 * 10 * 12 and row["receptive_field"] == [12, 14] and row["branch_weights"] == 0
    bare = tmp_path / "bare.yaml"
    bare.write_text("input: 10x12x4\nlayers: [{normalize: instance}, {normalize: group, groups: 2, scale: true}]\n")
    rows = json.loads(run("compare", bare, "--format", "json").out)["layers"]
    assert [row["params_weights"] for row in rows[:2]] == [0, 4]
    assert [row["receptive_field"] for row in rows[:2]] == [[10, 12], [10, 12]]  # all, however often
    with pytest.raises(KernelError, match="no weights for 2"):
        runnable.load(str(bare))
