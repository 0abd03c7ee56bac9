"""What is known of the samples of one window: whether all are finite, and of like size."""

from __future__ import annotations

import math
import sys
from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from convcli.engine.dtypes import Floats

#: Samples that tell the usual size. Planes and rows are hardly ever so many, that each gave one of the same place, such
#: as its first row, which may be a border of zeros.
SEEN = 139
#: A sample this many times the usual size would, through a Fourier transform, drown its neighbours in rounding errors.
SPIKE = 1000.0
#: The same of a running sum in float64, whose rounding errors stay where a sample has come and gone.
CARRIED = 1e8


class Facts:
    """Looked at when asked for: `plain` samples (integers, once) are finite and bounded without a look.

    `algorithm` is the one that is to be used where it can be; None leaves it to the planner. `beside` them lie samples
    of this size.
    """

    def __init__(self, data: Floats, *, plain: bool, algorithm: str | None = None, beside: float = 0.0) -> None:
        self._data = data
        self._beside = abs(beside)
        self._plain = plain
        self.algorithm = algorithm

    @cached_property
    def _greatest(self) -> float:
        """The largest magnitude; NaN or infinite where a sample is."""
        if math.isfinite(self._length):
            return cv2.norm(self._data.reshape(-1), cv2.NORM_INF)
        low, high = float(self._data.min()), float(self._data.max())
        return math.nan if math.isnan(low) else max(-low, high)

    @cached_property
    def _length(self) -> float:
        """Euclid's length of all samples, in float64: no magnitude exceeds it; NaN or infinite where a sample is.

        It takes half as long as the largest one, where the samples lie in one piece; elsewhere it is infinite.
        """
        return cv2.norm(self._data.reshape(-1)) if self._data.flags.c_contiguous else math.inf

    @cached_property
    def finite(self) -> bool:
        """No NaN and no infinity: a matrix product would spread them to samples that a kernel does not reach."""
        return self._plain or math.isfinite(self._length) or math.isfinite(self._greatest)

    @cached_property
    def bounded(self) -> bool:
        """Finite, and no sample far above the others: a Fourier transform would spread its rounding errors."""
        return self.within(SPIKE)

    def within(self, times: float) -> bool:
        """Finite, and no sample so many times as large as is usual."""
        if self._plain:
            return True
        if not self._data.size:
            return False
        most = min(times * self._usual, sys.float_info.max)
        return self._beside <= most and (self._length <= most or self._greatest <= most)

    @cached_property
    def _usual(self) -> float:
        """The size of most samples."""
        # A mean would follow the spike; the median of some hundred samples doesn't. Black surroundings don't count.
        seen = np.abs(self._data.reshape(-1)[:: self._data.size // SEEN + 1])
        seen.sort()
        black = seen.size - np.count_nonzero(seen)
        return float(seen[(black + seen.size) // 2]) if black < seen.size else 0.0
