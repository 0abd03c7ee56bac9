"""JPEG files decoded by OpenCV."""

from __future__ import annotations

from convcli.pictures.format import CMYK, Decoded
from convcli.pictures.formats.tiff import directories
from convcli.pictures.pixels import swapped, upright
from convcli.pictures.source import Source, header


def decode(source: Source) -> Decoded:
    facts = header(source.data, source.format, place=source.place)
    source.limit(facts.width, facts.height)
    if facts.channels > 1:
        pixels = source.read_rgb(source.data, (facts.height, facts.width))
    else:
        pixels = swapped(source.read(source.data, -1), in_place=True)
    return Decoded(
        pixels=upright(pixels, directories.orientation(facts.exif)), notes=(CMYK,) if facts.channels == 4 else ()
    )
