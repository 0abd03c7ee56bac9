"""When a group of outputs is finished, and what is left where a run is ended before."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from convcli.batch import durability
from convcli.batch.workers import Group, Later, groups
from tests.batch.grouped import linux, pictures
from tests.support import PATIENCE, command, environment, held, leftovers, noise, read, run, save, waiting


@pytest.mark.parametrize(("release", "able"), [("5.8.0", False), ("5.16.20-x", False), ("5.17.0", True), ("6.1", True)])
@linux
def test_systems_whose_call_tells_all_errors(monkeypatch: pytest.MonkeyPatch, release: str, able: bool) -> None:
    """Until 5.17 errors of a file system's own, as of its journal, were not told."""
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "", release, "", "")))
    assert (durability._calls.__wrapped__() is not None) == able


@linux
def test_this_system_is_known_as_it_is(tmp_path: Path) -> None:
    """Against the kernel's own table of what is mounted where."""
    both = durability._calls()
    if both is None:
        pytest.skip("an old kernel")
    with (tmp_path / "file").open("w") as file:
        device = os.fstat(file.fileno()).st_dev
        kind = both[1](file.fileno())
    place = f"{os.major(device)}:{os.minor(device)}"
    kinds = {
        line.split(" - ")[1].split()[0]
        for line in Path("/proc/self/mountinfo").read_text().splitlines() if line.split()[2] == place
    }  # fmt: skip
    numbers = {"ext3": 0xEF53, "ext4": 0xEF53, "xfs": 0x58465342, "tmpfs": 0x01021994, "overlay": 0x794C7630}
    known = {numbers[name] for name in kinds if name in numbers}
    assert not known or kind in known


def test_a_group_ends_by_number_bytes_or_time(monkeypatch: pytest.MonkeyPatch) -> None:
    class Big:
        size = 1 << 23

    monkeypatch.setattr(groups, "time", SimpleNamespace(monotonic=lambda: 10.0))
    group = Group()
    assert [group.add(number, Later(lambda: None), 10.0) for number in range(64)] == [False] * 63 + [True]
    group = Group()
    big = Later(lambda: None, [Big()])  # type: ignore[list-item]
    assert [group.add(number, big, 10.0) for number in range(2)] == [False, True]
    assert Group().add(0, Later(lambda: None), 9.0)


def test_a_group_is_finished_once() -> None:
    group = Group()
    claims: list[bool] = []
    threads = [threading.Thread(target=lambda: claims.append(group.claim())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claims) == [False] * 7 + [True]


HELD = """
import os, sys, time
from convcli.batch import durability
def hold(handles):
    os.write(1, b"written\\n")
    time.sleep(600)
durability.sync = hold
from convcli.cli import main
sys.argv = ["convcli", *sys.argv[1:]]
main()
"""


@linux
@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ended_between_writing_and_naming(here: Path, jobs: str, number: int, code: int) -> None:
    """Nothing has a name of its own yet; what lies about is gone at once, or after the next run."""
    names = pictures()
    arguments = ["apply", *names, "-k", "sharpen", "-o", "out/", "-j", jobs, "-q", "--report-file", "run.jsonl"]
    process = subprocess.Popen(
        [sys.executable, "-c", HELD, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=environment(OPENBLAS_NUM_THREADS="1", PYTHONWARNINGS=""),  # a signal while a file is opened leaves it open
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == b"written\n"
    # By their parent, workers end also where the disk does not answer: by SIGKILL, and what they leave is swept.
    (os.killpg if number == signal.SIGKILL else os.kill)(process.pid, number)
    _, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, b"Traceback" in err) == (code, False), err.decode()
    assert [path.name for path in Path("out").iterdir() if not path.name.startswith(".")] == []
    assert Path("run.jsonl").exists() is False or Path("run.jsonl").read_bytes() == b""
    assert (leftovers(here / "out") == []) == (number != signal.SIGKILL)
    again = run("apply", *names, "-k", "sharpen", "-o", "out/", "-q", "--report-file", "run.jsonl", "--resume")
    assert again.code == 0
    assert sorted(path.name for path in Path("out").iterdir()) == names
    assert all(read(Path("out") / name).shape == (12, 10, 3) for name in names)


@linux
def test_small_ones_do_not_wait_for_a_large_one(here: Path) -> None:
    """What is made has its name, and is told, before a large picture behind it is."""
    names = pictures(4)
    save(Path("large.bmp"), noise(2500, 2500, 3))
    arguments = ("apply", *names, "large.bmp", "-k", "jitter", "-o", "out/{stem}.jpg", "-j", "1", "--json")
    with held(*arguments, at=["large.bmp"], call="batch.sources.opened") as (process, _):
        waiting(process)
        assert process.stderr is not None
        for _ in names:
            assert b'"status": "done"' in process.stderr.readline()
        assert len(list(Path("out").glob("[0-9]*.jpg"))) == 4


def test_nobody_waits_for_a_pipe(here: Path) -> None:
    """It may take hours to be filled: what is made before has its name, and is told."""
    names = pictures(4)
    line = command("apply", *names, "-", "-k", "sharpen", "-o", "out/", "--json")
    with subprocess.Popen(line, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as process:
        assert process.stderr is not None
        for _ in names:
            assert b'"status": "done"' in process.stderr.readline()
        assert sorted(path.name for path in Path("out").iterdir()) == names
        process.kill()
