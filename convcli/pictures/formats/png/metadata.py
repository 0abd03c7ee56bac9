"""Metadata in PNG files: the chunks iCCP, eXIf, iTXt (XMP) and pHYs.

Source: PNG, third edition, section 11.3; Adobe XMP specification, part 3.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

from convcli.pictures.format import EXIF_MARK, INCH, Metadata
from convcli.pictures.formats.png import structure
from convcli.pictures.formats.tiff import directories

_XMP: Final = b"XML:com.adobe.xmp"
_MOST_INFLATED: Final = 1 << 26


def metadata(data: bytes) -> Metadata:
    """What stands in the chunks of a file, before and behind its pixels."""
    blocks: dict[str, bytes] = {}
    dpi = None
    kinds = set()
    for kind, start, end in structure.walked(structure.reader(data), len(data)):
        content = data[start:end] if kind not in (b"IDAT", b"fdAT") else b""
        kinds.add(kind)
        if kind == b"iCCP":
            blocks["icc"] = _inflated(content[content.index(b"\0") + 2 :])
        elif kind == b"eXIf":
            blocks["exif"] = content.removeprefix(EXIF_MARK)
        elif kind == b"iTXt" and content.startswith(_XMP + b"\0"):
            blocks["xmp"] = _text(content)
        elif kind == b"pHYs" and end - start == 9 and content[8] == 1:
            across, down = (round(side * INCH, 2) for side in struct.unpack_from(">II", content))
            dpi = (across, down) if across and down else None
        elif kind == b"gAMA" and not 45000 <= int.from_bytes(content, "big") <= 46000:
            blocks["gamma"] = content
    lost = []
    gamma = blocks.pop("gamma", b"")
    if gamma and not {b"iCCP", b"sRGB", b"cICP"} & kinds:
        lost.append(f"gamma of {int.from_bytes(gamma, 'big') / 1e5:g} dropped")
    if b"cICP" in kinds:
        lost.append("colour space (cICP) dropped")
    return Metadata(**blocks, dpi=dpi or directories.dpi(blocks.get("exif", b"")), lost=tuple(lost))


def _text(content: bytes) -> bytes:
    """The text of an iTXt chunk: keyword, 0, compressed, method, language, 0, translated keyword, 0, text."""
    rest = content[len(_XMP) + 1 :]
    text = rest[2:].split(b"\0", 2)[2]
    return _inflated(text) if rest[0] else text


def _inflated(packed: bytes) -> bytes:
    return zlib.decompressobj().decompress(packed, _MOST_INFLATED)


def chunks(metadata: Metadata) -> bytes:
    """The chunks iCCP, pHYs, eXIf and iTXt for what is there of metadata; all of them may stand behind the header."""
    contents = []
    if metadata.icc:
        contents.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc)))
    if metadata.dpi:
        across, down = (min(round(side / INCH), 0x7FFFFFFF) for side in metadata.dpi)
        contents.append((b"pHYs", struct.pack(">IIB", across, down, 1)))
    if metadata.exif:
        contents.append((b"eXIf", metadata.exif))
    if metadata.xmp:
        contents.append((b"iTXt", _XMP + bytes(5) + metadata.xmp))
    return b"".join(structure.chunk(kind, content) for kind, content in contents)
