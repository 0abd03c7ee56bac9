"""What is wrong with a command line: as click finds it, and with its kernels and inputs by name."""

from __future__ import annotations

import itertools
import os
import re
import sys
from collections.abc import Sequence
from pathlib import PurePath

import click

from convcli.batch.names.finding import is_pattern
from convcli.batch.names.inputs import file_of
from convcli.cli.layout import CHECKED, is_flag
from convcli.errors import ConvcliError, UsageError, closest
from convcli.spec.words import KERNELS, PICTURES, lookup

#: Options and arguments that are kernels, by their parameters' names.
_KERNELS = ("kernels", "kernel", "sources")
#: Files of a folder that none is looked for among.
_LARGE = 1000
#: Letters of a file's name that another one may be mistaken for: of shorter ones too many are like it.
_SHORTEST = 4


class StrayError(click.UsageError):
    """Inputs that are no files but mean others, or belong elsewhere: kernels without -k, a number behind -q."""

    def __init__(self, name: str, near: str, ctx: click.Context | None) -> None:
        super().__init__(f"there is no file '{name}'", ctx)
        self.name, self.near = name, near


class SlipError(StrayError):
    """An input whose name is nearly a file's: like all that can't be read, not a wrong line."""

    exit_code = 1


class NowhereError(UsageError):
    """A drawing that goes nowhere: without -o, and not to a terminal."""


def check_destination(output: str | None) -> None:
    """Raise NowhereError for a drawing without an output where no terminal would show it."""
    if output is None and not sys.stdout.isatty():
        raise NowhereError("where to?", hint="-o FILE")


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

    compared = [source for source in ctx.params.get("sources", ()) if _is_kernel(source)]
    for source in [*ctx.params.get("kernels", ()), *filter(None, [ctx.params.get("kernel")]), *compared]:
        if not source.endswith((".yaml", ".yml")):
            read(source)
    inputs = _inputs(ctx)
    stray(inputs, ctx)
    for name in inputs:
        if name != "-" and not is_pattern(name) and not os.path.lexists(file_of(name)):
            raise UsageError("no such file", place=name)
    if "output" in ctx.params and "theme" in ctx.params:
        check_destination(ctx.params["output"])
        if ctx.params["output"] not in (None, "-"):
            from convcli.drawing.drawing import format_of

            format_of(ctx.params["output"])
    if not ctx.params.get("inputs", True) and ctx.params["files_from"] is None:
        return click.UsageError("no input", ctx)
    return None


def _is_kernel(source: str) -> bool:
    """Whether what `compare` is asked for is no layer or network by its name; a picture is one that is refused."""
    from convcli.costs.subjects import layer_names
    from convcli.spec.library import split

    ending = PurePath(split(source)[0]).suffix[1:].lower()
    return ending in PICTURES or not (ending or layer_names(source))


def _inputs(ctx: click.Context) -> list[str]:
    """The files that a line reads pictures from."""
    params = ctx.params
    return [*params.get("inputs", ()), *filter(None, map(params.get, ("picture", "image", "first", "second", "model")))]


def kernel_places(line: list[str], group: click.Group) -> list[int]:
    """Where the kernels of a line are: behind -k, and the arguments that are kernels."""
    command: click.Command | None = group
    ctx, start = click.Context(group), 0
    while isinstance(command, click.Group):
        member = command.get_command(ctx, line[start]) if start < len(line) else None
        if member is None:
            command = command.get_command(ctx, "kernel")  # of `draw`, where a kernel is in place of a figure
            break
        command, start = member, start + 1
    if command is None:
        return []
    options = {name: one for one in command.get_params(ctx) if isinstance(one, click.Option) for name in one.opts}
    arguments = [one for one in command.params if isinstance(one, click.Argument) for _ in range(max(one.nargs, 1))]
    places, waiting = [], None
    for place in range(start, len(line)):
        option = options.get(line[place])
        if waiting is None and line[place].startswith("-") and line[place] != "-":
            waiting = option if option and not is_flag(option) else None
            continue
        current, waiting = waiting or arguments[:1][0] if waiting or arguments else None, None
        if isinstance(current, click.Argument) and current.nargs > 0:
            del arguments[0]
        if current is not None and current.name in _KERNELS:
            places.append(place)
    return places


def stray(inputs: Sequence[str], ctx: click.Context | None, *, slips: bool = True) -> None:
    """Raise StrayError for an input that is no file and by its name is something else, or a file with a slip."""
    for name in inputs:
        bare = re.fullmatch(r"\d+|[A-Za-z][\w:=,.-]*", name) is not None
        if name == "-" or os.path.lexists(name):
            continue
        near = near_file(name) if slips else ""
        if near in inputs:
            near = ""
        if near or (bare and (name.isdigit() or kernel_meant(name))):
            raise (SlipError if near else StrayError)(name, near, ctx)


def near_file(name: str) -> str:
    """The file or folder of nearly this name, or an empty string; of folders that are large nothing is known."""
    whole, bracket, _ = name.partition("[")
    if bracket and os.path.lexists(whole):  # ImageMagick's photo.tif[0]
        return whole
    prefix, _, rest = name.partition(":")
    if rest and prefix.isalnum() and os.path.lexists(rest):  # and its png:photo
        return rest
    folder, base = os.path.split(name)
    try:
        with os.scandir(folder or ".") as entries:
            names = [entry.name for entry in itertools.islice(entries, _LARGE) if entry.name.isprintable()]
    except (OSError, ValueError):
        return ""
    wanted = PurePath(base)
    stems = {one.stem: one.name for one in map(PurePath, names) if _like(one, wanted)}
    enough = len(wanted.stem) >= _SHORTEST and len(names) < _LARGE
    near = stems.get(closest(wanted.stem, stems), "") if enough else ""
    return f"{folder}{os.sep if folder else ''}{near}" if near else ""


def _like(file: PurePath, wanted: PurePath) -> bool:
    """Whether a file may be meant by a name, but for letters of its stem: numbers are not mistaken for others."""
    digits = [re.sub(r"\D", "", one.stem) for one in (file, wanted)]
    return file.suffix.lower() == wanted.suffix.lower() and digits[0] == digits[1]


def kernel_meant(word: str) -> str | None:
    """The kernel that a word means, with its fields."""
    from convcli.spec.library import names, own, split

    # cv2.GaussianBlur, ImageFilter.SHARPEN
    word = re.sub(r"^([A-Za-z]\w*\.)+(?=[A-Za-z]\w*($|[(:]))", "", word)
    # gaussian(3), gaussian:sigma:3, gaussian=3, gaussian,3, gaussian 3
    if call := re.fullmatch(r"([A-Za-z][\w-]*)[(:=, ](?:([a-z_]+)[:=])?(\d[\d.x+%]*)\)?", word):
        base, field, value = call.groups()
        word = f"{base}:{f'{field}={value}' if field else value}"
    base, _ = split(word)
    row = lookup(base, KERNELS)
    known = [*names(), *own()]
    if base in known:
        return word
    if (joined := word.replace(":", "-")) in known:  # sobel:x
        return joined
    name = row.answer if row else closest(base, known)
    return name + word[len(base) :] if name else None
