"""Transposed banks: against onnxruntime, one product for all taps, and depth to space, which only moves samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import convcli
from convcli.engine.bank import spread

#: Weights `(in, out/groups, *taps)`, groups, stride, dilation, output padding.
CASES: dict[str, tuple[tuple[int, ...], int, tuple[int, ...], tuple[int, ...], int]] = {
    "many to few": ((40, 3, 4, 4), 1, (2, 2), (1, 1), 0),
    "no tap meets another": ((12, 5, 2, 2), 1, (2, 2), (1, 1), 0),
    "gaps between stamps": ((5, 2, 2, 2), 1, (3, 4), (1, 1), 2),
    "dilated": ((6, 4, 3, 2), 1, (2, 1), (3, 2), 0),
    "stride and dilation with a common factor": ((6, 4, 3, 3), 1, (4, 2), (2, 4), 1),
    "in groups": ((12, 4, 3, 3), 3, (2, 2), (1, 1), 1),
    "a stamp a channel": ((8, 1, 4, 4), 8, (2, 2), (1, 1), 0),
    "many channels out": ((7, 40, 3, 3), 1, (2, 2), (1, 1), 0),
    "stride 1": ((20, 3, 3, 3), 1, (1, 1), (1, 1), 0),
    "to one channel": ((30, 1, 9, 9), 1, (3, 3), (1, 1), 0),
    "along lines": ((10, 3, 4), 1, (2,), (1,), 1),
    "volumes": ((6, 3, 2, 3, 2), 1, (2, 1, 2), (1, 2, 1), 0),
}


def transposed(x: Any, weights: Any, groups: int, stride: Any, dilation: Any, more: int) -> Any:
    """Another program's answer for `(channels, *spatial)`."""
    node = helper.make_node(
        "ConvTranspose", ["x", "w"], ["y"], strides=stride, dilations=dilation, group=groups,
        output_padding=[more] * len(stride),
    )  # fmt: skip
    ends = (helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xy")
    graph = helper.make_graph([node], "g", *([end] for end in ends), [numpy_helper.from_array(weights, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x[None]})[0][0]


@pytest.mark.parametrize("size", [1, 9, 40])
@pytest.mark.parametrize("name", CASES)
def test_against_onnxruntime(name: str, size: int) -> None:
    shape, groups, stride, dilation, more = CASES[name]
    rng, rank = np.random.default_rng(0), len(shape) - 2
    spatial = (size, size + 3, 7)[:rank]
    weights = rng.standard_normal(shape).astype(np.float32)
    x = rng.standard_normal((shape[0], *spatial)).astype(np.float32)
    expected = transposed(x, weights, groups, stride, dilation, more)
    axes = "zyx"[3 - rank :]
    kernel = convcli.load({
        "type": "transposed", "weights": weights, "axes": axes, "groups": groups, "stride": list(stride), "padding": 0,
        "dilation": list(dilation), "output_padding": more, "border": "zero",
    })  # fmt: skip
    planes = kernel.apply(x, "c" + axes)
    pixels = np.moveaxis(kernel.apply(np.ascontiguousarray(np.moveaxis(x, 0, -1)), axes + "c"), -1, 0)
    for y in (planes, pixels):
        assert y.shape == expected.shape
        assert np.abs(y - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("layout", ["cyx", "yxc"])
@pytest.mark.parametrize("shape", [(3, 3, 9, 9), (4, 9, 5, 4), (3, 40, 4, 4), (64, 64, 4, 4)])
@pytest.mark.usefixtures("in_bands")
def test_phases_of_large_maps_are_banks_of_their_own(shape: tuple[int, ...], layout: str) -> None:
    """Also those that are filtered by pairs of planes, in memory that all phases share."""
    check_spread(shape, layout, (121, 130))


@pytest.mark.parametrize("layout", ["cyx", "yxc"])
@pytest.mark.parametrize(
    "shape", [(3, 3, 9, 9), (4, 9, 5, 4), (40, 3, 4, 4), (64, 64, 4, 4), (5, 1, 3, 3), (32, 16, 2, 2)]
)
def test_products_of_small_maps_are_put_together(shape: tuple[int, ...], layout: str) -> None:
    for size in ((121, 130), (28, 30), (5, 1)):
        check_spread(shape, layout, size)


def check_spread(shape: tuple[int, ...], layout: str, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(4)
    weights = rng.standard_normal(shape).astype(np.float32)
    x = rng.standard_normal((shape[0], *size)).astype(np.float32)
    x[0, 0, -1] = np.nan
    expected = transposed(x, weights, 1, (2, 2), (1, 1), 0)
    kernel = convcli.load({"type": "transposed", "weights": weights, "stride": 2, "padding": 0, "border": "zero"})
    order = (0, 1, 2) if layout == "cyx" else (1, 2, 0)
    y = kernel.apply(np.ascontiguousarray(x.transpose(order)), layout).transpose(np.argsort(order))
    assert np.array_equal(np.isnan(y), np.isnan(expected))
    assert np.nanmax(np.abs(y - expected), initial=0) <= 1e-5 * np.nanmax(np.abs(expected), initial=0)


def test_one_product_serves_all_taps(monkeypatch: pytest.MonkeyPatch) -> None:
    macs: list[int] = []
    matmul = np.matmul

    def counted(a: Any, b: Any, **options: Any) -> Any:
        macs.append(a.shape[-2] * a.shape[-1] * b.shape[-1])
        return matmul(a, b, **options)

    kernel = convcli.load({"type": "transposed", "weights": np.ones((64, 3, 4, 4)), "stride": 2, "border": "zero"})
    x = np.ones((64, 40, 50), np.float32)
    monkeypatch.setattr(np, "matmul", counted)
    kernel.apply(x, "cyx")
    # Every sample meets every tap once, but for the rows that bands share.
    assert x.size * 48 <= sum(macs) <= 1.3 * x.size * 48
    assert len(macs) <= 4


@pytest.mark.parametrize("order", ["channels first", "places first"])
@pytest.mark.parametrize("layout", ["cyx", "yxc"])
def test_depth_to_space_moves_samples(order: str, layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX's DepthToSpace in its modes CRD and DCR, as a transposed bank: every bit is kept, NaN too."""
    channels, scale = 3, 2
    weights = np.zeros((channels * scale**2, channels, scale, scale))
    for channel in range(channels):
        for place in range(scale**2):
            first = channel * scale**2 + place if order == "channels first" else place * channels + channel
            weights[first, channel, place // scale, place % scale] = 1
    kernel = convcli.load({"type": "transposed", "weights": weights, "stride": scale, "padding": 0, "border": "zero"})
    x = np.random.default_rng(1).standard_normal((12, 13, 17)).astype(np.float32)
    x[5, 6, 7], x[1, 2, 3] = np.nan, -np.inf
    split = (
        x.reshape(3, 2, 2, 13, 17) if order == "channels first" else x.reshape(2, 2, 3, 13, 17).transpose(2, 0, 1, 3, 4)
    )
    expected = split.transpose(0, 3, 1, 4, 2).reshape(3, 26, 34)
    monkeypatch.setattr(np, "matmul", None)
    supplied = x if layout == "cyx" else np.ascontiguousarray(x.transpose(1, 2, 0))
    y = np.moveaxis(kernel.apply(supplied, layout), layout.index("c"), 0)
    assert np.array_equal(y, expected, equal_nan=True)
    assert kernel.algorithm((13, 17), 12).name == "depth to space"


def test_a_band_multiplies_what_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two bands of 20 rows, which share one more than there are."""
    read: list[int] = []
    fill = spread.Room.fill
    monkeypatch.setattr(spread.Room, "fill", lambda self, x, *others: read.append(len(x)) or fill(self, x, *others))
    weights = np.ones((256, 3, 4, 4), np.float32)
    kernel = convcli.load({"type": "transposed", "weights": weights, "stride": 2, "padding": 1, "border": "zero"})
    kernel.apply(np.ones((256, 40, 90), np.float32), "cyx")
    assert len(read) == 2 and sum(read) in (40, 41)
