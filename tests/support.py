"""What several tests share: running the command line in and out of this process, pictures by others, small images."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from convcli import cli

ROOT = Path(__file__).resolve().parents[1]
KERNELS = ROOT / "kernels"
SAMPLES = ROOT / "samples"

Pixels = NDArray[Any]


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
    with _streams(stdin, out, err):
        code = cli.run([str(argument) for argument in arguments])
    return Result(code, out.getvalue(), err.getvalue().decode())


@contextlib.contextmanager
def _streams(stdin: bytes, out: io.BytesIO, err: io.BytesIO) -> Iterator[None]:
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
        timeout=60, check=False,
    )  # fmt: skip
    return Result(done.returncode, done.stdout, done.stderr.decode())


def programs(folder: Path) -> str:
    """A PATH on which `convcli` and `python` are this checkout's, made in `folder` where it isn't installed."""
    beside = Path(sys.executable).parent
    for name, module in (("convcli", "-m convcli "), ("python", "")):
        if not (beside / name).exists():
            script = folder / name
            script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {module}"$@"\n')
            script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return os.pathsep.join([str(beside), str(folder), os.environ.get("PATH", os.defpath)])


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


def noise(*shape: int, seed: int = 0, dtype: Any = np.uint8) -> Pixels:
    """Random pixels over the whole range of an integer dtype."""
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
