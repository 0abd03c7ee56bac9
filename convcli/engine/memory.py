"""Memory for large results, used again when nobody holds the last one that lay in it.

Pages that are fresh from the system cost more time than a small kernel: 10 ms for 64 MB. What is smaller than `LEAST`
the C library keeps by itself. At most one block of `MOST` bytes lies idle.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from convcli.engine.dtypes import channels_last

if TYPE_CHECKING:
    import numpy.typing as npt

    from convcli.engine.dtypes import Array, DTypeLike

LEAST = 1 << 25
MOST = 1 << 26

#: Smaller results are soon written, wherever they lie.
ALIGNED = 1 << 20
#: Bytes of a cache line.
LINE = 64

#: The block that is not in use. A list's `append` and `pop` need no lock, which a finaliser must not wait for.
_idle: list[Array] = []


class _Lease:
    """What an array of `results` refers to as its memory: when its last view is gone the block is free again."""

    def __init__(self, block: Array, shape: tuple[int, ...], kind: str) -> None:
        self._block = block
        self.__array_interface__ = {
            "version": 3, "shape": shape, "typestr": kind, "data": (block.__array_interface__["data"][0], False),
        }  # fmt: skip

    def __del__(self) -> None:
        if not _idle:
            _idle.append(self._block)


def results(shape: Sequence[int], dtype: DTypeLike) -> Array:
    """An array with any content, for a result: as `numpy.empty`."""
    kind = np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    if size < ALIGNED:
        return np.empty(shape, kind)
    if not LEAST <= size <= MOST:
        return aligned(size).view(kind).reshape(shape)
    try:
        block = _idle.pop()
    except IndexError:
        block = aligned(size)
    if not size <= block.nbytes <= size + size // 4:
        block = aligned(size)
    return np.asarray(_Lease(block, tuple(shape), kind.str))


def by_planes(shape: Sequence[int], dtype: DTypeLike) -> Array:
    """As `results`, with the channels, the last axis, laid out as planes."""
    return channels_last(results((shape[-1], *shape[:-1]), dtype))


def aligned(size: int) -> npt.NDArray[np.uint8]:
    """Bytes from a cache line on: of the widest vectors, those that cross two lines take half as long again."""
    block = np.empty(size + LINE, np.uint8)
    first = -block.__array_interface__["data"][0] % LINE
    return block[first : first + size]


class _Space(threading.local):
    """The scratch arrays of a thread: `arrays` of its innermost run, and those that it keeps for each depth of runs."""

    arrays: dict[tuple[str, np.dtype[Any]], Array] | None = None
    depth = 0

    def __init__(self) -> None:
        self.idle: dict[int, dict[tuple[str, np.dtype[Any]], Array]] = {}


_space = _Space()

#: Bytes of scratch arrays that a thread keeps from one run to the next.
KEPT_BYTES = 1 << 24


def in_run() -> bool:
    """Whether this thread is at work on a run."""
    return _space.depth > 0


class scratch_space:
    """A context in which `scratch` gives this thread arrays that are used again in the next one of the same depth."""

    def __enter__(self) -> None:
        self._before = _space.arrays
        _space.arrays = _space.idle.pop(_space.depth, {})
        _space.depth += 1

    def __exit__(self, *error: object) -> None:
        arrays = _space.arrays or {}
        _space.depth -= 1
        _space.arrays = self._before
        if sum(array.nbytes for array in arrays.values()) <= KEPT_BYTES:
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
    part: Array = held[:size].reshape(shape)
    return part
