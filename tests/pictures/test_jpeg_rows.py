"""JPEG files whose rows are taken while OpenCV decodes them: the same file, byte for byte, as the whole way gives."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from convcli import load
from convcli.batch.names.jobs import Job
from convcli.batch.one_job import run_job
from convcli.batch.report import Report
from convcli.batch.settings import PictureSettings, Settings
from convcli.engine.channel import fused
from convcli.filtering import paging, steps
from convcli.pictures import codecs
from convcli.pictures.format import NotInBandsError
from convcli.pictures.formats.jpeg import rows as jpeg_rows, writer as jpeg_writer
from convcli.pictures.formats.jpeg.rows import JpegBands
from tests.support import PATIENCE, Pixels, environment, noise, run_in_bands

pytestmark = [
    pytest.mark.skipif(not paging.available(), reason="this system gives no memory back"),
    pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="needs paths of open files"),
]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch, in_bands: None) -> Iterator[None]:
    """Small pictures have several bands, and rows that are used later than they are there for turn to zeros."""
    monkeypatch.setattr(paging, "GRAIN", 4096)
    monkeypatch.setattr(steps, "_STEP_BYTES", 1 << 16)
    monkeypatch.setattr(jpeg_rows, "_LEAST", 0)
    monkeypatch.setattr(jpeg_rows, "_BAND_BYTES", 1 << 15)
    monkeypatch.setattr(jpeg_rows, "_BEHIND", 1 << 12)
    monkeypatch.setattr(jpeg_writer, "_STRIP_BYTES", 1 << 14)
    monkeypatch.setattr(fused, "MOST", 64)
    monkeypatch.setattr(fused, "ALONE", 0)
    yield


def jpeg(pixels: Pixels, *flags: int) -> bytes:
    done, data = cv2.imencode(".jpg", pixels, flags)
    assert done
    return data.tobytes()


def photo(height: int, width: int, channels: int) -> Pixels:
    return cv2.GaussianBlur(noise(height, width, channels), (0, 0), 1.5).reshape(height, width, channels)


def both(data: bytes, folder: Path, kernels: list[str], **form: Any) -> tuple[Report | str, Report]:
    """Reports of both ways; asserts that the files and, times and places aside, the reports are the same."""
    source = folder / "in.jpg"
    source.write_bytes(data)
    mode = form.pop("range", "clip")
    settings = Settings(
        kernels=[load(k) for k in kernels], range=mode, overwrite=True, pictures=PictureSettings(**form)
    )
    jobs = [Job(input=str(source), output=str(folder / name), format="jpeg") for name in ("bands.jpg", "whole.jpg")]
    report, expected = run_in_bands(jobs[0], settings), run_job(jobs[1], settings)
    if isinstance(report, Report):
        assert (folder / "bands.jpg").read_bytes() == (folder / "whole.jpg").read_bytes()
        own = {name: getattr(expected, name) for name in ("output", "bands", "decode_s", "filter_s", "encode_s")}
        assert dataclasses.replace(report, **own) == expected
    return report, expected


CHAINS = [
    ["sharpen"], ["gaussian:sigma=3"], ["downsample-2x"], ["upsample-bilinear-2x"], ["swirl"], ["identity"],
    ["gaussian:border=wrap", "sharpen"], ["{weights: {fill: 1, size: [5, 3]}, divisor: sum, padding: valid}"],
]  # fmt: skip


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kernels", CHAINS, ids=str)
def test_every_kernel_gives_the_same_file(kernels: list[str], channels: int, tmp_path: Path) -> None:
    report, _ = both(jpeg(photo(901, 333, channels)), tmp_path, kernels)
    assert isinstance(report, Report)


@pytest.mark.parametrize("mode", ["abs", "offset", "rescale"])
def test_every_range(mode: str, tmp_path: Path) -> None:
    assert isinstance(both(jpeg(photo(700, 301, 3)), tmp_path, ["sobel-x"], range=mode)[0], Report)


@pytest.mark.parametrize(
    "flags",
    [
        (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 7), (cv2.IMWRITE_JPEG_QUALITY, 3),
        (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111), (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x411111),
    ],
    ids=str,
)  # fmt: skip
def test_every_kind_of_file(flags: tuple[int, ...], tmp_path: Path) -> None:
    assert isinstance(both(jpeg(photo(700, 301, 3), *flags), tmp_path, ["sharpen"])[0], Report)


def test_what_is_out_of_the_ordinary_is_read_whole(tmp_path: Path) -> None:
    data = jpeg(photo(700, 301, 3))
    cut = data[: len(data) // 2] + b"\xff\xd9"
    settings = Settings(kernels=[load("sharpen")], overwrite=True)
    source = tmp_path / "in.jpg"
    for damaged in (cut, data[:-2], data[:300]):
        source.write_bytes(damaged)
        job = Job(input=str(source), output=str(tmp_path / "out.jpg"), format="jpeg")
        assert run_in_bands(job, settings) == ""
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jpg"]
    turned = (
        b"\xff\xd8\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0" + data[2:]
    )
    report, expected = both(turned, tmp_path, ["sharpen"])
    assert (report, expected.stages[0].size_in) == ("", (301, 700))


def source_of(data: bytes) -> JpegBands:
    return JpegBands(data, least=0, max_pixels=1 << 30)


def test_rows_are_taken_while_others_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder that stops half-way: what it has made is there, what it has not is waited for."""
    pixels, go = photo(600, 301, 3), threading.Event()

    def slowly(cv2: Any, path: str, flags: int, out: Pixels) -> bool:
        for row in range(300):  # a copy of all of them may be made in any order
            out[row] = pixels[row]
        go.wait(PATIENCE)
        for row in range(300, 600):
            out[row] = pixels[row]
        return True

    monkeypatch.setattr(jpeg_rows, "read_into", slowly)
    source = source_of(jpeg(pixels))
    out = np.zeros(source.shape, np.uint8)
    early = [cut for cut in source.cuts if cut[1] + source._behind < 300]
    assert len(early) > 3
    for cut in early:
        source.read(cut, out)
        assert np.array_equal(out[slice(*cut)], pixels[slice(*cut)])
    assert not go.is_set()
    threading.Timer(0.05, go.set).start()
    for cut in source.cuts[len(early) :]:
        source.read(cut, out)
        assert np.array_equal(out[slice(*cut)], pixels[slice(*cut)])
    with pytest.raises(NotInBandsError):
        source.read(source.cuts[0], out)
    source.close()


