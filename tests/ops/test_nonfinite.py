"""NaN, infinity and spikes: they stay where a kernel sees them, whatever computes it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import convcli
from convcli.engine.plan import CALL_LIMIT
from tests.ops.drawn import FLOAT32, correlated, every_way


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("taps", [(3, 3), (9, 5), (15, 15)], ids=str)
def test_a_nan_or_infinity_stays_where_the_kernel_sees_it(value: float, taps: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((60, 50), np.float32), rng.random(taps, np.float32) + np.float32(0.1)
    clean = convcli.load({"weights": w}).apply(x)
    x[30, 20] = value
    y = convcli.load({"weights": w}).apply(x)
    seen = np.zeros(x.shape, bool)
    seen[30 - taps[0] // 2 : 31 + taps[0] // 2, 20 - taps[1] // 2 : 21 + taps[1] // 2] = True
    assert not np.isfinite(y[seen]).any()
    assert np.abs(y - clean)[~seen].max() <= FLOAT32 * np.abs(clean).max()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", every_way())
def test_every_type_keeps_a_nan_or_infinity_in_its_place(name: str, value: float) -> None:
    """What one sample can change is what becomes NaN or infinite, without a word from numpy."""
    x = np.random.default_rng(1).standard_normal((24, 22, 6), np.float32)
    kernel = convcli.load(every_way()[name])
    clean = kernel.apply(x)
    x[11, 9, 2] += 1000
    changed = np.abs(kernel.apply(x) - clean) > 0.1
    assert 0 < np.count_nonzero(changed) < changed.size / 4
    x[11, 9, 2] = value
    y = kernel.apply(x)
    np.testing.assert_array_equal(~np.isfinite(y), changed)
    assert np.abs(y - clean)[~changed].max() <= FLOAT32 * np.abs(clean).max()


@pytest.mark.parametrize("limit", [CALL_LIMIT, 0], ids=["call", "bands"])
@pytest.mark.parametrize("shape", [(40, 50), (300, 340)], ids=str)
@pytest.mark.parametrize(
    "fields",
    [
        {"weights": np.ones((7, 9))}, {"weights": np.ones((11, 11)) + np.eye(11), "stride": 2},
        {"weights": np.ones((1, 63))}, {"weights": np.ones((71, 1))}, {"type": "separable", "taps": [1.0] * 55},
        {"type": "separable", "taps": [1.0] * 55, "stride": 2}, {"weights": np.ones((3, 7, 9)), "axes": "zyx"},
        {"weights": np.ones((2, 1, 7, 9)), "groups": 2},
        {"type": "transposed", "weights": np.ones((16, 18)), "stride": 2},
    ],
    ids=lambda fields: "-".join(map(str, fields)),
)  # fmt: skip
def test_a_nan_in_float64(
    fields: dict[str, Any], shape: tuple[int, int], limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenCV makes Fourier transforms of half as many taps of float64 as of float32."""
    monkeypatch.setattr("convcli.engine.plan.CALL_LIMIT", limit)
    rng, volume, bank = np.random.default_rng(2), fields.get("axes") == "zyx", "groups" in fields
    x = rng.random((3, *shape) if volume else (2, *shape) if bank else shape)
    layout = "zyx" if volume else "cyx" if bank else "yx"
    kernel = convcli.load(fields | {"border": "zero"})
    place = (*(1 for _ in x.shape[2:]), 20, 30)
    x[place] += 1000
    changed, before = kernel.apply(x, layout), np.float64(x)
    before[place] -= 1000
    changed = np.abs(changed - kernel.apply(before, layout)) > 0.1
    x[place] = np.nan
    np.testing.assert_array_equal(np.isnan(kernel.apply(x, layout)), changed)


@pytest.mark.parametrize("spike", [1e4, 1e8, 1e14, -3.4e38])
@pytest.mark.parametrize("taps", [(3, 3), (15, 15), (1, 151)], ids=str)
def test_a_spike_does_not_drown_its_surroundings(spike: float, taps: tuple[int, int]) -> None:
    """Beyond the kernel's reach the error is relative to the ordinary samples, not to the spike (-3.4e38: no data)."""
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((80, 300), np.float32), rng.random(taps, np.float32)
    x[40, 150] = spike
    y, expected = convcli.load({"weights": w}).apply(x), correlated(x[..., None], np.float64(w), "reflect")[..., 0]
    seen = np.zeros(x.shape, bool)
    seen[40 - taps[0] // 2 : 41 + taps[0] // 2, 150 - taps[1] // 2 : 151 + taps[1] // 2] = True
    assert np.abs(y - expected)[~seen].max() <= FLOAT32 * np.abs(expected[~seen]).max()


@pytest.mark.parametrize("shape", [(8, 9), (40, 60)], ids=str)
@pytest.mark.parametrize("channels", [3, 32, 64])
def test_a_nan_of_one_picture_is_not_in_the_next(channels: int, shape: tuple[int, int]) -> None:
    """Of places on whole numbers the next pixels have no share; what is kept of places is not changed by a NaN."""
    rng = np.random.default_rng(channels)
    offsets = rng.integers(-2, 3, (18, *shape)).astype(np.float32)
    weights = rng.standard_normal((5, channels, 3, 3)).astype(np.float32)
    kernel = convcli.load({"type": "deformable", "weights": weights, "offsets": offsets})
    x = rng.random((*shape, channels), np.float32)
    clean, broken = kernel.apply(x), x.copy()
    broken[3, 4, 1] = np.inf
    exact = kernel.apply(broken.astype(np.float64))
    for _ in range(3):
        y = kernel.apply(broken)
        np.testing.assert_array_equal(np.isfinite(y), np.isfinite(exact))
        np.testing.assert_allclose(kernel.apply(x), clean, atol=FLOAT32)
    assert 0 < np.count_nonzero(~np.isfinite(exact)) < exact.size / 4
