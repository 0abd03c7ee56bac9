"""A run's inputs on a dask cluster whose machines see the same files: the kernels travel, the pictures don't."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from convcli.batch import files
from convcli.batch.entry import place_of
from convcli.batch.failures import failed, settled
from convcli.batch.names.jobs import Job
from convcli.batch.report import Report
from convcli.batch.resume import Earlier
from convcli.batch.settings import Settings
from convcli.errors import ConvcliError, ImageError, UsageError

if TYPE_CHECKING:
    from distributed import Client, Future

_ANSWER_S: Final = 10.0
_TICK_S: Final = 0.2
#: Inputs under way per thread of the cluster's.
_AHEAD: Final = 2


def outcomes(
    items: Iterable[tuple[int, tuple[Job, Earlier | None]]], settings: Settings, scheduler: str
) -> Iterator[tuple[int, Report] | None]:
    """The reports of numbered jobs as they come, and None several times a second.

    A task that a dying worker takes along runs again on another one. Then its output may be there already: if it is
    what this run makes, that is the output. Raises UsageError where dask isn't installed, ImageError where no cluster
    answers.
    """
    under_way: dict[Future, tuple[int, Job, Earlier | None]] = {}
    done: queue.SimpleQueue[Future] = queue.SimpleQueue()
    waiting = iter(items)
    with _client(scheduler) as client:
        travelling, room = _travelling(client, settings), 0
        try:
            while True:
                if len(under_way) < max(room, 1):
                    room = _AHEAD * sum(client.nthreads().values())
                while len(under_way) < max(room, 1) and (item := next(waiting, None)) is not None:
                    number, (job, earlier) = item
                    try:
                        if job.fault:
                            raise job.fault
                        files.check_target(job.output, overwrite=settings.replaces)
                    except ConvcliError as error:
                        yield number, failed(job, str(error), earlier)
                        continue
                    future = client.submit(_filtered, travelling, *_absolute(job, earlier), pure=False)
                    under_way[future] = number, job, earlier
                    future.add_done_callback(done.put)
                if not under_way:
                    return
                with contextlib.suppress(queue.Empty):
                    future = done.get(timeout=_TICK_S)
                    number, job, earlier = under_way.pop(future)
                    yield number, _report(future, job, earlier)
                yield None
        finally:
            client.cancel(list(under_way))


@contextlib.contextmanager
def _client(scheduler: str) -> Iterator[Client]:
    """A client of a running cluster, by its address or a scheduler file; quiet, and closed in the end."""
    try:
        from distributed import Client
    except ImportError:
        raise UsageError("--scheduler needs dask, which is not installed", hint="pip install 'convcli[dask]'") from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    where = {"scheduler_file": scheduler} if os.path.isfile(scheduler) else {"address": scheduler}
    try:
        client = Client(**where, timeout=_ANSWER_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ImageError(f"no dask scheduler answers: {error}", place=scheduler) from None
    try:
        client.wait_for_workers(1, timeout=_ANSWER_S)
        yield client
    except TimeoutError:
        hint = f"dask worker {scheduler}"
        raise ImageError("the dask scheduler has no workers", place=scheduler, hint=hint) from None
    finally:
        client.close()


def _travelling(client: Client, settings: Settings) -> Future:
    """The settings as a task of their own, so that they travel once, and are made again where they get lost."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sending large graph")
        return client.submit(_as_is, settings.again(), pure=False)


def _as_is(settings: Settings) -> Settings:
    return settings


def _absolute(job: Job, earlier: Earlier | None) -> tuple[Job, Earlier | None]:
    """With names that lead to the same files from anywhere."""
    there = replace(job, input=_from_anywhere(job.input), output=_from_anywhere(job.output))
    if job.frames and not Path(job.output).is_absolute():
        folder = str(Path.cwd()).replace("{", "{{").replace("}", "}}")
        there = replace(there, frames=replace(job.frames, template=f"{folder}/{job.frames.template}"))
    if earlier is None:
        return there, None
    written = tuple(replace(file, path=_from_anywhere(file.path)) for file in earlier.written)
    return there, replace(earlier, written=written)


def _from_anywhere(name: str) -> str:
    return str(Path(name).absolute())


def _filtered(settings: Settings, job: Job, earlier: Earlier | None) -> Report:
    """A job, on a worker."""
    from distributed import get_worker

    from convcli.engine.threads import core_count, limit_threads

    limit_threads(max(1, core_count() // get_worker().state.nthreads))
    return settled(job, settings, earlier, safely=True)


def _report(future: Future, job: Job, earlier: Earlier | None) -> Report:
    """What became of a job, under the names that it has here."""
    error = future.exception()
    if error is not None:
        from distributed import KilledWorker

        what = "every worker of the cluster that filtered it died" if isinstance(error, KilledWorker) else ""
        text = what or f"the cluster failed: {type(error).__name__}: {error}"
        return failed(job, str(ImageError(" ".join(text.split()), place=place_of(job.input))), earlier)
    report: Report = future.result()
    there, _ = _absolute(job, None)
    text = report.error.replace(there.input, job.input).replace(there.output, job.output)
    here = "" if Path(job.output).is_absolute() else f"{Path.cwd()}{os.sep}"
    written = tuple(replace(file, path=file.path.removeprefix(here)) for file in report.written)
    return replace(report, input=job.input, output=job.output, error=text, written=written)
