"""What is wrong with a command line: as click finds it, and with its kernels and inputs by name."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import PurePath

import click

from convcli.cli.layout import CHECKED
from convcli.errors import ConvcliError, closest
from convcli.spec import words
from convcli.spec.words import lookup


class StrayError(click.UsageError):
    """Inputs that are no files but belong elsewhere: kernels without -k, a number behind -q."""

    def __init__(self, name: str, ctx: click.Context | None) -> None:
        super().__init__(f"there is no file '{name}'", ctx)
        self.name = name


def problem_of(line: list[str], group: click.Group) -> Exception | None:
    """What is wrong with a command line; None where it can be run, as far as its words go."""
    try:
        command, ctx = group, group.make_context("convcli", list(line[:1]), resilient_parsing=True)
        ctx.meta[CHECKED] = True
        path, rest = "convcli", line
        while isinstance(command, click.Group):
            if rest and rest[0].startswith("-"):
                return None if rest[0] in ("-h", "--help", "-V", "--version") else click.NoSuchOption(rest[0], ctx=ctx)
            if not rest:
                return None
            name, member, rest = command.resolve_command(ctx, rest)
            path = name or ""
            command, ctx = member, ctx  # type: ignore[assignment]
            if isinstance(member, click.Group):
                ctx = click.Context(member, parent=ctx, info_name=path)
        if "--help" in rest:
            return None
        parsed = command.make_context(path, list(rest), parent=ctx)
        return _kernels_problem(parsed)
    except click.exceptions.Exit:  # it asks for help
        return None
    except (click.UsageError, ConvcliError) as error:
        return error


def _kernels_problem(ctx: click.Context) -> Exception | None:
    """What is wrong with the kernels of a line, and with inputs that are none."""
    from convcli.spec import read

    pictures = [
        source for source in ctx.params.get("sources", ()) if PurePath(source).suffix[1:].lower() in words.PICTURES
    ]
    for source in [*ctx.params.get("kernels", ()), *filter(None, [ctx.params.get("kernel")]), *pictures]:
        if not source.endswith((".yaml", ".yml")):
            read(source)
    stray(ctx.params.get("inputs", ()), ctx)
    if not ctx.params.get("inputs", True) and ctx.params["files_from"] is None:
        return click.UsageError("no input", ctx)
    return None


def stray(inputs: Sequence[str], ctx: click.Context | None) -> None:
    """Raise StrayError for an input that is no file and is something else by its name."""
    for name in inputs:
        bare = re.fullmatch(r"\d+|[A-Za-z][\w:=,.-]*", name) is not None
        if bare and not os.path.lexists(name) and (name.isdigit() or kernel_meant(name)):
            raise StrayError(name, ctx)


def kernel_meant(word: str) -> str | None:
    """The kernel that a word means, with its fields."""
    from convcli.spec.library import names, own, split

    # gaussian(3), gaussian:sigma:3, gaussian=3
    if call := re.fullmatch(r"([A-Za-z][\w-]*)[(:=](?:([a-z_]+)[:=])?(\d[\d.x+%]*)\)?", word):
        base, field, value = call.groups()
        word = f"{base}:{f'{field}={value}' if field else value}"
    base, _ = split(word)
    row = lookup(base, words.KERNELS)
    known = [*names(), *own()]
    if base in known:
        return word
    name = row.answer if row else closest(base, known)
    return name + word[len(base) :] if name else None
