"""What is there of a file that was cut short, made whole enough for a decoder, on request.

JPEG's missing blocks become grey (libjpeg's rule), everywhere else missing samples are 0. WebP, AVIF,
JPEG 2000, GIF and compressed TIFF are left alone: their decoders take all or nothing.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import Final

from convcli.errors import ImageError
from convcli.pictures import headers
from convcli.pictures.format import Completed
from convcli.pictures.formats.tiff import directories

HINT: Final = "--allow-truncated uses what is there"
#: Of a picture at least this share must be there, so that a short file can't ask for much memory.
_LEAST: Final = 1 / 256
_JPEG_MARKER: Final = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")
_PNG_SAMPLES: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_ADAM7: Final = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def completed(data: bytes, format: str) -> Completed | None:
    """A file that was cut short, completed; None where nothing can be done."""
    makers = {"jpeg": _jpeg, "png": _png, "tiff": _tiff, "bmp": _bmp, "pnm": _pnm}
    try:
        return makers[format](data) if format in makers else None
    except (struct.error, IndexError, ValueError, zlib.error, ImageError):
        return None


def hint(data: bytes, format: str) -> str:
    """How the user gets what is there of a file that was cut short, or nothing where `completed` can't help.

    PNG is taken at its word: completing it packs all its pixels again.
    """
    helps = format == "png" or completed(data, format) is not None
    return HINT if helps else ""


def _jpeg(data: bytes) -> Completed | None:
    first = re.search(rb"\xff\xc2", data[: data.find(b"\xff\xda") + 2])
    scans = data.find(b"\xff\xda")
    if scans < 0:
        return None
    last = scans
    for found in _JPEG_MARKER.finditer(data, scans):
        last = found.start()
    end = len(data)
    length = int.from_bytes(data[last + 2 : last + 4], "big")
    if data[last + 1] != 0xDA or last + 2 + length > end:
        end = last  # a segment between scans, or one cut short
    return Completed(data=data[:end].removesuffix(b"\xff") + b"\xff\xd9", share=None, coarse=first is not None)


def _png(data: bytes) -> Completed | None:
    """The pixels inflated as far as they go, zeros after them, and all packed again."""
    width, height, depth, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    packed, others, at = [], [], 8
    while at + 8 < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IDAT":
            packed.append(data[at + 8 : at + 8 + length])
        elif at + 12 + length <= len(data) and not packed:
            others.append(data[at : at + 12 + length])
        at += 12 + length
    if colour not in _PNG_SAMPLES:
        return None
    pixel = depth * _PNG_SAMPLES[colour]
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    needed = 0
    for x, y, across, down in passes:
        columns, rows = -(-(width - x) // across), -(-(height - y) // down)
        needed += rows * (1 + (columns * pixel + 7) // 8) if columns > 0 and rows > 0 else 0
    if not needed or len(data) * 1032 < needed * _LEAST:  # deflate packs no tighter
        return None
    raw = zlib.decompressobj().decompress(b"".join(packed), needed)
    if len(raw) < needed * _LEAST:
        return None
    whole = zlib.compress(raw + bytes(needed - len(raw)), 1)
    chunk = struct.pack(">I", len(whole)) + b"IDAT" + whole + struct.pack(">I", zlib.crc32(b"IDAT" + whole))
    end = bytes(4) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
    return Completed(data=data[:8] + b"".join(others) + chunk + end, share=len(raw) / needed, coarse=bool(interlaced))


def _padded(data: bytes, start: int, needed: int) -> Completed | None:
    """Zeros for the pixels that are missing of `needed` bytes from `start` on."""
    if needed <= 0 or (len(data) - start) < needed * _LEAST:
        return None
    share = (len(data) - start) / needed
    return Completed(data=data + bytes(max(0, start + needed - len(data))), share=min(share, 1.0))


def _tiff(data: bytes) -> Completed | None:
    page = next(directories.directories(data), None)
    if page is None or page.first(directories.COMPRESSION, 1) != 1:
        return None
    spans = [*zip(page.get(directories.STRIP_OFFSETS), page.get(directories.STRIP_BYTES), strict=True)]
    spans += zip(page.get(directories.TILE_OFFSETS), page.get(directories.TILE_BYTES), strict=True)
    needed = sum(size for _, size in spans)
    there = sum(max(0, min(size, len(data) - start)) for start, size in spans)
    end = max(start + size for start, size in spans)
    if needed <= 0 or there < needed * _LEAST or end > len(data) + 2 * needed:
        return None
    return Completed(data=data + bytes(max(0, end - len(data))), share=there / needed)


def _bmp(data: bytes) -> Completed | None:
    (start,) = struct.unpack_from("<I", data, 10)
    size, width, height, _, bits, packing = struct.unpack_from("<IiiHHI", data, 14)
    if size < 40 or packing not in (0, 3):
        return None
    return _padded(data, start, (width * bits + 31) // 32 * 4 * abs(height))


def _pnm(data: bytes) -> Completed | None:
    found = headers.header(data, "pnm", place="")
    if data[1:2] not in b"4567":
        return None
    row = (
        (found.width + 7) // 8
        if data[1:2] == b"4"
        else found.width * found.channels * (2 if found.maximum > 255 else 1)
    )
    return _padded(data, found.body, row * found.height)
