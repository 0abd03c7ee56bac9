"""Large TIFF files filtered in bands of rows: memory stays bounded whatever the height, the result is the same.

A pool of threads decodes ahead, another one writes behind, and what lies between is filtered meanwhile.
"""

from __future__ import annotations

import itertools
import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from convcli import encoding, files, images, paging, picture_files, tiff
from convcli.engine.threads import run_all, thread_count
from convcli.errors import ImageError
from convcli.jobs import STANDARD, Job
from convcli.report import Report
from convcli.row_result import Result
from convcli.row_treatment import treated
from convcli.rowgraph import Node, needed, order
from convcli.tiff_bands import NotInBandsError, TiffBands

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from numpy.typing import NDArray

    from convcli.ops import Kernel
    from convcli.picture_files import PictureSettings

    Array = NDArray[Any]
    Cut = tuple[int, int]

#: A picture with this many bytes of samples or more is filtered in bands.
THRESHOLD: Final = 1 << 26
#: Bytes of memory that a picture in bands takes, about: more only where rows are very long, or offsets reach far.
_MEMORY: Final = 1 << 27
#: Bytes that the rows of one step take in all pictures that are made on the way.
_STEP_BYTES: Final = 1 << 23
#: Bytes of the result that are made by one thread at a time.
_PART_BYTES: Final = 1 << 20
#: Steps that may wait to be written.
_BEHIND: Final = 2


def attempt(
    job: Job, kernels: Sequence[Kernel], mode: str, how: PictureSettings, *, threshold: int = THRESHOLD,
    recorded: bool = False, admit: Callable[[int], None] | None = None,
) -> Report | str:  # fmt: skip
    """The report of a job done in bands; else a note on why a large file has to be done whole, empty for other files.

    `recorded`: hashes of input and output are wanted, for which they must be whole. `admit` is called with the memory
    that bands will take, and returns when there is room.

    Raises ImageError and ShapeError as the ordinary way does; then nothing was written.
    """
    if STANDARD in (job.input, job.output) or job.format != "tiff" or not paging.available():
        return ""
    started = time.perf_counter()
    try:
        source = TiffBands(
            job.input, least=threshold, max_pixels=how.max_pixels, allow_truncated=how.allow_truncated,
            all_pages=how.all_frames,
        )  # fmt: skip
    except NotInBandsError as error:
        return f"read whole, not in bands: {error}" if str(error) else ""
    from concurrent.futures import ThreadPoolExecutor

    with source, ThreadPoolExecutor(thread_count()) as readers, ThreadPoolExecutor(1) as behind:
        try:
            if recorded:
                return "read whole, not in bands: a run that is recorded hashes its files whole"
            if admit:
                admit(_MEMORY)
            return _filtered(source, readers, behind, job, kernels, mode, how, started)
        finally:
            for pool in (readers, behind):
                pool.shutdown(wait=True, cancel_futures=True)


def _filtered(
    source: TiffBands, readers: Executor, behind: Executor, job: Job, kernels: Sequence[Kernel], mode: str,
    how: PictureSettings, started: float,
) -> Report:  # fmt: skip
    import numpy as np

    source.look()
    pixels = _node(source, readers)
    result = treated(pixels, kernels, mode, how.treatment, lambda: _opaque(pixels))
    if result.shape[2] > 4:
        fact = f"{result.stages[-1].channels_out} channels can't be written as tiff"
        raise ImageError(fact, place=job.output, hint=picture_files.BY_ARRAY)
    outline = np.broadcast_to(np.zeros((), result.dtype), result.shape)
    files.check_shape(result.shape, result.dtype, "tiff", job.output)
    carried = source.metadata()
    metadata, dropped = images.fit(carried, outline, "tiff")
    steps = Steps(result)
    if result.measure:
        for cut in steps:
            _in_parts(result, cut, result.measure)
    size = math.prod(result.shape) * result.dtype.itemsize
    options = encoding.settings("tiff", how.options)
    with files.replaced(job.output) as file:
        writer = tiff.Writer(file, size=size, metadata=metadata, threads=thread_count(), **options)
        writer.begin(result.shape, result.dtype)
        for cut in steps:
            steps.later(behind, cut, _write, writer, file, _rows(result, cut))
        steps.settle(0)
        before = time.perf_counter()
        writer.end()
    ended = time.perf_counter()
    tally, samples = result.tally, max(math.prod(result.shape), 1)
    waited = steps.waited_behind + ended - before
    curve = picture_files.curve_note(carried, source.dtype, how.treatment)
    pages = (f"frame 1 of {source.pages}",) if source.pages > 1 else ()
    return Report(
        input=job.input, output=job.output, status="done", format_in="tiff", format_out="tiff",
        dtype_in=str(source.dtype), dtype_out=str(result.dtype), stages=result.stages, bands=steps.count,
        decode_s=steps.waited_ahead, filter_s=ended - started - waited - steps.waited_ahead, encode_s=waited,
        clipped_low=tally.below / samples, clipped_high=tally.above / samples,
        nonfinite=tally.unkept or tally.nonfinite,
        notes=tuple(dict.fromkeys((*pages, *source.notes, *result.notes, *curve, *dropped))),
    )  # fmt: skip


