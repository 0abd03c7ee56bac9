"""Errors and warnings of a batch that have one cause: a few are told each, many in one line."""

from __future__ import annotations

import collections
import re
import time
from collections.abc import Callable
from typing import Final

from convcli.errors import printable
from convcli.records import record

#: So many messages of a cause are told each.
_FEW: Final = 9
#: Seconds for which one waits for others of its cause.
_WAIT_S: Final = 1.0


@record(kw_only=False)
class Message:
    """What is said of one input, by its name: of `kind` Error or Warning."""

    kind: str
    name: str
    text: str

    @property
    def cause(self) -> tuple[str, str]:
        """What messages of one cause have in common: all but their numbers."""
        return self.kind, re.sub(r"\d[\d,.]*", "0", self.text)


class Alike:
    """Messages as they come, told by `say` in their order. Where a cause is told of as that of many, others of it are
    only counted until the end."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._say, self._clock = say, clock
        self._held: list[Message] = []
        self._since = 0.0
        self._reported: collections.Counter[tuple[str, str]] = collections.Counter()

    def add(self, message: Message) -> None:
        """Takes a message."""
        if not self._held:
            self._since = self._clock()
        self._held.append(message)

    def pause(self) -> None:
        """Time has gone by: tells of those that have waited."""
        if self._held and self._clock() - self._since >= _WAIT_S:
            self.tell()

    def tell(self, *, last: bool = False) -> None:
        """Tells of all that there are; of causes that are known to be those of many, at the `last`."""
        groups: dict[tuple[str, str], list[Message]] = {}
        for message in self._held:
            groups.setdefault(message.cause, []).append(message)
        known = set() if last else {cause for cause in groups if self._reported[cause] > _FEW}
        untold = groups.keys() - known
        held, self._held, self._since = self._held, [], self._clock()
        for message in held:
            cause = message.cause
            if cause in known:
                self._held.append(message)
            elif len(groups[cause]) + self._reported[cause] <= _FEW:
                self._say(_line(message.kind, message.name, message.text))
            elif cause in untold:
                self._say(_summary(groups[cause], self._reported[cause]))
                untold.remove(cause)
        self._reported.update({cause: len(group) for cause, group in groups.items() if cause not in known})


def _line(kind: str, name: str, text: str) -> str:
    return f"{kind}: {printable(f'{name}: {text}')}\n"


def _summary(messages: list[Message], listed: int) -> str:
    """Many messages in one; where only their numbers differ, the first stands for all."""
    first, count = messages[0], len(messages) - 1
    name = first.name
    if count:
        differ = any(message.text != first.text for message in messages)
        name += f" and {count} {'more' if listed else 'others'}{' (their numbers differ)' if differ else ''}"
    return _line(first.kind, name, first.text)
