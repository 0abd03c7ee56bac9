"""Small kernels on volumes, a filter for each of their slices, and large ones by spectra: against scipy's float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage

import convcli
from convcli.engine import threads
from convcli.engine.channel import slices, volume
from convcli.engine.plan import CALL_LIMIT

MODES = {"reflect": "mirror", "symmetric": "reflect", "replicate": "nearest", "wrap": "grid-wrap", "zero": "constant"}
CASES = [
    # taps, shape (z, y, x[, c])
    ((3, 3, 3), (40, 61, 50)),
    ((3, 3, 3), (5, 7, 9)),
    ((2, 4, 3), (20, 45, 33)),
    ((3, 3, 3), (33, 50, 20, 2)),
    # Filtered where they lie: rows are wide.
    ((3, 3, 3), (9, 20, 230)),
    ((5, 4, 2), (3, 7, 100, 3)),
    ((1, 3, 3), (6, 1, 300)),
    ((4, 1, 3), (1, 2, 200)),
    ((3, 5, 5), (1, 1, 1)),
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
def test_a_small_kernel(
    taps: tuple[int, ...], shape: tuple[int, ...], border: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a call and in bands."""
    rng = np.random.default_rng(8)
    weights = rng.standard_normal(taps)
    for dtype, bound in (("float32", 1e-6), ("float64", 1e-14), ("uint8", 1e-6)):
        x = rng.uniform(0, 200, shape).astype(dtype)
        wanted = expected(x, weights, border)
        for limit in (CALL_LIMIT, 0):
            monkeypatch.setattr("convcli.engine.plan.CALL_LIMIT", limit)
            monkeypatch.setattr(slices, "WINDOW_BYTES", 1 << 12 if limit == 0 else 1 << 20)
            y = filtered(x, weights, border, np.float32 if dtype == "uint8" else None)
            assert y.shape == shape
            assert np.abs(y - wanted).max() <= bound * np.abs(wanted).max(), dtype


def test_slices_of_zeros_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all that is left of a kernel lies beyond the edge, the sum is 0, and no NaN comes of it."""
    x = np.ones((4, 6, 200), np.float32)
    x[1] = np.nan
    weights = np.zeros((3, 3, 3))
    weights[0] = 1 / 9
    for narrow in (False, True):
        monkeypatch.setattr(slices, "WIDE", 1000 if narrow else 1)
        y = filtered(x, weights, "zero")
        assert not y[0].any() and np.isnan(y[2]).all() and np.isfinite(y[[1, 3]]).all()


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
