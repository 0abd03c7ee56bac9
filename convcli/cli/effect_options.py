"""Options of `convcli apply` that say how much of the filter, from which change on, and where."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from convcli.cli.options import Positive, headed, together
from convcli.errors import UsageError

if TYPE_CHECKING:
    from convcli.filtering.effect import Effect
    from convcli.ops.tensors import Tensor

#: A larger amount without a per cent sign is one that lacks it.
LARGEST = 20


class Share(click.ParamType[float]):
    """A number, or per cent."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value).strip()
        try:
            number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            self.fail(f"'{value}' is neither a number nor per cent, such as 0.5 or 50%", param, ctx)
        return number


_option = headed("Effect")
effect_options = together(
    _option("--amount", type=Share(), metavar="SHARE", help="How much of it: 50% is half, 150% exaggerates."),
    _option(
        "--threshold", type=Share(), metavar="SHARE",
        help="Leave samples that would change by less: 5% or 0.05 of white, or a number of samples from 1 on.",
    ),
    _option("--region", metavar="WxH+X+Y", help="Only in this rectangle, in pixels, or 50%x50%+X+Y."),
    _option("--where", metavar="PICTURE", help="Only where this picture or .npy array is white: its alpha, or grey."),
    _option(
        "--nodata", type=float, metavar="NUMBER",
        help="Samples of this number, or nan, are missing: the others' weights make up for them.",
    ),
    _option("--feather", type=Positive(), metavar="PIXELS", help="Soften the edge of the region, or of that picture."),
)  # fmt: skip


def effect(options: Mapping[str, Any]) -> Effect | None:
    """The effect that the options' values make, if they say one. Raises UsageError, and ImageError for a mask."""
    said = [name for name in ("amount", "threshold", "region", "where", "feather") if options[name] is not None]
    if not said:
        return None
    from convcli.filtering.effect import Effect, Region

    amount, threshold = options["amount"], options["threshold"]
    if amount is not None and abs(amount) > LARGEST:
        raise UsageError(f"--amount {amount:g} is {100 * amount:g} %", hint=f"--amount {amount:g}%")
    if threshold is not None and threshold < 0:
        raise UsageError(f"--threshold {threshold:g} is below 0", hint="--threshold 5%")
    return Effect(
        amount=1.0 if amount is None else amount, threshold=threshold or 0.0, feather=options["feather"] or 0.0,
        region=Region.parse(options["region"]) if options["region"] is not None else None,
        where=None if options["where"] is None else mask_of(options["where"]),
    )  # fmt: skip


def mask_of(name: str) -> Tensor:
    """The shares in a picture, (height, width), its alpha where it has one, else its grey; or those in an array file.

    Raises ImageError for what holds neither, UsageError for numbers that are no shares.
    """
    from convcli.errors import ImageError
    from convcli.filtering.masks import shares
    from convcli.pictures import MAX_PIXELS, reading

    if name.partition("::")[0].endswith((".npy", ".npz")):
        from convcli.batch.names import inputs
        from convcli.files import npy

        return shares(npy.read_npy(inputs.read_input(name, MAX_PIXELS), place=name), place=name)
    picture = reading.from_file(name)
    pixels = picture.pixels
    if picture.channels.alpha:
        return shares(pixels[..., -1], place=name)
    if pixels.shape[-1] > 1 and (pixels != pixels[..., :1]).any():
        hint = f"convcli apply {name} -k grey -o mask.png makes grey of it"
        raise ImageError(f"a mask is grey or has alpha, this has {picture.channels}", place=name, hint=hint)
    return shares(pixels[..., 0], place=name)
