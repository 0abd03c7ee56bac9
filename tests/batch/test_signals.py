"""Ctrl-C, SIGTERM and SIGKILL at any moment: the right exit code, one word, and no torn output."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from convcli import __main__, cli
from convcli.batch import one_job
from convcli.batch.names.jobs import Job
from convcli.batch.settings import Settings
from convcli.batch.workers import interrupts
from tests.support import PATIENCE, command, environment, held, leftovers, noise, read, save, wait_until_read

#: Signals that end a run, and its exit codes.
ENDING = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
if os.name == "posix":
    ENDING += [(signal.SIGHUP, 129), (signal.SIGQUIT, 131)]
posix = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")


@pytest.fixture
def here(here: Path) -> Path:
    """A working folder with a picture `good.png`."""
    save(Path("good.png"), noise(12, 10, 3))
    return here


@contextmanager
def started(folder: Path, wait_for: int) -> Iterator[subprocess.Popen[bytes]]:
    """A run over 40 pictures that doesn't end by itself, `wait_for` of which are done."""
    save(folder / "slow.png", noise(500, 600, 3))
    names = [f"{number}.png" for number in range(40)]
    for name in names:
        (folder / name).hardlink_to(folder / "slow.png")
    arguments = ("apply", *names, "-k", "box:size=9", "-k", "jitter", "-o", "out/", "--json")
    with held(*arguments, at=names[-1:], cwd=folder) as (process, _):
        assert process.stderr is not None
        for _ in range(wait_for):
            assert json.loads(process.stderr.readline())["status"] == "done"
        yield process


def whole(folder: Path) -> int:
    """How many outputs there are; each of them is complete."""
    paths = list((folder / "out").glob("[0-9]*.png"))
    for path in paths:
        assert read(path).shape == (500, 600, 3)
    return len(paths)


