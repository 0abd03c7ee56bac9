"""What a picture carries besides pixels, and what of it a result may keep.

A filtered picture is upright, of its own size, and looks different from its thumbnail: so the orientation becomes 1,
the size tags are renewed and thumbnails go, in EXIF and in XMP.

Source: CIPA DC-008 (Exif 2.32); Adobe XMP specification, parts 1 and 2; ICC.1:2022, section 7.2.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from convcli.channels import Channels
from convcli.pictures.format import NOTHING, Metadata, Pixels
from convcli.pictures.registry import FORMATS

Text: TypeAlias = tuple[str, str]
"""A keyword and what stands under it."""

_NAMES: Final = {"icc": "ICC profile", "exif": "EXIF", "xmp": "XMP", "dpi": "resolution"}
#: Keywords of texts that nobody misses, how texts begin that programs write unasked, and how many others a note lists.
_BYWORDS: Final = frozenset({"Software", "Creation Time", "Source"})
_BY_PROGRAMS: Final = ("Created with ", "CREATOR: gd-jpeg", "Lavc", "Optimized by ", "Compressed by ")
_MOST_TOLD: Final = 4
_MODELS: Final = {b"RGB ": "RGB", b"GRAY": "grey", b"CMYK": "CMYK", b"Lab ": "Lab", b"XYZ ": "XYZ"}


def fit(
    metadata: Metadata, pixels: Pixels, format: str, channels: Channels | None = None, *, animated: bool = False
) -> tuple[Metadata, tuple[str, ...]]:
    """The metadata that a file of these pixels in `format` gets, and notes on what it can't keep, grey included.

    `channels` say what those of the pixels mean; None: what so many mostly do. Doing it twice changes nothing.
    """
    row, (height, width, count) = FORMATS[format], (*pixels.shape, 1)[:3]
    channels = channels or Channels.of(count)
    written = Channels.of(row.widened.get(count, count)) if count in row.widened else channels
    if metadata == NOTHING and written == channels and (row.bands or format == "npy" or not channels.has_bands):
        return NOTHING, ()
    notes = list(metadata.lost)
    if written != channels:
        notes.insert(0, f"{channels} becomes {written} in {format} files")
    elif channels.has_bands and not row.bands and format != "npy":
        notes.insert(0, f"{channels} become red, green and blue in {format} files")
    fields = {"icc": metadata.icc, "exif": metadata.exif, "xmp": metadata.xmp, "dpi": metadata.dpi}
    blocks: dict[str, Any] = {name: value for name, value in fields.items() if value}
    bare = animated and not row.frames_keep
    dropped = [name for name in blocks if bare or name not in row.keeps]
    if dropped:
        words = ", ".join(_NAMES[name] for name in dropped)
        notes.append(f"{words} dropped: not kept in {format}{' sequence' if bare else ''} files")
        for name in dropped:
            del blocks[name]
    texts, left = _texts(metadata.texts, () if bare else row.texts, row.most_bytes.get("texts", 1 << 31))
    if left:
        notes.append(f"{left} dropped: not kept in {format}{' sequence' if bare else ''} files")
    wrong = _wrong_profile(blocks["icc"], written) if "icc" in blocks else ""
    if wrong:
        notes.append(f"ICC profile dropped: {wrong}")
        del blocks["icc"]
    if "exif" in blocks or (row.dpi_in_exif and "dpi" in blocks):
        described = metadata.pictures if not animated else 1
        _renew_exif(blocks, notes, (height, width), in_exif=row.dpi_in_exif, pictures=described)
    if "xmp" in blocks:
        blocks["xmp"] = _xmp(blocks["xmp"], width, height)
    for name, most in row.most_bytes.items():
        size = len(blocks.get(name, b""))
        if size > most:
            notes.append(f"{_NAMES[name]} dropped: it has {size:,} bytes, a {format.upper()} file takes {most:,}")
            del blocks[name]
    return Metadata(**blocks, texts=texts, settings=metadata.settings), tuple(notes)


def _renew_exif(
    blocks: dict[str, Any], notes: list[str], size: tuple[int, int], *, in_exif: bool, pictures: int
) -> None:
    """Makes the EXIF block one of a picture of `size` (height, width), with its resolution where that is `in_exif`.

    A description of several `pictures` is none of one.
    """
    from convcli.pictures.formats.tiff import exif  # only here, since most pictures have none

    height, width = size
    try:
        block = blocks.get("exif", exif.EMPTY)
        if pictures > 1:
            block = exif.undescribed(block)
            notes.append(f"description of {pictures:,} pictures dropped: the result is one")
        blocks["exif"] = exif.renewed(block, width=width, height=height, dpi=blocks.get("dpi") if in_exif else None)
    except ValueError as error:
        notes.append(f"EXIF dropped: it is damaged, {error}")
        blocks.pop("exif", None)


def _texts(texts: Sequence[Text], takes: Sequence[str], most: int) -> tuple[tuple[Text, ...], str]:
    """Those of a file's texts that a format `takes` ("*": any keyword), of at most so many bytes; words for others."""
    carried = tuple(
        (keyword, text) for keyword, text in texts if ("*" in takes or keyword in takes) and len(text.encode()) <= most
    )
    left = [text for text in texts if text not in carried]
    keywords = dict.fromkeys(key for key, text in left if key not in _BYWORDS and not text.startswith(_BY_PROGRAMS))
    listed = ", ".join([*keywords][:_MOST_TOLD]) + (", ..." if len(keywords) > _MOST_TOLD else "")
    return carried, f"texts ({listed})" if keywords else ""


def _wrong_profile(icc: bytes, channels: Channels) -> str:
    """Why an ICC profile does not describe a picture; empty where it does."""
    if len(icc) < 132 or icc[36:40] != b"acsp":
        return "it is damaged"
    model = _MODELS.get(icc[16:20], repr(icc[16:20])[2:-1].strip())
    picture = "RGB" if channels.colours == 3 else (str(channels) if channels.has_bands else "grey")
    return "" if model == picture else f"it is for {model}, the result is {picture}"


def _xmp(packet: bytes, width: int, height: int) -> bytes:
    """An XMP packet (UTF-8) with orientation and size renewed, without thumbnails and pointers to lost parts."""
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
