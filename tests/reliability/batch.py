"""A large batch with bad files in it: exactly those fail, and all others come out right."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import convcli
from convcli.pictures import reading

from ..fuzz import corpus
from .kills import has
from .mutants import environment

KERNEL = "gaussian:sigma=1"


def bad_files() -> dict[str, bytes]:
    """Kinds of bad files by their names' endings."""
    jpeg, png = corpus.opencv(corpus.scene(96, 128), ".jpg"), corpus.opencv(corpus.scene(96, 128), ".png")
    tiff, webp = corpus.opencv(corpus.scene(96, 128), ".tif"), corpus.opencv(corpus.scene(96, 128), ".webp", 64, 90)
    return {
        "half.jpg": jpeg[: len(jpeg) // 2],
        "no-end.jpg": jpeg[:-2],
        "page.png": b"<!DOCTYPE html><html><title>404 Not Found</title></html>",
        "empty.png": b"",
        "zeros.jpg": bytes(4096),
        "crc.png": png[:200] + bytes([png[200] ^ 1]) + png[201:],
        "half.tif": tiff[: len(tiff) // 2],
        "half.webp": webp[: len(webp) // 2],
        "movie.jpg": b"\0\0\0\x18ftypmp42" + bytes(100),
        "lie.ppm": b"P6 60000 60000 255\n" + bytes(100),
    }


def good_files() -> dict[str, bytes]:
    """Kinds of good files; two have the wrong ending, which does not matter."""
    pixels, grey = corpus.scene(96, 128), corpus.scene(96, 128, 1)
    return {
        "a.png": corpus.opencv(pixels, ".png"),
        "b.jpg": corpus.opencv(pixels, ".jpg"),
        "c.tif": corpus.opencv(pixels, ".tif"),
        "d.png": corpus.opencv(pixels, ".jpg"),
        "e.jpg": corpus.opencv(grey, ".png"),
        "f.bmp": corpus.opencv(pixels, ".bmp"),
    }


def report(count: int) -> tuple[str, list[str]]:
    """The table, and what went wrong."""
    good, bad = good_files(), bad_files()
    expected = {name: convcli.apply(reading.decode(data, place=name).pixels, KERNEL) for name, data in good.items()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        names, wrong = [], set()
        for number in range(count):
            kinds = bad if number % 20 == 7 else good
            kind = list(kinds)[number // (20 if kinds is bad else 1) % len(kinds)]
            names.append(f"{number:04}-{kind}")
            (folder / names[-1]).write_bytes(kinds[kind])
            if kinds is bad:
                wrong.add(names[-1])
        print(f"a batch of {count} files", file=sys.stderr, flush=True)
        started = time.monotonic()
        jobs = ["--jobs", "2"] if has("--jobs") else []
        arguments = [*names, "-k", KERNEL, "-o", "out/", *jobs, "--json"]
        done = subprocess.run(
            [sys.executable, "-m", "convcli", "apply", *arguments], cwd=folder, env=environment(),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        seconds = time.monotonic() - started
        failures = []
        reports = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
        failed = {report["input"] for report in reports if report["status"] == "failed"}
        if failed != wrong or [report["input"] for report in reports] != names:
            failures.append(f"the batch: {sorted(failed ^ wrong)[:5]} failed or didn't against expectation")
        right = sum(_right(folder / "out" / name, expected[name[5:]]) for name in names if name not in wrong)
        outputs = len(list((folder / "out").iterdir()))
        if done.returncode != int(bool(wrong)) or right != count - len(wrong) or outputs != right:
            failures.append(f"the batch: exit {done.returncode}, {right} right outputs of {outputs}")
    lines = [
        "| files in one batch | bad ones | failed | exactly the bad ones | outputs, pixels right | exit code | time |",
        "|---|---|---|---|---|---|---|",
        f"| {count:,} | {len(wrong)} | {len(failed)} | {'yes' if failed == wrong else 'NO'} | {right:,} of"
        f" {count - len(wrong):,} | {done.returncode} | {seconds:.0f} s |",
    ]
    return "\n".join(lines) + "\n", failures


def _right(path: Path, expected: reading.Pixels) -> bool:
    """Whether an output has the pixels that the library makes; JPEG's are near."""
    if not path.exists():
        return False
    pixels = reading.decode(path.read_bytes(), place=path.name).pixels
    if pixels.shape != expected.shape:
        return False
    return int(abs(pixels.astype(int) - expected.astype(int)).max()) <= (24 if path.suffix == ".jpg" else 0)
