"""How contenders take turns: pairs of rounds, warm-up, calls that don't count, and how often a call is repeated."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import timing
from benchmarks.model import US, Contender, Contest, Spread, Turn
from benchmarks.timing import function, measure
from tests.project.benchmark_rows import actual, scenario, scripted


def test_ratios_are_medians_of_pairs_after_a_warm_up() -> None:
    # Warm-up 9 and 8; then the pairs 1/2, 3/4, 2/10: their median is not the ratio of the medians.
    got = actual(3, convcli=scripted(9, 1, 3, 2), other=scripted(8, 2, 4, 10))
    assert got["other"].ratio == Spread(median=0.5, low=0.35, high=0.625)
    assert got["other"].seconds == Spread(median=4, low=3, high=7)
    assert (got["convcli"].runs, got["other"].runs, got["other"].peak) == (3, 3, 100)


def test_brief_calls_are_compared_by_their_minima() -> None:
    got = actual(3, convcli=scripted(9, 4e-4, 3e-4, 5e-4), other=scripted(8, 2e-4, 4e-4, 1e-4))
    assert got["other"].ratio == Spread.of([pytest.approx(3)])


def test_what_settles_goes_before_every_turn_that_counts() -> None:
    order: list[str] = []

    def contender(name: str) -> Contender:
        turn = lambda: (order.append(name), Turn(wall=1, cpu=1))[1]
        return Contender(turn=turn, settle=lambda seconds: order.append(f"{name} {seconds:g}"))

    measure(scenario(settle=0.02), Contest(contenders={US: contender(US), "other": contender("other")}), rounds=3)
    assert order[:2] == [US, "other"]  # the first round warms up
    pairs = list(zip(order[2::2], order[3::2], strict=True))
    assert len(pairs) == 6 and set(pairs) == {(f"{name} 0.02", name) for name in (US, "other")}


def test_the_slow_get_one_turn_paired_with_our_first() -> None:
    got = actual(2, convcli=scripted(10, 1, 1), other=scripted(40))
    assert got["other"].ratio == Spread.of([0.25])
    assert got["other"].runs == 1


def test_functions_are_called_again_until_a_turn_is_long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that goes on by a millisecond with each call."""
    calls: list[np.ndarray] = []  # type: ignore[type-arg]

    def clock() -> float:
        return len(calls) / 1000

    def one() -> np.ndarray:  # type: ignore[type-arg]
        calls.append(np.ones(3))
        return calls[-1]

    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=clock, process_time=clock))
    contender = function(one)
    assert contender.turn().wall == pytest.approx(0.001)
    before = len(calls)
    assert contender.turn().wall == pytest.approx(0.001)
    assert len(calls) - before == round(timing.TURN / 0.001)
    assert contender.result is not None
    assert (contender.result() == 1).all()
