"""Small pictures, filtered by plain calls: what they are, what they cost in calls, and that bands give the same."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import pytest

import convcli
from convcli.engine import plan, threads
from convcli.engine.channel import whole
from convcli.engine.dtypes import copy_pixels
from convcli.engine.sink import Sink
from convcli.filtering.chain import Chain
from convcli.filtering.steps import filter_pixels

RNG = np.random.default_rng(77)
KERNELS: dict[str, dict[str, Any]] = {
    "dense": {"weights": RNG.standard_normal((3, 5))},
    "large": {"weights": RNG.standard_normal((11, 11)) / 50},
    "transformed": {"weights": RNG.standard_normal((15, 12)) / 50},
    "dilated": {"weights": RNG.standard_normal((3, 3)), "dilation": [2, 3]},
    "far": {"weights": RNG.standard_normal((3, 3)), "dilation": [9, 11]},
    "farther": {"weights": np.random.default_rng(7).standard_normal((2, 3)), "dilation": [3, 66]},
    "strided": {"weights": RNG.standard_normal((3, 3)), "stride": [2, 3]},
    "padded": {"weights": RNG.standard_normal((5, 5)), "padding": [1, 2]},
    "even": {"weights": RNG.standard_normal((4, 2))},
    "separable": {"type": "separable", "taps": {"y": RNG.standard_normal(5), "x": RNG.standard_normal(9)}},
    "mirrored": {"type": "separable", "taps": [0.25, 0.5, 0.25]},
    "halved": {"type": "separable", "taps": [1, 4, 6, 4, 1], "stride": 2, "divisor": 256},
    "pyramid": {"type": "separable", "taps": [1, 4, 6, 4, 1], "divisor": "sum", "stride": 2},
    "rank 2": {"weights": np.outer([1, 2, 3, 2, 1], [1, 0, 2, 0, 1]) + np.outer([1, 0, 1, 0, 1], [2, 1, 1, 1, 2.0])},
    "box": {"weights": {"box": {"size": 9}}},
    "equal": {"weights": np.full((2, 12), -0.5)},
    "long": {"type": "separable", "taps": {"y": RNG.standard_normal(93) / 9, "x": RNG.standard_normal(51) / 9}},
    "sparse": {
        "type": "dense",
        "weights": np.outer([1, -2, 1, 2], [1, 2.5, -1]),
        "dilation": [9, 20],
        "stride": [1, 3],
    },
    "wider": {"weights": RNG.standard_normal((3, 90)) / 20},
    "row": {"weights": RNG.standard_normal((1, 15))},
    "column": {"weights": RNG.standard_normal((15, 1))},
}
#: Whose bands are windows that are copied first.
WINDOWED = {"padded", "sparse"}
PADS: dict[str, Any] = {"zero": "constant", "replicate": "edge", "symmetric": "symmetric", "reflect": "reflect"}
SHAPES = [(64, 64), (33, 47, 3), (40, 39, 4), (38, 61, 2)]


def picture(shape: tuple[int, ...], dtype: Any) -> Any:
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return np.random.default_rng(5).standard_normal(shape).astype(kind)
    return np.random.default_rng(5).integers(0, np.iinfo(kind).max, shape, kind, endpoint=True)


def filtered(kernel: Any, x: Any) -> Any:
    """By its definition, in float64, the border by numpy's `pad`."""
    parts = kernel.parts()
    taps = parts["together"] if "together" in parts else next(iter(parts.values()))
    windows, pads = kernel.windows(x.shape[:2], "yx"), []
    for window, n in zip(windows, x.shape, strict=False):
        low, high = window.reads(0, window.length)
        pads.append((max(0, -low), max(0, high - n)))
    y = np.zeros((*(window.length for window in windows), *x.shape[2:]))
    padded = np.pad(x.astype(float), [*pads, *[(0, 0)] * (x.ndim - 2)], mode=PADS[kernel.border])
    for place in np.ndindex(*taps.shape):
        first = [w.dilation * t - w.before + pad[0] for t, w, pad in zip(place, windows, pads, strict=True)]
        steps = [slice(a, a + (w.length - 1) * w.stride + 1, w.stride) for a, w in zip(first, windows, strict=True)]
        y += taps[place] * padded[tuple(steps)]
    return y


