"""Runs a computation band by band: read a window of the input with its halo, compute, hand on the finished band.

A band is a range of output samples along the first axis, whole along the others. Its float window is the only copy of
the input that exists, so memory stays bounded by a few bands, and results do not depend on where the cuts are.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from convcli.borders import read_window

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from convcli.geometry import Window

    Array = npt.NDArray[np.floating[Any]]

#: Bytes of the float window that one band aims at: within a core's share of the cache.
TILE_BYTES = 2 << 20

#: A half-open range of output samples per axis.
Region: TypeAlias = "tuple[tuple[int, int], ...]"


@dataclass(frozen=True)
class Tile:
    """A float window of the input, the input position of its first sample per axis, and the outputs it serves."""

    data: Array
    origin: tuple[int, ...]
    region: Region


def thread_count() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_tiled(
    x: npt.NDArray[Any],
    windows: Sequence[Window],
    border: str,
    dtype: npt.DTypeLike,
    compute: Callable[[Tile], Array],
    store: Callable[[Array, int], None],
) -> None:
    """Computes all outputs of `windows` on `x` (`(*spatial, channels)`) in bands of rows.

    `compute(tile)` returns `(*region, channels out)`; `store(band, start)` gets it with the index of its first row,
    in any order and from several threads, each band once. An exception in either ends the run and is raised.
    """

    def from_region(region: Region) -> Array:
        ranges = [window.reads(*part) for window, part in zip(windows, region, strict=True)]
        data = read_window(x, ranges, border, dtype)
        return compute(Tile(data, tuple(start for start, _ in ranges), region))

    run_bands(x.shape, windows, dtype, from_region, store)


def run_bands(
    shape: Sequence[int],
    windows: Sequence[Window],
    dtype: npt.DTypeLike,
    compute: Callable[[Region], Array],
    store: Callable[[Array, int], None],
) -> None:
    """As `run_tiled`, for a `compute` that reads the input (of this `shape`) itself."""
    import numpy as np

    bands = list(_bands(shape, windows, np.dtype(dtype).itemsize))
    rest = tuple((0, window.length) for window in windows[1:])

    def work(pending: Iterator[tuple[int, int]]) -> None:
        # NaN and infinity are data like any other: they propagate, without a word from numpy.
        with np.errstate(over="ignore", invalid="ignore"):
            for band in pending:
                store(compute((band, *rest)), band[0])

    threads = min(thread_count(), len(bands))
    if threads <= 1:
        work(iter(bands))
    else:
        with _one_opencv_thread():
            _in_threads(work, iter(bands), threads)


def _bands(shape: Sequence[int], windows: Sequence[Window], itemsize: int) -> Iterator[tuple[int, int]]:
    """The output rows cut into bands; halos are read again by each band, so a band is never shorter than they are."""
    lengths = [max(window.length, shape[axis]) for axis, window in enumerate(windows)]
    row_bytes = math.prod(lengths[1:]) * shape[-1] * itemsize
    first = windows[0]
    low, high = first.reads(0, 1)
    per_row = max(1, (first.reads(0, first.length)[1] - low) // first.length)
    rows = max(1, TILE_BYTES // (row_bytes * per_row), 2 * (high - low) // per_row if high - low > 1 else 1)
    count = max(1, round(first.length / rows))
    if count > 1:
        # A multiple of the threads, so that none waits for the last band.
        threads = thread_count()
        count = -(-count // threads) * threads
    rows = -(-first.length // count)
    for start in range(0, first.length, rows):
        yield start, min(start + rows, first.length)


def _in_threads(
    work: Callable[[Iterator[tuple[int, int]]], None], pending: Iterator[tuple[int, int]], threads: int
) -> None:
    """One loop a thread over one shared iterator: no hand-off per band (a list's iterator is safe to share)."""
    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            work(pending)
        except BaseException as error:
            failures.append(error)
            for _ in pending:  # the others stop at their next band
                pass

    others = [threading.Thread(target=guarded) for _ in range(threads - 1)]
    for thread in others:
        thread.start()
    guarded()
    for thread in others:
        thread.join()
    if failures:
        raise failures[0]


_opencv = threading.Lock()
_opencv_users = 0
_opencv_before = 0


@contextmanager
def _one_opencv_thread() -> Iterator[None]:
    """Keeps OpenCV from starting threads of its own below ours; the caller's setting returns with the last user."""
    import cv2

    global _opencv_users, _opencv_before
    with _opencv:
        if not _opencv_users:
            _opencv_before = cv2.getNumThreads()
            cv2.setNumThreads(1)
        _opencv_users += 1
    try:
        yield
    finally:
        with _opencv:
            _opencv_users -= 1
            if not _opencv_users:
                cv2.setNumThreads(_opencv_before)
