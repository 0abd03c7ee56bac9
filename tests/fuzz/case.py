"""One fuzzed case, and what holds of each: an error is a line, commands keep their word, nothing is left behind."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from convcli import cli
from convcli.errors import ConvcliError
from tests.support import KERNELS, SAMPLES

from . import corpus, definitions
from .guard import Broken

FAILED = re.compile(r'Error: |\{.*"status": "failed"')


@dataclass
class Case:
    """One case: where its choices come from, the folder it may write in, and what became of them, to be looked at."""

    random: Random
    folder: Path
    data: bytes = field(default=b"")


def require(condition: object, text: str) -> None:
    """Raise `Broken` unless something holds."""
    if not condition:
        raise Broken(text)


def checked_error(error: ConvcliError) -> str:
    """The kind of outcome that an error is; raises `Broken` where it would be no line of text."""
    lines = 1 + 2 * bool(error.snippet) + bool(error.hint)
    require(error.fact and str(error).count("\n") == lines - 1, f"an error of other than {lines} lines: {error!s:.500}")
    require(len(str(error)) < 3000, f"an error of {len(str(error))} characters: {error.fact[:200]!r}")
    require(not re.search(" at 0x[0-9a-f]{8}", error.fact), f"an error with an address: {error.fact!r}")
    for inner in ("object at", "Errno", "numpy.", "static_cast", "OpenCV("):
        require(inner not in error.fact, f"an error about the program's insides: {error.fact!r}")
    return "refused"


def check_command(arguments: list[str], folder: Path, *, codes: tuple[int, ...]) -> int:
    """Run the command line in `folder` and check its exit code and what it says; the exit code."""
    out, err = io.BytesIO(), io.BytesIO()
    with _inside(folder, out, err):
        code = cli.run(arguments)
    said = err.getvalue().decode()  # anything but UTF-8 is an error, too
    require(code in codes, f"exit code {code} of {arguments}: {said}")
    errors = [line for line in said.splitlines() if FAILED.match(line)]
    # A rehearsal says on stdout what would be refused; that two pictures differ is no error.
    answers = code == 1 and (arguments[0] == "diff" or b" refused" in out.getvalue() or b'"refused' in out.getvalue())
    require(
        bool(errors) == (code != 0 and bool(arguments)) or answers,
        f"exit code {code} of {arguments}, {len(errors)} errors: {said!r}",
    )
    require(not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", said), f"raw control characters: {said!r}")
    require("Traceback" not in said, said)
    left = [path.name for path in folder.rglob(".convcli-*")]
    require(not left, f"left behind: {left}")
    return code


@contextlib.contextmanager
def _inside(folder: Path, out: io.BytesIO, err: io.BytesIO) -> Iterator[None]:
    """The folder as the current one, and the standard streams as files in memory, as strict as a terminal's."""
    before, streams = Path.cwd(), (sys.stdin, sys.stdout, sys.stderr)
    os.chdir(folder)
    sys.stdin = io.TextIOWrapper(io.BytesIO(corpus.pictures()["png rgb"][1]), "utf-8")
    sys.stdout = io.TextIOWrapper(out, "utf-8", write_through=True)
    sys.stderr = io.TextIOWrapper(err, "utf-8", errors="backslashreplace", write_through=True)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            stream.detach()
        sys.stdin, sys.stdout, sys.stderr = streams
        os.chdir(before)


def furnish(folder: Path) -> None:
    """The files that cases name."""
    (folder / "folder").mkdir(parents=True, exist_ok=True)
    (folder / "good.png").write_bytes(corpus.pictures()["png rgb"][1])
    (folder / "small.png").write_bytes(corpus.opencv(corpus.scene(9, 11), ".png"))
    (folder / "good.jpg").write_bytes(corpus.pictures()["jpeg exif"][1])
    (folder / "array.npy").write_bytes(definitions.arrays()["npy u1"])
    (folder / "weights.npy").write_bytes(definitions.arrays()["npy <f8"])
    (folder / "a.npz").write_bytes(definitions.arrays()["npz stored"])
    (folder / "page.html").write_text("<!DOCTYPE html><title>404</title>")
    (folder / "net.yaml").write_text(definitions.networks()["enlarge-2x.yaml"])
    (folder / "model.onnx").write_bytes(definitions.models()["chain"])
    (folder / "mask.png").write_bytes(corpus.opencv(corpus.scene(9, 11, 1), ".png"))
    (folder / "kernel.yaml").write_text("about: A kernel.\nweights: [[0, 1, 0], [1, 4, 1], [0, 1, 0]]\ndivisor: sum\n")
    folders = (SAMPLES / "kernels", KERNELS, SAMPLES / "networks")
    for path in [path for folder in folders for path in folder.glob("*.np[yz]")]:
        (folder / path.name).write_bytes(path.read_bytes())
