"""Where JPEG, PNG, WebP, TIFF, AVIF and BMP files keep their metadata: taken from files and put into them.

Source: JFIF 1.02; CIPA DC-008, section 4.7; Adobe XMP specification, part 3; ICC.1:2022, annex B; PNG, third edition,
section 11.3; WebP container specification (RFC 9649); TIFF Revision 6.0.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final

from convcli.pictures.format import NOTHING, Metadata
from convcli.pictures.formats.png import structure

_EXIF: Final = b"Exif\0\0"
_XMP: Final = b"http://ns.adobe.com/xap/1.0/\0"
_MORE_XMP: Final = b"http://ns.adobe.com/xmp/extension/\0"
_ICC: Final = b"ICC_PROFILE\0"
_ICC_PART: Final = 65519
_PNG_XMP: Final = b"XML:com.adobe.xmp"
_INCH: Final = 0.0254
_MOST_INFLATED: Final = 1 << 26


def read(data: bytes, format: str) -> Metadata:
    """The metadata in a file of that format that was decoded; what is damaged counts as absent."""
    readers = {"jpeg": _jpeg, "png": _png, "webp": _webp, "tiff": _tiff, "avif": _avif, "bmp": _bmp}
    try:
        return readers[format](data) if format in readers else NOTHING
    except (ValueError, struct.error, IndexError, KeyError, zlib.error):
        return Metadata(lost=("its metadata are damaged and left out",))


def put(data: bytes, format: str, metadata: Metadata) -> bytes:
    """A JPEG, PNG or BMP file just encoded, with metadata that are `fitted` put in."""
    if format == "jpeg":
        return _put_jpeg(data, metadata)
    if format == "png":
        # All of them may stand right behind the header, which ends at byte 33.
        return b"".join((data[:33], png_chunks(metadata), data[33:])) if metadata != NOTHING else data
    if format == "bmp" and metadata.dpi:
        return data[:38] + struct.pack("<ii", *(round(side / _INCH) for side in metadata.dpi)) + data[46:]
    return data


# --- JPEG -------------------------------------------------------------------------------------------------------------


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(marker, content) of a JPEG's segments before its first scan."""
    at = 2
    while True:
        at = data.index(b"\xff", at)
        marker = data[at + 1]
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD8:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in (0xDA, 0xD9):
            return
        (length,) = struct.unpack_from(">H", data, at + 2)
        yield marker, data[at + 4 : at + 2 + length]
        at += 2 + length


def _jpeg(data: bytes) -> Metadata:
    block = xmp = b""
    dpi = None
    parts: dict[int, bytes] = {}
    lost = []
    for marker, content in _segments(data):
        if marker == 0xE0 and content.startswith(b"JFIF\0"):
            unit, across, down = struct.unpack_from(">BHH", content, 7)
            scale = {1: 1.0, 2: 2.54}.get(unit, 0)
            dpi = (across * scale, down * scale) if scale and across and down else None
        elif marker == 0xE1 and content.startswith(_EXIF):
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
    return Metadata(icc=icc, exif=block, xmp=xmp, dpi=dpi or _exif_dpi(block), lost=tuple(dict.fromkeys(lost)))


def _exif_dpi(block: bytes) -> tuple[float, float] | None:
    """The resolution that an EXIF block gives."""
    if not block:
        return None
    from convcli.pictures.formats.tiff import directories, exif

    try:
        page = next(directories.directories(block), None)
    except ValueError:
        return None
    return exif.resolution(page) if page else None


def _put_jpeg(data: bytes, metadata: Metadata) -> bytes:
    """Segments behind the JFIF header, which the encoder writes first; the resolution into it."""
    if data[2:4] != b"\xff\xe0" or metadata == NOTHING:
        return data
    end = 4 + int.from_bytes(data[4:6], "big")
    head = bytearray(data[:end])
    if metadata.dpi and all(1 <= round(side) <= 65535 for side in metadata.dpi):
        struct.pack_into(">BHH", head, 13, 1, *(round(side) for side in metadata.dpi))
    contents = [(0xE1, _EXIF + metadata.exif)] if metadata.exif else []
    if metadata.xmp:
        contents.append((0xE1, _XMP + metadata.xmp))
    starts = range(0, len(metadata.icc), _ICC_PART)
    for number, start in enumerate(starts, 1):
        head_of_part = _ICC + bytes([number, len(starts)])
        contents.append((0xE2, head_of_part + metadata.icc[start : start + _ICC_PART]))
    segments = [struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content for marker, content in contents]
    return b"".join((bytes(head), *segments, data[end:]))


# --- PNG --------------------------------------------------------------------------------------------------------------


