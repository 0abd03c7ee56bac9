"""A picture as it will be: what follows from its outline, the chain and the treatment before a sample is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from convcli.channels import Channels
from convcli.engine.dtypes import work_dtype
from convcli.engine.sink import Tally
from convcli.errors import ShapeError
from convcli.files import streams
from convcli.filtering.chain import Chain, Stage, as_network
from convcli.filtering.ranges import Output, white
from convcli.filtering.treatment import PLAIN, Treatment
from convcli.records import late, record

if TYPE_CHECKING:
    from convcli.engine.dtypes import Call, DTypeLike
    from convcli.filtering import effect as effects, nodata, paging, part as parts
    from convcli.filtering.selection import Selection
else:
    effects, nodata = late("convcli.filtering.effect"), late("convcli.filtering.nodata")
    paging, parts = late("convcli.filtering.paging"), late("convcli.filtering.part")

#: Bytes of a network's maps up to which nobody asks what memory is free, which takes as long as a small picture.
_LARGE: Final = 1 << 26
#: Kinds of pictures that a chain remembers.
_ALIKE: Final = 64
#: What is said of a grey picture that goes to a filter bank for three channels.
REPEATED = "a grey picture, filtered as three equal channels"


@record
class Outline:
    """The shape and dtype of a picture (height, width, channels), a volume of such, or an array (*spatial, channels).

    `axes` are the spatial ones of an array, of whose last axis nothing is known. Of pictures and volumes they follow
    from the shape, and `channels` say what the last axis holds; None: what so many mostly are.
    """

    shape: Sequence[int]
    dtype: DTypeLike
    channels: Channels | None = None
    axes: str = ""

    @property
    def spatial(self) -> str:
        """The letters of all axes but the last."""
        return self.axes or ("zyx" if len(self.shape) == 4 else "yx")

    @property
    def meaning(self) -> Channels:
        """What the last axis holds; of arrays bands."""
        if self.axes:
            return Channels.bands(self.shape[-1])
        return self.channels or Channels.of(self.shape[-1])


class Picture:
    """A filtered picture, volume or array as its `Outline` describes it, of `shape` and `dtype`.

    `stages` are those of the chain, `leaves` the channels that leave it, `channels` what those of the result mean,
    `output` how it is stored, `notes` what is to be said of how it is filtered. `tally` counts what had to be cut off,
    and what is not finite, of the rows of the result that are there so far.
    """

    def __init__(self, outline: Outline, chain: Chain, treatment: Treatment = PLAIN, *, counted: bool = True) -> None:
        """Unless `counted`, nobody asks how many samples were cut off.

        Raises ShapeError where a kernel doesn't fit.
        """
        self.outline, self.asked, self.treatment, self.counted = outline, chain, treatment, counted
        self.axes, self.source_dtype, self.white = outline.spatial, np.dtype(outline.dtype), white(outline.dtype)
        self.output = Output.of(chain, self.source_dtype)
        self.dtype, self.tally = self.output.dtype, Tally()
        self.notes: tuple[str, ...] = ()
        self.chain = chain.mixing_within(self.output.mode)
        self._stored = outline.meaning
        means = self._stored.without_opacity if treatment.alpha == "none" else self._stored
        #: Whether colours are read multiplied by alpha.
        self.reads_premultiplied = means.alpha == "premultiplied"
        self.drops_alpha = treatment.drops_alpha(means)
        if self.drops_alpha:
            means = means.opaque
        #: What makes the result of others that are alike, once it is known that one call of a library does.
        self.calls: list[Call] = []
        #: What of it is filtered, and how, where that is not plainly all of it.
        self.selection: Selection | None = None
        #: Whether grey enters as three equal channels.
        self.is_repeated = False
        entering = self._entering(means)
        size = tuple(outline.shape[:-1])
        self.stages: tuple[Stage, ...] = self.chain.stages(size, self.axes, entering)
        self.leaves = self.stages[-1].channels_out
        #: Whether it is only to be had whole, and the bytes of what networks make on the way.
        self.sees_all, self.map_bytes = self.chain.sees_all, self.chain.map_bytes(self.stages)
        #: The shape of what enters the chain.
        self.entering = (*size, entering)
        self._check(means)
        if self.selection and self.selection.light:
            self.chain = replace(self.chain, kernels=[self.selection.lit(kernel) for kernel in self.chain.kernels])
        self.notes += self.chain.refusals(self.stages) + self.chain.remarks(self.stages)
        stays = self.selection is not None and not self.selection.everything
        self._colours = self.selection.colours if self.selection and stays else self.leaves
        self.shape = (*self.stages[-1].size_out, self._colours + self.has_alpha)
        self._enters = (*size, means.count)
        #: Whether colours leave multiplied by alpha; where they are read so that can be set to false.
        self.premultiplied = self.reads_premultiplied and self.has_alpha

    @classmethod
    def of(cls, outline: Outline, chain: Chain, treatment: Treatment = PLAIN, *, counted: bool = True) -> Picture:
        """As the constructor, for which the chain remembers others of the same outline: of a batch most are alike."""
        key = outline, treatment, counted
        known = chain.pictures.get(key)
        if known is None:
            known = cls(outline, chain, treatment, counted=counted)
            if known.map_bytes:  # for which there has to be memory each time
                return known
            if len(chain.pictures) >= _ALIKE:
                chain.pictures.clear()
            chain.pictures[key] = known
        picture = cls.__new__(cls)
        picture.__dict__.update(known.__dict__, tally=Tally())
        return picture

    def _entering(self, means: Channels) -> int:
        """How many channels enter the chain; `has_alpha` says whether there is an alpha beside them."""
        expected = self.chain.kernels[0].channels
        takes = expected[0] if expected and not self.outline.axes else None
        floats = self.source_dtype.kind == "f"
        if not self.treatment.is_plain(means, floats=floats):
            from convcli.filtering.selection import Selection

            self.selection = Selection(self.treatment, self.source_dtype, means, takes)
            self.has_alpha = self.selection.has_alpha
            self.notes = (REPEATED,) if self.selection.repeated else ()
            return self.selection.picked
        self.has_alpha, count = bool(means.alpha), means.opaque.count
        if count == 1 and takes == 3:
            self.is_repeated, self.notes = True, (REPEATED,)
            return 3
        return count

    def _check(self, means: Channels) -> None:
        """Raises ShapeError for what memory does not hold, and for an effect or a nodata value that do not fit."""
        whole = self.sees_all or len(self.axes) > 2
        free = streams.free_memory() if whole or self.map_bytes > _LARGE else 0
        if self.map_bytes > free > 0:
            taken = self.chain.least_bytes(self.stages) if paging.available() else self.map_bytes
            if taken > free:
                fact = f"the network's maps of this picture take {taken / 1e6:,.0f} MB at a time"
                wide = "narrower" if taken < self.map_bytes else "smaller"
                raise ShapeError(f"{fact}, {free / 1e6:,.0f} MB are free", hint=f"a {wide} picture, or fewer --jobs")
        if self.chain.nodata is not None:
            nodata.check(self.chain, self.treatment, means, self.source_dtype)
        if self.chain.effect:
            after = self.stages[-1].shape_out
            effects.check(self.entering, after, self.output.mode, linear=self.treatment.linear)

    @property
    def channels(self) -> Channels:
        """What the channels of the result mean: as before where they are as many, or else what so many mostly do."""
        colours = self._stored if self.treatment.alpha == "none" else self._stored.opaque
        if self._colours != colours.count:
            colours = Channels(colours=3) if self._colours == 3 else Channels.bands(self._colours)
        if not self.has_alpha:
            return colours
        return colours.with_extra("premultiplied" if self.premultiplied else "straight")

    @property
    def is_identity(self) -> bool:
        """Whether nothing is computed, and all samples stay what they are, but for an alpha that is dropped."""
        divided = self.reads_premultiplied and not self.premultiplied
        same = self.output.mode in ("clip", "float") and self.dtype == self.source_dtype and not divided
        spatial = self.shape[:-1]
        return (
            same
            and self.shape == self._enters
            and all(kernel.is_identity(spatial, self.axes) for kernel in self.chain.kernels)
        )

    @property
    def blends(self) -> bool:
        """Whether the chain's effect is one of a kernel alone, whose results are stored as they are mixed."""
        kernel, *others = self.chain.kernels
        return not others and not kernel.has_effect and not as_network(kernel) and self.output.mode in ("clip", "float")

    @property
    def is_measured(self) -> bool:
        """Whether all rows must be seen before the first of them can be stored."""
        return self.output.mode == "rescale"

    @property
    def staying(self) -> Selection | None:
        """What of a picture stays beside what is filtered, if something does."""
        return None if self.selection is None or self.selection.everything else self.selection

    @property
    def keeps_alpha(self) -> bool:
        """Whether there is an alpha that stays as it was."""
        return self.selection is not None and self.selection.keeps_alpha

    @property
    def uses_alpha(self) -> bool:
        """Whether what is selected is made with alpha."""
        return bool(self._stored.alpha) and (self.treatment.background is not None or self.reads_premultiplied)

    @property
    def place(self) -> parts.Place | None:
        """The rows and columns that are computed, where all others stay as they are; None where all are computed."""
        divided = self.drops_alpha and self.reads_premultiplied
        dtype = work_dtype(self.source_dtype) if divided else self.source_dtype
        if not self.chain.effect or not self.is_like(self._enters, dtype):
            return None
        return parts.place_of(self.chain, self.stages, self.chain.effect, self.axes)

    @property
    def computed(self) -> tuple[Stage, ...]:
        """The stages with the multiply-accumulates of what is computed."""
        if not (place := self.place):
            return self.stages
        size = tuple(side.stop - side.start for side in place)
        computed = self.chain.stages(size, self.axes, self.entering[-1])
        return tuple(replace(stage, macs=part.macs) for stage, part in zip(self.stages, computed, strict=True))

    def is_like(self, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> bool:
        """Whether samples of a source of this shape and dtype that stay as they are, are those of the result."""
        covered = self.treatment.background is not None and self._stored.alpha
        same = (shape, dtype, self.output.scale) == (self.shape, self.dtype, 1) and not covered
        return same and self.reads_premultiplied == self.premultiplied
