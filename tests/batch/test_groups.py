"""Groups of outputs: written, made durable together, then put in place; whole or not at all however that ends."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from convcli.batch import durability, files, one_file, report_file
from convcli.batch.workers import Group, Later, groups
from convcli.errors import ImageError
from tests.batch.grouped import COUNT, linux, pending, pictures
from tests.support import environment, leftovers, noise, run, save


def test_one_call_a_group(here: Path, calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "_MOST_S", 600)
    names = pictures()
    assert run("apply", *names, "-k", "sharpen", "-o", "out/", "-j", "1", "-q").code == 0
    assert calls.count("link") == COUNT and calls.count("fsync") <= 1
    assert calls.count("syncfs") == 1
    assert calls[0] != "link"  # nothing has its name before it is durable
    assert leftovers(here / "out") == []


def test_a_single_output_is_made_durable_alone(here: Path, calls: list[str]) -> None:
    save(Path("in.png"), noise(12, 10, 3))
    assert run("apply", "in.png", "-k", "sharpen", "-o", "out.png").code == 0
    assert calls == ["fsync", "link"]


#: However long results and the disk take.
NO_CLOCK = """
from convcli.batch import durability
from convcli.batch.workers import groups
from convcli.cli import main
durability._PATIENCE_S = groups._MOST_S = 600
main()
"""


@linux
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_system_calls_a_file(here: Path, jobs: str) -> None:
    """The input is opened once, the output made once; one call makes a group durable."""
    strace = shutil.which("strace")
    if not strace:
        pytest.skip("needs strace")
    names = pictures(64)
    line = [sys.executable, "-c", NO_CLOCK, "apply", *names, "-k", "sharpen", "-o", "out/", "-j", jobs, "-q"]
    traced = [strace, "-f", "-o", "trace", "-e", "trace=openat,fsync,syncfs,link,linkat,rename,unlink", *line]
    done = subprocess.run(traced, env=environment(OPENBLAS_NUM_THREADS="1"), capture_output=True, check=False)
    if b"ptrace" in done.stderr:
        pytest.skip("no tracing here")
    assert done.returncode == 0
    trace = Path("trace").read_text()
    assert len(re.findall(r'openat\(AT_FDCWD, "\d\d\.png"', trace)) == 64
    assert len(re.findall(r'openat\(AT_FDCWD, "out/\.convcli', trace)) == 64
    both = durability._calls()
    with Path("trace").open() as file:
        able = both is not None and both[1](file.fileno()) in durability._ABLE
    groups = len(re.findall(r"\bsyncfs\(", trace))
    # A worker that waits for more to do ends its group.
    assert groups + trace.count("fsync(") <= (4 if able and jobs == "1" else 64)
    assert bool(groups) == able


def test_each_file_system_has_its_call(calls: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    several = pending(*(str(tmp_path / name) for name in "abcd"))
    handles = [handle for one in several for handle in one.unsynced]
    real = os.fstat

    class Status:
        def __init__(self, handle: int) -> None:
            self.st_dev = handles.index(handle) % 2

    monkeypatch.setattr(os, "fstat", lambda handle: Status(handle) if handle in handles else real(handle))
    files.sync(several)
    assert calls == ["syncfs", "syncfs"]
    for one in several:
        one.finish()
    assert calls == ["syncfs", "syncfs", *["link"] * 4]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("lacking", ["system", "kind", "refused"])
def test_where_there_is_no_call_for_all_each_has_its_own(
    calls: list[str], tmp_path: Path, lacking: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other systems; file systems of a server or below another one; an error that may be another program's."""
    answers: dict[str, Any] = {
        "system": None,
        "kind": (lambda handle: 0, lambda handle: 0x65735546),
        "refused": (lambda handle: -1, lambda handle: 0xEF53),
    }
    monkeypatch.setattr(durability, "_calls", lambda: answers[lacking])
    several = pending(*(str(tmp_path / name) for name in "abc"))
    files.sync(several)
    assert calls == ["fsync"] * 3
    for one in several:
        one.finish()
    assert calls == ["fsync"] * 3 + ["link"] * 3


