"""Leftovers of killed runs go away with the next run; what a live run is writing stays."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from convcli.batch import temporaries
from convcli.batch.files import write_atomically
from tests.support import PATIENCE, command, environment, noise, run, save

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX locks")

HOLDS = """
import sys, pathlib
from convcli.batch import temporaries
handle, path = temporaries.create(pathlib.Path(sys.argv[1]))
print(path, flush=True)
sys.stdin.read()
"""


def held(folder: Path) -> tuple[subprocess.Popen[str], Path]:
    """A process that is writing a temporary file."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=environment(),
    )  # fmt: skip
    assert process.stdout is not None
    return process, Path(process.stdout.readline().rstrip("\n"))


@posix
def test_what_lives_stays_and_what_is_dead_goes(tmp_path: Path) -> None:
    live, mine = held(tmp_path)
    killed, dead = held(tmp_path)
    killed.kill()
    killed.communicate()
    others = [tmp_path / name for name in (".convcli-notes.txt", "a.part", ".other-1.part")]
    for other in others:
        other.touch()
    save(tmp_path / "in.png", noise(5, 4))
    assert mine.exists() and dead.exists()
    assert run("apply", tmp_path / "in.png", "-k", "identity", "-o", f"{tmp_path}/out.png").code == 0
    assert mine.exists() and not dead.exists()
    assert all(other.exists() for other in others)
    live.communicate("")
    assert temporaries.sweep(tmp_path) == 1
    assert not mine.exists()


@posix
def test_links_and_pipes_by_such_a_name_are_left_alone(tmp_path: Path) -> None:
    remaining = tmp_path / "kept"
    remaining.write_bytes(b"precious")
    (tmp_path / ".convcli-1.part").symlink_to(remaining)
    os.mkfifo(tmp_path / ".convcli-2.part")  # without a reader it can't be opened, nor waited for
    (tmp_path / ".convcli-3.part").mkdir()
    assert temporaries.sweep(tmp_path) == 0
    assert len(list(tmp_path.iterdir())) == 4
    assert temporaries.sweep(tmp_path / "missing") == 0


@posix
def test_a_sweeper_between_creation_and_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes the file for a leftover; its writer sees that and makes another one."""
    lock, swept = temporaries.lock, []

    def late(handle: int) -> bool | None:
        if len(swept) < 2:
            swept.append(None)
            monkeypatch.setattr(temporaries, "lock", lock)
            assert temporaries.sweep(tmp_path) == 1
            monkeypatch.setattr(temporaries, "lock", late)
        return lock(handle)

    monkeypatch.setattr(temporaries, "lock", late)
    write_atomically(tmp_path / "out", b"all of it")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out").read_bytes() == b"all of it"
    assert len(swept) == 2


@posix
def test_a_sweeper_that_has_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock, answers = temporaries.lock, [False]
    monkeypatch.setattr(temporaries, "lock", lambda handle: answers.pop() if answers else lock(handle))
    write_atomically(tmp_path / "out", b"all of it")
    assert (tmp_path / "out").read_bytes() == b"all of it"
    temporaries.sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@posix
def test_writers_and_sweepers_at_the_same_time(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib\nfrom convcli.batch import temporaries\n"
        "while not (pathlib.Path(sys.argv[1]) / 'stop').exists():\n    temporaries.sweep(pathlib.Path(sys.argv[1]))\n"
    )
    sweepers = [subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], env=environment()) for _ in range(2)]
    try:
        for number in range(400):
            write_atomically(tmp_path / str(number), b"%d" % number)
    finally:
        (tmp_path / "stop").touch()
        codes = [sweeper.wait(PATIENCE) for sweeper in sweepers]
    assert codes == [0, 0]
    (tmp_path / "stop").unlink()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        str(number): b"%d" % number for number in range(400)
    }


@posix
def test_without_locks_only_what_is_old_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temporaries, "lock", lambda handle: None)
    young, old = tmp_path / ".convcli-1.part", tmp_path / ".convcli-2.part"
    young.touch()
    old.touch()
    os.utime(old, (time.time() - 100_000, time.time() - 100_000))
    assert temporaries.sweep(tmp_path) == 1
    assert list(tmp_path.iterdir()) == [young]


def test_a_huge_folder_is_only_glanced_at_for_one_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bounds = []
    monkeypatch.setattr(temporaries, "sweep", lambda folder, *, at_most=None: bounds.append(at_most) or 0)
    for name in "ab":
        save(tmp_path / f"{name}.png", noise(5, 4))
    run("apply", tmp_path / "a.png", "-k", "identity", "-o", f"{tmp_path}/out/")
    run("apply", tmp_path / "a.png", tmp_path / "b.png", "-k", "identity", "-o", f"{tmp_path}/other/")
    assert bounds == [4096, None]


@posix
def test_the_next_run_clears_up_after_one_that_was_killed(tmp_path: Path) -> None:
    """The writer is stopped by a pipe-like trick: its fsync never returns."""
    save(tmp_path / "in.png", noise(5, 4))
    script = (
        "import os, sys, time\nos.fsync = lambda handle: (print('writing', flush=True), time.sleep(60))\n"
        "from convcli import cli\nsys.exit(cli.run(sys.argv[1:]))"
    )
    arguments = ["apply", str(tmp_path / "in.png"), "-k", "identity", "-o", f"{tmp_path}/out/"]
    with subprocess.Popen(
        [sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, env=environment()
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == b"writing\n"
        assert subprocess.run(command(*arguments), env=environment(), check=False).returncode == 0
        assert len(list((tmp_path / "out").iterdir())) == 2  # the other run's file is still there
        process.kill()
    assert run(*arguments, "--overwrite").code == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["in.png"]
