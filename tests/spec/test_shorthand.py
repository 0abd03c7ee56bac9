"""What follows a kernel's name: numbers without a name, turns, divisors, radii, strides; and what wrong ones get."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage

import convcli
from convcli.errors import KernelError
from convcli.spec.overrides import override
from tests.support import run

RNG = np.random.default_rng(3)


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("gaussian:2", "gaussian:sigma=2"),
        ("gaussian:.5", "gaussian:sigma=0.5"),
        ("gaussian:2,3", "gaussian:sigma=2,radius=3"),
        ("gaussian:[1,2]", "gaussian:sigma=[1,2]"),
        ("gaussian:2,border=wrap", "gaussian:sigma=2,border=wrap"),
        ("gaussian:0x2", "gaussian:sigma=2"),
        ("gaussian:3x1.5", "gaussian:radius=3,sigma=1.5"),
        ("unsharp:0x2+1.5+0.05", "unsharp:sigma=2,amount=1.5,threshold=0.025"),
        ("box:3", "box:size=3"),
        ("disk:3.5", "disk:radius=3.5"),
        ("motion:25,30", "motion:length=25,angle=30"),
        ("swirl:90", "swirl:angle=90"),
        ("gradient:3", "gradient:sigma=3"),
        ("gradient-x:3", "gradient-x:sigma=3"),
        ("{taps: {gaussian: {sigma: 1}}, type: separable}:sigma=2", "gaussian:2"),
    ],
)
def test_numbers_without_a_name_are_parameters_by_their_place(short: str, long: str) -> None:
    x = RNG.standard_normal((40, 50))
    assert np.array_equal(convcli.load(short).apply(x), convcli.load(long).apply(x))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sharpen:2", "'2' has no place in kernel 'sharpen'"),
        ("sobel:90", "hint: sobel:rotate=90 turns it"),
        ("box:5x5", "hint: its size per axis: size=[3,5] is height and width"),
        ("gblur=2", "unknown kernel 'gblur=2'\n  hint: -k gaussian:2"),
        ("gblur=sigma=2", "hint: -k gaussian:2"),
        ("gaussian=3", "hint: -k gaussian:3"),
        ("box:3,4", "'4' has no place in kernel 'box'"),
        ("brush:2", "'2' may be sigma of several rules in kernel 'brush'\n  hint: say which: brush:sigma=2"),
        ("gaussian:2,sigma=3", "'sigma' is given twice"),
        ("gaussian:stride=2,1", "hint: a list stands in brackets: stride=[2,1]"),
        ("gaussian:size=5", "hint: write radius=2"),
        ("gaussian:std=5", "hint: write sigma=5"),
        ("emboss:rotate=30", "'rotate' is 30; it must be a multiple of 45"),
        ("[[1,2],[3,4]]:rotate=45", "2x2 taps turn by multiples of 90 degrees, not by 45"),
        ("binomial-5:rotate=45", "5x5 taps turn by multiples of 90 degrees, not by 45"),
        ("{weights: [1, 2], axes: x}:rotate=90", "weights along x alone don't turn"),
    ],
)
def test_what_has_no_meaning(text: str, said: str) -> None:
    with pytest.raises(KernelError) as caught:
        convcli.load(text)
    assert said in str(caught.value)


@pytest.mark.parametrize("degrees", range(-360, 361, 45))
@pytest.mark.parametrize("name", ["sobel-x", "emboss", "[[1,2,3],[4,5,6],[7,8,9]]", "gabor:sigma=1", "[[1,2,3]]"])
def test_weights_turn_clockwise(name: str, degrees: int) -> None:
    weights = convcli.load(name).dense_weights()
    if degrees % 90 and weights.shape != (3, 3):
        return
    ring = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]
    expected = np.rot90(weights, -(degrees // 90))
    if degrees % 90:
        last = expected.copy()
        for place, following in zip(ring, [*ring[1:], ring[0]], strict=True):
            last[following] = expected[place]
        expected = last
    turned = convcli.load(f"{name}{',' if ':' in name else ':'}rotate={degrees}")
    assert np.array_equal(turned.dense_weights(), expected)
    x = RNG.standard_normal((20, 30))
    assert np.allclose(turned.apply(x), ndimage.correlate(x, expected, mode="mirror"), rtol=0, atol=1e-12)


def test_parts_turn() -> None:
    x = RNG.standard_normal((20, 30))
    quarter = np.rot90(convcli.load("sobel").apply(np.rot90(x)), -1)
    assert np.allclose(convcli.load("sobel:rotate=90").apply(x), quarter)
    assert np.array_equal(convcli.load("kirsch:rotate=135").apply(x), convcli.load("kirsch").apply(x))


@pytest.mark.parametrize(
    "text", ["[[1,2],[3,4]]", "3x3: 1,2,1 2,4,2 1,2,1", "sharpen", "motion", "gabor", "luma", "disk"]
)
def test_a_sum_divides_whatever_has_one(text: str) -> None:
    if text == "gabor":
        with pytest.raises(KernelError, match="sum to 0: nothing to divide by"):
            convcli.load(f"{text}:divisor=sum")
    else:
        assert next(iter(convcli.load(f"{text}:divisor=sum").parts().values())).sum() == pytest.approx(1)


@pytest.mark.parametrize("sigma", [0.5, 1, 2.5])
def test_gradients_as_scipy_has_them(sigma: float) -> None:
    x = RNG.standard_normal((45, 60))
    for axis, order in {"x": (0, 1), "y": (1, 0)}.items():
        expected = ndimage.gaussian_filter(x, sigma, order=order, mode="mirror")
        assert np.allclose(convcli.load(f"gradient-{axis}:{sigma}").apply(x), expected, rtol=0, atol=1e-12)
    expected = ndimage.gaussian_gradient_magnitude(x, sigma, mode="mirror")
    assert np.allclose(convcli.load(f"gradient:{sigma}").apply(x), expected, rtol=0, atol=1e-12)
    if sigma < 1:
        return  # so few taps miss the slope of a ramp by more
    ramp = np.broadcast_to(np.arange(80.0) * 3, (70, 80))
    assert convcli.load(f"gradient:{sigma}").apply(ramp)[35, 40] == pytest.approx(3, rel=5e-3)


@pytest.mark.parametrize("stride", range(1, 9))
def test_a_smaller_picture_is_blurred_for_its_stride(stride: int) -> None:
    """A wave that the result can't hold is gone; what it holds stays."""
    kernel = convcli.load(f"downsample-2x:stride={stride}")
    assert kernel.parts()["together"].sum() == pytest.approx(1)
    x = np.arange(480)
    waves = [np.cos(2 * np.pi * x * frequency) for frequency in (0.9 / stride, 0.05 / stride)]
    fine, coarse = (kernel.apply(np.broadcast_to(wave, (480, 480)))[5:-5, 5:-5] for wave in waves)
    assert np.abs(coarse).max() > 0.9
    assert stride == 1 or np.abs(fine).max() < 0.16


