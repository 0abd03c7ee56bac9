"""Filter banks by every algorithm: against float64 sums of scipy's correlations, and the work that they make."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

import convcli
from convcli.engine.bank import bank, columns, layouts, winograd
from convcli.engine.bank.plan import plan_bank
from convcli.engine.geometry import grid_of
from convcli.engine.processor import NARROW

#: Weights, spatial sizes, groups, stride, dilation, and the algorithm that they are for: of planes, and of pixels where
#: that is another one.
CASES: dict[str, tuple[tuple[int, ...], tuple[int, ...], int, int, int, str]] = {
    "colours": ((3, 3, 1, 1), (40, 50), 1, 1, 1, "pointwise"),
    "1x1": ((40, 33, 1, 1), (30, 41), 1, 1, 1, "pointwise"),
    "1x1 in groups, every third": ((8, 3, 1, 1), (30, 41), 2, 3, 1, "pointwise"),
    "1x1 in groups": ((40, 20, 1, 1), (90, 101), 2, 1, 1, "pointwise"),
    "1x1 of many channels": ((200, 150, 1, 1), (60, 64), 1, 1, 1, "pointwise"),
    "pictures": ((3, 3, 3, 3), (90, 1100), 1, 1, 1, "rows"),
    "edges": ((16, 3, 5, 4), (61, 47), 1, 1, 1, "rows"),
    "half size": ((16, 3, 3, 3), (61, 47), 1, 2, 1, "columns"),
    "half size, deep": ((40, 30, 3, 3), (61, 47), 1, 2, 1, "columns"),
    "dilated": ((6, 4, 3, 3), (61, 47), 2, 1, 3, "columns"),
    "strided and dilated": ((6, 4, 3, 3), (61, 47), 1, 2, 3, "columns"),
    "strided and dilated, deep": ((40, 44, 3, 3), (61, 47), 1, 2, 3, "columns"),
    "one to many": ((20, 1, 3, 3), (61, 47), 1, 1, 1, "columns"),
    "per channel": ((6, 1, 3, 3), (61, 47), 6, 1, 1, "planes multiply-adds"),
    "per channel, by threads": ((80, 1, 3, 3), (61, 197), 80, 1, 1, "planes"),
    "per channel, half size, by threads": ((80, 1, 3, 3), (101, 97), 80, 2, 1, "net multiply-adds"),
    "per channel, half size": ((64, 1, 3, 3), (61, 47), 64, 2, 1, "net multiply-adds"),
    "per channel, every third, dilated": ((24, 1, 4, 5), (361, 350), 24, 3, 2, "planes multiply-adds"),
    "per channel, dilated": ((12, 1, 3, 3), (61, 47), 12, 1, 4, "net multiply-adds"),
    "one channel, half size": ((1, 1, 1, 2), (11, 24), 1, 2, 3, "columns"),
    "two per channel": ((80, 1, 3, 3), (21, 27), 40, 1, 1, "multiply-adds"),
    "per channel, large maps": ((4, 1, 3, 3), (300, 470), 4, 1, 1, "planes"),
    "per channel, lines": ((40, 1, 9), (300,), 40, 2, 1, "multiply-adds"),
    "per channel, volumes": ((40, 1, 3, 2, 3), (9, 20, 31), 40, 1, 1, "multiply-adds"),
    "large kernels": ((8, 3, 13, 13), (70, 80), 1, 1, 1, "rows"),
    "rows, strided and dilated": ((32, 2, 5, 5), (91, 347), 2, 2, 3, "rows"),
    "rows, larger strides": ((32, 2, 7, 4), (91, 647), 1, 3, 2, "rows"),
    "rows of volumes, dilated": ((12, 4, 3, 2, 3), (9, 20, 131), 1, 1, 2, "rows"),
    "many to few": ((3, 64, 3, 3), (61, 47), 1, 1, 1, "shifts"),
    "many to one": ((1, 64, 5, 5), (61, 247), 1, 1, 1, "shifts"),
    "many to few, dilated, in groups": ((4, 32, 3, 2), (61, 47), 2, 1, 2, "shifts"),
    "many to few, lines": ((2, 64, 9), (3000,), 1, 1, 1, "shifts"),
    "many to few, volumes": ((2, 40, 3, 2, 3), (9, 20, 31), 1, 1, 1, "shifts"),
    "deep": ((129, 128, 3, 3), (70, 51), 1, 1, 1, "winograd"),
    "deep, smaller maps": ((65, 64, 3, 3), (70, 51), 1, 1, 1, "winograd"),
    "deep, far dilated": ((33, 64, 3, 3), (70, 260), 1, 1, 9, "winograd"),
    "deep, dilated": ((129, 128, 3, 3), (100, 81), 1, 1, 2, "winograd"),
    "deep and small": ((33, 32, 3, 3), (17, 21), 1, 1, 1, "columns"),
    "in groups of eight": ((64, 8, 3, 3), (28, 30), 8, 1, 1, "net columns"),
    "in groups of eight, half size, dilated": ((64, 8, 3, 2), (28, 30), 8, 2, 2, "columns"),
    "deep in groups": ((64, 32, 3, 3), (20, 21), 2, 1, 1, "columns"),
    "more weights than samples": ((401, 512, 3, 3), (13, 14), 1, 1, 1, "winograd"),
    "more weights than samples, smaller tiles": ((401, 512, 3, 3), (7, 10), 1, 1, 1, "winograd 2x2"),
    "more weights than samples, single taps": ((701, 512, 1, 1), (9, 10), 1, 1, 1, "pointwise"),
    "lines": ((7, 5, 9), (3000,), 1, 1, 1, "columns"),
    "volumes": ((6, 4, 3, 2, 3), (9, 20, 31), 2, 1, 1, "columns"),
    "volumes, every other": ((6, 4, 3, 3, 3), (9, 20, 31), 1, 2, 1, "rows"),
    "volumes, dilated": ((6, 4, 3, 3, 3), (9, 20, 31), 1, 1, 2, "rows"),
    "deep volumes": ((30, 32, 3, 2, 3), (5, 20, 31), 1, 1, 2, "columns"),
}


def truth(x: Any, weights: Any, groups: int, stride: int, dilation: int, filters: Any = None) -> Any:
    """`x` and the result are `(channels, *spatial)`; borders are zero, the kernel centred as `padding: same` has it.

    Of the result only some `filters` where they are numbered.
    """
    outputs, inputs, *taps = weights.shape
    spread = np.zeros((outputs, inputs, *((k - 1) * dilation + 1 for k in taps)))
    spread[(..., *(slice(None, None, dilation) for _ in taps))] = weights
    origin = [-(1 - k % 2) for k in spread.shape[2:]]
    numbers = range(outputs) if filters is None else filters
    y = np.zeros((len(numbers), *x.shape[1:]))
    for n, m in enumerate(numbers):
        first = m // (outputs // groups) * inputs
        for c in range(inputs):
            y[n] += ndimage.correlate(np.float64(x[first + c]), spread[m, c], mode="constant", origin=origin)
    return y[(..., *(slice(None, None, stride) for _ in taps))]


@pytest.mark.parametrize("name", CASES)
def test_against_sums_of_correlations(name: str) -> None:
    shape, spatial, groups, stride, dilation, algorithms = CASES[name]
    rng = np.random.default_rng(0)
    weights, x = rng.standard_normal(shape), rng.standard_normal((shape[1] * groups, *spatial))
    axes = "zyx"[3 - len(spatial) :]
    fields = {"groups": groups, "stride": stride, "dilation": dilation}
    kernel = convcli.load({"weights": weights, "axes": axes, "border": "zero", **fields})
    grid = grid_of(kernel.windows(spatial, axes))
    names = [plan_bank(bank.work_of(shape, groups, grid, planes=planes), NARROW).algorithm for planes in (True, False)]
    assert " ".join(dict.fromkeys(names)) == algorithms
    some = np.unique(np.r_[0, shape[0] - 1, rng.integers(0, shape[0], 12)])
    expected = truth(x, weights, groups, stride, dilation, some)
    pixels = np.ascontiguousarray(np.moveaxis(x, 0, -1))
    for dtype, bound in ((np.float32, 1e-5), (np.float64, 1e-13)):
        planes = kernel.apply(x.astype(dtype), "c" + axes)
        interleaved = kernel.apply(pixels.astype(dtype), axes + "c")
        for y in (planes, np.moveaxis(interleaved, -1, 0)):
            assert len(y) == shape[0]
            assert np.abs(y[some] - expected).max() <= bound * np.abs(expected).max()


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(64, 64, 13), (64, 96, 70), (4096, 9), (16, 16, 16, 9), (1, 1, 7), (31, 5, 33)])
def test_pixels_are_turned_to_planes_wherever_those_lie(shape: tuple[int, ...], dtype: type) -> None:
    x = np.random.default_rng(1).integers(0, 256, shape).astype(dtype)
    for pixels in (x, x[..., ::2], x[: len(x) // 2 + 1], x[:, ::-1]):
        assert np.array_equal(layouts.part(pixels), np.moveaxis(pixels, -1, 0))


@pytest.mark.parametrize("layout", ["cyx", "yxc"])
def test_columns_of_groups_stay_within_a_cache(layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    scratch = columns.scratch

    def seen(name: str, shape: Any, dtype: Any) -> Any:
        array = scratch(name, shape, dtype)
        sizes.extend([array.nbytes] * (name == "columns"))
        return array

    monkeypatch.setattr(columns, "scratch", seen)
    monkeypatch.setattr(columns, "COLUMN_BYTES", 1 << 20)
    kernel = convcli.load({"weights": np.ones((128, 4, 3, 3)), "groups": 32, "padding": 0})
    x = np.ones((128, 58, 58) if layout == "cyx" else (58, 58, 128), np.float32)
    assert (kernel.apply(x, layout) == 36).all()
    # All of them, in few products: each takes some of the groups.
    assert 9 * 128 * 56 * 56 * 4 <= sum(sizes) <= 9 * 128 * 58 * 58 * 4
    assert max(sizes) <= columns.COLUMN_BYTES and len(sizes) <= 2 + sum(sizes) // (columns.COLUMN_BYTES // 2)


def test_integers_through_a_bank() -> None:
    rng = np.random.default_rng(1)
    x, weights = rng.integers(0, 256, (3, 120, 130), np.uint8), rng.standard_normal((3, 3, 3, 3)) / 9
    expected = np.clip(np.rint(truth(x, weights, 1, 1, 1)), 0, 255)
    kernel = convcli.load({"weights": weights, "border": "zero"})
    y = kernel.apply(np.ascontiguousarray(np.moveaxis(x, 0, -1)))
    assert np.abs(np.moveaxis(np.float64(y), -1, 0) - expected).max() <= 1


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_winograd_leaves_what_it_would_spread_to_columns(value: float) -> None:
    """A sample that is no number, or far above the others, changes nothing that the kernel does not reach."""
    rng = np.random.default_rng(2)
    x, kernel = rng.random((64, 60, 70), np.float32), convcli.load({"weights": rng.random((64, 64, 3, 3))})
    before = kernel.apply(x, "cyx")
    x[5, 30, 40] = value
    y = kernel.apply(x, "cyx")
    seen = np.zeros(y.shape, bool)
    seen[:, 29:32, 39:42] = True
    assert np.abs(y - before)[~seen].max() <= 1e-5 * before.max()
    if np.isfinite(value):
        assert (y[seen] > 1e27).all()
    else:
        assert not np.isfinite(y[seen]).any()


@pytest.mark.parametrize("step", winograd.POINTS)
def test_winograds_transforms_are_a_convolution(step: int) -> None:
    backward, filters, samples = winograd.transforms(step)
    rng = np.random.default_rng(3)
    x, w = rng.standard_normal(step + 2), rng.standard_normal(3)
    assert np.allclose(backward @ ((filters @ w) * (samples @ x)), np.correlate(x, w, "valid"), rtol=0, atol=1e-14)


def test_the_multiplications_of_winograd(monkeypatch: pytest.MonkeyPatch) -> None:
    """36 products of channels for 16 outputs, and one transform each way per tile: counted in multiply-adds."""
    done: Counter[str] = Counter()
    matmul = np.matmul

    def counted(a: Any, b: Any, *, out: Any) -> Any:
        done["calls"] += 1
        done["channels" if a.ndim == 3 else "transforms"] += out.size * a.shape[-1]
        return matmul(a, b, out=out)

    x, weights = np.ones((64, 160, 160), np.float32), np.ones((48, 64, 3, 3))
    kernel = convcli.load({"weights": weights})
    kernel.apply(x, "cyx")
    monkeypatch.setattr(np, "matmul", counted)
    kernel.apply(x, "cyx")
    tiles = (160 // 4) ** 2
    assert done["channels"] == 36 * tiles * 64 * 48
    assert done["transforms"] == 36 * tiles * (36 * 64 + 16 * 48)
    # Each call takes as many tiles as the cache holds: here an eighth of them.
    assert done["calls"] == 3 * 8


def test_the_transform_of_a_bank_is_made_once_for_many_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    output: Counter[str] = Counter()
    transformed = winograd.transformed

    def counted(weights: Any, step: int) -> Any:
        output["spectra"] += 1
        return transformed(weights, step)

    monkeypatch.setattr("convcli.engine.bank.bank.winograd.transformed", counted)
    kernel = convcli.load({"weights": np.ones((96, 96, 3, 3))})
    for size in (40, 50, 40):
        kernel.apply(np.ones((96, size, size), np.float32), "cyx")
    assert output["spectra"] == 1
