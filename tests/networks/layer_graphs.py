"""Network files and ONNX models of the same layers, written side by side; and such graphs at random."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from networks import shared
from onnx import helper, numpy_helper
from safetensors.numpy import save_file

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


LAYERS = st.sampled_from(
    ["dense", "depthwise", "pointwise", "transposed", "pool", "shuffle", "upsample", "residual", "pick", "dense"]
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
        elif kind == "pick":
            picked = draw.integers(0, net.channels, int(draw.integers(1, 5)))
            net.node("Gather", net.x, picked, axis=1)
            net.lines.append(f"{{take: {picked.tolist()}{net.bend(activation, len(picked), f'p{len(net.lines)}')}}}")
            if activation == "prelu":
                net.lines[-1] = net.lines[-1].replace("{take", f"{{name: p{len(net.lines) - 1}, take")
            net.channels = len(picked)
        elif kind == "residual":
            before = net.x
            net.layer("dense", outputs=net.channels)
            line = net.lines.pop()
            net.node("Sub", before, net.x)
            net.lines.append(f"{{subtract: [[], [{line}]]}}")
    return net, x
