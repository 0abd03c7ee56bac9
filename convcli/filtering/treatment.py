"""Which channels of a picture are filtered, in which light, and what becomes of alpha: stages around the chain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from convcli.engine.dtypes import limits, work_dtype
from convcli.errors import ShapeError, UsageError, suggestion
from convcli.filtering.chain import (
    Filtered,
    after_chain,
    filter_picture,
    picture_axes,
    started,
    through_alpha,
    together,
)
from convcli.filtering.ranges import store
from convcli.filtering.stages import describe
from convcli.ops import Kernel
from convcli.records import record

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, DTypeLike, Floats


ALPHA: Final = ("filter", "keep", "drop")
CHANNELS: Final = ("all", "luma", "r", "g", "b", "alpha")
_COLOURS: Final = "rgb"


@record
class Treatment:
    """What is filtered of a picture, and how.

    `channels` is "all", "luma" or some of r, g, b, alpha: the others stay as they are, and kernels must keep the size.
    `alpha` is filtered with the colours, kept as it is, or dropped before filtering. `background`, R, G, B from 0 to 1,
    is laid under a picture with alpha first, which has none then. `linear`: integer samples are filtered as linear
    light, by sRGB's transfer function; floats are linear already.
    """

    channels: tuple[str, ...] = ("all",)
    alpha: str = "filter"
    background: tuple[float, float, float] | None = None
    linear: bool = False

    def __post_init__(self) -> None:
        """Raises UsageError for what can't go together."""
        for name in self.channels:
            if name not in CHANNELS:
                hint = suggestion(name, CHANNELS) or f"known: {', '.join(CHANNELS)}"
                raise UsageError(f"no channel is called '{name}'", hint=hint)
        if len(self.channels) > 1 and {"all", "luma"} & set(self.channels):
            raise UsageError(f"channels {','.join(self.channels)}: all and luma stand alone")
        if self.linear and "luma" in self.channels:
            hint = "leave one of them out"
            raise UsageError(
                "luma is made of encoded values, not of linear light: --channels luma, --linear", hint=hint
            )
        if "alpha" in self.channels and self.alpha != "filter":
            raise UsageError(f"--channels alpha filters alpha, --alpha {self.alpha} does not")


PLAIN: Final = Treatment()


def filter_treated(
    pixels: Array, kernels: Sequence[Kernel], mode: str, treatment: Treatment, *, counted: bool = True
) -> Filtered:
    """The chain on a picture (height, width, 1 to 4 channels), as `filter_picture` does it, with a treatment.

    Pictures of one size stacked along a first axis are filtered as a volume.

    Raises ShapeError where a channel is missing, or kernels change the size of a picture some of which is to stay.
    """
    if drops_alpha(pixels.shape[-1], treatment):
        pixels = np.ascontiguousarray(pixels[..., :-1])
    if is_plain(pixels, treatment):
        return filter_picture(pixels, kernels, mode, counted=counted)
    return _treated(pixels, kernels, mode, treatment)


def drops_alpha(channels: int, treatment: Treatment) -> bool:
    """Whether alpha is to be left out before anything else."""
    return channels in (2, 4) and treatment.alpha == "drop" and treatment.background is None


def is_plain(pixels: Array, treatment: Treatment) -> bool:
    """Whether a picture, without an alpha that is dropped, is filtered as if there were no treatment."""
    stays = pixels.shape[-1] in (2, 4) and (treatment.alpha == "keep" or treatment.background is not None)
    whole = treatment.channels == ("all",) or (treatment.channels == ("luma",) and pixels.shape[-1] == 1)
    return whole and not stays and not is_linear(pixels, treatment)


def is_linear(pixels: Array, treatment: Treatment) -> bool:
    """Whether samples are decoded to linear light first."""
    return treatment.linear and pixels.dtype.kind != "f"


