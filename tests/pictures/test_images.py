"""Image files: PngSuite against OpenCV, EXIF pictures made by others, damage of every kind, what formats hold."""

from __future__ import annotations

import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from convcli.channels import Channels
from convcli.errors import ImageError, UsageError
from convcli.pictures import encoding, reading, sniff, table
from convcli.pictures.formats.tiff import directories
from convcli.pictures.registry import FORMATS
from tests.support import corpus, texts

Pixels = np.ndarray[Any, Any]
Tags = dict[int, tuple[int, ...]]


needs_corpora = pytest.mark.skipif(
    not corpus("pngsuite"), reason="no pictures by others: set CONVCLI_CORPORA to a folder with pngsuite/ and exif/"
)
VALID = [path for path in corpus("pngsuite") if not path.name.startswith("x")]
CORRUPT = [path for path in corpus("pngsuite") if path.name.startswith("x")]


def opencv(data: bytes) -> Pixels:
    """OpenCV's own reading, as (height, width, channels) in RGB(A) order."""
    pixels: Pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)  # type: ignore[assignment]
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    return pixels[:, :, [2, 1, 0, 3][: pixels.shape[2]]] if pixels.shape[2] > 2 else pixels


def encoded(pixels: Pixels, extension: str, *settings: int) -> bytes:
    done, out = cv2.imencode(extension, pixels, settings)
    assert done
    return out.tobytes()


def tiff(pixels: Pixels, tags: Tags | None = None, *, order: str = "<", pages: int = 1) -> bytes:
    """A plain uncompressed TIFF, written after the specification for these tests."""
    height, width, channels = pixels.shape
    body = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    kind = {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]
    fields: dict[int, tuple[str, tuple[int, ...]]] = {
        256: ("I", (width,)), 257: ("I", (height,)), 258: ("H", (8 * pixels.itemsize,) * channels), 259: ("H", (1,)),
        262: ("H", (2 if channels > 2 else 1,)), 273: ("I", (8,)), 277: ("H", (channels,)), 278: ("I", (height,)),
        279: ("I", (len(body),)), 339: ("H", (kind,) * channels),
    }  # fmt: skip
    fields |= {tag: ("H", values) for tag, values in (tags or {}).items()}
    out = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8 + len(body)) + body
    for page in range(pages):
        start = len(out)
        spare = start + 2 + 12 * len(fields) + 4
        table, values = b"", b""
        for tag, (letter, numbers) in sorted(fields.items()):
            packed = struct.pack(f"{order}{len(numbers)}{letter}", *numbers)
            if len(packed) > 4:
                table_value, values = struct.pack(order + "I", spare + len(values)), values + packed
            else:
                table_value = packed.ljust(4, b"\0")
            table += struct.pack(order + "HHI", tag, 3 if letter == "H" else 4, len(numbers)) + table_value
        following = spare + len(values) if page + 1 < pages else 0
        out += struct.pack(order + "H", len(fields)) + table + struct.pack(order + "I", following) + values
    return out


def turned(pixels: Pixels, orientation: int) -> Pixels:
    """Upright pixels, by the table of the Exif specification: which side row 0 and column 0 are."""
    rows_first = pixels if orientation <= 4 else pixels.transpose(1, 0, 2)
    flip_y = orientation in (3, 4, 7, 8)
    flip_x = orientation in (2, 3, 6, 7)
    return rows_first[:: -1 if flip_y else 1, :: -1 if flip_x else 1]


