"""A kernel's picture tells its weights, its factors, and its gain as the Fourier transform has it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import convcli
from convcli.drawing.parts import Look, number, scale_bar
from convcli.drawing.response import Response, fraction, response
from convcli.drawing.scene import Path, Text
from convcli.errors import UsageError
from tests.drawing.parsed import notes, texts, value

NAMES = ("sharpen", "sobel-x", "binomial-5", "laplacian-of-gaussian:sigma=0.8", "unsharp", "luma", "motion:length=5")


@pytest.mark.parametrize("name", NAMES)
def test_cells_tell_the_weights(name: str) -> None:
    kernel = convcli.load(name)
    if kernel.channels:
        pytest.skip("a bank is drawn by filters")
    words = notes(kernel.draw(), "w")
    assert len(words) == kernel.to_numpy().size
    for place, weight in np.ndenumerate(kernel.to_numpy()):
        assert words[place] == pytest.approx(weight, rel=1e-5, abs=1e-12)


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


@pytest.mark.parametrize(("dilation", "border"), [((2, 2), "zero"), ((1, 3), "wrap")])
def test_gain_of_taps_that_lie_apart_is_that_of_the_kernel_with_zeros_between(
    dilation: tuple[int, int], border: str
) -> None:
    kernel = convcli.load({"weights": [[1, 2, 0], [0, -3, 1]], "dilation": list(dilation), "border": border})
    impulse = np.zeros((32, 32))
    impulse[16, 16] = 1
    expected = np.abs(np.fft.fftshift(np.fft.fft2(kernel.apply(impulse))))[::-1, ::-1]  # cross-correlated: turned
    gain = Response.of(kernel.dense_weights(), kernel.dilation)
    assert gain.reach == 0.5
    np.testing.assert_allclose(gain.gain[4::4, 4::4], expected, atol=1e-9)


@pytest.mark.parametrize(("sigma", "reach"), [(1.5, 0.5), (5, 1 / 8), (40, 1 / 64)])
def test_gain_is_drawn_as_far_as_there_is_something_to_see(sigma: float, reach: float) -> None:
    """Beyond the last frequency there is less than a hundredth of the greatest gain, by the formula of a Gaussian."""
    weights = convcli.load(f"gaussian:sigma={sigma}").dense_weights()
    gain = Response.of(weights)
    assert gain.reach == reach
    across = np.linspace(0, reach, len(gain.gain) // 2 + 1)
    np.testing.assert_allclose(gain.lines()["horizontal"], np.exp(-2 * (np.pi * across * sigma) ** 2), atol=2e-4)
    assert reach == 0.5 or np.exp(-2 * (np.pi * reach * sigma) ** 2) < 0.01 < np.exp(
        -2 * (np.pi * reach / 2 * sigma) ** 2
    )
    line = convcli.load({"weights": weights.sum(axis=0), "axes": "x"}).draw()
    assert fraction(reach) in texts(line)


@pytest.mark.parametrize("stride", [2, 3, [4, 1], [1, 2]])
def test_what_aliases_is_what_waves_become_of_too_high_a_frequency(stride: Any) -> None:
    """Waves along y or x that the output can't hold come out of the engine with the gain that the figure tells."""
    kernel = convcli.load({"weights": [[1, 2, 1], [2, 5, 2], [1, 1, 0]], "stride": stride, "padding": "valid"})
    gain = Response.of_kernel(kernel, kernel.to_numpy())
    t, heights = np.arange(90.0), [0.0]
    for axis, step in enumerate(kernel.stride):
        for frequency in np.linspace(0.5 / step, 0.5, 9)[1 : 9 * (step > 1)]:
            lines = [np.expand_dims(wave(2 * np.pi * frequency * t), 1 - axis) for wave in (np.cos, np.sin)]
            real, imaginary = (kernel.apply(np.broadcast_to(line, (90, 90)), "yx") for line in lines)
            heights.append(float(np.hypot(real, imaginary).max()))
    assert max(heights) <= gain.beyond * (1 + 1e-6)
    angles = [2 * np.pi * np.linspace(-0.5, 0.5, 257)] * 2
    y, x = (np.exp(-1j * np.outer(angle, range(3))) for angle in angles)
    outside = np.logical_or.outer(
        *(abs(angle) / (2 * np.pi) > 0.5 / n + 1e-9 for angle, n in zip(angles, kernel.stride, strict=True))
    )
    assert np.abs(y @ kernel.to_numpy() @ x.T)[outside].max() == pytest.approx(gain.beyond, rel=0.05)
    assert f"; their gain is up to {number(gain.beyond)}." in kernel.draw().scene.about


