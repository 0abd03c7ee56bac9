"""The library: kernels in every form, arrays of every kind, errors of one family, threads."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

import convcli
from convcli.errors import ConvcliError, KernelError, ShapeError, UsageError
from tests.support import KERNELS, noise

ROWS = [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]
SHARPEN = np.array(ROWS)


def sharpened(x: NDArray[Any]) -> NDArray[np.float64]:
    return ndimage.correlate(x.astype(np.float64), SHARPEN, mode="mirror")


# --- kernels ----------------------------------------------------------------------------------------------------------


def test_every_form_of_a_kernel(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("weights: [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]\n")
    x = np.random.default_rng(0).normal(0, 1, (9, 8))
    forms: list[Any] = [
        "sharpen", "sharpen:border=reflect", path, str(path), f"{path}:stride=1", path.read_text(),
        "[[0, -1, 0], [-1, 5, -1], [0, -1, 0]]", "{type: dense, weights: [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]}",
        {"weights": ROWS}, {"weights": tuple(map(tuple, ROWS))},
        {"weights": SHARPEN}, {"weights": SHARPEN.astype(np.float16), "stride": (1, 1)},
        {"weights": -2 * SHARPEN, "divisor": np.float32(-2)}, convcli.load("sharpen"),
    ]  # fmt: skip
    for form in forms:
        np.testing.assert_allclose(convcli.load(form).apply(x), sharpened(x), atol=1e-12)
        np.testing.assert_allclose(convcli.apply(x, form), sharpened(x), atol=1e-12)
    kernel = convcli.load("sharpen")
    assert convcli.load(kernel) is kernel


def test_arrays_in_a_mapping() -> None:
    rng = np.random.default_rng(0)
    x, weights, bias = rng.normal(0, 1, (7, 8, 3)), rng.normal(0, 1, (2, 3, 3, 3)), rng.normal(0, 1, 2)
    bank = convcli.load({"weights": weights, "bias": bias, "border": "zero"}).apply(x)
    for m in range(2):
        plane = sum(ndimage.correlate(x[..., c], weights[m, c], mode="constant") for c in range(3))
        np.testing.assert_allclose(bank[..., m], plane + bias[m], atol=1e-12)
    offsets, mask = np.zeros((2, 7, 8)), np.full((1, 7, 8), 0.25)
    offsets[0] = 1
    moved = convcli.load({"type": "deformable", "weights": [[2]], "offsets": offsets, "mask": mask, "border": "zero"})
    np.testing.assert_allclose(moved.apply(x), 0.5 * np.concatenate([x[1:], 0 * x[:1]]), atol=1e-12)
    taps = {"type": "separable", "taps": {"y": np.array([1, 2]), "x": np.ones(3)}, "divisor": np.int64(2)}
    assert convcli.load(taps).taps == (2, 3)


@pytest.mark.parametrize(
    "kernel",
    [
        {}, {"weights": {1, 2}}, {"weights": b"abc"}, {"weights": 2j}, {"weights": [[2j]]}, {"weights": [[True]]},
        {"weights": np.array([[1j]])}, {"weights": np.array([["a"]])}, {"weights": np.ones((2, 2), object)},
        {"weights": [np.ones(2), np.ones(3)]}, {"weights": (1 for _ in range(3))}, {"weights": [[10**400]]},
        {"weights": np.ones((0, 3))}, {"weights": np.array([[np.nan]])}, {"weights": np.array([[1]], "datetime64[s]")},
        {"weights": [[1]], "stride": np.array([1, 1])}, {"weights": [[1]], "type": np.ones(3)}, {1: 2}, {None: None},
        {"weights": {"gaussian": np.ones(2)}}, {"weights": {3: 4}}, 5, None, [["a"]], b"sharpen",
        np.ones((0, 3)), np.array(["a"]), [], ["box", "sharpen"], np.array([[np.nan]]), np.ones((2, 2), complex),
        "\0", "/", "a\nb", "[[1", "sharpen:=",
    ],
    ids=lambda value: repr(value)[:40],
)  # fmt: skip
def test_what_is_no_kernel_is_a_kernel_error(kernel: Any) -> None:
    with pytest.raises(KernelError) as caught:
        convcli.load(kernel)
    assert isinstance(caught.value, ConvcliError)
    assert str(caught.value) and "Traceback" not in str(caught.value)


def test_errors_of_a_mapping_name_the_path_of_keys() -> None:
    for kernel, message in (
        ({"weights": [[1, 2], [3, "x"]]}, "kernel, weights[1][1]: an entry of 'weights' must be a number, not 'x'"),
        (
            {"weights": {"gaussian": {"sigma": -1}}},
            "kernel, weights.gaussian.sigma: 'sigma' is -1; it must be at least 0",
        ),
        ({"weights": [[1]], "stride": [1, 0]}, "kernel, stride[1]: 'stride' is 0; it must be at least 1"),
        ({"weights": np.array([[np.inf]])}, "kernel, weights: array: 1 of 1 numbers are NaN or infinite"),
        ({"weights": np.array([[1, -1]]), "divisor": "sum"}, "kernel, divisor: the weights sum to 0"),
    ):
        with pytest.raises(KernelError) as caught:
            convcli.load(kernel)
        assert str(caught.value).startswith(message)


def test_names_are_the_shipped_kernels() -> None:
    assert convcli.names() == sorted(path.stem for path in KERNELS.glob("*.yaml"))


def test_the_public_face() -> None:
    assert sorted(convcli.__all__) == dir(convcli)
    for name in convcli.__all__:
        assert getattr(convcli, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'filter'"):
        convcli.filter  # type: ignore[attr-defined] # noqa: B018


def test_what_a_kernel_tells() -> None:
    kernel = convcli.load("gaussian:sigma=1,stride=2")
    assert (kernel.type, kernel.name, kernel.axes, kernel.border) == ("separable", "gaussian", "yx", "reflect")
    assert kernel.about.startswith("Gaussian blur")
    assert (kernel.taps, kernel.extent, kernel.stride) == ((9, 9), (9, 9), (2, 2))
    assert kernel.output_shape((11, 20)) == (6, 10)
    assert kernel.channels is None and kernel.output_channels(5) == 5
    count = kernel.count((11, 20), channels=3)
    assert (count.weights, count.biases, count.parameters) == (18, 0, 18)
    assert count.total_macs == 3 * (9 * 11 * 10 + 9 * 6 * 10) and count.flops == 2 * count.total_macs


# --- arrays -----------------------------------------------------------------------------------------------------------

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


# --- threads ----------------------------------------------------------------------------------------------------------


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
