"""Tables as text: aligned, Markdown, CSV, JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Any, TextIO

from convcli.errors import one_line, printable
from convcli.reports.tables import Table


def write_json(value: Any, stream: TextIO, *, indent: int | None = 2) -> None:
    """`value` as JSON; NaN and infinities, which JSON lacks, become null."""
    stream.write(json.dumps(_jsonable(value), indent=indent, ensure_ascii=False) + "\n")


def plain(table: Table) -> str:
    """Aligned columns, as wide as they need to be: for pipes and files."""
    titles = [column.title for column in table.columns]
    cells = [[one_line(cell) for cell in row] for row in table.cells()]
    widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
    lines = [table.title] if table.title else []
    for row in (titles, *cells):
        aligned = [
            cell.rjust(width) if column.right else cell.ljust(width)
            for cell, width, column in zip(row, widths, table.columns, strict=True)
        ]
        lines.append("  ".join(aligned).rstrip())
    return "\n".join([*lines, *table.notes_on(table.columns)]) + "\n"


def markdown(table: Table) -> str:
    """A table of GitHub-flavoured Markdown."""
    titles = [column.title for column in table.columns]
    rule = ["--:" if column.right else ":--" for column in table.columns]
    body = [[printable(cell).replace("|", "\\|").replace("\n", " ") for cell in row] for row in table.cells()]
    lines = [f"**{table.title}**", ""] if table.title else []
    lines += ["| " + " | ".join(row) + " |" for row in (titles, rule, *body)]
    if notes := table.notes_on(table.columns):
        lines += ["", *[f"{note}  " for note in notes]]
    return "\n".join(lines) + "\n"


def csv_text(table: Table) -> str:
    """Comma-separated raw values under the columns' keys."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([column.key for column in table.columns])
    for row in table.rows:
        writer.writerow([_csv_value(row.get(column.key)) for column in table.columns])
    return buffer.getvalue()


def json_text(table: Table) -> str:
    """`{"rows": [...], "notes": [...]}` with raw values."""
    keys = [column.key for column in table.columns]
    rows = [{key: row.get(key) for key in keys} for row in table.rows]
    buffer = io.StringIO()
    write_json({"title": table.title, "rows": rows, "notes": list(table.notes)}, buffer)
    return buffer.getvalue()


def _csv_value(value: Any) -> Any:
    return "x".join(map(str, value)) if isinstance(value, tuple | list) else value


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _jsonable(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_jsonable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
