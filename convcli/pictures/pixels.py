"""Pixels as arrays (height, width, channels), turned upright, and their channels put in order."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np

from convcli.pictures.opencv import opencv

#: As `numpy.typing.NDArray[Any]`, without loading that.
Pixels: TypeAlias = np.ndarray[tuple[Any, ...], np.dtype[Any]]

#: The flip that each EXIF orientation asks for, from 5 on after a transposition.
_FLIPS: Final = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """Pixels as stored, turned and mirrored as their EXIF orientation (1 to 8) says."""
    if not 2 <= orientation <= 8:
        return pixels
    cv2 = opencv()
    turned: Pixels = cv2.transpose(pixels) if orientation >= 5 else pixels
    if orientation in _FLIPS:
        turned = cv2.flip(turned, _FLIPS[orientation])
    return turned.reshape(*turned.shape[:2], pixels.shape[2])


def swapped(pixels: Pixels, *, in_place: bool = False) -> Pixels:
    """BGR(A) to RGB(A) or back; `in_place` where OpenCV can."""
    if pixels.shape[2] < 3:
        return np.ascontiguousarray(pixels)
    if pixels.dtype not in (np.uint8, np.uint16, np.float32):
        return np.ascontiguousarray(pixels[:, :, [2, 1, 0, 3][: pixels.shape[2]]])
    cv2 = opencv()
    code = cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    turned: Pixels = cv2.cvtColor(np.ascontiguousarray(pixels), code, dst=pixels if in_place else None)
    return turned


def coloured(pixels: Pixels) -> Pixels:
    """Grey as three equal channels, its alpha behind them; colours as they are."""
    return pixels if pixels.shape[2] > 2 else pixels[:, :, [0, 0, 0, 1][: pixels.shape[2] + 2]]
