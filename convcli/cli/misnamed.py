"""Wrong command lines -> right ones where an option has another name here, or takes other values."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import click

from convcli.cli import words
from convcli.cli.layout import RepeatedError, is_flag
from convcli.cli.misplaced import Step, with_kernel
from convcli.cli.options import OVERRIDES, Output
from convcli.cli.problems import kernel_places
from convcli.errors import closest
from convcli.spec.fillings import field, filled
from convcli.spec.library import names
from convcli.spec.words import NO_CONVOLUTIONS, lookup

#: Options whose values are sizes of pictures, and what is made of these.
_SIZES = {"--size": "{hxw}", "--region": "{region}"}


def option(line: list[str], error: click.NoSuchOption, group: click.Group) -> Step | None:
    """A line with an option that there is not."""
    name = error.option_name
    if not line or line[0].startswith("-"):
        word = name.lstrip("-")
        if word in group.list_commands(click.Context(group)):
            return f"that is {word}", [word, *line[1:]]
        row = lookup(word, words.COMMANDS)
        return (row.note, [row.answer]) if row else ("options follow a command", ["apply", *line])
    place = _place(line, name)
    if place is None:
        return None
    if os.path.lexists(line[place]):
        return "a file's name that begins with a dash has its folder before it", [
            *line[:place], f".{os.sep}{line[place]}", *line[place + 1 :]
        ]  # fmt: skip
    typed, equals, value = line[place].partition("=")
    own = {option for parameter in _parameters(error.ctx) for option in parameter.opts}
    word = typed.lstrip("-")
    if not typed.startswith("--") and f"--{word}" in own:
        right = f"--{line[place].lstrip('-')}"
        return f"long options have two dashes, --{word}", [*line[:place], right, *line[place + 1 :]]
    dashed = typed.replace("_", "-")
    if typed.startswith("--"):
        dashed = dashed.lower()
    if dashed in own:
        return f"that is {dashed}", [*line[:place], dashed + equals + value, *line[place + 1 :]]
    behind = [value] if equals else line[place + 1 :]
    fitting = next(_answers(word, behind, own), None)
    longer = [option for option in own if option.startswith(f"{typed}-")]
    if len(longer) == 1 and (fitting is None or "".join(behind[:1]).isdigit()):
        return f"did you mean {longer[0]}?", [*line[:place], longer[0] + equals + value, *line[place + 1 :]]
    if fitting is not None:
        note, answer, count = fitting
        right_line = _put(line[:place], answer, line[place + 1 + (0 if equals else count) :], group)
        return note, line if right_line is None else right_line
    if step := _kernel(line, place, word, "".join(behind[:1])):
        return step
    near = closest(typed, own)
    row = lookup(word, words.OPTIONS)
    if not near and row and (not row.answer.startswith("-") or row.answer.split()[0] in own):
        return row.note, line
    return (f"did you mean {near}?", [*line[:place], near + equals + value, *line[place + 1 :]]) if near else None


def _kernel(line: list[str], place: int, word: str, value: str) -> Step | None:
    """A line of apply with a kernel, or a filter that none is, as an option: `-swirl 90`, `-despeckle`."""
    if line[0] != "apply":
        return None
    number = value if re.match(r"[\d.]", value) and "=" not in line[place] else ""
    rest = line[place + 1 + bool(number) :]
    if other := lookup(word, NO_CONVOLUTIONS):
        note = f"that is not a convolution: {other.note}"
        return note, [*line[:place], "-k", other.answer, *rest] if other.answer else line
    if word not in names():
        return None
    return "that is a kernel", [*line[:place], "-k", f"{word}:{number}" if number else word, *rest]


def _answers(word: str, behind: list[str], own: set[str]) -> Iterator[tuple[str, str, int]]:
    """Note, answer and count of values of each row that an option's word and what is behind it fit.

    Those come first whose answer is an option of the command.
    """
    rows = [row for row in words.OPTIONS if lookup(word, (row,))]
    rows.sort(key=lambda row: row.answer.startswith("-") and row.answer.split()[0] not in own)
    for row in rows:
        count = row.values
        if not isinstance(count, int):
            count = int(bool(behind) and re.fullmatch(r"[\d.]+(x[\d.]+)?([+,][\d.%]+)*%?", behind[0]) is not None)
        answer = filled(row.answer, word, behind[:count])
        if count <= len(behind) and answer is not None:
            yield row.note, answer, count


def _put(before: list[str], answer: str, after: list[str], group: click.Group) -> list[str] | None:
    """A line with an answer at its place; a field goes to the last kernel, `*N` runs it N times."""
    if not answer.startswith((":", "*")):
        option, _, value = answer.partition(" ") if answer.startswith("-") else (answer, "", "")
        several = [part for one in value.split(" -k ") for part in (option, one) if part]  # a chain of kernels
        return [*before, *several, *after]
    line = [*before, *after]
    places = kernel_places(line, group)
    if not places:
        if line[0] != "apply":
            return None
        return with_kernel(line, f"gaussian{answer}") if answer.startswith(":") else line
    last = places[-1]
    if answer.startswith("*"):
        times = min(int(answer[1:]), 100) if answer[1:].isdigit() else 1
        return [*line[: last + 1], *["-k", line[last]] * (times - 1), *line[last + 1 :]]
    for place in places if line[0] == "compare" else [last]:
        line[place] += f",{answer[1:]}" if "=" in line[place] else answer
    return line


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


def value(line: list[str], error: click.BadParameter) -> Step | None:
    """A line with a value that its option does not take."""
    if error.param is None:
        return None
    choices = [str(one) for one in error.param.type.choices] if isinstance(error.param.type, click.Choice) else []
    for place, argument in enumerate(line):
        option, equals, text = argument.partition("=")
        if choices and isinstance(error.param, click.Argument) and argument not in choices and place:
            near = closest(argument, choices)
            return (f"did you mean {near}?", [*line[:place], near, *line[place + 1 :]]) if near else None
        if option in error.param.opts:
            rest = line[place + 1 if equals else place + 2 :]
            text = text if equals else "".join(line[place + 1 : place + 2])
            if isinstance(error.param.type, Output):
                words = Output.without_prefix(text)
                return f"that is {' '.join(words)}", [*line[:place], option, *words, *rest]
            if choices:
                near = _choice(text, choices)
                return (f"did you mean {near}?", [*line[:place], option, near, *rest]) if near else None
            number = filled("{number}", "", [text.rstrip("%")])
            if number is not None and number != text:
                return "numbers have no unit", [*line[:place], option, number, *rest]
            if error.param.default is None or not error.param.required:
                return f"without {option} it is chosen", [*line[:place], *rest]
    return None


def repeated(line: list[str], error: RepeatedError) -> Step | None:
    """A line without the first value of an option that has two."""
    flags = {name: is_flag(one) for one in error.parameters for name in one.opts}
    for place, argument in enumerate(line):
        name = next((name for name in flags if argument.partition("=")[0] == name), argument[:2])
        if name in flags:
            has_value = argument == name and not flags[name]
            return "it takes one", [*line[:place], *line[place + 1 + has_value :]]
    return None


def _choice(text: str, choices: list[str]) -> str:
    """The choice that is meant by a text, or none."""
    row = next((row for row in words.CHOICES if lookup(text, (row,)) and row.answer in choices), None)
    return row.answer if row else closest(text, choices)


def override(line: list[str]) -> Step | None:
    """A line with a value of a field, `--border black`, or a size, `--size 12MP`, as it is written here."""
    for place, argument in enumerate(line):
        option, equals, text = argument.partition("=")
        text = text if equals else "".join(line[place + 1 : place + 2])
        right = f"{option[2:]}={text}"
        if option.removeprefix("--") in OVERRIDES:
            right = field(right)
        elif option in _SIZES and (size := filled(_SIZES[option], option, [text])):
            right = f"{option[2:]}={size}"
        if text and right != f"{option[2:]}={text}":
            name, _, right = right.partition("=")
            return f"that is {right}", [*line[:place], f"--{name}", right, *line[place + (1 if equals else 2) :]]
    return None
