"""PNG files by others, the right and the corrupt ones, against OpenCV."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from convcli.errors import ImageError
from convcli.pictures import reading
from tests.pictures.encoded_files import encoded, needs_corpora, opencv, smooth
from tests.support import corpus

VALID = [path for path in corpus("pngsuite") if not path.name.startswith("x")]
CORRUPT = [path for path in corpus("pngsuite") if path.name.startswith("x")]


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
