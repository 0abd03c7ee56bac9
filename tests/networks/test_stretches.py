"""Layers that are computed together: against onnxruntime, beside the same one by one, and where they are chosen."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from networks import shared
from networks.layer_graphs import Graph

from convcli.engine.bank import rolling, stretch
from convcli.engine.bank.net import Networks
from convcli.engine.bank.stretch import Stretch
from convcli.engine.threads import limit_threads, run_all, thread_count
from convcli.filtering import Chain, filter_pixels
from convcli.networks import runnable, stretches
from convcli.networks.file import from_text
from convcli.networks.runnable import NetworkKernel
from convcli.spec import load

SIZE = (17, 20)


def built(tmp_path: Path, grow: Any, channels: int = 8, size: tuple[int, int] = SIZE) -> tuple[NetworkKernel, Any, Any]:
    """A network that `grow` grows, an input, and onnxruntime's answer to it."""
    rng = np.random.default_rng(4)
    net, x = Graph(rng, channels), rng.normal(size=(*size, channels)).astype(np.float32)
    grow(net)
    net.check(tmp_path, x)
    kernel = runnable.load(str(tmp_path / "net.yaml"))
    assert kernel is not None
    return kernel, x, shared.answer(net.model(channels), x)


def run(kernel: NetworkKernel, x: Any) -> Any:
    return filter_pixels(x, Chain([kernel], "float"), axes="yx").array


def spans(kernel: NetworkKernel, size: tuple[int, int] = SIZE) -> list[tuple[int, int, int]]:
    return [(one.first, one.last, one.source) for one in kernel.together(size).values()]


def separated(net: Graph, **choice: Any) -> None:
    net.layer("depthwise", bias=True, **choice)
    net.layer("pointwise", outputs=16, bias=True, activation=choice.get("activation", ""))


@pytest.mark.parametrize("activation", ["", "relu", "{leaky_relu: 0.2}", "prelu", "{clip: [0, 1]}"])
@pytest.mark.parametrize(
    "geometry",
    [{}, {"stride": 2}, {"size": 4, "pad": 1}, {"dilation": 2, "pad": 2}, {"size": 5, "pad": 0, "stride": 3}],
    ids=str,
)
def test_a_chain_agrees_with_onnxruntime(activation: str, geometry: dict[str, int], tmp_path: Path) -> None:
    def grow(net: Graph) -> None:
        separated(net, activation=activation, **geometry)
        net.layer("dense", outputs=5, activation=activation, bias=True)

    kernel, x, expected = built(tmp_path, grow)
    assert spans(kernel) == [(0, 2, -1)]
    assert np.abs(run(kernel, x) - expected).max() <= 1e-5 * np.abs(expected).max()


