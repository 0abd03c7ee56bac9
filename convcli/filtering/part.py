"""An effect in a region: only the part of a picture that its samples follow from is filtered, the rest is a copy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from convcli.engine.borders import rows_behind
from convcli.engine.threads import Cut, Cuts
from convcli.filtering.chain import Chain, Stage, as_network
from convcli.filtering.graph import Node
from convcli.filtering.result import Direct

if TYPE_CHECKING:
    from convcli.filtering.effect import Effect
    from convcli.filtering.picture import Outline, Picture
    from convcli.filtering.result import Result
    from convcli.ops import Kernel

#: Rows and columns.
Place = tuple[slice, slice]

#: Bytes of a band that is copied.
_BAND_BYTES: Final = 1 << 20
#: A larger share of a picture is filtered as fast with all of it.
_MOST: Final = 0.9


def place_of(chain: Chain, stages: Sequence[Stage], effect: Effect, axes: str) -> Place | None:
    """The rows and columns of a picture that its samples in the mask of `effect` follow from.

    None where that is most of it, or it can't be told: of kernels that look at where they are, and of networks.
    """
    spatial = stages[0].size_in
    if not effect.has_mask or axes != "yx" or any(stage.size_out != spatial for stage in stages):
        return None
    if any(as_network(kernel) or not kernel.bare.is_local for kernel in chain.kernels):
        return None
    sides, reaches = [], effect.reaches(*spatial)
    if reaches is None:
        return None
    for axis, inside in enumerate(reaches):
        first, last = inside.start, inside.stop
        for kernel in reversed(chain.kernels):
            first, last = _read(kernel, axis, spatial, (first, last))
        sides.append(slice(first, last))
    rows, columns = sides
    share = (rows.stop - rows.start) * (columns.stop - columns.start) / (spatial[0] * spatial[1])
    return None if share > _MOST else (rows, columns)


def _read(kernel: Kernel, axis: int, spatial: Sequence[int], results: Cut) -> Cut:
    """The samples along an axis that results follow from, those themselves and each edge that they look over among
    them."""
    n = spatial[axis]
    first, last = kernel.windows(spatial, "yx")[axis].reads(*results)
    edges = [(0, 1)] * (first < 0) + [(n - 1, n)] * (last > n)
    parts = [results, *edges, *rows_behind(first, last, n, kernel.border)]
    return min(start for start, _ in parts), max(stop for _, stop in parts)


def outline_of(outline: Outline, place: Place) -> Outline:
    """The outline of a part."""
    return replace(outline, shape=(*(side.stop - side.start for side in place), outline.shape[-1]))


class Cropped(Node):
    """The rows and columns of another node."""

    def __init__(self, source: Node, place: Place) -> None:
        sides = (side.stop - side.start for side in place)
        super().__init__((*sides, source.shape[-1]), source.dtype, [source])
        self._source, self._place = source, place

    def _cuts(self, *, fine: bool) -> Cuts:
        array, (rows, columns) = self.array, self._place
        whole = self._source.array

        def work(cut: Cut) -> None:
            array[slice(*cut)] = whole[rows.start + cut[0] : rows.start + cut[1], columns]

        return Cuts(work, _bands(self))

    def reads(self, cut: Cut) -> Mapping[Node, Iterable[Cut]]:
        top = self._place[0].start
        return {self._source: [(top + cut[0], top + cut[1])]}


class Pasted(Node):
    """The samples of `source` but for those at a `place`, which are the result of a filtered `part`.

    `tally` is that of the part.
    """

    def __init__(self, source: Node, part: Result, place: Place) -> None:
        self._inner = list(dict.fromkeys([*part.nodes, *part.behind]))
        super().__init__(source.shape, part.picture.dtype, [source, *self._inner])
        self._source, self._place, self._part, self.tally = source, place, part, part.picture.tally

    def _cuts(self, *, fine: bool) -> Cuts:
        array, source, part, (rows, columns) = self.array, self._source.array, self._part, self._place

        def work(cut: Cut) -> None:
            array[slice(*cut)] = source[slice(*cut)]
            start, stop = max(cut[0], rows.start), min(cut[1], rows.stop)
            if start < stop:
                out = array[start:stop, columns].copy()
                part.store(out, start - rows.start, stop - rows.start)
                array[start:stop, columns] = out

        return Cuts(work, _bands(self))

    def reads(self, cut: Cut) -> Mapping[Node, Iterable[Cut]]:
        rows = self._place[0]
        inside = max(cut[0], rows.start) - rows.start, min(cut[1], rows.stop) - rows.start
        return {self._source: [cut], **dict.fromkeys(self._inner, [inside] if inside[0] < inside[1] else [])}


class Pasting(Direct):
    """The result where only a `part` is computed, and pasted into a copy of the source."""

    def __init__(self, picture: Picture, source: Node, part: Result, place: Place) -> None:
        super().__init__(picture, Pasted(source, part, place))
        self._part = part

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*super().notes, *self._part.notes)))


def _bands(node: Node) -> list[Cut]:
    height = len(node.array)
    step = max(1, _BAND_BYTES // max(1, node.array[:1].nbytes))
    return list(pairwise([*range(0, height, step), height]))
