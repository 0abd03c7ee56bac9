"""The files in kernels/: which there are, their form, and the type and size of what comes out of each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import convcli
from tests.support import KERNELS

FILES = sorted(KERNELS.glob("*.yaml"))
EXPECTED = {
    *("identity", "sharpen", "sharpen-strong", "unsharp", "box", "gaussian", "binomial-5", "motion", "disk", "emboss"),
    *("edge", "laplacian", "laplacian-of-gaussian", "difference-of-gaussians", "sobel-x", "sobel-y", "scharr-x"),
    *("scharr-y", "prewitt-x", "prewitt-y", "gabor", "dilated-laplacian", "dilated-gaussian", "upsample-nearest-2x"),
    *(
        "upsample-bilinear-2x",
        "upsample-cubic-2x",
        "downsample-2x",
        "luma",
        "grey",
        "swirl",
        "lens",
        "jitter",
        "ripple",
    ),
    *("brush", "smooth-edges", "denoise-deformable"),
}


def test_the_expected_kernels_ship() -> None:
    assert {path.stem for path in FILES} >= EXPECTED


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_kernel_file_names_its_schema_and_starts_with_about(path: Path) -> None:
    first, second = path.read_text(encoding="utf-8").splitlines()[:2]
    assert first == "# yaml-language-server: $schema=kernel.schema.json"
    assert second.startswith("about: ")


def test_the_folder_stays_small() -> None:
    assert sum(path.stat().st_size for path in KERNELS.iterdir()) < 400_000


@pytest.mark.parametrize("name", [path.stem for path in FILES])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_type_and_size_of_the_result(name: str, dtype: type[np.generic]) -> None:
    values = np.random.default_rng(0).uniform(0, 200, (192, 256, 3)).astype(dtype)
    kernel = convcli.load(name)
    result = kernel.apply(values)
    assert result.dtype == dtype
    assert result.shape == (*kernel.output_shape((192, 256)), 1 if name in ("luma", "grey") else 3)
    factor = 2 if name.startswith("upsample") else 0.5 if name.startswith("downsample") else 1
    assert result.shape[:2] == (192 * factor, 256 * factor)
