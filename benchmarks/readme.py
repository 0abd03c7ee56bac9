"""The part of docs/speed.md that a run writes: between two comments, nothing else is touched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks import chart, report
from benchmarks.model import US, Row, Run

START, END = "<!-- benchmarks: start -->", "<!-- benchmarks: end -->"
#: The page that tells of a run, and the full report of it.
PAGE = "docs/speed.md"
RESULTS = "benchmarks/RESULTS.md"
#: That of a machine with AVX-512, where the run was on one without.
EARLIER = "benchmarks/RESULTS-AVX-512.md"
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


def written(text: str, run: Run) -> str:
    """`text` with what stands between the marks replaced.

    Raises ValueError where the marks aren't there, once each.
    """
    if text.count(START) != 1 or text.count(END) != 1 or text.index(START) > text.index(END):
        raise ValueError(f"no place for the table: it goes between {START} and {END}")
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{section(run)}\n{END}{after}"


def rewrite(folder: Path, run: Run) -> None:
    """Rewrites the page of the project in `folder`, the report and the chart that it refers to."""
    path = folder / PAGE
    path.write_text(written(path.read_text(encoding="utf-8"), run), encoding="utf-8")
    (folder / RESULTS).write_text(report.whole(run), encoding="utf-8")
    (folder / "benchmarks" / "ratios.svg").write_text(chart.drawn(run), encoding="utf-8")


def section(run: Run) -> str:
    """The seconds of whole commands, where others are faster, and where that was."""
    rows = [row for row in run.rows if row.section in ("commands", "batch")]
    parts = []
    if run.quick:
        parts.append("From a quick run, on small pictures.")
    if rows:
        parts.append(seconds(rows))
    parts.append(f"[All figures](../{RESULTS}).")
    parts.append(f"### Where others are faster\n\n{report.slower(run)}\n\n### Measured on")
    if "AVX-512" not in run.facts["Machine"]:
        parts.append(f"On a processor with AVX-512 ratios are others: [an earlier run](../{EARLIER}).")
    parts.append("<br>\n".join(f"{name}: {value}" for name, value in report.shown_facts(run).items()))
    return "\n\n".join(parts)


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
