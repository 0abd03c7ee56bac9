"""Which plan suits a kernel that runs on every channel alone, and how its output is cut: nothing is computed here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from convcli.engine import tiles
from convcli.engine.channel import whole
from convcli.engine.channel.factors import are_mirrored, factorise
from convcli.engine.channel.phases import spread_taps
from convcli.engine.dtypes import work_dtype
from convcli.engine.geometry import Gather, cuts_of, extent
from convcli.engine.integers import keeps_bytes
from convcli.engine.plan import FOURIER_AREA, Algorithm, Plan, Plane, options, plan_plane
from convcli.engine.processor import line, processor
from convcli.records import late

if TYPE_CHECKING:
    from convcli.engine.channel import fused
    from convcli.engine.dtypes import Array, DTypeLike, Floats
    from convcli.engine.facts import Facts
else:
    fused = late("convcli.engine.channel.fused")

#: Nanoseconds to keep every so manieth sample of the result of a plain convolution, and to add it up.
PICK = 0.3
#: Nanoseconds to copy a sample to the window of a band.
WINDOW = 0.5
#: Samples of which OpenCV makes running sums without being made floats first.
SUMMED = (np.dtype(np.uint8), np.dtype(np.uint16))
#: Dilated taps are looked at with the zeros between them up to this many; among more, finding factors takes too long.
SPREAD_LIMIT = 1 << 16


def plan_for(taps: Floats, size: Sequence[int], facts: Facts) -> Plan:
    """The plan for outputs `(h, w, channels)` of the plain convolution with `taps`, on samples with these `facts`."""
    work, algorithm = plane_of(taps, size), facts.algorithm
    plan = plan_plane(work, algorithm, calls=False)
    if plan.algorithm in ("fourier", "sums") and not facts.bounded:
        plan = plan_plane(replace(work, bounded=False), algorithm, calls=False)
    if plan.algorithm == "passes" and not facts.finite:
        plan = plan_plane(replace(work, bounded=False, finite=False), algorithm, calls=False)
    return plan


def plane_of(taps: Floats, size: Sequence[int], *, integers: bool = False, native: bool = False) -> Plane:
    """Outputs `(h, w, channels)` of the plain convolution with `taps`."""
    factors = factorise(taps)
    return Plane(
        taps=(taps.shape[0], taps.shape[1]), height=size[0], width=size[1], channels=size[2],
        nonzero=int(np.count_nonzero(taps)), rank=len(factors[0]) if factors else 0,
        mirrored=factors is not None and len(factors[0]) == 1 and are_mirrored(*factors[0], *factors[1]),
        mean=keeps_bytes(255 * float(taps[taps < 0].sum()), 255 * float(taps[taps > 0].sum())),
        equal=taps.dtype == np.float32 and bool((taps == taps.flat[0]).all()), processor=processor(),
        integers=integers, native=native,
    )  # fmt: skip


def work_for(
    taps: Array, stride: Sequence[int], dilation: Sequence[int], spatial: Sequence[int] | None, channels: int
) -> tuple[Plane, int]:
    """The plain convolution that `correlate_planes` makes of these taps on `spatial` sizes, and of how many rows.

    A kernel that is strided or dilated along the rows is several such convolutions, each of every so manieth row.
    """
    plane = np.asarray(taps, np.float32)
    slices = plane.reshape(-1, *plane.shape[-2:]) if plane.ndim > 1 else plane[None, None]
    plane = slices[np.count_nonzero(slices, axis=(1, 2)).argmax()]
    height, width = ([1, *(spatial or (1000, 1000))])[-2:]
    if extent(plane.shape[1], dilation[-1]) * len(plane) <= SPREAD_LIMIT:
        plane = spread_taps(plane, dilation[-1])
    count = math.lcm(stride[0], dilation[0]) if taps.ndim > 1 else 1
    return plane_of(plane, (max(1, height // stride[0]), width, channels)), count


def plan_strided(
    taps: Array, stride: Sequence[int], dilation: Sequence[int], algorithm: str | None = None
) -> Plan | None:
    """The plan for taps `(y, x)` with a stride, on a picture of some size; None where there is none of this kind.

    `direct` and `passes` filter all of a picture and keep every so manieth result; `products` make no others, and
    `phases` are plain convolutions of every so manieth row.
    """
    if taps.ndim != 2 or max(stride) == 1 or max(dilation) > 1:
        return None
    kernel = np.ascontiguousarray(taps, np.float32)
    return _plan_strided(kernel.tobytes(), kernel.shape, (stride[0], stride[1]), algorithm)


@lru_cache(maxsize=64)
def _plan_strided(data: bytes, shape: tuple[int, int], stride: tuple[int, int], algorithm: str | None) -> Plan:
    from convcli.engine.channel import strided

    taps, (down, across), kind = np.frombuffer(data, np.float32).reshape(shape), stride, processor()
    work = plane_of(taps, (1000, 1000, 1))
    every = {plan.algorithm: plan for plan in options(work)}
    costs: dict[str, float] = {}
    if taps.size < FOURIER_AREA:
        costs["direct"] = down * across * every["direct"].cost + PICK
    if "passes" in every and max(shape) < FOURIER_AREA:
        columns, rows = (line(cost, n) if n > 1 else 0 for cost, n in zip((kind.column, kind.row), shape, strict=True))
        costs["passes"] = max(work.rank, 1) * (down * across * columns + across * rows + PICK)
    if across > 1 and shape[1] > 1:
        costs["products"] = strided.Layout(taps=shape, stride=stride).cost(kind)
    parts = [taps[phase::down] for phase in range(min(down, len(taps)))]
    phases = across * sum(plan_plane(plane_of(part, (1000, 1000, 1)), calls=False).cost + PICK for part in parts)
    costs["phases"] = phases + WINDOW * down * across
    name = algorithm if algorithm in costs else min(costs, key=lambda name: costs[name])
    reasons = {
        "direct": f"{every['direct'].reason}, some results kept", "products": f"strided, {taps.size} taps",
        "passes": f"{every['passes'].reason}, some results kept" if "passes" in every else "",
        "phases": f"{len(parts)} of rows, {taps.size} taps",
    }  # fmt: skip
    return Plan(algorithm=name, reason=reasons[name], cost=costs[name])


def algorithm_for(
    taps: Array, steps: tuple[Sequence[int], Sequence[int]], spatial: Sequence[int] | None, channels: int,
    asked: str | None = None,
) -> Algorithm:  # fmt: skip
    """How `correlate_planes` goes about these taps, with strides and dilations, on an input of `spatial` sizes."""
    picked = plan_strided(taps, *steps, asked)
    if picked and picked.algorithm != "phases":
        return Algorithm(picked.algorithm, str(picked))
    work, count = work_for(taps, *steps, spatial, channels)
    plan = plan_plane(work, asked)
    return Algorithm(plan.algorithm, f"{plan}, {count} phases of rows" if count > 1 else str(plan))


def bands(plan: Plan, work: Plane, dtype: DTypeLike) -> list[tuple[int, int]]:
    """The rows of the output in the bands that a picture of `dtype` is cut into."""
    kind = np.dtype(dtype)
    if plan.call:
        return [(0, work.height)]
    if plan.algorithm == "fourier" and min(work.taps) > 1:
        return cuts_of(work.height, plan.rows)
    if plan.algorithm == "passes" and not plan.folded:
        row, rank = work.width * work.channels, max(work.rank, 1)
        macs = work.height * row * rank * sum(work.taps)
        return fused.bands(work.height, row * work_dtype(kind).itemsize, macs, work.taps[0])
    samples = work.height * work.width * work.channels
    if (plan.algorithm == "direct" or plan.folded) and (kind.kind == "f" or plan.native):
        return whole.parts(work.height, samples * kind.itemsize, work.taps, whole.PART)
    windows = [Gather(k, 1, 1, k // 2, n) for k, n in zip(work.taps, (work.height, work.width), strict=True)]
    return tiles.bands((work.height, work.width, work.channels), windows, 4, plan.rows)


def spread(taps: Floats, dilation: Sequence[int]) -> Floats | None:
    """`taps` `(y, x)` with the zeros between them; None where there are too many."""
    if max(dilation) > 1:
        if extent(taps.shape[0], dilation[0]) * extent(taps.shape[1], dilation[1]) > SPREAD_LIMIT:
            return None
        taps = spread_taps(spread_taps(taps, dilation[1]).T, dilation[0]).T
    return np.ascontiguousarray(taps)