def _png(data: bytes) -> Metadata:
    found: dict[str, bytes] = {}
    dpi = None
    at, kinds = 8, set()
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        content = data[at + 8 : at + 8 + length] if kind not in (b"IDAT", b"fdAT") else b""
        at += 12 + length
        kinds.add(kind)
        if kind == b"iCCP":
            found["icc"] = _inflated(content[content.index(b"\0") + 2 :])
        elif kind == b"eXIf":
            found["exif"] = content.removeprefix(_EXIF)
        elif kind == b"iTXt" and content.startswith(_PNG_XMP + b"\0"):
            found["xmp"] = _itxt(content)
        elif kind == b"pHYs" and length == 9 and content[8] == 1:
            across, down = (round(side * _INCH, 2) for side in struct.unpack_from(">II", content))
            dpi = (across, down) if across and down else None
        elif kind == b"gAMA" and not 45000 <= int.from_bytes(content, "big") <= 46000:
            found["gamma"] = content
        elif kind == b"IEND":
            break
    lost = []
    if "gamma" in found and not {b"iCCP", b"sRGB", b"cICP"} & kinds:
        lost.append(f"gamma of {int.from_bytes(found['gamma'], 'big') / 1e5:g} dropped")
    if b"cICP" in kinds:
        lost.append("colour space (cICP) dropped")
    block = found.get("exif", b"")
    return Metadata(
        icc=found.get("icc", b""), exif=block, xmp=found.get("xmp", b""), dpi=dpi or _exif_dpi(block), lost=tuple(lost)
    )


def _itxt(content: bytes) -> bytes:
    """The text of an iTXt chunk: keyword, 0, compressed, method, language, 0, translated keyword, 0, text."""
    rest = content[len(_PNG_XMP) + 1 :]
    text = rest[2:].split(b"\0", 2)[2]
    return _inflated(text) if rest[0] else text


def _inflated(packed: bytes) -> bytes:
    return zlib.decompressobj().decompress(packed, _MOST_INFLATED)


def png_chunks(metadata: Metadata) -> bytes:
    """The chunks iCCP, pHYs, eXIf and iTXt for what is there of metadata."""
    contents = []
    if metadata.icc:
        contents.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc)))
    if metadata.dpi:
        across, down = (min(round(side / _INCH), 0x7FFFFFFF) for side in metadata.dpi)
        contents.append((b"pHYs", struct.pack(">IIB", across, down, 1)))
    if metadata.exif:
        contents.append((b"eXIf", metadata.exif))
    if metadata.xmp:
        contents.append((b"iTXt", _PNG_XMP + bytes(5) + metadata.xmp))
    return b"".join(structure.chunk(kind, content) for kind, content in contents)


# --- the others -------------------------------------------------------------------------------------------------------


def _webp(data: bytes) -> Metadata:
    found: dict[bytes, bytes] = {}
    at = 12
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        if kind in (b"ICCP", b"EXIF", b"XMP "):
            found.setdefault(kind, data[at + 8 : at + 8 + length])
        at += 8 + length + (length & 1)
    block = found.get(b"EXIF", b"").removeprefix(_EXIF)
    return Metadata(icc=found.get(b"ICCP", b""), exif=block, xmp=found.get(b"XMP ", b""), dpi=_exif_dpi(block))


def put_webp(data: bytes, metadata: Metadata) -> bytes:
    """An animated WebP file just encoded, with metadata that are `fitted` put in."""
    flags = 0x20 * bool(metadata.icc) | 0x08 * bool(metadata.exif) | 0x04 * bool(metadata.xmp)
    if data[12:16] != b"VP8X" or not flags:
        return data

    def chunk(kind: bytes, content: bytes) -> bytes:
        return kind + struct.pack("<I", len(content)) + content + bytes(len(content) & 1) if content else b""

    head = data[12:20] + bytes([data[20] | flags]) + data[21:30]
    parts = (head, chunk(b"ICCP", metadata.icc), data[30:], chunk(b"EXIF", metadata.exif), chunk(b"XMP ", metadata.xmp))
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _tiff(data: bytes) -> Metadata:
    from convcli.pictures.formats.tiff import directories, exif

    page = next(directories.directories(data))
    return Metadata(
        icc=exif.raw(page, 34675),
        exif=exif.gathered(page),
        xmp=exif.raw(page, 700),
        dpi=exif.resolution(page),
        lost=("Photoshop and IPTC records dropped",) if {33723, 34377} & set(page.entries) else (),
    )


def _avif(data: bytes) -> Metadata:
    from convcli.pictures.formats import avif

    found = avif.inspect(data)
    return Metadata(icc=found.icc, exif=found.exif, xmp=found.xmp, dpi=_exif_dpi(found.exif))


def _bmp(data: bytes) -> Metadata:
    if int.from_bytes(data[14:18], "little") < 40:
        return NOTHING
    across, down = struct.unpack_from("<ii", data, 38)
    return Metadata(dpi=(round(across * _INCH, 2), round(down * _INCH, 2)) if across > 0 and down > 0 else None)
