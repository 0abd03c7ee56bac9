"""Every layer of a network file, and random graphs of them, against onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from networks import shared
from networks.layer_graphs import ACTIVATIONS, KINDS, graph, random_graph

from convcli.filtering import Chain, filter_pixels, steps
from convcli.networks import runnable
from tests.support import noise, read, run, save


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", ["dense", "depthwise", "pointwise", "transposed"])
def test_convolutions(kind: str, activation: str, tmp_path: Path) -> None:
    net, x = graph(4)
    net.layer(kind, bias=True, activation=activation, stride=2 if kind != "pointwise" else 1)
    net.check(tmp_path, x)


@pytest.mark.parametrize("kernel", [(2, 2), (3, 2), (3, 1), (4, 3)])
@pytest.mark.parametrize("pad", [0, 1])
@pytest.mark.parametrize("greatest", [True, False])
def test_pools(kernel: tuple[int, int], pad: int, greatest: bool, tmp_path: Path) -> None:
    """The mean is of the samples inside, as ONNX and TensorFlow have it."""
    net, x = graph()
    size, stride = kernel
    operator = "MaxPool" if greatest else "AveragePool"
    net.node(operator, net.x, kernel_shape=[size] * 2, strides=[stride] * 2, pads=[pad] * 4)
    net.lines.append(
        f"{{pool: {'max' if greatest else 'average'}, kernel_size: {size}, stride: {stride}, padding: {pad}}}"
    )
    save = net.bend("relu", 3, "")
    net.lines[-1] = net.lines[-1][:-1] + save + "}"
    net.check(tmp_path, x)


def test_channels_taken_and_shuffled(tmp_path: Path) -> None:
    """A unit of ShuffleNet, version 2 (Ma et al. 2018): half of the channels go round, and all are mixed."""
    net, x = graph()
    net.layer("dense", outputs=8, activation="relu")
    before = net.x
    net.node("Slice", before, np.int64([1]), np.int64([8]), np.int64([1]), np.int64([2]))
    around, net.channels = net.x, 4
    net.node("Slice", before, np.int64([0]), np.int64([4]), np.int64([1]))
    net.layer("depthwise")
    net.layer("pointwise", outputs=4, activation="relu")
    net.lines[1:] = [f"{{concat: [[{{take: 4, first: 1, step: 2}}], [{{take: 4}}, {', '.join(net.lines[1:])}]]}}"]
    net.node("Concat", around, net.x, axis=1)
    net.node("Reshape", net.x, np.int64([1, 2, 4, 17, 20]))
    net.node("Transpose", net.x, perm=[0, 2, 1, 3, 4])
    net.node("Reshape", net.x, np.int64([1, 8, 17, 20]))
    net.lines.append("{channel_shuffle: 2}")
    net.check(tmp_path, x)


@pytest.mark.parametrize("greatest", [True, False])
def test_global_pools_and_fully_connected_layers(greatest: bool, tmp_path: Path) -> None:
    net, x = graph()
    net.layer("dense", outputs=8, activation="relu")
    net.node("GlobalMaxPool" if greatest else "GlobalAveragePool", net.x)
    net.lines.append(f"{{global_pool: {'max' if greatest else 'average'}}}")
    net.node("Flatten", net.x)
    net.array("fc.weight", 5, 8), net.array("fc.bias", 5)
    net.node("Gemm", net.x, "fc.weight", "fc.bias", transB=1)
    net.lines.append("{fc: 5, name: fc}")
    net.check(tmp_path, x)


def test_a_fully_connected_layer_on_all_of_a_picture(tmp_path: Path) -> None:
    net, x = graph(2)
    net.node("Flatten", net.x)
    net.array("fc.weight", 7, 2 * 17 * 20)
    net.node("Gemm", net.x, "fc.weight", transB=1)
    net.lines.append("{fc: 7, name: fc}")
    net.check(tmp_path, x)


@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("order", ["crd", "dcr"])
def test_depth_to_space(factor: int, order: str, tmp_path: Path) -> None:
    net, x = graph(2 * factor**2)
    net.node("DepthToSpace", net.x, blocksize=factor, mode=order.upper())
    net.lines.append(f"{{depth_to_space: {factor}, order: {order}}}")
    net.check(tmp_path, x)


@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("bilinear", [True, False])
def test_upsample(factor: int, bilinear: bool, tmp_path: Path) -> None:
    net, x = graph()
    more = {} if bilinear else {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    scales = np.float32([1, 1, factor, factor])
    net.node("Resize", net.x, "", scales, mode="linear" if bilinear else "nearest", **more)
    net.lines.append(f"{{upsample: {factor}, bilinear: {str(bilinear).lower()}, activation: tanh}}")
    net.node("Tanh", net.x)
    net.check(tmp_path, x)


@pytest.mark.parametrize("kind", ["add", "subtract", "multiply", "concat"])
def test_joins(kind: str, tmp_path: Path) -> None:
    """Of branches, and of this chain with an earlier layer."""
    net, x = graph(4)
    first = net.x
    net.layer("dense", outputs=4)
    one, line = net.x, net.lines.pop()
    operator = {"add": "Add", "subtract": "Sub", "multiply": "Mul", "concat": "Concat"}[kind]
    more = {"axis": 1} if kind == "concat" else {}
    net.node(operator, first, one, **more)
    net.lines.append(f"{{{kind}: [[], [{line}]], activation: relu, name: both}}")
    both = net.node("Relu", net.x)
    net.channels = 8 if kind == "concat" else 4
    net.layer("pointwise", outputs=net.channels)
    net.node(operator, net.x, both, **more)
    net.lines.append(f"{{{kind}: both}}")
    net.check(tmp_path, x)


@settings(max_examples=60, deadline=None)
@given(kinds=KINDS, channels=st.sampled_from([1, 3, 4]), side=st.sampled_from([(9, 12), (16, 7), (24, 20)]))
def test_random_graphs(
    kinds: list[tuple[str, str, int]], channels: int, side: tuple[int, int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    net, x = random_graph(kinds, channels, side)
    if net.nodes:
        net.check(tmp_path_factory.mktemp("net"), x)


NOISE = "layers: [{dense: 1, name: a, kernel_size: 3, weights: 'w.npy'}]\n"


def test_sizes_share_what_is_made_of_weights(tmp_path: Path) -> None:
    """Pictures of many sizes keep one copy of a network's weights."""
    np.save(tmp_path / "w.npy", np.ones((1, 1, 3, 3), np.float32))
    (tmp_path / "net.yaml").write_text(f"input: 12x10x1\n{NOISE}")
    network = runnable.load(str(tmp_path / "net.yaml"))
    assert network
    kernels = {id(network.on((height, 9)).layers[0].kernel) for height in range(5, 40)}
    assert len(kernels) == 1