@pytest.fixture(autouse=True)
def counted_runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The pieces of work that go to threads."""
    runs: list[int] = []
    run_all = threads.run_all
    monkeypatch.setattr(threads, "run_all", lambda work, pieces: (runs.append(len(pieces)), run_all(work, pieces)))
    return runs


@pytest.mark.parametrize("border", ["zero", "replicate", "symmetric", "reflect"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
@pytest.mark.parametrize("name", KERNELS)
def test_small_pictures_are_filtered_without_threads(
    name: str, dtype: str, border: str, counted_runs: list[int]
) -> None:
    """Within the bounds of what scipy makes of them in float64, and the same from a second call on."""
    kernel = convcli.load(KERNELS[name] | {"border": border})
    for shape in SHAPES:
        x = picture(shape, dtype)
        y = kernel.apply(x)
        exact = filtered(kernel, x)
        scale = max(1.0, float(np.abs(exact).max()))
        if x.dtype.kind == "f":
            assert np.abs(y - exact).max() <= (1e-5 if dtype == "float32" else 1e-12) * scale
        else:
            limits = np.iinfo(x.dtype)
            assert np.abs(y - np.clip(np.rint(exact), limits.min, limits.max)).max() <= 1
        assert y.flags.c_contiguous and y.dtype == x.dtype
        assert np.array_equal(kernel.apply(x.copy()), y)
    assert not counted_runs


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("name", [*sorted(KERNELS.keys() - WINDOWED), "upsample-bilinear-2x", "upsample-nearest-2x"])
def test_larger_pictures_are_planned_once_and_get_the_same_bits(
    name: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From two threads at once, too, whose bands are other pictures'."""
    shape = (600, 700, 3)
    pictures = [np.roll(picture(shape, dtype), n, axis=0) for n in range(4)]
    fresh = [convcli.load(KERNELS.get(name, name)).apply(x) for x in pictures]
    kernel = convcli.load(KERNELS.get(name, name))
    kernel.apply(picture(shape, dtype))
    monkeypatch.setattr(type(kernel), "_cuts", None)
    with ThreadPoolExecutor(2) as pool:
        for y, expected in zip(pool.map(kernel.apply, pictures), fresh, strict=True):
            assert np.array_equal(y, expected)


@pytest.mark.parametrize(
    ("name", "dtype", "most"),
    [
        ("dense", "float32", 2), ("dense", "uint8", 8), ("dense", "uint16", 6), ("strided", "float32", 7),
        ("strided", "uint16", 11), ("halved", "uint8", 5), ("box", "uint8", 2), ("row", "float32", 7),
        ("upsample-nearest-2x", "uint8", 6), ("upsample-bilinear-2x", "uint16", 10), ("upsample-cubic-2x", "uint8", 10),
    ],
)  # fmt: skip
def test_a_second_call_goes_through_few_functions(name: str, dtype: str, most: int) -> None:
    """Of Python, each of which takes some hundredth of a microsecond to half of one."""
    kernel, x = convcli.load(KERNELS.get(name, name)), picture((64, 64), dtype)
    kernel.apply(x)
    assert functions_called(lambda: kernel.apply(x)) <= most


