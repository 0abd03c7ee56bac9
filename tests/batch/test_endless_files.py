"""Files and streams that are no pictures, larger than any, or without an end: looked at before they are read."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from convcli.files import streams
from tests.support import PATIENCE, Result, command, environment, noise, run, save

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/dev, /proc and limits of Linux")
GIBIBYTE = 1 << 30


@pytest.fixture
def here(here: Path) -> Path:
    """A working folder with pictures that are sparse files of 2 GiB and more, and others."""
    good = save(Path("good.png"), noise(20, 30, 3)).read_bytes()
    for name, start in (("zeros.png", b""), ("text.png", b"words\n"), ("page.jpg", b"<html>"), ("elf.tif", b"\x7fELF")):
        Path(name).write_bytes(start)
        os.truncate(name, 2 * GIBIBYTE)
    Path("huge.png").write_bytes(good)
    os.truncate("huge.png", 64 * GIBIBYTE)
    return here


def bounded(*arguments: str, stdin: int | None = subprocess.DEVNULL) -> Result:
    """A run that may have 1 GiB of memory."""
    script = 'ulimit -v 1048576; exec "$@"'
    line = ["sh", "-c", script, "sh", *command(*arguments)]
    done = subprocess.run(line, stdin=stdin, capture_output=True, env=environment(), timeout=PATIENCE, check=False)
    return Result(done.returncode, done.stdout, done.stderr.decode())


FACTS = {
    "zeros.png": "not an image (its first bytes are all zero)",
    "text.png": "not an image in a known format",
    "page.jpg": "not an image (looks like HTML)",
    "elf.tif": "not an image in a known format",
    "/proc/kcore": "not an image in a known format",
    "/proc/self/maps": "not an image (looks like text)",
    "/proc/self/mem": "can't be read: input/output error",
}


@pytest.mark.parametrize("name", FACTS)
@pytest.mark.parametrize("manner", ["by name", "as stdin", "resumed", "compared"])
def test_what_begins_as_no_picture_is_read_no_further(here: Path, name: str, manner: str) -> None:
    if not os.access(name, os.R_OK):
        pytest.skip("not readable here")
    fact = FACTS[name]
    if manner == "as stdin":
        with Path(name).open("rb") as file:
            result = bounded("apply", "-", "-k", "identity", "-o", "out.png", stdin=file.fileno())
    elif manner == "compared":
        result = bounded("compare", "box", "--image", name)
        fact = fact.removeprefix("can't be read: ")
    else:
        more = ["--report-file", "r.jsonl", "--resume"] if manner == "resumed" else []
        result = bounded("apply", name, "-k", "identity", "-o", "out.png", *more)
    place = "stdin" if manner == "as stdin" else name
    assert (result.code, result.err.splitlines()[0]) == (1, f"Error: {place}: {fact}")


def test_files_beyond_any_picture(here: Path) -> None:
    most = 32 * (1 << 30) + (1 << 28)
    result = bounded("apply", "huge.png", "-k", "identity", "-o", "out.png")
    said = [f"Error: huge.png: can't be read: it has {64 * GIBIBYTE:,} bytes; at most {most:,} are read"]
    assert (result.code, result.err.splitlines()) == (1, [*said, "  hint: --max-pixels raises the limit"])
    result = bounded("apply", "huge.png", "-k", "identity", "-o", "out.png", "--max-pixels", str(1 << 32))
    assert (result.code, "memory" in result.err, len(result.err.splitlines())) == (1, True, 1)


@contextmanager
def endless(start: bytes, more: bytes) -> Iterator[int]:
    """A pipe that brings `start`, and then `more` again and again."""
    read, write = os.pipe()

    def bring() -> None:
        try:
            os.write(write, start)
            while True:
                os.write(write, more)
        except BrokenPipeError:
            os.close(write)

    thread = threading.Thread(target=bring, daemon=True)
    thread.start()
    try:
        yield read
    finally:
        os.close(read)
        thread.join(10)


@pytest.mark.parametrize("start", ["nothing", "png", "npy", "npz"])
def test_streams_without_an_end(here: Path, start: str) -> None:
    np.save("a.npy", noise(4, 5))
    np.savez("a.npz", noise(4, 5))
    head = {"nothing": b"", "png": Path("good.png").read_bytes()}.get(start) or b""
    if start in ("npy", "npz"):
        head = Path(f"a.{start}").read_bytes()
    with endless(head, bytes(1 << 16)) as read:
        result = bounded("apply", "-", "-k", "identity", "-o", "out.png", "--max-pixels", "1000", stdin=read)
    fact = "can't be read: it has more than 268,467,456 bytes"
    if start == "nothing":
        fact = "not an image (its first bytes are all zero)"
    assert (result.code, result.err.splitlines()[0]) == (1, f"Error: stdin: {fact}")


def test_a_slow_camera_is_waited_for(here: Path) -> None:
    """A pipe has no time to keep: whoever fills it knows when it is done."""
    data = Path("good.png").read_bytes()
    process = subprocess.Popen(
        command("apply", "-", "-k", "identity", "-o", "out.png"), stdin=subprocess.PIPE, stderr=subprocess.PIPE,
        env=environment(),
    )  # fmt: skip
    assert process.stdin is not None
    for piece in (data[:1], data[1:9], data[9:1100], data[1100:]):
        assert process.poll() is None
        process.stdin.write(piece)
        process.stdin.flush()
        try:
            process.wait(0.4)
        except subprocess.TimeoutExpired:
            continue
    assert (process.communicate(timeout=PATIENCE)[1], process.returncode) == (b"", 0)
    assert np.array_equal(np.asarray(noise(20, 30, 3)), _pixels("out.png"))


def _pixels(name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    from PIL import Image

    return np.asarray(Image.open(name))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--files-from", "/dev/zero", "--null"], "--files-from /dev/zero: it has more than 268,435,456 bytes"),
        (["--files-from", "zeros.png"], "--files-from zeros.png: it has more than 268,435,456 bytes"),
        (["--files-from", "."], "--files-from .: is a directory"),
        (["good.png", "-k", "./zeros.png"], "zeros.png is a picture, no kernel"),
        (["good.png", "-k", "/dev/zero"], "/dev/zero: it has"),
        (["good.png", "-k", "{weights: zeros.npy}"], "inline kernel:1:11: zeros.npy: not an .npy file"),
        (["good.png", "-k", "{weights: /dev/zero}"], "inline kernel:1:"),
        (["good.png", "-k", "{weights: zeros.npz}"], "inline kernel:1:11: zeros.npz: "),
        (["good.png", "-k", "{weights: fifo.npz}"], "inline kernel:1:11: fifo.npz: is a pipe or device, not a file"),
        (["good.png", "-k", "./fifo.yaml"], "fifo.yaml: is a pipe or device, not a file"),
        (["good.png", "--report-file", "zeros.png", "--resume"], "zeros.png: is no report file of this program"),
        (["good.png", "--report-file", "fifo.npz", "--resume"], "fifo.npz: it is a device or a pipe, not a file"),
    ],
)
def test_other_files_than_pictures(here: Path, arguments: list[str], message: str) -> None:
    for name in ("zeros.npy", "zeros.npz"):
        Path(name).hardlink_to("zeros.png")
    for name in ("fifo.npz", "fifo.yaml"):
        os.mkfifo(name)
    kernel = [] if "-k" in arguments else ["-k", "identity"]
    result = bounded("apply", *arguments, *kernel, "-o", "out/")
    assert result.code in (1, 2)
    assert message in result.err.splitlines()[0]
    assert result.errors() == result.err.splitlines()[:1]


def test_a_file_that_waits_for_what_is_to_come(here: Path) -> None:
    """As /proc/kmsg does, here played by a pipe: it is a regular file, and gives nothing until there is something."""
    os.mkfifo("kernel")
    keep = os.open("kernel", os.O_RDWR)
    try:
        with streams.opened("kernel", pipes=True) as file:
            os.set_blocking(file.fileno(), False)
            with pytest.raises(BlockingIOError, match="nothing comes of it, and no end"):
                streams.read(file, 100)
    finally:
        os.close(keep)
    result = run("apply", "kernel", "-k", "identity", "-o", "out.png")
    assert (result.code, result.errors()) == (1, ["Error: kernel: is a pipe or device, not a file"])
