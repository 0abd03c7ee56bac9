"""Kernels along a line of samples: the same as SciPy's sums, whatever the length, the border and the threads."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

import convcli
from convcli.engine import line, threads
from convcli.engine.plan import forced
from tests.reference import BORDERS

LENGTHS = (1, 5, 40, 2016, 2017, 2 * line.BAND + 777)
MODES = {"reflect": "mirror", "symmetric": "reflect", "replicate": "nearest", "wrap": "grid-wrap", "zero": "constant"}


def weights(taps: int) -> Any:
    made = np.random.default_rng(taps).standard_normal(taps)
    return made / np.abs(made).sum()


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("taps", [3, 16, 255])
@pytest.mark.parametrize("length", LENGTHS)
def test_a_line_is_what_scipy_makes_of_it(length: int, taps: int, border: str) -> None:
    x = np.random.default_rng(length).standard_normal(length)
    expected = ndimage.correlate1d(x, weights(taps), mode=MODES[border], origin=taps % 2 - 1)
    kernel = convcli.load({"weights": weights(taps), "axes": "x", "border": border})
    for dtype, least in ((np.float64, 1e-13), (np.float32, 1e-6)):
        with forced("passes"):
            found = kernel.apply(x.astype(dtype))
        assert np.abs(found - expected).max() <= least * np.abs(x).max()


@pytest.mark.parametrize("taps", [3, 15, 64])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_reaches_as_far_as_the_kernel(taps: int, bad: float) -> None:
    x = np.ones(3 * line.BAND, np.float32)
    places = np.array([3, line.BAND + 5000, x.size - 1])
    x[places] = bad
    kernel = convcli.load({"weights": [1] * taps, "axes": "x", "border": "zero"})
    with forced("passes"):
        found = np.flatnonzero(~np.isfinite(kernel.apply(x)))
    reached = np.unique(places[:, None] + np.arange(taps) - taps // 2)
    assert found.tolist() == reached[(reached >= 0) & (reached < x.size)].tolist()


def test_threads_change_no_bit_and_only_the_ends_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    copied: Counter[str] = Counter()
    read = line.read_window

    def counted(x: Any, ranges: Any, *arguments: Any, **options: Any) -> Any:
        copied["samples"] += ranges[0][1] - ranges[0][0]
        return read(x, ranges, *arguments, **options)

    monkeypatch.setattr(line, "read_window", counted)
    x = np.random.default_rng(1).random(6 * line.BAND + 99, np.float32)
    kernel, found = convcli.load({"weights": weights(15), "axes": "x"}), []
    for count in (1, 2, 5):
        monkeypatch.setattr(threads, "_most", count)
        found.append(kernel.apply(x).tobytes())
    assert len(set(found)) == 1
    assert copied["samples"] <= 3 * (2 * line.BAND + 30)
