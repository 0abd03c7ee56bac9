"""Colours as numbers: sRGB's transfer function, luma, pictures laid over a colour, and colours as people write them.

Source: IEC 61966-2-1:1999 (sRGB), sections 4.2 and 4.3; Recommendation ITU-R BT.601-7; CSS Color Module Level 4.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from convcli.channels import LUMA
from convcli.errors import UsageError, suggestion

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, Floats

_NAMED: Final = {
    "black": "000000", "white": "ffffff", "grey": "808080", "gray": "808080", "silver": "c0c0c0", "red": "ff0000",
    "green": "008000", "lime": "00ff00", "blue": "0000ff", "yellow": "ffff00", "cyan": "00ffff", "magenta": "ff00ff",
    "navy": "000080", "maroon": "800000", "olive": "808000", "purple": "800080", "teal": "008080", "orange": "ffa500",
}  # fmt: skip


def decoded(values: Floats) -> Floats:
    """Linear light of sRGB values, 0 (black) to 1 (white); below 0 the curve is mirrored, above 1 it goes on.

    >>> import numpy as np
    >>> decoded(np.array([0.0, 0.04045, 0.5, 1.0])).round(6).tolist()
    [0.0, 0.003131, 0.214041, 1.0]
    """
    size = abs(values)
    curve = ((size + size.dtype.type(0.055)) / size.dtype.type(1.055)) ** size.dtype.type(2.4)
    light: Floats = np.copysign(np.where(size <= 0.04045, size / size.dtype.type(12.92), curve), values)
    return light


def encoded(light: Floats) -> Floats:
    """sRGB values of linear light: the inverse of `decoded`.

    >>> import numpy as np
    >>> encoded(np.array([0.0, 0.0031308, 0.214041, 1.0])).round(6).tolist()
    [0.0, 0.04045, 0.5, 1.0]
    """
    size = abs(light)
    curve = size.dtype.type(1.055) * size ** size.dtype.type(1 / 2.4) - size.dtype.type(0.055)
    values: Floats = np.copysign(np.where(size <= 0.0031308, size * size.dtype.type(12.92), curve), light)
    return values


def light_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of linear light made of integer samples: float32 for 8 and 16 bits, which tells all values apart."""
    return np.dtype(np.float32 if dtype.itemsize <= 2 and dtype.kind == "u" else np.float64)


def linear_light(pixels: Array, top: int) -> Floats:
    """Linear light, 0 to `top`, of sRGB samples, computed in float64; of 8 and 16-bit integers once per value."""
    if pixels.dtype.kind == "f" or light_dtype(pixels.dtype) == np.float64:
        return decoded(pixels.astype(np.float64) / top) * top
    light: Floats = np.take(_light_table(top), pixels)
    return light


@cache
def _light_table(top: int) -> Floats:
    """Linear light of every value from 0 to `top`."""
    table: Floats = (decoded(np.arange(top + 1, dtype=np.float64) / top) * top).astype(np.float32)
    return table


def luma(colour: Floats) -> Floats:
    """BT.601 luma of (height, width, 3), as (height, width, 1)."""
    red, green, blue = (colour.dtype.type(share) for share in LUMA)
    weighted: Floats = colour[..., :1] * red + colour[..., 1:2] * green + colour[..., 2:] * blue
    return weighted


def over(colour: Floats, share: Floats, background: Floats) -> Floats:
    """Colour (height, width, channels) with opacity `share` (height, width, 1; 0 to 1) laid over one colour."""
    return background + (colour - background) * share


def parse(text: str) -> tuple[float, float, float]:
    """R, G and B, 0 to 1, of a colour: a name, `#rgb`, `#rrggbb`, or `r,g,b` up to 255.

    Raises UsageError for anything else.

    >>> parse("#f00"), parse("255, 0,51"), parse("white")
    ((1.0, 0.0, 0.0), (1.0, 0.0, 0.2), (1.0, 1.0, 1.0))
    """
    word = text.strip().lower()
    digits = _NAMED.get(word, word.removeprefix("#"))
    if re.fullmatch(r"[0-9a-f]{3}", digits):
        digits = "".join(digit * 2 for digit in digits)
    if re.fullmatch(r"[0-9a-f]{6}", digits):
        red, green, blue = (int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4))
        return red, green, blue
    numbers = re.fullmatch(r"(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})", word)
    if numbers and max(map(int, numbers.groups())) <= 255:
        red, green, blue = (int(number) / 255 for number in numbers.groups())
        return red, green, blue
    hint = suggestion(word, _NAMED) or "a colour is white, #ff8000 or 255,128,0"
    raise UsageError(f"'{text}' is no colour", hint=hint)
