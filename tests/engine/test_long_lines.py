"""Kernels of tens of thousands of taps: by transforms whatever their length, border, stride and dilation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import signal

import convcli
from convcli.engine.channel import planes
from convcli.engine.plan import Plane, plan_plane
from tests.reference import BORDERS

PADS: dict[str, Any] = {
    "reflect": "reflect", "symmetric": "symmetric", "replicate": "edge", "wrap": "wrap", "zero": "constant"
}  # fmt: skip
#: Of the greatest sample, for taps whose absolute values sum to 1.
LEAST: dict[Any, float] = {np.float64: 1e-15, np.float32: 1e-7}


def weights(taps: int) -> Any:
    taps_ = np.random.default_rng(taps).standard_normal(taps)
    return taps_ / np.abs(taps_).sum()


def by_scipy(x: Any, taps: Any, border: str, *, stride: int = 1, dilation: int = 1) -> Any:
    """Along the last axis, in float64."""
    spread = np.zeros(dilation * (taps.size - 1) + 1)
    spread[::dilation] = taps
    around = [(0, 0)] * (x.ndim - 1) + [((spread.size - 1) // 2, spread.size // 2)]
    padded = np.pad(np.float64(x), around, mode=PADS[border])
    return signal.oaconvolve(padded, spread[(None,) * (x.ndim - 1)][..., ::-1], mode="valid")[..., ::stride]


@pytest.mark.parametrize("dtype", LEAST)
@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize(
    ("taps", "length"), [(65_537, 65_540), (86_401, 100_003), (100_001, 200_000), (131_072, 140_009)]
)
def test_lines(taps: int, length: int, border: str, dtype: Any) -> None:
    x = np.random.default_rng(length).standard_normal(length).astype(dtype)
    result = convcli.load({"weights": weights(taps), "axes": "x", "border": border}).apply(x)
    assert np.abs(result - by_scipy(x, weights(taps), border)).max() <= LEAST[dtype] * np.abs(x).max()


@pytest.mark.parametrize("dtype", LEAST)
@pytest.mark.parametrize(("stride", "dilation"), [(2, 1), (3, 1), (1, 2), (1, 5), (2, 3), (4, 2)])
@pytest.mark.parametrize("taps", [1_001, 33_001, 90_001])
def test_strides_and_dilations(taps: int, stride: int, dilation: int, dtype: Any) -> None:
    x = np.random.default_rng(taps).standard_normal(dilation * taps + 4_321).astype(dtype)
    kernel = {"weights": weights(taps), "axes": "x", "border": "reflect", "stride": stride, "dilation": dilation}
    expected = by_scipy(x, weights(taps), "reflect", stride=stride, dilation=dilation)
    assert np.abs(convcli.load(kernel).apply(x) - expected).max() <= LEAST[dtype] * np.abs(x).max()


@pytest.mark.parametrize("dtype", LEAST)
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("channels", [1, 3])
def test_rows_and_columns(channels: int, dilation: int, axis: int, dtype: Any) -> None:
    taps = weights(90_001)
    x = np.random.default_rng(axis).standard_normal((3, channels, 2 * taps.size + 501))
    expected = by_scipy(x, taps, "reflect", dilation=dilation)
    x, expected = (np.moveaxis(one, [0, 2], [1 - axis, axis]) for one in (x.astype(dtype), expected))
    kernel = {"weights": np.expand_dims(taps, 1 - axis), "border": "reflect", "dilation": dilation}
    result = convcli.load(kernel).apply(np.ascontiguousarray(x), "yxc")
    assert np.abs(result - expected).max() <= LEAST[dtype] * np.abs(x).max()


@pytest.mark.parametrize("kind", ["dense", "separable"])
def test_two_axes_one_of_which_is_long(kind: str) -> None:
    taps, few = weights(90_001), np.array([0.25, 0.5, 0.25])
    x = np.random.default_rng(5).standard_normal((4, 100_003))
    expected = by_scipy(by_scipy(x, taps, "reflect").T, few, "reflect").T
    kernel: dict[str, Any] = {"type": kind, "border": "reflect"}
    kernel |= {"weights": np.outer(few, taps)} if kind == "dense" else {"taps": {"y": few, "x": taps}}
    for dtype, least in LEAST.items():
        result = convcli.load(kernel).apply(x.astype(dtype))
        assert np.abs(result - expected).max() <= 2 * least * np.abs(x).max()


@pytest.mark.parametrize("taps", [10_001, 65_537, 100_001, 1_000_001, 8_388_607])
@pytest.mark.parametrize("shape", [(1, None), (None, 1), (3, None)])
def test_no_length_loses_the_transforms(taps: int, shape: tuple[int | None, ...]) -> None:
    if 3 in shape and taps > 1_000_001:
        pytest.skip("three rows of taps have tiles of two axes")
    sides = [taps if side is None else side for side in shape]
    work = Plane(taps=(sides[0], sides[1]), height=max(2 * sides[0], 8), width=max(2 * sides[1], 8))
    plan = plan_plane(work)
    assert plan.algorithm == "fourier"
    assert all(tile >= side for tile, side in zip(plan.tile, sides, strict=True))


def test_far_taps_are_summed_by_their_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call for each class, not for each tap."""
    calls = []
    phase = planes._phase

    def counted(x: Any, taps: Any, facts: Any) -> Any:
        calls.append(taps.size)
        return phase(x, taps, facts)

    monkeypatch.setattr(planes, "_phase", counted)
    x = np.random.default_rng(1).standard_normal(30_000).astype(np.float32)
    convcli.load({"weights": weights(5_001), "axes": "x", "dilation": 3}).apply(x)
    assert len(calls) <= 3 * 8 and set(calls) == {5_001}
    calls.clear()
    convcli.load({"weights": weights(5), "axes": "x", "dilation": 2_000, "stride": 2}).apply(x)
    assert set(calls) == {1}
