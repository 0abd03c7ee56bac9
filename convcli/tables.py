"""Tables as data: columns with units, rows of plain values; how they look is decided elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


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


@dataclass(frozen=True, kw_only=True)
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


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows by column keys. `notes` are sentences below the table, part of every format but CSV."""

    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Any]]
    title: str = ""
    notes: Sequence[str] = ()

    def cells(self) -> list[list[str]]:
        """All rows as people read them."""
        return [[column.show(row.get(column.key)) for column in self.columns] for row in self.rows]
