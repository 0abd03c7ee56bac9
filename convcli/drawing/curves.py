"""What kernels cost by their size: time where they were timed, else weights, a curve for each type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from convcli.drawing.axes import Axis, count, grid
from convcli.drawing.parts import PAD, header, number, width_of
from convcli.drawing.scene import Dot, Path, Scene, Text

Rows = Sequence[Mapping[str, Any]]
#: Sizes that make a curve.
LEAST: Final = 3
#: Sizes that are all written at the axis.
_SIDES: Final = 12
_COLOURS: Final = 6
_WIDTH, _HEIGHT = 780.0, 440.0


def by_size(rows: Rows) -> dict[str, list[Mapping[str, Any]]]:
    """The rows of each type by their taps per side; empty unless all types come in several sizes."""
    types: dict[str, dict[int, Mapping[str, Any]]] = {}
    for row in rows:
        if not row["kernel_size"] or side(row) in types.get(row["type"], {}):
            return {}
        types.setdefault(row["type"], {})[side(row)] = row
    if not types or min(map(len, types.values())) < LEAST:
        return {}
    return {kind: [sizes[taps] for taps in sorted(sizes)] for kind, sizes in types.items()}


def side(row: Mapping[str, Any]) -> int:
    """Taps along the longest side of a row's kernel."""
    return int(max(row["kernel_size"]))


def figure(types: Mapping[str, Rows], name: str) -> Scene:
    """The curves of `by_size`; both axes are logarithmic."""
    every = [row for rows in types.values() for row in rows]
    timed = all(row["time_median_s"] for row in every)
    key, what = ("time_median_s", "time") if timed else ("params_weights", "weights")
    heads, top, wide = header(name, [f"{what} against the taps along a side of the kernel, both logarithmic"])
    x0, x1, y0, y1 = PAD + 58, _WIDTH - PAD - 40, top + 26, _HEIGHT - 62
    across = Axis([side(row) for row in every], x0, x1)
    up = Axis([max(row[key], 1e-9) for row in every], y1, y0)

    def label(value: float) -> str:
        return f"{number(value * 1e3)} ms" if timed else count(value)

    sides = sorted({side(row) for row in every})
    items = [*heads, *grid(across, up, number, label, sides if len(sides) <= _SIDES else ())]
    items.append(Text(x=(x0 + x1) / 2, y=y1 + 38, text="taps along a side", role="faint"))
    legend: float = x0
    for index, (kind, rows) in enumerate(types.items()):
        role, dashed = f"c{index % _COLOURS + 1}", index % 2 == 1
        points = tuple((across.at(side(row)), up.at(row[key])) for row in rows)
        items.append(Path(points=points, stroke=role, width=2.2, dashed=dashed))
        for row, (x, y) in zip(rows, points, strict=True):
            note = f"{row['name']}: {side(row)} taps along a side, {label(row[key])}"
            items.append(Dot(x=x, y=y, r=5, fill=role, stroke="paper", width=1.5, note=note))
        sample = (legend, y0 - 14), (legend + 16, y0 - 14)
        items.append(Path(points=sample, stroke=role, width=2.6, dashed=dashed))
        items.append(Text(x=legend + 21, y=y0 - 10, text=kind.replace("_", " "), size=11, role="faint", anchor="start"))
        legend += 39 + width_of(kind, 11)
    about = "; ".join(f"{row['name']}, {side(row)} taps along a side: {label(row[key])}" for row in every)
    return Scene(
        width=max(_WIDTH, wide, legend + PAD), height=_HEIGHT, items=tuple(items), title=name or f"{what} by size",
        about=about,
    )  # fmt: skip
