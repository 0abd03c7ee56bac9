"""What the record of a run says of one job, and is to say of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from convcli.batch.names.jobs import STANDARD, Job
from convcli.batch.report import Report, Written
from convcli.batch.settings import Settings
from convcli.errors import ImageError

if TYPE_CHECKING:
    from convcli.batch.resume import Earlier


class Entry:
    """What a run with a record knows of one job, and is to keep of it; without a record it knows and keeps nothing."""

    def __init__(self, job: Job, settings: Settings, earlier: Earlier | None) -> None:
        self.job, self.settings = job, settings
        self._recording, self._earlier = settings.recording, earlier
        self._compares = settings.recording is not None and settings.recording.resumes and not settings.overwrite
        #: Whether an output that is there already is no reason not to begin.
        self.lenient = settings.replaces
        self._identity: dict[str, Any] = {}
        self._state: tuple[int, ...] = ()
        self._written: list[Written] = []
        self._new = 0

    def known(self, data: bytes | None) -> Report | None:
        """The report of a job that was done before, after a look at its input: these bytes, or the file itself."""
        recording, job, earlier = self._recording, self.job, self._earlier
        if recording is None:
            return None
        if data is None:
            self._state = recording.state(job.input)
            self._identity = recording.file_identity(job.input)
        else:
            self._identity = recording.identity(data)
        if earlier is None or not recording.is_done(job, self._identity["sha256_in"], earlier):
            return None
        return Report(
            input=job.input, output=job.output, status="skipped", reason="done before", notes=earlier.notes,
            settings=earlier.settings, written=earlier.written, **self._identity,
        )  # fmt: skip

    def overwrites(self, path: str, output: str | bytes | memoryview) -> bool | None:
        """Whether an output for `path`, of these bytes or in a file of that name, may replace what has its name.

        None where it is there already. Raises ImageError where another one is in its place, or the input is not what it
        was, and OSError where the file can't be read.
        """
        recording, overwrite = self._recording, self.settings.overwrite
        if recording:
            if self._state and recording.state(self.job.input) != self._state:
                raise ImageError("it was changed while it was read", place=place_of(self.job.input))
            written = (
                recording.file_written(path, output) if isinstance(output, str) else recording.written(path, output)
            )
            self._written.append(written)
            if self._compares:
                present = recording.present(written, self._earlier)
                if present == "the same":
                    return None
                overwrite = present == "a former one"
        self._new += 1
        return overwrite

    def completed(self, report: Report) -> Report:
        """The report of a job that is done, or skipped, with what the record is to say of it."""
        if report.status != "done" or self._recording is None:
            return report
        reason = "" if self._new else "it was there already, byte for byte"
        settings = self._recording.settings(self.job, report.notes)
        return replace(report, reason=reason, settings=settings, written=tuple(self._written), **self._identity)


def place_of(name: str, standard: str = "stdin") -> str:
    """An input or output by the name that messages give it."""
    return standard if name == STANDARD else name
