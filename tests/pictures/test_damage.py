"""Files cut short and damaged: refused by default, used as far as they go on request, never in silence."""

from __future__ import annotations

import io
import os
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from convcli.errors import ImageError
from convcli.pictures import reading
from convcli.pictures.formats.png import writer as png_writer
from convcli.pictures.formats.tiff import directories
from convcli.pictures.opencv import overheard
from tests.pictures.encoded_files import exif_block, tiff, with_exif
from tests.support import spawn, texts

Pixels = np.ndarray[Any, Any]


def photograph(channels: int = 3) -> Pixels:
    noise = np.random.default_rng(3).integers(0, 256, (192, 256, channels), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2).reshape(192, 256, channels)


def encoded(extension: str, *settings: int, pixels: Pixels | None = None) -> bytes:
    done, out = cv2.imencode(extension, photograph() if pixels is None else pixels, settings)
    assert done
    return out.tobytes()


FILES = {
    "jpeg": encoded(".jpg"),
    "grey jpeg": encoded(".jpg", pixels=photograph(1)),
    "png": encoded(".png"),
    "16-bit png": encoded(".png", pixels=photograph().astype(np.uint16) * 257),
    "own png": png_writer.encode(photograph()),
    "bmp": encoded(".bmp"),
    "ppm": encoded(".ppm"),
    "pam": b"P7\nWIDTH 256\nHEIGHT 192\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n" + photograph().tobytes(),
}
#: Its directory comes first, as the specification allows, so that it outlives the end.
EARLY_TIFF = tiff(photograph())


def early_tiff() -> bytes:
    """A TIFF file with its directory before its pixels."""
    import struct

    pixels = photograph()
    (at,) = struct.unpack_from("<I", EARLY_TIFF, 4)
    tail = bytearray(EARLY_TIFF[at:])
    (count,) = struct.unpack_from("<H", tail)
    for start in range(2, 2 + 12 * count, 12):
        tag, kind, values, place = struct.unpack_from("<HHII", tail, start)
        if tag == 273:
            struct.pack_into("<I", tail, start + 8, 8 + len(tail))
        elif (2 if kind == 3 else 4) * values > 4:
            struct.pack_into("<I", tail, start + 8, place - at + 8)
    return b"II*\0\x08\0\0\0" + bytes(tail) + pixels.tobytes()


FILES["tiff"] = early_tiff()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0.25, 0.5, 0.9])
def test_what_is_there_is_decoded_on_request(name: str, share: float) -> None:
    whole = reading.decode(FILES[name], place="").pixels
    cut = FILES[name][: int(len(FILES[name]) * share)]
    with pytest.raises(ImageError, match="truncated") as caught:
        reading.decode(cut, place="a")
    assert caught.value.hint == "--allow-truncated uses what is there"
    picture = reading.decode(cut, place="a", allow_truncated=True)
    assert picture.pixels.shape == whole.shape and picture.pixels.dtype == whole.dtype
    (note,) = texts(picture.notes)
    said = int(note.removeprefix("truncated: about ").split(" ")[0])
    assert abs(said - 100 * share) < 8, note
    rows = int(len(whole) * (said / 100 - 0.11))
    there = np.s_[-rows:] if name == "bmp" else np.s_[:rows]  # BMP starts at the bottom
    assert np.array_equal(picture.pixels[there], whole[there])
    missing = int(len(whole) * (0.92 - said / 100))
    gone = picture.pixels[:missing] if name == "bmp" else picture.pixels[len(whole) - missing :]
    assert not missing or (gone == gone[-1:, -1:]).all()


