"""What the record of a run says of one job, and is to say of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from convcli.batch.names.jobs import STANDARD, Job
from convcli.batch.report import Report, Written
from convcli.batch.settings import Settings
from convcli.errors import ImageError
from convcli.records import late

if TYPE_CHECKING:
    from convcli.batch.names import in_place
    from convcli.batch.resume import Earlier
else:
    in_place = late("convcli.batch.names.in_place")


class Entry:
    """What a run with a record knows of one job, and is to keep of it; without a record it knows and keeps nothing."""

    def __init__(self, job: Job, settings: Settings, earlier: Earlier | None) -> None:
        self.job, self.settings = job, settings
        self._recording, self._earlier = settings.recording, earlier
        self._compares = settings.recording is not None and settings.recording.resumes and not settings.overwrite
        #: Whether an output that is there already is no reason not to begin.
        self.lenient = settings.replaces or job.in_place
        #: Notes on other names that the file has which is to be replaced.
        self.names = in_place.note(job) if job.in_place else ()
        self._identity: dict[str, Any] = {}
        self._state: tuple[int, ...] = ()
        self._written: list[Written] = []
        self._new = 0

    def there(self, names: Sequence[str]) -> Report | None:
        """The report of a job all of whose outputs have their names already, where such are to be skipped."""
        if not (self.settings.skip_existing and all(name != STANDARD and os.path.lexists(name) for name in names)):
            return None
        return Report(
            input=self.job.input, output=self.job.output, status="skipped", reason="its output exists already"
        )

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
        recording, overwrite = self._recording, self.settings.overwrite or self.job.in_place
        if recording:
            if self._state and recording.state(self.job.input) != self._state:
                raise ImageError("it was changed while it was read", place=place_of(self.job.input))
            written = (
                recording.file_written(path, output) if isinstance(output, str) else recording.written(path, output)
            )
            self._written.append(written)
            if self._compares:
                original = self._identity["sha256_in"] if self.job.in_place else ""
                present = recording.present(written, self._earlier, original)
                if present == "the same":
                    return None
                overwrite = present == "a former one"
        self._new += 1
        return overwrite

    def check_replaced(self, *, format_in: str, format_out: str, left: int) -> None:
        """Raise ImageError where an input in its place would become a file of another kind, or lose frames."""
        if not self.job.in_place:
            return
        place = place_of(self.job.input)
        if format_in != format_out and {format_in, format_out} != {"pnm", "pam"}:
            fact = f"its content is {format_in.upper()}, its name says {format_out.upper()}: in place it would change"
            raise ImageError(fact, place=place, hint="-o FOLDER/ writes another file")
        if left > 0:
            fact = f"in place it would keep 1 of its {left + 1} frames or pages"
            raise ImageError(fact, place=place, hint="--all-frames filters them all, -o FOLDER/ writes another file")

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
