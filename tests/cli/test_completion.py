"""What shells complete: the words themselves, and the scripts in the shells that are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import convcli
from convcli.cli import group
from convcli.cli.candidates import complete
from tests.cli.test_startup import HEAVY, loaded
from tests.support import PATIENCE, environment, run

#: A line behind `convcli` -> what its last word may become, all of it or some.
EXACT = {
    "app": ["apply"],
    "apply a.jpg -k gauss": ["gaussian"],
    "apply a.jpg --kernel gauss": ["gaussian"],
    "apply a.jpg --kernel=gauss": ["--kernel=gaussian"],
    "apply a.jpg -k gaussian:sig": ["gaussian:sigma="],
    "apply a.jpg -k gaussian:sigma=2,ra": ["gaussian:sigma=2,radius="],
    "apply a.jpg -k gaussian:border=re": ["gaussian:border=reflect", "gaussian:border=replicate"],
    "apply a.jpg -k box:divisor=": ["box:divisor=sum"],
    "apply a.jpg -k ./my": [":files"],
    "apply a.jpg --border re": ["reflect", "replicate"],
    "apply a.jpg --range=cl": ["--range=clip"],
    "apply a.jpg --overw": ["--overwrite"],
    "apply a.jpg -o ": [":files"],
    "apply ": [":files"],
    "compare --columns macs,mem": ["macs,memory"],
    "compare --format cs": ["csv"],
    "draw sobel-x --the": ["--theme"],
    "draw ste": ["steps"],
    "draw sobel-": ["sobel-x", "sobel-y"],
    "draw kernel sobel-": ["sobel-x", "sobel-y"],
    "help comple": ["completion"],
    "completion z": ["zsh"],
    "schema ne": ["network"],
    "frobnicate ": [],
}
SOME = {
    "": {"apply", "compare", "completion", "draw", "list", "show"},
    "apply -": {"--kernel", "--output", "--quiet", "--help"},
    "show ": {*convcli.names()},
    "compare ga": {"gaussian", "gabor"},
    "apply a.jpg -k gaussian:": {"gaussian:sigma=", "gaussian:radius=", "gaussian:border=", "gaussian:stride="},
    "compare --sort -m": {"-macs"},
}


def candidates(line: str) -> list[str]:
    return [value for value, _ in complete(group, line.split(" "))]


@pytest.mark.parametrize("line", EXACT)
def test_what_a_word_may_become(line: str) -> None:
    assert candidates(line) == EXACT[line]


@pytest.mark.parametrize("line", SOME)
def test_what_a_word_may_become_among_others(line: str) -> None:
    assert {*candidates(line)} >= SOME[line]


def test_sentences_are_whole() -> None:
    texts = dict(complete(group, ["apply", "a.jpg", "-k", ""]))
    assert all(texts[name] == convcli.load(name).about for name in convcli.names())
    assert not any(text.endswith("...") for text in texts.values())


def test_completing_loads_nothing_heavy(tmp_path: Path) -> None:
    for words in (["apply", "a", "-k", "ga"], ["apply", "a", "-k", "gaussian:s"], ["compare", "--columns", "m"]):
        python = [sys.executable, "-m", "convcli", "completion", "bash", "--", *words]
        modules, code = loaded(python, tmp_path)
        assert code == 0 and not modules & HEAVY


def shell(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed: its script was not run")
    return path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the scripts, pictures, and the command `convcli`."""
    for name in ("bash", "zsh", "fish"):
        (tmp_path / f"script.{name}").write_bytes(run("completion", name).out)
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "convcli"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m convcli "$@"\n')
    program.chmod(0o755)
    (tmp_path / "photo one.jpg").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_fish(here: Path) -> None:
    fish = shell("fish")
    env = environment(PATH=f"{here / 'bin'}{os.pathsep}{os.environ['PATH']}", HOME=str(here))

    def completed(line: str) -> dict[str, str]:
        done = subprocess.run(
            [fish, "-c", f"source script.fish; complete -C '{line}'"],
            env=env, capture_output=True, text=True, check=True, timeout=PATIENCE,
        )  # fmt: skip
        return dict((*text.split("\t"), "")[:2] for text in done.stdout.splitlines())

    assert completed("convcli apply a.jpg -k gauss") == {"gaussian": convcli.load("gaussian").about}
    borders = completed("convcli apply a.jpg -k gaussian:border=re")
    assert [*borders] == ["gaussian:border=reflect", "gaussian:border=replicate"]
    assert [*completed("convcli apply pho")] == ["photo one.jpg"]


@pytest.mark.parametrize("name", ["bash", "zsh"])
@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("convcli appl\t", "convcli apply "),
        ("convcli apply a.jpg -k gauss\t", "-k gaussian "),
        ("convcli apply a.jpg -k gaussian:sig\t", "-k gaussian:sigma="),
        ("convcli apply a.jpg -k gaussian:sigma=2,bord\treplic\t", "-k gaussian:sigma=2,border=replicate "),
        ("convcli apply a.jpg --range=cli\t", "--range=clip "),
        ("convcli apply pho\t", "photo\\ one.jpg "),
    ],
)
def test_typed_in_a_terminal(name: str, typed: str, expected: str, here: Path) -> None:
    """The shell itself completes at each TAB; then the line is printed instead of run."""
    path = shell(name)
    setup = {
        "bash": 'source script.bash\nbind -x \'"\\C-g": printf "<%s>\\n" "$READLINE_LINE"\'\n',
        "zsh": "autoload -Uz compinit && compinit -u -D\nsource script.zsh\nsetopt no_list_beep\n"
        "told() { print -r -- \"<$BUFFER>\" }; zle -N told; bindkey '^G' told\n",
    }[name]
    line = on_shell([path, *(["--norc", "--noprofile"] if name == "bash" else ["-f"]), "-i"], setup, typed, here)
    assert line.endswith(expected), line


def on_shell(words: list[str], setup: str, typed: str, here: Path) -> str:
    """The line that a shell holds after keys were typed to it."""
    import pty
    import re
    import select
    import time

    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(
            environment(PATH=f"{here / 'bin'}:{os.environ['PATH']}", TERM="dumb", PS1="READY> ", HOME=str(here))
        )
        os.execv(words[0], words)
    seen = b""

    def until(pattern: bytes) -> None:
        nonlocal seen
        end = time.monotonic() + PATIENCE
        while not re.search(pattern, seen):
            assert time.monotonic() < end, seen
            if select.select([terminal], [], [], 0.2)[0]:
                seen += os.read(terminal, 65536)

    try:
        (here / "setup").write_text(setup)
        os.write(terminal, b"stty -echo; . ./setup; PS1=; printf 'set%s\\n' up-done\n")
        until(b"setup-done\r?\n")
        seen = b""
        os.write(terminal, typed.encode() + b"\x07")
        until(rb"<convcli [^>]*>")
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)
    return re.findall(rb"<(convcli [^>]*)>", seen)[-1].decode()
