"""A number as border: what scipy and OpenCV make of it, on every way through the engine."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from scipy import ndimage

import convcli
from convcli.errors import KernelError, ShapeError
from tests.support import run

SIDE = 97


def picture(dtype: str, channels: int, shape: tuple[int, int] = (SIDE, 83)) -> Any:
    rng = np.random.default_rng(channels)
    if np.dtype(dtype).kind == "f":
        return rng.standard_normal((*shape, channels)).astype(dtype)
    return rng.integers(0, np.iinfo(dtype).max, (*shape, channels), dtype, endpoint=True)


def expected(x: Any, weights: Any, number: float) -> Any:
    """scipy's correlation, in float64."""
    planes = [
        ndimage.correlate(np.float64(x[..., c]), weights, mode="constant", cval=number) for c in range(x.shape[-1])
    ]
    return np.stack(planes, axis=-1)


KERNELS: dict[str, Any] = {
    "few taps": {"weights": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]},
    "sums": {"type": "separable", "taps": {"fill": 1, "size": 9}, "divisor": "sum"},
    "passes": {"type": "separable", "taps": {"gaussian": {"sigma": 3}}},
    "a line": {"weights": [[1, 2, 3, 4, 5]], "divisor": 15},
    "transforms": {"weights": np.random.default_rng(1).standard_normal((41, 41))},
}


@pytest.mark.parametrize("dtype, number", [("uint8", 255), ("uint16", 40000), ("float32", -2.5), ("float64", 1e6)])
@pytest.mark.parametrize("name", KERNELS)
def test_every_way_to_compute(name: str, dtype: str, number: float) -> None:
    for channels in (1, 3):
        x = picture(dtype, channels)
        kernel = convcli.load({**KERNELS[name], "border": number})
        y = kernel.apply(x, "yxc", dtype="float64")
        reference = expected(x, np.asarray(kernel.dense_weights()), number)
        assert np.abs(y - reference).max() <= 1e-5 * max(np.abs(reference).max(), abs(number))


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (2, 3), (64, 64), (700, 900)])
def test_small_and_large(shape: tuple[int, int]) -> None:
    x = picture("uint8", 3, shape)
    kernel = convcli.load("gaussian:sigma=4,border=200")
    reference = expected(x, np.asarray(kernel.dense_weights()), 200)
    assert np.abs(np.float64(kernel.apply(x)) - np.clip(reference, 0, 255)).max() <= 0.5 + 1e-3


def test_stride_and_dilation_and_padding_are_those_of_what_is_padded_by_hand() -> None:
    x, w = picture("float32", 2, (31, 29)), np.random.default_rng(2).standard_normal((3, 4))
    padded = cv2.copyMakeBorder(x, 5, 7, 6, 4, cv2.BORDER_CONSTANT, value=(9.0,) * 4)
    for fields in ({"stride": 2}, {"dilation": 3}, {"stride": [3, 2], "dilation": 2}):
        own = {"weights": w, "border": 9, "padding": [[5, 7], [6, 4]], **fields}
        y = convcli.load(own).apply(x)
        assert np.abs(y - convcli.load({**own, "padding": "valid"}).apply(padded)).max() < 1e-4
        bank = np.broadcast_to(w, (5, 2, 3, 4)) * np.arange(1, 6).reshape(5, 1, 1, 1)
        y = convcli.load({**own, "weights": bank}).apply(x)
        by_hand = convcli.load({**own, "weights": bank, "padding": "valid"}).apply(padded)
        assert np.abs(y - by_hand).max() < 1e-3


def test_volumes_and_enlargements() -> None:
    volume = np.random.default_rng(3).standard_normal((9, 11, 13))
    w = np.random.default_rng(4).standard_normal((3, 5, 3))
    y = convcli.load({"weights": w, "border": -4}).apply(volume, "zyx")
    assert np.abs(y - ndimage.correlate(volume, w, mode="constant", cval=-4)).max() < 1e-9
    # An enlargement continues its input: what is flat stays flat.
    flat = np.full((8, 8), 50, np.uint8)
    assert (convcli.load("upsample-bilinear-2x:border=50").apply(flat) == 50).all()
    assert convcli.load("upsample-bilinear-2x:border=0").apply(flat)[0, 0] < 50


def test_numbers_that_samples_cannot_be_are_refused() -> None:
    x = np.zeros((8, 8), np.uint8)
    for number, fact, hint in [
        ("300", "border 300: samples of uint8 go from 0 to 255", "--border 255"),
        ("-1", "border -1: samples of uint8 go from 0 to 255", "--border 0"),
        ("0.5", "border 0.5: samples of uint8 are whole numbers", "--border 0"),
        ("255.5", "border 255.5: samples of uint8 are whole numbers", "--border 255"),
    ]:
        with pytest.raises(ShapeError) as caught:
            convcli.load(f"box:border={number}").apply(x)
        assert (caught.value.fact, caught.value.hint) == (fact, hint)
    with pytest.raises(KernelError, match=r"one of reflect, .*, zero, or a number, not 'black'"):
        convcli.load("box:border=black")
    assert convcli.load("box:border=0").border == "zero"


def test_on_files_colours_and_alpha(tmp_path: Any) -> None:
    """Outside is opaque where it has a colour; zeros are transparent, as ever."""
    rgba = np.full((6, 6, 4), 100, np.uint8)
    rgba[..., 3] = 128
    cv2.imwrite(str(tmp_path / "a.png"), rgba)
    cv2.imwrite(str(tmp_path / "g.png"), np.full((6, 6), 90, np.uint8))
    box, opaque = "box", (2 * 128 + 255) / 3
    for number, colour, alpha in ((255, (2 * 100 * 128 + 255 * 255) / (3 * opaque), opaque), (0, 100, 256 / 3)):
        done = run(
            "apply", str(tmp_path / "a.png"), "-k", "{axes: x, weights: [1, 1, 1], divisor: sum}", "--border",
            str(number), "-o", str(tmp_path / f"{number}.png"),
        )  # fmt: skip
        assert done.code == 0, done.err
        out = cv2.imread(str(tmp_path / f"{number}.png"), cv2.IMREAD_UNCHANGED)
        assert np.abs(out[3, 0] - np.array([colour, colour, colour, alpha])).max() <= 0.51
    # In linear light a number is a sample as the others are.
    for linear in ([], ["--linear"]):
        out_name = str(tmp_path / "l.png")
        done = run(
            "apply", str(tmp_path / "g.png"), "-k", box, "--border", "90", *linear, "-o", out_name, "--overwrite"
        )
        assert done.code == 0, done.err
        assert (cv2.imread(out_name, cv2.IMREAD_UNCHANGED) == 90).all()
