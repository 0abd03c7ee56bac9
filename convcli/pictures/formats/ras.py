"""Sun raster files. OpenCV makes black of grey without a palette, and inverts bitmaps.

Source: Sun Microsystems, rasterfile(5); Sun's format as in Murray and van Ryper, Encyclopedia of Graphics File Formats.
"""

from __future__ import annotations

import struct
from typing import Final

import numpy as np

from convcli.errors import ImageError
from convcli.pictures.format import Decoded, Header, Pixels, Source, TruncatedError
from convcli.pictures.sniff import header as header_of

_START: Final = 32
_PACKED, _RGB = 2, 3  # types: runs of bytes, and red first; the others have blue first
_TYPES: Final = (0, 1, _PACKED, _RGB)
_DEPTHS: Final = (1, 8, 24, 32)
_ESCAPE: Final = 0x80
_MOST: Final = 256 / 3  # bytes that one of a run can stand for


def header(data: bytes) -> Header:
    width, height = struct.unpack_from(">II", data, 4)
    return Header(width=width, height=height)


def decode(source: Source) -> Decoded:
    """Grey, or RGB: of 1 bit with 1 black, of 8 with a palette or without, of 24, of 32 whose first byte is unused."""
    facts = header_of(source.data, source.format)
    source.limit(facts.width, facts.height)
    try:
        depth, _, kind, map_kind, map_size = struct.unpack_from(">5I", source.data, 12)
    except struct.error:
        raise TruncatedError(f"truncated RAS: it ends at byte {len(source.data)}, in its header") from None
    if not facts.width or not facts.height or kind not in _TYPES or depth not in _DEPTHS:
        fact = f"unsupported RAS: {facts.width} x {facts.height} pixels of {depth} bits, type {kind}"
        raise ImageError(f"{fact}; 1, 8, 24 and 32 bits of the types 0 to 3 can be read")
    if map_kind > 1 or (map_size and map_kind != 1) or (map_kind == 1 and map_size % 3):
        raise ImageError(f"unsupported RAS: a palette of kind {map_kind}, {map_size} bytes; kind 1 can be read")
    palette = np.frombuffer(source.data[_START : _START + map_size], np.uint8)
    if len(palette) < map_size:
        raise TruncatedError(f"truncated RAS: its palette needs {map_size} bytes, {len(palette)} are left")
    row = (facts.width * depth + 15) // 16 * 2
    body = source.data[_START + map_size :]
    if kind == _PACKED:
        body = _unpacked(body, row * facts.height)
    if len(body) < row * facts.height:
        fact = f"truncated RAS: its pixels need {row * facts.height} bytes, {len(body)} are there"
        raise TruncatedError(fact)
    rows = np.frombuffer(body, np.uint8, row * facts.height).reshape(facts.height, row)
    if depth > 8:
        pixels = rows[:, : facts.width * depth // 8].reshape(facts.height, facts.width, depth // 8)[:, :, -3:]
        return Decoded(pixels=np.ascontiguousarray(pixels if kind == _RGB else pixels[:, :, ::-1]))
    places = np.unpackbits(rows, axis=1)[:, : facts.width] if depth == 1 else rows[:, : facts.width]
    return Decoded(pixels=_coloured(places, palette.reshape(3, -1).T if map_size else None, depth, source.complaints))


def _coloured(places: Pixels, palette: Pixels | None, depth: int, complaints: list[str]) -> Pixels:
    """What a palette (colours, 3) has at places; grey where it has no others, or where there is none."""
    if palette is None:
        return (255 - places * np.uint8(255) if depth == 1 else places.copy())[:, :, None]
    colours = np.zeros((256, 3), np.uint8)
    colours[: len(palette)] = palette[:256]
    beyond = int((places >= len(palette)).sum()) if len(palette) < 1 << depth else 0
    if beyond:
        complaints.append(f"{beyond} pixels have colours behind the {len(palette)} of its palette")
    grey = bool((colours == colours[:, :1]).all())
    return np.take(colours[:, :1] if grey else colours, places, axis=0)


def _unpacked(packed: bytes, needed: int) -> bytes:
    """Bytes as they are, and runs: 128, a count less 1, the byte; or 128, 0 for one byte of 128.

    Raises ImageError where `needed` bytes can't come of them.
    """
    if needed > len(packed) * _MOST + 1:
        raise ImageError(f"damaged RAS: its header promises {needed} bytes of pixels, more than {len(packed)} can hold")
    out, at = bytearray(), 0
    while len(out) < needed:
        escape = packed.find(_ESCAPE, at)
        if escape < 0 or escape + 1 >= len(packed):
            out += packed[at : escape if escape >= 0 else len(packed)]
            break
        out += packed[at:escape]
        count = packed[escape + 1]
        out += packed[escape + 2 : escape + 3] * (count + 1) if count else bytes((_ESCAPE,))
        at = escape + (3 if count else 2)
    return bytes(out[:needed])
