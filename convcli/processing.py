"""One input's way through reading, filtering and writing."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from convcli import files, inputs
from convcli.errors import ImageError, UsageError
from convcli.jobs import STANDARD, Job
from convcli.records import record
from convcli.report import Report

if TYPE_CHECKING:
    from convcli.array_files import ArrayFile
    from convcli.ops import Kernel
    from convcli.picture_files import PictureFile, PictureSettings


@record
class Settings:
    """What all jobs of a run share; `pictures` is how picture files are treated, None for the defaults."""

    kernels: Sequence[Kernel]
    range: str = "clip"
    layout: str | None = None
    overwrite: bool = False
    pictures: PictureSettings | None = None


def run_job(job: Job, settings: Settings) -> Report:
    """One input from bytes to bytes. Raises `ConvcliError`; then nothing was written."""
    if job.fault:
        raise job.fault
    if job.output != STANDARD and not job.frames:
        files.check_target(job.output, overwrite=settings.overwrite)
    started = time.perf_counter()
    work = _opened(_read(job.input), shown(job.input), settings)
    decoded = time.perf_counter()
    format_out = job.format or _format_out(job, work.format_in)
    targets = job.frames.all(work.frames_out) if job.frames else []
    for target in targets:
        files.check_target(target, overwrite=settings.overwrite)
    place = shown(job.output, "stdout")
    work.check(format_out, place, apart=bool(targets))
    results = work.filter()
    before_encoding = time.perf_counter()
    dropped: list[str] = []
    if targets:
        pieces = work.encode_apart(results, format_out, place=place)
        files.write_together(_noting(targets, pieces, dropped))
    else:
        encoded, notes = work.encode(results, format_out, place=place)
        dropped += notes
        _write(job.output, encoded)
    ended = time.perf_counter()
    samples = max(sum(result.array.size for result in results), 1)
    return Report(
        input=job.input, output=job.output, status="done", format_in=work.format_in, format_out=format_out,
        dtype_in=work.dtype_in, dtype_out=str(results[0].array.dtype), stages=results[0].stages, frames=work.frames_in,
        decode_s=decoded - started, filter_s=sum(result.seconds for result in results),
        encode_s=ended - before_encoding, clipped_low=sum(result.below for result in results) / samples,
        clipped_high=sum(result.above for result in results) / samples,
        nonfinite=sum(result.nonfinite for result in results),
        notes=tuple(dict.fromkeys((*work.notes, *(note for result in results for note in result.notes), *dropped))),
    )  # fmt: skip


def _opened(data: bytes, place: str, settings: Settings) -> PictureFile | ArrayFile:
    """A file's pictures or its array, with the chain that is to run on them."""
    if data.startswith((b"\x93NUMPY", b"PK\x03\x04")):
        from convcli.array_files import ArrayFile

        options = settings.pictures.options if settings.pictures else {}
        return ArrayFile(data, settings.kernels, settings.range, settings.layout, options, place=place)
    from convcli.picture_files import PictureFile, PictureSettings

    if settings.layout not in (None, "yxc"):
        raise UsageError(f"an image has the layout yxc, not {settings.layout}", hint="--layout is for .npy arrays")
    how = settings.pictures or PictureSettings()
    return PictureFile(data, settings.kernels, settings.range, how, place=place)


def _noting(
    targets: Sequence[str], pieces: Iterable[tuple[bytes, tuple[str, ...]]], dropped: list[str]
) -> Iterator[tuple[str, bytes]]:
    """Files and their bytes, one after the other; their notes are added to `dropped`."""
    for target, (data, notes) in zip(targets, pieces, strict=True):
        dropped += notes
        yield target, data


def _format_out(job: Job, format_in: str) -> str:
    """The format of an output that no option and no name decides; raises `ImageError` where there is none."""
    if job.output == STANDARD:
        return format_in if format_in in files.WRITABLE else "png"
    try:
        return files.format_of(job.output)
    except UsageError as error:
        raise ImageError(error.fact, hint="--format png, or another that can be written") from error


def _read(name: str) -> bytes:
    inputs.check_input(name)
    if name == STANDARD:
        return sys.stdin.buffer.read()
    try:
        return Path(inputs.file_of(name)).read_bytes()
    except OSError as error:
        raise ImageError(f"can't be read: {(error.strerror or str(error)).lower()}", place=name) from error


def _write(name: str, data: bytes) -> None:
    if name != STANDARD:
        files.write_atomically(name, data)
        return
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ImageError(f"can't be written: {(error.strerror or str(error)).lower()}", place="stdout") from error


def shown(name: str, standard: str = "stdin") -> str:
    """An input or output by the name that messages give it."""
    return standard if name == STANDARD else name
