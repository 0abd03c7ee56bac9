"""Processes that answer: started, spoken to over pipes, waited for. Forked where that is safe, else started afresh."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Final, TypeAlias

from convcli.batch.workers import interrupts
from convcli.batch.workers.pipes import Pipes

#: Bytes of items that are given out ahead at most: they must fit the pipe, since the worker doesn't read them yet.
_FITS: Final = 1 << 14
LEAST_AHEAD: Final = 3


#: What a process does with its channel and the values that it was started with.
Serve: TypeAlias = Callable[..., None]


class _Process:
    """What forked and spawned processes have in common: the items they work on, and how they are spoken to."""

    def __init__(self, send_pickled: Callable[[bytes], None]) -> None:
        #: By their numbers: items to be made, the first of which it works on, and those that only wait for the disk.
        self.items: dict[int, Any] = {}
        self.finishing: dict[int, Any] = {}
        #: How many items it may have that are not made.
        self.ahead = LEAST_AHEAD
        self._send_pickled = send_pickled
        self._sizes: dict[int, int] = {}

    def send(self, message: Any) -> bool:
        """Whether a message was sent: not where nobody is there."""
        return self._sent(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))

    def give(self, number: int, item: Any, *, again: bool) -> bool:
        """Whether it has got one more item: not where it has enough, or nobody is there."""
        if len(self.items) >= self.ahead:
            return False
        data = pickle.dumps((number, item, again), pickle.HIGHEST_PROTOCOL)
        if (self.items and sum(self._sizes.values()) + len(data) > _FITS) or not self._sent(data):
            return False
        self.items[number], self._sizes[number] = item, len(data)
        return True

    def take(self, number: int, *, to_finish: bool = False) -> None:
        """An item is done, or only `made`."""
        item = self.items.pop(number, None)
        self._sizes.pop(number, None)
        if to_finish:
            self.finishing[number] = item
        else:
            self.finishing.pop(number, None)

    def _sent(self, data: bytes) -> bool:
        try:
            self._send_pickled(data)
        except OSError:
            return False
        return True


class Forked(_Process):
    """A copy of this process that runs `serve(channel, *values)`: ready at once, with all that is loaded here."""

    def __init__(self, serve: Serve, values: tuple[Any, ...], others: Sequence[Worker]) -> None:
        """Raises OSError. `others` are the processes whose channels the new one must not keep open."""
        down, up = os.pipe(), os.pipe()
        parent = os.getpid()
        self.pipes = Pipes(up[0], down[1])
        super().__init__(self.pipes.send_pickled)
        theirs = Pipes(down[0], up[1])
        try:
            self._pid = os.fork()
            if not self._pid:
                code = 1
                try:
                    for pipes in (self.pipes, *(other.pipes for other in others if isinstance(other, Forked))):
                        pipes.close()
                    die_with(parent)
                    serve(theirs, *values)
                    code = 0
                finally:
                    os._exit(code)
        except OSError:
            self.pipes.close()
            raise
        finally:
            theirs.close()
        self._code: int | None = None

    def receive_all(self) -> list[Any]:
        """The messages that are there. Raises EOFError, or OSError, where the process is gone."""
        return self.pipes.receive_all()

    def wait(self, seconds: float | None) -> int | None:
        """The exit code (of a signal: its number, negative), or None while the process goes on after so long."""
        until = None if seconds is None else time.monotonic() + seconds
        while self._code is None:
            try:
                pid, status = os.waitpid(self._pid, 0 if until is None else os.WNOHANG)
            except ChildProcessError:  # a signal came when it had been waited for: nobody knows its code
                pid, status = self._pid, 1 << 8
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
            elif until is not None and time.monotonic() > until:
                break
            else:
                time.sleep(0.001)
        return self._code

    def signal(self, number: int) -> None:
        if self._code is None:
            with contextlib.suppress(ProcessLookupError):  # it was waited for when a signal came
                os.kill(self._pid, number)

    def close(self) -> None:
        """Lets a process that is idle end."""
        self.pipes.close()


class Spawned(_Process):
    """A new Python that runs `serve(channel, *values)`, all of which travels there by pickle."""

    def __init__(self, serve: Serve, values: tuple[Any, ...], others: Sequence[Worker]) -> None:
        """Raises OSError."""
        import multiprocessing

        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        super().__init__(self.connection.send_bytes)
        self._process = context.Process(target=_spawned, args=(theirs, os.getpid(), serve, values), daemon=True)
        if multiprocessing.current_process().daemon:
            raise OSError("this process is a daemonic one of multiprocessing, which may start none")
        with _hidden_main():
            self._process.start()
        theirs.close()

    def receive_all(self) -> list[Any]:
        """As of `Forked`."""
        messages = [self.connection.recv()]
        with contextlib.suppress(EOFError, OSError):  # which the next call raises
            while self.connection.poll():
                messages.append(self.connection.recv())
        return messages

    def wait(self, seconds: float | None) -> int | None:
        """As of `Forked`."""
        self._process.join(seconds)
        return self._process.exitcode

    def signal(self, number: int) -> None:
        if self._process.exitcode is None and self._process.pid is not None:
            with contextlib.suppress(OSError):
                os.kill(self._process.pid, number)

    def close(self) -> None:
        """As of `Forked`."""
        self.connection.close()


Worker: TypeAlias = Forked | Spawned


class _Connection:
    """A channel over a connection of multiprocessing's."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def send(self, message: Any) -> None:
        self._connection.send(message)

    def receive(self) -> Any:
        return self._connection.recv()

    def pending(self) -> bool:
        return bool(self._connection.poll())


@contextmanager
def _hidden_main() -> Iterator[None]:
    """Hides the script that runs from multiprocessing, which would run it again in the new process.

    Nothing that travels there is of the script; without a guard (`if __name__ == "__main__"`) it would start all of its
    work anew.
    """
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


def _spawned(connection: Any, parent: int, serve: Serve, values: tuple[Any, ...]) -> None:
    die_with(parent)
    serve(_Connection(connection), *values)


def can_fork() -> bool:
    """Whether a copy of this process could go on: on Linux, while there are no threads that might hold a lock now."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        return len(list(Path("/proc/self/task").iterdir())) == 1
    except OSError:
        return False


def ready(workers: Sequence[Worker], seconds: float) -> list[Worker]:
    """Those that have something to say or are gone, after `seconds` at most."""
    if any(isinstance(worker, Spawned) for worker in workers):
        from multiprocessing.connection import wait

        by_end: dict[Any, Worker] = {w.pipes.read if isinstance(w, Forked) else w.connection: w for w in workers}
        return [by_end[end] for end in wait(list(by_end), seconds)]
    import select

    poll = select.poll()
    by_number = {worker.pipes.read: worker for worker in workers if isinstance(worker, Forked)}
    for number in by_number:
        poll.register(number, select.POLLIN)
    return [by_number[number] for number, _ in poll.poll(seconds * 1000)]


def die_with(parent: int) -> None:
    """Ends this process when its parent ends, also by SIGKILL; where the system can't, it ends at its next message."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    try:
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
    except (OSError, AttributeError):
        return
    if os.getppid() != parent:  # it was faster
        os._exit(1)


@contextmanager
def signals_held() -> Iterator[None]:
    """Holds signals that end a run back."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, interrupts.ending())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
