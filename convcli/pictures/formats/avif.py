"""AVIF: what the boxes of its files say, most of which OpenCV passes over, which decodes and encodes them.

Source: AVIF 1.1, section 2; AV1-ISOBMFF, section 2.3 (av1C); ISO/IEC 23008-12 (HEIF); ITU-T H.273 (code points).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Final

from convcli.errors import ImageError
from convcli.pictures.codecs import displayed, encoded, encoded_frames, range_notes, read
from convcli.pictures.format import EXIF_MARK, NOTHING, Animation, Decoded, Header, Metadata, Pixels, Source, Target
from convcli.pictures.formats.boxes import Item, Items, boxes, items, number, places, track
from convcli.pictures.formats.tiff import directories
from convcli.pictures.opencv import opencv
from convcli.pictures.registry import brands
from convcli.pictures.sniff import header as header_of

#: The EXIF orientation that quarter turns (irot, anticlockwise) and then a mirror (imir: 0 up-down, 1 left-right) make.
_ORIENTATIONS: Final = {
    (0, -1): 1, (1, -1): 8, (2, -1): 3, (3, -1): 6,
    (0, 0): 4, (1, 0): 5, (2, 0): 2, (3, 0): 7,
    (0, 1): 2, (1, 1): 7, (2, 1): 4, (3, 1): 5,
}  # fmt: skip
#: The same for the matrix (a, b, c, d) of a track: x' = ax + cy, y' = bx + dy.
_TURNS: Final[dict[tuple[float, float, float, float], int]] = {
    (1, 0, 0, 1): 1, (-1, 0, 0, 1): 2, (-1, 0, 0, -1): 3, (1, 0, 0, -1): 4,
    (0, 1, 1, 0): 5, (0, 1, -1, 0): 6, (0, -1, -1, 0): 7, (0, -1, 1, 0): 8,
}  # fmt: skip
#: Code points of primaries and transfer that are sRGB's or not said, or so near to it that nobody tells them apart.
_COMMON: Final = frozenset({1, 2, 5, 6}), frozenset({1, 2, 6, 13, 14, 15})
_PRIMARIES: Final = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}
_TRANSFERS: Final = {8: "linear", 16: "PQ", 18: "HLG"}
_DEPTH_MAPS: Final = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:depth\0", b"urn:mpeg:hevc:2015:auxid:2\0")
_C2PA: Final = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")


def header(data: bytes) -> Header:
    try:
        return _properties(data)
    except (ValueError, KeyError):
        raise ImageError("damaged AVIF: its boxes make no sense") from None


def _properties(data: bytes) -> Header:
    """What the properties of the picture say which is decoded: of a track's where a file says to be a sequence."""
    file = items(data) or Items(primary=0, items={}, references=[], properties={})
    properties, alpha, frames = file.of(file.primary), file.has_alpha, 1
    orientation = _orientation(properties)
    sequence = track(data) if b"avis" in brands(data) else None
    if b"avis" in brands(data):
        at = data.find(b"stsz", data.find(b"moov"))  # the table of sample sizes; its third word is their number
        frames = max(1, struct.unpack_from(">I", data, at + 12)[0]) if at > 0 else 1
    if sequence and (data[8:12] == b"avis" or not file.primary):
        properties, turn, alpha = sequence
        matrix = turn[0] / 65536, turn[1] / 65536, turn[2] / 65536, turn[3] / 65536
        if matrix not in _TURNS:
            raise ImageError(f"unsupported AVIF: its track is shown by the matrix {matrix}")
        orientation = orientation if matrix == (1, 0, 0, 1) else _TURNS[matrix]
    coded = properties.get(b"av1C", b"") or _of_parts(file)
    if len(coded) < 4:
        raise ImageError("damaged AVIF: nothing in its boxes says how many bits its samples have")
    grey = bool(coded[2] & 0x10)
    minimum, maximum = _range(coded, properties.get(b"nclx", b""))
    width, height = struct.unpack_from(">II", properties.get(b"ispe", b"").ljust(12, b"\0"), 4)
    return Header(
        width=width, height=height, frames=frames, orientation=orientation, minimum=minimum, maximum=maximum,
        channels=(1 if grey else 3) + alpha, crop=_crop(properties.get(b"clap", b""), width, height),
    )  # fmt: skip


def _range(coded: bytes, colour: bytes) -> tuple[int, int]:
    """The values of black and white; OpenCV leaves grey, other than colours, in the range that a file has."""
    bits = (12 if coded[2] & 0x20 else 10) if coded[2] & 0x40 else 8
    if not coded[2] & 0x10:
        return 0, (1 << bits) - 1
    if len(colour) < 11:
        raise ImageError("unsupported AVIF: grey, and no box says whether black is 0")
    return (0, (1 << bits) - 1) if colour[10] & 0x80 else (16 << bits - 8, 235 << bits - 8)


def _orientation(properties: Mapping[bytes, bytes]) -> int:
    turns = properties.get(b"irot", b"\0")[0] & 3
    return _ORIENTATIONS[turns, properties[b"imir"][0] & 1 if b"imir" in properties else -1]


def _of_parts(file: Items) -> bytes:
    """How the pictures are coded of which the primary one is put together."""
    parts = [to for kind, item, to in file.references if (kind, item) == (b"dimg", file.primary)]
    return next((file.of(part)[b"av1C"] for part in parts if b"av1C" in file.of(part)), b"")


