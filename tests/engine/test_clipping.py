"""What is cut off at the limits of bytes: counted right, whichever way a small kernel takes."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from scipy import ndimage

import convcli
from convcli import engine
from convcli.engine.sink import Sink
from convcli.filtering.chain import Chain
from convcli.filtering.steps import filter_pixels

#: Taps that are whole numbers or not, that reach beyond bytes or not, few and many, and such that make many ties.
KERNELS = {
    "sharpen": ([[0, -1, 0], [-1, 5, -1], [0, -1, 0]], 1),
    "nine whole numbers": ([[-1, -2, -1], [-2, 13, -2], [-1, -2, -1]], 1),
    "beyond int16": ([[0, -90, 0], [-90, 400, -90], [0, -90, 0]], 1),
    "blur": ([[1, 2, 1], [2, 4, 2], [1, 2, 1]], 16),
    "too bright": ([[1, 1, 1]], 1),
    "halves": ([[-1, 4, -1]], 2),
    "thirds": ([[-1, 0, 1], [-2, 5, 2], [-1, 0, 1]], 3),
    "negative": ([[-1, -2, -1]], 1),
    "beyond int32": ([[0, 10_000_000, 0], [10_000_000, -5, 10_000_000], [0, 10_000_000, 0]], 1),
    "halves beyond int32": ([[0, 9_000_001, -9_000_003]], 2),
    "twenty-five taps": ([[-1] * 5, [-1] * 5, [-1, -1, 26, -1, -1], [-1] * 5, [-1] * 5], 1),
}
PICTURES = {"small": (40, 31, 3), "grey": (333, 217, 1), "several bands": (900, 701, 3)}


def picture(shape: tuple[int, ...]) -> Any:
    """Bytes with all values, smooth in one half so that little is cut off there, with black and white areas."""
    random = np.random.default_rng(7)
    x = random.integers(0, 256, shape, dtype=np.uint8)
    smooth = cv2.GaussianBlur(x, (0, 0), 3).reshape(shape)
    x[:, : shape[1] // 2] = smooth[:, : shape[1] // 2]
    x[: shape[0] // 8], x[-shape[0] // 8 :] = 0, 255
    return x


@pytest.mark.parametrize("border", ["reflect", "zero", "replicate"])
@pytest.mark.parametrize("size", PICTURES)
@pytest.mark.parametrize("name", KERNELS)
def test_counts_are_those_of_the_exact_result(name: str, size: str, border: str) -> None:
    weights, divisor = KERNELS[name]
    x = picture(PICTURES[size])
    kernel = convcli.load({"weights": weights, "divisor": divisor, "border": border})
    rule = {"reflect": "mirror", "zero": "constant", "replicate": "nearest"}[border]
    # A whole number over the divisor, so that ties are ties.
    exact = ndimage.correlate(x.astype(np.float64), np.asarray(weights, float)[..., None], mode=rule) / divisor

    actual = filter_pixels(x, Chain([kernel]))

    assert (actual.below, actual.above) == ((exact < -0.5).sum(), (exact > 255.5).sum())
    wanted = np.clip(np.rint(exact), 0, 255)
    ties = np.abs(exact - np.floor(exact) - 0.5) < 1e-4
    assert np.abs(actual.array - wanted)[~ties].max() == 0
    assert np.abs(actual.array - wanted).max() <= 1
    # Nobody who doesn't ask for counts gets other pixels.
    assert np.array_equal(filter_pixels(x, Chain([kernel]), counted=False).array, actual.array)


@pytest.mark.parametrize("mode", ["abs", "offset"])
def test_other_ranges_count_as_before(mode: str) -> None:
    x = picture((60, 50, 3))
    weights = np.array([[-1, 4, -2]], float)
    kernel = convcli.load({"weights": weights.tolist()})
    exact = ndimage.correlate(x.astype(np.float64), weights[..., None], mode="mirror")
    exact = np.abs(exact) if mode == "abs" else exact + 128

    actual = filter_pixels(x, Chain([kernel], mode))

    assert (actual.below, actual.above) == ((exact < 0).sum(), (exact > 255).sum())
    assert np.array_equal(actual.array, np.clip(exact, 0, 255))


@pytest.mark.parametrize("down", [[1, 2, 1], [-1, 3, -1], [-2, -1]])
@pytest.mark.parametrize("across", [[1, 0, -1], [3, -1], [-1]])
def test_a_separable_kernel_reaches_as_far_as_the_dense_one(down: list[int], across: list[int]) -> None:
    fields = {"type": "separable", "taps": {"y": down, "x": across}, "divisor": 8}
    separable, dense = convcli.load(fields), convcli.load({"weights": np.outer(down, across).tolist(), "divisor": 8})
    assert separable.reach(0, 255) == pytest.approx(dense.reach(0, 255))


@pytest.mark.parametrize("channels", [1, 3])
def test_separable_kernels_on_bytes_are_cut_off_and_counted(channels: int) -> None:
    """One that overflows on both sides, and a blur that can't; taps enough for passes, strips that are not all full."""
    x = picture((700, 1403, channels))
    blur = np.hanning(23)[1:-1] / np.hanning(23).sum()
    for taps in (blur, 2.2 * blur - 1.2 * np.eye(21)[10]):
        kernel = convcli.load({"type": "separable", "taps": taps.tolist(), "border": "replicate"})
        exact = x.astype(np.float64)
        for axis in (0, 1):
            exact = ndimage.correlate1d(exact, taps, axis, mode="nearest")
        actual = filter_pixels(x, Chain([kernel]))
        near = np.minimum(np.abs(exact + 0.5), np.abs(exact - 255.5)) < 1e-3
        assert abs(actual.below - (exact < -0.5).sum()) <= near.sum()
        assert abs(actual.above - (exact > 255.5).sum()) <= near.sum()
        assert np.abs(actual.array - np.clip(np.rint(exact), 0, 255)).max() <= 1
        assert np.array_equal(kernel.apply(x), actual.array)


