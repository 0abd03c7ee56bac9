"""Output files: the format that a name asks for, what each format holds, and writes that are whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from convcli import temporaries
from convcli.errors import ImageError, UsageError, suggestion

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
    hint = suggestion(extension, known) or "extensions that can be written: " + " ".join(known)
    if extension == ".gif":
        raise UsageError("GIF can be read but not written: its 256 colours spoil a filtered picture", hint=hint)
    fact = f"no image format has the extension '{extension}'" if "." in word else f"'{name}' has no image extension"
    raise UsageError(fact, hint=hint)


def holds(format: str, dtype: Any, channels: int) -> bool:
    """Whether a format keeps pixels of a dtype (a numpy dtype or its name) and that many channels."""
    if format == "npy":
        return True
    depths, counts = _HOLDS[format]
    return str(dtype) in depths and channels in counts


def check_held(pixels: NDArray[Any], format: str, place: str) -> None:
    """Raise ImageError where a format can't hold the depth, channels or size of (height, width, channels) pixels."""
    height, width, channels = pixels.shape
    if not height or not width:
        raise ImageError(f"a picture of {width} x {height} pixels can't be written", place=place)
    if not holds(format, pixels.dtype, channels):
        able = [names[0] for other, names in WRITABLE.items() if holds(other, pixels.dtype, channels)]
        depths, counts = _HOLDS[format]
        if str(pixels.dtype) in depths:
            what = f"{_CHANNELS.get(channels, f'{channels} channels')}, only " + ", ".join(
                _CHANNELS[count] for count in sorted(counts)
            )
        else:
            what = f"{pixels.dtype} pixels, only " + ", ".join(sorted(depths, key=lambda depth: (len(depth), depth)))
        hint = "formats that can: " + " ".join(able)
        if channels in (2, 4) and holds(format, pixels.dtype, channels - 1):
            hint = f"--background COLOUR is laid under it, --alpha drop leaves it out; {hint}"
        raise ImageError(f"{format} can't hold {what}", place=place, hint=hint)
    longest = _LONGEST_SIDE.get(format)
    if longest and max(height, width) > longest:
        fact = f"{format} can't hold {width} x {height} pixels, at most {longest:,} a side"
        raise ImageError(fact, place=place, hint="formats that can: .png .tif .npy")


def check_target(path: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Raise ImageError, before any work, where a file can't be written: it exists, or its folder won't take it."""
    target = Path(path)
    place = os.fspath(path)
    try:
        mode = target.lstat().st_mode
    except FileNotFoundError:
        mode = 0
    except OSError as error:
        raise _failed(place, error) from None
    if target.is_dir():
        raise ImageError("it is a folder, not a file", place=place)
    if mode and not overwrite:
        raise ImageError("it exists already", place=place, hint="--overwrite replaces it")
    if mode and target.exists() and not target.is_file():
        raise ImageError("it is a device or a pipe, not a file", place=place)
    folder = _resolved(target).parent
    if not folder.is_dir():
        fact = f"its folder '{folder}' " + ("is a file" if folder.exists() else "does not exist")
        raise ImageError(fact, place=place)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ImageError(f"its folder '{folder}' is not writable", place=place)


def write_atomically(path: str | os.PathLike[str], data: bytes | Iterable[bytes]) -> None:
    """Write a file so that it is there with all of `data` (or its pieces), or is what it was before, at any moment.

    The bytes go to a temporary file `.convcli-*.part` in the target's folder, which is then renamed. A link is written
    through; the permissions of a file that existed are kept. The temporary file goes away on any failure, also Ctrl-C.

    Raises ImageError with the system's reason.
    """
    place = os.fspath(path)
    target = _resolved(Path(path))
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        handle, temporary = temporaries.create(target.parent)
    except OSError as error:
        raise _failed(place, error) from None
    try:
        with os.fdopen(handle, "wb") as file:
            for piece in [data] if isinstance(data, bytes) else data:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
            with contextlib.suppress(FileNotFoundError):
                temporary.chmod(stat.S_IMODE(target.stat().st_mode))
            if os.name == "posix":
                temporary.replace(target)  # while it is still open, and so locked: nobody takes it for a leftover
        if os.name != "posix":
            temporary.replace(target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise _failed(place, error) from None
        raise


def _resolved(path: Path) -> Path:
    """Where a path leads through links; the path itself where that can't be told."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path


def _failed(place: str, error: OSError) -> ImageError:
    reason = error.strerror or str(error)
    return ImageError(f"can't be written: {reason[:1].lower()}{reason[1:]}", place=place)
