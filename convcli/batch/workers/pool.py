"""Work in processes of our own, so that what dies takes one piece of work with it and not the run.

Processes, not threads: damage in a JPEG is heard on the process's stderr, and a codec that crashes takes its process
along. Pools of the standard library break as a whole when one worker dies; here it is replaced.
"""

from __future__ import annotations

import collections
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, Final

from convcli.batch.workers.processes import LEAST_AHEAD, Forked, Spawned, Worker, can_fork, ready, signals_held
from convcli.batch.workers.service import Work, serve
from convcli.errors import ImageError, reason
from convcli.records import record

#: Items that a worker is given ahead at most: twice as many as it made between two looks at it, so that it never waits,
#: or more where it had to.
_MOST_AHEAD: Final = 64
#: Seconds between two looks at workers, which have more to tell together: each time others wake takes from their time.
_PACE_S: Final = 0.01
_TICK_S: Final = 0.2
_PATIENCE_S: Final = 2.0
_MOST_IDLE_DEATHS: Final = 3


@record(kw_only=False)
class Death:
    """A worker ended while it worked on an item, with an exit `code`; negative: by a signal.

    >>> str(Death(7)), str(Death(-15))
    ('ended with exit code 7', 'was killed by SIGTERM')
    """

    code: int | None

    @property
    def is_kill(self) -> bool:
        """Whether it was SIGKILL, as where memory runs out."""
        return self.code is not None and -self.code == getattr(signal, "SIGKILL", None)

    def __str__(self) -> str:
        if self.code is None or self.code >= 0:
            return f"ended with exit code {self.code}"
        try:
            name = signal.Signals(-self.code).name
        except ValueError:
            name = f"signal {-self.code}"
        return f"was killed by {name}"


