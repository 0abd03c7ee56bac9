"""Channels, alpha, background and linear light, against the formulas they are defined by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import convcli
from convcli.errors import ShapeError, UsageError
from convcli.filtering import colour
from convcli.filtering.chain import Chain
from convcli.filtering.steps import filter_pixels
from convcli.filtering.treatment import PLAIN, Treatment, parse_channels
from tests.support import run

Pixels = np.ndarray[Any, Any]
BLUR = [convcli.load("[[1, 2, 1], [2, 4, 2], [1, 2, 1]]").replace(divisor=16.0)]
SAME = [convcli.load("[[0, 0, 0], [0, 1, 0], [0, 0, 0]]")]


def picture(channels: int, dtype: Any = np.uint8) -> Pixels:
    random = np.random.default_rng(channels).random((24, 30, channels))
    top = 1 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    return (random * top).astype(dtype)


def srgb_to_light(v: float) -> float:
    """IEC 61966-2-1, one value at a time."""
    return v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4


def light_to_srgb(v: float) -> float:
    return 12.92 * v if v <= 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055


def blurred(values: Pixels) -> Pixels:
    return np.asarray(cv2.sepFilter2D(values, -1, np.array([0.25, 0.5, 0.25]), np.array([0.25, 0.5, 0.25])))


def test_transfer_function_is_the_standards() -> None:
    values = np.linspace(0, 1, 4097)
    assert colour.decoded(values) == pytest.approx([srgb_to_light(v) for v in values], abs=1e-15)
    assert colour.encoded(values) == pytest.approx([light_to_srgb(v) for v in values], abs=1e-15)
    assert colour.encoded(np.array([-0.5, 4.0])) == pytest.approx([-light_to_srgb(0.5), light_to_srgb(4.0)])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_value_survives_linear_light(dtype: Any) -> None:
    top = np.iinfo(dtype).max
    ramp = np.arange(top + 1, dtype=dtype).reshape(-1, 64, 1)
    result = filter_pixels(ramp, Chain(SAME, "clip"), Treatment(linear=True))
    assert np.array_equal(result.array, ramp) and result.below == result.above == 0


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_linear_light_by_the_formula(dtype: Any) -> None:
    pixels, top = picture(3, dtype), np.iinfo(dtype).max
    light = np.vectorize(srgb_to_light)(pixels / top)
    expected = np.vectorize(light_to_srgb)(blurred(light)) * top
    result = filter_pixels(pixels, Chain(BLUR, "clip"), Treatment(linear=True)).array
    assert np.abs(result - expected).max() < 0.51
    assert np.abs(result.astype(float) - filter_pixels(pixels, Chain(BLUR)).array).max() > top / 50


def test_black_and_white_mix_to_the_middle_of_light() -> None:
    stripes = np.zeros((8, 8, 1), np.uint8)
    stripes[:, ::2] = 255
    kernel = [convcli.load("{axes: x, weights: [1, 2, 1], divisor: sum}")]
    assert set(filter_pixels(stripes, Chain(kernel, "clip"), Treatment(linear=True)).array.ravel()) == {188}
    assert set(filter_pixels(stripes, Chain(kernel, "clip"), PLAIN).array.ravel()) == {128}


def test_floats_are_linear_already() -> None:
    pixels = picture(3, np.float32)
    linear = filter_pixels(pixels, Chain(BLUR, "clip"), Treatment(linear=True)).array
    assert np.array_equal(linear, filter_pixels(pixels, Chain(BLUR)).array)


def test_luma_leaves_chroma() -> None:
    pixels = picture(3)
    values = pixels.astype(np.float64)
    y = values @ [0.299, 0.587, 0.114]
    expected = values + (blurred(y) - y)[..., None]
    result = filter_pixels(pixels, Chain(BLUR, "clip"), Treatment(channels=("luma",)))
    assert np.abs(result.array - np.clip(expected, 0, 255)).max() < 0.51
    assert result.stages[0].channels_in == 1
    grey = picture(1)
    assert np.array_equal(
        filter_pixels(grey, Chain(BLUR, "clip"), Treatment(channels=("luma",))).array,
        filter_pixels(grey, Chain(BLUR)).array,
    )


@pytest.mark.parametrize("names", ["r", "g", "b", "r,b", "b,r", "R, g,b"])
def test_named_channels_alone(names: str) -> None:
    pixels = picture(3)
    result = filter_pixels(pixels, Chain(BLUR, "clip"), Treatment(channels=parse_channels(names))).array
    everything = filter_pixels(pixels, Chain(BLUR)).array
    for place, name in enumerate("rgb"):
        expected = everything if name in names.lower() else pixels
        assert np.array_equal(result[..., place], expected[..., place])


@pytest.mark.parametrize("alpha", ["transparent", "opaque"])
@pytest.mark.parametrize("names", ["r,b", "g,b", "b,g,r", "r,g,alpha", "b,alpha"])
def test_named_channels_beside_alpha(names: str, alpha: str) -> None:
    pixels = picture(4)
    if alpha == "opaque":
        pixels[..., 3] = 255
    result = filter_pixels(pixels, Chain(BLUR, "clip"), Treatment(channels=parse_channels(names))).array
    everything = filter_pixels(pixels, Chain(BLUR)).array
    for place, name in enumerate(("r", "g", "b", "alpha")):
        expected = everything if name in names.split(",") else pixels
        assert np.array_equal(result[..., place], expected[..., place])


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_filtered_kept_dropped(channels: int) -> None:
    pixels = picture(channels)
    plain = filter_pixels(pixels, Chain(BLUR)).array
    assert np.array_equal(filter_pixels(pixels, Chain(BLUR, "clip"), PLAIN).array, plain)
    remaining = filter_pixels(pixels, Chain(BLUR, "clip"), Treatment(alpha="keep")).array
    assert np.array_equal(remaining[..., -1], pixels[..., -1])
    assert np.array_equal(remaining[..., :-1], plain[..., :-1])
    dropped = filter_pixels(pixels, Chain(BLUR, "clip"), Treatment(alpha="drop")).array
    assert np.array_equal(dropped, filter_pixels(pixels[..., :-1], Chain(BLUR)).array)
    alone = filter_pixels(pixels, Chain(BLUR, "clip"), Treatment(channels=("alpha",))).array
    assert np.array_equal(alone[..., :-1], pixels[..., :-1])
    assert np.array_equal(alone[..., -1], plain[..., -1])
    opaque = pixels.copy()
    opaque[..., -1] = 255
    remaining = filter_pixels(opaque, Chain(BLUR, "clip"), Treatment(alpha="keep")).array
    assert np.array_equal(remaining, filter_pixels(opaque, Chain(BLUR)).array)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("linear", [False, True])
def test_background(dtype: Any, linear: bool) -> None:
    pixels = picture(4, dtype)
    top = 1.0 if np.dtype(dtype).kind == "f" else float(np.iinfo(dtype).max)
    colours, share = pixels[..., :3] / top, pixels[..., 3:] / top
    under = np.array([1.0, 0.5, 0.0])
    light = linear and np.dtype(dtype).kind != "f"
    if light:
        colours, under = np.vectorize(srgb_to_light)(colours), np.vectorize(srgb_to_light)(under)
    expected = blurred((colours * share + under * (1 - share)).astype(np.float64))
    expected = np.vectorize(light_to_srgb)(expected) if light else expected
    result = filter_pixels(pixels, Chain(BLUR, "clip"), Treatment(background=(1.0, 0.5, 0.0), linear=linear)).array
    assert result.shape == (24, 30, 3) and result.dtype == dtype
    assert np.abs(result - expected * top).max() < (1e-5 if top == 1 else 0.51)


def test_background_of_grey() -> None:
    pixels = picture(2)
    assert filter_pixels(pixels, Chain(BLUR, "clip"), Treatment(background=(1, 1, 1))).array.shape[-1] == 1
    assert filter_pixels(pixels, Chain(BLUR, "clip"), Treatment(background=(1, 0, 0))).array.shape[-1] == 3
    without = picture(3)
    treated = filter_pixels(without, Chain(BLUR, "clip"), Treatment(background=(1, 0, 0))).array
    assert np.array_equal(treated, filter_pixels(without, Chain(BLUR)).array)


def test_colours_as_people_write_them() -> None:
    assert colour.parse("Orange") == colour.parse("#ffa500") == colour.parse("255,165,0")
    for wrong, hint in (("whit", "did you mean 'white'?"), ("256,0,0", "a colour is"), ("#12345", "a colour is")):
        with pytest.raises(UsageError, match="is no colour") as caught:
            colour.parse(wrong)
        assert caught.value.hint.startswith(hint)


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"channels": ("lumma",)}, "no channel is called 'lumma'"),
        ({"channels": ("luma", "r")}, "all and luma stand alone"),
        ({"channels": ("luma",), "linear": True}, "not of linear light"),
        ({"channels": ("alpha",), "alpha": "keep"}, "--channels alpha filters alpha, --alpha keep does not"),
        (
            {"background": (1.0, 1.0, 1.0), "alpha": "drop"},
            "--background uses alpha up, --alpha drop does something else",
        ),
    ],
)
def test_treatments_that_make_no_sense(fields: dict[str, Any], part: str) -> None:
    with pytest.raises(UsageError, match=part):
        Treatment(**fields)


def test_what_does_not_fit_is_said() -> None:
    half = [convcli.load("{weights: [[1]], stride: 2}")]
    for treatment in (Treatment(channels=("luma",)), Treatment(channels=("r",))):
        with pytest.raises(ShapeError, match="the kernel makes 15x12 pixels of 30x24, some channels"):
            filter_pixels(picture(3), Chain(half, "clip"), treatment)
    with pytest.raises(ShapeError, match="15x12"):
        filter_pixels(picture(4), Chain(half, "clip"), Treatment(alpha="keep"))
    with pytest.raises(ShapeError, match="a grey picture has no channel 'r'"):
        filter_pixels(picture(1), Chain(BLUR, "clip"), Treatment(channels=("r",)))
    with pytest.raises(ShapeError, match="an RGB picture has no channel 'alpha'"):
        filter_pixels(picture(3), Chain(BLUR, "clip"), Treatment(channels=("alpha",)))
    mix = [convcli.load({"weights": np.ones((1, 3, 1, 1)) / 3})]
    with pytest.raises(ShapeError, match="the kernel makes 1 channels of 3"):
        filter_pixels(picture(3), Chain(mix, "clip"), Treatment(channels=("r", "g", "b")))
    assert filter_pixels(picture(1), Chain(mix, "clip"), Treatment(linear=True)).array.shape == (24, 30, 1)


@pytest.mark.parametrize("options, shape, words", [
    (["--linear"], (24, 30, 3), "3 bands have no linear light"),
    (["--channels", "luma"], (24, 30, 3), "3 bands have no channel 'luma'"),
    (["--channels", "g,b"], (24, 30, 4), "4 bands have no channel 'g'"),
    (["--channels", "alpha"], (24, 30), "a grey picture has no channel 'alpha'"),
    (["--alpha", "keep"], (24, 30, 4), "the 4 channels of an array are bands, none of which is alpha"),
    (["--background", "white"], (24, 30, 2), "the 2 channels of an array are bands, none of which is alpha"),
    (["--linear"], (24, 30), ""),
])  # fmt: skip
def test_arrays_are_treated_as_bands_or_grey(
    options: list[str], shape: tuple[int, ...], words: str, tmp_path: Path
) -> None:
    """What an option asks for is done to an array, or refused: never passed over."""
    x, result = picture(3)[..., 0], tmp_path / "b.npy"
    np.save(tmp_path / "a.npy", x if len(shape) == 2 else np.stack([x] * shape[2], -1))
    kernel = "{weights: [[1, 2, 1], [2, 4, 2], [1, 2, 1]], divisor: 16}"
    done = run("apply", tmp_path / "a.npy", "-k", kernel, *options, "-o", result)
    assert (done.code, result.exists()) == ((1, False) if words else (0, True))
    assert words in done.err
    if not words:
        expected = np.vectorize(light_to_srgb)(blurred(np.vectorize(srgb_to_light)(x / 255))) * 255
        assert np.abs(np.load(result) - expected).max() <= 0.51


@pytest.mark.parametrize("mode", ["clip", "abs", "offset", "rescale", "float"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_range_takes_a_treatment(mode: str, channels: int) -> None:
    pixels = picture(channels)
    for treatment in (Treatment(linear=True), Treatment(alpha="keep"), Treatment(channels=("luma",))):
        result = filter_pixels(pixels, Chain(BLUR, mode), treatment).array
        assert result.shape == pixels.shape
        assert result.dtype == (np.float32 if mode == "float" else np.uint8)
