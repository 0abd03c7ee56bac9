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
    """Median seconds of a contender, and medians over the rounds of our time over its own: by the clock, and of CPU.

    CPU seconds of all threads do not suffer from what else the machine does, but tell nothing of the use of two cores.
    """

    seconds: float
    ratio: float
    cpu_ratio: float


def measure(contenders: Mapping[str, Callable[[], object]], *, rounds: int, us: str = "convcli") -> dict[str, Timing]:
    """Times `contenders` in `rounds` rounds; ratios are those of `us` to each contender in the same round."""
    repeats = {}
    for name, run in contenders.items():
        run()
        repeats[name] = max(1, min(50, round(TURN / max(_once(run, 1)[0], 1e-7))))
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    order = list(contenders)
    for number in range(rounds):
        # Turned round by round: nobody always follows the same neighbour.
        for name in order[number % len(order) :] + order[: number % len(order)]:
            taken[name].append(_once(contenders[name], repeats[name]))
    ours = taken.get(us, taken[order[0]])
    return {
        name: Timing(
            seconds=statistics.median(wall for wall, _ in times),
            ratio=statistics.median(own[0] / other[0] for own, other in zip(ours, times, strict=True)),
            cpu_ratio=statistics.median(own[1] / other[1] for own, other in zip(ours, times, strict=True)),
        )
        for name, times in taken.items()
    }


def _once(run: Callable[[], object], repeats: int) -> tuple[float, float]:
    started, cpu = time.perf_counter(), time.process_time()
    for _ in range(repeats):
        run()
    return (time.perf_counter() - started) / repeats, (time.process_time() - cpu) / repeats
