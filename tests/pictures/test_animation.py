"""Files of several pictures: what Pillow writes comes in whole, what is written Pillow reads; settings of encoders."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convcli.errors import ImageError, UsageError
from convcli.pictures import encoding, reading
from convcli.pictures.format import Animation, Metadata
from convcli.pictures.metadata import fit
from convcli.pictures.registry import FORMATS

Pixels = np.ndarray[Any, Any]
DURATIONS = [100, 50, 70, 200]


def drawn(*, opaque: bool = False, count: int = 4) -> list[Pixels]:
    """A square on its way, over nothing or over grey."""
    displayed = []
    for number in range(count):
        frame = np.zeros((36, 48, 4), np.uint8)
        if opaque:
            frame[...] = (90, 90, 90, 255)
        frame[5:20, number * 8 : number * 8 + 12] = (255, 40 * number, 10, 255)
        displayed.append(frame)
    return displayed


def from_pillow(format: str, pictures: list[Pixels], **more: Any) -> bytes:
    out = io.BytesIO()
    first, *rest = (Image.fromarray(picture) for picture in pictures)
    settings: dict[str, Any] = {
        "GIF": {"disposal": 2, "loop": 2, "duration": DURATIONS},
        "PNG": {"disposal": 1, "loop": 3, "duration": DURATIONS},
        "WEBP": {"lossless": True, "loop": 3, "duration": DURATIONS, "exact": True},
        "AVIF": {"quality": 100, "subsampling": "4:4:4", "duration": DURATIONS},
        "TIFF": {},
    }[format]
    first.save(out, format, save_all=True, append_images=rest, **settings | more)
    return out.getvalue()


def displayed(data: bytes) -> tuple[list[Pixels], list[float], int]:
    """Frames, durations and plays by Pillow."""
    file = Image.open(io.BytesIO(data))
    actual, durations = [], []
    for number in range(getattr(file, "n_frames", 1)):
        file.seek(number)
        file.load()
        durations.append(float(file.info.get("duration", 0)))
        actual.append(np.asarray(file.convert("RGBA")))
    return actual, durations, int(file.info.get("loop", 0))


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "AVIF"])
def test_frames_as_shown(format: str) -> None:
    actual = list(reading.decode_all(from_pillow(format, drawn()), place=""))
    assert [picture.duration for picture in actual] == DURATIONS
    assert {picture.frames for picture in actual} == {4} and {picture.notes for picture in actual} == {()}
    if format != "AVIF":  # whose sequences have no such count
        assert {picture.loops for picture in actual} == {3}
    for picture, expected in zip(actual, drawn(), strict=True):
        assert np.array_equal(picture.pixels[:, :, 3], expected[:, :, 3])
        visible = expected[:, :, 3] > 0
        assert np.abs(picture.pixels[visible].astype(int) - expected[visible]).max() <= 2


@pytest.mark.parametrize("format", ["PNG", "WEBP", "AVIF"])
def test_opaque_frames_are_rgb(format: str) -> None:
    actual = list(reading.decode_all(from_pillow(format, drawn(opaque=True)), place=""))
    assert {picture.pixels.shape for picture in actual} == {(36, 48, 3)}


def test_pages_of_any_size_and_kind() -> None:
    out = io.BytesIO()
    grey, colour = Image.fromarray(drawn()[0][:, :, 0]), Image.fromarray(drawn()[1][:20, :, :3])
    deep = Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30))
    grey.save(out, "TIFF", save_all=True, append_images=[colour, deep], compression="tiff_lzw")
    actual = [picture.pixels for picture in reading.decode_all(out.getvalue(), place="")]
    assert np.array_equal(actual[0][:, :, 0], drawn()[0][:, :, 0])
    assert np.array_equal(actual[1], drawn()[1][:20, :, :3])
    assert np.array_equal(actual[2].ravel(), np.arange(600)) and actual[2].dtype == np.uint16
    again = encoding.encode_frames(Animation(frames=actual), format="tiff", place="")
    for picture, before in zip(reading.decode_all(again, place=""), actual, strict=True):
        assert np.array_equal(picture.pixels, before)


def test_one_picture_is_one_frame() -> None:
    data = encoding.encode(drawn()[0], format="png", place="")
    (picture,) = reading.decode_all(data, place="")
    assert np.array_equal(picture.pixels, drawn()[0]) and picture.notes == ()


@pytest.mark.parametrize("opaque", [False, True])
@pytest.mark.parametrize("format", ["png", "webp", "avif"])
def test_what_is_written_pillow_reads(format: str, opaque: bool) -> None:
    pictures = [frame[:, :, :3] if opaque else frame for frame in drawn(opaque=opaque)]
    options = {"webp_lossless": 1} if format == "webp" else {"quality": 100}
    data = encoding.encode_frames(
        Animation(frames=pictures, durations=DURATIONS, loops=2), format=format, place="", options=options
    )
    actual, durations, loops = displayed(data)
    assert durations == DURATIONS and loops == (0 if format == "avif" else 2)
    for picture, expected in zip(actual, drawn(opaque=opaque), strict=True):
        assert np.array_equal(picture[:, :, 3], expected[:, :, 3])
        visible = expected[:, :, 3] > 0
        difference = np.abs(picture[visible].astype(int) - expected[visible])
        assert difference.mean() < 12 if format == "avif" else difference.max() == 0
    back = list(reading.decode_all(data, place=""))
    assert [picture.duration for picture in back] == DURATIONS and back[0].frames == 4


def test_sixteen_bits_and_grey_in_png() -> None:
    deep = [np.random.default_rng(n).integers(0, 65536, (9, 7, 2)).astype(np.uint16) for n in range(3)]
    data = encoding.encode_frames(Animation(frames=deep, durations=[10, 20, 30]), format="png", place="")
    assert np.array_equal(reading.decode(data, place="").pixels, deep[0])
    assert displayed(data)[1] == [10, 20, 30]


@pytest.mark.parametrize("format", ["png", "webp", "tiff"])
def test_metadata_of_animations(format: str) -> None:
    icc = bytearray(700)
    icc[:4], icc[16:20], icc[36:40] = (700).to_bytes(4, "big"), b"RGB ", b"acsp"
    supplied = Metadata(icc=bytes(icc), xmp=b"<x:xmpmeta/>", dpi=(300, 300))
    data = encoding.encode_frames(Animation(frames=drawn()), format=format, place="", metadata=supplied)
    actual = reading.decode(data, place="").metadata
    assert (actual.icc, actual.xmp, actual.dpi) == (supplied.icc, supplied.xmp, supplied.dpi)
    assert len(displayed(data)[0]) == 4
    assert fit(supplied, drawn()[0], "avif", animated=True)[1] == (
        "ICC profile, XMP, resolution dropped: not kept in avif sequence files",
    )


def test_what_holds_no_frames_says_so() -> None:
    with pytest.raises(ImageError, match="bmp can't hold 4 pictures") as caught:
        encoding.encode_frames(Animation(frames=drawn()), format="bmp", place="a.bmp")
    assert caught.value.hint.startswith("formats that can: .tif .png .webp .avif .gif; {frame} ")
    with pytest.raises(ImageError, match="must be of one size"):
        encoding.encode_frames(Animation(frames=[drawn()[0], drawn()[0][:5]]), format="png", place="")
    with pytest.raises(ImageError, match="at most"):
        list(reading.decode_all(from_pillow("GIF", drawn()), place="", max_pixels=36 * 48 * 3))


# --- settings ---------------------------------------------------------------------------------------------------------


def sized(format: str, **options: Any) -> int:
    random = np.random.default_rng(0).integers(0, 40, (64, 64, 3), dtype=np.uint8)
    return len(encoding.encode(random, format=format, place="", options=options))


def test_settings_reach_the_encoders() -> None:
    for format in ("jpeg", "webp", "avif"):
        assert sized(format, quality=30) < sized(format) == sized(format, quality=95)
        assert sized(format, **{f"{format}_quality": 30}) == sized(format, quality=30)
    assert sized("jpeg", jpeg_subsampling="444") > sized("jpeg")
    random = np.random.default_rng(0).integers(0, 40, (64, 64, 3), dtype=np.uint8)
    progressive = encoding.encode(random, format="jpeg", place="", options={"jpeg_progressive": 1})
    assert b"\xff\xc2" in progressive and b"\xff\xc2" not in encoding.encode(random, format="jpeg", place="")
    assert sized("png", png_compression=0) > sized("png")
    assert sized("tiff", tiff_compression="deflate") < sized("tiff")
    assert sized("png", quality=50, jpeg_progressive=1) == sized("png")
    lossless = encoding.encode(random, format="webp", place="", options={"webp_lossless": 1})
    assert np.array_equal(reading.decode(lossless, place="").pixels, random)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"png_compresion": 1}, "no encoder has a setting 'png_compresion'"),
        ({"png_compression": 10}, "png_compression is 0 to 9 for png, not 10"),
        ({"png_compression": "-1"}, "not -1"),
        ({"quality": 0, "jpeg_quality": 1}, "quality is 1 to 100 for jpeg, not 0"),
        ({"tiff_compression": "or"}, "none or deflate"),
    ],
)
def test_wrong_settings(options: dict[str, Any], part: str) -> None:
    format = next((name for name in ("png", "tiff") if any(key.startswith(name) for key in options)), "jpeg")
    with pytest.raises(UsageError, match=part):
        sized(format, **options)


@pytest.mark.parametrize(("format", "name"), [(row.name, name) for row in FORMATS.values() for name in row.settings])
def test_every_setting_is_one_that_opencv_or_we_know(format: str, name: str) -> None:
    default = FORMATS[format].settings[name][1]
    encoding.encode(np.zeros((40, 40, 3), np.uint8), format=format, place="", options={f"{format}_{name}": default})
