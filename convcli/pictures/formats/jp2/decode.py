"""JPEG 2000 files: a codestream, alone or in the boxes of JP2; written by OpenCV.

Source: ITU-T T.800 (JPEG 2000), annex I.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Final

from convcli.errors import ImageError
from convcli.pictures.codecs import encoded, upright
from convcli.pictures.format import INCH, Decoded, Metadata, Pixels, Source, Target
from convcli.pictures.formats.boxes import Span, boxes, inside
from convcli.pictures.formats.jp2 import channels, codestream
from convcli.pictures.formats.tiff import directories
from convcli.pictures.opencv import opencv
from convcli.pictures.sniff import header

_LEAST: Final = 32  # pixels a side: OpenCV asks for five halvings, and leaves a temporary file where it fails
_UUIDS: Final = {
    b"JpgTiffExif->JP2": "exif",
    bytes.fromhex("be7acfcb97a942e89c71999491e3afac"): "xmp",
    bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38"): "IPTC records",
    bytes.fromhex("b14bf8bd083d4b43a5ae8cd7d5a6ce03"): "place on the map (GeoJP2)",
    bytes.fromhex("d8fec3d61b0e483c92975828877ec481"): "content credentials (C2PA)",
}
_LOST: Final = {b"xml ": "XML records", b"jumb": "JUMBF records", b"asoc": "associated records"}


def decode(source: Source) -> Decoded:
    data = source.data
    facts = header(data, source.format)
    source.limit(facts.width, facts.height)
    at, described = codestream.start(data), inside(data, (0, len(data)), b"jp2h")
    try:
        bits = codestream.components(data, at)
        meaning = channels.channels(data, described, bits) if at and described else channels.Channels()
    except (struct.error, IndexError, ValueError):
        raise ImageError("damaged JPEG 2000: what describes its channels is cut off") from None
    channels.check(bits, meaning)
    stream = data[at:] if at else data
    pixels = codestream.samples(source, stream, bits)
    if pixels.shape[:2] != (facts.height, facts.width):
        size = f"{pixels.shape[1]} x {pixels.shape[0]}"
        raise ImageError(f"damaged JPEG 2000: {size} pixels came of {facts.width} x {facts.height}")
    if meaning.sources:
        pixels = channels.looked_up(pixels, meaning)
        bits = [meaning.bits[column] if column >= 0 else bits[component] for component, column in meaning.sources]
    decoded = channels.coloured(pixels, bits, meaning)
    return replace(decoded, pixels=upright(decoded.pixels, directories.orientation(metadata(data).exif)))


def metadata(data: bytes) -> Metadata:
    """ICC profile, EXIF, XMP and resolution in a JP2 file's boxes."""
    blocks: dict[str, bytes] = {}
    icc, lost, streams = b"", [], 0
    for kind, (start, end) in boxes(data, 0, 0 if data.startswith(codestream.MARK) else len(data)):
        name = _UUIDS.get(data[start : start + 16], "") if kind == b"uuid" else _LOST.get(kind, "")
        if name in ("exif", "xmp"):
            blocks.setdefault(name, data[start + 16 : end])
        elif name:
            lost.append(f"{name} dropped")
        streams += kind == b"jp2c"
    if streams > 1:
        lost.append("further pictures in it dropped")
    described = inside(data, (0, len(data)), b"jp2h") or (0, 0)
    for kind, (start, end) in boxes(data, *described):
        if kind == b"colr" and data[start] in (2, 3) and data[start + 19 : start + 23] in channels.MODELS:
            icc = icc or data[start + 3 : end]
    return Metadata(
        icc=icc,
        exif=blocks.get("exif", b""),
        xmp=blocks.get("xmp", b""),
        dpi=_resolution(data, described),
        lost=tuple(dict.fromkeys(lost)),
    )


def _resolution(data: bytes, described: Span) -> tuple[float, float] | None:
    """Pixels per inch at which it is to be shown, or was captured."""
    place = inside(data, described, b"res ", b"resd") or inside(data, described, b"res ", b"resc")
    if place is None:
        return None
    down, below, across, beside, up, aside = struct.unpack_from(">HHHHbb", data, place[0])
    if not (down and below and across and beside):
        return None
    return round(across / beside * 10.0**aside * INCH, 2), round(down / below * 10.0**up * INCH, 2)


def encode(pixels: Pixels, target: Target) -> bytes:
    cv2 = opencv()
    height, width = pixels.shape[:2]
    if min(height, width) < _LEAST:
        fact = f"OpenCV can't write {width} x {height} as jp2"
        raise ImageError(fact, hint=f"it needs {_LEAST} pixels a side")
    flags = [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, target.settings["compression"]]
    return encoded(pixels, target, flags, by_header=False)
