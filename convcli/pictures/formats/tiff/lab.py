"""CIELab colours as sRGB.

Source: TIFF Revision 6.0 (Adobe, 1992), section 23; Adobe PageMaker 6.0 TIFF Technical Notes (1995), ICC L*a*b*; CIE
15:2004; IEC 61966-2-1 (sRGB), adapted to D50 by Bradford's transform (B. Lindbloom).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from convcli.pictures.format import Pixels

_CIELAB, _ICCLAB = 8, 9
KINDS: Final = frozenset({_CIELAB, _ICCLAB})
#: Kinds and bits that are read: writers don't agree on ICCLab of 16 bits.
DEPTHS: Final = frozenset({(_CIELAB, 8), (_CIELAB, 16), (_ICCLAB, 8)})
_WHITE: Final = (0.96422, 1.0, 0.82521)
_TO_RGB: Final = (
    (3.1338561, -1.6168667, -0.4906146), (-0.9787684, 1.9161415, 0.0334540), (0.0719453, -0.2289914, 1.4052427),
)  # fmt: skip
_AT_ONCE: Final = 1 << 20


def rgb(stored: Pixels, kind: int) -> Pixels:
    """Samples (height, width, 3), L* a* b* as a TIFF file stores them, as sRGB of the same dtype; cut off where needed.

    L* is 0 to 100 over the whole range; a* and b* are signed, of 16 bits in 256ths, or for ICCLab 128 more than that.
    """
    out = np.empty_like(stored)
    step = max(1, _AT_ONCE // max(1, stored.shape[1]))
    for start in range(0, len(stored), step):
        out[start : start + step] = _colours(stored[start : start + step], kind)
    return out


def _colours(stored: Pixels, kind: int) -> Pixels:
    top, signed = int(np.iinfo(stored.dtype).max), np.dtype(f"i{stored.dtype.itemsize}")
    light = stored[..., 0] * (100 / top)
    if kind == _ICCLAB:
        across = stored[..., 1:].astype(np.float64) - 128
    else:
        across = np.ascontiguousarray(stored[..., 1:]).view(signed) / (1 if top == 255 else 256)
    middle = (light + 16) / 116
    roots = np.stack((middle + across[..., 0] / 500, middle, middle - across[..., 1] / 200), axis=-1)
    linear = np.where(roots > 6 / 29, roots**3, (roots - 4 / 29) * (3 * (6 / 29) ** 2)) * _WHITE
    linear = np.clip(linear @ np.array(_TO_RGB).T, 0, 1)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    colours: Pixels = np.rint(curved * top).astype(stored.dtype)
    return colours
