"""Every kernel in kernels/ does what its `about` says.

Each `about` is searched for the phrases in `PROMISES`, and the kernel is held to every one that it contains; a kernel
whose `about` promises nothing that a test knows fails. `test_shipped_peers.py` compares with scipy and OpenCV.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from scipy import ndimage

import convcli
from convcli.errors import ShapeError
from tests.support import ROOT

ABOUT = {
    path.stem: str(yaml.safe_load(path.read_text(encoding="utf-8"))["about"])
    for path in sorted((ROOT / "kernels").glob("*.yaml"))
}
SMOOTHING = tuple(
    name for name, about in ABOUT.items() if "the taps sum to 1" in about or "taps are all equal" in about
)

Array = NDArray[Any]


def picture(*shape: int, seed: int = 0) -> Array:
    """Noise between -1 and 1, float64."""
    return np.random.default_rng(seed).uniform(-1, 1, shape)


def apply(spec: str, values: Array, **options: Any) -> Array:
    return np.asarray(convcli.load(spec).apply(values, **options))


def taps(spec: str, size: int = 81) -> Array:
    """The kernel's taps at stride 1, centred in a (size, size) square, read off its answer to a single bright pixel."""
    values = np.zeros((size, size))
    values[size // 2, size // 2] = 1
    joint = "," if ":" in spec else ":"
    return apply(f"{spec}{joint}stride=1", values)[::-1, ::-1]


def moments(weights: Array) -> tuple[float, float, float]:
    """Mean squares and product of the taps' places about the middle: (yy, xx, yx)."""
    y, x = np.mgrid[: weights.shape[0], : weights.shape[1]] - weights.shape[0] // 2
    return float((weights * y * y).sum()), float((weights * x * x).sum()), float((weights * y * x).sum())


# What `about` promises ------------------------------------------------------------------------------------------------


def sums_to_one(name: str) -> None:
    assert taps(name).sum() == pytest.approx(1, abs=1e-12)
    stays_flat(name)


def sums_to_zero(name: str) -> None:
    assert taps(name).sum() == pytest.approx(0, abs=1e-12)
    becomes_zero(name)


def is_symmetric(name: str) -> None:
    weights = taps(name)
    for mirrored in (weights[::-1], weights[:, ::-1], weights.T):
        np.testing.assert_allclose(weights, mirrored, rtol=0, atol=1e-15)


def all_equal(name: str) -> None:
    weights = taps(name)
    used = weights[np.abs(weights) > 1e-15]
    assert used.size == 25
    np.testing.assert_allclose(used, 1 / 25, rtol=1e-14)


def stays_flat(name: str) -> None:
    fixed = [(192, 256)] if name == "ripple" else [(1, 1), (1, 9), (2, 3), (8, 5), (33, 47)]
    channels = (3,) if name in ("luma", "grey") else ()
    for shape in fixed:
        for dtype, level, slack in ((np.uint8, 255, 0), (np.uint16, 40001, 0), (np.float32, 0.3, 1e-6)):
            result = apply(name, np.full((*shape, *channels), level, dtype))
            assert result.dtype == dtype
            np.testing.assert_allclose(result, np.full(result.shape, level, dtype), rtol=slack, atol=0)


def becomes_zero(name: str) -> None:
    for shape in ((1, 1), (2, 3), (33, 47)):
        assert not apply(name, np.full(shape, 200, np.uint8)).any()
        assert np.abs(apply(name, np.full(shape, 0.7))).max() < 1e-12


def ones_stay_ones(name: str) -> None:
    for stride in (2, 3, 4):
        for shape in ((1, 1), (2, 5), (7, 4)):
            result = apply(f"{name}:stride={stride}", np.ones(shape))
            assert result.shape == (shape[0] * stride, shape[1] * stride)
            np.testing.assert_allclose(result, 1, rtol=0, atol=1e-14)
            assert (apply(f"{name}:stride={stride}", np.full(shape, 255, np.uint8)) == 255).all()


def unchanged(name: str) -> None:
    values = picture(9, 14, 3)
    np.testing.assert_array_equal(apply(name, values), values)


def rises_right(name: str) -> None:
    ramp = np.broadcast_to(np.arange(12.0), (9, 12))
    assert (apply(name, ramp)[:, 1:-1] > 0).all()
    assert np.abs(apply(name, ramp.T)).max() < 1e-12


def rises_down(name: str) -> None:
    ramp = np.broadcast_to(np.arange(12.0), (9, 12)).T
    assert (apply(name, ramp)[1:-1] > 0).all()
    assert np.abs(apply(name, ramp.T)).max() < 1e-12


def lit_from_upper_left(name: str) -> None:
    weights = taps(name, 9)
    np.testing.assert_allclose(weights, weights.T, atol=1e-15)
    np.testing.assert_allclose(weights + weights[::-1, ::-1], 2 * np.pad([[1]], 4), atol=1e-15)
    bump = np.zeros((9, 9))
    bump[3:6, 3:6] = 1
    result = apply(name, bump)
    assert result[2:5, 2:5].sum() > bump[2:5, 2:5].sum()
    assert result[4:7, 4:7].sum() < bump[4:7, 4:7].sum()


def sigma_is(pixels: float) -> Callable[[str], None]:
    def check(name: str) -> None:
        assert moments(taps(name)) == pytest.approx((pixels**2, pixels**2, 0), abs=1e-12)

    return check


def spans(count: int, across: int) -> Callable[[str], None]:
    """`count` taps along an axis (or in all, for a cross) over `across` pixels."""

    def check(name: str) -> None:
        weights = taps(name)
        rows = np.flatnonzero(np.abs(weights).max(axis=1) > 1e-12)
        assert rows[-1] - rows[0] + 1 == across
        assert (np.diff(rows) == 2).all()
        assert len(rows) in (count, 3)

    return check


def reaches_4_sigma(name: str) -> None:
    for sigma in (0.7, 1.5, 3.0):
        rows = np.flatnonzero(taps(f"{name}:sigma={sigma}").max(axis=1) > 1e-12)
        assert (rows[-1] - rows[0]) // 2 == int(4 * sigma + 0.5)


def follows_angle(name: str) -> None:
    yy, xx, _ = moments(taps(f"{name}:angle=0"))
    assert yy == pytest.approx(0, abs=1e-12)
    assert xx > 10
    yy, xx, _ = moments(taps(f"{name}:angle=90"))
    assert xx == pytest.approx(0, abs=1e-12)
    assert yy > 10
    for angle in (30, 45, 120):
        yy, xx, yx = moments(taps(f"{name}:angle={angle}"))
        line = np.rad2deg(np.arctan2(-2 * yx, xx - yy) / 2) % 180  # y points down, so anticlockwise is -y
        assert line == pytest.approx(angle, abs=3)


def answers_to_vertical_stripes(name: str) -> None:
    stripes = np.broadcast_to(np.cos(2 * np.pi * np.arange(60) / 6), (60, 60))
    upright, lying = (np.abs(apply(name, values)[20:40, 20:40]).max() for values in (stripes, stripes.T))
    assert upright > 20 * lying


def is_unsharp(name: str) -> None:
    values = picture(12, 15)
    np.testing.assert_allclose(apply(name, values), 2 * values - apply("gaussian:sigma=1", values), atol=1e-14)


def repeats(name: str) -> None:
    values = picture(4, 5)
    for stride in (2, 3, 4):
        expected = values.repeat(stride, axis=0).repeat(stride, axis=1)
        np.testing.assert_allclose(apply(f"{name}:stride={stride}", values), expected, rtol=1e-15)


def is_seeded(name: str) -> None:
    values = picture(31, 44)
    first = apply(f"{name}:seed=7", values)
    np.testing.assert_array_equal(first, apply(f"{name}:seed=7", values))
    assert (first != apply(f"{name}:seed=8", values)).mean() > 0.9


def stays_near(name: str) -> None:
    ramp = np.add.outer(np.arange(60.0), np.zeros(60))
    for amplitude in (1, 4):
        for values in (ramp, ramp.T):
            moved = np.abs(apply(f"{name}:amplitude={amplitude}", values) - values)[8:-8, 8:-8]
            assert amplitude * 0.9 < moved.max() <= amplitude + 1e-6


def magnifies(name: str) -> None:
    ramp = np.broadcast_to(np.arange(201.0), (201, 201))
    for strength in (0.2, 0.5):
        middle = apply(f"{name}:strength={strength}", ramp)[100, 95:106]
        np.testing.assert_allclose(np.diff(middle), 1 - strength, atol=0.01)
        np.testing.assert_allclose(middle[5], 100, atol=1e-4)


def turns_the_middle(name: str) -> None:
    y, x = np.mgrid[:201, :201].astype(np.float64) - 100
    # A mark up from the centre is found to its left after a quarter turn anticlockwise.
    up, left = (
        int(np.argmax(apply(f"{name}:angle=90", np.exp(-((y - a) ** 2) - (x - b) ** 2)))) for a, b in ((-4, 0), (0, -4))
    )
    assert divmod(up, 201) == (100, 96)
    assert divmod(left, 201) == (104, 100)
    own = int(np.argmax(apply(name, np.exp(-((y + 4) ** 2) - x**2))))
    assert own % 201 < 98, "the file's own angle turns up to the left"
    corners = apply(name, x * 1.0)[[0, 0, -1, -1], [0, -1, 0, -1]]
    np.testing.assert_array_equal(corners, [-100, 100, -100, 100])


def mixes_bt601(name: str) -> None:
    values = picture(14, 11, 3)
    blur = np.outer([1, 2, 1], [1, 2, 1])[..., None] / 16 if name == "luma" else np.ones((1, 1, 1))
    expected = ndimage.correlate(values, blur, mode="mirror") @ (0.299, 0.587, 0.114)
    result = apply(name, values)
    assert result.shape == (14, 11, 1)
    np.testing.assert_allclose(result[..., 0], expected, atol=1e-14)


def fits_pond(name: str) -> None:
    pond = np.asarray(cv2.imread(str(ROOT / "samples" / "pond.png")))
    result = apply(name, pond)
    assert result.shape == (192, 256, 3)
    assert result.dtype == np.uint8
    assert (result != pond).mean() > 0.3
    with pytest.raises(ShapeError, match=r"\(2, 192, 256\).*\(2, 100, 120\)|\(2, 100, 120\).*\(2, 192, 256\)"):
        apply(name, np.zeros((100, 120)))


PROMISES: dict[str, Callable[[str], None]] = {
    "the taps sum to 1": sums_to_one,
    "the taps sum to 0": sums_to_zero,
    "and sum to 1": sums_to_one,
    "the weights sum to 1": stays_flat,
    "brightness is kept": stays_flat,
    "flat areas become 0": becomes_zero,
    "flat areas stay flat": stays_flat,
    "ones stay ones up to the border": ones_stay_ones,
    "symmetric": is_symmetric,
    "all equal": all_equal,
    "comes out as it went in": unchanged,
    "rises to the right": rises_right,
    "rises downwards": rises_down,
    "lit from the upper left": lit_from_upper_left,
    "sigma exactly 1 pixel": sigma_is(1),
    "and sigma 2": sigma_is(2),
    "9 taps over 5x5 pixels": spans(9, 5),
    "5 taps over 9 pixels": spans(5, 9),
    "reach 4 sigma": reaches_4_sigma,
    "anticlockwise, 0 is horizontal and 90 vertical": follows_angle,
    "theta 0 answers to vertical stripes": answers_to_vertical_stripes,
    "what a Gaussian takes away is added, amount times": is_unsharp,
    "a block of stride x stride": repeats,
    "the same seed gives the same picture": is_seeded,
    "up to amplitude pixels away along y and x": stays_near,
    "1 / (1 - strength) times at the centre": magnifies,
    "by angle degrees anticlockwise at the centre": turns_the_middle,
    "(BT.601)": mixes_bt601,
    "pictures of 256x192 pixels such as pond.png": fits_pond,
}


@pytest.mark.parametrize(
    ("name", "promise"), [(name, phrase) for name, about in ABOUT.items() for phrase in PROMISES if phrase in about]
)
def test_a_kernel_keeps_its_promise(name: str, promise: str) -> None:
    PROMISES[promise](name)


@pytest.mark.parametrize("name", ABOUT)
def test_every_kernel_promises_something_that_is_tested(name: str) -> None:
    assert [phrase for phrase in PROMISES if phrase in ABOUT[name]], f"no known promise in: {ABOUT[name]}"
    assert convcli.load(name).about == ABOUT[name]


@pytest.mark.parametrize("name", SMOOTHING)
@pytest.mark.parametrize("border", ["reflect", "symmetric", "replicate", "wrap"])
def test_ones_stay_ones_with_every_border(name: str, border: str) -> None:
    np.testing.assert_allclose(apply(f"{name}:border={border}", np.ones((6, 11))), 1, rtol=0, atol=1e-14)
