"""What a file is, by its content and never by its name, and what it says of itself."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Final

from convcli.errors import ImageError
from convcli.pictures.registry import FORMATS

if TYPE_CHECKING:
    from convcli.pictures.format import Completed, Header, Metadata

#: What readers of a file's parts raise where it is damaged.
DAMAGE: Final = (ImageError, ValueError, struct.error, IndexError, KeyError, zlib.error)
HINT: Final = "--allow-truncated uses what is there"
READABLE: Final = tuple(sorted(name for name, row in FORMATS.items() if row.decode))

_FOREIGN: Final = (
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"v/1\x01", "OpenEXR"),
    (b"8BPS", "Photoshop (PSD)"),
    (b"%PDF", "PDF"),
    (b"%!PS", "PostScript"),
    (b"\0\0\1\0", "Windows icon (ICO)"),
    (b"gimp xcf", "GIMP (XCF)"),
    (b"qoif", "QOI"),
    (b"DDS ", "DirectDraw Surface (DDS)"),
    (b"SIMPLE  =", "FITS"),
    (b"farbfeld", "farbfeld"),
    (b"II\xbc\x01", "JPEG XR"),
    (b"FUJIFILM", "camera raw"),
    (b"\x1aE\xdf\xa3", "Matroska video"),
    (b"\x1f\x8b", "gzip"),
)


#: The header that was read last, of a small file, of which several ask: its bytes and format, and what it says.
_last: tuple[bytes, str, Header | None] = (b"", "", None)
_SMALL: Final = 1 << 20


def identify(data: bytes) -> str:
    """The format of a file that can be read, one of `READABLE`, or an empty string.

    >>> identify(b"GIF89a..."), identify(b"<html>")
    ('gif', '')
    """
    for name, row in FORMATS.items():
        if row.is_start(data):
            return name
    # PNG's signature spoiled on its way, as text transfers do: said so by the check of PNG's structure.
    return "png" if data[12:16] == b"IHDR" or b"PNG" in data[:4] else ""


def format_of(data: bytes) -> str:
    """As `identify`, of a file or its first 1024 bytes; raises ImageError for one that can't be read."""
    format = identify(data)
    if not format:
        fact, advice = unknown(data)
        raise ImageError(fact, hint=advice)
    return format


def unknown(data: bytes) -> tuple[str, str]:
    """(fact, hint) about a file that is none of `READABLE`."""
    able = "formats that can be read: " + ", ".join(READABLE)
    if not data:
        return "the file is empty", ""
    if data.startswith(b"\x93NUMPY"):
        return "a NumPy array, not an image", "arrays are read as .npy files"
    for signature, name in _FOREIGN:
        if data.startswith(signature):
            return f"unsupported format: {name}", able
    if data[4:8] == b"ftyp":
        return "unsupported format: MP4 or other video", able
    if data.startswith(b"PK\3\4"):
        return "unsupported format: a zip archive", able
    start = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in start:
        return "unsupported format: SVG", able
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "not an image (looks like HTML)", ""
    if start.startswith(b"<?xml"):
        return "not an image (looks like XML)", ""
    if not any(data[:1024]):
        return "not an image (its first bytes are all zero)", ""
    if all(byte >= 32 or byte in b"\t\n\r\f\x1b" for byte in data[:1024]) and _is_utf8(data[:1024]):
        return "not an image (looks like text)", ""
    return "not an image in a known format", able


def _is_utf8(some: bytes) -> bool:
    try:
        some.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(some) - 4 and len(some) == 1024  # a character cut by our own limit
    return True


def header(data: bytes, format: str) -> Header:
    """The header of a file of that format. Raises ImageError for one that is cut short or impossible."""
    global _last
    from convcli.pictures.format import Header, TruncatedError

    known, format_then, facts = _last
    if known is data and format_then == format and facts is not None:
        return facts
    read = FORMATS[format].header
    try:
        facts = read(data) if read else Header()
        if len(data) <= _SMALL:
            _last = data, format, facts
        return facts
    except (struct.error, IndexError):
        raise TruncatedError(f"truncated {format.upper()}: it ends at byte {len(data)}") from None


def metadata(data: bytes, format: str) -> Metadata:
    """The metadata in a file of that format that was decoded; what is damaged counts as absent."""
    from convcli.pictures.format import Metadata

    read = FORMATS[format].metadata
    try:
        return read(data) if read else Metadata()
    except DAMAGE:
        return Metadata(lost=("its metadata are damaged and left out",))


def completed(data: bytes, format: str) -> Completed | None:
    """A file that was cut short, made whole enough for a decoder; None where nothing can be done.

    JPEG's missing blocks become grey (libjpeg's rule), everywhere else missing samples are 0. WebP, AVIF, JPEG 2000,
    GIF and compressed TIFF are left alone: their decoders take all or nothing.
    """
    complete = FORMATS[format].completed
    try:
        return complete(data) if complete else None
    except DAMAGE:
        return None


def hint(data: bytes, format: str) -> str:
    """How the user gets what is there of a file that was cut short, or nothing where `completed` can't help."""
    return HINT if FORMATS[format].completes or completed(data, format) is not None else ""
