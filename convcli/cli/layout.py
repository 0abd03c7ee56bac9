"""How commands are laid out by `--help`, whole, and by `-h`, on a screen of 24 lines and 80 columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import click

#: Lines of a screen, and its columns.
LINES = 24
COLUMNS = 80
#: In the `meta` of contexts: a line is only looked at, and nothing is printed.
CHECKED = "convcli.checked"
#: Examples that -h shows.
_EXAMPLES = 4
#: Characters that a text is not shortened below.
_LEAST = 20


class RepeatedError(click.UsageError):
    """Two values of an option that takes one: which of them holds is not for us to say."""

    def __init__(self, name: str, values: Sequence[object], ctx: click.Context) -> None:
        self.parameters = [one for one in ctx.command.get_params(ctx) if one.name == name]
        self.option = next(one for one in self.parameters if len(self.parameters) == 1 or not is_flag(one)).opts[0]
        first, second = (value if isinstance(value, str) else "" for value in values)
        super().__init__(f"{self.option} is '{first}' and '{second}' at once", ctx)


class Brief(click.Command):
    """What commands and groups have in common: `-h`, and that long options have two dashes.

    `often` names the options that `-h` shows first, by their longest name; without it they come in their order.
    """

    def __init__(self, *arguments: Any, often: Sequence[str] = (), **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.often = often
        self._brief = click.Option(
            ["-h"], is_flag=True, is_eager=True, expose_value=False, callback=_print_brief, help="What is used most."
        )

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        *own, help_option = super().get_params(ctx)
        return [*own, self._brief, help_option]

    def make_parser(self, ctx: click.Context) -> Any:
        # At each short option click looks which long ones are like it, to suggest them, before it looks for short ones.
        parser: Any = super().make_parser(ctx)
        match = parser._match_long_opt

        def matched(option: str, value: str | None, state: Any) -> None:
            if option not in parser._long_opt:
                raise click.NoSuchOption(option, ctx=ctx)
            match(option, value, state)

        parser._match_long_opt = matched
        for option in {*parser._long_opt.values(), *parser._short_opt.values()}:
            if option.action in ("store", "store_const") and not isinstance(option.const, bool):
                option.process = partial(_process_once, option, option.process, ctx)
        return parser

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # Of a word with one dash click would take each letter for an option: `-output b.jpg` for `-o utput`.
        short = {name[1]: one for one in self.get_params(ctx) for name in one.opts if len(name) == 2}
        takes = {name for one in self.get_params(ctx) if not is_flag(one) for name in one.opts}
        for before, argument in zip(["", *args], args, strict=False):
            if argument == "--" or not (ctx.allow_interspersed_args or argument.startswith("-")):
                break  # what follows is no option, or a command's
            if before in takes or argument[:2] == "--" or len(argument) == 2:  # its value, or as it should be
                continue
            word = re.fullmatch("-([A-Za-z][A-Za-z-]+)(=.*)?", argument)
            if word and (self._is_long(word[1], ctx) or not _is_bundle(word[1], short)):
                raise click.NoSuchOption(argument, ctx=ctx)
        return super().parse_args(ctx, args)

    def _is_long(self, word: str, ctx: click.Context) -> bool:
        from convcli.cli.words import OPTIONS
        from convcli.spec.words import lookup

        long = f"--{word}" in {option for parameter in self.get_params(ctx) for option in parameter.opts}
        return long or lookup(word, OPTIONS) is not None


def _process_once(option: Any, process: Callable[[Any, Any], None], ctx: click.Context, value: Any, state: Any) -> None:
    """Takes the value of an option; click would let the last of several win. Raises RepeatedError."""
    before = [state.opts[option.dest]] if option.dest in state.opts else []
    process(value, state)
    values = [*before, state.opts[option.dest]]
    if values[0] != values[-1]:
        raise RepeatedError(option.dest, values, ctx)


def _is_bundle(letters: str, short: Mapping[str, click.Parameter]) -> bool:
    """Whether letters are short options, the last of which may have its value behind it."""
    for letter in letters:
        option = short.get(letter)
        if option is None:
            return False
        if not is_flag(option):
            return True
    return True


def is_flag(parameter: click.Parameter) -> bool:
    """Whether a parameter is an option that no value has to follow."""
    return isinstance(parameter, click.Option) and (parameter.is_flag or parameter._flag_needs_value)


class Command(Brief):
    """A command."""


class Group(Brief, click.Group):
    """A group of commands, each listed with its whole sentence."""

    command_class = Command

    def sentences(self, ctx: click.Context) -> Sequence[tuple[str, str]]:
        """The name of each command, and the first sentence of its help."""
        names = self.list_commands(ctx)
        return [(name, parts(command)[0]) for name in names if (command := self.get_command(ctx, name))]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(self.sentences(ctx))


def _print_brief(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        if not ctx.meta.get(CHECKED):
            click.echo(brief(ctx))
        ctx.exit()


def brief(ctx: click.Context) -> str:
    """A command's help on one screen: its sentence, examples, and what is used most, a line each."""
    import shutil

    width = min(shutil.get_terminal_size((COLUMNS, LINES)).columns, COLUMNS)
    sentence, examples = parts(ctx.command)
    formatter = click.HelpFormatter(width=width)
    ctx.command.format_usage(ctx, formatter)
    formatter.write_paragraph()
    with formatter.indentation():
        formatter.write_text(sentence)
    lines = formatter.getvalue().splitlines()
    if fitting := [f"  {line}" for line in examples if len(line) <= width - 2]:
        lines += ["", *fitting[:_EXAMPLES]]
    title, rows = _rows(ctx)
    rows = rows[: LINES - len(lines) - 4]
    names = max((len(name) for name, _ in rows), default=0)
    listed = [f"  {name.ljust(names)}  {_cut(text, width - names - 4)}".rstrip() for name, text in rows]
    if listed:
        lines += ["", f"{title}:", *listed]
    return "\n".join([*lines, "", f"All of it: {ctx.command_path} --help"])


