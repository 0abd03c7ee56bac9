"""Alpha of floats that goes beyond 1, as where 0 to 255 were converted, is told of wherever it counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from tests.support import noise, run

SAID = "its alpha goes beyond 1, where floats are opaque; --alpha none takes it as a band"
COUNTS = [(), ("--alpha", "keep"), ("--background", "white"), ("--background", "white", "--channels", "r")]
#: Ways in which alpha does not count, but for the division of premultiplied colours.
FREE = [("--alpha", "none"), ("--alpha", "drop")]


@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
@pytest.mark.parametrize(("size", "dtype"), [((30, 40), "float32"), ((30, 40), "float64"), ((700, 900), "float32")])
def test_it_is_told_of_where_it_counts(kind: str, size: tuple[int, int], dtype: str, tmp_path: Path) -> None:
    pixels = noise(*size, 4).astype(dtype)
    for name, samples in (("bytes", pixels), ("ones", pixels / 255)):
        source, out = tmp_path / f"{name}.tif", tmp_path / f"{name}-out.tif"
        tifffile.imwrite(source, samples, photometric="rgb", extrasamples=[kind])
        for options in (*COUNTS, *FREE):
            result = run("apply", source, "-k", "gaussian", "-o", out, "--overwrite", *options)
            divides = options == ("--alpha", "drop") and kind == "assocalpha"
            assert result.code == 0, result.err
            assert result.err.count(SAID) == (name == "bytes" and (options in COUNTS or divides)), options


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "float32", "float64"])
def test_white_that_is_the_least_value_is_told_of(dtype: str, tmp_path: Path) -> None:
    source, out = tmp_path / "in.tif", tmp_path / "out.npy"
    pixels = np.arange(-6, 6).reshape(3, 4).astype(dtype)
    tifffile.imwrite(source, pixels, photometric="miniswhite")
    result = run("apply", source, "-k", "identity", "-o", out)
    assert f"its white is its least value, and stays so: {dtype} is not inverted" in result.err
    assert np.array_equal(np.load(out).squeeze(), pixels)
