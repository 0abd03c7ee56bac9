"""The screen, where there is one: how wide it is, whether somebody watches, and rich's console for it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console


def console(stream: TextIO, width: int | None = None) -> Console:
    """A console of rich's that takes text as it is."""
    from rich.console import Console

    return Console(file=stream, width=width or terminal_width(), markup=False, highlight=False, emoji=False)


def terminal_width() -> int:
    """Columns of the terminal, 80 where there is none."""
    from shutil import get_terminal_size

    return get_terminal_size().columns


def interactive(stream: TextIO | None = None) -> bool:
    """Whether somebody watches `stream` (stderr by default)."""
    return (stream or sys.stderr).isatty()
