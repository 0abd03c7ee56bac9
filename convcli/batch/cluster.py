"""A run's inputs on a dask cluster whose machines see the same files: the kernels travel, the pictures don't."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import threading
import time
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from convcli.batch import files
from convcli.batch.entry import place_of
from convcli.batch.names.jobs import Job
from convcli.batch.one_job import failed, failed_by, settled
from convcli.batch.report import Report
from convcli.batch.resume import Earlier
from convcli.batch.settings import Settings
from convcli.errors import ConvcliError, ImageError, UsageError
from convcli.files import streams

if TYPE_CHECKING:
    from distributed import Client, Future

_ANSWER_S: Final = 10.0
_TICK_S: Final = 0.2
#: Bytes of a scheduler file.
_LONGEST_FILE: Final = 1 << 24
#: Seconds without a result and without a worker, after which no more of them are expected.
_ALONE_S: Final = 60.0
#: Inputs under way per thread of the cluster's.
_AHEAD: Final = 2


def outcomes(
    items: Iterable[tuple[int, tuple[Job, Earlier | None]]], settings: Settings, scheduler: str
) -> Iterator[tuple[int, Report] | None]:
    """The reports of numbered jobs as they come, and None several times a second.

    A task that a dying worker takes along runs again on another one. Then its output may be there already: if it is
    what this run makes, that is the output. Raises UsageError where dask isn't installed, ImageError where no cluster
    answers, or it is lost on the way.
    """
    try:
        yield from _outcomes(items, settings, scheduler)
    except ConvcliError:
        raise
    # OSError: dask's CommClosedError, and what the system says of a connection, whichever call meets it first.
    except (OSError, CancelledError):
        raise _lost(scheduler, "the connection to the dask scheduler was lost") from None
    except Exception as error:  # dask's and tornado's, of many types, where the other side is of another version
        raise ImageError(f"the cluster failed: {_in_words(error)}", place=scheduler) from None


def _outcomes(
    items: Iterable[tuple[int, tuple[Job, Earlier | None]]], settings: Settings, scheduler: str
) -> Iterator[tuple[int, Report] | None]:
    under_way: dict[Future, tuple[int, Job, Earlier | None]] = {}
    done: queue.SimpleQueue[Future] = queue.SimpleQueue()
    waiting = iter(items)
    with _client(scheduler) as client:
        travelling, room, heard = _travelling(client, settings), 0, time.monotonic()
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
                        there = _absolute(job, earlier)
                    except (ConvcliError, OSError) as error:  # OSError: the working folder is gone
                        yield number, failed_by(error, job, earlier)
                        continue
                    future = client.submit(_filtered, travelling, *there, pure=False)
                    under_way[future] = number, job, earlier
                    future.add_done_callback(done.put)
                if not under_way:
                    return
                with contextlib.suppress(queue.Empty):
                    future = done.get(timeout=_TICK_S)
                    if future.cancelled():
                        raise CancelledError
                    number, job, earlier = under_way[future]
                    try:
                        report = _report(future, job, earlier)
                    except TimeoutError:  # whoever made it died before it was fetched: another one makes it anew
                        done.put(future)
                    else:
                        del under_way[future]
                        yield number, report
                        heard = time.monotonic()
                if time.monotonic() > heard + _ALONE_S:
                    if not client.nthreads():
                        raise _lost(scheduler, f"the dask scheduler has had no workers for {_ALONE_S:.0f} s")
                    heard = time.monotonic()
                yield None
        finally:
            with contextlib.suppress(Exception):  # where there is nobody any more
                client.cancel(list(under_way))


def _lost(scheduler: str, fact: str) -> ImageError:
    return ImageError(fact, place=scheduler, hint="the same with --report-file FILE --resume goes on from there")


def _in_words(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


@contextlib.contextmanager
def _client(scheduler: str) -> Iterator[Client]:
    """A client of a running cluster, by its address or a scheduler file; quiet, and closed in the end."""
    try:
        from distributed import Client
    except ImportError:
        raise UsageError("--scheduler needs dask, which is not installed", hint="pip install 'convcli[dask]'") from None
    # Its loggers, tornado's and asyncio's each have levels of their own, and write tracebacks of a connection that is
    # lost, some after it was closed. This program writes no log, and warns in its own words.
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    address = _address(scheduler)
    answers: queue.SimpleQueue[Client | Exception] = queue.SimpleQueue()

    def connect() -> None:
        try:
            answers.put(Client(address=address, timeout=_ANSWER_S, set_as_default=False))
        except Exception as error:
            answers.put(error)

    # In a thread, since its timeout does not count where another program answers.
    threading.Thread(target=connect, daemon=True).start()
    try:
        client = answers.get(timeout=2 * _ANSWER_S)
    except queue.Empty:
        raise ImageError("what answers there is no dask scheduler", place=scheduler) from None
    if isinstance(client, OSError | ValueError):
        raise ImageError(f"no dask scheduler answers: {client}", place=scheduler) from None
    if isinstance(client, Exception):
        raise client
    try:
        client.wait_for_workers(1, timeout=_ANSWER_S)
        yield client
    except TimeoutError:
        hint = f"dask worker {scheduler}"
        raise ImageError("the dask scheduler has no workers", place=scheduler, hint=hint) from None
    finally:
        with contextlib.suppress(Exception):
            client.close()


def _address(scheduler: str) -> str:
    """The address that a scheduler file holds, or what is no file. Raises ImageError."""
    if not os.path.isfile(scheduler):
        return scheduler
    try:
        with streams.opened(scheduler) as file:
            address = json.loads(streams.read(file, _LONGEST_FILE))["address"]
    except (OSError, ValueError, LookupError, TypeError):
        address = None
    if not isinstance(address, str):
        raise ImageError("is no scheduler file of dask's: it holds no address", place=scheduler)
    return address


def _travelling(client: Client, settings: Settings) -> Future:
    """The settings as a task of their own, so that they travel once, and are made again where they get lost."""
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
    """What became of a job, under the names that it has here. Raises TimeoutError where nobody has its result now."""
    error = future.exception(_TICK_S)
    if error is not None:
        from distributed import KilledWorker

        what = "every worker of the cluster that filtered it died" if isinstance(error, KilledWorker) else ""
        text = what or f"the cluster failed: {_in_words(error)}"
        return failed(job, ImageError(text, place=place_of(job.input)), earlier)
    report: Report = future.result(_TICK_S)
    there, _ = _absolute(job, None)
    text, place = (
        words.replace(there.input, job.input).replace(there.output, job.output)
        for words in (report.error, report.place)
    )
    here = "" if Path(job.output).is_absolute() else f"{Path.cwd()}{os.sep}"
    written = tuple(replace(file, path=file.path.removeprefix(here)) for file in report.written)
    return replace(report, input=job.input, output=job.output, error=text, place=place, written=written)