def test_a_radius_that_cuts_a_gaussian_off_is_told_of() -> None:
    def said(name: str) -> tuple[str, ...]:
        return convcli.load(name).notes

    # Where both were said, a little is not told; kernels of 5x5 taps, as others write them, are.
    assert said("gaussian:5x5") == ("radius 5 cuts 27 % off a Gaussian of sigma 5; sigma=1.25 fits",)
    assert said("gaussian:sigma=2,radius=3") == said("gaussian:0x5") == ()
    assert said("gaussian:radius=2") == ("radius 2 cuts 9.6 % off a Gaussian of sigma 1.5; sigma=0.5 fits",)
    assert said("gradient:radius=1") == ("radius 1 cuts 13 % off a Gaussian of sigma 1; sigma=0.25 fits",)
    for quiet in (
        "gaussian",
        "gaussian:radius=6",
        "gaussian:radius=2,sigma=1",
        "smooth-edges",
        "brush",
        "disk:radius=2",
    ):
        assert not said(quiet)
    done = run("show", "gaussian:radius=2")
    assert "cuts 9.6 %" in done.err + done.out.decode()


@pytest.mark.parametrize(("text", "value"), [("2,1", [2, 1]), (" 2 , 1 ", [2, 1]), ("2", 2), ("[2, 1]", [2, 1])])
def test_values_of_options_may_be_lists(text: str, value: Any) -> None:
    node = override(text, "--stride")
    assert [item.value for item in node.value] == value if isinstance(value, list) else node.value == value
