"""Counts by ones: on ones, a kernel of ones gives as many as it multiplies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference as ref

import convcli


def probe(fields: dict[str, Any], shape: tuple[int, ...]) -> tuple[float, Any]:
    """The sum of ones filtered with ones, and the count for the same picture."""
    kernel = convcli.load(fields)
    layout = ref.layout(len(shape) - 1)
    return float(kernel.apply(np.ones(shape), layout=layout).sum()), kernel.count(shape[:-1], shape[-1])


PROBES = [
    ({"weights": np.ones((3, 3))}, (9, 10, 1), 9),
    ({"weights": np.ones((3, 5)), "stride": [2, 3], "dilation": [2, 1]}, (19, 20, 4), 15),
    ({"weights": np.ones((8, 3, 3, 3))}, (9, 10, 3), 216),
    ({"weights": np.ones((8, 2, 3, 3)), "groups": 2, "stride": 2}, (9, 10, 4), 144),
    ({"weights": np.ones((6, 1, 3, 3)), "groups": 3, "dilation": 2}, (9, 10, 3), 54),
    ({"weights": np.ones(7), "axes": "x"}, (30, 2), 7),
    ({"weights": np.ones((4, 2, 5)), "axes": "x", "stride": 3}, (30, 2), 40),
    ({"weights": np.ones((2, 3, 2))}, (5, 6, 7, 2), 12),
    ({"weights": np.ones((4, 2, 2, 3, 2)), "stride": 2}, (5, 6, 7, 2), 96),
]


@pytest.mark.parametrize(("fields", "shape", "weights"), PROBES)
def test_ones_probe_of_dense(fields: dict[str, Any], shape: tuple[int, ...], weights: int) -> None:
    total, count = probe(fields | {"padding": "valid"}, shape)
    assert total == count.macs["convolution"] == count.total_macs
    assert count.flops == 2 * count.total_macs
    assert (count.weights, count.biases, count.parameters) == (weights, 0, weights)


@pytest.mark.parametrize(
    ("fields", "shape", "weights"),
    [
        ({"weights": np.ones((4, 4)), "stride": 2}, (9, 10, 1), 16),
        ({"weights": np.ones((3, 5)), "stride": [2, 3], "dilation": [2, 1]}, (5, 6, 4), 15),
        ({"weights": np.ones((3, 8, 3, 3)), "stride": 2}, (5, 6, 3), 216),
        ({"weights": np.ones((4, 3, 2, 3)), "groups": 2, "stride": 3}, (5, 6, 4), 72),
        ({"weights": np.ones((2, 3, 4)), "axes": "x", "stride": 3}, (11, 2), 24),
        ({"weights": np.ones((2, 2, 2, 2, 3)), "stride": 2}, (3, 4, 3, 2), 48),
    ],
)
def test_ones_probe_of_transposed(fields: dict[str, Any], shape: tuple[int, ...], weights: int) -> None:
    """Weights times the size of the input, not of the output."""
    total, count = probe(fields | {"type": "transposed", "padding": "valid", "border": "zero"}, shape)
    assert total == count.total_macs
    assert count.weights == weights


def test_ones_probe_of_deformable() -> None:
    """With zero offsets the taps applied are those of the dense kernel; sampling is counted apart."""
    fields = {"type": "deformable", "weights": np.ones((4, 2, 3, 3)), "groups": 2, "padding": "valid"}
    total, count = probe(fields | {"offsets": np.zeros((18, 7, 8))}, (9, 10, 4))
    assert total == count.macs["convolution"]
    assert count.weights == 72
    sampling = [macs for part, macs in count.macs.items() if "sampl" in part]
    assert sampling == [4 * 4 * 9 * 7 * 8]


def test_ones_probe_of_separable() -> None:
    """Pass by pass: along x on the full height, then along y."""
    fields = {"type": "separable", "taps": {"y": np.ones(3), "x": np.ones(5)}, "stride": [2, 3], "padding": "valid"}
    count = convcli.load(fields).count((9, 20), 2)
    assert count.weights == 8
    passes = {"x": np.ones((1, 5)), "y": np.ones((3, 1))}
    across = convcli.load({"weights": passes["x"], "stride": [1, 3], "padding": "valid"}).apply(np.ones((9, 20, 2)))
    down = convcli.load({"weights": passes["y"], "stride": [2, 1], "padding": "valid"}).apply(np.ones_like(across))
    assert (across.sum(), down.sum()) == (count.macs["along x"], count.macs["along y"])
    assert count.total_macs == across.sum() + down.sum()


def test_ones_probe_of_depthwise_separable() -> None:
    """The article's example, 3 to 128 channels: 3 * 9 + 3 * 128 weights."""
    fields = {"type": "depthwise_separable", "depthwise": np.ones((3, 1, 3, 3)), "pointwise": np.ones((128, 3))}
    count = convcli.load(fields | {"padding": "valid"}).count((9, 10), 3)
    assert count.weights == 411
    depthwise, _ = probe({"weights": np.ones((3, 1, 3, 3)), "groups": 3, "padding": "valid"}, (9, 10, 3))
    mix, _ = probe({"weights": np.ones((128, 3, 1, 1)), "padding": "valid"}, (7, 8, 3))
    assert count.total_macs == depthwise + mix
    assert sorted(count.macs.values()) == sorted([depthwise, mix])
    assert convcli.load({"weights": np.ones((128, 3, 3, 3))}).count((9, 10), 3).weights == 3456


def test_biases_are_counted_apart() -> None:
    count = convcli.load({"weights": np.ones((8, 3, 3, 3)), "bias": np.zeros(8)}).count((9, 10), 3)
    assert (count.weights, count.biases, count.parameters) == (216, 8, 224)


@pytest.mark.parametrize("stride", [1, 2, 3, (2, 1)])
@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("shape", [(4, 4), (3, 3), (1, 1), (3, 2, 4, 2)])
def test_sums_of_a_transposed_kernel_are_what_ones_become(shape: Any, dilation: int, stride: Any) -> None:
    """Where all outputs inside are alike, what they are is the sum that is named; else there is none."""
    weights = np.random.default_rng(0).normal(size=shape) if 3 in shape else np.ones(shape)
    kernel = convcli.load({"type": "transposed", "weights": weights, "stride": stride, "dilation": dilation})
    ones = kernel.apply(np.ones((24, 24, *shape[:1]) if len(shape) == 4 else (24, 24)), dtype="float64")
    inside = ones[12:24, 12:24]
    alike = bool(np.allclose(inside, inside[:1, :1]) and inside.any())
    assert (kernel.own_sums is not None) == alike
    if alike:
        np.testing.assert_allclose(np.broadcast_to(kernel.own_sums, inside.shape), inside, rtol=1e-9)


def test_strides_of_thousands_have_sums() -> None:
    nearest = convcli.load("upsample-nearest-2x:stride=500")
    assert (nearest.sums, nearest.reach(0, 255)) == (1, (0, 255))
    assert convcli.load({"type": "transposed", "weights": [[1, -2]], "stride": 2**31 - 1}).reach(0, 1) == (-2, 1)
