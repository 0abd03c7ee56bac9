"""Options of `convcli apply` for picture files: what is read, which channels are filtered, how it is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from convcli.cli.options import headed, together
from convcli.errors import UsageError

if TYPE_CHECKING:
    from convcli.batch import PictureSettings

_option = headed("Pictures")
picture_options = together(
    _option(
        "--channels", metavar="NAMES", default="all",
        help="all, luma (sharpens without colour fringes), or some of r,g,b,alpha; the rest stays.",
    ),
    _option(
        "--alpha", type=click.Choice(("filter", "keep", "drop", "none")), default="filter", show_default=True,
        help="Filter alpha with the colours, keep it as it is, drop it first; none: it is no alpha but a band.",
    ),
    _option(
        "--background", metavar="COLOUR", help="Lay pictures with alpha over white, #ff8000 or 255,128,0 first."
    ),
    _option("--linear", is_flag=True, help="Filter linear light: sRGB is decoded first, encoded after."),
    _option(
        "--all-frames", is_flag=True,
        help="Filter every frame or page, not only the first; with kernels along z as a volume.",
    ),
    _option("--quality", type=int, metavar="N", help="Of JPEG, WebP and AVIF, up to 100; 95 by default."),
    _option(
        "-O", "--option", "options", multiple=True, metavar="NAME=VALUE",
        help="A setting of an encoder: jpeg_progressive=1, png_compression=6, tiff_compression=deflate, ...",
    ),
    _option("--max-pixels", type=click.IntRange(min=1), metavar="N", help="Refuse larger pictures; 2^30 by default."),
    _option("--allow-truncated", is_flag=True, help="Use what is there of files that were cut short."),
    _option("--strict", is_flag=True, help="Take damaged data that can still be decoded as an error."),
)  # fmt: skip


def picture_settings(options: Mapping[str, Any]) -> PictureSettings:
    """The settings that the options' values make. Raises UsageError."""
    from convcli.batch import PictureSettings
    from convcli.filtering import Treatment, parse_channels
    from convcli.pictures.table import MAX_PIXELS
    from convcli.start import allow_pixels

    background = None
    if options["background"]:
        from convcli.filtering import colour

        background = colour.parse(options["background"])
    encoder = _encoder_settings(options["options"], options["quality"])
    max_pixels = options["max_pixels"] or MAX_PIXELS
    allow_pixels(max_pixels)
    treatment = Treatment(
        channels=parse_channels(options["channels"]), background=background,
        **{name: options[name] for name in ("alpha", "linear")},
    )  # fmt: skip
    return PictureSettings(
        max_pixels=max_pixels, treatment=treatment, options=encoder,
        **{name: options[name] for name in ("allow_truncated", "strict", "all_frames")},
    )  # fmt: skip


def _encoder_settings(pairs: Sequence[str], quality: int | None) -> dict[str, Any]:
    """Settings of encoders by name. Raises UsageError."""
    from convcli.pictures.table import check_settings

    settings: dict[str, Any] = {} if quality is None else {"quality": quality}
    for pair in pairs:
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not equals:
            raise UsageError(f"-O {pair}: a setting is NAME=VALUE", hint="-O jpeg_progressive=1")
        name = name.replace("-", "_")
        before = settings.setdefault(name, value)
        if str(before) != value:
            fact = f"the setting {name} is '{before}' and '{value}' at once; it takes one"
            raise UsageError(fact, hint=f"--quality {value}" if name == "quality" else f"-O {name}={value}")
    check_settings(settings)
    return settings
