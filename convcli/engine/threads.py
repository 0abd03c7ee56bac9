"""Our own threads over pieces of work, while the libraries below start none."""

from __future__ import annotations

import mmap
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from convcli.engine import blas
from convcli.records import late

if TYPE_CHECKING:
    import cv2
    import numpy as np

    from convcli.engine import memory
    from convcli.engine.dtypes import Array, Call
    from convcli.engine.sink import Sink
else:  # who starts other processes counts cores here, and loads none of them
    cv2, np, memory = late("cv2"), late("numpy"), late("convcli.engine.memory")

T = TypeVar("T")


_most = 0


def core_count() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def thread_count() -> int:
    """Threads that one input gets: a core each, or as many as `limit_threads` left."""
    return _most or core_count()


def library_threads() -> int:
    """Threads that OpenCV starts for a call."""
    return 1 if _users else cv2.getNumThreads()


def limit_threads(count: int) -> None:
    """Gives this process `count` threads, OpenCV's included: several processes share the cores."""
    global _most
    _most = count
    cv2.setNumThreads(count)


def run_all(work: Callable[[T], object], pieces: Iterable[T], *, below: bool = False) -> None:
    """`work(piece)` for all pieces, from several threads where there are several; the first exception is raised.

    One loop a thread over one shared iterator: no hand-off per piece (a list's iterator is safe to share). A single
    piece within another run has all that a run sets up already; `below` it OpenCV may start threads of its own.
    """
    waiting = list(pieces)
    if len(waiting) == 1 and memory.in_run():
        with memory.scratch_space(), _threads_below(below=below):
            work(waiting[0])
        return
    pending = iter(waiting)
    failures: list[BaseException] = []

    def loop() -> None:
        try:
            # NaN and infinity are data like any other: they propagate, without a word from numpy.
            with memory.scratch_space(), np.errstate(over="ignore", invalid="ignore"):
                for piece in pending:
                    work(piece)
        except BaseException as error:
            failures.append(error)
            for _ in pending:  # the others stop at their next piece
                pass

    with one_thread_below():
        count = _with_room(min(thread_count(), max(1, len(waiting))))
        helpers = _helpers(count - 1)
        for helper in helpers:
            helper.begin(loop)
        loop()
        for helper in helpers:
            helper.wait()
        _idle.extend(helpers)
    if failures:
        raise failures[0]


class _Helper:
    """A thread that waits for something to do: to wake it takes a third of the time that a new one takes to start."""

    def __init__(self) -> None:
        self._asked, self._done = threading.Lock(), threading.Lock()
        self._asked.acquire()
        self._done.acquire()
        self._task: Callable[[], None] = lambda: None
        threading.Thread(target=self._serve, name="convcli", daemon=True).start()

    def _serve(self) -> None:
        while True:
            self._asked.acquire()
            self._task()
            # What the task holds on to, such as pictures, is not to live until the next one.
            self._task = lambda: None
            self._done.release()

    def begin(self, task: Callable[[], None]) -> None:
        """Has `task`, which raises nothing, done in the thread."""
        self._task = task
        self._asked.release()

    def wait(self) -> None:
        """Returns when the task is done. Who is interrupted here gives the helper up."""
        self._done.acquire()


#: Helpers without a task. A list's `pop` and `extend` are safe to call from several threads.
_idle: list[_Helper] = []


def _helpers(count: int) -> list[_Helper]:
    """So many, or fewer where the system starts no more threads: then those that there are do all of the work."""
    helpers: list[_Helper] = []
    while len(helpers) < count:
        try:
            helpers.append(_idle.pop())
        except IndexError:
            try:
                helpers.append(_Helper())
            except RuntimeError:
                break
    return helpers


#: Output rows, first and behind the last.
Cut = tuple[int, int]


