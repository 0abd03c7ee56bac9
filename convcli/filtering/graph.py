"""Pictures and arrays made of others: which rows depend on which, and making no more of them than are needed.

A node is an array of full size of which, if need be, only some bands exist at a time. A convolution's bands are the
engine's own: its results are the same to the last bit however many of them exist, because the same calls are made on
the same numbers. Where rows come out the same wherever they are cut, the cuts may be finer.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from convcli import engine
from convcli.engine.borders import rows_behind
from convcli.engine.dtypes import planar, work_dtype
from convcli.engine.memory import by_planes
from convcli.engine.plan import FREE, Constraints
from convcli.engine.sink import Sink, Storage
from convcli.engine.threads import Cut, Cuts, run_all
from convcli.filtering.paging import Held, Paged

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from convcli.engine.dtypes import Array, Call, DTypeLike
    from convcli.filtering.effect import Effect
    from convcli.ops import Kernel

#: Bytes of a band of a node that could be cut anywhere.
_BAND_BYTES: Final = 1 << 20


class Node(ABC):
    """An array `(*spatial, channels)` whose bands are made from rows of the nodes `sources`.

    It has memory, and is ready to be made, once `begin` was called.
    """

    #: Who makes bands before they are needed.
    ahead: Executor | None = None
    #: What makes all of it of all of its only source, where one call of a library does.
    call: Call | None = None
    #: Whether OpenCV may start threads of its own where all of it is made at once.
    below: bool = False

    def __init__(self, shape: Sequence[int], dtype: DTypeLike, sources: Sequence[Node] = ()) -> None:
        self.shape, self.dtype, self.sources = tuple(shape), np.dtype(dtype), tuple(dict.fromkeys(sources))
        self.begun = False
        #: Whether channels are to lie as planes, where all of it is made at once.
        self.planes = False
        self._done: set[int] = set()
        self._coming: dict[int, Any] = {}

    def begin(self, memory: type[Held | Paged], *, fine: bool) -> None:
        """Takes memory, and has the work on it cut up; the sources have begun. `fine`: it is made by and by."""
        self.begun = True
        in_planes = self.planes and memory.held and len(self.shape) > 2
        self.paged = Held.of(by_planes(self.shape, self.dtype)) if in_planes else memory(self.shape, self.dtype)
        self.array = self.paged.array
        work = self._cuts(fine=fine)
        self.cuts, self.work = list(work.cuts), work.work
        self._starts = [cut[0] for cut in self.cuts]

    @abstractmethod
    def _cuts(self, *, fine: bool) -> Cuts:
        """The work on all bands, into `array`."""

    def reads(self, cut: Cut) -> Mapping[Node, Iterable[Cut]]:
        """The rows of other nodes that a band is made of."""
        return {}

    def bands(self, rows: Iterable[Cut]) -> set[int]:
        """The numbers of the bands in which these rows lie."""
        numbers: set[int] = set()
        for start, stop in rows:
            if start < stop:
                numbers.update(range(bisect_right(self._starts, start) - 1, bisect_right(self._starts, stop - 1)))
        return numbers

    @property
    def done(self) -> set[int]:
        """The numbers of the bands that are there."""
        return self._done

    def has(self, rows: Iterable[Cut]) -> bool:
        """Whether all these rows are there."""
        return self.bands(rows) <= self._done

    def make(self, bands: set[int]) -> None:
        """Makes those of `bands` that don't exist, from nodes that have what they need."""
        missing = sorted(bands - self._done)
        if self.ahead:
            self.start(bands)
            for band in missing:
                self._coming.pop(band).result()
        else:
            for band in missing:
                self.paged.use(*self.cuts[band])
            run_all(self.work, [self.cuts[band] for band in missing], below=self.below)
        self._done.update(missing)

    def start(self, bands: set[int]) -> None:
        """Has bands made by the pool, if there is one, without waiting."""
        if self.ahead:
            for band in sorted(bands - self._done - self._coming.keys()):
                self.paged.use(*self.cuts[band])
                self._coming[band] = self.ahead.submit(self.work, self.cuts[band])

    def keep(self, bands: set[int]) -> None:
        """Forgets all bands but these and those that are on their way."""
        if self.paged.held:
            return
        self._done &= bands
        self.paged.keep(self._needed())

    def _needed(self) -> list[Cut]:
        """The rows in use."""
        return [self.cuts[band] for band in self._done | self._coming.keys()]

    def make_whole(self) -> None:
        """Takes memory and makes all of it at once. What it is made of is not held any more."""
        self.begin(Held, fine=False)
        run_all(self.work, self.cuts, below=self.below)
        self.work = _nothing

    def drop(self) -> None:
        """Gives up the array, and what it was made of."""
        del self.paged, self.array
        self.work = _nothing


def _nothing(cut: Cut) -> None:
    """What is there already takes no work."""


class InMemory(Node):
    """An array that is whole in memory before any work begins."""

    def __init__(self, array: Array) -> None:
        super().__init__(array.shape, array.dtype)
        self.array, self.paged, self.begun, self.planes = array, Held.of(array), True, planar(array)
        work = self._cuts(fine=False)
        self.cuts, self.work, self._starts = list(work.cuts), work.work, [0]

    def _cuts(self, *, fine: bool) -> Cuts:
        return Cuts(_nothing, [(0, len(self.array))])


