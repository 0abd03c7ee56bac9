"""Picture files: frames, samples of other formats, what importing costs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
import pytest

from convcli.pictures import reading
from tests.pictures.encoded_files import encoded, smooth, tiff
from tests.support import texts


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


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        (("files.npy", "batch.files", *(f"pictures.{name}" for name in ("sniff", "table", "opencv"))), set()),
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
