"""Netpbm's formats and PFM: every form, depth and oddity of headers, against the arrays that files are written from."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convcli.errors import ImageError
from convcli.pictures import TruncatedError, reading
from tests.support import Pixels, noise, texts


def decoded(data: bytes, **options: Any) -> reading.Picture:
    picture = reading.decode(data, place="", **options)
    assert picture.pixels.flags.c_contiguous and picture.pixels.dtype.isnative
    return picture


def refusal(data: bytes) -> ImageError:
    with pytest.raises(ImageError) as caught:
        reading.decode(data, place="")
    return caught.value


def words(values: Pixels) -> bytes:
    return " ".join(map(str, values.ravel().tolist())).encode()


def form(values: Pixels, kind: int, top: int) -> bytes:
    """A file of values (height, width, channels) in one of the forms 2, 3, 5, 6 and 7."""
    height, width, channels = values.shape
    body = words(values) if kind < 4 else values.astype(">u2" if top > 255 else np.uint8).tobytes()
    if kind == 7:
        name = ("GRAYSCALE", "GRAYSCALE_ALPHA", "RGB", "RGB_ALPHA")[channels - 1]
        return pam(channels, top, name, body, width, height)
    return b"P%d %d %d\n%d\n" % (kind, width, height, top) + body


def pam(channels: int, top: int, kind: str, body: bytes, width: int = 2, height: int = 1) -> bytes:
    head = f"P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH {channels}\nMAXVAL {top}\n"
    return (head + (f"TUPLTYPE {kind}\n" if kind else "") + "ENDHDR\n").encode() + body


@pytest.mark.parametrize(("kind", "channels"), [(2, 1), (3, 3), (5, 1), (6, 3), (7, 1), (7, 2), (7, 3), (7, 4)])
@pytest.mark.parametrize("top", [1, 2, 7, 10, 100, 127, 254, 255, 256, 300, 1000, 1023, 4095, 32767, 65534, 65535])
def test_every_maximum(top: int, kind: int, channels: int) -> None:
    values = (noise(7, 9, channels, dtype=np.uint32) % (top + 1)).astype(np.int64)
    values[0, 0], values[0, 1] = top, 0
    picture = decoded(form(values, kind, top))
    full = 255 if top < 256 else 65535
    assert picture.pixels.dtype == (np.uint8 if full == 255 else np.uint16)
    assert np.array_equal(picture.pixels, (values * full + top // 2) // top)
    note = f"its values up to {top} are scaled to {full}"
    assert texts(picture.notes) == (() if top == full else (note,))
    if kind in (2, 5, 6) and top == full and channels * 255 >= full:
        displayed = np.asarray(Image.open(io.BytesIO(form(values, kind, top)))).reshape(values.shape)
        assert np.array_equal(displayed, values)


@pytest.mark.parametrize("kind", [2, 3, 5, 6])
@pytest.mark.parametrize("top", [10, 254, 255, 256, 1000])
def test_values_beyond_the_maximum(top: int, kind: int) -> None:
    channels = 3 if kind in (3, 6) else 1
    values = np.full((4, 5, channels), top, np.int64)
    if kind > 3 and top == 255:
        return  # there is no such value
    values[1, 2, 0] = top + 1
    picture = decoded(form(values, kind, top))
    assert (picture.pixels == np.iinfo(picture.pixels.dtype).max).all()
    fact = f"damaged PNM: 1 of its values are larger than {top}, which is white"
    assert texts(picture.notes)[-1] == f"{fact}; decoded as far as it goes"
    with pytest.raises(ImageError, match=fact):
        decoded(form(values, kind, top), strict=True)


@pytest.mark.parametrize("width", [1, 7, 8, 9, 16, 17])
def test_bitmaps(width: int) -> None:
    ink = noise(5, width) & 1
    expected = np.where(ink[..., None] == 1, 0, 255)  # 1 is black
    packed = np.packbits(ink, axis=1).tobytes()
    for data in (
        b"P4\n%d 5\n" % width + packed,
        b"P4 # words\n%d # more\n5\n" % width + packed,
        b"P1\n%d 5\n" % width + words(ink),
        b"P1\n%d 5\n" % width + words(ink).replace(b" ", b""),
        b"P1\n# words\n%d 5 # 0 1\n" % width + words(ink).replace(b" ", b"#0 1\n", 2),
    ):
        picture = decoded(data)
        assert np.array_equal(picture.pixels, expected) and picture.notes == ()


@pytest.mark.parametrize(
    "head",
    [
        b"P5 3 1 255\n", b"P5\n3\n1\n255\n", b"P5\t3\r1 \n 255 ", b"P5#c\n3 1#d\n255\n", b"P5 3 1 255#d\n",
        b"P5\n#a\n#b\n3 #c\r1\n255\t", b"P5\n# 9 9 9\n3 1\n255\n", b"P5\n#" + b"c" * 9000 + b"\n3 1 255\n",
    ],
)  # fmt: skip
def test_white_space_and_comments_anywhere(head: bytes) -> None:
    assert decoded(head + b"#\x20\n").pixels.ravel().tolist() == [0x23, 0x20, 0x0A]


def test_comments_among_values() -> None:
    data = b"P2\n#c\n3 #x\n1\n#y\n10\n1 2 #z 7 8\n 10 # end"
    assert decoded(data).pixels.ravel().tolist() == [26, 51, 255]


@pytest.mark.parametrize(
    ("data", "fact"),
    [
        (b"P2 3 1 10 1 x 3", "damaged PNM: 'x' among its values"),
        (b"P2 3 1 10 1 -2 3", "damaged PNM: '-' among its values"),
        (b"P1 3 1 1 2 1", "damaged PNM: '2' among its values"),
        (b"P2 3 1 10 1 2", "truncated PNM: it has less than the 3 values that its pixels need"),
        (b"P2 3 1 10 ", "truncated PNM: it has less than the 3 values that its pixels need"),
        (b"P1 3 1 10", "truncated PNM: it has less than the 3 values that its pixels need"),
        (b"P3 30000 30000 255 1 2 3", "truncated PNM: it has less than the 2700000000 values that its pixels need"),
        (b"P5 3 1 255\n\1", "truncated PNM: its pixels need 3 bytes, 1 are left"),
        (b"P6 3 1 256\n" + bytes(17), "truncated PNM: its pixels need 18 bytes, 17 are left"),
        (b"P4 9 2\n\1\2\3", "truncated PNM: its pixels need 4 bytes, 3 are left"),
        (b"P2 3 1 0 0 0 0", "unsupported PNM: 3 x 1 pixels of 1 channels up to 0"),
        (b"P5 3 1 65536\n" + bytes(6), "unsupported PNM: 3 x 1 pixels of 1 channels up to 65536"),
        (b"P5 0 1 255\n", "unsupported PNM: 0 x 1 pixels of 1 channels up to 255"),
        (b"P5 3 x 255\n", "damaged PNM: its header has no width and height"),
        (b"P5 3 1 -5\n", "damaged PNM: its header has no width and height"),
    ],
)
def test_what_can_not_be_read_is_named(data: bytes, fact: str) -> None:
    assert refusal(data).fact == fact
    assert isinstance(refusal(data), TruncatedError) == fact.startswith("truncated")


@pytest.mark.parametrize(
    ("channels", "top", "kind", "fact"),
    [
        (4, 255, "CMYK", "unsupported PAM: tuples of CMYK"),
        (4, 255, "RGBD", "unsupported PAM: tuples of RGBD"),
        (3, 255, "YCbCr", "unsupported PAM: tuples of YCbCr"),
        (3, 255, "rgb", "unsupported PAM: tuples of rgb"),
        (1, 255, "RGB", "damaged PAM: tuples of RGB have 3 channels, these have 1"),
        (4, 255, "RGB", "damaged PAM: tuples of RGB have 3 channels, these have 4"),
        (5, 255, "", "unsupported PNM: 2 x 1 pixels of 5 channels up to 255"),
        (5, 255, "MULTISPECTRAL", "unsupported PNM: 2 x 1 pixels of 5 channels up to 255"),
    ],
)
def test_tuples_without_colours_are_refused(channels: int, top: int, kind: str, fact: str) -> None:
    able = "; GRAYSCALE, RGB and BLACKANDWHITE can be read, with _ALPHA or without"
    assert refusal(pam(channels, top, kind, bytes(20))).fact == fact + (
        able if "tuples of" in fact and "uns" in fact else ""
    )


@pytest.mark.parametrize(("channels", "words"), [(1, ""), (2, "grey and alpha"), (3, "RGB"), (4, "RGBA")])
def test_tuples_of_no_kind(channels: int, words: str) -> None:
    values = noise(1, 2, channels)
    picture = decoded(pam(channels, 255, "", values.tobytes()).replace(b"DEPTH", b"# words\nDEPTH"))
    assert np.array_equal(picture.pixels, values)
    assert texts(picture.notes) == (
        (f"its channels are taken for {words}: nothing says what they are",) if words else ()
    )


@pytest.mark.parametrize(("kind", "channels"), [("BLACKANDWHITE", 1), ("BLACKANDWHITE_ALPHA", 2)])
def test_black_and_white_tuples(kind: str, channels: int) -> None:
    values = noise(3, 4, channels) & 1
    assert np.array_equal(decoded(pam(channels, 1, kind, values.tobytes(), 4, 3)).pixels, values * 255)


@pytest.mark.parametrize("between", [b"", b"\n", b" \n"])
def test_several_pictures_in_a_file(between: bytes) -> None:
    parts = [noise(2, 3, 1), noise(4, 5, 3), noise(1, 2, 4) >> 4]
    files = [form(parts[0], 5, 255), form(parts[1], 6, 255), form(parts[2], 7, 15)]
    data = between.join(files)
    first = decoded(data)
    assert (first.frames, texts(first.notes)) == (3, ("frame 1 of 3",))
    pictures = [*reading.decode_all(data, place="")]
    for picture, part in zip(pictures, (parts[0], parts[1], parts[2] * 17), strict=True):
        assert np.array_equal(picture.pixels, part)
    assert decoded(files[0] + b"P and more").frames == decoded(files[0] + b"\n").frames == 1
    with pytest.raises(TruncatedError):
        [*reading.decode_all(data[:-1], place="")]


# --- PFM -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("scale", ["1.0", "-1.0", "1", "-1", "+1.0", "2.5", "-0.5", "-1e-3", "1e3"])
def test_scales_and_byte_orders(scale: str, channels: int) -> None:
    values = np.random.default_rng(0).normal(size=(4, 5, channels)).astype(np.float32)
    values[1, 1, 0], values[2, 2, 0], values[3, 3, 0] = np.nan, np.inf, -np.inf
    body = values[::-1].astype("<f4" if scale.startswith("-") else ">f4").tobytes()
    for gap in ("\n", " ", "\r\n"):
        head = gap.join((f"P{'f' if channels == 1 else 'F'}", "5 4", scale, "")).encode()
        picture = decoded(head + body)
        size = abs(float(scale))
        expected = (values.astype(np.float64) / size).astype(np.float32)
        assert picture.pixels.dtype == np.float32 and np.array_equal(picture.pixels, expected, equal_nan=True)
        note = f"its samples are divided by its scale, {size:g}"
        assert texts(picture.notes) == (() if size == 1 else (note,))


@pytest.mark.parametrize(
    ("data", "fact"),
    [
        (b"Pf\n3 2\n0\n" + bytes(24), "damaged PFM: its scale is 0, and no number but 0"),
        (b"Pf\n3 2\nnan\n" + bytes(24), "damaged PFM: its scale is nan, and no number but 0"),
        (b"Pf\n3 2\nx1\n" + bytes(24), "damaged PFM: its scale is x1, and no number but 0"),
        (b"Pf\n3 2\n-1.0\n" + bytes(23), "truncated PFM: its pixels need 24 bytes, 23 are left"),
        (b"PF\n3 2\n-1.0\n" + bytes(24), "truncated PFM: its pixels need 72 bytes, 24 are left"),
        (b"Pf\n3 0\n-1.0\n", "unsupported PFM: 3 x 0 pixels"),
        (b"Pf\n3 2\n", "damaged PNM: its header has no width, height and scale"),
    ],
)
def test_pfm_files_that_make_no_picture(data: bytes, fact: str) -> None:
    assert refusal(data).fact == fact
