"""What the machine itself takes: copying memory, multiplying matrices."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from benchmarks.peers import threads


def rates() -> dict[str, float]:
    """Bytes per second of a copy on one core and on all, and FLOP per second of float32 matrices on all."""
    source = np.ones((3000, 4000, 3), np.float32)
    target = np.empty_like(source)
    left, right = np.ones((1024, 1024), np.float32), np.ones((1024, 1024), np.float32)
    product = np.empty_like(left)
    parts = list(zip(np.array_split(target, threads()), np.array_split(source, threads()), strict=True))
    with ThreadPoolExecutor(threads()) as pool:
        return {
            "copy, one core": source.nbytes / _best(lambda: np.copyto(target, source)),
            "copy": source.nbytes / _best(lambda: list(pool.map(lambda part: np.copyto(*part), parts))),
            "sgemm": 2 * 1024**3 / _best(lambda: np.matmul(left, right, out=product)),
        }


def _best(run: Callable[[], object]) -> float:
    """Seconds of the fastest of 15 runs: a floor is what the machine can do."""
    taken = []
    for _ in range(15):
        started = time.perf_counter()
        run()
        taken.append(time.perf_counter() - started)
    return min(taken)


def shown(found: dict[str, float]) -> str:
    return (
        f"memory copy {found['copy, one core'] / 1e9:.1f} GB/s on one core, {found['copy'] / 1e9:.1f} on {threads()}; "
        f"float32 matrices {found['sgemm'] / 1e9:.0f} GFLOP/s"
    )
