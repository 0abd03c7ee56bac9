"""Paired timing: all contenders take turns in every round, so that a busy machine slows them alike."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from benchmarks import goals
from benchmarks.model import US, Array, Contender, Contest, Figures, Row, Scenario, Spread, Turn

#: A function is repeated within its turn until it has run for this many seconds, at most so often.
TURN, MOST = 0.004, 500
#: Below so many seconds a call the least is compared: interrupts are longer than what they interrupt.
BRIEF = 1e-3
#: Functions that take this long are called no oftener than they must.
LONG = 0.3
#: So long threads of OpenBLAS, OpenMP and onnxruntime wait by spinning for more to do: whoever came next on all cores
#: had half of them. A pause would be worse: after one all threads of a process are on one core for some milliseconds.
SETTLE = 0.02
#: Bare calls get so many turns, one after the other; the least counts, as of brief calls.
BARE_TURNS = 8
#: Pixels at each side that are not compared: programs continue pictures differently there.
FRAME = 40


def function(run: Callable[[], object], *, last: bool = False) -> Contender:
    """A contender of this process. Its first turn is one call, kept as the result; others as many as take `TURN`.

    With `last` the result has its channels last, and is compared with them first.
    """
    state: dict[str, object] = {}
    repeats = 0

    def turn() -> Turn:
        nonlocal repeats
        if not repeats:
            started, cpu = time.perf_counter(), time.process_time()
            state["result"] = run()
            cold = Turn(wall=time.perf_counter() - started, cpu=time.process_time() - cpu)
            repeats = 1 if cold.wall > LONG else max(1, min(MOST, round(TURN / max(_calls(run, 1).wall, 1e-7))))
            return cold
        return _calls(run, repeats)

    def result() -> Array:
        actual = np.asarray(state["result"])
        return np.moveaxis(actual, -1, 0) if last and actual.ndim == 3 else actual

    def settle(seconds: float) -> None:
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            run()

    return Contender(turn=turn, settle=settle, result=result)


def _calls(run: Callable[[], object], repeats: int) -> Turn:
    started, cpu = time.perf_counter(), time.process_time()
    for _ in range(repeats):
        run()
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    return Turn(wall=wall / repeats, cpu=cpu / repeats)


def measure(scenario: Scenario, outcome: Contest, *, rounds: int) -> dict[str, Figures]:
    """Times the contenders of `scenario`. The first round warms up, is compared with ours, and counts only for those
    who took all their patience in it.

    Raises whatever our own contender raises; another one that fails gets a note instead of figures.
    """
    actual = {name: Figures(note=why) for name, why in outcome.contenders.items() if isinstance(why, str)}
    if US in actual:
        return {US: actual[US]}
    present = {name: one for name, one in outcome.contenders.items() if isinstance(one, Contender)}
    first = {US: present[US].turn()} if US in present else {}
    for name, contender in present.items():
        if name != US:
            try:
                first[name] = contender.turn()
            except Exception as error:
                actual[name] = Figures(note=f"failed: {said(error)}")
    turns = _turns({name: present[name] for name in first}, first, rounds, scenario)
    ours = turns[US]
    result = present[US].result
    mine = result() if result is not None else None
    for name, taken in turns.items():
        pairs = [(own, other) for own, other in zip(ours, taken, strict=False) if own and other]
        counted = [turn for turn in taken if turn]
        figures = Figures(
            seconds=Spread.of(turn.wall for turn in counted),
            cpu=statistics.median(turn.cpu for turn in counted),
            runs=len(counted),
            ratio=_ratio(pairs),
            cpu_ratio=statistics.median(own.cpu / max(other.cpu, 1e-9) for own, other in pairs),
            peak=max((turn.peak for turn in counted if turn.peak), default=None),
        )
        actual[name] = _compared(scenario, outcome, mine, present[name], figures) if name != US else figures
        output = present[name].output
        if output is not None and output.is_file():
            actual[name] = replace(actual[name], size=output.stat().st_size / 1e6)
    return {name: actual[name] for name in outcome.contenders}


def bare(outcome: Contest, figures: Mapping[str, Figures]) -> dict[str, dict[str, float]]:
    """The least that each bare call takes over the least of the two fastest contenders that gave the same result."""
    ratios = {name: one.ratio.median for name, one in figures.items() if name != US and one.counts and one.ratio}
    fastest = sorted(ratios, key=lambda name: -ratios[name])[:2]
    rivals = {name: outcome.contenders[name] for name in fastest if name in outcome.contenders}
    runs = {name: run if isinstance(run, Contender) else function(run) for name, run in outcome.bare.items()}
    if not runs or not rivals:
        return {}
    least: dict[str, float] = {}
    for name, one in [*runs.items(), *rivals.items()]:
        assert isinstance(one, Contender)
        if one.settle:
            one.settle(SETTLE)
        walls = [one.turn().wall, one.turn().wall]
        walls += [one.turn().wall for _ in range(BARE_TURNS - 2) if walls[1] <= LONG]
        least[name] = min(walls)
    return {name: {rival: least[name] / least[rival] for rival in rivals} for name in runs}


def _ratio(pairs: Sequence[tuple[Turn, Turn]]) -> Spread:
    """Our time over theirs: the spread over the rounds, or for brief calls the ratio of the minima."""
    own, other = (min(turn.wall for turn in side) for side in zip(*pairs, strict=True))
    if min(own, other) < BRIEF:
        return Spread.of([own / max(other, 1e-9)])
    return Spread.of(own.wall / max(other.wall, 1e-9) for own, other in pairs)


def said(error: Exception) -> str:
    """The last line of an error, short enough for a table."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1].replace("|", "/")[:120]