def test_what_is_said_of_frequencies_that_do_not_fit() -> None:
    assert not any("frequencies beyond" in text for text in texts(convcli.load("box").draw()))
    fine = texts(convcli.load({"weights": {"gaussian": {"sigma": 20}}, "stride": 3}).draw())
    assert any(text.startswith("frequencies beyond 1/6 cycles would be aliases") for text in fine)
    assert any("are copies of lower ones" in text for text in texts(convcli.load("upsample-bilinear-2x").draw()))


def test_deformable_kernels_have_no_gain_and_say_that_their_taps_move() -> None:
    drawn = convcli.load("lens").draw()
    assert not any("gain" in text for text in texts(drawn))
    assert any("offsets" in text for text in texts(drawn))


@pytest.mark.parametrize(
    ("weights", "labels"),
    [([[1, 2]], ["+2", "0"]), ([[-1, 0]], ["0", "−1"]), ([[3, -1]], ["+3", "0", "−3"]), ([[0, 0]], [])],
)
def test_the_scale_reaches_as_far_as_weights_do(weights: list[list[int]], labels: list[str]) -> None:
    items, _ = scale_bar(0, 0, 90, Look.of(np.array(weights, float), numbers=True))
    assert [item.text for item in items if isinstance(item, Text)] == labels


@pytest.mark.parametrize(
    ("weights", "cells", "label"),
    [
        ([[1e-7, -2e-7], [3e-9, 0]], ["100", "−200", "3", "0"], "weights × 1e9"),
        ([[1e6, -2], [12345, 0]], ["1e6", "−2", "12345", "0"], "weights"),
        ([[0.123456, -2.5], [1 / 3, 1e3]], [".123", "−2.5", ".333", "1000"], "weights, to three digits"),
        ([[0.25, -0.5], [0, 1]], ["1", "−2", "0", "4"], "weights × 4"),
    ],
)
def test_numbers_of_any_magnitude_can_be_read(weights: list[list[float]], cells: list[str], label: str) -> None:
    drawn = convcli.load(weights).draw()
    assert [i.text for i in drawn.scene.items if isinstance(i, Text) and i.note.startswith("w[")] == cells
    assert label in texts(drawn)


def test_gains_far_from_1_are_parts_of_a_power_of_ten() -> None:
    tiny, plain = (texts(convcli.load([[peak, -peak / 2]]).draw()) for peak in (2e-7, 2))
    assert {"× 1e-7", ".8", "1.6", "2.4", "3.2"} <= set(tiny)
    assert {".8", "1.6", "2.4", "3.2"} <= set(plain) and not any("× " in text for text in plain)


def test_titles_tell_what_was_overridden() -> None:
    picture = np.zeros((8, 9), np.uint8)
    drawn = texts(convcli.draw.sheet(["gaussian:1", "gaussian:sigma=2,border=wrap", "box"], picture))
    assert {"gaussian:1", "gaussian:sigma=2,border=wrap", "box"} <= set(drawn)
    assert "Kernel of 1×2 taps" in texts(convcli.draw.kernel("[[1, 2]]:stride=2"))


def test_lines_are_stems_and_volumes_slices() -> None:
    line, volume = (convcli.load(f"{{type: separable, taps: [1, 2, 1], axes: {axes}}}") for axes in ("x", "zyx"))
    assert notes(line.draw(), "w") == {(0,): 1, (1,): 2, (2,): 1}
    words = notes(volume.draw(), "w")
    assert words == dict(np.ndenumerate(volume.dense_weights()))
    assert [text for text in texts(volume.draw()) if text.startswith("z = ")] == ["z = −1", "z = 0", "z = +1"] * 2


