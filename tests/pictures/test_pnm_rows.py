"""Netpbm files in bands of rows: what Pillow wrote, read band by band; and the same file as the whole way gives."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convcli import load
from convcli.batch.names.jobs import Job
from convcli.batch.one_job import run_job
from convcli.batch.report import Report
from convcli.batch.settings import Settings
from convcli.engine.channel import fused
from convcli.filtering import paging, steps
from convcli.pictures import encoding
from convcli.pictures.format import NotInBandsError
from convcli.pictures.formats.pnm import rows as pnm_rows
from convcli.pictures.formats.pnm.rows import PnmBands
from tests.support import noise, run_in_bands

pytestmark = pytest.mark.skipif(not paging.available(), reason="this system gives no memory back")


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch, in_bands: None) -> Iterator[None]:
    monkeypatch.setattr(paging, "GRAIN", 4096)
    monkeypatch.setattr(steps, "_STEP_BYTES", 1 << 15)
    monkeypatch.setattr(pnm_rows, "_BAND_BYTES", 1 << 13)
    monkeypatch.setattr(fused, "MOST", 64)
    monkeypatch.setattr(fused, "ALONE", 0)
    yield


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("kernel", ["sharpen", "gaussian:border=wrap", "upsample-bilinear-2x"])
def test_both_ways_give_the_same_file(kernel: str, channels: int, dtype: str, tmp_path: Path) -> None:
    format = "pnm" if channels in (1, 3) else "pam"
    pixels = noise(700, 131, channels, dtype=dtype)
    source = tmp_path / f"in.{format}"
    source.write_bytes(encoding.encode(pixels, format=format, place=""))
    settings = Settings(kernels=[load(kernel)], overwrite=True)
    jobs = [Job(input=str(source), output=str(tmp_path / name), format=format) for name in ("bands", "whole")]
    report, expected = run_in_bands(jobs[0], settings), run_job(jobs[1], settings)
    assert isinstance(report, Report)
    assert report.bands > 1
    assert (tmp_path / "bands").read_bytes() == (tmp_path / "whole").read_bytes()
    own = {name: getattr(expected, name) for name in ("output", "bands", "decode_s", "filter_s", "encode_s")}
    assert dataclasses.replace(report, **own) == expected


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_every_band_of_pillows_files(mode: str, tmp_path: Path) -> None:
    pixels = noise(100, 61, len(mode))
    path = tmp_path / "in.ppm"
    file = io.BytesIO()
    Image.fromarray(pixels.squeeze(), mode).save(file, "ppm")
    path.write_bytes(file.getvalue() + b"\n")
    source = PnmBands(str(path), least=0, max_pixels=1 << 20)
    out = np.zeros(source.shape, source.dtype)
    for cut in reversed(source.cuts):
        source.read(cut, out)
    source.close()
    assert len(source.cuts) > 1 or mode == "L"
    assert np.array_equal(out, pixels)


@pytest.mark.parametrize(
    "data",
    [
        b"P2 2 2 255\n1 2 3 4", b"P4 8 8\n" + bytes(8), b"P5 2 2 100\n" + bytes(4), b"P5 2 2 255\n" + bytes(3),
        b"P5 2 2 255\n" + bytes(4) + b"P5 2 2 255\n" + bytes(4), b"P5 2", b"", b"Pf\n2 2\n-1\n" + bytes(16),
        b"P5 0 2 255\n", b"P5 2000 2000 255\n" + bytes(4_000_000),
    ],
    ids=lambda data: data[:12],
)  # fmt: skip
def test_what_is_out_of_the_ordinary_is_left_alone(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "in.pnm"
    path.write_bytes(data)
    with pytest.raises(NotInBandsError):
        PnmBands(str(path), least=0, max_pixels=1 << 20)
    with pytest.raises(NotInBandsError):
        PnmBands(data, least=0, max_pixels=1 << 20)


def test_a_file_that_shrinks_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "in.pgm"
    path.write_bytes(b"P5 200 200 255\n" + bytes(40_000))
    source = PnmBands(str(path), least=0, max_pixels=1 << 20)
    path.write_bytes(b"P5 200 200 255\n")
    with pytest.raises(NotInBandsError):
        source.read(source.cuts[-1], np.zeros(source.shape, np.uint8))
    source.close()
