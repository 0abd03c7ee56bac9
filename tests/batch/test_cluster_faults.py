"""Clusters that fail: a scheduler or its workers killed, the way to it cut, other programs at its address."""

from __future__ import annotations

import contextlib
import errno
import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from convcli.batch import cluster
from tests.batch.test_cluster import dask, line_count, registered
from tests.support import PATIENCE, environment, leftovers, noise, read, run, save, wait_until

pytest.importorskip("distributed", reason="needs the extra convcli[dask]")

COUNT = 12
#: The command line with less patience; whatever dask, tornado or Python say of their own would be seen.
SCRIPT = """
import sys, convcli.batch.cluster as cluster, convcli.cli
cluster._ANSWER_S, cluster._ALONE_S = {answer}, 3
{more}
convcli.cli.main()
"""
#: What lets a worker never come to the end of the last picture.
STOPS = f"""
import time
from convcli.batch.names import inputs
def stops(name, original=inputs.check_input):
    while name.endswith("{COUNT - 1}.png"):
        time.sleep(1)
    original(name)
inputs.check_input = stops
"""
OTHER_VERSION = """
import distributed.versions as versions
versions.get_versions = lambda packages=None, real=versions.get_versions: {
    **real(packages), "packages": {"python": "3.9.0.final.0", "dask": "1999.1", "distributed": "1999.1"}}
"""


@pytest.fixture
def here(here: Path) -> Path:
    for number in range(COUNT):
        save(Path(f"{number}.png"), noise(500, 600, 3, seed=number))
    return here


def started(scheduler: str, more: str = "", *options: str, answer: float = 30) -> subprocess.Popen[str]:
    names = [f"{number}.png" for number in range(COUNT)]
    arguments = ["apply", *names, "-k", "box:size=9", "-k", "jitter", "-o", "out/", "--scheduler", scheduler, *options]
    script = SCRIPT.format(more=more, answer=answer)
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env=environment(PYTHONWARNINGS="default"),
    )  # fmt: skip


@contextlib.contextmanager
def started_cluster(folder: Path, preload: str = "") -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """The address of a scheduler, and its process with that of a worker, which has run `preload` first."""
    actual = folder / "scheduler.json"
    parts = [dask("scheduler", "--port", "0", "--scheduler-file", str(actual), cwd=folder)]
    try:
        options = ("--scheduler-file", str(actual), "--nthreads", "1", "--no-nanny", "--local-directory", str(folder))
        (folder / "first.py").write_text(preload)
        parts += [dask("worker", *options, "--preload", str(folder / "first.py"), cwd=folder)]
        wait_until(lambda: actual.exists() and registered(folder))
        yield json.loads(actual.read_text())["address"], parts
    finally:
        for part in parts:
            part.kill()
            part.wait()


#: A process whose connections lead on to a port; it prints its own, and cuts them all when it is killed.
BETWEEN = """
import socket, sys, threading
def carry(source, target):
    while data := source.recv(1 << 16):
        target.sendall(data)
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while True:
    near, far = server.accept()[0], socket.create_connection((sys.argv[1], int(sys.argv[2])))
    for ends in ((near, far), (far, near)):
        threading.Thread(target=carry, args=ends, daemon=True).start()
"""


