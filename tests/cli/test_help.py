"""Help: a screenful by -h, all of it by --help, and `convcli help`."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest

from convcli import cli
from convcli.cli.layout import Brief, Group
from tests.support import run


def lines() -> Iterator[tuple[str, ...]]:
    """The words that lead to each command."""

    def below(group: click.Group, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        yield words
        ctx = click.Context(group)
        for name in group.list_commands(ctx):
            command = group.get_command(ctx, name)
            if isinstance(command, click.Group):
                yield from below(command, (*words, name))
            else:
                yield (*words, name)

    yield from below(cli.group, ())


COMMANDS = list(lines())


def command(words: tuple[str, ...]) -> click.Command:
    of: click.Command = cli.group
    for word in words:
        assert isinstance(of, Group)
        member = of.get_command(click.Context(of), word)
        assert member is not None
        of = member
    return of


@pytest.fixture(autouse=True)
def usual_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_short_help_is_a_screenful(words: tuple[str, ...]) -> None:
    done = run(*words, "-h")
    text = done.out.decode()
    assert (done.code, done.err) == (0, "")
    assert text.startswith(f"Usage: {' '.join(('convcli', *words))} ")
    assert len(text.splitlines()) <= 24
    assert max(map(len, text.splitlines())) <= 80
    assert text.endswith(f"\nAll of it: {' '.join(('convcli', *words))} --help\n")
    of = command(words)
    assert isinstance(of, Brief)
    known = {name for parameter in of.params for name in parameter.opts}
    assert {f"--{name}" for name in of.often} <= known


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_all_of_it_names_every_option_and_whole_sentences(words: tuple[str, ...]) -> None:
    text = run(*words, "--help").out.decode()
    of = command(words)
    for parameter in of.params:
        for name in parameter.opts if isinstance(parameter, click.Option) and not parameter.hidden else []:
            assert re.search(rf"(^|[\s,/]){re.escape(name)}\b", text), name
    if isinstance(of, Group):
        flat = " ".join(text.split())
        for _, sentence in of.sentences(click.Context(of)):
            assert sentence in flat
    assert run("help", *words).out.decode() == text


def test_help_of_no_command() -> None:
    done = run("help", "aply")
    assert (done.code, done.out) == (2, b"")
    assert "no such command 'aply'" in done.err


@pytest.mark.parametrize("asked", ["-h", "-qh"])
def test_help_beside_a_mistake_is_not_printed_by_what_puts_lines_right(asked: str) -> None:
    result = run("apply", "a.png", "-k", "sharpen", "--strictly", asked)
    assert (result.code, result.out) == (2, b"")
    assert result.err.splitlines()[0] == "Error: no such option '--strictly'; did you mean --strict?"
