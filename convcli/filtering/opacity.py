"""Colour multiplied by opacity and back, and how opacity is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from convcli.engine.sink import Sink
from convcli.engine.threads import run_all
from convcli.ops import Kernel

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, DTypeLike, Floats


#: Below this share of full opacity a result counts as wholly transparent.
HIDDEN = 1e-4
#: Samples that are treated at a time, and stay in the cache.
BAND = 1 << 17


def opacity(alpha: Array, work: np.dtype[Any], top: float) -> Floats:
    """Alpha from 0 to 1."""
    share: Floats = alpha.astype(work) / top
    return share


def multiplied(colour: Array, share: Floats) -> Floats:
    """Colour premultiplied by opacity."""
    return _per_channel(np.multiply, colour, share)


def biased(premultiplied: Floats, share: Floats, kernel: Kernel) -> Floats:
    """Premultiplied colour with a kernel's bias, which belongs to colour that is not."""
    assert kernel.bias is not None
    premultiplied += share * kernel.bias.array.reshape(-1).astype(share.dtype)
    return premultiplied


def unmultiplied(premultiplied: Floats, share: Floats) -> Floats:
    """Colour from premultiplied colour; as it is where it counts as hidden."""
    hidden = share <= HIDDEN
    return _per_channel(np.divide, premultiplied, np.where(hidden, share.dtype.type(1), share))


def _per_channel(combine: np.ufunc, colour: Array, share: Floats) -> Floats:
    """`combine(colour, share)` one channel at a time: numpy is slow where the innermost axis is three long."""
    result: Floats = np.empty(colour.shape, share.dtype)
    rows = max(1, BAND // max(1, colour[0].size))

    def band(start: int) -> None:
        part = slice(start, start + rows)
        for channel in range(colour.shape[-1]):
            combine(colour[part, ..., channel], share[part, ..., 0], out=result[part, ..., channel])

    run_all(band, range(0, len(colour), rows))
    return result


def put_hidden(result: Floats, straight: Floats, share: Floats) -> None:
    """Puts colour as it is without opacity where opacity counts as none."""
    rows = max(1, BAND // max(1, result[0].size))

    def band(start: int) -> None:
        part = slice(start, start + rows)
        for channel in range(result.shape[-1]):
            np.copyto(result[part, ..., channel], straight[part, ..., channel], where=share[part, ..., 0] <= HIDDEN)

    run_all(band, range(0, len(result), rows))


def apart(pixels: Array) -> tuple[Array, Array]:
    """Colour and alpha of a picture, each pixel after pixel."""
    if pixels.ndim != 3 or not _is_known(pixels):
        return np.ascontiguousarray(pixels[..., :-1]), np.ascontiguousarray(pixels[..., -1:])
    alpha = cv2.extractChannel(pixels, pixels.shape[2] - 1)[..., None]
    if pixels.shape[2] == 2:
        return cv2.extractChannel(pixels, 0)[..., None], alpha
    colour: Array = np.empty((*pixels.shape[:2], 3), pixels.dtype)
    cv2.mixChannels([pixels], [colour], [0, 0, 1, 1, 2, 2])
    return colour, alpha


def joined(colour: Array, alpha: Array) -> Array:
    """A picture of colour and alpha."""
    if colour.ndim != 3 or colour.dtype != alpha.dtype or not (_is_known(colour) and _is_known(alpha)):
        return np.concatenate([colour, alpha], axis=-1)
    channels = colour.shape[2]
    pixels: Array = np.empty((*colour.shape[:2], channels + 1), colour.dtype)
    cv2.mixChannels([colour, alpha], [pixels], [n for channel in range(channels + 1) for n in (channel, channel)])
    return pixels


def _is_known(pixels: Array) -> bool:
    """Whether OpenCV moves samples of this kind, and these as they lie."""
    kinds = (np.uint8, np.uint16, np.int16, np.float32, np.float64)
    return pixels.dtype in kinds and pixels.flags.c_contiguous


def store_opacity(share: Floats, dtype: DTypeLike, top: float) -> Array:
    """Opacity from 0 to 1 as it is kept, `top` being opaque."""
    sink = Sink(share.shape, dtype)
    sink.store(np.clip(share, 0, 1) * share.dtype.type(top), 0)
    return sink.out
