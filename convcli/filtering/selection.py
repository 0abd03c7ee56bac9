"""What of a picture enters the chain, and how what leaves it is put together with what stays as it was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from convcli.channels import Channels
from convcli.engine.dtypes import work_dtype
from convcli.engine.geometry import constant
from convcli.errors import ShapeError
from convcli.filtering import colour, opacity
from convcli.filtering.opacity import check_channels, per_channel
from convcli.filtering.ranges import white
from convcli.filtering.treatment import COLOURS, Treatment

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, Floats
    from convcli.ops import Kernel


class Selection:
    """A treatment on pictures of `dtype` with such channels, for a chain that begins with a kernel for `expected`.

    `colours` are the channels of what is laid over the background, if there is one; `picked` those that are filtered.
    """

    def __init__(
        self, treatment: Treatment, dtype: np.dtype[np.generic], channels: Channels, expected: int | None
    ) -> None:
        self._treatment, self._channels, self._top = treatment, channels, white(dtype)
        self.light = treatment.linear and dtype.kind != "f"
        self.work = colour.light_dtype(dtype) if self.light else work_dtype(dtype)
        self.has_alpha = bool(channels.alpha) and treatment.background is None
        background, grey = set(treatment.background or ()), channels.opaque.count == 1
        tinted = bool(channels.alpha) and grey and len(background) > 1
        self.colours = 3 if tinted else channels.opaque.count
        luma = treatment.channels == ("luma",)
        self._luma = luma and self.colours == 3
        #: Whether all colours are filtered: grey is its own luma.
        self.everything = treatment.channels == ("all",) or (luma and not self._luma)
        #: Whether grey goes to a filter bank as three equal channels.
        self.repeated = self.everything and self.colours == 1 and expected == 3
        self.colours = 3 if self.repeated else self.colours
        #: The places of the channels to be filtered; none where that is luma, or all of them.
        self._places = [COLOURS.index(name) for name in treatment.channels if name in COLOURS]
        self.picked = 1 if self._luma else len(self._places) or self.colours

    @property
    def picks(self) -> bool:
        """Whether something else than all colours is filtered."""
        return self._luma or bool(self._places)

    @property
    def keeps_alpha(self) -> bool:
        """Whether there is an alpha that stays as it was."""
        return self.has_alpha and not (self.everything and self._treatment.filters_alpha)

    def check(self, before: Sequence[int], after: Sequence[int]) -> None:
        """Raises ShapeError where the picture lacks a channel, or the chain makes of what is picked, of the shape
        `before`, something that can't be put together with what stays as it was."""
        opaque = self._channels.opaque
        kind = str(opaque) if opaque.has_bands else ("a grey picture" if self.colours == 1 else "an RGB picture")
        for name in self._treatment.channels:
            grey = opaque.colours == 1 and (self.colours == 1 or opaque.has_bands)
            lacks = (name == "alpha" and not self.has_alpha) or (name in COLOURS and grey)
            if lacks or (name == "luma" and opaque.has_bands):
                of_alpha = " with alpha" if self.has_alpha else ""
                has = "have" if opaque.has_bands else "has"
                raise ShapeError(f"{kind}{of_alpha} {has} no channel '{name}'", hint="--channels all takes any picture")
        if self.light and opaque.has_bands:
            raise ShapeError(f"{kind} have no linear light, which colours have", hint="leave --linear out")
        stays = not self.everything or (self.has_alpha and not self._treatment.filters_alpha)
        if stays and tuple(after[:-1]) != tuple(before[:-1]):
            sizes = ["x".join(map(str, shape[-2::-1])) for shape in (before, after)]
            fact = f"the kernel makes {sizes[1]} pixels of {sizes[0]}, some channels of which are to stay as they are"
            raise ShapeError(fact, hint="--channels all --alpha filter takes any kernel")
        if not self.everything and before[-1] != after[-1]:
            fact = f"the kernel makes {after[-1]} channels of {before[-1]}, which can't be put back"
            raise ShapeError(fact, hint="--channels all takes any kernel")
        if self.has_alpha:
            check_channels(after[-1] if self.everything else self.colours)

    def enter(self, out: Floats, pixels: Array) -> None:
        """The colours as floats, in linear light if asked for, over the background if there is one.

        Grey becomes three channels where all of them go to a filter bank for three.
        """
        background, alpha = self._treatment.background, self._channels.alpha
        colours = pixels[..., :-1] if alpha else pixels
        if alpha == "premultiplied":
            colours = np.empty(colours.shape, self.work)
            opacity.straight(colours, pixels, self._top)
        if background is None and not self.light:
            np.copyto(out, colours)
            return
        x: Floats = colour.linear_light(colours, int(self._top)) if self.light else colours.astype(self.work)
        if background is not None and alpha:
            under = np.array(background, work_dtype(pixels.dtype))
            if x.shape[-1] == 1 and under.min() == under.max():
                under = under[:1]
            if self.light:
                under = colour.decoded(under)
            work = under.dtype.type
            x = colour.over(x, pixels[..., -1:].astype(under.dtype) / work(self._top), under * work(self._top))
        out[...] = x  # repeated where it is grey and they are three

    def lit(self, kernel: Kernel) -> Kernel:
        """A kernel for linear light: a number that lies outside is a sample, too."""
        outside = constant(kernel.border)
        if not outside:
            return kernel
        light = float(colour.decoded(np.array(outside / self._top))) * self._top
        return kernel.replace(border=f"{light:.17g}")

    def pick(self, out: Floats, x: Floats) -> None:
        """What goes through the chain, of the colours."""
        if self._luma:
            out[...] = colour.luma(x)
        for number, place in enumerate(self._places):
            out[..., number] = x[..., place]

    def merge(self, x: Floats, picked: Floats, results: Floats) -> Floats:
        """The colours, as they entered and were picked, with the results put back, which have left and are in range."""
        if self._luma:
            return per_channel(np.add, x, results - picked)
        merged = self.leave(x) if self.light else x.copy()
        for number, place in enumerate(self._places):
            merged[..., place] = results[..., number]
        return merged

    def restore(self, out: Array, pixels: Array) -> None:
        """Puts the colours that stay back as they were, to the last bit, where nothing was laid under them."""
        if self._luma or (self._treatment.background is not None and self._channels.alpha):
            return
        for place in set(range(self.colours)) - set(self._places):
            out[..., place] = pixels[..., place]

    def leave(self, floats: Floats) -> Floats:
        """Linear light as sRGB values, where that was made; others as they are."""
        if not self.light:
            return floats
        brightest = floats.dtype.type(self._top)
        return colour.encoded(floats / brightest) * brightest
