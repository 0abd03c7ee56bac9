"""ICC profile, EXIF, XMP and resolution from any format to any other; Pillow and OpenCV are the judges."""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from convcli.pictures import encoding, reading
from convcli.pictures.format import NOTHING, Metadata
from convcli.pictures.formats.tiff import exif
from convcli.pictures.metadata import fit
from tests.pictures.described_files import (
    ACROSS,
    CARRIERS,
    COPYRIGHT,
    DOWN,
    EXIF,
    EXPOSURE,
    GPS,
    LENS,
    MAKE,
    NOTE,
    ORIENTATION,
    SRGB,
    XMP,
    block,
    from_pillow,
    opened,
    picture,
    profile,
    xmp_of,
)


@pytest.mark.parametrize("target", CARRIERS)
@pytest.mark.parametrize("source", CARRIERS)
def test_all_survives_from_format_to_format(source: str, target: str) -> None:
    decoded = reading.decode(from_pillow(source), place="")
    assert decoded.pixels.shape == (56, 40, 3)
    assert decoded.metadata.lost == ()
    enlarged = np.repeat(decoded.pixels, 2, axis=0)
    remaining, notes = fit(decoded.metadata, enlarged, target)
    assert notes == ()
    data = encoding.encode(enlarged, format=target, place="", metadata=decoded.metadata)
    displayed = opened(data)
    assert displayed.size == (40, 112)
    assert displayed.info["icc_profile"] == SRGB
    tags = displayed.getexif()
    assert tags.get(ORIENTATION, 1) == 1
    assert (tags[MAKE], tags[COPYRIGHT]) == ("A maker of cameras", "CC0")
    inner = tags.get_ifd(EXIF)
    assert (inner[LENS], inner[ACROSS], inner[DOWN]) == ("A long lens", 40, 112)
    assert inner[EXPOSURE] == pytest.approx(1 / 125)
    assert tags.get_ifd(GPS) == {1: "N", 2: (48.0, 8.0, 14.5)}
    assert (inner.get(NOTE) == b"MAKERNOTE" * 4) == (source != "tiff")
    packet = xmp_of(displayed)
    assert b'tiff:Orientation="1"' in packet and b"exif:PixelXDimension = '40'" in packet and b'dc:title="T"' in packet
    assert b"<tiff:ImageWidth>40</" in packet and b"secret" not in packet
    again = reading.decode(data, place="")
    assert again.pixels.shape == enlarged.shape
    if source in ("jpeg", "png", "tiff"):
        assert again.metadata.dpi == pytest.approx((300, 300), abs=0.05)
        if target in ("jpeg", "png", "tiff"):
            assert displayed.info["dpi"] == pytest.approx((300, 300), abs=0.05)
    if target != "tiff":
        assert fit(again.metadata, enlarged, target)[0].exif == remaining.exif == again.metadata.exif


@pytest.mark.parametrize("target", ["jpeg", "png", "webp", "avif"])
def test_opencv_reads_what_is_written(target: str) -> None:
    supplied = Metadata(icc=SRGB, exif=block(), xmp=XMP)
    data = encoding.encode(picture(), format=target, place="", metadata=supplied)
    remaining, _ = fit(supplied, picture(), target)
    _, kinds, blocks = cv2.imdecodeWithMetadata(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    actual = {int(kind): np.asarray(value).tobytes() for kind, value in zip(kinds, blocks, strict=True)}
    assert actual[cv2.IMAGE_METADATA_EXIF] == remaining.exif
    assert actual.get(cv2.IMAGE_METADATA_ICCP, SRGB) == SRGB
    assert remaining.xmp in actual.get(cv2.IMAGE_METADATA_XMP, remaining.xmp)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("source", CARRIERS)
def test_orientation_is_never_applied_twice(source: str, orientation: int) -> None:
    data = from_pillow(source, exif=b"Exif\0\0" + block(orientation), quality=100)
    first = reading.decode(data, place="")
    stored = opened(from_pillow(source, exif=b"", quality=100)).convert("RGB")
    turn = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}.get(orientation)
    upright = np.asarray(stored.transpose(Image.Transpose(turn)) if turn is not None else stored)
    assert np.abs(first.pixels.astype(int) - upright).mean() < 3
    for target in CARRIERS:
        written = encoding.encode(first.pixels, format=target, place="", metadata=first.metadata)
        second = reading.decode(written, place="")
        assert second.pixels.shape == first.pixels.shape
        assert np.abs(second.pixels.astype(int) - first.pixels).mean() < 3


