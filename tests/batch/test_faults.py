"""Bad input, odd names, full disks: one line, the right exit code, and no torn output."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from convcli.filtering import chain
from tests.support import SAMPLES, environment, noise, read, run, save, spawn

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX files, pipes and signals")
not_root = pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")


@pytest.fixture
def here(here: Path) -> Path:
    """A working folder with a picture `good.png`."""
    save(Path("good.png"), noise(12, 10, 3))
    return here


# --- inputs -----------------------------------------------------------------------------------------------------------


@posix
def test_each_bad_input_gets_its_line_and_the_others_go_on(here: Path) -> None:
    Path("empty.png").write_bytes(b"")
    Path("folder.png").mkdir()
    os.mkfifo("fifo.png")
    Path("page.png").write_text("<!DOCTYPE html><html><title>404</title></html>")
    jpeg = (SAMPLES / "scene.jpg").read_bytes()
    Path("half.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    Path("endless.jpg").write_bytes(jpeg[:-2])
    Path("half.png").write_bytes(Path("good.png").read_bytes()[:200])
    Path("really-a-jpeg.png").write_bytes(jpeg)
    Path("dangling.png").symlink_to("nowhere.png")
    Path("loop.png").symlink_to("loop.png")
    bad = {
        "absent.png": "no such file",
        "*.webp": "no file matches this pattern",
        "empty.png": "the file is empty",
        "folder.png": "no picture is in this folder",
        "fifo.png": "is a pipe or device, not a file",
        "/dev/zero": "is a pipe or device, not a file",
        "page.png": "not an image (looks like HTML)",
        "half.jpg": f"truncated JPEG: it ends at byte {len(jpeg) // 2} without an end marker",
        "endless.jpg": "truncated JPEG: ",
        "half.png": "truncated PNG: ",
        "dangling.png": "no such file",
        "loop.png": "can't be read: ",
        "good.png/inner.jpg": "can't be read: not a directory",
    }
    result = run("apply", "good.png", *bad, "really-a-jpeg.png", "-k", "identity", "-o", "out/")
    assert (result.code, result.out) == (1, b"")
    for (name, message), line in zip(bad.items(), result.errors(), strict=True):
        assert line.startswith(f"Error: {name}: {message}")
    assert sorted(path.name for path in Path("out").iterdir()) == ["good.png", "really-a-jpeg.png"]
    assert Path("out/really-a-jpeg.png").read_bytes().startswith(b"\x89PNG")


@posix
def test_a_pipe_as_input_does_not_hang(here: Path) -> None:
    os.mkfifo("fifo.png")
    os.mkfifo("kernel.yaml")
    os.mkfifo("weights.npy")
    Path("k.yaml").write_text("weights: weights.npy\n")
    assert spawn("apply", "fifo.png", "-k", "identity", "-o", "out.png").code == 1
    for name in ("kernel.yaml", "k.yaml"):
        result = spawn("apply", "good.png", "-k", name, "-o", "out.png")
        assert result.code == 2
        assert result.errors()[0].endswith((": is a pipe, not a file", ": is a pipe or device, not a file"))


@posix
def test_a_kernel_without_end_is_refused(here: Path) -> None:
    result = spawn("apply", "good.png", "-k", "/dev/zero", "-o", "out.png")
    assert result.code == 2
    assert len(result.errors()) == 1


@posix
def test_a_kernel_from_a_pipe_of_the_shell(here: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", '"$0" -m convcli apply good.png -k <(echo "[[1]]") -o out.png', sys.executable],
        capture_output=True, env=environment(), check=False,
    )  # fmt: skip
    if b"bash" in done.stderr:
        pytest.skip("no bash")
    assert (done.returncode, done.stderr) == (0, b"")
    assert np.array_equal(read(Path("out.png")), read(Path("good.png")))


def test_an_output_beyond_all_bounds_is_refused(here: Path) -> None:
    for options, part in (
        (["-k", "upsample-nearest-2x:stride=4000"], "would make 48000 x 40000 samples; at most 1,073,741,824 are made"),
        (["-k", "identity", "--padding", "2000000000"], "samples; at most 1,073,741,824 are made"),
        (["-k", "box:size=8191,dilation=100000", "--padding", "valid"], "more than the 12 samples of the input"),
    ):
        result = run("apply", "good.png", *options, "-o", "out.png")
        assert (result.code, part in result.err) == (1, True)
        assert len(result.errors()) == 1
        assert not Path("out.png").exists()


def test_an_output_as_large_as_its_input_is_made(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else --max-pixels, which lifts the limit of what is read, would lead nowhere."""
    monkeypatch.setattr(chain, "LARGEST", 100)
    assert run("apply", "good.png", "-k", "identity", "-o", "out.png").code == 0
    result = run("apply", "good.png", "-k", "upsample-nearest-2x", "-o", "large.png")
    assert (result.code, len(result.errors())) == (1, 1)
    assert "would make 24 x 20 samples; at most 120 are made" in result.err


# --- names ------------------------------------------------------------------------------------------------------------

ODD = [
    b"a b.png", b"100%s{}.png", "\u00e9\u9501\U0001f600.png".encode(), b"line\nbreak.png", b"\x1b[31mred.png",
    b"[red].png", b"caf\xe9.png", b"'quoted\".png", b"tab\t.png", b"{stem}.png", b"$HOME.png", b"back\\slash.png",
    b":a::b.png",
]  # fmt: skip


