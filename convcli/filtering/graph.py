"""Pictures made row by row, each of others: which rows depend on which, and making no more of them than are needed.

A node is a picture of full size of which only some bands exist at a time. A convolution's bands are the engine's own,
with the same cuts as for the whole picture: its results are the same, to the last bit, because the same calls are made
on the same numbers. Where rows come out the same wherever they are cut, the cuts may be finer.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from convcli.engine.sink import Sink
from convcli.engine.threads import Cut, collected, run_all
from convcli.filtering.paging import Held, Paged

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, DTypeLike
    from convcli.ops import Kernel


#: Bytes of a band of a node that could be cut anywhere.
_BAND_BYTES: Final = 1 << 20


class Node:
    """`array`, whose bands `cuts` are made by `work(cut)` from the rows that `reads(cut)` lists of other nodes.

    With `ahead`, a pool of threads, bands can be asked for before they are needed.
    """

    def __init__(
        self, paged: Paged | Held, cuts: Sequence[Cut], work: Callable[[Cut], object],
        reads: Callable[[Cut], Mapping[Node, Iterable[Cut]]], ahead: Any = None,
    ) -> None:  # fmt: skip
        self.paged, self.cuts, self.work, self.reads = paged, list(cuts), work, reads
        self.array = paged.array
        self._starts = [start for start, _ in self.cuts]
        self._made: set[int] = set()
        self.ahead = ahead
        self._coming: dict[int, Any] = {}

    def bands(self, rows: Iterable[Cut]) -> set[int]:
        """The numbers of the bands in which these rows lie."""
        found: set[int] = set()
        for start, stop in rows:
            if start < stop:
                found.update(range(bisect_right(self._starts, start) - 1, bisect_right(self._starts, stop - 1)))
        return found

    def make(self, bands: set[int]) -> None:
        """Makes those of `bands` that don't exist, from nodes that have what they need."""
        missing = sorted(bands - self._made)
        if self.ahead:
            self.start(bands)
            for band in missing:
                self._coming.pop(band).result()
        else:
            for band in missing:
                self.paged.use(*self.cuts[band])
            run_all(self.work, [self.cuts[band] for band in missing])
        self._made.update(missing)

    def start(self, bands: set[int]) -> None:
        """Has bands made by the pool, if there is one, without waiting."""
        if self.ahead:
            for band in sorted(bands - self._made - self._coming.keys()):
                self.paged.use(*self.cuts[band])
                self._coming[band] = self.ahead.submit(self.work, self.cuts[band])

    def keep(self, bands: set[int]) -> None:
        """Forgets all bands but these and those that are on their way."""
        if self.paged.held:
            return
        self._made &= bands
        self.paged.keep(self.cuts[band] for band in self._made | self._coming.keys())


def order(targets: Iterable[Node]) -> list[Node]:
    """The nodes that `targets` are made of, and they, each behind those that it reads."""
    found: dict[Node, None] = {}
    for target in targets:
        _visit(target, found)
    return list(found)


def _visit(node: Node, found: dict[Node, None]) -> None:
    # A function of its own: one inside another that calls itself would keep the pictures until they are searched for.
    if node not in found:
        for read in node.reads(node.cuts[0]):
            _visit(read, found)
        found[node] = None


def needed(nodes: Sequence[Node], wanted: Mapping[Node, Iterable[Cut]]) -> dict[Node, set[int]]:
    """The bands of all `nodes`, in `order`, that it takes to have the `wanted` rows."""
    needs: dict[Node, set[int]] = {node: node.bands(wanted.get(node, ())) for node in nodes}
    for node in reversed(nodes):
        for band in needs[node]:
            for read, rows in node.reads(node.cuts[band]).items():
                needs[read] |= read.bands(rows)
    return needs


def convolved(
    source: Node, x: Array, kernel: Kernel, work: DTypeLike, shape: Sequence[int], dtype: DTypeLike,
    sink: Callable[[Array], Sink],
) -> Node:  # fmt: skip
    """`kernel` on `x`, a view of the array of `source`, in `work` arithmetic; the result has this shape and dtype.

    `sink(array)` makes what takes the results into the node's array.
    """
    from convcli.engine.borders import shown

    paged = Paged(shape, dtype)
    into = sink(paged.array)
    with collected() as found:
        kernel.run(x, "yx", work, into.store)
    (engine,) = found
    height, width = x.shape[:2]
    known: dict[Cut, list[Cut]] = {}

    def reads(cut: Cut) -> Mapping[Node, Iterable[Cut]]:
        if cut not in known:
            known[cut] = shown(*kernel.rows_read(*cut, (height, width)), height, kernel.border)
        return {source: known[cut]}

    return Node(paged, engine.cuts, engine.work, reads)


def pointwise(
    make: Callable[..., Array], sources: Sequence[tuple[Node, Array]], channels: int, dtype: DTypeLike
) -> Node:
    """Each row made of the same row of views of the arrays of other nodes."""
    shape = (*sources[0][1].shape[:2], channels)
    paged = Paged(shape, dtype)
    step = max(1, _BAND_BYTES // max(1, paged.array[:1].nbytes))
    cuts = [(start, min(start + step, shape[0])) for start in range(0, shape[0], step)]

    def work(cut: Cut) -> None:
        rows = slice(*cut)
        paged.array[rows] = make(*(view[rows] for _, view in sources))

    return Node(paged, cuts, work, lambda cut: {node: [cut] for node, _ in sources})
