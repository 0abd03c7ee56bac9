"""Going through a picture from top to bottom: in steps of some rows, by several threads, or all of it at once."""

from __future__ import annotations

import itertools
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from convcli.channels import Channels
from convcli.engine.dtypes import settled
from convcli.engine.memory import results
from convcli.engine.threads import one_run, run_all
from convcli.filtering import paging
from convcli.filtering.builder import build
from convcli.filtering.chain import Chain, Stage
from convcli.filtering.clock import Busy
from convcli.filtering.graph import InMemory, Node, order
from convcli.filtering.picture import Outline, Picture
from convcli.filtering.result import Result
from convcli.filtering.treatment import PLAIN, Treatment
from convcli.records import record

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from convcli.engine.dtypes import Array
    from convcli.filtering.demand import Demand

    Cut = tuple[int, int]

#: Bytes of a picture in memory that is worth being filtered in steps.
IN_STEPS: Final = 1 << 22
#: Bytes of a network's maps that are worth it: of fewer, layers are computed together (`networks.runnable`).
MAPS_IN_STEPS: Final = 1 << 26
#: Bytes that the rows of one step take in all arrays that are made on the way.
_STEP_BYTES: Final = 1 << 22
#: Bytes of the result that are made by one thread at a time.
_PART_BYTES: Final = 1 << 20
#: Steps that may wait to be written.
_BEHIND: Final = 2


@record
class Filtered:
    """A filtered picture or array `(*spatial, channels)`, and what happened on the way.

    `below` and `above` count the samples that were cut off, `nonfinite` those that are NaN or infinite; `seconds` is
    the time for filtering alone.
    """

    array: Array
    stages: tuple[Stage, ...]
    below: int
    above: int
    nonfinite: int
    seconds: float
    notes: tuple[str, ...] = ()


def filter_pixels(
    pixels: Array, chain: Chain, treatment: Treatment = PLAIN, *, channels: Channels | None = None, axes: str = "",
    counted: bool = True,
) -> Filtered:  # fmt: skip
    """The chain on a picture, volume or array in memory; the arguments are those of `Outline` and `Picture`."""
    outline = Outline(shape=pixels.shape, dtype=pixels.dtype, channels=channels, axes=axes)
    return filtered(Picture(outline, chain, treatment, counted=counted), pixels)


def filtered(picture: Picture, pixels: Array) -> Filtered:
    """All of a picture at once; in steps where it is large, and more is made of it than the result."""
    begun = time.perf_counter()
    # What lies in another order would be filtered by other calls, which round the last digit otherwise.
    pixels = settled(pixels)
    arrays: list[Array] = []
    if picture.calls and pixels.flags.c_contiguous:
        # The result is what comes of the call: there is nothing to be counted, and no more to be told.
        out, notes = results(picture.shape, picture.dtype), picture.notes
        run_all(lambda call: arrays.append(call(pixels, out)), picture.calls)
    else:
        source = InMemory(pixels)
        result = build(picture, source)
        make = in_rows if goes_in_rows(result, pixels) else whole
        # As one run: the small runs of a small picture cost less within it.
        with one_run():
            arrays.append(make(result))
        final, notes = result.final, result.notes
        if final and final.call and final.sources == (source,) and pixels.flags.c_contiguous:
            picture.calls.append(final.call)
    tally = picture.tally
    return Filtered(
        array=arrays[0], stages=picture.stages, below=tally.below, above=tally.above, nonfinite=tally.nonfinite,
        seconds=time.perf_counter() - begun, notes=notes,
    )  # fmt: skip


def goes_in_rows(result: Result, pixels: Array) -> bool:
    """Whether a picture in memory is large, and floats of it are made besides the result."""
    large = pixels.nbytes >= IN_STEPS or result.picture.map_bytes >= MAPS_IN_STEPS
    at_once = result.is_direct or result.picture.sees_all
    return pixels.ndim == 3 and large and not at_once and paging.available()


def whole(result: Result) -> Array:
    """All of a picture that has begun: each array is made at once, and given up when no other is made of it."""
    wanted = [*result.nodes, *result.behind]
    readers = Counter(source for node in order(wanted) for source in node.sources)

    def make(nodes: Sequence[Node]) -> None:
        for node in nodes:
            if node.begun:
                continue
            node.make_whole()
            for source in node.sources:
                readers[source] -= 1
                if not readers[source] and source not in wanted:
                    source.drop()

    make(order(result.nodes))
    everything = (0, result.picture.shape[0])
    if result.behind and result.hidden(*everything):
        make(order(result.behind))
    if result.final:
        result.store(result.final.array, *everything)
        return result.final.array
    if result.picture.is_measured:
        _in_parts(result.picture, everything, result.measure)
    out = results(result.picture.shape, result.picture.dtype)
    _in_parts(result.picture, everything, lambda start, stop: result.store(out[start:stop], start, stop))
    return out


def in_rows(result: Result) -> Array:
    """All of a picture that has begun, in steps: what is made on the way is never there whole."""
    steps = Steps(result)
    steps.measure()
    out: Array = np.empty(result.picture.shape, result.picture.dtype)
    for cut in steps:
        steps.rows(cut, out[slice(*cut)])
    return out


