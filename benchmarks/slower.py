"""Where others are faster: counted, by kinds, and row by row."""

from __future__ import annotations

import re
import statistics

from benchmarks import goals, machine, noise
from benchmarks.model import Row, Run

#: How sections are headed, in their order.
SECTIONS = {
    "start-up": "Starting",
    "commands": "Whole commands",
    "batch": "Many pictures",
    "images": "Kernels on pictures in memory",
    "layers": "Layers, lines and volumes",
    "networks": "Real networks",
    noise.SECTION: "The noise of the comparison",
    "memory": "Peak memory",
    "planner": "The planner",
}


def counts(run: Run) -> str:
    """In how many rows others are faster, and what of that is noise, in a sentence or two."""
    actual, counted = goals.losses(run)
    missed = [loss for loss in actual if loss.missed]
    text = f"In {len(actual):,} of {len(counted):,} rows our time over that of the fastest of the others is above 1.0"
    noisy = bool(noise.measured(run).shares)
    if noisy:
        text += f", in {sum(loss.beyond for loss in actual)} by more than the noise"
    text += f"; {len(missed)} of them miss a goal"
    text += f", {sum(loss.near for loss in missed)} of these within the noise." if noisy else "."
    if machine.SWITCHED_OFF in run.facts["Machine"]:
        actual, counted = goals.losses(run, without=machine.UNHELD)
        text += (
            f" Without {' and '.join(machine.UNHELD)}, which has no switch, it is {len(actual):,} of {len(counted):,}."
        )
    return text


def summary(run: Run) -> str:
    """`counts`, by section, with what the noise is, and by kind."""
    actual, counted = goals.losses(run)
    lines = ["| | rows | above 1.0 | beyond the noise | miss a goal |", "|---|---|---|---|---|"]
    for name, heading in SECTIONS.items():
        rows, losses = (
            [row for row in counted if row.section == name],
            [one for one in actual if one.row.section == name],
        )
        beyond, missed = sum(loss.beyond for loss in losses), sum(loss.missed is not None for loss in losses)
        lines += [f"| {heading} | {len(rows):,} | {len(losses)} | {beyond} | {missed} |"] * bool(rows)
    parts = [counts(run), "\n".join(lines), noise.measured(run).described(), kinds(run)]
    return "\n\n".join(filter(None, parts))


def kinds(run: Run) -> str:
    """A line for every kind of row that has one above 1.0, the worst first."""
    actual, counted = goals.losses(run)
    if not actual:
        return f"Nowhere: no ratio of {len(counted)} rows is above 1.0."
    all_: dict[str, list[Row]] = {}
    for row in counted:
        all_.setdefault(kind(row), []).append(row)
    grouped: dict[str, list[goals.Loss]] = {}
    for loss in actual:
        grouped.setdefault(kind(loss.row), []).append(loss)
    noisy = bool(noise.measured(run).shares)
    columns = ["kind", "rows", "above 1.0", *["beyond the noise"] * noisy, "miss a goal", "median of all", "worst"]
    columns += ["beside", "where", "bare calls there"]
    lines = [
        "Our time over theirs (2.00: twice as long), the worst kind first; the median is of all its rows.\n",
        f"| {' | '.join(columns)} |",
        "|---" * len(columns) + "|",
    ]
    for name, losses in grouped.items():
        worst, rows = losses[0], all_[name]
        cells = [name, f"{len(rows)}", f"{len(losses)}"]
        cells += [f"{sum(loss.beyond for loss in losses)}"] * noisy
        cells += [f"{sum(loss.missed is not None for loss in losses)}", f"{statistics.median(map(_ratio, rows)):.2f}"]
        cells += [f"{worst.ratio.median:.2f}", worst.name, _place(worst.row), _bare(worst)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def kind(row: Row) -> str:
    """What rows go together: kernels and layers whatever their taps, commands by the file that they read.

    >>> from benchmarks.model import Row
    >>> kind(Row(section="images", name="gaussian 9", conditions="64x64, uint8", figures={}))
    'gaussian'
    >>> kind(Row(section="layers", name="bank 3x3, stride 2", conditions="64 to 64, 56x56", figures={}))
    'bank'
    >>> kind(Row(section="commands", name="sharpen", conditions="2 MP JPEG", figures={}))
    'commands, JPEG'
    """
    if row.section == "commands":
        return f"commands, {row.conditions.split(' ')[2]}"
    if row.section in ("networks", "memory"):
        return row.section
    if row.section == "start-up":
        return f"starting, {row.name}"
    return re.sub(r"(, stride|, dilation|,)? \d+(x\d+)*( taps)?(?=,|$)", "", row.name)


def _ratio(row: Row) -> float:
    name = goals.strongest(row, row.figures)
    ratio = row.figures[name].ratio if name else None
    assert ratio is not None
    return ratio.median


def _place(row: Row) -> str:
    return row.conditions if row.name == kind(row) else f"{row.name}, {row.conditions}"


def _bare(loss: goals.Loss) -> str:
    return ", ".join(f"{ratio:.2f} {name}" for name, ratio in goals.bare(loss.row, loss.name).items())


def rows(run: Run) -> str:
    """Every row above 1.0, the worst first."""
    actual, counted = goals.losses(run)
    if not actual:
        return f"Nowhere: no ratio of {len(counted)} rows is above 1.0."
    noisy = bool(noise.measured(run).shares)
    lines = ["| ours over | whose | what | where | goal | bare calls over theirs | |", "|---|---|---|---|---|---|---|"]
    for loss in actual:
        cells = [
            marked(f"{loss.ratio.median:.2f}", loss.missed is not None), loss.name, loss.row.name, loss.row.conditions,
            _goal(loss), _bare(loss),
        ]  # fmt: skip
        remark = "within the noise" if noisy and not loss.beyond else ""
        lines.append(f"| {' | '.join(cells)} | {remark} |")
    return "\n".join(lines)


def _goal(loss: goals.Loss) -> str:
    """What was missed; whom it is about and by how much where that is not the fastest of all."""
    one = loss.missed
    if one is None:
        return ""
    beside = "" if one.name == loss.name else f" beside {one.name} ({one.ratio.median:.2f})"
    return f"{one.most:.2f}{beside} missed{', within the noise' * loss.near}"


def marked(text: str, missed: bool) -> str:
    """Bold where a goal is missed."""
    return f"**{text}**" if missed else text
