"""Floats that become integers at the ends of what these hold: against Python's own integers, which have no end."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import convcli
from convcli.engine.sink import Sink
from convcli.filtering import Chain, Treatment, filter_pixels

INTEGERS = ["bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"]


def ends(dtype: str) -> tuple[int, int]:
    return (0, 1) if dtype == "bool" else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))


def around(dtype: str, floats: str) -> Any:
    """Values at the limits of `dtype`, the floats next to them, halves, huge ones, and those in between."""
    kind = np.dtype(floats).type
    with np.errstate(over="ignore"):
        middles = [kind(end + step) for end in ends(dtype) for step in (-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5)]
    middles += [kind(value) for value in (0, 0.5, 1.5, -0.5, 2**24 + 1, 2**53, 1e18, -1e18, 1e30, -1e30)]
    beside = [np.nextafter(value, kind(route)) for value in middles for route in (-np.inf, np.inf)]
    return np.array([*middles, *beside, *np.random.default_rng(0).normal(0, 1e5, 40)], floats)


def rounded(value: float, dtype: str) -> int:
    low, high = ends(dtype)
    return int(min(max(value, low), high)) if math.isinf(value) else min(max(round(value), low), high)


@pytest.mark.parametrize("shape", [(1, -1, 1), (-1, 1), (2, -1, 2)])
@pytest.mark.parametrize("floats", ["float32", "float64"])
@pytest.mark.parametrize("dtype", INTEGERS)
def test_nothing_wraps_at_the_limits(dtype: str, floats: str, shape: tuple[int, ...]) -> None:
    values = around(dtype, floats)
    values = values[: len(values) // 4 * 4]
    out = np.empty(values.reshape(shape).shape, dtype)
    sink = Sink(out)
    sink.store(values.copy().reshape(shape), 0)
    assert [int(one) for one in out.ravel()] == [rounded(float(value), dtype) for value in values]
    low, high = ends(dtype)
    exact = [Fraction(float(value)) for value in values]
    below = sum(value < low - Fraction(1, 2) for value in exact)
    above = sum(value > high + Fraction(1, 2) for value in exact)
    assert (sink.tally.below, sink.tally.above) == (below, above)


@pytest.mark.parametrize("floats", ["float32", "float64"])
@pytest.mark.parametrize("dtype", INTEGERS[1:])
def test_few_samples_are_all_written(dtype: str, floats: str) -> None:
    """OpenCV takes arrays of one or four doubles for scalars, and leaves a result of another shape unwritten."""
    for shape in ((height, width, 1) for height in range(1, 6) for width in range(1, 6)):
        values = np.random.default_rng(0).uniform(0, 100, shape).astype(floats)
        out = np.full(shape, 101, dtype)
        Sink(out).store(values.copy(), 0)
        assert np.array_equal(out, np.rint(values)), shape


def test_a_single_pixel_of_16_bits_with_alpha_in_linear_light() -> None:
    pixels = np.full((3, 3, 4), 40000, np.uint16)
    pixels[..., 3] = 30000
    chain = Chain([convcli.load("identity"), convcli.load("box:stride=3")])
    assert np.array_equal(filter_pixels(pixels, chain, Treatment(linear=True)).array, pixels[:1, :1])


@pytest.mark.parametrize("dtype", ["int32", "uint32", "int64", "uint64"])
@pytest.mark.parametrize("floats", ["float32", "float64"])
def test_what_is_not_finite_beside_what_is_too_large(dtype: str, floats: str) -> None:
    low, high = ends(dtype)
    out = np.empty((1, 4), dtype)
    sink = Sink(out)
    sink.store(np.array([[np.nan, np.inf, -np.inf, high]], floats), 0)
    assert out.tolist() == [[0, high, low, high]]
    assert sink.tally.nonfinite == 3


@pytest.mark.parametrize("weight", [1, 2, -1, -3, 1e9, -1e9, 1e18])
@pytest.mark.parametrize("source", INTEGERS)
@pytest.mark.parametrize("target", INTEGERS)
def test_results_end_at_the_limits(source: str, target: str, weight: float) -> None:
    """Exactly there, from every dtype to every other: also those that are computed in float32."""
    low, high = ends(source)
    x = np.array([[low, 0, 1, high]]).astype(source) if source != "uint64" else np.array([[0, 0, 1, high]], source)
    result = convcli.apply(x, {"weights": [[weight]]}, dtype=target)
    work = np.float32 if np.dtype(source).itemsize <= 2 else np.float64
    exact = x.astype(work) * work(weight)
    assert [int(one) for one in result.ravel()] == [rounded(float(value), target) for value in exact.ravel()]
    remaining = filter_pixels(x[..., None], Chain([convcli.load({"weights": [[weight]]})]), axes="yx")
    assert np.array_equal(remaining.array[..., 0], convcli.apply(x, {"weights": [[weight]]}))