class Steps:
    """Going through a picture from top to bottom: each cut of rows is yielded when all that it is made of is there.

    `waited_ahead` are the seconds spent waiting for what is read, `waited_behind` those for what is written; `busy` is
    the clock of what is computed between.
    """

    def __init__(self, result: Result) -> None:
        self._result, self.busy = result, Busy()
        self._wanted = [*result.nodes, *result.behind]
        self._nodes = order(self._wanted)
        for node in self._nodes:
            if not node.begun:
                node.begin(paging.Paged, fine=True)
            if not node.ahead:
                node.work = self.busy.timed(node.work)
        self._cuts = _step_cuts(result, self._nodes)
        self._pending: deque[tuple[Cut, Future[None]]] = deque()
        self.count = len(self._cuts)
        self.waited_ahead = self.waited_behind = 0.0

    def __iter__(self) -> Iterator[Cut]:
        result = self._result
        demand = self._demand(self._cuts[0], self._wanted, {})
        for cut, following in itertools.zip_longest(self._cuts, self._cuts[1:]):
            # Unless something is hidden, what it would be made of is not.
            certain: Mapping[Node, set[int]] = demand.bands
            if result.behind:
                # What was made of it for the rows before, if it was, is not to be made again for these.
                there = {node: node.done for node in self._nodes}
                demand, certain = self._demand(cut, self._wanted, there), self._demand(cut, result.nodes, there).bands
                certain = {node: certain[node] | node.done for node in self._nodes}
            ahead = self._demand(following, self._wanted, certain) if following else None
            self.settle(_BEHIND - 1)
            for node in self._nodes:
                self._keep(node, demand, ahead)
            self._make(certain, demand, ahead)
            if result.behind and result.hidden(*cut):
                self._make(demand.bands, demand, ahead)
            yield cut
            if ahead:
                demand = ahead
        for node in self._nodes:
            node.keep(self._unwritten(node))

    def measure(self) -> None:
        """Goes through all rows once, where they have to be seen before the first of them is kept."""
        if self._result.picture.is_measured:
            for cut in self:
                _in_parts(self._result.picture, cut, self.busy.timed(self._result.measure))

    def rows(self, cut: Cut, out: Array | None = None) -> Array:
        """The rows of the result; in `out` where there is that array."""
        result = self._result
        if result.final and out is None:
            out = result.final.array[slice(*cut)]
            self.busy.timed(result.store)(out, *cut)
            return out
        rows: Array = (
            np.empty((cut[1] - cut[0], *result.picture.shape[1:]), result.picture.dtype) if out is None else out
        )

        def keep(start: int, stop: int) -> None:
            result.store(rows[start - cut[0] : stop - cut[0]], start, stop)

        _in_parts(result.picture, cut, self.busy.timed(keep))
        return rows

    def later(self, pool: Executor, cut: Cut, work: Any, *arguments: Any) -> None:
        """Has the rows of a cut written; until that is done they stay."""
        self._pending.append((cut, pool.submit(work, *arguments)))

    def settle(self, most: int) -> None:
        """Waits until at most so many cuts are unwritten. Raises what went wrong with others."""
        before = time.perf_counter()
        while self._pending and (len(self._pending) > most or self._pending[0][1].done()):
            self._pending[0][1].result()
            self._pending.popleft()
        self.waited_behind += time.perf_counter() - before

    def _unwritten(self, node: Node) -> set[int]:
        return node.bands([cut for cut, _ in self._pending]) if node is self._result.final else set()

    def _demand(self, cut: Cut, nodes: Sequence[Node], there: Mapping[Node, set[int]]) -> Demand:
        from convcli.filtering.demand import Demand

        return Demand(self._nodes, {node: [cut] for node in nodes}, there)

    def _keep(self, node: Node, demand: Demand, ahead: Demand | None) -> None:
        """Forgets what of a node nobody is still to read, for these rows and the following."""
        node.keep(demand.readers[node].keys() | (ahead.bands[node] if ahead else set()) | self._unwritten(node))

    def _make(self, bands: Mapping[Node, set[int]], demand: Demand, ahead: Demand | None) -> None:
        """Makes those of `bands` that are not there, what comes from files before it is needed."""
        for sweep in range(1, demand.sweeps + 1):
            for node in self._nodes:
                before = time.perf_counter()
                if node.ahead:
                    node.start(demand.due(node, sweep + 1))
                    if sweep == demand.sweeps and ahead:
                        node.start(ahead.due(node, 1))
                if demand.make(node, bands[node], sweep) and demand.sweeps > 1:
                    for source in node.sources:
                        self._keep(source, demand, ahead)
                if node.ahead:
                    self.waited_ahead += time.perf_counter() - before


def _step_cuts(result: Result, nodes: Sequence[Node]) -> list[Cut]:
    """The rows of the result in steps, which end where the tallest bands do that they are made of: a step that ends
    within one needs all of it, and so does the next."""
    height = result.picture.shape[0]
    row = sum(node.array.nbytes for node in nodes) // height + 1
    rows = max(1, _STEP_BYTES // row)
    last = [result.final] if result.final else [node for node in result.nodes if len(node.array) == height]
    tallest = max(last, key=lambda node: node.cuts[0][1], default=None)
    ends = [stop for _, stop in tallest.cuts] if tallest else range(rows, height + rows, rows)
    cuts, start = [], 0
    for end in ends:
        if end - start >= rows or end >= height:
            cuts.append((start, min(end, height)))
            start = end
    return cuts


def _in_parts(picture: Picture, cut: Cut, work: Callable[[int, int], object]) -> None:
    row = picture.shape[-1] * 4
    for side in picture.shape[1:-1]:
        row *= side
    step = max(1, _PART_BYTES // row)
    run_all(lambda start: work(start, min(start + step, cut[1])), range(*cut, step))