def test_a_call_that_waits_for_others_is_the_last_one(
    calls: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durability, "_PATIENCE_S", -1.0)
    files.sync(pending(str(tmp_path / "a"), str(tmp_path / "b")))
    files.sync(pending(str(tmp_path / "c"), str(tmp_path / "d")))
    assert calls == ["syncfs", "fsync", "fsync"]


def test_what_the_disk_refuses_of_one_is_told_of_that_one(
    tmp_path: Path, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    several = pending(*(str(tmp_path / name) for name in "abc"))
    (refused,) = several[1].unsynced

    def fsync(handle: int) -> None:
        if handle == refused:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(durability, "_calls", lambda: None)
    files.sync(several)
    several[0].finish()
    with pytest.raises(ImageError, match="b: can't be written: no space left on device"):
        several[1].finish()
    several[2].finish()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "c"]


def test_permissions_that_cant_be_given_fail_one_file(
    here: Path, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file is closed before the others are made durable."""
    names = pictures(6)
    chmod = os.chmod

    def refuse(path: str, mode: int) -> None:
        if mode & 0o777 == 0o640:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        chmod(path, mode)

    Path("out").mkdir()
    for name in names:
        Path("out", name).write_text(name)
    Path("out", "05.png").chmod(0o640)
    monkeypatch.setattr(os, "chmod", refuse)
    result = run("apply", *names, "-k", "sharpen", "-o", "out/", "-j", "1", "-q", "--overwrite")
    assert (result.code, result.errors()) == (1, ["Error: out/05.png: can't be written: operation not permitted"])
    assert [name for name in names if Path("out", name).read_bytes() == name.encode()] == ["05.png"]
    assert leftovers(here) == []


def test_a_file_that_was_closed_is_the_fault_of_that_one(tmp_path: Path, calls: list[str]) -> None:
    several = pending(*(str(tmp_path / name) for name in "abc"))
    (handle,) = several[1].unsynced
    os.close(handle)
    several[1]._leaders.clear()
    group = Group()
    for number, one in enumerate(several):
        group.add(number, Later(one.finish, [one]), time.monotonic())
    group.sync()
    assert several[1].fault and several[1].fault[1].errno == errno.EBADF
    assert (several[0].fault, several[2].fault) == (None, None)
    assert group.synced.is_set()


def test_what_is_in_place_before_an_error_is_told(tmp_path: Path) -> None:
    """A record that can't be written ends the run: nothing is finished twice, what is not in place goes away."""
    several = pending(*(str(tmp_path / name) for name in "abc"))
    group, finished = Group(), list[str]()
    for number, (name, one) in enumerate(zip("abc", several, strict=True)):
        group.add(number, Later(lambda name=name, one=one: (one.finish(), finished.append(name)), [one]), 0.0)  # type: ignore[misc]
    for number, _ in group.finish():
        if number == 1:
            break
    group.give_up()
    assert finished == ["a", "b"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_record_that_cant_be_written_ends_the_run_also_before_a_large_picture(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = pictures(3)
    save(Path("large.png"), noise(1400, 1200, 3))
    add, added = report_file.ReportFile.add, list[str]()

    def refuse_once(self: Any, report: Any) -> None:
        added.append(report.input)
        if len(added) == 2:
            raise ImageError("can't be written: no space left for a line", place="r.jsonl")
        add(self, report)

    monkeypatch.setattr(report_file.ReportFile, "add", refuse_once)
    monkeypatch.setattr(one_file, "_MEMORY", 1 << 30)
    monkeypatch.setattr(groups, "_MOST_S", 60.0)
    arguments = ["apply", *names, "large.png", "-k", "sharpen", "-o", "out/", "-j", "1", "-q", "--report-file"]
    result = run(*arguments, "r.jsonl")
    assert (result.code, result.errors()) == (1, ["Error: r.jsonl: can't be written: no space left for a line"])
    assert added == names[:2]
    assert sorted(path.name for path in Path("out").iterdir()) == names[:2]
    again = run(*arguments, "r.jsonl", "--resume")
    assert (again.code, len(list(Path("out").iterdir()))) == (0, 4)
