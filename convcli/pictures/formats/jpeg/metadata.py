"""Metadata in JPEG files: application segments, and the resolution in the JFIF header.

Source: JFIF 1.02; CIPA DC-008, section 4.7; Adobe XMP specification, part 3; ICC.1:2022, annex B.
"""

from __future__ import annotations

import re
import struct
from typing import Final

from convcli.pictures.format import EXIF_MARK, NOTHING, Metadata
from convcli.pictures.formats.jpeg.segments import exif_of, segments
from convcli.pictures.formats.tiff import directories

_XMP: Final = b"http://ns.adobe.com/xap/1.0/\0"
_MORE_XMP: Final = b"http://ns.adobe.com/xmp/extension/\0"
_ICC: Final = b"ICC_PROFILE\0"
_FURTHER: Final = "further pictures in it (previews, depth, gain maps) dropped"
#: Kinds of application segments, how they begin, and what is lost with them; nothing with those without words.
_KINDS: Final = (
    (0xE0, (b"JFIF\0", b"JFXX\0", b"AVI1"), ""),
    (0xEE, (b"Adobe",), ""),
    (0xED, (b"Photoshop 3.0", b"Adobe_Photoshop"), "Photoshop and IPTC records dropped"),
    (0xED, (b"Adobe_CM",), ""),
    (0xE1, (_MORE_XMP,), "extended XMP dropped"),
    (0xE1, (_XMP,), "a second XMP packet dropped"),
    (0xE1, (b"FLIR\0",), "thermal data (FLIR) dropped"),
    (0xE2, (b"MPF\0", b"urn:iso:std:iso:ts:21496:-1"), _FURTHER),
)
_ICC_PART: Final = 65519


def metadata(data: bytes) -> Metadata:
    """What the segments before the first scan carry."""
    xmp, dpi = b"", None
    blocks: list[bytes] = []
    parts: dict[int, bytes] = {}
    comments: list[str] = []
    lost: list[str] = []
    others: list[str] = []
    for marker, at, end in segments(data):
        content = data[at + 4 : end]
        if marker == 0xE0 and content.startswith(b"JFIF\0"):
            unit, across, down = struct.unpack_from(">BHH", content, 7)
            scale = {1: 1.0, 2: 2.54}.get(unit, 0)
            dpi = (across * scale, down * scale) if scale and across and down else None
        elif marker == 0xE1 and content.startswith(EXIF_MARK):
            blocks.append(content[6:])
        elif marker == 0xE1 and content.startswith(_XMP) and not xmp:
            xmp = content[len(_XMP) :]
        elif marker == 0xE2 and content.startswith(_ICC):
            parts[content[12]] = content[14:]
        elif marker == 0xFE:
            comments.append(_text(content))
        elif 0xE0 <= marker <= 0xEF:
            words = _known(marker, content)
            if words is None:
                others.append(_named(marker, content))
            else:
                lost.append(words)
    block, left = exif_of(blocks)
    if others:
        lost.append(f"records of other kinds ({', '.join(dict.fromkeys(others))}) dropped")
    return Metadata(
        icc=b"".join(parts[number] for number in sorted(parts)), exif=block, xmp=xmp, dpi=dpi or directories.dpi(block),
        texts=tuple(("Comment", comment) for comment in comments if comment),
        lost=tuple(word for word in dict.fromkeys((*lost, left)) if word),
    )  # fmt: skip


def _known(marker: int, content: bytes) -> str | None:
    """What is lost with an application segment of a known kind, empty for nothing; None where the kind is not known."""
    for known, starts, words in _KINDS:
        if marker == known and content.startswith(starts):
            return words
    if marker == 0xEB and content[:2] == b"JP":
        return "content credentials (C2PA) dropped" if b"c2pa" in content else "JUMBF records dropped"
    if marker == 0xEC and content.startswith(b"Ducky"):  # a quality, and behind it what a user may have written
        return "comment or copyright of Photoshop (Ducky) dropped" if content[13:15] > b"\0\0" else ""
    return None


def _named(marker: int, content: bytes) -> str:
    """An application segment of a kind that is not known, by its number and what it begins with."""
    name = re.match(rb"[!-~]{2,20}", content)
    return f"APP{marker - 0xE0}" + (f" {name[0].decode('ascii')}" if name else "")


def _text(content: bytes) -> str:
    """A comment, whose encoding nothing says."""
    content = content.rstrip(b"\0")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def described(head: bytes, metadata: Metadata) -> bytes:
    """The start of a file with metadata behind its JFIF header, which OpenCV writes first; the resolution into it."""
    if head[2:4] != b"\xff\xe0" or metadata == NOTHING:
        return head
    end = 4 + int.from_bytes(head[4:6], "big")
    first = bytearray(head[:end])
    if metadata.dpi and all(1 <= round(side) <= 65535 for side in metadata.dpi):
        struct.pack_into(">BHH", first, 13, 1, *(round(side) for side in metadata.dpi))
    contents = [(0xE1, EXIF_MARK + metadata.exif)] if metadata.exif else []
    if metadata.xmp:
        contents.append((0xE1, _XMP + metadata.xmp))
    starts = range(0, len(metadata.icc), _ICC_PART)
    for number, start in enumerate(starts, 1):
        part = metadata.icc[start : start + _ICC_PART]
        contents.append((0xE2, _ICC + bytes([number, len(starts)]) + part))
    contents += [(0xFE, text.encode("utf-8")) for _, text in metadata.texts]
    pieces = [struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content for marker, content in contents]
    return b"".join((bytes(first), *pieces, head[end:]))
