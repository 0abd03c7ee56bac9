"""Which algorithm computes a plain convolution of one plane fastest: a cost model from counts, no measuring.

Costs are nanoseconds per output sample on one core of a kind of processor (`engine.processor`). They need only rank
the algorithms.

| algorithm  | what it does                                                  | needs of the samples           |
|------------|---------------------------------------------------------------|--------------------------------|
| `direct`   | OpenCV's `filter2D`, in blocks below its own Fourier switch    | nothing                        |
| `passes`   | one row of taps per axis and rank: `filter2D` or Toeplitz GEMM | nothing; finite ones for GEMM  |
| `sums`     | running sums, for taps that are all equal                      | finite and of like size        |
| `fourier`  | overlap-save by tiles, two tiles in one complex transform      | finite and of like size        |
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Self

from convcli.engine.processor import LAID, NARROW, Line, Processor, line
from convcli.engine.transforms import FAST, LINE_FAST, fourier_cost, fourier_tile
from convcli.errors import UsageError
from convcli.records import record

ALGORITHMS = ("direct", "passes", "sums", "fourier")

#: `filter2D` goes over to a discrete Fourier transform of its own from this many cells of the kernel, zeros included.
FOURIER_AREA = 130
#: `filter2D` on bytes is slower than on floats, but up to so many taps it is not worth making them floats.
NATIVE_AREA = 9
#: Nanoseconds to make a float of a byte, and a byte of a sum.
CONVERTED = 0.25
#: Nanoseconds that `filter2D` takes more per sample where there is only one row.
LINE = 1.3
#: Nanoseconds per sample of a small picture, and of what its border adds, by the Fourier transform that `filter2D`
#: makes of itself.
TRANSFORMED = 6.3
#: Nanoseconds for a call of OpenCV, whatever it makes, and per sample to add up the passes of another rank, whose
#: results lie in memory that is fresh.
CALLED, ADDED = 3_500, 0.5
#: Nanoseconds for what bands and their threads take on the smallest picture.
BANDS = 100_000
#: Nanoseconds on one core up to which all of a picture is filtered by one call, without bands or threads: beside bands
#: that pass through memory of their own, and beside parts that are filtered where they lie.
CALL_LIMIT, IN_PLACE_LIMIT = 390_000, 220_000
#: Nanoseconds for a sample by stamps, as if they took so little: in bands their many short calls wait for one another.
STAMPED = 0.15
#: Nanoseconds for the calls that Fourier tiles take on the smallest picture.
FIXED = 50_000


@record
class Plane:
    """A plain convolution: `height` x `width` outputs of `channels`, stride and dilation 1.

    `nonzero` counts taps that are not 0; `rank` is the number of separable kernels that sum to this one (0: not
    known, taken as full); `mirrored` says that it is of rank 1 and reads the same backwards along both axes, `equal`
    that all taps are; `mean` that of bytes none is made that lies beyond their limits: were some cut off, floats would
    be rounded otherwise now and then. Running sums read `integers` as such; `native` says that bytes may be made of
    bytes.
    """

    taps: tuple[int, int]
    height: int
    width: int
    channels: int = 1
    nonzero: int = 0
    rank: int = 0
    mirrored: bool = False
    equal: bool = False
    mean: bool = False
    integers: bool = False
    native: bool = False
    finite: bool = True
    bounded: bool = True
    processor: Processor = NARROW


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
    made by and by, with memory for some of them only. `plain` banks are sums of products, not of transforms: whatever
    follows from their results multiplies the errors of those."""

    algorithm: str | None = None
    fine: bool = False
    plain: bool = False

    def __post_init__(self) -> None:
        check_algorithm(self.algorithm)


#: The planner chooses.
FREE = Constraints()


@record
class Plan:
    """The algorithm for a convolution, why, and its estimated cost in nanoseconds per output sample and core.

    `rows` are the output rows a band should have, `tile` the Fourier tile (height, width). `folded` passes are made by
    `sepFilter2D`, which adds up the samples of mirrored taps first; a `native` plan makes bytes of bytes. `call` says
    that one thread does all of the picture at once, without bands, where OpenCV can continue it over the edge. Of
    `shares` of a bank each makes some outputs, of all rows.
    """

    algorithm: str
    reason: str
    cost: float
    rows: int = 0
    tile: tuple[int, int] = (0, 0)
    folded: bool = False
    native: bool = False
    call: bool = False
    shares: int = 1

    def __str__(self) -> str:
        return f"{self.algorithm} ({self.reason})"


@lru_cache(maxsize=512)
def plan_plane(work: Plane, algorithm: str | None = None, *, calls: bool = True) -> Plan:
    """The cheapest plan that `work` allows; `algorithm` names the one to use where it can be used.

    One that is a call is only planned for those who make `calls` on all of a picture.
    """
    plans = list(options(work))
    allowed = [plan for plan in plans if plan.algorithm == algorithm] or plans
    best = _cheapest(allowed, work)
    if not calls:
        return best
    samples = work.height * work.width * work.channels
    call = _cheapest([replace(plan, cost=call_cost(plan, work), call=True) for plan in allowed], work)
    return call if call.cost * samples <= min(CALL_LIMIT, best.cost * samples + BANDS) else best