def test_a_thumbnail_is_wiped_out() -> None:
    plain = block()
    thumbnail = b"\xff\xd8 what was there before \xff\xd9"
    at = struct.unpack_from("<I" if plain[:1] == b"I" else ">I", plain, 4)[0]
    order = "<" if plain[:1] == b"I" else ">"
    (count,) = struct.unpack_from(order + "H", plain, at)
    start = len(plain)
    second = struct.pack(order + "HHHIIHHIII", 2, 513, 4, 1, start + 30, 514, 4, 1, len(thumbnail), 0)
    whole = bytearray(plain + second + thumbnail)
    struct.pack_into(order + "I", whole, at + 2 + 12 * count, start)
    renewed = exif.renewed(bytes(whole), width=5, height=6)
    assert b"there before" not in renewed and len(renewed) == start + 30
    assert exif.renewed(renewed, width=5, height=6) == renewed
    tags = Image.Exif()
    tags.load(b"Exif\0\0" + renewed)
    assert tags[MAKE] == "A maker of cameras" and tags.get_ifd(EXIF)[ACROSS] == 5


@pytest.mark.parametrize(
    ("icc", "channels", "part"),
    [
        (profile(b"CMYK"), 3, "it is for CMYK, the result is RGB"),
        (profile(b"GRAY"), 4, "it is for grey, the result is RGB"),
        (profile(b"RGB "), 1, "it is for RGB, the result is grey"),
        (profile(b"RGB ")[:100], 3, "it is damaged"),
        (profile(b"GRAY"), 2, ""),
        (profile(b"RGB "), 4, ""),
    ],
)
def test_profiles_of_another_model_are_dropped(icc: bytes, channels: int, part: str) -> None:
    remaining, notes = fit(Metadata(icc=icc), picture(channels), "png")
    assert notes == ((f"ICC profile dropped: {part}",) if part else ())
    assert remaining.icc == (b"" if part else icc)
    data = encoding.encode(picture(channels), format="png", place="", metadata=Metadata(icc=icc))
    assert opened(data).info.get("icc_profile", b"") == remaining.icc


@pytest.mark.parametrize(
    ("channels", "format", "note"),
    [
        (1, "webp", "grey becomes RGB in webp files"),
        (2, "webp", "grey and alpha becomes RGBA in webp files"),
        (2, "bmp", "grey and alpha becomes RGBA in bmp files"),
        (2, "jp2", "grey and alpha becomes RGBA in jp2 files"),
        (2, "avif", "grey and alpha becomes RGBA in avif files"),
        (1, "bmp", ""),
        (2, "png", ""),
        (3, "webp", ""),
    ],
)
def test_grey_that_becomes_colour_is_told(channels: int, format: str, note: str) -> None:
    pixels = np.full((40, 50, channels), 100, np.uint8)
    _, notes = fit(NOTHING, pixels, format)
    assert notes == ((note,) if note else ())
    back: Any = cv2.imdecode(
        np.frombuffer(encoding.encode(pixels, format=format, place=""), np.uint8), cv2.IMREAD_UNCHANGED
    )
    if note:
        assert back.shape[2] == (4 if "RGBA" in note else 3)


def test_grey_that_becomes_rgb_loses_its_profile() -> None:
    _, notes = fit(Metadata(icc=profile(b"GRAY")), picture(1), "webp")
    assert notes == ("grey becomes RGB in webp files", "ICC profile dropped: it is for grey, the result is RGB")
