"""What files carry that no result keeps is told in a line each, and nothing is said of what means nothing."""

from __future__ import annotations

import struct

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from convcli.errors import ImageError
from convcli.pictures import encoding, reading
from convcli.pictures.formats.jpeg import segments
from convcli.pictures.formats.tiff import exif
from tests.pictures.described_files import ACROSS, COPYRIGHT, EXIF, GPS, LENS, MAKE, ORIENTATION, block, from_pillow
from tests.pictures.test_texts import png, with_segments
from tests.support import noise, texts
from tests.tiff_files import tiff_file

C2PA = "content credentials (C2PA) dropped"
FURTHER = "further pictures in it (previews, depth, gain maps) dropped"
DUCKY = b"Ducky\0\1\0\4\0\0\0\x3c"


@pytest.mark.parametrize(
    ("segments", "lost"),
    [
        ([(0xEB, b"JP\0\1\0\0\0\1\0\0\0\x20jumb\0\0\0\x18jumdc2pa")], [C2PA]),
        ([(0xEB, b"JP\0\1\0\0\0\1\0\0\0\x20jumb")], ["JUMBF records dropped"]),
        ([(0xE1, b"FLIR\0\1\0\1")] * 2, ["thermal data (FLIR) dropped"]),
        ([(0xE2, b"MPF\0MM"), (0xE2, b"urn:iso:std:iso:ts:21496:-1\0")], [FURTHER]),
        ([(0xED, b"Photoshop 3.0\x008BIM")], ["Photoshop and IPTC records dropped"]),
        ([(0xEC, DUCKY + b"\0\0")], []),
        ([(0xEC, DUCKY + b"\0\2\0\5hello\0\0")], ["comment or copyright of Photoshop (Ducky) dropped"]),
        (
            [(0xE5, b"SEC\0\1"), (0xE7, b"\1\2\3"), (0xE5, b"SEC\0\2")],
            ["records of other kinds (APP5 SEC, APP7) dropped"],
        ),
        ([(0xEE, b"Adobe\0d\0\0\0\0\1"), (0xE0, b"JFXX\0\x10"), (0xED, b"Adobe_CM\0")], []),
        ([(0xE1, b"http://ns.adobe.com/xap/1.0/\0<a/>")] * 2, ["a second XMP packet dropped"]),
    ],
)
def test_segments_of_jpeg(segments: list[tuple[int, bytes]], lost: list[str]) -> None:
    assert reading.decode(with_segments(*segments), place="").metadata.lost == tuple(lost)


def primaries(*colours: int) -> bytes:
    return struct.pack(">8I", 31270, 32900, *colours)


