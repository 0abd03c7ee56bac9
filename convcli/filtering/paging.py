"""Arrays of full size whose rows take memory only while they are in use.

The address space of the whole array is reserved, which costs nothing; a page of it gets memory when it is written to,
and loses it again when it is given back. So what works on a picture with absolute rows works on a part of it unchanged.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import numpy as np

from convcli.engine.memory import results

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, DTypeLike

#: Memory comes and goes in pieces of this many bytes, the size of a huge page.
GRAIN: Final = 1 << 21
#: Bytes that `keep_freed` keeps at most.
_KEPT: Final = 1 << 27
#: Linux's MAP_NORESERVE, which Python names from 3.13 on: the address space alone is no promise of memory.
_UNRESERVED: Final = getattr(mmap, "MAP_NORESERVE", 0x4000)


def available() -> bool:
    """Whether this system gives memory back piece by piece, and reads files from several threads to where it is."""
    return hasattr(mmap.mmap, "madvise") and hasattr(mmap, "MADV_DONTNEED") and hasattr(os, "preadv")


def keep_freed() -> None:
    """Has this process keep what it frees for the next picture, or the next piece of one, up to a bound.

    Fresh memory costs a page fault for every 4 KiB: a quarter of the time that small pictures take. This is glibc's
    mallopt(3); elsewhere nothing happens.
    """
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    mallopt(-3, _KEPT // 4)  # M_MMAP_THRESHOLD
    mallopt(-1, _KEPT)  # M_TRIM_THRESHOLD


class Held:
    """`array`, all of whose rows have memory: what is there stays there."""

    held: Final = True

    def __init__(self, shape: Sequence[int], dtype: DTypeLike) -> None:
        self.array: Array = results(shape, dtype)

    @classmethod
    def of(cls, array: Array) -> Held:
        """An array that there is."""
        held = cls.__new__(cls)
        held.array = array
        return held

    def use(self, start: int, stop: int) -> None:
        """Rows are about to be written."""

    def keep(self, rows: Iterable[tuple[int, int]]) -> None:
        """Other rows are not wanted any more."""


class Paged:
    """`array`, of any content at first; `use` and `keep` say which of its rows have memory.

    Raises MemoryError where not even the address space can be had.
    """

    held: Final = False

    def __init__(self, shape: Sequence[int], dtype: DTypeLike) -> None:
        kind = np.dtype(dtype)
        self._row = kind.itemsize
        for side in shape[1:]:
            self._row *= side
        size = max(1, self._row * shape[0])
        try:
            self._memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _UNRESERVED)
        except OSError as error:
            raise MemoryError(str(error)) from None
        if hasattr(mmap, "MADV_HUGEPAGE"):
            with suppress(OSError):  # a kernel without huge pages: small ones do
                self._memory.madvise(mmap.MADV_HUGEPAGE)
        flat = np.frombuffer(self._memory, np.uint8, size)
        self._shift = flat.__array_interface__["data"][0] % GRAIN
        self.array: Array = flat[: self._row * shape[0]].view(kind).reshape(tuple(shape))
        self._used: set[int] = set()

    def use(self, start: int, stop: int) -> None:
        """Rows are about to be written."""
        self._used.update(self._grains(start, stop))

    def keep(self, rows: Iterable[tuple[int, int]]) -> None:
        """Gives back the memory of all rows but these, whose content is lost."""
        grains: set[int] = set()
        for start, stop in rows:
            grains.update(self._grains(start, stop))
        for grain in self._used - grains:
            start = max(0, grain * GRAIN - self._shift)
            stop = min(len(self._memory), (grain + 1) * GRAIN - self._shift)
            self._memory.madvise(mmap.MADV_DONTNEED, start, stop - start)
        self._used &= grains

    def _grains(self, start: int, stop: int) -> range:
        first, last = start * self._row + self._shift, stop * self._row + self._shift
        return range(first // GRAIN, -(-last // GRAIN))