def functions_called(run: Callable[[], object]) -> int:
    """How many functions of Python one goes through, `run` not counted."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        run()
    finally:
        sys.setprofile(before)
    return calls - 1


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("name", KERNELS)
def test_planes_and_other_layouts(name: str, dtype: str) -> None:
    kernel = convcli.load(KERNELS[name])
    x = picture((30, 41, 3), dtype)
    y = kernel.apply(x)
    for layout, order in {"cyx": (2, 0, 1), "xyc": (1, 0, 2)}.items():
        turned = kernel.apply(np.ascontiguousarray(x.transpose(order)), layout)
        assert np.abs(turned.transpose(np.argsort(order)).astype(float) - y).max() <= (
            1e-5 if dtype == "float32" else 1
        )
    views = kernel.apply(np.repeat(x, 2, axis=1)[:, ::2])
    assert np.array_equal(views, y)


@pytest.mark.usefixtures("in_bands")
@pytest.mark.parametrize(("name", "dtype"), [*itertools.product(KERNELS, ["uint8", "float32"])])
def test_bands_give_the_same(name: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x = picture((47, 52, 3), dtype)
    banded = convcli.load(KERNELS[name]).apply(x)
    monkeypatch.undo()
    plan.plan_plane.cache_clear()
    called = convcli.load(KERNELS[name]).apply(x)
    assert np.abs(banded.astype(float) - called).max() <= (1 if dtype == "uint8" else 1e-5 * np.abs(called).max())


@pytest.mark.parametrize("name", KERNELS)
def test_pictures_and_arrays_get_the_same_bits(name: str) -> None:
    for shape, dtype in itertools.product(SHAPES[:3], ("uint8", "float32")):
        x, kernel = picture(shape, dtype), convcli.load(KERNELS[name] | {"bias": [0.5]})
        canonical = x if x.ndim == 3 else x[..., None]
        result = filter_pixels(canonical, Chain([kernel]), axes="yx").array
        assert np.array_equal(result.reshape(kernel.apply(x).shape), kernel.apply(x))


@pytest.mark.parametrize("spot", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("name", KERNELS)
def test_what_is_not_finite_reaches_no_further_than_the_kernel(name: str, spot: float) -> None:
    kernel = convcli.load(KERNELS[name] | {"border": "zero"})
    x = picture((60, 60), "float32")
    exact = kernel.apply(x)
    x[30, 30] = spot
    y = kernel.apply(x)
    ones = np.zeros((60, 60), np.float32)
    ones[30, 30] = 1
    reached = kernel.replace().apply(ones) != 0
    assert np.isclose(y[~reached], exact[~reached], rtol=1e-5, atol=1e-5).all()
    if not np.isfinite(spot):
        assert not np.isfinite(y[reached]).any()


def test_the_second_call_plans_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel, x = convcli.load("gaussian:sigma=1"), picture((64, 64, 3), "uint8")
    y = kernel.apply(x)
    for module, name in ((plan, "plan_plane"), (whole, "filter_of"), (whole, "fits")):
        monkeypatch.setattr(module, name, None)
    assert np.array_equal(kernel.apply(x), y)


def test_matrices_hold_any_border() -> None:
    """Those that OpenCV has no rule for, too; a number is no sum of samples."""
    for border, mode in {"wrap": "wrap", "reflect": "reflect"}.items():
        kernel = convcli.load(KERNELS["long"] | {"border": border})
        x = picture((20, 31), "float32")
        down, across = (part[::-1] for part in kernel.parts().values() if part.ndim == 1)
        padded = np.pad(x.astype(float), [(46, 46), (25, 25)], mode=mode)
        columns = np.apply_along_axis(np.convolve, 0, padded, down, "valid")
        assert np.abs(kernel.apply(x) - np.apply_along_axis(np.convolve, 1, columns, across, "valid")).max() <= 1e-5


@pytest.mark.parametrize("name", [*KERNELS, "upsample-nearest-2x", "upsample-cubic-2x", "identity"])
def test_nothing_is_read_before_the_work_begins(name: str) -> None:
    """What a picture is made of may be made by and by, whatever its layout, and dtypes that are no library's."""
    kernel = convcli.load(KERNELS.get(name, name))
    for dtype in ("uint8", "uint32", "float32"):
        picture_of = picture((44, 52, 6), dtype)
        x = np.zeros((44, 52, 3), dtype).repeat(2, axis=-1)[..., ::2]
        work = np.dtype(np.float32 if dtype != "uint32" else np.float64)
        sink = Sink(np.empty((*kernel.output_shape((44, 52)), 3), work))
        cuts = kernel.cuts(x, "yx", work, sink)
        x[...] = picture_of[..., ::2]
        cuts.run()
        scale = max(1.0, float(np.abs(sink.out).max()))
        assert np.abs(sink.out - kernel.apply(np.ascontiguousarray(x), dtype=work)).max() <= 1e-5 * scale


@pytest.mark.parametrize(
    ("fields", "shape", "dtype", "calls"),
    [
        # OpenCV starts threads of its own: one call, but for what the cache does not hold.
        ({"type": "separable", "taps": [0.25, 0.5, 0.25]}, (1100, 1000), "uint8", 1),
        ({"type": "separable", "taps": [0.25, 0.5, 0.25]}, (1100, 1000, 4), "float32", 4 + 6),
        # It starts none: two bands, and what is made again at each side of the cut.
        ({"type": "separable", "taps": [0.25, 0.5, 0.25]}, (1000, 1000, 3), "uint8", 2 + 2),
        ({"type": "separable", "taps": [0.25, 0.5, 0.25]}, (300, 300, 3), "uint8", 1),
    ],
)
def test_who_starts_threads(
    fields: Any, shape: tuple[int, ...], dtype: str, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, kernel = picture(shape, dtype), convcli.load(fields)
    exact, seen = filtered(kernel, x), []
    separated = cv2.sepFilter2D
    monkeypatch.setattr(threads, "library_threads", lambda: 2)
    monkeypatch.setattr(cv2, "sepFilter2D", lambda *a, **k: seen.append(a) or separated(*a, **k))
    assert np.abs(kernel.apply(x) - exact).max() <= (0.5 if dtype == "uint8" else 1e-5)
    assert len(seen) == calls


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7])
def test_pixels_are_copied_whole(channels: int, dtype: str) -> None:
    x = picture((21, 34, channels), dtype)
    for source in (x, x[::2, ::3], x[..., ::-1], np.asfortranarray(x), x[1:2]):
        target = np.zeros((*source.shape[:2], 2 * channels), dtype)[..., :channels]
        copy_pixels(target, source)
        assert np.array_equal(target, source)
