"""A picture as it will be: what is computed of which rows of which arrays, known before any of it is.

Colour is multiplied by alpha before it is filtered and divided by the filtered alpha afterwards, so that the hidden
colour of transparent pixels does not bleed; only where the result is wholly transparent is hidden colour filtered on
its own. Alpha itself gets each kernel's `coverage`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from convcli import streams
from convcli.channels import Channels
from convcli.engine.dtypes import work_dtype
from convcli.engine.sink import PLAIN as EXACT, Sink, Storage, Tally
from convcli.errors import ShapeError
from convcli.filtering import opacity
from convcli.filtering.chain import Chain, Stage, as_network
from convcli.filtering.graph import Convolved, InMemory, Node, Part, Pointwise
from convcli.filtering.outline import Outline
from convcli.filtering.ranges import Ends, Kept, nonfinite, reach, span, stretched, white
from convcli.filtering.treatment import PLAIN, Treatment
from convcli.records import late

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, DTypeLike, Floats
    from convcli.filtering import effect as effects, networks, nodata, part as parts
    from convcli.filtering.part import Pasted
    from convcli.filtering.selection import Selection
    from convcli.networks.runnable import NetworkKernel
    from convcli.ops import Kernel
else:
    effects, networks = late("convcli.filtering.effect"), late("convcli.filtering.networks")
    nodata, parts = late("convcli.filtering.nodata"), late("convcli.filtering.part")

#: What is said of a grey picture that goes to a filter bank for three channels.
REPEATED = "a grey picture, filtered as three equal channels"
#: What is said of floats whose alpha is larger than what is opaque.
BEYOND = "its alpha goes beyond 1, where floats are opaque; --alpha none takes it as a band"


class Picture:
    """A filtered picture, volume or array as its `Outline` describes it, of `shape` and `dtype`.

    `leaves` are the channels that leave the chain, `channels` what those of the result mean, `notes` what is to be said
    of how it is filtered; `tally` counts what had to be cut off, and what is not finite, of the rows that were kept so
    far.
    """

    def __init__(self, outline: Outline, chain: Chain, treatment: Treatment = PLAIN, *, counted: bool = True) -> None:
        """Unless `counted`, nobody asks how many samples were cut off.

        Raises ShapeError where a kernel doesn't fit.
        """
        self._source_dtype, self._top = np.dtype(outline.dtype), white(outline.dtype)
        self.kept = Kept.of(chain, self._source_dtype)
        self.dtype = self.kept.dtype
        self._asked = outline, chain
        chain = chain.mixing_within(self.kept.mode)
        self._chain, self._treatment, self._counted = chain, treatment, counted
        self._axes = outline.spatial
        self._stored = outline.meaning
        means = self._stored.without_opacity if treatment.alpha == "none" else self._stored
        self._premultiplied = means.alpha == "premultiplied"
        self._drops = treatment.drops_alpha(means)
        if self._drops:
            means = means.opaque
        self.notes: tuple[str, ...] = ()
        self._selection: Selection | None = None
        self._repeated = False
        expected = chain.kernels[0].channels
        takes = expected[0] if expected else None
        if outline.axes or treatment.is_plain(means, floats=self._source_dtype.kind == "f"):
            self._has_alpha, entering = bool(means.alpha), means.opaque.count
            if entering == 1 and not outline.axes and takes == 3:
                self._repeated, entering, self.notes = True, 3, (REPEATED,)
            self._colours = 0
        else:
            from convcli.filtering.selection import Selection

            self._selection = Selection(treatment, self._source_dtype, means, takes)
            self._has_alpha, entering = self._selection.has_alpha, self._selection.picked
            self.notes = (REPEATED,) if self._selection.repeated else ()
            self._colours = 0 if self._selection.everything else self._selection.colours
        self.stages: tuple[Stage, ...] = chain.stages(tuple(outline.shape[:-1]), self._axes, entering)
        self.leaves = self.stages[-1].channels_out
        #: Whether it is only to be had whole, and the bytes of what networks make on the way.
        self.sees_all, self.map_bytes = chain.sees_all, chain.map_bytes(self.stages)
        if (self.sees_all or len(self._axes) > 2) and self.map_bytes > (streams.free_memory() or self.map_bytes):
            free = f"{streams.free_memory() / 1e6:,.0f} MB are free"
            fact = f"the network's maps of this picture take {self.map_bytes / 1e6:,.0f} MB at a time, {free}"
            raise ShapeError(fact, hint="a smaller picture, or fewer --jobs")
        if self._selection and self._selection.light:
            self._chain = replace(chain, kernels=[self._selection.lit(kernel) for kernel in chain.kernels])
        self._entering = (*outline.shape[:-1], entering)
        if chain.nodata is not None:
            nodata.check(chain, treatment, means, self._source_dtype)
        if chain.effect:
            effects.check(self._entering, self.stages[-1].shape_out, self.kept.mode, linear=treatment.linear)
        self.notes += chain.refusals(self.stages) + chain.remarks(self.stages)
        self._colours = self._colours or self.leaves
        self.shape = (*self.stages[-1].size_out, self._colours + self._has_alpha)
        self._enters = (*outline.shape[:-1], means.count)
        self.tally = Tally()
        #: Whether colours leave multiplied by alpha; where they are read so that can be set to false.
        self.premultiplied = self._premultiplied and self._has_alpha

    @property
    def channels(self) -> Channels:
        """What the channels of the result mean: as before where they are as many, or else what so many mostly do."""
        colours = self._stored if self._treatment.alpha == "none" else self._stored.opaque
        if self._colours != colours.count:
            colours = Channels(colours=3) if self._colours == 3 else Channels.bands(self._colours)
        if not self._has_alpha:
            return colours
        return colours.with_extra("premultiplied" if self.premultiplied else "straight")

    def _is_identity(self) -> bool:
        """Whether nothing is computed, and all samples stay what they are, but for an alpha that is dropped."""
        divided = self._premultiplied and not self.premultiplied
        same = self.kept.mode in ("clip", "float") and self.dtype == self._source_dtype and not divided
        spatial = self.shape[:-1]
        return (
            same
            and self.shape == self._enters
            and all(kernel.is_identity(spatial, self._axes) for kernel in self._chain.kernels)
        )

    @property
    def is_direct(self) -> bool:
        """Whether the last kernel's results go straight to where they stay: nothing else of full size is made."""
        chain = self._chain
        computed = chain.effect and not (self._blends and (self._mask is None or isinstance(self._mask, InMemory)))
        mixes = computed or chain.nodata is not None or any(map(as_network, chain.kernels))
        return not (self._selection or self._has_alpha or mixes)

    @property
    def _blends(self) -> bool:
        """Whether the chain's effect is one of a kernel alone, whose results are kept as they are mixed."""
        kernel, *others = self._chain.kernels
        return not others and not kernel.has_effect and not as_network(kernel) and self.kept.mode in ("clip", "float")

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
        #: Kernels whose offsets look at the picture.
        self._looking: list[Convolved] = []
        #: Where the result lies in rows of its own as the last kernel makes it, that node.
        self.final: Convolved | Pasted | None = None
        self._direct: Convolved | Pasted | None = None
        self._part: Picture | None = None
        self._shares: Node | None = None
        self._ends = Ends()
        self._mask: Node | None = None
        if self._drops:
            source = self._opaque(source)
        self._source = source
        self._stays = self._is_identity()
        if self._stays:
            self.nodes = [source]
            return
        if self._chain.effect and self._is_like(source) and self._begin_part(source, opaque, self._chain.effect):
            return
        # What a border of zeros shows is transparent, too.
        zeros = any(kernel.border == "zero" and not as_network(kernel) for kernel in self._chain.kernels)
        transparent = self._has_alpha and (zeros or not opaque())
        if self._selection:
            self._select(self._selection, transparent=transparent)
            return
        colour = Part(source)
        if self._has_alpha:
            colour = Part(Pointwise(opacity.colours, [colour], source.shape[-1] - 1, source.dtype))
        if self._repeated:
            colour = Part(colour.node, repeated=3)
        last = self._chain.kernels[-1]
        effect = self._chain.effect
        mixes = (effect and not self._blends) or self._chain.nodata is not None
        if transparent or self.measured or as_network(last) or mixes:
            self._run_chain(colour, transparent=transparent)
            return
        kernel, kernels = last, self._chain.kernels[:-1]
        x = self._floats(colour, kernels, self.stages[:-1])
        counted = self._counted or self._has_alpha
        # A mask leaves results between those of the whole effect and the samples.
        mixed = kernel.replace(amount=effect.amount) if effect else kernel
        known = reach(mixed, x.node.dtype)
        sink_storage = self.kept.storage(reach=known, counted=counted)
        direct = self._direct = self._convolved(x, kernel, self.stages[-1].shape_out, sink_storage, self.dtype)
        if effect:
            self._mixing(effect)
            direct.mix(effect, self._mask)
        self.final = None if self._has_alpha else self._direct
        self.nodes = [self._direct]

    def _begin_part(self, source: Node, opaque: Callable[[], bool], effect: effects.Effect) -> bool:
        """Lays out what is computed of a part, the rest being a copy; False where all of it is filtered."""
        outline, chain = self._asked
        place = parts.place_of(self._chain, self.stages, effect, self._axes)
        if place is None:
            return False
        chain = replace(chain, effect=effect.within(*place, *outline.shape[:2]))
        self._part = Picture(parts.outline_of(outline, place), chain, self._treatment, counted=self._counted)
        self._part.premultiplied = self.premultiplied
        self._part.begin(parts.Cropped(source, place), opaque)
        self._direct = self.final = parts.Pasted(source, self._part, place)
        self.nodes = [self._direct]
        return True

    def _is_like(self, source: Node) -> bool:
        """Whether samples that stay as they are are those of the source."""
        covered = self._treatment.background is not None and self._stored.alpha
        same = (source.shape, source.dtype, self.kept.scale) == (self.shape, self.dtype, 1) and not covered
        return same and self._premultiplied == self.premultiplied

    def _opaque(self, source: Node) -> Node:
        """The colours of a picture whose alpha is dropped."""
        channels = source.shape[-1] - 1
        if self._premultiplied:
            divided = self._watched(partial(opacity.straight, top=self._top))
            return Pointwise(divided, [Part(source)], channels, work_dtype(source.dtype))
        return Pointwise(opacity.colours, [Part(source)], channels, source.dtype)

    def _select(self, selection: Selection, *, transparent: bool) -> None:
        """The chain on what is selected, put together with what stays."""
        uses_alpha = self._stored.alpha and (self._treatment.background is not None or self._premultiplied)
        entering = self._watched(selection.enter) if uses_alpha else selection.enter
        enter = Pointwise(entering, [Part(self._source)], selection.colours, selection.work)
        self._entered = self._picked = enter
        if selection.picks:
            self._picked = Pointwise(selection.pick, [Part(enter)], selection.picked, selection.work)
        self._run_chain(Part(self._picked), transparent=transparent)
        if not selection.everything:
            self.nodes += [enter, self._picked]
        if (selection.keeps_alpha or not selection.everything) and self._source not in self.nodes:
            self.nodes.append(self._source)

    def _run_chain(self, colour: Part, *, transparent: bool) -> None:
        """The chain on colours, through alpha where it is not full, as floats.

        Colours that were read premultiplied have none that are hidden.
        """
        kernels, work = self._chain.kernels, work_dtype(colour.node.dtype)
        as_read = self._premultiplied and not self._selection
        if self._chain.nodata is not None:
            self.nodes = [nodata.laid_out(colour, self._chain, self.stages, self._top, self._convolved).node]
            return
        mix = self._mix(self._chain.effect)
        if not transparent:
            self.nodes = [mix(colour, self._floats(colour, kernels, self.stages)).node, *self._beside()]
            return
        dull = self._watched(partial(opacity.opacity, top=self._top))
        share: Node = Pointwise(dull, [Part(self._source)], 1, work)
        premultiplied, hidden = colour, list[Node]()
        if not as_read:
            premultiplied = Part(Pointwise(opacity.multiplied, [colour, Part(share)], colour.channels, work))
            unrecorded = self._floats(colour, [kernel.unrecorded() for kernel in kernels], self.stages)
            hidden = [mix(colour, unrecorded).node]
            self._looking.clear()  # what is told of offsets is told of those of what is seen
        entered = premultiplied, share
        for kernel, stage in zip(kernels, self.stages, strict=True):
            if network := as_network(kernel):
                premultiplied, share = self._network_through_alpha(network, premultiplied, share, work)
                continue
            bare = kernel.bare if kernel.is_linear else kernel.bare.replace(bias=None, activation=None)
            seen, seen_share = premultiplied, share
            premultiplied = Part(self._convolved(seen, bare, stage.shape_out))
            share = self._convolved(Part(share), opacity.covering(kernel.bare), (*stage.size_out, 1), guide=seen)
            if kernel.bias is not None:
                bias = kernel.bias.array.reshape(-1).astype(work)
                parts = [premultiplied, Part(share)]
                premultiplied = Part(Pointwise(partial(opacity.biased, bias=bias), parts, stage.channels_out, work))
            if kernel.activation is not None:
                bent = partial(opacity.bent, curve=kernel.activation.curve(work))
                parts = [premultiplied, Part(share)]
                premultiplied = Part(Pointwise(bent, parts, stage.channels_out, work))
            if kernel.has_effect:
                mixing = effects.Mixing(gain=kernel.gain, threshold=kernel.threshold, white=self._top)
                premultiplied, share = mixing.of_premultiplied((seen, seen_share), (premultiplied, share))
        if self._chain.effect:
            mixing = self._mixing(self._chain.effect)
            premultiplied, share = mixing.of_premultiplied(entered, (premultiplied, share), self._mask)
        self._shares = share
        self.nodes, self.behind = [premultiplied.node, share, *self._beside()], hidden

    def _mixing(self, effect: effects.Effect) -> effects.Mixing:
        """The chain's effect, which mixes results in range; its mask is made."""
        if effect.has_mask and self._mask is None:
            self._mask = effect.mask(self._entering, self._axes)
        ranged = None if self.kept.mode not in ("abs", "offset") else replace(self.kept.storage(), scale=1.0)
        return effects.Mixing(gain=effect.amount, threshold=effect.threshold, white=self._top, ranged=ranged)

    def _mix(self, effect: effects.Effect | None) -> Callable[[Part, Part], Part]:
        """What mixes the samples that enter the chain with its results."""
        if effect is None:
            return lambda x, y: y
        mixing = self._mixing(effect)
        return lambda x, y: mixing.of(x, y, self._mask)

    def _beside(self) -> list[Node]:
        """What it takes to put back what lies outside of the mask."""
        return [self._mask, self._source] if self._mask else []

    def _network_through_alpha(
        self, network: NetworkKernel, premultiplied: Part, share: Node, work: DTypeLike
    ) -> tuple[Part, Node]:
        """A network sees colour without its opacity, which is fitted to the size that comes out.

        Where there is none, it sees the colours around: neither hidden ones nor the black of what is not there.
        """
        near = networks.spread(network)
        parts = [premultiplied, Part(share)]
        spread = [Part(self._convolved(part, near, part.node.shape)) for part in parts]
        straight = Pointwise(opacity.filled, parts + spread, premultiplied.channels, work)
        result = networks.laid_out(network, Part(straight), self._axes, self._top, self._convolved)
        share = networks.enlarged(Part(share), result.node.shape[-3:-1], self._convolved).node
        return Part(Pointwise(opacity.multiplied, [result, Part(share)], result.channels, work)), share

    def _watched(self, compute: Callable[[Floats, Array], None]) -> Callable[[Floats, Array], None]:
        """A step that reads alpha, which notes where that is more than opaque, as only floats can be."""
        if self._source_dtype.kind != "f":
            return compute

        def watching(out: Floats, pixels: Array) -> None:
            if opacity.last_channel(pixels).max(initial=0) > self._top:
                self.notes = tuple(dict.fromkeys((*self.notes, BEYOND)))
            compute(out, pixels)

        return watching

    def _floats(self, part: Part, kernels: Sequence[Kernel], stages: Sequence[Stage]) -> Part:
        """A chain, or its beginning, on a part of a node, as floats; kernels hand on what the next one reads best."""
        planes = self._chain.planes(self.stages, part.node.planes) if kernels else []
        for kernel, stage, in_planes in zip(kernels, stages, planes, strict=False):
            part = self._linked(part, kernel, stage.shape_out)
            if not as_network(kernel):
                part.node.planes = in_planes
        return part

    def _linked(self, part: Part, kernel: Kernel, shape: Sequence[int]) -> Part:
        """One kernel or network of the chain on a part of a node, as floats."""
        network = as_network(kernel)
        if not network:
            return Part(self._convolved(part, kernel, shape))
        return networks.laid_out(network, part, self._axes, self._top, self._convolved)

    def _convolved(
        self, part: Part, kernel: Kernel, shape: Sequence[int], storage: Storage = EXACT,
        dtype: DTypeLike | None = None, guide: Part | None = None,
    ) -> Convolved:  # fmt: skip
        node = Convolved(part, kernel, shape, storage, dtype, guide)
        node.axes, node.algorithm, node.white = self._axes, self._chain.algorithm, self._top
        if kernel.looks and guide is None:
            self._looking.append(node)
        return node

    def end(self) -> None:
        """Gives up what was made on the way."""
        if self._part:
            self._part.end()
            self.notes = tuple(dict.fromkeys((*self.notes, *self._part.notes)))
        self.notes += tuple(dict.fromkeys(node.limited for node in self._looking if node.limited))
        for name in (
            "nodes",
            "behind",
            "_looking",
            "final",
            "_direct",
            "_part",
            "_shares",
            "_source",
            "_entered",
            "_picked",
            "_mask",
        ):
            self.__dict__.pop(name, None)

    def hidden(self, start: int, stop: int) -> bool:
        """Whether some of these rows are so transparent that the rows of `behind` are needed, too."""
        if self._shares is None or not self.behind:
            return False
        return bool((self._shares.array[start:stop] <= opacity.HIDDEN).any())

    @property
    def measured(self) -> bool:
        """Whether `measure` must see all rows before the first of them is kept."""
        return self.kept.mode == "rescale"

    def measure(self, start: int, stop: int) -> None:
        """Looks at rows for their least and greatest value."""
        self._ends.add(span(self._finished(start, stop)))

    def keep(self, out: Array, start: int, stop: int) -> None:
        """Puts rows as they are to be kept into `out`."""
        if self._stays:
            out[...] = self._source.array[start:stop]
        elif self._direct:
            rows = self._direct.array[start:stop]
            if self._has_alpha and not self._part:
                alpha = np.full((*rows.shape[:-1], 1), self.kept.white, self.dtype)
                opacity.join(out, rows, alpha)
            elif rows.__array_interface__["data"] != out.__array_interface__["data"]:
                out[...] = rows
            # One sink takes all bands, and counts them itself.
            counts = self._direct.tally
            self.tally.below, self.tally.above = counts.below, counts.above
        else:
            rows = out[..., :-1] if self._has_alpha else out
            stored = rows if rows.flags.c_contiguous else np.empty(rows.shape, rows.dtype)
            floats, stored_as = self._ranged(start, stop)
            if self._chain.nodata is not None:
                floats, stored_as = stored_as.ranged(floats), EXACT
                floats = np.where(np.isnan(floats), floats.dtype.type(self._chain.nodata), floats)
            Sink(stored, stored_as, tally=self.tally).store(np.ascontiguousarray(floats), 0)
            # What is read multiplied by alpha stays as it was only where that does.
            same = self.kept.scale == 1
            if self._staying and same and (not self._premultiplied or (self.premultiplied and self._keeps_alpha)):
                self._staying.restore(stored, self._source.array[start:stop])
            if self._has_alpha:
                opacity.join(out, stored, self._alpha(stored, start, stop))
            lit = self._selection is not None and self._selection.light
            if self._mask is not None and (lit or self._shares is not None):  # others are exact
                self._restore(out, self._mask, start, stop)
        absent = self._chain.nodata is not None and np.isnan(self._chain.nodata)
        self.tally.add(0, 0, int(np.isinf(out).sum()) if absent else nonfinite(out))

    def _restore(self, out: Array, mask: Node, start: int, stop: int) -> None:
        """Puts samples outside of the mask back as they were, to the last bit, where they are of the same kind."""
        if self._is_like(self._source):
            source = self._source.array[start:stop]
            np.copyto(out, source, where=mask.array[start:stop] < effects.NOTHING)

    @property
    def _staying(self) -> Selection | None:
        """What of a picture stays beside what is filtered, if something does."""
        return None if self._selection is None or self._selection.everything else self._selection

    def _ranged(self, start: int, stop: int) -> tuple[Floats, Storage]:
        """Rows of colours as floats, put together with what stays, and how they are kept.

        What a range adds to a colour is multiplied by alpha where the colour is.
        """
        stored_as = self.kept.storage()
        if self._chain.effect:  # which mixed them as they are kept
            stored_as = replace(stored_as, absolute=False, shift=0.0)
        unscaled, scaled = replace(stored_as, scale=1.0), Storage(scale=stored_as.scale)
        ends = (self._ends.ends or (0.0, 1.0)) if self.measured else None
        share = self._share(start, stop) if self.premultiplied else None
        if share is not None and not self._selection:
            floats, share = opacity.inside(self.nodes[0].array[start:stop], share)
            if ends:
                floats = stretched(floats, ends, self._source_dtype, weight=share)
            if stored_as.shift:
                floats = floats + share * floats.dtype.type(stored_as.shift)
            return floats, replace(stored_as, shift=0.0)
        floats = self._finished(start, stop)
        if ends:
            floats = stretched(floats, ends, self._source_dtype)
        if self._staying:
            entered, picked = self._entered.array[start:stop], self._picked.array[start:stop]
            floats, stored_as = self._staying.merge(entered, picked, unscaled.ranged(floats)), scaled
        if share is not None:
            ranged = replace(stored_as, scale=1.0).ranged(floats)
            floats, stored_as = opacity.per_channel(np.multiply, ranged, np.clip(share, 0, 1)), scaled
        return floats, stored_as

    @property
    def _keeps_alpha(self) -> bool:
        return self._selection is not None and self._selection.keeps_alpha

    def _share(self, start: int, stop: int) -> Floats | None:
        """The opacity that leaves, from 0 to 1; None where all of it is full."""
        if not self._keeps_alpha:
            return None if self._shares is None else self._shares.array[start:stop]
        rows = self._source.array[start:stop]
        share: Floats = np.empty((*rows.shape[:-1], 1), work_dtype(rows.dtype))
        opacity.opacity(share, rows, self._top)
        return share

    def _finished(self, start: int, stop: int) -> Floats:
        """Rows of results as floats, before they are brought into range and put together with what stays."""
        floats: Floats = self.nodes[0].array[start:stop]
        if self._shares is not None:
            share = self._shares.array[start:stop]
            floats = opacity.unmultiplied(floats, share)
            if self.behind and (share <= opacity.HIDDEN).any():
                opacity.put_hidden(floats, self.behind[0].array[start:stop], share)
        return self._selection.leave(floats) if self._selection else floats

    def _alpha(self, colours: Array, start: int, stop: int) -> Array:
        """The alpha that goes with rows of filtered colours: filtered, as it was, or full."""
        if self._shares is not None and self._treatment.filters_alpha:
            return opacity.store_opacity(self._shares.array[start:stop], colours.dtype, self.kept.white)
        share = self._share(start, stop) if self._keeps_alpha and self.kept.scale != 1 else None
        if share is not None:
            return opacity.store_opacity(share, colours.dtype, self.kept.white)
        alpha: Array = np.empty((*colours.shape[:-1], 1), colours.dtype)
        alpha[...] = self._source.array[start:stop, ..., -1:] if self._keeps_alpha else self.kept.white
        return alpha
