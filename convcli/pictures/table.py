"""What is asked of formats before there is a picture: which one a name means, what it holds, and its settings."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from convcli.channels import DEPTHS, Channels
from convcli.errors import ImageError, UsageError, suggestion
from convcli.pictures.registry import FORMATS

MAX_PIXELS: Final = 1 << 30  # OpenCV's own limit, so it needs no setting of its own
WRITABLE: Final = {name: row.extensions for name, row in FORMATS.items() if row.extensions}
#: Extensions of formats that can only be read.
ONLY_READ: Final = frozenset(extension for row in FORMATS.values() for extension in row.only_read)
#: The formats with settings, the lossy ones first.
_SETTABLE: Final = sorted(
    (row for row in FORMATS.values() if row.settings), key=lambda row: "quality" not in row.settings
)


def format_of(name: str) -> str:
    """The format that a file name, an extension or a format's own name asks for.

    Raises UsageError, listing the extensions that can be written, for any other.

    >>> format_of("out.JPG"), format_of(".tif"), format_of("png")
    ('jpeg', 'tiff', 'png')
    """
    word = name.replace("\\", "/").rpartition("/")[2].lower()
    extension = "." + word.rpartition(".")[2]
    for format, extensions in WRITABLE.items():
        if extension in extensions or word == format:
            return format
    known = [extension for extensions in WRITABLE.values() for extension in extensions]
    listed = "extensions that can be written: " + " ".join(known)
    if extension in ONLY_READ:
        raise UsageError(f"{extension[1:].upper()} can be read but not written", hint=listed)
    hint = suggestion(extension, known) or listed
    fact = f"no image format has the extension '{extension}'" if "." in word else f"'{name}' has no image extension"
    raise UsageError(fact, hint=hint)


def check_shape(shape: Sequence[int], dtype: Any, format: str, place: str, channels: Channels | None = None) -> None:
    """Raise ImageError where a format can't hold the depth, channels or size of a picture (height, width, channels).

    `channels` say what those are; None: what so many mostly are.
    """
    height, width, count = shape
    channels = channels or Channels.of(count)
    row = FORMATS[format]
    if not height or not width:
        raise ImageError(f"a picture of {width} x {height} pixels can't be written", place=place)
    if not row.holds(dtype, channels):
        if str(dtype) in row.depths:
            known = [str(Channels.of(number)) for number in sorted(row.channels)]
            what = f"{channels}, only {', '.join(known)}{f', up to {row.bands} bands' if row.bands else ''}"
        else:
            what = f"{dtype} pixels, only " + ", ".join(sorted(row.depths, key=lambda depth: (len(depth), depth)))
        able = [other.extensions[0] for other in FORMATS.values() if other.extensions and other.holds(dtype, channels)]
        hint = "formats that can: " + " ".join(able)
        depths = {name: depth for depth, name in DEPTHS.items() if row.holds(name, channels)}
        if str(dtype) not in row.depths and depths:
            hint = f"--depth {next(iter(depths.values()))} converts it; {hint}"
        if channels.alpha and row.holds(dtype, channels.opaque):
            hint = f"--background COLOUR is laid under it, --alpha drop leaves it out; {hint}"
        raise ImageError(f"{format} can't hold {what}", place=place, hint=hint)
    if row.longest_side and max(height, width) > row.longest_side:
        fact = f"{format} can't hold {width} x {height} pixels, at most {row.longest_side:,} a side"
        raise ImageError(fact, place=place, hint="formats that can: .png .tif .npy")


def chosen_settings(format: str, options: Mapping[str, Any] | None) -> dict[str, Any]:
    """The settings of one format's encoder, by their short names.

    `options` are `quality` and `FORMAT_NAME`, such as `jpeg_progressive`; those of other formats, and a quality where
    there is none, are passed over, so that one set serves a mixed batch. A format's own goes before `quality`.

    Raises UsageError for an unknown or impossible one.
    """
    values = {name: default for name, (_, default) in FORMATS[format].settings.items()}
    for key, value in sorted((options or {}).items(), key=lambda pair: pair[0] != "quality"):
        owner, _, name = key.rpartition("_")
        known = [f"{row.name}_{name}" for row in _SETTABLE for name in row.settings]
        if key != "quality" and key not in known:
            hint = (
                " or ".join(one for one in known if one.endswith(f"_{key}"))
                or suggestion(key, known)
                or "known: quality " + " ".join(known)
            )
            raise UsageError(f"no encoder has a setting '{key}'", hint=hint)
        if name in values and owner in ("", format):
            values[name] = _checked(key, format, name, value)
    return values


def check_settings(options: Mapping[str, Any]) -> None:
    """Raise UsageError for settings that no encoder has, or that one can't take."""
    for row in _SETTABLE:
        chosen_settings(row.name, options)


def _checked(key: str, format: str, name: str, value: Any) -> Any:
    """A setting's value, if it may be that."""
    words, default = FORMATS[format].settings[name]
    if isinstance(default, str):
        if str(value) in words.replace(",", "").split() and str(value) != "or":
            return str(value)
    else:
        limits = [int(number) for number in re.findall(r"\d+", words)]
        if re.fullmatch(r"\d{1,4}", str(value)) and min(limits) <= int(value) <= max(limits):
            return int(value)
    raise UsageError(f"{key} is {words} for {format}, not {value}")