@pytest.mark.parametrize("ends", ["fails", "goes through them again", "leaves some as they were"])
def test_a_decoder_that_does_otherwise_is_not_believed(ends: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = photo(600, 301, 3)

    def decoder(cv2: Any, path: str, flags: int, out: Pixels) -> bool:
        for row in range(300 if ends == "leaves some as they were" else 600):
            out[row] = pixels[row]
        time.sleep(0.05)
        if ends == "goes through them again":
            out[...] = out[..., ::-1].copy()
        return ends != "fails"

    monkeypatch.setattr(jpeg_rows, "read_into", decoder)
    source = source_of(jpeg(pixels))
    out = np.zeros(source.shape, np.uint8)
    with pytest.raises(NotInBandsError):
        for cut in source.cuts:
            source.read(cut, out)
    source.close()


def test_one_file_is_opened_and_none_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the file's bytes nor its pixels are there twice."""
    calls: list[str] = []
    read_into = codecs.read_into
    monkeypatch.setattr(jpeg_rows, "read_into", lambda *a: calls.append(a[1]) or read_into(*a))
    monkeypatch.setattr(jpeg_rows, "in_memory", lambda *_: pytest.fail("a copy"))
    assert isinstance(both(jpeg(photo(700, 301, 3)), tmp_path, ["sharpen"])[0], Report)
    assert [bool(re.fullmatch(r"/proc/self/fd/\d+", path)) for path in calls] == [True]


def test_memory_stays_below_that_of_source_and_result(tmp_path: Path) -> None:
    """24 megapixels, 72 MB each: both whole took 230 MB."""
    block = photo(1000, 1000, 3)
    source = tmp_path / "in.jpg"
    source.write_bytes(jpeg(np.tile(block, (4, 6, 1))))
    script = """
import re, sys
from convcli.cli import run
code = run(sys.argv[1:])
print(code, int(re.search("VmHWM:[^0-9]*([0-9]+)", open("/proc/self/status").read())[1]) // 1024)
"""
    arguments = ["apply", str(source), "-k", "sharpen", "-o", str(tmp_path / "out.jpg"), "--json"]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, env=environment(), timeout=PATIENCE, check=True
    )
    code, megabytes = map(int, done.stdout.split())
    assert code == 0
    assert b'"bands": 1,' not in done.stderr
    assert megabytes < 165


def test_systems_without_paths_of_open_files_read_it_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """At once, not after a decoder was started on a path that leads nowhere."""
    with pytest.raises(OSError):
        codecs.path_of(-1)
    monkeypatch.setattr(jpeg_rows, "path_of", lambda file: codecs.path_of(-1))
    report, expected = both(jpeg(photo(300, 200, 3)), tmp_path, ["sharpen"])
    assert (report, expected.bands) == ("", 1)
    path = tmp_path / "in.jpg"
    with pytest.raises(NotInBandsError):
        JpegBands(str(path), least=0, max_pixels=1 << 20)


def test_systems_that_read_no_file_at_any_place_have_no_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "preadv")
    assert not paging.available()
