"""Pages of documentation as tests see them: their blocks, and the commands in these with what they print."""

from __future__ import annotations

import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from convcli import cli
from tests import support
from tests.support import PATIENCE, ROOT

#: README and all pages of docs/.
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = re.compile(r"^\$ (.*)$", re.MULTILINE)
#: What only a shell understands, outside of quotes.
_SHELL = re.compile(r"[|<>;&$`*?~()\n]")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the line it starts in."""

    language: str
    text: str
    line: int

    def steps(self) -> list[tuple[str, str]]:
        """The commands of a console block, each with the output that stands below it."""
        parts = COMMANDS.split(self.text)
        return list(zip(parts[1::2], (text.strip("\n") for text in parts[2::2]), strict=True))


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page that name a language, in their order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(match[1], match[2], text.count("\n", 0, match.start()) + 1)
        for match in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ]


def samples(folder: Path) -> Path:
    """A copy of samples/ in `folder`, where the commands of a page run."""
    return Path(shutil.copytree(ROOT / "samples", folder / "samples"))


def ran(command: str, folder: Path) -> tuple[int, str]:
    """The exit code of a command and what it printed on both streams, in this process where it needs no shell."""
    if command.startswith("convcli ") and not _SHELL.search(re.sub(r"'[^']*'|\"[^\"]*\"", "", command)):
        printed = io.BytesIO()
        with pytest.MonkeyPatch.context() as patch, support.streams(b"", printed, printed):
            patch.chdir(folder)
            code = cli.run(shlex.split(command)[1:])
        return code, printed.getvalue().decode()
    done = shell(command, folder)
    return done.returncode, done.stdout


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The command run by `sh`, both streams in one."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        ["sh", "-c", command], cwd=folder, env=support.environment(PATH=path), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip


def pattern(output: str) -> re.Pattern[str]:
    """Output as a page has it: `...` stands for any text, alone on a line for any lines, at the end for the rest."""
    lines = [
        ".*" if line == "..." else r"[^\n]*".join(map(re.escape, line.split("..."))) for line in output.split("\n")
    ]
    return re.compile("\n".join(line.rstrip() for line in lines) + r"\s*", re.DOTALL)


def check(block: Block, folder: Path) -> None:
    """Runs the commands of a block: what each prints and its exit code (1 or 2 for an error) are what the page says."""
    for command, output in block.steps():
        code, printed = ran(command, folder)
        trimmed = "\n".join(line.rstrip() for line in printed.strip("\n").split("\n"))
        assert pattern(output).fullmatch(trimmed), f"line {block.line}: {command}\nprinted:\n{printed}"
        assert code in ((1, 2) if output.startswith("Error") else (0,)), (
            f"line {block.line}: {command}\nprinted:\n{printed}"
        )


def rows(page: Path) -> list[list[str]]:
    """The cells of all tables of a page, row by row, without heads and rules."""
    lines = page.read_text(encoding="utf-8").splitlines()
    body = [line for line, after in zip(lines, [*lines[1:], ""], strict=True) if not after.startswith("|--")]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in body if line.startswith("|") and not line.startswith("|--")]
    return [[cell.strip().replace(r"\|", "|") for cell in row] for row in cells]


def code(cell: str) -> str:
    """What a cell has between backticks; empty where it has anything else."""
    return match[1] if (match := re.fullmatch(r"``? ?(.+?) ?``?", cell)) else ""
