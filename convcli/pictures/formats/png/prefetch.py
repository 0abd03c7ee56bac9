"""Results of an iterator, made in advance by a thread of its own."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """The items of an iterator, at most `most` of which are made before they are asked for."""

    def __init__(self, items: Iterator[T], most: int) -> None:
        self._items, self._most = items, most
        self._ready: deque[tuple[Any, BaseException | None]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._make, name="convcli-ahead", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        """The next item, or whatever making it raised."""
        with self._changed:
            self._changed.wait_for(lambda: self._ready)
            item, error = self._ready[0]
            if error:
                raise error
            self._ready.popleft()
            self._changed.notify_all()
        return item  # type: ignore[no-any-return]

    def close(self) -> None:
        """Makes no more of them; returns when the thread is gone."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _make(self) -> None:
        try:
            for item in self._items:
                with self._changed:
                    self._ready.append((item, None))
                    self._changed.notify_all()
                    self._changed.wait_for(lambda: self._closed or len(self._ready) < self._most)
                    if self._closed:
                        return
            self._end(StopIteration())
        except BaseException as error:  # raised again where the item is asked for
            self._end(error)

    def _end(self, error: BaseException) -> None:
        with self._changed:
            self._ready.append((None, error))
            self._changed.notify_all()
