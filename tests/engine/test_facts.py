"""What is known of samples: all finite, and none far above the others, wherever it stands."""

from __future__ import annotations

import math

import numpy as np
import pytest

import convcli
from convcli.engine.facts import CARRIED, SPIKE, Facts

USUAL = 0.5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
@pytest.mark.parametrize("shape", [(1, 1, 1), (64, 64, 1), (130, 257, 3)])
@pytest.mark.parametrize(
    ("sample", "finite", "bounded"),
    [(USUAL, True, True), (0.99 * SPIKE * USUAL, True, True), (-1.01 * SPIKE * USUAL, True, False),
     (1e7, True, False), (math.nan, False, False), (math.inf, False, False), (-math.inf, False, False)],
)  # fmt: skip
def test_one_sample_tells(
    dtype: type, scale: float, shape: tuple[int, ...], sample: float, finite: bool, bounded: bool
) -> None:
    x = np.full(shape, USUAL * scale, dtype)
    x[shape[0] // 3, -1, 0] = sample * scale
    alone = x.size == 1
    for layout in (x, np.asfortranarray(x), x[::-1]):
        facts = Facts(layout, plain=False)
        assert facts.bounded == (finite if alone else bounded)
        assert facts.finite == finite


@pytest.mark.parametrize("lit", [1.0, 0.3, 0.0])
def test_black_does_not_count(lit: float) -> None:
    x = np.where(np.random.default_rng(0).random((99, 101)) < lit, 1, 0).astype(np.float32)
    assert Facts(x, plain=False).bounded
    x[50, 50] = 1e6
    assert not Facts(x, plain=False).bounded


@pytest.mark.parametrize("planes", [1, 3, 64, 128, 256])
def test_a_border_of_zeros_around_planes_does_not_stand_for_them(planes: int) -> None:
    x = np.zeros((planes, 66, 130), np.float32)
    x[:, 1:-1, 1:-1] = 1
    assert Facts(x, plain=False).bounded


@pytest.mark.parametrize("taps", [(1, 15), (15, 1), (31, 31)])
@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("value", [math.nan, math.inf, 1e20, 0.4 * CARRIED])
def test_means_around_one_sample_alone_see_it(taps: tuple[int, int], channels: int, value: float) -> None:
    """Running sums would carry it to all that comes after it."""
    x = np.random.default_rng(1).random((64, 70, channels), dtype=np.float32)
    kernel = convcli.load({"weights": np.full(taps, 1 / math.prod(taps))})
    before = kernel.apply(x)
    change = value - float(x[30, 33, 0])
    x[30, 33, 0] = value
    after = kernel.apply(x)
    seen = np.zeros(x.shape, bool)
    seen[30 - taps[0] // 2 : 31 + taps[0] // 2, 33 - taps[1] // 2 : 34 + taps[1] // 2, 0] = True
    np.testing.assert_allclose(after[~seen], before[~seen], rtol=1e-6)
    if math.isfinite(value):
        np.testing.assert_allclose(after[seen], before[seen] + change / math.prod(taps), rtol=1e-6)
    else:
        assert not np.isfinite(after[seen]).any()
