"""What the machine itself takes: copying memory, multiplying matrices."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks import timing


def measured(rounds: int) -> Iterator[tuple[str, str]]:
    """What, and how fast."""
    source = np.ones((3000, 4000, 3), np.uint8)
    target = np.empty_like(source)
    left, right = np.ones((1024, 1024), np.float32), np.ones((1024, 1024), np.float32)
    product = np.empty_like(left)
    runs = {"copy": lambda: np.copyto(target, source), "sgemm": lambda: np.matmul(left, right, out=product)}
    found = timing.measure(runs, rounds=rounds, us="copy")
    rate = source.nbytes / found["copy"].seconds / 1e9
    yield "memory copy, 12 MP of 3 bytes, one core", f"{found['copy'].seconds * 1e3:.1f} ms, {rate:.1f} GB/s"
    yield "sgemm 1024, all threads of numpy", f"{2 * 1024**3 / found['sgemm'].seconds / 1e9:.0f} GFLOP/s"
