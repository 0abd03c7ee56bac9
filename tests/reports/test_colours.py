"""Reports can be read on dark and on light terminals, with colours and without."""

from __future__ import annotations

import io
import re

import pytest
from rich.color import Color

from convcli.reports import Column, Table, screen, terminal
from tests.support import on_terminal, run, spawn

#: The paper of terminals, from black to Solarized's.
DARK, LIGHT = ("#000000", "#1e1e1e"), ("#fdf6e3", "#ffffff")


def luminance(rgb: tuple[int, int, int]) -> float:
    """Relative luminance. Source: WCAG 2.2."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (value / 255 for value in rgb)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted(luminance(tuple(Color.parse(name).get_truecolor())) for name in (one, other))  # type: ignore[arg-type]
    return (high + 0.05) / (low + 0.05)


def test_no_colour_could_be_text_on_both() -> None:
    """Why text has none: 4.5 on #1e1e1e needs more light than 4.5 on #fdf6e3 leaves."""
    dark, light = (luminance(tuple(Color.parse(name).get_truecolor())) for name in (DARK[1], LIGHT[0]))  # type: ignore[arg-type]
    assert 4.5 * (dark + 0.05) - 0.05 > (light + 0.05) / 4.5 - 0.05


def test_bars_are_seen_on_both() -> None:
    assert min(contrast(screen.BAR, paper) for paper in (*DARK, *LIGHT)) >= 3
    assert {screen.TITLE, screen.NAME, screen.PLAIN} <= {"bold", ""}


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def table() -> Table:
    bars = Column(key="b", title="Much", right=True, bar="kept")
    return Table(
        columns=(Column(key="a", title="Name"), bars), rows=({"a": "one", "b": 3}, {"a": "two", "b": 1}), title="Title",
        notes=("A note.",), total={"a": "all", "b": 4},
    )  # fmt: skip


def codes(text: str) -> set[str]:
    """The colours of a text: parameters of SGR but bold and its end."""
    parameters = {part for match in re.findall(r"\x1b\[([\d;]*)m", text) for part in [match]}
    return parameters - {"0", "1", ""}


def test_only_bars_have_a_colour(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    out = Screen()
    terminal.write(table, "table", out)
    assert codes(out.getvalue()) == {"38;5;28"}
    assert re.search(r"A note\.\s*$", out.getvalue())


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({"FORCE_COLOR": "1"}, True), ({"NO_COLOR": ""}, True)],
)
def test_what_the_environment_says(
    variables: dict[str, str], coloured: bool, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    out = Screen()
    terminal.write(table, "table", out)
    assert bool(codes(out.getvalue())) == coloured


def test_force_color_reaches_pipes(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    out = io.StringIO()
    terminal.write(table, "table", out)
    assert codes(out.getvalue())
    assert "\x1b[" in spawn("list", env={"FORCE_COLOR": "1", "TERM": "xterm-256color"}).out.decode()
    assert "\x1b[" not in spawn("list", env={"TERM": "xterm-256color", "FORCE_COLOR": ""}).out.decode()


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("line", [("list",), ("compare",), ("show", "sobel-x"), ("show", "--plan", "gaussian")])
def test_tables_fit_and_name_what_they_leave_out(line: tuple[str, ...], columns: int) -> None:
    code, text = on_terminal(*line, columns=columns)
    plain = re.sub(r"\x1b\[[\d;]*m", "", text)
    assert code == 0
    assert max(map(len, plain.splitlines())) <= columns
    assert "…" not in plain


def test_notes_stand_below_columns_that_are_shown() -> None:
    field = "The field of a deformable kernel is the one without offsets."
    for columns, expected in ((60, False), (80, True)):
        _, text = on_terminal("compare", columns=columns)
        assert (" ".join(text.split()).count(field) == 1) == expected
        assert ("Field" in text.splitlines()[1]) == expected
    assert field in run("compare").out.decode()
    assert field not in run("compare", "--columns", "name,macs").out.decode()
    assert "MACs: taps" not in run("compare", "--columns", "name,weights").out.decode()
