"""Builds the graph of a picture: nodes for what the chain makes of its samples, before any of it is computed.

Colour is multiplied by alpha before it is filtered and divided by the filtered alpha afterwards, so that the hidden
colour of transparent pixels does not bleed; only where the result is wholly transparent is hidden colour filtered on
its own. Alpha itself gets each kernel's `coverage`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from convcli.engine.dtypes import work_dtype
from convcli.engine.sink import PLAIN, Storage
from convcli.filtering import paging
from convcli.filtering.chain import as_network
from convcli.filtering.graph import Convolved, Node, Part, Pointwise
from convcli.filtering.picture import Picture
from convcli.filtering.ranges import reach, white
from convcli.filtering.result import Composed, Copied, Direct, Leaving, Result
from convcli.records import late

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, DTypeLike, Floats
    from convcli.filtering import effect as effects, networks, nodata, opacity, part as parts
    from convcli.filtering.chain import Stage
    from convcli.filtering.selection import Selection
    from convcli.networks.runnable import NetworkKernel
    from convcli.ops import Kernel
else:
    effects, networks = late("convcli.filtering.effect"), late("convcli.filtering.networks")
    nodata, parts = late("convcli.filtering.nodata"), late("convcli.filtering.part")
    opacity = late("convcli.filtering.opacity")

#: What is said of floats whose alpha is larger than what is opaque.
BEYOND = "its alpha goes beyond 1, where floats are opaque; --alpha none takes it as a band"


def build(picture: Picture, source: Node) -> Result:
    """The result of a picture whose samples are `source`.

    Raises ShapeError where the picture lacks a channel, or the chain makes something that can't be put together with
    what is to stay.
    """
    return _built(picture, source, partial(_is_opaque, source))


def _is_opaque(source: Node) -> bool:
    """Whether all of a picture's alpha is full."""
    top = white(source.dtype)
    if not source.begun:
        source.begin(paging.Paged, fine=True)
    for band, cut in enumerate(source.cuts):
        source.start({number for number in (band, band + 1) if number < len(source.cuts)})
        source.make({band})
        alpha = opacity.last_channel(source.array[slice(*cut)])
        if not (alpha.min() == top and alpha.max() == top):
            return False
        source.keep(set())
    return True


def _built(picture: Picture, source: Node, opaque: Callable[[], bool]) -> Result:
    """As `build`; `opaque` looks whether all of the alpha is full."""
    if picture.selection:
        picture.selection.check(picture.entering, picture.stages[-1].shape_out)
    elif picture.has_alpha:
        opacity.check_channels(picture.leaves)
    builder = _Builder(picture, source)
    if picture.is_identity:
        return Copied(picture, [builder.source])
    if place := picture.place:
        return _on_part(picture, source, builder.source, opaque=opaque, place=place)
    # What a border of zeros shows is transparent, too.
    zeros = any(kernel.border == "zero" and not as_network(kernel) for kernel in picture.chain.kernels)
    return builder.result(transparent=picture.has_alpha and (zeros or not opaque()))


def _on_part(picture: Picture, source: Node, rest: Node, *, opaque: Callable[[], bool], place: parts.Place) -> Result:
    """The result where only a part is computed, and the rest is a copy: of `rest`, where alpha is dropped already."""
    outline, effect = picture.outline, picture.chain.effect
    assert effect
    chain = replace(picture.asked, effect=effect.within(*place, *outline.shape[:2]))
    part = Picture(parts.outline_of(outline, place), chain, picture.treatment, counted=picture.counted)
    part.premultiplied = picture.premultiplied
    inner = _built(part, parts.Cropped(source, place), opaque)
    return parts.Pasting(picture, rest, inner, place)


