"""The manual: what commands say of themselves, in a page that man shows without a complaint."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import click
import pytest

from convcli import cli
from convcli.cli import man
from tests.cli.answers import MANUAL
from tests.cli.test_help import COMMANDS, command
from tests.support import ROOT, environment, on_terminal, run


def displayed(page: Path, width: int = 80) -> str:
    """What man makes of a page; fails where it has warnings."""
    program = shutil.which("man")
    if program is None:
        pytest.skip("man is not installed: the page was not rendered")
    env = environment(MANWIDTH=str(width), MAN_KEEP_FORMATTING="", LC_ALL="C.UTF-8")
    done = subprocess.run([program, "--warnings", "-l", page], env=env, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return re.sub(r"\x1b\[[\d;]*m|.\x08", "", done.stdout)


def test_the_page_is_what_the_commands_say() -> None:
    assert MANUAL.read_text(encoding="utf-8") == man.page(cli.group), "python -m tests.cli.answers"
    assert run("man").out.decode() == man.page(cli.group)


def test_wheels_install_it() -> None:
    targets = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    assert targets["wheel"]["shared-data"] == {str(MANUAL.relative_to(ROOT)): "share/man/man1/convcli.1"}


@pytest.mark.parametrize("width", [60, 80, 120])
def test_man_shows_all_commands_and_options(width: int) -> None:
    text = displayed(MANUAL, width)
    flat = " ".join(text.split())
    for words in COMMANDS[1:]:
        assert re.search(rf"^   convcli {' '.join(words)}$", text, re.MULTILINE), words
        for parameter in command(words).params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                assert parameter.opts[-1] in text
                assert " ".join((parameter.help or "").split()) in flat, parameter.opts
    assert "convcli apply photo.jpg -k sharpen -o sharp.jpg" in text
    assert "'{stem}-{kernel}{ext}'" in text, "quotes and dashes can be copied"
    assert {"NAME", "SYNOPSIS", "COMMANDS", "EXIT STATUS", "ENVIRONMENT"} <= {*text.splitlines()}


def test_what_roff_would_take_for_itself_is_text(tmp_path: Path) -> None:
    """Backslashes, dots and quotes at the beginning of lines, dashes."""

    @click.group("convcli", cls=cli.Commands)
    def group() -> None:
        """.Dots first, and 'quotes' \\fB.

        \b
        .TH x
        'a' \\n --b ^~`"
        """

    page = tmp_path / "x.1"
    page.write_text(man.page(group), encoding="utf-8")
    text = displayed(page)
    assert ".Dots first, and 'quotes' \\fB" in text
    assert ".TH x" in text and "'a' \\n --b ^~`\"" in text


def test_a_terminal_gets_it_by_man(monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("man") is None:
        pytest.skip("man is not installed")
    # A pager would wait for a key.
    monkeypatch.setenv("MANPAGER", "cat")
    code, text = on_terminal("man")
    assert code == 0 and "CONVCLI(1)" in text and ".SH" not in text
