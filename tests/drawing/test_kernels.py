"""A kernel's picture tells its weights, its factors, and its gain as the Fourier transform has it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import convcli
from convcli.drawing.parts import number
from convcli.drawing.response import response
from convcli.drawing.scene import Text
from convcli.errors import UsageError
from tests.drawing.parsed import notes, texts, value

NAMES = ("sharpen", "sobel-x", "binomial-5", "laplacian-of-gaussian:sigma=0.8", "unsharp", "luma", "motion:length=5")


@pytest.mark.parametrize("name", NAMES)
def test_cells_tell_the_weights(name: str) -> None:
    kernel = convcli.load(name)
    if kernel.channels:
        pytest.skip("a bank is drawn as a grid")
    told = notes(kernel.draw(), "w")
    assert len(told) == kernel.to_numpy().size
    for place, weight in np.ndenumerate(kernel.to_numpy()):
        assert told[place] == pytest.approx(weight, rel=1e-5, abs=1e-12)


def test_numbers_in_cells_are_weights_times_what_is_said_below() -> None:
    drawn = convcli.load("binomial-5").draw()
    label = next(text for text in texts(drawn) if text.startswith("weights × "))
    factor = value(label.split()[2].rstrip(","))
    cells = [i for i in drawn.scene.items if isinstance(i, Text) and i.note.startswith("w[")]
    assert factor == 256
    for cell in cells:
        assert value(cell.text) == pytest.approx(factor * float(cell.note.split(" = ")[1]), rel=1e-5)


@pytest.mark.parametrize("name", ["sobel-x", "gaussian:sigma=1.3", "binomial-5", "scharr-y"])
def test_factors_multiply_to_the_weights(name: str) -> None:
    kernel = convcli.load(name)
    down, right = (notes(kernel.draw(), axis) for axis in "yx")
    product = np.outer([down[k] for k in sorted(down)], [right[k] for k in sorted(right)])
    np.testing.assert_allclose(product, kernel.dense_weights(), rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("name", ["sobel-x", "gaussian:sigma=1.3", "binomial-5", "scharr-y"])
def test_numbers_of_factors_are_told_with_their_scale(name: str) -> None:
    drawn = convcli.load(name).draw()
    label = next(text for text in texts(drawn) if "the product of" in text)
    for axis in "yx":
        said = re.search(rf"\b{axis}( × (\d+)( \(rounded\))?)?(?= and|$)", label)
        assert said, label
        factor = float(said[2] or 1)
        cells = [i for i in drawn.scene.items if isinstance(i, Text) and i.note.startswith(f"{axis}[")]
        assert cells
        for cell in cells:
            exact = factor * float(cell.note.split(" = ")[1])
            assert value(cell.text) == pytest.approx(exact, abs=0.5 if said[3] else 1e-4)


def test_numbers_that_are_none_are_drawn_all_the_same() -> None:
    assert [number(v) for v in (float("inf"), -float("inf"), float("nan"))] == ["∞", "−∞", "NaN"]


def test_what_is_no_product_has_no_factors() -> None:
    assert not notes(convcli.draw.kernel("sharpen"), "y")


def test_gain_is_the_fourier_transform() -> None:
    weights = convcli.load("gabor:sigma=1.2,wavelength=4,theta=30,aspect=1").dense_weights()
    padded = np.zeros((64, 64))
    padded[: weights.shape[0], : weights.shape[1]] = weights
    expected = np.abs(np.fft.fftshift(np.fft.fft2(padded)))
    np.testing.assert_allclose(response(weights, 65)[:64, :64], expected, atol=1e-9)


def test_lines_are_stems_and_volumes_slices() -> None:
    line, volume = (convcli.load(f"{{type: separable, taps: [1, 2, 1], axes: {axes}}}") for axes in ("x", "zyx"))
    assert notes(line.draw(), "w") == {(0,): 1, (1,): 2, (2,): 1}
    told = notes(volume.draw(), "w")
    assert told == dict(np.ndenumerate(volume.dense_weights()))
    assert [text for text in texts(volume.draw()) if text.startswith("z = ")] == ["z = −1", "z = 0", "z = +1"]


def test_a_bank_has_a_cell_for_each_filter_with_its_range() -> None:
    weights = np.random.default_rng(0).normal(size=(10, 3, 5, 5))
    drawn = convcli.draw.kernel({"weights": weights}, columns=4)
    told = [item.note for item in drawn.scene.items if item.note]
    assert told == [f"filter {k}: from {one.min():.6g} to {one.max():.6g}" for k, one in enumerate(weights)]
    assert len({item.y for item in drawn.scene.items if item.note}) == 3


@pytest.mark.parametrize("inputs", [1, 2, 3, 5])
def test_banks_of_any_number_of_channels_say_what_colours_mean(inputs: int) -> None:
    drawn = convcli.draw.kernel({"weights": np.ones((2, inputs, 3, 3))})
    assert any("red, green and blue" in text for text in texts(drawn)) is (inputs == 3)
    assert any("the mean of" in text for text in texts(drawn)) is (inputs in (2, 5))


def test_large_kernels_lose_their_numbers_and_then_their_cells() -> None:
    large, huge = (convcli.draw.kernel({"weights": np.random.default_rng(0).normal(size=(n, n))}) for n in (21, 140))
    assert len(notes(large, "w")) == 441
    assert not [i for i in large.scene.items if isinstance(i, Text) and i.note]
    assert not notes(huge, "w")
    assert "data:image/png" in huge.svg()
    assert [
        i for i in convcli.draw.kernel("sharpen", numbers=False).scene.items if isinstance(i, Text) and i.note
    ] == []


def test_too_many_filters_are_refused() -> None:
    with pytest.raises(UsageError, match="1,025 filters; at most 1,024"):
        convcli.draw.kernel({"weights": np.ones((1025, 1, 1, 1))})


@pytest.mark.parametrize("source", [*convcli.names(), {"weights": [[0, 0], [0, 0]]}, {"weights": [0]}], ids=str)
def test_every_kernel_draws_itself(source: Any) -> None:
    drawn = convcli.load(source).draw()
    assert drawn.scene.about
    assert "nan" not in drawn.svg()
