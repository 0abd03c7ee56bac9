"""What becomes of a job, also where it goes wrong: a report in any case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from convcli.errors import ConvcliError, ImageError
from convcli.jobs import Job
from convcli.processing import Settings, run_job, shown
from convcli.report import Report

if TYPE_CHECKING:
    from convcli.resuming import Earlier


def settled(
    job: Job, settings: Settings, earlier: Earlier | None, admit: Callable[[int], None] | None = None
) -> Report:
    """`run_job`, errors that are a user's to mend being reports, too."""
    try:
        return run_job(job, settings, earlier, admit)
    except ConvcliError as error:
        if not error.place:
            error.place = shown(job.input)
        return failed(job, str(error), earlier)
    except MemoryError:
        return failed(job, str(ImageError("not enough memory", place=shown(job.input))), earlier)


def settled_safely(
    job: Job, settings: Settings, earlier: Earlier | None, admit: Callable[[int], None] | None = None
) -> Report:
    """`settled` for a process that has other jobs to do: an error of this program's own fails this one alone."""
    try:
        return settled(job, settings, earlier, admit)
    except Exception as error:
        fact = f"an error inside convcli, please report it: {type(error).__name__}: {error}"
        return failed(job, str(ImageError(" ".join(fact.split()), place=shown(job.input))), earlier)


def failed(job: Job, error: str, earlier: Earlier | None) -> Report:
    """The report of a failure. What a former run wrote there is still known to be ours."""
    report = Report(input=job.input, output=job.output, status="failed", error=error)
    if earlier is None:
        return report
    return replace(
        report, written=earlier.written, settings=earlier.settings, sha256_in=earlier.sha256_in, notes=earlier.notes
    )


def lost(job: Job, earlier: Earlier | None, how: str) -> Report:
    """The report of a job whose process died."""
    hint = "memory may have run out: fewer --jobs take less" if "SIGKILL" in how else ""
    error = ImageError(f"the process that filtered it {how}", place=shown(job.input), hint=hint)
    return failed(job, str(error), earlier)
