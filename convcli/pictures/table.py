"""The formats of output files: which one a name asks for, and what each can hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from convcli.engine.dtypes import dtype_name
from convcli.errors import ImageError, UsageError, suggestion

WRITABLE: Final[dict[str, tuple[str, ...]]] = {
    "png": (".png",),
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "webp": (".webp",),
    "tiff": (".tif", ".tiff"),
    "bmp": (".bmp", ".dib"),
    "pnm": (".ppm", ".pgm", ".pnm"),
    "pam": (".pam",),
    "pfm": (".pfm",),
    "jp2": (".jp2",),
    "avif": (".avif",),
    "npy": (".npy",),
}

#: Extensions of formats that can only be read, and why where there is more to say of it.
ONLY_READ: Final = {
    ".gif": ": its 256 colours spoil a filtered picture", ".hdr": "", ".ras": "", ".sr": "", ".pbm": "", ".j2k": "",
}  # fmt: skip

# Depths and numbers of channels. Grey and alpha is RGBA in webp, bmp, jp2 and avif files, grey is RGB in webp.
_HOLDS: Final[dict[str, tuple[frozenset[str], frozenset[int]]]] = {
    "png": (frozenset({"uint8", "uint16"}), frozenset({1, 2, 3, 4})),
    "jpeg": (frozenset({"uint8"}), frozenset({1, 3})),
    "webp": (frozenset({"uint8"}), frozenset({1, 2, 3, 4})),
    "tiff": (
        frozenset({"uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"}),
        frozenset({1, 2, 3, 4}),
    ),
    "bmp": (frozenset({"uint8"}), frozenset({1, 2, 3, 4})),
    "pnm": (frozenset({"uint8", "uint16"}), frozenset({1, 3})),
    "pam": (frozenset({"uint8", "uint16"}), frozenset({1, 2, 3, 4})),
    "pfm": (frozenset({"float32"}), frozenset({1, 3})),
    "jp2": (frozenset({"uint8", "uint16"}), frozenset({1, 2, 3, 4})),
    "avif": (frozenset({"uint8"}), frozenset({1, 2, 3, 4})),
}
_LONGEST_SIDE: Final = {"jpeg": 65500, "webp": 16383, "avif": 65535}
_CHANNELS: Final = {1: "grey", 2: "grey and alpha", 3: "RGB", 4: "RGBA"}


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
        raise UsageError(f"{extension[1:].upper()} can be read but not written{ONLY_READ[extension]}", hint=listed)
    hint = suggestion(extension, known) or listed
    fact = f"no image format has the extension '{extension}'" if "." in word else f"'{name}' has no image extension"
    raise UsageError(fact, hint=hint)


def holds(format: str, dtype: Any, channels: int) -> bool:
    """Whether a format keeps pixels of a dtype (a numpy dtype or its name) and that many channels."""
    if format == "npy":
        return True
    depths, counts = _HOLDS[format]
    return dtype_name(dtype) in depths and channels in counts


def check_shape(shape: Sequence[int], dtype: Any, format: str, place: str) -> None:
    """Raise ImageError where a format can't hold the depth, channels or size of a picture (height, width, channels)."""
    height, width, channels = shape
    if not height or not width:
        raise ImageError(f"a picture of {width} x {height} pixels can't be written", place=place)
    if not holds(format, dtype, channels):
        able = [names[0] for other, names in WRITABLE.items() if holds(other, dtype, channels)]
        depths, counts = _HOLDS[format]
        if dtype_name(dtype) in depths:
            what = f"{_CHANNELS.get(channels, f'{channels} channels')}, only " + ", ".join(
                _CHANNELS[count] for count in sorted(counts)
            )
        else:
            what = f"{dtype} pixels, only " + ", ".join(sorted(depths, key=lambda depth: (len(depth), depth)))
        hint = "formats that can: " + " ".join(able)
        if channels in (2, 4) and holds(format, dtype, channels - 1):
            hint = f"--background COLOUR is laid under it, --alpha drop leaves it out; {hint}"
        raise ImageError(f"{format} can't hold {what}", place=place, hint=hint)
    longest = _LONGEST_SIDE.get(format)
    if longest and max(height, width) > longest:
        fact = f"{format} can't hold {width} x {height} pixels, at most {longest:,} a side"
        raise ImageError(fact, place=place, hint="formats that can: .png .tif .npy")
