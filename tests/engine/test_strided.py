"""Strided kernels: every s-th sample of what scipy makes of all, whichever way they are computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage

import convcli
from convcli.engine import threads
from convcli.engine.channel import choice, planes
from convcli.engine.plan import FOURIER_AREA, Plan
from convcli.engine.processor import NARROW, WIDE

MODES = {"reflect": "mirror", "symmetric": "reflect", "replicate": "nearest", "wrap": "grid-wrap", "zero": "constant"}
CASES = [
    # taps, stride, shape
    ((5, 5), (2, 2), (211, 333, 3)),
    ((9, 9), (4, 4), (203, 1317)),
    ((2, 7), (1, 3), (100, 1301, 4)),
    ((16, 15), (5, 2), (301, 700)),
    ((31, 6), (2, 4), (90, 70)),
    ((3, 3), (7, 5), (260, 240)),
    ((9, 40), (1, 2), (40, 9000)),
]


@pytest.fixture(params=["products", "direct", "phases"])
def always(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """One way of computing it also where it doesn't pay."""

    def forced(taps: Any, stride: Any, dilation: Any, algorithm: str | None = None) -> Plan:
        few = request.param != "direct" or taps.size < FOURIER_AREA
        return Plan(algorithm=request.param if few else "phases", reason="forced", cost=1.0)

    monkeypatch.setattr(planes, "plan_strided", forced)


def expected(x: Any, weights: Any, stride: tuple[int, int], border: str) -> Any:
    """Float64; taps `floor((k - 1) / 2)` before the output are the picture's first ones."""
    shaped = weights.reshape(*weights.shape, *(1,) * (x.ndim - 2))
    origin = [-(1 - k % 2) for k in shaped.shape[:2]] + [0] * (x.ndim - 2)
    return ndimage.correlate(np.float64(x), shaped, mode=MODES[border], origin=origin)[:: stride[0], :: stride[1]]


@pytest.mark.parametrize("border", MODES)
@pytest.mark.parametrize(("taps", "stride", "shape"), CASES)
def test_every_so_manieth_sample(
    taps: tuple[int, int], stride: tuple[int, int], shape: tuple[int, ...], border: str, always: None
) -> None:
    rng = np.random.default_rng(4)
    weights = rng.standard_normal(taps)
    kernel = convcli.load({"weights": weights, "stride": list(stride), "border": border})
    x = rng.uniform(1, 200, shape)
    for dtype, bound in (("float32", 1e-5), ("float64", 1e-13), ("uint8", 1e-5)):
        supplied = x.astype(dtype)
        y = kernel.apply(supplied, dtype=np.float32 if dtype == "uint8" else None)
        wanted = expected(supplied, weights, stride, border)
        assert y.shape == wanted.shape
        assert np.abs(y - wanted).max() <= bound * np.abs(wanted).max(), dtype


@pytest.mark.parametrize("count", [1, 2, 5])
def test_as_many_threads_as_you_like(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(1).random((1203, 1801, 3), dtype=np.float32)
    kernel = convcli.load({"weights": np.random.default_rng(2).random((5, 5)), "stride": 2})
    before = kernel.apply(x)
    monkeypatch.setattr(threads, "_most", count)
    assert kernel.apply(x).tobytes() == before.tobytes()


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_reaches_no_further_than_the_kernel(odd: float) -> None:
    rng = np.random.default_rng(3)
    weights, x = rng.random((5, 7)) + 1, rng.random((301, 402)).astype(np.float32)
    x[0, 0] = x[150, 200] = x[300, 401] = odd
    y = convcli.load({"weights": weights, "stride": 2, "border": "zero"}).apply(x)
    marked = expected(~np.isfinite(x), weights, (2, 2), "zero") > 0
    assert np.array_equal(~np.isfinite(y), marked)


def test_samples_that_no_tap_reads_do_no_harm(always: None) -> None:
    x = np.random.default_rng(3).random((300, 400)).astype(np.float32)
    kernel = convcli.load({"weights": np.ones((3, 3)), "stride": 8, "padding": "valid"})
    clean = kernel.apply(x)
    x[5::8] = np.nan
    assert np.allclose(kernel.apply(x), clean, rtol=1e-6)


def test_valid_and_uneven_padding(always: None) -> None:
    rng = np.random.default_rng(6)
    weights, x = rng.standard_normal((6, 5)), rng.random((200, 333))
    padded = np.pad(x, ((3, 7), (9, 2)))
    full = ndimage.correlate(padded, weights, origin=(-3, -2), mode="constant")[:205, :340]
    y = convcli.load({"weights": weights, "stride": 3, "padding": [[3, 7], [9, 2]], "border": "zero"}).apply(x)
    assert np.abs(y - full[::3, ::3]).max() < 1e-12 * np.abs(full).max()


@pytest.mark.parametrize(
    ("taps", "stride", "narrow", "wide"),
    [
        (3, 2, "direct", "direct"), (5, 2, "direct", "products"), (9, 4, "products", "products"),
    ],
)  # fmt: skip
def test_what_is_fastest_depends_on_the_processor(
    taps: int, stride: int, narrow: str, wide: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind, expected in ((NARROW, narrow), (WIDE, wide)):
        monkeypatch.setattr(choice, "processor", lambda kind=kind: kind)
        choice._plan_strided.cache_clear()
        kernel = convcli.load({"weights": np.ones((taps, taps)) + 7 * np.eye(taps), "stride": stride})
        assert kernel.algorithm().name == expected
    choice._plan_strided.cache_clear()


def test_makes_only_the_wanted_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    """3 shifts of 2 phases of the 7 rows that two rows of outputs read: 42 products for 25 taps, where zeros count."""
    done = []
    matmul = np.matmul

    def counted(a: Any, b: Any, *, out: Any) -> Any:
        done.append(out.size * a.shape[-1])
        return matmul(a, b, out=out)

    monkeypatch.setattr(np, "matmul", counted)
    y = convcli.load({"weights": np.ones((5, 5)) + np.eye(5), "stride": 2}).apply(np.ones((1600, 2000), np.float32))
    assert y.shape == (800, 1000)
    assert sum(done) <= 1.01 * 42 * y.size
    assert len(done) <= 2 * 4
