"""JPEG 2000: samples of every depth, and what the boxes say of them; imagecodecs and Pillow are the judges."""

from __future__ import annotations

import io
import struct

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from convcli.errors import ImageError
from convcli.pictures import reading
from convcli.pictures.format import INCH
from tests.pictures.jp2_files import box, codestream, jp2, meanings, palette, profile, space
from tests.support import Pixels, noise, texts

GREY, RGB, YCC = space(17), space(16), space(18)
THREE = (0, 0, 1), (1, 0, 2), (2, 0, 3)  # of cdef: components that are red, green and blue


def samples(bits: int, channels: int, seed: int = 0) -> Pixels:
    return noise(40, 50, channels, seed=seed, dtype=np.uint16) >> 16 - bits


def scaled(values: Pixels, bits: int, full: int = 0) -> Pixels:
    """What samples of so many bits are in 8, or in 16."""
    full = full or (255 if bits <= 8 else 65535)
    return np.rint(values * (full / ((1 << bits) - 1))).astype(np.uint8 if full == 255 else np.uint16)


def refusal(data: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        reading.decode(data, place="a.jp2")
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix("a.jp2: ")


@pytest.mark.parametrize("boxed", [True, False])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("bits", range(1, 17))
def test_samples_of_every_depth(bits: int, channels: int, boxed: bool) -> None:
    values = samples(bits, channels)
    stream = codestream(values, bits)
    assert np.array_equal(imagecodecs.jpeg2k_decode(stream).reshape(values.shape), values)
    picture = reading.decode(jp2(stream, GREY if channels == 1 else RGB) if boxed else stream, place="")
    assert picture.pixels.dtype == (np.uint8 if bits <= 8 else np.uint16)
    assert np.array_equal(picture.pixels, scaled(values, bits))
    full = 255 if bits <= 8 else 65535
    note = f"its values up to {(1 << bits) - 1} are scaled to {full}"
    assert texts(picture.notes) == (() if bits in (8, 16) else (note,))


@pytest.mark.parametrize("mct", [True, False])
@pytest.mark.parametrize("bits", range(2, 17))
def test_lossy_samples_of_every_depth(bits: int, mct: bool) -> None:
    y, x = np.mgrid[:64, :80]
    wave = np.stack([(np.sin(x / 9 + c) + np.cos(y / 7)) / 4 + 0.5 for c in range(3)], axis=2)
    stream = codestream(np.rint(wave * ((1 << bits) - 1)).astype(np.uint16), bits, reversible=False, mct=mct)
    expected = scaled(imagecodecs.jpeg2k_decode(stream), bits)
    apart = np.abs(reading.decode(stream, place="").pixels.astype(int) - expected)
    assert apart.max() <= (expected.max() // ((1 << bits) - 1)) + 1  # one step, where OpenJPEG's versions round apart
    assert (apart > 0).mean() < 0.002


@pytest.mark.parametrize("bits", [(8, 8, 8, 1), (5, 6, 5, 3), (10, 8, 12, 1), (16, 8, 8, 8), (8, 8, 8, 16)])
def test_components_of_different_depths(bits: tuple[int, ...]) -> None:
    values = np.concatenate([samples(depth, 1, seed) for seed, depth in enumerate(bits)], axis=2)
    data = jp2(codestream(values, bits), RGB, meanings(*THREE, (3, 1, 0)))
    picture = reading.decode(data, place="")
    full = 255 if max(bits) <= 8 else 65535
    expected = [scaled(values[..., [c]], depth, full) for c, depth in enumerate(bits)]
    assert np.array_equal(picture.pixels, np.concatenate(expected, axis=2))


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 0, 1, 2), (2, 1, 0, 3), (1, 3, 0, 2)])
@pytest.mark.parametrize("opacity", [1, 2])
def test_channels_in_any_order(order: tuple[int, ...], opacity: int) -> None:
    """`order` says which component is red, green, blue and opacity."""
    rgba = samples(8, 4).astype(np.uint8)
    rgba[:5, :, 3], rgba[5:10, :, 3] = 0, 255
    stored = np.empty_like(rgba)
    stored[..., list(order)] = rgba
    entries = [(component, 0, place + 1) for place, component in enumerate(order[:3])] + [(order[3], opacity, 0)]
    picture = reading.decode(jp2(codestream(stored, 8), RGB, meanings(*entries)), place="")
    assert np.array_equal(picture.pixels, rgba)
    assert picture.channels.alpha == {1: "straight", 2: "premultiplied"}[opacity]


