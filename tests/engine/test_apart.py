"""Kernels per channel on large pictures of many channels: bands of pixels turned to planes, against scipy's sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage

import convcli
from convcli.engine.bank import apart, plan

MODES = {"zero": "constant", "replicate": "nearest", "symmetric": "reflect", "reflect": "mirror"}


def made(monkeypatch: pytest.MonkeyPatch, name: str) -> list[tuple[int, ...]]:
    """The shapes of the results of `filter_apart` from here on."""
    shapes: list[tuple[int, ...]] = []
    filtered = apart.filter_apart

    def seen(x: Any, weights: Any, y: Any, *rest: Any, **more: Any) -> None:
        shapes.append(y.shape)
        filtered(x, weights, y, *rest, **more)

    monkeypatch.setattr(apart, name, seen)
    return shapes


@pytest.mark.parametrize("border", MODES)
@pytest.mark.parametrize(
    ("size", "channels", "multiple", "taps", "stride", "dtype"),
    [
        ((400, 500), 16, 1, (3, 3), 1, "float32"),
        ((900, 800), 3, 2, (2, 4), 1, "uint8"),
        ((31, 1100), 70, 1, (5, 5), 1, "float32"),
        ((1200, 37), 40, 1, (4, 3), 1, "float64"),
        ((6, 50000), 9, 1, (3, 5), 1, "uint16"),
        ((901, 700), 5, 1, (3, 3), 2, "float32"),
    ],
)
def test_against_sums_of_correlations(
    monkeypatch: pytest.MonkeyPatch, border: str, size: tuple[int, int], channels: int, multiple: int,
    taps: tuple[int, int], stride: int, dtype: str,
) -> None:  # fmt: skip
    rng = np.random.default_rng(5)
    x = rng.integers(0, 256, (*size, channels)).astype(dtype)
    weights = rng.standard_normal((channels * multiple, 1, *taps)).astype(np.float32)
    fields = {"weights": weights, "groups": channels, "stride": stride, "border": border, "padding": "same"}
    if stride > 1:
        fields["padding"] = [side // 2 for side in taps]
    kernel = convcli.load(fields)
    shapes = made(monkeypatch, "filter_apart")
    y = kernel.apply(x, "yxc", dtype="float64" if dtype == "float64" else "float32")
    assert len(shapes) > 1 and sum(rows for rows, *_ in shapes) == len(y), "bands make each row once"
    origin = [window.before - side // 2 for window, side in zip(kernel.windows(size, "yx"), taps, strict=True)]
    for channel in (0, channels * multiple - 1):
        own, plane = weights[channel, 0].astype(np.float64), x[..., channel // multiple].astype(np.float64)
        expected = ndimage.correlate(plane, own, mode=MODES[border], origin=origin)[::stride, ::stride]
        bound = (1e-12 if dtype == "float64" else 1e-5) * np.abs(own).sum() * 255
        assert np.abs(y[..., channel] - expected).max() <= bound


def test_bits_are_the_same_wherever_bands_end(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(6)
    x = rng.random((300, 400, 24), dtype=np.float32)
    x[150, 200, 3], x[0, 0, 0], x[299, 399, 23] = np.nan, np.inf, 1e38
    fields = {"weights": rng.standard_normal((24, 1, 3, 3)), "groups": 24, "border": "reflect"}
    results = []
    for size in (plan.BAND_BYTES, plan.BAND_BYTES // 3):
        monkeypatch.setattr(plan, "BAND_BYTES", size)
        plan.plan_bank.cache_clear()
        results.append(convcli.load(fields).apply(x, "yxc"))
    plan.plan_bank.cache_clear()
    assert np.array_equal(results[0], results[1], equal_nan=True)
    assert np.isnan(results[0]).sum() == 9
