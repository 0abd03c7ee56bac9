"""Tables as data: columns with units, rows of plain values; how they look is decided elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from convcli.records import record


def text(value: Any) -> str:
    """A value as a reader expects it: digits grouped, nothing for None, sizes as 3x3."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, tuple | list):
        return "x".join(str(part) for part in value)
    return str(value)


def engineering(number: float) -> str:
    """A count with a prefix: 1.62 G.

    >>> engineering(1_620_000_000), engineering(411)
    ('1.62 G', '411')
    """
    for prefix, factor in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        # Below 1 by as little as the rounding takes away, so that 999,999 is 1 M and not 1000 k.
        if abs(number) >= (factor * 10 if factor == 1e3 else factor * 0.9995):
            return f"{digits(number / factor)} {prefix}"
    return f"{number:,.0f}" if number == int(number) else f"{number:.3g}"


def digits(number: float) -> str:
    """Three digits, trailing zeros kept, so that columns line up.

    >>> digits(55), digits(1.625), digits(0.119)
    ('55.0', '1.62', '0.119')
    """
    size = abs(number)
    return f"{number:.{3 if size < 0.9995 else 2 if size < 9.995 else 1 if size < 99.95 else 0}f}"


@record
class Column:
    """A column: `key` in rows and in JSON (with its unit: `time_s`), `title` for people.

    `priority` says which columns go first where space is short: the highest; 0 never goes.
    """

    key: str
    title: str
    right: bool = False
    show: Callable[[Any], str] = text
    priority: int = 0
    #: Whether the text may be broken over lines.
    wraps: bool = False
    #: Whether a terminal draws a bar beside the number: "spare" where there is room, "kept" so that columns go first.
    bar: Literal["", "spare", "kept"] = ""


class Footnote(str):
    """A note on some columns, by their `keys`: it is left out where none of them is shown."""

    keys: tuple[str, ...]

    def __new__(cls, text: str, *keys: str) -> Footnote:
        note = super().__new__(cls, text)
        note.keys = keys
        return note


@record
class Table:
    """Rows by column keys. `notes` are sentences below the table, part of every format but CSV.

    `total` is a last row for people, which the data formats leave out.
    """

    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Any]]
    title: str = ""
    notes: Sequence[str] = ()
    total: Mapping[str, Any] | None = None

    @property
    def lines(self) -> list[Mapping[str, Any]]:
        """The rows, and the total where there is one."""
        return [*self.rows, self.total] if self.total is not None else list(self.rows)

    def notes_on(self, columns: Sequence[Column]) -> list[str]:
        """The notes that stand below a table of these columns alone."""
        keys = {column.key for column in columns}
        return [note for note in self.notes if not isinstance(note, Footnote) or keys & {*note.keys}]

    def cells(self) -> list[list[str]]:
        """All lines as people read them."""
        return [[column.show(row.get(column.key)) for column in self.columns] for row in self.lines]

    def texts(self, column: Column) -> list[str]:
        """The cells of one column."""
        return [column.show(row.get(column.key)) for row in self.lines]
