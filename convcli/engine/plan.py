"""Which algorithm computes a plain convolution of one plane fastest: a cost model from counts, no measuring.

Costs are nanoseconds per output sample on one core with AVX2 or better. They need only rank the algorithms, and the
ranking hardly moves between machines: all of them do the same multiplications at different speeds.

| algorithm  | what it does                                                  | needs of the samples           |
|------------|---------------------------------------------------------------|--------------------------------|
| `direct`   | OpenCV's `filter2D`, in blocks below its own Fourier switch    | nothing                        |
| `passes`   | one row of taps per axis and rank: `filter2D` or Toeplitz GEMM | nothing; finite ones for GEMM  |
| `fourier`  | overlap-save by tiles, two tiles in one complex transform      | finite and of like size        |
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Self

from convcli.errors import UsageError
from convcli.records import record

ALGORITHMS = ("direct", "passes", "fourier")

#: `filter2D` goes over to a discrete Fourier transform of its own from this many cells of the kernel, zeros included.
FOURIER_AREA = 130
#: Nanoseconds that `filter2D` takes more per sample where there is only one row.
LINE = 1.3
#: Nanoseconds per sample of two passes beyond their products: the band between them, and its borders.
BETWEEN = 1.1
#: Nanoseconds for the calls that passes take on the smallest picture, and for those in one thread where two don't pay.
PASSES = 450_000
#: Nanoseconds for the calls that Fourier tiles take on the smallest picture.
FIXED = 150_000
#: Nanoseconds per sample of the transforms of rows, and more for each doubling of their length beyond that one.
ROW_TRANSFORMS, ROW_LONGER, ROW_LENGTH = 2.4, 0.32, 1 << 11
#: Nanoseconds more for each doubling of a transform of rows beyond a length that caches hold.
FAR, CACHED = 4.0, 1 << 17
#: Nanoseconds per sample to read the rows of a picture by bands, or its columns as rows, whose result is turned again.
READ, TURNED = 1.0, 1.5
#: Outputs of a product along rows: a whole vector register. Wider matrices hold more zeros.
ACROSS = 16
#: Outputs of a call for transforms of rows.
ROW_OUTPUTS = 1 << 17
#: Nanoseconds for the calls that one Fourier tile takes, whatever its size.
CALL = 25_000


@record
class Plane:
    """A plain convolution: `height` x `width` outputs of `channels`, stride and dilation 1.

    `nonzero` counts taps that are not 0; `rank` is the number of separable kernels that sum to this one (0: not
    known, taken as full).
    """

    taps: tuple[int, int]
    height: int
    width: int
    channels: int = 1
    nonzero: int = 0
    rank: int = 0
    finite: bool = True
    bounded: bool = True


class Algorithm(str):
    """How something is computed, in a few words, and the `name` of the algorithm: nobody has to read it out of them."""

    name: str

    def __new__(cls, name: str, description: str) -> Self:
        algorithm = super().__new__(cls, description)
        algorithm.name = name
        return algorithm

    def __reduce__(self) -> tuple[type[Self], tuple[str, str]]:
        """What other processes make it of."""
        return type(self), (self.name, str(self))


#: Where the only tap is 1, whatever was asked for (`engine.copies`).
COPY = Algorithm("copy", "copy (the only tap is 1)")


def check_algorithm(asked: str | None) -> None:
    """Raises `UsageError` for an algorithm that there is not."""
    if asked not in (None, *ALGORITHMS):
        raise UsageError(f"no algorithm is called {asked!r}", hint=f"known: {', '.join(ALGORITHMS)}")


@record
class Constraints:
    """What is asked of whoever plans: an `algorithm` to use where it can be, and `fine` parts, for work whose parts are
    made by and by, with memory for some of them only."""

    algorithm: str | None = None
    fine: bool = False

    def __post_init__(self) -> None:
        check_algorithm(self.algorithm)


#: The planner chooses.
FREE = Constraints()


@record
class Plan:
    """The algorithm for a convolution, why, and its estimated cost in nanoseconds per output sample and core.

    `rows` are the output rows a band should have, `tile` the Fourier tile (height, width).
    """

    algorithm: str
    reason: str
    cost: float
    rows: int = 0
    tile: tuple[int, int] = (0, 0)

    def __str__(self) -> str:
        return f"{self.algorithm} ({self.reason})"


@lru_cache(maxsize=512)
def plan_plane(work: Plane, algorithm: str | None = None) -> Plan:
    """The cheapest plan that `work` allows; `algorithm` names the one to use where it can be used."""
    plans = list(options(work))
    allowed = [plan for plan in plans if plan.algorithm == algorithm] or plans
    return min(allowed, key=lambda plan: plan.cost)


def options(work: Plane) -> Iterator[Plan]:
    """A plan for each algorithm that can compute `work`."""
    kh, kw = work.taps
    nonzero = work.nonzero or kh * kw
    full = min(kh, kw)
    direct = direct_cost(work.taps, nonzero) + (LINE if work.height == 1 else 0)
    yield Plan(algorithm="direct", reason=f"{nonzero} tap" + "s" * (nonzero != 1), cost=direct)
    rank = work.rank or full
    if rank < full or full == 1:
        across = across_cost(kw, work.finite, work.height)
        # One row of taps alone is a single pass.
        between = BETWEEN if full > 1 else BETWEEN / 3
        cost = rank * (down_cost(kh, work.finite) + across + between)
        # A line is filtered where it lies, by few calls.
        cost += PASSES / (work.height * work.width * work.channels) if work.height > 1 else 0.0
        reason = f"{kh} + {kw} taps" if rank == 1 else f"rank {rank}: {rank} x ({kh} + {kw}) taps"
        yield Plan(algorithm="passes", reason=reason if full > 1 else f"{kh * kw} taps in a row", cost=cost)
    if work.bounded and 1.5 * max(kh, kw) <= (LINE_FAST if full == 1 else FAST)[-1]:
        tile = fourier_tile(work)
        cost = fourier_cost(tile, work) + FIXED / (work.height * work.width)
        reason = f"{kh}x{kw} taps, tiles of {tile[0]}x{tile[1]}"
        # Rows that are transformed alone may be cut anywhere.
        rows = tile[0] - kh + 1 if tile[0] > 1 else 0
        yield Plan(algorithm="fourier", reason=reason, cost=cost, rows=rows, tile=tile)


def direct_cost(taps: tuple[int, int], nonzero: int) -> float:
    """`filter2D` skips zero taps; every further block adds a pass over the sums."""
    blocks = -(-taps[0] * taps[1] // (FOURIER_AREA - 1))
    return 0.4 + 0.045 * nonzero + 0.7 * (blocks - 1)


def down_cost(taps: int, finite: bool = True) -> float:
    """One pass along columns: a product wherever the samples are finite."""
    if taps == 1:
        return 0.0
    return column_product_cost(taps) if finite else short_cost(taps)


def across_cost(taps: int, finite: bool = True, height: int = 0) -> float:
    """One pass along rows."""
    if taps == 1:
        return 0.0
    short = short_cost(taps) + (LINE if height == 1 else 0)
    return min(short, row_product_cost(taps)) if finite else short


def short_cost(taps: int) -> float:
    """`filter2D` with one row or column."""
    return 0.3 + 0.04 * taps + 0.4 * ((taps - 1) // (FOURIER_AREA - 1))


def column_product_cost(taps: int) -> float:
    """A product with a Toeplitz matrix along columns."""
    return 0.2 + 0.015 * taps


def row_product_cost(taps: int) -> float:
    """The same along rows, whose operands lie less well."""
    return 0.45 + 0.0135 * taps


def rows_by_product(taps: int) -> bool:
    """Whether a pass of so many taps along rows of finite samples is a matrix product."""
    return row_product_cost(taps) < short_cost(taps)


def column_block(taps: int) -> int:
    """Outputs of a product along columns: more of them waste fewer loads, fewer of them hold fewer zeros."""
    return 4 if taps < 40 else 8


def fourier_cost(tile: tuple[int, int], work: Plane) -> float:
    """Two transforms of every tile, shared by its useful outputs, and the calls for it."""
    useful, outputs = 1.0, 1
    for side, taps, length in zip(tile, work.taps, (work.height, work.width), strict=True):
        if side > 1:
            valid = side - taps + 1
            useful *= -(-length // valid) * side / length
            outputs *= min(valid, length)
        else:
            outputs *= min(length, 64)
    size = tile[0] * tile[1]
    if min(tile) == 1:
        # Many rows, or pieces of one, go in a call.
        outputs = min(work.height * work.width, ROW_OUTPUTS)
        longer, far = (max(0.0, math.log2(size / length)) for length in (ROW_LENGTH, CACHED))
        transforms = ROW_TRANSFORMS + ROW_LONGER * longer + FAR * far
        laid = 0.0 if work.height == 1 else READ if tile[0] == 1 else TURNED
        return useful * transforms + CALL / outputs + laid
    return useful * (1.0 + 0.38 * max(1, size.bit_length() - 4)) + CALL / outputs


@lru_cache(maxsize=256)
def fourier_tile(work: Plane) -> tuple[int, int]:
    """Sides of the Fourier tile: the pair of fast lengths with the least work; bands are whole tiles high."""
    line = min(work.taps) == 1
    heights = _lengths(work.taps[0], work.height, line)
    widths = _lengths(work.taps[1], work.width, line)
    pairs = [(height, width) for height in heights for width in widths]
    return min(pairs, key=lambda pair: (fourier_cost(pair, work), pair))


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


def refusal(asked: str | None, name: str, algorithm: Algorithm) -> list[str]:
    """Says that the algorithm asked for can't compute the kernel `name`, where it doesn't."""
    if asked is None or algorithm.name == asked:
        return []
    return [f"{asked} can't compute {name} here; used: {algorithm}"]


def flops(work: Plane, plan: Plan) -> float:
    """Multiplications and additions per output sample that `plan` really does, zeros of its matrices included."""
    kh, kw = work.taps
    if plan.algorithm == "direct":
        return 2.0 * (work.nonzero or kh * kw)
    if plan.algorithm == "passes":
        down = column_block(kh) + kh - 1 if kh > 1 else 0
        across = ACROSS + kw - 1 if rows_by_product(kw) else kw if kw > 1 else 0
        return 2.0 * max(work.rank, 1) * (down + across)
    samples, useful = 1, 1
    for side, taps, length in zip(plan.tile, work.taps, (work.height, work.width), strict=True):
        samples *= side
        useful *= min(side - taps + 1, length)
    # Two complex transforms and a product serve two tiles.
    return (2 * 5 * samples * math.log2(max(samples, 2)) + 6 * samples) / (2 * useful)
