"""Counts of layers against the operation itself, against other libraries' own arrays, and against a count by hand.

A layer of ones on ones, nothing padded, sums to the multiplications that were done: counter and operation check each
other. Where a layer has several passes each is probed alone.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings, strategies as st
from onnx import TensorProto, helper, numpy_helper

from convcli.costs.counts import cost
from convcli.networks.layers import LAYERS, Layer
from convcli.networks.placed import Flow, place_layer
from convcli.ops import Kernel, tensors
from convcli.ops.deformable import Deformable

VALID = ((0, 0), (0, 0))


@st.composite
def layers(draw: st.DrawFn, kind: str, groups: bool = True) -> tuple[Layer, int, tuple[int, int]]:
    """A layer without padding, the channels of its input and an input that it fits on."""
    small = st.integers(1, 3)
    split = draw(small) if groups else 1
    taps, stride, dilation = ((draw(small), draw(small)) for _ in range(3))
    size = tuple(d * (k - 1) + draw(st.integers(1, 6)) for k, d in zip(taps, dilation, strict=True))
    layer = Layer(
        type=kind, channels_out=split * draw(small), taps=taps, stride=stride, dilation=dilation, padding=VALID,
        groups=split, bias=draw(st.booleans()),
    )  # fmt: skip
    return layer, split * draw(small), (size[0], size[1])


def ones(shape: tuple[int, ...]) -> tensors.Tensor:
    return tensors.of_array(np.ones(shape))


def applied(kernel: Kernel, size: tuple[int, ...], channels: int) -> float:
    """The sum of what a kernel makes of ones."""
    return float(kernel.replace(bias=None).apply(np.ones((*size, channels)), "yxc").sum())


@pytest.mark.parametrize("kind", ["dense", "transposed"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_ones_probe(kind: str, data: st.DataObject) -> None:
    layer, channels, size = data.draw(layers(kind))
    placed = place_layer(layer, Flow(size=size, channels=channels), "layer")
    kernel: Any = placed.kernel
    assert applied(kernel.replace(weights=ones(kernel.weights.shape)), size, channels) == cost(placed).macs


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_ones_probe_of_separable_passes(data: st.DataObject) -> None:
    layer, channels, size = data.draw(layers("separable"))
    placed = place_layer(layer, Flow(size=size, channels=channels), "layer")
    kernel: Any = placed.kernel
    along_y, along_x = (ones(factor.shape) for factor in kernel.factors)
    single = ones((*along_y.shape[:2], 1))
    (sy, sx), (dy, dx) = kernel.stride, kernel.dilation
    first = kernel.replace(factors=(single, along_x), stride=(1, sx), dilation=(1, dx))
    second = kernel.replace(factors=(along_y, single), stride=(sy, 1), dilation=(dy, 1))
    between = first.output_shape(size)
    assert cost(placed).macs_by_part == {
        "along x": applied(first, size, channels),
        "along y": applied(second, between, channels),
    }


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_ones_probe_of_depthwise_separable_passes(data: st.DataObject) -> None:
    layer, channels, size = data.draw(layers("depthwise_separable", groups=False))
    placed = place_layer(layer, Flow(size=size, channels=channels), "layer")
    kernel: Any = placed.kernel
    depthwise = kernel.replace(depthwise=ones(kernel.depthwise.shape), pointwise=tensors.of_array(np.eye(channels)))
    pointwise = kernel.replace(
        depthwise=ones((channels, 1, 1, 1)), pointwise=ones(kernel.pointwise.shape), stride=(1, 1), dilation=(1, 1)
    )
    assert cost(placed).macs_by_part == {
        "depthwise": applied(depthwise, size, channels),
        "pointwise": applied(pointwise, placed.size_out, channels),
    }


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_ones_probe_of_deformable_and_its_branches(data: st.DataObject) -> None:
    layer, channels, size = data.draw(layers("deformable"))
    mask = data.draw(st.booleans())
    layer = Layer(**{**vars(layer), "mask": mask})
    placed = place_layer(layer, Flow(size=size, channels=channels), "layer")
    counted = cost(placed).macs_by_part
    kernel: Any = placed.kernel
    still = kernel.replace(
        weights=ones(kernel.weights.shape),
        offsets=tensors.zeros(kernel.offsets.shape),
        mask=ones(kernel.mask.shape) if mask else None,
    )
    assert applied(still, size, channels) == counted["convolution"]
    taps = math.prod(layer.taps)
    for part, outputs in (("offset branch", 2 * taps), ("mask branch", taps))[: 1 + mask]:
        branch: Any = placed.kernels[part]
        assert branch.channels == (channels, outputs)
        assert branch.bias.size == outputs
        assert branch.output_shape(size) == placed.size_out
        assert applied(branch.replace(weights=ones(branch.weights.shape)), size, channels) == counted[part]
    assert ("mask branch" in counted) == ("mask" in counted) == mask


def test_bilinear_sampling_reads_four_samples_per_tap() -> None:
    """Each channel is one impulse: an output that isn't 0 is one sample that was read for it."""
    side, taps = 6, 9
    impulses = np.eye(side * side).reshape(side, side, side * side)
    offsets = np.full((2 * taps, side - 2, side - 2), 0.5)
    offsets[0::2].reshape(3, 3, -1)[2] = -0.5  # the last row and column stay inside the picture
    offsets[1::2].reshape(3, 3, -1)[:, 2] = -0.5
    reads = 0
    for tap in range(taps):
        weights = np.zeros(taps)
        weights[tap] = 1
        kernel = Deformable.build(
            {"weights": tensors.of_array(weights.reshape(3, 3)), "offsets": tensors.of_array(offsets), "mask": None,
             "axes": None, "stride": 1, "dilation": 1, "padding": "valid", "groups": 1, "bias": None, "about": "",
             "border": "zero", "divisor": 1, "flip": False}
        )  # fmt: skip
        reads += int(np.count_nonzero(kernel.apply(impulses, "yxc")))
    one_channel = kernel.count((side, side), 1).macs["bilinear sampling"]
    assert reads == one_channel == 4 * taps * (side - 2) ** 2


