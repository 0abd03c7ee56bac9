"""Enlargements by OpenCV's `resize`: what the definition says up to the edge, wherever they are cut, for any dtype."""

from __future__ import annotations

import itertools
from typing import Any

import cv2
import numpy as np
import pytest

import convcli
from convcli.engine.channel import resized, stamped
from convcli.filtering.chain import Chain
from convcli.filtering.steps import filter_pixels
from tests import reference

SHAPES = [(1, 1), (2, 3), (7, 8, 2), (17, 33), (9, 30, 5), (31, 17, 3)]
STAMPS: dict[str, Any] = {"nearest": {"nearest": {}}, "bilinear": {"bilinear": {}}, "cubic": {"cubic": {"a": -0.75}}}


def picture(shape: tuple[int, ...], dtype: str) -> Any:
    rng = np.random.default_rng(3)
    if dtype.startswith("float"):
        return rng.standard_normal(shape).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype, endpoint=True)


def defined(kernel: Any, x: Any) -> Any:
    """By the definition, in float64, rounded where `x` holds integers."""
    planes = np.moveaxis(x.reshape(*x.shape[:2], -1), -1, 0)
    weights = kernel.parts()["stamp"]
    windows = kernel.windows(x.shape[:2], "yx")
    spans = [(n - 1) * w.stride + k - w.length for n, w, k in zip(x.shape, windows, weights.shape, strict=False)]
    cut = [(w.before, span - w.before) for w, span in zip(windows, spans, strict=True)]
    y = [
        reference.transposed(
            plane[None], weights[None, None], stride=kernel.stride, dilation=kernel.dilation, padding=cut,
            output_padding=[0, 0], border=kernel.border,
        )[0]
        for plane in planes
    ]  # fmt: skip
    y = np.stack(y, axis=-1).reshape(*y[0].shape, *x.shape[2:])
    return y if x.dtype.kind == "f" else np.clip(np.rint(y), np.iinfo(x.dtype).min, np.iinfo(x.dtype).max)


