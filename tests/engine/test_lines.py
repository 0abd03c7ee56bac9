"""Kernels along a line of samples: the same as SciPy's sums, whatever the length, the border and the threads."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

import convcli
from convcli.engine import threads
from convcli.engine.channel import line
from tests.reference import BORDERS

LENGTHS = (1, 5, 40, 2016, 2017, 2 * line.BAND + 777)
MODES = {"reflect": "mirror", "symmetric": "reflect", "replicate": "nearest", "wrap": "grid-wrap", "zero": "constant"}


def weights(taps: int) -> Any:
    output = np.random.default_rng(taps).standard_normal(taps)
    return output / np.abs(output).sum()


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("taps", [3, 16, 255])
@pytest.mark.parametrize("length", LENGTHS)
def test_a_line_is_what_scipy_makes_of_it(length: int, taps: int, border: str) -> None:
    x = np.random.default_rng(length).standard_normal(length)
    expected = ndimage.correlate1d(x, weights(taps), mode=MODES[border], origin=taps % 2 - 1)
    kernel = convcli.load({"weights": weights(taps), "axes": "x", "border": border})
    for dtype, least in ((np.float64, 1e-13), (np.float32, 1e-6)):
        actual = kernel.apply(x.astype(dtype), algorithm="passes")
        assert np.abs(actual - expected).max() <= least * np.abs(x).max()


@pytest.mark.parametrize("taps", [3, 15, 64])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_reaches_as_far_as_the_kernel(taps: int, bad: float) -> None:
    x = np.ones(3 * line.BAND, np.float32)
    places = np.array([3, line.BAND + 5000, x.size - 1])
    x[places] = bad
    kernel = convcli.load({"weights": [1] * taps, "axes": "x", "border": "zero"})
    actual = np.flatnonzero(~np.isfinite(kernel.apply(x, algorithm="passes")))
    reached = np.unique(places[:, None] + np.arange(taps) - taps // 2)
    assert actual.tolist() == reached[(reached >= 0) & (reached < x.size)].tolist()


def test_threads_change_no_bit_and_only_the_ends_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    copied: Counter[str] = Counter()
    read = line.read_window

    def counted(x: Any, ranges: Any, *arguments: Any, **options: Any) -> Any:
        copied["samples"] += ranges[0][1] - ranges[0][0]
        return read(x, ranges, *arguments, **options)

    monkeypatch.setattr(line, "read_window", counted)
    x = np.random.default_rng(1).random(6 * line.BAND + 99, np.float32)
    kernel, actual = convcli.load({"weights": weights(15), "axes": "x"}), []
    for count in (1, 2, 5):
        monkeypatch.setattr(threads, "_most", count)
        actual.append(kernel.apply(x).tobytes())
    assert len(set(actual)) == 1
    assert copied["samples"] <= 3 * (2 * line.BAND + 30)


@pytest.mark.parametrize("taps", [255, 2500])
@pytest.mark.parametrize("length", [700, 300_001])
def test_a_line_by_transforms_and_by_whatever_else_samples_ask_for(length: int, taps: int) -> None:
    x = np.random.default_rng(length).standard_normal(length).astype(np.float32)
    kernel = convcli.load({"weights": weights(taps), "axes": "x", "border": "replicate"})
    for spike, least in ((0.0, 1e-6), (1e7, 1e-6)):
        # The error next to a sample far above the others is not the transform's, which would spread it.
        x[length // 2] += spike
        expected = ndimage.correlate1d(np.float64(x), weights(taps), mode="nearest", origin=taps % 2 - 1)
        error = np.abs(kernel.apply(x, algorithm="fourier") - expected)
        far = np.abs(np.arange(length) - length // 2) > taps
        assert error.max() <= least * np.abs(x).max()
        assert not far.any() or error[far].max() <= 1e-5


@pytest.mark.parametrize("shape", [(1, 200), (200, 1)])
def test_rows_and_columns_of_pictures_by_transforms(shape: tuple[int, int]) -> None:
    x = np.random.default_rng(3).random((260, 1700, 2))
    taps = weights(200).reshape(shape)
    expected = ndimage.correlate1d(x, taps.ravel(), axis=shape.index(200), mode="constant", origin=-1)
    kernel = convcli.load({"weights": taps, "border": "zero"})
    for dtype, least in ((np.float64, 1e-13), (np.float32, 1e-6)):
        assert np.abs(kernel.apply(x.astype(dtype), algorithm="fourier") - expected).max() <= least
