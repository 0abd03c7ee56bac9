"""Weights as a grid of numbers or shades."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from convcli.reports.screen import PLAIN, TITLE, console, styled, terminal_width

#: Characters of the lines of shades that are drawn where there is no screen.
PIPED_WIDEST = 1000


def write_grid(values: Sequence[Sequence[float]], stream: TextIO, *, indent: str = "  ") -> None:
    """Weights as a grid of numbers, the greatest bold on a terminal; large ones as shades without numbers."""
    width = terminal_width() if styled(stream) else 120
    greatest = max((abs(value) for row in values for value in row), default=0.0)
    cells = [[_number(value) for value in row] for row in values]
    column = max(len(cell) for row in cells for cell in row)
    if len(indent) + (column + 1) * len(values[0]) <= width and len(values) <= 32:
        lines = [[f" {cell.rjust(column)}" for cell in row] for row in cells]
    else:
        lines = [[_shade(value, greatest) for value in row] for row in values]
        if len(indent) + 2 * len(values[0]) > (width if styled(stream) else PIPED_WIDEST):
            where = " for this screen" if styled(stream) else ""
            stream.write(f"{indent}{len(values)} x {len(values[0])} weights: too wide{where}\n")
            return
    if not styled(stream):
        stream.writelines(f"{indent}{''.join(row).rstrip()}\n" for row in lines)
        return
    from rich.text import Text

    screen = console(stream)
    for row, numbers in zip(lines, values, strict=True):
        text = Text(indent)
        for cell, value in zip(row, numbers, strict=True):
            text.append(cell, style=TITLE if greatest and abs(value) == greatest else PLAIN)
        screen.print(text, no_wrap=True)


def _number(value: float) -> str:
    return "0" if value == 0 else f"{value:.4g}" if abs(value) >= 1e-3 else f"{value:.1e}"


def _shade(value: float, greatest: float) -> str:
    """Two characters: + or - for the sign, denser for larger weights."""
    share = abs(value) / greatest if greatest else 0
    ramp = " .:-=+*#%@" if value >= 0 else " ,;_~xoOX8"
    return ramp[min(int(share * 9.999), 9)] * 2
