"""`convcli apply` from Python, and a mean of 3 x 3 by other means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tests.support import read, run, save

Pixels = NDArray[Any]


def apply(pixels: Pixels, *arguments: str, name: str = "in.png", out: str = "out.png") -> Pixels:
    """What `convcli apply in.png ... -o out.png --quiet` makes of `pixels`."""
    source = save(Path(name), pixels)
    result = run("apply", source, *arguments, "-o", out, "--overwrite", "--quiet")
    assert (result.code, result.out, result.err) == (0, b"", "")
    return read(Path(out))


def mean_of_3x3(pixels: Pixels) -> Pixels:
    """An oracle: scipy's correlation with a 3x3 box and mirrored borders, rounded half to even, per channel."""
    planes = pixels.reshape(*pixels.shape[:2], -1).astype(np.float64)
    filtered = np.stack(
        [ndimage.uniform_filter(plane, 3, mode="mirror") for plane in planes.transpose(2, 0, 1)], axis=2
    )
    return np.rint(filtered).reshape(pixels.shape)
