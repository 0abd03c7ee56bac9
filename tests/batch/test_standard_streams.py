"""Standard streams that are full, closed, or a terminal, and readers that leave: one line, and the right exit code."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.support import PATIENCE, command, environment, noise, on_terminal, read, save

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX files, pipes and signals")
has_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")


@pytest.fixture
def here(here: Path) -> Path:
    """A working folder with a picture `good.png`."""
    save(Path("good.png"), noise(12, 10, 3))
    return here


@has_full
@pytest.mark.parametrize(
    "arguments", [["apply", "good.png", "-k", "identity", "-o", "-"], ["list"], ["schema"], ["show", "box"]]
)
def test_a_full_stdout(here: Path, arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command(*arguments), stdout=full, stderr=subprocess.PIPE, env=environment(), check=False)
    place = "stdout: can't be written: " if arguments[0] == "apply" else ""
    assert done.stderr.decode() == f"Error: {place}no space left on device\n"
    assert done.returncode == 1


@posix
@pytest.mark.parametrize(
    "line",
    ["apply large.png -k identity -o -", "apply large.png -k identity -o - --report", "list", "schema", "show disk"],
)
def test_a_reader_that_leaves(here: Path, line: str) -> None:
    save(Path("large.png"), noise(400, 400, 3))
    program = " ".join(f"'{part}'" for part in command())
    script = f"{program} {line} | head -c 10; echo"
    done = subprocess.run(["sh", "-c", script], capture_output=True, env=environment(), timeout=PATIENCE, check=False)
    assert len(done.stdout) == 11
    assert b"Traceback" not in done.stderr and b"Exception" not in done.stderr and b"Error" not in done.stderr


@posix
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_streams(here: Path, closed: str) -> None:
    program = " ".join(f"'{part}'" for part in command())
    script = f"{program} apply good.png -k identity -o out.png --report {closed}"
    done = subprocess.run(["sh", "-c", script], capture_output=True, env=environment(), timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr and b"Exception" not in done.stderr
    assert np.array_equal(read(Path("out.png")), noise(12, 10, 3))
    for arguments, code in (
        ("apply absent.png -k identity -o x.png", 1),
        ("apply good.png -k no -o x.png", 2),
        ("apply good.png -k identity -o -", int(">&-" in closed.split())),
        ("list", int(">&-" in closed.split())),
    ):
        script = f"{program} {arguments} {closed}"
        done = subprocess.run(["sh", "-c", script], capture_output=True, env=environment(), check=False)
        assert done.returncode == code, done.stderr
        assert b"Traceback" not in done.stderr and b"Exception" not in done.stderr


@posix
def test_an_image_file_is_not_written_to_a_terminal(here: Path) -> None:
    """Without a format asked for, it is shown."""
    code, seen = on_terminal("apply", "good.png", "-k", "identity", "-o", "-", "--format", "png")
    assert code == 2
    assert (
        seen == "Error: an image won't be written to a terminal\n  hint: -o FILE, or pipe it on: ... -o - | display\n"
    )
