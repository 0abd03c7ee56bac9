"""Failures of a batch that have one cause: a few are told each, many in one line."""

from __future__ import annotations

import collections
import time
from collections.abc import Callable
from typing import Final

from convcli.batch import Report
from convcli.errors import printable

#: So many failures of a cause are told each.
_FEW: Final = 9
#: Seconds for which one waits for others of its cause.
_WAIT_S: Final = 1.0


class Alike:
    """Failures as they come, told by `say` in their order. Where a cause is told of as that of many, others of it are
    only counted until the end."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._say, self._clock = say, clock
        self._held: list[Report] = []
        self._since = 0.0
        self._told: collections.Counter[str] = collections.Counter()

    def add(self, report: Report) -> None:
        """Takes a failure."""
        if not self._held:
            self._since = self._clock()
        self._held.append(report)

    def pause(self) -> None:
        """Time has gone by: tells of those that have waited."""
        if self._held and self._clock() - self._since >= _WAIT_S:
            self.tell()

    def tell(self, *, last: bool = False) -> None:
        """Tells of all that there are; of causes that are known to be those of many, at the `last`."""
        counts = collections.Counter(map(_cause, self._held))
        known = set() if last else {cause for cause in counts if self._told[cause] > _FEW}
        untold = counts.keys() - known
        held, self._held, self._since = self._held, [], self._clock()
        for report in held:
            cause = _cause(report)
            if cause in known:
                self._held.append(report)
            elif counts[cause] + self._told[cause] <= _FEW:
                self._say(f"Error: {printable(report.error)}\n")
            elif cause in untold:
                self._say(f"Error: {printable(_summary(report, counts[cause], self._told[cause]))}\n")
                untold.remove(cause)
        self._told.update({cause: count for cause, count in counts.items() if cause not in known})


def _cause(report: Report) -> str:
    """What is said of a failure beside its place."""
    return report.error.removeprefix(f"{report.place}: ")


def _summary(report: Report, count: int, listed: int) -> str:
    """Many failures, the first of which is `report`, in one."""
    if count == 1:
        return report.error
    others = f"{count - 1} {'more' if listed else 'others'}"
    return f"{report.place or report.input} and {others}: {_cause(report)}"
