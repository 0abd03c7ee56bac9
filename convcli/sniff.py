"""What a file is, by its content and never by its name; and what its header says before any pixel is decoded."""

from __future__ import annotations

import re
import struct
from typing import Final

from convcli import exif
from convcli.errors import ImageError
from convcli.records import record

READABLE: Final = ("avif", "bmp", "gif", "hdr", "jp2", "jpeg", "pfm", "png", "pnm", "ras", "tiff", "webp")

_SIGNATURES: Final = (
    (b"\x89PNG", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"#?RADIANCE", "hdr"),
    (b"#?RGBE", "hdr"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
    (b"\xff\x4f\xff\x51", "jp2"),
    (b"\x59\xa6\x6a\x95", "ras"),
)
_FOREIGN: Final = (
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"v/1\x01", "OpenEXR"),
    (b"8BPS", "Photoshop (PSD)"),
    (b"%PDF", "PDF"),
    (b"%!PS", "PostScript"),
    (b"\0\0\1\0", "Windows icon (ICO)"),
    (b"gimp xcf", "GIMP (XCF)"),
    (b"qoif", "QOI"),
    (b"DDS ", "DirectDraw Surface (DDS)"),
    (b"SIMPLE  =", "FITS"),
    (b"farbfeld", "farbfeld"),
    (b"II\xbc\x01", "JPEG XR"),
    (b"FUJIFILM", "camera raw"),
    (b"\x1aE\xdf\xa3", "Matroska video"),
    (b"\x1f\x8b", "gzip"),
)
_HEIF_BRANDS: Final = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
# Patterns for one format are compiled when a file has it.
_PNM_HEADER: Final = rb"P([1-6Ff])(?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)(?:(?:\s|#[^\n]*\n)+(\d+))?\s"
_PAM_HEADER: Final = rb"P7\n(?:[^\n]*\n){1,64}?ENDHDR\n"


@record
class Header:
    """What a file's header says: `width`, `height` in pixels (0: not known), `frames` or pages, its EXIF block, and
    the `orientation` that its boxes give (0: the EXIF block counts).

    `channels` is known for JPEG and PNM, `maximum` (the value of white) and `body` (where the pixels start) for PNM.
    """

    width: int = 0
    height: int = 0
    frames: int = 1
    exif: bytes = b""
    orientation: int = 0
    channels: int = 0
    maximum: int = 0
    body: int = 0


def identify(data: bytes) -> str:
    """The format of a file that can be read, one of `READABLE`, or an empty string.

    >>> identify(b"GIF89a..."), identify(b"<html>")
    ('gif', '')
    """
    for signature, name in _SIGNATURES:
        if data.startswith(signature):
            return name
    if exif.is_tiff(data):
        return "tiff"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[4:8] == b"ftyp" and {b"avif", b"avis"} & _brands(data):
        return "avif"
    if data[:1] == b"P" and data[1:2] in b"1234567Ff" and data[2:3].isspace():
        return "pfm" if data[1:2] in b"Ff" else "pnm"
    if data[:2] == b"BM" and len(data) > 18 and struct.unpack_from("<I", data, 14)[0] in (12, 40, 52, 56, 64, 108, 124):
        return "bmp"
    # PNG's signature spoiled on its way, as text transfers do: said so by the check of PNG's structure.
    return "png" if data[12:16] == b"IHDR" or b"PNG" in data[:4] else ""


def _brands(data: bytes) -> set[bytes]:
    """The brands in the first box of an ISO media file."""
    size = min(int.from_bytes(data[:4], "big"), 256)
    return {data[8:12]} | {data[at : at + 4] for at in range(16, size, 4)}


