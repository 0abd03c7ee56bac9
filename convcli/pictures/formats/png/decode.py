"""PNG files decoded: OpenCV's decoder, after a proof of the file, and corrected."""

from __future__ import annotations

import numpy as np

from convcli.pictures.format import Decoded
from convcli.pictures.formats.png import structure
from convcli.pictures.formats.tiff import directories
from convcli.pictures.pixels import Pixels, swapped, upright
from convcli.pictures.source import Source


def decode(source: Source) -> Decoded:
    facts = structure.inspect(source.data, place=source.place)
    source.limit(facts.width, facts.height)
    pixels = samples(source, facts.plain, facts.colour, opaque=not facts.transparent)
    if facts.colour == 0 and len(facts.transparent) == 2:
        # One grey value is transparent, which OpenCV passes over.
        value = int.from_bytes(facts.transparent, "big") & (1 << facts.depth) - 1
        if facts.depth < 8:
            value = value * 255 // ((1 << facts.depth) - 1)
        alpha = (pixels != value) * pixels.dtype.type(np.iinfo(pixels.dtype).max)
        pixels = np.concatenate([pixels, alpha], axis=2)
    return Decoded(pixels=upright(pixels, directories.orientation(facts.exif)), frames=facts.frames)


def samples(source: Source, data: bytes, colour: int, *, opaque: bool = True) -> Pixels:
    """The samples of a PNG file, whose chunks are sound, of this colour type; `opaque` where none of them is a tRNS."""
    if colour == 2 and opaque:
        return source.read_rgb(data)
    pixels = swapped(source.read(data, -1), in_place=True)
    return np.ascontiguousarray(pixels[:, :, ::3]) if colour == 4 else pixels
