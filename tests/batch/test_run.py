"""Batches in several processes: the same bytes and order as in one, and what happens when processes die."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from convcli.batch.workers import pool
from convcli.batch.workers.processes import LEAST_AHEAD
from tests.support import (
    PATIENCE,
    SAMPLES,
    Result,
    environment,
    held,
    leftovers,
    noise,
    read,
    run,
    save,
    spawn,
    wait_until,
    waiting,
)

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds processes in /proc")
SLOW = ("-k", "box:size=9", "-k", "jitter", "-k", "swirl")


def lines(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


# --- the same as in one process ---------------------------------------------------------------------------------------


def test_bytes_and_order_do_not_depend_on_the_number_of_processes(here: Path) -> None:
    Path("page.png").write_text("<html></html>")
    large = save(Path("large.png"), noise(1500, 1200, 3))
    names = [large, *(SAMPLES / name for name in ("scene.jpg", "logo.png", "float.tif")), Path("page.png")]
    names += [save(Path(f"{number}.png"), noise(20 + number, 30, 3, seed=number)) for number in range(12)]
    said, output = {}, {}
    for jobs in ("1", "2", "5"):
        arguments = [*names, "-k", "gaussian:sigma=2", "-k", "unsharp", "-o", f"out{jobs}/", "-j", jobs, "--json"]
        result = spawn("apply", *arguments, "--report-file", f"{jobs}.jsonl")
        assert result.code == 1
        said[jobs] = [
            (line["input"], line["status"], line["error"]) for line in map(json.loads, result.err.splitlines())
        ]
        assert [line["input"] for line in lines(f"{jobs}.jsonl")] == [str(name) for name in names]
        output[jobs] = {path.name: path.read_bytes() for path in Path(f"out{jobs}").iterdir()}
    assert said["1"] == said["2"] == said["5"]
    assert [name for name, *_ in said["1"]] == [str(name) for name in names]
    assert output["1"] == output["2"] == output["5"]
    assert len(output["1"]) == len(names) - 1


def test_processes_that_are_started_afresh(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where forking is not safe: all that a worker needs travels there."""
    monkeypatch.setattr(pool, "can_fork", lambda: False)
    Path("page.png").write_text("<html></html>")
    for number in range(3):
        save(Path(f"{number}.png"), noise(192, 256, 3, seed=number))
    arguments = ["0.png", "page.png", "1.png", "2.png", "-k", "ripple", "-k", "gaussian:sigma=3"]
    fresh = run("apply", *arguments, "-o", "fresh/", "-j2")
    assert fresh.errors() == ["Error: page.png: not an image (looks like HTML)"]
    run("apply", *arguments, "-o", "here/", "-j1")
    for number in range(3):
        assert Path(f"fresh/{number}.png").read_bytes() == Path(f"here/{number}.png").read_bytes()


_SCRIPT = """
from convcli.batch.workers import pool
from convcli.batch.workers.processes import LEAST_AHEAD
from convcli.cli import run
print("begun", flush=True)
pool.can_fork = lambda: False
print(run(["apply", "0.png", "1.png", "-k", "sharpen", "-o", "out/", "-j", "2", "--quiet"]))
"""


@pytest.mark.parametrize("form", ["file", "module", "stdin"])
def test_a_script_without_a_guard_is_not_run_again(here: Path, form: str) -> None:
    for number in range(2):
        save(Path(f"{number}.png"), noise(24, 32, 3, seed=number))
    Path("script.py").write_text(_SCRIPT)
    arguments = {"file": ["script.py"], "module": ["-m", "script"], "stdin": ["-"]}[form]
    quiet = environment(PYTHONWARNINGS="ignore::ResourceWarning")  # codecs keep a file as long as their process lives
    done = subprocess.run(
        [sys.executable, *arguments], input=_SCRIPT, capture_output=True, text=True, env=quiet, timeout=PATIENCE
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "begun\n0\n", "")
    assert {path.name for path in Path("out").iterdir()} == {"0.png", "1.png"}


