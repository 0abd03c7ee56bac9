"""Small kernels on volumes, whose slices are folded into one tall kernel: against scipy's float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage

import convcli
from convcli.engine import threads
from convcli.engine.channel import volume

MODES = {"reflect": "mirror", "symmetric": "reflect", "replicate": "nearest", "wrap": "grid-wrap", "zero": "constant"}
CASES = [
    # taps, shape (z, y, x[, c])
    ((3, 3, 3), (40, 61, 50)),
    ((3, 3, 3), (5, 7, 9)),
    ((2, 4, 3), (20, 45, 33)),
    ((3, 3, 3), (33, 50, 20, 2)),
]


def expected(x: Any, weights: Any, border: str) -> Any:
    """Float64, with the odd cell of an even kernel at its end."""
    shaped = weights.reshape(*weights.shape, *(1,) * (x.ndim - 3))
    origin = [-(1 - k % 2) for k in shaped.shape[:3]] + [0] * (x.ndim - 3)
    return ndimage.correlate(np.float64(x), shaped, mode=MODES[border], origin=origin)


def filtered(x: Any, weights: Any, border: str, dtype: Any = None) -> Any:
    kernel = convcli.load({"weights": weights, "axes": "zyx", "border": border})
    return kernel.apply(x, "zyxc"[: x.ndim], dtype=dtype)


@pytest.mark.parametrize("border", MODES)
@pytest.mark.parametrize(("taps", "shape"), CASES)
def test_a_small_kernel(taps: tuple[int, ...], shape: tuple[int, ...], border: str) -> None:
    rng = np.random.default_rng(8)
    weights = rng.standard_normal(taps)
    assert volume.folded_rows(weights)
    for dtype, bound in (("float32", 1e-6), ("float64", 1e-14), ("uint8", 1e-6)):
        x = rng.uniform(0, 200, shape).astype(dtype)
        wanted = expected(x, weights, border)
        y = filtered(x, weights, border, np.float32 if dtype == "uint8" else None)
        assert np.abs(y - wanted).max() <= bound * np.abs(wanted).max(), dtype


def test_one_that_is_too_large_or_lies_in_a_slice_is_not_folded() -> None:
    assert not any(volume.folded_rows(np.ones(taps)) for taps in ((7, 7, 7), (5, 5, 5), (1, 3, 3)))


def test_rounds_to_bytes() -> None:
    rng = np.random.default_rng(8)
    x, weights = rng.integers(0, 256, (30, 50, 40), dtype=np.uint8), rng.random((3, 3, 3)) / 13.5
    wanted = np.clip(np.rint(expected(x, weights, "reflect")), 0, 255)
    y = filtered(x, weights, "reflect")
    assert y.dtype == np.uint8
    assert np.abs(y - wanted).max() <= 1
    assert np.mean(y != wanted) < 1e-4


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_what_is_not_finite_reaches_no_further_than_the_kernel(odd: float) -> None:
    x = np.random.default_rng(8).random((40, 60, 50)).astype(np.float32)
    x[0, 0, 0] = x[20, 17, 49] = x[39, 59, 25] = odd
    y = filtered(x, np.ones((3, 3, 3)), "zero")
    assert np.array_equal(~np.isfinite(y), expected(~np.isfinite(x), np.ones((3, 3, 3)), "zero") > 0)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_as_many_threads_as_you_like(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x, weights = np.random.default_rng(1).random((130, 70, 61), np.float32), np.random.default_rng(2).random((3, 3, 3))
    before = filtered(x, weights, "reflect")
    monkeypatch.setattr(threads, "_most", count)
    assert filtered(x, weights, "reflect").tobytes() == before.tobytes()


@pytest.mark.parametrize(("taps", "shape"), [((7, 7, 7), (30, 130, 141)), ((11, 5, 9), (40, 70, 300, 2))])
def test_a_large_kernel_by_tiles_of_slices(taps: tuple[int, ...], shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(5)
    weights, x = rng.standard_normal(taps), rng.random(shape, np.float32)
    wanted = expected(x, weights, "zero")
    assert np.abs(filtered(x, weights, "zero") - wanted).max() <= 1e-6 * np.abs(wanted).max()


def test_tiles_of_slices_leave_room_for_a_ring_of_spectra() -> None:
    for side in (7, 11, 15, 31):
        tile = volume.slice_tile((side, side, side), (64, 256, 256), 4)
        assert min(tile) >= 1.5 * side
        assert 8 * side * tile[0] * tile[1] <= volume.RING_BYTES
