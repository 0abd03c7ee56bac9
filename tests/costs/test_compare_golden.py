"""Reports to the character, with times injected as data; and their columns summed again from what is printed.

python -m tests.costs.test_compare_golden    # writes the files in golden/ anew: look at the difference first
"""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from convcli.cli.compare import _report
from convcli.costs import report
from convcli.costs.comparison import Comparison, compare
from convcli.costs.cost import Machine, Timing
from convcli.costs.subjects import Request, subjects
from convcli.costs.timing import measure, summary
from convcli.reports import terminal
from tests.support import SAMPLES

GOLDEN = Path(__file__).with_name("golden")
NETWORKS = SAMPLES / "networks"
MACHINE = Machine(
    processor="Babbage Engine No. 2", threads=2, system="Linux x86_64", python="3.12.0",
    packages={"numpy": "2.4.0", "OpenCV": "5.0.0"},
)  # fmt: skip


def comparison(name: str) -> Comparison:
    """One of the stored comparisons."""
    sources: dict[str, tuple[str, ...]] = {
        "textbook": (),
        "textbook-timed": (),
        "kernels": ("sharpen", "gaussian:sigma=2", "laplacian:dilation=2", "upsample-bilinear-2x", "luma", "swirl"),
        "mobilenet": (str(NETWORKS / "mobilenet.yaml"),),
        "mobilenets": (str(NETWORKS / "mobilenet-full.yaml"), str(NETWORKS / "mobilenet.yaml")),
        "stage-swapped": (str(NETWORKS / "deformable-resnet-stage.yaml"),),
        "upsampler": (str(GOLDEN / "upsampler.yaml"),),
    }
    lineup = subjects(Request(sources=sources[name], swap="dense" if name.endswith("swapped") else ""))
    count = sum(len(subject.timed) for subject in lineup.subjects)
    timed = name in ("textbook-timed", "kernels", "mobilenet")
    times = [Timing(median_s=0.002 * 1.3**n, spread_s=0.0001 * (n + 1), repeats=30 - n) for n in range(count)]
    return compare(lineup, times if timed else [], machine=MACHINE if timed else None)


def written(name: str) -> str:
    """A report by the name of its file: comparison.form, the form being 80, 120 (columns of a terminal) or a format."""
    what, _, form = name.removesuffix(".txt").rpartition(".")
    stream = io.StringIO()
    if form.isdigit():
        for number, table in enumerate(report.tables(comparison(what))):
            stream.write("\n" * bool(number))
            terminal.terminal(table, stream, int(form))
    else:
        _report(comparison(what), (), {"md": "markdown"}.get(form, form), stream)
    return stream.getvalue()


CASES = [
    *(f"{what}.{width}.txt" for what in ("textbook", "textbook-timed", "kernels") for width in (80, 120)),
    *(f"{what}.{width}.txt" for what in ("mobilenet", "mobilenets") for width in (80, 120)),
    *("stage-swapped.80.txt", "upsampler.80.txt", "upsampler.120.txt"),
    *(f"textbook-timed.{form}" for form in ("plain", "md", "csv", "json")),
    *(f"mobilenet.{form}" for form in ("plain", "md", "csv", "json")),
    "mobilenets.json",
]  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_reports_are_the_stored_ones(name: str) -> None:
    assert written(name) == (GOLDEN / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name in CASES if name.endswith(".txt")])
def test_nothing_is_wider_than_the_terminal_or_cut(name: str) -> None:
    text = (GOLDEN / name).read_text(encoding="utf-8")
    width = int(name.split(".")[-2])
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for cost in comparison(name.split(".")[0]).rows:
        assert cost.name in text


def cells(line: str) -> list[str]:
    """The cells of an aligned line."""
    return re.split(r"  +", line.strip())