def test_processes_that_may_start_none_say_so(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import multiprocessing

    monkeypatch.setattr(pool, "can_fork", lambda: False)
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)
    for number in range(2):
        save(Path(f"{number}.png"), noise(24, 32, 3, seed=number))
    line = ["apply", "0.png", "1.png", "-k", "sharpen", "-o", "out/", "--quiet"]
    refused = run(*line, "-j2")
    assert refused.code == 1 and len(refused.errors()) == 1 and "  hint: --jobs 1 needs none\n" in refused.err
    assert run(*line, "-j1", "-f").code == 0


def test_stdin_among_several_inputs(here: Path) -> None:
    picture = save(Path("a.png"), noise(9, 8, 3)).read_bytes()
    result = spawn("apply", "a.png", "-", "-k", "identity", "-o", "out/", "-j2", stdin=picture)
    assert (result.code, result.err) == (0, "")
    assert Path("out/stdin.png").read_bytes() == Path("out/a.png").read_bytes()


@pytest.mark.parametrize("jobs", [1, 2])
def test_fail_fast_says_what_was_not_started(here: Path, jobs: int) -> None:
    """The first input of each process fails, so what is heard first is a failure, however fast which of them is."""
    names = [f"{number}.png" for number in range(30)]
    for name in names[:jobs]:
        Path(name).write_text("<html></html>")
    for name in names[jobs:]:
        save(Path(name), noise(30, 40, 3))
    result = spawn(
        "apply", *names, "-k", "sharpen", "-o", "out/", "--fail-fast", "-j", str(jobs), "--report-file", "r.jsonl"
    )
    statuses = [line["status"] for line in lines("r.jsonl")]
    done = len(list(Path("out").iterdir()))
    assert (result.code, result.errors()) == (
        1,
        [f"Error: {name}: not an image (looks like HTML)" for name in names[:jobs]],
    )
    assert statuses == ["failed"] * jobs + ["done"] * done + ["not started"] * (30 - jobs - done)
    assert done == (LEAST_AHEAD - 1) * jobs * (jobs > 1)  # what processes were given ahead is finished
    assert f"{done} done, {jobs} failed, {30 - jobs - done} not started in " in result.err


def test_wrong_options(here: Path) -> None:
    save(Path("a.png"), noise(9, 8, 3))
    base = ["apply", "a.png", "-k", "identity", "-o", "out.png"]
    for options, words in (
        (["--resume"], "--resume goes on with a report file"),
        (["--jobs", "0"], "--jobs"),
        (["--jobs", "2", "--scheduler", "tcp://x:1"], "leave one of them out"),
        (["--report-file", "-"], "names no file"),
        (["--report-file", "./a.png"], "--report-file ./a.png is also the input a.png"),
        (["--report-file", "./out.png"], "--report-file ./out.png is also the output out.png"),
    ):
        result = run(*base, *options)
        assert (result.code, words in result.err) == (2, True), result.err
    assert [path.name for path in here.iterdir()] == ["a.png"]


# --- processes that die -----------------------------------------------------------------------------------------------


NAMES = [f"{number}.png" for number in range(12)]


@contextmanager
def started(
    folder: Path, *options: str, **places: Any
) -> Iterator[tuple[subprocess.Popen[bytes], list[int], BinaryIO]]:
    """A batch in two processes, with their numbers: both wait at their first pictures, until a gate is closed."""
    save(folder / "slow.png", noise(700, 900, 3))
    for name in NAMES:
        (folder / name).hardlink_to(folder / "slow.png")
    arguments = ("apply", *NAMES, *SLOW, "-o", "out/", "-j2", *options)
    with held(*arguments, cwd=folder, start_new_session=True, **{"at": NAMES[:2], **places}) as (process, gate):
        yield process, waiting(process, 2), gate


