"""Reports -> rich tables, aligned text, Markdown, CSV, JSON. The only importer of rich."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TextIO

from convcli.errors import printable
from convcli.reports.tables import Column, Table
from convcli.reports.text import csv_text, json_text, markdown, plain

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

#: Characters of the bars beside numbers: no bars are drawn where there is room for less than the shortest.
BAR_SHORTEST = 6
BAR_LONGEST = 20
#: Characters of the lines of shades that are drawn where there is no screen.
PIPED_WIDEST = 1000


def write(table: Table, format_: str, stream: TextIO) -> None:
    """`table` in `format_` on `stream`; "table" is plain text where the stream is no terminal."""
    if format_ == "table" and stream.isatty():
        terminal(table, stream, terminal_width())
        return
    writers = {"table": plain, "plain": plain, "markdown": markdown, "csv": csv_text, "json": json_text}
    stream.write(writers[format_](table))


def fitting(table: Table, width: int) -> tuple[list[Column], list[Column]]:
    """The columns that fit in `width` characters, and those left out: highest priority number first, twins together."""
    columns = list(table.columns)
    dropped: list[Column] = []
    while _least_width(table, columns) + _bar_room(columns) > width:
        last = max(columns, key=lambda column: column.priority)
        if last.priority == 0:
            break
        twins = [column for column in columns if (column.title, column.priority) == (last.title, last.priority)]
        columns = [column for column in columns if column not in twins]
        dropped += twins
    return columns, dropped


def _bar_room(columns: Sequence[Column]) -> int:
    """Room that is kept free for bars."""
    return sum(BAR_SHORTEST + 1 for column in columns if column.bar == "kept")


def _least_width(table: Table, columns: Sequence[Column]) -> int:
    total = 0
    for column in columns:
        cells = [column.title, *(column.show(row.get(column.key)) for row in table.lines)]
        needed = max(len(cell) for cell in cells)
        total += min(needed, 24) if column.wraps else needed
    return total + 2 * (len(columns) - 1)


def terminal(table: Table, stream: TextIO, width: int) -> None:
    """`table` as a rich one of at most `width` characters: columns that don't fit go by priority, and are named."""
    from rich.table import Table as RichTable
    from rich.text import Text

    console = _console(stream, width)
    columns, dropped = fitting(table, width)
    bars = [column for column in columns if column.bar]
    spare = width - _least_width(table, columns)
    length = min(BAR_LONGEST, spare // len(bars) - 1) if bars else 0
    rich_table = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", title_justify="left")
    if table.title:
        console.print(Text(table.title, style="bold"))
    cells = []
    for index, column in enumerate(columns):
        barred = column.bar and length >= BAR_SHORTEST
        cells.append(_barred(table, column, length) if barred else _plain_cells(table, column))
        rich_table.add_column(
            column.title,
            justify="right" if column.right and not barred else "left",
            style="cyan" if index == 0 else "",
            no_wrap=spare >= 0 and not column.wraps,
            overflow="fold",
        )
    for number, line in enumerate(zip(*cells, strict=True)):
        rich_table.add_row(*line, style="bold" if number == len(table.rows) else "")
    console.print(rich_table)
    for note in table.notes:
        console.print(Text(note, style="dim"))
    if dropped:
        names = ", ".join(dict.fromkeys(column.title for column in dropped))
        console.print(Text(f"Not shown at {console.width} columns: {names}.", style="dim"))


def _plain_cells(table: Table, column: Column) -> list[Text]:
    from rich.text import Text

    return [Text(printable(column.show(row.get(column.key)))) for row in table.lines]


def _barred(table: Table, column: Column, length: int) -> list[Text]:
    """Numbers with a bar behind each, the longest for the greatest; the total has none."""
    from rich.text import Text

    values = [row.get(column.key) for row in table.rows]
    greatest = max((value for value in values if value is not None), default=0)
    width = max(len(column.show(row.get(column.key))) for row in table.lines)
    cells = []
    for row, value in zip(table.lines, [*values, None], strict=False):
        bar = _bar(value / greatest, length) if value and greatest else ""
        cells.append(Text.assemble(column.show(row.get(column.key)).rjust(width), " ", (bar, "green")))
    return cells


def _bar(share: float, length: int) -> str:
    """A bar in eighths of a character; never nothing, so that a small share is still seen."""
    eighths = max(1, round(share * length * 8))
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def _console(stream: TextIO, width: int | None = None) -> Console:
    from rich.console import Console

    return Console(file=stream, width=width or terminal_width(), markup=False, highlight=False, emoji=False)


@contextlib.contextmanager
def progress(total: int, what: str, stream: TextIO | None = None) -> Iterator[Callable[[str], None]]:
    """A progress display on stderr while something of `total` steps runs; nothing where nobody watches.

    Yields a function to be called with the name of each step as it starts.
    """
    stream = stream or sys.stderr
    if not interactive(stream):
        yield lambda name: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=_console(stream), transient=True) as display:
        task = display.add_task(what, total=total)
        started = 0

        def step(name: str) -> None:
            nonlocal started
            display.update(task, description=f"{what} {printable(name)}", completed=started)
            started += 1

        yield step


