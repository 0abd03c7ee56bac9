"""The planner as a table, and the work of the plans it makes: nothing here is timed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import convcli
from convcli.engine import tiles
from convcli.engine.bank import bank
from convcli.engine.bank.plan import plan_bank
from convcli.engine.channel import choice, fourier, passes
from convcli.engine.geometry import Gather, Grid
from convcli.engine.plan import ALGORITHMS, Plane, plan_plane
from convcli.engine.processor import NARROW, WIDE
from convcli.engine.transforms import FAST, fourier_tile

MEGAPIXELS = {"height": 1000, "width": 1000}


@pytest.mark.parametrize(
    ("work", "narrow", "wide"),
    [
        (Plane(taps=(3, 3), nonzero=5, **MEGAPIXELS), "direct", "direct"),
        (Plane(taps=(9, 9), **MEGAPIXELS), "direct", "direct"),
        (Plane(taps=(13, 13), **MEGAPIXELS), "fourier", "fourier"),
        (Plane(taps=(31, 31), **MEGAPIXELS), "fourier", "fourier"),
        (Plane(taps=(21, 21), nonzero=21, **MEGAPIXELS), "direct", "direct"),
        (Plane(taps=(3, 3), rank=1, **MEGAPIXELS), "direct", "passes"),
        (Plane(taps=(13, 13), rank=1, **MEGAPIXELS), "passes", "passes"),
        (Plane(taps=(63, 63), rank=1, **MEGAPIXELS), "passes", "passes"),
        (Plane(taps=(7, 7), rank=2, **MEGAPIXELS), "direct", "direct"),
        (Plane(taps=(11, 11), rank=3, **MEGAPIXELS), "fourier", "fourier"),
        (Plane(taps=(63, 63), rank=2, **MEGAPIXELS), "fourier", "fourier"),
        (Plane(taps=(31, 31), rank=2, **MEGAPIXELS), "fourier", "fourier"),
        (Plane(taps=(63, 63), rank=2, height=64, width=64), "passes", "passes"),
        (Plane(taps=(63, 63), rank=6, **MEGAPIXELS), "fourier", "fourier"),
        (Plane(taps=(15, 15), bounded=False, **MEGAPIXELS), "direct", "direct"),
        (Plane(taps=(31, 31), rank=1, bounded=False, finite=False, **MEGAPIXELS), "passes", "passes"),
        (Plane(taps=(1, 15), height=1, width=1 << 20), "passes", "passes"),
        (Plane(taps=(1, 8191), height=1, width=1 << 20), "fourier", "fourier"),
        (Plane(taps=(127, 1), height=1000, width=1000), "passes", "passes"),
    ],
    ids=lambda work: f"{work.taps}, {work.nonzero}, {work.rank}, {work.height}" if isinstance(work, Plane) else "",
)
def test_the_plan(work: Plane, narrow: str, wide: str) -> None:
    for kind, algorithm in ((NARROW, narrow), (WIDE, wide)):
        plan = plan_plane(replace(work, processor=kind))
        assert plan.algorithm == algorithm
        assert str(plan).startswith(f"{algorithm} (")


@pytest.mark.parametrize(
    ("taps", "size", "native", "narrow", "wide"),
    [
        (11, 1000, False, "folded", "folded"),
        (15, 1000, False, "folded", "products"),
        (31, 1000, False, "folded", "products"),
        (31, 256, True, "native call", "native call"),
        (63, 1000, True, "native", "products"),
        (21, 1000, True, "native", "native"),
    ],
)
def test_mirrored_passes(taps: int, size: int, native: bool, narrow: str, wide: str) -> None:
    work = Plane(taps=(taps, taps), height=size, width=size, rank=1, mirrored=True, mean=True, native=native)
    for kind, how in ((NARROW, narrow), (WIDE, wide)):
        plan = plan_plane(replace(work, processor=kind))
        name = "native" if plan.native else "folded" if plan.folded else "products"
        assert (plan.algorithm, name + " call" * plan.call) == ("passes", how)


def test_tiles_have_a_partner() -> None:
    """Two tiles go in one transform: of one channel there are two beside each other, however few would do."""
    for kind, channels in ((NARROW, 1), (WIDE, 1), (WIDE, 4)):
        work = Plane(taps=(63, 63), height=256, width=256, channels=channels, processor=kind)
        across = -(-256 // (fourier_tile(work)[1] - 62))
        assert across * channels % 2 == 0 and across <= 2


@pytest.mark.parametrize("forced", ALGORITHMS)
def test_a_plan_can_be_forced_where_it_can_run(forced: str) -> None:
    work = Plane(taps=(15, 15), rank=2, equal=forced == "sums", **MEGAPIXELS)
    assert plan_plane(work, forced).algorithm == forced
    least = min(plan_plane(work, name).cost for name in ALGORITHMS)
    assert plan_plane(work).cost == least
    unbounded = Plane(taps=(15, 15), bounded=False, finite=False, **MEGAPIXELS)
    assert plan_plane(unbounded, "fourier").algorithm == "direct"


@pytest.mark.parametrize("taps", [3, 11, 31, 63, 200])
@pytest.mark.parametrize("size", [40, 500, 3000])
def test_fourier_tiles_waste_little(taps: int, size: int) -> None:
    tile = fourier_tile(Plane(taps=(taps, taps), height=size, width=size))
    assert all(side in FAST for side in tile) and all(side >= min(taps, size) for side in tile)
    if size == 3000:
        useful = np.prod([side - taps + 1 for side in tile]) / np.prod(tile)
        assert useful > (0.6 if taps < 100 else 0.3)


@pytest.mark.parametrize("shape", [(3000, 4000, 1), (3000, 4000, 3), (500, 500, 1), (64, 64, 1), (20000, 10, 1)])
def test_bands_cover_the_output_once_and_stay_small(shape: tuple[int, ...]) -> None:
    windows = [Gather(taps=7, stride=1, dilation=1, before=3, length=n) for n in shape[:2]]
    cuts = list(tiles.bands(shape, windows, 4))
    assert [start for start, _ in cuts[1:]] == [stop for _, stop in cuts[:-1]]
    assert (cuts[0][0], cuts[-1][1]) == (0, shape[0])
    row = 4 * shape[1] * shape[2]
    assert all((stop - start) * row <= max(tiles.TILE_BYTES, 12 * row) for start, stop in cuts)
    if shape[0] * row > tiles.TILE_BYTES:
        assert len(cuts) % 2 == 0


def test_the_number_of_transforms(monkeypatch: pytest.MonkeyPatch) -> None:
    """A 31x31 kernel on 2 megapixels: every tile is transformed once, two at a time, and few samples twice."""
    import cv2

    sizes: list[int] = []
    transform = cv2.dft

    def counted(values: Any, *arguments: Any, **options: Any) -> Any:
        sizes.append(values.shape[0] * values.shape[1])
        return transform(values, *arguments, **options)

    x, kernel = np.ones((1000, 2000), np.float32), convcli.load({"weights": np.random.default_rng(0).random((31, 31))})
    kernel.apply(x)
    monkeypatch.setattr(cv2, "dft", counted)
    kernel.apply(x)
    # There and back, for two real tiles: as many complex samples as outputs, and the tiles' overlap.
    assert x.size <= sum(sizes) <= 1.6 * x.size


@pytest.mark.parametrize(
    ("channels", "size", "algorithm", "least", "most"),
    [((8, 16), (300, 400), "rows", 5, 8), ((64, 64), (56, 56), "columns", 25, 25)],
    ids=["rows", "columns"],
)
def test_the_number_of_copies_of_a_bank(
    channels: tuple[int, int], size: tuple[int, int], algorithm: str, least: int, most: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Of 5x5 taps each sample is laid out once per tap across, and again between bands of rows, or once per tap."""
    copied: Counter[str] = Counter()
    copyto = np.copyto

    def counted(target: Any, source: Any, **options: Any) -> None:
        copied["bytes"] += target.nbytes
        copyto(target, source, **options)

    x, w = np.ones((channels[0], *size), np.float32), np.ones((channels[1], channels[0], 5, 5), np.float32)
    kernel = convcli.load({"weights": w})
    monkeypatch.setattr(np, "copyto", counted)
    kernel.apply(x, "cyx")
    assert plan_bank(bank.work_of(w.shape, 1, Grid((1, 1), (1, 1), size))).algorithm == algorithm
    assert least * x.nbytes <= copied["bytes"] <= most * x.nbytes


