"""How good the planner's choice is: its time over that of the best algorithm that can be forced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

import convcli
from benchmarks.model import US, Contest, Goal, Scenario, Workshop
from benchmarks.timing import function
from convcli.engine.plan import ALGORITHMS

TAPS = (3, 5, 7, 9, 11, 15, 31, 63)


def scenarios(*, quick: bool) -> Iterator[Scenario]:
    """Kernels of full, first and second rank on planes of float32, some of them on pictures of other types, and some of
    higher ranks and on long and narrow planes."""
    for taps in TAPS:
        for rank in (taps, 1, 2):
            for size in (64, 500, 2000):
                chosen = quick and taps in (5, 11, 31) and size == 500
                yield _scenario(taps, rank, (size, size), "float32", chosen)
    for taps in (3, 9, 15, 31):
        for rank in (taps, 1):
            for shape in ((300, 400, 3), (1500, 2000, 3)):
                for dtype in ("uint8", "float64"):
                    yield _scenario(taps, rank, shape, dtype, quick and taps in (3, 15) and dtype == "uint8")
    for taps in (7, 15, 31):
        for rank, plane in ((4, (64, 64)), (3, (500, 500)), (1, (50, 8000)), (3, (50, 8000)), (1, (8000, 50))):
            yield _scenario(taps, rank, plane, "float32", False)


def _scenario(taps: int, rank: int, shape: tuple[int, ...], dtype: str, quick: bool) -> Scenario:
    def make(shop: Workshop) -> Contest:
        rng = np.random.default_rng(taps)
        weights = rng.standard_normal((taps, rank)) @ rng.standard_normal((rank, taps))
        kernel = convcli.load({"weights": weights / np.abs(weights).sum()})
        x = rng.random(shape, dtype=np.float32)
        x = (x * np.iinfo(dtype).max).astype(dtype) if dtype.startswith("u") else x.astype(dtype)
        runs: dict[str, Callable[[], object]] = {US: lambda: kernel.apply(x)}
        runs |= {name: partial(kernel.apply, x, algorithm=name) for name in ALGORITHMS}
        return Contest(contenders={name: function(run) for name, run in runs.items()})

    extent = "x".join(map(str, shape))
    return Scenario(
        section="planner", name=f"{taps}x{taps} of rank {rank}", conditions=f"{extent} {dtype}", make=make, quick=quick,
        goals=(Goal(what="the planner's choice over the best that can be forced", against=ALGORITHMS, most=1.25),),
        rounds=7, patience=0.3, tolerance=1e-2,
    )  # fmt: skip
