"""Goals are judged by the best peer, the worst row, and what they allow; every row above 1.0 is told of first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import goals, report
from benchmarks.model import US, Figures, Goal, Spread
from tests.project.benchmark_rows import figures, row, run_of


def test_a_goal_is_judged_by_the_best_peer_the_worst_row_and_the_size() -> None:
    goal = Goal(what="sharpen", against=("a", "b"), most=0.5, no_larger=True)
    first = row("x", (goal,), a=figures(0.2), b=figures(0.4))
    second = row("y", (goal,), a=figures(0.6), b=figures(0.9, note="another result"))
    (judged,) = goals.judged(run_of(first, second))
    assert judged.worst is not None
    assert (judged.met, judged.of, judged.worst.ratio) == (1, 2, Spread.of([0.6]))
    assert judged.verdict == "**missed** in 1 of 2"
    assert judged.row == "y, 12 MP PNG"
    (judged,) = goals.judged(run_of(replace(first, figures={**first.figures, "b": figures(0.4, size=1.5)})))
    assert judged.verdict == "**missed**; 2.0 MB is larger than 1.5"
    (judged,) = goals.judged(run_of(row("z", (goal,), a=Figures(note="not installed"))))
    assert judged.verdict == "not measured: not installed"


@pytest.mark.parametrize(("seconds", "met"), [(10e-6, True), (100e-6, False)])
def test_seconds_may_be_allowed_besides(seconds: float, met: bool) -> None:
    # Three times as long: 20 us more are within 30, 200 are not.
    goal = Goal(what="g", against=("a",), most=1, slack=30e-6)
    one = goals.reached(goal, row("x", (goal,), a=figures(3, seconds=Spread.of([seconds]))))
    assert one is not None
    assert one.most == pytest.approx(1 + 30e-6 / seconds)
    assert one.met == met


@pytest.mark.parametrize(
    ("proof", "most"), [(figures(1.2), 1.0), (figures(0.9), 1.3), (Figures(note="can't"), 1.3)]
)  # fmt: skip
def test_less_is_asked_where_the_proof_is_not_at_the_goal_itself(proof: Figures, most: float) -> None:
    # Ours is 1.1 times theirs: a proof 1.2 times faster than ours is at .92 of theirs, one slower than ours at 1.22.
    goal = Goal(what="g", against=("a",), most=1, proof="p", relaxed=1.3)
    one = goals.reached(goal, row("x", (goal,), a=figures(1.1), p=proof))
    assert one is not None
    assert (one.most, one.met) == (most, most == 1.3)


def test_seconds_of_cpu_may_be_what_counts() -> None:
    goal = Goal(what="g", against=("a",), most=1.3, cpu=True)
    one = goals.reached(goal, row("x", (goal,), a=figures(2, cpu_ratio=1.2)))
    assert one is not None
    assert (one.ratio.median, one.met) == (1.2, True)


def test_every_row_above_one_comes_first_the_worst_leading() -> None:
    goal = Goal(what="g", against=("a",), most=1.2)
    rows = [
        row("x", (goal,), a=figures(1.1), b=figures(0.5)),
        replace(row("x", (goal,), a=figures(1.4)), conditions="2 MP PNG"),
        row("y", a=figures(3, note="another result"), b=figures(0.9)),
        row("z", a=figures(7)),
        replace(row("p", (goal,), a=figures(1.1)), section="planner"),
    ]
    actual, counted = goals.losses(run_of(*rows))
    assert [(loss.row.name, loss.ratio.median, loss.missed) for loss in actual] == [
        ("z", 7, False), ("x", 1.4, True), ("x", 1.1, False)
    ]  # fmt: skip
    assert len(counted) == 4
    text = report.whole(run_of(*rows))
    assert text.index("Where others are faster") < text.index("## Goals")
    assert "| Whole commands: x | 2 of 2 | a **1.40** (2 MP PNG), 1.10 (12 MP PNG) |" in text
    assert "Nowhere" in report.slower(run_of(row("x", a=figures(0.9))))
    assert US not in report.slower(run_of(*rows))
