"""Pictures in a terminal: by kitty's and iTerm2's protocols, as sixels, or as half blocks, which every terminal shows.

Sources: kitty, "Terminal graphics protocol"; iTerm2, "Images"; DEC, VT330/VT340 Programmer Reference Manual, volume 2.
"""

from __future__ import annotations

import base64
import dataclasses
import os
import time
from collections.abc import Mapping, Sequence
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any, Final, TextIO
from zlib import crc32

import numpy as np

from convcli.drawing.images import sized
from convcli.drawing.palette import reduced
from convcli.drawing.parts import Look
from convcli.drawing.scene import Scene, Text
from convcli.drawing.theme import rgb
from convcli.errors import UsageError
from convcli.pictures.encoding import encode, encode_frames
from convcli.pictures.format import Animation
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


def moves(kind: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the terminal shows all frames of a file, of those that have a protocol."""
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    still = ("vscode", "mintty", "rio") if kind == "iterm" else ("ghostty",)
    return kind in ("kitty", "iterm") and program not in still and not any(name in term for name in still)


def _columns(pixels: Any) -> int:
    return min(terminal_width(), _WIDEST, max(20, int(pixels.shape[1]) // _CELL[0]))


def show(pixels: Any, stream: TextIO, asked: str = "auto") -> None:
    """Writes a picture, (height, width, 3), no wider than the terminal. Raises UsageError where NO_COLOR forbids it."""
    kind = protocol() if asked == "auto" else asked
    columns = _columns(pixels)
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
    last, kind = drawing.frame(drawing.frames), protocol() if asked == "auto" else asked
    if drawing.frames > 1 and moves(kind):
        _show_moving(drawing, stream, kind)
        return True
    if kind != "blocks" or os.environ.get("NO_COLOR"):
        show(last.pixels()[0], stream, asked)
        return drawing.frames == 1
    columns = min(terminal_width(), _WIDEST)
    lines = max(1, round(columns * last.scene.height / last.scene.width / 2))
    fits = lines < get_terminal_size().lines
    for number in range(1, drawing.frames if fits else 1):
        _write(drawing.frame(number), columns, lines, stream)
        time.sleep(drawing.scene.seconds)
        stream.write(f"\x1b[{lines}A")
    _write(last, columns, lines, stream)
    return fits or drawing.frames == 1


def _show_moving(drawing: Drawing, stream: TextIO, kind: str) -> None:
    """Writes all frames, the last one first: what shows no others shows the complete one."""
    frames, durations = drawing.pixels(), drawing.scene.durations
    frames, durations = [frames[-1], *frames[:-1]], [durations[-1], *durations[:-1]]
    if kind == "kitty":
        pngs = [encode(frame, format="png", place="the drawing") for frame in frames]
        stream.write(kitty_frames(pngs, durations, _columns(frames[0])))
    else:
        animation = Animation(frames=reduced(frames), durations=durations)
        stream.write(iterm(encode_frames(animation, format="gif", place="the drawing"), _columns(frames[0])))
    stream.flush()


def _write(still: Drawing, columns: int, lines: int, stream: TextIO) -> None:
    scene = still.scene
    shapes = tuple(item for item in scene.items if not isinstance(item, Text))
    bare = dataclasses.replace(still, scene=dataclasses.replace(scene, items=shapes), scale=1)
    rows = sized(bare.pixels()[0], columns, 2 * lines, smooth=True)
    write_blocks(rows.tolist(), stream, _letters(scene, columns, lines, dark=still.theme == "dark"))
    stream.flush()


def _letters(scene: Scene, columns: int, lines: int, *, dark: bool) -> dict[tuple[int, int], tuple[str, Any]]:
    """The characters of a scene's text by line and column, large text first; what would hide other goes on the line
    below, or is left out."""
    letters: dict[tuple[int, int], tuple[str, Any]] = {}
    texts = [item for item in scene.items if isinstance(item, Text)]
    for item in sorted(texts, key=lambda text: -text.size):
        text = item.text if len(item.text) <= columns else f"{item.text[: columns - 1]}…"
        line, long = int((item.y - item.size * 0.36) / scene.height * lines), len(text)
        start = item.x / scene.width * columns - {"start": 0, "middle": long / 2, "end": long}[item.anchor]
        first = min(max(0, round(start)), max(0, columns - long))
        across = range(first, min(first + long, columns))
        free = (
            down for down in (line, min(line + 1, lines - 1))
            if not any((down, column) in letters for column in (first - 1, *across, first + long))
        )  # fmt: skip
        if (down := next(free, None)) is not None:
            ink = rgb(item.role, dark=dark)
            letters |= {(down, column): (letter, ink) for column, letter in zip(across, text, strict=False)}
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
    return _pieces(png, f"a=T,f=100,c={columns},q=2,", "q=2,") + "\n"


def kitty_frames(pngs: Sequence[bytes], durations: Sequence[int], columns: int) -> str:
    """An animation: the first frame as a picture, the others added to it, each with its milliseconds, without end."""
    number = crc32(pngs[0]) or 1
    text = _pieces(pngs[0], f"a=T,i={number},f=100,c={columns},q=2,", "q=2,")
    for png, duration in zip(pngs[1:], durations[1:], strict=True):
        text += _pieces(png, f"a=f,i={number},f=100,z={duration},q=2,", "a=f,q=2,")
    return f"{text}\x1b_Ga=a,i={number},r=1,z={durations[0]},q=2\x1b\\\x1b_Ga=a,i={number},s=3,v=1,q=2\x1b\\\n"


def _pieces(data: bytes, first: str, others: str) -> str:
    """Data in commands as long as kitty takes them, with the keys of the first one and of those that go on."""
    text = base64.b64encode(data).decode()
    pieces = [text[at : at + _PIECE] for at in range(0, len(text), _PIECE)]
    last = len(pieces) - 1
    return "".join(f"\x1b_G{others if k else first}m={int(k < last)};{piece}\x1b\\" for k, piece in enumerate(pieces))


def iterm(file: bytes, columns: int) -> str:
    data = base64.b64encode(file).decode()
    return f"\x1b]1337;File=inline=1;size={len(file)};width={columns};preserveAspectRatio=1:{data}\x07\n"


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
