"""PNG files in bands of rows: the pixels that others read, the same file as the ordinary way, and its errors."""

from __future__ import annotations

import io
import mmap
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convcli import load
from convcli.batch import one_file
from convcli.batch.one_job import run_job
from convcli.batch.report import Report
from convcli.batch.settings import PictureSettings, Settings
from convcli.errors import ConvcliError
from convcli.filtering import paging, steps
from convcli.filtering.treatment import Treatment
from convcli.pictures.format import NotInBandsError
from convcli.pictures.formats.png import rows as png_rows, stream as png_stream
from convcli.pictures.formats.png.rows import PngBands
from tests.batch.test_one_file import CHAINS, check_same, in_bands, paths, photo
from tests.png_files import chunk, png_file
from tests.support import PATIENCE, Pixels, corpus, environment, run

pytestmark = [
    pytest.mark.skipif(not paging.available(), reason="this system gives no memory back"),
    pytest.mark.usefixtures("each_deflate"),
]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(paging, "GRAIN", mmap.PAGESIZE)
    monkeypatch.setattr(steps, "_STEP_BYTES", 1 << 15)
    monkeypatch.setattr(png_rows, "_BAND_BYTES", 1 << 13)
    monkeypatch.setattr(png_stream, "_PIECE", 1 << 10)
    monkeypatch.setattr(png_stream, "_STORED", 3000)
    yield


def bands(data: bytes) -> Pixels:
    """All rows, band by band."""
    source = PngBands(data, least=0, max_pixels=1 << 20)
    try:
        out: Pixels = np.zeros(source.shape, source.dtype)
        for start, stop in source.cuts:
            source.read((start, stop), out)
        assert len(source.cuts) > 1
        return out
    finally:
        source.close()


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("filters", [(0,), (1,), (2,), (3,), (4,), (0, 1, 2, 3, 4)], ids=str)
def test_every_filter_colour_and_depth(filters: tuple[int, ...], channels: int, dtype: str) -> None:
    pixels = photo(120, 101, channels, dtype=dtype)
    assert np.array_equal(bands(png_file(pixels, filters=filters)), pixels)


@pytest.mark.parametrize("pieces", [(1, 1, 0, 5), (0,), (7,) * 400, (20_000,)], ids=["few", "none", "many", "one"])
@pytest.mark.parametrize("level", [0, 1, 9])
def test_the_stream_may_be_cut_anywhere(pieces: tuple[int, ...], level: int) -> None:
    pixels = photo(120, 101, 3) // 60
    assert np.array_equal(bands(png_file(pixels, pieces=pieces, level=level)), pixels)


def test_files_of_others() -> None:
    pixels = photo(150, 90, 3)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png", optimize=True)
    assert np.array_equal(bands(file.getvalue()), pixels)


def test_rows_before_the_last_ones_are_read_again() -> None:
    pixels = photo(120, 101, 3)
    source = PngBands(png_file(pixels), least=0, max_pixels=1 << 20)
    for start, stop in (source.cuts[-1], source.cuts[0], source.cuts[2], source.cuts[1]):
        out = np.zeros(source.shape, source.dtype)
        source.read((start, stop), out)
        assert np.array_equal(out[start:stop], pixels[start:stop])
    source.close()


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("name", CHAINS)
def test_every_kernel_gives_the_same_file(name: str, dtype: str, tmp_path: Path) -> None:
    check_same(png_file(photo(301, 131, 3, dtype=dtype)), tmp_path, CHAINS[name])


@pytest.mark.parametrize("held", [0, 1 << 30], ids=["read again", "held"])
@pytest.mark.parametrize("channels", [1, 2, 4])
def test_pictures_that_are_gone_through_twice(
    channels: int, held: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_file, "_HELD", held)
    pixels = photo(220, 131, channels)
    if channels != 1:
        pixels[90:140, :, -1] = 0
    data = png_file(pixels)
    check_same(data, tmp_path, ["sharpen"])
    check_same(data, tmp_path, ["gaussian:border=wrap"])
    check_same(data, tmp_path, ["sobel-x"], "rescale")
    check_same(data, tmp_path, ["sharpen"], treatment=Treatment(linear=True))
    pixels[..., -1] = 255
    check_same(png_file(pixels), tmp_path, ["sharpen"])


