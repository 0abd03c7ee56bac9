"""The table of formats: each row complete and its own, OpenCV in its room, no more threads than are allowed."""

from __future__ import annotations

import ast
import io
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

import convcli
from convcli import pictures
from convcli.engine import threads
from convcli.pictures import encoding, reading, sniff
from convcli.pictures.format import NOTHING
from convcli.pictures.registry import FORMATS, Format, Late
from tests.fuzz import corpus
from tests.support import Pixels, noise


@pytest.mark.parametrize("row", FORMATS.values(), ids=FORMATS)
def test_every_part_of_a_row_is_there(row: Format) -> None:
    parts = [value for value in vars(row).values() if isinstance(value, Late)]
    for part in parts:
        __import__(part.module)
        assert callable(getattr(sys.modules[part.module], part.name)), (row.name, part.name)
    reads, writes = row.decode is not None, (row.encode or row.writer) is not None
    assert reads or writes or row.name == "npy"
    assert reads == (row.header is not None) == bool(row.starts or row.recognised)
    assert writes == bool(row.depths) == bool(row.channels) == (bool(row.extensions) and row.name != "npy")
    assert not set(row.extensions) & set(row.only_read)
    assert set(row.most_bytes) <= row.keeps | {"texts"} and row.keeps <= {"icc", "exif", "xmp", "dpi"}


def test_a_file_is_of_one_format() -> None:
    for name, (format, data) in corpus.pictures().items():
        assert [row.name for row in FORMATS.values() if row.is_start(data)] == [format] == [sniff.identify(data)], name


def test_extensions_are_those_of_one_format() -> None:
    extensions = [extension for row in FORMATS.values() for extension in (*row.extensions, *row.only_read)]
    assert len(set(extensions)) == len(extensions)


@pytest.mark.parametrize("name", sorted(pictures.__all__))
def test_the_face_leads_to_every_name(name: str) -> None:
    assert name in dir(pictures)
    assert getattr(pictures, name) is not None


def test_a_format_loads_what_it_needs(tmp_path: Path) -> None:
    """A JPEG that becomes a JPEG needs of other formats the directories of its EXIF block alone."""
    path = tmp_path / "in.jpg"
    path.write_bytes(encoding.encode(noise(20, 30, 3), format="jpeg", place=""))
    code = """
import sys
from convcli.pictures import decode, encode
pixels = decode(open(sys.argv[1], "rb").read(), place="").pixels
encode(pixels, format="jpeg", place="")
names = [name.removeprefix("convcli.pictures.formats.") for name in sys.modules if "pictures.formats." in name]
print(*(name for name in names if not name.startswith("jpeg")))
"""
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"tiff", "tiff.directories"}


def test_opencvs_codecs_are_called_in_this_room_alone() -> None:
    root = Path(convcli.__file__).parent
    users = set()
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = node.attr if isinstance(node, ast.Attribute) else node.name if isinstance(node, ast.alias) else ""
            if name.startswith(("imread", "imwrite", "imdecode", "imencode", "imcount", "IMREAD_", "IMWRITE_")):
                users.add(path.relative_to(root).parts[0])
    assert users == {"pictures"}


def files_of(pixels: Pixels) -> dict[str, bytes]:
    """Files by writers that have several strips to work on."""
    files = {}
    for format, options in (("png", {}), ("tiff", {"tiff_compression": "deflate"}), ("jpeg", {})):
        files[format] = encoding.encode(pixels, format=format, place="", options=options)
        file = io.BytesIO()
        writer = encoding.writer(file, encoding.target_of(format, NOTHING, options), pixels)
        writer.add(pixels)
        writer.end()
        assert file.getvalue() == files[format]
    return files


def test_writers_start_no_more_threads_than_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted are the threads that work at a time: with `limit_threads` several processes share the cores."""
    monkeypatch.setattr(threads, "_idle", [])
    started: list[str] = []
    begin = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        started.append(thread.name)
        begin(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    pixels = cv2.GaussianBlur(noise(1500, 1400, 3), (0, 0), 2)
    files = {}
    for count in (1, 3):
        monkeypatch.setattr(threads, "_most", count)
        files[count] = files_of(pixels)
        assert started == ["convcli"] * (count - 1)
    assert files[1] == files[3]


@pytest.mark.parametrize("format", ["webp", "gif", "npy"])
def test_what_has_no_bands_is_read_whole(format: str) -> None:
    assert not FORMATS[format].pays_in_bands(b"", 0, 0)
    with pytest.raises(pictures.NotInBandsError):
        reading.open_rows(b"", format, least=0, max_pixels=1)


def test_notes_are_told_apart_by_their_kind() -> None:
    data = corpus.pictures()["png animated"][1]
    assert [note.kind for note in pictures.decode(data, place="").notes] == ["frames"]
    cut = pictures.decode(data[:-300], place="", allow_truncated=True)
    assert [note.kind for note in cut.notes] == ["truncated", "frames"]
    assert np.array_equal(cut.pixels.shape, (36, 44, 3))
    with pytest.raises(pictures.TruncatedError):
        pictures.decode(data[:-300], place="")
