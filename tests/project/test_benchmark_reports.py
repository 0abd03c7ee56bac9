"""What a run of the benchmarks writes: tables, charts, the page on speed, figures that are stored."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import chart, machine, readme, report
from benchmarks.model import Figures, Goal, Spread, from_json, to_json
from tests.project.benchmark_rows import figures, row, run_of
from tests.support import ROOT


def test_tables_have_as_many_cells_in_every_line() -> None:
    run = run_of(
        row("x", (Goal(what="g", against=("vips",), most=1),), vips=figures(0.5, size=3), gmic=Figures(note="absent")),
        replace(row("y", cv2=figures(0.5)), section="layers", floor=0.1, floor_of="copy"),
        replace(row("images: i", itself=figures(1.02)), section="noise"),
        replace(row("i", cv2=figures(0.5)), section="images", conditions="64x64, uint8"),
        replace(row("i", cv2=Figures(note="another result")), section="images", conditions="12 MP, uint8"),
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


@pytest.mark.parametrize("switched", ["", machine.SWITCHED_OFF], ids=["as it is", "as AVX2"])
def test_only_what_is_between_the_marks_is_rewritten(switched: str, tmp_path: Path) -> None:
    """A run without AVX-512 has marks and a report of its own, and leaves those of the processor as they are."""
    start, end = readme.AVX2_MARKS if switched else readme.MARKS
    path, front = tmp_path / readme.PAGE, tmp_path / readme.README
    path.parent.mkdir()
    (tmp_path / readme.RESULTS).parent.mkdir()
    for one in (path, front):
        one.write_text(f"before\n{start}\nearlier figures\n{end}\nafter\n", encoding="utf-8")
    run = run_of(row("x", vips=figures(0.5)), replace(row("y", onnxruntime=figures(1.5)), section="layers"))
    run = replace(run, facts={**run.facts, "Machine": f"a processor{switched}"})
    readme.rewrite(tmp_path, run)
    new = path.read_text(encoding="utf-8")
    assert new.startswith("before\n")
    assert new.endswith("\nafter\n")
    assert "earlier figures" not in new
    assert "In 1 of 2 rows" in new
    assert ("| Whole commands | 1 | 0 | 0 | 0 |\n| Layers, lines and volumes | 1 | 1 | 1 | 0 |" in new) != bool(
        switched
    )
    assert ("Without onnxruntime, which has no switch, it is 0 of 1." in new) == bool(switched)
    assert readme.written(new, run, new.partition(f"{start}\n")[2].partition(f"\n{end}")[0]) == new
    told = " ".join(front.read_text(encoding="utf-8").split())
    assert ("in 1 of 1 cases, in 0 of them less than two thirds" in told) == (not switched)
    assert ("earlier figures" in told) == bool(switched)
    reports = {file.name for file in (tmp_path / "benchmarks").iterdir()}
    assert reports == ({"RESULTS-AVX2.md"} if switched else {"RESULTS.md", "ratios.svg"})
    with pytest.raises(ValueError, match="no place"):
        readme.written("nothing", run, "")
    assert switched or (ROOT / readme.README).read_text(encoding="utf-8").count(start) == 1
    assert (ROOT / readme.PAGE).read_text(encoding="utf-8").count(start) == 1