def unknown(data: bytes) -> tuple[str, str]:
    """(fact, hint) about a file that is none of `READABLE`."""
    able = "formats that can be read: " + ", ".join(READABLE)
    if not data:
        return "the file is empty", ""
    if data.startswith(b"\x93NUMPY"):
        return "a NumPy array, not an image", "arrays are read as .npy files"
    for signature, name in _FOREIGN:
        if data.startswith(signature):
            return f"unsupported format: {name}", able
    if data[4:8] == b"ftyp":
        return f"unsupported format: {'HEIC' if _HEIF_BRANDS & _brands(data) else 'MP4 or other video'}", able
    if data.startswith(b"PK\3\4"):
        return "unsupported format: a zip archive", able
    start = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in start:
        return "unsupported format: SVG", able
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "not an image (looks like HTML)", ""
    if start.startswith(b"<?xml"):
        return "not an image (looks like XML)", ""
    if not any(data[:1024]):
        return "not an image (its first bytes are all zero)", ""
    if all(byte >= 32 or byte in b"\t\n\r\f\x1b" for byte in data[:1024]) and _is_utf8(data[:1024]):
        return "not an image (looks like text)", ""
    return "not an image in a known format", able


def _is_utf8(some: bytes) -> bool:
    try:
        some.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(some) - 4 and len(some) == 1024  # a character cut by our own limit
    return True


def header(data: bytes, format: str, *, place: str) -> Header:
    """The header of a file of that format other than PNG and TIFF; fields stay unknown where the decoder checks them.

    Raises ImageError for a file that is cut short or whose header is impossible.
    """
    readers = {"jpeg": _jpeg, "webp": _webp, "gif": _gif, "bmp": _bmp, "pnm": _pnm, "pfm": _pnm, "avif": _avif}
    if format not in readers:
        return Header()
    try:
        return readers[format](data)
    except (struct.error, IndexError):
        raise ImageError(f"truncated {format}: it ends at byte {len(data)}", place=place) from None
    except ValueError as error:
        raise ImageError(str(error), place=place) from None


def _jpeg(data: bytes) -> Header:
    """Walk the markers up to the first scan; after it, an end marker must follow."""
    at, block, frame = 2, b"", -1
    while True:
        at = data.find(b"\xff", at)
        if at < 0:
            raise ValueError(f"truncated JPEG: it ends at byte {len(data)}, before its first scan")
        marker = data[at + 1]
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD8:
            at += 1 if marker == 0xFF else 2
            continue
        if marker == 0xD9:
            raise ValueError(f"damaged JPEG: it has an end marker at byte {at}, before any scan")
        (length,) = struct.unpack_from(">H", data, at + 2)
        if at + 2 + length > len(data):
            fact = f"its segment {marker:02X} at byte {at} needs {length} bytes, {len(data) - at - 2} are left"
            raise ValueError(f"truncated JPEG: {fact}")
        if marker == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0" and not block:
            block = data[at + 10 : at + 2 + length]
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            frame = at
        at += 2 + length
        if marker == 0xDA:
            break
    if frame < 0:
        raise ValueError("damaged JPEG: it has no frame header, so no size")
    if data.rfind(b"\xff\xd9", at) < 0:  # from the end, where it is in a whole file
        raise ValueError(f"truncated JPEG: it ends at byte {len(data)} without an end marker")
    return _jpeg_frame(data, frame, block, len(data) - at)


