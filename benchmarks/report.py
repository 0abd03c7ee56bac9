"""Tables in Markdown: where others are faster, goals, commands, batch, pictures in memory, layers, memory, planner."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from benchmarks import goals, machine, noise, slower
from benchmarks.images import SIZES
from benchmarks.model import US, Figures, Row, Run, Spread
from benchmarks.peers import ABSENT
from benchmarks.slower import SECTIONS, marked

REMARK = (
    "Bold: a goal is missed. Bare calls are those of numpy and OpenCV that do the arithmetic and nothing else (of "
    "Winograd's tiles the products alone): where all take more than the goal, it is out of reach with these packages."
)


def whole(run: Run) -> str:
    """The report of a run."""
    parts = ["# What was measured", facts(run), "## Where others are faster", slower.summary(run)]
    parts += ["### Row by row", REMARK, slower.rows(run), "## Goals", summary(run), goal_table(run)]
    for section, title in SECTIONS.items():
        rows = [row for row in run.rows if row.section == section]
        if rows:
            parts += [f"## {title}", "\n".join(_section(section, rows))]
    return "\n\n".join(parts) + "\n"


def facts(run: Run) -> str:
    warning = "A quick run: small pictures, few rounds; the goals of whole commands do not apply.\n\n" * run.quick
    return warning + "\n".join(f"- {name}: {value}" for name, value in all_facts(run).items())


def all_facts(run: Run) -> dict[str, str]:
    """Machine, versions, floors, and when and how it was measured."""
    return {**run.facts, **({"Measured": machine.circumstances(run.pieces)} if run.pieces else {})}


def goal_table(run: Run) -> str:
    """Every goal: the row that is furthest from it, and whether it was met."""
    lines = ["| goal | against | at most | measured | where | |", "|---|---|---|---|---|---|"]
    for one in goals.judged(run):
        most, ratio = (f"{one.worst.most:.2f}", _ratio(one.worst.ratio)) if one.worst else ("", "")
        lines.append(f"| {one.what} | {one.against} | {most} | {ratio} | {one.row} | {one.verdict} |")
    return "\n".join(lines)


def summary(run: Run) -> str:
    """How many goals are met and which are not, in a sentence or two."""
    judged = goals.judged(run)
    actual = [one for one in judged if one.of]
    missed = [one for one in actual if one.met < one.of]
    absent = [one for one in judged if not one.of]
    text = f"Goals met: {len(actual) - len(missed)} of {len(actual)}."
    if missed:
        worst = [f"{one.what} ({one.worst.ratio.median:.2f})" for one in missed if one.worst]
        text += " Missed: " + "; ".join(worst) + "."
    if absent:
        text += " Not measured: " + "; ".join(one.what for one in absent) + "."
    return text + " Below, the row of each that is furthest off."


def _ratio(spread: Spread) -> str:
    """
    >>> _ratio(Spread(median=0.5, low=0.48, high=0.531))
    '0.50 (0.48 to 0.53)'
    """
    if spread.low == spread.high:
        return f"{spread.median:.2f}"
    return f"{spread.median:.2f} ({spread.low:.2f} to {spread.high:.2f})"


def _section(section: str, rows: Sequence[Row]) -> Iterator[str]:
    tables = {
        "memory": _memory, "planner": _planner, "images": _images, "layers": _library, "networks": _library,
        noise.SECTION: _noise,
    }  # fmt: skip
    if section in tables:
        yield from tables[section](rows)
        return
    yield "| what | who | s | CPU s | file MB | peak MB | ours over it | of CPU | runs | |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for row in rows:
        for name, figures in _present(row).items():
            yield _command(f"{row.name}, {row.conditions}", name, figures)


def _present(row: Row) -> dict[str, Figures]:
    """Without those that aren't installed: the line of versions names them."""
    return {name: one for name, one in row.figures.items() if one.note != ABSENT}


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