def outcome(
    shape: Sequence[int], dtype: DTypeLike, kernels: Sequence[Kernel], mode: str, treatment: Treatment
) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """The shape and dtype that `filter_treated` makes of pixels of these, and the channels that leave the chain.

    Raises ShapeError where a kernel doesn't fit.
    """
    given = np.dtype(dtype)
    axes = "zyx" if len(shape) == 4 else "yx"
    has_alpha = shape[-1] in (2, 4)
    colours = shape[-1] - has_alpha
    keeps_alpha = has_alpha and treatment.alpha != "drop" and treatment.background is None
    if treatment.background is not None and has_alpha and colours == 1 and len(set(treatment.background)) > 1:
        colours = 3  # a grey picture over a colour
    chosen = set(treatment.channels)
    if chosen == {"luma"} and colours == 1 and not keeps_alpha:
        chosen = {"all"}
    enters = 1 if chosen == {"luma"} else colours if chosen == {"all"} else len(chosen & set(_COLOURS)) or colours
    expected = kernels[0].channels
    if enters == 1 and chosen == {"all"} and expected is not None and expected[0] == 3:
        enters = 3
    last = describe(kernels, shape[:-1], axes, enters)[-1]
    leaves = last.channels_out if chosen == {"all"} else colours
    kept = np.dtype(np.float32) if mode == "float" and given.kind != "f" else given
    return (*last.size_out, leaves + keeps_alpha), kept, last.channels_out


def _treated(pixels: Array, kernels: Sequence[Kernel], mode: str, treatment: Treatment) -> Filtered:
    from convcli.filtering import colour

    begun = started()
    top = white(pixels.dtype)
    x, alpha = in_light(pixels, treatment, kernels)
    picked, places = channels_picked(x, treatment, has_alpha=alpha is not None)
    stages = describe(kernels, picked.shape[:-1], picture_axes(picked), picked.shape[-1])
    made = (*stages[-1].size_out, stages[-1].channels_out)
    check_fits(picked.shape, made, treatment, has_alpha=alpha is not None)
    share: Floats | None = None
    if alpha is None or (alpha.min() == top and alpha.max() == top):
        straight = after_chain(picked, kernels, stages)
    else:
        straight, share = through_alpha(picked, alpha, kernels, stages, top)
    result = merged(x, picked, straight, places, treatment)
    if is_linear(pixels, treatment):
        result = colour.in_bands(lambda band: out_of_light(band, top), result)
    kept = store(np.ascontiguousarray(result), mode, pixels.dtype)
    if alpha is None:
        return together(kept.out, stages, [kept], begun)
    opacity = opacity_kept(kept.out, alpha, share, treatment, top)
    return together(np.concatenate([kept.out, opacity], axis=-1), stages, [kept], begun)


def filters_alpha(treatment: Treatment) -> bool:
    """Whether alpha, where there is one, is filtered."""
    return treatment.alpha == "filter" and bool({"all", "alpha"} & set(treatment.channels))


def opacity_kept(colours: Array, alpha: Array, share: Floats | None, treatment: Treatment, top: float) -> Array:
    """The alpha channel that goes with filtered colours: filtered (`share`, 0 to 1), or as it was."""
    if share is not None and filters_alpha(treatment):
        from convcli.filtering.opacity import store_opacity

        return store_opacity(share, colours.dtype, top)
    opacity = np.empty((*colours.shape[:-1], 1), colours.dtype)
    opacity[...] = alpha if treatment.channels != ("all",) or not filters_alpha(treatment) else top
    return opacity


def out_of_light(values: Floats, top: float) -> Floats:
    """Linear light, 0 to `top`, as sRGB values."""
    from convcli.filtering import colour

    brightest = values.dtype.type(top)
    return colour.encoded(values / brightest) * brightest


