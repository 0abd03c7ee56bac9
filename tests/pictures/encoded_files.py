"""Small pictures encoded by OpenCV, TIFF files byte by byte, and EXIF blocks in any of them."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import cv2
import numpy as np
import pytest

from convcli.pictures import reading
from tests.support import corpus

Pixels = np.ndarray[Any, Any]
Tags = dict[int, tuple[int, ...]]
needs_corpora = pytest.mark.skipif(
    not corpus("pngsuite"), reason="no pictures by others: set CONVCLI_CORPORA to a folder with pngsuite/ and exif/"
)


def opencv(data: bytes) -> Pixels:
    """OpenCV's own reading, as (height, width, channels) in RGB(A) order."""
    pixels: Pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)  # type: ignore[assignment]
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    return pixels[:, :, [2, 1, 0, 3][: pixels.shape[2]]] if pixels.shape[2] > 2 else pixels


def encoded(pixels: Pixels, extension: str, *settings: int) -> bytes:
    done, out = cv2.imencode(extension, pixels, settings)
    assert done
    return out.tobytes()


def tiff(pixels: Pixels, tags: Tags | None = None, *, order: str = "<", pages: int = 1) -> bytes:
    """A plain uncompressed TIFF, written after the specification for these tests."""
    height, width, channels = pixels.shape
    body = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    kind = {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]
    fields: dict[int, tuple[str, tuple[int, ...]]] = {
        256: ("I", (width,)), 257: ("I", (height,)), 258: ("H", (8 * pixels.itemsize,) * channels), 259: ("H", (1,)),
        262: ("H", (2 if channels > 2 else 1,)), 273: ("I", (8,)), 277: ("H", (channels,)), 278: ("I", (height,)),
        279: ("I", (len(body),)), 339: ("H", (kind,) * channels),
    }  # fmt: skip
    fields |= {tag: ("H", values) for tag, values in (tags or {}).items()}
    out = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8 + len(body)) + body
    for page in range(pages):
        start = len(out)
        spare = start + 2 + 12 * len(fields) + 4
        table, values = b"", b""
        for tag, (letter, numbers) in sorted(fields.items()):
            packed = struct.pack(f"{order}{len(numbers)}{letter}", *numbers)
            if len(packed) > 4:
                table_value, values = struct.pack(order + "I", spare + len(values)), values + packed
            else:
                table_value = packed.ljust(4, b"\0")
            table += struct.pack(order + "HHI", tag, 3 if letter == "H" else 4, len(numbers)) + table_value
        following = spare + len(values) if page + 1 < pages else 0
        out += struct.pack(order + "H", len(fields)) + table + struct.pack(order + "I", following) + values
    return out


def turned(pixels: Pixels, orientation: int) -> Pixels:
    """Upright pixels, by the table of the Exif specification: which side row 0 and column 0 are."""
    rows_first = pixels if orientation <= 4 else pixels.transpose(1, 0, 2)
    flip_y = orientation in (3, 4, 7, 8)
    flip_x = orientation in (2, 3, 6, 7)
    return rows_first[:: -1 if flip_y else 1, :: -1 if flip_x else 1]


def exif_block(orientation: int, order: str = ">") -> bytes:
    head = b"MM\0*" if order == ">" else b"II*\0"
    return head + struct.pack(order + "IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def with_exif(data: bytes, block: bytes) -> bytes:
    """A JPEG, PNG or WebP file with an EXIF block put in."""
    if data.startswith(b"\xff\xd8"):
        segment = b"Exif\0\0" + block
        return data[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + data[2:]
    if data.startswith(b"\x89PNG"):
        chunk = struct.pack(">I", len(block)) + b"eXIf" + block + struct.pack(">I", zlib.crc32(b"eXIf" + block))
        return data[:33] + chunk + data[33:]
    width, height = (side.to_bytes(3, "little") for side in reading.decode(data, place="").pixels.shape[1::-1])
    small = [(int.from_bytes(side, "little") - 1).to_bytes(3, "little") for side in (width, height)]
    chunks = b"VP8X" + struct.pack("<I", 10) + b"\x08\0\0\0" + b"".join(small)
    chunks += data[12:] + b"EXIF" + struct.pack("<I", len(block)) + block
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


def smooth(height: int = 40, width: int = 56, channels: int = 3) -> Pixels:
    y, x = np.mgrid[:height, :width]
    return np.stack([(x * (c + 1) + y * 2) % 200 + 20 for c in range(channels)], axis=2).astype(np.uint8)
