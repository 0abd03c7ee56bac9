"""Options of `convcli apply` for picture files: what is read, which channels are filtered, how it is written."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from convcli.cli.options import Grouped
from convcli.errors import UsageError

if TYPE_CHECKING:
    from convcli.batch.settings import PictureSettings

F = TypeVar("F", bound=Callable[..., object])

_OPTIONS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("--channels",), {
        "metavar": "NAMES", "default": "all",
        "help": "all, luma (sharpens without colour fringes), or some of r,g,b,alpha; the rest stays.",
    }),
    (("--alpha",), {
        "type": click.Choice(("filter", "keep", "drop")), "default": "filter", "show_default": True,
        "help": "Filter alpha with the colours, keep it as it is, or drop it first.",
    }),
    (("--background",), {
        "metavar": "COLOUR", "help": "Lay pictures with alpha over white, #ff8000 or 255,128,0 first.",
    }),
    (("--linear",), {"is_flag": True, "help": "Filter linear light: sRGB is decoded first, encoded after."}),
    (("--all-frames",), {
        "is_flag": True, "help": "Filter every frame or page, not only the first; with kernels along z as a volume.",
    }),
    (("--quality",), {"type": int, "metavar": "N", "help": "Of JPEG, WebP and AVIF, up to 100; 95 by default."}),
    (("-O", "--option", "options"), {
        "multiple": True, "metavar": "NAME=VALUE",
        "help": "A setting of an encoder: jpeg_progressive=1, png_compression=6, tiff_compression=deflate, ...",
    }),
    (("--max-pixels",), {
        "type": click.IntRange(min=1), "metavar": "N", "help": "Refuse larger pictures; 2^30 by default.",
    }),
    (("--allow-truncated",), {"is_flag": True, "help": "Use what is there of files that were cut short."}),
    (("--strict",), {"is_flag": True, "help": "Take damaged data that can still be decoded as an error."}),
)  # fmt: skip
_NAMES = ("channels", "alpha", "background", "linear", "all_frames", "quality", "options", "max_pixels",
          "allow_truncated", "strict")  # fmt: skip


def picture_options(function: F) -> F:
    """Options for picture files; the command gets them as one argument, `pictures`, a `PictureSettings`."""

    @functools.wraps(function)
    def command(*arguments: Any, **values: Any) -> object:
        given = {name: values.pop(name) for name in _NAMES}
        return function(*arguments, **values, pictures=picture_settings(**given))

    wrapped: Any = command
    for names, settings in reversed(_OPTIONS):
        wrapped = click.option(*names, cls=Grouped, group="Pictures", **settings)(wrapped)
    result: F = wrapped
    return result


def picture_settings(
    *, channels: str, alpha: str, background: str | None, linear: bool, all_frames: bool, quality: int | None,
    options: tuple[str, ...], max_pixels: int | None, allow_truncated: bool, strict: bool,
) -> PictureSettings:  # fmt: skip
    """The settings that the options' values make. Raises UsageError."""
    from convcli.batch.settings import PictureSettings
    from convcli.filtering.treatment import Treatment, parse_channels
    from convcli.pictures.opencv import allow_pixels
    from convcli.pictures.table import MAX_PIXELS, check_settings

    under = None
    if background:
        from convcli.filtering import colour

        under = colour.parse(background)
    chosen: dict[str, Any] = {} if quality is None else {"quality": quality}
    for option in options:
        name, equals, value = option.partition("=")
        if not equals:
            raise UsageError(f"-O {option}: a setting is NAME=VALUE", hint="-O jpeg_progressive=1")
        chosen[name.strip().replace("-", "_")] = value.strip()
    check_settings(chosen)
    allow_pixels(max_pixels or MAX_PIXELS)
    treatment = Treatment(
        channels=parse_channels(channels),
        alpha=alpha,
        background=under,
        linear=linear,
    )
    return PictureSettings(
        max_pixels=max_pixels or MAX_PIXELS,
        allow_truncated=allow_truncated,
        strict=strict,
        all_frames=all_frames,
        treatment=treatment,
        options=chosen,
    )
