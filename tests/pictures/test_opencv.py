"""OpenCV guarded: what its codecs say of damaged data is heard, and what they decode into our memory is theirs."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from convcli.errors import ImageError
from convcli.pictures import codecs, encoding, reading
from tests.support import SAMPLES, environment, noise, texts


def damaged() -> bytes:
    data = bytearray((SAMPLES / "scene.jpg").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 40] = b"\xff\x33" * 20
    return bytes(data)


LOADED = """
import os, sys
from convcli import cli
def told(event, arguments):
    if event == "import" and arguments[0] == "cv2":
        print(os.environ.get("OPENCV_IO_MAX_IMAGE_PIXELS"))
sys.addaudithook(told)
cli.run(["apply", sys.argv[1], "-k", "identity", "-o", sys.argv[2], *sys.argv[3:]])
"""


@pytest.mark.parametrize(("options", "limit"), [((), "None"), (("--max-pixels", "3000000000"), "3000000000")])
def test_a_limit_that_is_lifted_is_known_when_opencv_is_loaded(
    options: tuple[str, ...], limit: str, tmp_path: Path
) -> None:
    line = [sys.executable, "-c", LOADED, str(SAMPLES / "pond.png"), str(tmp_path / "out.webp"), *options]
    out = subprocess.run(line, env=environment(), capture_output=True, text=True, check=True).stdout
    assert set(out.split()) == {limit}


def refused(name: str) -> int:
    raise PermissionError(name)


@pytest.mark.parametrize("memory", [True, False])
def test_complaints_are_heard(memory: bool, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    if not memory:
        monkeypatch.setattr(os, "memfd_create", refused, raising=False)
    picture = reading.decode(damaged(), place="a.jpg")
    assert any(str(note).startswith("damaged JPEG: Corrupt JPEG data") for note in picture.notes)
    assert capfd.readouterr().err == ""


def outcome(data: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The pixels and notes of a file, or what is wrong with it."""
    try:
        picture = reading.decode(data, place="a.jpg", max_pixels=1 << 20)
    except ImageError as error:
        return b"", (str(error),)
    return picture.pixels.tobytes(), texts(picture.notes)


def test_more_bytes_than_opencv_decodes_are_no_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenCV counts columns in 32 bits; a file of 2 GiB is too much for a test, a lower limit is not."""
    monkeypatch.setattr(codecs, "_MOST_BYTES", 1000)
    data = (SAMPLES / "scene.jpg").read_bytes()
    assert reading.decode(data, place="a.jpg").pixels.size  # what can be decoded is
    monkeypatch.setattr(cv2, "imdecode", lambda *_: None)
    monkeypatch.setattr(codecs, "_IN_PLACE", 1 << 30)
    with pytest.raises(ImageError) as caught:
        reading.decode(data, place="a.jpg")
    assert str(caught.value) == f"a.jpg: it has {len(data):,} bytes; OpenCV decodes at most 1,000"


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="needs files in memory")
def test_jpeg_files_are_decoded_in_place_as_they_are_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Damaged ones, too, above all those whose header OpenCV can't read, and of which it leaves the array as it was."""
    pixels = cv2.GaussianBlur(noise(120, 161, 3), (0, 0), 2)
    files = [encoding.encode(pixels, format="jpeg", place="", options={"jpeg_progressive": p}) for p in (0, 1)]
    calls: list[bool] = []
    read_into = codecs.read_into

    def counted(*arguments: Any) -> bool:
        calls.append(read_into(*arguments))
        return calls[-1]

    monkeypatch.setattr(codecs, "read_into", counted)
    choose = random.Random(5)
    for data in files:
        for number in range(300):
            damaged = bytearray(data)
            for _ in range(number and choose.choice([1, 2, 20])):
                damaged[choose.randrange(2, choose.choice([700, len(data)]))] = choose.randrange(256)
            monkeypatch.setattr(codecs, "_IN_PLACE", 1 << 30)
            expected = outcome(bytes(damaged))
            monkeypatch.setattr(codecs, "_IN_PLACE", 0)
            assert outcome(bytes(damaged)) == expected
    assert 100 < sum(calls) < len(calls) - 20  # both ends were met


def test_an_array_that_opencv_left_alone_is_no_picture(tmp_path: Path) -> None:
    out = np.full((48, 64, 3), 7, np.uint8)
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    data = encoding.encode(noise(48, 64, 3), format="jpeg", place="")
    files = {"whole": data, "short": data[:200], "empty": b""}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        assert codecs.read_into(cv2, str(tmp_path / name), flags, out) is (name == "whole")
    assert not codecs.read_into(cv2, str(tmp_path / "whole"), flags, np.empty((47, 64, 3), np.uint8))
