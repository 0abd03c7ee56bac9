"""One input's way: a source of rows, the graph of what is computed of them, a writer.

Large TIFF and PNG files come and go in bands of rows: memory stays bounded whatever the height, and the result is the
same. Large JPEG files are decoded to memory for all of their pixels, and their results, too, come and go in bands. A
pool of threads decodes ahead, another one writes behind, and what lies between is filtered meanwhile. Whatever can't be
read so is one band.
"""

from __future__ import annotations

import io
import math
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np

from convcli.batch import files, sources
from convcli.batch.entry import Entry, place_of
from convcli.batch.names import inputs
from convcli.batch.names.jobs import STANDARD, output_format
from convcli.batch.report import Report
from convcli.batch.settings import ALONE, Hooks, PictureSettings
from convcli.engine.dtypes import dtype_name
from convcli.engine.threads import is_room, thread_count
from convcli.filtering import Filtered, Picture, Steps, paging
from convcli.filtering.builder import build
from convcli.filtering.picture import Outline
from convcli.filtering.source import Read
from convcli.loading import load_pools
from convcli.pictures import NotInBandsError, RowSource, RowWriter, encoding, fit, identify, reading, table
from convcli.pictures.registry import FORMATS

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from convcli.engine.dtypes import Array

#: Bands pay from this many bytes of samples on: they are read, filtered and written at the same time. With one thread
#: there is only the memory to be saved, of large pictures.
_LEAST: Final = 1 << 22
_LEAST_ALONE: Final = 1 << 26
_HEAD: Final = 64
#: Bytes of memory that a picture in bands takes, about: more only where rows are very long, or offsets reach far.
_MEMORY: Final = 1 << 27
#: A sequential source with up to so many bytes of samples is kept rather than read twice.
_HELD: Final = 1 << 26


