"""JPEG files of strips: what one call of OpenCV's encoder makes of the whole picture, to every decoder."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from convcli import load
from convcli.batch.names.jobs import Job
from convcli.batch.one_job import run_job
from convcli.batch.report import Report
from convcli.batch.settings import PictureSettings, Settings
from convcli.engine import threads
from convcli.engine.channel import fused
from convcli.errors import ImageError
from convcli.filtering import paging, steps
from convcli.pictures import encoding
from convcli.pictures.format import Metadata, Target
from convcli.pictures.formats.jpeg import writer as jpeg_writer
from convcli.pictures.formats.png import rows as png_rows
from convcli.pictures.table import chosen_settings
from tests.png_files import png_file
from tests.support import Pixels, noise, run, run_in_bands

_SHAPES = [(700, 301, 3), (161, 1033, 3), (900, 277, 1), (33, 20000, 3), (16, 17, 3), (1, 1, 3), (2000, 1, 1)]


@pytest.fixture(autouse=True)
def small_strips(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(jpeg_writer, "_STRIP_BYTES", 1 << 14)
    yield


def smooth(*shape: int) -> Pixels:
    """Noise that a coder of blocks has something to make of."""
    actual: Pixels = cv2.GaussianBlur(noise(*shape), (0, 0), 1.5).reshape(shape)
    return actual


def by_opencv(pixels: Pixels, **options: Any) -> bytes:
    flags = jpeg_writer.flags(Target(format="jpeg", settings=chosen_settings("jpeg", options)))
    done, out = cv2.imencode(".jpg", np.ascontiguousarray(pixels[..., ::-1]), flags)
    assert done
    return out.tobytes()


def decoded(data: bytes) -> Pixels:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)


def marks(data: bytes) -> list[int]:
    """The numbers of the restart markers in a file's code."""
    return [mark[1] & 7 for mark in re.findall(rb"\xff[\xd0-\xd7]", data[data.index(b"\xff\xda") :])]


@pytest.mark.parametrize("shape", _SHAPES, ids=str)
@pytest.mark.parametrize("subsampling", ["444", "422", "420", "440", "411"])
def test_the_pixels_are_those_of_the_whole(subsampling: str, shape: tuple[int, ...]) -> None:
    pixels = smooth(*shape)
    data = encoding.encode(pixels, format="jpeg", place="", options={"jpeg_subsampling": subsampling})
    expected = by_opencv(pixels, jpeg_subsampling=subsampling)
    np.testing.assert_array_equal(decoded(data), decoded(expected))
    np.testing.assert_array_equal(np.array(Image.open(io.BytesIO(data))), np.array(Image.open(io.BytesIO(expected))))
    actual = marks(data)
    assert actual == [number % 8 for number in range(len(actual))]
    # A marker, the bits up to it, and three differences that start at 0 again; behind it other bytes may be 0xff.
    assert len(data) <= 1.001 * len(expected) + 6 + 16 * len(actual)
    assert (data == expected) is not actual


