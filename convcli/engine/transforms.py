"""Tiles of Fourier transforms: which lengths are fast, what a tile costs, and which is best for a convolution."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convcli.engine.plan import Plane

#: Nanoseconds per sample of the transforms of rows, and more for each doubling of their length beyond that one.
ROW_TRANSFORMS, ROW_LONGER, ROW_LENGTH = 3.3, 0.45, 1 << 11
#: Nanoseconds more for each doubling of a transform of rows beyond a length that caches hold.
FAR, CACHED = 4.0, 1 << 17
#: Nanoseconds per sample to read the rows of a picture by bands, or its columns as rows, whose result is turned again.
READ, TURNED = 3.0, 7.0
#: Outputs of a call for transforms of rows.
ROW_OUTPUTS = 1 << 17
#: What a picture costs that one thread filters as soon as two.
ALONE = 500_000
#: Nanoseconds for the calls that one Fourier tile takes, whatever its size.
CALL = 25_000


def fourier_cost(tile: tuple[int, int], work: Plane) -> float:
    """Two transforms of every pair of tiles, shared by their useful outputs, and the calls for them.

    Of the tiles of a band, beside each other and below each other by channels, the last may have no partner.
    """
    down, across = map(_share, tile, work.taps, (work.height, work.width))
    return _cost(*tile, down, across, work)


Share = tuple[float, int, int]


def _share(side: int, taps: int, length: int) -> Share:
    """Samples of transforms of `side` for an output of `length` along one axis, how many outputs come at a time, and
    how many times."""
    if side == 1:
        return 1.0, min(length, 64), 1
    valid = side - taps + 1
    count = -(-length // valid)
    return count * side / length, min(valid, length), count


def _cost(height: int, width: int, down: Share, across: Share, work: Plane) -> float:
    """The cost of tiles of these sides, with the shares of both axes."""
    useful, outputs, size = down[0] * across[0], down[1] * across[1], height * width
    if height > 1 < width:
        beside = work.channels * across[2]
        paired = (beside + beside % 2) / beside
        return useful * paired * (1.8 + 0.25 * max(1, size.bit_length() - 4)) + CALL / outputs
    # Many rows, or pieces of one, go in a call.
    longer, far = (max(0.0, math.log2(size / length)) for length in (ROW_LENGTH, CACHED))
    transforms = ROW_TRANSFORMS + ROW_LONGER * longer + FAR * far
    laid = 0.0 if work.height == 1 else READ if height == 1 else TURNED
    return useful * transforms + CALL / min(work.height * work.width, ROW_OUTPUTS) + laid


def fourier_tile(work: Plane) -> tuple[int, int]:
    """Sides of the Fourier tile: the pair of fast lengths with the least work, or, where a second thread is worth it,
    that is done the soonest by two: bands are whole tiles high."""
    return _tile(work.taps, work.height, work.width, work.channels)


@lru_cache(maxsize=256)
def _tile(taps: tuple[int, int], height: int, width: int, channels: int) -> tuple[int, int]:
    from convcli.engine.plan import Plane  # which plans with tiles

    work = Plane(taps=taps, height=height, width=width, channels=channels)
    line = min(work.taps) == 1
    much = math.inf if line else ALONE / (work.height * work.width * work.channels)
    heights = _lengths(work.taps[0], work.height, line)
    widths = _lengths(work.taps[1], work.width, line)
    down = [(side, _share(side, work.taps[0], work.height)) for side in heights]
    across = [(side, _share(side, work.taps[1], work.width)) for side in widths]

    def costs() -> Iterator[tuple[float, int, int]]:
        for tall, one in down:
            idle = (one[2] + one[2] % 2) / one[2]
            for wide, other in across:
                cost = _cost(tall, wide, one, other, work)
                yield cost * (idle if cost > much else 1.0), tall, wide

    _, tall, wide = min(costs())
    return tall, wide


def _lengths(taps: int, length: int, line: bool) -> list[int]:
    """Fast transform lengths for `taps` on `length` outputs: up to one that takes them all at once."""
    if taps == 1:
        return [1]
    fast = LINE_FAST if line else FAST
    whole = next((side for side in fast if side >= length + taps - 1), fast[-1])
    least = min(whole, next((side for side in fast if side >= max(1.5 * taps, 32)), fast[-1]))
    longest = 16 * max(taps, 256) if line else 384 if taps < 100 else 8 * taps
    most = min(whole, max(2 * least, longest))
    return [side for side in fast if least <= side <= most]


#: Multiples of 8 with factors 2, 3 and 5 only: rows of a tile then start on cache lines, without which OpenCV's
#: interleaving is ten times slower. Powers of two alias in the cache and are left out above 128.
FAST = tuple(
    side
    for side in sorted(2**a * 3**b * 5**c for a in range(3, 22) for b in range(5) for c in range(4))
    if side <= 1 << 21 and (side <= 128 or side & (side - 1))
)

#: The same for transforms of single rows: only powers of two are fast, where all numbers are real. The longest takes as
#: many taps as a kernel may span.
LINE_FAST = tuple(2**a for a in range(5, 26))
