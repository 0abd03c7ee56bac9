"""Wrong command lines -> right ones, by the words that other programs have for things (`convcli.spec.words`).

A line is parsed as click does it, what is wrong first is put right, and that again until it holds: so what a hint says
is a command that works as it stands.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import click

from convcli.cli.misplaced import extra, figure, is_input, picture_for_kernel, with_output
from convcli.cli.problems import StrayError, kernel_meant, problem_of, stray
from convcli.errors import ConvcliError, closest
from convcli.spec import words
from convcli.spec.fillings import field, filled
from convcli.spec.words import lookup

#: Layers that `compare` has rows of.
LAYERS = ("standard", "spatially separable", "depthwise separable", "dilated", "transposed", "deformable", "pointwise")
#: Mistakes of one line that are put right.
_MOST = 16


def repaired(arguments: Sequence[str], error: Exception, group: click.Group) -> tuple[str, list[str] | None]:
    """Why the `error` came of these arguments, and arguments that are right, if both can be said."""
    reason, line = "", list(arguments)
    problem: Exception | None = error
    for _ in range(_MOST):
        if problem is None:
            return reason, line
        step = _step(line, problem, group)
        if step is None or step[1] == line:
            return reason or (step[0] if step else ""), _stuck(problem, error)
        reason, line = reason or step[0], step[1]
        problem = problem_of(line, group)
    return reason, None


def _stuck(problem: Exception, first: Exception) -> list[str] | None:
    """Where nothing puts right what is wrong, but something before it: the help of the command, or its own error."""
    if problem is first:
        return None
    if isinstance(problem, ConvcliError) and problem.hint:
        raise problem
    ctx = getattr(problem, "ctx", None)
    return [*ctx.command_path.split()[1:], "--help"] if ctx else None


def typed(line: Sequence[str]) -> str:
    """A command line as a shell takes it."""
    import shlex

    return shlex.join(["convcli", *line])


def _step(line: list[str], error: Exception, group: click.Group) -> tuple[str, list[str]] | None:
    """Why a line is wrong, and the line with that put right."""
    if isinstance(error, StrayError):
        return _stray(line, error.name)
    if isinstance(error, click.NoSuchOption):
        return _option(line, error)
    if isinstance(error, click.MissingParameter):
        return _missing(line, error)
    if isinstance(error, click.BadParameter):
        return _value(line, error)
    if isinstance(error, ConvcliError):
        return _kernel_step(line, group)
    if isinstance(error, click.BadOptionUsage):
        return _without_value(line, error)
    if line[:1] in (["show"], ["draw"], ["man"], ["diff"]) and "extra argument" in str(error):
        return extra(line)
    if line[:1] == ["help"] or not line or line[0] not in group.list_commands(click.Context(group)):
        return _command(line, group)
    return None


def _command(line: list[str], group: click.Group) -> tuple[str, list[str]] | None:
    """A line that begins with no command: with another word for one, a kernel, or a picture."""
    if line[:1] == ["help"]:
        known = group.list_commands(click.Context(group))
        row = lookup(line[-1], words.COMMANDS)
        near = (row.answer if row and row.answer in known else "") or closest(line[-1], known)
        if near:
            return f"did you mean {near}?", ["help", near]
        kernel = kernel_meant(line[-1])
        return ("show tells of kernels", ["show", kernel]) if kernel else None
    word, rest = (line[0], line[1:]) if line else ("", [])
    if is_input(word):
        return "pictures are filtered by apply", ["apply", *line]
    row = lookup(word, words.COMMANDS)
    if row and row.answer == "apply" and rest and lookup(rest[0], words.COMMANDS + words.OWN_COMMANDS):
        return f"that is {rest[0]}", rest  # magick compare
    if row:
        return row.note, [*row.answer.split(), *rest]
    near = closest(word, group.list_commands(click.Context(group)))
    if near:
        return f"did you mean {near}?", [near, *rest]
    kernel = kernel_meant(word)
    if kernel is None:
        return None
    if len(rest) > 2 and re.fullmatch(r"[\d.]+", rest[-1]):  # vips gaussblur in.jpg out.jpg 2
        *rest, number = rest
        kernel += f":sigma={number}" if kernel == "gaussian" else ""
    return f"{word} is a kernel, for apply -k", _with_kernel(["apply", *rest], kernel)


def _with_kernel(line: list[str], kernel: str) -> list[str]:
    """A line with one more kernel, before its output."""
    place = next((n for n, argument in enumerate(line) if re.match("-o|--output", argument)), len(line))
    return [*line[:place], "-k", kernel, *line[place:]]


def _option(line: list[str], error: click.NoSuchOption) -> tuple[str, list[str]] | None:
    """A line with an option that there is not."""
    name = error.option_name
    if not line or line[0].startswith("-"):
        row = lookup(name.lstrip("-"), words.COMMANDS)
        return (row.note, [row.answer]) if row else ("options follow a command", ["apply", *line])
    place = _place(line, name)
    if place is None:
        return None
    typed, equals, value = line[place].partition("=")
    own = {option for parameter in _parameters(error.ctx) for option in parameter.opts}
    word = typed.lstrip("-")
    if not typed.startswith("--") and f"--{word}" in own:
        right = f"--{line[place].lstrip('-')}"
        return f"long options have two dashes, --{word}", [*line[:place], right, *line[place + 1 :]]
    row = _option_row(word, [value] if equals else line[place + 1 :], own)
    longer = [option for option in own if option.startswith(f"{typed}-")]
    if len(longer) == 1 and (row is None or (value or "".join(line[place + 1 : place + 2])).isdigit()):
        return f"did you mean {longer[0]}?", [*line[:place], longer[0] + equals + value, *line[place + 1 :]]
    if row is None:
        near = closest(typed, own)
        return (f"did you mean {near}?", [*line[:place], near + equals + value, *line[place + 1 :]]) if near else None
    behind = [value] if equals else line[place + 1 :][: _count(row, line[place + 1 :])]
    answer = filled(row.answer, word, behind)
    if answer is None:
        return None
    rest = line[place + 1 + (0 if equals else len(behind)) :]
    return row.note, _put(line[:place], answer, rest)


def _option_row(word: str, behind: list[str], own: set[str]) -> words.Word | None:
    """The row of an option's word: of those with an option of the command's the first that has its values behind it."""
    rows = [row for row in words.OPTIONS if lookup(word, (row,))]
    rows.sort(key=lambda row: row.answer.startswith("-") and row.answer.split()[0] not in own)
    enough = (row for row in rows if not isinstance(row.values, int) or row.values <= len(behind))
    return next(enough, rows[0] if rows else None)


def _count(row: words.Word, rest: list[str]) -> int:
    """How many of the arguments behind a word belong to it."""
    if isinstance(row.values, int):
        return row.values
    return int(bool(rest) and re.fullmatch(r"[\d.]+(x[\d.]+)?([+,][\d.%]+)*%?", rest[0]) is not None)


def _put(before: list[str], answer: str, after: list[str]) -> list[str]:
    """A line with an answer at its place; a field goes to the last kernel, `*N` runs it N times."""
    if answer.startswith((":", "*")):
        line = [*before, *after]
        places = [n + 1 for n, argument in enumerate(line[:-1]) if argument in ("-k", "--kernel")]
        if answer.startswith("*"):
            times = int(answer[1:]) if places and answer[1:].isdigit() else 1
            return (
                line[: places[-1] + 1] + ["-k", line[places[-1]]] * (min(times, 100) - 1) + line[places[-1] + 1 :]
                if places
                else line
            )
        if not places:
            return _with_kernel(line, f"gaussian{answer}")
        kernel = line[places[-1]]
        line[places[-1]] = f"{kernel},{answer[1:]}" if "=" in kernel else kernel + answer
        return line
    option, _, value = answer.partition(" ")
    return [*before, *filter(None, (option, value)), *after]


def _place(line: list[str], name: str) -> int | None:
    """Where an option is; click tells but the first letter of some."""
    for place, argument in enumerate(line):
        if argument == name or argument.startswith(f"{name}="):
            return place
    letters = name.lstrip("-")
    places = (n for n, text in enumerate(line) if re.match(r"-[A-Za-z]", text) and letters in text)
    return next(places, None) if len(letters) == 1 else None


def _parameters(ctx: click.Context | None) -> list[click.Parameter]:
    return ctx.command.get_params(ctx) if ctx else []


def _missing(line: list[str], error: click.MissingParameter) -> tuple[str, list[str]] | None:
    """A line without an output, or without a kernel."""
    option = error.param.name if error.param else ""
    if line[0] == "diff" and len(line) == 2:
        path = PurePath(line[1])
        other = str(path.with_stem(f"{path.stem}-filtered"))
        return ("two are compared", [*line, other]) if os.path.isfile(other) else ("two are compared", line)
    if option not in ("kernels", "output") or line[0] != "apply":
        return None
    inputs = _parsed(line, error).get("inputs") or ()
    try:
        stray(inputs, error.ctx)
    except StrayError as odd:
        return _stray(line, odd.name)
    if option == "kernels":
        return "-k says which kernel", _with_kernel(line, "sharpen")
    return "-o says where to", with_output(line, inputs)


def _without_value(line: list[str], error: click.BadOptionUsage) -> tuple[str, list[str]] | None:
    """A line that ends with an option which wants a value."""
    return ("it wants a value", line[:-1]) if line[-1] == error.option_name else None


def _parsed(line: list[str], error: click.UsageError) -> dict[str, Any]:
    """The values of a line, as far as it goes."""
    if error.ctx is None or error.ctx.parent is None:
        return {}
    ctx = error.ctx.command.make_context(line[0], line[1:], parent=error.ctx.parent, resilient_parsing=True)
    return ctx.params


def _value(line: list[str], error: click.BadParameter) -> tuple[str, list[str]] | None:
    """A line with a value that its option does not take."""
    if error.param is None:
        return None
    choices = [str(one) for one in error.param.type.choices] if isinstance(error.param.type, click.Choice) else []
    for place, argument in enumerate(line):
        option, equals, value = argument.partition("=")
        if choices and isinstance(error.param, click.Argument) and argument not in choices and place:
            near = closest(argument, choices)
            return (f"did you mean {near}?", [*line[:place], near, *line[place + 1 :]]) if near else None
        if option in error.param.opts:
            rest = line[place + 1 if equals else place + 2 :]
            value = value if equals else "".join(line[place + 1 : place + 2])
            if choices:
                near = closest(words.VALUES.get(value, value), choices)
                return (f"did you mean {near}?", [*line[:place], option, near, *rest]) if near else None
            if error.param.default is None or not error.param.required:
                return f"without {option} it is chosen", [*line[:place], *rest]
    return None


def _kernel_step(line: list[str], group: click.Group) -> tuple[str, list[str]] | None:
    """A line with a kernel's name or field put right."""
    from convcli.spec import read
    from convcli.spec.library import split

    for place, source in enumerate(line):
        if line[place - 1] not in ("-k", "--kernel") and (line[0] == "apply" or source.startswith("-") or not place):
            continue
        try:
            read(source)
        except ConvcliError:
            if (step := picture_for_kernel(line, place)) or (place == 1 and (step := figure(line, group))):
                return step
            if line[0] == "compare" and (layer := closest(source, LAYERS)):
                return f"that is {layer}", [*line[:place], layer, *line[place + 1 :]]
            if number := re.fullmatch(r"(\d)x\1", source) if line[0] == "compare" else None:
                return "that is --kernel-size", [*line[:place], "--kernel-size", number[1], *line[place + 1 :]]
            several = [kernel_meant(part) for part in re.split(r"\s*[,+|]\s*", source)]
            if len(several) > 1 and None not in several and line[0] in ("apply", "compare"):
                chain = [part for kernel in several for part in ("-k", str(kernel))][1:]
                chain = chain if line[0] == "apply" else chain[::2]
                return "each kernel stands alone", [*line[:place], *chain, *line[place + 1 :]]
            right = kernel_meant(source)
            if right == source:
                name, fields = split(source)
                if not fields:
                    return None
                name = words.RICHER.get(name, name) if lookup(name, words.KERNELS) is None else name
                right = f"{name}:{','.join(field(part) for part in fields.split(','))}"
            if right:
                return f"that is {right}", [*line[:place], right, *line[place + 1 :]]
    return None


def _stray(line: list[str], name: str) -> tuple[str, list[str]] | None:
    place = line.index(name, 1)
    if name.isdigit():
        if line[place - 1] == "-q":
            return "-q is quiet", [*line[: place - 1], "--quality", *line[place:]]
        if line[place - 2] in ("-k", "--kernel"):
            return "numbers follow a colon", [*line[: place - 1], f"{line[place - 1]}:{name}", *line[place + 1 :]]
        return None
    kernel = kernel_meant(name)
    return (
        (f"{kernel} is a kernel, each has its -k", [*line[:place], "-k", kernel, *line[place + 1 :]])
        if kernel
        else None
    )
