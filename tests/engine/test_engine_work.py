"""The work that strided, dilated, transposed and deformable kernels and volumes make: counted, never timed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

import convcli
from convcli.engine.channel import planes
from convcli.engine.sampled import samples, warp
from convcli.engine.sampled.parts import WINDOWS
from convcli.ops import reads


@pytest.fixture
def filtered(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """Counts calls of OpenCV's `filter2D`, the samples that it made, and those times the taps that are not 0."""
    import cv2

    done: Counter[str] = Counter()
    original = cv2.filter2D

    def counted(x: Any, ddepth: int, kernel: Any, **options: Any) -> Any:
        pixels = x.shape[0] * x.shape[1]
        done.update(calls=1, samples=pixels, products=pixels * int(np.count_nonzero(kernel)))
        return original(x, ddepth, kernel, **options)

    monkeypatch.setattr(cv2, "filter2D", counted)
    yield done


def applied(fields: dict[str, Any], x: Any, layout: str | None = None, *, algorithm: str | None = None) -> Any:
    return convcli.load(fields).apply(x, layout, algorithm=algorithm)


def test_dilated_kernels_multiply_no_zeros(filtered: Counter[str]) -> None:
    x = np.ones((600, 500), np.float32)
    applied({"weights": np.ones((6, 3)), "dilation": 8}, x)
    # One class of rows per phase and band; beyond the outputs only the columns of the halo are computed.
    assert filtered["products"] <= 18 * (1 + 16 / 500) * (1 + 2 * 5 * 8 / 150) * x.size
    assert filtered["calls"] == 8 * 4


@pytest.mark.parametrize(("shape", "nonzero"), [((300, 400), 9), ((900, 1000, 3), 9), ((300, 400), 4)])
def test_few_taps_far_apart_are_multiplied_once_each(
    shape: tuple[int, ...], nonzero: int, filtered: Counter[str]
) -> None:
    """By calls for a row of them, on the columns that it sees besides, and without OpenCV's Fourier transform."""
    taps = np.zeros(9)
    taps[:nonzero] = np.arange(1, nonzero + 1) / 45
    x = np.random.default_rng(6).random(shape, dtype=np.float32)
    y = applied({"weights": taps.reshape(3, 3), "dilation": 13, "border": "zero"}, x)
    least = nonzero * shape[0] * shape[1]
    assert least <= filtered["products"] <= least * (1 + 26 / shape[1])
    weights = taps.reshape(3, 3, *[1] * (x.ndim - 2))
    spread = np.zeros((27, 27, *weights.shape[2:]))
    spread[::13, ::13] = weights
    assert np.abs(y - ndimage.correlate(x.astype(np.float64), spread, mode="constant")).max() <= 1e-5


