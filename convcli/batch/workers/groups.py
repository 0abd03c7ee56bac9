"""Results that wait for the disk together: to make many files durable takes little more time than to make one so."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, Final

from convcli.batch import files
from convcli.records import record

#: A group ends with so many results, so many bytes, or so many seconds after its first one was begun.
_MOST: Final = 64
_MOST_BYTES: Final = 1 << 24
_MOST_S: Final = 0.1
#: Each has a file open, and two groups of them may be under way: a share of what a process may have open.
_SHARE_OF_OPEN_FILES: Final = 8
#: Bytes of memory from which on an input takes so long that others needn't wait for it.
LARGE: Final = 1 << 25


@record(kw_only=False)
class Later:
    """A result that only waits for the disk: when its files are durable `finish()` puts them in place and makes it."""

    finish: Callable[[], Any]
    files: Sequence[files.Pending] = ()


class Group:
    """Numbered results that are finished together: once, by whichever thread claims that."""

    def __init__(self) -> None:
        self._results: list[tuple[int, Later]] = []
        self._size, self._until = 0, 0.0
        self._claim = threading.Lock()
        #: Its files are durable; nobody is about to claim it but who made them so; all is done.
        self.synced, self.left, self.finished = threading.Event(), threading.Event(), threading.Event()

    def __bool__(self) -> bool:
        return bool(self._results)

    def add(self, number: int, result: Later, begun: float) -> bool:
        """Takes a result that was begun at a moment of `time.monotonic`; whether the group is to end with it."""
        if not self._results:
            self._until = begun + _MOST_S
        self._results.append((number, result))
        self._size += sum(pending.size for pending in result.files)
        return len(self._results) >= most_results() or self._size >= _MOST_BYTES or time.monotonic() >= self._until

    def sync(self) -> None:
        """Makes all files durable. Those that an error leaves as they are have their turn where each is finished."""
        try:
            with contextlib.suppress(Exception):
                files.sync([pending for _, result in self._results for pending in result.files])
        finally:
            self.synced.set()

    def claim(self) -> bool:
        """Whether the caller is the first one, who has to `finish` it."""
        first = self._claim.acquire(blocking=False)
        self.left.set()
        return first

    def finish(self) -> Iterator[tuple[int, Any]]:
        """Puts files in place, and gives the result of each when it is there."""
        while self._results:
            number, result = self._results[0]
            outcome = result.finish()
            self._results.pop(0)
            yield number, outcome

    def give_up(self) -> None:
        """Takes away what is not in place."""
        for _, result in self._results:
            for pending in result.files:
                pending.give_up()


@cache
def most_results() -> int:
    if sys.platform == "win32":
        return _MOST
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _MOST if limit < 0 else max(1, min(_MOST, limit // _SHARE_OF_OPEN_FILES))
