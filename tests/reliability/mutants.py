"""Damaged pictures and kernel files through the command line: most in one process per format, some in their own."""

from __future__ import annotations

import collections
import contextlib
import functools
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

from ..fuzz import case, corpus, definitions, guard, targets, texts
from ..fuzz.mutations import mutant

ROOT = Path(__file__).resolve().parents[2]
KERNELS = "kernel files"


@dataclass
class Tally:
    """What became of the mutants of one format; `seconds` and `mebibytes` are the most that one took."""

    codes: collections.Counter[int] = field(default_factory=collections.Counter)
    processes: int = 0
    seconds: float = 0.0
    mebibytes: int = 0
    failures: list[str] = field(default_factory=list)


def report(count: int, as_processes: int, first: int) -> tuple[str, list[str]]:
    """The table over all formats, and what went wrong."""
    lines = [
        "| mutants of | runs | exit 0, output sound | exit 1, one line | exit 2, one line | as processes | slowest |"
        " most memory | tracebacks, hangs, excesses |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    failures: list[str] = []
    formats = sorted({format for format, _ in corpus.pictures().values()})
    for kind in (*formats, KERNELS):
        print(f"mutants of {kind}", file=sys.stderr, flush=True)
        tally = measured(kind, count, as_processes, first)
        codes = [f"{tally.codes[code]:,}" for code in (0, 1, 2)]
        lines.append(
            f"| {kind} | {sum(tally.codes.values()):,} | {' | '.join(codes)} | {tally.processes} |"
            f" {tally.seconds:.2f} s | {tally.mebibytes} MiB | {len(tally.failures)} |"
        )
        failures += [f"{kind}: {failure}" for failure in tally.failures]
    return "\n".join(lines) + "\n", failures


def measured(kind: str, count: int, as_processes: int, first: int) -> Tally:
    """The mutants of one kind, in a process that may die, and then some in processes of their own."""
    tally = Tally()
    numbers = list(range(first, first + count - as_processes))
    while numbers:
        ours, theirs = multiprocessing.Pipe(duplex=False)
        worker = multiprocessing.get_context("spawn").Process(target=work, args=(kind, numbers, theirs))
        worker.start()
        theirs.close()
        with contextlib.suppress(EOFError):
            while True:
                number, code, seconds, mebibytes, failure = ours.recv()
                numbers.remove(number)
                _count(tally, number, code, seconds, mebibytes, failure)
        worker.join()
        if worker.exitcode:
            _count(tally, numbers.pop(0), -1, 0, 0, f"the process ended with code {worker.exitcode}")
    for number in range(first + count - as_processes, first + count):
        _count(tally, number, *in_a_process(kind, number))
        tally.processes += 1
    return tally


def _count(tally: Tally, number: int, code: int, seconds: float, mebibytes: int, failure: str) -> None:
    tally.codes[code] += 1
    tally.seconds, tally.mebibytes = max(tally.seconds, seconds), max(tally.mebibytes, mebibytes)
    if failure:
        tally.failures.append(f"mutant {number}: {failure}")


def written(kind: str, number: int, folder: Path) -> tuple[list[str], tuple[int, ...]]:
    """Write a mutant into `folder`; the command line that reads it, and the exit codes it may have."""
    random = Random(f"{kind}/{number}")
    (folder / "out.tif").unlink(missing_ok=True)
    if kind == KERNELS:
        sources = list(definitions.kernels().values())
        text = texts.kernel_text(random.choice(sources), random, sources)
        (folder / "kernel.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
        if targets.enlarges(folder / "kernel.yaml"):
            return ["show", "kernel.yaml"], (0, 1)
        return ["apply", "good.png", "-k", "kernel.yaml", "-o", "out.tif"], (0, 1, 2)
    files = [data for format, data in _pictures() if format == kind]
    (folder / "in.file").write_bytes(mutant(random.choice(files), kind, random, files))
    return ["apply", "in.file", "-k", "sharpen", "-o", "out.tif", "--format", "tif"], (0, 1)


@functools.cache
def _pictures() -> list[tuple[str, bytes]]:
    return list(corpus.pictures(144, 176).values())


def checked_output(folder: Path, code: int, arguments: list[str]) -> None:
    """The output is there and sound, or not there at all."""
    out = folder / "out.tif"
    wanted = code == 0 and arguments[0] == "apply"
    case.require(out.exists() == wanted, f"exit code {code}, output {'there' if out.exists() else 'missing'}")
    if wanted:
        targets.check_picture(targets.reading.decode(out.read_bytes(), place="out.tif"))


def work(kind: str, numbers: list[int], pipe: Connection) -> None:
    """In this process: one mutant after the other, what became of each sent through `pipe`."""
    guard.limit_address_space()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "work")
        case.furnish(folder)
        for number in list(numbers):
            arguments, codes = written(kind, number, folder)
            code, failure, started, before = -1, "", time.monotonic(), guard.memory()[0]
            try:
                with guard.limits("it"):
                    code = case.check_command(arguments, folder, codes=codes)
                checked_output(folder, code, arguments)
            except (Exception, SystemExit) as error:
                failure = f"{type(error).__name__}: {error}"[:500]
            taken = max(0, guard.memory()[1] - before) // 1024
            pipe.send((number, code, time.monotonic() - started, taken, failure))


def in_a_process(kind: str, number: int) -> tuple[int, float, int, str]:
    """In a process of its own: exit code, seconds, peak memory in MiB, and what went wrong."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "work")
        case.furnish(folder)
        arguments, codes = written(kind, number, folder)
        started = time.monotonic()
        with (Path(name) / "said").open("w+") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "convcli", *arguments], cwd=folder, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=stderr, preexec_fn=limited, env=environment(),
            )  # fmt: skip
            while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
                if time.monotonic() - started > guard.SECONDS:
                    process.kill()
                    return -1, guard.SECONDS, 0, "it took more than 10 s"
                time.sleep(0.005)
            process.returncode = code = os.waitstatus_to_exitcode(ended[1])
            stderr.seek(0)
            said = stderr.read()
        seconds, mebibytes = time.monotonic() - started, ended[2].ru_maxrss // 1024
        errors = [line for line in said.splitlines() if line.startswith("Error: ")]
        try:
            case.require(code in codes, f"exit code {code}: {said}")
            case.require(bool(errors) == (code != 0) and "Traceback" not in said, f"exit code {code}: {said}")
            checked_output(folder, code, arguments)
        except guard.Broken as error:
            return code, seconds, mebibytes, str(error)[:500]
        return code, seconds, mebibytes, ""


def limited() -> None:
    """1 GiB of memory, besides what Python and its libraries map without using it."""
    resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))


def environment() -> dict[str, str]:
    """This checkout, from any folder."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))}
