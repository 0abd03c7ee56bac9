"""Large pictures in memory, filtered in steps: the same samples and counts as at once; nothing large stays behind."""

from __future__ import annotations

import dataclasses
import gc
import mmap
import weakref
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from convcli import load
from convcli.batch import one_file
from convcli.batch.report import Report
from convcli.filtering import paging, steps
from convcli.filtering.builder import build
from convcli.filtering.chain import Chain
from convcli.filtering.graph import InMemory
from convcli.filtering.picture import Outline, Picture
from convcli.filtering.treatment import Treatment
from convcli.pictures.formats.png.rows import PngBands
from tests.batch.test_one_file import in_bands, photo

pytestmark = pytest.mark.skipif(not paging.available(), reason="this system gives no memory back")

TREATMENTS = [
    Treatment(),
    Treatment(linear=True),
    Treatment(channels=("luma",)),
    Treatment(channels=("g",)),
    Treatment(alpha="keep"),
    Treatment(alpha="drop", linear=True),
    Treatment(background=(0.2, 0.5, 1.0)),
]


@pytest.mark.parametrize("mode", ["clip", "offset", "rescale", "float"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("treatment", TREATMENTS, ids=str)
def test_the_same_as_at_once(treatment: Treatment, dtype: str, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "GRAIN", mmap.PAGESIZE)
    monkeypatch.setattr(steps, "_STEP_BYTES", 1 << 16)
    pixels: Any = photo(210, 133, 4, dtype=dtype)
    pixels[90:140, :, 3] = 0
    kernels = [load("gaussian:sigma=2"), load("sharpen")]
    monkeypatch.setattr(steps, "goes_in_rows", lambda result, pixels: True)
    actual = steps.filter_pixels(pixels.copy(), Chain(kernels, mode), treatment)
    monkeypatch.setattr(steps, "goes_in_rows", lambda result, pixels: False)
    wanted = steps.filter_pixels(pixels.copy(), Chain(kernels, mode), treatment)
    assert np.array_equal(actual.array, wanted.array) and actual.array.dtype == wanted.array.dtype
    same = {"array": None, "seconds": 0.0}
    assert dataclasses.replace(actual, **same) == dataclasses.replace(wanted, **same)


def test_only_large_pictures_that_need_floats() -> None:
    small, large = np.zeros((100, 100, 3), np.uint8), np.zeros((1200, 1200, 3), np.uint8)
    luma = Treatment(channels=("luma",))

    def by_rows(pixels: Any, treatment: Treatment) -> bool:
        picture = Picture(Outline(shape=pixels.shape, dtype=pixels.dtype), Chain([load("sharpen")]), treatment)
        return steps.goes_in_rows(build(picture, InMemory(pixels)), pixels)

    assert [by_rows(large, luma), by_rows(small, luma), by_rows(large, Treatment())] == [True, False, False]
    assert by_rows(np.zeros((1200, 1200, 4), np.uint8), Treatment())


def test_a_picture_goes_when_nobody_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without waiting for the collector of cycles, which may come much later."""

    class Watched(np.ndarray[Any, Any]):
        pass

    pixels = photo(210, 133, 3).view(Watched)
    seen = weakref.ref(pixels)
    gc.disable()
    try:
        monkeypatch.setattr(steps, "goes_in_rows", lambda result, pixels: True)
        steps.filter_pixels(pixels, Chain([load("sharpen")]), Treatment(linear=True))
        del pixels
        assert seen() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("kernel", ["sharpen", "box:size=3", "gaussian:sigma=2", "sobel-x", "downsample-2x"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pictures_that_are_alike_are_planned_once(
    kernel: str, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """And are filtered as any alone is; where one call makes all of the first one, nothing is built for the others."""
    pictures: list[Any] = [photo(40, 30, channels, seed=seed) for seed in range(3)]
    alone = [steps.filter_pixels(pixels, Chain([load(kernel)]), counted=False) for pixels in pictures]
    chain, built = Chain([load(kernel)]), list[Any]()
    monkeypatch.setattr(steps, "build", lambda *arguments: built.append(arguments) or build(*arguments))
    for pixels, wanted in zip(pictures, alone, strict=True):
        outline = Outline(shape=pixels.shape, dtype=pixels.dtype)
        actual = steps.filtered(Picture.of(outline, chain, counted=False), pixels)
        assert np.array_equal(actual.array, wanted.array)
        same = {"array": None, "seconds": 0.0}
        assert dataclasses.replace(actual, **same) == dataclasses.replace(wanted, **same)
    by_call = channels < 4 and kernel in ("sharpen", "box:size=3", "gaussian:sigma=2")
    assert len(built) == (1 if by_call else 3)
    assert len(chain.pictures) == 1


def test_a_chain_remembers_some_kinds_of_pictures() -> None:
    chain = Chain([load("sharpen")])
    for width in range(1, 200):
        Picture.of(Outline(shape=(9, width, 3), dtype="uint8"), chain)
    assert len(chain.pictures) <= 64


@pytest.mark.parametrize("kernel", ["swirl", "lens", "sharpen"])
def test_rows_behind_hidden_pixels_are_read_once(kernel: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where what a step reads reaches back before what was read, a PNG file is decoded again from its first row."""
    beginnings: list[PngBands] = []
    rewind = PngBands.rewind
    monkeypatch.setattr(PngBands, "rewind", lambda self: (beginnings.append(self), rewind(self)))
    monkeypatch.setattr(one_file, "_HELD", 0)
    pixels = np.repeat(np.repeat(photo(75, 100, 4), 20, axis=0), 20, axis=1)
    pixels[500:750, :, 3] = 0
    report, _ = in_bands(cv2.imencode(".png", pixels)[1].tobytes(), tmp_path, [kernel])
    assert isinstance(report, Report) and report.bands > 1
    assert len(beginnings) == 1
