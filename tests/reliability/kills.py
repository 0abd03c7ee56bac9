"""Runs killed at a random moment (SIGKILL), looked over, and finished by the next run."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from convcli.pictures import reading

from ..fuzz import corpus
from .mutants import environment

PICTURES = 24


def ways() -> dict[str, list[str]]:
    """The ways to run, by the options that this version of the command has."""
    if not has("--jobs"):
        return {"one process": []}
    return {
        "`--jobs 1`": ["--jobs", "1"],
        "`--jobs 2`": ["--jobs", "2"],
        "`--jobs 2`, the whole group killed": ["--jobs", "2"],
    }


@functools.cache
def has(option: str) -> bool:
    """Whether `convcli apply` has an option."""
    arguments = [sys.executable, "-m", "convcli", "apply", "--help"]
    return option in subprocess.run(arguments, env=environment(), capture_output=True, text=True, check=True).stdout


def report(count: int, seed: int) -> tuple[str, list[str]]:
    """The table over the ways to run, and what went wrong."""
    lines = [
        "| killed runs | kills | outputs found | torn | leftovers found | next run finished, all bytes right |"
        " leftovers after it |",
        "|---|---|---|---|---|---|---|",
    ]
    failures: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inputs = furnish(folder)
        reference, seconds = finished(folder, inputs)
        for number, (route, options) in enumerate(ways().items()):
            kills = count // len(ways()) + (number < count % len(ways()))
            random = Random(f"{seed}/{route}")
            actual = torn = left = complete = after = 0
            for turn in range(kills):
                print(f"kill {turn + 1} of {kills}, {route}", file=sys.stderr, flush=True)
                killed(folder, inputs, options, random.uniform(0.05, seconds), group="group" in route)
                outputs = {path.name: path.read_bytes() for path in (folder / "out").glob("[!.]*")}
                actual += len(outputs)
                torn += sum(reference[name] != data or not sound(data) for name, data in outputs.items())
                left += len(parts(folder))
                again = command(inputs, [*options, "--resume" if has("--resume") else "--overwrite"])
                done = subprocess.run(again, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
                now = {path.name: path.read_bytes() for path in (folder / "out").glob("[!.]*")}
                complete += done.returncode == 0 and now == reference
                if done.returncode or now != reference:
                    failures.append(f"{route}, kill {turn + 1}: exit {done.returncode}: {done.stderr[-300:]!r}")
                after += len(parts(folder))
                shutil.rmtree(folder / "out")
                (folder / "run.jsonl").unlink(missing_ok=True)
            if torn or after:
                failures.append(f"{route}: {torn} torn outputs, {after} leftovers after the next run")
            lines.append(f"| {route} | {kills} | {actual} | {torn} | {left} | {complete} of {kills} | {after} |")
    return "\n".join(lines) + "\n", failures


def furnish(folder: Path) -> list[str]:
    """Pictures of 400 x 360 pixels and of several formats; their names."""
    pixels = corpus.scene(360, 400)
    files = {
        "png": corpus.opencv(pixels, ".png"), "jpg": corpus.opencv(pixels, ".jpg"),
        "tif": corpus.opencv(pixels, ".tif"), "webp": corpus.opencv(pixels, ".webp", 64, 90),
    }  # fmt: skip
    names = []
    for number in range(PICTURES):
        ending = list(files)[number % len(files)]
        names.append(f"{number:02}.{ending}")
        (folder / names[-1]).write_bytes(files[ending])
    return names


def command(inputs: list[str], options: list[str]) -> list[str]:
    """A run over all pictures."""
    arguments = [*inputs, "-k", "gaussian:sigma=3", "-k", "sharpen", "-o", "out/", *options]
    if has("--report-file"):
        arguments += ["--report-file", "run.jsonl"]
    return [sys.executable, "-m", "convcli", "apply", *arguments]


def finished(folder: Path, inputs: list[str]) -> tuple[dict[str, bytes], float]:
    """What an undisturbed run writes, and how long it takes."""
    started = time.monotonic()
    alone = next(iter(ways().values()))
    subprocess.run(command(inputs, alone), cwd=folder, env=environment(), check=True, capture_output=True)
    seconds = time.monotonic() - started
    outputs = {path.name: path.read_bytes() for path in (folder / "out").iterdir()}
    shutil.rmtree(folder / "out")
    (folder / "run.jsonl").unlink(missing_ok=True)
    return outputs, seconds


def killed(folder: Path, inputs: list[str], options: list[str], after: float, *, group: bool) -> None:
    """A run that is killed after so many seconds: its first process alone, or all of them."""
    (folder / "out").mkdir()
    process = subprocess.Popen(
        command(inputs, options), cwd=folder, env=environment(), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(after)
    if group:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
    deadline = time.monotonic() + 10
    with contextlib.suppress(ProcessLookupError):  # its workers end by themselves
        while time.monotonic() < deadline:
            os.killpg(process.pid, 0)
            time.sleep(0.02)


def parts(folder: Path) -> list[Path]:
    """Temporary files that lie about."""
    return list(folder.rglob(".convcli-*"))


def sound(data: bytes) -> bool:
    """Whether an output can be decoded."""
    return reading.decode(data, place="output").pixels.size > 0
