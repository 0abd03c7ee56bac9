"""Tables in Markdown: goals, commands, batch, library, memory, planner."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks import machine
from benchmarks.model import US, Figures, Goal, Row, Run, Spread

#: How sections are headed, in their order.
SECTIONS = {
    "start-up": "Starting",
    "commands": "Whole commands",
    "batch": "Many pictures",
    "library": "The library",
    "memory": "Peak memory",
    "planner": "The planner",
}


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What became of a goal over all rows that have it: the worst ratio, how many rows met it, and what hinders."""

    what: str
    against: str
    most: float
    worst: Spread | None
    met: int
    of: int
    note: str

    @property
    def verdict(self) -> str:
        if not self.of:
            return f"not measured: {self.note}"
        counted = f" in {self.of - self.met} of {self.of}" if self.of > 1 and self.met < self.of else ""
        return ("met" if self.met == self.of else f"**missed**{counted}") + (f"; {self.note}" if self.note else "")


def judged(run: Run) -> list[Judged]:
    """Every goal of the run, in the order of its rows."""
    grouped: dict[str, list[tuple[Goal, Row]]] = {}
    for row in run.rows:
        for goal in row.goals:
            grouped.setdefault(goal.what, []).append((goal, row))
    return [_judge(what, pairs) for what, pairs in grouped.items()]


def _judge(what: str, pairs: Sequence[tuple[Goal, Row]]) -> Judged:
    ratios, met, notes = [], 0, []
    for goal, row in pairs:
        ratio = ratio_of(goal, row)
        if ratio is None:
            notes += [row.figures[name].note for name in goal.against if name in row.figures]
            continue
        ratios.append(ratio)
        larger = goal.no_larger and _larger(goal, row)
        notes += [f"{row.figures[US].size:.1f} MB is larger than {larger:.1f}"] if larger else []
        met += ratio.median <= goal.most and not larger
    goal = pairs[0][0]
    against = [name for name in goal.against if any(name in row.figures for _, row in pairs)]
    return Judged(
        what=what,
        against=" or ".join(against),
        most=goal.most,
        worst=max(ratios, key=lambda ratio: ratio.median, default=None),
        met=met,
        of=len(ratios),
        note=", ".join(dict.fromkeys(filter(None, notes))),
    )


def ratio_of(goal: Goal, row: Row) -> Spread | None:
    """Our ratio to the best of those that the goal names and that gave the same result."""
    found = [row.figures[name].ratio for name in goal.against if name in row.figures and row.figures[name].counts]
    return max((ratio for ratio in found if ratio), key=lambda ratio: ratio.median, default=None)


def _larger(goal: Goal, row: Row) -> float | None:
    """The size of the smallest of their files, where ours is larger."""
    sizes = [row.figures[name].size for name in goal.against if name in row.figures and row.figures[name].counts]
    smallest, own = min((size for size in sizes if size), default=None), row.figures[US].size
    return smallest if smallest and own and own > smallest else None


def goals(run: Run) -> str:
    """Every goal: the worst of its rows, and whether it was met."""
    lines = ["| goal | against | at most | measured | |", "|---|---|---|---|---|"]
    for one in judged(run):
        measured = _ratio(one.worst) if one.worst else ""
        lines.append(f"| {one.what} | {one.against} | {one.most:.2f} | {measured} | {one.verdict} |")
    return "\n".join(lines)


def met(run: Run) -> tuple[int, int]:
    """How many goals are met, and of how many that were measured."""
    found = [one for one in judged(run) if one.of]
    return sum(one.met == one.of for one in found), len(found)


def summary(run: Run) -> str:
    """How many goals are met and which are not, in a sentence or two."""
    found = [one for one in judged(run) if one.of]
    missed = [one for one in found if one.met < one.of]
    absent = [one for one in judged(run) if not one.of]
    text = f"Goals met: {len(found) - len(missed)} of {len(found)}."
    if missed:
        text += " Missed: " + "; ".join(f"{one.what} ({one.worst.median:.2f})" for one in missed if one.worst) + "."
    if absent:
        text += " Not measured: " + "; ".join(one.what for one in absent) + "."
    return text


def _ratio(spread: Spread) -> str:
    """
    >>> _ratio(Spread(median=0.5, low=0.48, high=0.531))
    '0.50 (0.48 to 0.53)'
    """
    if spread.low == spread.high:
        return f"{spread.median:.2f}"
    return f"{spread.median:.2f} ({spread.low:.2f} to {spread.high:.2f})"


def whole(run: Run) -> str:
    """The full report."""
    parts = ["# What was measured", facts(run), "## Goals", summary(run), goals(run)]
    for section, title in SECTIONS.items():
        rows = [row for row in run.rows if row.section == section]
        if rows:
            parts += [f"## {title}", "\n".join(_section(section, rows))]
    return "\n\n".join(parts) + "\n"


