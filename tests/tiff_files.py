"""TIFF files as others write them: tiles, planes, BigTIFF, big-endian, strips in any order. From the specification."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray


def tiff_file(
    pixels: NDArray[Any], *, rows: int = 0, tile: int = 0, big: bool = False, order: str = "<", deflated: bool = False,
    planar: bool = False, scattered: bool = False, more: dict[int, tuple[int, int, bytes]] | None = None,
) -> bytes:  # fmt: skip
    """A file of (height, width, channels) in strips of `rows` or square tiles of `tile` (padded with 7).

    `scattered` lays the blocks down last first; `more` are further tags as (kind, count, packed value).
    """
    height, width, channels = pixels.shape
    stored = pixels.astype(pixels.dtype.newbyteorder(order))  # type: ignore[call-overload]
    planes = [stored[..., c : c + 1] for c in range(channels)] if planar else [stored]
    blocks: list[bytes] = []
    for plane in planes:
        if tile:
            padded = np.full((-(-height // tile) * tile, -(-width // tile) * tile, plane.shape[2]), 7, stored.dtype)
            padded[:height, :width] = plane
            blocks += [
                padded[y : y + tile, x : x + tile].tobytes()
                for y in range(0, len(padded), tile)
                for x in range(0, padded.shape[1], tile)
            ]
        else:
            blocks += [plane[y : y + (rows or height)].tobytes() for y in range(0, height, rows or height)]
    if deflated:
        blocks = [zlib.compress(block) for block in blocks]
    at, offsets, body = 16, [0] * len(blocks), b""
    for number in reversed(range(len(blocks))) if scattered else range(len(blocks)):
        offsets[number] = at + len(body)
        body += blocks[number]
    body += bytes(len(body) & 1)
    wide = 16 if big else 4

    def packed(kind: int, *values: int) -> tuple[int, int, bytes]:
        letter = {3: "H", 4: "I", 16: "Q"}[kind]
        return kind, len(values), struct.pack(f"{order}{len(values)}{letter}", *values)

    sizes = [len(block) for block in blocks]
    tags = {
        256: packed(4, width), 257: packed(4, height), 258: packed(3, *[8 * pixels.itemsize] * channels),
        259: packed(3, 8 if deflated else 1), 262: packed(3, 2 if channels > 2 else 1), 277: packed(3, channels),
        284: packed(3, 2 if planar else 1), 339: packed(3, *[{"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]] * channels),
    }  # fmt: skip
    if channels in (2, 4):
        tags[338] = packed(3, 2)
    if tile:
        tags |= {322: packed(3, tile), 323: packed(3, tile), 324: packed(wide, *offsets), 325: packed(wide, *sizes)}
    else:
        tags |= {273: packed(wide, *offsets), 278: packed(4, rows or height), 279: packed(wide, *sizes)}
    tags |= more or {}
    return assembled(tags, body, order, big=big)


def assembled(
    tags: dict[int, tuple[int, int, bytes]], body: bytes, order: str, *, big: bool = False, following: int = 0
) -> bytes:
    """A file of `body` from byte 16 on, then a directory of `tags`; the next one is said to lie at `following`."""
    word, inline, values, entries = ("Q" if big else "I"), (8 if big else 4), b"", b""
    at = 16 + len(body)
    for tag, (kind, count, value) in sorted(tags.items()):
        place = value.ljust(inline, b"\0")
        if len(value) > inline:
            place = struct.pack(order + word, at + len(values))
            values += value + bytes(len(value) & 1)
        entries += struct.pack(f"{order}HH{word}", tag, kind, count) + place
    mark = b"II" if order == "<" else b"MM"
    where = at + len(values)
    head = struct.pack(order + "HHHQ", 43, 8, 0, where) if big else struct.pack(order + "HI", 42, where) + bytes(8)
    count = struct.pack(order + ("Q" if big else "H"), len(tags))
    return mark + head + body + values + count + entries + struct.pack(order + word, following)