def test_a_progressive_jpeg_is_coarser() -> None:
    whole = encoded(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    pixels = reading.decode(whole, place="").pixels.astype(int)
    for length in range(len(whole) // 3, len(whole) - 2, len(whole) // 37):
        picture = reading.decode(whole[:length], place="", allow_truncated=True)
        assert texts(picture.notes) == ("truncated: the picture is coarser than it was",)
        assert np.abs(picture.pixels - pixels).mean() < 12


def test_the_scan_of_a_thumbnail_is_not_that_of_the_picture() -> None:
    whole = with_exif(encoded(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1), exif_block(1) + FILES["jpeg"][:9000])
    picture = reading.decode(whole[: len(whole) * 2 // 3], place="", allow_truncated=True)
    assert texts(picture.notes) == ("truncated: the picture is coarser than it was",)
    with pytest.raises(ImageError, match="truncated JPEG: its segment E1") as caught:
        reading.decode(whole[:8000], place="", allow_truncated=True)
    assert not caught.value.hint


def test_without_its_end_marker_a_jpeg_is_truncated() -> None:
    with pytest.raises(ImageError, match="without an end marker"):
        reading.decode(FILES["jpeg"][:-2], place="")
    picture = reading.decode(FILES["jpeg"][:-2], place="", allow_truncated=True)
    assert texts(picture.notes) == ("truncated: about 100 % of the picture is there, the rest is filled up",)
    assert np.array_equal(picture.pixels, reading.decode(FILES["jpeg"], place="").pixels)


@pytest.mark.parametrize("name", ["webp", "avif", "gif"])
def test_formats_that_are_all_or_nothing(name: str) -> None:
    data = encoded(f".{name}")
    for allow_truncated in (False, True):
        with pytest.raises(ImageError, match="truncated") as caught:
            reading.decode(data[: len(data) // 2], place="", allow_truncated=allow_truncated)
        assert not caught.value.hint


def test_every_length_is_an_error_or_a_note() -> None:
    for name in FILES:
        for length in range(0, len(FILES[name]) - 12, len(FILES[name]) // 23):
            try:
                picture = reading.decode(FILES[name][:length], place=name, allow_truncated=True)
            except ImageError:
                assert length < 0.1 * len(FILES[name]), (name, length)
                continue
            assert picture.notes and str(picture.notes[0]).startswith("truncated: ")


def test_a_short_file_can_not_ask_for_much() -> None:
    for data in (
        b"P6 30000 30000 255\n" + bytes(1000),
        FILES["bmp"][:18] + (30000).to_bytes(4, "little") * 2 + FILES["bmp"][26:300],
        FILES["png"][:16] + (30000).to_bytes(4, "big") * 2 + FILES["png"][24:300],
    ):
        with pytest.raises(ImageError):
            reading.decode(data, place="", allow_truncated=True)


def damaged(data: bytes) -> bytes:
    """A JPEG with a stretch of its scan overwritten."""
    random = np.random.default_rng(7).integers(0, 255, 100, dtype=np.uint8).tobytes()
    middle = len(data) // 2
    return data[:middle] + random + data[middle + 100 :]


@pytest.mark.parametrize("progressive", [0, 1])
def test_damage_inside_a_scan_is_told(progressive: int, capfd: pytest.CaptureFixture[str]) -> None:
    data = damaged(encoded(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, progressive))
    picture = reading.decode(data, place="a.jpg")
    (note,) = texts(picture.notes)
    assert note.startswith("damaged JPEG: Corrupt JPEG data: ") and note.endswith("; decoded as far as it goes")
    with pytest.raises(ImageError, match=r"^a\.jpg: damaged JPEG: Corrupt JPEG data") as caught:
        reading.decode(data, place="a.jpg", strict=True)
    assert "\n" not in str(caught.value)
    assert reading.decode(encoded(".jpg"), place="", strict=True).notes == ()
    assert capfd.readouterr() == ("", "")


def test_damaged_deflate_under_a_right_crc(capfd: pytest.CaptureFixture[str]) -> None:
    data = bytearray(FILES["png"])
    start = data.index(b"IDAT")
    length = int.from_bytes(data[start - 4 : start], "big")
    data[start + length // 2 : start + length // 2 + 50] = bytes(50)
    data[start + 4 + length : start + 8 + length] = zlib.crc32(data[start : start + 4 + length]).to_bytes(4, "big")
    with pytest.raises(ImageError, match="damaged"):
        reading.decode(bytes(data), place="")
    assert capfd.readouterr() == ("", "")


def test_what_others_say_meanwhile_is_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    complaints: list[str] = []
    with overheard(complaints):
        os.write(2, b"progress 1\nCorrupt JPEG data: bad Huffman code\nlibpng warning: sBIT: invalid\nprogress 2\n")
        print("from Python", file=sys.stderr, flush=True)
    assert complaints == ["Corrupt JPEG data: bad Huffman code", "sBIT: invalid"]
    assert {"progress 1", "progress 2"} <= set(capfd.readouterr().err.splitlines())
    with pytest.raises(KeyboardInterrupt), overheard(complaints):
        raise KeyboardInterrupt
    os.write(2, b"still there\n")
    assert "still there" in capfd.readouterr().err


def test_an_error_of_opencv_in_several_lines_is_not_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    complaints: list[str] = []
    error = b"[ERROR:0@1.2] global loadsave.cpp:9 imdecode_ imdecode_('data'): can't read header: in function 'f'"
    with overheard(complaints):
        os.write(2, error + b"\n> :\n>     'a == 1'\n> where\n>     'a' is 3\n\n> quoted by others\n")
    assert complaints == []  # that it can't be decoded is told anyway
    assert capfd.readouterr().err == "> quoted by others\n"


def test_the_limit_names_its_option() -> None:
    with pytest.raises(ImageError) as caught:
        reading.decode(FILES["png"], place="a.png", max_pixels=1000)
    assert caught.value.hint == "--max-pixels raises the limit"


@pytest.mark.parametrize(("name", "compression"), [("ZIP", 8), ("LZW", 5)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_damaged_strips_are_no_black_pictures(name: str, compression: int, dtype: type, tmp_path: Path) -> None:
    """OpenCV decodes such strips of 8-bit samples to zeros, and says so only in its log."""
    pixels = np.random.default_rng(3).integers(0, 255, (64, 80, 3)).astype(dtype)
    data = cv2.imencode(".tif", pixels, [cv2.IMWRITE_TIFF_COMPRESSION, compression])[1].tobytes()
    middle = len(data) // 3
    damaged = tmp_path / "damaged.tif"
    damaged.write_bytes(data[:middle] + bytes(200) + data[middle + 200 :])
    result = spawn("apply", str(damaged), "-k", "identity", "-o", str(tmp_path / "out.png"))
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert f"{name}Decode: " in line and "can't be decoded" in line
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("compression", ["jpeg", "ccitt_t4", "ccitt_t6", "lzw", "zlib", "packbits"])
@pytest.mark.parametrize("tiled", [False, True])
def test_a_block_of_a_tiff_file_that_is_cut_short(compression: str, tiled: bool) -> None:
    """Its byte count is halved, which moves nothing else: a decoder that fills up the rest is not heard."""
    fax = compression.startswith("ccitt")
    if fax and tiled:
        pytest.skip("fax codes are written in strips")
    pixels = photograph(1)[:64, :64]
    file = io.BytesIO()
    if fax:
        name = {"ccitt_t4": "group3", "ccitt_t6": "group4"}[compression]
        Image.fromarray(pixels[..., 0] > 100).save(file, "TIFF", compression=name, tiffinfo={278: 16})
    else:
        sides: Any = {"tile": (32, 32)} if tiled else {"rowsperstrip": 16}
        tifffile.imwrite(file, pixels[..., 0], photometric="minisblack", compression=compression, **sides)
    data = bytearray(file.getvalue())
    page = directories.listed(bytes(data))[0][0]
    tag = directories.TILE_BYTES if tiled else directories.STRIP_BYTES
    entry, sizes = page.entries[tag], list(page.get(tag))
    sizes[-1] //= 2
    struct.pack_into(f"{page.order}{len(sizes)}{'H' if entry.kind == 3 else 'I'}", data, entry.values_at, *sizes)
    with pytest.raises(ImageError, match="damaged"):
        reading.decode(bytes(data), place="", strict=fax)
    if compression == "ccitt_t6":  # rows that end too early are common, and only told of
        assert "damaged TIFF: Fax4Decode: Premature" in str(reading.decode(bytes(data), place="").notes[0])
