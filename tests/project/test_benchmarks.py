"""The benchmark program works: pairs, agreement, goals, tables, chart, README, and figures kept between runs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import __main__ as benchmarks, chart, readme, report
from benchmarks.launch import CommandError, Launcher
from benchmarks.model import (
    US,
    Contender,
    Figures,
    Goal,
    Made,
    Piece,
    Row,
    Run,
    Scenario,
    Spread,
    Turn,
    from_json,
    to_json,
)  # fmt: skip
from benchmarks.timing import difference, function, measure
from tests.support import ROOT


def scripted(*walls: float, result: float = 0) -> Contender:
    """A contender whose turns take the given seconds, one after the other."""
    waiting = list(walls)
    turn = lambda: Turn(wall=(wall := waiting.pop(0)), cpu=2 * wall, peak=10 * wall)
    return Contender(turn=turn, result=lambda: np.full((4, 4), 10 + result))


def scenario(**fields: object) -> Scenario:
    given = {"section": "library", "name": "n", "conditions": "c", "make": lambda shop: Made(contenders={})}
    return Scenario(**{**given, **fields})  # type: ignore[arg-type]


def found(rounds: int, **contenders: Contender | str) -> dict[str, Figures]:
    return measure(scenario(tolerance=0.1, patience=30), Made(contenders=contenders), rounds=rounds)


def figures(ratio: float, **fields: object) -> Figures:
    given = {"seconds": Spread.of([1 / ratio]), "cpu": 1.0, "runs": 3, "ratio": Spread.of([ratio]), "cpu_ratio": ratio}
    return Figures(**{**given, **fields})  # type: ignore[arg-type]


def row(name: str, goals: tuple[Goal, ...] = (), **peers: Figures) -> Row:
    own = figures(1, seconds=Spread.of([1.0]), size=2.0)
    return Row(section="commands", name=name, conditions="12 MP PNG", goals=goals, figures={US: own, **peers})


def run_of(*rows: Row) -> Run:
    piece = Piece(date="2026-01-02", commit="abc", minutes=2, load_before=0.1, load_after=1.5, others=0.02)
    return Run(quick=False, facts={"Machine": "m"}, pieces=(piece,), rows=rows)


def test_ratios_are_medians_of_pairs_after_a_warm_up() -> None:
    # Warm-up 9 and 8; then the pairs 1/2, 3/4, 2/10: their median is not the ratio of the medians.
    got = found(3, convcli=scripted(9, 1, 3, 2), other=scripted(8, 2, 4, 10))
    assert got["other"].ratio == Spread(median=0.5, low=0.35, high=0.625)
    assert got["other"].seconds == Spread(median=4, low=3, high=7)
    assert (got["convcli"].runs, got["other"].runs, got["other"].peak) == (3, 3, 100)


def test_the_slow_get_one_turn_paired_with_our_first() -> None:
    got = found(2, convcli=scripted(10, 1, 1), other=scripted(40))
    assert got["other"].ratio == Spread.of([0.25])
    assert got["other"].runs == 1


def test_another_result_does_not_count() -> None:
    got = found(1, convcli=scripted(1), near=scripted(1, result=0.5), far=scripted(1, result=2), absent="not installed")
    assert got["near"].counts
    assert got["near"].difference == pytest.approx(0.05)
    assert not got["far"].counts
    assert "another result" in got["far"].note
    assert got["absent"].note == "not installed"


def test_pictures_of_another_type_do_not_count() -> None:
    contenders = {US: scripted(1), "other": scripted(1, result=0.0)}
    given = scenario(relative=False, tolerance=1)
    assert measure(given, Made(contenders=contenders), rounds=1)["other"].counts is False


def test_a_peer_that_fails_is_named_and_ours_may_not() -> None:
    def broken() -> Turn:
        raise CommandError("first\nno such option")

    got = found(1, convcli=scripted(1), other=Contender(turn=broken))
    assert got["other"].note == "failed: no such option"
    with pytest.raises(CommandError):
        found(1, convcli=Contender(turn=broken))


def test_differences_are_in_levels_or_relative() -> None:
    ours, theirs = np.full((3, 300, 200), 4.0, np.float32), np.full((3, 300, 200), 5.0, np.float32)
    assert difference(ours, theirs, relative=True) == pytest.approx(0.25)
    pictures = [np.moveaxis(array, 0, -1).astype(np.uint8) for array in (ours, theirs)]
    pictures[1][:40] = 255
    assert difference(*pictures, relative=False) == pytest.approx(1)


def test_a_goal_is_judged_by_the_best_peer_the_worst_row_and_the_size() -> None:
    goal = Goal(what="sharpen", against=("a", "b"), most=0.5, no_larger=True)
    first = row("x", (goal,), a=figures(0.2), b=figures(0.4))
    second = row("y", (goal,), a=figures(0.6), b=figures(0.9, note="another result"))
    (judged,) = report.judged(run_of(first, second))
    assert (judged.met, judged.of, judged.worst) == (1, 2, Spread.of([0.6]))
    assert judged.verdict == "**missed** in 1 of 2; another result" or judged.verdict == "**missed** in 1 of 2"
    (judged,) = report.judged(run_of(replace(first, figures={**first.figures, "b": figures(0.4, size=1.5)})))
    assert judged.verdict == "**missed**; 2.0 MB is larger than 1.5"
    (judged,) = report.judged(run_of(row("z", (goal,), a=Figures(note="not installed"))))
    assert judged.verdict == "not measured: not installed"


def test_tables_have_as_many_cells_in_every_line() -> None:
    run = run_of(
        row("x", (Goal(what="g", against=("vips",), most=1),), vips=figures(0.5, size=3), gmic=Figures(note="absent")),
        replace(row("y", cv2=figures(0.5)), section="library", floor=0.1, floor_of="copy"),
        replace(row("z", limit=figures(0.9, peak=100)), section="memory"),
        replace(row("p", (Goal(what="q", against=("direct",), most=1.25),), direct=figures(1.1)), section="planner"),
    )
    cells = 0
    for line in report.whole(run).splitlines():
        if line.startswith("|---"):
            cells = line.count("|")
        elif not line.startswith("|"):
            cells = 0
        elif cells:
            assert line.count("|") == cells, line
    assert "12 MP PNG, x" in readme.section(run)
    assert "**1.00 (2)**" in readme.section(run)


def test_figures_survive_being_kept_and_later_rows_replace_earlier() -> None:
    old = run_of(row("x", vips=figures(0.5)), row("y", vips=figures(0.7)))
    assert from_json(json.loads(json.dumps(to_json(old)))) == old
    merged = old.merged(run_of(row("y", vips=figures(0.1))))
    assert [(one.name, one.figures["vips"].ratio) for one in merged.rows] == [
        ("x", Spread.of([0.5])),
        ("y", Spread.of([0.1])),
    ]
    assert "in 2 pieces" in report.facts(merged)


def test_the_chart_is_svg_with_a_dot_for_each_that_counts() -> None:
    run = run_of(row("a < b", vips=figures(0.5), gmic=figures(40), ffmpeg=Figures(note="no")))
    root = ET.fromstring(chart.drawn(run))
    titles = [element.text for element in root.iter("{http://www.w3.org/2000/svg}title")]
    assert "vips: 0.50" in titles
    assert "gmic: 40.00" in titles
    assert not any(title and title.startswith("ffmpeg") for title in titles)
    assert any(element.text == "12 MP PNG, a < b" for element in root.iter("{http://www.w3.org/2000/svg}text"))


def test_only_what_is_between_the_marks_is_rewritten() -> None:
    text = f"before\n{readme.START}\nold\n{readme.END}\nafter\n"
    run = run_of(row("x", vips=figures(0.5)))
    new = readme.written(text, run)
    assert new.startswith("before\n")
    assert new.endswith("\nafter\n")
    assert "old" not in new
    assert readme.written(new, run) == new
    with pytest.raises(ValueError, match="no place"):
        readme.written("nothing", run)
    assert (ROOT / "README.md").read_text(encoding="utf-8").count(readme.START) == 1


def test_comparisons_have_titles_of_their_own_and_contenders_that_goals_name() -> None:
    for quick in (False, True):
        every = benchmarks.every(quick=quick, huge=True)
        titles = [one.title for one in every]
        assert len(titles) == len(set(titles))
        assert {one.section for one in every if one.quick or not quick} == set(report.SECTIONS)


def test_commands_are_run_and_their_own_memory_counted(tmp_path: Path) -> None:
    ballast = np.ones(30_000_000)
    target = tmp_path / "made"
    with Launcher(tmp_path) as launcher:
        code = f"import sys; open({str(target)!r}, 'x'); sum(range(2_000_000))"
        turn = launcher.command([sys.executable, "-c", code], remove=[target])
        first, second = turn(), turn()
        with pytest.raises(CommandError, match="went wrong"):
            launcher.command([sys.executable, "-c", "raise SystemExit('went wrong')"])()
        with pytest.raises(CommandError, match="No such file"):
            launcher.command([tmp_path / "nothing"])()
    assert target.is_file()
    for one in (first, second):
        assert one.peak is not None
        assert 1 < one.peak < ballast.nbytes / 1e6
        assert 0 < one.cpu < 10 * one.wall


def test_functions_are_called_again_until_a_turn_is_long_enough() -> None:
    calls = []
    contender = function(lambda: calls.append(time.sleep(0.001)) or np.ones(3))
    contender.turn()
    before = len(calls)
    contender.turn()
    assert len(calls) - before > 1
    assert contender.result is not None
    assert (contender.result() == 1).all()


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--quick", "--only", "^start-up: --h", "--repeat", "1", "--svg", "c.svg", "--json", "f.json"], 0, "click"),
        (["--list", "--only", "^batch"], 0, "batch: 200 JPEGs"),
        (["--only", "no such thing"], 2, "see --list"),
        (["--only", "("], 2, "--only"),
        (["--no-run"], 2, "--json"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)  # fmt: skip
def test_the_program(arguments: list[str], status: int, said: str, tmp_path: Path) -> None:
    places = [str(tmp_path / word) if word in ("c.svg", "f.json") else word for word in arguments]
    words = [sys.executable, "-m", "benchmarks", *places]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == status, done.stderr
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    if "f.json" in arguments:
        again = [sys.executable, "-m", "benchmarks", "--no-run", "--json", str(tmp_path / "f.json")]
        assert subprocess.run(again, cwd=ROOT, capture_output=True, text=True, check=True).stdout == done.stdout
        ET.parse(tmp_path / "c.svg")