def exif_block(orientation: int, order: str = ">") -> bytes:
    head = b"MM\0*" if order == ">" else b"II*\0"
    return head + struct.pack(order + "IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def with_exif(data: bytes, block: bytes) -> bytes:
    """A JPEG, PNG or WebP file with an EXIF block put in."""
    if data.startswith(b"\xff\xd8"):
        segment = b"Exif\0\0" + block
        return data[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + data[2:]
    if data.startswith(b"\x89PNG"):
        chunk = struct.pack(">I", len(block)) + b"eXIf" + block + struct.pack(">I", zlib.crc32(b"eXIf" + block))
        return data[:33] + chunk + data[33:]
    width, height = (side.to_bytes(3, "little") for side in reading.decode(data, place="").pixels.shape[1::-1])
    small = [(int.from_bytes(side, "little") - 1).to_bytes(3, "little") for side in (width, height)]
    chunks = b"VP8X" + struct.pack("<I", 10) + b"\x08\0\0\0" + b"".join(small)
    chunks += data[12:] + b"EXIF" + struct.pack("<I", len(block)) + block
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


def smooth(height: int = 40, width: int = 56, channels: int = 3) -> Pixels:
    y, x = np.mgrid[:height, :width]
    return np.stack([(x * (c + 1) + y * 2) % 200 + 20 for c in range(channels)], axis=2).astype(np.uint8)


# --- PNG, against OpenCV -------------------------------------------------------------------------------------------


@needs_corpora
@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_pngsuite_equals_opencv(path: Path) -> None:
    data = path.read_bytes()
    colour, depth = data[25], data[24]
    picture, expected = reading.decode(data, place=path.name), opencv(data)
    if colour == 4:
        assert picture.pixels.shape[2] == 2
        assert np.array_equal(expected[:, :, 0], expected[:, :, 1])
        expected = expected[:, :, [0, 3]]
    if colour == 0 and b"tRNS" in data:
        key = int.from_bytes(data[data.index(b"tRNS") + 4 :][:2], "big")
        key = key if depth >= 8 else key * 255 // (2**depth - 1)
        opaque = (picture.pixels[:, :, 0] != key) * np.iinfo(expected.dtype).max
        assert np.array_equal(picture.pixels[:, :, 1], opaque)
        assert picture.channels.alpha and 0 < opaque.mean() < np.iinfo(expected.dtype).max
        picture_pixels = picture.pixels[:, :, :1]
    else:
        picture_pixels = picture.pixels
    assert picture_pixels.dtype == expected.dtype
    assert np.array_equal(picture_pixels, expected)
    assert picture.pixels.flags.c_contiguous and picture.pixels.dtype.isnative
    assert (picture.format, picture.frames, picture.notes) == ("png", 1, ())


@needs_corpora
@pytest.mark.parametrize("path", CORRUPT, ids=lambda path: path.stem)
def test_corrupt_pngs_give_one_clear_line(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ImageError) as caught:
        reading.decode(path.read_bytes(), place=path.name)
    assert str(caught.value).startswith(f"{path.name}: damaged PNG: ")
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", [b"IDAT", b"IHDR", b"tEXt"])
def test_every_wrong_crc_is_found(kind: bytes) -> None:
    data = encoded(smooth(), ".png")
    text = struct.pack(">I", 4) + b"tEXta\0bc" + struct.pack(">I", zlib.crc32(b"tEXta\0bc"))
    data = data[:33] + text + data[33:]
    assert reading.decode(data, place="").format == "png"
    at = data.index(kind) + 5
    damaged = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    with pytest.raises(ImageError, match=f"wrong CRC in its {kind.decode()} chunk"):
        reading.decode(damaged, place="a.png")


# --- orientation ---------------------------------------------------------------------------------------------------


@needs_corpora
@pytest.mark.parametrize("name", ["Landscape", "Portrait"])
def test_exif_pictures_are_upright(name: str) -> None:
    by_name = {path.stem: path for path in corpus("exif")}

    def small(number: int) -> Pixels:
        pixels = reading.decode(by_name[f"{name}_{number}"].read_bytes(), place="").pixels
        assert pixels.shape == ((1200, 1800, 3) if name == "Landscape" else (1800, 1200, 3))
        return cv2.resize(pixels, (150, 150), interpolation=cv2.INTER_AREA).astype(np.int16)

    upright = small(0)
    for wrong in (upright[::-1], upright[:, ::-1], upright[::-1, ::-1], upright.transpose(1, 0, 2)):
        assert np.abs(wrong - upright).mean() > 20
    for number in range(1, 9):
        assert np.abs(small(number) - upright).mean() < 2  # each is a JPEG of its own


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("extension", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("channels", [1, 3])
def test_orientation_is_applied_once(orientation: int, order: str, extension: str, channels: int) -> None:
    plain = encoded(smooth(channels=channels), extension)
    stored = reading.decode(plain, place="").pixels
    picture = reading.decode(with_exif(plain, exif_block(orientation, order)), place="")
    assert np.array_equal(picture.pixels, turned(stored, orientation))
    assert picture.pixels.flags.c_contiguous


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_tiff_orientation_is_applied_once(orientation: int, dtype: type, channels: int) -> None:
    stored: Pixels = smooth(5, 7, channels).astype(dtype)
    extra: Tags = {338: (2,)} if channels in (2, 4) else {}
    picture = reading.decode(tiff(stored, {274: (orientation,)} | extra), place="")
    assert np.array_equal(picture.pixels, turned(stored, orientation))


@pytest.mark.parametrize("block", [b"", b"II*\0", b"MM\0*\xff\xff\xff\xff", exif_block(9), exif_block(0), b"\0" * 40])
def test_damaged_exif_means_upright(block: bytes) -> None:
    assert directories.orientation(block) == 1
    plain = encoded(smooth(), ".jpg")
    assert reading.decode(with_exif(plain, block), place="").pixels.shape == (40, 56, 3)


# --- TIFF: what OpenCV reads wrongly --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("order", ["<", ">"])
def test_tiff_values_are_kept(dtype: str, channels: int, order: str) -> None:
    stored = (np.random.default_rng(1).random((5, 7, channels)) * 120).astype(dtype)
    extra: Tags = {338: (2,)} if channels in (2, 4) else {}
    picture = reading.decode(tiff(stored, extra, order=order), place="")
    assert picture.pixels.dtype == np.dtype(dtype)
    assert np.array_equal(picture.pixels, stored)
    assert bool(picture.channels.alpha) == (channels in (2, 4))


def test_tiff_grey_and_alpha_with_predictor() -> None:
    stored = np.random.default_rng(2).integers(0, 65536, (4, 6, 2)).astype(np.uint16)
    differences = np.diff(stored, axis=1, prepend=np.zeros((4, 1, 2), np.uint16))
    picture = reading.decode(tiff(differences, {338: (2,), 317: (2,)}), place="")
    assert np.array_equal(picture.pixels, stored)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2])
def test_tiff_white_is_zero(dtype: type, channels: int) -> None:
    stored: Pixels = smooth(5, 7, channels).astype(dtype)
    pixels = reading.decode(tiff(stored, {262: (0,)}), place="").pixels
    assert np.array_equal(pixels[:, :, 0], np.iinfo(dtype).max - stored[:, :, 0])
    assert np.array_equal(pixels[:, :, 1:], stored[:, :, 1:])


@pytest.mark.parametrize(
    ("tags", "part"),
    [
        ({262: (10,)}, "colours are ITULab"),
        ({262: (32845,)}, "colours are LogLuv"),
        ({262: (32803,)}, "sensor"),
        ({339: (3, 3, 1)}, "several kinds"),
        ({339: (6, 6, 6)}, "complex"),
        ({258: (5, 6, 5)}, "samples of 5, 6, 5 bits"),
        ({259: (32909,)}, "compression is PixarLog"),
        ({258: (12,) * 3, 339: (2,) * 3}, "12-bit signed"),
        ({258: (24,) * 3, 339: (3,) * 3}, "24-bit float"),
        ({262: (5,)}, "3 samples per pixel; 4 to 64"),
    ],
)
def test_tiff_layouts_that_would_be_misread_are_refused(tags: Tags, part: str) -> None:
    with pytest.raises(ImageError, match=f"unsupported TIFF: .*{part}"):
        reading.decode(tiff(smooth(5, 7).astype(np.uint16), tags), place="a.tif")


def test_a_list_of_pages_in_a_circle_ends() -> None:
    data = bytearray(tiff(smooth(4, 4, 1)))
    (at,) = struct.unpack_from("<I", data, 4)
    end = at + 2 + 12 * struct.unpack_from("<H", data, at)[0]
    struct.pack_into("<I", data, end, at)
    picture = reading.decode(bytes(data), place="a.tif")
    assert np.array_equal(picture.pixels, smooth(4, 4, 1)) and "goes in a circle" in str(picture.notes[0])
    with pytest.raises(ImageError, match="goes in a circle"):
        reading.decode(bytes(data), place="a.tif", strict=True)
    with pytest.raises(ImageError, match="goes in a circle"):
        list(reading.decode_all(bytes(data), place="a.tif"))


# --- frames --------------------------------------------------------------------------------------------------------


def test_frames_are_counted() -> None:
    frames = [np.full((40, 40, 3), value, np.uint8) for value in (0, 120, 240)]
    animation: Any = cv2.Animation()
    animation.frames, animation.durations = frames, np.array([100] * 3, np.int32)
    files = {
        extension: cv2.imencodeanimation(extension, animation)[1].tobytes() for extension in (".png", ".webp", ".gif")
    }
    files[".tif"] = cv2.imencodemulti(".tif", frames)[1].tobytes()
    files["handmade"] = tiff(frames[0], pages=3)
    for name, data in files.items():
        picture = reading.decode(data, place=name)
        assert (picture.frames, texts(picture.notes)) == (3, ("frame 1 of 3",)), name
        assert picture.pixels[:, :, :3].max() < 10, name
    assert reading.decode(encoded(frames[0], ".gif"), place="").frames == 1


# --- damage ---------------------------------------------------------------------------------------------------------


def photograph() -> Pixels:
    noise = np.random.default_rng(3).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2)


