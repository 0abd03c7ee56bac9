"""How good the planner's choice is: its time over that of the best algorithm that can be forced."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

import convcli
from benchmarks import timing
from benchmarks.library import noise
from convcli.engine.plan import ALGORITHMS, forced


def measured(rounds: int, quick: bool) -> Iterator[tuple[str, float, str]]:
    """The case, the ratio to the best forced algorithm, and which that was."""
    for taps in (5, 11, 31) if quick else (3, 5, 7, 9, 11, 13, 15, 21, 31, 63):
        for rank in (taps, 1, 2):
            for size in (1000,) if quick else (500, 1000, 2000):
                rng = np.random.default_rng(taps)
                weights = rng.standard_normal((taps, rank)) @ rng.standard_normal((rank, taps))
                kernel, x = convcli.load({"weights": weights}), noise(size, size)
                runs: dict[str, Callable[[], object]] = {"convcli": lambda k=kernel, x=x: k.apply(x)}
                runs |= {name: lambda n=name, k=kernel, x=x: _forced(n, k, x) for name in ALGORITHMS}
                found = timing.measure(runs, rounds=rounds)
                best = min(ALGORITHMS, key=lambda name: found[name].seconds)
                yield f"{taps}x{taps} of rank {rank}, {size}x{size}", found[best].ratio, best


def _forced(name: str, kernel: convcli.Kernel, x: np.ndarray) -> object:
    with forced(name):
        return kernel.apply(x)
