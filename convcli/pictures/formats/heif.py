"""HEIF (HEIC), as phones and cameras write it: read by libheif through pillow-heif, the extra `convcli[heif]`.

A file's pictures are its items that are shown by themselves: no tiles, thumbnails, depth or gain maps. Its boxes alone
say how a picture is turned, which libheif does; the EXIF block repeats it for those who don't read boxes.

Source: ISO/IEC 23008-12 (HEIF), ISO/IEC 14496-12 (ISO base media file format), ITU-T H.273 (numbers of colours).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from convcli.channels import Channels
from convcli.engine.threads import thread_count
from convcli.errors import ImageError
from convcli.pictures.format import EXIF_MARK, Decoded, Header, Metadata, Note, Pixels, Source, TruncatedError
from convcli.pictures.formats.boxes import Items, boxes, inside, items
from convcli.pictures.formats.tiff import directories
from convcli.pictures.registry import brands
from convcli.pictures.sniff import header as header_of

#: The kinds of items that are pictures; others are metadata, or say how pictures belong together.
_CODED: Final = frozenset({
    b"hvc1", b"av01", b"avc1", b"vvc1", b"j2k1", b"jpeg", b"unci", b"grid", b"iden", b"iovl", b"tili",
})  # fmt: skip
_SEQUENCES: Final = frozenset({b"msf1", b"hevc", b"hevx", b"heis", b"heim"})
#: Colour primaries and transfer functions, by number, that differ from those that pictures without a profile have.
_PRIMARIES: Final = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}
_TRANSFERS: Final = {8: "linear", 16: "PQ", 18: "HLG"}


def header(data: bytes) -> Header:
    """The primary picture's size, as stored, and the number of pictures."""
    end = 0
    while end < len(data):
        size, kind = struct.unpack_from(">I4s", data, end)
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, end + 8)
        end = end + max(size, 8) if size else len(data)
        if end > len(data):
            name = kind.decode("ascii", "backslashreplace")
            raise TruncatedError(f"truncated HEIF: its box '{name}' reaches byte {end}, it ends at byte {len(data)}")
    try:
        file = items(data)
        if file is None:
            if _is_sequence(data):
                raise ImageError("unsupported HEIF: an image sequence without a still picture")
            return Header()
        width, height = struct.unpack_from(">II", file.of(file.primary).get(b"ispe", b"").ljust(12, b"\0"), 4)
        return Header(width=width, height=height, frames=len(_pictures(file)))
    except (ValueError, KeyError):
        raise TruncatedError("damaged or truncated HEIF: its boxes don't hold what they promise") from None


def metadata(data: bytes) -> Metadata:
    info = _primary(data).info
    block = bytes(info["exif"] or b"").removeprefix(EXIF_MARK)
    return Metadata(
        icc=bytes(info.get("icc_profile") or b""),
        exif=block,
        xmp=bytes(info.get("xmp") or b""),
        dpi=directories.dpi(block),
    )


def pages(data: bytes) -> Iterator[bytes]:
    """For each of a file's pictures the same file with that as its primary one, which comes first."""
    file, meta = items(data), inside(data, (0, len(data)), b"meta")
    start = inside(data, (meta[0] + 4, meta[1]), b"pitm") if meta else None
    if file is None or start is None:
        yield data
        return
    at, size = start[0] + 4, 4 if data[start[0]] else 2
    for item in _pictures(file):
        yield b"".join((data[:at], item.to_bytes(size, "big"), data[at + size :]))


def decode(source: Source) -> Decoded:
    """The primary picture, turned as its boxes say; 9 to 16 bits become 16, grey stays grey."""
    _library()
    facts = header_of(source.data, source.format)
    image = _primary(source.data)
    source.limit(*image.size)
    source.limit(facts.width, facts.height)  # before it is cropped, where encoders pad
    try:
        pixels = np.asarray(image)
    except Exception as error:
        raise _refused(error) from None
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    grey = "chroma" not in image.info  # which comes as three equal channels where it has alpha
    if grey and pixels.shape[2] == 4 and (pixels[:, :, :2] == pixels[:, :, 1:3]).all():
        pixels = pixels[:, :, [0, 3]]
    means = Channels.of(pixels.shape[2])
    if means.alpha and image.premultiplied_alpha:
        means = means.with_extra("premultiplied")
    scaled = _full_range(pixels, image.info["bit_depth"])
    return Decoded(pixels=scaled, frames=facts.frames, notes=tuple(_unsaid(source.data, image.info)), channels=means)


def _full_range(pixels: Pixels, bits: int) -> Pixels:
    """A copy of pixels of so many bits, those of more than 8 scaled so that white is 65535."""
    if pixels.dtype.itemsize == 1:
        return pixels.copy(order="C")
    most = (1 << bits) - 1
    table = (np.arange(1 << 16, dtype=np.uint32).clip(max=most) * 65535 + most // 2) // most
    return np.take(table.astype(np.uint16), pixels)


def _unsaid(data: bytes, info: dict[str, Any]) -> Iterator[Note]:
    """What a file holds besides the picture's pixels and profile that a user would miss."""
    colours = {} if info.get("icc_profile") else info.get("nclx_profile") or {}
    numbers = (_PRIMARIES, colours.get("color_primaries")), (_TRANSFERS, colours.get("transfer_characteristics"))
    names = [table[number] for table, number in numbers if number in table]
    if names:
        yield Note("colours", f"its colours are {' and '.join(names)} without a profile, and taken as they are")
    if _is_sequence(data):
        yield Note("frames", "its image sequence is not read, only its still picture")


def _is_sequence(data: bytes) -> bool:
    return bool(_SEQUENCES & brands(data)) and any(kind == b"moov" for kind, _ in boxes(data, 0, len(data)))


def _library() -> Any:
    """The module pillow_heif, or an ImageError that says how to get it."""
    try:
        import pillow_heif
    except ImportError:
        raise ImageError("unsupported format: HEIC", hint="pip install 'convcli[heif]' reads it") from None
    pillow_heif.options.DECODE_THREADS = thread_count()
    return pillow_heif


def _primary(data: bytes) -> Any:
    """The primary picture, not decoded yet; raises ImageError."""
    try:
        file = _library().open_heif(data, convert_hdr_to_8bit=False, hdr_to_16bit=False)
        image = next((image for image in file if image.info["primary"]), None)
    except ImageError:
        raise
    except Exception as error:
        raise _refused(error) from None
    if image is None:
        raise ImageError("damaged or unsupported HEIF: its primary picture can't be read")
    return image


def _refused(error: Exception) -> Exception:
    """What pillow-heif raised, of whatever kind, as the user is told of it."""
    if isinstance(error, MemoryError):
        return error
    words = str(error).strip().rstrip(".") or type(error).__name__
    if isinstance(error, SyntaxError):  # what libheif lacks
        return ImageError(f"unsupported HEIF: {words}")
    if isinstance(error, RuntimeError):  # a limit of libheif's, or no memory
        return ImageError(f"HEIF that can't be decoded: {words}")
    return TruncatedError(f"damaged or truncated HEIF: {words}")


def _pictures(file: Items) -> list[int]:
    """The items that are pictures by themselves, the primary one first, then in the file's order."""
    # From a thumbnail, a depth or gain map, an alpha channel to the picture that it belongs to.
    parts = {item for kind, item, _ in file.references if kind in (b"thmb", b"auxl")}
    visible = (n for n, item in file.items.items() if item.kind in _CODED and not item.hidden and n not in parts)
    return list(dict.fromkeys((file.primary, *visible)))
