"""Which way edges run at each pixel: the structure tensor of luma.

Source: Förstner & Gülch 1987, "A fast operator for detection and precise location of distinct points, corners and
centres of circular features"; Weickert 1998, "Anisotropic Diffusion in Image Processing", section 2.2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from convcli.channels import LUMA
from convcli.engine.borders import read_window

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, DTypeLike, Floats

#: Where Gaussians are cut off, in sigmas.
CUT = 4.0


class Structure(NamedTuple):
    """`jxx + jyy`, `jxx - jyy` and `2 jxy` of the smoothed products of the gradient, `(h, w)` each.

    The gradient's main direction is at half the angle of `(difference, twice)`; edges run across it.
    """

    trace: Floats
    difference: Floats
    twice: Floats

    def coherence(self) -> Floats:
        """`|l1 - l2| / (l1 + l2)`: 1 on a straight edge, 0 where no direction prevails."""
        return _over(np.hypot(self.difference, self.twice), self.trace)

    def along(self) -> tuple[Floats, Floats]:
        """Cosine and sine of the angle by which the x axis is turned, by at most 90 degrees, to run along the edge.

        Both are 0 where there is no direction.
        """
        length = np.hypot(self.difference, self.twice)
        # Of half the angle the larger one of sine and cosine by a root, the other one by division: no digits are lost.
        larger = np.sqrt(_over(length + np.abs(self.difference), 2 * length))
        smaller = _over(np.abs(self.twice), 2 * length * larger)
        flat = self.difference <= 0
        return np.where(flat, larger, smaller), -np.copysign(np.where(flat, smaller, larger), self.twice)


def _over(part: Floats, whole: Floats) -> Floats:
    """`part / whole`; 0 where `whole` is not above 0."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def reach(sigma: float, around: float) -> int:
    """Pixels from one that its structure depends on."""
    return _radius(sigma) + 1 + _radius(around)


def structure(
    image: Array, ranges: Sequence[tuple[int, int]], sigma: float, around: float, border: str, dtype: DTypeLike
) -> Structure:
    """Of the pixels in `ranges` (half-open, rows and columns) of `(height, width, channels)`, as `border` goes on.

    Gradients are central differences after a Gaussian of `sigma` pixels; their products are smoothed by one of
    `around` pixels. Where a sample nearby is NaN or infinite there is no structure.
    """
    halo = reach(sigma, around)
    grey = luma(read_window(image, [(start - halo, stop + halo) for start, stop in ranges], border, dtype))
    smooth = _gaussian(sigma)
    slope = np.convolve(smooth, [0.5, 0, -0.5])[::-1].copy()
    right = _filtered(grey, np.pad(smooth, 1), slope)
    down = _filtered(grey, slope, np.pad(smooth, 1))
    both = right * down
    right *= right
    down *= down
    mean = _gaussian(around)
    inner = tuple(slice(halo, halo + stop - start) for start, stop in ranges)
    edges = Structure(*(_filtered(part, mean, mean)[inner] for part in (right + down, right - down, both + both)))
    if not all(np.isfinite(part).all() for part in edges):
        known = np.logical_and.reduce([np.isfinite(part) for part in edges])
        edges = Structure(*(np.where(known, part, 0) for part in edges))
    return edges


def luma(pixels: Floats) -> Floats:
    """BT.601's luma of three channels, the mean of any other number: `(h, w)`."""
    channels = pixels.shape[-1]
    if channels == 1:
        only: Floats = pixels[..., 0]
        return only
    shares = LUMA if channels == 3 else (1 / channels,) * channels
    grey: Any = pixels[..., 0] * pixels.dtype.type(shares[0])
    for channel, share in enumerate(shares[1:], 1):
        grey += pixels[..., channel] * pixels.dtype.type(share)
    return grey  # type: ignore[no-any-return]


def _filtered(plane: Floats, rows: Floats, columns: Floats) -> Floats:
    """`rows` are the taps down, `columns` those to the right. Frames of it are cut off later: their border is any."""
    depth = cv2.CV_64F if plane.dtype == np.float64 else cv2.CV_32F
    smooth: Any = cv2.sepFilter2D(plane, depth, columns, rows, borderType=cv2.BORDER_REPLICATE)
    return smooth  # type: ignore[no-any-return]


def _radius(sigma: float) -> int:
    return int(CUT * sigma + 0.5)


def _gaussian(sigma: float) -> Floats:
    """Taps that sum to 1."""
    distances = np.arange(-_radius(sigma), _radius(sigma) + 1, dtype=np.float64)
    bell: Floats = np.exp(-0.5 * (distances / sigma) ** 2) if sigma else np.ones(1)
    return bell / math.fsum(bell)
