"""How floats become integers: rounded half to even, cut off at the limits, and counted where that takes something."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np
from numpy.lib.stride_tricks import as_strided

from convcli.engine.dtypes import limits
from convcli.engine.memory import scratch

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, DTypeLike, Floats

#: OpenCV goes by way of 32-bit integers, where what is far too bright would wrap.
OVERFLOW = 1 << 30
#: OpenCV's number for each dtype that it rounds floats to, but for bytes.
_DEPTHS: dict[np.dtype[Any], int] = {np.dtype(np.uint16): cv2.CV_16U, np.dtype(np.int16): cv2.CV_16S}


def rounding(dtype: DTypeLike, reach: tuple[float, float]) -> Callable[[Floats], Array] | None:
    """How finite floats `(h, w)` or `(h, w, channels)`, none beyond `reach`, become integers of `dtype`, rounded half
    to even and cut off: by a call or two of OpenCV, which use the floats up; None where that can't be."""
    if max(-reach[0], reach[1]) >= OVERFLOW:
        return None
    if dtype == np.uint8:
        if is_within(reach, np.dtype(np.uint8)):
            return cv2.convertScaleAbs
        return lambda flat: cv2.convertScaleAbs(_not_negative(flat))
    depth, zero = _DEPTHS.get(np.dtype(dtype)), cast("Any", 0.0)
    # As rows of one channel: of more than four, OpenCV adds no number to.
    if depth is None:
        return None
    return lambda flat: cv2.add(flat.reshape(len(flat), -1), zero, dtype=depth).reshape(flat.shape)


def keeps_bytes(least: float, greatest: float) -> bool:
    """Whether numbers that reach so far are rounded to bytes without any being cut off, errors of float32 included."""
    return is_within((least, greatest), np.dtype(np.uint8))


def is_within(reach: tuple[float, float] | None, dtype: np.dtype[Any]) -> bool:
    """The same for integers of `dtype`; not of so many bits that floats have gaps there."""
    if reach is None or dtype.kind not in "ui" or dtype.itemsize > 2:
        return False
    low, high = limits(dtype)
    return reach[0] > low - 0.4 and reach[1] < high + 0.4


def store_rounded(
    band: Array, target: Array, *, counted: bool = True, reach: tuple[float, float] | None = None,
    ignored: Array | None = None,
) -> tuple[int, int, int]:  # fmt: skip
    """Writes `band` to the integers of `target`, rounded half to even and cut off at their limits, never wrapped.

    The band is used up. Returns how many samples were below, above and not finite (NaN is kept as 0); zeros unless
    `counted`. All samples are finite, and none is beyond `reach`, where that is known. Those that are `ignored`, bytes
    that are not 0, count for nothing.
    """
    flat, stored = rows_of(band), rows_of(target)
    if flat.shape != stored.shape:
        flat, stored = band, target
    if target.dtype == np.uint8 and flat.ndim == stored.ndim == 2 and is_within(reach, target.dtype):
        _round_magnitudes(flat, stored)
        return 0, 0, 0
    low, high = limits(target.dtype)
    heeded = None if ignored is None else np.equal(ignored, 0, out=scratch("heeded", flat.shape, bool))
    least, greatest = reach if reach and not counted else (float(flat.min()), float(flat.max()))
    # Where floats have gaps, the limit among them lies above the one of the integers: it is cut off, too.
    edge = float(flat.dtype.type(high))
    gap = edge > high
    below = above = nonfinite = 0
    finite = np.isfinite(least) and np.isfinite(greatest)
    if not finite:
        nonfinite = _count(~np.isfinite(flat), heeded)
        flat = np.nan_to_num(flat, nan=0.0, posinf=np.inf, neginf=-np.inf)
    if counted and (least < low - 0.5 or not finite):
        below = _count(flat < low - 0.5, heeded)
    if counted and (greatest > high + 0.5 or not finite or gap):
        above = _count(flat >= edge if gap else flat > high + 0.5, heeded)
    wide = max(-least, greatest) >= OVERFLOW
    if not finite or wide or not _opencv_rounds(flat, stored, least):
        fitting = np.nextafter(flat.dtype.type(edge), flat.dtype.type(0)) if gap else high
        np.copyto(stored, np.clip(np.rint(flat), low, fitting), casting="unsafe")
        if gap:
            stored[flat >= edge] = high
    return below, above, nonfinite


def _count(those: Array, heeded: Array | None) -> int:
    """How many of `those` there are among what is `heeded`."""
    return int(np.count_nonzero(those if heeded is None else np.logical_and(those, heeded, out=those)))


def rows_of(array: Array) -> Array:
    """`array` as rows of samples that lie side by side, a view where that is possible."""
    if array.flags.c_contiguous:
        return array.reshape(array.shape[0], -1)
    inner = array[0]
    if inner.flags.c_contiguous:
        return as_strided(array, (array.shape[0], inner.size), (array.strides[0], array.itemsize))
    return array


def _opencv_rounds(flat: Array, stored: Array, least: float) -> bool:
    """Rounds finite `flat` to `stored` by OpenCV, half to even and saturating, in one pass; False where it can't."""
    # A single double is a scalar for OpenCV, which then writes nothing.
    if flat.ndim != 2 or stored.ndim != 2 or flat.size == 1 or flat.dtype not in (np.float32, np.float64):
        return False
    if stored.dtype == np.uint8:
        if least <= -0.5:
            _not_negative(flat)
        _round_magnitudes(flat, stored)
        return True
    depth = _DEPTHS.get(stored.dtype)
    if depth is None:
        return False
    cv2.add(flat, cast("Any", 0.0), dst=stored, dtype=depth)
    return True


def _not_negative(flat: Floats) -> Floats:
    """`flat`, finite, with 0 for what is below, in place: fresh memory takes most of the time, and numpy the rest."""
    rows = rows_of(flat)  # OpenCV takes no volumes, nor more than 512 channels
    cv2.threshold(rows, 0, 0, cv2.THRESH_TOZERO, dst=rows)
    return flat


def _round_magnitudes(flat: Array, stored: Array) -> None:
    """Rounds the magnitudes of `flat` to bytes, half to even and saturating: the fastest conversion that there is."""
    cv2.convertScaleAbs(flat, dst=stored)
