"""Every layer of a network file, and random graphs of them, against onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from networks import shared
from onnx import helper, numpy_helper
from safetensors.numpy import save_file

from convcli.filtering import Chain, filter_pixels
from convcli.networks import runnable
from tests.support import noise, read, run, save

TOLERANCE = 1e-5
ACTIVATIONS = {
    "": [], "relu": ["Relu"], "sigmoid": ["Sigmoid"], "tanh": ["Tanh"], "abs": ["Abs"],
    "{leaky_relu: 0.2}": ["LeakyRelu"], "prelu": ["PRelu"], "{clip: [0, 1]}": ["Clip"],
}  # fmt: skip


class Graph:
    """A network file and the ONNX graph of the same, grown together."""

    def __init__(self, rng: np.random.Generator, channels: int) -> None:
        self.rng, self.channels, self.size = rng, channels, (0, 0)
        self.arrays: dict[str, Any] = {}
        self.lines: list[str] = []
        self.nodes: list[Any] = []
        self.x, self.count = "x", 0

    def node(self, operator: str, *inputs: Any, **attributes: Any) -> str:
        """A node on the graph's end so far; arrays among its inputs become initializers."""
        names = []
        for value in inputs:
            if not isinstance(value, str):
                name = f"i{len(self.nodes)}_{len(names)}"
                self.nodes.append(
                    helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.asarray(value)))
                )
                value = name
            names.append(value)
        output = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, names, [output], **attributes))
        self.x = output
        return output

    def array(self, name: str, *shape: int) -> str:
        scale = 1 / np.sqrt(max(1, np.prod(shape[1:])))
        self.arrays[name] = (self.rng.normal(size=shape) * scale).astype(np.float32)
        return name

    def bend(self, activation: str, outputs: int, name: str) -> str:
        """Appends an activation's node; returns the field of the file."""
        if activation == "prelu":
            self.arrays[f"{name}.slope"] = self.rng.uniform(-0.5, 1, outputs).astype(np.float32)
            self.node("PRelu", self.x, self.arrays[f"{name}.slope"].reshape(-1, 1, 1))
        elif "leaky" in activation:
            self.node("LeakyRelu", self.x, alpha=0.2)
        elif "clip" in activation:
            self.node("Clip", self.x, np.float32(0), np.float32(1))
        elif activation:
            self.node(ACTIVATIONS[activation][0], self.x)
        return f", activation: {activation}" if activation else ""

    def layer(self, kind: str, **choice: Any) -> None:
        """One convolution of a kind, with the choices of the test."""
        self.count += 1
        name, inputs, size = f"l{self.count}", self.channels, choice.get("size", 3)
        stride, dilation, pad = choice.get("stride", 1), choice.get("dilation", 1), choice.get("pad", 1)
        outputs = {"depthwise": inputs}.get(kind, choice.get("outputs", 4))
        attributes: dict[str, Any] = {"strides": [stride] * 2, "pads": [pad] * 4, "dilations": [dilation] * 2}
        text = f"kernel_size: {size}, stride: {stride}, dilation: {dilation}, padding: {pad}"
        if kind == "pointwise":
            size, attributes, text = 1, {}, ""
        shape = (outputs, 1 if kind == "depthwise" else inputs, size, size)
        if kind == "transposed":
            shape = (inputs, outputs, size, size)
        weight, more = self.array(f"{name}.weight", *shape), []
        if choice.get("bias"):
            more = [self.array(f"{name}.bias", outputs)]
        if kind == "depthwise":
            attributes["group"] = inputs
        self.node("ConvTranspose" if kind == "transposed" else "Conv", self.x, weight, *more, **attributes)
        bent = self.bend(choice.get("activation", ""), outputs, name)
        head = "depthwise: 1" if kind == "depthwise" else f"{kind}: {outputs}"
        self.lines.append(f"{{{head}, name: {name}{', ' if text else ''}{text}{bent}}}")
        self.channels = outputs

    def model(self, channels: int) -> Any:
        return shared.model(
            [*self.nodes, helper.make_node("Identity", [self.x], ["y"])], self.arrays, channels=channels
        )

    def check(self, folder: Path, x: Any, tolerance: float = TOLERANCE) -> Any:
        """Both on one input."""
        expected = shared.answer(self.model(x.shape[2]), x)
        arrays = self.arrays or {"none": np.zeros(1, np.float32)}
        save_file(arrays, folder / "w.safetensors")
        size = "x".join(map(str, x.shape))
        lines = "".join(f"  - {line}\n" for line in self.lines)
        (folder / "net.yaml").write_text(f"input: {size}\nweights: w.safetensors\nlayers:\n{lines}")
        y = shared.ours(folder / "net.yaml", x)
        assert y.shape == expected.shape, (self.lines, y.shape, expected.shape)
        assert np.abs(y - expected).max() <= tolerance * max(1, np.abs(expected).max()), self.lines
        return y


