"""What several tests share: running the command line in and out of this process, pictures by others, small images."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from convcli import cli
from convcli.batch import one_file, temporaries
from convcli.batch.entry import Entry
from convcli.batch.names.jobs import Job
from convcli.batch.report import Report
from convcli.batch.settings import Settings
from convcli.pictures import reading
from convcli.pictures.format import NotInBandsError

ROOT = Path(__file__).resolve().parents[1]
KERNELS = ROOT / "kernels"
SAMPLES = ROOT / "samples"

Pixels = NDArray[Any]

#: Seconds after which a test gives up what it waits for: no measure of speed, on no machine.
PATIENCE = 180


def corpus(name: str) -> list[Path]:
    """The files of a folder of pictures made by others, "pngsuite" or "exif"; empty where the corpora are absent.

    They are looked for in the folder that the environment's CONVCLI_CORPORA names, else beside the checkout.
    """
    beside = ROOT.parent / "shared" / "corpora"
    return sorted((Path(os.environ.get("CONVCLI_CORPORA", beside)) / name).glob("*.[pj][np]g"))


@dataclass(frozen=True)
class Result:
    """What a run of the command line left behind."""

    code: int
    out: bytes
    err: str

    def errors(self) -> list[str]:
        """The lines of stderr that begin an error."""
        return [line for line in self.err.splitlines() if line.startswith("Error:")]


def run(*arguments: str | Path, stdin: bytes = b"") -> Result:
    """The command line in this process: quick. An exception that gets past its error boundary fails the test."""
    out, err = io.BytesIO(), io.BytesIO()
    with streams(stdin, out, err):
        code = cli.run([str(argument) for argument in arguments])
    return Result(code, out.getvalue(), err.getvalue().decode())


@contextlib.contextmanager
def streams(stdin: bytes, out: io.BytesIO, err: io.BytesIO) -> Iterator[None]:
    before = sys.stdin, sys.stdout, sys.stderr
    sys.stdin = io.TextIOWrapper(io.BytesIO(stdin), "utf-8")
    texts = [io.TextIOWrapper(stream, "utf-8", write_through=True) for stream in (out, err)]
    sys.stdout, sys.stderr = texts
    try:
        yield
    finally:
        for text in texts:
            text.flush()
            text.detach()
        sys.stdin, sys.stdout, sys.stderr = before


def leftovers(folder: Path) -> list[str]:
    """The names of temporary files in a folder, and in those below it."""
    return [path.name for path in folder.rglob(f"{temporaries.TEMPORARY_PREFIX}*")]


def environment(**more: str) -> dict[str, str]:
    """The environment of processes that tests start: this checkout is importable from any folder."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "error", **more}


def command(*arguments: str | bytes | Path) -> list[str | bytes]:
    """The command line of a process that runs convcli."""
    return [sys.executable, "-m", "convcli", *(str(a) if isinstance(a, Path) else a for a in arguments)]