@pytest.mark.parametrize(
    ("chunks", "lost"),
    [
        ([(b"caBX", b"jumb")], [C2PA]),
        ([(b"cICP", bytes((12, 13, 0, 1)))], ["colour space (cICP) dropped"]),
        ([(b"cICP", bytes((9, 16, 0, 1))), (b"mDCV", bytes(24)), (b"cLLI", bytes(8))], ["colour space (cICP) dropped"]),
        ([(b"gAMA", struct.pack(">I", 100000))], ["gamma of 1 dropped"]),
        ([(b"gAMA", struct.pack(">I", 45455))], []),
        ([(b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", 100000))], []),
        ([(b"cHRM", primaries(64000, 33000, 30000, 60000, 15000, 6000))], []),
        ([(b"cHRM", primaries(68000, 32000, 26500, 69000, 15000, 6000))], ["primaries (cHRM) dropped"]),
        ([(b"sTER", b"\0"), (b"sCAL", b"\1")], ["stereo layout dropped", "scale of the subject (sCAL) dropped"]),
        ([(b"prVt", b"x"), (b"quAk", b"y")], ["records of other kinds (prVt, quAk) dropped"]),
        ([(b"tIME", bytes(7)), (b"bKGD", bytes(6)), (b"sBIT", b"\5\6\5"), (b"vpAg", bytes(9)), (b"iDOT", b"")], []),
    ],
)  # fmt: skip
def test_chunks_of_png(chunks: list[tuple[bytes, bytes]], lost: list[str]) -> None:
    assert reading.decode(png(*chunks), place="").metadata.lost == tuple(lost)


def test_chunks_of_webp() -> None:
    plain = from_pillow("webp")
    more = plain + b"C2PA" + struct.pack("<I", 4) + b"jumb"
    data = more[:4] + struct.pack("<I", len(more) - 8) + more[8:]
    assert reading.decode(plain, place="").metadata.lost == ()
    assert reading.decode(data, place="").metadata.lost == ("records of other kinds (C2PA) dropped",)


# --- EXIF in several segments --------------------------------------------------------------------------------------


def others() -> bytes:
    """An EXIF block in the other byte order than Pillow writes, with fields that `block` has, too, and others."""
    tags = Image.Exif()
    tags.endian = ">" if block()[:1] == b"I" else "<"
    tags[ORIENTATION], tags[MAKE], tags[0x013B], tags[0x0131] = 3, "another maker", "An artist", "a program"
    inner = tags.get_ifd(EXIF)
    inner[ACROSS], inner[0x8827], inner[0x829D] = 77, 400, 2.8
    tags.get_ifd(GPS)[5], tags.get_ifd(GPS)[6] = b"\0", 12.5
    return tags.tobytes().removeprefix(b"Exif\0\0")


@pytest.mark.parametrize("swapped", [False, True])
def test_two_exif_blocks_keep_the_fields_of_both(swapped: bool) -> None:
    pair = [others(), block()] if swapped else [block(), others()]
    assert pair[0][:2] != pair[1][:2]
    picture = reading.decode(with_segments(*((0xE1, b"Exif\0\0" + part) for part in pair)), place="")
    assert picture.pixels.shape == ((40, 56, 3) if swapped else (56, 40, 3))  # as the first block says
    assert picture.metadata.lost == ()
    tags = Image.Exif()
    tags.load(b"Exif\0\0" + picture.metadata.exif)
    assert (tags[ORIENTATION], tags[MAKE]) == ((3, "another maker") if swapped else (6, "A maker of cameras"))
    assert (tags[COPYRIGHT], tags[0x013B], tags[0x0131]) == ("CC0", "An artist", "a program")
    inner, gps = tags.get_ifd(EXIF), tags.get_ifd(GPS)
    assert (inner[LENS], inner[ACROSS], inner[0x8827]) == ("A long lens", 77 if swapped else 9, 400)
    assert float(inner[0x829D]) == pytest.approx(2.8)
    assert gps[1] == "N" and gps[2] == (48.0, 8.0, 14.5) and float(gps[6]) == 12.5
    assert (0x927C in inner) is not swapped  # a maker note counts its offsets from where it was
    assert exif.renewed(picture.metadata.exif, width=5, height=6)


def test_a_block_that_goes_on_in_further_segments() -> None:
    tags = Image.Exif()
    tags[ORIENTATION], tags[0x010E] = 6, "words " * 20000
    whole = tags.tobytes().removeprefix(b"Exif\0\0")
    parts = [whole[at : at + 60000] for at in range(0, len(whole), 60000)]
    picture = reading.decode(with_segments(*((0xE1, b"Exif\0\0" + part) for part in parts)), place="")
    assert len(parts) == 3 and picture.metadata.exif == whole and picture.pixels.shape == (56, 40, 3)


def test_a_second_block_that_is_damaged() -> None:
    data = with_segments((0xE1, b"Exif\0\0" + block()), (0xE1, b"Exif\0\0MM\0*\xff\xff\xff\xff"))
    supplied = reading.decode(data, place="").metadata
    assert supplied.exif == block() and supplied.lost == ("a further EXIF block dropped: it is damaged",)
    for length in range(8, len(others()), 5):
        merged, _ = segments.exif_of([block(), others()[:length]])
        exif.renewed(merged, width=5, height=6)


# --- kinds of JPEG -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("space", ["cmyk", "ycck"])
def test_inks(space: str, marked: bool) -> None:
    inks = np.full((32, 32, 4), (200, 100, 30, 150), np.uint8)
    data = imagecodecs.jpeg8_encode(inks, 98, colorspace="cmyk", outcolorspace=space)
    at = data.index(b"Adobe") - 4
    picture = reading.decode(data if marked else data[:at] + data[at + 16 :], place="")
    if marked or space == "cmyk":
        expected = inks[..., :3] * (inks[..., 3:] / 255.0)
        assert np.abs(picture.pixels - expected).max() <= 3
    inverted = "" if marked else ", taken for inverted as nearly all are,"
    assert texts(picture.notes) == (f"its CMYK colours{inverted} are turned into RGB",)


def test_kinds_that_can_not_be_read_are_named() -> None:
    grey = np.full((32, 32), 90, np.uint8)
    two = bytearray(encoding.encode(np.full((32, 32, 3), 90, np.uint8), format="jpeg", place=""))
    frame = two.index(b"\xff\xc0")
    two[frame + 9] = 2
    for data, part in (
        (imagecodecs.jpeg8_encode(grey.astype(np.uint16) * 16, 90, bitspersample=12), "12 bits per sample, lossy"),
        (imagecodecs.ljpeg_encode(grey), "8 bits per sample, lossless or hierarchical"),
        (imagecodecs.jpegls_encode(grey), "JPEG-LS"),
    ):
        with pytest.raises(ImageError) as caught:
            reading.decode(data, place="")
        assert caught.value.fact == f"unsupported JPEG: {part}; 8 bits and lossy can be read"
    with pytest.raises(ImageError, match="unsupported JPEG: 2 components; 1, 3 and 4 can be read"):
        reading.decode(bytes(two), place="")


@pytest.mark.parametrize(
    ("tag", "value", "words"),
    [
        (34735, (3, 4, struct.pack("<4H", 1, 1, 0, 0)), "place on the map (GeoTIFF) dropped"),
        (33550, (12, 3, bytes(24)), "place on the map (GeoTIFF) dropped"),
        (
            42113,
            (2, 6, b"-9999\0"),
            "nodata value -9999 dropped; --nodata -9999 leaves out such samples, which are filtered else",
        ),
        (42112, (2, 4, b"<a>\0"), "GDAL records dropped"),
        (50839, (1, 4, b"IJIJ"), "ImageJ records dropped"),
        (52545, (7, 4, b"jumb"), "content credentials (C2PA) dropped"),
    ],
)
def test_tiff_records_that_are_left_behind(tag: int, value: tuple[int, int, bytes], words: str) -> None:
    data = tiff_file(noise(6, 7, 1), more={tag: value})
    assert reading.decode(data, place="").metadata.lost == (words,)
