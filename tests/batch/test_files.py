"""Output files: whole or not at all, with the permissions and links that were there."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from convcli.batch import temporaries
from convcli.batch.files import check_target, placed, write_atomically
from convcli.errors import ImageError
from tests.support import PATIENCE

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX permissions and signals")
not_root = pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")


def test_a_new_file_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "out [red] -\u00fc\n\x1b[1m.png"
    write_atomically(target, b"pixels")
    assert target.read_bytes() == b"pixels"
    assert list(tmp_path.iterdir()) == [target]


@posix
def test_permissions_follow_the_umask_or_the_file(tmp_path: Path) -> None:
    target = tmp_path / "out.png"
    before = os.umask(0o027)
    try:
        write_atomically(target, b"1")
        assert stat.S_IMODE(target.stat().st_mode) == 0o640
        target.chmod(0o604)
        write_atomically(str(target), b"2")
    finally:
        os.umask(before)
    assert (target.read_bytes(), stat.S_IMODE(target.stat().st_mode)) == (b"2", 0o604)


@posix
def test_links_are_written_through(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "a.png", tmp_path / "link.png"
    link.symlink_to(target)
    write_atomically(link, b"new")  # a link that leads nowhere yet
    write_atomically(link, b"newer")
    assert link.is_symlink() and target.read_bytes() == b"newer"
    assert sorted(tmp_path.iterdir()) == [link, tmp_path / "real"]


@pytest.mark.parametrize("step", ["write", "fsync", "replace", "interrupt"])
def test_nothing_stays_after_a_failure(tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "out.png"
    target.write_bytes(b"before")

    def full(*_: Any) -> None:
        if step == "interrupt":
            raise KeyboardInterrupt
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if step == "write":
        monkeypatch.setattr(os, "write", full)
    elif step == "replace":
        monkeypatch.setattr(os, "replace", full)
    else:
        monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KeyboardInterrupt if step == "interrupt" else ImageError) as caught:
        write_atomically(target, b"after")
    monkeypatch.undo()
    if step != "interrupt":
        assert str(caught.value) == f"{target}: can't be written: no space left on device"
    assert target.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_device_is_no_target() -> None:
    with pytest.raises(ImageError, match="a device or a pipe"):
        check_target("/dev/full", overwrite=True)


KILLED = """
import sys, convcli.batch.files, os
def hang(_):
    print("ready", flush=True)
    import time; time.sleep(600)
os.fsync = hang
convcli.batch.files.write_atomically(sys.argv[1], b"after" * 1000)
"""


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_killed_while_writing(tmp_path: Path, number: int) -> None:
    target = tmp_path / "out.png"
    target.write_bytes(b"before")
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(target)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        process.wait(PATIENCE)
    assert target.read_bytes() == b"before"
    left = [path.name for path in tmp_path.iterdir() if path != target]
    assert left == [] if number == signal.SIGINT else len(left) == 1
    for name in left:  # the next run knows it by its name
        assert name.startswith(temporaries.TEMPORARY_PREFIX) and name.endswith(temporaries.TEMPORARY_SUFFIX)


def test_targets_are_checked_before_work(tmp_path: Path) -> None:
    target = tmp_path / "out.png"
    check_target(target, overwrite=False)
    assert not target.exists()
    target.write_bytes(b"")
    check_target(target, overwrite=True)
    with pytest.raises(ImageError, match="it exists already") as caught:
        check_target(target, overwrite=False)
    assert caught.value.hint == "--overwrite replaces it"
    for overwrite in (False, True):
        with pytest.raises(ImageError, match="it is a folder, not a file"):
            check_target(tmp_path, overwrite=overwrite)
        with pytest.raises(ImageError, match="missing' does not exist"):
            check_target(tmp_path / "missing" / "out.png", overwrite=overwrite)
        with pytest.raises(ImageError, match=r"out\.png"):
            check_target(target / "below.png", overwrite=overwrite)


def test_missing_folder_and_folder_as_target(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="can't be written: no such file or directory"):
        write_atomically(tmp_path / "missing" / "out.png", b"")
    with pytest.raises(ImageError, match="can't be written: is a directory"):
        write_atomically(tmp_path, b"")
    with pytest.raises(ImageError, match="can't be written: "):
        write_atomically(tmp_path / ("x" * 300), b"")
    with pytest.raises(ImageError):
        check_target(tmp_path / ("x" * 300), overwrite=True)


@posix
def test_a_link_to_an_existing_file_exists(tmp_path: Path) -> None:
    link = tmp_path / "link.png"
    link.symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(ImageError, match="exists already"):
        check_target(link, overwrite=False)
    check_target(link, overwrite=True)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ImageError, match="a device or a pipe"):
        check_target(tmp_path / "pipe", overwrite=True)


@posix
@not_root
def test_a_folder_that_is_not_writable(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(ImageError, match="is not writable"):
            check_target(tmp_path / "out.png", overwrite=False)
        with pytest.raises(ImageError, match="permission denied"):
            write_atomically(tmp_path / "out.png", b"")
    finally:
        tmp_path.chmod(0o700)


def test_nothing_stays_of_a_file_that_was_just_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C between the system's making of a temporary file and the next line of ours."""
    create = temporaries.create

    def stopped(*arguments: Any, **named: Any) -> None:
        handle, _ = create(*arguments, **named)
        os.close(handle)
        raise KeyboardInterrupt

    monkeypatch.setattr(temporaries, "create", stopped)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a.png", b"data")
    with pytest.raises(KeyboardInterrupt), placed(str(tmp_path / "b.png"), lambda _: False):
        pass
    assert list(tmp_path.iterdir()) == []
