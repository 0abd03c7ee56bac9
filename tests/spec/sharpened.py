"""What sharpen makes, by its rows of numbers alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

ROWS = [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]
SHARPEN = np.array(ROWS)


def sharpened(x: NDArray[Any]) -> NDArray[np.float64]:
    return ndimage.correlate(x.astype(np.float64), SHARPEN, mode="mirror")
