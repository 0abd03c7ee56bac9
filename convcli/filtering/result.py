"""The result of a picture: which nodes its rows are made of, and how rows of these become samples."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from convcli.engine.dtypes import work_dtype
from convcli.engine.sink import PLAIN, Sink, Storage
from convcli.filtering.chain import as_network, brightened
from convcli.filtering.graph import Convolved, InMemory, Node
from convcli.filtering.ranges import Ends, nonfinite, span, stretched
from convcli.records import late, record

if TYPE_CHECKING:
    from convcli.engine import effect as effects
    from convcli.engine.dtypes import Array, Floats
    from convcli.filtering import opacity
    from convcli.filtering.part import Pasted
    from convcli.filtering.picture import Picture
else:
    effects, opacity = late("convcli.engine.effect"), late("convcli.filtering.opacity")


class Result(ABC):
    """Rows of `picture` need the same rows of `nodes`, and those of `behind` where `hidden` says so.

    `looking` are the nodes of kernels whose offsets look at the picture.
    """

    #: Where the result lies in rows of its own as the last node makes it, that node.
    final: Node | None = None

    def __init__(
        self, picture: Picture, nodes: Sequence[Node], *, behind: Sequence[Node] = (), mask: Node | None = None,
        looking: Sequence[Convolved] = (),
    ) -> None:  # fmt: skip
        self.picture, self.nodes, self.behind, self._mask, self._looking = picture, nodes, behind, mask, looking

    @property
    def is_direct(self) -> bool:
        """Whether the last kernel's results go straight to where they stay: nothing else of full size is made."""
        picture, chain = self.picture, self.picture.chain
        mixes = chain.effect and not (picture.blends and (self._mask is None or isinstance(self._mask, InMemory)))
        computed = mixes or chain.nodata is not None or any(map(as_network, chain.kernels))
        return not (picture.selection or picture.has_alpha or computed)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be said of how it was made, once it is."""
        limited = (node.limited for node in self._looking if node.limited)
        dark = self.picture.output.darkness(self.picture.tally.greatest)
        many = self.picture.tally.above > math.prod(self.picture.shape) / 10
        bright = brightened(self.picture.chain.kernels) if many else ()
        return tuple(dict.fromkeys((*self.picture.notes, *limited, *dark, *bright)))

    def hidden(self, start: int, stop: int) -> bool:
        """Whether some of these rows are so transparent that the rows of `behind` are needed, too."""
        return False

    def measure(self, start: int, stop: int) -> None:
        """Looks at rows for their least and greatest value, where the picture `is_measured`."""
        return  # what makes samples at once is never stretched

    def store(self, out: Array, start: int, stop: int) -> None:
        """Puts rows as samples into `out`, and counts what is not finite."""
        self._store(out, start, stop)
        if self.picture.output.is_looked_at:
            samples = out[..., :-1] if self.picture.has_alpha else out
            self.picture.tally.greatest = max(self.picture.tally.greatest, float(samples.max(initial=0)))
        nodata = self.picture.chain.nodata
        absent = nodata is not None and np.isnan(nodata)
        self.picture.tally.add(0, 0, int(np.isinf(out).sum()) if absent else nonfinite(out))

    @abstractmethod
    def _store(self, out: Array, start: int, stop: int) -> None:
        """Puts rows as samples into `out`."""


class Copied(Result):
    """Samples as they are."""

    def _store(self, out: Array, start: int, stop: int) -> None:
        out[...] = self.nodes[0].array[start:stop]


class Direct(Result):
    """Samples as the last node makes them; of a kernel on colours they get a full alpha."""

    def __init__(
        self, picture: Picture, node: Convolved | Pasted, *, opaque: bool = False, mask: Node | None = None,
        looking: Sequence[Convolved] = (),
    ) -> None:  # fmt: skip
        super().__init__(picture, [node], mask=mask, looking=looking)
        self._node, self._opaque = node, opaque
        self.final = None if opaque else node

    def _store(self, out: Array, start: int, stop: int) -> None:
        rows, picture = self._node.array[start:stop], self.picture
        if self._opaque:
            alpha = np.full((*rows.shape[:-1], 1), picture.output.white, picture.dtype)
            opacity.join(out, rows, alpha)
        else:
            _copy_unless_there(rows, out)
        # One sink takes all bands, and counts them itself.
        counts = self._node.tally
        picture.tally.below, picture.tally.above = counts.below, counts.above


def _copy_unless_there(rows: Array, out: Array) -> None:
    """Fills `out` with rows, unless it is where they lie."""
    if rows.__array_interface__["data"] != out.__array_interface__["data"]:
        out[...] = rows


@record
class Leaving:
    """Floats that leave the chain: `colours`, multiplied by their opacity `share` where that is not full everywhere.

    `hidden` are colours that were filtered without it, for where nothing is to be seen. With a `mask`, what lies
    outside of it is to stay.
    """

    colours: Node
    share: Node | None = None
    hidden: Node | None = None
    mask: Node | None = None


class Composed(Result):
    """Samples of floats that leave the chain, put together with what stays of `source`.

    `entered` are all colours of a selection, as floats, `picked` those of them that entered the chain.
    """

    def __init__(
        self, picture: Picture, source: Node, leaving: Leaving, *, entered: Node | None = None,
        picked: Node | None = None, looking: Sequence[Convolved] = (),
    ) -> None:  # fmt: skip
        stays = picture.keeps_alpha or picture.staying or leaving.mask
        nodes = [leaving.colours, leaving.share, leaving.mask, entered, picked, source if stays else None]
        behind = [leaving.hidden] if leaving.hidden else []
        unique = list(dict.fromkeys(node for node in nodes if node))
        super().__init__(picture, unique, behind=behind, mask=leaving.mask, looking=looking)
        self._source, self._leaving, self._entered, self._picked = source, leaving, entered, picked
        self._ends = Ends()
        if self._is_plain and leaving.colours is not source:
            self.final = leaving.colours

    @property
    def _is_plain(self) -> bool:
        """Whether what leaves the chain is what is stored, to the last bit."""
        picture, leaving = self.picture, self._leaving
        chain, floats = picture.chain, leaving.colours.dtype
        more = picture.has_alpha or picture.staying or picture.selection or picture.is_measured or leaving.share
        mixes = chain.effect or chain.nodata is not None or leaving.mask
        return not more and not mixes and floats == picture.dtype and picture.output.storage().unchanged

    def hidden(self, start: int, stop: int) -> bool:
        share = self._leaving.share
        return bool(share and self.behind and (share.array[start:stop] <= opacity.HIDDEN).any())

    def measure(self, start: int, stop: int) -> None:
        self._ends.add(span(self._finished(start, stop)))

    def _store(self, out: Array, start: int, stop: int) -> None:
        picture = self.picture
        if self.final:
            _copy_unless_there(self.final.array[start:stop], out)
            return
        rows = out[..., :-1] if picture.has_alpha else out
        stored = rows if rows.flags.c_contiguous else np.empty(rows.shape, rows.dtype)
        floats, storage = self._ranged(start, stop)
        if picture.chain.nodata is not None:
            floats, storage = storage.ranged(floats), PLAIN
            floats = np.where(np.isnan(floats), floats.dtype.type(picture.chain.nodata), floats)
        Sink(stored, storage, tally=picture.tally).store(np.ascontiguousarray(floats), 0)
        # What is read multiplied by alpha stays as it was only where that does.
        same = not picture.reads_premultiplied or (picture.premultiplied and picture.keeps_alpha)
        if picture.staying and picture.output.scale == 1 and same:
            picture.staying.restore(stored, self._source.array[start:stop])
        if picture.has_alpha:
            opacity.join(out, stored, self._alpha(stored, start, stop))
        lit = picture.selection is not None and picture.selection.light
        if lit or self._leaving.share:  # others are exact
            self._restore(out, start, stop)

    def _restore(self, out: Array, start: int, stop: int) -> None:
        """Puts samples outside of the mask back as they were, to the last bit, where they are of the same kind."""
        if self._mask and self.picture.is_like(self._source.shape, self._source.dtype):
            source = self._source.array[start:stop]
            np.copyto(out, source, where=self._mask.array[start:stop] < effects.NOTHING)

    def _ranged(self, start: int, stop: int) -> tuple[Floats, Storage]:
        """Rows of colours as floats, put together with what stays, and how they are stored.

        What a range adds to a colour is multiplied by alpha where the colour is.
        """
        picture = self.picture
        storage = picture.output.storage()
        if picture.chain.effect:  # which mixed them as they are stored
            storage = replace(storage, absolute=False, shift=0.0)
        unscaled, scaled = replace(storage, scale=1.0), Storage(scale=storage.scale)
        ends = (self._ends.ends or (0.0, 1.0)) if picture.is_measured else None
        share = self._share(start, stop) if picture.premultiplied else None
        if share is not None and not picture.selection:
            floats, share = opacity.inside(self._leaving.colours.array[start:stop], share)
            if ends:
                floats = stretched(floats, ends, picture.source_dtype, weight=share)
            if storage.shift:
                floats = floats + share * floats.dtype.type(storage.shift)
            return floats, replace(storage, shift=0.0)
        floats = self._finished(start, stop)
        if ends:
            floats = stretched(floats, ends, picture.source_dtype)
        if picture.staying and self._entered and self._picked:
            entered, picked = self._entered.array[start:stop], self._picked.array[start:stop]
            floats, storage = picture.staying.merge(entered, picked, unscaled.ranged(floats)), scaled
        if share is not None:
            ranged = replace(storage, scale=1.0).ranged(floats)
            floats, storage = opacity.per_channel(np.multiply, ranged, np.clip(share, 0, 1)), scaled
        return floats, storage

    def _share(self, start: int, stop: int) -> Floats | None:
        """The opacity that leaves, from 0 to 1; None where all of it is full."""
        if not self.picture.keeps_alpha:
            return self._leaving.share.array[start:stop] if self._leaving.share else None
        rows = self._source.array[start:stop]
        share: Floats = np.empty((*rows.shape[:-1], 1), work_dtype(rows.dtype))
        opacity.opacity(share, rows, self.picture.white)
        return share

    def _finished(self, start: int, stop: int) -> Floats:
        """Rows of results as floats, before they are brought into range and put together with what stays."""
        floats: Floats = self._leaving.colours.array[start:stop]
        if self._leaving.share:
            share = self._leaving.share.array[start:stop]
            floats = opacity.unmultiplied(floats, share)
            if self.behind and (share <= opacity.HIDDEN).any():
                opacity.put_hidden(floats, self.behind[0].array[start:stop], share)
        return self.picture.selection.leave(floats) if self.picture.selection else floats

    def _alpha(self, colours: Array, start: int, stop: int) -> Array:
        """The alpha that goes with rows of filtered colours: filtered, as it was, or full."""
        picture = self.picture
        keeps, top = picture.keeps_alpha, picture.output.white
        if self._leaving.share and picture.treatment.filters_alpha:
            return opacity.store_opacity(self._leaving.share.array[start:stop], colours.dtype, top)
        share = self._share(start, stop) if keeps and picture.output.scale != 1 else None
        if share is not None:
            return opacity.store_opacity(share, colours.dtype, top)
        alpha: Array = np.empty((*colours.shape[:-1], 1), colours.dtype)
        alpha[...] = self._source.array[start:stop, ..., -1:] if keeps else top
        return alpha
