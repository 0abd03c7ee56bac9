"""The kernels in kernels/ equal what scipy and OpenCV, which are not ours, compute for the same filter."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

import convcli
from tests.support import ROOT

Array = NDArray[Any]


def picture(*shape: int) -> Array:
    """Noise between -1 and 1, float64."""
    return np.random.default_rng(0).uniform(-1, 1, shape)


def apply(spec: str, values: Array) -> Array:
    return np.asarray(convcli.load(spec).apply(values))


def taps(spec: str, size: int) -> Array:
    """The kernel's taps, centred in a (size, size) square, read off its answer to a single bright pixel."""
    values = np.zeros((size, size))
    values[size // 2, size // 2] = 1
    return apply(spec, values)[::-1, ::-1]


VALUES = picture(37, 52)


@pytest.mark.parametrize("sigma", [0.5, 1.5, 3.0])
def test_gaussian_is_scipys(sigma: float) -> None:
    expected = ndimage.gaussian_filter(VALUES, sigma, mode="mirror")
    np.testing.assert_allclose(apply(f"gaussian:sigma={sigma}", VALUES), expected, atol=1e-13)


@pytest.mark.parametrize("size", [3, 5, 9])
def test_box_is_scipys_uniform_filter(size: int) -> None:
    expected = ndimage.uniform_filter(VALUES, size, mode="mirror")
    np.testing.assert_allclose(apply(f"box:size={size}", VALUES), expected, atol=1e-13)


@pytest.mark.parametrize(("letter", "axis"), [("x", 1), ("y", 0)])
def test_gradients_are_scipys_and_opencvs(letter: str, axis: int) -> None:
    dx, dy = axis, 1 - axis
    sobel, scharr, prewitt = (apply(f"{name}-{letter}", VALUES) for name in ("sobel", "scharr", "prewitt"))
    np.testing.assert_allclose(sobel, ndimage.sobel(VALUES, axis=axis, mode="mirror"), atol=1e-13)
    np.testing.assert_allclose(sobel, cv2.Sobel(VALUES, cv2.CV_64F, dx, dy), atol=1e-13)
    np.testing.assert_allclose(scharr, cv2.Scharr(VALUES, cv2.CV_64F, dx, dy), atol=1e-13)
    np.testing.assert_allclose(prewitt, ndimage.prewitt(VALUES, axis=axis, mode="mirror"), atol=1e-13)


def test_laplacian_is_scipys_and_opencvs() -> None:
    result = apply("laplacian", VALUES)
    np.testing.assert_allclose(result, ndimage.laplace(VALUES, mode="mirror"), atol=1e-13)
    np.testing.assert_allclose(result, cv2.Laplacian(VALUES, cv2.CV_64F), atol=1e-13)


def test_edge_is_nine_times_the_difference_from_the_mean() -> None:
    expected = 9 * (VALUES - ndimage.uniform_filter(VALUES, 3, mode="mirror"))
    np.testing.assert_allclose(apply("edge", VALUES), expected, atol=1e-13)


def test_sharpen_takes_the_laplacian_away() -> None:
    np.testing.assert_allclose(apply("sharpen", VALUES), VALUES - ndimage.laplace(VALUES, mode="mirror"), atol=1e-13)
    strong = 10 * VALUES - 9 * ndimage.uniform_filter(VALUES, 3, mode="mirror")
    np.testing.assert_allclose(apply("sharpen-strong", VALUES), strong, atol=1e-13)


def test_unsharp_is_opencvs_weighted_difference() -> None:
    byte = np.rint(VALUES * 60 + 128)
    blurred = cv2.GaussianBlur(byte, (9, 9), 1)
    np.testing.assert_allclose(apply("unsharp", byte), cv2.addWeighted(byte, 2, blurred, -1, 0), atol=1e-10)


@pytest.mark.parametrize("sigma", [1.0, 1.5, 2.5])
def test_laplacian_of_gaussian_is_close_to_scipys(sigma: float) -> None:
    expected = ndimage.gaussian_laplace(VALUES, sigma, mode="mirror")
    result = apply(f"laplacian-of-gaussian:sigma={sigma},divisor=1", VALUES)
    assert np.abs(result - expected).max() < 2e-3 * np.abs(expected).max()


def test_difference_of_gaussians_is_scipys() -> None:
    radius = int(4 * 1.6 + 0.5)
    narrow, wide = (ndimage.gaussian_filter(VALUES, s, mode="mirror", radius=radius) for s in (1.0, 1.6))
    np.testing.assert_allclose(apply("difference-of-gaussians:divisor=1", VALUES), narrow - wide, atol=1e-13)


def test_gabor_is_opencvs_shape() -> None:
    theirs = cv2.getGaborKernel((37, 37), 3, 0, 6, 0.5, 0, cv2.CV_64F)
    ours = taps("gabor", 37)
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.999


def test_dilated_kernels_are_zero_stuffed_ones() -> None:
    stuffed = np.zeros((5, 5))
    stuffed[::2, ::2] = [[0, 1, 0], [1, -4, 1], [0, 1, 0]]
    np.testing.assert_allclose(
        apply("dilated-laplacian", VALUES), ndimage.correlate(VALUES, stuffed, mode="mirror"), atol=1e-13
    )
    row = np.zeros(9)
    row[::2] = np.array([1, 4, 6, 4, 1]) / 16
    expected = ndimage.correlate(VALUES, np.outer(row, row), mode="mirror")
    np.testing.assert_allclose(apply("dilated-gaussian", VALUES), expected, atol=1e-13)


@pytest.mark.parametrize("shape", [(16, 20), (15, 21), (1, 4)])
def test_downsample_keeps_every_second_pixel_of_the_blur(shape: tuple[int, int]) -> None:
    values = picture(*shape)
    row = np.array([1, 4, 6, 4, 1]) / 16
    blurred = ndimage.correlate(values, np.outer(row, row), mode="mirror")
    np.testing.assert_allclose(apply("downsample-2x", values), blurred[::2, ::2], atol=1e-13)


@pytest.mark.parametrize("stride", [2, 3, 4])
@pytest.mark.parametrize(("name", "method"), [("bilinear", cv2.INTER_LINEAR), ("cubic", cv2.INTER_CUBIC)])
def test_upsamplers_are_opencvs_resize(name: str, method: int, stride: int) -> None:
    values = picture(11, 14)
    expected = cv2.resize(values, None, fx=stride, fy=stride, interpolation=method)
    result = apply(f"upsample-{name}-2x:stride={stride},border=replicate", values)
    np.testing.assert_allclose(result, expected, atol=2e-6)  # OpenCV keeps its coefficients in float32


def test_disk_is_flat_inside_and_as_large_as_its_radius() -> None:
    for radius in (2, 5, 9):
        weights = taps(f"disk:radius={radius}", 41)
        assert np.count_nonzero(weights.max(axis=1) > 1e-12) == 2 * radius + 1  # below: the rounding of an FFT
        assert weights.max() == pytest.approx(1 / (np.pi * radius**2), rel=0.01)


@pytest.mark.parametrize("name", ["swirl", "lens", "jitter"])
@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (31, 33), (20, 9), (33, 31, 3)])
def test_deforming_kernels_fit_every_size(name: str, shape: tuple[int, ...]) -> None:
    values = picture(*shape)
    result = apply(name, values)
    assert result.shape == shape
    assert values.min() - 1e-6 <= result.min()
    assert result.max() <= values.max() + 1e-6


def test_a_deforming_kernel_is_scipys_map_coordinates() -> None:
    offsets = np.load(ROOT / "kernels" / "ripple.offsets.npy").astype(np.float64)
    values = ndimage.gaussian_filter(picture(192, 256), 2)
    expected = ndimage.map_coordinates(values, np.mgrid[:192, :256] + offsets, order=1, mode="mirror")
    np.testing.assert_allclose(apply("ripple", values), expected, atol=1e-6)
