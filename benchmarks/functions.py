"""Contenders of the library: arrays to measure on, a kernel of ours, and the same layer in other libraries."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

import convcli
from benchmarks import bare, peers
from benchmarks.model import US, Array, Contender, Contest
from benchmarks.timing import function


@lru_cache(maxsize=2)
def noise(*shape: int, dtype: str = "float32") -> Array:
    """Noise in 0 .. 1, or over all of a whole number's range, the same for the same shape."""
    samples = np.random.default_rng(len(shape)).random(shape, dtype=np.float32)
    return (samples * np.iinfo(dtype).max).astype(dtype) if dtype.startswith("u") else samples


def weights(*shape: int) -> Array:
    """Weights as a network has them, such that outputs are about as large as inputs."""
    values = np.random.default_rng(sum(shape)).standard_normal(shape, dtype=np.float32)
    return values / np.float32(np.sqrt(values[0].size))


def ours(kernel: str | Mapping[str, Any], x: Array, layout: str | None = None) -> Callable[[], Array]:
    loaded = convcli.load(dict(kernel) if isinstance(kernel, Mapping) else kernel)
    return lambda: loaded.apply(x, layout)


def contest(
    runs: Mapping[str, Callable[[], object] | str],
    *inputs: Array,
    largest: float,
    frame: int = 0,
    flops: float = 0,
    planes: bool = True,
) -> Contest:
    """`runs` as contenders; our result has its channels last where `planes` is false, as everybody else's has not."""
    contenders: dict[str, Contender | str] = {
        name: run if isinstance(run, str) else function(run, last=name == US and not planes)
        for name, run in runs.items()
    }
    moved = sum(array.nbytes for array in inputs)
    return Contest(contenders=contenders, largest=largest, frame=frame, moved=moved, flops=flops)


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A convolution with zero borders of an input (channels, *size), as layers of networks are.

    `plain` kernels run on every channel alone. Padding keeps the size (over the stride, or times it where
    `transposed`), unless `pad` says otherwise. `last` gives our kernel its channels last.
    """

    inputs: int
    outputs: int
    taps: int
    size: tuple[int, ...]
    stride: int = 1
    dilation: int = 1
    groups: int = 1
    pad: int | None = None
    transposed: bool = False
    plain: bool = False
    last: bool = False

    @property
    def padding(self) -> int:
        if self.pad is not None:
            return self.pad
        return (self.taps - self.stride) // 2 if self.transposed else self.dilation * (self.taps - 1) // 2

    @property
    def axes(self) -> str:
        return "zyx"[3 - len(self.size) :]

    @property
    def layout(self) -> str:
        return self.axes + "c" if self.last else "c" + self.axes

    def weights(self) -> Array:
        """(out, in / groups, *taps), and (in, out, *taps) of transposed ones, as ONNX has them."""
        first, second = (self.inputs, self.outputs) if self.transposed else (self.outputs, self.inputs // self.groups)
        return weights(first, second, *[self.taps] * len(self.size))

    def fields(self) -> dict[str, Any]:
        """The kernel as `convcli.load` takes it."""
        w = self.weights()
        fields = {
            "weights": w[0, 0] if self.plain else w, "axes": self.axes, "stride": self.stride, "padding": self.padding,
            "border": "zero", "dilation": self.dilation,
        }  # fmt: skip
        if self.transposed:
            return {**fields, "type": "transposed", "weights": w[0, 0] if self.plain else w}
        return fields if self.plain else {**fields, "groups": self.groups}

    def node(self) -> peers.Node:
        rank = len(self.size)
        attributes = {
            "pads": [self.padding] * 2 * rank, "strides": [self.stride] * rank, "dilations": [self.dilation] * rank,
            "group": self.groups, "kernel_shape": [self.taps] * rank,
        }  # fmt: skip
        return peers.Node(
            op="ConvTranspose" if self.transposed else "Conv", constants=[self.weights()], attributes=attributes
        )

    def call(self, bias: Array | None = None) -> peers.Call:
        name = f"conv_transpose{len(self.size)}d" if self.transposed else f"conv{len(self.size)}d"
        options = {
            "padding": self.padding, "stride": self.stride, "dilation": self.dilation, "groups": self.groups,
        }  # fmt: skip
        return peers.Call(function=name, weights=self.weights(), bias=bias, options=options)

    @property
    def flops(self) -> float:
        """Multiplications and additions of the plain sum, where that is a matter of matrices; else 0."""
        if self.plain or self.groups > 1 or self.inputs * self.taps < 12:
            return 0
        outputs = [n if self.transposed else -(-n // self.stride) for n in self.size]
        return 2.0 * self.weights().size * math.prod(outputs)

    @property
    def largest(self) -> float:
        """The largest sum that inputs of 0 .. 1 can make."""
        w = np.abs(self.weights())
        return float((w.sum(axis=(0, *range(2, w.ndim))) if self.transposed else w.reshape(len(w), -1).sum(1)).max())


Others = Callable[[Array], Mapping[str, Callable[[], object] | str]]


def layer(one: Layer, *, others: Others | None = None, dnn: bool = False) -> Contest:
    """Our kernel beside the same layer of onnxruntime, torch, `others` of the input, and with `dnn` OpenCV's."""
    planes = noise(one.inputs, *one.size)
    x = np.ascontiguousarray(np.moveaxis(planes, 0, -1)) if one.last else planes
    if one.plain and one.inputs == 1:
        x = x[..., 0] if one.last else x[0]
        run = ours(one.fields(), x, one.axes)
    else:
        run = ours(one.fields(), x, one.layout)
    file = peers.model([one.node()], [planes[None]])
    runs: dict[str, Callable[[], object] | str] = {
        US: run, "onnxruntime": peers.onnx_run(file, [planes[None]]),
        "torch": peers.torch_run([one.call()], planes[None]),
    }  # fmt: skip
    runs |= {"cv2.dnn": peers.dnn_run(file, planes[None])} if dnn else {}
    runs |= others(planes[0]) if others else {}
    planar = not (one.last and x.ndim > len(one.size))
    output = contest(runs, x, largest=one.largest, flops=one.flops, planes=planar)
    return replace(output, bare=bare.layer(one))


