"""Whichever algorithm runs, the result is the same: against float64 and against each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage

import convcli
from convcli.engine import threads
from convcli.engine.plan import ALGORITHMS

MODES = {"reflect": "mirror", "symmetric": "reflect", "replicate": "nearest", "wrap": "grid-wrap", "zero": "constant"}


def correlated(x: Any, weights: Any, border: str) -> Any:
    """Float64, with the odd cell of an even kernel at its end."""
    origin = [-(1 - k % 2) for k in weights.shape]
    return ndimage.correlate(np.float64(x), np.float64(weights), mode=MODES[border], origin=origin)


def kernels() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "3x3": rng.standard_normal((3, 3)),
        "5x5 separable": np.outer(rng.standard_normal(5), rng.standard_normal(5)),
        "15x15": rng.standard_normal((15, 15)),
        "16x9": rng.standard_normal((16, 9)),
        "33x34 separable": np.outer(rng.standard_normal(33), rng.standard_normal(34)),
        "21x21 of rank 3": rng.standard_normal((21, 3)) @ rng.standard_normal((3, 21)),
        "1x40": rng.standard_normal((1, 40)),
        "140x1": rng.standard_normal((140, 1)),
    }


@pytest.mark.parametrize("border", MODES)
@pytest.mark.parametrize("width", [2051, 4100])
@pytest.mark.parametrize("dtype", [np.float32, np.uint16])
def test_pictures_wider_than_a_strip(border: str, width: int, dtype: Any) -> None:
    """What continues the picture at one edge may lie in another strip of columns."""
    rng = np.random.default_rng(9)
    weights = np.outer(rng.random(9), rng.random(41)) + np.outer(rng.random(9), rng.random(41))
    x = rng.uniform(0, 9, (150, width)).astype(dtype)
    kernel = convcli.load({"weights": weights, "border": border})
    expected = correlated(x, weights, border)
    for algorithm in ALGORITHMS:
        y = kernel.apply(x, dtype=np.float32, algorithm=algorithm)
        assert np.abs(y - expected).max() <= 1e-5 * expected.max(), algorithm
    if dtype == np.float32:
        x[3, width - 1] = np.inf
        y = kernel.apply(x, algorithm="passes")
        seen = ~np.isfinite(correlated(np.where(np.isfinite(x), 0, np.nan), weights, border))
        assert np.array_equal(~np.isfinite(y), seen)


@pytest.mark.parametrize("border", MODES)
@pytest.mark.parametrize("name", kernels())
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_is_exact(algorithm: str, name: str, border: str) -> None:
    weights = kernels()[name]
    kernel = convcli.load({"weights": weights, "border": border})
    for shape in [(310, 267), (33, 700)]:
        x = np.random.default_rng(1).standard_normal(shape)
        expected = correlated(x, weights, border)
        single, double = kernel.apply(x.astype(np.float32), algorithm=algorithm), kernel.apply(x, algorithm=algorithm)
        assert np.abs(single - expected).max() <= 1e-5 * np.abs(expected).max()
        assert np.abs(double - expected).max() <= 1e-12 * np.abs(expected).max()


@pytest.mark.parametrize("name", kernels())
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16])
def test_integers_are_rounded_and_cut_off(algorithm: str, name: str, dtype: Any) -> None:
    weights = kernels()[name]
    weights /= np.abs(weights).sum() / 2
    limits = np.iinfo(dtype)
    x = np.random.default_rng(2).integers(limits.min, limits.max, (130, 517, 3), dtype, endpoint=True)
    y = convcli.load({"weights": weights}).apply(x, algorithm=algorithm)
    expected = np.stack([correlated(x[..., c], weights, "reflect") for c in range(3)], axis=-1)
    exact = np.clip(np.rint(expected), limits.min, limits.max)
    assert np.abs(np.float64(y) - exact).max() <= 1


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("separable", [False, True])
def test_nan_and_infinity_stay_within_the_kernel(value: float, algorithm: str, separable: bool) -> None:
    rng = np.random.default_rng(3)
    weights = np.outer(rng.random(25) + 1, rng.random(25) + 1) if separable else rng.random((25, 25)) + 1
    x = rng.random((400, 300), np.float32)
    x[200, 100] = value
    kernel = convcli.load({"weights": weights})
    y = kernel.apply(x, algorithm=algorithm)
    seen = np.zeros(x.shape, bool)
    seen[188:213, 88:113] = True
    assert np.array_equal(~np.isfinite(y), seen)
    x[200, 100] = 0
    expected = correlated(x, weights, "reflect")
    assert np.abs(y - expected)[~seen].max() <= 1e-5 * expected.max()


CASES = {
    "direct": ({"weights": np.random.default_rng(4).random((3, 3))}, "yx"),
    "fourier": ({"weights": np.random.default_rng(4).random((31, 31))}, "yx"),
    "passes": ({"type": "separable", "taps": {"gaussian": {"sigma": 6}}}, "yx"),
    "dilated": ({"weights": np.random.default_rng(4).random((5, 5)), "dilation": 7}, "yx"),
    "strided": ({"weights": np.random.default_rng(4).random((5, 5)), "stride": 2}, "yx"),
    "transposed": ({"type": "transposed", "weights": np.random.default_rng(4).random((4, 4)), "stride": 2}, "yx"),
    "bank": ({"weights": np.random.default_rng(4).random((8, 3, 3, 3))}, "cyx"),
    "depthwise": ({"weights": np.random.default_rng(4).random((3, 1, 3, 3)), "groups": 3}, "cyx"),
}


@pytest.mark.parametrize("name", CASES)
def test_threads_do_not_change_a_bit(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fields, layout = CASES[name]
    x = np.random.default_rng(5).random((3, 900, 700), np.float32)
    x = x if layout == "cyx" else x[0]
    kernel = convcli.load(fields)
    results = []
    for count in (1, 2, 5):
        monkeypatch.setattr(threads, "thread_count", lambda count=count: count)
        results.append(kernel.apply(x, layout).tobytes())
    assert results[0] == results[1] == results[2]


def test_planes_and_pixels_give_the_same() -> None:
    rng = np.random.default_rng(6)
    x = rng.random((3, 300, 200), np.float32)
    pixels = np.ascontiguousarray(np.moveaxis(x, 0, -1))
    for weights in (rng.random((3, 3)), rng.random((17, 17)), rng.random((5, 3, 3, 3)), rng.random((6, 1, 5, 5))):
        fields: dict[str, Any] = {"weights": weights, "bias": [1.0]}
        if weights.ndim == 4 and weights.shape[1] == 1:
            fields["groups"] = 3
        kernel = convcli.load(fields)
        expected = np.moveaxis(kernel.apply(pixels), -1, 0)
        assert np.abs(kernel.apply(x, "cyx") - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("taps", [(7, 7, 7), (3, 11, 9), (5, 1, 9)], ids=str)
def test_volumes(taps: tuple[int, ...]) -> None:
    rng = np.random.default_rng(7)
    x, weights = rng.standard_normal((19, 70, 50), np.float32), rng.standard_normal(taps)
    y = convcli.load({"weights": weights}).apply(x, "zyx")
    expected = correlated(x, weights, "reflect")
    assert np.abs(y - expected).max() <= 1e-5 * np.abs(expected).max()


def test_opencv_and_blas_get_their_threads_back() -> None:
    import cv2

    before = cv2.getNumThreads()
    convcli.load("gaussian:sigma=4").apply(np.ones((600, 600), np.float32))
    assert cv2.getNumThreads() == before
    with pytest.raises(ZeroDivisionError):
        threads.run_all(lambda piece: 1 // piece, [1, 0, 1])
    assert cv2.getNumThreads() == before


@pytest.mark.parametrize("name", ["gaussian", "gaussian:sigma=6", "sharpen", "disk:radius=7", "upsample-bilinear-2x"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_channels_that_lie_as_planes(name: str, dtype: Any) -> None:
    x = np.random.default_rng(8).uniform(0, 255, (5, 130, 170)).astype(dtype)
    kernel = convcli.load(name)
    pixels = np.ascontiguousarray(np.moveaxis(x, 0, -1))
    expected = np.moveaxis(np.float64(kernel.apply(pixels)), -1, 0)
    near = 1.0 if dtype == np.uint8 else 1e-6 * expected.max()
    assert np.abs(kernel.apply(x, "cyx") - expected).max() <= near
    biased = kernel.replace(bias=convcli.load({"weights": [[1]], "bias": [2.0]}).bias)
    floats = np.moveaxis(np.float64(biased.apply(pixels, dtype=np.float32)), -1, 0)
    assert np.abs(biased.apply(x, "cyx", dtype=np.float32) - floats).max() <= 1e-6 * np.abs(floats).max()
