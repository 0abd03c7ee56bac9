"""`convcli man`, and the manual page that is installed, made of what commands say of themselves."""

from __future__ import annotations

import inspect
import re
import shutil
import sys
from collections.abc import Iterator

import click

from convcli import __version__
from convcli.cli.layout import Command, Group

_EXITS = (
    ("0", "All is done; of diff: alike."),
    ("1", "An input failed, the others are done; of diff: different."),
    ("2", "Wrong usage, or a kernel that is none; nothing was done. Of diff: what can't be compared."),
    ("128 + N", "Ended by signal N; 130 is Ctrl-C."),
)
_VARIABLES = (
    ("CONVCLI_PATH", "Folders of kernels of your own, separated by colons: a file soft.yaml in one is -k soft."),
    ("XDG_CONFIG_HOME", "Where convcli/kernels, one more such folder, is looked for; ~/.config by default."),
    ("NO_COLOR, FORCE_COLOR", "Never colours on a terminal; colours also elsewhere."),
    ("COLUMNS", "How wide tables and help are laid out."),
)


@click.command("man", cls=Command)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Show the manual: every command with all of its options.

    Where stdout is no terminal the page itself is printed, for man to show or for a folder of manuals.

    \b
    convcli man
    convcli man > ~/.local/share/man/man1/convcli.1
    """
    root = ctx.find_root().command
    assert isinstance(root, Group)
    text = page(root)
    if sys.stdout.isatty() and shutil.which("man"):
        import subprocess

        subprocess.run(["man", "-l", "-"], input=text.encode(), check=False)
    else:
        click.echo(text, nl=False)


def page(group: Group) -> str:
    """The manual as roff (man macros, with those for examples of groff and mandoc). Source: man(7), groff_man(7)."""
    ctx = click.Context(group, info_name="convcli")
    about, *paragraphs = _paragraphs(group)
    lines = [
        f'.TH CONVCLI 1 "" "convcli {__version__}" "User Commands"', ".nr HY 0", ".nh", ".ad l", ".SH NAME",
        f"convcli \\- {_escaped(about.rstrip('.'))}", ".SH SYNOPSIS", ".B convcli", ".I COMMAND",
        "[\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]", ".SH DESCRIPTION", *_body([about, *paragraphs]),
    ]  # fmt: skip
    if group.epilog:
        lines += [".PP", _escaped(group.epilog)]
    lines += _options(group, ctx)
    lines += [".SH COMMANDS", *_commands(group, ctx)]
    for title, rows in (("EXIT STATUS", _EXITS), ("ENVIRONMENT", _VARIABLES)):
        lines += [f".SH {title}"]
        for name, text in rows:
            lines += [".TP", f".B {_escaped(name)}", _escaped(text)]
    return "\n".join(lines) + "\n"


def _commands(group: click.Group, above: click.Context) -> Iterator[str]:
    """A section of each command, and of those below it."""
    for name in group.list_commands(above):
        command = group.get_command(above, name)
        assert command is not None
        ctx = click.Context(command, info_name=name, parent=above)
        usage = " ".join(command.collect_usage_pieces(ctx))
        yield f".SS {_escaped(ctx.command_path)}"
        yield f".B {_escaped(ctx.command_path)}"
        yield _escaped(usage)
        yield from (".PP", *_body(_paragraphs(command)))
        yield from _options(command, ctx)
        if isinstance(command, click.Group):
            yield from _commands(command, ctx)


def _paragraphs(command: click.Command) -> list[str]:
    return inspect.cleandoc(command.help or "").split("\n\n")


def _body(paragraphs: list[str]) -> Iterator[str]:
    """Paragraphs as running text, and those behind a `\\b` line by line."""
    for number, paragraph in enumerate(paragraphs):
        if paragraph.startswith("\b\n"):
            yield from (".PP", ".EX", *map(_escaped, paragraph.splitlines()[1:]), ".EE")
        else:
            yield from ([".PP"] if number else [])
            yield _escaped(" ".join(paragraph.split()))


def _options(command: click.Command, ctx: click.Context) -> Iterator[str]:
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
        if record:
            yield from (".TP", f".B {_escaped(record[0])}", _escaped(record[1]))


def _escaped(text: str) -> str:
    """A line of roff that says `text`: no escapes, no requests, and dashes that can be copied."""
    plain = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    plain = plain.replace("^", "\\(ha").replace("~", "\\(ti").replace('"', "\\(dq")
    return re.sub(r"^\.", r"\\&.", plain)