def separated(inputs: int, outputs: int, size: int, *, last: bool) -> Contest:
    """Depthwise 3x3 and 1x1 as the one kernel that they are here, beside the two layers that they are elsewhere."""
    depthwise = Layer(inputs=inputs, outputs=inputs, taps=3, size=(size, size), groups=inputs)
    pointwise = Layer(inputs=inputs, outputs=outputs, taps=1, size=(size, size))
    x = noise(inputs, size, size)
    fields = {
        "type": "depthwise_separable", "depthwise": depthwise.weights(), "pointwise": pointwise.weights()[..., 0, 0],
        "border": "zero",
    }  # fmt: skip
    own = np.ascontiguousarray(np.moveaxis(x, 0, -1)) if last else x
    file = peers.model([depthwise.node(), pointwise.node()], [x[None]])
    runs: dict[str, Callable[[], object] | str] = {
        US: ours(fields, own, "yxc" if last else "cyx"), "onnxruntime": peers.onnx_run(file, [x[None]]),
        "cv2.dnn": peers.dnn_run(file, x[None]),
    }  # fmt: skip
    largest = depthwise.largest * pointwise.largest
    output = contest(runs, x, largest=largest, flops=pointwise.flops, planes=not last)
    return replace(output, bare=bare.layer(replace(pointwise, last=last)))


