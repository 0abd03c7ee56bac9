"""Matrices as other programs write them -> fields of a kernel: ImageMagick, Octave, numpy, ffmpeg; vips' files, CSV.

Weights are used as they are written (cross-correlation), as by ImageMagick's `-morphology Correlate`, vips and ffmpeg.
ImageMagick's `-morphology Convolve` flips them: that is `flip=true` here.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from convcli.errors import KernelError

_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
_HOLES = ("nan", "-")
#: ImageMagick's: `3x3: ...`, `3: ...`, `3x3+0+2: ...` with the origin, and flags that make several kernels of one.
_GEOMETRY = re.compile(
    r"\s*(?P<w>\d{1,4})(?:x(?P<h>\d{1,4}))?(?P<origin>\+\d+\+\d+)?(?P<turns>[@<>^]*)\s*:(?P<rest>.*)", re.DOTALL
)
#: Numbers with something between them, so that a text is one in one way only.
_BARE = re.compile(rf"[\s,;:]*{_NUMBER}(?:[\s,;:]+{_NUMBER})*[\s,;:]*")
#: Rows in brackets without commas, as Octave and numpy print them.
_BRACKETS = re.compile(rf"[\[\]\s]*{_NUMBER}(?:[\s;,\[\]]+{_NUMBER})*[\s\]]*")
_SPACED = re.compile(r"[\d.](?:\s+[-+.\d]|\s*;)")
_COMMENT = re.compile(r"[#%].*")

Rows = list[list[float]]
Fields = dict[str, Any]


def fields(text: str) -> Fields | None:
    """The fields of the kernel that `text` writes as a matrix; None where it is none. Raises `KernelError`.

    >>> fields("0 -1 0; -1 5 -1; 0 -1 0")
    {'weights': [[0.0, -1.0, 0.0], [-1.0, 5.0, -1.0], [0.0, -1.0, 0.0]]}
    """
    if match := _GEOMETRY.fullmatch(text):
        return _with_geometry(match)
    if _BARE.fullmatch(text) and len(re.findall(_NUMBER, text)) > 1:
        if ":" in text:
            return _by_planes(text)
        rows = _rows(text)
        return {"weights": rows if len(rows) > 1 else rows[0]}
    if _BRACKETS.fullmatch(text) and _SPACED.search(text):
        lines = re.findall(r"\[([^\[\]]+)\]", text)
        return {"weights": _rows(";".join(lines))} if text.count("[") <= len(lines) + 1 else None
    return None


def _rows(text: str) -> Rows:
    """Numbers between spaces and commas, in rows between semicolons and line breaks."""
    return [list(map(float, re.findall(_NUMBER, row))) for row in re.split(r"[;\n]", text) if row.strip(" ,\t\r")]


def _with_geometry(match: re.Match[str]) -> Fields:
    width, height = int(match["w"]), int(match["h"] or match["w"])
    size = f"{width}x{height}"
    if match["turns"]:
        hint = f"'{size}:...:rotate=90' is one of them; type: combined takes several"
        raise KernelError(f"'{match['turns']}' makes several kernels of one", place="inline kernel", hint=hint)
    words = match["rest"].replace(",", " ").split()
    if wrong := [word for word in words if word not in _HOLES and not re.fullmatch(_NUMBER, word)]:
        fact = f"'{wrong[0][:20]}' is no number, nor a hole (nan or -)"
        raise KernelError(fact, place="inline kernel", hint="'3x3: 0,-1,0 -1,5,-1 0,-1,0'")
    if len(words) != width * height:
        raise KernelError(
            f"a kernel of {size} takes {width * height} numbers, not {len(words)}", place="inline kernel",
            hint="width x height: numbers, row by row; nan or - for a hole",
        )  # fmt: skip
    numbers = [0.0 if word in _HOLES else float(word) for word in words]
    values: Fields = {"weights": [numbers[row * width : (row + 1) * width] for row in range(height)]}
    if match["origin"]:
        x, y = map(int, match["origin"][1:].split("+"))
        if x >= width or y >= height:
            raise KernelError(f"the origin +{x}+{y} lies outside of {size}", place="inline kernel")
        values["padding"] = [[y, height - 1 - y], [x, width - 1 - x]]
    return values


def _by_planes(text: str) -> Fields:
    """ffmpeg's: a matrix per plane, divided by its sum unless that is 0."""
    planes = [list(map(float, re.findall(_NUMBER, plane))) for plane in text.split(":") if plane.strip()]
    if any(len(plane) not in (9, 25, 49) for plane in planes):
        counts = ", ".join(str(len(plane)) for plane in planes)
        fact = f"between colons stand {counts} numbers; ffmpeg's matrices have 9, 25 or 49"
        raise KernelError(fact, place="inline kernel", hint="'1 2 1 2 4 2 1 2 1:divisor=16' divides by a number")
    if any(plane != planes[0] for plane in planes):
        fact = "a matrix per plane, and they differ; here one kernel runs on every channel"
        raise KernelError(fact, place="inline kernel", hint="--channels r, g or b filters one alone")
    return {"weights": planes[0], **({"divisor": "sum"} if math.fsum(planes[0]) else {})}