def _turns(
    present: Mapping[str, Contender], first: Mapping[str, Turn], rounds: int, scenario: Scenario
) -> dict[str, list[Turn | None]]:
    """Per contender its turns, the first one None where it only warmed up."""
    wanted = {name: min(rounds, int(scenario.patience / max(turn.wall, 1e-9))) for name, turn in first.items()}
    if rounds == 1:
        wanted = dict.fromkeys(wanted, 0)
    wanted[US] = max(wanted.values())
    alone = any(number == 0 for number in wanted.values())
    taken: dict[str, list[Turn | None]] = {
        name: [turn if wanted[name] == 0 or (name == US and alone) else None] for name, turn in first.items()
    }
    for number in range(wanted[US]):
        # Dealt anew for every round: turned only, each would follow the same one in all of them, who leaves the cache
        # full of the same samples or of others; a call took 1.27 of itself so.
        for name in random.Random(number).sample(list(first), len(first)):
            if number < wanted[name]:
                settle = present[name].settle
                if settle and scenario.settle:
                    settle(scenario.settle)
                taken[name].append(present[name].turn())
    return taken


def _compared(scenario: Scenario, outcome: Contest, ours: Array | None, them: Contender, figures: Figures) -> Figures:
    """The figures with the difference of the results, and a note where it is more than may be."""
    if ours is None or them.result is None:
        return figures
    try:
        theirs = them.result()
    except Exception as error:
        return replace(figures, note=f"another result: {said(error)}")
    ours, theirs = ours.reshape(_squeezed(ours)), theirs.reshape(_squeezed(theirs))
    if ours.shape != theirs.shape:
        return replace(figures, note=f"another result: of shape {theirs.shape}, ours {ours.shape}")
    if (outcome.largest or not scenario.relative) and ours.dtype != theirs.dtype:
        return replace(figures, note=f"another result: of {theirs.dtype}, ours {ours.dtype}")
    if them.otherwise:
        return replace(figures, note=f"another result: {them.otherwise}")
    if outcome.largest:
        distance = apart(ours, theirs, largest=outcome.largest, frame=outcome.frame)
        note = "" if distance <= 1 else f"another result: {distance:.2g} times the bound apart"
        return replace(figures, difference=distance, note=note)
    distance = difference(ours, theirs, relative=scenario.relative)
    note = "" if distance <= scenario.tolerance else f"another result: {distance:.2g} apart on average"
    return replace(figures, difference=distance, note=note)


def apart(ours: Array, theirs: Array, *, largest: float, frame: int = 0) -> float:
    """The greatest difference over what is allowed: 1 for whole numbers, 1e-5 of the `largest` possible sum for floats.

    `frame` samples at each side of both axes of a picture are left out.
    """
    inner = (slice(frame or None, -frame or None),) * min(2, ours.ndim)
    bound = 1.0 if ours.dtype.kind == "u" else 1e-5 * largest
    parts = zip(np.array_split(ours[inner], 16), np.array_split(theirs[inner], 16), strict=True)
    return max(float(np.abs(np.subtract(own, other, dtype=np.float64)).max(initial=0)) for own, other in parts) / bound


def _squeezed(array: Array) -> tuple[int, ...]:
    return tuple(n for n in array.shape if n != 1)


def difference(ours: Array, theirs: Array, *, relative: bool) -> float:
    """Mean absolute difference away from the frame: in 8-bit levels, or over the mean absolute value of ours."""
    if not relative and min(ours.shape[:2]) > 4 * FRAME:
        inner = (slice(FRAME, -FRAME),) * 2
        ours, theirs = ours[inner], theirs[inner]
    total = size = scale = 0.0
    for own, other in zip(np.array_split(ours, 16), np.array_split(theirs, 16), strict=True):
        total += float(np.abs(own.astype(np.float32) - other.astype(np.float32)).sum(dtype=np.float64))
        scale += float(np.abs(own.astype(np.float32)).sum(dtype=np.float64)) if relative else own.size
        size += own.size
    return total / max(scale, 1e-30)


def row(scenario: Scenario, figures: Mapping[str, Figures], outcome: Contest, rates: Mapping[str, float]) -> Row:
    """The row of a report, with the limit of memory as a contender and the floor of the machine."""
    actual = dict(figures)
    peak = actual[US].peak
    if outcome.limit is not None and peak is not None:
        limit = outcome.limit()
        actual["limit"] = Figures(peak=limit, ratio=Spread.of([peak / limit]))
    floor, floor_of = _floor(outcome, rates) if outcome.moved else (None, "")
    one = Row(
        section=scenario.section,
        name=scenario.name,
        conditions=scenario.conditions,
        figures=actual,
        goals=scenario.goals,
        floor=floor,
        floor_of=floor_of,
    )
    best = goals.strongest(one, actual)
    ratio = actual[best].ratio if best else None
    missed = any((held := goals.reached(goal, one)) and not held.met for goal in one.goals)
    return replace(one, bare=bare(outcome, actual)) if missed or (ratio and ratio.median > 1) else one


def _floor(outcome: Contest, rates: Mapping[str, float]) -> tuple[float, str]:
    """The most that the machine itself takes for reading the inputs and writing the result, or for the sums."""
    us = outcome.contenders[US]
    written = us.result().nbytes if isinstance(us, Contender) and us.result else 0
    copy, sums = (outcome.moved + written) / 2 / rates["copy"], outcome.flops / rates["sgemm"]
    return (sums, "sgemm") if sums > copy else (copy, "copy")
