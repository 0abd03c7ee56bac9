"""PNG files decoded: OpenCV's decoder, after a proof of the file, and corrected; and what was cut short, completed."""

from __future__ import annotations

import struct
import zlib
from typing import Final

import numpy as np

from convcli.pictures.codecs import read, read_rgb, upright
from convcli.pictures.format import LEAST_SHARE, Completed, Decoded, Pixels, Source
from convcli.pictures.formats.png import structure
from convcli.pictures.formats.png.structure import SAMPLES, SIGNATURE, chunk, reader, walked
from convcli.pictures.formats.tiff import directories
from convcli.pictures.opencv import opencv

#: Of each pass of an interlaced picture: the first column and row, and the steps to the next ones.
_ADAM7: Final = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def decode(source: Source) -> Decoded:
    facts = structure.inspect(source.data)
    source.limit(facts.width, facts.height)
    if facts.colour == structure.PALETTE:
        pixels = _looked_up(source, facts)
    else:
        pixels = samples(source, facts.plain, facts.colour, opaque=not facts.transparent)
    if facts.colour == 0 and len(facts.transparent) == 2:
        # One grey value is transparent, which OpenCV passes over.
        value = int.from_bytes(facts.transparent, "big") & (1 << facts.depth) - 1
        if facts.depth < 8:
            value = value * 255 // ((1 << facts.depth) - 1)
        alpha = (pixels != value) * pixels.dtype.type(np.iinfo(pixels.dtype).max)
        pixels = np.concatenate([pixels, alpha], axis=2)
    return Decoded(pixels=upright(pixels, directories.orientation(facts.exif)), frames=facts.frames)


def _looked_up(source: Source, facts: structure.Structure) -> Pixels:
    """RGB(A) of a palette; black behind its end, which is told of: decoders say nothing of it.

    The places in the palette are what a file decodes to that says of them to be grey.
    """
    parts = dict(structure.contents(facts.plain))
    head = bytearray(parts[b"IHDR"])
    head[9] = 0
    start = next(start for kind, start, _ in walked(reader(facts.plain), len(facts.plain)) if kind == b"IDAT") - 8
    places = read(source, b"".join((SIGNATURE, chunk(b"IHDR", bytes(head)), facts.plain[start:])))
    if facts.depth < 8:
        places //= 255 // ((1 << facts.depth) - 1)
    count = min(len(parts[b"PLTE"]) // 3, 256)
    colours = np.zeros((256, 4 if facts.transparent else 3), np.uint8)
    colours[:count, :3] = np.frombuffer(parts[b"PLTE"], np.uint8, 3 * count).reshape(count, 3)
    if facts.transparent:
        alpha = facts.transparent[:256].ljust(256, b"\xff")
        colours[:, 3] = np.frombuffer(alpha, np.uint8)
    if count < 1 << facts.depth:
        beyond = int((places >= count).sum())
        if beyond:
            source.complaints.append(f"{beyond} pixels have colours behind the {count} of its palette")
    cv2 = opencv()
    pixels: Pixels = cv2.LUT(cv2.merge([places] * colours.shape[1]), colours[:, None])
    return pixels


def samples(source: Source, data: bytes, colour: int, *, opaque: bool = True) -> Pixels:
    """The samples of a PNG file, whose chunks are sound, of this colour type; `opaque` where none of them is a tRNS."""
    if colour == 2 and opaque:
        return read_rgb(source, data)
    pixels = read(source, data)
    return np.ascontiguousarray(pixels[:, :, ::3]) if colour == 4 else pixels


def completed(data: bytes) -> Completed | None:
    """The pixels inflated as far as they go, zeros after them, and all packed again."""
    width, height, depth, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    packed: list[bytes] = []
    others: list[bytes] = []
    for kind, start, end in walked(reader(data), len(data)):
        if kind == b"IDAT":
            packed.append(data[start:end])
        elif end + 4 <= len(data) and not packed:
            others.append(data[start - 8 : end + 4])
    if colour not in SAMPLES:
        return None
    pixel = depth * SAMPLES[colour]
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    needed = 0
    for x, y, across, down in passes:
        columns, rows = -(-(width - x) // across), -(-(height - y) // down)
        needed += rows * (1 + (columns * pixel + 7) // 8) if columns > 0 and rows > 0 else 0
    if not needed or len(data) * 1032 < needed * LEAST_SHARE:  # deflate packs no tighter
        return None
    raw = zlib.decompressobj().decompress(b"".join(packed), needed)
    if len(raw) < needed * LEAST_SHARE:
        return None
    whole = zlib.compress(raw + bytes(needed - len(raw)), 1)
    file = b"".join((data[: len(SIGNATURE)], *others, chunk(b"IDAT", whole), chunk(b"IEND", b"")))
    return Completed(data=file, share=len(raw) / needed, coarse=bool(interlaced))
