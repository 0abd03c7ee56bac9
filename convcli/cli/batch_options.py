"""Options of `convcli apply` for batches: how many processes, what is recorded, what is skipped."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from convcli.cli.options import Grouped
from convcli.errors import UsageError
from convcli.records import record

if TYPE_CHECKING:
    from convcli.batch.names.jobs import Job
    from convcli.batch.report_file import ReportFile
    from convcli.batch.resume import Recording
    from convcli.batch.run import How
    from convcli.batch.settings import PictureSettings
    from convcli.ops import Kernel

F = TypeVar("F", bound=Callable[..., object])


@record
class Running:
    """The options' values."""

    processes: int
    fail_fast: bool
    report_file: str | None
    resume: bool
    scheduler: str | None

    def check(self, jobs: Sequence[Job], algorithm: str | None = None) -> None:
        """Raises UsageError where the options don't go together, or the report file is one of the pictures."""
        if self.resume and self.report_file is None:
            raise UsageError("--resume goes on with a report file", hint="--report-file run.jsonl --resume")
        if self.scheduler and self.processes:
            raise UsageError("--jobs is for this machine, --scheduler for a cluster", hint="leave one of them out")
        if self.scheduler and algorithm:
            # It is asked for in a whole process, and workers of a cluster have threads with inputs of their own.
            raise UsageError("--algorithm is for comparisons on this machine, --scheduler for a cluster")
        if self.scheduler and any("-" in (job.input, job.output) for job in jobs):
            raise UsageError("stdin and stdout don't reach the machines of a cluster")
        if self.report_file is None:
            return
        if self.report_file in ("", "-"):
            raise UsageError("--report-file names no file", hint="--report-file run.jsonl")
        place = _place(self.report_file, {})
        folders: dict[str, str] = {}
        for job in jobs:
            for role, name in (("input", job.input), ("output", job.output)):
                if name and _place(name, folders) == place:
                    raise UsageError(f"--report-file {self.report_file} is also the {role} {name}")

    def recording(
        self, kernels: Sequence[Kernel], range_: str, layout: str | None, pictures: PictureSettings,
        algorithm: str | None,
    ) -> Recording | None:  # fmt: skip
        """How inputs are known again, where there is a report file."""
        if self.report_file is None:
            return None
        from convcli import __version__
        from convcli.batch.resume import recording

        return recording(
            kernels, range_, layout, pictures, algorithm, resumes=self.resume, version=__version__
        )  # fmt: skip

    @contextlib.contextmanager
    def record(self, *, overwrite: bool) -> Iterator[ReportFile | None]:
        """The report file, open, if there is to be one. Raises ImageError."""
        if self.report_file is None:
            yield None
            return
        from convcli.batch.report_file import ReportFile

        opened = ReportFile(self.report_file, resume=self.resume, overwrite=overwrite)
        try:
            yield opened
        finally:
            opened.close()

    def how(self, record: ReportFile | None) -> How:
        """How the run goes."""
        from convcli.batch.run import How

        return How(
            processes=self.processes, scheduler=self.scheduler or "", fail_fast=self.fail_fast, record=record,
            earlier=record.earlier if record else {},
        )  # fmt: skip


def _place(name: str, folders: dict[str, str]) -> str | tuple[int, int]:
    """Where a name leads: the file's own numbers, or where it would be. There may be 100,000 in one folder."""
    try:
        found = os.stat(name)
    except OSError:
        folder, base = os.path.split(name)
        if folder not in folders:
            folders[folder] = os.path.realpath(folder)
        return os.path.join(folders[folder], base)
    return found.st_dev, found.st_ino


_OPTIONS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("-j", "--jobs", "processes"), {
        "type": click.IntRange(min=1), "metavar": "N", "help": "Inputs filtered at once, by default one per core.",
    }),
    (("--fail-fast",), {"is_flag": True, "help": "Stop at the first input that fails."}),
    (("--report-file",), {
        "metavar": "FILE", "help": "Record each input in FILE, a line of JSON each, with hashes of what was written.",
    }),
    (("--resume",), {"is_flag": True, "help": "Go on with a --report-file: skip what it proves to be done."}),
    (("--scheduler",), {"metavar": "ADDRESS", "help": "Run on a dask cluster: tcp://HOST:8786, or a scheduler file."}),
)  # fmt: skip
_NAMES = ("processes", "fail_fast", "report_file", "resume", "scheduler")


def run_options(function: F) -> F:
    """Options for batches; the command gets them as one argument, `running`."""

    @functools.wraps(function)
    def command(*arguments: Any, **values: Any) -> object:
        given = {name: values.pop(name) for name in _NAMES}
        given["processes"] = given["processes"] or 0
        return function(*arguments, **values, running=Running(**given))

    wrapped: Any = command
    for names, settings in reversed(_OPTIONS):
        wrapped = click.option(*names, cls=Grouped, group="Batches", **settings)(wrapped)
    result: F = wrapped
    return result