class Steps:
    """Going through a result from top to bottom: each cut of rows is yielded when all that it is made of is there.

    `waited_ahead` are the seconds spent waiting for what is read, `waited_behind` those for what is written.
    """

    def __init__(self, result: Result) -> None:
        self._result = result
        self._wanted = [*result.nodes, *result.chain.behind]
        self._nodes = order(self._wanted)
        self._cuts = _step_cuts(result, self._nodes)
        self._pending: deque[tuple[Cut, Future[None]]] = deque()
        self.count = len(self._cuts)
        self.waited_ahead = self.waited_behind = 0.0

    def __iter__(self) -> Iterator[Cut]:
        chain = self._result.chain
        whole = self._needs(self._cuts[0], self._wanted)
        for cut, following in itertools.zip_longest(self._cuts, self._cuts[1:]):
            ahead = self._needs(following, self._wanted) if following else {}
            self.settle(_BEHIND - 1)
            for node in self._nodes:
                node.keep(whole[node] | ahead.get(node, set()) | self._unwritten(node))
                node.start(whole[node])
                node.start(ahead.get(node, set()))
            self._make(self._needs(cut, self._result.nodes) if chain.behind else whole)
            if chain.hidden(*cut):
                self._make(whole)
            yield cut
            whole = ahead
        for node in self._nodes:
            node.keep(self._unwritten(node))

    def later(self, pool: Executor, cut: Cut, work: Any, *arguments: Any) -> None:
        """Has the rows of a cut written; until that is done they stay."""
        self._pending.append((cut, pool.submit(work, *arguments)))

    def settle(self, most: int) -> None:
        """Waits until at most so many cuts are unwritten. Raises what went wrong with others."""
        before = time.perf_counter()
        while self._pending and (len(self._pending) > most or self._pending[0][1].done()):
            self._pending[0][1].result()
            self._pending.popleft()
        self.waited_behind += time.perf_counter() - before

    def _unwritten(self, node: Node) -> set[int]:
        return node.bands([cut for cut, _ in self._pending]) if node is self._result.final else set()

    def _needs(self, cut: Cut, nodes: Sequence[Node]) -> dict[Node, set[int]]:
        return needed(self._nodes, {node: [cut] for node in nodes})

    def _make(self, needs: dict[Node, set[int]]) -> None:
        for node in self._nodes:
            before = time.perf_counter()
            node.make(needs[node])
            if node.ahead:
                self.waited_ahead += time.perf_counter() - before


def _step_cuts(result: Result, nodes: Sequence[Node]) -> list[Cut]:
    """The rows of the result in steps, which end where the last kernel's own bands do."""
    height = result.shape[0]
    row = sum(node.array.nbytes for node in nodes) // height + 1
    rows = max(1, _STEP_BYTES // row)
    ends = [stop for _, stop in result.final.cuts] if result.final else range(rows, height + rows, rows)
    cuts, start = [], 0
    for end in ends:
        if end - start >= rows or end >= height:
            cuts.append((start, min(end, height)))
            start = end
    return cuts


def _node(source: TiffBands, pool: Executor) -> Node:
    paged = paging.Paged(source.shape, source.dtype)
    array = paged.array
    return Node(paged, source.cuts, lambda cut: source.read(cut, array[slice(*cut)]), lambda cut: {}, ahead=pool)


def _opaque(pixels: Node) -> bool:
    """Whether all of a picture's alpha is full."""
    from convcli.treatment import white

    top = white(pixels.array.dtype)
    for band, cut in enumerate(pixels.cuts):
        pixels.start({number for number in (band, band + 1) if number < len(pixels.cuts)})
        pixels.make({band})
        alpha = pixels.array[slice(*cut)][..., -1]
        if not (alpha.min() == top and alpha.max() == top):
            return False
        pixels.keep(set())
    return True


def _rows(result: Result, cut: Cut) -> Array:
    """The rows of a result."""
    import numpy as np

    if result.final:
        return result.keep(*cut)
    rows = np.empty((cut[1] - cut[0], *result.shape[1:]), result.dtype)

    def part(start: int, stop: int) -> None:
        rows[start - cut[0] : stop - cut[0]] = result.keep(start, stop)

    _in_parts(result, cut, part)
    return rows


def _in_parts(result: Result, cut: Cut, work: Any) -> None:
    step = max(1, _PART_BYTES // (result.shape[1] * result.shape[2] * 4))
    run_all(lambda start: work(start, min(start + step, cut[1])), range(*cut, step))


def _write(writer: tiff.Writer, file: BinaryIO, rows: Array) -> None:
    start = file.tell()
    writer.add(rows)
    if hasattr(os, "posix_fadvise"):
        # Sets the disk to work, so that little is left for the end.
        file.flush()
        os.posix_fadvise(file.fileno(), start, file.tell() - start, os.POSIX_FADV_DONTNEED)
