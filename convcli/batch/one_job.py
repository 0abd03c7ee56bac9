"""One job of a run: checked, done, or skipped where it was done before; a report in any case."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from convcli.batch import files
from convcli.batch.entry import Entry, place_of
from convcli.batch.names import inputs
from convcli.batch.names.jobs import STANDARD, Job
from convcli.batch.report import Report
from convcli.batch.settings import ALONE, Hooks, Settings
from convcli.errors import ConvcliError, ImageError
from convcli.pictures.opencv import is_out_of_memory, opencv

if TYPE_CHECKING:
    from convcli.batch.files import Pending
    from convcli.batch.resume import Earlier
    from convcli.batch.workers import Later
    from convcli.batch.workers.pool import Death


def run_job(
    job: Job, settings: Settings, earlier: Earlier | None = None, hooks: Hooks = ALONE
) -> Report:  # fmt: skip
    """One input from bytes to bytes. Raises `ConvcliError`; then nothing was written.

    `earlier` is what a record says of this output.
    """
    if job.fault:
        raise job.fault
    entry = Entry(job, settings, earlier)
    if not job.frames and (there := entry.there([job.output])):
        return there
    if job.output != STANDARD and not job.frames:
        try:
            files.check_target(job.output, overwrite=entry.lenient)
        except files.ExistsError as error:
            error.hint += ", --skip-existing leaves it"
            if job.input != STANDARD and os.path.realpath(job.input) == os.path.realpath(job.output):
                error.fact, error.hint = "it is the input itself", "-o FOLDER/ keeps it, --in-place replaces it"
            raise
    if job.backup:
        files.check_backup(job.output, job.backup)
    inputs.check_input(job.input)
    piped = inputs.read_input(STANDARD, settings.pictures.max_pixels) if job.input == STANDARD else None
    # Only here, so that who plans or checks a run loads neither numpy nor OpenCV.
    opencv()
    from convcli.batch.one_file import OneFile

    return OneFile(entry, hooks).report(piped)


def settled(
    job: Job, settings: Settings, earlier: Earlier | None, hooks: Hooks = ALONE, *, safely: bool = False
) -> Report:  # fmt: skip
    """`run_job`, errors that are a user's to mend being reports, too.

    With `safely`, for a process that has other jobs to do, an error of this program's own fails this one alone.
    """
    try:
        return run_job(job, settings, earlier, hooks)
    except Exception as error:
        if isinstance(error, RuntimeError) and not isinstance(error.__cause__, Exception | None):
            raise error.__cause__ from None  # Python before 3.12 wraps what a signal raises while a class is made
        if safely or isinstance(error, ConvcliError) or is_out_of_memory(error):
            return failed_by(error, job, earlier)
        raise


def finished(job: Job, report: Report, earlier: Earlier | None, later: Sequence[Pending]) -> Report:
    """The report of a job whose outputs were to be put in place `later`; now they are, if it had gone well so far."""
    try:
        for pending in later:
            if report.status == "done":
                pending.finish()
            else:
                pending.give_up()
    except Exception as error:
        return failed_by(error, job, earlier)
    return report


def outcome_of(
    item: tuple[Job, Earlier | None], settings: Settings, hooks: Hooks, *, safely: bool = False
) -> Report | Later:  # fmt: skip
    """The report of a job, or of one whose output waits for the disk, what is to be done then."""
    from convcli.batch.workers import Later

    job, earlier = item
    report = settled(job, settings, earlier, hooks, safely=safely)
    later = hooks.later
    return Later(partial(finished, job, report, earlier, later), later) if later else report


def failed_by(error: Exception, job: Job, earlier: Earlier | None) -> Report:
    """The report of a failure by an error: a user's to mend, too little memory, or a fault of this program's own."""
    if isinstance(error, ConvcliError):
        error.place = error.place or place_of(job.input)
        return failed(job, error, earlier)
    fact = "not enough memory"
    if not is_out_of_memory(error):
        fact = f"an error inside convcli, please report it: {type(error).__name__}: {error}"
    return failed(job, ImageError(" ".join(fact.split()), place=place_of(job.input)), earlier)


def failed(job: Job, error: ConvcliError, earlier: Earlier | None) -> Report:
    """The report of a failure. What a former run wrote there is still known to be ours."""
    text, place = str(error), error.place.replace("\n", "\\n")
    return _remembering(Report(input=job.input, output=job.output, status="failed", error=text, place=place), earlier)


def not_started(job: Job, earlier: Earlier | None) -> Report:
    """The report of a job that a failure before it stopped; as `failed`."""
    reason = "the run stopped at the first failure"
    return _remembering(Report(input=job.input, output=job.output, status="not started", reason=reason), earlier)


def _remembering(report: Report, earlier: Earlier | None) -> Report:
    if earlier is None:
        return report
    return replace(
        report, written=earlier.written, settings=earlier.settings, sha256_in=earlier.sha256_in, notes=earlier.notes
    )


def lost(job: Job, earlier: Earlier | None, death: Death) -> Report:
    """The report of a job whose process died."""
    hint = "memory may have run out: fewer --jobs take less" if death.is_kill else ""
    error = ImageError(f"the process that filtered it {death}", place=place_of(job.input), hint=hint)
    return failed(job, error, earlier)
