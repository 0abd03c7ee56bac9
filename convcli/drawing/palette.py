"""Colours of drawings, few enough for a GIF's palette: large areas keep theirs exactly, smoothed edges share some."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

#: How far apart colours of the palette are at least, the sum over red, green and blue; of the commonest, and others.
_NEAR, _FAR, _COMMONEST = 6, 18, 64


def reduced(frames: Sequence[Pixels], most: int = 256) -> list[Pixels]:
    """The frames in at most so many colours: the commonest that are apart, and for others the nearest of these."""
    numbers = [_numbered(frame) for frame in frames]
    # Of later frames only what changed is counted: it is what tells them apart.
    changed = [numbers[0], *(n[n != before] for before, n in itertools.pairwise(numbers))]
    values, counts = np.unique(np.concatenate([part.reshape(-1) for part in changed]), return_counts=True)
    if len(values) <= most:
        return list(frames)
    colours = _colours(values)
    chosen = _chosen(colours[np.argsort(-counts, kind="stable")].astype(np.int32), most)
    nearest = np.empty(1 << 24, np.uint8)
    for start in range(0, len(values), 4096):
        some = colours[start : start + 4096].astype(np.int32)
        apart = ((some[:, None] - chosen[None].astype(np.int32)) ** 2).sum(axis=-1)
        nearest[values[start : start + 4096]] = apart.argmin(axis=1)
    table = np.zeros((1, 256, 3), np.uint8)
    table[0, : len(chosen)] = chosen
    return [_looked_up(nearest[n], table) for n in numbers]


def _looked_up(places: Any, table: Pixels) -> Any:
    """The colours at places of a palette (1, 256, 3)."""
    return cv2.LUT(cv2.merge([places, places, places]), table)


def _numbered(frame: Any) -> npt.NDArray[np.uint32]:
    """Colours as numbers of 24 bits."""
    wide: Any = cv2.cvtColor(frame, cv2.COLOR_RGB2RGBA)
    numbers: npt.NDArray[np.uint32] = wide.view("<u4")[..., 0] & 0xFFFFFF
    return numbers


def _colours(numbers: npt.NDArray[np.uint32]) -> Pixels:
    return np.stack([numbers & 255, numbers >> 8 & 255, numbers >> 16], axis=-1).astype(np.uint8)


def _chosen(colours: npt.NDArray[np.int32], most: int) -> Pixels:
    """Of colours, the commonest first, those that are far enough from all chosen before."""
    apart = np.full(len(colours), np.iinfo(np.int32).max)
    chosen: list[npt.NDArray[np.int32]] = []
    while len(chosen) < most:
        free = np.flatnonzero(apart > (_NEAR if len(chosen) < _COMMONEST else _FAR))
        if not free.size:
            break
        chosen.append(colours[free[0]])
        apart = np.minimum(apart, np.abs(colours - chosen[-1]).sum(axis=1))
    return np.array(chosen).astype(np.uint8)
