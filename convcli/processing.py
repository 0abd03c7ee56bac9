"""One input's way through reading, filtering and writing."""

from __future__ import annotations

import stat
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convcli import files, memory
from convcli.errors import ImageError, UsageError
from convcli.jobs import STANDARD, Job
from convcli.report import Report
from convcli.resuming import Earlier, Recording, written

if TYPE_CHECKING:
    import numpy.typing as npt

    from convcli.ops import Kernel
    from convcli.picture_files import PictureSettings
    from convcli.pipeline import Filtered


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What all jobs of a run share; `pictures` is how picture files are treated, None for the defaults."""

    kernels: Sequence[Kernel]
    range: str = "clip"
    layout: str | None = None
    overwrite: bool = False
    pictures: PictureSettings | None = None
    recording: Recording | None = None


def run_job(
    job: Job, settings: Settings, earlier: Earlier | None = None, admit: Callable[[int], None] | None = None
) -> Report:
    """One input from bytes to bytes. Raises `ConvcliError`; then nothing was written.

    `earlier` is what a record says of this output. `admit` is called with the bytes of memory that the input will take,
    and returns when there is room for them.
    """
    recording = settings.recording
    lenient = settings.overwrite or (recording is not None and recording.resumes)
    if job.output != STANDARD:
        files.check_target(job.output, overwrite=lenient)
    started = time.perf_counter()
    place = shown(job.input)
    data = _read(job.input)
    identity = recording.identity(job, data) if recording else {}
    if recording and earlier and recording.is_done(job, identity["sha256_in"], earlier):
        return Report(
            input=job.input, output=job.output, status="skipped", reason="done before", notes=earlier.notes,
            settings=earlier.settings, written=earlier.written, **identity,
        )  # fmt: skip
    if admit:
        admit(memory.needed(data))
    is_array = data.startswith((b"\x93NUMPY", b"PK\x03\x04"))
    work = (_array_work if is_array else _picture_work)(data, place, settings)
    format_out = job.format or _format_out(job, work.format_in)
    before_encoding = time.perf_counter()
    encoded, dropped = work.encode(format_out, shown(job.output, "stdout"))
    results = work.results
    notes = tuple(dict.fromkeys((*work.notes, *(note for result in results for note in result.notes), *dropped)))
    reason = ""
    if recording and recording.resumes and not settings.overwrite and recording.is_there(job.output, encoded, earlier):
        reason = "it was there already, byte for byte"
    else:
        _write(job.output, encoded)
    if recording:
        identity |= {"settings": recording.settings(job, notes), "written": (written(job.output, encoded),)}
    ended = time.perf_counter()
    samples = max(sum(result.array.size for result in results), 1)
    return Report(
        input=job.input, output=job.output, status="done", reason=reason,
        format_in=work.format_in, format_out=format_out, dtype_in=work.dtype_in,
        dtype_out=str(results[0].array.dtype), stages=results[0].stages, frames=len(results),
        decode_s=work.decoded - started, filter_s=sum(result.seconds for result in results),
        encode_s=ended - before_encoding, clipped_low=sum(result.below for result in results) / samples,
        clipped_high=sum(result.above for result in results) / samples,
        nonfinite=sum(result.nonfinite for result in results),
        notes=notes, **identity,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Work:
    """An input read and filtered; `decoded` is when reading was done, `encode(format, place)` gives bytes and notes."""

    format_in: str
    dtype_in: str
    decoded: float
    results: Sequence[Filtered]
    notes: tuple[str, ...]
    encode: Callable[[str, str], tuple[bytes, tuple[str, ...]]]


def _picture_work(data: bytes, place: str, settings: Settings) -> _Work:
    from convcli import picture_files

    if settings.layout not in (None, "yxc"):
        raise UsageError(f"an image has the layout yxc, not {settings.layout}", hint="--layout is for .npy arrays")
    how = settings.pictures or picture_files.PictureSettings()
    pictures = picture_files.read(data, how, place=place)
    decoded = time.perf_counter()
    results = picture_files.filter_frames(pictures, settings.kernels, settings.range, how)
    return _Work(
        format_in=pictures[0].format,
        dtype_in=str(pictures[0].pixels.dtype),
        decoded=decoded,
        results=results,
        notes=tuple(note for picture in pictures for note in picture.notes),
        encode=lambda format_, out: picture_files.encode(results, pictures, format_, how, place=out),
    )


def _array_work(data: bytes, place: str, settings: Settings) -> _Work:
    from convcli import arrays
    from convcli.layouts import Layout
    from convcli.pipeline import filter_array

    array = arrays.read_npy(data, place=place)
    decoded = time.perf_counter()
    layout = Layout.of(array, settings.layout)
    filtered = filter_array(layout.canonical(array), layout.spatial, settings.kernels, settings.range)
    result = layout.restore(filtered.array)
    return _Work(
        format_in="npy",
        dtype_in=str(array.dtype),
        decoded=decoded,
        results=[filtered],
        notes=(),
        encode=lambda format_, out: (_encode(result, filtered, format_, out, settings), ()),
    )


def _format_out(job: Job, format_in: str) -> str:
    """The format of an output that no option and no name decides; raises `ImageError` where there is none."""
    if job.output == STANDARD:
        return format_in if format_in in files.WRITABLE else "png"
    try:
        return files.format_of(job.output)
    except UsageError as error:
        raise ImageError(error.fact, hint="--format png, or another that can be written") from error


def _encode(result: npt.NDArray[Any], filtered: Filtered, format_: str, place: str, settings: Settings) -> bytes:
    """The bytes of a file of a filtered array."""
    from convcli import arrays, images

    if format_ == "npy":
        return arrays.write_npy(result)
    picture = result if result.ndim == 3 else result[..., None]
    colours = filtered.stages[-1].channels_out
    if result.ndim not in (2, 3) or colours not in (1, 3, 4):
        shape = "x".join(map(str, result.shape))
        what = f"{colours} channels" if result.ndim == 3 else f"an array of shape {shape}"
        raise ImageError(f"{what} can't be written as {format_}", place=place, hint="write a .npy file")
    options = settings.pictures.options if settings.pictures else None
    return images.encode(picture, format=format_, place=place, options=options)


def _read(name: str) -> bytes:
    if name == STANDARD:
        if sys.stdin.isatty():
            raise ImageError("nothing is piped in", place="stdin")
        return sys.stdin.buffer.read()
    if not name:
        raise ImageError("an empty file name", place="''")
    name = name.partition("::")[0] if ".npz::" in name else name
    try:
        mode = Path(name).stat().st_mode
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or device"
            hint = "name the files in it: FOLDER/*.jpg" if stat.S_ISDIR(mode) else "pipe it in and read -"
            raise ImageError(f"is {kind}, not a file", place=name, hint=hint)
        return Path(name).read_bytes()
    except FileNotFoundError as error:
        pattern = any(character in name for character in "*?[")
        raise ImageError("no file matches this pattern" if pattern else "no such file", place=name) from error
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
