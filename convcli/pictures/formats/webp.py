"""WebP: the chunks of its files, which OpenCV decodes and encodes.

Source: WebP container specification (RFC 9649).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from convcli.pictures.codecs import encoded, encoded_frames
from convcli.pictures.format import EXIF_MARK, Animation, Header, Metadata, Pixels, Target, TruncatedError
from convcli.pictures.formats.tiff import directories
from convcli.pictures.opencv import opencv

#: Chunks that make the picture.
_PICTURE: Final = frozenset({b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF"})


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(type, start, end of content) of every chunk of a RIFF file; the last one may end behind the file's end."""
    (size,) = struct.unpack_from("<I", data, 4)
    if size + 8 > len(data):
        raise TruncatedError(f"truncated WebP: its header promises {size + 8} bytes, it has {len(data)}")
    at = 12
    while at + 8 <= size + 8:
        kind, length = struct.unpack_from("<4sI", data, at)
        yield kind, at + 8, at + 8 + length
        at += 8 + length + (length & 1)


def header(data: bytes) -> Header:
    width = height = frames = 0
    block = b""
    for kind, start, end in _chunks(data):
        body = data[start : min(end, start + 16)]
        if kind == b"VP8X":
            width, height = (1 + int.from_bytes(body[at : at + 3], "little") for at in (4, 7))
        elif kind == b"VP8 " and not width:
            width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", body, 6))
        elif kind == b"VP8L" and not width:
            (packed,) = struct.unpack_from("<I", body, 1)
            width, height = (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
        elif kind == b"EXIF":
            block = data[start:end]
        frames += kind == b"ANMF"
    return Header(width=width, height=height, frames=max(1, frames), exif=block)


def metadata(data: bytes) -> Metadata:
    blocks: dict[bytes, bytes] = {}
    others, encodings = [], set()
    for kind, start, end in _chunks(data):
        encodings.add(data[start + 16 : start + 20] if kind == b"ANMF" else kind)
        if kind in (b"ICCP", b"EXIF", b"XMP "):
            blocks.setdefault(kind, data[start:end])
        elif kind not in _PICTURE:
            others.append(kind.decode("latin-1").strip())
    block = blocks.get(b"EXIF", b"").removeprefix(EXIF_MARK)
    lost = (f"records of other kinds ({', '.join(dict.fromkeys(others))}) dropped",) if others else ()
    lossless = b"VP8L" in encodings and not {b"VP8 ", b"ALPH"} & encodings
    return Metadata(
        icc=blocks.get(b"ICCP", b""), exif=block, xmp=blocks.get(b"XMP ", b""), dpi=directories.dpi(block), lost=lost,
        settings=(("webp_lossless", 1),) if lossless else (),
    )  # fmt: skip


def encode(pixels: Pixels, target: Target) -> bytes:
    return encoded(pixels, target, _flags(target), described=True)


def encode_frames(animation: Animation, target: Target) -> bytes:
    """An animation; OpenCV takes no metadata for it, so they are put in afterwards."""
    data = encoded_frames(animation, target, _flags(target))
    metadata = target.metadata
    bits = 0x20 * bool(metadata.icc) | 0x08 * bool(metadata.exif) | 0x04 * bool(metadata.xmp)
    if data[12:16] != b"VP8X" or not bits:
        return data
    head = data[12:20] + bytes([data[20] | bits]) + data[21:30]
    parts = (
        head, _chunk(b"ICCP", metadata.icc), data[30:], _chunk(b"EXIF", metadata.exif), _chunk(b"XMP ", metadata.xmp)
    )  # fmt: skip
    return _chunk(b"RIFF", b"".join((b"WEBP", *parts)))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + bytes(len(content) & 1) if content else b""


def _flags(target: Target) -> list[int]:
    cv2 = opencv()
    if not target.settings["lossless"]:
        return [
            cv2.IMWRITE_WEBP_QUALITY, target.settings["quality"],
            cv2.IMWRITE_WEBP_LOSSLESS_MODE, cv2.IMWRITE_WEBP_LOSSLESS_OFF,
        ]  # fmt: skip
    # OpenCV's animations go by the quality.
    return [cv2.IMWRITE_WEBP_QUALITY, 101, cv2.IMWRITE_WEBP_LOSSLESS_MODE, cv2.IMWRITE_WEBP_LOSSLESS_PRESERVE_COLOR]
