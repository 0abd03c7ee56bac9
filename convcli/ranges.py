"""From float results to the numbers that are kept: rounding, limits, and where negative values go.

| mode      | what is kept of a float result `y`, for integers with white at `top`                              |
|-----------|----------------------------------------------------------------------------------------------------|
| `clip`    | `y`, cut off below 0 and above `top`                                                               |
| `abs`     | `|y|`, cut off above `top`: both directions of an edge are bright                                  |
| `offset`  | `y + (top + 1) / 2`, cut off: 0 is mid-grey                                                        |
| `rescale` | `y` stretched so that the least value becomes 0 and the greatest `top`                             |
| `float`   | `y` itself, as float32                                                                             |
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.floating[Any]]

MODES = ("clip", "abs", "offset", "rescale", "float")


def work_dtype(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """The float dtype in which samples of `dtype` are filtered: one that holds each of them exactly."""
    import numpy as np

    given = np.dtype(dtype)
    exact_in_float32 = given.itemsize <= 2 or (given.kind == "f" and given.itemsize == 4)
    return np.dtype(np.float32 if exact_in_float32 else np.float64)


def limits(dtype: npt.DTypeLike) -> tuple[float, float]:
    """The least and greatest number an array of `dtype` keeps; infinite for floats."""
    import numpy as np

    given = np.dtype(dtype)
    if given.kind == "b":
        return 0, 1
    if given.kind == "f":
        return -np.inf, np.inf
    info = np.iinfo(given)
    return int(info.min), int(info.max)


class Sink:
    """An output array that takes finished float bands, and counts what had to be cut off.

    `below` and `above` count samples that rounding alone would not have brought inside the limits; `nonfinite` counts
    NaN and infinite samples in a float result.
    """

    def __init__(
        self, shape: Sequence[int], dtype: npt.DTypeLike, *, shift: float = 0.0, absolute: bool = False
    ) -> None:
        import numpy as np

        self.out: npt.NDArray[Any] = np.empty(shape, dtype)
        self.below = 0
        self.above = 0
        self.nonfinite = 0
        self._shift = shift
        self._absolute = absolute
        self._lock = threading.Lock()

    def store(self, band: Array, start: int) -> None:
        """Keeps `band` as the rows from `start` on."""
        target = self.out[start : start + band.shape[0]]
        if self._absolute:
            band = abs(band)
        if self._shift:
            band = band + band.dtype.type(self._shift)
        if target.dtype.kind == "f":
            target[...] = band
            return
        below, above, nonfinite = store_rounded(band, target)
        with self._lock:
            self.below += below
            self.above += above
            self.nonfinite += nonfinite


def store_rounded(band: Array, target: npt.NDArray[Any]) -> tuple[int, int, int]:
    """Writes `band` to the integers of `target`, rounded half to even and cut off at their limits, never wrapped.

    Returns how many samples were below, above and not finite (NaN is kept as 0).
    """
    import numpy as np

    low, high = limits(target.dtype)
    least, greatest = _range(band)
    below = above = nonfinite = 0
    if not (np.isfinite(least) and np.isfinite(greatest)):
        nonfinite = int(band.size - np.count_nonzero(np.isfinite(band)))
        band = np.nan_to_num(band, nan=0.0, posinf=np.inf, neginf=-np.inf)
    if least < low - 0.5 or nonfinite:
        below = int(np.count_nonzero(band < low - 0.5))
    if greatest > high + 0.5 or nonfinite:
        above = int(np.count_nonzero(band > high + 0.5))
    depth = _opencv_depth(target)
    if depth is not None and band.flags.c_contiguous and target.flags.c_contiguous and not nonfinite:
        import cv2

        zero: Any = 0.0
        # OpenCV's conversion rounds half to even and saturates, in one pass.
        cv2.add(band.reshape(band.shape[0], -1), zero, dst=target.reshape(band.shape[0], -1), dtype=depth)
        return below, above, nonfinite
    if target.dtype.itemsize > 4:
        # Beyond 2^53 float64 has gaps: the nearest float64 below the limit is the greatest that fits.
        high = float(np.nextafter(float(high), 0))
    np.copyto(target, np.clip(np.rint(band), low, high), casting="unsafe")
    return below, above, nonfinite


def _range(band: Array) -> tuple[float, float]:
    import cv2
    import numpy as np

    if band.flags.c_contiguous and band.dtype in (np.float32, np.float64):
        least, greatest, _, _ = cv2.minMaxLoc(band.reshape(band.shape[0], -1))
        if np.isfinite(least) and np.isfinite(greatest) and not np.isnan(band.sum(dtype=np.float32)):
            return least, greatest
    return float(band.min()), float(band.max())


def _opencv_depth(target: npt.NDArray[Any]) -> int | None:
    import cv2
    import numpy as np

    return {np.dtype(np.uint8): cv2.CV_8U, np.dtype(np.uint16): cv2.CV_16U, np.dtype(np.int16): cv2.CV_16S}.get(
        target.dtype
    )
