"""GIF's frames as they are shown, and Radiance's headers; Pillow and the arrays that files are written from judge."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convcli.errors import ImageError
from convcli.pictures import reading
from tests.support import Pixels, noise

SCREEN, LOCAL = (np.array(t, np.uint8) for t in ([(255, 0, 0), (0, 255, 0), (0, 0, 255), (9, 8, 7)], noise(4, 3)))


def frame(
    places: Pixels, *, at: tuple[int, int] = (0, 0), palette: Pixels | None = None, interlaced: bool = False,
    transparent: int | None = None, disposal: int = 0,
) -> bytes:  # fmt: skip
    """A frame of 2-bit places in a palette, its codes of 3 bits all: every other one clears the table."""
    rows = np.concatenate([places[0::8], places[4::8], places[2::4], places[1::2]]) if interlaced else places
    codes = "".join(f"{code:03b}"[::-1] for value in rows.ravel().tolist() for code in (4, value)) + "101"
    packed = bytes(int(codes[i : i + 8][::-1], 2) for i in range(0, len(codes), 8))
    blocks = b"".join(bytes((len(part),)) + part for part in (packed[i : i + 255] for i in range(0, len(packed), 255)))
    height, width = places.shape
    flags = (0x81 if palette is not None else 0) | 0x40 * interlaced
    control = bytes((disposal << 2 | (transparent is not None), 10, 0, transparent or 0, 0))
    head = b"\x21\xf9\x04" + control + b"," + struct.pack("<HHHHB", *at, width, height, flags)
    return head + (palette.tobytes() if palette is not None else b"") + b"\2" + blocks + b"\0"


def gif(*frames: bytes, palette: Pixels | None = SCREEN, background: int = 0) -> bytes:
    """A file of 9 x 13 pixels."""
    flags = 0x81 if palette is not None else 0
    head = b"GIF89a" + struct.pack("<HHBBB", 9, 13, flags, background, 0)
    return head + (palette.tobytes() if palette is not None else b"") + b"".join(frames) + b";"


def places(height: int = 13, width: int = 9, seed: int = 0) -> Pixels:
    return noise(height, width, seed=seed) >> 6


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("local", [False, True])
def test_palettes_and_the_order_of_rows(local: bool, interlaced: bool) -> None:
    data = gif(frame(places(), palette=LOCAL if local else None, interlaced=interlaced))
    expected = (LOCAL if local else SCREEN)[places()]
    assert np.array_equal(reading.decode(data, place="").pixels, expected)
    if local:
        alone = gif(frame(places(), palette=LOCAL, interlaced=interlaced), palette=None)
        assert np.array_equal(reading.decode(alone, place="").pixels, expected)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")), expected)


@pytest.mark.parametrize("transparent", [None, 1])
def test_a_first_frame_that_covers_a_part(transparent: int | None) -> None:
    """The rest is the background's colour, or where a colour is transparent as that is."""
    small = places(5, 4)
    picture = reading.decode(gif(frame(small, at=(3, 2), transparent=transparent), background=2), place="")
    inner, outer = picture.pixels[2:7, 3:7], np.ones((13, 9), bool)
    outer[2:7, 3:7] = False
    if transparent is None:
        assert np.array_equal(inner, SCREEN[small]) and (picture.pixels[outer] == SCREEN[2]).all()
    else:
        assert np.array_equal(inner[..., 3] > 0, small != 1) and not picture.pixels[outer][:, 3].any()
        assert np.array_equal(inner[..., :3][small != 1], SCREEN[small][small != 1])


@pytest.mark.parametrize("disposal", [0, 1, 3])
def test_frames_over_each_other(disposal: int) -> None:
    first, second, third = places(), places(5, 4, 1), places(3, 3, 2)
    data = gif(
        frame(first, disposal=1), frame(second, at=(3, 2), transparent=1, disposal=disposal),
        frame(third, at=(6, 9), transparent=0, disposal=1),
    )  # fmt: skip
    canvas, displayed = SCREEN[first], []
    for part, (x, y), clear, restored in ((second, (3, 2), 1, disposal == 3), (third, (6, 9), 0, False)):
        after = canvas.copy()
        region = after[y : y + len(part), x : x + part.shape[1]]
        region[part != clear] = SCREEN[part][part != clear]
        displayed.append(after)
        canvas = canvas if restored else after
    frames = [picture.pixels[..., :3] for picture in reading.decode_all(data, place="")]
    for pixels, expected in zip(frames, (SCREEN[first], *displayed), strict=True):
        assert np.array_equal(pixels, expected)


@pytest.mark.parametrize(
    ("data", "fact"),
    [
        (gif(frame(places()), palette=None), "unsupported GIF: its frame 1 has no palette"),
        (
            gif(frame(places(), palette=LOCAL), frame(places()), palette=None),
            "unsupported GIF: its frame 2 has no palette",
        ),
        (gif(frame(places(), at=(3, 2))), "unsupported GIF: a frame of 9 x 13 at 3, 2 in 9 x 13"),
    ],
)
def test_gifs_that_make_no_picture(data: bytes, fact: str) -> None:
    with pytest.raises(ImageError) as caught:
        reading.decode(data, place="")
    assert caught.value.fact == fact


