"""Pictures in a terminal: by kitty's and iTerm2's protocols, as sixels, or as half blocks, which every terminal shows.

Sources: kitty, "Terminal graphics protocol"; iTerm2, "Images"; DEC, VT330/VT340 Programmer Reference Manual, volume 2.
"""

from __future__ import annotations

import base64
import dataclasses
import os
import time
from collections.abc import Mapping
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any, Final, TextIO

import numpy as np

from convcli.drawing.images import sized
from convcli.drawing.palette import reduced
from convcli.drawing.parts import Look
from convcli.drawing.scene import Scene, Text
from convcli.drawing.theme import rgb
from convcli.errors import UsageError
from convcli.pictures.encoding import encode
from convcli.reports.blocks import write_blocks, write_cells
from convcli.reports.screen import terminal_width

if TYPE_CHECKING:
    from convcli.drawing.drawing import Drawing
    from convcli.drawing.parts import Floats

#: Pixels of a character's cell that pictures are made for; columns that a picture takes at most.
_CELL: Final = (8, 16)
_WIDEST: Final = 120
_PIECE: Final = 4096
#: Characters of a line of cells.
_LONGEST_LINE: Final = 200


def protocol(environment: Mapping[str, str] = os.environ) -> str:
    """What the terminal is known to show, by its environment alone: a question could stay without an answer."""
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    if environment.get("TMUX") or term.startswith(("screen", "tmux")):  # any terminal may be behind it
        return "blocks"
    if environment.get("KITTY_WINDOW_ID") or "kitty" in term or "ghostty" in term or program == "ghostty":
        return "kitty"
    if program in ("iTerm.app", "WezTerm", "vscode", "mintty", "rio") or environment.get("LC_TERMINAL") == "iTerm2":
        return "iterm"
    if term.startswith(("foot", "mlterm", "yaft")) or "sixel" in term or environment.get("WT_SESSION"):
        return "sixel"
    return "blocks"


