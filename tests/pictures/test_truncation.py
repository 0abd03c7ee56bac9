"""Files that end early, are damaged, are no pictures, or lie of their size."""

from __future__ import annotations

import subprocess
import sys
import threading

import cv2
import numpy as np
import pytest

from convcli.errors import ImageError
from convcli.pictures import encoding, reading, sniff
from tests.pictures.encoded_files import Pixels, encoded, exif_block, smooth, tiff, with_exif


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


@pytest.mark.parametrize("name", [".png", ".jpg", ".webp", ".tif", ".bmp", ".ppm", ".gif", ".pam"])
def test_pixel_limit_is_read_from_the_header(name: str) -> None:
    height, width = reading.decode(FILES[name], place="").pixels.shape[:2]
    assert reading.decode(FILES[name], place="", max_pixels=height * width)
    with pytest.raises(ImageError, match=f"{width} x {height} is [0-9,]+ pixels; at most [0-9,]+ are read"):
        reading.decode(FILES[name], place=name, max_pixels=height * width - 1)


LIES = """
import resource, sys
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
    try:
        reading.decode(data, place="lie")
    except ImageError as error:
        print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_lying_headers_cost_no_memory() -> None:
    if sys.platform == "win32":
        pytest.skip("the peak of memory is read by POSIX means")
    done = subprocess.run([sys.executable, "-c", LIES], capture_output=True, text=True, check=True)
    *lines, peak = done.stdout.splitlines()
    assert len(lines) == 4 and all(line.startswith("lie: ") for line in lines), lines
    assert int(peak) < 50, f"{peak} MB"


def test_opencvs_log_is_quiet_in_threads_and_restored(capfd: pytest.CaptureFixture[str]) -> None:
    before = cv2.utils.logging.getLogLevel()

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


def test_every_signature_leads_somewhere() -> None:
    assert {sniff.identify(data) for data in FILES.values()} <= set(sniff.READABLE)