def graph(channels: int = 3, seed: int = 0) -> tuple[Graph, Any]:
    rng = np.random.default_rng(seed)
    return Graph(rng, channels), rng.normal(size=(17, 20, channels)).astype(np.float32)


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


@pytest.mark.parametrize("kind", ["add", "subtract", "concat"])
def test_joins(kind: str, tmp_path: Path) -> None:
    """Of branches, and of this chain with an earlier layer."""
    net, x = graph(4)
    first = net.x
    net.layer("dense", outputs=4)
    one, line = net.x, net.lines.pop()
    operator = {"add": "Add", "subtract": "Sub", "concat": "Concat"}[kind]
    more = {"axis": 1} if kind == "concat" else {}
    net.node(operator, first, one, **more)
    net.lines.append(f"{{{kind}: [[], [{line}]], activation: relu, name: both}}")
    both = net.node("Relu", net.x)
    net.channels = 8 if kind == "concat" else 4
    net.layer("pointwise", outputs=net.channels)
    net.node(operator, net.x, both, **more)
    net.lines.append(f"{{{kind}: both}}")
    net.check(tmp_path, x)


LAYERS = st.sampled_from(
    ["dense", "depthwise", "pointwise", "transposed", "pool", "shuffle", "upsample", "residual", "dense"]
)
KINDS = st.lists(st.tuples(LAYERS, st.sampled_from([*ACTIVATIONS]), st.integers(0, 1 << 16)), min_size=1, max_size=6)


def random_graph(kinds: list[tuple[str, str, int]], channels: int, side: tuple[int, int]) -> tuple[Graph, Any]:
    rng = np.random.default_rng(kinds[0][2])
    net, x = Graph(rng, channels), rng.normal(size=(*side, channels)).astype(np.float32)
    height = min(side)
    for kind, activation, seed in kinds:
        draw = np.random.default_rng(seed)
        if kind in ("dense", "depthwise", "pointwise", "transposed"):
            stride = int(draw.integers(1, 3)) if height > 6 and kind != "pointwise" else 1
            stride = 1 if kind == "transposed" and height > 40 else stride
            size, pad = (int(draw.choice([1, 3, 5])), 2) if kind != "transposed" else (int(draw.choice([2, 3, 4])), 0)
            choice = {"size": size, "pad": pad, "stride": stride, "bias": bool(draw.integers(2))}
            net.layer(kind, outputs=int(draw.choice([1, 4, 6, 33])), activation=activation, **choice)
            height = height * stride if kind == "transposed" else -(-height // stride)
        elif kind == "pool" and height > 4:
            operator, word = [("MaxPool", "max"), ("AveragePool", "average")][int(draw.integers(2))]
            net.node(operator, net.x, kernel_shape=[2, 2], strides=[2, 2])
            net.lines.append(f"{{pool: {word}}}")
            height //= 2
        elif kind == "shuffle" and height < 40:
            net.layer("pointwise", outputs=8)
            net.node("DepthToSpace", net.x, blocksize=2, mode="CRD")
            net.lines.append("{depth_to_space: 2}")
            net.channels, height = 2, height * 2
        elif kind == "upsample" and height < 40:
            net.node("Resize", net.x, "", np.float32([1, 1, 2, 2]), mode="linear")
            net.lines.append("{upsample: 2, bilinear: true}")
            height *= 2
        elif kind == "residual":
            before = net.x
            net.layer("dense", outputs=net.channels)
            line = net.lines.pop()
            net.node("Sub", before, net.x)
            net.lines.append(f"{{subtract: [[], [{line}]]}}")
    return net, x


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
