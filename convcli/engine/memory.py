"""Memory for results, used again when nobody holds the last one that lay in it.

Pages that are fresh from the system cost more time than a small kernel: 10 ms for 64 MB. The C library gives those
back that come to lie at the end of its memory, call after call: then a layer with a result of 400 kB takes four times
as long. It keeps by itself what is smaller than `LEAST`. At most `MOST` bytes lie idle.
"""

from __future__ import annotations

import math
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

#: Blocks that are not in use, few. A list's methods need no lock, which a finaliser must not wait for.
_idle: list[Array] = []
FEW = 8


class _Lease:
    """What an array of `results` refers to as its memory: when its last view is gone the block is free again."""

    def __init__(self, block: Array, shape: tuple[int, ...], kind: str) -> None:
        self._block = block
        self.__array_interface__ = {
            "version": 3, "shape": shape, "typestr": kind, "data": (block.__array_interface__["data"][0], False),
        }  # fmt: skip

    def __del__(self) -> None:
        if not FEW:
            # A process ends: names of modules are gone before the last arrays are.
            return
        _idle.append(self._block)
        while len(_idle) > FEW or sum(block.nbytes for block in _idle.copy()) > MOST:
            _next()


def results(shape: Sequence[int], dtype: DTypeLike) -> Array:
    """An array with any content, for a result: as `numpy.empty`."""
    kind = np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    if size < LEAST:
        return np.empty(shape, kind)
    if size > MOST:
        return aligned(size).view(kind).reshape(shape)
    return np.asarray(_Lease(_fitting(size), tuple(shape), kind.str))


def _fitting(size: int) -> Array:
    """An idle block that is hardly larger than `size` bytes, or a new one."""
    for _ in range(len(_idle)):
        block = _next()
        if block is not None and size <= block.nbytes <= size + size // 4:
            return block
        if block is not None:
            _idle.append(block)
    return aligned(size)


def _next() -> Array | None:
    """Takes the block that has been idle for longest; another thread may have been faster."""
    try:
        return _idle.pop(0)
    except IndexError:
        return None


def by_planes(shape: Sequence[int], dtype: DTypeLike) -> Array:
    """As `results`, with the channels, the last axis, laid out as planes."""
    return channels_last(results((shape[-1], *shape[:-1]), dtype))


def aligned(size: int) -> npt.NDArray[np.uint8]:
    """Bytes from a cache line on: of the widest vectors, those that cross two lines take half as long again."""
    block = np.empty(size + LINE, np.uint8)
    first = -block.__array_interface__["data"][0] % LINE
    return block[first : first + size]


class _Scratch(dict[tuple[str, np.dtype[Any]], "Array"]):
    """Scratch arrays by name and dtype, and the `views` of them that were prepared."""

    def __init__(self) -> None:
        self.views: dict[Hashable, Any] = {}


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
        if arrays is not None and sum(array.nbytes for array in arrays.values()) <= KEPT_BYTES:
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
        held = arrays[name, kind] = aligned(size * kind.itemsize).view(kind)
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