def _cheapest(plans: list[Plan], work: Plane) -> Plan:
    """The cheapest of `plans` after what it takes to make floats of bytes, and bytes of those."""
    costs = [plan.cost + CONVERTED * (work.native > plan.native) for plan in plans]
    return replace(plans[costs.index(min(costs))], cost=min(costs))


def is_call(nanoseconds: float, *, in_place: bool = False) -> bool:
    """Whether so much work of one core is done by one call, without bands or threads; those would go `in_place`, from
    where samples lie to where results go."""
    return nanoseconds <= (min(CALL_LIMIT, IN_PLACE_LIMIT) if in_place else CALL_LIMIT)


def call_cost(plan: Plan, work: Plane) -> float:
    """What `plan` costs by plain calls of OpenCV on all of a picture; infinite where there are none for it."""
    (kh, kw), kind, rank = work.taps, work.processor, max(work.rank, 1)
    one = CALLED / (work.height * work.width * work.channels)
    if plan.folded:
        return plan.cost + one
    if plan.algorithm == "passes" and max(kh, kw) < FOURIER_AREA:
        passes = [_short(cost, taps) + one for cost, taps in ((kind.column, kh), (kind.row, kw)) if taps > 1]
        return rank * (sum(passes) + ADDED * (rank > 1))
    if plan.algorithm == "fourier" and kh * kw >= FOURIER_AREA and min(kh, kw) > 1:
        return TRANSFORMED * (1 + (kh - 1) / work.height) * (1 + (kw - 1) / work.width) + one
    called = plan.algorithm == "sums" or (plan.algorithm == "direct" and kh * kw < FOURIER_AREA)
    return plan.cost + one if called else math.inf


def options(work: Plane) -> Iterator[Plan]:
    """A plan for each algorithm that can compute `work`."""
    (kh, kw), kind = work.taps, work.processor
    nonzero = work.nonzero or kh * kw
    full = min(kh, kw)
    direct = direct_cost(work.taps, nonzero, kind) + (LINE if work.height == 1 else 0)
    few = work.native and kh * kw <= NATIVE_AREA
    yield Plan(algorithm="direct", reason=f"{nonzero} tap" + "s" * (nonzero != 1), cost=direct, native=few)
    if work.equal and work.bounded and work.height > 1 and kh * kw > 1:
        yield Plan(algorithm="sums", reason=f"{kh}x{kw} equal taps", cost=kind.sums[work.integers])
    rank = work.rank or full
    if rank < full or full == 1:
        across = across_cost(kw, work)
        # One row of taps alone is a single pass.
        between = kind.between if full > 1 else 0.0
        cost = rank * (down_cost(kh, kind, work.finite) + across + between)
        reason = f"{kh} + {kw} taps" if rank == 1 else f"rank {rank}: {rank} x ({kh} + {kw}) taps"
        reason = reason if full > 1 else f"{kh * kw} taps in a row"
        yield Plan(algorithm="passes", reason=reason, cost=cost)
        if work.mirrored and full > 1:
            native = work.native and work.mean
            folded = line(kind.folded[native], (kh + kw) / 2)
            yield Plan(algorithm="passes", reason=reason, cost=folded, folded=True, native=native)
    if work.bounded and 1.5 * max(kh, kw) <= (LINE_FAST if full == 1 else FAST)[-1]:
        tile = fourier_tile(work)
        cost = kind.transforms * fourier_cost(tile, work) + FIXED / (work.height * work.width)
        reason = f"{kh}x{kw} taps, tiles of {tile[0]}x{tile[1]}"
        # Rows that are transformed alone may be cut anywhere.
        rows = tile[0] - kh + 1 if tile[0] > 1 else 0
        yield Plan(algorithm="fourier", reason=reason, cost=cost, rows=rows, tile=tile)


def direct_cost(taps: tuple[int, int], nonzero: int, kind: Processor = NARROW) -> float:
    """`filter2D` skips zero taps; every further block adds a pass over the sums."""
    blocks = -(-taps[0] * taps[1] // (FOURIER_AREA - 1))
    return line(kind.direct, nonzero) + 0.7 * (blocks - 1)


def down_cost(taps: int, kind: Processor, finite: bool = True) -> float:
    """One pass along columns."""
    if taps == 1:
        return 0.0
    product = finite and kind.columns_by_product(taps)
    return line(kind.column_product, taps) if product else _short(kind.column, taps)


def across_cost(taps: int, work: Plane) -> float:
    """One pass along rows."""
    kind, alone = work.processor, work.height == 1
    if taps == 1:
        return 0.0
    if work.finite and (kind.rows_by_product(taps, work.channels) or alone):
        # A line is filtered where it lies, by few calls.
        return line(kind.row_product, taps) + LAID * (not alone)
    return _short(kind.row, taps) + LINE * alone


def _short(cost: Line, taps: int) -> float:
    """`filter2D` with one row or column."""
    return line(cost, taps) + 0.4 * ((taps - 1) // (FOURIER_AREA - 1))


def refusal(asked: str | None, name: str, algorithm: Algorithm) -> list[str]:
    """Says that the algorithm asked for can't compute the kernel `name`, where it doesn't."""
    if asked is None or algorithm.name == asked:
        return []
    return [f"{asked} can't compute {name} here; used: {algorithm}"]
