"""The outermost outputs of enlarged pictures, which `resize` makes as if its outermost samples went on beyond the edge.

By other border rules they are copies of outputs beside them, or made again by filters, one for each phase of outputs:
rows and columns as one strip, whose calls are as many as for one of them.
"""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from convcli.engine.channel.whole import RULES
from convcli.engine.dtypes import copy_pixels, limits
from convcli.engine.integers import rounding
from convcli.engine.memory import scratch, scratch_space
from convcli.records import record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from convcli.engine.dtypes import Array, Floats

#: The slope of OpenCV's cubic shares.
CUBIC = -0.75
#: Samples of the widest vectors of a processor.
VECTOR = 16


def shares(stride: int, reach: int) -> Floats:
    """The shares that a sample has in the outputs around it, which see so many samples on each side as `reach` says: by
    the nearest, by linear, or by cubic rule (Keys 1981)."""
    if not reach:
        return np.ones(stride)
    d = abs(np.arange(2 * reach * stride) - (2 * reach * stride - 1) / 2) / stride
    if reach == 1:
        return 1 - d
    near, far = ((CUBIC + 2) * d - (CUBIC + 3)) * d * d + 1, ((d - 5) * d + 8) * d * CUBIC - 4 * CUBIC
    return np.where(d < 1, near, far)


@lru_cache(maxsize=16)
def _phases(stride: int, reach: int, dtype: str) -> list[tuple[Floats, int]]:
    """For every phase of outputs the taps that it has on samples, and which of them stands on its own."""
    all_shares, before = shares(stride, reach), (2 * reach - 1) * stride // 2
    anchors = [reach - (2 * phase >= stride) for phase in range(stride)]
    return [
        (all_shares[phase + before + stride * anchor :: -stride][: 2 * reach].astype(dtype), anchor)
        for phase, anchor in enumerate(anchors)
    ]


@record(eq=False)
class Mirrored:
    """Of the outputs around the outermost samples those outside are what those inside are, by these `strides`."""

    strides: tuple[int, int]

    def fill(self, source: Array, y: Array, ends: tuple[bool, bool], within: slice) -> None:
        """The outermost rows of `y`, at the `ends` asked for, and its outermost columns."""
        down, across = self.strides
        for own in range(down // 2):
            other = down - 1 - own
            if ends[0]:
                y[own] = y[other]
            if ends[1]:
                y[~own] = y[~other]
        for own in range(across // 2):
            # Both sides at once: each column alone of a width that is a power of two has one line of the cache.
            last, inner = y.shape[1] - 1 - own, across - 1 - 2 * own
            wanted, beside = slice(own, last + 1, last - own), slice(own + inner, last, last - own - 2 * inner)
            copy_pixels(y[:, wanted], y[:, beside])


class _Side(NamedTuple):
    """The first and last rows of outputs, at the `ends` asked for; of those of a whole row some `within` are in `y`."""

    source: Array
    y: Array
    ends: tuple[bool, bool]
    within: slice


@record(eq=False)
class Framed:
    """Outputs that see what the `border` rule shows `reach` samples beyond the edge."""

    strides: tuple[int, int]
    reach: int
    border: str

    def fill(self, source: Array, y: Array, ends: tuple[bool, bool], within: slice) -> None:
        """The outermost rows of `y`, at the `ends` asked for, and its outermost columns, from what they see of it.

        Both are `(h, w, channels)`, or lack that of a single one; of the outputs of all rows of `source` those `within`
        are in `y`.
        """
        if y.ndim == 2:
            source, y = source[..., None], y[..., None]
        columns = _Side(source.swapaxes(0, 1), y.swapaxes(0, 1), (True, True), within)
        sides = [_Side(source, y, ends, slice(None)), columns] if any(ends) else [columns]
        down, across = self.strides
        with scratch_space():
            if down == across:
                self._fill(sides, down, across)
            else:
                self._fill(sides[-1:], across, down)
                self._fill(sides[:-1], down, across)

    def _fill(self, sides: Sequence[_Side], down: int, across: int) -> None:
        """The first and last rows of outputs of all `sides`, each of whose samples makes so many outputs."""
        if not sides:
            return
        strip, starts = self._strip([side.source for side in sides])
        first, last = self._outputs(strip, sides[0].y.dtype, down, across)
        for side, start in zip(sides, starts, strict=True):
            some = slice(start * across, (start + side.source.shape[1]) * across)
            if side.ends[0]:
                copy_pixels(side.y[: len(first)], first[:, some][:, side.within])
            if side.ends[1]:
                copy_pixels(side.y[-len(last) :], last[:, some][:, side.within])

    def _strip(self, sources: Sequence[Array]) -> tuple[Array, list[int]]:
        """The outermost rows of all `sources` side by side, continued at both ends, and where each one's samples begin.

        Of whole vectors alone no bit depends on the length of the rows.
        """
        r, rule, dtype = self.reach, RULES[self.border], sources[0].dtype
        sizes = [length + 2 * r + -(length + 2 * r) % VECTOR for length in (source.shape[1] for source in sources)]
        starts = [0, *itertools.accumulate(sizes)]
        strip = scratch("strip of edges", (4 * r, starts.pop(), sources[0].shape[2]), dtype)
        for source, start, size in zip(sources, starts, sizes, strict=True):
            outermost = scratch("outermost", (4 * r, *source.shape[1:]), dtype)
            copy_pixels(outermost[: 2 * r], source[: 2 * r])
            copy_pixels(outermost[2 * r :], source[-2 * r :])
            place = strip[:, start : start + size]
            cv2.copyMakeBorder(outermost, 0, 0, r, size - r - source.shape[1], rule, dst=place)
        return strip, [start + r for start in starts]

    def _outputs(self, strip: Array, dtype: np.dtype[Any], down: int, across: int) -> Array:
        """Of a strip the outputs of its first and its last `reach` rows, `(2, rows, outputs, channels)`."""
        r, rule, (_, length, channels) = self.reach, RULES[self.border], strip.shape
        work = np.promote_types(dtype, np.float32)
        part = scratch("part of strip", strip.shape, work)
        rows = scratch("rows of strip", (2, r, down, length, channels), work)
        for phase, (taps, anchor) in enumerate(_phases(down, r, work.str)):
            depth = cv2.CV_32F if work == np.float32 else cv2.CV_64F
            cv2.filter2D(strip, depth, taps[:, None], dst=part, anchor=(0, anchor), borderType=rule)
            # The inner half saw what no row is beside.
            rows[:, :, phase] = part.reshape(4, r, length, channels)[::3]
        rows = rows.reshape(2 * r * down, length, channels)
        parts = [cv2.filter2D(rows, -1, taps[None], anchor=(own, 0)) for taps, own in _phases(across, r, work.str)]
        edges: Any = cv2.merge(parts).reshape(len(rows), -1)
        low, high = limits(dtype)
        rounded = rounding(dtype, (low - high, 2 * high))
        return (rounded(edges) if rounded else edges).reshape(2, r * down, across * length, channels)
