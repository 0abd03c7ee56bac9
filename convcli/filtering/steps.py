"""Going through a picture that is made row by row, from top to bottom, by several threads."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from convcli.engine.threads import run_all
from convcli.filtering import paging
from convcli.filtering.chain import Filtered, started
from convcli.filtering.graph import Node, needed, order
from convcli.filtering.picture import treated
from convcli.filtering.result import Result
from convcli.filtering.treatment import Treatment, white

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from convcli.engine.dtypes import Array
    from convcli.ops import Kernel

    Cut = tuple[int, int]

#: Bytes that the rows of one step take in all pictures that are made on the way.
_STEP_BYTES: Final = 1 << 22
#: Bytes of the result that are made by one thread at a time.
_PART_BYTES: Final = 1 << 20
#: Steps that may wait to be written.
_BEHIND: Final = 2


def filter_in_steps(pixels: Array, kernels: Sequence[Kernel], mode: str, treatment: Treatment) -> Filtered:
    """As `filter_treated`, for a picture `(height, width, channels)`: what is made on the way is never there whole."""
    begun = started()
    source = Node(paging.Held(pixels), [(0, len(pixels))], lambda cut: None, lambda cut: {})
    result = treated(source, kernels, mode, treatment, lambda: opaque(source))
    steps = Steps(result)
    steps.measure()
    out = np.empty(result.shape, result.dtype)
    for cut in steps:
        steps.rows(cut, out[slice(*cut)])
    tally = result.tally
    return Filtered(
        array=out, stages=result.stages, below=tally.below, above=tally.above,
        nonfinite=tally.unkept or tally.nonfinite, seconds=time.perf_counter() - begun, notes=result.notes,
    )  # fmt: skip


def opaque(pixels: Node) -> bool:
    """Whether all of a picture's alpha is full."""
    top = white(pixels.array.dtype)
    for band, cut in enumerate(pixels.cuts):
        pixels.start({number for number in (band, band + 1) if number < len(pixels.cuts)})
        pixels.make({band})
        alpha = pixels.array[slice(*cut)][..., -1]
        if not (alpha.min() == top and alpha.max() == top):
            return False
        pixels.keep(set())
    return True


class Steps:
    """Going through a result from top to bottom: each cut of rows is yielded when all that it is made of is there.

    `waited_ahead` are the seconds spent waiting for what is read, `waited_behind` those for what is written.
    """

    def __init__(self, result: Result) -> None:
        self._result = result
        self._wanted = [*result.nodes, *result.chain.behind]
        self._nodes = order(self._wanted)
        self._cuts = _step_cuts(result, self._nodes)
        self._pending: deque[tuple[Cut, Future[None]]] = deque()
        self.count = len(self._cuts)
        self.waited_ahead = self.waited_behind = 0.0

    def __iter__(self) -> Iterator[Cut]:
        chain = self._result.chain
        whole = self._needs(self._cuts[0], self._wanted)
        for cut, following in itertools.zip_longest(self._cuts, self._cuts[1:]):
            ahead = self._needs(following, self._wanted) if following else {}
            self.settle(_BEHIND - 1)
            for node in self._nodes:
                node.keep(whole[node] | ahead.get(node, set()) | self._unwritten(node))
                node.start(whole[node])
                node.start(ahead.get(node, set()))
            self._make(self._needs(cut, self._result.nodes) if chain.behind else whole)
            if chain.hidden(*cut):
                self._make(whole)
            yield cut
            whole = ahead
        for node in self._nodes:
            node.keep(self._unwritten(node))

    def measure(self) -> None:
        """Goes through all rows once, where they have to be seen before the first of them is kept."""
        if self._result.measure:
            for cut in self:
                _in_parts(self._result, cut, self._result.measure)

    def rows(self, cut: Cut, out: Array | None = None) -> Array:
        """The rows of the result; in `out` where there is that array."""
        result = self._result
        if result.final and out is None:
            return result.keep(*cut)
        kept: Array = np.empty((cut[1] - cut[0], *result.shape[1:]), result.dtype) if out is None else out

        def part(start: int, stop: int) -> None:
            kept[start - cut[0] : stop - cut[0]] = result.keep(start, stop)

        _in_parts(result, cut, part)
        return kept

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

    def _needs(self, cut: Cut, nodes: Sequence[Node]) -> dict[Node, set[int]]:
        return needed(self._nodes, {node: [cut] for node in nodes})

    def _make(self, needs: dict[Node, set[int]]) -> None:
        for node in self._nodes:
            before = time.perf_counter()
            node.make(needs[node])
            if node.ahead:
                self.waited_ahead += time.perf_counter() - before


def _step_cuts(result: Result, nodes: Sequence[Node]) -> list[Cut]:
    """The rows of the result in steps, which end where the tallest bands do that they are made of: a step that ends
    within one needs all of it, and so does the next."""
    height = result.shape[0]
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


def _in_parts(result: Result, cut: Cut, work: Any) -> None:
    step = max(1, _PART_BYTES // (result.shape[1] * result.shape[2] * 4))
    run_all(lambda start: work(start, min(start + step, cut[1])), range(*cut, step))
