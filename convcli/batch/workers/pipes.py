"""Conversations between processes: pickles, each after its size, over pipes."""

from __future__ import annotations

import contextlib
import os
import pickle
import struct
import sys
from typing import Any, Final, Protocol

_SIZE: Final = struct.Struct("<Q")
#: Bytes that a pipe holds, and that are read at once: memory for more would be taken from the system each time.
_HEARD: Final = 1 << 16


class Channel(Protocol):
    """One end of a conversation."""

    def send(self, message: Any) -> None:
        """Raises BrokenPipeError where the other side is gone."""

    def receive(self) -> Any:
        """The next message, waited for; raises EOFError where there won't be any."""

    def pending(self) -> bool:
        """Whether `receive` would return, or raise, at once."""


class Pipes:
    """A channel over two file descriptors: pickles, each after its size."""

    def __init__(self, read: int, write: int) -> None:
        self.read = read
        self._write = write
        self._poll: Any = None
        self._buffer = bytearray()

    def send(self, message: Any) -> None:
        self.send_pickled(pickle.dumps(message, pickle.HIGHEST_PROTOCOL))

    def send_pickled(self, data: bytes) -> None:
        left = memoryview(_SIZE.pack(len(data)) + data)
        while left:
            left = left[os.write(self._write, left) :]

    def receive(self) -> Any:
        while not (messages := self._whole(1)):
            self._fill()
        return messages[0]

    def receive_all(self) -> list[Any]:
        """The messages that are there, perhaps none, where `read` has something to be read. Raises EOFError."""
        self._fill()
        return self._whole()

    def pending(self) -> bool:
        if self._buffer:
            return True
        if self._poll is None:
            import select

            self._poll = select.poll()
            self._poll.register(self.read, select.POLLIN)
        return bool(self._poll.poll(0))

    def _fill(self) -> None:
        part = os.read(self.read, _HEARD)
        if not part:
            raise EOFError
        self._buffer += part

    def _whole(self, most: int = sys.maxsize) -> list[Any]:
        """The first messages of the buffer that are complete, which it loses."""
        messages: list[Any] = []
        at = 0
        while len(messages) < most and len(self._buffer) >= at + _SIZE.size:
            (size,) = _SIZE.unpack_from(self._buffer, at)
            if len(self._buffer) < at + _SIZE.size + size:
                break
            at += _SIZE.size
            messages.append(pickle.loads(memoryview(self._buffer)[at : at + size]))
            at += size
        del self._buffer[:at]
        return messages

    def close(self) -> None:
        for number in (self.read, self._write):
            with contextlib.suppress(OSError):
                os.close(number)
