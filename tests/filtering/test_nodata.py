"""Samples that are missing: normalised convolution as astropy defines it, in float64."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

import convcli
from convcli.errors import ShapeError
from convcli.filtering import Chain, filter_pixels, paging, steps
from tests.support import run

RNG = np.random.default_rng(9)
MODES = {"reflect": "mirror", "replicate": "nearest", "wrap": "grid-wrap", "zero": "constant", "7": "constant"}


def with_holes(channels: int = 1, dtype: str = "float32") -> Any:
    x = (100 * RNG.random((40, 50, channels))).astype(dtype)
    x[RNG.random(x.shape) < 0.2] = np.nan
    x[10:30, 10:30, 0] = np.nan  # larger than a kernel
    return x


def astropys(x: Any, weights: Any, border: str) -> Any:
    """`convolve(x, w, nan_treatment="interpolate", normalize_kernel=False)`: by its source, with scipy's borders."""
    there, number = ~np.isnan(x), float(border) if border.isdigit() else 0.0
    top = ndimage.correlate(np.where(there, x, 0), weights, mode=MODES[border], cval=number)
    bottom = ndimage.correlate(there.astype(float), weights, mode=MODES[border], cval=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(abs(bottom) > 1e-9, top / bottom, np.nan) * weights.sum()


@pytest.mark.parametrize("border", MODES)
@pytest.mark.parametrize("kernel", [
    "gaussian:sigma=2", "box:size=5", "{weights: [[1, 2, 4]]}", "{weights: [[0, 1, 0], [1, 4, 1], [0, 1, 0]]}",
])  # fmt: skip
def test_astropys_definition(kernel: str, border: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = convcli.load(kernel).replace(border=border)
    weights = np.asarray(loaded.dense_weights())
    for channels, rows in ((1, False), (3, True)):
        if rows and paging.available():
            monkeypatch.setattr(steps, "goes_in_rows", lambda picture, pixels: True)
            monkeypatch.setattr(steps, "_STEP_BYTES", 1 << 12)
        x = with_holes(channels)
        done = filter_pixels(x, Chain([loaded], nodata=np.nan))
        for c in range(channels):
            wanted = astropys(np.float64(x[..., c]), weights, border)
            np.testing.assert_allclose(done.array[..., c], wanted, rtol=1e-4, atol=1e-3)
        assert done.nonfinite == 0


def test_numbers_that_stand_for_no_data() -> None:
    x = with_holes(3)
    kernel = convcli.load("gaussian")
    wanted = filter_pixels(x, Chain([kernel], nodata=np.nan)).array
    numbered = np.where(np.isnan(x), np.float32(-9999), x)
    done = filter_pixels(numbered, Chain([kernel], nodata=-9999.0)).array
    assert np.array_equal(done == -9999, np.isnan(wanted))
    assert np.array_equal(done[done != -9999], wanted[~np.isnan(wanted)])
    whole = np.where(np.isnan(x), -9999, np.rint(x)).astype(np.int16)
    done = filter_pixels(whole, Chain([kernel], nodata=-9999.0)).array
    wanted = filter_pixels(np.where(whole == -9999, np.nan, whole), Chain([kernel], nodata=np.nan)).array
    assert np.array_equal(done, np.where(np.isnan(wanted), -9999, np.rint(wanted)))


def test_chains_go_on_with_what_came_out_and_biases_and_effects_follow() -> None:
    x = with_holes()
    gaussian = convcli.load("gaussian")
    once = filter_pixels(x, Chain([gaussian], nodata=np.nan)).array
    twice = filter_pixels(x, Chain([gaussian, gaussian], nodata=np.nan)).array
    np.testing.assert_allclose(twice, filter_pixels(once, Chain([gaussian], nodata=np.nan)).array, rtol=1e-5)
    five = gaussian.replace(bias=convcli.load("{weights: [[1]], bias: 5}").bias)
    biased = filter_pixels(x, Chain([five], nodata=np.nan))
    np.testing.assert_allclose(biased.array, once + 5, rtol=1e-5)
    half = filter_pixels(x, Chain([convcli.load("gaussian:amount=.5")], nodata=np.nan)).array
    np.testing.assert_allclose(half, np.where(np.isnan(x), once, (x + once) / 2), rtol=1e-5)
    full = 100 * RNG.random((30, 30, 2))
    plain = filter_pixels(full, Chain([gaussian]), axes="yx").array
    done = filter_pixels(full, Chain([gaussian], nodata=np.nan), axes="yx").array
    np.testing.assert_allclose(done, plain, rtol=1e-12)


def test_banks_and_enlargements() -> None:
    x, bank = with_holes(2, "float64"), RNG.random((3, 2, 3, 3))
    done = filter_pixels(x, Chain([convcli.load({"weights": bank})], nodata=np.nan), axes="yx").array
    there = ~np.isnan(x)
    for out in range(3):
        top = sum(ndimage.correlate(np.where(there, x, 0)[..., c], bank[out, c], mode="mirror") for c in (0, 1))
        low = sum(ndimage.correlate(np.float64(there[..., c]), bank[out, c], mode="mirror") for c in (0, 1))
        with np.errstate(divide="ignore", invalid="ignore"):
            wanted = np.where(low > 1e-9, top / low, np.nan) * bank[out].sum()
        np.testing.assert_allclose(done[..., out], wanted, rtol=1e-9)
    larger = filter_pixels(x, Chain([convcli.load("upsample-bilinear-2x")], nodata=np.nan), axes="yx").array
    assert larger.shape == (80, 100, 2) and np.nanmin(larger) >= 0 and np.nanmax(larger) <= np.nanmax(x)


def test_what_cannot_make_up_for_samples_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", with_holes()[..., 0])
    for arguments, words in [
        (("-k", "sobel-x", "--nodata", "nan"), "kernel 'sobel-x' has weights that sum to 0, which can't make up"),
        (("-k", "gaussian", "--nodata", "nan", "--amount", "50%", "--region", "5x5"), "can't be mixed with results"),
    ]:
        done = run("apply", str(tmp_path / "x.npy"), *arguments, "-o", str(tmp_path / "y.npy"))
        assert done.code == 1 and words in done.err
    done = run("apply", str(tmp_path / "x.npy"), "-k", "gaussian", "--nodata", "nan", "-o", str(tmp_path / "y.npy"))
    assert (done.code, done.err) == (0, "")
    weights = np.asarray(convcli.load("gaussian").dense_weights())
    wanted = astropys(np.float64(np.load(tmp_path / "x.npy")), weights, "reflect")
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), wanted, rtol=1e-4)
    np.save(tmp_path / "i.npy", np.zeros((5, 5), np.uint8))
    done = run("apply", str(tmp_path / "i.npy"), "-k", "gaussian", "--nodata", "inf", "-o", str(tmp_path / "j.npy"))
    assert done.code == 1 and "samples of uint8 are never inf" in done.err
    with pytest.raises(ShapeError, match="samples of uint8 are never -9999"):
        filter_pixels(np.zeros((5, 5, 1), np.uint8), Chain([convcli.load("box")], nodata=-9999.0))
    for number in (0.0, 255.0):
        with pytest.raises(ShapeError, match=f"some results become {number:g}, which stands for no data"):
            filter_pixels(np.zeros((5, 5, 1), np.uint8), Chain([convcli.load("box")], nodata=number, range="rescale"))
    with pytest.raises(ShapeError, match="alpha says what is there already"):
        filter_pixels(np.zeros((5, 5, 4), np.uint8), Chain([convcli.load("box")], nodata=0.0))
