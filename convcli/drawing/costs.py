"""The rows of `convcli compare` as bars; and as dots, work against time, where they were timed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from convcli.drawing import curves
from convcli.drawing.axes import Axis, count, grid, named
from convcli.drawing.parts import PAD, header, number, width_of, wrapped
from convcli.drawing.scene import Box, Dot, Path, Scene, Text
from convcli.errors import UsageError
from convcli.reports.tables import engineering

#: Rows that are drawn, the width of bars' figures, and what is drawn of each row.
MOST_ROWS, WIDTH = 60, 860.0
COLUMNS: Final = (("params_weights", "weights", "c1"), ("macs", "MACs", "c2"))
_LINE, _ROOM = 30.0, 132.0
_COLOURS: Final = 6


def figure(report: Mapping[str, Any], *, title: str | None = None) -> Scene:
    """A report of `compare` as data (see `convcli schema --report`): curves by size where each type has several, else
    dots where rows have times, else bars.
    """
    rows = report["rows"]
    if not rows:
        raise UsageError("no rows to draw")
    if len(rows) > MOST_ROWS:
        raise UsageError(f"{len(rows)} rows; at most {MOST_ROWS} are drawn")
    name = _pretty(report["title"]) if title is None else title
    if sizes := curves.by_size(rows):
        return curves.figure(sizes, name)
    timed = [row for row in rows if row["time_median_s"] and row["macs"]]
    return _scatter(timed, name) if timed else _bars(rows, report["baseline"], name)


def _pretty(text: str) -> str:
    """Sizes with a true sign, and no folders."""
    return re.sub(r"\S*/(\S+)", r"\1", re.sub(r"(?<=\d)x(?=\d)", "×", text).replace("->", "→"))


def _about(rows: Sequence[Mapping[str, Any]]) -> str:
    return "; ".join(
        f"{row['name']}: " + ", ".join(f"{row[key]:,} {label}" for key, label, _ in COLUMNS) for row in rows
    )


def _bars(rows: Sequence[Mapping[str, Any]], baseline: str | None, name: str) -> Scene:
    base = next((row for row in rows if row["name"] == baseline), None)
    lines = [f"dashed: {baseline}; at the right of each bar its ratio to that"] if base and len(rows) > 1 else []
    heads, top, wide = header(name, lines)
    names = [wrapped(str(row["name"]), 1)[0] for row in rows]
    left = PAD + max(width_of(text, 13) for text in names) + 12
    each, y0 = max(260.0, (WIDTH - left - PAD) / len(COLUMNS)), top + 28
    items, bottom = list(heads), y0 + _LINE * len(rows)
    for index, (key, label, role) in enumerate(COLUMNS):
        x, room = left + index * each, each - _ROOM
        most = max(row[key] for row in rows) or 1
        items.append(Text(x=x, y=y0 - 10, text=label, size=13, bold=True, anchor="start"))
        items.append(Path(points=((x, y0 - 2), (x, bottom - 4)), stroke="rule", width=1.2))
        if lines and base:
            at = x + room * base[key] / most
            items.append(Path(points=((at, y0 - 2), (at, bottom - 4)), stroke="ghostline", dashed=True))
        for k, row in enumerate(rows):
            value, y = row[key], y0 + k * _LINE
            long = max(1.0, room * value / most)
            strength = 0.55 if row is base else 0.9
            note = f"{row['name']}: {value:,} {label}"
            items.append(Box(x=x, y=y + 4, w=long, h=_LINE - 12, fill=role, opacity=strength, radius=2, note=note))
            text = f"{value:,}" if value < 1e6 else engineering(value)
            items.append(Text(x=x + long + 7, y=y + _LINE / 2 + 3, text=text, anchor="start", halo=True, note=note))
            if lines and base and row is not base and base[key]:
                ratio = f"{value / base[key]:.3g}×"
                items.append(
                    Text(x=x + each - 22, y=y + _LINE / 2 + 3, text=ratio, size=11, role="faint", anchor="end")
                )
    for k, text in enumerate(names):
        items.append(Text(x=left - 12, y=y0 + k * _LINE + _LINE / 2 + 3, text=text, size=13, anchor="end"))
    width = max(left + len(COLUMNS) * each + PAD, wide)
    return Scene(width=width, height=bottom + PAD, items=tuple(items), title=name or "Costs", about=_about(rows))


def _scatter(rows: Sequence[Mapping[str, Any]], name: str) -> Scene:
    width, height = 780.0, 440.0
    says = "time against multiply-accumulates, both logarithmic; on the dashed line all have the median's speed"
    heads, top, wide = header(name, [says])
    x0, x1, y0, y1 = PAD + 58, width - PAD - 40, top + 26, height - 62
    across = Axis([row["macs"] for row in rows], x0, x1)
    up = Axis([row["time_median_s"] for row in rows], y1, y0)
    items = [*heads, *grid(across, up, count, lambda seconds: f"{number(seconds * 1e3)} ms")]
    items.append(Text(x=(x0 + x1) / 2, y=y1 + 38, text="MACs", role="faint"))
    speeds = sorted(row["macs"] / row["time_median_s"] for row in rows)
    speed = speeds[len(speeds) // 2]
    ends = max(across.low, up.low * speed), min(across.high, up.high * speed)
    line = tuple((across.at(macs), up.at(macs / speed)) for macs in ends)
    items.append(Path(points=line, stroke="ghostline", dashed=True, width=1.3))
    kinds = list(dict.fromkeys(row["type"] for row in rows))
    legend: float = x0
    for k, kind in enumerate(kinds):
        items.append(Dot(x=legend + 5, y=y0 - 14, r=5, fill=f"c{k % _COLOURS + 1}"))
        items.append(Text(x=legend + 15, y=y0 - 10, text=kind.replace("_", " "), size=11, role="faint", anchor="start"))
        legend += 33 + width_of(kind, 11)
    items += _dots(rows, kinds, across, up)
    about = "; ".join(f"{row['name']}: {row['macs']:,} MACs, {row['time_median_s'] * 1e3:.3g} ms" for row in rows)
    return Scene(width=max(width, wide), height=height, items=tuple(items), title=name or "Times", about=about)


def _dots(rows: Sequence[Mapping[str, Any]], kinds: Sequence[str], across: Axis, up: Axis) -> list[Any]:
    """A dot for each row with its spread, then the names, each where it hides no other."""
    items: list[Any] = []
    places = [(across.at(row["macs"]), up.at(row["time_median_s"])) for row in rows]
    for row, (x, y) in zip(rows, places, strict=True):
        role, time, spread = (
            f"c{kinds.index(row['type']) % _COLOURS + 1}",
            row["time_median_s"],
            row["time_spread_s"] or 0,
        )
        ends = ((x, up.at(max(time - spread / 2, up.low))), (x, up.at(time + spread / 2)))
        note = f"{row['name']}: {row['macs']:,} MACs, {time * 1e3:.3g} ms"
        items.append(Path(points=ends, stroke=role, width=2))
        items.append(Dot(x=x, y=y, r=6, fill=role, stroke="paper", width=1.5, note=note))
    names = [wrapped(str(row["name"]), 1)[0] for row in rows]
    leaders, texts = named(names, places, (across.start, up.end, across.end + 30, up.start))
    return [*leaders, *items, *texts]
