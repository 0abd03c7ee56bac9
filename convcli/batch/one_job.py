"""One job of a run: checked, done, or skipped where it was done before."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from convcli.batch import files
from convcli.batch.entry import Entry
from convcli.batch.names import inputs
from convcli.batch.names.jobs import STANDARD, Job
from convcli.batch.report import Report
from convcli.batch.settings import ALONE, Hooks, Settings
from convcli.pictures.opencv import opencv

if TYPE_CHECKING:
    from convcli.batch.resume import Earlier


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
