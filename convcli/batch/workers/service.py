"""A worker's side: items are worked on one after the other, and groups of them finished in a thread beside the next."""

from __future__ import annotations

import collections
import os
import queue
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any, Final, TypeAlias

from convcli.batch.workers import interrupts
from convcli.batch.workers.groups import LARGE, Group, Later
from convcli.batch.workers.pipes import Channel
from convcli.batch.workers.processes import signals_held

#: `work(item, ask, again)`: the work of one item, or a `Later`; `ask(bytes)` returns when there is memory for so many.
#: `again` says that another worker may have done it, and died before it could say so.
Work: TypeAlias = Callable[[Any, Callable[[int], None], bool], Any]


#: Seconds for which a group whose files are durable waits for the thread that works.
_GRACE_S: Final = 0.02


def serve(channel: Channel, work: Work, share: int, give_up: Callable[[], None] | None) -> None:
    """A worker's life: items as they come, until there are no more or the other side is gone.

    Items that take up to `share` bytes needn't ask for memory. When a signal ends it, `give_up` cleans up.
    """
    service = _Service(channel, share)
    try:
        _obey_signals()
        service.work_off(work)
    except (EOFError, ConnectionError):
        service.settle()
        service.give_up()
    except _Stopped as stopped:
        service.settle()
        service.give_up()
        if give_up:
            give_up()
        if stopped.number == getattr(signal, "SIGQUIT", None):
            os._exit(128 + stopped.number)  # and not of the signal, which leaves a core
        # Dies of the signal, now that all is cleaned up, so that the cause can be told.
        signal.signal(stopped.number, signal.SIG_DFL)
        os.kill(os.getpid(), stopped.number)


class _Stopped(BaseException):
    """A signal to end arrived; what is open is cleaned up on the way out."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class _Service:
    """Two threads that share a channel: the one that works, and the one that finishes items."""

    def __init__(self, channel: Channel, share: int) -> None:
        self._channel = channel
        self._share = share
        self._waiting: collections.deque[Any] = collections.deque()
        self._group = Group()
        self._under_way: Group | None = None
        self._speaking = threading.Lock()
        self._cut_short = False
        self._tasks: queue.SimpleQueue[Callable[[], None]] | None = None

    def work_off(self, work: Work) -> None:
        """Works until an exception says that it is enough."""
        while True:
            if not self._waiting and not self._channel.pending():
                self._end_group()
                if self._under_way:
                    self._under_way.left.set()
            number, item, again = self._waiting.popleft() if self._waiting else self._channel.receive()
            begun = time.monotonic()
            result = work(item, self.ask, again)
            if self._under_way and self._under_way.synced.is_set():
                self.settle()
            if not isinstance(result, Later):
                self._send(("done", [(number, result)]))
                continue
            self._send(("made", number))
            if self._group.add(number, result, begun):
                self._end_group()

    def ask(self, needed: int) -> None:
        """Returns when there is memory for so many bytes."""
        if needed >= LARGE:
            self._end_group()
        if not self._share or needed <= self._share:
            return
        self._send(("ask", needed))
        while (message := self._channel.receive()) is not None:
            self._waiting.append(message)

    def _send(self, message: Any) -> None:
        with self._speaking:
            if self._cut_short:  # by a signal to end: what came behind would not be understood
                return
            self._cut_short = True
            self._channel.send(message)
            self._cut_short = False

    def _end_group(self) -> None:
        """Has the files of the results that wait made durable, beside the next item."""
        if not self._group:
            return
        self.settle()
        with signals_held():
            group = self._under_way = self._group
            self._group = Group()
            if self._tasks is None:
                self._tasks = _thread()
            if self._tasks is not None:
                self._tasks.put(partial(self._finish_beside, group))
                return
            group.sync()
        self.settle()

    def _finish_beside(self, group: Group) -> None:
        """Finishes a group where the thread that works has nothing to do, or has long to do. Else that one finishes it:
        two would be in each other's way, since each of many short calls of the system lets the other one in."""
        group.sync()
        group.left.wait(_GRACE_S)
        if group.claim():
            self._finish(group)

    def _finish(self, group: Group) -> None:
        try:
            self._send(("done", list(group.finish())))
        except ConnectionError:
            pass  # nobody listens: the next word to us will be the end
        finally:
            group.finished.set()

    def settle(self) -> None:
        """Returns when the group that is under way is finished."""
        group = self._under_way
        if group is None:
            return
        group.synced.wait()
        with signals_held():
            if group.claim():
                self._finish(group)
        group.finished.wait()
        self._under_way = None

    def give_up(self) -> None:
        """Takes away the files of results that nobody will finish."""
        self._group.give_up()


def _thread() -> queue.SimpleQueue[Callable[[], None]] | None:
    """The tasks of a new thread; None where the system starts no more."""
    tasks: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
    try:
        threading.Thread(target=_run_all, args=(tasks,), daemon=True).start()
    except RuntimeError:
        return None
    return tasks


def _run_all(tasks: queue.SimpleQueue[Callable[[], None]]) -> None:
    while True:
        tasks.get()()


def _obey_signals() -> None:
    """Ctrl-C, SIGTERM and their like end a worker, once; they were held back until now."""
    held, stopping = interrupts.ending(), False
    # As in the background of a shell script, or under nohup. SIGTERM is also this program's own word to stop.
    numbers = [n for n in held if n == signal.SIGTERM or signal.getsignal(n) is not signal.SIG_IGN]

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        if not stopping:  # another one must not disturb the cleaning up
            stopping = True
            interrupts.raise_in(frame, _Stopped(number))

    interrupts.insist_on(_Stopped)
    for number in numbers:
        signal.signal(number, stop)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, held)
