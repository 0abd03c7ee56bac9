"""The palette of 256 colours that pictures lose least by, and their pixels as places in it.

Source: X. Wu, "Efficient Statistical Computations for Optimal Color Quantization", Graphics Gems II (1991), then
k-means; B. E. Bayer, "An optimum method for two-level rendition of continuous-tone pictures", ICC (1973).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from convcli.pictures.format import Pixels

OPAQUE: Final = 128
"""Alpha from which a pixel is shown."""

_SIDE: Final = 32  # boxes of colours along each axis, at whose sides Wu's cuts lie
_FINE: Final = 64  # boxes of colours along each axis that are told apart
_ROUNDS: Final = 3  # of k-means
_SPREAD: Final = 1.75  # of dithering, in spacings of the palette: where means of 5 x 5 pixels come closest


def seen(frames: Sequence[Pixels]) -> Pixels:
    """The colours of pictures (height, width, 3 or more), uint8, as numbers in order."""
    there = np.zeros(1 << 24, bool)
    for frame in frames:
        there[numbered(frame)] = True
    return np.flatnonzero(there)


def numbered(frame: Pixels) -> Pixels:
    """Colours as numbers, one after the other; of four channels the last is opacity, and only what is opaque counts."""
    numbers = (frame[..., 0].astype(np.int32) << 16) | (frame[..., 1].astype(np.int32) << 8) | frame[..., 2]
    return numbers[frame[..., 3] >= OPAQUE] if frame.shape[2] == 4 else numbers.reshape(-1)


def colours_of(numbers: Pixels) -> Pixels:
    return np.stack((numbers >> 16, numbers >> 8 & 255, numbers & 255), axis=-1).astype(np.uint8)


def _boxes(numbers: Pixels) -> Pixels:
    """The boxes that colours, as numbers, lie in."""
    boxes: Pixels = (numbers >> 6 & 0x3F000) | (numbers >> 4 & 0xFC0) | (numbers >> 2 & 0x3F)
    return boxes


def _middles(boxes: Pixels) -> Pixels:
    return np.stack((boxes >> 12, boxes >> 6 & 63, boxes & 63), axis=-1) * 4 + 1.5


def reduced(frames: Sequence[Pixels], size: int) -> Pixels:
    """At most `size` colours (count, 3) for pictures of more."""
    counts = np.zeros(_FINE**3, np.int64)
    for frame in frames:
        counts += np.bincount(_boxes(numbered(frame)), minlength=_FINE**3)
    there = np.flatnonzero(counts)
    colours, weights = _middles(there), counts[there].astype(np.float64)
    palette = _cut(colours, weights, size)
    for _ in range(_ROUNDS):
        nearest = _nearest(colours, palette)
        total = np.bincount(nearest, weights, len(palette))
        for axis in range(3):
            moved = np.bincount(nearest, weights * colours[:, axis], len(palette))
            palette[:, axis] = np.where(total > 0, moved / np.maximum(total, 1), palette[:, axis])
    return np.rint(palette).astype(np.uint8)


def _cut(colours: Pixels, weights: Pixels, size: int) -> Pixels:
    """The means of boxes that all colours are cut into, each time the one with the largest variance."""
    parts = np.column_stack((np.ones(len(colours)), colours, (colours * colours).sum(axis=1))) * weights[:, None]
    coarse = np.ravel_multi_index(tuple((colours.T // (256 // _SIDE)).astype(int)), (_SIDE,) * 3)
    sums = np.stack([np.bincount(coarse, part, _SIDE**3) for part in parts.T], axis=-1)
    table = np.zeros((_SIDE + 1, _SIDE + 1, _SIDE + 1, 5))
    table[1:, 1:, 1:] = sums.reshape(_SIDE, _SIDE, _SIDE, 5).cumsum(0).cumsum(1).cumsum(2)
    boxes: list[Box] = [((0, _SIDE),) * 3]
    spreads = [_spread(_moments(table, boxes[0]))]
    while len(boxes) < size and max(spreads) > 0:
        number = int(np.argmax(spreads))
        halves = _halves(table, boxes[number])
        if halves is None:
            spreads[number] = 0.0
            continue
        boxes[number : number + 1] = halves
        spreads[number : number + 1] = [_spread(_moments(table, half)) for half in halves]
    return np.array([moments[1:4] / moments[0] for moments in (_moments(table, box) for box in boxes)])


Box = tuple[tuple[Any, Any], ...]
"""From where to where along each axis; one of the ends may be an array of places to cut at."""


def _moments(table: Pixels, box: Box) -> Pixels:
    """The number, sums and sum of squares of the colours in a box."""
    (a, b), (c, d), (e, f) = box
    over = table[b, d, f] - table[a, d, f] - table[b, c, f] - table[b, d, e]
    moments: Pixels = over + table[a, c, f] + table[a, d, e] + table[b, c, e] - table[a, c, e]
    return moments


def _spread(moments: Pixels) -> float:
    """The sum of squared distances from the mean."""
    return max(0.0, float(moments[4] - (moments[1:4] ** 2).sum() / moments[0]))


def _halves(table: Pixels, box: Box) -> tuple[Box, Box] | None:
    """A box cut where the two parts' means are farthest apart by their weight; None where all of it lies in one."""
    whole, best, halves = _moments(table, box), -1.0, None
    for axis in range(3):
        low, high = box[axis]
        cuts = np.arange(low + 1, high)
        left = _moments(table, (*box[:axis], (low, cuts), *box[axis + 1 :]))
        right = whole - left
        some = (left[:, 0] > 0.5) & (right[:, 0] > 0.5)
        if not some.any():
            continue
        apart = [(part[some, 1:4] ** 2).sum(axis=1) / part[some, 0] for part in (left, right)]
        gain = apart[0] + apart[1]
        at = int(np.argmax(gain))
        if gain[at] > best:
            cut = int(cuts[some][at])
            best = float(gain[at])
            halves = (
                (*box[:axis], (low, cut), *box[axis + 1 :]), (*box[:axis], (cut, high), *box[axis + 1 :])
            )  # fmt: skip
    return halves