def test_the_printed_columns_sum_to_the_printed_total() -> None:
    """Weights and biases as people read them: digits grouped by commas."""
    header, *lines = [cells(line) for line in (GOLDEN / "mobilenet.plain").read_text().splitlines()[1:19]]
    rows, total = lines[:-1], lines[-1]
    assert total[0] == "total"
    assert [row[0] for row in rows] == [str(n) for n in range(1, 17)]
    column = header.index("Weights")
    assert sum(int(row[column].replace(",", "")) for row in rows) == int(total[1].replace(",", "")) == 4_209_088


def test_csv_sums_to_the_total_in_json() -> None:
    rows = list(csv.DictReader(io.StringIO((GOLDEN / "mobilenet.csv").read_text())))
    actual = json.loads((GOLDEN / "mobilenet.json").read_text())
    (total,) = actual["rows"]
    for key in ("params_weights", "params_biases", "macs", "flops", "output_bytes", "macs_kernel", "macs_branch"):
        assert sum(int(row[key]) for row in rows) == total[key] == sum(row[key] for row in actual["layers"]), key
    assert sum(float(row["macs_share"]) for row in rows) == pytest.approx(1)
    assert sum(float(row["time_median_s"] or 0) for row in rows) == pytest.approx(total["time_median_s"])
    for key in ("params_weights", "macs"):
        assert sum(operation[key] for operation in actual["operations"]) == total[key]
    assert sum(operation["params_share"] for operation in actual["operations"]) == pytest.approx(1)


@pytest.mark.parametrize("name", ["textbook-timed", "mobilenet", "mobilenets"])
def test_parts_and_ratios_follow_from_the_other_columns(name: str) -> None:
    actual = json.loads((GOLDEN / f"{name}.json").read_text())
    rows: list[dict[str, Any]] = [*actual["rows"], *actual["layers"]]
    base = next((row for row in rows if row["name"] == actual["baseline"]), None)
    for row in rows:
        assert row["macs"] == row["macs_kernel"] + row["macs_branch"] + row["macs_sampling"]
        assert row["flops"] == 2 * row["macs"]
        height, width = row["size_out"]
        if row["type"] != "network":
            assert row["output_bytes"] == 4 * height * width * row["channels_out"]
        if base and row in actual["rows"]:
            mine, its = (r["params_weights"] + r["params_biases"] for r in (row, base))
            assert row["params_ratio"] == pytest.approx(mine / its)
            assert row["macs_ratio"] == pytest.approx(row["macs"] / base["macs"])
        if row["time_median_s"]:
            rate = row["macs"] / row["time_median_s"] / 1e9
            assert row["speed_gmac_per_s"] == pytest.approx(rate)


def test_summary_of_times() -> None:
    assert summary([0.3]) == Timing(median_s=0.3, spread_s=None, repeats=1)
    assert summary([4.0, 1.0, 3.0, 2.0]) == Timing(median_s=2.5, spread_s=1.5, repeats=4)


class Clock:
    """A clock that moves only when work is done."""

    def __init__(self, *steps: float) -> None:
        self.now, self.steps, self.runs = 0.0, list(steps), 0

    def work(self) -> None:
        self.now += self.steps[min(self.runs, len(self.steps) - 1)]
        self.runs += 1


def test_the_first_run_is_a_warm_up_and_steady_times_end_the_repeats() -> None:
    clock = Clock(9.0, 1.0)
    assert measure(clock.work, 100, lambda: clock.now) == Timing(median_s=1.0, spread_s=0.0, repeats=5)
    assert clock.runs == 6


def test_unsteady_times_go_on_until_the_budget_ends() -> None:
    clock = Clock(*([1.0, 2.0] * 50))
    actual = measure(clock.work, 30, lambda: clock.now)
    assert actual.repeats == 20
    assert actual.spread_s == 1.0


def test_a_run_longer_than_the_budget_is_timed_once() -> None:
    clock = Clock(5.0)
    assert measure(clock.work, 1, lambda: clock.now) == Timing(median_s=5.0, spread_s=None, repeats=1)


if __name__ == "__main__":
    for case in CASES:
        (GOLDEN / case).write_text(written(case), encoding="utf-8")
    sys.stdout.write(f"{len(CASES)} files\n")
