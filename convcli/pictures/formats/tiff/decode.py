"""TIFF files decoded: OpenCV's decoder, which turns them upright itself, told what it would get wrong."""

from __future__ import annotations

import numpy as np

from convcli.errors import ImageError
from convcli.pictures.format import CMYK, Decoded, Note
from convcli.pictures.formats.tiff.layout import layout
from convcli.pictures.pixels import swapped, upright
from convcli.pictures.source import Source

_PREMULTIPLIED = Note("colours", "its colours are stored multiplied by alpha, and taken as they are")


def decode(source: Source) -> Decoded:
    facts = layout(source.data, place=source.place)
    source.limit(facts.width, facts.height)
    if facts.refusal:
        raise ImageError(f"unsupported TIFF: {facts.refusal}", place=source.place)
    pixels = swapped(source.read(facts.data, -1, logged=True), in_place=True)
    if facts.pairs:
        pixels = pixels.reshape(pixels.shape[0], -1, 2)
        if facts.differences:  # modulo the depth, from the pixel on the left
            pixels = np.cumsum(pixels, axis=1, dtype=pixels.dtype)
    if facts.opaque:
        pixels = np.ascontiguousarray(pixels[:, :, :3])
    if facts.inverted and pixels.dtype.kind == "u":
        colours = pixels[:, :, :1] if facts.pairs else pixels
        np.subtract(np.iinfo(pixels.dtype).max, colours, out=colours)
    notes = [CMYK] if facts.opaque else []
    notes += [_PREMULTIPLIED] if facts.premultiplied else []
    return Decoded(pixels=upright(pixels, facts.orientation), frames=facts.pages, notes=tuple(notes))