def in_light(pixels: Array, treatment: Treatment, kernels: Sequence[Kernel]) -> tuple[Floats, Array | None]:
    """The colours as floats, over the background if there is one, and alpha if there still is any.

    Grey becomes three channels where all of them go to a filter bank for three.
    """
    x, alpha = _over_background(pixels, treatment, white(pixels.dtype), light=is_linear(pixels, treatment))
    expected = kernels[0].channels
    if treatment.channels == ("all",) and x.shape[-1] == 1 and expected is not None and expected[0] == 3:
        x = np.repeat(x, 3, axis=-1)
    return x, alpha


def _over_background(pixels: Array, treatment: Treatment, top: float, *, light: bool) -> tuple[Floats, Array | None]:
    from convcli.filtering import colour

    colours, alpha = (pixels[..., :-1], pixels[..., -1:]) if pixels.shape[-1] in (2, 4) else (pixels, None)
    work = work_dtype(pixels.dtype)
    x: Floats = colour.linear_light(colours, int(top)) if light else colours.astype(work)
    if alpha is None or treatment.background is None:
        return x, alpha
    under = np.array(treatment.background, work)
    if x.shape[-1] == 1 and under.min() == under.max():
        under = under[:1]
    if light:
        under = colour.decoded(under)
    return colour.over(x, alpha.astype(work) / work.type(top), under * work.type(top)), None


def check_fits(given: Sequence[int], made: Sequence[int], treatment: Treatment, *, has_alpha: bool) -> None:
    """Raises ShapeError where a result of this shape can't be put together with what stays as it was."""
    stays = treatment.channels != ("all",) or (has_alpha and not filters_alpha(treatment))
    if stays and tuple(made[:-1]) != tuple(given[:-1]):
        sizes = ["x".join(map(str, shape[-2::-1])) for shape in (given, made)]
        fact = f"the kernel makes {sizes[1]} pixels of {sizes[0]}, some channels of which are to stay as they are"
        raise ShapeError(fact, hint="--channels all --alpha filter takes any kernel")
    before, after = given[-1], made[-1]
    if treatment.channels != ("all",) and before != after:
        fact = f"the kernel makes {after} channels of {before}, which can't be put back"
        raise ShapeError(fact, hint="--channels all takes any kernel")
    if has_alpha and after not in (1, 3):
        fact = f"{after} channels leave no picture that alpha could belong to"
        raise ShapeError(fact, hint="--alpha drop removes the alpha channel first")


def channels_picked(x: Floats, treatment: Treatment, *, has_alpha: bool) -> tuple[Floats, list[int]]:
    """What goes through the chain, and the places of its channels in the picture; none for luma."""
    from convcli.filtering import colour

    channels = x.shape[-1]
    if treatment.channels == ("luma",) and channels == 3:
        return colour.luma(x), []
    if treatment.channels in (("all",), ("luma",)):
        return x, list(range(channels))
    for name in treatment.channels:
        if (name == "alpha" and not has_alpha) or (name in _COLOURS and channels == 1):
            kind = "a grey picture" if channels == 1 else "an RGB picture"
            raise ShapeError(f"{kind}{' with alpha' if has_alpha else ''} has no channel '{name}'")
    places = [_COLOURS.index(name) for name in treatment.channels if name in _COLOURS]
    return (np.ascontiguousarray(x[..., places]), places) if places else (x, [])


def merged(x: Floats, picked: Floats, straight: Floats, places: list[int], treatment: Treatment) -> Floats:
    """The picture with what was filtered put back."""
    if treatment.channels == ("all",):
        return straight
    if treatment.channels == ("luma",) and x.shape[-1] == 3:
        return x + (straight - picked)
    if not places:
        return x
    result = x.copy()
    result[..., places] = straight
    return result


def white(dtype: DTypeLike) -> float:
    """The value of white, and of full opacity."""
    return 1.0 if np.dtype(dtype).kind == "f" else limits(dtype)[1]


def parse_channels(text: str) -> tuple[str, ...]:
    """Names of channels joined by commas, in small letters: "r,g" is ("r", "g")."""
    return tuple(dict.fromkeys(name.strip().lower() for name in text.split(",")))
