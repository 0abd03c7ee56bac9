"""The screen, where there is one: how wide it is, whether somebody watches, and rich's console for it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

#: How parts of reports look. What is read has the terminal's own colour, since none reaches a contrast of 4.5 on dark
#: and on light paper alike; bars, which numbers stand beside, have one that reaches 3 (WCAG 2.2, 1.4.3 and 1.4.11).
TITLE = "bold"
NAME = "bold"
PLAIN = ""
BAR = "color(28)"


def console(stream: TextIO, width: int | None = None) -> Console:
    """A console of rich's that takes text as it is."""
    from rich.console import Console

    return Console(file=stream, width=width or terminal_width(), markup=False, highlight=False, emoji=False)


def styled(stream: TextIO) -> bool:
    """Whether a stream gets tables as a terminal does: it is one, or FORCE_COLOR says so (force-color.org)."""
    return stream.isatty() or bool(os.environ.get("FORCE_COLOR"))


def terminal_width() -> int:
    """Columns of the terminal, 80 where there is none."""
    from shutil import get_terminal_size

    return get_terminal_size().columns


def interactive(stream: TextIO | None = None) -> bool:
    """Whether somebody watches `stream` (stderr by default)."""
    return (stream or sys.stderr).isatty()
