"""Writes the answers that the command line keeps as text, and its manual: `python -m tests.cli.answers`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from convcli import answers, cli
from convcli.cli import man
from tests.support import ROOT, run


def computed() -> Iterator[tuple[str, str]]:
    """Name and text of each answer, as the commands print it where the screen is as wide as they ask for."""
    with mock.patch.dict(os.environ, COLUMNS="80"):
        yield "help", run("--help").out.decode()
        yield "brief", run("-h").out.decode()
        yield "version", run("--version").out.decode()
        for name in answers.FORMATS:
            yield f"list.{name}", run("list", "--format", name).out.decode()
    yield "kernels", answers.fingerprint() or ""


#: The manual page that wheels install.
MANUAL = ROOT / "docs" / "convcli.1"


def write() -> None:
    """Replaces the texts of the folder, and the manual."""
    folder = Path(answers.FOLDER)
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for name, text in computed():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8", newline="\n")
    MANUAL.write_text(man.page(cli.group), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write()
