"""Multiply-adds of pixels, by a call for each tap and by one for all: against sums of scipy, borders, their work."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import signal

import convcli
from convcli.engine.bank import multiply_adds
from convcli.engine.bank.multiply_adds import Products, multiply_add, rows_of
from convcli.engine.geometry import Gather, grid_of

#: Channels, kernels of each, size, taps, stride, dilation, cells before each axis, and outputs.
CASES = [
    (16, 1, (14, 15), (3, 3), (1, 1), (1, 1), (1, 1), (14, 15)),
    (5, 3, (9, 11), (2, 4), (1, 1), (2, 3), (0, 4), (7, 10)),
    (24, 1, (40, 301), (3, 3), (1, 1), (1, 1), (1, 1), (40, 301)),
    (7, 1, (13, 21), (3, 3), (2, 2), (1, 1), (1, 1), (7, 11)),
    (6, 1, (13, 20), (5, 4), (3, 3), (2, 2), (3, 5), (5, 7)),
    (4, 2, (12, 22), (3, 5), (1, 4), (3, 3), (2, 1), (8, 4)),
    (3, 1, (1, 1), (3, 3), (1, 1), (1, 1), (4, 5), (7, 9)),
    (3, 1, (4, 3), (3, 2), (2, 3), (1, 5), (9, 7), (9, 6)),
]


def layer(case: Any, dtype: Any = np.float32) -> tuple[Any, Any, Any, list[Gather]]:
    channels, multiple, size, taps, stride, dilation, before, lengths = case
    rng = np.random.default_rng(3)
    weights = rng.standard_normal((channels * multiple, 1, *taps)).astype(dtype)
    x = rng.standard_normal((*size, channels)).astype(dtype)
    windows = [Gather(*one) for one in zip(taps, stride, dilation, before, lengths, strict=True)]
    return weights, x, np.full((*lengths, len(weights)), np.nan, dtype), windows


def truth(weights: Any, x: Any, windows: list[Gather], border: float = 0.0) -> Any:
    """Sums in float64 of the window, of which those between outputs are left out."""
    ranges = [window.reads(0, window.length) for window in windows]
    far = max(max(abs(a), abs(b)) for a, b in ranges)
    padded = np.pad(np.float64(x), ((far, far), (far, far), (0, 0)), constant_values=border)
    seen = padded[tuple(slice(a + far, b + far) for a, b in ranges)]
    sums = []
    for number, own in enumerate(np.float64(weights[:, 0])):
        spread = np.zeros([(side - 1) * window.dilation + 1 for side, window in zip(own.shape, windows, strict=True)])
        spread[tuple(slice(None, None, window.dilation) for window in windows)] = own
        sums.append(signal.correlate(seen[..., number * x.shape[-1] // len(weights)], spread, "valid", "direct"))
    return np.stack(sums, -1)[tuple(slice(None, None, window.stride) for window in windows)]


@pytest.mark.parametrize("rows", [1, 1 << 15])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_against_sums_of_scipy(case: Any, dtype: Any, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multiply_adds, "ADDED", rows)
    weights, x, y, windows = layer(case, dtype)
    expected = truth(weights, x, windows)
    Products(weights, x.shape[:2], grid_of(windows), [window.before for window in windows]).add(x, y)
    bound = np.finfo(dtype).eps * 10 * np.abs(weights).sum((1, 2, 3)).max() * np.abs(x).max()
    assert np.abs(y - expected).max() <= bound


@pytest.mark.parametrize("border", [0.0, 2.5])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_window_of_a_constant_border(case: Any, border: float) -> None:
    weights, x, y, windows = layer(case)
    rows, at = rows_of(weights, windows[1].length), [window.reads(0, window.length) for window in windows]
    multiply_add(x, rows, grid_of(windows), y, at=at, border=str(border) if border else "zero")
    assert np.abs(y - truth(weights, x, windows, border)).max() <= 1e-5 * np.abs(weights).sum((1, 2, 3)).max() * 4


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_what_is_not_finite_stays_where_it_is_read(stride: int, dtype: Any) -> None:
    rng = np.random.default_rng(4)
    kernel = convcli.load({"weights": rng.random((256, 1, 3, 3)), "groups": 256, "stride": stride, "border": "zero"})
    x = rng.integers(0, 256, (10, 8, 256)).astype(dtype)
    before = kernel.apply(x, "yxc", dtype=np.float32)
    planes = kernel.apply(np.ascontiguousarray(np.moveaxis(x, -1, 0)), "cyx", dtype=np.float32)
    assert np.abs(before - np.moveaxis(planes, 0, -1)).max() <= 1e-5 * before.max()
    if dtype == np.float32:
        x[4, 7, 9] = np.nan
        y = kernel.apply(x, "yxc")
        seen = np.isnan(y)
        assert seen.any() and (y == before)[~seen].all()
        assert {(row * stride, column * stride, channel) for row, column, channel in np.argwhere(seen)} <= {
            (row, column, 9) for row in (3, 4, 5) for column in (6, 7)
        }


def test_a_call_for_each_tap_of_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[tuple[int, ...]] = []
    added = multiply_adds.cv2.accumulateProduct

    def seen(x: Any, weights: Any, y: Any) -> Any:
        shapes.append(y.shape)
        return added(x, weights, y)

    monkeypatch.setattr(multiply_adds.cv2, "accumulateProduct", seen)
    kernel = convcli.load({"weights": np.ones((256, 1, 3, 3)), "groups": 256, "border": "zero"})
    assert kernel.apply(np.ones((8, 10, 256), np.float32), "yxc").sum() == 256 * 22 * 28
    # The ninth is multiplied; rows and columns of zeros are left out.
    assert len(shapes) == 8 and set(shapes) == {(7, 2560), (8, 2304), (7, 2304)}