def test_what_a_gif_carries() -> None:
    note = b"\x21\xfe\x05hello\x06 there\0"
    xmp = b"\x21\xff\x0bXMP DataXMP<x/>" + b"\1" + bytes(range(255, -1, -1)) + b"\0"
    icc = b"\x21\xff\x0bICCRGBG1012\x04abcd\0"
    carried = reading.decode(gif(note, xmp, icc, frame(places())), place="").metadata
    assert (carried.texts, carried.xmp, carried.icc, carried.lost) == (
        (("Comment", "hello there"),),
        b"<x/>",
        b"abcd",
        (),
    )


# --- Radiance ------------------------------------------------------------------------------------------------------

RGBE = np.concatenate([noise(4, 5, 3), np.full((4, 5, 1), 130, np.uint8)], axis=2)


def hdr(*lines: str, size: str = "-Y 4 +X 5", format: str = "32-bit_rle_rgbe") -> bytes:
    head = ["#?RADIANCE", "# words", *([f"FORMAT={format}"] if format else []), *lines, "", size, ""]
    return "\n".join(head).encode() + RGBE.tobytes()


@pytest.mark.parametrize(
    ("lines", "lost"),
    [
        ((), ()),
        (("EXPOSURE=1.0", "VIEW= -vp 0 0 1", "COLORCORR= 1 1 1", "PIXASPECT=1"), ()),
        (("EXPOSURE=2.0",), ("exposure of 2 dropped: its samples stay multiplied by it",)),
        (("EXPOSURE=2.0", "EXPOSURE= 0.25"), ("exposure of 0.5 dropped: its samples stay multiplied by it",)),
        (("EXPOSURE=2.0", "EXPOSURE= 0.5"), ()),
        (("COLORCORR= 1 2 3", "PIXASPECT=2"), ("COLORCORR of 1 2 3 dropped", "PIXASPECT of 2 dropped")),
        (("EXPOSURE=x",), ("its metadata are damaged and left out",)),
    ],
)
def test_what_radiance_says_of_its_samples(lines: tuple[str, ...], lost: tuple[str, ...]) -> None:
    picture = reading.decode(hdr(*lines), place="")
    assert np.array_equal(picture.pixels, RGBE[..., :3] * np.float32(2.0 ** (130 - 136)))
    assert picture.metadata.lost == lost


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"format": "32-bit_rle_xyze"}, "its format is 32-bit_rle_xyze; 32-bit_rle_rgbe can be read"),
        ({"format": ""}, "its format is nothing; 32-bit_rle_rgbe can be read"),
        ({"size": "+Y 4 +X 5"}, "its rows lie as +Y 4 +X 5; -Y and then +X can be read"),
        ({"size": "-Y 4 -X 5"}, "its rows lie as -Y 4 -X 5; -Y and then +X can be read"),
        ({"size": "+X 5 -Y 4"}, "its rows lie as +X 5 -Y 4; -Y and then +X can be read"),
    ],
)
def test_radiance_that_can_not_be_read_is_named(options: dict[str, Any], part: str) -> None:
    with pytest.raises(ImageError) as caught:
        reading.decode(hdr(**options), place="")
    assert caught.value.fact == f"unsupported Radiance HDR: {part}"


@pytest.mark.parametrize("controls", [(True, False), (False, True), (True, True), (True, None), (True, True, False)])
@pytest.mark.parametrize("disposal", [1, 2])
def test_colours_that_are_transparent_in_some_frames(controls: tuple[bool | None, ...], disposal: int) -> None:
    """Alpha stays whichever frames have it; a graphic control is for the next frame alone, and may be absent."""
    canvas, frames, displayed = np.zeros((13, 9, 4), np.uint8), [], []
    for number, control in enumerate(controls):
        part = places(13 - 4 * number, 9, number)
        whole = frame(part, transparent=2 if control else None, disposal=disposal)
        frames.append(whole if control is not None else whole[8:])
        drawn, there = np.insert(SCREEN[part], 3, 255, axis=2), canvas[: len(part)]
        there[...] = np.where((part == 2)[..., None] & bool(control), there, drawn)
        displayed.append(canvas.copy())
        if disposal == 2:
            there[...] = 0
    data = gif(*frames)
    pictures = [reading.decode(data, place="").pixels, *(p.pixels for p in reading.decode_all(data, place=""))]
    for picture, right in zip(pictures, [displayed[0], *displayed], strict=True):
        if picture.shape[2] == 3:
            assert (right[..., 3] == 255).all() and np.array_equal(picture, right[..., :3])
            continue
        seen = right[..., 3] > 0
        assert np.array_equal(picture[..., 3], right[..., 3]) and np.array_equal(picture[seen], right[seen])
