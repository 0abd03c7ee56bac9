"""The parts of docs/speed.md that runs write: each between two comments, nothing else is touched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks import chart, machine, report
from benchmarks.model import US, Row, Run

#: Between which comments a run writes, and one without AVX-512 on a processor that has it.
MARKS = ("<!-- benchmarks: start -->", "<!-- benchmarks: end -->")
AVX2_MARKS = ("<!-- benchmarks as AVX2: start -->", "<!-- benchmarks as AVX2: end -->")
#: The page that tells of both, and the full reports of them.
PAGE = "docs/speed.md"
RESULTS = "benchmarks/RESULTS.md"
AVX2_RESULTS = "benchmarks/RESULTS-AVX2.md"
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
    """`text` with what stands between the marks of such a run replaced.

    Raises ValueError where the marks aren't there, once each.
    """
    start, end = AVX2_MARKS if _as_avx2(run) else MARKS
    if text.count(start) != 1 or text.count(end) != 1 or text.index(start) > text.index(end):
        raise ValueError(f"no place for the table: it goes between {start} and {end}")
    before, _, rest = text.partition(start)
    _, _, after = rest.partition(end)
    return f"{before}{start}\n{paragraph(run) if _as_avx2(run) else section(run)}\n{end}{after}"


def rewrite(folder: Path, run: Run) -> None:
    """Rewrites the page of the project in `folder`, and the report and chart that it refers to."""
    path = folder / PAGE
    path.write_text(written(path.read_text(encoding="utf-8"), run), encoding="utf-8")
    (folder / (AVX2_RESULTS if _as_avx2(run) else RESULTS)).write_text(report.whole(run), encoding="utf-8")
    if not _as_avx2(run):
        (folder / "benchmarks" / "ratios.svg").write_text(chart.drawn(run), encoding="utf-8")


def _as_avx2(run: Run) -> bool:
    return machine.SWITCHED_OFF in run.facts["Machine"]


def paragraph(run: Run) -> str:
    """In how many rows others are faster without AVX-512."""
    return f"As a processor with AVX2 alone: {report.counts(run)} [All figures](../{AVX2_RESULTS})."


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
    parts.append("<br>\n".join(f"{name}: {value}" for name, value in report.all_facts(run).items()))
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