@pytest.mark.usefixtures("in_bands")
def test_strided_kernels_read_only_wanted_rows(filtered: Counter[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planes, "plan_strided", lambda *_: None)
    x = np.ones((600, 800), np.float32)
    y = applied({"weights": np.full((5, 5), 0.04), "stride": 2}, x, algorithm="direct")
    assert y.shape == (300, 400) and np.allclose(y, 1)
    # 3 + 2 rows of 5 taps for every row of outputs, on all columns: not 5 x 5 for every sample.
    assert filtered["products"] <= 1.05 * 25 * 300 * 804
    assert filtered["calls"] <= 2 * 6


def test_transposed_kernels_have_as_many_products_as_taps(filtered: Counter[str]) -> None:
    x = np.ones((400, 500), np.float32)
    applied({"type": "transposed", "weights": np.ones((4, 4)), "stride": 2, "border": "zero"}, x)
    assert 16 * x.size <= filtered["products"] <= 1.05 * 16 * x.size
    # Each phase, of all of the picture at once.
    assert filtered["calls"] == 4


def test_planes_of_a_depthwise_kernel_are_one_call_each(filtered: Counter[str]) -> None:
    x, weights = np.ones((8, 300, 200), np.float32), np.ones((8, 1, 3, 3))
    applied({"weights": weights, "groups": 8}, x, "cyx")
    assert filtered == {"calls": 8, "samples": x.size, "products": 9 * x.size}


def test_slices_of_volumes_lie_beside_each_other(filtered: Counter[str]) -> None:
    x = np.ones((32, 90, 80), np.float32)
    for side, bands in ((3, 2), (5, 2)):
        filtered.clear()
        y = applied({"weights": np.full((side,) * 3, side**-3.0)}, x, "zyx")
        assert np.allclose(y, 1)
        # One call for each slice of the kernel and band, on all slices of the band, with what lies around them.
        assert filtered["calls"] == side * bands
        assert filtered["samples"] == side * 32 * (89 + side) * (79 + side)


def test_wide_slices_of_volumes_are_filtered_where_they_lie(filtered: Counter[str]) -> None:
    x = np.ones((16, 90, 800), np.float32)
    assert np.allclose(applied({"weights": np.full((3, 3, 3), 1 / 27)}, x, "zyx"), 1)
    assert filtered["samples"] == 3 * x.size


def deformed(channels: int, size: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    offsets = rng.uniform(-2, 2, (18, size, size)).astype(np.float32)
    weights = rng.random((channels, channels, 3, 3)) if channels > 1 else rng.random((3, 3))
    kernel = convcli.load({"type": "deformable", "weights": weights, "offsets": offsets})
    shape = (size, size, channels) if channels > 1 else (size, size)
    return kernel, rng.random(shape, np.float32)


def counting(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> Counter[str]:
    done: Counter[str] = Counter()
    original: Callable[..., Any] = getattr(module, name)

    def counted(*arguments: Any, **options: Any) -> Any:
        done[name] += 1
        return original(*arguments, **options)

    monkeypatch.setattr(module, name, counted)
    return done


@pytest.mark.parametrize("channels", [1, 3, 16])
def test_places_are_worked_out_once_for_many_pictures(channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel, x = deformed(channels, 40)
    worked_out = counting(monkeypatch, reads, "Local")
    first = kernel.apply(x)
    count = worked_out["Local"]
    assert count > 0
    for picture in (x, x + 1, x):
        kernel.apply(picture)
    assert worked_out["Local"] == count
    assert np.array_equal(kernel.apply(x), first)


def test_rules_are_looked_through_once_for_pictures_of_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = convcli.load("swirl")
    x, y = (np.random.default_rng(0).random(shape, np.float32) for shape in ((400, 500), (500, 400)))
    looked = counting(monkeypatch, reads, "tiles")
    first, _ = kernel.apply(x), kernel.apply(y)
    count = looked["tiles"]
    assert count > 0
    assert np.array_equal(kernel.apply(x), first)
    kernel.apply(y)
    assert looked["tiles"] == count


def test_places_of_larger_pictures_are_made_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel, x = deformed(16, 80)
    worked_out, looked = counting(monkeypatch, reads, "Local"), counting(monkeypatch, reads, "near_parts")
    first, count = kernel.apply(x), worked_out["Local"]
    assert np.array_equal(kernel.apply(x), first)
    # Where the parts are is kept all the same: offsets are looked through once.
    assert worked_out["Local"] == 2 * count and looked["near_parts"] == count


def test_a_band_is_sampled_in_long_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    import cv2

    kernel, x = deformed(1, 1024)
    calls = counting(monkeypatch, cv2, "remap")
    kernel.apply(x)
    # Taps reach over 2 + 4 samples, and their neighbours: parts are as large as windows are, and one call each.
    reach = 2 + 4 + 4 + 1
    most = max((tall - reach) * (wide - reach) for tall, wide in WINDOWS)
    assert calls["remap"] <= 3 * 1024 * 1024 / most


def test_bytes_are_moved_from_where_they_lie_to_where_they_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """A single tap of 1 makes no floats of them; they are the exact result rounded, but where that is nearly a half."""
    x = np.random.default_rng(1).integers(0, 256, (704, 832, 4), np.uint8)
    windows = counting(monkeypatch, warp, "read_window")
    kernel = convcli.load({"type": "deformable", "weights": [[1]], "offsets": {"lens": {"strength": 0.5}}})
    y = kernel.apply(x)
    # But at the edges, where neighbours lie outside: parts are of 128 x 256.
    assert windows["read_window"] <= 6 + 4
    exact = kernel.apply(x.astype(np.float64))
    assert np.abs(y - exact).max() < 0.51


@pytest.mark.parametrize(("channels", "calls"), [(1, 1), (2, 1), (3, 1), (4, 1), (5, 2), (8, 2), (31, 8), (64, 0)])
def test_channels_are_read_by_fours(channels: int, calls: int, monkeypatch: pytest.MonkeyPatch) -> None:
    import cv2

    kernel, x = deformed(channels, 8)
    done = counting(monkeypatch, cv2, "remap")
    kernel.apply(x)
    assert done["remap"] == calls


@pytest.mark.parametrize("layout", ["yxc", "cyx"])
def test_many_channels_are_gathered_by_one_product(layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel, x = deformed(64, 8)
    exact, order = kernel.apply(x.astype(np.float64)), ["yxc".index(axis) for axis in layout]
    gathered = counting(monkeypatch, samples, "_sparse")
    y = kernel.apply(np.ascontiguousarray(x.transpose(order)), layout)
    largest = np.abs(kernel.effective).sum(axis=(1, 2, 3)).max()
    assert np.abs(y - exact.transpose(order)).max() <= 1e-5 * largest and gathered["_sparse"] == 1
    # What reads the pixels is kept from the second picture of a size on, also for those with a NaN at the end.
    x[-1, -1, 3] = np.nan
    again = [kernel.apply(np.ascontiguousarray(x.transpose(order)), layout) for _ in range(3)]
    assert gathered["_sparse"] <= 2 + 3
    lost = np.isnan(kernel.apply(x.astype(np.float64))).transpose(order)
    for own in again:
        np.testing.assert_array_equal(np.isnan(own), lost)
        np.testing.assert_array_equal(own[~lost], y[~lost])


def test_one_tap_reads_pixels_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    import cv2

    x = np.random.default_rng(1).integers(0, 256, (256, 256, 3), np.uint8)
    calls = counting(monkeypatch, cv2, "remap")
    y = convcli.load("lens").apply(x)
    assert y.shape == x.shape
    # Two rows of bands at most, in parts of columns: no call per channel.
    assert calls["remap"] <= 8


def test_blocks_far_from_their_places_are_exact() -> None:
    """A swirl by half a turn: no band shares a window; against scipy at the places that the rule gives."""
    kernel = convcli.load("swirl:angle=180")
    x = np.random.default_rng(2).random((300, 280))
    y, single = kernel.apply(x), kernel.apply(x.astype(np.float32))
    rows, columns = np.mgrid[:300, :280] - np.array([149.5, 139.5])[:, None, None]
    near = np.clip(1 - np.hypot(rows, columns) / (0.9 * 139.5), 0, 1)
    turn = np.pi * near**2 * (3 - 2 * near)
    down = rows * np.cos(turn) + columns * np.sin(turn) + 149.5
    right = columns * np.cos(turn) - rows * np.sin(turn) + 139.5
    expected = ndimage.map_coordinates(x, [down, right], order=1, mode="nearest")
    assert np.abs(y - expected).max() <= 1e-9
    assert np.abs(single - expected).max() <= 1e-5


@pytest.mark.parametrize("rule", ["swirl", "lens"])
@pytest.mark.parametrize("shape", [(64, 64), (200, 90), (40, 900)])
def test_what_a_rule_reads_inside_of_a_picture_is_not_copied(
    rule: str, shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows end at the last neighbour that has a share: at the edges, which these rules leave, no border is read."""
    x = np.random.default_rng(1).random(shape, np.float32)
    windows = counting(monkeypatch, warp, "read_window")
    kernel = convcli.load({"type": "deformable", "weights": [[1]], "offsets": {rule: {}}})
    y = kernel.apply(x)
    assert windows["read_window"] == 0
    assert np.abs(y - kernel.apply(x.astype(np.float64))).max() < 1e-5


def test_one_thread_filters_bytes_by_one_call(filtered: Counter[str]) -> None:
    """Nobody would help it, and what it did at the seams of halves would be done twice. The same bytes come of it."""
    from convcli.engine.threads import limit_threads, thread_count

    x = np.random.default_rng(0).integers(0, 256, (900, 700, 3), np.uint8)
    samples, count = x.shape[0] * x.shape[1], thread_count()
    outs = []
    try:
        for threads in (1, 2):
            limit_threads(threads)
            filtered.clear()
            outs.append(convcli.load("sharpen").apply(x))
            assert (filtered["samples"] == samples) is (threads == 1), filtered
    finally:
        limit_threads(count)
    assert np.array_equal(*outs)
