"""Banks that OpenCV computes as a network of one layer: the model, by other programs; NaN, threads, what is kept."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import convcli
from convcli.engine.bank import net, plan
from convcli.engine.geometry import Grid
from convcli.engine.processor import NARROW


def grouped(groups: int = 8, **fields: Any) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    kernel = convcli.load({"weights": rng.standard_normal((8 * groups, 8, 3, 3)), "groups": groups, **fields})
    return kernel, rng.standard_normal((8 * groups, 28, 30)).astype(np.float32)


@pytest.mark.parametrize(
    ("shape", "groups", "stride", "dilation"),
    [((64, 8, 3, 3), 8, (1, 1), (1, 1)), ((300, 1, 5, 2), 300, (2, 1), (1, 3)), ((6, 2, 1, 4), 3, (1, 3), (1, 2))],
)
def test_the_model_is_onnx(shape: tuple[int, ...], groups: int, stride: Any, dilation: Any) -> None:
    rng = np.random.default_rng(1)
    weights, size = rng.standard_normal(shape).astype(np.float32), (shape[1] * groups, 20, 141)
    lengths = [(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(size[1:], shape[2:], stride, dilation, strict=True)]
    data = net.model(weights, groups, size, Grid(stride, dilation, lengths), ((0, 0), (0, 0)))
    onnx.checker.check_model(onnx.load_model_from_string(data), full_check=True)
    x = rng.standard_normal(size).astype(np.float32)
    expected = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, {"x": x[None]})[0][0]
    nets, grid, (first, apart) = (
        net.Nets(weights, groups),
        Grid(stride, dilation, lengths),
        np.empty((2, *expected.shape), "f4"),
    )
    assert nets.correlate(x, grid, first)
    assert np.abs(first - expected).max() <= 1e-5 * np.abs(expected).max()
    # A result is nobody else's memory, lies where it is wanted, and is the same each time.
    strided = np.empty((*expected.shape, 2), np.float32)[..., 0]
    assert nets.correlate(-x, grid, strided) and nets.correlate(x, grid, apart)
    assert np.array_equal(apart, first) and np.array_equal(strided, -first)


@pytest.mark.parametrize("pads", [((1, 1), (1, 1)), ((0, 2), (3, 0))])
@pytest.mark.parametrize("border", ["zero", 5, "replicate"])
@pytest.mark.parametrize(("groups", "outputs"), [(64, 64), (8, 64), (1, 64), (1, 5)])
def test_nets_pad_as_everybody_does(groups: int, outputs: int, border: Any, pads: Any) -> None:
    """Also where they put zeros around the input themselves, in all layouts, and from integers."""
    rng = np.random.default_rng(3)
    weights = rng.standard_normal((outputs, 64 // groups, 3, 3)).astype(np.float32)
    kernel = convcli.load({"weights": weights, "groups": groups, "border": border, "padding": pads})
    modes: dict[Any, Any] = {"zero": {}, 5: {"constant_values": 5}, "replicate": {"mode": "edge"}}
    for x in (rng.standard_normal((64, 17, 23)).astype(np.float32), rng.integers(0, 255, (64, 17, 23), np.uint8)):
        padded = np.pad(x.astype(float), ((0, 0), *pads), **modes[border])
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))
        inputs = windows.reshape(groups, -1, *windows.shape[1:])
        parts = weights.reshape(groups, -1, *weights.shape[1:]).astype(float)
        exact = np.einsum("goiyx,gihwyx->gohw", parts, inputs, optimize=True).reshape(outputs, *windows.shape[1:3])
        bound = 1e-5 * np.abs(exact).max()
        assert np.abs(kernel.apply(x, "cyx", dtype="float32") - exact).max() <= bound
        last = kernel.apply(np.ascontiguousarray(x.transpose(1, 2, 0)), dtype="float32")
        assert np.abs(last.transpose(2, 0, 1) - exact).max() <= bound


def test_opencv_threads_make_the_same_bits() -> None:
    from convcli.engine.threads import limit_threads, thread_count

    count, (kernel, x) = thread_count(), grouped(groups=16)
    expected = kernel.apply(x, "cyx")
    try:
        for threads in (1, 2, 3):
            limit_threads(threads)
            assert np.array_equal(kernel.apply(x, "cyx"), expected)
    finally:
        limit_threads(count)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e38])
@pytest.mark.parametrize("layout", ["cyx", "yxc"])
@pytest.mark.parametrize("groups", [8, 64])
def test_a_sample_that_is_no_number_changes_what_reads_it_alone(value: float, layout: str, groups: int) -> None:
    rng = np.random.default_rng(2)
    kernel = convcli.load({"weights": rng.uniform(1, 2, (64, 64 // groups, 3, 3)), "groups": groups, "border": "zero"})
    x = rng.random((64, 28, 30), np.float32)
    order = (0, 1, 2) if layout == "cyx" else (1, 2, 0)
    before = np.moveaxis(kernel.apply(np.ascontiguousarray(x.transpose(order)), layout), layout.index("c"), 0)
    x[9, 10, 20] = value
    y = np.moveaxis(kernel.apply(np.ascontiguousarray(x.transpose(order)), layout), layout.index("c"), 0)
    seen, first = np.zeros(y.shape, bool), 9 // (64 // groups) * (64 // groups)
    seen[first : first + 64 // groups, 9:12, 19:22] = True
    assert np.abs(y - before)[~seen].max() <= 1e-5 * before.max()
    if np.isfinite(value):
        assert (y[seen] > 1e37).all()
    else:
        assert np.array_equal(y[seen], np.full(seen.sum(), value, np.float32), equal_nan=True)


def test_threads_of_others_may_share_a_kernel() -> None:
    kernel, x = grouped()
    pictures = [x * factor for factor in (1, -2, 3, 0.5)]
    expected = [kernel.apply(picture, "cyx") for picture in pictures]
    wrong: list[int] = []

    def work(number: int) -> None:
        for _ in range(20):
            if not np.array_equal(kernel.apply(pictures[number], "cyx"), expected[number]):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(pictures))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_few_networks_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    import cv2

    output: list[int] = []
    read = cv2.dnn.readNetFromONNX
    monkeypatch.setattr(cv2.dnn, "readNetFromONNX", lambda data: output.append(len(data)) or read(data))
    nets = net.Nets(np.ones((8, 4, 3, 3), np.float32), 2)
    for size in (10, 10, 10, *range(10, 30)):
        y = np.empty((8, size - 2, size - 2), np.float32)
        assert nets.correlate(np.ones((8, size, size), np.float32), Grid((1, 1), (1, 1), y.shape[1:]), y)
    assert len(output) == 20 and sum(len(one._idle) for one in nets._networks.values()) <= net.SIZES


def test_borders_other_than_zero_are_read_as_everywhere() -> None:
    kernel, x = grouped(border="reflect")
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)), mode="reflect")
    assert np.array_equal(kernel.apply(x, "cyx"), kernel.replace(padding=((0, 0), (0, 0))).apply(padded, "cyx"))


@pytest.mark.parametrize("layout", ["cyx", "yxc"])
@pytest.mark.parametrize(("shape", "groups", "size"), [((48, 1, 1, 1), 24, 20), ((128, 128, 1, 1), 1, 28)])
def test_single_taps_read_zeros_around_their_input(
    shape: tuple[int, ...], groups: int, size: int, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Networks of OpenCV would read what happens to lie beside it in memory: they get none to pad."""
    monkeypatch.setattr(plan, "processor", lambda: NARROW)
    plan.plan_bank.cache_clear()
    padded: list[Any] = []
    correlate = net.Nets.correlate

    def seen(self: net.Nets, planes: Any, grid: Any, y: Any, pads: Any) -> bool:
        padded.append(pads)
        return correlate(self, planes, grid, y, pads)

    monkeypatch.setattr(net.Nets, "correlate", seen)
    rng = np.random.default_rng(11)
    weights, x = rng.standard_normal(shape), rng.random((shape[1] * groups, size, size), np.float32)
    kernel = convcli.load({"weights": weights, "groups": groups, "padding": [[1, 2], [0, 3]], "border": "zero"})
    around = np.pad(np.float64(x), ((0, 0), (1, 2), (0, 3))).reshape(groups, shape[1], -1)
    mixes = weights.reshape(groups, -1, shape[1])
    expected = (mixes @ around).reshape(len(weights), size + 3, size + 3)
    order = (0, 1, 2) if layout == "cyx" else (1, 2, 0)
    y = kernel.apply(np.ascontiguousarray(x.transpose(order)), layout)
    assert np.abs(np.moveaxis(y, layout.index("c"), 0) - expected).max() <= 1e-5 * np.abs(expected).max()
    assert set(padded) <= {((0, 0), (0, 0))} and (padded or layout == "yxc")
