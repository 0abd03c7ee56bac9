"""One input's way through reading, filtering and writing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from convcli.batch import files
from convcli.batch.names import inputs
from convcli.batch.names.jobs import STANDARD, Job, output_format
from convcli.batch.report import Report, Written
from convcli.batch.settings import Settings
from convcli.engine.dtypes import dtype_name
from convcli.engine.plan import forced
from convcli.engine.threads import thread_count
from convcli.errors import ImageError, UsageError
from convcli.pictures import sniff
from convcli.pictures.registry import FORMATS

if TYPE_CHECKING:
    from convcli.batch.array_files import ArrayFile
    from convcli.batch.picture_files import PictureFile
    from convcli.batch.resume import Earlier

#: To read in bands pays from this many bytes of samples on: they are read, filtered and written at the same time. With
#: one thread there is only the memory to be saved, of large pictures.
_LEAST: Final = 1 << 22
_LEAST_ALONE: Final = 1 << 26
_HEAD: Final = 64


def run_job(
    job: Job, settings: Settings, earlier: Earlier | None = None, admit: Callable[[int], None] | None = None,
    later: list[files.Pending] | None = None,
) -> Report:  # fmt: skip
    """As `_run_job`, with the algorithm that the settings ask for."""
    with forced(settings.algorithm):
        return _run_job(job, settings, earlier, admit, later)


def _run_job(
    job: Job, settings: Settings, earlier: Earlier | None, admit: Callable[[int], None] | None,
    later: list[files.Pending] | None,
) -> Report:  # fmt: skip
    """One input from bytes to bytes. Raises `ConvcliError`; then nothing was written.

    `earlier` is what a record says of this output. `admit` is called with the bytes of memory that the input will take,
    and returns when there is room for them. The output may be added to `later`: the report is of when it is finished.
    """
    if job.fault:
        raise job.fault
    recording = settings.recording
    lenient = settings.overwrite or (recording is not None and recording.resumes)
    if job.output != STANDARD and not job.frames:
        files.check_target(job.output, overwrite=lenient)
    started = time.perf_counter()
    inputs.check_input(job.input)
    piped = sys.stdin.buffer.read() if job.input == STANDARD else None
    entry = _Entry(job, settings, earlier)
    one_file = _in_bands(job, piped, settings, entry, admit)
    if isinstance(one_file, Report):
        return entry.completed(one_file)
    data = _read(job.input) if piped is None else piped
    skipped = entry.known(data)
    if skipped:
        return skipped
    if admit:
        from convcli.batch.workers import memory

        admit(memory.needed(data))
    work = _opened(data, shown(job.input), settings)
    del data, piped  # what is decoded is not wanted any more
    decoded = time.perf_counter()
    format_out = output_format(job, work.format_in)
    targets = job.frames.all(work.frames_out) if job.frames else []
    for target in targets:
        files.check_target(target, overwrite=lenient)
    work.check(format_out, shown(job.output, "stdout"), apart=bool(targets))
    results = work.filter()
    before_encoding = time.perf_counter()
    dropped = _write(entry, targets, work, results, format_out, later)
    filtering = (note for result in results for note in result.notes)
    notes = tuple(dict.fromkeys((*one_file, *work.notes, *filtering, *dropped)))
    ended = time.perf_counter()
    samples = max(sum(result.array.size for result in results), 1)
    report = Report(
        input=job.input, output=job.output, status="done",
        format_in=work.format_in, format_out=format_out, dtype_in=work.dtype_in,
        dtype_out=dtype_name(results[0].array.dtype), stages=results[0].stages, frames=work.frames_in,
        decode_s=decoded - started, filter_s=sum(result.seconds for result in results),
        encode_s=ended - before_encoding, clipped_low=sum(result.below for result in results) / samples,
        clipped_high=sum(result.above for result in results) / samples,
        nonfinite=sum(result.nonfinite for result in results), notes=notes,
    )  # fmt: skip
    return entry.completed(report)


class _Entry:
    """What a run with a record knows of one job, and is to keep of it; without a record it knows and keeps nothing."""

    def __init__(self, job: Job, settings: Settings, earlier: Earlier | None) -> None:
        self.job = job
        self._recording, self._earlier = settings.recording, earlier
        self._compares = settings.recording is not None and settings.recording.resumes and not settings.overwrite
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

    def wants(self, path: str, made: str | bytes | memoryview) -> bool:
        """Whether an output for `path`, of these bytes or in a file of that name, is not there already.

        Raises ImageError where another one is in its place, or the input is not what it was, and OSError where the file
        can't be read.
        """
        recording = self._recording
        if recording:
            if self._state and recording.state(self.job.input) != self._state:
                raise ImageError("it was changed while it was read", place=shown(self.job.input))
            written = recording.file_written(path, made) if isinstance(made, str) else recording.written(path, made)
            self._written.append(written)
            if self._compares and recording.is_there(written, self._earlier):
                return False
        self._new += 1
        return True

    def completed(self, report: Report) -> Report:
        """The report of a job that is done, or skipped, with what the record is to say of it."""
        if report.status != "done" or self._recording is None:
            return report
        reason = "" if self._new else "it was there already, byte for byte"
        settings = self._recording.settings(self.job, report.notes)
        return replace(report, reason=reason, settings=settings, written=tuple(self._written), **self._identity)


def _write(
    entry: _Entry, targets: Sequence[str], work: PictureFile | ArrayFile, results: Any, format: str,
    later: list[files.Pending] | None,
) -> tuple[str, ...]:  # fmt: skip
    """Encodes and writes all outputs, or none; what is there already stays. Notes on what the encoders dropped.

    Raises `ConvcliError`.
    """
    job, dropped = entry.job, list[str]()
    place = shown(job.output, "stdout")

    def new_ones(pieces: Iterable[tuple[str, bytes, tuple[str, ...]]]) -> Iterator[tuple[str, bytes]]:
        for target, data, notes in pieces:
            dropped.extend(notes)
            if entry.wants(target, data):
                yield target, data

    if targets:
        pieces = zip(targets, work.encode_apart(results, format, place=place), strict=True)
        files.write_together(new_ones((target, *piece) for target, piece in pieces))
        return tuple(dropped)
    for name, data in new_ones([(job.output, *work.encode(results, format, place=place))]):
        if name == STANDARD:
            files.write_standard(data)
        elif later is None:
            files.write_atomically(name, data)
        else:
            later.append(files.Pending())
            later[-1].write([(name, data)], later=True)
    return tuple(dropped)


def _in_bands(
    job: Job, data: bytes | None, settings: Settings, entry: _Entry, admit: Callable[[int], None] | None
) -> Report | tuple[str, ...]:
    """The report of a TIFF or PNG file filtered in bands of rows; else notes on why it is not."""
    if job.format not in ("", "png", "tiff", "jpeg") or job.frames or settings.layout not in (None, "yxc"):
        return ()
    head = (inputs.head(job.input) if data is None else data)[:_HEAD]
    format = sniff.identify(head)
    least = _LEAST_ALONE if thread_count() == 1 else _LEAST
    if not format or not FORMATS[format].pays_in_bands(head, least):
        return ()
    from convcli.batch import one_file
    from convcli.batch.settings import PictureSettings

    how = settings.pictures or PictureSettings()
    found = one_file.attempt(
        job, format, settings.kernels, settings.range, how, least=least, data=data,
        known=lambda: entry.known(data), wanted=lambda made: entry.wants(job.output, made), admit=admit,
    )  # fmt: skip
    return found if isinstance(found, Report) else tuple(filter(None, (found,)))


def _opened(data: bytes, place: str, settings: Settings) -> PictureFile | ArrayFile:
    """A file's pictures or its array, with the chain that is to run on them."""
    if data.startswith((b"\x93NUMPY", b"PK\x03\x04")):
        from convcli.batch.array_files import ArrayFile

        options = settings.pictures.options if settings.pictures else {}
        return ArrayFile(data, settings.kernels, settings.range, settings.layout, options, place=place)
    from convcli.batch.picture_files import PictureFile
    from convcli.batch.settings import PictureSettings

    if settings.layout not in (None, "yxc"):
        raise UsageError(f"an image has the layout yxc, not {settings.layout}", hint="--layout is for .npy arrays")
    how = settings.pictures or PictureSettings()
    return PictureFile(data, settings.kernels, settings.range, how, place=place)


def _read(name: str) -> bytes:
    try:
        with open(inputs.file_of(name), "rb", buffering=0) as file:
            return file.read()
    except OSError as error:
        raise ImageError(f"can't be read: {(error.strerror or str(error)).lower()}", place=name) from error


def shown(name: str, standard: str = "stdin") -> str:
    """An input or output by the name that messages give it."""
    return standard if name == STANDARD else name