class Part:
    """A node's array, or a view of it: `repeated` is a single channel as so many equal ones."""

    def __init__(self, node: Node, repeated: int = 0) -> None:
        self.node, self._repeated = node, repeated
        self.channels = repeated or node.shape[-1]

    @property
    def array(self) -> Array:
        array = self.node.array
        return np.broadcast_to(array, (*array.shape[:-1], self._repeated)) if self._repeated else array


class Convolved(Node):
    """`kernel` on a part of another node that moves along `axes`, by `algorithm` where that can be.

    `guide`, of the same size, is what a kernel looks at that follows the picture, where that is not the part itself.
    Its results are kept as `storage` says, in `dtype`; the arithmetic's own where that is not given.
    """

    #: Of the graph: they are the same for all of its nodes.
    axes = "yx"
    algorithm: str | None = None
    #: What white is in the picture that it is made of.
    white = 1.0
    _effect: Effect | None = None
    _mask: Node | None = None

    def __init__(
        self, part: Part, kernel: Kernel, shape: Sequence[int], storage: Storage, dtype: DTypeLike | None = None,
        guide: Part | None = None,
    ) -> None:  # fmt: skip
        self._work = work_dtype(part.node.dtype)
        self._guide = guide if kernel.looks else None
        sources = [part.node, self._guide.node] if self._guide else [part.node]
        super().__init__(shape, self._work if dtype is None else dtype, sources)
        self._part, self._kernel, self._storage = part, kernel, storage
        self._known: dict[Cut, list[Cut]] = {}

    def mix(self, effect: Effect, mask: Node | None) -> None:
        """Has results, of the size of the part, mixed with it on their way into the array."""
        self._effect, self._mask = effect, mask
        self.sources += (mask,) if mask else ()

    def _cuts(self, *, fine: bool) -> Cuts:
        sink = Sink(self.array, self._storage)
        if self._effect:
            share, least = (
                self._mask.array if self._mask else None,
                engine.in_samples(self._effect.threshold, self.white),
            )
            sink = sink.mixing(engine.Blend(self._part.array, self._effect.amount, least, share))
        self.tally = sink.tally
        constraints = Constraints(algorithm=self.algorithm, fine=fine) if self.algorithm or fine else FREE
        kernel = self._kernel
        if kernel.threshold and self._part.array.dtype.kind == "f":
            # A part of white, which is another one than that of floats in what is made of integers.
            least = engine.in_samples(kernel.threshold, self.white)
            kernel = kernel.remembered(("threshold", least), partial(kernel.replace, threshold=least))
        if kernel.looks:
            kernel = kernel.guided(self._guide.array if self._guide else None, self.white)
        cuts = kernel.cuts(self._part.array, self.axes, self._work, sink, constraints)
        self.call = cuts.call if self._part.array is self._part.node.array else None
        return cuts

    def reads(self, cut: Cut) -> Mapping[Node, Iterable[Cut]]:
        source = self._part.node
        height, width = source.shape[:2]
        if cut not in self._known:
            rows = self._kernel.rows_read(*cut, (height, width))
            self._known[cut] = rows_behind(*rows, height, self._kernel.border)
        reads: dict[Node, list[Cut]] = dict.fromkeys(self.sources, self._known[cut])
        if self._guide and self._kernel.is_supplied:
            guide = self._guide.node
            reads[guide] = [cut, *(reads[guide] if guide is source else [])]
        if self._kernel.has_effect or self._effect:
            reads[source] = [cut, *reads[source]]
        return reads | ({self._mask: [cut]} if self._mask else {})

    @property
    def limited(self) -> str:
        """What share of a kernel's offsets was cut off at its limit; empty where none was."""
        counts = list(self.tally.offsets.values()) if self.begun else []
        limited = sum(count for count, _ in counts)
        if not limited:
            return ""
        share = 100 * limited / sum(count for _, count in counts)
        return f"{share:.2g} % of the offsets of kernel '{self._kernel.name}' were cut off at its limit"


class Pointwise(Node):
    """Each row made of the same row of parts of other nodes: `make(out, *rows)` fills it. A part of one row goes to all
    of them."""

    def __init__(self, make: Callable[..., None], parts: Sequence[Part], channels: int, dtype: DTypeLike) -> None:
        largest = max((part.node.shape[:-1] for part in parts), key=math.prod)
        super().__init__((*largest, channels), dtype, [part.node for part in parts])
        self._make, self._parts = make, parts

    def _cuts(self, *, fine: bool) -> Cuts:
        # Not `self` in `work`: such a circle would keep the pictures until they are searched for.
        make, array, views = self._make, self.array, [part.array for part in self._parts]
        step = max(1, _BAND_BYTES // max(1, array[:1].nbytes))

        def work(cut: Cut) -> None:
            rows = slice(*cut)
            make(array[rows], *(view if len(view) == 1 else view[rows] for view in views))

        return Cuts(work, [(start, min(start + step, len(array))) for start in range(0, len(array), step)])

    def reads(self, cut: Cut) -> Mapping[Node, Iterable[Cut]]:
        return {node: [cut if node.shape[0] > 1 else (0, 1)] for node in self.sources}


def order(targets: Iterable[Node]) -> list[Node]:
    """The nodes that `targets` are made of, and they, each behind those that it reads."""
    ordered: dict[Node, None] = {}
    # A node, and those of its sources that are still to be ordered: thousands may lie behind one another.
    pending = [(target, iter(target.sources)) for target in reversed(list(targets))]
    while pending:
        node, sources = pending[-1]
        source = next((one for one in sources if one not in ordered), None) if node not in ordered else None
        if source:
            pending.append((source, iter(source.sources)))
        else:
            ordered[node] = None
            pending.pop()
    return list(ordered)
