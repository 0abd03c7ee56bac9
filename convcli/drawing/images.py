"""Pixels inside drawings: as large as they are looked at, and in the file format that suits them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np

from convcli import pictures
from convcli.drawing.scene import Picture
from convcli.engine.borders import read_window

if TYPE_CHECKING:
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

#: Pixels of a photograph per unit of the drawing: screens have two.
SHARPNESS: Final = 2
_QUALITY: Final = 85


def sized(pixels: Any, width: int, height: int, *, smooth: bool) -> Any:
    """Pixels as (height, width, channels); enlarged by a spline where `smooth`, else pixel by pixel."""
    larger = cv2.INTER_CUBIC if smooth else cv2.INTER_NEAREST
    shrinks = width < pixels.shape[1] or height < pixels.shape[0]
    size = max(1, width), max(1, height)
    done: Any = cv2.resize(np.ascontiguousarray(pixels), size, interpolation=cv2.INTER_AREA if shrinks else larger)
    return done.reshape(*done.shape[:2], -1)


def window_of(picture: Any, ranges: Sequence[tuple[int, int]], border: str) -> Any:
    """The rows and columns of half-open `ranges` of a picture; outside it what the `border` rule shows there."""
    return read_window(np.asarray(picture), ranges, border, picture.dtype)


def embedded(item: Picture) -> tuple[str, bytes]:
    """The kind and bytes of a picture in an SVG: a photograph as a JPEG of twice its drawn size, else a PNG."""
    pixels = np.asarray(item.pixels)
    width, height = round(item.w * SHARPNESS), round(item.h * SHARPNESS)
    if pixels.shape[1] > width or pixels.shape[0] > height:
        pixels = sized(pixels, width, height, smooth=True)
    if item.smooth:
        return "jpeg", pictures.encode(pixels, format="jpeg", place="the drawing", options={"quality": _QUALITY})
    return "png", pictures.encode(pixels, format="png", place="the drawing", options={"png_compression": 9})


def eight_bits(picture: Any) -> Pixels:
    """A picture (height, width, 1 to 4 channels) of any dtype as RGB of 8 bits; one with alpha lies on white."""
    array = np.asarray(picture)
    return coloured(on_white(array) if array.shape[2] in (2, 4) else array, _white(array))


def on_white(array: Any) -> Any:
    """Colours (height, width, channels) on white, without the alpha that is the last of the channels.

    What lies below nothing but alpha 0 may be any colour, and is no part of the picture.
    """
    white = _white(array)
    mixed = white + (array[..., :-1] - white) * (array[..., -1:] / white)
    return (mixed if array.dtype.kind == "f" else np.rint(mixed)).astype(array.dtype)


def _white(array: Any) -> float:
    return 1.0 if array.dtype.kind in "fb" else float(np.iinfo(array.dtype).max)


def coloured(array: Any, top: float = 255) -> Pixels:
    """Samples (height, width, channels) from 0 to `top` as RGB of 8 bits; grey is repeated."""
    pixels = np.asarray(array, np.float64) * (255 / top)
    colours = pixels[..., [0, 0, 0]] if pixels.shape[2] < 3 else pixels[..., :3]
    return np.clip(np.rint(np.nan_to_num(colours)), 0, 255).astype(np.uint8)
