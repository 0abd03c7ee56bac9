"""Kernels on arrays of Python programs: dtypes, memory, layouts, threads, settings of libraries."""

from __future__ import annotations

import threading
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

import convcli
from convcli.errors import ConvcliError, ShapeError, UsageError
from tests.spec.sharpened import sharpened
from tests.support import noise

DTYPES = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", ">i2", ">u2", ">i4", ">f4", ">f8"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_real_dtype_is_kept(dtype: str) -> None:
    x = (np.random.default_rng(0).integers(0, 100, (9, 8)) % (2 if dtype == "?" else 100)).astype(dtype)
    result = convcli.load("sharpen").apply(x)
    assert result.dtype == np.dtype(dtype)
    expected = sharpened(x)
    if x.dtype.kind in "iu":
        low, high = np.iinfo(x.dtype).min, np.iinfo(x.dtype).max
        assert np.array_equal(result.astype(float), np.clip(expected, low, high))
    elif x.dtype.kind == "b":
        assert np.array_equal(result, expected > 0.5)
    else:
        np.testing.assert_allclose(result.astype(float), expected, rtol=2e-3 if x.dtype.itemsize == 2 else 1e-6)


@pytest.mark.parametrize("dtype", [complex, object, "S3", "U3", "datetime64[s]", [("a", float)]])
def test_other_dtypes_are_refused(dtype: Any) -> None:
    with pytest.raises(UsageError, match="holds no real numbers"):
        convcli.load("sharpen").apply(np.zeros((5, 5), dtype))


def test_float64_is_computed_in_float64() -> None:
    x = np.random.default_rng(0).normal(0, 1, (30, 30))
    expected = ndimage.gaussian_filter(x, 1.5, mode="mirror", truncate=4.0)
    assert np.abs(convcli.load("gaussian").apply(x) - expected).max() < 1e-14
    single = convcli.load("gaussian").apply(x.astype(np.float32))
    assert single.dtype == np.float32 and 1e-9 < np.abs(single - expected).max() < 1e-6


def test_an_unrounded_result_on_request() -> None:
    x = noise(6, 7)
    exact = convcli.load("sobel-x").apply(x, dtype=np.float32)
    assert exact.dtype == np.float32
    assert np.array_equal(exact, ndimage.sobel(x.astype(float), axis=1, mode="mirror"))
    assert np.array_equal(convcli.apply(x, "sobel-x", dtype=np.int16), exact)
    assert convcli.apply(x.astype(float), "box", dtype="u1").dtype == np.uint8


def views(x: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """The same numbers in other places of memory."""
    height, width, channels = x.shape
    spread = np.zeros((2 * height, 3 * width, 2 * channels), x.dtype)
    spread[::2, ::3, 1::2] = x
    locked = x.copy()
    locked.setflags(write=False)
    raw = bytearray(x.nbytes + 1)
    shifted = np.frombuffer(raw, x.dtype, x.size, offset=1).reshape(x.shape)
    shifted[...] = x
    return {
        "fortran": np.asfortranarray(x), "strided": spread[::2, ::3, 1::2], "read-only": locked, "unaligned": shifted,
        "backwards": np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1], "big-endian": x.astype(x.dtype.newbyteorder(">")),
        "moved": np.ascontiguousarray(x.transpose(2, 0, 1)).transpose(1, 2, 0), "subclass": x.view(np.recarray),
    }  # fmt: skip


