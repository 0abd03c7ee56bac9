"""Goals are judged by the best peer, the worst row, and what they allow; every row above 1.0 is told of first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import goals, noise, report, slower
from benchmarks.model import Figures, Goal, Row, Spread
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
    assert [(loss.row.name, loss.ratio.median, loss.missed is not None) for loss in actual] == [
        ("z", 7, False), ("x", 1.4, True), ("x", 1.1, False)
    ]  # fmt: skip
    assert len(counted) == 4
    text = report.whole(run_of(*rows))
    assert text.index("Where others are faster") < text.index("### Row by row") < text.index("## Goals")
    assert "| commands, PNG | 4 | 3 | 1 | 1.25 | 7.00 | a | z, 12 MP PNG |  |" in text
    listed = [line for line in slower.rows(run_of(*rows)).splitlines() if line[2].isdigit() or line[2] == "*"]
    assert listed == [
        "| 7.00 | a | z | 12 MP PNG |  |  |  |",
        "| **1.40** | a | x | 2 MP PNG | 1.20 missed |  |  |",
        "| 1.10 | a | x | 12 MP PNG |  |  |  |",
    ]
    assert "Nowhere" in slower.rows(run_of(row("x", a=figures(0.9))))
    assert "Nowhere" in slower.kinds(run_of(row("x", a=figures(0.9))))


def _layer(name: str, ratio: float, goal: Goal, **fields: object) -> Row:
    """A row of calls of a millisecond, at `ratio` of onnxruntime."""
    them = figures(ratio, seconds=Spread.of([1e-3]))
    fields = {"section": "layers", "conditions": "8 to 8", **fields}
    return replace(row(name, (goal,), onnxruntime=them), **fields)  # type: ignore[arg-type]


def test_what_a_call_differs_from_itself_by_is_noise() -> None:
    """The rows themselves are none of ours; goals are judged without it, and say where a miss is within it."""
    goal = Goal(what="g", against=("onnxruntime",), most=1)
    twins = [
        replace(row(f"layers: {number}", itself=figures(ratio, seconds=Spread.of([2e-3]))), section=noise.SECTION)
        for number, ratio in enumerate([1.0, 1.02, 1 / 1.03])
    ]
    rows = [_layer("a", 1.02, goal), _layer("b", 1.5, goal), _layer("c", 0.9, goal)]
    run = run_of(*rows, *twins, row("x", a=figures(1.01)))
    noisy = noise.measured(run)
    assert noisy.of(rows[0], "onnxruntime") == pytest.approx(0.028)
    assert noisy.of(run.rows[-1], "a") == 0
    actual, counted = goals.losses(run)
    assert len(counted) == 4
    assert [(loss.row.name, loss.beyond, loss.near) for loss in actual] == [
        ("b", True, False), ("a", False, True), ("x", True, False)
    ]  # fmt: skip
    (judged,) = goals.judged(run)
    assert judged.verdict == "**missed** in 2 of 3, 1 within the noise"
    text = slower.counts(run)
    assert "above 1.0, in 2 by more than the noise" in text and "2 of them miss a goal, 1 of these within" in text
    whole = slower.summary(run)
    assert text in whole and "calls of 1 to 10 ms 2.8% (3 rows)" in whole and "| 3 | 2 | 1 | 2 |" in whole
    assert "| **1.02** | onnxruntime | a | 8 to 8 | 1.00 missed, within the noise |  | within the noise |" in (
        slower.rows(run)
    )
    assert "noise" not in slower.counts(run_of(*rows))


def test_bare_calls_stand_beside_whom_we_are_compared_with() -> None:
    goal = Goal(what="g", against=("onnxruntime",), most=1)
    one = _layer("b", 1.5, goal, bare={"matmul": {"onnxruntime": 1.2, "torch": 9.0}})
    one = replace(one, figures={**one.figures, "cv2.dnn": figures(0.75)})
    # Ours is 1.5 times theirs and .75 of OpenCV's, which so takes twice as long as they.
    assert goals.bare(one, "onnxruntime") == {"matmul": 1.2, "cv2.dnn": 2.0}
    assert "| 1.20 matmul, 2.00 cv2.dnn |" in slower.rows(run_of(one))