class Cuts:
    """Work on an output that was cut into bands of rows: `work(cut)` makes those rows, in any order, any number of
    times, from the rows of the input that they need.

    Where channels or slices are made one by one, `cuts` are pieces that only `work` knows. `again`, where there is
    such, makes `Cuts` of another input, that lies as the first one does, for another sink like the first; `call` makes
    all of the output as it is kept, where that is all of the work.
    """

    def __init__(
        self, work: Callable[[Any], object], cuts: Sequence[Any], again: Callable[[Array, Sink], Cuts] | None = None,
        *, call: Call | None = None,
    ) -> None:  # fmt: skip
        self.work, self.cuts, self.again, self.call = work, cuts, again, call

    @classmethod
    def on(cls, x: Array, sink: Sink, band: Callable[[Array, Sink, Cut], object], cuts: Sequence[Cut]) -> Cuts:
        """`band(x, sink, cut)` makes some rows of any input that lies as `x` does: what else it needs, it has."""
        return cls(partial(band, x, sink), cuts, partial(_on, band, cuts))

    @classmethod
    def joined(cls, parts: Sequence[Cuts]) -> Cuts:
        """All work of several."""
        return cls(lambda piece: piece[0](piece[1]), [(part.work, cut) for part in parts for cut in part.cuts])

    def run(self) -> None:
        run_all(self.work, self.cuts)


def _on(band: Callable[[Array, Sink, Cut], object], cuts: Sequence[Cut], x: Array, sink: Sink) -> Cuts:
    return Cuts.on(x, sink, band, cuts)


_guard = threading.Lock()
_users = 0
_before = (0, 0)
#: What OpenCV was told last, and whether that is left until somebody needs another number.
_told, _left = 0, False


def _forget() -> None:
    """In a forked child there are no helpers, and nobody who holds the lock."""
    global _guard, _users
    _idle.clear()
    _guard, _users = threading.Lock(), 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


class one_thread_below:
    """A context that keeps OpenCV and OpenBLAS from starting threads below ours; the settings return with the last.

    With `later` OpenCV is told by the runs within it.
    """

    def __init__(self, *, later: bool = False) -> None:
        self._later = later

    def __enter__(self) -> None:
        global _users, _before, _told, _left
        blas_get, blas_set = blas.threads()
        with _guard:
            if not _users:
                _before = (cv2.getNumThreads(), blas_get())
                _told, _left = _before[0], self._later
                if _before[1] != 1:
                    blas_set(1)
            _users += 1
            if not self._later:
                _tell(1)

    def __exit__(self, *error: object) -> None:
        global _users
        with _guard:
            _users -= 1
            if not _users:
                _tell(_before[0])
            if not _users and _before[1] != 1:
                blas.threads()[1](_before[1])


def _tell(count: int) -> None:
    """Has OpenCV start so many threads for a call: told of 1, it ends those that it has, and waits for each."""
    global _told
    if _told != count:
        cv2.setNumThreads(count)
        _told = count


@contextmanager
def one_run() -> Iterator[None]:
    """A run of this thread alone: all that is run within it has what it sets up."""
    with one_thread_below(later=True), memory.scratch_space(), np.errstate(over="ignore", invalid="ignore"):
        _with_room(1)
        yield


@contextmanager
def _threads_below(*, below: bool) -> Iterator[None]:
    """Has OpenCV start threads `below` a run that has but one itself, where nobody else runs, or none.

    Not OpenBLAS: its threads go on turning for a while after a product, on the cores that OpenCV's want.
    """
    if not _users:  # a call alone told OpenCV nothing, and nobody would take it back
        yield
        return
    count = thread_count() if below and _users == 1 else 1
    with _guard:
        _tell(count)
    try:
        yield
    finally:
        if count > 1 and not _left:
            with _guard:
                _tell(1)


#: Bytes of address space that there are to be before OpenBLAS takes 32 MiB for a product, and before another thread is
#: started, which takes more by and by.
_PRODUCT, _THREAD = 36 << 20, 1 << 27
#: Threads for whose products OpenBLAS has memory.
_provided = 0


def _with_room(count: int) -> int:
    """So many threads, or fewer where there is no memory for more. Raises MemoryError where there is none for one.

    OpenBLAS takes memory for each product that is under way beside others, and ends the process where it gets none,
    while other threads still compute: they end in a crash. So it takes it here, one after the other, and keeps it.
    """
    global _provided
    if count <= _provided:
        return count
    take, leave = blas.memory()
    with _guard:
        blocks = []
        try:
            for number in range(count):
                if number >= _provided and not is_room(_THREAD if number else _PRODUCT):
                    break
                blocks.append(take(0))
        finally:
            for block in blocks:
                leave(block)
        _provided = max(_provided, len(blocks))
    if not blocks:
        raise MemoryError
    return len(blocks)


def is_room(size: int) -> bool:
    """Whether so many bytes of address space can be had."""
    try:
        mmap.mmap(-1, size).close()
    except OSError:
        return False
    return True
