"""Batches on a dask cluster: two worker processes on this machine, one of which is killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import PATIENCE, Result, environment, noise, save, spawn, wait_until

pytest.importorskip("distributed", reason="needs the extra convcli[dask]")

COUNT = 16


def dask(kind: str, *arguments: str, cwd: Path) -> subprocess.Popen[bytes]:
    """A part of a cluster, beside others on this machine, of whose ports it warns; its log is a file by its name."""
    program = [sys.executable, "-m", "distributed.cli.dask_" + kind, *arguments, "--dashboard-address", ":0"]
    quiet = environment(PYTHONWARNINGS="")
    with (cwd / f"{kind}-{time.monotonic_ns()}.log").open("wb") as log:
        return subprocess.Popen(program, cwd=cwd, env=quiet, stdout=log, stderr=log, start_new_session=True)


def registered(folder: Path) -> int:
    """How many workers their scheduler knows."""
    return sum("Registered to:" in path.read_text() for path in folder.glob("worker-*.log"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a scheduler with two workers of one thread each, and the folder where their logs are."""
    folder = tmp_path_factory.mktemp("cluster")
    actual = folder / "scheduler.json"
    parts = [dask("scheduler", "--port", "0", "--scheduler-file", str(actual), cwd=folder)]
    try:
        options = ("--scheduler-file", str(actual), "--nthreads", "1", "--no-nanny", "--local-directory", str(folder))
        parts += [dask("worker", *options, cwd=folder) for _ in range(2)]
        wait_until(lambda: actual.exists() and registered(folder) == 2)
        yield json.loads(actual.read_text())["address"], folder
    finally:
        for part in parts:
            part.kill()  # asked to end, a worker waits for its scheduler, which may be gone
            part.wait()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for number in range(COUNT):
        save(Path(f"{number}.png"), noise(300, 400, 3, seed=number))
    return tmp_path


NAMES = [f"{number}.png" for number in range(COUNT)]
KERNELS = ("-k", "ripple.yaml", "-k", "box:size=9", "-k", "jitter")


def apply(*options: str, output: str = "out/") -> Result:
    Path("ripple.yaml").write_text("weights: [[1, 2, 1]]\ndivisor: sum\n")
    return spawn("apply", *NAMES, "page.png", *KERNELS, "-o", output, *options)


def line_count(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def records(path: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def test_the_same_as_here_also_where_a_worker_dies(cluster: tuple[str, Path], here: Path) -> None:
    address, folder = cluster
    Path("page.png").write_text("<html></html>")
    assert apply(output="local/").code == 1
    process = subprocess.Popen(
        [sys.executable, "-m", "convcli", "apply", *NAMES, "page.png", *KERNELS, "-o", "out/", "--scheduler", address,
         "--report-file", "r.jsonl"],
        env=environment(), stderr=subprocess.PIPE,
    )  # fmt: skip
    wait_until(lambda: line_count(Path("r.jsonl")) >= 2)
    os.kill(worker_ids(folder)[0], signal.SIGKILL)
    _, err = process.communicate(timeout=PATIENCE)
    error, summary = (line for line in err.decode().splitlines() if not re.match(r"\d+ of ", line))
    assert (process.returncode, error) == (1, "Error: page.png: not an image (looks like HTML)")
    assert summary.startswith(f"{COUNT} done, 1 failed in ")
    lines = records("r.jsonl")
    assert [line["input"] for line in lines] == [*NAMES, "page.png"]
    assert [line["status"] for line in lines] == ["done"] * COUNT + ["failed"]
    assert all(line["written"][0]["path"] == line["output"] for line in lines[:-1])
    assert sorted(path.name for path in Path("out").iterdir()) == sorted(NAMES)
    for name in NAMES:
        assert Path("out", name).read_bytes() == Path("local", name).read_bytes()
    before = {path.name: path.stat().st_mtime_ns for path in Path("out").iterdir()}
    assert apply("--scheduler", address, "--report-file", "r.jsonl", "--resume").code == 1
    assert [line["status"] for line in records("r.jsonl")] == ["skipped"] * COUNT + ["failed"]
    again = apply("--scheduler", address)
    assert again.code == 1 and re.match(r"Error: out/0\.png.*: it exists already$", again.errors()[0])
    assert {path.name: path.stat().st_mtime_ns for path in Path("out").iterdir()} == before


def worker_ids(folder: Path) -> list[int]:
    """The processes of the workers, which run in that folder."""
    actual = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"distributed.cli.dask_worker" in words and os.fsencode(folder / "scheduler.json") in words:
            actual.append(int(path.parent.name))
    return sorted(actual)


def test_without_an_answer_there_is_one_line(here: Path) -> None:
    """The patience of ten seconds shortened."""
    script = "import sys, convcli.batch.cluster, convcli.cli; convcli.batch.cluster._ANSWER_S = 1; convcli.cli.main()"
    for address, words in (("tcp://127.0.0.1:9", "no dask scheduler answers"), ("nonsense:", "no dask scheduler")):
        arguments = ["apply", "0.png", "-k", "identity", "-o", "out.png", "--scheduler", address]
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments], capture_output=True, text=True, env=environment(),
            timeout=PATIENCE, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr.count("\n"), done.stderr.count("Error:")) == (1, 1, 1), done.stderr
        assert words in done.stderr
        assert not Path("out.png").exists()


def test_streams_do_not_reach_a_cluster(here: Path) -> None:
    result = spawn("apply", "0.png", "-k", "identity", "-o", "-", "--scheduler", "tcp://127.0.0.1:9")
    assert result.code == 2
    assert "stdin and stdout don't reach" in result.err


def test_without_dask_there_is_one_line_with_the_fix(here: Path) -> None:
    Path("broken").mkdir()
    Path("broken/distributed.py").write_text("raise ImportError('no')\n")
    path = os.pathsep.join([str(here / "broken"), environment()["PYTHONPATH"]])
    arguments = ("apply", "0.png", "-k", "identity", "-o", "out.png", "--scheduler", "tcp://127.0.0.1:9")
    result = spawn(*arguments, env={"PYTHONPATH": path})
    assert result.code == 2
    assert re.fullmatch(r"Error: --scheduler needs dask.*\n  hint: pip install 'convcli\[dask\]'\n", result.err)
