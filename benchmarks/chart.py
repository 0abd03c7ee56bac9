"""The ratios of a run as a picture: one line per comparison, a dot per contender, on a logarithmic axis.

Kernels and layers, which are measured on many inputs, have one line each, and a dot per input and contender.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from benchmarks.model import US, Figures, Row, Run

#: Contender -> its colour (Okabe and Ito's, which the colour-blind can tell apart) and the shape of its dot.
MARKS = {
    "vips": ("#1b85d6", "circle"),
    "vips integer": ("#1b85d6", "square"),
    "ImageMagick": ("#d55e00", "circle"),
    "GraphicsMagick": ("#e69f00", "square"),
    "ffmpeg": ("#009e73", "circle"),
    "gmic": ("#cc79a7", "square"),
    "oiiotool": ("#56b4e9", "circle"),
    "codecs alone": ("#7f7f7f", "square"),
    "cv2": ("#1b85d6", "diamond"),
    "cv2 script x2": ("#1b85d6", "diamond"),
    "onnxruntime": ("#d55e00", "diamond"),
    "torch": ("#009e73", "diamond"),
    "scipy": ("#cc79a7", "diamond"),
    "python": ("#7f7f7f", "diamond"),
    "import cv2": ("#7f7f7f", "diamond"),
}
#: Contenders that are drawn as another one.
AS = {
    "vips x2": "vips", "ffmpeg x2": "ffmpeg", "gmic x2": "gmic",
    "oaconvolve": "scipy", "fftconvolve": "scipy", "ndimage": "scipy",
}  # fmt: skip
SECTIONS = {
    "start-up": "Starting", "commands": "Whole commands", "batch": "Many pictures", "images": "Kernels on pictures",
    "layers": "Layers, lines and volumes", "networks": "Real networks",
}  # fmt: skip
LEFT, RIGHT, LINE, WIDTH = 268, 18, 17, 860
#: Ratios at the ends of the axis; what lies beyond is an arrow at its end.
LOW, HIGH = 0.01, 20.0
TICKS = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
STYLE = (
    "text{font:11px system-ui,sans-serif;fill:#24292f}.b{fill:#fff}.h{font-weight:600}.g{stroke:#d0d7de}"
    ".o{stroke:#24292f;stroke-width:1.5}.s{fill:#57606a}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.b{fill:#0d1117}.g{stroke:#30363d}.o{stroke:#e6edf3}"
    ".s{fill:#9da7b3}}"
)


def drawn(run: Run) -> str:
    """The picture as SVG: it brings its background, and colours for light and dark surroundings."""
    body, y = [], 62.0
    for section, title in SECTIONS.items():
        lines = _lines([row for row in run.rows if row.section == section and any(_dots(row))])
        if lines:
            body.append(f'<text class="h" x="12" y="{y + 12:.0f}">{title}</text>')
            y += LINE + 3
            for label, rows in lines.items():
                body += _line(label, rows, y)
                y += LINE
            y += 6
    height = y + 30
    grid = [
        f'<path class="{"o" if tick == 1 else "g"}" d="M{_x(tick):.1f} 56V{y:.0f}"/>'
        f'<text x="{_x(tick):.1f}" y="{y + 14:.0f}" text-anchor="middle">{tick:g}</text>'
        for tick in TICKS
    ]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" '
        f'height="{height:.0f}" role="img"><title>Time of convcli over that of others</title><style>{STYLE}</style>'
        f'<rect class="b" width="100%" height="100%" rx="6"/>'
        f'<text class="h" x="12" y="20">Time of convcli over that of others, median and quartiles: '
        f"left of 1, convcli is faster; bars are goals</text>"
    )
    return "\n".join([head, *_legend(run), *grid, *body, "</svg>\n"])


def _x(ratio: float) -> float:
    """
    >>> _x(LOW) == LEFT and _x(HIGH) == _x(99) == WIDTH - RIGHT
    True
    """
    share = math.log(min(max(ratio, LOW), HIGH) / LOW) / math.log(HIGH / LOW)
    return LEFT + share * (WIDTH - RIGHT - LEFT)


def _dots(row: Row) -> Iterator[tuple[str, Figures]]:
    """The contenders that are drawn, by the name they are drawn under: of those with one name the fastest."""
    actual: dict[str, tuple[float, Figures]] = {}
    for name, figures in row.figures.items():
        label = _label(name)
        if name != US and figures.counts and figures.ratio and label in MARKS:
            actual[label] = max(
                actual.get(label, (0.0, figures)), (figures.ratio.median, figures), key=lambda one: one[0]
            )
    yield from ((label, figures) for label, (_, figures) in actual.items())


def _label(name: str) -> str:
    """
    >>> _label("vips x2"), _label("cv2.filter2D"), _label("torch")
    ('vips', 'cv2', 'torch')
    """
    return "cv2" if name.startswith("cv2.") else AS.get(name, name)


def _lines(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows by what stands before their line."""
    lines: dict[str, list[Row]] = {}
    for row in rows:
        merged = row.section in ("images", "layers", "networks")
        label = row.name if merged else f"{row.conditions}, {row.name}"
        lines.setdefault(label, []).append(row)
    return lines


