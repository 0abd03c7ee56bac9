"""Answers that are kept as text are what the commands print, everywhere, and are left to the commands where not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from convcli import answers
from tests.cli.answers import computed
from tests.support import KERNELS, PATIENCE, SAMPLES, command, environment, on_terminal, run, spawn

LINES = [
    ["--version"],
    ["--help"],
    ["help"],
    ["-h"],
    ["-V"],
    ["list"],
    ["list", "--json"],
    ["list", "--format", "table"],
] + [line for name in answers.FORMATS for line in (["list", "--format", name], ["list", f"--format={name}"])]
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/dev/full is Linux's")


@pytest.fixture(autouse=True)
def unsaid_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may say how wide a terminal is: then nothing is answered beforehand."""
    monkeypatch.delenv("COLUMNS", raising=False)


def test_the_texts_are_what_the_commands_print() -> None:
    remaining = {path.stem: path.read_text(encoding="utf-8") for path in Path(answers.FOLDER).iterdir()}
    assert remaining == dict(computed()), "python -m tests.cli.answers"


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_a_process_prints_what_the_command_does(line: list[str]) -> None:
    assert answers.answer(line)
    assert spawn(*line).out == run(*line).out


@pytest.mark.parametrize(
    "line",
    [
        [], ["help", "list"],
        ["--help", "list"], ["--version", "list"], ["-h", "-h"], ["list", "--help"], ["list", "x"],
        ["list", "--format"], ["list", "--format", "yaml"], ["list", "--format="], ["list", "--format", "kernels"],
        ["list", "--format", "../help"], ["list", "--format", "json", "--format", "csv"], ["--", "list"], ["--VERSION"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_other_lines_go_to_click(line: list[str]) -> None:
    assert answers.answer(line) is None
    process, command = spawn(*line), run(*line)
    assert (process.code, process.out, process.err) == (command.code, command.out, command.err)


@pytest.mark.parametrize("columns", [1, 50, 79, 80, 81, 200])
def test_help_fits_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    expected = run("--help").out.decode()
    assert spawn("--help", env={"COLUMNS": str(columns)}).out.decode() == expected
    monkeypatch.delenv("COLUMNS")
    assert on_terminal("--help", columns=columns, variables=False) == (0, expected)
    assert max(map(len, expected.splitlines())) <= 80


@pytest.mark.parametrize("columns", [60, 120])
def test_a_table_on_a_terminal_is_the_command_s(columns: int) -> None:
    code, seen = on_terminal("list", columns=columns, variables=False)
    assert code == 0
    assert "\x1b[" in seen
    assert "binomial-5" in seen


def test_changed_kernels_are_listed_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(KERNELS, tmp_path / "kernels")
    monkeypatch.setattr(answers, "kernels", lambda: str(tmp_path / "kernels"))
    assert answers.answer(["list", "--format", "json"])
    (tmp_path / "kernels" / "mine.yaml").write_text("about: Mine.\nweights: [1, 2]\n")
    assert answers.answer(["list", "--format", "json"]) is None
    assert "mine" in run("list").out.decode()
    (tmp_path / "kernels" / "mine.yaml").unlink()
    assert answers.answer(["list"])
    text = (tmp_path / "kernels" / "box.yaml").read_text()
    (tmp_path / "kernels" / "box.yaml").write_text(text.replace("5", "7"))
    assert answers.answer(["list"]) is None
    (tmp_path / "kernels" / "box.yaml").unlink()
    assert answers.answer(["list"]) is None
    shutil.rmtree(tmp_path / "kernels")
    assert answers.answer(["list"]) is None


def test_without_the_texts_the_commands_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "FOLDER", str(tmp_path))
    assert [answers.answer(line) for line in LINES] == [None] * len(LINES)


def test_nothing_is_loaded_for_an_answer(tmp_path: Path) -> None:
    """Each of these modules takes longer than all of the answer."""
    code = "import os, sys; os._exit = lambda code: (sys.stderr.write(' '.join(sys.modules)), sys.exit(code)); "
    run_main = "from convcli.__main__ import main; main()"

    def loaded(*words: str) -> set[str]:
        python = [sys.executable, "-c", *words]
        done = subprocess.run(
            python, capture_output=True, cwd=tmp_path, env=environment(), timeout=PATIENCE, check=True
        )
        return {*done.stderr.decode().split()}

    bare = loaded(f"{code} os._exit(0)")
    for line in LINES:
        more = loaded(f"{code} {run_main}", *line) - bare
        assert {"convcli", "convcli.__main__", "convcli.answers"} <= more
        assert more <= {"__future__", "convcli", "convcli.__main__", "convcli.answers", "gc", "zlib"}, line


@pytest.mark.parametrize("line", [["--help"], ["--version"], ["list"], ["show", "sharpen"], ["schema"]], ids=" ".join)
class TestStreams:
    """What becomes of an answer that can't be written: the same of all commands."""

    def _shell(self, line: list[str], redirection: str) -> tuple[int, str]:
        words = f"{sys.executable} -m convcli {' '.join(line)} {redirection}"
        done = subprocess.run(
            ["bash", "-c", words], capture_output=True, env=environment(), timeout=PATIENCE, check=False
        )
        return done.returncode, done.stderr.decode()

    def test_a_closed_pipe_is_quiet(self, line: list[str]) -> None:
        assert self._shell(line, "| true; exit ${PIPESTATUS[0]}") == (0, "")

    @linux
    def test_a_full_disk_is_told_of(self, line: list[str]) -> None:
        assert self._shell(line, ">/dev/full") == (1, "Error: no space left on device\n")

    def test_a_closed_stdout_is_told_of(self, line: list[str]) -> None:
        assert self._shell(line, ">&-") == (1, "Error: bad file descriptor\n")

    @linux
    def test_nobody_hears_it_where_stderr_is_as_bad(self, line: list[str]) -> None:
        assert self._shell(line, ">/dev/full 2>/dev/full") == (1, "")
        assert self._shell(line, "2>&- >/dev/null") == (0, "")


def test_a_closed_stderr_is_no_success(tmp_path: Path) -> None:
    """Of a run whose reports nobody reads any more: it did not end as it should."""
    names = [SAMPLES / name for name in ("zone-plate.png", "scene.jpg")]
    read, write = os.pipe()
    os.close(read)
    line = command("apply", *names, "-k", "identity", "-o", f"{tmp_path}/", "--json")
    done = subprocess.run(line, stderr=write, env=environment(), check=False, timeout=PATIENCE)
    os.close(write)
    assert done.returncode == 1