@pytest.mark.parametrize(
    "kernel", ["sharpen", "gaussian", "upsample-cubic-2x", "swirl", "luma", "disk:radius=9", "downsample-2x"]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_memory_layout_makes_no_difference_and_is_not_written_to(kernel: str, dtype: type) -> None:
    x = np.random.default_rng(0).uniform(0, 200, (23, 17, 3)).astype(dtype)
    loaded = convcli.load(kernel)
    expected = loaded.apply(x.copy())
    for name, view in views(x).items():
        before = view.tobytes()
        result = loaded.apply(view)
        if name == "moved":
            # Channels that lie as planes are filtered as planes: the last bit may differ.
            one = 1 if np.issubdtype(dtype, np.integer) else 4 * float(np.finfo(dtype).eps) * np.abs(expected).max()
            assert np.abs(np.float64(result) - expected).max() <= one
        else:
            assert np.array_equal(result, expected), name
        assert view.tobytes() == before, name
        assert result.dtype == view.dtype and result.flags.writeable
        assert not np.shares_memory(result, view)


def test_a_broadcast_array_of_stride_0() -> None:
    row = np.arange(8.0)
    x = np.broadcast_to(row, (9, 8))
    np.testing.assert_allclose(convcli.apply(x, "sobel-x")[:, 1:-1], 8)
    assert np.array_equal(row, np.arange(8.0))


def test_identity_gives_a_copy() -> None:
    x = noise(5, 5)
    result = convcli.apply(x, "identity")
    result[...] = 0
    assert x.any()


@pytest.mark.parametrize("letters", ["yx", "xy", "yxc", "cyx", "xyc", "ycx", "zyx", "zyxc", "czyx", "xyzc", "xzy"])
def test_layouts(letters: str) -> None:
    sizes = {"z": 3, "y": 7, "x": 9, "c": 2}
    x = np.random.default_rng(0).normal(0, 1, [sizes[letter] for letter in letters])
    result = convcli.load({"taps": {"y": [1, 2], "x": [3, 1, -1]}, "type": "separable"}).apply(x, letters)
    expected = ndimage.correlate1d(x, [3, 1, -1], axis=letters.index("x"), mode="mirror")
    expected = ndimage.correlate1d(expected, [1, 2], axis=letters.index("y"), mode="mirror", origin=-1)
    np.testing.assert_allclose(result, expected, atol=1e-12)


def test_a_bank_adds_or_takes_the_channel_axis() -> None:
    split = convcli.load({"weights": np.array([[[[1.0]]], [[[2.0]]], [[[3.0]]]])})
    x = np.random.default_rng(0).normal(0, 1, (4, 5))
    assert np.allclose(split.apply(x), x[..., None] * [1, 2, 3])
    assert np.allclose(split.apply(x[None], "cyx"), x * np.array([1, 2, 3])[:, None, None])
    merged = convcli.load("{weights: [[[[1]], [[2]], [[3]]]]}")
    assert merged.apply(np.ones((4, 5, 3))).shape == (4, 5, 1)


@pytest.mark.parametrize(
    ("kernel", "shape", "layout", "message"),
    [
        ("gaussian", (9,), None, "moves along y,x; the array has the axes x and no y"),
        ("luma", (9, 9), None, "is a filter bank for 3 channels, the input has 1"),
        ("luma", (9, 9, 4), None, "is a filter bank for 3 channels, the input has 4"),
        ("{weights: [[1]], bias: [1, 2]}", (9, 9, 3), None, "has 2 biases, the input 3 channels"),
        ("box:padding=valid", (3, 9), None, "spans 5 samples along y, more than the 3 samples of the input"),
        ("ripple", (9, 9), None, r"has shape \(2, 192, 256\)"),
        ("box", (3, 3), "yxc", "layout 'yxc' has 3 axes, the array 2"),
        ("box", (3, 3), "yy", "is not made of the letters"),
        ("box", (3, 3), "", "names no axis|is not made of the letters"),
        ("box", (3,) * 5, None, "an array of rank 5 has no default layout"),
        ("box", (), None, "an array of rank 0 has no default layout"),
        ("box", (0, 3), None, r"an array of shape \(0, 3\) holds no samples"),
    ],
)
def test_arrays_that_do_not_fit(kernel: str, shape: tuple[int, ...], layout: str | None, message: str) -> None:
    with pytest.raises((ShapeError, UsageError), match=message) as caught:
        convcli.load(kernel).apply(np.zeros(shape), layout)
    assert isinstance(caught.value, ConvcliError)


@pytest.mark.parametrize("x", [5, None, "abc", b"abc", {1: 2}, {1, 2}, range, np.ndarray], ids=repr)
def test_what_is_no_array_is_refused(x: Any) -> None:
    with pytest.raises(UsageError, match="not an array"):
        convcli.apply(x, "identity")


def test_threads_at_once_get_the_same_results() -> None:
    x = noise(300, 400, 3)
    names = ["gaussian", "sharpen", "upsample-bilinear-2x", "swirl", "luma", "disk:radius=12", "gabor"]
    kernels = [convcli.load(name) for name in names]
    expected = [convcli.load(name).apply(x) for name in names]
    before = cv2.getNumThreads(), cv2.ocl.useOpenCL()
    wrong: list[str] = []

    def work(order: list[int]) -> None:
        for index in order:
            try:
                if not np.array_equal(kernels[index].apply(x), expected[index]):
                    wrong.append(names[index])
            except BaseException as error:
                wrong.append(f"{names[index]}: {error!r}")

    indices = list(range(len(names)))
    threads = [threading.Thread(target=work, args=(order,)) for order in (indices, indices[::-1], indices, indices[3:])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert (cv2.getNumThreads(), cv2.ocl.useOpenCL()) == before


def test_opencvs_settings_are_left_alone() -> None:
    before = cv2.getNumThreads()
    try:
        for count in (1, 2):
            cv2.setNumThreads(count)
            for name in ("gaussian", "disk", "luma", "swirl", "upsample-cubic-2x"):
                convcli.apply(noise(200, 200, 3), name)
            assert cv2.getNumThreads() == count
    finally:
        cv2.setNumThreads(before)


@pytest.mark.parametrize("layout", ["yxc", "cyx"])
@pytest.mark.parametrize("side", [8, 56, 112])
@pytest.mark.parametrize(
    ("shape", "fields"),
    [
        ((64, 1, 3, 3), {"groups": 64}),
        ((64, 1, 3, 3), {"groups": 64, "stride": 2}),
        ((64, 8, 3, 3), {"groups": 8}),
        ((64, 64, 1, 1), {}),
        ((64, 64, 3, 3), {"stride": 2}),
        ((16, 64, 3, 3), {"dilation": 2}),
    ],
    ids=str,
)
def test_opencvs_threads_are_left_alone_by_layers(
    shape: tuple[int, ...], fields: dict[str, int], side: int, layout: str
) -> None:
    kernel = convcli.load({"weights": np.ones(shape, np.float32), **fields})
    x = np.ones((64, side, side) if layout == "cyx" else (side, side, 64), np.float32)
    before = cv2.getNumThreads()
    try:
        for count in (2, 3):
            cv2.setNumThreads(count)
            kernel.apply(x, layout)
            assert cv2.getNumThreads() == count
    finally:
        cv2.setNumThreads(before)


def test_numpys_error_settings_are_left_alone_and_no_warning_is_given() -> None:
    x = np.random.default_rng(0).normal(0, 1, (40, 40)).astype(np.float32)
    x[3, 4], x[20, 20], x[30, 1] = np.nan, np.inf, -np.inf
    settings = np.geterr()
    with np.errstate(all="raise"):
        for name in convcli.names():
            if name not in ("luma", "grey", "ripple"):
                convcli.apply(x, name)
    for name in ("gaussian", "sharpen", "disk:radius=12"):
        convcli.apply(x, name, dtype=np.uint8)
    assert np.geterr() == settings