def grid(values: Sequence[Sequence[float]], stream: TextIO, *, indent: str = "  ") -> None:
    """Weights as a grid of numbers, coloured by sign and size on a terminal; large ones as shades without numbers."""
    width = shutil.get_terminal_size().columns if stream.isatty() else 120
    greatest = max((abs(value) for row in values for value in row), default=0.0)
    cells = [[_number(value) for value in row] for row in values]
    column = max(len(cell) for row in cells for cell in row)
    if len(indent) + (column + 1) * len(values[0]) <= width and len(values) <= 32:
        lines = [[f" {cell.rjust(column)}" for cell in row] for row in cells]
    else:
        lines = [[_shade(value, greatest) for value in row] for row in values]
        if len(indent) + 2 * len(values[0]) > (width if stream.isatty() else PIPED_WIDEST):
            where = " for this screen" if stream.isatty() else ""
            stream.write(f"{indent}{len(values)} x {len(values[0])} weights: too wide{where}\n")
            return
    if not stream.isatty():
        stream.writelines(f"{indent}{''.join(row).rstrip()}\n" for row in lines)
        return
    from rich.text import Text

    console = _console(stream)
    for row, numbers in zip(lines, values, strict=True):
        text = Text(indent)
        for cell, value in zip(row, numbers, strict=True):
            text.append(cell, style=_colour(value, greatest))
        console.print(text, no_wrap=True)


def _number(value: float) -> str:
    return "0" if value == 0 else f"{value:.4g}" if abs(value) >= 1e-3 else f"{value:.1e}"


def _shade(value: float, greatest: float) -> str:
    """Two characters: + or - for the sign, denser for larger weights."""
    share = abs(value) / greatest if greatest else 0
    ramp = " .:-=+*#%@" if value >= 0 else " ,;_~xoOX8"
    return ramp[min(int(share * 9.999), 9)] * 2


def _colour(value: float, greatest: float) -> str:
    share = abs(value) / greatest if greatest else 0.0
    if share < 1e-3:
        return "bright_black"
    level = round(90 + 130 * share**0.5)
    return f"rgb({level},{level * 2 // 3},60)" if value > 0 else f"rgb(70,{level * 2 // 3},{level})"


def terminal_width() -> int:
    """Columns of the terminal, 80 where there is none."""
    return shutil.get_terminal_size().columns


def interactive(stream: TextIO | None = None) -> bool:
    """Whether somebody watches `stream` (stderr by default)."""
    return (stream or sys.stderr).isatty()


def heading(title: str, text: str, stream: TextIO) -> None:
    """A title and the sentence that belongs to it."""
    line = f"{title}: {text}" if text else title
    if not stream.isatty():
        stream.write(f"{printable(line)}\n")
        return
    from rich.text import Text

    _console(stream).print(Text.assemble((printable(title), "bold cyan"), printable(line[len(title) :])))


def pairs(rows: Sequence[tuple[str, str]], stream: TextIO) -> None:
    """Names and values, a line each; long values are broken on a terminal."""
    width = max((len(name) for name, _ in rows), default=0)
    if not stream.isatty():
        stream.writelines(f"  {name.ljust(width)}  {printable(value)}\n" for name, value in rows)
        return
    from rich.table import Table as RichTable
    from rich.text import Text

    rich_table = RichTable(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    rich_table.add_column(no_wrap=True, style="bright_black", min_width=width + 2)
    rich_table.add_column(overflow="fold")
    for name, value in rows:
        rich_table.add_row(f"  {name}", Text(printable(value)))
    _console(stream).print(rich_table)