def test_no_window_is_copied_for_small_and_separable_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    from convcli.engine.channel import choice, fused

    # Where products cost less, the rows of a pass are copied beside each other.
    for module in (choice, fused, passes):
        monkeypatch.setattr(module, "processor", lambda: NARROW)
    copied: Counter[str] = Counter()
    read = tiles.read_window

    def counted(x: Any, ranges: Any, *arguments: Any, **options: Any) -> Any:
        window = read(x, ranges, *arguments, **options)
        copied["samples"] += window.size
        return window

    copyto = np.copyto

    def copied_to(target: Any, source: Any, **options: Any) -> None:
        copied["bytes"] += target.nbytes
        copyto(target, source, **options)

    monkeypatch.setattr(tiles, "read_window", counted)
    monkeypatch.setattr(fused, "read_window", counted)
    monkeypatch.setattr(np, "copyto", copied_to)
    x = np.random.default_rng(0).random((2400, 3000), np.float32)
    convcli.load("sharpen").apply(x)
    assert copied["samples"] == 0
    convcli.load("gaussian:sigma=4").apply(x)
    # Only the first and the last band reach over the edge.
    assert copied["samples"] <= 0.3 * x.size


def test_products_and_tiles_exist() -> None:
    row = np.arange(1.0, 4.0)
    matrix = passes.toeplitz(row.tobytes(), row.dtype.str, 2)
    assert matrix.tolist() == [[1, 2, 3, 0], [0, 1, 2, 3]]
    spectrum = fourier.kernel_spectrum(row.tobytes(), (1, 3), row.dtype.str, (1, 8))
    assert spectrum.shape == (1, 8) and np.isclose(spectrum[0, 0] * 8, 6)


def test_a_volume_is_planned_by_its_fullest_slice() -> None:
    cross = np.zeros((3, 3, 3))
    cross[1, 1] = cross[1, :, 1] = cross[:, 1, 1] = 1
    for taps, nonzero in ((cross, 5), (cross[::-1], 5), (cross[0], 1), (cross[0, 1], 1)):
        work, _ = choice.work_for(taps, (1,) * taps.ndim, (1,) * taps.ndim, None, 1)
        assert work.nonzero == nonzero
