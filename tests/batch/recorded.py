"""Runs that are recorded in a report file, and what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support import Result, run

REPORT = "run.jsonl"


def apply(*options: str, inputs: tuple[str, ...] = ("a.png", "b.png", "c.png"), kernel: str = "kernel.yaml") -> Result:
    return run("apply", *inputs, "-k", kernel, "-o", "out/", "--report-file", REPORT, *options)


def records() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(REPORT).read_text().splitlines()]


def statuses() -> str:
    """What became of the inputs, a letter each: done, skipped, failed, or compared with what was there."""
    return "".join("c" if record["reason"].startswith("it was there") else record["status"][0] for record in records())


def marks() -> dict[str, tuple[int, int]]:
    """What would change if an output were written again."""
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in Path("out").iterdir()}
