"""Paired timing: all contenders take turns in every round, so that a busy machine slows them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

#: A contender is repeated within its turn until it has run for this many seconds.
TURN = 0.01


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Median seconds of a contender, and the median over the rounds of our time divided by its own."""

    seconds: float
    ratio: float


def measure(contenders: Mapping[str, Callable[[], object]], *, rounds: int, us: str = "convcli") -> dict[str, Timing]:
    """Times `contenders` in `rounds` rounds; ratios are those of `us` to each contender in the same round."""
    repeats = {}
    for name, run in contenders.items():
        run()
        repeats[name] = max(1, min(50, round(TURN / max(_once(run, 1), 1e-7))))
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    order = list(contenders)
    for number in range(rounds):
        # Turned round by round: nobody always follows the same neighbour.
        for name in order[number % len(order) :] + order[: number % len(order)]:
            taken[name].append(_once(contenders[name], repeats[name]))
    ours = taken.get(us, taken[order[0]])
    return {
        name: Timing(
            seconds=statistics.median(times),
            ratio=statistics.median(own / other for own, other in zip(ours, times, strict=True)),
        )
        for name, times in taken.items()
    }


def _once(run: Callable[[], object], repeats: int) -> float:
    started = time.perf_counter()
    for _ in range(repeats):
        run()
    return (time.perf_counter() - started) / repeats