def _nearest(colours: Pixels, palette: Pixels) -> Pixels:
    """The place of the nearest of a palette's colours, for each of `colours` (count, 3)."""
    near = np.asarray(palette, np.float32)
    out = np.empty(len(colours), np.uint8)
    lengths = (near * near).sum(axis=1)
    for start in range(0, len(colours), 1 << 14):
        some = np.asarray(colours[start : start + (1 << 14)], np.float32)
        out[start : start + len(some)] = np.argmin(lengths - 2 * (some @ near.T), axis=1)
    return out


class Places:
    """Pixels to places in a palette of reduced colours, with ordered dithering if `dither`."""

    def __init__(self, palette: Pixels, *, dither: bool) -> None:
        self._palette = palette
        self._table, self._known = np.zeros(_FINE**3, np.uint8), np.zeros(_FINE**3, bool)
        self._step = _SPREAD * _spacing(palette) if dither else 0.0

    def of(self, frame: Pixels) -> Pixels:
        """The places (height, width) of a picture's colours."""
        colours = frame[..., :3]
        if self._step:
            height, width = colours.shape[:2]
            tile = np.rint(_BAYER * self._step).astype(np.int16)
            shift = np.tile(tile, (-(-height // 8), -(-width // 8)))[:height, :width, None]
            colours = np.clip(colours + shift, 0, 255).astype(np.uint8)
        boxes = _boxes(numbered(colours))
        there = np.zeros(_FINE**3, bool)
        there[boxes] = True
        missing = np.flatnonzero(there & ~self._known)
        self._table[missing], self._known[missing] = _nearest(_middles(missing), self._palette), True
        return self._table[boxes].reshape(colours.shape[:2])


def _spacing(palette: Pixels) -> float:
    """How far a palette's colours lie apart along an axis: the middle of the distances to their nearest."""
    wide = palette.astype(np.float32)
    distances = ((wide[:, None] - wide[None]) ** 2).sum(axis=2)
    np.fill_diagonal(distances, np.inf)
    return float(np.sqrt(np.median(distances.min(axis=1)) / 3))


def _bayer(order: int) -> Pixels:
    pattern = np.zeros((1, 1))
    for _ in range(order):
        pattern = np.block([[4 * pattern, 4 * pattern + 2], [4 * pattern + 3, 4 * pattern + 1]])
    return (pattern + 0.5) / pattern.size - 0.5


_BAYER: Final = _bayer(3)