def gone(pids: list[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


@linux
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_process_that_dies_takes_one_input_with_it(tmp_path: Path, number: signal.Signals) -> None:
    with started(tmp_path, "--report-file", "r.jsonl") as (process, actual, gate):
        os.kill(actual[0], number)
        gate.close()
        _, err = process.communicate(timeout=PATIENCE)
    records = lines(str(tmp_path / "r.jsonl"))
    (failed,) = [record for record in records if record["status"] == "failed"]
    assert failed["error"].startswith(f"{failed['input']}: the process that filtered it was killed by {number.name}")
    assert (process.returncode, b"Traceback" in err) == (1, False)
    done = {path.name for path in (tmp_path / "out").iterdir()}
    assert done == {record["input"] for record in records} - {failed["input"]}
    assert all(read(tmp_path / "out" / name).shape == (700, 900, 3) for name in done)
    again = Result(*_again(tmp_path))
    assert (again.code, again.errors()) == (0, [])
    statuses = [record["status"] for record in lines(str(tmp_path / "r.jsonl"))]
    assert (statuses.count("done"), statuses.count("skipped")) == (1, 11)


@linux
def test_what_a_process_was_writing_when_it_died_is_removed(tmp_path: Path) -> None:
    with started(tmp_path, at=(), call="batch.files._write_all") as (process, actual, gate):
        assert len(leftovers(tmp_path)) == 2
        os.kill(actual[0], signal.SIGKILL)
        gate.close()
        _, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, b"was killed by SIGKILL" in err) == (1, True)
    assert leftovers(tmp_path) == []


def _again(folder: Path) -> tuple[int, bytes, str]:
    result = spawn("apply", *NAMES, *SLOW, "-o", "out/", "--report-file", "r.jsonl", "--resume", cwd=folder)
    return result.code, result.out, result.err


@linux
@pytest.mark.parametrize(
    ("number", "to_all", "code"),
    [(signal.SIGINT, True, 130), (signal.SIGINT, False, 130), (signal.SIGTERM, False, 143)],
)
def test_a_signal_ends_all_processes(tmp_path: Path, number: signal.Signals, to_all: bool, code: int) -> None:
    with started(tmp_path, "--report-file", "r.jsonl") as (process, actual, _):
        if to_all:  # as a terminal does on Ctrl-C
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode in (code, -number)
    assert err.decode().split()[:4] == ["Stopped.", "hint:", "goes", "on"] and b" --resume\n" in err
    assert gone(actual)
    assert leftovers(tmp_path) == []
    for path in (tmp_path / "out").iterdir():
        assert read(path).shape == (700, 900, 3)


@linux
def test_no_process_outlives_a_run_that_is_killed(tmp_path: Path) -> None:
    with started(tmp_path) as (process, actual, _):
        process.kill()
        process.communicate(timeout=PATIENCE)
        wait_until(lambda: gone(actual))


# --- what fails late --------------------------------------------------------------------------------------------------

REFUSED = """
import errno, os, sys
from convcli.batch import durability
if sys.argv[1] == "fsync":  # as where a file system has no call for all
    durability._sync_system = lambda handle, device: False
call = getattr(os, sys.argv[1])
def refuse(given, *others):
    if os.stat(given).st_size == int(sys.argv[2]):
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    return call(given, *others)
setattr(os, sys.argv[1], refuse)
from convcli.cli import run
sys.exit(run(["apply", *(f"{number}.png" for number in range(8)), *"-k sharpen -o out/ -j 2 -q --overwrite".split()]))
"""


@linux
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_what_the_disk_refuses_late_is_told_of_its_own_input(step: str, here: Path) -> None:
    """Outputs are made durable beside the next input: an error there is still the first one's, and leaves nothing."""
    names = [save(Path(f"{number}.png"), noise(20, 30, 3, seed=number)) for number in range(8)]
    assert run("apply", *names, "-k", "sharpen", "-o", "whole/", "-q").code == 0
    whole = {path.name: path.read_bytes() for path in Path("whole").iterdir()}
    size = len(whole["3.png"])
    assert [len(data) for data in whole.values()].count(size) == 1
    Path("out").mkdir()
    Path("out/3.png").write_bytes(b"before")
    result = subprocess.run(
        [sys.executable, "-c", REFUSED, step, str(size)], capture_output=True, text=True, check=False,
        env=environment(OPENBLAS_NUM_THREADS="1"),
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (1, "Error: out/3.png: can't be written: input/output error\n")
    assert {path.name: path.read_bytes() for path in Path("out").iterdir()} == {**whole, "3.png": b"before"}