def spawn(
    *arguments: str | bytes | Path, stdin: bytes = b"", cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Result:
    """The command line in a process of its own: for start-up, signals, pipes, and what would kill this one."""
    done = subprocess.run(
        command(*arguments), input=stdin, capture_output=True, cwd=cwd, env=environment(**(env or {})),
        timeout=PATIENCE, check=False,
    )  # fmt: skip
    return Result(done.returncode, done.stdout, done.stderr.decode())


@contextlib.contextmanager
def counted_calls() -> Iterator[list[object]]:
    """One entry for every call of a function: what something costs, on any machine."""
    calls: list[object] = []
    sys.setprofile(lambda frame, event, argument: calls.append(event) if event.endswith("call") else None)
    try:
        yield calls
    finally:
        sys.setprofile(None)


def wait_until_read(process: subprocess.Popen[bytes], data: bytes) -> None:
    """Writes to a process's stdin, and returns when it has read all of that: it waits for more then."""
    import fcntl
    import termios

    assert process.stdin is not None
    process.stdin.write(data)
    process.stdin.flush()
    stdin, none = process.stdin, bytes(4)
    wait_until(lambda: fcntl.ioctl(stdin, termios.FIONREAD, none) == none)


def wait_until(holds: Callable[[], object]) -> None:
    """Returns when something holds, which nobody tells of."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


#: Runs the command line. Where a call gets one of some names, its process writes its number to stdout, and waits for
#: the end of stdin.
_HELD = """
import importlib, os, sys
from convcli import cli
module, call = sys.argv.pop(1).rsplit(".", 1)
names = {*sys.argv.pop(1).splitlines()}
module = importlib.import_module("convcli." + module)
original = getattr(module, call)
def held(*values, **options):
    actual = (getattr(value, "name", value) for value in values)
    if not names or any(isinstance(name, str) and name in names for name in actual):
        os.write(1, b"%d\\n" % os.getpid())
        os.read(0, 1)
    return original(*values, **options)
setattr(module, call, held)
cli.main()
"""


@contextlib.contextmanager
def held(
    *arguments: str | Path,
    at: Iterable[str] = (),
    call: str = "batch.names.inputs.check_input",
    **options: Any,
) -> Iterator[tuple[subprocess.Popen[bytes], BinaryIO]]:
    """A run that goes no further than a call with one of the names `at`, or with what has one (all calls, without any),
    and what ends that when it is closed: however slow who looks at it is, it is still under way.

    Each process that waits has written its number, a line, to stdout. Workers are forked, since the libraries have no
    threads.
    """
    ours, theirs = os.pipe()
    line = [sys.executable, "-c", _HELD, call, "\n".join(at), *map(str, arguments)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        line, stdin=ours, stdout=pipe, stderr=pipe, env=environment(OPENBLAS_NUM_THREADS="1"), **options
    )
    os.close(ours)
    with os.fdopen(theirs, "wb") as gate, process:
        try:
            yield process, gate
        finally:
            process.kill()


def waiting(process: subprocess.Popen[bytes], count: int = 1) -> list[int]:
    """The numbers of so many processes of a run that is `held`, when they have come there."""
    assert process.stdout is not None
    return [int(process.stdout.readline()) for _ in range(count)]


def save(path: Path, pixels: Pixels) -> Path:
    """Writes pixels in RGB(A) order as an image file of the kind that the name says."""
    shaped = pixels if pixels.ndim == 2 or pixels.shape[2] < 3 else pixels[:, :, [2, 1, 0, 3][: pixels.shape[2]]]
    done, encoded = cv2.imencode(path.suffix, np.ascontiguousarray(shaped))
    assert done
    path.write_bytes(encoded.tobytes())
    return path


def read(source: Path | bytes) -> Pixels:
    """An image file as OpenCV reads it, in RGB(A) order."""
    data = source if isinstance(source, bytes) else source.read_bytes()
    pixels = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED))
    if pixels.ndim == 2:
        return pixels
    return np.ascontiguousarray(pixels[:, :, [2, 1, 0, 3][: pixels.shape[2]]])


def decoded(path: str | Path) -> Pixels:
    """The pixels of a file as convcli reads it: (height, width, 1 to 4 channels). OpenCV widens grey and alpha."""
    return reading.decode(Path(path).read_bytes(), place=str(path)).pixels


def texts(notes: Iterable[object]) -> tuple[str, ...]:
    """Notes in words."""
    return tuple(map(str, notes))


def noise(*shape: int, seed: int = 0, dtype: Any = np.uint8) -> Pixels:
    """Random pixels over the whole range of an integer dtype."""
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def on_terminal(
    *arguments: str | Path, columns: int = 100, cwd: Path | None = None, stdout: bool = True, variables: bool = True
) -> tuple[int, str]:
    """The exit code, and what a terminal of so many columns gets to see.

    stdout stays a pipe if `stdout` is False; without `variables` only the terminal itself says how wide it is.
    """
    import fcntl
    import pty
    import struct
    import termios

    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    env = environment(TERM="xterm-256color", COLUMNS=str(columns))
    if not variables:
        del env["COLUMNS"]
    process = subprocess.Popen(
        command(*arguments), stdin=subprocess.DEVNULL, stdout=inner if stdout else subprocess.DEVNULL, stderr=inner,
        cwd=cwd, env=env,
    )  # fmt: skip
    os.close(inner)
    seen = b""
    with contextlib.suppress(OSError):  # EIO: the other side is closed
        while part := os.read(outer, 65536):
            seen += part
    os.close(outer)
    return process.wait(PATIENCE), seen.decode().replace("\r\n", "\n")


def run_in_bands(job: Job, settings: Settings, *, least: int = 0) -> Report | str:
    """The report of a job done in bands of rows, where `least` bytes of samples are worth it; else why it is not."""
    one = one_file.OneFile(Entry(job, replace(settings, overwrite=True), None))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(one_file, "_LEAST", least)
        patch.setattr(one_file, "_LEAST_ALONE", least)
        try:
            with contextlib.closing(one._open_rows(None)) as source:
                return one._in_bands(source)
        except NotInBandsError as error:
            return f"read whole, not in bands: {error}" if str(error) else ""
