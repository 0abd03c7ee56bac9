"""A picture to draw over, and kernels that are drawn there."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.support import noise

PICTURE = noise(96, 120, 3)
ONE_STAMP = "{type: transposed, weights: [[1]], stride: 2, padding: 0}"
SWIRL = {"type": "deformable", "weights": {"fill": 1, "size": [3, 3]}, "offsets": {"swirl": {"angle": 60}}}


def absolute(kernel: Any) -> Any:
    from convcli.ops import tensors

    weights = np.abs(kernel.dense_weights())
    return tensors.of_array(weights / weights.sum() * (kernel.divisor if kernel.divisor != "sum" else 1))
