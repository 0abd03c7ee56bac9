"""A picture as it will be: what is computed of which rows of which arrays, known before any of it is.

Colour is multiplied by alpha before it is filtered and divided by the filtered alpha afterwards, so that the hidden
colour of transparent pixels does not bleed; only where the result is wholly transparent is hidden colour filtered on
its own. Alpha itself gets each kernel's `coverage`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from convcli.engine.dtypes import work_dtype
from convcli.engine.sink import PLAIN as EXACT, Sink, Storage, Tally
from convcli.filtering import opacity
from convcli.filtering.chain import Chain, Stage
from convcli.filtering.graph import Convolved, Node, Part, Pointwise
from convcli.filtering.ranges import kept_dtype, reach, span, storage, stretched, white
from convcli.filtering.treatment import PLAIN, Treatment

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, DTypeLike, Floats
    from convcli.filtering.selection import Selection
    from convcli.ops import Kernel

#: What is said of a grey picture that goes to a filter bank for three channels.
REPEATED = "a grey picture, filtered as three equal channels"


class Picture:
    """A filtered picture `(height, width, 1 to 4 channels)`, volume of such, or array, of `shape` and `dtype`.

    The second or fourth channel of a picture is alpha. `leaves` are the channels that leave the chain, `notes` what is
    to be said of how it is filtered, `tally` counts what had to be cut off, and what is not finite, of the rows that
    were kept so far.
    """

    def __init__(
        self, shape: Sequence[int], dtype: DTypeLike, chain: Chain, treatment: Treatment = PLAIN, *, axes: str = "",
        counted: bool = True,
    ) -> None:  # fmt: skip
        """`axes` are the spatial ones of an array, which has no alpha; a picture's or volume's are known.

        Unless `counted`, nobody asks how many samples were cut off. Raises ShapeError where a kernel doesn't fit.
        """
        self._chain, self._treatment, self._counted = chain, treatment, counted
        self._source_dtype, self._top = np.dtype(dtype), white(dtype)
        self._axes = axes or ("zyx" if len(shape) == 4 else "yx")
        self._drops = not axes and treatment.drops_alpha(shape[-1])
        channels = shape[-1] - self._drops
        with_alpha = not axes and channels in (2, 4)
        self.notes: tuple[str, ...] = ()
        self._selection: Selection | None = None
        self._repeated = False
        expected = chain.kernels[0].channels
        if axes or treatment.is_plain(channels, floats=self._source_dtype.kind == "f"):
            self._has_alpha, entering = with_alpha, channels - with_alpha
            if entering == 1 and not axes and expected is not None and expected[0] == 3:
                self._repeated, entering, self.notes = True, 3, (REPEATED,)
            self._colours = 0
        else:
            from convcli.filtering.selection import Selection

            self._selection = Selection(treatment, self._source_dtype, channels, expected[0] if expected else None)
            self._has_alpha, entering = self._selection.has_alpha, self._selection.picked
            self.notes = (REPEATED,) if self._selection.repeated else ()
            self._colours = 0 if self._selection.everything else self._selection.colours
        self.stages: tuple[Stage, ...] = chain.stages(shape[:-1], self._axes, entering)
        self.leaves = self.stages[-1].channels_out
        self._entering = (*shape[:-1], entering)
        self.notes += chain.refusals(self.stages)
        self._colours = self._colours or self.leaves
        self.shape = (*self.stages[-1].size_out, self._colours + self._has_alpha)
        self.dtype = kept_dtype(chain.range, self._source_dtype)
        self.tally = Tally()
        #: Whether nothing is computed, and all samples stay what they are, but for an alpha that is dropped.
        self._stays = self.shape == (*shape[:-1], channels) and self._is_identity()

    def _is_identity(self) -> bool:
        same = self._chain.range in ("clip", "float") and self.dtype == self._source_dtype
        spatial = self.shape[:-1]
        return same and all(kernel.is_identity(spatial, self._axes) for kernel in self._chain.kernels)

    @property
    def is_direct(self) -> bool:
        """Whether the last kernel's results go straight to where they stay: nothing else of full size is made."""
        return not self._selection and not self._has_alpha

    def begin(self, source: Node, opaque: Callable[[], bool]) -> None:
        """Lays out what is computed; `opaque` looks whether all of the alpha of `source` is full.

        Raises ShapeError where the picture lacks a channel, or the chain makes something that can't be put together
        with what is to stay.
        """
        if self._selection:
            self._selection.check(self._entering, self.stages[-1].shape_out)
        elif self._has_alpha:
            opacity.check_channels(self.leaves)
        #: Rows of the picture need the same rows of `nodes`, and those of `behind` where `hidden` says so.
        self.nodes: list[Node] = []
        self.behind: list[Node] = []
        #: Where the result lies in rows of its own as the last kernel makes it, that node.
        self.final: Convolved | None = None
        self._direct: Convolved | None = None
        self._shares: Node | None = None
        self._ends = _Ends()
        if self._drops:
            channels = source.shape[-1] - 1
            source = Pointwise(opacity.colours, [Part(source)], channels, source.dtype)
        self._source = source
        if self._stays:
            self.nodes = [source]
            return
        # What a border of zeros shows is transparent, too.
        zeros = any(kernel.border == "zero" for kernel in self._chain.kernels)
        transparent = self._has_alpha and (zeros or not opaque())
        if self._selection:
            self._select(self._selection, transparent=transparent)
            return
        colour = Part(source)
        if self._has_alpha:
            colour = Part(Pointwise(opacity.colours, [colour], source.shape[-1] - 1, source.dtype))
        if self._repeated:
            colour = Part(colour.node, repeated=3)
        if transparent or self._chain.range == "rescale":
            self._run_chain(colour, transparent=transparent)
            return
        kernel, kernels = self._chain.kernels[-1], self._chain.kernels[:-1]
        x = self._floats(colour, kernels, self.stages[:-1])
        counted = self._counted or self._has_alpha
        sink_storage = storage(
            self._chain.range, self._source_dtype, reach=reach(kernel, x.node.dtype), counted=counted
        )
        self._direct = self._convolved(x, kernel, self.stages[-1].shape_out, sink_storage, self.dtype)
        self.final = None if self._has_alpha else self._direct
        self.nodes = [self._direct]

    def _select(self, selection: Selection, *, transparent: bool) -> None:
        """The chain on what is selected, put together with what stays."""
        enter = Pointwise(selection.enter, [Part(self._source)], selection.colours, selection.work)
        self._entered = self._picked = enter
        if selection.picks:
            self._picked = Pointwise(selection.pick, [Part(enter)], selection.picked, selection.work)
        self._run_chain(Part(self._picked), transparent=transparent)
        if not selection.everything:
            self.nodes += [enter, self._picked]
        if selection.keeps_alpha or not selection.everything:
            self.nodes.append(self._source)

    def _run_chain(self, colour: Part, *, transparent: bool) -> None:
        """The chain on colours, through alpha where it is not full, as floats."""
        kernels, work = self._chain.kernels, work_dtype(colour.node.dtype)
        straight = self._floats(colour, kernels, self.stages).node
        if not transparent:
            self.nodes = [straight]
            return
        dull = partial(opacity.opacity, top=self._top)
        share: Node = Pointwise(dull, [Part(self._source)], 1, work)
        premultiplied: Node = Pointwise(opacity.multiplied, [colour, Part(share)], colour.channels, work)
        for kernel, stage in zip(kernels, self.stages, strict=True):
            bare = kernel if kernel.bias is None else kernel.replace(bias=None)
            premultiplied = self._convolved(Part(premultiplied), bare, stage.shape_out)
            share = self._convolved(Part(share), kernel.coverage(), (*stage.size_out, 1))
            if kernel.bias is not None:
                bias = kernel.bias.array.reshape(-1).astype(work)
                parts = [Part(premultiplied), Part(share)]
                premultiplied = Pointwise(partial(opacity.biased, bias=bias), parts, stage.channels_out, work)
        self._shares = share
        self.nodes, self.behind = [premultiplied, share], [straight]

    def _floats(self, part: Part, kernels: Sequence[Kernel], stages: Sequence[Stage]) -> Part:
        """A chain on a part of a node, as floats."""
        for kernel, stage in zip(kernels, stages, strict=True):
            part = Part(self._convolved(part, kernel, stage.shape_out))
        return part

    def _convolved(
        self, part: Part, kernel: Kernel, shape: Sequence[int], storage: Storage = EXACT, dtype: DTypeLike | None = None
    ) -> Convolved:
        node = Convolved(part, kernel, shape, storage, dtype)
        node.axes, node.algorithm = self._axes, self._chain.algorithm
        return node

    def end(self) -> None:
        """Gives up what was made on the way."""
        for name in ("nodes", "behind", "final", "_direct", "_shares", "_source", "_entered", "_picked"):
            self.__dict__.pop(name, None)

    def hidden(self, start: int, stop: int) -> bool:
        """Whether some of these rows are so transparent that the rows of `behind` are needed, too."""
        return self._shares is not None and bool((self._shares.array[start:stop] <= opacity.HIDDEN).any())

    @property
    def measured(self) -> bool:
        """Whether `measure` must see all rows before the first of them is kept."""
        return self._chain.range == "rescale"

    def measure(self, start: int, stop: int) -> None:
        """Looks at rows for their least and greatest value."""
        self._ends.add(span(self._finished(start, stop)))

    def keep(self, out: Array, start: int, stop: int) -> None:
        """Puts rows as they are to be kept into `out`."""
        if self._stays:
            out[...] = self._source.array[start:stop]
        elif self._direct:
            rows = self._direct.array[start:stop]
            if self._has_alpha:
                alpha = np.full((*rows.shape[:-1], 1), self._top, self.dtype)
                opacity.join(out, rows, alpha)
            elif rows.__array_interface__["data"] != out.__array_interface__["data"]:
                out[...] = rows
            # One sink takes all bands, and counts them itself.
            counts = self._direct.tally
            self.tally.below, self.tally.above = counts.below, counts.above
        else:
            rows = out[..., :-1] if self._has_alpha else out
            stored = rows if rows.flags.c_contiguous else np.empty(rows.shape, rows.dtype)
            floats, kept = self._finished(start, stop), storage(self._chain.range, self._source_dtype)
            if self.measured:
                floats = stretched(floats, self._ends.ends or (0.0, 1.0), self._source_dtype)
            staying = None if self._selection is None or self._selection.everything else self._selection
            if staying:
                entered, picked = self._entered.array[start:stop], self._picked.array[start:stop]
                floats, kept = staying.merge(entered, picked, kept.ranged(floats)), EXACT
            Sink(stored, kept, tally=self.tally).store(np.ascontiguousarray(floats), 0)
            if staying:
                staying.restore(stored, self._source.array[start:stop])
            if self._has_alpha:
                opacity.join(out, stored, self._alpha(stored, start, stop))
        self.tally.add(0, 0, _nonfinite(out))

    def _finished(self, start: int, stop: int) -> Floats:
        """Rows of results as floats, before they are brought into range and put together with what stays."""
        floats: Floats = self.nodes[0].array[start:stop]
        if self._shares is not None:
            share = self._shares.array[start:stop]
            floats = opacity.unmultiplied(floats, share)
            if (share <= opacity.HIDDEN).any():
                opacity.put_hidden(floats, self.behind[0].array[start:stop], share)
        return self._selection.leave(floats) if self._selection else floats

    def _alpha(self, colours: Array, start: int, stop: int) -> Array:
        """The alpha that goes with rows of filtered colours: filtered, as it was, or full."""
        if self._shares is not None and self._treatment.filters_alpha:
            return opacity.store_opacity(self._shares.array[start:stop], colours.dtype, self._top)
        alpha: Array = np.empty((*colours.shape[:-1], 1), colours.dtype)
        keeps = self._selection is not None and self._selection.keeps_alpha
        alpha[...] = self._source.array[start:stop, ..., -1:] if keeps else self._top
        return alpha


def _nonfinite(array: Array) -> int:
    """NaN and infinite samples of a result; a finite sum says at once that there are none."""
    if array.dtype.kind != "f":
        return 0
    with np.errstate(over="ignore", invalid="ignore"):
        total = array.sum(dtype=np.float64)
    return 0 if np.isfinite(total) else int(array.size - np.count_nonzero(np.isfinite(array)))


class _Ends:
    """The least and the greatest value of all rows."""

    def __init__(self) -> None:
        self.ends: tuple[float, float] | None = None
        self._lock = threading.Lock()

    def add(self, span: tuple[float, float] | None) -> None:
        with self._lock:
            if span and self.ends:
                self.ends = min(self.ends[0], span[0]), max(self.ends[1], span[1])
            else:
                self.ends = span or self.ends
