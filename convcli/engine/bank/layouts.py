"""How channels lie in memory, as planes or as pixels: views of arrays, and copies where there is none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from convcli.engine.channel.direct import opencv_layout
from convcli.engine.dtypes import channels_first, channels_last, planar
from convcli.engine.memory import scratch

if TYPE_CHECKING:
    from convcli.engine.dtypes import DTypeLike, Floats


#: Bytes after which lines of the first cache lie in the same place again, how many can, and as how many at most it pays
#: to turn so many at a time.
PLACES, WAYS, AT_A_TIME = 4096, 8, 16


#: Bytes between planes at which their samples evict each other from the cache, and samples that set them apart.
PAGE, LINE = 1 << 12, 16


def laid(x: Floats) -> Floats:
    """`(*spatial, channels)`, with the channels in front where they lie as planes: in the order of memory."""
    return channels_first(x) if planar(x) else x


def part(x: Floats, name: str = "planes") -> Floats:
    """`(*spatial, channels)` as planes, `(channels, *spatial)` contiguous."""
    moved = channels_first(x)
    if moved.flags.c_contiguous:
        return moved
    planes = scratch(name, moved.shape, x.dtype)
    if moved.strides[-1] == moved.itemsize:
        np.copyto(planes, moved)
        return planes
    if x.ndim == 3 and 1 < x.shape[-1] <= 4 and opencv_layout(x):
        cv2.split(x, list(planes))
        return planes
    _turn(x.reshape(-1, x.shape[-1]), planes.reshape(x.shape[-1], -1))
    return planes


def _turn(source: Floats, turned: Floats) -> None:
    """Transposes `source` to rows of `turned`, as many at a time as do not drive each other from the cache.

    All planes of 64x64 pixels together take three to five times as long, all pixels of 512 channels twice.
    """
    few = WAYS * PLACES // math.gcd(turned.strides[0], PLACES)
    few = few if few <= AT_A_TIME else len(turned)
    for start in range(0, len(turned), few):
        cv2.transpose(source[:, start : start + few], turned[start : start + few])


def by_rows(x: Floats) -> Floats:
    """`(*spatial, channels)` as planes `(channels, *spatial)` of which each row lies in one piece."""
    moved = channels_first(x)
    return moved if moved.strides[-1] == moved.itemsize else part(x)


def part_to(pixels: Floats, y: Floats) -> None:
    """Copies pixels `(*spatial, channels)`, one after the other, to `y`, where they lie as planes."""
    planes = channels_first(y)
    if not planes[0].flags.c_contiguous:
        np.copyto(planes, part(pixels, "turned"))
        return
    flat = planes.reshape(len(planes), -1)
    direct = flat.strides[0] % PAGE != 0
    turned = flat if direct else scratch("turned", (len(flat), flat.shape[1] + LINE), y.dtype)[:, :-LINE]
    cv2.transpose(pixels.reshape(-1, len(planes)), turned)
    if not direct:
        np.copyto(flat, turned)


def pixels(x: Floats, name: str = "pixels") -> Floats:
    """`(*spatial, channels)` as pixels one after the other."""
    if x.flags.c_contiguous:
        return x
    whole = scratch(name, x.shape, x.dtype)
    if x.strides[-1] == x.itemsize:
        np.copyto(whole, x)
        return whole
    if x.shape[-1] <= 4:
        join_to(x, whole)
    else:
        _turn(channels_first(x).reshape(x.shape[-1], -1), whole.reshape(-1, x.shape[-1]))
    return whole


def join(planes: Floats) -> Floats:
    """Planes as `(*spatial, channels)`."""
    if planes.shape[0] == 1:
        only: Floats = planes[0][..., None]
        return only
    y = scratch("joined", (*planes.shape[1:], planes.shape[0]), planes.dtype)
    join_to(channels_last(planes), y)
    return y


def join_to(planes: Floats, y: Floats) -> None:
    """Copies `(*spatial, channels)` that lie as planes to `y`, where they lie pixel by pixel."""
    channels = y.shape[-1]
    row, pixel = zip(y.strides[:-2], y.shape[1:-1], strict=True), y.strides[1:-1]
    evenly = y.strides[-1] == y.itemsize and all(step == n * apart for (step, n), apart in zip(row, pixel, strict=True))
    if 1 < channels <= 4 and y.ndim == 3 and planar(planes) and opencv_layout(y):
        cv2.merge(list(channels_first(planes)), y)
    elif evenly and planar(planes):
        _turn(channels_first(planes).reshape(channels, -1), y.reshape(-1, channels))
    else:
        np.copyto(y, planes)


def room_for(lengths: Sequence[int], channels: int, dtype: DTypeLike, *, planes: bool, name: str = "bank") -> Floats:
    """Where `(*lengths, channels)` go, as planes or as pixels."""
    if planes:
        return channels_last(scratch(f"{name} planes", (channels, *lengths), dtype))
    return scratch(name, (*lengths, channels), dtype)