FILES = {
    extension: encoded(photograph(), extension)
    for extension in (".png", ".jpg", ".webp", ".tif", ".bmp", ".ppm", ".gif", ".jp2", ".avif", ".ras")
}
FILES["progressive.jpg"] = encoded(photograph(), ".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
FILES["restarts.jpg"] = encoded(photograph(), ".jpg", cv2.IMWRITE_JPEG_RST_INTERVAL, 4)
FILES["exif.jpg"] = with_exif(FILES[".jpg"], exif_block(6) + FILES[".jpg"])  # a thumbnail with an end marker of its own
FILES["handmade.tif"] = tiff(photograph())
FILES[".pam"] = encoding.encode(smooth(channels=4), format="pam", place="")


@pytest.mark.parametrize("name", FILES)
def test_truncation_is_an_error(name: str) -> None:
    data = FILES[name]
    assert reading.decode(data, place=name).pixels.shape[:2] in ((96, 128), (128, 96), (40, 56))
    for length in [*(len(data) * part // 16 for part in range(16)), len(data) - 1, len(data) - 2]:
        with pytest.raises(ImageError) as caught:
            reading.decode(data[:length], place=name)
        assert str(caught.value).startswith(f"{name}: ")


@pytest.mark.parametrize("name", [".jpg", "progressive.jpg", ".png", ".bmp", ".ppm", ".gif", ".webp"])
def test_trailing_bytes_are_accepted(name: str) -> None:
    pixels = reading.decode(FILES[name], place="").pixels
    assert np.array_equal(reading.decode(FILES[name] + b"\xff\0trailing" * 9, place="").pixels, pixels)


def test_random_damage_never_escapes_as_another_exception() -> None:
    random = np.random.default_rng(4)
    for name in (".png", ".tif", "handmade.tif", ".gif", ".webp", ".bmp", ".ppm", ".pam"):
        for _ in range(60):
            data = bytearray(FILES[name])
            for at in random.integers(0, min(len(data), 400), 3):
                data[at] = random.integers(0, 256)
            try:
                picture = reading.decode(bytes(data), place=name, max_pixels=1 << 22)
            except ImageError:
                continue
            assert picture.pixels.ndim == 3


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"", "the file is empty"),
        (b"<!DOCTYPE html><title>404</title>", r"not an image \(looks like HTML\)"),
        (b"\n  <HTML>", "looks like HTML"),
        (b"hello, w\xc3\xb6rld\n" * 100, "looks like text"),
        (b"<?xml version='1.0'?><svg/>", "unsupported format: SVG"),
        (b"<?xml version='1.0'?><a/>", "looks like XML"),
        (b"\xff\x0a" + bytes(50), "unsupported format: JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "unsupported format: JPEG XL"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(50), "damaged or truncated HEIF"),
        (b"\0\0\0\x18ftypisom\0\0\0\0mp42isom" + bytes(50), "unsupported format: MP4"),
        (b"v/1\x01" + bytes(50), "unsupported format: OpenEXR"),
        (b"8BPS\0\1" + bytes(50), "unsupported format: Photoshop"),
        (b"%PDF-1.7\n", "unsupported format: PDF"),
        (b"\x93NUMPY\1\0", "a NumPy array"),
        (b"PK\3\4" + bytes(50), "a zip archive"),
        (bytes(2000), "all zero"),
        (bytes(range(1, 255)), "not an image in a known format"),
    ],
)
def test_what_is_no_image_is_named(data: bytes, part: str) -> None:
    with pytest.raises(ImageError, match=part) as caught:
        reading.decode(data, place="a.png")
    assert str(caught.value).startswith("a.png: ")
    assert ("JPEG XL" not in part) or "jpeg" in caught.value.hint


def test_content_counts_not_the_name() -> None:
    assert reading.decode(FILES[".jpg"], place="a.png").format == "jpeg"


# --- limits and lies --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [".png", ".jpg", ".webp", ".tif", ".bmp", ".ppm", ".gif", ".pam"])
def test_pixel_limit_is_read_from_the_header(name: str) -> None:
    height, width = reading.decode(FILES[name], place="").pixels.shape[:2]
    assert reading.decode(FILES[name], place="", max_pixels=height * width)
    with pytest.raises(ImageError, match=f"{width} x {height} is [0-9,]+ pixels; at most [0-9,]+ are read"):
        reading.decode(FILES[name], place=name, max_pixels=height * width - 1)


LIES = """
import resource, sys, time
from convcli.pictures import reading
from convcli.errors import ImageError
import cv2, numpy, struct, zlib
from tests.support import corpus
def lie(data, at, form, *values):
    out = bytearray(data); struct.pack_into(form, out, at, *values); return bytes(out)
pixels = numpy.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=numpy.uint8)
files = {name: cv2.imencode(name, pixels)[1].tobytes() for name in (".png", ".jpg", ".bmp", ".ppm", ".tif")}
header = struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0)
png = files[".png"]; png = png[:16] + header + struct.pack(">I", zlib.crc32(b"IHDR" + header)) + png[33:]
jpeg = lie(files[".jpg"], files[".jpg"].index(b"\\xff\\xc0") + 5, ">HH", 30000, 30000)
bmp = lie(files[".bmp"], 18, "<ii", 30000, 30000)
ppm = files[".ppm"].replace(b"64 64", b"30000 30000")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for data in (png, jpeg, bmp, ppm):
    start = time.process_time()
    try:
        reading.decode(data, place="lie")
    except ImageError as error:
        print(error)
    assert time.process_time() - start < 2
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_lying_headers_cost_no_memory() -> None:
    if sys.platform == "win32":
        pytest.skip("the peak of memory is read by POSIX means")
    done = subprocess.run([sys.executable, "-c", LIES], capture_output=True, text=True, check=True)
    *lines, peak = done.stdout.splitlines()
    assert len(lines) == 4 and all(line.startswith("lie: ") for line in lines), lines
    assert int(peak) < 50, f"{peak} MB"


# --- other sources ----------------------------------------------------------------------------------------------------


def test_pnm_is_scaled_to_full_range() -> None:
    for data, expected in [
        (b"P5\n# a comment\n2 1\n15\n\x00\x0f", [0, 255]),
        (b"P5 2 1 1023\n\x00\x00\x03\xff", [0, 65535]),
        (b"P2\n2 1\n15\n0 15", [0, 255]),
        (b"P2\n2 1\n1000\n0 1000", [0, 65535]),
        (b"P1\n2 1\n1 0", [0, 255]),
        (b"P4\n2 1\n\x80", [0, 255]),
    ]:
        assert reading.decode(data, place="a.pnm").pixels.ravel().tolist() == expected, data
    assert reading.decode(b"P6\n1 1\n255\nabc", place="").pixels.tolist() == [[[97, 98, 99]]]
    assert texts(reading.decode(b"P5 2 1 1023\n\x00\x00\x03\xff", place="").notes) == (
        "its values up to 1023 are scaled to 65535",
    )


def test_padding_of_a_32_bit_bmp_is_not_alpha() -> None:
    clear = smooth(channels=4)
    clear[:, :, 3] = 0
    assert reading.decode(encoded(clear, ".bmp"), place="").pixels.shape[2] == 3
    clear[0, 0, 3] = 1
    assert reading.decode(encoded(clear, ".bmp"), place="").pixels.shape[2] == 4


# --- writing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", table.WRITABLE)
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "i8", "f2", "f4", "f8", "?"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_what_is_written_comes_back(format: str, dtype: str, channels: int) -> None:
    pixels = smooth(40, 48, channels).astype(dtype)
    if not FORMATS[format].holds(pixels.dtype, Channels.of(channels)):
        with pytest.raises(ImageError, match=f"{format} can't hold ") as caught:
            encoding.encode(pixels, format=format, place="out")
        assert "formats that can: " in caught.value.hint and ".npy" in caught.value.hint
        return
    data = encoding.encode(pixels, format=format, place="out")
    if format == "npy":
        assert data.startswith(b"\x93NUMPY")
        return
    picture = reading.decode(data, place="")
    assert picture.format == ("pnm" if format == "pam" else format)
    back = picture.pixels
    assert back.dtype == pixels.dtype
    if format == "gif":  # 256 colours, alpha or none: test_gif_writer.py
        assert back.shape == (40, 48, 3 + (channels in (2, 4)))
        return
    if back.shape[2] == 4 and channels == 2:  # widened: three equal channels
        assert format in ("webp", "tiff", "bmp", "jp2", "avif")
        back = back[:, :, [0, 3]]
    elif back.shape[2] == 3 and channels == 1:
        assert format == "webp"
        back = back[:, :, :1]
    assert back.shape == pixels.shape
    if format in ("jpeg", "webp", "avif", "jp2"):
        assert np.abs(back.astype(float) - pixels).mean() < 8
    else:
        assert np.array_equal(back, pixels)


def test_errors_say_what_would_fit() -> None:
    with pytest.raises(ImageError) as caught:
        encoding.encode(smooth(channels=4), format="jpeg", place="out.jpg")
    assert str(caught.value) == (
        "out.jpg: jpeg can't hold RGBA, only grey, RGB\n"
        "  hint: --background COLOUR is laid under it, --alpha drop leaves it out; "
        "formats that can: .png .webp .tif .bmp .pam .jp2 .avif .gif .npy"
    )
    with pytest.raises(ImageError, match="png can't hold float32 pixels, only uint8, uint16") as caught:
        encoding.encode(smooth().astype(np.float32), format="png", place="out.png")
    assert caught.value.hint == "--depth 8 converts it; formats that can: .tif .pfm .npy"
    with pytest.raises(ImageError, match="at most 16,383 a side"):
        encoding.encode(np.zeros((1, 16384, 3), np.uint8), format="webp", place="out.webp")
    with pytest.raises(ImageError, match="can't write 8 x 8 as jp2"):
        encoding.encode(smooth(8, 8), format="jp2", place="out.jp2")


def test_input_is_not_changed_by_writing() -> None:
    for format in table.WRITABLE:
        pixels = smooth()
        pixels = pixels.astype(np.float32) if format == "pfm" else pixels
        before = pixels.copy()
        pixels.setflags(write=False)
        encoding.encode(pixels, format=format, place="")
        encoding.encode(pixels[::-1, ::-1][:, :, ::-1], format=format, place="")
        assert np.array_equal(pixels, before)


def test_formats_by_name() -> None:
    assert [table.format_of(name) for name in ("a.b/out.JPG", ".tiff", "png", "jpg", "x.ppm", "a.npy")] == [
        "jpeg", "tiff", "png", "jpeg", "pnm", "npy",
    ]  # fmt: skip
    with pytest.raises(UsageError, match=r"no image format has the extension '\.jepg'") as caught:
        table.format_of("out.jepg")
    assert caught.value.hint == "did you mean '.jpg'?"
    with pytest.raises(UsageError) as caught:
        table.format_of("out.xyz")
    assert ".png .jpg" in caught.value.hint
    with pytest.raises(UsageError, match="HDR can be read but not written"):
        table.format_of("out.hdr")
    with pytest.raises(UsageError, match=r"HDR can be read but not written") as caught:
        table.format_of("out.hdr")
    assert caught.value.hint.startswith("extensions that can be written: .png")
    with pytest.raises(UsageError, match=r"'folder\.d/out' has no image extension"):
        table.format_of("folder.d/out")


def test_opencvs_log_is_quiet_in_threads_and_restored(capfd: pytest.CaptureFixture[str]) -> None:
    before = cv2.utils.logging.getLogLevel()
    broken = bytearray(FILES[".tif"])
    broken[10:2000] = bytes(1990)

    def work() -> None:
        for _ in range(20):
            with pytest.raises(ImageError):
                reading.decode(FILES[".avif"][:-9], place="")
            reading.decode(FILES[".tif"], place="")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cv2.utils.logging.getLogLevel() == before
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        (("npy", "batch.files", *(f"pictures.{name}" for name in ("sniff", "table", "opencv"))), set()),
        (
            ("pictures.reading", "pictures.encoding", "pictures.formats.png.writer", "pictures.formats.tiff.rows"),
            {"numpy"},
        ),
    ],
)
def test_importing_costs_little(modules: Iterable[str], heavy: set[str]) -> None:
    """What the command line asks before there is a picture loads no numpy, and nothing loads OpenCV before a call."""
    code = "import sys" + "".join(f", convcli.{name}" for name in modules)
    code += "; print(*{'numpy', 'cv2'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == heavy


def test_every_signature_leads_somewhere() -> None:
    assert {sniff.identify(data) for data in FILES.values()} <= set(sniff.READABLE)