def deformable(channels: int, height: int, width: int, *, masked: bool) -> Contest:
    """3x3 taps from `channels` to as many, with offsets (and a mask) of a file, beside onnxruntime."""
    rng = np.random.default_rng(0)
    w, x = weights(channels, channels, 3, 3), noise(channels, height, width)
    offsets = (3 * rng.standard_normal((18, height, width))).astype(np.float32)
    mask = rng.random((9, height, width), dtype=np.float32)
    fields = {
        "type": "deformable", "weights": w if channels > 1 else w[0, 0], "offsets": offsets, "padding": 1,
        "border": "zero",
    } | ({"mask": mask} if masked else {})  # fmt: skip
    inputs = [x[None], offsets[None], *([mask[None]] if masked else [])]
    node = peers.Node(op="DeformConv", constants=[w], attributes={"pads": [1] * 4, "kernel_shape": [3, 3]})
    # As many layers come: channels last for ours, as pictures are; onnxruntime has planes only.
    last = np.ascontiguousarray(np.moveaxis(x, 0, -1))
    runs = {US: ours(fields, last), "onnxruntime": peers.onnx_run(peers.model([node], inputs), inputs)}
    largest = float(np.abs(w).reshape(channels, -1).sum(1).max())
    output = contest(runs, *inputs, largest=largest * _places(height, width), planes=False)
    return replace(output, bare=bare.deformable(channels, height, width))


def _places(height: int, width: int) -> float:
    """How much further results may be apart where others count places in float32 from a corner: its steps show."""
    return 1 + max(height, width) / 80


def warp(name: str, height: int, width: int, channels: int, dtype: str) -> Contest:
    """A shipped kernel that moves pixels by a rule, beside `remap` and onnxruntime, who get the places ready made.

    The places are what the kernel makes of coordinates: between them it is linear.
    """
    import cv2

    x = noise(height, width, channels, dtype=dtype)
    kernel = convcli.load(name)
    places = [kernel.apply(grid.astype(np.float64)) for grid in np.mgrid[:height, :width]]
    down, right = (place.astype(np.float32) for place in places)
    moved = np.stack([place - grid for place, grid in zip(places, np.mgrid[:height, :width], strict=True)])
    runs: dict[str, Callable[[], object] | str] = {
        US: lambda: kernel.apply(x),
        "cv2.remap": lambda: cv2.remap(x, right, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
    }
    if channels == 1 and dtype == "float32":
        inputs = [np.ascontiguousarray(x[None, None, ..., 0]), moved[None].astype(np.float32)]
        node = peers.Node(
            op="DeformConv", constants=[np.ones((1, 1, 1, 1), np.float32)], attributes={"kernel_shape": [1, 1]}
        )
        runs["onnxruntime"] = peers.onnx_run(peers.model([node], inputs), inputs)
    return contest(runs, x, largest=_places(height, width))


def chain(layers: Sequence[Layer]) -> Contest:
    """A network of layers with biases, and relu between them, beside one model of the others'.

    Errors of the layers add up: results may be ten times as far apart as those of one.
    """
    planes = noise(layers[0].inputs, *layers[0].size)
    last = layers[0].last
    x = np.ascontiguousarray(np.moveaxis(planes, 0, -1)) if last else planes
    items, nodes, calls = [], [], []
    for one in layers:
        kind = "transposed" if one.transposed else "depthwise" if one.groups > 1 else "dense"
        bias = weights(one.outputs)
        items.append({
            kind: 1 if kind == "depthwise" else one.outputs, "kernel_size": one.taps, "stride": one.stride,
            "dilation": one.dilation, "padding": one.padding, "weights": one.weights(), "bias": bias,
            "activation": "relu",
        })  # fmt: skip
        node = one.node()
        calls.append(one.call(bias))
        nodes += [replace(node, constants=[*node.constants, bias]), peers.Node(op="Relu")]
    items[-1]["activation"] = "none"
    height, width = layers[0].size
    network = convcli.load({"input": f"{height}x{width}x{layers[0].inputs}", "layers": items})

    def run() -> Array:
        return network.apply(x, layers[0].layout)

    file = peers.model(nodes[:-1], [planes[None]])
    runs: dict[str, Callable[[], object] | str] = {
        US: run, "onnxruntime": peers.onnx_run(file, [planes[None]]), "cv2.dnn": peers.dnn_run(file, planes[None]),
        "torch": peers.torch_run(calls, planes[None]),
    }  # fmt: skip
    flops = sum(one.flops for one in layers)
    output = contest(runs, x, largest=10 * float(np.abs(run()).max()), flops=flops, planes=not last)
    return replace(output, bare=bare.network(layers))
