"""Wrong command lines -> right ones where a picture, a kernel or a figure stands in place of another thing, or none."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Sequence
from pathlib import PurePath

import click

from convcli.cli.problems import kernel_meant
from convcli.cli.words import FIGURES
from convcli.costs.subjects import TEXTBOOK
from convcli.errors import closest
from convcli.spec.fillings import filled
from convcli.spec.words import LAYERS, PICTURES, lookup

Step = tuple[str, list[str]]


def is_input(word: str) -> bool:
    """Whether a word is a picture, an array or a folder, as far as its name goes."""
    return word == "-" or PurePath(word).suffix != "" or os.path.isdir(word)


def _is_picture(word: str) -> bool:
    return PurePath(word).suffix[1:].lower() in PICTURES


def _plain(line: list[str]) -> list[str]:
    """The arguments of a line before its first option."""
    end = next((n for n, word in enumerate(line) if word.startswith("-")), len(line))
    return line[1:end]


def picture_for_kernel(line: list[str], place: int) -> Step | None:
    """A line of compare, show or draw with a picture where a kernel is taken."""
    if not _is_picture(line[place]) or line[place - 1].startswith("-"):
        return None
    if line[0] != "compare":
        return _sheet(line) if line[0] in ("show", "draw") else None
    pictures = [word for word in line[1:] if _is_picture(word)]
    if len(pictures) == len(line) - 1 in (2, 3):
        return "diff compares pictures", ["diff", *pictures]
    if "--image" in line:
        return None
    return "a picture to measure on is --image", [*line[:place], "--image", *line[place:]]


def extra(line: list[str]) -> Step | None:
    """A line of show or draw with more than one kernel, or with a picture beside it."""
    plain = _plain(line)
    if line[0] == "man":
        return "help is of one command", ["man"] if plain == ["convcli"] else ["help", *plain]
    if line[0] == "diff":
        rest = line[1 + len(plain) :]
        if len(plain) == 3 and re.fullmatch(r"[\d.]+%?", plain[2]):
            return "that is --tolerance", ["diff", *plain[:2], "--tolerance", plain[2], *rest]
        return ("-o draws the differences", ["diff", *plain[:2], "-o", plain[2], *rest]) if len(plain) == 3 else None
    if any(map(_is_picture, plain)):
        return _sheet(line)
    if line[0] == "show" and len(plain) == 2 and re.fullmatch(r"[\d.]+", plain[1]):
        return "numbers follow a colon", ["show", ":".join(plain), *line[3:]]
    kernels = [kernel_meant(word) for word in line[1:]]
    if line[0] == "show" and None not in kernels:
        return "several are compared", ["compare", *map(str, kernels)]
    return None


def with_kernels(line: list[str]) -> Step | None:
    """A line of draw whose kernels are words beside the picture."""
    figure, *others = _plain(line)
    picture = next(filter(_is_picture, others), "")
    others = [word for word in others if word != picture]
    kernels = [kernel_meant(word) for word in others] or ["sharpen"]
    if not picture or None in kernels:
        return None
    chain = [argument for kernel in kernels for argument in ("-k", str(kernel))]
    return "each kernel has its -k", ["draw", figure, picture, *chain, *line[1 + len(_plain(line)) :]]


def _sheet(line: list[str]) -> Step | None:
    """The line that draws what the kernels of another make of its picture."""
    words = _plain(line)
    pictures = [word for word in words if _is_picture(word)]
    if words[:1] in (["taps"], ["offsets"]) and words[1:2] == pictures[:1] and len(words) == 3:
        return "the kernel comes first", [line[0], words[0], *words[:0:-1], *line[4:]]
    kernels = [kernel for word in words if not _is_picture(word) and (kernel := kernel_meant(word))] or ["sharpen"]
    if len(pictures) != 1:
        return None
    chain = [argument for kernel in kernels for argument in ("-k", kernel)]
    rest = line[1 + len(words) :]
    output = [] if {"-o", "--output"} & {*rest} else ["-o", f"{PurePath(pictures[0]).stem}-sheet.png"]
    return "what kernels make of a picture is a sheet", ["draw", "sheet", pictures[0], *chain, *rest, *output]


def figure(line: list[str], group: click.Group) -> Step | None:
    """A line of draw with another word for a figure."""
    if line[0] != "draw":
        return None
    word, rest = line[1], line[2:]
    row = lookup(word, FIGURES)
    near = closest(word, _figures(group))
    if row is None and (not near or kernel_meant(word)):
        return None
    answer = row.answer.split() if row else ["draw", near]
    if "--draw" in answer and "-o" in rest[:-1]:  # the file is that of the drawing
        place = rest.index("-o")
        answer, rest = [*answer[:-1], rest[place + 1]], [*rest[:place], *rest[place + 2 :]]
    if rest[:1] and answer[0] == "draw" and len(answer) > 2 and not rest[0].startswith("-"):
        answer = answer[:2] if kernel_meant(rest[0]) else answer
    return row.note if row else f"did you mean {near}?", [*answer, *rest]


def layer(line: list[str], place: int) -> Step | None:
    """A line of compare with a layer as torch writes it, `Conv2d(3, 64, 3)`, or another word or size of one."""
    before, after, source = line[:place], line[place + 1 :], line[place]
    if source.lower() in ("vs", "versus", "and", "with"):
        return "kernels stand side by side", [*before, *after]
    if size := re.fullmatch(r"(\d)x\1", source):
        return "that is --kernel-size", [*before, "--kernel-size", size[1], *after]
    if sides := filled("{hxw}", "", [source]):
        return "that is --size HxW", [*before, "--size", sides, *after]
    call = re.fullmatch(
        r"([\w.]+)\((?:in_channels=)?(\d+),\s*(?:out_channels=)?(\d+),\s*(?:kernel_size=)?(\d+).*\)", source
    )
    row = lookup(call[1].removeprefix("nn."), LAYERS) if call else None
    if call and row:
        channels = ["--in-channels", call[2], "--out-channels", call[3], "--kernel-size", call[4]]
        return f"that is {row.answer}", [*before, row.answer, *channels, *after]
    near = closest(re.split("[:(]", source)[0], TEXTBOOK)
    return (f"that is {near}", [*before, near, *after]) if near else None


def to_file(line: list[str], group: click.Group) -> Step:
    """A line of draw with a file to draw into."""
    return "-o says where to", [*line, "-o", f"{line[1] if line[1] in _figures(group) else 'kernel'}.svg"]


def _figures(group: click.Group) -> list[str]:
    ctx = click.Context(group)
    command = group.get_command(ctx, "draw")
    return command.list_commands(ctx) if isinstance(command, click.Group) else []


def names_output(inputs: Sequence[str]) -> bool:
    """Whether the last input is an output, as in `cp`: no file yet, but one by its name."""
    return len(inputs) > 1 and is_input(inputs[-1]) and not os.path.lexists(inputs[-1])


def with_output(line: list[str], inputs: Sequence[str]) -> list[str]:
    """A line with an output: the last input where that is no file, as in `cp`."""
    if names_output(inputs):
        place = len(line) - 1 - line[::-1].index(inputs[-1])
        return [*line[:place], *line[place + 1 :], "-o", inputs[-1]]
    if len(inputs) == 1 and os.path.isfile(inputs[0]):
        path = PurePath(inputs[0])
        if _into_file():  # apply a.png -k sharpen > b.png
            return [*line, "-o", "-"]
        return [*line, "-o", str(path.with_stem(f"{path.stem}-filtered"))]
    return [*line, "-o", "-" if list(inputs) == ["-"] else "out/"]


def _into_file() -> bool:
    """Whether stdout goes to a file."""
    try:
        return stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode)
    except OSError:  # no file at all, as in tests
        return False


def with_kernel(line: list[str], kernel: str) -> list[str]:
    """A line with one more kernel, before its output."""
    place = next((n for n, argument in enumerate(line) if re.match("-o|--output", argument)), len(line))
    return [*line[:place], "-k", kernel, *line[place:]]