def test_metadata_before_and_behind_the_pixels(tmp_path: Path) -> None:
    dpi = chunk(b"pHYs", (3000).to_bytes(4, "big") * 2 + b"\1")
    xmp = chunk(b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + b"<x:xmpmeta/>")
    gamma = chunk(b"gAMA", (100_000).to_bytes(4, "big"))
    report = check_same(png_file(photo(120, 101, 3), before=dpi + gamma, behind=xmp), tmp_path, ["sharpen"])
    assert any("gamma" in note for note in report.notes)
    written = (tmp_path / "banded.png").read_bytes()
    assert b"<x:xmpmeta/>" in written and dpi in written


def turned() -> bytes:
    block = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    return png_file(photo(60, 40, 3), behind=chunk(b"eXIf", block))


def saved(mode: str, **variant: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(photo(60, 40, 3)).convert(mode).save(file, "png", **variant)
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        saved("P"),
        saved("1"),
        saved("L", transparency=9),
        saved("RGB", transparency=(1, 2, 3)),
        turned(),
        png_file(photo(60, 40, 3), before=chunk(b"IHDR", (40).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0")),
        png_file(photo(60, 40, 3), before=chunk(b"PLTE", bytes(3))),
        saved("RGB", save_all=True, append_images=[Image.new("RGB", (40, 60))]),
    ],
    ids=[
        "palette",
        "1 bit",
        "transparent grey",
        "transparent colour",
        "turned",
        "two headers",
        "suggested colours",
        "animated",
    ],
)
def test_out_of_the_ordinary_is_left_to_the_ordinary_way(data: bytes, tmp_path: Path) -> None:
    assert in_bands(data, tmp_path, ["sharpen"]) == ("", b"")


def outcome(data: bytes, folder: Path) -> tuple[object, bytes]:
    """The notes of a run and its output, or its error."""
    job, out = paths(data, folder, "out")
    settings = Settings(kernels=[load("sharpen")], overwrite=True, pictures=PictureSettings())
    out.unlink(missing_ok=True)
    try:
        notes: object = run_job(job, settings).notes
    except ConvcliError as error:
        assert not out.exists()
        notes = str(error)
    assert not list(folder.glob(".convcli*"))
    return notes, out.read_bytes() if out.exists() else b""


def mutants() -> Iterator[bytes]:
    """A file damaged everywhere: bytes changed, left out, repeated, with checksums right and wrong."""
    rng = np.random.default_rng(7)
    pixels = photo(80, 37, 3)
    good = png_file(pixels, pieces=[900] * 20)
    for _ in range(150):
        at = int(rng.integers(8, len(good)))
        byte = bytes([int(rng.integers(256))])
        yield [good[:at] + byte + good[at + 1 :], good[:at], good[:at] + good[at + 7 :]][int(rng.integers(3))]

    def damaged(stream: bytes) -> bytes:
        at = int(rng.integers(len(stream)))
        kind = int(rng.integers(4))
        if kind == 0:
            return stream[:at] + bytes([stream[at] ^ 1 << int(rng.integers(8))]) + stream[at + 1 :]
        return (stream[:at], stream[:-4] + b"\0\0\0\1", stream + b"more")[kind - 1]

    for _ in range(150):
        yield png_file(pixels, pieces=[900] * 5, change=damaged)
    rows = zlib.compress(bytes((1 + 37 * 3) * 81))
    for stream in (zlib.compress(bytes((1 + 37 * 3) * 79)), rows, rows[:-3], b"", b"x"):
        yield png_file(pixels, change=lambda _, stream=stream: stream)  # type: ignore[misc]
    yield png_file(pixels, filters=(0, 5))


def test_damage_is_told_as_by_the_ordinary_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = 0
    for data in mutants():
        wanted = outcome(data, tmp_path)
        with monkeypatch.context() as patch:
            patch.setattr(one_file, "_LEAST", 0)
            patch.setattr(one_file, "_LEAST_ALONE", 0)
            assert outcome(data, tmp_path) == wanted
        done += 1
    assert done > 300


def test_every_picture_of_the_suite(tmp_path: Path) -> None:
    files = corpus("pngsuite")
    if not files:
        pytest.skip("the corpora are not there")
    read = 0
    for path in files:
        data = path.read_bytes()
        report, _ = in_bands(data, tmp_path, ["sharpen"])
        if isinstance(report, Report):
            read += 1
            check_same(data, tmp_path, ["sharpen"])
        (tmp_path / "banded.png").unlink(missing_ok=True)
    assert read > 20


def test_a_pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large enough for the threshold as it is where there are several cores."""
    monkeypatch.setattr(one_file, "thread_count", lambda: 2)
    data = png_file(photo(1100, 1300, 3), filters=(0,), level=1)
    piped = run("apply", "-", "-k", "sharpen", "-o", "-", "--json", stdin=data)
    assert piped.code == 0 and '"bands": 1,' not in piped.err
    (tmp_path / "in.png").write_bytes(data)
    assert run("apply", tmp_path / "in.png", "-k", "sharpen", "-o", tmp_path / "out.png").code == 0
    assert piped.out == (tmp_path / "out.png").read_bytes()
    as_tiff = run("apply", "-", "-k", "sharpen", "-o", "-", "--format", "tiff", stdin=data)
    tiff, png = (np.asarray(Image.open(io.BytesIO(result.out))) for result in (as_tiff, piped))
    assert np.array_equal(tiff, png)


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_memory_is_bounded_whatever_the_height(tmp_path: Path) -> None:
    """100 MP and 300 MB of samples, which take little to make."""
    rows = bytes(1 + 3 * 10_000)
    packer = zlib.compressobj(1)
    stream = b"".join(packer.compress(rows * 100) for _ in range(100)) + packer.flush()
    header = (10_000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    data = png_file(photo(1, 1, 3))[:8] + chunk(b"IHDR", header) + chunk(b"IDAT", stream) + chunk(b"IEND", b"")
    (tmp_path / "tall.png").write_bytes(data)
    script = """
import re, sys
from convcli.cli import run
code = run(sys.argv[1:])
print(code, int(re.search("VmHWM:[^0-9]*([0-9]+)", open("/proc/self/status").read())[1]) // 1024)
"""
    arguments = ["apply", str(tmp_path / "tall.png"), "-k", "sharpen", "-o", str(tmp_path / "out.png")]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, env=environment(), timeout=PATIENCE, check=True
    )
    code, megabytes = map(int, done.stdout.split())
    assert code == 0 and megabytes < 180


def test_made_ahead() -> None:
    output = []

    def items() -> Iterator[int]:
        for number in range(100):
            output.append(number)
            yield number
        raise KeyError("end")

    source = png_stream.Ahead(items(), 3)
    assert [next(source) for _ in range(10)] == list(range(10))
    source.close()
    assert len(output) <= 14
    whole = png_stream.Ahead(items(), 3)
    assert [next(whole) for _ in range(100)] == list(range(100))
    for _ in range(2):
        with pytest.raises(KeyError):
            next(whole)
    assert list(png_stream.Ahead(iter("abc"), 1)) == ["a", "b", "c"]


def test_others_are_not_read_in_bands(tmp_path: Path) -> None:
    for data in (b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\x89pNG" + png_file(photo(40, 40, 1))[4:]):
        with pytest.raises(NotInBandsError):
            PngBands(data, least=0, max_pixels=1 << 20)
    with pytest.raises(NotInBandsError):
        PngBands(str(tmp_path / "none.png"), least=0, max_pixels=1 << 20)
    with pytest.raises(NotInBandsError):
        PngBands(png_file(photo(40, 40, 1)), least=0, max_pixels=1599)
