"""Reports on a terminal, by rich; elsewhere as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from convcli.errors import printable
from convcli.reports.screen import BAR, NAME, PLAIN, TITLE, console, styled, terminal_width
from convcli.reports.tables import Column, Table
from convcli.reports.text import csv_text, json_text, markdown, plain

if TYPE_CHECKING:
    from rich.text import Text

#: Characters of the bars beside numbers: no bars are drawn where there is room for less than the shortest.
BAR_SHORTEST = 6
BAR_LONGEST = 20

#: Characters that a column which wraps is given at least.
_LEAST_WRAPPED = 20


def write(table: Table, format_: str, stream: TextIO) -> None:
    """`table` in `format_` on `stream`; "table" is plain text where the stream is no terminal."""
    if format_ == "table" and styled(stream):
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
        cells = [column.title, *table.texts(column)]
        needed = max(len(cell) for cell in cells)
        total += min(needed, _LEAST_WRAPPED) if column.wraps else needed
    return total + 2 * (len(columns) - 1)


def terminal(table: Table, stream: TextIO, width: int) -> None:
    """`table` as a rich one of at most `width` characters: columns that don't fit go by priority, and are named."""
    from rich.table import Table as RichTable
    from rich.text import Text

    screen = console(stream, width)
    columns, dropped = fitting(table, width)
    bars = [column for column in columns if column.bar]
    spare = width - _least_width(table, columns)
    length = min(BAR_LONGEST, spare // len(bars) - 1) if bars else 0
    rich_table = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=TITLE, title_justify="left")
    if table.title:
        screen.print(Text(table.title, style=TITLE))
    cells = []
    for index, column in enumerate(columns):
        barred = column.bar and length >= BAR_SHORTEST
        cells.append(_barred(table, column, length) if barred else _plain_cells(table, column))
        rich_table.add_column(
            column.title,
            justify="right" if column.right and not barred else "left",
            style=NAME if index == 0 else PLAIN,
            no_wrap=spare >= 0 and not column.wraps,
            overflow="fold",
        )
    for number, line in enumerate(zip(*cells, strict=True)):
        rich_table.add_row(*line, style=TITLE if number == len(table.rows) else PLAIN)
    screen.print(rich_table)
    for note in table.notes_on(columns):
        screen.print(Text(note))
    if dropped:
        names = ", ".join(dict.fromkeys(column.title for column in dropped))
        screen.print(Text(f"Not shown at {screen.width} columns: {names}."))


def _plain_cells(table: Table, column: Column) -> list[Text]:
    from rich.text import Text

    return [Text(printable(text)) for text in table.texts(column)]


def _barred(table: Table, column: Column, length: int) -> list[Text]:
    """Numbers with a bar behind each, the longest for the greatest; the total has none."""
    from rich.text import Text

    values = [row.get(column.key) for row in table.rows]
    greatest = max((value for value in values if value is not None), default=0)
    texts = table.texts(column)
    width = max(map(len, texts))
    cells = []
    for text, value in zip(texts, [*values, None], strict=False):
        bar = _bar(value / greatest, length) if value and greatest else ""
        cells.append(Text.assemble(text.rjust(width), " ", (bar, BAR)))
    return cells


def _bar(share: float, length: int) -> str:
    """A bar in eighths of a character; never nothing, so that a small share is still seen."""
    eighths = max(1, round(share * length * 8))
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def heading(title: str, text: str, stream: TextIO) -> None:
    """A title and the sentence that belongs to it."""
    line = f"{title}: {text}" if text else title
    if not styled(stream):
        stream.write(f"{printable(line)}\n")
        return
    from rich.text import Text

    console(stream).print(Text.assemble((printable(title), TITLE), printable(line[len(title) :])))


def pairs(rows: Sequence[tuple[str, str]], stream: TextIO) -> None:
    """Names and values, a line each; long values are broken on a terminal."""
    width = max((len(name) for name, _ in rows), default=0)
    if not styled(stream):
        stream.writelines(f"  {name.ljust(width)}  {printable(value)}\n" for name, value in rows)
        return
    from rich.table import Table as RichTable
    from rich.text import Text

    rich_table = RichTable(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    rich_table.add_column(no_wrap=True, style=PLAIN, min_width=width + 2)
    rich_table.add_column(overflow="fold")
    for name, value in rows:
        rich_table.add_row(f"  {name}", Text(printable(value)))
    console(stream).print(rich_table)
