"""Means by equal taps, mirrored ones and whole numbers: running sums and calls that round to the nearest."""

from __future__ import annotations

import itertools
from typing import Any

import cv2
import numpy as np
import pytest

import convcli
from convcli.engine.channel import whole
from convcli.filtering.chain import Chain
from convcli.filtering.steps import filter_pixels
from tests.engine.test_calls import RNG, filtered, picture


@pytest.mark.parametrize(("size", "dtype"), [(31, "float32"), (31, "uint16"), (9, "uint16"), (9, "uint8")])
def test_equal_taps_are_running_sums(size: int, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One call for any number of taps: whole numbers come out exactly."""
    kernel = convcli.load({"weights": np.ones((size, size)), "border": "zero"})
    x = picture((200, 190), "uint8").astype(dtype)
    calls: list[Any] = []
    box = cv2.boxFilter
    monkeypatch.setattr(cv2, "boxFilter", lambda *arguments, **options: calls.append(1) or box(*arguments, **options))
    y = kernel.apply(x, dtype="float64")
    assert len(calls) == 1 and np.array_equal(y, filtered(kernel, x))


@pytest.mark.parametrize(
    ("dtype", "most"), [*((np.dtype(kind), most) for kind, most in whole.BLURRED.items())], ids=str
)
def test_blur_rounds_every_sum_to_the_nearest(dtype: Any, most: int) -> None:
    """Of the sums of each number of taps those next to a half, whose means are the first to be rounded wrong."""
    for high, wide in ((1, 3), (3, 1), (3, 3), (3, 5), (5, 5), (1, 49), (9, 9), (81, 1), (15, 15), (1, 225), (63, 65)):
        area = high * wide
        if area > most:
            continue
        integers = np.arange(np.iinfo(dtype).max)[:, None]
        sums = (integers * area + [area // 2, area // 2 + 1]).reshape(-1)
        quotient, rest = np.divmod(sums, area)
        windows = quotient[:, None] + (np.arange(area) < rest[:, None])
        x = windows.reshape(-1, high, wide).transpose(1, 0, 2).reshape(high, -1).astype(dtype)
        middle = slice(wide // 2, None, wide)
        assert np.array_equal(cv2.blur(x, (wide, high))[high // 2, middle], np.rint(sums / area))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_means_of_integers_are_made_as_such(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By one call, or in bands; not where means may lie halfway, or floats are asked for."""
    blurred, blur = [], cv2.blur
    monkeypatch.setattr(cv2, "blur", lambda *args, **named: (blurred.append(named), blur(*args, **named))[1])
    for shape in [(40, 51), (33, 47, 3), (1200, 1100)]:
        x = picture(shape, dtype)
        for size in (3, [5, 9], 4):
            kernel = convcli.load({"weights": {"box": {"size": size}}})
            exact, before = filtered(kernel, x), len(blurred)
            assert np.array_equal(kernel.apply(x), np.rint(exact).astype(dtype))
            assert (len(blurred) > before) == (size != 4)
            assert np.abs(kernel.apply(x, dtype="float32") - exact).max() <= 1e-5 * np.iinfo(dtype).max


@pytest.mark.parametrize("channels", [1, 3])
def test_bytes_by_few_whole_numbers_take_one_call(channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = convcli.load("sharpen")
    x = RNG.integers(0, 256, (61, 47, channels), dtype=np.uint8)
    dtypes: list[Any] = []
    filter2d = cv2.filter2D
    monkeypatch.setattr(
        cv2, "filter2D", lambda picture, *a, **k: dtypes.append(picture.dtype) or filter2d(picture, *a, **k)
    )
    counted = filter_pixels(x, Chain([kernel]))
    uncounted = filter_pixels(x, Chain([kernel]), counted=False)
    assert dtypes == ["float32", "uint8"]  # only of floats can be told what was cut off
    assert counted.below > 0 < counted.above
    assert uncounted.below == uncounted.above == 0
    np.testing.assert_array_equal(uncounted.array, counted.array)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("taps", [3, 5, 9, 15, 21])
def test_means_by_mirrored_taps_take_bytes_to_bytes(taps: int, channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By `sepFilter2D`, in one call or in bands, as the nearest to the exact sums: halves of binomial ones to even."""
    seen, separated = [], cv2.sepFilter2D
    monkeypatch.setattr(
        cv2, "sepFilter2D", lambda picture, *a, **k: seen.append(picture.dtype) or separated(picture, *a, **k)
    )
    binomial = np.poly1d([1, 1]) ** (taps - 1)
    for row, shape in itertools.product((np.hanning(taps + 2)[1:-1], binomial.coeffs), [(61, 47), (1100, 940)]):
        kernel = convcli.load({"type": "separable", "taps": (row / row.sum()).tolist()})
        x = RNG.integers(0, 256, (*shape, channels), dtype=np.uint8)
        y, exact = kernel.apply(x), filtered(kernel, x)
        assert np.abs(y - exact).max() <= 0.5 + 1e-4
        if row is binomial.coeffs and taps <= 5:
            assert (exact % 1 == 0.5).any() and np.array_equal(y, np.rint(exact))
        assert set(seen) == {np.dtype(np.uint8)}
        counted = filter_pixels(x, Chain([kernel]))
        assert np.array_equal(counted.array, y) and counted.below == counted.above == 0


@pytest.mark.parametrize(("taps", "most"), [(9, 0.5), (31, 0.52)])
def test_boxes_of_16_bits_are_the_nearest(taps: int, most: float) -> None:
    """Of many taps, whose sums float32 does not hold, up to its rounding: nearly white, it is the coarsest."""
    x = np.iinfo(np.uint16).max - RNG.integers(0, 5, (140, 150), dtype=np.uint16)
    kernel = convcli.load({"weights": np.full((taps, taps), 1 / taps**2)})
    assert np.abs(kernel.apply(x) - kernel.apply(x.astype(np.float64))).max() <= most
