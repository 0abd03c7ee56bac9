"""Pictures are upright, whatever their EXIF block or their TIFF directory says, once."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from convcli.pictures import reading
from convcli.pictures.formats.tiff import directories
from tests.pictures.encoded_files import (
    Pixels,
    Tags,
    encoded,
    exif_block,
    needs_corpora,
    smooth,
    tiff,
    turned,
    with_exif,
)
from tests.support import corpus
from tests.tiff_files import tiff_file


@needs_corpora
@pytest.mark.parametrize("name", ["Landscape", "Portrait"])
def test_exif_pictures_are_upright(name: str) -> None:
    by_name = {path.stem: path for path in corpus("exif")}

    def small(number: int) -> Pixels:
        pixels = reading.decode(by_name[f"{name}_{number}"].read_bytes(), place="").pixels
        assert pixels.shape == ((1200, 1800, 3) if name == "Landscape" else (1800, 1200, 3))
        return cv2.resize(pixels, (150, 150), interpolation=cv2.INTER_AREA).astype(np.int16)

    upright = small(0)
    for wrong in (upright[::-1], upright[:, ::-1], upright[::-1, ::-1], upright.transpose(1, 0, 2)):
        assert np.abs(wrong - upright).mean() > 20
    for number in range(1, 9):
        assert np.abs(small(number) - upright).mean() < 2  # each is a JPEG of its own


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("extension", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("channels", [1, 3])
def test_orientation_is_applied_once(orientation: int, order: str, extension: str, channels: int) -> None:
    plain = encoded(smooth(channels=channels), extension)
    stored = reading.decode(plain, place="").pixels
    picture = reading.decode(with_exif(plain, exif_block(orientation, order)), place="")
    assert np.array_equal(picture.pixels, turned(stored, orientation))
    assert picture.pixels.flags.c_contiguous


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_tiff_orientation_is_applied_once(orientation: int, dtype: type, channels: int) -> None:
    stored: Pixels = smooth(5, 7, channels).astype(dtype)
    extra: Tags = {338: (2,)} if channels in (2, 4) else {}
    picture = reading.decode(tiff(stored, {274: (orientation,)} | extra), place="")
    assert np.array_equal(picture.pixels, turned(stored, orientation))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_tiles_are_turned_as_a_whole(orientation: int, dtype: type, channels: int) -> None:
    """libtiff mirrors the samples of each tile within it."""
    stored: Pixels = smooth(21, 37, channels).astype(dtype)
    more = {274: (3, 1, orientation.to_bytes(2, "little"))}
    for tile in (0, 16):
        data = tiff_file(stored, tile=tile, deflated=True, more=more)
        assert np.array_equal(reading.decode(data, place="").pixels, turned(stored, orientation))


@pytest.mark.parametrize("block", [b"", b"II*\0", b"MM\0*\xff\xff\xff\xff", exif_block(9), exif_block(0), b"\0" * 40])
def test_damaged_exif_means_upright(block: bytes) -> None:
    assert directories.orientation(block) == 1
    plain = encoded(smooth(), ".jpg")
    assert reading.decode(with_exif(plain, block), place="").pixels.shape == (40, 56, 3)