def test_grey_leaves_colour_behind(tmp_path: Path) -> None:
    """`luma` carries the colour round the network, `grey` doesn't."""
    np.save(tmp_path / "w.npy", np.full((1, 1, 3, 3), 1 / 9, np.float32))
    x = noise(20, 30, 3)
    results = {}
    for channels in ("luma", "grey"):
        path = tmp_path / f"{channels}.yaml"
        path.write_text(f"picture: {{channels: {channels}, range: unit}}\n{NOISE}")
        results[channels] = shared.ours(path, x)
    assert results["luma"].shape == (20, 30, 3) and results["grey"].shape == (20, 30, 1)
    luma = results["luma"].astype(float) @ [0.299, 0.587, 0.114]
    assert np.abs(luma - results["grey"][..., 0]).max() < 20  # but for colours that were cut off at black and white
    assert np.median(np.abs(luma - results["grey"][..., 0])) <= 0.5
    assert run("apply", save(tmp_path / "x.png", x), "-k", path, "-o", tmp_path / "y.png").code == 0
    assert read(tmp_path / "y.png").ndim == 2


def test_far_from_what_is_seen_there_is_colour_too(tmp_path: Path) -> None:
    """A network that looks 24 pixels aside sees no black where a picture is transparent."""
    np.save(tmp_path / "w.npy", np.full((1, 1, 49, 49), 1 / 49**2, np.float32))
    path = tmp_path / "net.yaml"
    path.write_text(
        "picture: {channels: luma, range: unit}\n"
        "layers: [{dense: 1, kernel_size: 49, border: replicate, weights: 'w.npy'}]\n"
    )
    x = np.zeros((40, 120, 2), np.uint8)
    x[:, :60] = 200, 255
    network = runnable.load(str(path))
    assert network
    assert network.sight == 24
    y = filter_pixels(x, Chain([network])).array
    assert (y[:, :60, 0] == 200).all() and (y[..., 1] == x[..., 1]).all()


def test_a_window_of_the_nominal_size_is_none_of_the_whole_picture(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text("input: 8x8x1\nlayers: [{pool: max, kernel_size: 8}]\n")
    network = runnable.load(str(tmp_path / "net.yaml"))
    assert network and not network.sees_all and not network.makes_maps
    assert shared.ours(tmp_path / "net.yaml", np.zeros((16, 24, 1), np.float32)).shape == (2, 3, 1)


@pytest.mark.parametrize("bands", [True, False])
def test_thousands_of_layers(bands: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As nodes one behind the other, and those of a sum that reads the first."""
    path = tmp_path / "long.yaml"
    layers = "  - {activate: abs, name: a}\n  - {activate: {leaky_relu: 0.5}, repeat: 2000}\n  - {subtract: [x, a]}\n"
    path.write_text("input: 9x8x2\nlayers:\n" + layers.replace("[x", "[input"))
    x = np.random.default_rng(0).normal(size=(9, 8, 2)).astype(np.float32)
    if bands:
        monkeypatch.setattr(steps, "goes_in_rows", lambda *_: True)
    assert np.array_equal(shared.ours(path, x), x - np.abs(x))
