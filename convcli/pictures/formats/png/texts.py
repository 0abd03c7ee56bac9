"""The texts in PNG files, and the profiles that ImageMagick, ExifTool and others write as texts of hexadecimal digits.

Source: PNG, third edition, section 11.3.3; ImageMagick, coders/png.c (raw profiles).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Final

MOST: Final = 1 << 26  # bytes that a text may have when it is inflated
_RAW: Final = "Raw profile type "
#: How keywords begin under which ImageMagick repeats what stands in the file, or tells of another.
_REPEATED: Final = ("exif:", "tiff:", "png:", "jpeg:", "date:", "Thumb::")


def text(kind: bytes, content: bytes) -> tuple[str, str]:
    """The keyword and the text of a chunk of `structure.TEXTS`. Raises ValueError or zlib.error for damage."""
    name, _, rest = content.partition(b"\0")
    keyword = name.decode("latin-1")
    if kind == b"tEXt":
        return keyword, rest.decode("latin-1")
    if kind == b"zTXt":
        return keyword, inflated(rest[1:]).decode("latin-1")
    return keyword, international(rest).decode("utf-8", "replace")


def international(rest: bytes) -> bytes:
    """The text of an iTXt chunk behind its keyword: compressed, method, language, 0, translated keyword, 0, text."""
    body = rest[2:].split(b"\0", 2)[2]
    return inflated(body) if rest[0] else body


def inflated(packed: bytes) -> bytes:
    """Raises zlib.error."""
    return zlib.decompressobj().decompress(packed, MOST)


def is_repeated(keyword: str) -> bool:
    return keyword.startswith(_REPEATED)


def profile_name(keyword: str) -> str:
    """The name of the profile that a text is; empty where it is none.

    >>> profile_name("Raw profile type exif"), profile_name("Title")
    ('exif', '')
    """
    return keyword.removeprefix(_RAW).strip().lower() if keyword.startswith(_RAW) else ""


def profile(words: str) -> bytes:
    """The bytes of a profile: a line with its name, one with its length, and its digits. Raises ValueError."""
    _, length, digits = words.split(None, 2)
    block = bytes.fromhex(digits)
    if len(block) != int(length):
        raise ValueError(f"a raw profile has {len(block)} bytes, not {length}")
    return block


def raw_exif(chunks: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The EXIF block in one of the texts; empty without one, or where it is damaged."""
    for kind, content in chunks:
        if content.startswith((b"Raw profile type exif\0", b"Raw profile type APP1\0")):
            try:
                block = profile(text(kind, content)[1])
            except (ValueError, IndexError, zlib.error):
                continue
            if block.startswith(b"Exif\0\0") or block[:2] in (b"II", b"MM"):
                return block.removeprefix(b"Exif\0\0")
    return b""
