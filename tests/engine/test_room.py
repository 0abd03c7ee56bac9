"""Where memory or threads run out: fewer threads, or an error, and never a library that ends the process."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convcli
from convcli.engine import threads
from convcli.errors import ImageError
from convcli.pictures import codecs, reading
from convcli.pictures.opencv import is_out_of_memory
from tests.support import PATIENCE, environment, noise, save


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four threads, none of which is there yet."""
    monkeypatch.setattr(threads, "_most", 4)
    monkeypatch.setattr(threads, "_provided", 0)
    monkeypatch.setattr(threads, "_idle", [])


@pytest.mark.parametrize("room", [1, 2, 3, 9])
@pytest.mark.usefixtures("few")
def test_as_many_threads_as_there_is_room_for(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def is_room(size: int) -> bool:
        asked.append(size)
        return len(asked) <= room

    monkeypatch.setattr(threads, "is_room", is_room)
    names = set()
    barrier = threading.Barrier(min(room, 4))

    def work(piece: int) -> None:
        names.add(threading.get_ident())
        if piece < barrier.parties:
            barrier.wait(PATIENCE)

    threads.run_all(work, range(50))
    assert len(names) == min(room, 4)


@pytest.mark.usefixtures("few")
def test_no_room_at_all_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "is_room", lambda size: False)
    with pytest.raises(MemoryError):
        convcli.apply(noise(900, 1000, 3), "gaussian")


@pytest.mark.parametrize("most", [0, 1, 2])
@pytest.mark.usefixtures("few")
def test_threads_that_the_system_does_not_start(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x = noise(900, 700, 3)
    expected = convcli.apply(x, "disk:radius=9")
    monkeypatch.setattr(threads, "_idle", [])
    started: list[Any] = []
    start = threading.Thread.start

    def limited(thread: threading.Thread) -> None:
        if len(started) == most:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    assert np.array_equal(convcli.apply(x, "disk:radius=9"), expected)
    assert len(started) == most


def test_a_codec_without_memory_is_not_taken_for_damage(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenCV only fails, in the same way."""
    data = save(Path("a.tif"), noise(30, 20, 3)).read_bytes()
    cut = data[: len(data) // 2]
    with pytest.raises(ImageError, match=r"truncated|damaged"):
        reading.decode(cut, place="a.tif")
    monkeypatch.setattr(codecs, "read_into", lambda *_: False)

    def none(size: int) -> None:
        raise MemoryError

    monkeypatch.setattr(codecs, "check_memory", none)
    monkeypatch.setattr("cv2.imdecode", lambda *_: None)
    with pytest.raises(ImageError, match="not enough memory to decode it"):
        reading.decode(data, place="a.tif")


def test_opencv_s_own_word_for_it() -> None:
    import cv2

    script = """
import resource, cv2, numpy as np
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
from convcli.pictures.opencv import is_out_of_memory
try:
    cv2.copyMakeBorder(np.zeros((1, 1), np.uint8), 0, 1 << 16, 0, 1 << 15, cv2.BORDER_CONSTANT)
except Exception as error:
    print(is_out_of_memory(error))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment(), check=False
    )
    assert done.stdout == "True\n"
    assert is_out_of_memory(MemoryError()) and is_out_of_memory(cv2.error("std::bad_alloc"))
    assert not is_out_of_memory(ValueError()) and not is_out_of_memory(cv2.error("other"))


PRODUCTS = """
import os, resource, sys
os.environ["OPENBLAS_NUM_THREADS"] = "1"
import numpy as np, cv2
from convcli.engine import threads
threads._most = 2
with open("/proc/self/status") as file:
    line = next(line for line in file if line.startswith("VmSize"))
least = 1024 * int(line.split()[1]) + int(sys.argv[1]) * (1 << 20)
resource.setrlimit(resource.RLIMIT_AS, (least, least))
a = np.ones((400, 300), np.float32)
try:
    threads.run_all(lambda piece: a.T @ a, range(200))
    print("done")
except MemoryError:
    print("memory")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS")
@pytest.mark.parametrize("mebibytes", [8, 24, 60, 100, 200, 400])
def test_openblas_does_not_end_the_process(mebibytes: int) -> None:
    """It did where two threads multiplied and there was memory for one: with a line of its own, or by a crash."""
    line = [sys.executable, "-c", PRODUCTS, str(mebibytes)]
    done = subprocess.run(line, capture_output=True, text=True, env=environment(), check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ("memory\n" if mebibytes < 33 else "done\n")
