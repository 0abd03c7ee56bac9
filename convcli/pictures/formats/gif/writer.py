"""GIF files: one palette for the whole file, of each frame the rectangle that changed.

With transparency a frame is drawn on an empty picture, and wiped off after its time: no other way to take opaque pixels
away. Alpha from one half on is opaque.

Source: GIF89a (CompuServe, 1990); Netscape's application extension for loops.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from convcli.pictures.codecs import coloured
from convcli.pictures.format import Animation, Pixels, Target
from convcli.pictures.formats.gif import lzw
from convcli.pictures.formats.gif.palette import OPAQUE, Places, colours_of, numbered, reduced, seen

_MOST: Final = 256
_KEEP, _WIPE = 1, 2

Box = tuple[int, int, int, int]
"""top, bottom, left, right"""


def encode(pixels: Pixels, target: Target) -> bytes:
    return _file([coloured(pixels)], target, (), 1)


def encode_frames(animation: Animation, target: Target) -> bytes:
    """Durations in steps of 10 ms, which together are as long as they were."""
    return _file([coloured(frame) for frame in animation.frames], target, animation.durations, animation.loops)


def losses(frames: Sequence[Pixels]) -> tuple[str, ...]:
    """What pictures lose in a GIF file, in words."""
    pictures = [coloured(frame) for frame in frames]
    count, room = len(seen(pictures)), _MOST - any(map(_has_holes, pictures))
    notes = [f"{count:,} colours are reduced to {room}"] if count > room else []
    if any(frame.shape[2] == 4 and ((frame[..., 3] > 0) & (frame[..., 3] < 255)).any() for frame in pictures):
        notes.append("alpha is opaque or not in gif files: from one half on it is")
    return tuple(notes)


def _has_holes(frame: Pixels) -> bool:
    return frame.shape[2] == 4 and bool((frame[..., 3] < OPAQUE).any())


def _file(frames: Sequence[Pixels], target: Target, durations: Sequence[int], loops: int) -> bytes:
    height, width = frames[0].shape[:2]
    holes = any(map(_has_holes, frames))
    numbers = seen(frames)
    room = _MOST - holes
    places: Callable[[Pixels], Pixels]
    if len(numbers) > room:
        palette = reduced(frames, room)
        places = Places(palette, dither=bool(target.settings["dither"])).of
    else:
        palette = colours_of(numbers)
        places = _exact(numbers)
    hole = len(palette) if holes else -1
    bits = max(1, (len(palette) + holes - 1).bit_length())
    table = palette.tobytes().ljust(3 << bits, b"\0")
    pieces = [b"GIF89a", struct.pack("<HHBBB", width, height, 0xF0 | bits - 1, 0, 0), table]
    if len(frames) > 1 and loops != 1:
        pieces.append(b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<HB", min(max(loops - 1, 0), 65535), 0))
    before: Pixels | None = None
    for frame, delay in zip(frames, _delays(durations) or [0], strict=True):
        indices = places(frame)
        if holes and frame.shape[2] == 4:
            indices[frame[..., 3] < OPAQUE] = hole
        box = _changed(indices, before, hole)
        pieces.append(_frame(indices[box[0] : box[1], box[2] : box[3]], box, delay, hole))
        before = indices
    return b"".join((*pieces, b";"))


def _exact(numbers: Pixels) -> Callable[[Pixels], Pixels]:
    """What gives the places of colours that are all in the palette."""

    def places(frame: Pixels) -> Pixels:
        indices = np.searchsorted(numbers, numbered(frame[..., :3]))
        return (
            np.minimum(indices, 255).astype(np.uint8).reshape(frame.shape[:2])
        )  # what isn't there is not seen, either

    return places


def _delays(durations: Sequence[int]) -> list[int]:
    """Hundredths of a second, rounded so that each frame begins when it ought to; a frame without any time has one.

    >>> _delays([33, 33, 34, 100])
    [3, 4, 3, 10]
    """
    ends = [round(end / 10) for end in np.cumsum([0, *durations]).tolist()]
    return [min(max(1, stop - start), 65535) for start, stop in pairwise(ends)]


def _changed(indices: Pixels, before: Pixels | None, hole: int) -> Box:
    """The rectangle of a frame that is to be drawn: one pixel, where nothing is."""
    if hole >= 0:
        wanted = indices != hole
    elif before is None:
        return 0, len(indices), 0, indices.shape[1]
    else:
        wanted = indices != before
    rows, columns = np.flatnonzero(wanted.any(axis=1)), np.flatnonzero(wanted.any(axis=0))
    if not rows.size:
        return 0, 1, 0, 1
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _frame(indices: Pixels, box: Box, delay: int, hole: int) -> bytes:
    disposal = _WIPE if hole >= 0 else _KEEP
    control = struct.pack("<BHBB", disposal << 2 | (hole >= 0), delay, max(hole, 0), 0)
    top, bottom, left, right = box
    place = struct.pack("<HHHHB", left, top, right - left, bottom - top, 0)
    return b"\x21\xf9\x04" + control + b"," + place + lzw.packed(indices)