def of_file(text: str, path: Path) -> Fields:
    """The fields of the kernel in a file of numbers: vips' `.mat`, or rows of text. Raises `KernelError`.

    A `.mat` begins with a line of width, height and, if need be, a divisor and an offset, which is added.
    """
    if text.startswith("MATLAB"):
        raise KernelError(
            "a file of MATLAB's, not read", place=str(path), hint="writematrix(w, 'w.csv') makes one that is"
        )
    rows: Rows = []
    for number, line in enumerate(text.splitlines(), 1):
        line = _COMMENT.sub("", line)
        words = re.split(r"[\s,;]+", line.strip(" \t,;"))
        if wrong := [word for word in words if word and not re.fullmatch(_NUMBER, word)]:
            fact = (
                f"'{wrong[0][:20]}' is no number"
                if len(wrong) < len(words) or rows
                else "a row of words, not of numbers"
            )
            raise KernelError(fact, place=f"{path}:{number}")
        if "," in line and ";" in line:
            fact = "commas and semicolons in one row: decimals, or rows of their own?"
            raise KernelError(fact, place=f"{path}:{number}", hint="a point for decimals, a line for each row")
        if words[0]:
            rows.append([float(word) for word in words])
    if not rows:
        raise KernelError("holds no numbers", place=str(path))
    if path.suffix == ".mat":
        return _of_vips(rows, path)
    for number, row in enumerate(rows, 1):
        if len(row) != len(rows[0]):
            raise KernelError(f"row {number} is {len(row)} long, row 1 is {len(rows[0])}", place=str(path))
    return {"weights": rows if len(rows) > 1 else rows[0], **({"axes": "x"} if len(rows) == 1 else {})}


def _of_vips(rows: Rows, path: Path) -> Fields:
    head, numbers = rows[0], [number for row in rows[1:] for number in row]
    sides = [int(side) for side in head[:2] if side.is_integer() and side > 0]
    if len(sides) != 2 or len(head) > 4 or len(numbers) != math.prod(sides):
        said = " ".join(f"{number:g}" for number in head)
        fact = f"its first line is '{said}', {len(numbers)} numbers follow"
        raise KernelError(fact, place=f"{path}:1", hint="width, height, divisor, offset; then width x height numbers")
    width, height = sides
    divisor, offset = [*head[2:], 1.0, 0.0][:2] if len(head) < 4 else head[2:]
    values: Fields = {
        "weights": [numbers[row * width : (row + 1) * width] for row in range(height)],
        "divisor": divisor,
    }
    return values | ({"bias": offset} if offset else {})
