"""What could stand at the end of a command line: for completion in shells. Nothing here loads numpy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from convcli.cli.layout import Group

#: Stands for "names of files", which shells know better.
FILES = ":files"
#: Options whose values are names of columns of `compare`, separated by commas.
_COLUMNS = ("--columns", "--sort")
#: Options and arguments that are kernels, by their parameters' names.
_KERNELS = ("kernels", "kernel", "sources")

Candidate = tuple[str, str]


def complete(group: Group, words: Sequence[str]) -> list[Candidate]:
    """What the last of `words` may become, each with a sentence of what it is; (":files", "") where that is any file.

    `words` are those of a command line behind `convcli`; the last may be empty.
    """
    *before, word = words or [""]
    command, ctx = _command(group, before)
    option = _waiting(command, ctx, before)
    if option is None and word.startswith("--") and "=" in word:
        name, _, value = word.partition("=")
        option = _named(command, ctx, name)
        return [(f"{name}={value_}" if value_ != FILES else FILES, text) for value_, text in _values(option, value)]
    if option is not None:
        return list(_values(option, word))
    if word.startswith("-"):
        return [one for one in _options(command, ctx) if one[0].startswith(word)]
    return list(_arguments(command, ctx, word))


def _command(group: Group, words: Sequence[str]) -> tuple[click.Command, click.Context]:
    """The command that words lead to."""
    command: click.Command = group
    ctx = click.Context(group, info_name="convcli")
    for word in words:
        if not isinstance(command, click.Group):
            break
        if word.startswith("-"):
            continue
        # A figure that draws a kernel may be left out; of a word that is no command nothing is known.
        member = command.get_command(ctx, word) or command.get_command(ctx, "kernel") or click.Command(None)
        command, ctx = member, click.Context(member, info_name=word, parent=ctx)
    return command, ctx


def _named(command: click.Command, ctx: click.Context, name: str) -> click.Option | None:
    """The option of a name that takes a value."""
    for one in command.get_params(ctx):
        if isinstance(one, click.Option) and name in one.opts and not (one.is_flag or one._flag_needs_value):
            return one
    return None


def _waiting(command: click.Command, ctx: click.Context, before: Sequence[str]) -> click.Option | None:
    """The option before the last word that waits for its value."""
    return _named(command, ctx, before[-1]) if before and before[-1].startswith("-") else None


def _options(command: click.Command, ctx: click.Context) -> Iterator[Candidate]:
    for one in command.get_params(ctx):
        if isinstance(one, click.Option) and not one.hidden:
            for name in [*one.opts, *one.secondary_opts]:
                if name.startswith("--") or len(one.opts) == 1:
                    yield name, one.help or ""


def _values(option: click.Parameter | None, word: str) -> Iterator[Candidate]:
    """The values of an option that begin with a word."""
    if option is None:
        return
    if option.name in _KERNELS:
        yield from _kernels(word)
    elif isinstance(option.type, click.Choice):
        yield from ((str(one), "") for one in option.type.choices if str(one).startswith(word))
    elif set(option.opts) & {*_COLUMNS}:
        yield from _columns(word, several="--columns" in option.opts)
    elif option.name == "border":
        yield from ((one, "") for one in _borders() if one.startswith(word))
    else:
        yield FILES, ""


def _arguments(command: click.Command, ctx: click.Context, word: str) -> Iterator[Candidate]:
    """Commands of a group, kernels, choices, or files: what an argument may be."""
    if isinstance(command, Group):
        yield from ((name, line) for name, line in command.sentences(ctx) if name.startswith(word))
    argument = next((one for one in command.params if isinstance(one, click.Argument)), None)
    if isinstance(command, click.Group) and command.name == "draw":
        yield from _kernels(word, files=False)
    elif argument is not None and argument.name == "names":
        root = ctx.find_root().command
        yield from _arguments(root, ctx.find_root(), word)
    elif argument is not None:
        yield from _values(argument, word)


def _kernels(word: str, *, files: bool = True) -> Iterator[Candidate]:
    """Kernels by name, their fields behind a colon; files where the word looks like one, or is no name's beginning."""
    from convcli.spec.library import names, own

    base, colon, fields = word.partition(":")
    known = {*names(), *own()}
    if colon and base in known:
        yield from _fields(base, fields)
        return
    listed = [name for name in known if name.startswith(word)]
    texts = _abouts() if listed else {}
    for name in sorted(listed):
        yield name, texts.get(name, "") or _about(name)
    if files and not listed:
        yield FILES, ""


def _abouts() -> dict[str, str]:
    """What the shipped kernels are for, as `list` keeps it: reading all of their files would take a moment."""
    import json

    from convcli import answers

    return {row["name"]: row["about"] for row in json.loads(answers.read("list.json") or '{"rows": []}')["rows"]}


def _about(name: str) -> str:
    """What a kernel or network of one's own is for, as its file says."""
    from convcli.errors import ConvcliError
    from convcli.networks import file
    from convcli.spec.library import located, read

    try:
        return (file.load(located(name)) or read(name)).about
    except ConvcliError:
        return "(its file has a mistake)"


def _fields(name: str, written: str) -> Iterator[Candidate]:
    """`name:field=value,field=`, with the kernel's parameters before the fields of its type."""
    from convcli.spec.library import read
    from convcli.spec.takes import taken

    before, comma, last = written.rpartition(",")
    start = f"{name}:{before}{comma}"
    field, equals, value = last.partition("=")
    if equals:
        choices = {"border": _borders(), "padding": ("same", "valid"), "divisor": ("sum",)}.get(field, ())
        yield from ((f"{start}{field}={one}", "") for one in choices if one.startswith(value))
        return
    kernel = read(name)
    takes = {one.name: one.meaning for one in taken(name, kernel)}
    takes |= {key: item.doc for key, item in kernel.FIELDS.items() if key not in takes}
    present = {part.partition("=")[0] for part in before.split(",")}
    for key, text in takes.items():
        if key.startswith(field) and key not in present:
            yield f"{start}{key}=", text


def _columns(word: str, *, several: bool) -> Iterator[Candidate]:
    from convcli.costs.columns import MEASURES

    before, comma, last = word.rpartition(",") if several else ("", "", word)
    sign = "-" if last.startswith("-") else ""
    for measure in MEASURES:
        names = [name for name in (measure.key, measure.title.lower()) if name.startswith(last.removeprefix("-"))]
        if measure.title and names:
            yield f"{before}{comma}{sign}{names[0]}", measure.doc


def _borders() -> Sequence[str]:
    from convcli.engine.geometry import BORDERS

    return BORDERS
