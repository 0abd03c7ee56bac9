"""PNG's palettes and transparent colours, in every depth, against what the specification makes of the samples."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from convcli.errors import ImageError
from convcli.pictures import reading
from tests.pictures.bmp_files import packed
from tests.png_files import SIGNATURE, chunk
from tests.support import Pixels, noise, texts


def png(values: Pixels, colour: int, depth: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A file of samples (height, width, channels) of a colour type and depth, with chunks before its pixels."""
    height, width, channels = values.shape
    rows = b""
    for row in values.reshape(height, 1, width * channels):
        size = (width * channels * depth + 7) // 8
        rows += b"\0" + (row.astype(">u2").tobytes() if depth == 16 else packed(row, depth)[:size])
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    more = b"".join(chunk(kind, content) for kind, content in chunks)
    return SIGNATURE + chunk(b"IHDR", head) + more + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("dirty", [False, True])
@pytest.mark.parametrize(("colour", "depth"), [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16)])
def test_one_colour_is_transparent(colour: int, depth: int, dirty: bool) -> None:
    """`dirty`: more bits of it are set than a sample has."""
    channels, full = 1 if colour == 0 else 3, 255 if depth <= 8 else 65535
    values = noise(6, 9, channels, dtype=np.uint16) >> 16 - depth
    key = values[2, 3]
    stored = [int(value) | (0xFF00 if dirty and depth <= 8 else 0) for value in key]
    data = png(values, colour, depth, (b"tRNS", struct.pack(f">{channels}H", *stored)))
    pixels = reading.decode(data, place="").pixels
    alpha = np.where((values == key).all(axis=2, keepdims=True), 0, full)
    scaled = values.astype(np.int64) * full // ((1 << depth) - 1)
    assert np.array_equal(pixels, np.concatenate([scaled, alpha], axis=2))


@pytest.mark.parametrize("alphas", [0, 1, 2])
@pytest.mark.parametrize("missing", [0, 1])
@pytest.mark.parametrize("depth", [1, 2, 4, 8])
@pytest.mark.parametrize("width", [1, 9, 16])
def test_palettes(width: int, depth: int, missing: int, alphas: int) -> None:
    count = (1 << depth) - missing
    palette, places = noise(count, 3), noise(6, width, 1) >> 8 - depth
    inside = np.minimum(places, count - 1)
    chunks = [(b"PLTE", palette.tobytes())]
    alpha = noise(1 << depth, 1)[: max(1, count // alphas)] if alphas else np.empty((0, 1), np.uint8)
    if alphas:
        chunks.append((b"tRNS", alpha.tobytes()))
        whole = np.concatenate([alpha, np.full((256 - len(alpha), 1), 255, np.uint8)])[: len(palette)]
        palette = np.concatenate([palette, whole], axis=1)
    picture = reading.decode(png(inside, 3, depth, *chunks), place="")
    assert np.array_equal(picture.pixels, palette[inside[..., 0]]) and picture.notes == ()
    beyond = int((places >= count).sum())
    if beyond:
        data = png(places, 3, depth, *chunks)
        picture = reading.decode(data, place="")
        assert np.array_equal(picture.pixels[..., :3][places[..., 0] >= count], np.zeros((beyond, 3)))
        fact = f"damaged PNG: {beyond} pixels have colours behind the {count} of its palette"
        assert texts(picture.notes) == (f"{fact}; decoded as far as it goes",)
        with pytest.raises(ImageError, match=fact):
            reading.decode(data, place="", strict=True)


def test_a_palette_that_looks_like_pixels() -> None:
    palette = np.frombuffer(b"IDATIDATIDAT", np.uint8).reshape(4, 3)
    places = noise(6, 9, 1) >> 6
    data = png(places, 3, 2, (b"PLTE", palette.tobytes()))
    assert np.array_equal(reading.decode(data, place="").pixels, palette[places[..., 0]])