def show(pixels: Any, stream: TextIO, asked: str = "auto") -> None:
    """Writes a picture, (height, width, 3), no wider than the terminal. Raises UsageError where NO_COLOR forbids it."""
    kind = protocol() if asked == "auto" else asked
    columns = min(terminal_width(), _WIDEST, max(20, pixels.shape[1] // _CELL[0]))
    high = columns * pixels.shape[0] / pixels.shape[1]
    if kind == "blocks":
        if os.environ.get("NO_COLOR"):
            raise UsageError("NO_COLOR leaves nothing to show a picture by", hint="-o FILE, or --terminal sixel")
        rows = sized(pixels, columns, 2 * max(1, round(high / 2)), smooth=True)
        write_blocks(rows.tolist(), stream)
    elif kind == "sixel":
        width = min(pixels.shape[1], columns * _CELL[0])
        stream.write(sixel(sized(pixels, width, round(width * pixels.shape[0] / pixels.shape[1]), smooth=True)))
    else:
        png = encode(pixels, format="png", place="the drawing")
        stream.write(kitty(png, columns) if kind == "kitty" else iterm(png, columns))
    stream.flush()


def show_drawing(drawing: Drawing, stream: TextIO, asked: str = "auto") -> bool:
    """Writes a drawing; where blocks are all there is, its text is text of the terminal, and it moves where it fits.

    Returns whether all of its steps were seen, and not the last alone.
    """
    last = drawing.frame(drawing.frames)
    if (protocol() if asked == "auto" else asked) != "blocks" or os.environ.get("NO_COLOR"):
        show(last.pixels()[0], stream, asked)
        return drawing.frames == 1
    columns = min(terminal_width(), _WIDEST)
    lines = max(1, round(columns * last.scene.height / last.scene.width / 2))
    moves = lines < get_terminal_size().lines
    for number in range(1, drawing.frames if moves else 1):
        _write(drawing.frame(number), columns, lines, stream)
        time.sleep(drawing.scene.seconds)
        stream.write(f"\x1b[{lines}A")
    _write(last, columns, lines, stream)
    return moves or drawing.frames == 1


def _write(still: Drawing, columns: int, lines: int, stream: TextIO) -> None:
    scene = still.scene
    shapes = tuple(item for item in scene.items if not isinstance(item, Text))
    bare = dataclasses.replace(still, scene=dataclasses.replace(scene, items=shapes), scale=1)
    rows = sized(bare.pixels()[0], columns, 2 * lines, smooth=True)
    write_blocks(rows.tolist(), stream, _letters(scene, columns, lines, dark=still.theme == "dark"))
    stream.flush()


def _letters(scene: Scene, columns: int, lines: int, *, dark: bool) -> dict[tuple[int, int], tuple[str, Any]]:
    """The characters of a scene's text by line and column, large text first; what would hide other is left out."""
    letters: dict[tuple[int, int], tuple[str, Any]] = {}
    texts = [item for item in scene.items if isinstance(item, Text)]
    for item in sorted(texts, key=lambda text: -text.size):
        line, long = int((item.y - item.size * 0.36) / scene.height * lines), len(item.text)
        start = item.x / scene.width * columns - {"start": 0, "middle": long / 2, "end": long}[item.anchor]
        first = min(max(0, round(start)), max(0, columns - long))
        places = [(line, column) for column in range(first, min(first + long, columns))]
        if not any(place in letters for place in [*places, (line, first - 1), (line, first + long)]):
            ink = rgb(item.role, dark=dark)
            letters |= {place: (letter, ink) for place, letter in zip(places, item.text, strict=False)}
    return letters


def show_weights(weights: Floats, stream: TextIO) -> bool:
    """Writes a matrix as numbers on coloured cells; False where it is too wide for the terminal."""
    look = Look.of(weights, numbers=True)
    texts = [[look.text(value) for value in row] for row in weights]
    width = max(len(text) for row in texts for text in row) + 2
    if 2 + width * weights.shape[1] > min(terminal_width(), _LONGEST_LINE):
        return False
    write_cells(texts, (weights / (look.peak or 1)).tolist(), stream)
    if look.label != "weights":
        stream.write(f"  {look.label}\n")
    return True


def kitty(png: bytes, columns: int) -> str:
    data = base64.b64encode(png).decode()
    pieces = [data[at : at + _PIECE] for at in range(0, len(data), _PIECE)]
    heads = [f"a=T,f=100,c={columns},q=2,", *["q=2,"] * (len(pieces) - 1)]
    ends = [*[1] * (len(pieces) - 1), 0]
    parts = zip(heads, ends, pieces, strict=True)
    return "".join(f"\x1b_G{head}m={more};{piece}\x1b\\" for head, more, piece in parts) + "\n"


def iterm(png: bytes, columns: int) -> str:
    data = base64.b64encode(png).decode()
    return f"\x1b]1337;File=inline=1;size={len(png)};width={columns};preserveAspectRatio=1:{data}\x07\n"


def sixel(pixels: Any) -> str:
    """Bands of six rows, in each for every colour a bit per row; runs are counted."""
    few = reduced([np.ascontiguousarray(pixels)], 255)[0]
    colours, labels = np.unique(few.reshape(-1, 3), axis=0, return_inverse=True)
    (height, width), labels = few.shape[:2], labels.reshape(few.shape[:2])
    out = [f'\x1bP0;1q"1;1;{width};{height}']
    out += [
        f"#{k};2;" + ";".join(str(round(part / 2.55)) for part in colour) for k, colour in enumerate(colours.tolist())
    ]
    for top in range(0, height, 6):
        band = labels[top : top + 6]
        lines = []
        for colour in np.unique(band).tolist():
            bits = ((band == colour) << np.arange(len(band))[:, None]).sum(axis=0)
            ends = np.flatnonzero(np.diff(bits, append=-1))
            counts = np.diff(ends, prepend=-1)
            runs = ((chr(63 + bits[end]), int(count)) for end, count in zip(ends, counts, strict=True))
            lines.append(f"#{colour}" + "".join(f"!{n}{c}" if n > 3 else c * n for c, n in runs))
        out.append("$".join(lines) + "-")
    return "".join(out) + "\x1b\\\n"
