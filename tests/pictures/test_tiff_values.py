"""TIFF files that OpenCV reads wrongly."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from convcli.errors import ImageError
from convcli.pictures import reading
from tests.pictures.encoded_files import Pixels, Tags, smooth, tiff
from tests.tiff_files import tiff_file


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("order", ["<", ">"])
def test_tiff_values_are_kept(dtype: str, channels: int, order: str) -> None:
    stored = (np.random.default_rng(1).random((5, 7, channels)) * 120).astype(dtype)
    extra: Tags = {338: (2,)} if channels in (2, 4) else {}
    picture = reading.decode(tiff(stored, extra, order=order), place="")
    assert picture.pixels.dtype == np.dtype(dtype)
    assert np.array_equal(picture.pixels, stored)
    assert bool(picture.channels.alpha) == (channels in (2, 4))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_differences_are_those_of_compressed_samples_alone(channels: int) -> None:
    """Beside plain samples the tag of the predictor means nothing, as to libtiff and Pillow."""
    stored = np.random.default_rng(2).integers(0, 256, (4, 6, channels)).astype(np.uint8)
    differences = np.diff(stored, axis=1, prepend=np.zeros((4, 1, channels), np.uint8))
    predictor = {317: (3, 1, struct.pack("<H", 2))}
    for pixels, deflated in ((differences, True), (stored, False)):
        file = tiff_file(pixels, deflated=deflated, more=predictor)
        assert np.array_equal(reading.decode(file, place="").pixels, stored)
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(file))).reshape(stored.shape), stored)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2])
def test_tiff_white_is_zero(dtype: type, channels: int) -> None:
    stored: Pixels = smooth(5, 7, channels).astype(dtype)
    pixels = reading.decode(tiff(stored, {262: (0,)}), place="").pixels
    assert np.array_equal(pixels[:, :, 0], np.iinfo(dtype).max - stored[:, :, 0])
    assert np.array_equal(pixels[:, :, 1:], stored[:, :, 1:])


@pytest.mark.parametrize(
    ("tags", "part"),
    [
        ({262: (10,)}, "colours are ITULab"),
        ({262: (32845,)}, "colours are LogLuv"),
        ({262: (32803,)}, "sensor"),
        ({339: (3, 3, 1)}, "several kinds"),
        ({339: (6, 6, 6)}, "complex"),
        ({258: (5, 6, 5)}, "samples of 5, 6, 5 bits"),
        ({259: (32909,)}, "compression is PixarLog"),
        ({258: (12,) * 3, 339: (2,) * 3}, "12-bit signed"),
        ({258: (24,) * 3, 339: (3,) * 3}, "24-bit float"),
        ({262: (5,)}, "3 samples per pixel; 4 to 64"),
    ],
)
def test_tiff_layouts_that_would_be_misread_are_refused(tags: Tags, part: str) -> None:
    with pytest.raises(ImageError, match=f"unsupported TIFF: .*{part}"):
        reading.decode(tiff(smooth(5, 7).astype(np.uint16), tags), place="a.tif")


def test_a_list_of_pages_in_a_circle_ends() -> None:
    data = bytearray(tiff(smooth(4, 4, 1)))
    (at,) = struct.unpack_from("<I", data, 4)
    end = at + 2 + 12 * struct.unpack_from("<H", data, at)[0]
    struct.pack_into("<I", data, end, at)
    picture = reading.decode(bytes(data), place="a.tif")
    assert np.array_equal(picture.pixels, smooth(4, 4, 1)) and "goes in a circle" in str(picture.notes[0])
    with pytest.raises(ImageError, match="goes in a circle"):
        reading.decode(bytes(data), place="a.tif", strict=True)
    with pytest.raises(ImageError, match="goes in a circle"):
        list(reading.decode_all(bytes(data), place="a.tif"))
