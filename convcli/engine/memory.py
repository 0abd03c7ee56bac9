"""Memory for results, used again when nobody holds the last one that lay in it.

Pages that are fresh from the system cost more time than a small kernel: 10 ms for 64 MB. The C library gives those
back that come to lie at the end of its memory, call after call: then a layer with a result of 400 kB takes four times
as long. It keeps by itself what is smaller than `LEAST`. At most `MOST` bytes lie idle beside a result, and twice as
many beside none.
"""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from convcli.engine.dtypes import channels_last

if TYPE_CHECKING:
    import numpy.typing as npt

    from convcli.engine.dtypes import Array, DTypeLike

T = TypeVar("T")

LEAST = 1 << 16
MOST = 1 << 26

#: Bytes of a cache line.
LINE = 64

#: The blocks of the last results, few. A list's methods need no lock, which other threads would wait for.
_blocks: list[_Block] = []
FEW = 8


class _Block:
    """Memory of `size` bytes on a cache line, held by `owner`, which all views of it refer to: and nobody else, where
    it is idle."""

    __slots__ = ("first", "owner", "size")

    def __init__(self, size: int) -> None:
        self.owner = np.empty(size + LINE, np.uint8)
        self.first = -self.owner.__array_interface__["data"][0] % LINE
        self.size = size

    @property
    def references(self) -> int:
        return sys.getrefcount(self.owner)


_IDLE = _Block(0).references


def results(shape: Sequence[int], dtype: DTypeLike) -> Array:
    """An array with any content, for a result: as `numpy.empty`."""
    kind = np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    if size < LEAST:
        return np.empty(shape, kind)
    block = _fitting(size)
    result: Array = np.ndarray(shape, kind, block.owner, block.first)
    if size <= MOST:
        _blocks.append(block)
        while _are_many(_blocks.copy()):
            _next()
    return result


def _are_many(blocks: list[_Block]) -> bool:
    """Whether there are more than are worth keeping; those that are in use will be idle some day."""
    total = sum([block.size for block in blocks])
    if total > MOST:
        idle = sum([block.size for block in blocks if block.references == _IDLE])
        return len(blocks) > FEW or total > 2 * MOST or idle > MOST
    return len(blocks) > FEW


def _fitting(size: int) -> _Block:
    """An idle block that is hardly larger than `size` bytes, or a new one; nobody else is handed it meanwhile."""
    for _ in range(len(_blocks)):
        block = _next()
        if block is not None and size <= block.size <= size + size // 4 and block.references == _IDLE:
            return block
        if block is not None:
            _blocks.append(block)
    return _Block(size)


def _next() -> _Block | None:
    """Takes the block that was handed out longest ago; another thread may have been faster."""
    try:
        return _blocks.pop(0)
    except IndexError:
        return None


def by_planes(shape: Sequence[int], dtype: DTypeLike) -> Array:
    """As `results`, with the channels, the last axis, laid out as planes."""
    return channels_last(results((shape[-1], *shape[:-1]), dtype))


def aligned(size: int) -> npt.NDArray[np.uint8]:
    """Bytes from a cache line on: of the widest vectors, those that cross two lines take half as long again."""
    block = _Block(size)
    return block.owner[block.first : block.first + size]


class _Scratch(dict[tuple[str, np.dtype[Any]], "Array"]):
    """Scratch arrays by name and dtype, their `size` in bytes, and the `views` of them that were prepared."""

    def __init__(self) -> None:
        self.views: dict[Hashable, Any] = {}
        self.size = 0


class _Space(threading.local):
    """The scratch arrays of a thread: `arrays` of its innermost run, and those that it keeps for each depth of runs."""

    arrays: _Scratch | None = None
    depth = 0

    def __init__(self) -> None:
        self.idle: dict[int, _Scratch] = {}


_space = _Space()

#: Bytes of scratch arrays that a thread keeps from one run to the next, and what it prepares of them.
KEPT_BYTES, KEPT_VIEWS = 1 << 24, 64


def in_run() -> bool:
    """Whether this thread is at work on a run."""
    return _space.depth > 0


class scratch_space:
    """A context in which `scratch` gives this thread arrays that are used again in the next one of the same depth."""

    def __enter__(self) -> None:
        self._before = _space.arrays
        _space.arrays = _space.idle.pop(_space.depth, None) or _Scratch()
        _space.depth += 1

    def __exit__(self, *error: object) -> None:
        arrays = _space.arrays
        _space.depth -= 1
        _space.arrays = self._before
        if arrays is not None and arrays.size <= KEPT_BYTES:
            _space.idle[_space.depth] = arrays


def scratch(name: str, shape: Sequence[int], dtype: DTypeLike) -> Array:
    """An array of this thread with any content, the same memory for the same `name` until its run is over.

    Fresh memory costs a page fault for every 4 KiB, as much as filling it. Outside a run it is a fresh array.
    """
    arrays = _space.arrays
    if arrays is None:
        return np.empty(shape, dtype)
    size, kind = math.prod(shape), np.dtype(dtype)
    held = arrays.get((name, kind))
    if held is None or held.size < size:
        arrays.size -= 0 if held is None else held.nbytes
        held = arrays[name, kind] = aligned(size * kind.itemsize).view(kind)
        arrays.size += held.nbytes
        arrays.views.clear()
    part: Array = held[:size].reshape(shape)
    return part


def prepared(key: Hashable, make: Callable[[], T]) -> T:
    """What `make` makes of scratch arrays, such as views, the same for the same `key` while those stay where they are.

    Threads that make views between the calls of numpy wait for each other, for Python's lock: each time as long as it
    takes to wake a thread.
    """
    arrays = _space.arrays
    if arrays is None:
        return make()
    held: T | None = arrays.views.get(key)
    if held is None:
        held = make()
        if len(arrays.views) >= KEPT_VIEWS:
            arrays.views.clear()
        arrays.views[key] = held
    return held