@posix
@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (cli.Terminated(15), 143)])
def test_a_signal_while_a_class_is_made(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python 3.11 makes another error of what is raised in `__set_name__`."""

    class Interrupted:
        def __set_name__(self, owner: Any, name: str) -> None:
            raise error

    def main(*arguments: Any, **options: Any) -> None:
        type("Made", (), {"field": Interrupted()})

    monkeypatch.setattr(cli.group, "main", main)
    assert cli.run(["list"]) == code
    assert capsys.readouterr().err == "Stopped.\n"

    def run_job(*arguments: Any) -> None:
        main()

    monkeypatch.setattr(one_job, "run_job", run_job)
    with pytest.raises(type(error)):  # and no fault of the input that a process is at
        one_job.settled(Job(input="a.png", output="b.png", format=""), Settings(kernels=[]), None, safely=True)


@pytest.mark.parametrize(("number", "code"), ENDING)
@pytest.mark.parametrize("delay", [0.0, 0.05])
def test_a_signal_stops_the_run_and_leaves_no_torn_output(tmp_path: Path, number: int, code: int, delay: float) -> None:
    with started(tmp_path, wait_for=2) as process:
        time.sleep(delay)
        process.send_signal(number)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == code
    assert err.decode().splitlines()[-1] == "Stopped."
    assert b"Traceback" not in err
    assert 2 <= whole(tmp_path) < 40
    assert leftovers(tmp_path) == []


@posix
def test_a_signal_before_all_is_read(here: Path) -> None:
    process = subprocess.Popen(
        command("apply", "-", "-k", "identity", "-o", "out.png"),
        stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
    )  # fmt: skip
    wait_until_read(process, Path("good.png").read_bytes()[:64])
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err.strip()) == (130, b"Stopped.")


@posix
@pytest.mark.parametrize(("number", "code"), ENDING)
def test_signals_at_any_moment(here: Path, number: int, code: int) -> None:
    """From the first lines of ours on, which obey signals; before, while Python itself starts, they are Python's."""
    started = (
        "import os; from convcli import __main__ as ours; answer = ours.answer; "
        "ours.answer = lambda words: os.write(1, b'.') and answer(words); ours."
    )
    for turn in range(10):
        process = subprocess.Popen(
            [sys.executable, "-c", started + "main()", "apply", "good.png", "-k", "jitter", "-o", f"{turn}.png"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=environment(PYTHONWARNINGS=""),  # as users have it: a file may be left open
        )  # fmt: skip
        assert process.stdout is not None and process.stdout.read(1) == b"."
        time.sleep(0.05 * turn)
        for _ in range(1 + turn % 2):
            process.send_signal(number)
        _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode in (0, code)
        assert set(err.split()) <= {b"Stopped."}, err
        assert Path(f"{turn}.png").exists() or process.returncode == code


LOST = """
import importlib._bootstrap, importlib._bootstrap_external, os, sys, time
from convcli import cli
class Finaliser:
    def __del__(self):
        os.kill(os.getpid(), int(sys.argv[1]))
        time.sleep(0.01)
step = "def step():\\n os.kill(os.getpid(), int(sys.argv[1])); os.write(2, b'went on. ')"
steps = {"import": importlib._bootstrap._ModuleLock.release, "file": importlib._bootstrap_external.FileLoader.get_data}
def busy(*arguments, **options):
    if sys.argv[2] in steps:
        exec(compile(step, steps[sys.argv[2]].__code__.co_filename, "exec"), globals())
        step()
    else:
        Finaliser()
    for _ in range(6000):  # a signal just before a sleep does not end that one, but the next
        time.sleep(0.1)
cli.group.main = busy
cli.main()
"""


@posix
@pytest.mark.parametrize(
    ("place", "said"),
    [("finaliser", b"Stopped.\n"), ("import", b"went on. Stopped.\n"), ("file", b"went on. Stopped.\n")],
)
@pytest.mark.parametrize(("number", "code"), ENDING)
def test_a_signal_that_python_would_lose(number: int, code: int, place: str, said: bytes) -> None:
    """What a handler raises inside a finaliser is printed and forgotten; between two steps of an import it would leave
    a lock behind, for which the next import waits without end, or an open file: those are not broken off."""
    line = [sys.executable, "-c", LOST, str(int(number)), place]
    done = subprocess.run(line, env=environment(), capture_output=True, check=False, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (code, said)


@posix
@pytest.mark.parametrize("name", ["INT", "HUP", "QUIT"])
def test_a_signal_that_the_caller_ignores_is_ignored(here: Path, name: str) -> None:
    program = " ".join(f"'{part}'" for part in command())
    script = (
        f"trap '' {name}; mkfifo gate; (read go < gate; cat good.png) | {program} apply - -k identity -o out.png & "
        f"sleep 0.5; kill -{name} $!; echo > gate; wait $!"
    )
    done = subprocess.run(["sh", "-c", script], capture_output=True, env=environment(), timeout=PATIENCE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@posix
def test_nohup_protects_a_batch_and_its_workers(tmp_path: Path) -> None:
    """A terminal that is gone tells all processes of its group."""
    for number in range(12):
        save(tmp_path / f"{number}.png", noise(300, 400, 3))
    arguments = command("apply", *(f"{number}.png" for number in range(12)), "-k", "jitter", "-o", "out/", "-j", "2")
    process = subprocess.Popen(
        ["nohup", *arguments, "--json"], cwd=tmp_path, env=environment(), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, bufsize=0,
    )  # fmt: skip
    assert process.stderr is not None and b"done" in process.stderr.readline()
    os.killpg(process.pid, signal.SIGHUP)
    assert process.communicate(timeout=PATIENCE)[1].count(b"done") == 11
    assert process.returncode == 0


@posix
@pytest.mark.parametrize(("number", "code"), ENDING)
def test_a_signal_to_all_processes_of_a_batch(tmp_path: Path, number: int, code: int) -> None:
    """As Ctrl-C, Ctrl-\\ and a closed terminal send it; no worker outlives the run, nor leaves a core."""
    names = [save(tmp_path / f"{name}.png", noise(300, 400, 3)).name for name in range(40)]
    arguments = ("apply", *names, "-k", "jitter", "-o", "out/", "-j", "2", "--json")
    with held(*arguments, at=names[-1:], cwd=tmp_path, start_new_session=True, preexec_fn=_may_leave_cores) as (
        process,
        _,
    ):
        assert process.stderr is not None and b"done" in process.stderr.readline()
        os.killpg(process.pid, number)
        err = process.communicate(timeout=PATIENCE)[1]
    assert (process.returncode, err.splitlines()[-1]) == (code, b"Stopped.")
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    assert leftovers(tmp_path / "out") == []
    assert {path.suffix for path in tmp_path.iterdir()} <= {".png", ""}
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("core")]


def _may_leave_cores() -> None:
    most = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))


def test_the_first_line_and_the_rest_obey_the_same_signals() -> None:
    assert {signal.Signals(number).name for number in interrupts.ending()} == {
        name for name in __main__.ENDING if hasattr(signal, name)
    }


@posix
def test_kill_9_leaves_no_torn_output(tmp_path: Path) -> None:
    with started(tmp_path, wait_for=1) as process:
        time.sleep(0.1)
        process.kill()
        process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGKILL
    assert 1 <= whole(tmp_path) < 40
