"""What is written comes back, or is refused with what would do."""

from __future__ import annotations

import numpy as np
import pytest

from convcli.channels import Channels
from convcli.errors import ImageError, UsageError
from convcli.pictures import encoding, reading, table
from convcli.pictures.registry import FORMATS
from tests.pictures.encoded_files import smooth


@pytest.mark.parametrize("format", table.WRITABLE)
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "i8", "f2", "f4", "f8", "?"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_what_is_written_comes_back(format: str, dtype: str, channels: int) -> None:
    pixels = smooth(40, 48, channels).astype(dtype)
    if not FORMATS[format].holds(pixels.dtype, Channels.of(channels)):
        with pytest.raises(ImageError, match=f"{format} can't hold ") as caught:
            encoding.encode(pixels, format=format, place="out")
        assert "formats that can: " in caught.value.hint and ".npy" in caught.value.hint
        return
    data = encoding.encode(pixels, format=format, place="out")
    if format == "npy":
        assert data.startswith(b"\x93NUMPY")
        return
    picture = reading.decode(data, place="")
    assert picture.format == ("pnm" if format == "pam" else format)
    back = picture.pixels
    assert back.dtype == pixels.dtype
    if format == "gif":  # 256 colours, alpha or none: test_gif_writer.py
        assert back.shape == (40, 48, 3 + (channels in (2, 4)))
        return
    if back.shape[2] == 4 and channels == 2:  # widened: three equal channels
        assert format in ("webp", "tiff", "bmp", "jp2", "avif")
        back = back[:, :, [0, 3]]
    elif back.shape[2] == 3 and channels == 1:
        assert format == "webp"
        back = back[:, :, :1]
    assert back.shape == pixels.shape
    if format in ("jpeg", "webp", "avif", "jp2"):
        assert np.abs(back.astype(float) - pixels).mean() < 8
    else:
        assert np.array_equal(back, pixels)


def test_errors_say_what_would_fit() -> None:
    with pytest.raises(ImageError) as caught:
        encoding.encode(smooth(channels=4), format="jpeg", place="out.jpg")
    assert str(caught.value) == (
        "out.jpg: jpeg can't hold RGBA, only grey, RGB\n"
        "  hint: --background COLOUR is laid under it, --alpha drop leaves it out; "
        "formats that can: .png .webp .tif .bmp .pam .jp2 .avif .gif .npy"
    )
    with pytest.raises(ImageError, match="png can't hold float32 pixels, only uint8, uint16") as caught:
        encoding.encode(smooth().astype(np.float32), format="png", place="out.png")
    assert caught.value.hint == "--depth 8 converts it; formats that can: .tif .pfm .npy"
    with pytest.raises(ImageError, match="at most 16,383 a side"):
        encoding.encode(np.zeros((1, 16384, 3), np.uint8), format="webp", place="out.webp")
    with pytest.raises(ImageError, match="can't write 8 x 8 as jp2"):
        encoding.encode(smooth(8, 8), format="jp2", place="out.jp2")


def test_input_is_not_changed_by_writing() -> None:
    for format in table.WRITABLE:
        pixels = smooth()
        pixels = pixels.astype(np.float32) if format == "pfm" else pixels
        before = pixels.copy()
        pixels.setflags(write=False)
        encoding.encode(pixels, format=format, place="")
        encoding.encode(pixels[::-1, ::-1][:, :, ::-1], format=format, place="")
        assert np.array_equal(pixels, before)


def test_formats_by_name() -> None:
    assert [table.format_of(name) for name in ("a.b/out.JPG", ".tiff", "png", "jpg", "x.ppm", "a.npy")] == [
        "jpeg", "tiff", "png", "jpeg", "pnm", "npy",
    ]  # fmt: skip
    with pytest.raises(UsageError, match=r"no image format has the extension '\.jepg'") as caught:
        table.format_of("out.jepg")
    assert caught.value.hint == "did you mean '.jpg'?"
    with pytest.raises(UsageError) as caught:
        table.format_of("out.xyz")
    assert ".png .jpg" in caught.value.hint
    with pytest.raises(UsageError, match="HDR can be read but not written"):
        table.format_of("out.hdr")
    with pytest.raises(UsageError, match=r"HDR can be read but not written") as caught:
        table.format_of("out.hdr")
    assert caught.value.hint.startswith("extensions that can be written: .png")
    with pytest.raises(UsageError, match=r"'folder\.d/out' has no image extension"):
        table.format_of("folder.d/out")