class _Builder:
    """Builds the nodes of one result; `source` is what is left of the picture's samples where alpha is dropped."""

    def __init__(self, picture: Picture, source: Node) -> None:
        self._picture = picture
        self.source = self._opaque(source) if picture.drops_alpha else source
        #: Kernels whose offsets look at the picture.
        self._looking: list[Convolved] = []
        self._mask: Node | None = None

    def result(self, *, transparent: bool) -> Result:
        """The result, through an alpha that is not full where it is `transparent`."""
        picture = self._picture
        if picture.selection:
            return self._selected(picture.selection, transparent=transparent)
        colour = Part(self.source)
        if picture.has_alpha:
            colour = Part(Pointwise(opacity.colours, [colour], self.source.shape[-1] - 1, self.source.dtype))
        if picture.is_repeated:
            colour = Part(colour.node, repeated=3)
        chain = picture.chain
        mixes = (chain.effect and not picture.blends) or chain.nodata is not None
        if transparent or picture.is_measured or as_network(chain.kernels[-1]) or mixes:
            leaving = self._leaving(colour, transparent=transparent)
            return Composed(picture, self.source, leaving, looking=self._looking)
        return self._direct(colour)

    def _direct(self, colour: Part) -> Result:
        """The chain on colours, the last kernel of which makes samples."""
        picture, effect = self._picture, self._picture.chain.effect
        *kernels, kernel = picture.chain.kernels
        x = self._floats(colour, kernels, picture.stages[:-1])
        # A mask leaves results between those of the whole effect and the samples.
        mixed = kernel.replace(amount=effect.amount) if effect else kernel
        counted = picture.counted or picture.has_alpha
        storage = picture.output.storage(reach=reach(mixed, x.node.dtype), counted=counted)
        node = self._convolved(x, kernel, picture.stages[-1].shape_out, storage, picture.dtype)
        if effect:
            self._mixing(effect)
            node.mix(effect, self._mask)
        return Direct(picture, node, opaque=picture.has_alpha, mask=self._mask, looking=self._looking)

    def _opaque(self, source: Node) -> Node:
        """The colours of a picture whose alpha is dropped."""
        channels = source.shape[-1] - 1
        if self._picture.reads_premultiplied:
            divided = self._watched(partial(opacity.straight, top=self._picture.white))
            return Pointwise(divided, [Part(source)], channels, work_dtype(source.dtype))
        return Pointwise(opacity.colours, [Part(source)], channels, source.dtype)

    def _selected(self, selection: Selection, *, transparent: bool) -> Result:
        """The chain on what is selected, put together with what stays."""
        enter = self._watched(selection.enter) if self._picture.uses_alpha else selection.enter
        entered = picked = Pointwise(enter, [Part(self.source)], selection.colours, selection.work)
        if selection.picks:
            picked = Pointwise(selection.pick, [Part(entered)], selection.picked, selection.work)
        leaving = self._leaving(Part(picked), transparent=transparent)
        stays = (None, None) if selection.everything else (entered, picked)
        return Composed(self._picture, self.source, leaving, entered=stays[0], picked=stays[1], looking=self._looking)

    def _leaving(self, colour: Part, *, transparent: bool) -> Leaving:
        """The chain on colours, through alpha where it is not full, as floats."""
        picture, chain = self._picture, self._picture.chain
        if chain.nodata is not None:
            node = nodata.laid_out(colour, chain, picture.stages, picture.white, self._convolved).node
            return Leaving(colours=node)
        if transparent:
            return self._through_alpha(colour)
        filtered = self._filtered(colour, chain.kernels)
        return Leaving(colours=filtered, mask=self._mask)

    def _filtered(self, colour: Part, kernels: Sequence[Kernel]) -> Node:
        """The whole chain on colours alone."""
        effect, filtered = self._picture.chain.effect, self._floats(colour, kernels, self._picture.stages)
        return (self._mixing(effect).of(colour, filtered, self._mask) if effect else filtered).node

    def _through_alpha(self, colour: Part) -> Leaving:
        """The chain on colours multiplied by alpha, and on alpha. Colours that were read so have none hidden."""
        picture, effect = self._picture, self._picture.chain.effect
        kernels, work = picture.chain.kernels, work_dtype(colour.node.dtype)
        dull = self._watched(partial(opacity.opacity, top=picture.white))
        share: Node = Pointwise(dull, [Part(self.source)], 1, work)
        premultiplied, hidden = colour, None
        if picture.selection or not picture.reads_premultiplied:
            premultiplied = Part(Pointwise(opacity.multiplied, [colour, Part(share)], colour.channels, work))
            hidden = self._filtered(colour, [kernel.unrecorded() for kernel in kernels])
            self._looking.clear()  # what is said of offsets is said of those of what is seen
        entered = premultiplied, share
        for kernel, stage in zip(kernels, picture.stages, strict=True):
            if network := as_network(kernel):
                premultiplied, share = self._network_through_alpha(network, premultiplied, share)
            else:
                premultiplied, share = self._kernel_through_alpha(kernel, stage, premultiplied, share)
        if effect:
            mixing = self._mixing(effect)
            premultiplied, share = mixing.of_premultiplied(entered, (premultiplied, share), self._mask)
        return Leaving(colours=premultiplied.node, share=share, hidden=hidden, mask=self._mask)

    def _kernel_through_alpha(self, kernel: Kernel, stage: Stage, x: Part, x_share: Node) -> tuple[Part, Node]:
        """A kernel's bias and activation are of colour that is not multiplied by its opacity."""
        bare = kernel.bare if kernel.is_linear else kernel.bare.replace(bias=None, activation=None)
        y = Part(self._convolved(x, bare, stage.shape_out))
        covering = opacity.covering(kernel.bare)
        share: Node = self._convolved(Part(x_share), covering, (*stage.size_out, 1), guide=x)
        work = y.node.dtype
        if kernel.bias is not None:
            biased = partial(opacity.biased, bias=kernel.bias.array.reshape(-1).astype(work))
            y = Part(Pointwise(biased, [y, Part(share)], stage.channels_out, work))
        if kernel.activation is not None:
            bent = partial(opacity.bent, curve=kernel.activation.curve(work))
            y = Part(Pointwise(bent, [y, Part(share)], stage.channels_out, work))
        if kernel.has_effect:
            mixing = effects.Mixing(gain=kernel.gain, threshold=kernel.threshold, white=self._picture.white)
            return mixing.of_premultiplied((x, x_share), (y, share))
        return y, share

    def _network_through_alpha(self, network: NetworkKernel, x: Part, share: Node) -> tuple[Part, Node]:
        """A network sees colour without its opacity, which is fitted to the size that comes out.

        Where there is none, it sees the colours around: neither hidden ones nor the black of what is not there.
        """
        picture, work = self._picture, share.dtype
        near = networks.spread(network)
        parts = [x, Part(share)]
        spread = [Part(self._convolved(part, near, part.node.shape)) for part in parts]
        straight = Pointwise(opacity.filled, parts + spread, x.channels, work)
        result = networks.laid_out(network, Part(straight), picture.axes, picture.white, self._convolved)
        share = networks.enlarged(Part(share), result.node.shape[-3:-1], self._convolved).node
        return Part(Pointwise(opacity.multiplied, [result, Part(share)], result.channels, work)), share

    def _mixing(self, effect: effects.Effect) -> effects.Mixing:
        """The chain's effect, which mixes results in range; its mask is there afterwards."""
        picture = self._picture
        if effect.has_mask and self._mask is None:
            self._mask = effect.mask(picture.entering, picture.axes)
        shifts = picture.output.mode in ("abs", "offset")
        ranged = replace(picture.output.storage(), scale=1.0) if shifts else None
        return effects.Mixing(gain=effect.amount, threshold=effect.threshold, white=picture.white, ranged=ranged)

    def _watched(self, compute: Callable[[Floats, Array], None]) -> Callable[[Floats, Array], None]:
        """A step that reads alpha, which notes where that is more than opaque, as only floats can be."""
        picture = self._picture
        if picture.source_dtype.kind != "f":
            return compute

        def watching(out: Floats, pixels: Array) -> None:
            if opacity.last_channel(pixels).max(initial=0) > picture.white:
                picture.notes = tuple(dict.fromkeys((*picture.notes, BEYOND)))
            compute(out, pixels)

        return watching

    def _floats(self, part: Part, kernels: Sequence[Kernel], stages: Sequence[Stage]) -> Part:
        """A chain, or its beginning, on a part of a node, as floats; kernels hand on what the next one reads best."""
        picture = self._picture
        planes = picture.chain.planes(picture.stages, part.node.planes) if kernels else []
        for kernel, stage, in_planes in zip(kernels, stages, planes, strict=False):
            if network := as_network(kernel):
                part = networks.laid_out(network, part, picture.axes, picture.white, self._convolved)
            else:
                part = Part(self._convolved(part, kernel, stage.shape_out))
                part.node.planes = in_planes
        return part

    def _convolved(
        self, part: Part, kernel: Kernel, shape: Sequence[int], storage: Storage = PLAIN,
        dtype: DTypeLike | None = None, guide: Part | None = None,
    ) -> Convolved:  # fmt: skip
        node = Convolved(part, kernel, shape, storage, dtype, guide)
        # A network's nodes may be of one picture of several.
        node.axes = self._picture.axes[1 - len(shape) :]
        node.algorithm, node.white = self._picture.chain.algorithm, self._picture.white
        if kernel.looks and guide is None:
            self._looking.append(node)
        return node
