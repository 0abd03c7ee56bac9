"""A run over many inputs: where each is worked on, what becomes of those that fail, and in which order it is told."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from convcli.batch import temporaries
from convcli.batch.failures import finished, lost, not_started, settled, settled_safely
from convcli.batch.names.jobs import STANDARD, Job
from convcli.batch.report import Report
from convcli.batch.settings import Settings
from convcli.errors import ImageError, UsageError, reason
from convcli.records import record

if TYPE_CHECKING:
    from convcli.batch.files import Pending
    from convcli.batch.report_file import ReportFile
    from convcli.batch.resume import Earlier
    from convcli.batch.workers.pool import Later

#: Fewer and smaller inputs than these stay in one process: another one takes longer to start than they do.
_MANY = 16
_LARGE = 1 << 21
#: Entries that are looked at for leftovers in the folder of a single output, which may be huge.
_GLANCE = 4096

Item = tuple[int, tuple[Job, "Earlier | None"]]


class Audience(Protocol):
    """Who hears of a run."""

    def came(self, report: Report) -> None:
        """An input is through, in any order."""

    def hear(self, report: Report) -> None:
        """An input is through, in the order of the inputs."""

    def tick(self) -> None:
        """Called several times a second while there is nothing else."""


@record
class How:
    """How a run goes: in how many processes (0: as many as are worth it), or on which cluster of dask's."""

    processes: int = 0
    scheduler: str = ""
    fail_fast: bool = False
    record: ReportFile | None = None
    earlier: Mapping[str, Earlier] = field(default_factory=dict)


def prepare(jobs: Sequence[Job]) -> None:
    """What must hold before any work: output folders exist, free of what killed runs left; stdout is no terminal.

    Folders are made where the output was named as one. Raises `UsageError` or `ImageError`.
    """
    for folder in _folders(jobs):
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            fact = f"the folder can't be made: {reason(error)}"
            hint = "a file has that name" if isinstance(error, FileExistsError | NotADirectoryError) else ""
            raise ImageError(fact, place=folder, hint=hint) from error
    _sweep(jobs)
    if any(job.output == STANDARD for job in jobs) and sys.stdout.isatty():
        raise UsageError("an image won't be written to a terminal", hint="-o FILE, or pipe it on: ... -o - | display")


def _folders(jobs: Sequence[Job]) -> set[str]:
    return {os.path.dirname(job.output) for job in jobs if job.output not in ("", STANDARD)}


def _sweep(jobs: Sequence[Job]) -> None:
    """Removes what writers that are dead left in the folders of the outputs."""
    for folder in _folders(jobs):
        temporaries.sweep(Path(folder), at_most=_GLANCE if len(jobs) == 1 else None)


def run(jobs: Sequence[Job], settings: Settings, audience: Audience, how: How) -> bool:
    """Runs all jobs; a failed one doesn't stop the others, unless that is wanted. True where none failed."""
    reports: dict[int, Report] = {}
    told, stopped = 0, False

    def items() -> Iterator[Item]:
        for number, job in enumerate(jobs):
            if stopped:
                return
            yield number, (job, how.earlier.get(job.output))

    def take(number: int, report: Report) -> None:
        nonlocal told
        if how.record:
            how.record.add(report)
        audience.came(report)
        reports[number] = report
        while told in reports:
            audience.hear(reports.pop(told))
            told += 1

    good, seen = True, set[int]()
    for outcome in _outcomes(jobs, settings, how, items()):
        if outcome is None:
            audience.tick()
            continue
        number, report = outcome
        seen.add(number)
        good &= report.status in ("done", "skipped")
        stopped |= how.fail_fast and not good
        take(number, report)
    for number, job in enumerate(jobs):
        if number not in seen:
            take(number, not_started(job, how.earlier.get(job.output)))
    if how.record:
        how.record.finish(jobs)
    return good


def _outcomes(
    jobs: Sequence[Job], settings: Settings, how: How, items: Iterable[Item]
) -> Iterator[tuple[int, Report] | None]:
    processes = 0 if how.scheduler else min(_processes(jobs, how.processes), len(jobs))
    if processes == 1:
        for number, (job, earlier) in items:
            yield number, settled(job, settings, earlier)
        return
    try:
        if how.scheduler:
            from convcli.batch import cluster

            yield from cluster.outcomes(items, settings, how.scheduler)
        else:
            yield from _in_processes(jobs, settings, how, items, processes)
    finally:
        _sweep(jobs)  # of a process that was killed while it wrote


def _in_processes(
    jobs: Sequence[Job], settings: Settings, how: How, items: Iterable[Item], processes: int
) -> Iterator[tuple[int, Report] | None]:
    # What all of them need is loaded once, before there are copies of this process.
    from convcli.batch.workers import memory
    from convcli.batch.workers.pool import Death, Workers
    from convcli.engine.threads import core_count
    from convcli.pictures.opencv import opencv

    opencv()

    threads = max(1, core_count() // processes)
    workers = Workers(partial(_in_worker, settings, threads), processes, memory=memory.budget())
    for outcome in workers.outcomes(items):
        if outcome is not None and isinstance(outcome[1], Death):
            number, death = outcome
            yield number, lost(jobs[number], how.earlier.get(jobs[number].output), death.how)
        else:
            yield outcome


def _processes(jobs: Sequence[Job], wanted: int) -> int:
    """How many processes are worth it, where nobody says how many."""
    from convcli.engine.threads import core_count

    if any(job.input == STANDARD for job in jobs) or len(jobs) == 1:
        return 1  # only this process has stdin
    if wanted:
        return wanted
    left = _LARGE
    for job in jobs if len(jobs) < _MANY else ():
        try:
            left -= Path(job.input).stat().st_size
        except OSError:
            continue
    return core_count() if len(jobs) >= _MANY or left < 0 else 1


def _in_worker(
    settings: Settings, threads: int, item: tuple[Job, Earlier | None], ask: Callable[[int], None], again: bool
) -> Report | Later:
    """A job in a process that has others beside it. If it is done `again`, its output may be in place already."""
    from convcli.batch.workers.pool import Later

    _settle_in(threads)
    job, earlier = item
    later: list[Pending] = []
    report = settled_safely(job, replace(settings, overwrite=True) if again else settings, earlier, ask, later)
    return Later(partial(finished, job, report, earlier, later)) if later else report


@cache
def _settle_in(threads: int) -> None:
    """What a process that has others beside it does first."""
    from convcli.engine.threads import limit_threads
    from convcli.filtering import paging

    limit_threads(threads)
    paging.keep_freed()