def test_single_columns_that_a_stride_leaves_are_rounded() -> None:
    """Their rows lie further apart than they are long."""
    for shape in ((40, 1, 3), (2, 1, 9), (2, 2, 9), (3, 1), (70, 9), (1, 9), (2, 5, 1)):
        x = np.random.default_rng(2).integers(0, 256, shape, np.uint8)
        kernel = convcli.load({"weights": [[-0.3, 1.0, 0.4], [0.2, -0.9, 0.1], [0.5, 0.5, -0.5]], "stride": [1, 3]})
        layout = "yxc"[: x.ndim]
        exact = kernel.apply(x.astype(float), layout)
        assert np.abs(kernel.apply(x, layout) - np.clip(np.rint(exact), 0, 255)).max() <= 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int32, np.int64])
@pytest.mark.parametrize("absent", [np.nan, np.inf, -9e15, 1.0])
def test_samples_that_stay_whatever_is_made_of_them_count_for_nothing(dtype: Any, absent: float) -> None:
    low, high = engine.limits(dtype)
    x = np.arange(40).astype(dtype).reshape(2, 20, 1)
    work = engine.work_dtype(dtype)
    y = np.full(x.shape, 7.4, work)
    y[0, :3] = absent
    y[0, 3:6, 0] = low - 3000.0, 2.0 * high, 12.5
    y[1, :2] = absent
    share = np.full((2, 20, 1), 255, np.uint8)
    share[0, :3] = share[1, :2] = 0
    share[1, 10:] = 100
    out = np.empty_like(x)
    sink = Sink(out).mixing(engine.Blend(x, 1.0, 0.0, share))
    sink.store(y.copy(), 0)
    inside = np.where((share > 0) & np.isfinite(y) & (abs(y) < 99), y, x)
    wanted = np.rint(x + share / 255 * (inside - x)).astype(dtype)
    wanted[0, 3:6, 0] = low, high, 12
    assert np.array_equal(out, wanted)
    assert (sink.tally.below, sink.tally.above, sink.tally.nonfinite) == (1, 1, 0)
