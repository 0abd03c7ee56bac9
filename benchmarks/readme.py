"""What runs write into docs/speed.md and the README: each part between two comments, nothing else is touched."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import chart, goals, machine, report, slower
from benchmarks.model import US, Row, Run

#: Between which comments a run writes, and one without AVX-512 on a processor that has it.
MARKS = ("<!-- benchmarks: start -->", "<!-- benchmarks: end -->")
AVX2_MARKS = ("<!-- benchmarks as AVX2: start -->", "<!-- benchmarks as AVX2: end -->")
#: The page that tells of both, the one that tells of it, and the full reports.
PAGE = "docs/speed.md"
README = "README.md"
RESULTS = "benchmarks/RESULTS.md"
AVX2_RESULTS = "benchmarks/RESULTS-AVX2.md"
#: Sections of calls in memory, as opposed to whole commands; how many of their kinds the README names, and from what
#: ratio on it counts rows apart.
IN_MEMORY, WORST, FAR = ("images", "layers", "networks"), 6, 1.5
#: Columns of the table, and the contenders of which each shows the fastest.
COLUMNS = {
    "convcli": (US,),
    "vips": ("vips", "vips integer", "vips x2"),
    "ImageMagick": ("ImageMagick",),
    "GraphicsMagick": ("GraphicsMagick",),
    "ffmpeg": ("ffmpeg", "ffmpeg x2"),
    "G'MIC": ("gmic", "gmic x2"),
    "oiiotool": ("oiiotool",),
}


def written(text: str, run: Run, part: str) -> str:
    """`text` with `part` between the marks of such a run.

    Raises ValueError where the marks aren't there, once each.
    """
    start, end = AVX2_MARKS if _as_avx2(run) else MARKS
    if text.count(start) != 1 or text.count(end) != 1 or text.index(start) > text.index(end):
        raise ValueError(f"no place for the table: it goes between {start} and {end}")
    before, _, rest = text.partition(start)
    _, _, after = rest.partition(end)
    return f"{before}{start}\n{part}\n{end}{after}"


def rewrite(folder: Path, run: Run) -> None:
    """Rewrites the page of the project in `folder`, and the report and chart that it refers to."""
    parts = {PAGE: paragraph(run)} if _as_avx2(run) else {PAGE: section(run), README: brief(run)}
    for name, part in parts.items():
        path = folder / name
        path.write_text(written(path.read_text(encoding="utf-8"), run, part), encoding="utf-8")
    (folder / (AVX2_RESULTS if _as_avx2(run) else RESULTS)).write_text(report.whole(run), encoding="utf-8")
    if not _as_avx2(run):
        (folder / "benchmarks" / "ratios.svg").write_text(chart.drawn(run), encoding="utf-8")


def _as_avx2(run: Run) -> bool:
    return machine.SWITCHED_OFF in run.facts["Machine"]


def paragraph(run: Run) -> str:
    """In how many rows others are faster without AVX-512."""
    return f"As a processor with AVX2 alone: {slower.counts(run)} [All figures](../{AVX2_RESULTS})."


def section(run: Run) -> str:
    """The seconds of whole commands, where others are faster, and where that was."""
    rows = [row for row in run.rows if row.section in ("commands", "batch")]
    parts = []
    if run.quick:
        parts.append("From a quick run, on small pictures.")
    if rows:
        parts.append(seconds(rows))
    parts.append(f"[All figures](../{RESULTS}), row by row.")
    parts.append(f"### Where others are faster\n\n{slower.summary(run)}\n\n### Measured on")
    parts.append("<br>\n".join(f"{name}: {value}" for name, value in report.all_facts(run).items()))
    return "\n\n".join(parts)


def brief(run: Run) -> str:
    """In how many rows in memory others are faster, and in which kinds the most."""
    losses, counted = goals.losses(replace(run, rows=tuple(row for row in run.rows if row.section in IN_MEMORY)))
    furthest = dict.fromkeys(slower.kind(loss.row) for loss in losses)
    worst = {name: next(loss for loss in losses if slower.kind(loss.row) == name) for name in list(furthest)[:WORST]}
    listed = "; ".join(f"{name} {loss.ratio.median:.1f}" for name, loss in worst.items())
    beyond = sum(loss.ratio.median > FAR for loss in losses)
    text = (
        f"In memory a call of OpenCV, onnxruntime, torch or scipy that gives the same takes less time than convcli in "
        f"{len(losses):,} of {len(counted):,} cases, in {beyond} of them less than two thirds. Our time over theirs "
        f"at worst, by kind: {listed}."
    )
    return textwrap.fill(text, 120, break_long_words=False)


def seconds(rows: Sequence[Row]) -> str:
    """Rows by program, in seconds with the megabytes written; the fastest of a row is bold."""
    displayed = [name for name, names in COLUMNS.items() if any(_cell(row, names)[0] for row in rows)]
    lines = [f"| seconds (MB written) | {' | '.join(displayed)} |", "|---" * (len(displayed) + 1) + "|"]
    for row in rows:
        cells = [_cell(row, COLUMNS[name]) for name in displayed]
        best = min((time for time, _ in cells if time), default=None)
        texts = [f"**{text}**" if time and time == best else text for time, text in cells]
        lines.append(f"| {row.conditions}, {row.name} | {' | '.join(texts)} |")
    return "\n".join(lines)


def _cell(row: Row, names: Sequence[str]) -> tuple[float | None, str]:
    """The fastest of `names` that gave the same result, and its text."""
    actual = [row.figures[name] for name in names if name in row.figures and row.figures[name].counts]
    best = min(actual, key=lambda one: one.seconds.median if one.seconds else 0.0, default=None)
    if best is None or best.seconds is None:
        return None, "-"
    text = f"{best.seconds.median:.2f}"
    return best.seconds.median, f"{text} ({best.size:.0f})" if best.size and best.size >= 1 else text
