"""Wrong command lines -> right ones, by the words that other programs have for things (`words`).

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

from convcli.cli import misnamed, words
from convcli.cli.layout import RepeatedError
from convcli.cli.misplaced import (
    extra,
    figure,
    is_input,
    layer,
    names_output,
    picture_for_kernel,
    to_file,
    with_kernel,
    with_kernels,
    with_output,
)
from convcli.cli.problems import NowhereError, StrayError, kernel_meant, kernel_places, problem_of, stray
from convcli.costs.subjects import layer_names
from convcli.errors import ConvcliError, UsageError, closest
from convcli.spec.fillings import field
from convcli.spec.words import KERNELS, RICHER, lookup

#: Mistakes of one line that are put right.
_MOST = 16


def repaired(arguments: Sequence[str], error: Exception, group: click.Group) -> tuple[str, list[str] | None]:
    """Why the `error` came of these arguments, and arguments that are right, if both can be said."""
    reason, line = "", list(arguments)
    problem: Exception | None = error
    if isinstance(error, ConvcliError):
        problem = problem_of(line, group) or error
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
    if isinstance(problem, ConvcliError) and (problem.hint or isinstance(problem, UsageError)):
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
        return _stray(line, error)
    if isinstance(error, RepeatedError):
        return misnamed.repeated(line, error)
    if isinstance(error, click.NoSuchOption):
        return misnamed.option(line, error, group)
    if isinstance(error, click.MissingParameter):
        return _missing(line, error)
    if isinstance(error, click.BadParameter):
        return misnamed.value(line, error)
    if isinstance(error, NowhereError):
        return to_file(line, group)
    if isinstance(error, ConvcliError):
        return misnamed.override(line) or _kernel_step(line, group)
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
        return row.note, [*row.answer.split(), *([] if "[" in row.answer else rest)]
    near = closest(word, group.list_commands(click.Context(group)))
    if near:
        return f"did you mean {near}?", [near, *rest]
    kernel = kernel_meant(word)
    if kernel is None:
        return None
    if (
        len(rest) > 2 and re.fullmatch(r"[\d.]+", rest[-1]) and not rest[-2].startswith("-")
    ):  # vips gaussblur in.jpg out.jpg 2
        *rest, number = rest
        kernel += f":sigma={number}" if kernel == "gaussian" else ""
    return f"{word} is a kernel, for apply -k", with_kernel(["apply", *rest], kernel)


def _missing(line: list[str], error: click.MissingParameter) -> tuple[str, list[str]] | None:
    """A line without an output, or without a kernel."""
    option = error.param.name if error.param else ""
    if line[0] == "diff" and len(line) == 2:
        path = PurePath(line[1])
        other = str(path.with_stem(f"{path.stem}-filtered"))
        return ("two are compared", [*line, other]) if os.path.isfile(other) else ("two are compared", line)
    if option == "output" and line[0] == "import":
        return "-o says where to", [*line, "-o", f"{PurePath(line[1]).stem}.yaml"]
    if option == "kernels" and line[0] == "draw":
        return with_kernels(line)
    if option == "kernel" and line in (["draw", "kernel"], ["draw", "steps"]):
        return "sharpen is one", [*line, "sharpen"]
    if option not in ("kernels", "output") or line[0] != "apply":
        return None
    inputs = _parsed(line, error).get("inputs") or ()
    try:
        stray(inputs[:-1] if names_output(inputs) else inputs, error.ctx)
    except StrayError as odd:
        return _stray(line, odd)
    if option == "kernels":
        place = next((line.index(name) for name in inputs if PurePath(name).suffix in (".yaml", ".yml")), 0)
        if place:
            return f"{line[place]} is a kernel's file", [*line[:place], "-k", *line[place:]]
        return "-k says which kernel", with_kernel(line, "sharpen")
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


def _kernel_step(line: list[str], group: click.Group) -> tuple[str, list[str]] | None:
    """A line with a kernel's name or field put right."""
    from convcli.spec import read
    from convcli.spec.library import split

    for place in kernel_places(line, group):
        source = line[place]
        if line[0] == "compare" and layer_names(source):
            continue
        try:
            read(source)
        except ConvcliError:
            if (step := picture_for_kernel(line, place)) or (place == 1 and (step := figure(line, group))):
                return step
            if line[0] == "compare" and (step := layer(line, place)):
                return step
            several = [kernel_meant(part) for part in re.split(r"\s*[,+|]\s*", source)]
            behind = line[place - 1] in ("-k", "--kernel")
            if len(several) > 1 and None not in several and (behind or line[0] == "compare"):
                chain = [part for kernel in several for part in ("-k", str(kernel))][1:]
                chain = chain if behind else chain[::2]
                return "each kernel stands alone", [*line[:place], *chain, *line[place + 1 :]]
            right = kernel_meant(source)
            if right == source:
                name, fields = split(source)
                if not fields:
                    return None
                name = RICHER.get(name, name) if lookup(name, KERNELS) is None else name
                right = f"{name}:{','.join(_sized(name, field(part)) for part in fields.split(','))}"
            if right:
                return f"that is {right}", [*line[:place], right, *line[place + 1 :]]
    return None


def _sized(name: str, part: str) -> str:
    """A kernel's field, a radius as the size that a kernel takes in its place."""
    from convcli.spec.takes import summary

    radius = re.fullmatch(r"radius=(\d+)", part)
    return f"size={2 * int(radius[1]) + 1}" if radius and summary(name).startswith("size=") else part


def _stray(line: list[str], error: StrayError) -> tuple[str, list[str]] | None:
    name, place = error.name, line.index(error.name, 1)
    if error.near:
        return f"did you mean {error.near}?", [*line[:place], error.near, *line[place + 1 :]]
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