def _jpeg_frame(data: bytes, at: int, block: bytes, left: int) -> Header:
    """The frame header at byte `at`; `left` is the bytes from the first scan on, which bound its size."""
    kind, depth, height, width, channels = struct.unpack_from(">xBxxBHHB", data, at)
    if depth != 8 or kind not in (0xC0, 0xC1, 0xC2, 0xC9, 0xCA):
        lossy = "lossless or hierarchical" if kind in (0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF) else "lossy"
        raise ValueError(f"unsupported JPEG: {depth} bits per sample, {lossy}; 8 bits and lossy can be read")
    if not width or not height:
        raise ValueError(f"unsupported JPEG: its header says {width} x {height} pixels")
    factors = [(data[at + 11 + 3 * i] >> 4, data[at + 11 + 3 * i] & 15) for i in range(channels)]
    if not factors or min(min(pair) for pair in factors) < 1:
        raise ValueError("damaged JPEG: wrong sampling factors in its frame header")
    if channels == 1:
        factors = [(1, 1)]
    across, down = (8 * max(pair[axis] for pair in factors) for axis in (0, 1))
    blocks = -(-width // across) * -(-height // down) * sum(h * v for h, v in factors)
    # A Huffman-coded block takes a bit at least, and another one for its end where it isn't progressive.
    bits = {0xC0: 2, 0xC1: 2, 0xC2: 1}.get(kind, 0)
    if blocks * bits > 8 * left:
        raise ValueError(
            f"damaged JPEG: its header promises {width} x {height} pixels, more than {left} bytes can hold"
        )
    return Header(width=width, height=height, channels=channels, exif=block)


def _webp(data: bytes) -> Header:
    (size,) = struct.unpack_from("<I", data, 4)
    if size + 8 > len(data):
        raise ValueError(f"truncated WebP: its header promises {size + 8} bytes, it has {len(data)}")
    width = height = frames = 0
    block = b""
    at = 12
    while at + 8 <= size + 8:
        kind, length = struct.unpack_from("<4sI", data, at)
        body = data[at + 8 : at + 8 + min(length, 16)]
        if kind == b"VP8X":
            width, height = (1 + int.from_bytes(body[start : start + 3], "little") for start in (4, 7))
        elif kind == b"VP8 " and not width:
            width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", body, 6))
        elif kind == b"VP8L" and not width:
            (packed,) = struct.unpack_from("<I", body, 1)
            width, height = (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
        elif kind == b"EXIF":
            block = data[at + 8 : at + 8 + length]
        frames += kind == b"ANMF"
        at += 8 + length + (length & 1)
    return Header(width=width, height=height, frames=max(1, frames), exif=block)


def _gif(data: bytes) -> Header:
    """Walk the blocks up to the trailer, counting the frames."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at, frames = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0), 0
    while data[at] != 0x3B:
        if data[at] == 0x21:
            at += 2
        elif data[at] == 0x2C:
            flags = data[at + 9]
            at += 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
            frames += 1
        else:
            raise ValueError(f"damaged GIF: no block starts at byte {at}")
        while data[at]:
            at += 1 + data[at]
        at += 1
    if not frames:
        raise ValueError("damaged GIF: it has no frames")
    return Header(width=width, height=height, frames=frames)


def _bmp(data: bytes) -> Header:
    (size,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if size == 12 else "<ii", data, 18)
    return Header(width=abs(width), height=abs(height))


def _pnm(data: bytes) -> Header:
    if data.startswith(b"P7"):
        found = re.match(_PAM_HEADER, data)
        fields = (
            dict(re.findall(rb"^(WIDTH|HEIGHT|DEPTH|MAXVAL)[ \t]+(\d{1,10})[ \t]*$", found[0], re.M)) if found else {}
        )
        if not found or len(fields) < 4:
            raise ValueError("damaged PAM: its header lacks WIDTH, HEIGHT, DEPTH, MAXVAL or ENDHDR")
        names = (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL")
        width, height, channels, maximum = (int(fields[name]) for name in names)
        return Header(width=width, height=height, channels=channels, maximum=maximum, body=found.end())
    found = re.match(_PNM_HEADER, data[:4096])
    if not found or any(len(digits or b"") > 10 for digits in found.groups()):
        raise ValueError("damaged PNM: its header has no width and height")
    kind, width, height, maximum = found[1], int(found[2]), int(found[3]), int(found[4] or 1)
    channels = 3 if kind in b"36F" else 1
    return Header(width=width, height=height, channels=channels, maximum=maximum, body=found.end())


def _avif(data: bytes) -> Header:
    from convcli import avif

    try:
        boxes = avif.inspect(data)
    except (struct.error, IndexError, ValueError, KeyError):
        boxes = avif.Boxes()
    frames = 1
    if b"avis" in _brands(data):
        at = data.find(b"stsz", data.find(b"moov"))  # the table of sample sizes; its third word is their number
        frames = max(1, struct.unpack_from(">I", data, at + 12)[0]) if at > 0 else 1
    return Header(width=boxes.width, height=boxes.height, frames=frames, orientation=boxes.orientation)
