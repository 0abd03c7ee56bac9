"""Which bands of all nodes some rows are made of, and when each is made: as late, and kept as short, as can be.

One row of a map that is 32 times smaller is made of a hundred rows of the picture, and a band of such rows of most of
it. Where that is more than a little, it is made in sweeps: all nodes make the next share of what is wanted of them, as
far as what they read is there, and what nobody is still to read is given up.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from convcli.engine.threads import thread_count

if TYPE_CHECKING:
    from convcli.filtering.graph import Node

    Cut = tuple[int, int]

#: Bytes of all that is made in one sweep.
_SWEEP_BYTES: Final = 1 << 25


class Demand:
    """The bands that it takes of all `nodes`, each behind those that it reads, to have the `wanted` rows.

    What `there` is already, of an earlier demand, is not made again. `readers` counts, by node and band, those who are
    still to read it, the one who wants it included; what nobody reads any more is no key of it.
    """

    def __init__(
        self, nodes: Sequence[Node], wanted: Mapping[Node, Iterable[Cut]], there: Mapping[Node, set[int]]
    ) -> None:
        self.bands: dict[Node, set[int]] = {node: node.bands(wanted.get(node, ())) for node in nodes}
        self.readers: dict[Node, Counter[int]] = {node: Counter(bands) for node, bands in self.bands.items()}
        self._missing: dict[Node, list[int]] = {}
        total, none = 0, set[int]()
        for node in reversed(nodes):
            missing = self._missing[node] = sorted(self.bands[node] - there.get(node, none))
            for band in missing:
                for source, rows in node.reads(node.cuts[band]).items():
                    read = source.bands(rows)
                    self.bands[source] |= read
                    self.readers[source].update(read)
            if not node.paged.held:
                rows_made = sum(stop - start for start, stop in (node.cuts[band] for band in missing))
                total += rows_made * node.array[:1].nbytes
        self.sweeps = 1 + total // _SWEEP_BYTES
        self._ends = {node: (missing[0], missing[-1] + 1) for node, missing in self._missing.items() if missing}

    def due(self, node: Node, sweep: int) -> set[int]:
        """The bands of a node that are to be made by the end of a sweep, from 1 on."""
        return set(self._due(node, sweep))

    def _due(self, node: Node, sweep: int) -> list[int]:
        first, stop = self._ends.get(node, (0, 0))
        limit = first - (first - stop) * sweep // self.sweeps
        missing = self._missing[node]
        return missing[: bisect_left(missing, limit)]

    def make(self, node: Node, bands: set[int], sweep: int) -> bool:
        """Makes those of `bands` of a node that are due and can be made: as many at a time as there are threads, unless
        it is the last sweep.

        Returns whether there were any; what they were made of is read once less.
        """
        due = self._due(node, sweep)
        ready = [band for band in due if band in bands]
        if sweep < self.sweeps:
            ready = _prefix(node, ready)
            if len(ready) < min(thread_count(), len(self._missing[node])):
                return False
        if not ready:
            return False
        node.make(set(ready))
        self._missing[node] = sorted({*self._missing[node]}.difference(ready))
        for band in ready:
            for source, rows in node.reads(node.cuts[band]).items():
                readers = self.readers[source]
                for read in source.bands(rows):
                    readers[read] -= 1
                    if not readers[read]:
                        del readers[read]
        return True


def _prefix(node: Node, bands: Sequence[int]) -> list[int]:
    """The first of these bands, as far as all that they read is there."""
    ready = []
    for band in bands:
        if not all(source.has(rows) for source, rows in node.reads(node.cuts[band]).items()):
            break
        ready.append(band)
    return ready
