"""What an image file's header says, read before any pixel is decoded: its size above all, which bounds the memory."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Final

from convcli.errors import ImageError
from convcli.pictures.format import Header
from convcli.pictures.sniff import brands

# Patterns for one format are compiled when a file has it.
_PNM_HEADER: Final = (
    rb"(?:P([14])|P([2356Ff]))(?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)(?(2)(?:(?:\s|#[^\n]*\n)+(\d+))?)\s"
)
_PAM_HEADER: Final = rb"P7\n(?:[^\n]*\n){1,64}?ENDHDR\n"
_CODESTREAM: Final = b"\xff\x4f\xff\x51"
_HDR_SIZE: Final = rb"\n[-+]([XY]) (\d{1,9}) [-+]([XY]) (\d{1,9})\n"


def header(data: bytes, format: str, *, place: str) -> Header:
    """The header of a file of that format; all unknown for PNG and TIFF, which have readers of their own.

    Raises ImageError for a file that is cut short or whose header is impossible.
    """
    if format not in _READERS:
        return Header()
    try:
        return _READERS[format](data)
    except (struct.error, IndexError):
        raise ImageError(f"truncated {format.upper()}: it ends at byte {len(data)}", place=place) from None
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
    kind, width, height, maximum = found[1] or found[2], int(found[3]), int(found[4]), int(found[5] or 1)
    channels = 3 if kind in b"36F" else 1
    return Header(width=width, height=height, channels=channels, maximum=maximum, body=found.end())


def _avif(data: bytes) -> Header:
    from convcli.pictures.formats import avif

    try:
        boxes = avif.inspect(data)
    except (struct.error, IndexError, ValueError, KeyError):
        boxes = avif.Boxes()
    frames = 1
    if b"avis" in brands(data):
        at = data.find(b"stsz", data.find(b"moov"))  # the table of sample sizes; its third word is their number
        frames = max(1, struct.unpack_from(">I", data, at + 12)[0]) if at > 0 else 1
    return Header(width=boxes.width, height=boxes.height, frames=frames, orientation=boxes.orientation)


def _jp2(data: bytes) -> Header:
    """The SIZ segment, with which a codestream starts; in a JP2 file it lies in a box of its own."""
    from convcli.pictures.formats import avif

    inside = avif.boxes(data, 0, 0 if data.startswith(_CODESTREAM) else len(data))
    at = next((start for kind, (start, _) in inside if kind == b"jp2c"), 0)
    if not data.startswith(_CODESTREAM, at):
        raise ValueError("damaged or truncated JPEG 2000: no codestream starts where its boxes say")
    right, bottom, left, top = struct.unpack_from(">4I", data, at + 8)
    return Header(width=max(0, right - left), height=max(0, bottom - top))


def _hdr(data: bytes) -> Header:
    found = re.search(_HDR_SIZE, data[:65536])
    if not found:
        raise ValueError("damaged Radiance HDR: no line of its header says the size")
    sides = {found[1]: int(found[2]), found[3]: int(found[4])}
    return Header(width=sides.get(b"X", 0), height=sides.get(b"Y", 0))


def _ras(data: bytes) -> Header:
    width, height = struct.unpack_from(">II", data, 4)
    return Header(width=width, height=height)


_READERS: Final[dict[str, Callable[[bytes], Header]]] = {
    "jpeg": _jpeg, "webp": _webp, "gif": _gif, "bmp": _bmp, "pnm": _pnm, "pfm": _pnm, "avif": _avif, "jp2": _jp2,
    "hdr": _hdr, "ras": _ras,
}  # fmt: skip
