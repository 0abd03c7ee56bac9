"""BMP files packed as runs, against Pillow, by what the format says, and where they say too much or too little."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image

from convcli.errors import ImageError
from convcli.pictures import TruncatedError, reading
from tests.pictures.bmp_files import bmp
from tests.support import Pixels, noise, texts

PALETTE = noise(256, 3)
LEFT_OUT = "pixels that its runs leave out get the first colour of its palette"


def file(body: bytes, width: int, height: int, bits: int, *, size: int = 40) -> bytes:
    return bmp(body, width, height, bits, size=size, packing=1 if bits == 8 else 2, palette=PALETTE[: 1 << bits])


def runs(places: Pixels, bits: int, *, absolute: bool, ends: bool = True, downwards: bool = False) -> bytes:
    """Rows of indices as runs of one pixel or more, or, from three pixels on, as they are."""
    out = []
    for row in places.tolist() if downwards else places[::-1].tolist():
        if absolute and len(row) > 2:
            plain = (
                bytes(row) if bits == 8 else bytes(a << 4 | b for a, b in zip(row[::2], [*row[1::2], 0], strict=False))
            )
            out.append(bytes((0, len(row))) + plain + bytes(len(plain) & 1))
        else:
            for value in row:
                out.append(bytes((1, value if bits == 8 else value << 4)))
        out.append(b"\0\0")
    return b"".join(out) + (b"\0\1" if ends else b"")


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("downwards", [False, True])
@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 9, 10])
@pytest.mark.parametrize("bits", [4, 8])
def test_runs(bits: int, width: int, absolute: bool, downwards: bool, ends: bool) -> None:
    places = noise(6, width) >> 8 - bits
    body = runs(places, bits, absolute=absolute, ends=ends, downwards=downwards)
    for size in (40, 64, 108, 124):
        data = file(body, width, -6 if downwards else 6, bits, size=size)
        picture = reading.decode(data, place="")
        assert np.array_equal(picture.pixels, PALETTE[places]) and picture.notes == ()
    if ends and not downwards:
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")), PALETTE[places])


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 255)), min_size=1, max_size=6), st.sampled_from([4, 8]))
def test_runs_of_any_length(pairs: list[tuple[int, int]], bits: int) -> None:
    row = [v if bits == 8 else (v >> 4, v & 15)[i % 2] for count, v in pairs for i in range(count)]
    body = b"".join(bytes(pair) for pair in pairs) + b"\0\1"
    pixels = reading.decode(file(body, len(row), 1, bits), place="").pixels
    assert np.array_equal(pixels[0], PALETTE[row])


def test_deltas_and_what_is_left_out() -> None:
    body = b"\2\7" + b"\0\2\3\1" + b"\1\11" + b"\0\0" + b"\6\5" + b"\0\1"
    expected = np.zeros((4, 6), int)
    expected[3, :2], expected[2, 5], expected[1] = 7, 9, 5
    picture = reading.decode(file(body, 6, 4, 8), place="")
    assert np.array_equal(picture.pixels, PALETTE[expected])
    assert texts(picture.notes) == (LEFT_OUT,)


@pytest.mark.parametrize(
    ("body", "outside"),
    [
        (b"\5\7\0\0\4\10\0\1", 1),
        (b"\4\7\1\7\0\0\4\10\0\1", 1),
        (b"\0\6\1\2\3\4\5\6\0\0\4\10\0\1", 2),
        (b"\4\7\0\0\4\10\0\0\3\3\0\1", 3),
        (b"\0\2\0\5\4\7\0\1", 4),
    ],
)
def test_runs_outside_of_the_picture(body: bytes, outside: int) -> None:
    data = file(body, 4, 2, 8)
    picture = reading.decode(data, place="")
    assert picture.pixels.shape == (2, 4, 3)
    note = f"damaged BMP: {outside} pixels of its runs lie outside of 4 x 2; decoded as far as it goes"
    assert note in texts(picture.notes)
    with pytest.raises(ImageError, match="damaged BMP: "):
        reading.decode(data, place="", strict=True)


@pytest.mark.parametrize(
    ("body", "row"),
    [(b"\4\7\0\0\4\10\0\0\3\7", 3), (b"\4\7", 1), (b"\4\7\0\0\0\6\1\2", 2), (b"\4\7\0\2\1", 1), (b"\4\7\0\0\4", 2)],
)
def test_runs_cut_short(body: bytes, row: int) -> None:
    with pytest.raises(TruncatedError) as caught:
        reading.decode(file(body, 4, 3, 8), place="")
    assert caught.value.fact == f"truncated BMP: its runs end in row {row} of 3"
    assert caught.value.hint == ""


def test_a_header_that_promises_more_than_runs_can_tell() -> None:
    with pytest.raises(ImageError, match="promises 30000 x 30000 pixels, more than 1102 bytes can hold"):
        reading.decode(file(bytes(24), 30000, 30000, 8), place="")