@contextlib.contextmanager
def between(address: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """An address that leads on to another one, and the process that it leads through."""
    host, port = address.removeprefix("tcp://").rsplit(":", 1)
    line = [sys.executable, "-c", BETWEEN, host, port]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"tcp://127.0.0.1:{int(process.stdout.readline())}", process
        finally:
            process.kill()


LOST = "the connection to the dask scheduler was lost"
ALONE = "the dask scheduler has had no workers for 3 s"


@pytest.mark.parametrize(("fault", "fact"), [("killed", LOST), ("ended", LOST), ("cut", LOST), ("alone", ALONE)])
def test_a_cluster_that_is_lost_on_the_way(
    here: Path, tmp_path_factory: pytest.TempPathFactory, fault: str, fact: str
) -> None:
    with (
        started_cluster(tmp_path_factory.mktemp("cluster"), STOPS) as (address, parts),
        between(address) as (through, carrier),
    ):
        where = through if fault == "cut" else address
        process = started(where, "", "--report-file", "r.jsonl")
        wait_until(lambda: line_count(Path("r.jsonl")) >= 2)
        if fault == "cut":
            carrier.kill()
        elif fault == "alone":
            parts[1].send_signal(signal.SIGKILL)
        else:
            parts[0].send_signal(signal.SIGKILL if fault == "killed" else signal.SIGTERM)
        out, err = process.communicate(timeout=PATIENCE)
    said = [line for line in err.splitlines() if not re.match(r"\d+ (of|done)", line)]
    hint = "  hint: the same with --report-file FILE --resume goes on from there"
    assert (process.returncode, out, said) == (1, "", [f"Error: {where}: {fact}", hint])
    done = [json.loads(line) for line in Path("r.jsonl").read_text().splitlines()]
    assert 2 <= len(done) < COUNT and {line["status"] for line in done} == {"done"}
    for line in done:
        assert read(Path(line["output"])).shape == (500, 600, 3)
    process = subprocess.Popen(
        [sys.executable, "-m", "convcli", "apply", *(f"{n}.png" for n in range(COUNT)), "-k", "box:size=9", "-k",
         "jitter", "-o", "out/", "--report-file", "r.jsonl", "--resume", "-q"],
        stderr=subprocess.PIPE, text=True, env=environment(),
    )  # fmt: skip
    assert (process.communicate(timeout=PATIENCE)[1], process.returncode) == ("", 0)
    assert len(list(Path("out").glob("*.png"))) == COUNT
    assert leftovers(here) == []


def test_whichever_call_meets_it_first(monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    """A lost connection is none of the cluster's faults, be it a call, a task or the client that says so."""
    from distributed.client import FutureCancelledError
    from distributed.comm import CommClosedError

    reset = ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
    timed_out = OSError("Timed out trying to connect to tcp://127.0.0.1:9 after 30 s")
    losses = [CommClosedError("in <TCP>"), reset, BrokenPipeError(), timed_out, FutureCancelledError("a", "lost")]
    for method in ("nthreads", "submit"):
        for error in [*losses, RuntimeError("of another version")]:
            client = mock.Mock(**{"nthreads.return_value": {"a": 1}})
            getattr(client, method).side_effect = [mock.Mock()] * (method == "submit") + [error]
            monkeypatch.setattr(cluster, "_client", lambda _, client=client: contextlib.nullcontext(client))
            result = run("apply", "0.png", "1.png", "-k", "box", "-o", "out/", "--scheduler", "tcp://127.0.0.1:9")
            said = LOST if error in losses else "the cluster failed: RuntimeError: of another version"
            assert (result.code, result.errors()) == (1, [f"Error: tcp://127.0.0.1:9: {said}"]), (method, error)
            assert ("goes on from there" in result.err) == (error in losses)


def test_a_scheduler_of_another_version(here: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with started_cluster(tmp_path_factory.mktemp("cluster")) as (address, _):
        process = started(address, OTHER_VERSION)
        out, err = process.communicate(timeout=PATIENCE)
    said = [line for line in err.splitlines() if not re.match(r"\d+ (of|done)", line)]
    assert (process.returncode, out, said) == (0, "", [])


@pytest.mark.parametrize("answer", [b"HTTP/1.0 400 Bad Request\r\n\r\n", b"", bytes(64), b"\xff" * 64])
def test_another_program_at_the_address(here: Path, answer: bytes) -> None:
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                if answer:
                    connection.sendall(answer)
                    connection.close()
                else:
                    open_ones.append(connection)

    open_ones: list[socket.socket] = []
    threading.Thread(target=serve, daemon=True).start()
    address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
    process = started(address, answer=2)
    out, err = process.communicate(timeout=PATIENCE)
    for one in (server, *open_ones):
        one.close()
    assert (process.returncode, out, err.count("\n"), "Traceback" in err) == (1, "", 1, False), err
    assert err.startswith(f"Error: {address}: ")
    assert not [*Path("out").iterdir()]


@pytest.mark.parametrize("content", ["", "{", "{}", "[]", '{"address": 7}', '{"address": "tcp://127.0.0.1:9"}'])
def test_scheduler_files_that_are_none(here: Path, content: str) -> None:
    Path("s.json").write_text(content)
    process = started("s.json", answer=2)
    out, err = process.communicate(timeout=PATIENCE)
    fact = "no dask scheduler answers" if "tcp" in content else "is no scheduler file of dask's: it holds no address"
    assert (process.returncode, out, err.count("\n")) == (1, "", 1), err
    assert err.startswith(f"Error: s.json: {fact}")


@pytest.mark.parametrize("address", ["", " "])
def test_no_name_is_no_cluster(here: Path, address: str) -> None:
    process = started(address)
    assert "Error: --scheduler names no cluster" in process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 2