@pytest.mark.parametrize("sides", [(3, 3, 3), (2, 1, 5), (9, 4, 2)])
def test_a_volume_is_a_stack_in_which_each_tap_has_its_place(sides: tuple[int, ...]) -> None:
    """Along x and y cells go on by one step each, and no slice reaches into the next one."""
    weights = np.random.default_rng(3).integers(-4, 5, sides)
    scene = convcli.draw.kernel({"weights": weights.tolist(), "axes": "zyx"}).scene
    cells: dict[tuple[int, ...], list[Path]] = {}
    for item in scene.items:
        if isinstance(item, Path) and item.note:
            place, _, weight = item.note.partition(" = ")
            index = tuple(map(int, re.findall(r"\d+", place)))
            assert float(weight) == weights[index]
            cells.setdefault(index, []).append(item)
    assert [cells[index][-1].fill for index in np.ndindex(sides)] == [
        {-1: "neg", 0: "ghost", 1: "pos"}[sign] for sign in np.sign(weights).ravel()
    ]
    corners = np.array([cells[index][0].points for index in np.ndindex(sides)]).reshape(*sides, 4, 2)
    for axis in range(3):
        steps = np.diff(corners, axis=axis).reshape(-1, 2)
        np.testing.assert_allclose(steps, steps[:1].repeat(len(steps), 0), atol=1e-9)
    heights = corners[..., 1].reshape(sides[0], -1)
    assert (heights[:-1].max(1) < heights[1:].min(1)).all()
    assert corners[..., 0].max() < scene.width and heights.max() < scene.height


def test_volumes_of_one_slice_or_many_taps_are_no_stack() -> None:
    for sides in ((1, 3, 3), (3, 10, 3)):
        drawn = convcli.draw.kernel({"weights": np.ones(sides).tolist(), "axes": "zyx"})
        assert len([text for text in texts(drawn) if text.startswith("z = ")]) == sides[0]


def test_a_bank_has_a_cell_for_each_filter_with_its_range() -> None:
    weights = np.random.default_rng(0).normal(size=(10, 3, 5, 5))
    drawn = convcli.draw.kernel({"weights": weights}, columns=4)
    words = [item.note for item in drawn.scene.items if item.note]
    assert words == [f"filter {k}: from {one.min():.6g} to {one.max():.6g}" for k, one in enumerate(weights)]
    assert len({item.y for item in drawn.scene.items if item.note}) == 3


@pytest.mark.parametrize(
    ("source", "channels"),
    [
        ("luma", [[0, 1, 2]]),
        ({"weights": np.arange(-8, 8).reshape(4, 1, 2, 2), "groups": 2}, [[0], [0], [1], [1]]),
        ({"weights": np.arange(16).reshape(2, 4, 1, 2), "groups": 1}, [[0, 1, 2, 3]] * 2),
        ({"axes": "x", "weights": [[[1, 2, 1]], [[-1, 0, 1]]]}, [[0], [0]]),
        ({"type": "depthwise_separable", "depthwise": [[1, 2], [3, 4]], "pointwise": [[1, -2], [3, 1]]}, [[0, 1]] * 2),
    ],
    ids=str,
)
def test_small_banks_are_written_down(source: Any, channels: list[list[int]]) -> None:
    kernel = convcli.load(source)
    weights = kernel.dense_weights()
    flat = weights.reshape(*weights.shape[:2], -1, weights.shape[-1])
    drawn = notes(kernel.draw(), "w")
    assert drawn == pytest.approx(dict(np.ndenumerate(flat)), rel=1e-5)
    labels = [text for text in texts(kernel.draw()) if text.startswith("filter ")]
    assert labels == [f"filter {k}, channel {c}" for k, row in enumerate(channels) for c in row]
    assert not notes(kernel.draw(numbers=False), "w")


@pytest.mark.parametrize("inputs", [1, 2, 3, 5])
def test_banks_of_any_number_of_channels_say_what_colours_mean(inputs: int) -> None:
    drawn = convcli.draw.kernel({"weights": np.ones((25, inputs, 3, 3))})
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
