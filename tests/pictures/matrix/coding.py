"""Samples as the bytes that TIFF stores: packed bits, predictors and compressions.

Source: TIFF Revision 6.0 (Adobe, 1992), sections 9, 13 and 14; Adobe Photoshop TIFF Technical Notes 2002 (deflate) and
3 (predictor 3); libtiff's tif_luv.c for the SGI log encodings.
"""

from __future__ import annotations

import lzma
import re
import zlib
from collections.abc import Callable

import imagecodecs
import numpy as np

from tests.support import Pixels

NONE, LZW, DEFLATE, OLD_DEFLATE, PACKBITS = 1, 5, 8, 32946, 32773
LZMA, ZSTD, SGILOG = 34925, 50000, 34676
_RUNS = re.compile(rb"(.)\1{2,127}|(?:(?!(.)\2\2).){1,128}", re.S)


def patterns(values: Pixels, kind: str, bits: int) -> Pixels:
    """Each number as the unsigned integer whose `bits` lowest bits are stored."""
    if kind == "f":
        if bits == 24:  # 1 sign, 7 of exponent (excess 63), 16 of fraction
            whole = values.astype(np.float32).view(np.uint32).astype(np.uint64)
            exponent = (whole >> 23 & 255) - (127 - 63)
            return whole >> 31 << 23 | exponent << 16 | (whole >> 7 & 0xFFFF)
        return values.astype(f"f{bits // 8}").view(f"u{bits // 8}").astype(np.uint64)
    return values.astype(np.int64).view(np.uint64) if kind == "i" else values.astype(np.uint64)


def packed(rows: Pixels, bits: tuple[int, ...], order: str) -> Pixels:
    """Rows (height, width, samples) of patterns as bytes (height, row bytes), each row filled up to a whole byte.

    Samples of whole bytes lie in the file's order, and others as a stream of bits, the highest first.
    """
    height = len(rows)
    if len(set(bits)) == 1 and bits[0] % 8 == 0:
        size = bits[0] // 8
        parts = rows.astype("<u8").reshape(-1, 1).view(np.uint8)[:, :size]
        return np.ascontiguousarray(parts if order == "<" else parts[:, ::-1]).reshape(height, -1)
    each = [(rows[..., s, None] >> np.arange(b - 1, -1, -1, dtype=np.uint64)) & 1 for s, b in enumerate(bits)]
    return np.packbits(np.concatenate(each, axis=2).reshape(height, -1).astype(np.uint8), axis=1)


def differences(rows: Pixels) -> Pixels:
    """Predictor 2: each sample less that of the pixel on its left; of patterns, of which the lowest bits count."""
    out = rows.copy()
    out[:, 1:] -= rows[:, :-1]
    return out


def float_differences(rows: Pixels, size: int) -> Pixels:
    """Predictor 3, already packed: the samples' first bytes, then their second bytes and so on, as differences."""
    height, width, samples = rows.shape
    parts = (
        rows.astype(">u8").reshape(height, width * samples, 1).view(np.uint8).reshape(height, -1, 8)[..., 8 - size :]
    )
    planes = np.ascontiguousarray(parts.transpose(0, 2, 1)).reshape(height, -1)
    out = planes.copy()
    out[:, samples:] -= planes[:, :-samples]
    return out


def pack_bits(rows: Pixels) -> bytes:
    """Each row by itself: runs of 3 to 128 equal bytes, and literals of at most 128."""
    out = bytearray()
    for row in rows:
        for match in _RUNS.finditer(row.tobytes()):
            piece = match[0]
            out += bytes([257 - len(piece), piece[0]]) if match[1] else bytes([len(piece) - 1]) + piece
    return bytes(out)


def lzw(data: bytes) -> bytes:
    """Codes of 9 to 12 bits, the highest first; one more from the entry 511, 1023 and 2047 on."""
    table = {bytes([n]): n for n in range(256)}
    words, width, prefix = [(256, 9)], 9, b""
    known, following = dict(table), 258
    for value in data:
        longer = prefix + bytes([value])
        if longer in known:
            prefix = longer
            continue
        words.append((known[prefix], width))
        known[longer] = following
        following += 1
        prefix = bytes([value])
        if following == 4094:
            words.append((256, width))
            known, following, width = dict(table), 258, 9
        elif following >= 1 << width:
            width += 1
    if prefix:
        words.append((known[prefix], width))
        following += 1
        if following == 4094:
            words.append((256, width))
            width = 9
        elif following >= 1 << width:
            width += 1
    words.append((257, width))
    text = "".join(f"{word:0{size}b}" for word, size in words)
    return int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big")


def sgi_log(rows: Pixels, size: int) -> bytes:
    """Words of `size` bytes, row by row, their first bytes and so on apart, all as literals of at most 127 bytes."""
    out = bytearray()
    for row in rows:
        parts = row.astype(">u8").reshape(-1, 1).view(np.uint8)[:, 8 - size :]
        for plane in parts.T:
            data = plane.tobytes()
            for at in range(0, len(data), 127):
                piece = data[at : at + 127]
                out += bytes([len(piece)]) + piece
    return bytes(out)


#: Compressions of any bytes, each a function of packed rows.
LOSSLESS: dict[int, Callable[[Pixels], bytes]] = {
    NONE: lambda rows: rows.tobytes(),
    LZW: lambda rows: lzw(rows.tobytes()),
    DEFLATE: lambda rows: zlib.compress(rows.tobytes()),
    OLD_DEFLATE: lambda rows: zlib.compress(rows.tobytes(), 1),
    PACKBITS: pack_bits,
    LZMA: lambda rows: lzma.compress(rows.tobytes(), preset=0),
    ZSTD: lambda rows: bytes(imagecodecs.zstd_encode(rows.tobytes())),
}

_REVERSED = bytes(int(f"{n:08b}"[::-1], 2) for n in range(256))


def reversed_bits(data: bytes) -> bytes:
    """FillOrder 2: each byte's bits in the other order."""
    return data.translate(_REVERSED)