@pytest.mark.parametrize("bits", [8, 12])
@pytest.mark.parametrize("index", [2, 4, 8])
@pytest.mark.parametrize("columns", [1, 3, 4])
def test_palettes(columns: int, index: int, bits: int) -> None:
    table = (noise(1 << index, columns, dtype=np.uint16) >> 16 - bits).astype(np.uint16)
    places = samples(index, 1)
    boxes = [GREY if columns == 1 else RGB, palette(table, [bits] * columns)]
    if columns == 4:
        boxes.append(meanings(*THREE, (3, 1, 0)))
    picture = reading.decode(jp2(codestream(places, index), *boxes), place="")
    assert np.array_equal(picture.pixels, scaled(table[places[..., 0]], bits))


def test_a_palette_whose_columns_go_elsewhere() -> None:
    table, places = noise(16, 3).astype(np.uint16), samples(8, 2) >> 4
    data = jp2(
        codestream(np.dstack([places, places[..., :1]]), 8),
        RGB,
        palette(table, [8] * 3, [(1, 1, 2), (2, 0, 0), (0, 1, 1)]),
    )
    expected = np.stack([table[places[..., 1], 2], places[..., 0], table[places[..., 0], 1]], axis=2)
    assert np.array_equal(reading.decode(data, place="").pixels, expected)


@pytest.mark.parametrize("bits", [8, 10, 16])
def test_luma_and_colour_differences(bits: int) -> None:
    """As JPEG has it, and Pillow; the middle of a colour difference is grey."""
    values = samples(bits, 3)
    pixels = reading.decode(jp2(codestream(values, bits), YCC), place="").pixels
    top, middle = (1 << bits) - 1, 1 << bits - 1
    luma, blue, red = (values[..., c].astype(float) - (0, middle, middle)[c] for c in range(3))
    rgb = np.stack([luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue], axis=2)
    apart = np.abs(pixels.astype(int) - scaled(np.rint(rgb.clip(0, top)).astype(np.uint16), bits))
    assert apart.max() <= 64 and (apart > 0).mean() < 0.001  # a half, rounded up or down
    if bits == 8:
        displayed = np.asarray(Image.fromarray(values.astype(np.uint8), "YCbCr").convert("RGB"))
        assert np.abs(pixels.astype(int) - displayed).max() <= 1


@pytest.mark.parametrize(
    ("components", "boxes", "part"),
    [
        (3, [space(12)], "its colours are CMYK"),
        (4, [space(12)], "its colours are CMYK"),
        (3, [space(14)], "its colours are CIELab"),
        (3, [space(20)], "its colours are e-sRGB"),
        (3, [space(77)], "its colours are in the space 77"),
        (3, [profile(bytes(16) + b"Lab " + bytes(120))], "its colours are Lab of an ICC profile"),
        (4, [profile(bytes(16) + b"CMYK" + bytes(120))], "its colours are CMYK of an ICC profile"),
        (3, [profile(b"vendor's own", 4)], "its colours are given by the method 4"),
        (2, [GREY], "2 components, grey and alpha; 1, 3 and 4 can be read"),
        (4, [RGB], "4 channels (4 of colour, 0 of opacity) for RGB"),
        (4, [RGB, meanings(*THREE, (3, 65535, 65535))], "4 channels (3 of colour, 0 of opacity) for RGB"),
        (4, [RGB, meanings(*THREE, (3, 1, 2))], "an opacity of one colour alone"),
        (3, [GREY], "3 channels (3 of colour, 0 of opacity) for grey"),
        (1, [RGB], "1 channels (1 of colour, 0 of opacity) for RGB"),
    ],
)  # fmt: skip
def test_what_has_other_colours_is_refused(components: int, boxes: list[bytes], part: str) -> None:
    able = "; grey, RGB and sYCC can be read" if part.startswith("its colours") else ""
    assert refusal(jp2(codestream(samples(8, components), 8), *boxes)) == f"unsupported JPEG 2000: {part}{able}"


