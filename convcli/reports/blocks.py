"""Pictures and weights as characters of a terminal: half blocks in two colours, numbers on coloured cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from convcli.reports.screen import console

#: The colours of positive and negative cells, and of those that are 0.
_POSITIVE, _NEGATIVE, _ZERO = (213, 94, 0), (0, 104, 168), (24, 28, 34)


#: Characters over blocks by line and column, each with the colour of its ink.
Letters = Mapping[tuple[int, int], tuple[str, Sequence[int]]]


def write_blocks(rows: Sequence[Sequence[Sequence[int]]], stream: TextIO, letters: Letters | None = None) -> None:
    """Pixels, (2 * lines, columns, 3), two in each character: the upper one is the ink, the lower one the paper.

    Where there are `letters` they stand over the mean of both.
    """
    from rich.text import Text

    screen = console(stream, len(rows[0]))
    for row, (upper, lower) in enumerate(zip(rows[::2], rows[1::2], strict=True)):
        line = Text()
        for column, (above, below) in enumerate(zip(upper, lower, strict=True)):
            letter = letters.get((row, column)) if letters else None
            if letter:
                ground = [(a + b) // 2 for a, b in zip(above, below, strict=True)]
                line.append(letter[0], f"{_colour(letter[1])} on {_colour(ground)}")
            else:
                line.append("▀", f"{_colour(above)} on {_colour(below)}")
        screen.print(line, no_wrap=True, soft_wrap=True)


def write_cells(texts: Sequence[Sequence[str]], shares: Sequence[Sequence[float]], stream: TextIO) -> None:
    """Numbers on cells whose colour goes by their `shares`, from -1 to 1."""
    from rich.text import Text

    width = max(len(text) for row in texts for text in row) + 2
    screen = console(stream)
    for row, parts in zip(texts, shares, strict=True):
        line = Text("  ")
        for text, share in zip(row, parts, strict=True):
            hue, most = _POSITIVE if share > 0 else _NEGATIVE, abs(share) ** 0.8
            ground = [round(a * most + b * (1 - most)) for a, b in zip(hue, _ZERO, strict=True)]
            # White is read on all of them but the strongest orange.
            line.append(text.center(width), f"{'#000000' if share > 0.8 else '#ffffff'} on {_colour(ground)}")
        screen.print(line, no_wrap=True, soft_wrap=True)


def _colour(rgb: Any) -> str:
    return "#{:02x}{:02x}{:02x}".format(*rgb)
