"""A run over many inputs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from convcli.errors import ConvcliError, ImageError, UsageError
from convcli.jobs import STANDARD, Job
from convcli.processing import Settings, run_job, shown
from convcli.report import Report


def prepare(jobs: Sequence[Job]) -> None:
    """What must hold before any work: output folders exist, stdout is no terminal.

    Folders are made where the output was named as one. Raises `UsageError` or `ImageError`.
    """
    for folder in {os.path.dirname(job.output) for job in jobs if job.output not in ("", STANDARD)}:
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ImageError(f"the folder can't be made: {(error.strerror or '').lower()}", place=folder) from error
    if any(job.output == STANDARD for job in jobs) and sys.stdout.isatty():
        raise UsageError("an image won't be written to a terminal", hint="-o FILE, or pipe it on: ... -o - | display")


def run(jobs: Sequence[Job], settings: Settings, done: Callable[[Report], None]) -> bool:
    """Runs all jobs, `done` hearing of each; a failed one doesn't stop the others. True where none failed."""
    good = True
    for job in jobs:
        try:
            report = run_job(job, settings)
        except ConvcliError as error:
            if not error.place:
                error.place = shown(job.input)
            report = Report(input=job.input, output=job.output, status="failed", error=str(error))
        except MemoryError:
            text = str(ImageError("not enough memory", place=shown(job.input)))
            report = Report(input=job.input, output=job.output, status="failed", error=text)
        good &= report.status == "done"
        done(report)
    return good
