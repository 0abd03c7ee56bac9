"""Metadata that is damaged, hostile, too much, or not taken up: what is said, and how long it takes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from convcli.pictures import encoding, reading, sniff
from convcli.pictures.format import NOTHING, Animation, Metadata, Target
from convcli.pictures.formats import avif
from convcli.pictures.metadata import fit
from tests.pictures.described_files import CARRIERS, SRGB, XMP, block, from_pillow, opened, picture, profile


def test_what_a_format_does_not_hold_is_said() -> None:
    supplied = Metadata(icc=SRGB, exif=block(), xmp=XMP, dpi=(72, 72))
    assert fit(supplied, picture(), "pnm") == (
        NOTHING, ("ICC profile, EXIF, XMP, resolution dropped: not kept in pnm files",),
    )  # fmt: skip
    remaining, notes = fit(supplied, picture(), "bmp")
    assert (remaining.dpi, notes) == ((72, 72), ("ICC profile, EXIF, XMP dropped: not kept in bmp files",))
    data = encoding.encode(picture(), format="bmp", place="", metadata=supplied)
    assert opened(data).info["dpi"] == pytest.approx((72, 72), abs=0.05)
    assert reading.decode(data, place="").metadata.dpi == pytest.approx((72, 72), abs=0.05)
    large = Metadata(exif=block() + bytes(70000), xmp=XMP + b" " * 70000)
    remaining, notes = fit(large, picture(), "jpeg")
    assert remaining == NOTHING
    assert [note[:24] for note in notes] == [
        f"EXIF dropped: it has {len(large.exif) // 1000},",
        "XMP dropped: it has 70,2",
    ]


def test_a_large_profile_is_split_over_segments() -> None:
    icc = profile(b"RGB ", 200_000)
    data = encoding.encode(picture(), format="jpeg", place="", metadata=Metadata(icc=icc))
    assert data.count(b"ICC_PROFILE\0") == 4
    assert opened(data).info["icc_profile"] == icc
    assert reading.decode(data, place="").metadata.icc == icc


@pytest.mark.parametrize(
    ("marker", "content", "part"),
    [
        (0xED, b"Photoshop 3.0\0 8BIM", "Photoshop and IPTC records dropped"),
        (0xE2, b"MPF\0 directory", "further pictures in it"),
        (0xE1, b"http://ns.adobe.com/xmp/extension/\0 more", "extended XMP dropped"),
    ],
)
def test_what_is_not_taken_up_is_said(marker: int, content: bytes, part: str) -> None:
    plain = from_pillow("jpeg")
    segment = bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content
    actual = reading.decode(plain[:2] + segment + plain[2:], place="").metadata
    assert len(actual.lost) == 1 and part in actual.lost[0]
    assert fit(actual, picture(), "png")[1] == actual.lost


@pytest.mark.parametrize("dpi", [(300, 300), (72.5, 96), (1, 65535)])
@pytest.mark.parametrize("target", ["tiff", "webp", "avif"])
def test_resolution_without_exif(target: str, dpi: tuple[float, float]) -> None:
    data = encoding.encode(picture(), format=target, place="", metadata=Metadata(dpi=dpi))
    assert reading.decode(data, place="").metadata.dpi == dpi
    tags = opened(data).getexif()
    assert (float(tags[282]), float(tags[283]), tags[296]) == (*dpi, 2)


@pytest.mark.parametrize("format", CARRIERS)
def test_without_metadata_nothing_is_added(format: str) -> None:
    data = encoding.encode(picture(), format=format, place="")
    actual = reading.decode(data, place="").metadata
    assert (actual.icc, actual.exif, actual.xmp, actual.lost) == (b"", b"", b"", ())


def test_damage_in_metadata_is_no_damage_of_the_picture() -> None:
    random = np.random.default_rng(5)
    for format in CARRIERS:
        whole = from_pillow(format)
        spots = [at for mark in (b"Exif", b"acsp", b"iloc", b"II*\0", b"MM\0*") if (at := whole.find(mark, 1)) > 0]
        for _ in range(60):
            data = bytearray(whole)
            for _ in range(4):
                data[min(len(data) - 1, int(random.choice(spots) + random.integers(-8, 200)))] = random.integers(0, 256)
            actual = sniff.metadata(bytes(data), format)
            remaining, _ = fit(actual, np.zeros((5, 6, 3), np.uint8), "png")
            again, _ = fit(remaining, np.zeros((5, 6, 3), np.uint8), "png")
            assert again == remaining
            encoding.encode(picture(), format="tiff", place="", metadata=actual)


def test_hostile_xmp_packets() -> None:
    """A search that looks again from every place on would not end."""
    for part in (b" ", b"<xmp:Thumbnails>", b"tiff:Orientation=", b'tiff:Orientation="', b"<tiff:ImageWidth>1"):
        packet = part * (3_000_000 // len(part))
        remaining, _ = fit(Metadata(xmp=packet), np.zeros((5, 6, 3), np.uint8), "png")
        assert remaining.xmp == packet


def test_hostile_exif_blocks() -> None:
    whole = block()
    for length in range(0, len(whole), 3):
        fit(Metadata(exif=whole[:length]), np.zeros((5, 6, 3), np.uint8), "png")
    remaining, notes = fit(Metadata(exif=b"II*\0\xff\xff\xff\xff"), np.zeros((5, 6, 3), np.uint8), "png")
    assert remaining.exif == b"" and notes == ("EXIF dropped: it is damaged, its directory lies beyond its end",)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turns_and_mirrors_of_avif(orientation: int) -> None:
    """Pillow writes the orientation as boxes of the picture and not as EXIF."""
    actual, _ = avif.inspect(from_pillow("avif", exif=b"Exif\0\0" + block(orientation)))
    assert (actual.width, actual.height, actual.orientation) == (56, 40, orientation)


@pytest.mark.parametrize("compression", ["none", "deflate"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "f4"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_tiff_pages_by_opencv(dtype: str, channels: int, compression: str) -> None:
    from convcli.pictures.formats.tiff import writer as tiff_writer

    pixels = (np.random.default_rng(1).random((700, 300, channels)) * 200).astype(dtype)
    target = Target(format="tiff", settings={"compression": compression})
    data = tiff_writer.encode_frames(Animation(frames=[pixels, pixels[:9, :7]]), target)
    if channels == 2:
        assert np.array_equal(reading.decode(data, place="").pixels, pixels)
        return
    done, pages = cv2.imdecodemulti(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert done and len(pages) == 2
    for page, expected in zip(pages, (pixels, pixels[:9, :7]), strict=True):
        shaped = page.reshape(*page.shape[:2], -1)
        assert shaped.dtype == expected.dtype
        if channels != 4 or dtype != "u1":  # OpenCV multiplies 8-bit colours by alpha
            assert np.array_equal(shaped[:, :, [2, 1, 0, 3][:channels]] if channels > 2 else shaped, expected)
    if dtype in ("u1",):
        assert np.array_equal(np.asarray(opened(data)).reshape(pixels.shape), pixels)
