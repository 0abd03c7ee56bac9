"""BMP of every kind; Pillow, OpenCV and the arrays that files are written from are the judges."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convcli.errors import ImageError
from convcli.pictures import reading, sniff
from tests.pictures.bmp_files import HEADERS, bmp, joined, packed
from tests.support import Pixels, noise, texts


def decoded(data: bytes, **options: Any) -> Pixels:
    picture = reading.decode(data, place="a.bmp", **options)
    assert picture.pixels.flags.c_contiguous and picture.format == "bmp"
    return picture.pixels


def by_pillow(data: bytes) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def refusal(data: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        reading.decode(data, place="a.bmp")
    return caught.value.fact


@pytest.mark.parametrize("width", [1, 7, 8, 33])
@pytest.mark.parametrize("downwards", [False, True])
@pytest.mark.parametrize("size", HEADERS)
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes_of_every_header(bits: int, size: int, downwards: bool, width: int) -> None:
    palette, places = noise(1 << bits, 3), noise(5, width, seed=width) >> 8 - bits
    if size == 12:
        downwards = False  # its height has no sign
    data = bmp(
        packed(places, bits, downwards=downwards),
        width,
        -5 if downwards else 5,
        bits,
        size=size,
        palette=palette,
        gap=3,
    )
    assert np.array_equal(decoded(data), palette[places])
    if bits != 2 and size != 16:  # which Pillow has not
        assert np.array_equal(by_pillow(data), palette[places])
    facts = sniff.header(data, "bmp")
    assert (facts.width, facts.height) == (width, 5)


@pytest.mark.parametrize("size", HEADERS)
@pytest.mark.parametrize("bits", [1, 4, 8])
def test_palettes_with_fewer_colours(bits: int, size: int) -> None:
    count = {1: 1, 4: 11, 8: 200}[bits]
    palette, places = noise(count, 3), noise(6, 9) % count
    data = bmp(packed(places, bits), 9, 6, bits, size=size, palette=palette)
    assert np.array_equal(decoded(data), palette[places]) and not reading.decode(data, place="").notes
    places[2, 3] = (1 << bits) - 1
    beyond = bmp(packed(places, bits), 9, 6, bits, size=size, palette=palette)
    picture = reading.decode(beyond, place="")
    assert np.array_equal(picture.pixels[2, 3], (0, 0, 0))
    note = f"damaged BMP: 1 pixels have colours behind the {count} of its palette; decoded as far as it goes"
    assert texts(picture.notes) == (note,)
    with pytest.raises(ImageError, match="damaged BMP: 1 pixels have colours behind"):
        decoded(beyond, strict=True)


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_a_palette_of_greys_makes_grey(bits: int) -> None:
    levels, places = noise(1 << bits, 1), noise(6, 9) >> 8 - bits
    data = bmp(packed(places, bits), 9, 6, bits, palette=np.repeat(levels, 3, axis=1))
    assert np.array_equal(decoded(data), levels[places])


@pytest.mark.parametrize("downwards", [False, True])
@pytest.mark.parametrize("size", HEADERS)
@pytest.mark.parametrize("width", [1, 2, 3, 4, 5])
def test_24_bits(width: int, size: int, downwards: bool) -> None:
    rgb = noise(3, width, 3)
    downwards = downwards and size != 12
    rows = packed(joined(rgb, (0xFF0000, 0xFF00, 0xFF)), 24, downwards=downwards)
    data = bmp(rows, width, -3 if downwards else 3, 24, size=size)
    assert np.array_equal(decoded(data), rgb)
    assert np.array_equal(decoded(data[: len(data) - (-3 * width % 4)]), rgb)  # without the padding of its last row


@pytest.mark.parametrize("size", [40, 52, 56, 108, 124])
@pytest.mark.parametrize(
    ("bits", "masks"),
    [
        (16, (0x7C00, 0x3E0, 0x1F)),
        (16, (0xF800, 0x7E0, 0x1F)),
        (16, (0x1F, 0x7E0, 0xF800)),
        (16, (0xF00, 0xF0, 0xF, 0xF000)),
        (16, (0x7C00, 0x3E0, 0x1F, 0x8000)),
        (16, (0xE000, 0x1C00, 0x300)),
        (32, (0xFF0000, 0xFF00, 0xFF)),
        (32, (0xFF, 0xFF00, 0xFF0000, 0xFF000000)),
        (32, (0xFF000000, 0xFF0000, 0xFF00, 0xFF)),
        (32, (0x1F, 0x3F00, 0x7F0000, 0x80000000)),
        (32, (0x3FF00000, 0xFFC00, 0x3FF, 0xC0000000)),
        (32, (0x3FF, 0xFFC00, 0x3FF00000)),
        (32, (0xFFFF0000, 0xFF00, 0x1)),
    ],
)
def test_masks_in_any_order_and_width(bits: int, masks: tuple[int, ...], size: int) -> None:
    tops = [mask // (mask & -mask) for mask in masks]
    channels = np.stack([noise(6, 9, seed=c, dtype=np.uint32) % (top + 1) for c, top in enumerate(tops)], axis=2)
    channels[0], channels[1] = tops, 0
    packing = 6 if len(masks) == 4 and size == 40 else 3
    written = masks if size < 56 or len(masks) == 4 else (*masks, 0)
    if size == 52:  # it has no mask for alpha
        written, tops, channels = masks[:3], tops[:3], channels[..., :3]
    data = bmp(
        packed(joined(channels, masks[: len(tops)]), bits), 9, 6, bits, size=size, packing=packing, masks=written
    )
    full = 255 if max(tops) <= 255 else 65535
    pixels = decoded(data)
    assert np.array_equal(pixels, np.rint(channels * (full / np.array(tops))).astype(pixels.dtype))
    assert (pixels.dtype == np.uint8) == (full == 255)
    assert bool(reading.decode(data, place="").notes) == (full > 255)


def test_five_bits_without_masks() -> None:
    values = np.arange(1 << 15).reshape(128, 256)
    data = bmp(packed(values, 16), 256, 128, 16)
    expected = np.stack([values >> 10, values >> 5 & 31, values & 31], axis=2) * 255 / 31
    assert np.array_equal(decoded(data), np.rint(expected))
    assert np.abs(decoded(data).astype(int) - by_pillow(data)).max() <= 1  # which cuts off


@pytest.mark.parametrize("size", [40, 108, 124])
def test_32_bits_without_masks(size: int) -> None:
    rgba = noise(6, 9, 4)
    masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    data = bmp(packed(joined(rgba, masks), 32), 9, 6, 32, size=size)
    assert np.array_equal(decoded(data), rgba)
    rgba[..., 3] = 0
    assert np.array_equal(decoded(bmp(packed(joined(rgba, masks), 32), 9, -6, 32, size=size)), rgba[::-1, :, :3])


@pytest.mark.parametrize(
    ("size", "bits", "packing", "masks", "part"),
    [
        (40, 0, 4, (), "its pixels are JPEG"),
        (124, 0, 5, (), "its pixels are PNG"),
        (40, 32, 11, (), "its pixels are CMYK"),
        (40, 8, 12, (), "its pixels are CMYK"),
        (64, 1, 3, (), "its pixels are Huffman codes"),
        (64, 24, 4, (), "its pixels are runs of 24 bits"),
        (40, 8, 9, (), "its pixels are packed by the method 9"),
        (40, 3, 0, (), "3 bits per pixel; 1, 2, 4, 8, 16, 24, 32 can be read"),
        (40, 64, 0, (), "64 bits per pixel; 1, 2, 4, 8, 16, 24, 32 can be read"),
        (40, 4, 1, (), "4 bits per pixel; 8 can be read"),
        (40, 16, 3, (0x5, 0x8, 0xF0), "a mask of 5 in 16 bits; up to 16 bits side by side can be read"),
        (40, 16, 3, (0xF0000, 0x8, 0xF0), "a mask of F0000 in 16 bits; up to 16 bits side by side can be read"),
        (40, 32, 3, (0x1FFFF, 0, 0), "a mask of 1FFFF in 32 bits; up to 16 bits side by side can be read"),
    ],
)
def test_what_can_not_be_read_is_named(size: int, bits: int, packing: int, masks: tuple[int, ...], part: str) -> None:
    data = bmp(bytes(4000), 8, 8, bits, size=size, packing=packing, masks=masks)
    assert refusal(data) == f"unsupported BMP: {part}"


def test_headers_that_make_no_sense() -> None:
    good = bmp(packed(noise(8, 8), 8), 8, 8, 8, palette=noise(256, 3))
    for at, value, part in (
        (18, -8, "damaged BMP: its header says -8 x 8 pixels"),
        (22, 0, "damaged BMP: its header says 8 x 0 pixels"),
        (10, 20, "damaged BMP: its pixels start at byte 20, inside its header of 40 bytes"),
        (14, 70, "not an image in a known format"),
        (18, 1 << 30, "1073741824 x 8 pixels; at most 1,048,576 a side are read"),
    ):
        assert refusal(good[:at] + struct.pack("<i", value) + good[at + 4 :]) == part
    assert refusal(bmp(bytes(64), 4, 4, 32, packing=3, masks=(0, 0, 0))) == "damaged BMP: its masks leave no colours"
    assert np.array_equal(decoded(good[:10] + bytes(4) + good[14:]), decoded(good))  # pixels right behind the palette


@pytest.mark.parametrize("size", HEADERS)
@pytest.mark.parametrize("bits", [4, 8, 16, 24, 32])
def test_files_cut_short(bits: int, size: int) -> None:
    palette = noise(1 << bits, 3) if bits <= 8 else None
    whole = bmp(packed(noise(8, 8) >> max(0, 8 - bits), bits), 8, 8, bits, size=size, palette=palette)
    row = 8 * bits // 8
    cut = whole[: len(whole) - 3 * row - 1]
    with pytest.raises(
        ImageError, match=f"truncated BMP: its pixels need {8 * row} bytes, {5 * row - 1} are left"
    ) as caught:
        decoded(cut)
    assert caught.value.hint == sniff.HINT
    picture = reading.decode(cut, place="", allow_truncated=True)
    assert np.array_equal(picture.pixels[4:], decoded(whole)[4:, :, : picture.pixels.shape[2]])
    for length in range(19, 14 + size, 3):
        assert refusal(whole[:length]).startswith("truncated BMP: ")


def test_an_icc_profile_and_what_is_left_behind() -> None:
    plain = bmp(packed(joined(noise(4, 4, 3), (0xFF0000, 0xFF00, 0xFF)), 24), 4, 4, 24, size=124)
    profile = b"a profile"

    def described(space: bytes, *more: tuple[int, int]) -> bytes:
        data = bytearray(plain)
        data[70:74] = space
        for at, value in more:
            struct.pack_into("<I", data, at, value)
        return bytes(data) + profile

    embedded = described(b"DEBM", (126, len(plain) - 14), (130, len(profile)))
    assert reading.decode(embedded, place="").metadata.icc == profile
    assert reading.decode(embedded, place="").metadata.dpi == (72.01, 72.01)
    for data, words in (
        (plain, ()),
        (described(b"BGRs"), ()),
        (described(b"KNIL"), ("ICC profile in another file dropped",)),
        (described(bytes(4), (110, 0x23333)), ("colour space and gamma dropped",)),
    ):
        assert reading.decode(data, place="").metadata.lost == words
