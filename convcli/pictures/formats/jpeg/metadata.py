"""Metadata in JPEG files: application segments, and the resolution in the JFIF header.

Source: JFIF 1.02; CIPA DC-008, section 4.7; Adobe XMP specification, part 3; ICC.1:2022, annex B.
"""

from __future__ import annotations

import struct
from typing import Final

from convcli.pictures.format import EXIF_MARK, NOTHING, Metadata
from convcli.pictures.formats.jpeg.segments import segments
from convcli.pictures.formats.tiff import directories

_XMP: Final = b"http://ns.adobe.com/xap/1.0/\0"
_MORE_XMP: Final = b"http://ns.adobe.com/xmp/extension/\0"
_ICC: Final = b"ICC_PROFILE\0"
_ICC_PART: Final = 65519


def metadata(data: bytes) -> Metadata:
    """What the segments before the first scan carry."""
    block = xmp = b""
    dpi = None
    parts: dict[int, bytes] = {}
    lost = []
    for marker, at, end in segments(data):
        content = data[at + 4 : end]
        if marker == 0xE0 and content.startswith(b"JFIF\0"):
            unit, across, down = struct.unpack_from(">BHH", content, 7)
            scale = {1: 1.0, 2: 2.54}.get(unit, 0)
            dpi = (across * scale, down * scale) if scale and across and down else None
        elif marker == 0xE1 and content.startswith(EXIF_MARK):
            block = block or content[6:]
        elif marker == 0xE1 and content.startswith(_XMP):
            xmp = xmp or content[len(_XMP) :]
        elif marker == 0xE1 and content.startswith(_MORE_XMP):
            lost.append("extended XMP dropped")
        elif marker == 0xE2 and content.startswith(_ICC):
            parts[content[12]] = content[14:]
        elif marker == 0xE2 and content.startswith(b"MPF\0"):
            lost.append("further pictures in it (previews, depth, gain maps) dropped")
        elif marker == 0xED:
            lost.append("Photoshop and IPTC records dropped")
    icc = b"".join(parts[number] for number in sorted(parts))
    return Metadata(icc=icc, exif=block, xmp=xmp, dpi=dpi or directories.dpi(block), lost=tuple(dict.fromkeys(lost)))


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
    pieces = [struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content for marker, content in contents]
    return b"".join((bytes(first), *pieces, head[end:]))