@posix
@pytest.mark.parametrize("name", ODD, ids=ascii)
def test_odd_names_are_processed_and_shown_escaped(here: Path, name: bytes) -> None:
    Path("good.png").rename(os.fsdecode(name))
    result = spawn("apply", name, "-k", "identity", "-o", "out/", "--report")
    assert result.code == 0, result.err
    assert [os.fsencode(path.name) for path in Path("out").iterdir()] == [name]
    first = result.err.splitlines()[0]
    assert first.startswith(ascii_of(name)) and " -> out/" in first
    other = 20 * b"x" + name
    absent = spawn("apply", other, "-k", "identity", "-o", "out/", "--overwrite")
    assert absent.code == 1
    assert absent.err.startswith("Error: x") and "\x1b" not in absent.err
    assert len(absent.err.rstrip("\n").splitlines()) == 1
    as_json = spawn("apply", name, other, "-k", "identity", "-o", "out/", "--overwrite", "--json")
    assert [json.loads(line)["status"] for line in as_json.err.splitlines()] == ["done", "failed"]


def test_a_slip_in_the_only_name_gets_the_near_one_and_beside_others_fails_alone(here: Path) -> None:
    slip = run("apply", "goood.png", "-k", "identity", "-o", "out/")
    assert (slip.code, slip.err.splitlines()[-1]) == (1, "  hint: convcli apply good.png -k identity -o out/")
    beside = run("apply", "goood.png", "good.png", "-k", "identity", "-o", "out/")
    assert beside.code == 1 and Path("out/good.png").exists()
    assert beside.errors()[0].startswith("Error: goood.png: no such file")


def ascii_of(name: bytes) -> str:
    displayed = os.fsdecode(name)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in displayed)


@posix
def test_a_folder_named_like_markup(here: Path) -> None:
    Path("[").mkdir()
    Path("good.png").rename("[/red].png")
    result = run("apply", "[/red].png", "-k", "identity", "-o", "out/", "--report")
    assert (result.code, result.err.splitlines()[0]) == (0, "[/red].png -> out/red].png")


def test_a_leading_dash(here: Path) -> None:
    Path("good.png").rename("-dash.png")
    assert run("apply", "-k", "identity", "-o", "out/", "--", "-dash.png").code == 0
    assert Path("out/-dash.png").exists()
    result = run("apply", "-dash.png", "-k", "identity", "-o", "out/")
    assert result.code == 2
    assert "no such option" in result.err


def test_empty_names(here: Path) -> None:
    result = run("apply", "", "-k", "identity", "-o", "out.png")
    assert (result.code, result.err) == (1, "Error: '': an empty file name\n")


# --- outputs ----------------------------------------------------------------------------------------------------------


def test_missing_folders_are_made(here: Path) -> None:
    assert run("apply", "good.png", "-k", "identity", "-o", "a/b/c.png").code == 0
    assert run("apply", "good.png", "-k", "identity", "-o", "d/e/").code == 0
    assert Path("a/b/c.png").is_file() and Path("d/e/good.png").is_file()


def test_a_bad_folder_is_found_before_any_picture_is_read(here: Path) -> None:
    for target in ("good.png/", "good.png/out.png", "good.png/a/b.png"):
        result = run("apply", "absent.png", "-k", "identity", "-o", target)
        assert result.code == 1
        assert result.err.startswith("Error: good.png") and "the folder can't be made" in result.err
    assert read(Path("good.png")).shape == (12, 10, 3)


@pytest.mark.skipif(not Path("/sys/kernel").exists(), reason="needs a folder that not even root may write to")
def test_a_folder_that_takes_no_files_from_anyone(here: Path) -> None:
    result = run("apply", "good.png", "-k", "identity", "-o", "/sys/kernel/convcli-out.png")
    assert (result.code, len(result.errors())) == (1, 1)
    assert result.err.startswith("Error: /sys/kernel/convcli-out.png: ")
    assert not list(Path("/sys/kernel").glob("*convcli*"))


@posix
@not_root
def test_a_read_only_folder(here: Path) -> None:
    Path("kept").mkdir()
    Path("kept").chmod(0o500)
    try:
        for target in ("kept/out.png", "kept/new/"):
            result = run("apply", "good.png", "-k", "identity", "-o", target)
            assert (result.code, len(result.errors())) == (1, 1)
    finally:
        Path("kept").chmod(0o700)


@posix
def test_a_folder_or_device_as_output(here: Path) -> None:
    Path("out.png").mkdir()
    assert run("apply", "good.png", "-k", "identity", "-o", "{stem}/../out.png").code == 1
    os.mkfifo("fifo.png")
    for options in ([], ["--overwrite"]):
        result = run("apply", "good.png", "-k", "identity", "-o", "fifo.png", *options)
        assert (result.code, len(result.errors())) == (1, 1)
    assert stat.S_ISFIFO(Path("fifo.png").stat().st_mode)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_a_full_disk_leaves_what_was_there(here: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("out.png").write_bytes(b"precious")

    def full(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    result = run("apply", "good.png", "-k", "identity", "-o", "out.png", "--overwrite")
    assert (result.code, result.err) == (1, f"Error: out.png: can't be written: {os.strerror(number).lower()}\n")
    assert Path("out.png").read_bytes() == b"precious"
    assert sorted(path.name for path in here.iterdir()) == ["good.png", "out.png"]