@pytest.mark.parametrize("shape", [(700, 301, 3), (900, 277, 1)], ids=str)
def test_markers_stand_where_the_header_says(shape: tuple[int, ...]) -> None:
    data = encoding.encode(smooth(*shape), format="jpeg", place="", options={})
    at = data.index(b"\xff\xdd\x00\x04")
    (units,) = struct.unpack_from(">H", data, at + 4)
    side = 16 if shape[2] == 3 else 8
    total = -(-shape[1] // side) * -(-shape[0] // side)
    assert len(marks(data)) == -(-total // units) - 1 > 0


@pytest.mark.parametrize("option", ["jpeg_progressive", "jpeg_optimize"])
def test_what_needs_the_whole_picture_is_opencvs_file(option: str) -> None:
    pixels = smooth(300, 301, 3)
    data = encoding.encode(pixels, format="jpeg", place="", options={option: 1})
    assert data == by_opencv(pixels, **{option: 1})


@pytest.mark.parametrize("option", [{}, {"jpeg_progressive": 1}], ids=str)
def test_the_bytes_depend_neither_on_threads_nor_on_how_rows_come(
    option: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = smooth(500, 301, 3)
    target = Target(format="jpeg", settings=chosen_settings("jpeg", option))
    expected = encoding.encode(pixels, format="jpeg", place="", options=option)
    for count in (1, 2, 5):
        monkeypatch.setattr(threads, "_most", count)
        for step in (1, 7, 16, 100, 333, 500):
            file = io.BytesIO()
            writer = jpeg_writer.Writer(file, pixels.nbytes, target)
            writer.begin(pixels.shape, pixels.dtype)
            for start in range(0, 500, step):
                rows = pixels[start : start + step].copy()
                writer.add(rows)
                rows[...] = 0  # they need not stay
            writer.end()
            assert file.getvalue() == expected


def test_metadata_stand_before_the_code() -> None:
    pixels = smooth(300, 301, 3)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    metadata = Metadata(icc=profile, xmp=b"<x/>", dpi=(300, 300))
    data = encoding.encode(pixels, format="jpeg", place="", metadata=metadata)
    with Image.open(io.BytesIO(data)) as image:
        assert image.info["icc_profile"] == metadata.icc
        assert image.info["dpi"] == (300, 300)
        assert image.info["xmp"] == metadata.xmp
    np.testing.assert_array_equal(decoded(data), decoded(by_opencv(pixels)))


@pytest.mark.skipif(not paging.available(), reason="this system gives no memory back")
@pytest.mark.usefixtures("in_bands")
@pytest.mark.parametrize("channels", [1, 3])
def test_bands_of_a_png_give_the_same_jpeg(channels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png_rows, "_BAND_BYTES", 1 << 13)
    monkeypatch.setattr(steps, "_STEP_BYTES", 1 << 15)
    monkeypatch.setattr(fused, "MOST", 64)
    monkeypatch.setattr(fused, "ALONE", 0)
    source = tmp_path / "in.png"
    source.write_bytes(png_file(smooth(900, 301, channels)))
    chain = [load("gaussian"), load("sharpen")]
    job = Job(input=str(source), output=str(tmp_path / "bands.jpg"), format="jpeg")
    variant = PictureSettings(options={"quality": 88})
    report = run_in_bands(job, Settings(kernels=chain, pictures=variant))
    assert isinstance(report, Report)
    assert report.bands > 1
    assert (report.format_in, report.format_out) == ("png", "jpeg")
    whole = Job(input=str(source), output=str(tmp_path / "whole.jpg"), format="jpeg")
    run_job(whole, Settings(kernels=chain, pictures=variant))
    assert Path(job.output).read_bytes() == Path(whole.output).read_bytes()


def test_other_tables_in_a_strip_are_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an encoder would give that optimises its code without being asked."""
    monkeypatch.setattr(jpeg_writer, "flags", lambda *_: [cv2.IMWRITE_JPEG_OPTIMIZE, 1])
    pixels = smooth(300, 301, 3)
    pixels[:100] = 7
    with pytest.raises(ImageError, match="OpenCV can't write 301 x 300 as jpeg"):
        encoding.encode(pixels, format="jpeg", place="")


def test_a_jpeg_on_the_command_line(tmp_path: Path) -> None:
    source, out = tmp_path / "in.png", tmp_path / "out.jpg"
    pixels = smooth(400, 301, 3)
    source.write_bytes(png_file(pixels))
    result = run("apply", source, "-k", "identity", "-o", out, "--quality", "90", "-O", "jpeg_subsampling=444")
    assert (result.code, result.err) == (0, "")
    np.testing.assert_array_equal(
        decoded(out.read_bytes()), decoded(by_opencv(pixels, quality=90, jpeg_subsampling="444"))
    )