@pytest.mark.parametrize("border", ["reflect", "symmetric", "replicate", "zero", "wrap"])
@pytest.mark.parametrize(("stamp", "stride"), [*itertools.product(STAMPS, [2, 3, [2, 4]])])
def test_outputs_are_those_of_the_definition(
    stamp: str, stride: Any, border: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As calls, of pixels and of planes, and in bands of few rows: the same bits."""
    for shape, dtype in itertools.product(SHAPES, ["uint8", "int16", "uint16", "float32", "float64"]):
        kernel = convcli.load({"type": "transposed", "weights": STAMPS[stamp], "stride": stride, "border": border})
        x = picture(shape, dtype)
        y, exact = kernel.apply(x), defined(kernel, x)
        assert y.dtype == x.dtype
        bound = {"float32": 1e-5, "float64": 1e-12}.get(dtype, 1)
        assert np.abs(y - exact).max() <= bound
        if x.ndim == 3:
            planes = kernel.apply(np.ascontiguousarray(np.moveaxis(x, -1, 0)), "cyx")
            assert np.abs(np.moveaxis(planes, 0, -1) - exact).max() <= bound
        with monkeypatch.context() as patch:
            patch.setattr("convcli.engine.plan.CALL_LIMIT", 0)
            patch.setattr("convcli.engine.threads.library_threads", lambda: 1)
            patch.setattr(resized, "BAND_BYTES", 64)
            assert np.array_equal(kernel.replace().apply(x), y)
            # As larger pictures: edges are made again.
            patch.setattr(resized, "COPIED", 1e9)
            wide = kernel.replace().apply(x)
            assert np.abs(wide - exact).max() <= bound
            patch.undo()
            patch.setattr(resized, "COPIED", 1e9)
            assert np.array_equal(kernel.replace().apply(x), wide)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int8", "float32"])
def test_nearest_moves_samples(dtype: str) -> None:
    """Every bit of them, those of a NaN included."""
    x = picture((30, 41, 3), dtype)
    if dtype == "float32":
        x.reshape(-1).view(np.uint32)[:8] = 0x7FC00123
    y = convcli.load("upsample-nearest-2x").apply(x)
    assert y.tobytes() == x.repeat(2, axis=0).repeat(2, axis=1).tobytes()


@pytest.mark.parametrize("strides", [(1, 49), (49, 7), (103, 2), (98, 107)])
def test_nearest_by_strides_whose_reciprocal_is_rounded_down(strides: tuple[int, int]) -> None:
    """`resize` counts places by it, and shows the sample before: 49 / 49 is less than 1 then."""
    x = picture((5, 7), "uint8")
    kernel = convcli.load({"type": "transposed", "weights": np.ones(strides), "stride": list(strides)})
    assert np.array_equal(kernel.apply(x), x.repeat(strides[0], axis=0).repeat(strides[1], axis=1))


@pytest.mark.parametrize(("stamp", "method"), [("bilinear", cv2.INTER_LINEAR), ("cubic", cv2.INTER_CUBIC)])
def test_one_call_where_the_picture_is_clamped(stamp: str, method: int, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = convcli.load({"type": "transposed", "weights": STAMPS[stamp], "stride": 2, "border": "replicate"})
    x, calls = picture((40, 60), "float32"), []
    expected = cv2.resize(x, (120, 80), interpolation=method)
    resize = cv2.resize
    monkeypatch.setattr(cv2, "resize", lambda *args, **named: (calls.append(named), resize(*args, **named))[1])
    assert np.array_equal(kernel.apply(x), expected)
    assert len(calls) == 1


def test_other_stamps_are_not_resized() -> None:
    """The cubic rule of another slope, stamps that lie elsewhere, and numbers a little off."""
    x = picture((20, 21), "float32")
    for fields in (
        {"weights": {"cubic": {"a": -0.5}}}, {"weights": {"bilinear": {}}, "padding": 0},
        {"weights": np.ones((2, 2)) * 1.001}, {"weights": np.ones((2, 2)), "padding": [1, 0]},
    ):  # fmt: skip
        kernel = convcli.load({"type": "transposed", "stride": 2} | fields)
        assert np.abs(kernel.apply(x) - defined(kernel, x)).max() <= 1e-5


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
def test_stamps_that_lie_side_by_side(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As calls and in bands; a NaN reaches its own stamp."""
    for shape, (down, across) in itertools.product([(1, 1), (30, 21), (17, 9, 3)], [(2, 2), (3, 2), (1, 4)]):
        weights = np.random.default_rng(1).standard_normal((down, across)) / 4
        kernel = convcli.load({"type": "transposed", "weights": weights, "stride": [down, across], "padding": 0})
        x = picture(shape, dtype)
        bound = {"float32": 1e-6, "float64": 1e-14}.get(dtype, 1)
        y = kernel.apply(x)
        assert np.abs(y - defined(kernel, x)).max() <= bound
        with monkeypatch.context() as patch:
            patch.setattr("convcli.engine.plan.CALL_LIMIT", 0)
            patch.setattr("convcli.engine.threads.library_threads", lambda: 1)
            assert np.abs(kernel.replace().apply(x).astype(float) - y).max() <= bound
        if x.dtype.kind == "f":
            x[0, 0] = np.nan
            assert np.isnan(kernel.apply(x)).sum() == down * across * x[0, 0].size


@pytest.mark.parametrize("border", ["reflect", "symmetric", "replicate", "zero", "wrap", 2])
@pytest.mark.parametrize(
    ("taps", "stride"), [((4, 4), 2), ((3, 3), 2), ((8, 8), 4), ((5, 2), [1, 2]), ((3, 7), [3, 2])]
)
def test_phases_are_filters_around_samples(
    taps: tuple[int, int], stride: Any, border: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a call and in bands of few rows: the same bits; a NaN reaches its own stamp."""
    weights = np.random.default_rng(1).standard_normal(taps) / 4
    kernel = convcli.load({"type": "transposed", "weights": weights, "stride": stride, "border": border})
    for shape, dtype in itertools.product([(1, 1), (1, 9), (30, 21), (17, 9, 3)], ["uint8", "float32", "float64"]):
        x = picture(shape, dtype)
        exact, bound = defined(kernel, x), {"float32": 1e-5, "float64": 1e-13}.get(dtype, 1)
        y = kernel.apply(x)
        assert np.abs(y - exact).max() <= bound
        with monkeypatch.context() as patch:
            patch.setattr("convcli.engine.plan.CALL_LIMIT", 0)
            patch.setattr(stamped, "BAND_BYTES", 64)
            assert np.array_equal(kernel.replace().apply(x), y)
        if dtype == "float32" and min(shape[:2]) > 4 and border != "wrap":
            x[8, 4] = np.nan
            assert np.isnan(kernel.apply(x)).sum() == weights.size * x[8, 4].size


@pytest.mark.parametrize("name", ["gaussian", "upsample-cubic-2x", "emboss"])
@pytest.mark.parametrize("channels", [1, 4, 5, 9])
def test_pictures_of_many_channels_are_rounded(name: str, channels: int) -> None:
    """OpenCV adds no number to pixels of more than four."""
    x, kernel = picture((12, 15, channels), "uint16"), convcli.load(name)
    apart = [kernel.apply(np.ascontiguousarray(x[..., c])) for c in range(channels)]
    assert np.abs(kernel.apply(x).astype(float) - np.stack(apart, axis=-1)).max() <= 1


@pytest.mark.parametrize("shape", [(40, 300, 3), (700, 900)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_integers_are_resized_as_such(dtype: str, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """To what rounding floats makes of them, cut off and counted; bytes by linear shares as floats."""
    seen, resize = [], cv2.resize
    monkeypatch.setattr(cv2, "resize", lambda x, *a, **k: seen.append(str(x.dtype)) or resize(x, *a, **k))
    x = np.random.default_rng(3).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    x[:10], x[10:20] = 0, np.iinfo(dtype).max
    for name in ("bilinear", "cubic"):
        kernel = convcli.load(f"upsample-{name}-2x")
        floats = kernel.apply(x, dtype="float32")
        seen.clear()
        y = kernel.apply(x)
        assert set(seen) == {"float32" if (name, dtype) == ("bilinear", "uint8") else dtype}
        # Where a column lies decides on the last bit of cubic sums.
        off = 0 if name == "bilinear" else np.spacing(np.float32(4 * np.iinfo(dtype).max))
        assert np.abs(y - np.clip(floats, 0, np.iinfo(dtype).max)).max() <= 0.5 + off
        counted = filter_pixels(x.reshape(*shape[:2], -1), Chain([kernel]))
        assert np.abs(counted.array.reshape(y.shape).astype(int) - y).max() <= (name == "cubic")
        assert (counted.below, counted.above) == ((floats < -0.5).sum(), (floats > np.iinfo(dtype).max + 0.5).sum())
