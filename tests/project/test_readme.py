"""The README's console and Python blocks do what they show."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(console|python|yaml)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
COMMANDS = re.compile(r"^\$ (.*)$", re.MULTILINE)


def of(language: str) -> list[str]:
    return [text for name, text in BLOCKS if name == language]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of samples/, where the README's examples run."""
    copy = tmp_path_factory.mktemp("readme") / "samples"
    shutil.copytree(ROOT / "samples", copy)
    return copy


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env={**os.environ, "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )


def steps(block: str) -> list[tuple[str, str]]:
    """The commands of a block, each with the output shown below it."""
    parts = COMMANDS.split(block)
    return list(zip(parts[1::2], (text.strip("\n") for text in parts[2::2]), strict=True))


def pattern(shown: str) -> re.Pattern[str]:
    """What is shown, `...` standing for any text, alone on a line for any lines, at the end for the rest."""
    lines = [".*" if line == "..." else r"[^\n]*".join(map(re.escape, line.split("..."))) for line in shown.split("\n")]
    return re.compile("\n".join(line.rstrip() for line in lines) + r"\s*", re.DOTALL)


def test_the_readme_shows_its_commands() -> None:
    commands = [command for block in of("console") for command, _ in steps(block)]
    assert len(commands) >= 10
    for name in ("apply", "list", "show", "compare"):
        assert any(f"convcli {name}" in command for command in commands)
    assert of("python")
    assert of("yaml")


@pytest.mark.parametrize("block", of("console"), ids=lambda block: block.split("\n")[0][:60])
def test_a_console_block(block: str, folder: Path) -> None:
    for command, shown in steps(block):
        done = shell(command, folder)
        printed = "\n".join(line.rstrip() for line in done.stdout.strip("\n").split("\n"))
        assert pattern(shown).fullmatch(printed), f"{command}\nprinted:\n{done.stdout}"
        assert done.returncode == (2 if shown.startswith("Error") else 0), command


@pytest.mark.parametrize("block", of("python"), ids=lambda block: block.split("\n")[0][:60])
def test_a_python_block(block: str, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", block], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("number", range(len(of("yaml"))))
def test_a_kernel_file(number: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    import convcli

    path = folder / "kernels" / f"readme-{number}.yaml"
    path.write_text(of("yaml")[number], encoding="utf-8")
    kernel = convcli.load(path)
    assert kernel.about
    assert np.isfinite(kernel.apply(np.ones((40, 50, 3), np.float32))).all()
