"""Depthwise separable kernels, small ones by two calls and large ones band by band: against sums in float64."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import convcli

MODES: dict[str, Any] = {"zero": "constant", "replicate": "edge", "reflect": "reflect"}


def exact(x: Any, kernels: Any, mix: Any, border: str, stride: int) -> Any:
    """`x` and the result are `(channels, height, width)`, `kernels` `(channels, 3, 3)`."""
    padded = np.pad(x.astype(float), ((0, 0), (1, 1), (1, 1)), mode=MODES[border])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))[:, ::stride, ::stride]
    return np.einsum("oc,chw->ohw", mix, np.einsum("chwyx,cyx->chw", windows, kernels))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("border", MODES)
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize(
    ("channels", "outputs", "size", "shared"),
    [
        (32, 64, (14, 19), False),
        (3, 1, (30, 21), True),
        (5, 3, (9, 8), False),
        (40, 3, (300, 211), False),
        (64, 48, (60, 57), False),
    ],
)
def test_both_steps(
    channels: int, outputs: int, size: tuple[int, int], shared: bool, dtype: str, border: str, stride: int
) -> None:
    rng = np.random.default_rng(8)
    kernels, mix = rng.standard_normal((channels, 3, 3)), rng.standard_normal((outputs, channels))
    if shared:
        kernels[:] = kernels[0]
    x = (rng.random((channels, *size)) * (255 if dtype == "uint8" else 1)).astype(dtype)
    expected = exact(x, kernels, mix, border, stride)
    fields = {"depthwise": kernels[0] if shared else kernels[:, None], "pointwise": mix, "stride": stride}
    kernel = convcli.load({"type": "depthwise_separable", "border": border, **fields})
    result = "float64" if dtype == "float64" else "float32"
    bound = (1e-12 if dtype == "float64" else 1e-5) * np.abs(expected).max()
    pixels = np.ascontiguousarray(np.moveaxis(x, 0, -1))
    for _ in range(2):  # the second time by what was worked out the first time
        assert np.abs(kernel.apply(x, "cyx", dtype=result) - expected).max() <= bound
        assert np.abs(np.moveaxis(kernel.apply(pixels, dtype=result), -1, 0) - expected).max() <= bound
    if dtype == "uint8":
        rounded = np.clip(np.rint(expected), 0, 255)
        assert np.abs(kernel.apply(x, "cyx").astype(float) - rounded).max() <= 1


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
@pytest.mark.parametrize("layout", ["cyx", "yxc"])
def test_what_is_not_finite_reaches_no_further_than_a_window(value: float, layout: str) -> None:
    rng = np.random.default_rng(9)
    kernels, mix = rng.uniform(1, 2, (64, 1, 3, 3)), rng.uniform(1, 2, (16, 64))
    kernel = convcli.load({"type": "depthwise_separable", "depthwise": kernels, "pointwise": mix, "border": "zero"})
    x = rng.random((64, 20, 22), np.float32)
    order = (0, 1, 2) if layout == "cyx" else (1, 2, 0)
    before = np.moveaxis(kernel.apply(np.ascontiguousarray(x.transpose(order)), layout), layout.index("c"), 0)
    x[5, 10, 7] = value
    y = np.moveaxis(kernel.apply(np.ascontiguousarray(x.transpose(order)), layout), layout.index("c"), 0)
    seen = np.zeros(y.shape, bool)
    seen[:, 9:12, 6:9] = True
    assert np.abs(y - before)[~seen].max() <= 1e-5 * before.max()
    assert np.isnan(y[seen]).all() if np.isnan(value) else np.isposinf(y[seen]).all()


def test_two_small_steps_are_two_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """No band is cut, and no window read."""
    from convcli.engine import tiles

    def cut(*arguments: Any) -> None:
        raise AssertionError(arguments)

    kernel = convcli.load(
        {"type": "depthwise_separable", "depthwise": np.ones((32, 1, 3, 3)), "pointwise": np.ones((64, 32))}
    )
    monkeypatch.setattr(tiles.Tiling, "by_regions", cut)
    assert (kernel.apply(np.ones((32, 28, 28), np.float32), "cyx") == 288).all()


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("border", ["zero", 2.5, -1])
@pytest.mark.parametrize("layout", ["cyx", "yxc"])
def test_each_thread_makes_some_rows_of_both_steps(
    layout: str, border: Any, stride: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from convcli.engine.bank import call

    rng, pieces = np.random.default_rng(10), list[int]()
    run_all = call.run_all
    monkeypatch.setattr(call, "run_all", lambda work, parts: pieces.append(len(parts)) or run_all(work, parts))
    kernels, mix = rng.standard_normal((64, 3, 3)), rng.standard_normal((128, 64))
    x = rng.random((64, 51 * stride, 67 * stride), np.float32)
    outside = 0 if border == "zero" else border
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)), constant_values=outside)
    expected = exact(padded, kernels, mix, "zero", 1)[:, 1:-1:stride, 1:-1:stride]
    fields = {"depthwise": kernels[:, None], "pointwise": mix, "stride": stride, "border": border}
    kernel = convcli.load({"type": "depthwise_separable", **fields})
    order = (0, 1, 2) if layout == "cyx" else (1, 2, 0)
    y = kernel.apply(np.ascontiguousarray(x.transpose(order)), layout)
    assert np.abs(np.moveaxis(y, layout.index("c"), 0) - expected).max() <= 1e-5 * np.abs(expected).max()
    # The rows of both at first; what runs within has a piece each.
    assert sorted(pieces)[-1] == 2 and pieces.count(2) == 1


@pytest.mark.parametrize("layout", ["cyx", "yxc"])
def test_threads_of_opencv_are_not_started_again_between_the_steps(
    layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from convcli.engine import threads

    asked: list[int] = []
    monkeypatch.setattr(threads, "cv2", SimpleNamespace(getNumThreads=lambda: 4, setNumThreads=asked.append))
    depthwise, pointwise = np.ones((64, 1, 3, 3)), np.ones((64, 64))
    kernel = convcli.load({"type": "depthwise_separable", "depthwise": depthwise, "pointwise": pointwise})
    x = np.ones((64, 56, 56) if layout == "cyx" else (56, 56, 64), np.float32)
    assert (kernel.apply(x, layout) == 576).all()
    assert asked == [1, 4]
