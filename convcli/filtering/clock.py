"""The time that threads take together, as by their processors' clocks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import ParamSpec

P = ParamSpec("P")


class Busy:
    """A clock of work that several threads share: it stands still while they wait."""

    def __init__(self) -> None:
        self._spent: dict[int, float] = {}

    def timed(self, work: Callable[P, object]) -> Callable[P, None]:
        """`work`, whose time on a processor counts."""

        def run(*arguments: P.args, **settings: P.kwargs) -> None:
            before = time.thread_time()
            try:
                work(*arguments, **settings)
            finally:
                thread = threading.get_ident()
                self._spent[thread] = self._spent.get(thread, 0.0) + time.thread_time() - before

        return run

    @property
    def seconds(self) -> float:
        """Those of the thread that computed longest: what the work takes where nothing else goes on."""
        return max(self._spent.values(), default=0.0)