def _line(label: str, rows: Sequence[Row], y: float) -> Iterator[str]:
    middle = y + 7
    yield f'<path class="g" d="M{LEFT} {middle:.0f}H{WIDTH - RIGHT}" stroke-dasharray="1 3"/>'
    yield f'<text x="{LEFT - 8}" y="{middle + 4:.0f}" text-anchor="end">{escape(label)}</text>'
    for most, colour in _bars(rows):
        yield f'<path d="M{_x(most):.1f} {middle - 7:.0f}v14" stroke="{colour}" stroke-width="1.5" opacity=".55"/>'
    for row in rows:
        for name, figures in _dots(row):
            if figures.ratio is None:
                continue
            colour, shape = MARKS[name]
            if not LOW <= figures.ratio.median <= HIGH:
                shape = "right" if figures.ratio.median > HIGH else "left"
            low, high = _x(figures.ratio.low), _x(figures.ratio.high)
            if len(rows) == 1 and low < high:
                yield f'<path d="M{low:.1f} {middle:.0f}H{high:.1f}" stroke="{colour}" stroke-width="2" opacity=".6"/>'
            where = f"{row.conditions}, " if len(rows) > 1 else ""
            yield _mark(shape, _x(figures.ratio.median), middle, colour, f"{where}{name}: {figures.ratio.median:.2f}")


def _bars(rows: Sequence[Row]) -> Mapping[tuple[float, str], None]:
    """Goals that hold for a whole line, and the colour of who is meant."""
    bars: dict[tuple[float, str], None] = {}
    for row in rows:
        for goal in row.goals:
            mark = next((_label(name) for name in goal.against if name in row.figures), "")
            if mark in MARKS and not goal.slack:
                bars[goal.most, MARKS[mark][0]] = None
    return bars


def _mark(shape: str, x: float, y: float, colour: str, says: str) -> str:
    """A dot that says its figure where the mouse rests on it."""
    title = f"<title>{escape(says)}</title>"
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}" fill-opacity=".8">{title}</circle>'
    radius = 3.6 if shape == "square" else 4.8
    path = {
        "square": f"M{x - radius:.1f} {y - radius:.1f}h{2 * radius}v{2 * radius}h{-2 * radius}z",
        "right": f"M{x - 3:.1f} {y - radius:.1f}l6 {radius}l-6 {radius}z",
        "left": f"M{x + 3:.1f} {y - radius:.1f}l-6 {radius}l6 {radius}z",
        "diamond": f"M{x:.1f} {y - radius:.1f}l{radius} {radius}l{-radius} {radius}l{-radius} {-radius}z",
    }[shape]
    return f'<path d="{path}" fill="{colour}" fill-opacity=".8">{title}</path>'


def _legend(run: Run) -> Iterator[str]:
    present: Mapping[str, None] = {name: None for row in run.rows if row.section in SECTIONS for name, _ in _dots(row)}
    x, y = 16.0, 38.0
    for name in (name for name in MARKS if name in present):
        if x + 24 + 6.4 * len(name) > WIDTH:
            x, y = 16.0, y + 15
        colour, shape = MARKS[name]
        yield _mark(shape, x, y - 4, colour, name)
        yield f'<text class="s" x="{x + 8:.0f}" y="{y:.0f}">{escape(name)}</text>'
        x += 24 + 6.4 * len(name)
