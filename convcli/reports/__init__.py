"""Tables as data, and how they look: text, CSV, JSON, Markdown, terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convcli.records import lazily

if TYPE_CHECKING:
    from convcli.reports.tables import Column, Table
    from convcli.reports.terminal import write
    from convcli.reports.text import write_json

__all__ = ["Column", "Table", "write", "write_json"]
__getattr__ = lazily(
    __name__, {"reports.tables": "Column Table", "reports.terminal": "write", "reports.text": "write_json"}
)
