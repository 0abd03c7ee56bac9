"""How long a kernel really takes: the one that `convcli apply` runs, through the same engine."""

from __future__ import annotations

import dataclasses
import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convcli.costs.cost import Machine, Timing
from convcli.engine.plan import refusal
from convcli.engine.threads import thread_count
from convcli.networks import Placed, alone
from convcli.ops import Kernel
from convcli.ops.tensors import Tensor
from convcli.records import late

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from convcli.filtering import Chain
else:
    np = late("numpy")

#: Runs at least, where the budget allows, before the spread is looked at.
ENOUGH = 5
#: Runs at most.
MOST = 1000
#: A spread this small ends the repeats.
STEADY = 0.02
#: Bytes that the weights of a timed kernel take on their way from stored numbers to the ones it runs with, each.
BYTES_PER_WEIGHT = 24


def summary(seconds: Sequence[float]) -> Timing:
    """Median and interquartile range, quartiles interpolated between neighbours.

    >>> summary([0.5, 0.1, 0.3, 0.2, 0.4])
    Timing(median_s=0.3, spread_s=0.2, repeats=5)
    """
    ordered = sorted(seconds)

    def quantile(share: float) -> float:
        place = share * (len(ordered) - 1)
        low = int(place)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (place - low) * (ordered[high] - ordered[low])

    spread = round(quantile(0.75) - quantile(0.25), 12) if len(ordered) > 2 else None
    return Timing(median_s=quantile(0.5), spread_s=spread, repeats=len(ordered))


def measure(work: Callable[[], object], budget_s: float, clock: Callable[[], float] = time.perf_counter) -> Timing:
    """Runs `work` once to warm up, then until the times hardly differ or `budget_s` seconds are over, once at least."""
    work()
    times: list[float] = []
    started = clock()
    while True:
        before = clock()
        work()
        after = clock()
        times.append(after - before)
        if len(times) >= MOST or after - started >= budget_s:
            return summary(times)
        if len(times) >= ENOUGH and len(times) % ENOUGH == 0:
            timing = summary(times)
            if timing.spread_s is not None and timing.spread_s <= STEADY * timing.median_s:
                return timing


def time_placed(
    placed: Placed, budget_s: float, pixels: npt.NDArray[Any] | None = None, *, as_picture: bool = False,
    algorithm: str | None = None,
) -> Timing | None:  # fmt: skip
    """The time of a layer with its branches; None where it has no kernel, or its weights don't fit in memory.

    It runs on `pixels` `(height, width, channels)` where given; else on random numbers of its size: 8 bits where
    `as_picture`, as an image has them, float32 otherwise, as between the layers of a network. `algorithm` is used
    where it can be.
    """
    weights = sum(kernel.weight_count for kernel in placed.kernels.values())
    if not placed.kernels or weights * BYTES_PER_WEIGHT > _memory():
        return None
    return measure(runner(placed, pixels, as_picture=as_picture, algorithm=algorithm), budget_s)


def refusals(placed: Placed, asked: str | None) -> list[str]:
    """What to say of the kernels of a layer that the algorithm `asked` for can't compute."""
    if asked is None:
        return []
    return [
        line
        for kernel in placed.kernels.values()
        for line in refusal(asked, kernel.name, kernel.algorithm(placed.size_in, placed.channels_in, asked))
    ]


def runner(
    placed: Placed, pixels: npt.NDArray[Any] | None, *, as_picture: bool, algorithm: str | None
) -> Callable[[], None]:
    """One run of a layer, by the functions that `convcli apply` calls."""
    from convcli.filtering import Chain, filter_pixels

    kernels = [_fresh(alone(kernel, placed.size_out)) for kernel in placed.kernels.values()]
    chains = [Chain([kernel], algorithm=algorithm) for kernel in kernels]
    if pixels is not None:
        return lambda: _each(lambda chain: filter_pixels(pixels, chain), chains)
    shape = (*placed.size_in, placed.channels_in)
    random = np.random.default_rng(0)
    array: npt.NDArray[Any] = (
        random.integers(0, 256, shape, np.uint8) if as_picture else random.standard_normal(shape, np.float32)
    )
    return lambda: _each(lambda chain: filter_pixels(array, chain, axes=placed.axes), chains)


def _each(run: Callable[[Chain], object], chains: Sequence[Chain]) -> None:
    for chain in chains:
        run(chain)


def _fresh(kernel: Kernel) -> Kernel:
    """A copy whose numbers are its own, so that they go when it goes: a network's weights need not fit together."""
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(kernel):
        value = getattr(kernel, field.name)
        if isinstance(value, Tensor):
            changes[field.name] = dataclasses.replace(value)
        elif isinstance(value, tuple) and value and isinstance(value[0], Tensor):
            changes[field.name] = tuple(dataclasses.replace(tensor) for tensor in value)
    return kernel.replace(**changes)


def _memory() -> int:
    """Bytes of memory that are free, as far as the system tells."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 4 << 30


def machine() -> Machine:
    """This machine, for the line below the times. Needs the packages that did the work."""
    import cv2

    return Machine(
        processor=_processor(), threads=thread_count(), system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        packages={"numpy": np.__version__, "OpenCV": cv2.__version__},
    )  # fmt: skip


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    except OSError:
        pass
    return platform.processor() or platform.machine() or "unknown processor"