class Workers:
    """`count` processes that run `work`; `memory` is what items that ask for more than their share may take together.

    In a process that a signal ends `give_up` is called last, to clean up.

    The work is inherited (Linux, while this process has no other threads) or pickled. Each worker ends when this
    process does, however that comes about.
    """

    def __init__(
        self, work: Work, count: int, *, memory: int = 0, give_up: Callable[[], None] | None = None
    ) -> None:  # fmt: skip
        self._values = work, memory // count, give_up
        self._count = count
        self._memory = memory
        self._workers: list[Worker] = []
        self._granted: dict[Worker, int] = {}
        self._asking: collections.deque[tuple[Worker, int]] = collections.deque()
        self._again: set[int] = set()
        self._idle_deaths = 0
        self._to_come = 0

    def outcomes(self, items: Iterable[tuple[int, Any]], total: int = 0) -> Generator[tuple[int, Any] | None]:
        """The results of numbered items as they come: `(number, result)`, or a `Death`; None several times a second.

        An item is taken when a worker is to get it. `total` is how many there are at most, where that is known: the
        last ones are shared out so that all workers end at about the same time. Raises ImageError where no process can
        be started. However this ends, no worker stays.
        """
        feed = iter(items)
        self._to_come = total or sys.maxsize
        left: collections.deque[tuple[int, Any]] = collections.deque()
        try:
            while self._feed(feed, left):
                speaking = ready(self._workers, _TICK_S)
                if speaking and all(len(worker.items) >= LEAST_AHEAD for worker in self._workers):
                    time.sleep(_PACE_S)
                for worker in speaking:
                    try:
                        messages = worker.receive_all()
                    except (EOFError, OSError):
                        yield from self._buried(worker, left)
                        continue
                    before = len(worker.items)
                    for kind, content in messages:
                        yield from self._heard(worker, kind, content)
                    many = (2 if worker.items else 4) * (before - len(worker.items)) + 1
                    worker.ahead = min(max(LEAST_AHEAD, many), _MOST_AHEAD)
                self._grant()
                yield None
            for worker in self._workers:
                worker.close()
            self._reap(patience=_PATIENCE_S)
        finally:
            self._kill()

    def _heard(self, worker: Worker, kind: str, content: Any) -> Iterator[tuple[int, Any]]:
        """The results that a message of a worker's brings."""
        if kind == "ask":
            self._granted.pop(worker, None)  # what it asks for now is instead of that
            self._asking.append((worker, content))
        elif kind == "made":
            self._granted.pop(worker, None)
            worker.take(content, to_finish=True)
        else:
            for number, result in content:
                if number in worker.items:
                    self._granted.pop(worker, None)
                worker.take(number)
                yield number, result

    def _feed(self, feed: Iterator[tuple[int, Any]], left: collections.deque[tuple[int, Any]]) -> bool:
        """Gives out items, to idle workers first; returns whether there is anything to wait for."""
        while True:
            worker = min(self._workers, key=lambda worker: len(worker.items), default=None)
            full = len(self._workers) >= self._count
            share = max(1, (self._to_come + len(left)) // self._count)
            if worker is not None and full and len(worker.items) >= min(worker.ahead, share):
                return True
            item = left.popleft() if left else self._next(feed)
            if item is None:
                return any(worker.items or worker.finishing for worker in self._workers)
            if worker is None or (worker.items and not full):
                worker = self._hire() or worker
            if worker is None or not worker.give(*item, again=item[0] in self._again):
                left.appendleft(item)
                return True

    def _next(self, feed: Iterator[tuple[int, Any]]) -> tuple[int, Any] | None:
        self._to_come -= 1
        return next(feed, None)

    def _hire(self) -> Worker | None:
        """Starts one more worker, if that can be; raises ImageError where it can't and there is none."""
        try:
            with signals_held():  # until it is one of those that end with the run, and has handlers of its own
                self._workers.append((Forked if can_fork() else Spawned)(serve, self._values, self._workers))
        except OSError as error:
            if not self._workers:
                raise ImageError(f"no process can be started: {reason(error)}", hint="--jobs 1 needs none") from error
            self._count = len(self._workers)
            return None
        return self._workers[-1]

    def _grant(self) -> None:
        """Lets those that ask go on, in their turn: one always may, more together while memory lasts."""
        while self._asking:
            worker, needed = self._asking[0]
            if self._granted and sum(self._granted.values()) + needed > self._memory:
                return
            self._asking.popleft()
            self._granted[worker] = needed
            worker.send(None)

    def _buried(self, worker: Worker, left: collections.deque[tuple[int, Any]]) -> Iterator[tuple[int, Death]]:
        """A dead worker's item in work has failed; the others, and those only made, are for somebody else."""
        self._workers.remove(worker)
        self._granted.pop(worker, None)
        self._asking = collections.deque(pair for pair in self._asking if pair[0] is not worker)
        death = Death(worker.wait(None))
        worker.close()
        self._again |= worker.finishing.keys()
        self._idle_deaths = 0 if worker.items or worker.finishing else self._idle_deaths + 1
        lost = [*worker.finishing.items(), *worker.items.items()]
        failed = next(iter(worker.items), None)
        left.extendleft(reversed([item for item in lost if item[0] != failed]))
        if self._idle_deaths >= _MOST_IDLE_DEATHS:
            raise ImageError(f"processes end before they get any work: each {death}", hint="--jobs 1 needs none")
        if failed is not None:
            yield failed, death

    def _reap(self, patience: float) -> None:
        """Waits for workers that are on their way out."""
        until = time.monotonic() + patience
        while self._workers and time.monotonic() < until:
            self._workers = [worker for worker in self._workers if worker.wait(0.005) is None]

    def _kill(self) -> None:
        """Ends what is left: asked first, so that it can clear up, then for good."""
        for worker in self._workers:
            worker.signal(signal.SIGTERM)
        self._reap(_PATIENCE_S)
        for worker in self._workers:
            worker.signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        self._reap(_PATIENCE_S)
        for worker in self._workers:
            worker.close()