def _images(rows: Sequence[Row]) -> Iterator[str]:
    """A table for each dtype and number of channels: kernels down, sizes across."""
    yield (
        "Our time over that of the fastest single call of OpenCV with the same result, and ours in milliseconds; in "
        "bold what misses its goal. Calls of less than a millisecond are compared by their minima.\n"
    )
    kinds = dict.fromkeys(row.conditions.partition(", ")[2] for row in rows)
    for kind in kinds:
        cells = {
            (row.name, row.conditions.partition(", ")[0]): _cell(row)
            for row in rows
            if row.conditions.partition(", ")[2] == kind
        }
        sizes = [size for size in SIZES if any(place[1] == size for place in cells)]
        yield f"\n| {kind} | {' | '.join(sizes)} |"
        yield "|---" * (len(sizes) + 1) + "|"
        for name in dict.fromkeys(name for name, _ in cells):
            yield f"| {name} | {' | '.join(cells.get((name, size), '') for size in sizes)} |"


def _cell(row: Row) -> str:
    name, own = goals.strongest(row, row.figures), row.figures[US]
    if own.seconds is None:
        return own.note
    time = f"({own.seconds.median * 1e3:.3g} ms)"
    ratio = row.figures[name].ratio if name else None
    if ratio is None:
        return f"no peer {time}"
    missed = any((one := goals.reached(goal, row)) and not one.met for goal in row.goals)
    return f"{marked(f'{ratio.median:.2f}', missed)} {time}"


def _noise(rows: Iterable[Row]) -> Iterator[str]:
    yield "| the fastest there, beside itself | ms | the one over the other |"
    yield "|---|---|---|"
    for row in rows:
        twin = row.figures.get(noise.ITSELF)
        if twin and twin.seconds and twin.ratio:
            what = f"{row.name}, {row.conditions}"
            yield f"| {what} | {twin.seconds.median * 1e3:.3g} | {twin.ratio.median:.3f} |"


def _library(rows: Iterable[Row]) -> Iterator[str]:
    columns = (
        "what",
        "ours ms",
        "times the floor",
        "peers ms",
        "ours over theirs",
        "of CPU",
        "bare calls over the best",
        "goals",
    )
    yield f"| {' | '.join(columns)} |"
    yield "|---" * len(columns) + "|"
    for row in rows:
        own = row.figures[US].seconds
        if own is None:
            yield f"| {row.name}, {row.conditions} | | | {row.figures[US].note} | | | | |"
            continue
        peers = {name: one for name, one in _present(row).items() if name != US}
        times = [f"{name} {one.seconds.median * 1e3:.3g}" for name, one in peers.items() if one.seconds]
        absent = [f"{name}: {one.note}" for name, one in peers.items() if one.note]
        ratios = [f"{name} {_ratio(one.ratio)}" for name, one in peers.items() if one.ratio]
        cpu = [f"{one.cpu_ratio:.2f}" for one in peers.values() if one.cpu_ratio is not None]
        floor = f"{own.median / row.floor:.1f} ({row.floor_of})" if row.floor else ""
        held = [one for goal in row.goals if (one := goals.reached(goal, row))]
        verdicts = [f"{one.most:.2f} met" if one.met else f"**{one.most:.2f} missed**" for one in held]
        best = goals.strongest(row, row.figures)
        alone = [f"{name} {ratio:.2f}" for name, ratio in (goals.bare(row, best) if best else {}).items()]
        cells = [f"{own.median * 1e3:.3g}", floor, *map(", ".join, (times + absent, ratios, cpu, alone))]
        yield f"| {row.name}, {row.conditions} | {' | '.join(cells)} | {', '.join(verdicts)} |"


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
    """How the ratios lie, and the cases that are furthest from the best."""
    actual = [(one.ratio, row) for row in rows if (one := goals.reached(row.goals[0], row))]
    actual.sort(key=lambda pair: -pair[0].median)
    if actual:
        spread = Spread.of(ratio.median for ratio, _ in actual)
        yield f"{len(actual)} cases; the choice over the best that can be forced: {_ratio(spread)}. The worst:\n"
    yield "| kernel | samples | choice over the best | the best |"
    yield "|---|---|---|---|"
    for ratio, row in actual[:12]:
        best = goals.strongest(row, row.goals[0].against)
        yield f"| {row.name} | {row.conditions} | {_ratio(ratio)} | {best} |"