class OneFile:
    """The way of the input of `entry`."""

    def __init__(self, entry: Entry, hooks: Hooks = ALONE) -> None:
        self._entry, self._job, self._settings = entry, entry.job, entry.settings
        self._pictures = self._settings.pictures or PictureSettings()
        self._admit, self._later, self._watch = hooks.admit, hooks.later, hooks.watch
        self._foretell = hooks.foretell
        self._begun = time.perf_counter()

    def report(self, data: bytes | None) -> Report:
        """Does it, unless it is done already; `data` are the input's bytes where it is no file.

        Raises `ConvcliError`; then nothing was written.
        """
        if data is None:
            data = inputs.small(self._job.input)
        try:
            with closing(self._open_rows(data)) as by_rows:
                return self._entry.known(data) or self._in_bands(by_rows)
        except NotInBandsError as error:
            notes = (f"read whole, not in bands: {error}",) if str(error) else ()
        if data is None:
            data = inputs.read_input(self._job.input, self._pictures.max_pixels)
        known = self._entry.known(data)
        if known:
            return known
        if self._admit:
            from convcli.batch.workers import memory

            self._admit(memory.needed(data, self._settings.chain().bytes_per_pixel))
        format_in = "npy" if data.startswith(inputs.ARRAYS) else identify(data[:_HEAD]) or ""
        format_out = output_format(self._job, format_in) if format_in else ""
        source = sources.opened(data, place_of(self._job.input), self._settings, format_out)
        del data  # what is decoded is not wanted any more
        return self._whole(source, notes)

    def _open_rows(self, data: bytes | None) -> RowSource:
        """The input, to be read in bands. Raises NotInBandsError."""
        job, settings = self._job, self._settings
        if (job.format and not FORMATS[job.format].writer) or job.frames or settings.layout not in (None, "yxc"):
            raise NotInBandsError
        head = (inputs.head(job.input) if data is None else data)[:_HEAD]
        format = identify(head)
        least = _LEAST_ALONE if thread_count() == 1 else _LEAST
        size = math.inf if data is None else len(data)
        if not format or not FORMATS[format].pays_in_bands(head, size, least):
            raise NotInBandsError
        if settings.chain().sees_all:
            raise NotInBandsError
        moves_along_z = any("z" in kernel.axes for kernel in settings.kernels)
        if not FORMATS[output_format(job, format)].writer or not paging.available() or moves_along_z:
            raise NotInBandsError
        pictures = self._pictures
        rows = reading.open_rows(
            job.input if data is None else data, format, least=least, max_pixels=pictures.max_pixels,
            allow_truncated=pictures.allow_truncated, all_pages=pictures.all_frames,
        )  # fmt: skip
        if not is_room(_MEMORY):  # where the threads of bands may find none and end the process
            rows.close()
            raise NotInBandsError
        return rows

    def _in_bands(self, source: RowSource) -> Report:
        load_pools()
        from concurrent.futures import ThreadPoolExecutor

        size = math.prod(source.shape) * source.dtype.itemsize
        wraps = any(kernel.border == "wrap" for kernel in self._settings.kernels)
        again = self._settings.range == "rescale" or bool(source.channels.alpha) or wraps
        held = again and (source.once or (source.sequential and size <= _HELD))
        if self._admit:
            self._admit(_MEMORY + size * (held or source.once))
        paging.keep_freed()
        readers = ThreadPoolExecutor(1 if source.sequential else thread_count())
        with readers, ThreadPoolExecutor(1) as behind:
            try:
                pixels = Read(source, readers, held=held)
                pixels.begin(paging.Paged, fine=True)
                if held and wraps:  # the last rows are wanted first
                    pixels.make(set(range(len(pixels.cuts))))
                pixels.start({0})  # which goes on while it is decided what is to be made of it
                return self._streamed(source, pixels, behind)
            finally:
                for pool in (readers, behind):
                    pool.shutdown(wait=True, cancel_futures=True)

    def _streamed(self, source: RowSource, pixels: Read, behind: Executor) -> Report:
        job, pictures, entry = self._job, self._pictures, self._entry
        outline = Outline(shape=source.shape, dtype=source.dtype, channels=source.channels)
        format, place = output_format(job, source.format), place_of(job.output, "stdout")
        entry.check_replaced(format_in=source.format, format_out=format, left=source.pages - 1)
        picture = Picture(outline, self._settings.chain(format), pictures.treatment, counted=pictures.counted)
        picture.premultiplied &= FORMATS[format].premultiplied
        table.check_shape(picture.shape, picture.dtype, format, place, picture.channels)
        carried = source.metadata()
        # As by `broadcast_to`, for which numpy would load more of itself.
        outcome = np.ndarray(picture.shape, picture.dtype, bytes(8), strides=[0] * len(picture.shape))
        metadata, dropped = fit(carried, outcome, format, picture.channels)
        result = build(picture, pixels)
        steps = Steps(result)
        steps.measure()
        with self._output() as file:
            target = encoding.target_of(format, metadata, pictures.options, picture.channels)
            writer = encoding.writer(file, target, outcome)
            for cut in steps:
                steps.later(behind, cut, _write, writer, file, steps.rows(cut))
                if self._watch:
                    self._watch(cut[1] / picture.shape[0])
            steps.settle(0)
            before = time.perf_counter()
            writer.end()
        waited = steps.waited_behind + time.perf_counter() - before
        curve = sources.curve_note(carried, source.dtype, pictures.treatment)
        pages = (f"frame 1 of {source.pages}",) if source.pages > 1 else ()
        return self._reported(
            [picture], format_in=source.format, format_out=format, dtype_in=str(source.dtype), bands=steps.count,
            decode_s=steps.waited_ahead, filter_s=steps.busy.seconds, encode_s=waited,
            notes=(*pages, *map(str, source.notes), *result.notes, *curve, *dropped),
        )  # fmt: skip

    @contextmanager
    def _output(self) -> Iterator[BinaryIO]:
        """Where a result is written, which nobody sees before all of it is there. Raises ImageError."""
        name, entry = self._job.output, self._entry
        if name != STANDARD:
            with files.placed(name, lambda temporary: entry.overwrites(name, temporary), self._job.backup) as file:
                yield file
            return
        everything = io.BytesIO()
        yield everything
        if entry.overwrites(name, everything.getbuffer()) is not None:
            files.write_standard(everything.getbuffer())

    def _whole(self, source: sources.PictureFile | sources.ArrayFile, notes: Sequence[str]) -> Report:
        decoded = time.perf_counter()
        format = output_format(self._job, source.format_in)
        self._entry.check_replaced(format_in=source.format_in, format_out=format, left=source.frames_left)
        targets = self._job.frames.all(source.frames_out) if self._job.frames else []
        if targets and (there := self._entry.there(targets)):
            return there
        for target in targets:
            files.check_target(target, overwrite=self._entry.lenient)
        source.check(format, place_of(self._job.output, "stdout"), apart=bool(targets))
        for picture in source.pictures:
            if self._foretell and picture.sees_all:
                self._foretell(self._job.input, picture.notes)
        results = source.filter(premultiplied=FORMATS[format].premultiplied)
        before = time.perf_counter()
        dropped = self._encoded(source, results, format, targets)
        ended = time.perf_counter()
        filtering = (note for result in results for note in result.notes)
        return self._reported(
            source.pictures, format_in=source.format_in, format_out=format, dtype_in=source.dtype_in,
            frames=source.frames_in, decode_s=decoded - self._begun, filter_s=sum(result.seconds for result in results),
            encode_s=ended - before, notes=(*notes, *source.notes, *filtering, *dropped),
        )  # fmt: skip

    def _encoded(
        self, source: sources.PictureFile | sources.ArrayFile, results: Sequence[Filtered], format: str,
        targets: Sequence[str],
    ) -> tuple[str, ...]:  # fmt: skip
        """Encodes and writes all outputs, or none; what is there already stays. Notes on what the encoders dropped."""
        place, dropped = place_of(self._job.output, "stdout"), list[str]()

        def new_ones(pieces: Iterable[tuple[str, bytes, tuple[str, ...]]]) -> Iterator[tuple[str, bytes, bool]]:
            for target, data, notes in pieces:
                dropped.extend(notes)
                overwrite = self._entry.overwrites(target, data)
                if overwrite is not None:
                    yield target, data, overwrite

        if targets:
            pieces = zip(targets, source.encode_apart(results, format, place=place), strict=True)
            files.write_together(new_ones((target, *piece) for target, piece in pieces))
            return tuple(dropped)
        for name, data, overwrite in new_ones([(self._job.output, *source.encode(results, format, place=place))]):
            if name == STANDARD:
                files.write_standard(data)
            elif self._later is None or self._job.in_place:
                # In place it must be sure which inputs a process that dies has replaced.
                files.write_atomically(name, data, overwrite=overwrite, backup=self._job.backup)
            else:
                self._later.append(files.Pending())
                self._later[-1].write([(name, data, overwrite)], later=True)
        return tuple(dropped)

    def _reported(self, pictures: Sequence[Picture], *, notes: Iterable[str], **facts: Any) -> Report:
        """The report of an output that is there."""
        samples, tallies = (
            max(sum(math.prod(picture.shape) for picture in pictures), 1),
            [picture.tally for picture in pictures],
        )
        below, above = sum(tally.below for tally in tallies), sum(tally.above for tally in tallies)
        report = Report(
            input=self._job.input, output=self._job.output, status="done", dtype_out=dtype_name(pictures[0].dtype),
            stages=pictures[0].computed, clipped_low=below / samples, clipped_high=above / samples,
            nonfinite=sum(tally.nonfinite for tally in tallies), range=pictures[0].output.mode,
            range_reason=pictures[0].output.reason,
            notes=tuple(dict.fromkeys((*self._entry.names, *notes))), **facts,
        )  # fmt: skip
        return self._entry.completed(report)


def _write(writer: RowWriter, file: BinaryIO, rows: Array) -> None:
    start = file.tell()
    writer.add(rows)
    if hasattr(os, "posix_fadvise") and not isinstance(file, io.BytesIO):
        # Sets the disk to work, so that little is left for the end.
        file.flush()
        os.posix_fadvise(file.fileno(), start, file.tell() - start, os.POSIX_FADV_DONTNEED)