def test_the_first_colours_that_can_be_read_count() -> None:
    values = samples(8, 3)
    data = jp2(codestream(values, 8), profile(b"vendor's own", 4), RGB, space(12))
    assert np.array_equal(reading.decode(data, place="").pixels, values)


@pytest.mark.parametrize(
    ("at", "value", "part"),
    [
        (42, 0x87, "signed samples"),
        (43, 2, "subsampled components (steps of 2 x 1, 1 x 1, 1 x 1 pixels)"),
        (47, 2, "subsampled components (steps of 1 x 1, 1 x 2, 1 x 1 pixels)"),
        (45, 23, "24 bits per sample; 1 to 16 can be read"),
        (41, 5, "5 components; 1, 3 and 4 can be read"),
    ],
)
def test_components_that_opencv_does_not_decode(at: int, value: int, part: str) -> None:
    stream = bytearray(codestream(samples(8, 3), 8))
    stream[at] = value
    assert refusal(bytes(stream)) == f"unsupported JPEG 2000: {part}"
    assert refusal(jp2(bytes(stream), RGB)) == f"unsupported JPEG 2000: {part}"


def test_four_components_of_which_nothing_is_said() -> None:
    values = samples(8, 4)
    picture = reading.decode(codestream(values, 8), place="")
    assert np.array_equal(picture.pixels, values)
    assert texts(picture.notes) == ("its fourth channel is taken for alpha: nothing says what it is",)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "I;16"])
def test_pictures_by_pillow(mode: str) -> None:
    values = samples(16, 1)[..., 0] if mode == "I;16" else samples(8, len(mode)).astype(np.uint8).squeeze()
    out = io.BytesIO()
    Image.fromarray(values).save(out, "JPEG2000", irreversible=False)
    picture = reading.decode(out.getvalue(), place="")
    assert np.array_equal(picture.pixels.squeeze(), values) and picture.notes == ()


def test_what_jp2_files_carry() -> None:
    icc = bytes(16) + b"RGB " + bytes(16) + b"acsp" + bytes(120)
    resolution = box(b"res ", box(b"resc", struct.pack(">HHHHbb", 11811, 1000, 11811, 100, 3, 2)))
    exif = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
    data = jp2(codestream(samples(8, 3), 8), profile(icc), resolution) + box(b"uuid", b"JpgTiffExif->JP2" + exif)
    data += box(b"uuid", bytes.fromhex("be7acfcb97a942e89c71999491e3afac") + b"<x/>") + box(b"xml ", b"<gml/>")
    data += box(b"uuid", bytes.fromhex("b14bf8bd083d4b43a5ae8cd7d5a6ce03") + b"II*\0")
    picture = reading.decode(data, place="")
    assert picture.pixels.shape == (50, 40, 3)  # upright
    remaining = picture.metadata
    assert (remaining.icc, remaining.exif, remaining.xmp) == (icc, exif, b"<x/>")
    assert remaining.dpi == pytest.approx((11811 * INCH, 11811 * INCH), abs=0.01)
    assert remaining.lost == ("XML records dropped", "place on the map (GeoJP2) dropped")


def test_hostile_boxes() -> None:
    table = noise(16, 3).astype(np.uint16)
    whole = jp2(codestream(samples(4, 1), 4), RGB, palette(table, [8] * 3), meanings(*THREE))
    random = np.random.default_rng(3)
    head = whole.index(b"jp2c")
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(3):
            data[random.integers(40, head + 80)] = random.integers(0, 256)
        try:
            pixels = reading.decode(bytes(data), place="", max_pixels=1 << 20).pixels
        except ImageError as error:
            assert "\n" not in error.fact
        else:
            assert pixels.dtype in (np.uint8, np.uint16) and pixels.shape[2] in (1, 3, 4)
