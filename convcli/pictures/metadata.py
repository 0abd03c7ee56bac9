"""What a picture carries besides pixels, and what of it a result may keep.

A filtered picture is upright, of its own size, and looks different from its thumbnail: so the orientation becomes 1,
the size tags are renewed and thumbnails go, in EXIF and in XMP.

Source: CIPA DC-008 (Exif 2.32); Adobe XMP specification, parts 1 and 2; ICC.1:2022, section 7.2.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from convcli.pictures.format import NOTHING, Metadata

_HOLDS: Final[dict[str, frozenset[str]]] = {
    "jpeg": frozenset({"icc", "exif", "xmp", "dpi"}),
    "png": frozenset({"icc", "exif", "xmp", "dpi"}),
    "tiff": frozenset({"icc", "exif", "xmp", "dpi"}),
    "webp": frozenset({"icc", "exif", "xmp", "dpi"}),  # dpi: in the EXIF block
    "avif": frozenset({"icc", "exif", "xmp", "dpi"}),
    "bmp": frozenset({"dpi"}),
}
_NAMES: Final = {"icc": "ICC profile", "exif": "EXIF", "xmp": "XMP", "dpi": "resolution"}
_MODELS: Final = {b"RGB ": "RGB", b"GRAY": "grey", b"CMYK": "CMYK", b"Lab ": "Lab", b"XYZ ": "XYZ"}
#: The most bytes that one JPEG segment takes besides its name; ICC profiles may use 255 of them.
_JPEG_MOST: Final = {"exif": 65527, "xmp": 65504, "icc": 255 * 65519}


def fitted(metadata: Metadata, *, format: str, shape: Sequence[int]) -> tuple[Metadata, tuple[str, ...]]:
    """The metadata that a result keeps in a file of `format`, and notes on what was dropped and why.

    `shape` is the (height, width, channels) of the pixels as the file will hold them. Doing it twice changes nothing.
    """
    if not (metadata.icc or metadata.exif or metadata.xmp or metadata.dpi):
        return NOTHING, metadata.lost
    height, width, channels = shape
    notes: list[str] = []
    held = _HOLDS.get(format, frozenset())
    dropped = [name for name in _NAMES if name not in held and getattr(metadata, name)]
    if dropped:
        words = ", ".join(_NAMES[name] for name in dropped)
        notes.append(f"{words} dropped: not kept in {format} files")
    kept = Metadata(
        icc=metadata.icc if "icc" in held else b"",
        exif=metadata.exif if "exif" in held else b"",
        xmp=metadata.xmp if "xmp" in held else b"",
        dpi=metadata.dpi if "dpi" in held else None,
    )
    wrong = kept.icc and wrong_profile(kept.icc, channels)
    if wrong:
        notes.append(f"ICC profile dropped: {wrong}")
        kept = replace(kept, icc=b"")
    try:
        kept = replace(kept, exif=_exif(kept, format, width, height), xmp=_xmp(kept.xmp, width, height))
    except ValueError as error:
        notes.append(f"EXIF dropped: it is damaged, {error}")
        kept = replace(kept, exif=b"", xmp=_xmp(kept.xmp, width, height))
    if format == "jpeg":
        large = {
            name: (len(getattr(kept, name)), most)
            for name, most in _JPEG_MOST.items()
            if len(getattr(kept, name)) > most
        }
        notes += [
            f"{_NAMES[name]} dropped: it has {size:,} bytes, a JPEG file takes {most:,}"
            for name, (size, most) in large.items()
        ]
        kept = replace(
            kept,
            icc=b"" if "icc" in large else kept.icc,
            exif=b"" if "exif" in large else kept.exif,
            xmp=b"" if "xmp" in large else kept.xmp,
        )
    return kept, (*metadata.lost, *notes)


def wrong_profile(icc: bytes, channels: int) -> str:
    """Why an ICC profile does not describe a picture of 1 to 4 channels; empty where it does."""
    if len(icc) < 132 or icc[36:40] != b"acsp":
        return "it is damaged"
    model = _MODELS.get(icc[16:20], repr(icc[16:20])[2:-1].strip())
    picture = "grey" if channels <= 2 else "RGB"
    return "" if model == picture else f"it is for {model}, the result is {picture}"


def _exif(metadata: Metadata, format: str, width: int, height: int) -> bytes:
    dpi = metadata.dpi if format in ("webp", "avif") else None
    if not metadata.exif and not dpi:
        return b""
    from convcli.pictures.formats.tiff import exif

    return exif.renewed(metadata.exif or exif.EMPTY, width=width, height=height, dpi=dpi)


def _xmp(packet: bytes, width: int, height: int) -> bytes:
    """An XMP packet (UTF-8) with orientation and size renewed, without thumbnails and pointers to lost parts."""
    if not packet:
        return packet
    values = {
        b"tiff:Orientation": b"1",
        b"tiff:ImageWidth": b"%d" % width,
        b"tiff:ImageLength": b"%d" % height,
        b"exif:PixelXDimension": b"%d" % width,
        b"exif:PixelYDimension": b"%d" % height,
    }
    for name, value in values.items():
        packet = re.sub(name + rb"""(\s*=\s*)(["'])\s*\d+\s*\2""", name + rb"\g<1>\g<2>" + value + rb"\g<2>", packet)
        packet = re.sub(b"<" + name + rb">\s*\d+\s*</", b"<" + name + b">" + value + b"</", packet)
    packet = re.sub(rb"xmpNote:HasExtendedXMP\s*=\s*(?:\"[^\"]{0,64}\"|'[^']{0,64}')", b"", packet)
    for name in (b"xmp:Thumbnails", b"xap:Thumbnails", b"xmpNote:HasExtendedXMP"):
        packet = _without_element(packet, name)
    return packet


def _without_element(packet: bytes, name: bytes) -> bytes:
    """XML without the elements of that name, which don't nest."""
    pieces, at = [], 0
    while (start := packet.find(b"<" + name + b">", at)) >= 0:
        end = packet.find(b"</" + name + b">", start)
        if end < 0:
            break
        pieces.append(packet[at:start])
        at = end + len(name) + 3
    return b"".join((*pieces, packet[at:]))
