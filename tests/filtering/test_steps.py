"""Large pictures in memory, filtered in steps: the same samples and counts as at once; nothing large stays behind."""

from __future__ import annotations

import dataclasses
import gc
import mmap
import weakref
from typing import Any

import numpy as np
import pytest

from convcli import load
from convcli.batch.picture_files import _way
from convcli.filtering import paging, steps
from convcli.filtering.steps import filter_in_steps
from convcli.filtering.treatment import Treatment, filter_treated
from tests.batch.test_one_file import photo

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
    found, wanted = (run(pixels.copy(), kernels, mode, treatment) for run in (filter_in_steps, filter_treated))
    assert np.array_equal(found.array, wanted.array) and found.array.dtype == wanted.array.dtype
    same = {"array": None, "seconds": 0.0}
    assert dataclasses.replace(found, **same) == dataclasses.replace(wanted, **same)


def test_only_large_pictures_that_need_floats() -> None:
    small, large = np.zeros((100, 100, 3), np.uint8), np.zeros((1200, 1200, 3), np.uint8)
    luma = Treatment(channels=("luma",))
    ways = [_way(large, luma), _way(small, luma), _way(large, Treatment())]
    assert ways == [filter_in_steps, filter_treated, filter_treated]
    assert _way(np.zeros((1200, 1200, 4), np.uint8), Treatment()) is filter_in_steps


def test_a_picture_goes_when_nobody_wants_it() -> None:
    """Without waiting for the collector of cycles, which may come much later."""

    class Watched(np.ndarray[Any, Any]):
        pass

    pixels = photo(210, 133, 3).view(Watched)
    seen = weakref.ref(pixels)
    gc.disable()
    try:
        filter_in_steps(pixels, [load("sharpen")], "clip", Treatment(linear=True))
        del pixels
        assert seen() is None
    finally:
        gc.enable()