def _crop(clap: bytes, width: int, height: int) -> tuple[int, int, int, int] | None:
    """Left, top, width and height of the clean aperture. Raises ImageError where it is none of whole pixels inside."""
    if not clap or not width:
        return None
    numbers = struct.unpack_from(">IIIIiIiI", clap)
    if not all(numbers[1::2]):
        raise ImageError("damaged AVIF: its crop (clap) is divided by 0")
    across, down, right, below = (Fraction(*numbers[at : at + 2]) for at in (0, 2, 4, 6))
    left, top = right + (width - across) / 2, below + (height - down) / 2
    sides = (left, top, across, down)
    inner = left >= 0 and top >= 0 and across > 0 and down > 0 and left + across <= width and top + down <= height
    if not inner or any(side.denominator > 1 for side in sides):
        where = ", ".join(f"{float(side):g}" for side in sides)
        raise ImageError(f"unsupported AVIF: its crop ({where}) is none of whole pixels in {width} x {height}")
    return int(left), int(top), int(across), int(down)


def decode(source: Source) -> Decoded:
    facts = header_of(source.data, source.format)
    source.limit(facts.width, facts.height)
    if facts.channels == 2:
        raise ImageError("unsupported AVIF: grey with alpha; grey, RGB and RGBA can be read")
    pixels = read(source, source.data)
    notes = range_notes(pixels, facts.maximum, facts.minimum)
    return Decoded(pixels=displayed(pixels, facts, facts.orientation), frames=facts.frames, notes=notes)


def metadata(data: bytes) -> Metadata:
    blocks = inspect(data)[1]
    return replace(blocks, dpi=directories.dpi(blocks.exif))


def encode(pixels: Pixels, target: Target) -> bytes:
    """Read back, since OpenCV may cut it short."""
    return encoded(pixels, target, _flags(target), described=True, by_header=False)


def encode_frames(animation: Animation, target: Target) -> bytes:
    """A sequence, which takes no metadata and no `loops`."""
    return encoded_frames(animation, target, _flags(target))


def _flags(target: Target) -> list[int]:
    cv2 = opencv()
    quality, speed = target.settings["quality"], target.settings["speed"]
    return [cv2.IMWRITE_AVIF_QUALITY, quality, cv2.IMWRITE_AVIF_SPEED, speed]


def inspect(data: bytes) -> tuple[Header, Metadata]:
    """What the primary picture's properties and the file's metadata items say; the picture's size is that stored.

    Raises struct.error, IndexError or ValueError for boxes that are cut off inside.
    """
    facts, file, ranges = header(data), items(data), places(data)
    if file is None:
        return facts, NOTHING

    def content(wanted: str) -> bytes:
        kinds = (number for number, item in file.items.items() if _named(item) == wanted)
        return next((b"".join(data[a:b] for a, b in ranges.get(number, [])) for number in kinds), b"")

    block = content("EXIF")
    if block:  # four bytes say where the TIFF header starts
        block = block[4 + number(block, 0, 4) :].removeprefix(EXIF_MARK)
    properties = file.of(file.primary)
    colour = properties.get(b"colr", b"")
    icc = colour[4:] if colour[:4] in (b"prof", b"rICC") else b""
    lost = (*_further(file), *(() if icc else _code_points(properties.get(b"nclx", b""))))
    if any(kind == b"uuid" and data[at : at + 16] == _C2PA for kind, (at, _) in boxes(data, 0, len(data))):
        lost = (*lost, "content credentials (C2PA) dropped")
    return facts, Metadata(icc=icc, exif=block, xmp=content("XMP"), lost=lost)


def _named(item: Item) -> str:
    """What an item is, where it is no picture."""
    if item.kind == b"Exif":
        return "EXIF"
    if item.kind == b"mime":
        return "XMP" if b"application/rdf+xml" in item.words else "a record"
    return {b"uri ": "a record", b"jumb": "a record"}.get(item.kind, "")


def _code_points(colour: bytes) -> tuple[str, ...]:
    """What is lost with code points (nclx) of colours that are not sRGB's."""
    if len(colour) < 10:
        return ()
    primaries, transfer = struct.unpack_from(">HH", colour, 4)
    if primaries in _COMMON[0] and transfer in _COMMON[1]:
        return ()
    names = [_PRIMARIES.get(primaries, f"primaries {primaries}"), _TRANSFERS.get(transfer, f"transfer {transfer}")]
    strange = [
        name for name, code, common in zip(names, (primaries, transfer), _COMMON, strict=True) if code not in common
    ]
    return (f"colour space ({', '.join(strange)}) dropped",)


def _further(file: Items) -> tuple[str, ...]:
    """What is left behind of a file besides its primary picture, but for thumbnails and what that is made of."""
    lost, parts = [], {file.primary}
    for kind, item, to in file.references:
        if kind in (b"dimg", b"base"):
            parts.add(to)
        elif kind in (b"auxl", b"thmb"):
            parts.add(item)
        if kind == b"auxl" and to == file.primary and file.auxiliary(item) in _DEPTH_MAPS:
            lost.append("depth map dropped")
    for index, entry in file.items.items():
        if entry.kind == b"tmap":
            lost.append("gain map for HDR dropped")
        elif entry.kind in (b"av01", b"grid", b"iovl", b"iden") and index not in parts and not entry.hidden:
            lost.append("further pictures in it dropped")
        elif _named(entry) == "a record":
            lost.append("a record of another kind dropped")
    return tuple(dict.fromkeys(lost))
