"""Effects on arrays of Python programs: against the formula in float64, in every dtype and layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage

import convcli
from convcli.errors import ConvcliError

RNG = np.random.default_rng(31)


def array(dtype: str, shape: tuple[int, ...] = (40, 50, 3)) -> Any:
    if np.dtype(dtype).kind == "f":
        return RNG.random(shape).astype(dtype)
    return RNG.integers(0, min(np.iinfo(dtype).max, 1 << 40), shape, dtype, endpoint=True)


def white(dtype: str) -> float:
    return 1.0 if np.dtype(dtype).kind == "f" else float(np.iinfo(dtype).max)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "uint32", "float16", "float32", "float64"])
@pytest.mark.parametrize("out", [None, "float64", "float32", "uint8", "int32"])
def test_the_formula_in_every_dtype(dtype: str, out: str | None) -> None:
    x = array(dtype)
    exact = x.astype(np.float64)
    y = ndimage.gaussian_filter(exact, 2, mode="mirror", radius=8, axes=(0, 1))
    mask = RNG.random((40, 50))
    shares = np.zeros((40, 50, 1))
    shares[5:25, 10:40] = mask[5:25, 10:40, None]
    least = 0.1 * white(dtype)
    wanted = exact + 0.5 * shares * np.where(abs(y - exact) >= least, y - exact, 0)
    kind = np.dtype(out or dtype)
    if kind.kind != "f":
        wanted = np.clip(np.rint(wanted), np.iinfo(kind).min, np.iinfo(kind).max)
    fields: dict[str, Any] = {"amount": 0.5, "region": "30x20+10+5", "where": mask, "dtype": out}
    results = [
        convcli.apply(x, "gaussian:sigma=2", threshold=0.1, **fields),
        convcli.apply(x, ["identity", "gaussian:sigma=2"], threshold=0.1, **fields),
        convcli.apply(np.moveaxis(x, -1, 0)[None], "gaussian:sigma=2", "nchw", threshold=0.1, **fields)[0],
    ]
    results[2] = np.moveaxis(results[2], 0, -1)
    near = abs(abs(y - exact) - least) < 1e-5 * white(dtype)
    for done in results:
        assert done.dtype == kind and done.shape == x.shape
        off = np.where(near, 0, abs(done.astype(np.float64) - wanted))
        coarse = 1e-3 if "float16" in (dtype, kind.name) else 1e-6
        assert off.max() <= coarse * white(dtype) + (kind.kind != "f")


def test_thresholds_of_kernels_in_a_chain_are_parts_of_the_arrays_white() -> None:
    x = array("uint8")
    between = convcli.apply(x, "box", dtype="float64")
    y = ndimage.gaussian_filter(between, 2, mode="mirror", radius=8, axes=(0, 1))
    wanted = np.where(abs(y - between) >= 0.05 * 255, y, between)
    done = convcli.apply(x, ["box", "gaussian:sigma=2,threshold=.05"], dtype="float64")
    near = abs(abs(y - between) - 0.05 * 255) < 1e-3
    assert np.abs(np.where(near, 0, done - wanted)).max() < 1e-3 and (wanted == between).mean() > 0.1


def test_what_is_missing() -> None:
    x = array("float32", (30, 40))
    x[10:14, 20:22] = np.nan
    there = ~np.isnan(x)
    sums = ndimage.uniform_filter(np.where(there, x, 0).astype(float), 5, mode="mirror")
    shares = ndimage.uniform_filter(there.astype(float), 5, mode="mirror")
    done = convcli.apply(x, "box", nodata=np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        wanted = np.where(shares > 1e-9, sums / shares, np.nan)
    np.testing.assert_allclose(done, wanted, atol=1e-6)


@pytest.mark.parametrize("fields, words", [
    ({"region": "left"}, "'left' is no region"), ({"feather": 2}, "--feather softens the edge of a mask"),
    ({"where": np.ones((3, 3))}, "the mask of --where is 3x3, the picture 50x40"),
    ({"where": np.ones((40, 50, 3))}, r"this has the shape \(40, 50, 3\)"), ({"amount": "half"}, "amount is a number"),
    ({"threshold": -1}, "neither is below 0"), ({"nodata": np.nan}, "samples of uint8 are never nan"),
])  # fmt: skip
def test_what_cannot_be_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ConvcliError, match=words):
        convcli.apply(array("uint8"), "gaussian", **fields)