def facts(run: Run) -> str:
    warning = "A quick run: small pictures, few rounds; the goals of whole commands do not apply.\n\n" * run.quick
    return warning + "\n".join(f"- {name}: {value}" for name, value in shown_facts(run).items())


def shown_facts(run: Run) -> dict[str, str]:
    """Machine, versions, floors, and when and how it was measured."""
    return {**run.facts, **({"Measured": machine.shown(run.pieces)} if run.pieces else {})}


def _section(section: str, rows: Sequence[Row]) -> Iterator[str]:
    if section == "memory":
        yield from _memory(rows)
    elif section == "planner":
        yield from _planner(rows)
    elif section == "library":
        yield from _library(rows)
    else:
        yield "| what | who | s | CPU s | file MB | peak MB | ours over it | of CPU | runs | |"
        yield "|---|---|---|---|---|---|---|---|---|---|"
        for row in rows:
            for name, figures in row.figures.items():
                yield _command(f"{row.name}, {row.conditions}", name, figures)


def _command(what: str, name: str, figures: Figures) -> str:
    if figures.seconds is None:
        peak = f"{figures.peak:.0f}" if figures.peak else ""
        return f"| {what} | {name} | | | | {peak} | | | | {figures.note} |"
    cells = [
        f"{figures.seconds.median:.3f}",
        f"{figures.cpu or 0:.3f}",
        f"{figures.size:.2f}" if figures.size else "",
        f"{figures.peak:.0f}" if figures.peak else "",
        _ratio(figures.ratio) if figures.ratio and name != US else "",
        f"{figures.cpu_ratio:.2f}" if figures.cpu_ratio and name != US else "",
        str(figures.runs),
    ]
    apart = f"{figures.difference:.2f} levels apart" if figures.difference is not None else ""
    return f"| {what} | {name} | {' | '.join(cells)} | {figures.note or apart} |"


def _library(rows: Iterable[Row]) -> Iterator[str]:
    yield "| what | ours ms | times the floor | peers ms | ours over theirs | of CPU |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        own = row.figures[US].seconds
        if own is None:
            yield f"| {row.name}, {row.conditions} | | | {row.figures[US].note} | | |"
            continue
        peers = {name: one for name, one in row.figures.items() if name != US}
        times = [f"{name} {one.seconds.median * 1e3:.2f}" for name, one in peers.items() if one.seconds]
        absent = [f"{name}: {one.note}" for name, one in peers.items() if one.note]
        ratios = [f"{name} {_ratio(one.ratio)}" for name, one in peers.items() if one.ratio]
        cpu = [f"{one.cpu_ratio:.2f}" for one in peers.values() if one.cpu_ratio is not None]
        floor = f"{own.median / row.floor:.1f} ({row.floor_of})" if row.floor else ""
        cells = [f"{own.median * 1e3:.2f}", floor, ", ".join(times + absent), ", ".join(ratios), ", ".join(cpu)]
        yield f"| {row.name}, {row.conditions} | {' | '.join(cells)} |"


def _memory(rows: Iterable[Row]) -> Iterator[str]:
    yield "| kernel | picture | peak MB | limit MB | of the limit |"
    yield "|---|---|---|---|---|"
    for row in rows:
        own, limit = row.figures[US], row.figures.get("limit")
        if limit is None or limit.ratio is None or own.peak is None or limit.peak is None:
            yield f"| {row.name} | {row.conditions} | | | {own.note} |"
        else:
            yield f"| {row.name} | {row.conditions} | {own.peak:.0f} | {limit.peak:.0f} | {limit.ratio.median:.2f} |"


def _planner(rows: Sequence[Row]) -> Iterator[str]:
    """How the ratios lie, and the cases that are above the goal."""
    ratios = []
    for row in rows:
        ratio = ratio_of(row.goals[0], row)
        if ratio is not None:
            ratios.append((ratio, row, _best(row)))
    ratios.sort(key=lambda found: -found[0].median)
    spread = Spread.of(ratio.median for ratio, _, _ in ratios) if ratios else None
    if spread is not None:
        yield f"{len(ratios)} cases; the choice over the best that can be forced: {_ratio(spread)}. The worst:\n"
    yield "| kernel | samples | choice over the best | the best |"
    yield "|---|---|---|---|"
    for ratio, row, best in ratios[:12]:
        yield f"| {row.name} | {row.conditions} | {_ratio(ratio)} | {best} |"


def _best(row: Row) -> str:
    """The fastest of those that the row's goal names."""
    ratios = {name: row.figures[name].ratio for name in row.goals[0].against if row.figures[name].counts}
    return max(ratios, key=lambda name: ratio.median if (ratio := ratios[name]) else 0.0)
