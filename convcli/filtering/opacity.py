"""Colour multiplied by opacity and back, and how opacity is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from convcli.engine.geometry import constant
from convcli.engine.sink import Sink
from convcli.errors import ShapeError

if TYPE_CHECKING:
    from convcli.engine.activation import Curve
    from convcli.engine.dtypes import Array, DTypeLike, Floats
    from convcli.ops import Kernel

#: Below this share of full opacity a result counts as wholly transparent.
HIDDEN = 1e-4


def check_channels(channels: int) -> None:
    """Raises ShapeError where so many channels leave no picture that alpha could belong to."""
    if channels not in (1, 3):
        fact = f"{channels} channels leave no picture that alpha could belong to"
        raise ShapeError(fact, hint="--alpha drop removes the alpha channel first")


def colours(out: Array, pixels: Array) -> None:
    """The colours of a picture with alpha, pixel after pixel.

    numpy and OpenCV are slow on three channels of which every fourth is another's.
    """
    if _is_known(pixels) and _is_known(out):
        pairs = [n for channel in range(out.shape[2]) for n in (channel, channel)]
        cv2.mixChannels([pixels], [out], pairs)
    else:
        out[...] = pixels[..., :-1]


def opacity(out: Floats, pixels: Array, top: float) -> None:
    """Alpha, the last channel, from 0 to 1."""
    out[..., 0] = last_channel(pixels)
    out /= top


def covering(kernel: Kernel) -> Kernel:
    """The kernel that opacity, from 0 to 1, gets: outside is opaque where it has a colour; zeros are transparent."""
    coverage = kernel.coverage()
    return coverage.replace(border="1") if constant(kernel.border) else coverage


def straight(out: Floats, pixels: Array, top: float) -> None:
    """The colours of a picture with premultiplied alpha, without it; as they are where alpha is 0."""
    alpha = last_channel(pixels).astype(out.dtype)
    np.divide(out.dtype.type(top), alpha, out=alpha, where=alpha > 0)
    for channel in range(out.shape[-1]):
        np.multiply(pixels[..., channel], alpha, out=out[..., channel])


def last_channel(pixels: Array) -> Array:
    """The last channel, side by side where that is soon done."""
    return cv2.extractChannel(pixels, pixels.shape[2] - 1) if _is_known(pixels) else pixels[..., -1]


def multiplied(out: Floats, colour: Array, share: Floats) -> None:
    """Colour premultiplied by opacity."""
    per_channel(np.multiply, colour, share, out)


def filled(out: Floats, premultiplied: Floats, share: Floats, near: Floats, near_share: Floats) -> None:
    """Colour from premultiplied colour; where it counts as hidden, from what is near, which was spread over it."""
    np.copyto(out, unmultiplied(premultiplied, share))
    put_hidden(out, unmultiplied(near, near_share), share)


def biased(out: Floats, premultiplied: Floats, share: Floats, bias: Floats) -> None:
    """Premultiplied colour with a kernel's bias, which belongs to colour that is not."""
    np.multiply(share, bias, out=out)
    out += premultiplied


def bent(out: Floats, premultiplied: Floats, share: Floats, curve: Curve) -> None:
    """Premultiplied colour with a kernel's activation, which is one of colour that is not."""
    colour = unmultiplied(premultiplied, share)
    curve.bend(colour)
    per_channel(np.multiply, colour, share, out)


def inside(premultiplied: Floats, share: Floats) -> tuple[Floats, Floats]:
    """Premultiplied colour and its opacity cut off below 0 and above 1, where both are less by the same factor."""
    cut = np.clip(share, 0, 1)
    if np.array_equal(cut, share):
        return premultiplied, cut
    factor = np.where(share, cut / np.where(share, share, share.dtype.type(1)), share.dtype.type(1))
    return per_channel(np.multiply, premultiplied, factor), cut


def unmultiplied(premultiplied: Floats, share: Floats) -> Floats:
    """Colour from premultiplied colour; as it is where it counts as hidden."""
    return per_channel(np.divide, premultiplied, np.where(share <= HIDDEN, share.dtype.type(1), share))


def per_channel(combine: np.ufunc, colour: Array, other: Floats, out: Floats | None = None) -> Floats:
    """`combine(colour, other)` one channel at a time: numpy is slow where the innermost axis is three long."""
    result = np.empty(colour.shape, other.dtype) if out is None else out
    for channel in range(colour.shape[-1]):
        combine(colour[..., channel], other[..., 0], out=result[..., channel])
    return result


def put_hidden(result: Floats, straight: Floats, share: Floats) -> None:
    """Puts colour as it is without opacity where opacity counts as none."""
    hidden, channels = np.flatnonzero(share <= HIDDEN), result.shape[-1]
    result.reshape(-1, channels)[hidden] = straight.reshape(-1, channels)[hidden]


def join(out: Array, colour: Array, alpha: Array) -> None:
    """A picture of colour and alpha."""
    if _is_known(out) and _is_known(colour) and _is_known(alpha) and out.dtype == alpha.dtype:
        pairs = [n for channel in range(out.shape[2]) for n in (channel, channel)]
        cv2.mixChannels([colour, alpha], [out], pairs)
    else:
        out[..., :-1], out[..., -1:] = colour, alpha


def _is_known(pixels: Array) -> bool:
    """Whether OpenCV moves the samples of this picture, as they lie."""
    kinds = (np.uint8, np.uint16, np.int16, np.float32, np.float64)
    return pixels.ndim == 3 and pixels.dtype in kinds and pixels.flags.c_contiguous


def store_opacity(share: Floats, dtype: DTypeLike, top: float) -> Array:
    """Opacity from 0 to 1 as it is kept, `top` being opaque."""
    out: Array = np.empty(share.shape, dtype)
    Sink(out).store(np.clip(share, 0, 1) * share.dtype.type(top), 0)
    return out
