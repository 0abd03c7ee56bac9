"""Processes that answer: started, spoken to over pipes, waited for. Forked where that is safe, else started afresh."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import struct
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

from convcli.batch.workers import interrupts

_SIZE: Final = struct.Struct("<Q")


class Channel(Protocol):
    """One end of a conversation."""

    def send(self, message: Any) -> None:
        """Raises BrokenPipeError where the other side is gone."""

    def receive(self) -> Any:
        """The next message, waited for; raises EOFError where there won't be any."""


class Pipes:
    """A channel over two file descriptors: pickles, each after its size."""

    def __init__(self, read: int, write: int) -> None:
        self.read = read
        self._write = write

    def send(self, message: Any) -> None:
        self.send_pickled(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))

    def send_pickled(self, data: bytes) -> None:
        left = memoryview(_SIZE.pack(len(data)) + data)
        while left:
            left = left[os.write(self._write, left) :]

    def receive(self) -> Any:
        (size,) = _SIZE.unpack(self._exactly(_SIZE.size))
        return pickle.loads(self._exactly(size))

    def _exactly(self, size: int) -> bytes:
        parts = []
        while size:
            part = os.read(self.read, min(size, 1 << 20))
            if not part:
                raise EOFError
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def close(self) -> None:
        for number in (self.read, self._write):
            with contextlib.suppress(OSError):
                os.close(number)


#: What a process does with its channel and the values that it was started with.
Serve: TypeAlias = Callable[..., None]


class _Process:
    """What forked and spawned processes have in common: the items they work on, and how they are spoken to."""

    def __init__(self, send_pickled: Callable[[bytes], None]) -> None:
        self.items: dict[int, Any] = {}
        self._send_pickled = send_pickled

    def send(self, message: Any, *, at_most: int | None = None) -> bool:
        """Whether a message was sent: not where it is longer than `at_most` bytes, or nobody is there."""
        data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        if at_most is not None and len(data) > at_most:
            return False
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
            with signals_held():
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

    def receive(self) -> Any:
        return self.pipes.receive()

    def wait(self, seconds: float | None) -> int | None:
        """The exit code (of a signal: its number, negative), or None while the process goes on after so long."""
        until = None if seconds is None else time.monotonic() + seconds
        while self._code is None:
            pid, status = os.waitpid(self._pid, 0 if until is None else os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
            elif until is not None and time.monotonic() > until:
                break
            else:
                time.sleep(0.001)
        return self._code

    def signal(self, number: int) -> None:
        if self._code is None:
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
        with signals_held():
            self._process.start()
        theirs.close()

    def receive(self) -> Any:
        return self.connection.recv()

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
    """Holds signals that end a run back while a process starts: the new one has no handlers of its own yet."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, interrupts.ending())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