@pytest.mark.parametrize(
    ("axes", "taps", "size"), [("x", (3,), (17,)), ("zyx", (2, 3, 1), (5, 6, 7)), ("yx", (4, 5), (12, 13))]
)
@pytest.mark.parametrize("kind", ["dense", "transposed"])
def test_ones_probe_of_any_rank(kind: str, axes: str, taps: tuple[int, ...], size: tuple[int, ...]) -> None:
    step = (2,) * len(axes)
    layer = Layer(
        type=kind, channels_out=6, taps=taps, axes=axes, stride=step, dilation=step, groups=2,
        padding=((0, 0),) * len(axes), output_padding=(0,) * len(axes),
    )  # fmt: skip
    placed = place_layer(layer, Flow(size=size, channels=4, axes=axes), "layer")
    kernel: Any = placed.kernel
    y = kernel.replace(weights=ones(kernel.weights.shape)).apply(np.ones((*size, 4)), f"{axes}c")
    assert y.sum() == cost(placed).macs


OPERATORS = {"dense": "Conv", "transposed": "ConvTranspose", "deformable": "DeformConv"}


@pytest.mark.parametrize("kind", OPERATORS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_parameters_are_the_sizes_of_the_arrays_onnxruntime_takes(kind: str, data: st.DataObject) -> None:
    layer, channels, size = data.draw(layers(kind))
    placed = place_layer(layer, Flow(size=size, channels=channels), "layer")
    kernel: Any = placed.kernel
    arrays = {"w": kernel.weights.native}
    inputs = ["x", "w"]
    if kind == "deformable":
        arrays["offset"] = kernel.offsets.native[None]
        inputs.append("offset")
    if kernel.bias:
        arrays["b"] = kernel.bias.native
        inputs.append("b")
    node = helper.make_node(
        OPERATORS[kind], inputs, ["y"], group=layer.groups, strides=list(layer.stride),
        dilations=list(layer.dilation), pads=[0, 0, 0, 0], kernel_shape=list(layer.taps),
    )  # fmt: skip
    graph = helper.make_graph(
        [node],
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, channels, *size])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * 4)],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {"x": np.zeros((1, channels, *size), np.float32)})
    assert y.shape == (1, placed.channels_out, *placed.size_out)
    stored = {item.name: math.prod(item.dims) for item in model.graph.initializer}
    counted = kernel.count(size, channels)
    assert (counted.weights, counted.biases) == (stored["w"], stored.get("b", 0))


#: Semantics in formulas, written down a second time: parameters (weights) for k taps, c -> m channels, g groups.
WEIGHTS = {
    "dense": lambda kh, kw, c, m, g: kh * kw * (c // g) * m,
    "separable": lambda kh, kw, c, m, g: (kh + kw) * (c // g) * m,
    "depthwise_separable": lambda kh, kw, c, m, g: kh * kw * c + c * m,
    "transposed": lambda kh, kw, c, m, g: kh * kw * c * (m // g),
    "deformable": lambda kh, kw, c, m, g: kh * kw * (c // g) * m + kh * kw * c * 2 * kh * kw,
}


@pytest.mark.parametrize("kind", LAYERS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_counts_by_formula(kind: str, data: st.DataObject) -> None:
    layer, c, size = data.draw(layers(kind, groups=kind != "depthwise_separable"))
    layer = Layer(**{**vars(layer), "padding": ("same", "same"), "stride": (1, 1)})
    actual = cost(place_layer(layer, Flow(size=size, channels=c), "layer"))
    (kh, kw), m, area = layer.taps, layer.channels_out, math.prod(size)
    branch = 2 * kh * kw if kind == "deformable" else 0
    assert actual.params_weights == WEIGHTS[kind](kh, kw, c, m, layer.groups)
    assert actual.params_biases == m * layer.bias + branch
    sampling = 4 * c * kh * kw * area if kind == "deformable" else 0
    assert actual.macs_sampling == sampling
    assert actual.macs == actual.params_weights * area + sampling
    assert actual.macs == actual.macs_kernel + actual.macs_branch + actual.macs_sampling
    assert actual.flops == 2 * actual.macs
    assert actual.output_bytes == 4 * m * area
    parameters = actual.params_weights + actual.params_biases
    assert actual.intensity == pytest.approx(actual.flops / (4 * (c * area + m * area + parameters)))


def test_dilation_changes_the_extent_and_not_the_count() -> None:
    plain, dilated = (
        cost(place_layer(layer, Flow(size=(9, 9), channels=2), ""))
        for layer in (Layer(type="dense", channels_out=4), Layer(type="dense", channels_out=4, dilation=(3, 3)))
    )
    assert (plain.extent, dilated.extent) == ((3, 3), (7, 7))
    assert (plain.params_weights, plain.macs) == (dilated.params_weights, dilated.macs)


@pytest.mark.parametrize("kind", LAYERS)
def test_seeded_layers_repeat_themselves(kind: str) -> None:
    layer = Layer(type=kind, channels_out=4)
    first, second = (layer.kernel(2, {"y": 8, "x": 8}, "layer") for _ in range(2))
    x = np.random.default_rng(1).standard_normal((8, 8, 2), np.float32)
    y = first.apply(x)
    assert y.shape[-1] == 4
    assert y.dtype == np.float32
    assert 0.01 < y.std() < 100
    np.testing.assert_array_equal(y, second.apply(x))