def parts(command: click.Command) -> tuple[str, list[str]]:
    """The first sentence of a command's help, and its examples."""
    import inspect

    text = inspect.cleandoc(command.help or "")
    sentence = " ".join(text.partition("\n\n")[0].split())
    _, _, behind = text.partition("\b\n")
    return sentence, [line for line in behind.partition("\n\n")[0].splitlines() if line.startswith("convcli")]


def _rows(ctx: click.Context) -> tuple[str, Sequence[tuple[str, str]]]:
    """What is listed: the commands of a group, or the options of a command, those that are used most first."""
    command = ctx.command
    if isinstance(command, Group):
        return "Commands", command.sentences(ctx)
    options = [one for one in command.get_params(ctx) if isinstance(one, click.Option) and not one.hidden]
    often = getattr(command, "often", ())
    chosen = [one for name in often for one in options if f"--{name}" in one.opts] or options[:-2]
    return "Options", [_row(one, ctx) for one in chosen]


def _row(option: click.Option, ctx: click.Context) -> tuple[str, str]:
    """Names and text of an option; what it can be chosen from is in the text."""
    name, text = option.get_help_record(ctx) or ("", "")
    text = option.help or text
    if isinstance(option.type, click.Choice):
        name = name.replace(option.make_metavar(ctx), "WORD")
        words = [str(choice) for choice in option.type.choices]
        text = f"{', '.join(words[:-1])} or {words[-1]}."
    return name, text


def _cut(text: str, width: int) -> str:
    """As much of a text as fits into a line: all, a sentence, what is before a semicolon or bracket, or some words."""
    for pattern in ("$", r"(?<=\w)\. .*", r"[;(].*"):
        shortened = re.sub(pattern, "", text).rstrip(" ;.,") + "."
        if _LEAST <= len(shortened) <= width or (pattern == "$" and len(shortened) <= width):
            return shortened
    return text[: width - 4].rsplit(" ", 1)[0].rstrip(",;:") + " ..."
