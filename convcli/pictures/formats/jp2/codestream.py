"""The codestreams of JPEG 2000: their header read, and their components decoded by OpenCV.

Source: ITU-T T.800 (JPEG 2000), annexes A and E.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

import numpy as np

from convcli.errors import ImageError
from convcli.pictures.codecs import read
from convcli.pictures.format import Header, Pixels, Source, TruncatedError
from convcli.pictures.formats.boxes import boxes

MARK: Final = b"\xff\x4f\xff\x51"
_TILE, _DATA, _END, _CODING, _COMPONENT = 0xFF90, 0xFF93, 0xFFD9, 0xFF52, 0xFF53  # SOT, SOD, EOC, COD, COC


def header(data: bytes) -> Header:
    """The size in the SIZ segment, with which a codestream starts; in a JP2 file it lies in a box of its own."""
    at = start(data)
    if not data.startswith(MARK, at):
        raise TruncatedError("damaged or truncated JPEG 2000: no codestream starts where its boxes say")
    right, bottom, left, top = struct.unpack_from(">4I", data, at + 8)
    return Header(width=max(0, right - left), height=max(0, bottom - top))


def start(data: bytes) -> int:
    if data.startswith(MARK):
        return 0
    return next((start for kind, (start, _) in boxes(data, 0, len(data)) if kind == b"jp2c"), 0)


def components(data: bytes, at: int) -> list[int]:
    """The bits of each component of a codestream's SIZ segment. Raises ImageError for what can't be read."""
    (count,) = struct.unpack_from(">H", data, at + 40)
    if not 1 <= count <= 4:
        raise ImageError(f"unsupported JPEG 2000: {count} components; 1, 3 and 4 can be read")
    kinds = [struct.unpack_from(">BBB", data, at + 42 + 3 * index) for index in range(count)]
    bits = [(kind & 0x7F) + 1 for kind, _, _ in kinds]
    if any(kind & 0x80 for kind, _, _ in kinds):
        raise ImageError("unsupported JPEG 2000: signed samples")
    if any(step != 1 for _, *steps in kinds for step in steps):
        listed = ", ".join(f"{across} x {down}" for _, across, down in kinds)
        raise ImageError(f"unsupported JPEG 2000: subsampled components (steps of {listed} pixels)")
    if max(bits) > 16:
        raise ImageError(f"unsupported JPEG 2000: {max(bits)} bits per sample; 1 to 16 can be read")
    return bits


def samples(source: Source, stream: bytes, bits: Sequence[int]) -> Pixels:
    """The components of a codestream as they are.

    OpenCV decodes none of less than 8 bits. A codestream that says to have 16 is decoded to the same samples around the
    middle, if it is coded in integers, and else to samples that are larger by the bits that it lacks.
    """
    if max(bits) >= 8:
        return read(source, stream)
    patched = bytearray(stream)
    for index in range(len(bits)):
        patched[42 + 3 * index] = 15
    pixels = read(source, bytes(patched)).astype(np.int32)
    depths = np.array(bits)
    reversible = _is_reversible(stream)
    pixels = pixels - 32768 + (1 << depths - 1) if reversible else (pixels + (1 << 15 - depths)) >> (16 - depths)
    return pixels.clip(0, (1 << depths) - 1).astype(np.uint8)


def _is_reversible(stream: bytes) -> bool:
    """Whether all of a codestream is coded by the transform of integers. Raises ImageError where parts of it differ."""
    kinds, at, end = [], 2, 0
    while at + 14 <= len(stream):
        marker, length = struct.unpack_from(">HH", stream, at)
        if marker == _DATA and end > at:
            at = end
            continue
        if marker in (_DATA, _END):
            break
        if marker == _TILE:  # a part of one, up to its end, or that of the file
            (size,) = struct.unpack_from(">I", stream, at + 6)
            end = at + (size or len(stream))
        elif marker in (_CODING, _COMPONENT):
            kinds.append(stream[at + 13] if marker == _CODING else -1)
        at += 2 + length
    if len(set(kinds)) != 1 or kinds[0] not in (0, 1):
        raise ImageError("unsupported JPEG 2000: less than 8 bits per sample, in more than one kind of code")
    return kinds[0] == 1
