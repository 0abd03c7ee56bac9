"""Large TIFF and PNG files filtered in bands of rows: memory stays bounded whatever the height, the result is the same.

A pool of threads decodes ahead, another one writes behind, and what lies between is filtered meanwhile.
"""

from __future__ import annotations

import io
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from convcli.batch import files, picture_files
from convcli.batch.names.jobs import STANDARD, Job, output_format
from convcli.batch.report import Report
from convcli.engine.threads import thread_count
from convcli.errors import ImageError
from convcli.filtering import paging
from convcli.filtering.graph import Node
from convcli.filtering.picture import treated
from convcli.filtering.steps import Steps, opaque
from convcli.pictures import fit, rows, table
from convcli.pictures.rows import NotInBandsError, RowSource, RowWriter

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from typing import TypeAlias

    from numpy.typing import NDArray

    from convcli.batch.settings import PictureSettings
    from convcli.filtering.result import Result
    from convcli.ops import Kernel

    Array = NDArray[Any]
    #: Asked of an output, its bytes or the name of a file of them, whether it is to be put in place.
    Wanted: TypeAlias = Callable[[str | memoryview], bool]

#: Formats that can be written row by row.
_WRITTEN: Final = ("tiff", "png", "jpeg")
#: Bytes of memory that a picture in bands takes, about: more only where rows are very long, or offsets reach far.
_MEMORY: Final = 1 << 27
#: A sequential source with up to so many bytes of samples is kept rather than read twice.
_HELD: Final = 1 << 26


def attempt(
    job: Job, format: str, kernels: Sequence[Kernel], mode: str, how: PictureSettings, *, least: int,
    data: bytes | None = None, known: Callable[[], Report | None] = lambda: None, wanted: Wanted = lambda made: True,
    admit: Callable[[int], None] | None = None,
) -> Report | str:  # fmt: skip
    """The report of a job done in bands; else a note on why a large file has to be done whole, empty for other files.

    The input is of `format`, "png" or "tiff"; pictures with `least` bytes of samples are worth it. `data` are its bytes
    where it is no file. `known` is asked before the work, and may have the report already; `wanted` is asked after it,
    with the output's bytes or the name of a file of them, and may leave the output as it is. `admit` is called with the
    memory that bands will take, and returns when there is room.

    Raises ImageError and ShapeError as the ordinary way does; then nothing was written.
    """
    if output_format(job, format) not in _WRITTEN or not paging.available() or any("z" in k.axes for k in kernels):
        return ""
    started = time.perf_counter()
    try:
        with closing(_opened(job.input if data is None else data, format, how, least)) as source:
            return known() or _in_threads(source, job, kernels, mode, how, wanted, admit, started)
    except NotInBandsError as error:
        return f"read whole, not in bands: {error}" if str(error) else ""


def _opened(source: str | bytes, format: str, how: PictureSettings, least: int) -> RowSource:
    return rows.open(
        source, format, least=least, max_pixels=how.max_pixels, allow_truncated=how.allow_truncated,
        all_pages=how.all_frames,
    )  # fmt: skip


def _in_threads(
    source: RowSource, job: Job, kernels: Sequence[Kernel], mode: str, how: PictureSettings, wanted: Wanted,
    admit: Callable[[int], None] | None, started: float,
) -> Report:  # fmt: skip
    from concurrent.futures import ThreadPoolExecutor

    size = math.prod(source.shape) * source.dtype.itemsize
    wraps = any(kernel.border == "wrap" for kernel in kernels)
    again = mode == "rescale" or source.shape[2] in (2, 4) or wraps
    held = source.sequential and again and size <= _HELD
    if admit:
        admit(_MEMORY + size * held)
    paging.keep_freed()
    readers = ThreadPoolExecutor(1 if source.sequential else thread_count())
    with readers, ThreadPoolExecutor(1) as behind:
        try:
            pixels = _node(source, readers, held=held)
            if held and wraps:  # the last rows are wanted first
                pixels.make(set(range(len(pixels.cuts))))
            result = treated(pixels, kernels, mode, how.treatment, lambda: opaque(pixels), counted=how.counted)
            return _filtered(source, result, behind, job, how, wanted, started)
        finally:
            for pool in (readers, behind):
                pool.shutdown(wait=True, cancel_futures=True)


def _node(source: RowSource, pool: Executor, *, held: bool) -> Node:
    import numpy as np

    paged = paging.Held(np.empty(source.shape, source.dtype)) if held else paging.Paged(source.shape, source.dtype)
    array = paged.array
    return Node(paged, source.cuts, lambda cut: source.read(cut, array[slice(*cut)]), lambda cut: {}, ahead=pool)


def _filtered(
    source: RowSource, result: Result, behind: Executor, job: Job, how: PictureSettings, wanted: Wanted, started: float
) -> Report:
    import numpy as np

    format = output_format(job, source.format)
    place = "stdout" if job.output == STANDARD else job.output
    if result.shape[2] > 4:
        fact = f"{result.stages[-1].channels_out} channels can't be written as {format}"
        raise ImageError(fact, place=place, hint=picture_files.BY_ARRAY)
    outline = np.broadcast_to(np.zeros((), result.dtype), result.shape)
    table.check_shape(result.shape, result.dtype, format, place)
    carried = source.metadata()
    metadata, dropped = fit(carried, outline, format)
    steps = Steps(result)
    steps.measure()
    with _output(job.output, wanted) as file:
        writer = rows.writer(
            format, file, shape=result.shape, dtype=result.dtype, metadata=metadata, options=how.options
        )
        writer.begin(result.shape, result.dtype)
        for cut in steps:
            steps.later(behind, cut, _write, writer, file, steps.rows(cut))
        steps.settle(0)
        before = time.perf_counter()
        writer.end()
    ended = time.perf_counter()
    tally, samples = result.tally, max(math.prod(result.shape), 1)
    waited = steps.waited_behind + ended - before
    curve = picture_files.curve_note(carried, source.dtype, how.treatment)
    pages = (f"frame 1 of {source.pages}",) if source.pages > 1 else ()
    return Report(
        input=job.input, output=job.output, status="done", format_in=source.format, format_out=format,
        dtype_in=str(source.dtype), dtype_out=str(result.dtype), stages=result.stages, bands=steps.count,
        decode_s=steps.waited_ahead, filter_s=ended - started - waited - steps.waited_ahead, encode_s=waited,
        clipped_low=tally.below / samples, clipped_high=tally.above / samples,
        nonfinite=tally.unkept or tally.nonfinite,
        notes=tuple(dict.fromkeys((*pages, *map(str, source.notes), *result.notes, *curve, *dropped))),
    )  # fmt: skip


@contextmanager
def _output(name: str, wanted: Wanted) -> Iterator[BinaryIO]:
    """Where a result is written, which nobody sees before all of it is there. Raises ImageError."""
    if name != STANDARD:
        with files.replaced(name, wanted) as file:
            yield file
        return
    whole = io.BytesIO()
    yield whole
    if wanted(whole.getbuffer()):
        files.write_standard(whole.getbuffer())


def _write(writer: RowWriter, file: BinaryIO, some: Array) -> None:
    start = file.tell()
    writer.add(some)
    if hasattr(os, "posix_fadvise") and not isinstance(file, io.BytesIO):
        # Sets the disk to work, so that little is left for the end.
        file.flush()
        os.posix_fadvise(file.fileno(), start, file.tell() - start, os.POSIX_FADV_DONTNEED)