def residual(net: Graph) -> None:
    """A block whose end reads its beginning, a pool with a window beyond the edge, and channels side by side."""
    separated(net, activation="relu")
    before = net.x
    net.lines[-1] = net.lines[-1].replace("name: l2", "name: before")
    net.arrays["before.weight"], net.arrays["before.bias"] = net.arrays["l2.weight"], net.arrays["l2.bias"]
    separated(net, activation="relu")
    net.node("Add", net.x, before)
    net.lines.append("{add: before, activation: relu}")
    net.node("Relu", net.x)
    net.node("MaxPool", net.x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    net.lines.append("{pool: max, kernel_size: 3, stride: 2, padding: 1, name: pooled}")
    pooled = net.x
    separated(net)
    net.node("Concat", net.x, pooled, axis=1)
    net.lines.append("{concat: pooled}")
    net.channels = 32
    net.layer("pointwise", outputs=3)


def test_blocks_that_join_are_one_stretch(tmp_path: Path) -> None:
    kernel, _, _ = built(tmp_path, residual)
    assert spans(kernel) == [(0, 9, -1)]
    # What others read ends a stretch, and so does the layer that is shown.
    until = replace(kernel, network=kernel.network.changed(until="before"))
    assert spans(until) == [(0, 1, -1)]


@pytest.mark.parametrize("place", [(0, 0), (8, 9), (16, 19)])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_what_is_not_finite_goes_layer_by_layer(
    value: float, place: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the last bit as if nothing were computed together."""
    kernel, x, _ = built(tmp_path, residual)
    x[place] = value
    y = run(kernel, x)
    monkeypatch.setattr(stretches, "plan", lambda *_, **__: {})
    apart = runnable.load(str(tmp_path / "net.yaml"))
    assert apart is not None and spans(apart) == []
    assert np.array_equal(y, run(apart, x), equal_nan=True)
    assert not np.abs(y).max() < 1e35


def test_weights_whose_results_may_be_beyond_float32_are_not_trusted_to_it(tmp_path: Path) -> None:
    kernel, x, _ = built(tmp_path, separated)
    (one,) = kernel.together(SIZE).values()
    huge = [
        replace(step, weights=step.weights * np.float32(1e20), magnify=step.magnify * 1e20)
        for step in one.stretch.steps
    ]
    assert one.stretch.bears(x) and not Stretch(huge, 8, one.stretch.spans).bears(x)


def test_threads_change_no_bit(tmp_path: Path) -> None:
    """Several runs at a time, and one on a single thread."""
    kernel, x, _ = built(tmp_path, residual)
    before, count = cv2.getNumThreads(), thread_count()
    expected = run(kernel, x)
    results: list[Any] = [None] * 4

    def work(number: int) -> None:
        results[number] = run(kernel, x)

    crowd = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for one_thread in crowd:
        one_thread.start()
    for one_thread in crowd:
        one_thread.join()
    assert all(np.array_equal(expected, result) for result in results)
    assert cv2.getNumThreads() == before
    try:
        limit_threads(1)
        assert np.array_equal(run(kernel, x), expected)
    finally:
        limit_threads(count)


@pytest.mark.parametrize(("size", "threads"), [((9, 12), 1), ((120, 160), 3)])
def test_one_network_of_some_size_has_threads(
    size: tuple[int, int], threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel, x, expected = built(tmp_path, residual, size=size)
    seen, forward, before, count = [], Networks.forward, cv2.getNumThreads(), thread_count()
    monkeypatch.setattr(Networks, "forward", lambda *all: seen.append(cv2.getNumThreads()) or forward(*all))
    try:
        limit_threads(3)
        assert np.abs(run(kernel, x) - expected).max() <= 1e-5 * np.abs(expected).max()
        assert (seen, cv2.getNumThreads()) == ([threads], 3)
    finally:
        limit_threads(count)
        cv2.setNumThreads(before)


def test_threads_of_opencv_are_not_started_again_for_each_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To tell OpenCV of one thread ends those that it has, and waits for each."""
    kernel, x, expected = built(tmp_path, residual, size=(120, 160))
    told: list[int] = []
    tell, count = cv2.setNumThreads, thread_count()
    try:
        limit_threads(2)
        monkeypatch.setattr(cv2, "setNumThreads", lambda number: told.append(number) or tell(number))
        assert np.abs(run(kernel, x) - expected).max() <= 1e-5 * np.abs(expected).max()
        assert told == []
        # A kernel between them runs on one thread of its own, or on several of ours.
        assert filter_pixels(x, Chain([load("gaussian")]), axes="yx").array.shape == x.shape
        assert cv2.getNumThreads() == 2 and told in ([], [1, 2])
    finally:
        limit_threads(count)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_results_are_arrays_of_their_own(dtype: Any, tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text("input: 8x8x3\nlayers: [{activate: none}, {take: 3}]\n")
    kernel = runnable.load(str(tmp_path / "net.yaml"))
    assert kernel is not None
    x = np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(dtype)
    for _ in range(2):
        y = run(kernel, x)
        assert np.array_equal(x, y) and not np.shares_memory(x, y)


def test_sizes_share_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One is read for all sizes with the same padding, and its results don't depend on what it was read for."""
    kernel, _, _ = built(tmp_path, separated)
    reads, read = [], cv2.dnn.readNetFromONNX
    monkeypatch.setattr(cv2.dnn, "readNetFromONNX", lambda data: reads.append(len(data)) or read(data))
    rng = np.random.default_rng(0)
    for size in [(17, 20), (9, 30), (33, 8), (17, 20)]:
        x = rng.normal(size=(*size, 8)).astype(np.float32)
        fresh = runnable.load(str(tmp_path / "net.yaml"))
        assert fresh is not None
        before = len(reads)
        y = run(kernel, x)
        assert len(reads) - before <= (size == (17, 20) and before == 0)
        assert np.array_equal(y, run(fresh, x))


def test_where_they_are_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel, _, _ = built(tmp_path, lambda net: [separated(net) for _ in range(3)])
    assert spans(kernel) == [(0, 5, -1)]
    # Maps that are large are made band by band, float64 is no work of OpenCV's, and one layer is no stretch.
    assert spans(kernel, (2000, 2000)) == []
    # Where maps are large, small ones behind them are made in bands, too, unless a layer needs all of one anyway.
    kernel, _, _ = built(tmp_path, lambda net: [separated(net, stride=2) for _ in range(3)])
    monkeypatch.setattr(runnable, "WHOLE_BYTES", kernel.map_bytes(SIZE) - 1)
    assert spans(kernel) == []
    items = (*kernel.network.items, *from_text("input: 8x8x1\nlayers: [{multiply: [[], [{global_pool: max}]]}]").items)
    assert spans(replace(kernel, network=kernel.network.changed(items=items))) == [(0, 5, -1)]
    monkeypatch.setattr(runnable, "WHOLE_BYTES", kernel.map_bytes(SIZE))
    runs, run_all = [], Stretch.run
    monkeypatch.setattr(Stretch, "run", lambda self, x, *more: runs.append(x.shape) or run_all(self, x, *more))
    run(kernel, np.zeros((*SIZE, 8)))
    assert not runs
    run(kernel, np.zeros((*SIZE, 8), np.float32))
    assert runs == [(*SIZE, 8)]


@pytest.mark.parametrize("size", [(1, 1), (2, 40), (41, 7), (70, 33)])
@pytest.mark.parametrize(
    "geometry",
    [
        {},
        {"size": 5},
        {"dilation": 2, "pad": 2},
        {"stride": 2},
        {"size": 4, "pad": 1},
        {"pad": 0},
        {"size": 1, "pad": 0},
    ],
    ids=str,
)
def test_products_on_rows_agree_with_onnxruntime(
    geometry: dict[str, int], size: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few rows at a time, in cuts that begin anywhere, between networks of OpenCV's and by Winograd's tiles."""
    if min(size) + 2 * geometry.get("pad", 1) < (geometry.get("size", 3) - 1) * geometry.get("dilation", 1) + 1:
        pytest.skip("the window is larger than what it would move over")

    def grow(net: Graph) -> None:
        net.layer("dense", outputs=16, bias=True, activation="prelu")
        net.layer("dense", outputs=20, bias=True, activation="relu", **geometry)
        net.layer("dense", outputs=20, bias=True, activation="relu")
        net.layer("depthwise", bias=True)
        net.layer("dense", outputs=3, bias=True, activation="tanh")

    monkeypatch.setattr(rolling, "_BLOCK_BYTES", 1 << 12)
    monkeypatch.setattr(stretch, "_CUT_BYTES", 1 << 12)
    monkeypatch.setattr(stretch, "_BESIDE", 1)
    kernel, x, expected = built(tmp_path, grow, size=size)
    layers = kernel.on(size).layers
    own = ["columns"] if {"stride", "size"} & geometry.keys() else ["columns", "tiles"]
    for second in [*own, "shifts"] if layers[1].size_in == layers[1].size_out else own:
        kinds = ["columns", second, "tiles", "net", "shifts"]
        spans = [stretch.Span(number, number, kind) for number, kind in enumerate(kinds)]
        one, y = stretches._together(layers, spans, -1, {}, 1e9), np.empty(expected.shape, np.float32)
        run_all(partial(one.stretch.run, x, out=y), one.cuts)
        assert np.abs(y - expected).max() <= 1e-5 * np.abs(expected).max()
        assert len(one.cuts) >= len(y) / 20


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_cuts_that_are_not_finite_go_layer_by_layer(
    value: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those alone, of rows that are cut anywhere."""

    def grow(net: Graph) -> None:
        for outputs in (16, 20, 6):
            net.layer("dense", outputs=outputs, bias=True, activation="relu")

    monkeypatch.setattr(stretch, "_CUT_BYTES", 1 << 10)
    monkeypatch.setattr(stretch, "_BESIDE", 1)
    kernel, x, _ = built(tmp_path, grow, size=(60, 20))
    (one,) = kernel.together((60, 20)).values()
    assert len(one.cuts) > 6
    x[29, 7] = value
    y = run(kernel, x)
    monkeypatch.setattr(stretches, "plan", lambda *_, **__: {})
    apart = runnable.load(str(tmp_path / "net.yaml"))
    assert apart is not None
    expected = run(apart, x)
    affected = np.zeros(60, bool)
    for start, stop in one.cuts:
        first, last = one.stretch.reads((60, 20), (start, stop))
        affected[start:stop] = first <= 29 < last
    assert affected.any() and not affected.all() and np.isnan(expected[26:33]).any()
    assert np.array_equal(y[affected], expected[affected], equal_nan=True)
    assert np.abs(y - expected)[~affected].max() <= 1e-5 * np.abs(expected[~affected]).max()


def test_calls_for_a_size_are_worked_out_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For other pictures of it they are made again; and worked out anew where another network moved their memory."""

    def grow(net: Graph) -> None:
        for outputs, size in ((16, 5), (20, 3), (3, 1)):
            net.layer("dense", size=size, pad=size // 2, outputs=outputs, bias=True, activation="prelu")

    def larger(net: Graph) -> None:
        for outputs in (40, 33, 3):
            net.layer("dense", outputs=outputs, bias=True, activation="relu")

    monkeypatch.setattr(rolling, "_BLOCK_BYTES", 1 << 13)
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
    kernel, x, expected = built(tmp_path / "one", grow)
    other, large, _ = built(tmp_path / "other", larger, size=(40, 90))
    expect = run(other, large)
    views: list[int] = []
    view = rolling.Rows.view
    monkeypatch.setattr(rolling.Rows, "view", lambda *a, **k: (views.append(1), view(*a, **k))[1])
    counts = []
    for turn in range(6):
        views.clear()
        y = run(kernel, x if turn % 2 else x[::-1, ::-1].copy())
        counts.append(len(views))
    assert counts[0] > 0 and counts[2:] == [0] * 4, counts
    assert np.abs(y - expected).max() <= 1e-5 * np.abs(expected).max()
    assert np.array_equal(run(other, large), expect)
    assert np.array_equal(run(kernel, x), y)
