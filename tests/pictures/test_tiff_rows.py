"""TIFF files of every kind read in bands: the pixels that the ordinary way reads, or its errors; memory is bounded."""

from __future__ import annotations

import io
import mmap
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convcli import load
from convcli.batch import temporaries
from convcli.batch.names.jobs import Job
from convcli.batch.report import Report
from convcli.batch.settings import Settings
from convcli.errors import ImageError
from convcli.filtering import paging, steps
from convcli.pictures.formats.tiff import directories, rows as tiff_rows, writer as tiff_writer
from tests.batch.test_one_file import check_same, in_bands, photo
from tests.support import PATIENCE, Pixels, environment, run_in_bands
from tests.tiff_files import tiff_file

pytestmark = pytest.mark.skipif(not paging.available(), reason="this system gives no memory back")


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(paging, "GRAIN", mmap.PAGESIZE)
    monkeypatch.setattr(steps, "_STEP_BYTES", 1 << 15)
    monkeypatch.setattr(tiff_rows, "_BAND_BYTES", 1 << 13)
    yield


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
@pytest.mark.parametrize(
    "structure",
    [
        {"rows": 5},
        {"rows": 5, "big": True, "scattered": True},
        {"rows": 0},
        {"rows": 9, "deflated": True},
        {"tile": 32},
        {"tile": 48, "deflated": True, "big": True},
        {"rows": 5, "order": ">"},
        {"tile": 32, "order": ">", "big": True, "scattered": True, "deflated": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("channels", [1, 3])
def test_files_by_the_specification(structure: dict[str, Any], dtype: str, channels: int, tmp_path: Path) -> None:
    pixels = photo(150, 131, channels, dtype="float32" if dtype.startswith("float") else "uint8").astype(dtype)
    check_same(tiff_file(pixels, **structure), tmp_path, ["sharpen"])
    with closing(tiff_rows.TiffBands(str(tmp_path / "in.tif"), least=0, max_pixels=1 << 20)) as source:
        assert len(source.cuts) > 1


@pytest.mark.parametrize("structure", [{"rows": 4}, {"tile": 32}, {"rows": 4, "deflated": True}], ids=str)
@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_in_every_layout(structure: dict[str, Any], channels: int, tmp_path: Path) -> None:
    check_same(tiff_file(photo(100, 90, channels), **structure), tmp_path, ["gaussian"])


def test_separate_planes_and_inverted_grey(tmp_path: Path) -> None:
    check_same(tiff_file(photo(100, 90, 3), rows=4, planar=True), tmp_path, ["gaussian"])
    white_is_0 = {262: (3, 1, struct.pack("<H", 0))}
    for dtype in ("uint8", "uint16"):
        check_same(tiff_file(photo(100, 90, 1, dtype=dtype), rows=4, more=white_is_0), tmp_path, ["gaussian"])


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_deflate", "tiff_adobe_deflate", "packbits", "jpeg"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "I;16", "F", "1", "CMYK"])
def test_files_of_libtiff(mode: str, compression: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.TiffImagePlugin.STRIP_SIZE", 4096)
    if compression == "jpeg" and mode not in ("L", "RGB"):
        pytest.skip("libtiff has no such files")
    shape = {"L": (170, 133), "I;16": (170, 133), "F": (170, 133)}.get(mode, (170, 133, 3))
    depth = {"I;16": "uint16", "F": "float32"}.get(mode, "uint8")
    picture = Image.fromarray(photo(*shape, dtype=depth))
    if picture.mode != mode:
        picture = picture.convert(mode)
    file = io.BytesIO()
    picture.save(file, "TIFF", compression=None if compression == "raw" else compression)
    check_same(file.getvalue(), tmp_path, ["sharpen"])


def test_metadata_are_kept(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.fromarray(photo(90, 80, 3)).save(file, "TIFF", description="of a test", dpi=(300, 300))
    check_same(file.getvalue(), tmp_path, ["sharpen"])
    with Image.open(tmp_path / "banded.tif") as out:
        assert out.tag_v2[270] == "of a test"
        assert out.info["dpi"] == (300, 300)


def test_what_has_to_be_read_whole_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = photo(100, 90, 1)
    turned = tiff_file(pixels, rows=4, more={274: (3, 1, struct.pack("<H", 6))})
    assert in_bands(turned, tmp_path, ["sharpen"]) == ("", b"")  # of a small file nobody wonders
    monkeypatch.setattr(tiff_rows, "_TOLD", 9000)
    assert in_bands(turned, tmp_path, ["sharpen"]) == (
        "read whole, not in bands: its rows are stored turned or mirrored",
        b"",
    )
    monkeypatch.setattr(tiff_rows, "_LARGEST", 5000)
    one = tiff_file(pixels, deflated=True)
    note, _ = in_bands(one, tmp_path, ["sharpen"])
    assert isinstance(note, str)
    assert "one strip of it has" in note


def damaged(data: bytes, tag: int, change: Any) -> bytes:
    """A classic little-endian file with the values of a tag (LONGs) changed."""
    out = bytearray(data)
    (at,) = struct.unpack_from("<I", out, 4)
    for entry in range(at + 2, at + 2 + 12 * struct.unpack_from("<H", out, at)[0], 12):
        kind, count = struct.unpack_from("<HI", out, entry + 2)
        if struct.unpack_from("<H", out, entry)[0] == tag:
            place = entry + 8 if count == 1 else struct.unpack_from("<I", out, entry + 8)[0]
            assert kind == 4
            struct.pack_into(f"<{count}I", out, place, *change(list(struct.unpack_from(f"<{count}I", out, place))))
    return bytes(out)


def with_last(values: list[int], value: int) -> list[int]:
    return [*values[:-1], value]


FAULTS = {
    "a strip beyond the end": (273, lambda v: with_last(v, 10_000_000)),
    "a strip that is too short": (279, lambda v: with_last(v, 3)),
    "a strip of nothing": (279, lambda v: with_last(v, 0)),
    "damaged codes": (273, lambda v: with_last(v, v[0] + 5)),
}


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("deflated", [False, True])
def test_damage_leaves_no_file(name: str, deflated: bool, tmp_path: Path) -> None:
    if name == "damaged codes" and not deflated:
        pytest.skip("plain samples can't be wrong")
    tag, change = FAULTS[name]
    # 16 bits: of damaged 8-bit samples libtiff's reader says nothing, in bands or not.
    data = damaged(tiff_file(photo(100, 90, 1, dtype="uint16"), rows=4, deflated=deflated), tag, change)
    (tmp_path / "banded.tif").write_bytes(b"before")
    with pytest.raises(ImageError, match="damaged") as caught:
        in_bands(data, tmp_path, ["sharpen"])
    assert caught.value.place == str(tmp_path / "in.tif")
    assert not caught.value.hint  # --allow-truncated would not help
    assert (tmp_path / "banded.tif").read_bytes() == b"before"
    assert not list(tmp_path.glob(f"{temporaries.TEMPORARY_PREFIX}*"))


@pytest.mark.parametrize("tag", [256, 257])
def test_a_header_that_lies_takes_no_memory(tag: int, tmp_path: Path) -> None:
    data = damaged(tiff_file(photo(100, 90, 1), rows=4, deflated=True), tag, lambda v: [1 << 30])
    with pytest.raises(ImageError, match="at most"):
        in_bands(data, tmp_path, ["sharpen"], max_pixels=1 << 30)
    data = damaged(tiff_file(photo(100, 90, 1, dtype="uint16"), rows=4, deflated=True), tag, lambda v: [200_000])
    with pytest.raises(ImageError, match="damaged"):
        in_bands(data, tmp_path, ["sharpen"])


@pytest.mark.usefixtures("in_bands")
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def full(writer: tiff_writer.Writer, rows: Pixels) -> None:
        calls.append(1)
        if len(calls) > 2:
            raise OSError(28, os.strerror(28))

    monkeypatch.setattr(tiff_writer.Writer, "add", full)
    with pytest.raises(ImageError, match="no space left"):
        in_bands(tiff_file(photo(1900, 400, 1), rows=4), tmp_path, ["sharpen"])
    assert [path.name for path in tmp_path.iterdir()] == ["in.tif"]


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
@pytest.mark.parametrize("recorded", [False, True])
def test_memory_is_bounded_whatever_the_height(recorded: bool, tmp_path: Path) -> None:
    """200 MP and 300 MB of zeros, a sparse file; the whole picture and its result would take 600 MB."""
    source, height, width = tmp_path / "tall.tif", 20_000, 5_000
    rows, size = 100, 3 * 5_000 * 20_000
    head = tiff_file(np.zeros((rows, width, 3), np.uint8), rows=rows)
    offsets = range(16, 16 + size, rows * width * 3)
    at = 16 + size
    tags = {
        256: (4, [width]), 257: (4, [height]), 258: (3, [8, 8, 8]), 259: (3, [1]), 262: (3, [2]),
        273: (4, list(offsets)), 277: (3, [3]), 278: (4, [rows]), 279: (4, [rows * width * 3] * len(offsets)),
    }  # fmt: skip
    packed, start = directories.pack(
        {t: (k, len(v), struct.pack(f"<{len(v)}{'H' if k == 3 else 'I'}", *v)) for t, (k, v) in tags.items()},
        at, order="<",
    )  # fmt: skip
    with source.open("wb") as file:
        file.write(head[:4] + struct.pack("<I", start))
        file.seek(at)
        file.write(packed)
    # Not `ru_maxrss`, which a process takes over from the one that started it.
    script = """
import re, sys
from convcli.cli import run
code = run(sys.argv[1:])
print(code, int(re.search("VmHWM:[^0-9]*([0-9]+)", open("/proc/self/status").read())[1]) // 1024)
"""
    arguments = ["apply", str(source), "-k", "sharpen", "-o", str(tmp_path / "out.tif"), "--json"]
    arguments += ["--report-file", str(tmp_path / "run.jsonl")] if recorded else []
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, env=environment(), timeout=PATIENCE, check=True
    )
    code, megabytes = map(int, done.stdout.split())
    assert code == 0
    assert b'"bands": 1,' not in done.stderr
    assert megabytes < 180
    assert (tmp_path / "out.tif").stat().st_size > size


def test_a_result_beyond_4_gib_is_a_bigtiff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff_writer, "_CLASSIC_END", 10_000)
    check_same(tiff_file(photo(150, 131, 3), rows=5), tmp_path, ["sharpen"])
    assert (tmp_path / "banded.tif").read_bytes()[:4] == b"II+\0"


def test_the_input_may_be_the_output(tmp_path: Path) -> None:
    data, path = tiff_file(photo(150, 131, 3), rows=5), tmp_path / "in.tif"
    check_same(data, tmp_path, ["sharpen"])
    path.write_bytes(data)
    job = Job(input=str(path), output=str(path), format="tiff")
    assert isinstance(run_in_bands(job, Settings(kernels=[load("sharpen")])), Report)
    assert path.read_bytes() == (tmp_path / "whole.tif").read_bytes()
