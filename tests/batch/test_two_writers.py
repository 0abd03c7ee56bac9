"""Several runs to one new name: one of them makes it, the others are told, and what it made stays."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convcli.batch import temporaries
from convcli.batch.files import placed, write_atomically, write_together
from convcli.batch.report_file import ReportFile
from convcli.errors import ImageError
from tests.support import PATIENCE, command, environment, leftovers, noise, read, save, wait_until_read

posix = pytest.mark.skipif(os.name != "posix", reason="forks")
RUNS = 16


def _place(path: str, data: bytes) -> None:
    with placed(path, lambda _: False) as file:
        file.write(data)


def _place_several(path: str, data: bytes) -> None:
    write_together((f"{path}.{number}", data, False) for number in range(5))


def _keep_a_report(path: str, data: bytes) -> None:
    with ReportFile(path, resume=False, overwrite=False) as file:
        file._file.write(data)
        time.sleep(0.01)


WRITERS: dict[str, Callable[[str, bytes], None]] = {
    "whole": lambda path, data: write_atomically(path, data, overwrite=False),
    "by rows": _place,
    "several": _place_several,
    "a report": _keep_a_report,
}


def _raced(write: Callable[[str, bytes], None], path: str) -> list[int]:
    """How each of many copies of this process fared, all of which write at once: 0 done, 1 told that it exists."""
    ready, start = os.pipe()
    children = []
    for number in range(RUNS):
        child = os.fork()
        if not child:
            code = 2
            try:
                os.close(start)
                os.read(ready, 1)  # until the other end is closed
                write(path, b"%02d" % number * 1000)
                code = 0
            except ImageError as error:
                code = 1 if "exists already" in error.fact else 3
            finally:
                os._exit(code)
        children.append(child)
    os.close(start)
    os.close(ready)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


#: What a file system may have: links, or Linux's renaming that replaces nothing.
SYSTEMS = ["links", *(["renameat2"] if sys.platform == "linux" else [])]


@posix
@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("writer", WRITERS)
def test_one_wins(tmp_path: Path, writer: str, system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if system == "renameat2":
        monkeypatch.setattr(temporaries, "_linked", lambda temporary, target: False)
    for turn in range(3):
        codes = _raced(WRITERS[writer], str(tmp_path / f"out{turn}"))
        assert sorted(codes) == [0] + [1] * (RUNS - 1)
        winner = b"%02d" % codes.index(0) * 1000
        names = [f"out{turn}.{number}" for number in range(5)] if writer == "several" else [f"out{turn}"]
        assert all((tmp_path / name).read_bytes() == winner for name in names)
    assert leftovers(tmp_path) == []
    assert len(list(tmp_path.iterdir())) == 3 * len(names)


@pytest.mark.parametrize("writer", ["whole", "by rows", "several"])
def test_a_file_system_that_has_neither(tmp_path: Path, writer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came before is seen there, too; only what comes in the same moment isn't."""

    def refused(*_: Any, **__: Any) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refused)
    monkeypatch.setattr(temporaries, "_renamed", lambda temporary, target: False)
    target = str(tmp_path / "out")
    WRITERS[writer](target, b"first")
    with pytest.raises(ImageError, match="it exists already"):
        WRITERS[writer](target, b"second")
    assert {path.read_bytes() for path in tmp_path.iterdir()} == {b"first"}


@posix
def test_an_answer_that_a_network_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system asks a second time for the link that it has made, and is told that it exists."""
    link = os.link

    def twice(source: str, target: str, **options: Any) -> None:
        link(source, target, **options)
        link(source, target, **options)

    monkeypatch.setattr(os, "link", twice)
    write_atomically(tmp_path / "out", b"mine", overwrite=False)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("out", b"mine")]


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_came_meanwhile_stays(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "out"
    with pytest.raises(ImageError, match="it exists already") as caught, placed(str(target), lambda _: False) as file:
        file.write(b"mine")
        if kind == "folder":
            target.mkdir()
        elif kind == "link":
            target.symlink_to(tmp_path / "nowhere")
        else:
            target.write_bytes(b"theirs")
    assert caught.value.hint == "--overwrite replaces it"
    assert list(tmp_path.iterdir()) == [target]
    assert kind != "file" or target.read_bytes() == b"theirs"


@posix
@pytest.mark.parametrize("shape", [(60, 50, 3), (900, 1700, 3)], ids=["whole", "in bands"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_runs_from_the_shell(here: Path, shape: tuple[int, ...], overwrite: bool) -> None:
    """All have read their kernels and wait for the picture, which comes to all of them at once."""
    runs, kernels = 6, ("identity", "sharpen", "gaussian:sigma=1", "box:size=3")
    data = save(Path("in.png"), noise(*shape)).read_bytes()
    more = ["--overwrite"] if overwrite else []
    processes = [
        subprocess.Popen(
            command("apply", "-", "-k", kernels[number % 4], "-o", "new.png", "-q", *more),
            stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
        )
        for number in range(runs)
    ]  # fmt: skip
    for process in processes:
        wait_until_read(process, data[:64])
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(data[64:])
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    said = [process.communicate(timeout=PATIENCE)[1].decode() for process in processes]
    codes = [process.returncode for process in processes]
    if overwrite:
        assert (codes, set(said)) == ([0] * runs, {""})
    else:
        assert sorted(codes) == [0] + [1] * (runs - 1)
        words = "Error: new.png: it exists already\n  hint: --overwrite replaces it\n"
        assert [text for text in said if text] == [words] * (runs - 1)
        alone = command("apply", "in.png", "-k", kernels[codes.index(0) % 4], "-o", "alone.png", "-q")
        assert subprocess.run(alone, env=environment(), check=False).returncode == 0
        assert Path("alone.png").read_bytes() == Path("new.png").read_bytes()
    assert read(Path("new.png")).shape == shape
    assert leftovers(here) == []


@posix
@pytest.mark.skipif(sys.platform != "linux", reason="forked workers")
def test_batches_to_one_folder(here: Path) -> None:
    """Each name is made by one of them; every one that failed says so, and no failure hides behind another's file."""
    names = [f"{number}.png" for number in range(20)]
    for name in names:
        save(Path(name), noise(40, 30, 3))
    processes = [
        subprocess.Popen(
            command("apply", *names, "-k", kernel, "-o", "out/", "-j", "2", "--json"),
            stderr=subprocess.PIPE, env=environment(), text=True,
        )
        for kernel in ("identity", "sharpen", "jitter")
    ]  # fmt: skip
    lines = [process.communicate(timeout=PATIENCE)[1].splitlines() for process in processes]
    done = sum(line.count('"status": "done"') for run in lines for line in run)
    failed = sum(line.count("it exists already") for run in lines for line in run)
    assert (done, failed) == (20, 40)
    assert sorted(path.name for path in Path("out").iterdir()) == sorted(names)
