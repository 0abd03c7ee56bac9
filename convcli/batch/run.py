"""A run over many inputs: where each is worked on, what becomes of those that fail, and in which order it is told."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from convcli.batch import temporaries
from convcli.batch.names.jobs import STANDARD, Job
from convcli.batch.one_job import lost, not_started, outcome_of, settled
from convcli.batch.report import Report
from convcli.batch.settings import Course, Hooks, Settings
from convcli.errors import ConvcliError, ImageError, UsageError, reason

if TYPE_CHECKING:
    from convcli.batch.files import Pending
    from convcli.batch.report_file import ReportFile
    from convcli.batch.resume import Earlier

#: Fewer and smaller inputs than these stay in one process: another one takes longer to start than they do.
_MANY = 16
_LARGE = 1 << 21
#: Entries that are looked at for leftovers in the folder of a single output, which may be huge.
_GLANCE = 4096

Item = tuple[int, tuple[Job, "Earlier | None"]]


class Reporter(Protocol):
    """Who tells how a run goes."""

    def advance(self, report: Report) -> None:
        """An input is through, in any order."""

    def tell(self, report: Report) -> None:
        """An input is through, in the order of the inputs."""

    def tick(self) -> None:
        """Called several times a second while there is nothing else."""

    def watch(self, share: float) -> None:
        """So much of the only input is written, from 0 to 1."""

    def foretell(self, name: str, notes: Sequence[str]) -> None:
        """What the report of the only input will note, before its memory is taken."""


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


def run_jobs(jobs: Sequence[Job], settings: Settings, reporter: Reporter, course: Course) -> bool:
    """Runs all jobs; a failed one doesn't stop the others, unless that is wanted. True where none failed.

    Raises ImageError where the report file can't be used.
    """
    if course.report_file is None:
        return _Run(jobs, settings, reporter, course).finish()
    from convcli.batch.report_file import ReportFile

    with ReportFile(course.report_file, resume=course.resume, overwrite=settings.overwrite) as report_file:
        return _Run(jobs, settings, reporter, course, report_file).finish()


class _Run:
    """A run on its way."""

    def __init__(
        self, jobs: Sequence[Job], settings: Settings, reporter: Reporter, course: Course,
        report_file: ReportFile | None = None,
    ) -> None:  # fmt: skip
        self._jobs, self._settings, self._reporter, self._course = jobs, settings, reporter, course
        self._report_file = report_file
        self._early: dict[int, Report] = {}
        self._next = 0
        self._through = set[int]()
        self._good, self._stopped = True, False

    def finish(self) -> bool:
        """Goes on to the end; whether all went well."""
        with closing(self._outcomes()) as outcomes:  # also where an error of ours leaves them
            for outcome in outcomes:
                if outcome is None:
                    self._reporter.tick()
                else:
                    self._settle(*outcome)
        for number, job in enumerate(self._jobs):
            if number not in self._through:
                self._take(number, not_started(job, self._earlier(job)))
        if self._report_file:
            self._report_file.finish(self._jobs)
        return self._good

    def _settle(self, number: int, report: Report) -> None:
        """A job is through."""
        self._through.add(number)
        self._good &= report.status in ("done", "skipped")
        self._stopped |= self._course.fail_fast and not self._good
        self._take(number, report)

    def _take(self, number: int, report: Report) -> None:
        """Records a report, and tells it when all before it are told."""
        if self._report_file:
            self._report_file.add(report)
        self._reporter.advance(report)
        self._early[number] = report
        while self._next in self._early:
            self._reporter.tell(self._early.pop(self._next))
            self._next += 1

    def _earlier(self, job: Job) -> Earlier | None:
        return self._report_file.earlier.get(job.output) if self._report_file else None

    def _items(self) -> Iterator[Item]:
        for number, job in enumerate(self._jobs):
            if self._stopped:
                return
            yield number, (job, self._earlier(job))

    def _outcomes(self) -> Generator[tuple[int, Report] | None]:
        scheduler = self._course.scheduler
        processes = 0 if scheduler else min(_processes(self._jobs, self._course.processes), len(self._jobs))
        if len(self._jobs) == 1 and processes:
            for number, (job, earlier) in self._items():
                yield (
                    number,
                    settled(
                        job,
                        self._settings,
                        earlier,
                        Hooks(watch=self._reporter.watch, foretell=self._reporter.foretell),
                    ),
                )
            return
        if processes == 1:
            self._in_this_process()
            return
        try:
            if scheduler:
                from convcli.batch import cluster

                yield from cluster.outcomes(self._items(), self._settings, scheduler)
            else:
                yield from self._in_processes(processes)
        finally:
            _sweep(self._jobs)  # of a process that was killed while it wrote

    def _in_this_process(self) -> None:
        """One job after the other, groups of which wait for the disk together."""
        from convcli.batch.workers import LARGE, Group, Later

        _libraries()  # that they are broken is not to be told of each input
        from convcli.filtering import paging

        paging.keep_freed()
        group = Group()
        later: list[Pending] = []
        fault: ConvcliError | None = None

        def end_group() -> None:
            nonlocal group
            group.sync()
            for outcome in group.finish():
                self._settle(*outcome)
            group = Group()

        def admit(needed: int) -> None:
            nonlocal fault
            if needed >= LARGE:  # what is made needn't wait for it
                try:
                    end_group()
                except ConvcliError as error:
                    fault = error  # of the record of others, not of the job that is under way
                    raise

        try:
            for number, item in self._items():
                if item[0].input == STANDARD:  # nobody knows when it comes
                    end_group()
                begun, later = time.monotonic(), []
                result = outcome_of(item, self._settings, Hooks(admit=admit, later=later))
                if fault:
                    raise fault
                if not isinstance(result, Later):
                    self._settle(number, result)
                elif group.add(number, result, begun):
                    end_group()
            end_group()
        finally:
            group.give_up()
            for pending in later:
                pending.give_up()

    def _in_processes(self, processes: int) -> Iterator[tuple[int, Report] | None]:
        # What all of them need is loaded once, before there are copies of this process.
        from convcli.batch.work import Work
        from convcli.batch.workers import Death, Workers, memory
        from convcli.engine.threads import core_count

        _libraries()
        work = Work(self._settings, threads=max(1, core_count() // processes))
        workers = Workers(work, processes, memory=memory.budget(), give_up=work.give_up)
        with closing(workers.outcomes(self._items(), len(self._jobs))) as outcomes:
            for outcome in outcomes:
                if outcome is not None and isinstance(outcome[1], Death):
                    number, death = outcome
                    yield number, lost(self._jobs[number], self._earlier(self._jobs[number]), death)
                else:
                    yield outcome


def _libraries() -> None:
    """Loads OpenCV, and numpy with it; raises ImageError where that can't be."""
    from convcli.pictures.opencv import opencv

    opencv()


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
