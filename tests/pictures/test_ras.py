"""Sun raster files of every depth and type, against the arrays that they are written from."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from convcli.errors import ImageError
from convcli.pictures import reading
from tests.support import Pixels, noise, texts

TYPES = (0, 1, 2, 3)


def runs(body: bytes) -> bytes:
    """Packed as type 2 has it: runs of three and more, and 128, which begins one, in two bytes."""
    out, at = bytearray(), 0
    while at < len(body):
        end = at
        while end < len(body) and body[end] == body[at] and end - at < 256:
            end += 1
        if end - at > 2:
            out += bytes((128, end - at - 1, body[at]))
        else:
            out += b"".join(b"\x80\0" if byte == 128 else bytes((byte,)) for byte in body[at:end])
        at = end
    return bytes(out)


def ras(rows: Pixels, width: int, depth: int, kind: int, *, palette: Pixels | None = None, map_kind: int = 1) -> bytes:
    """A file of the bytes of rows, with a palette (colours, 3)."""
    body = b"".join(row.tobytes() + bytes(len(row) & 1) for row in rows)
    body = runs(body) if kind == 2 else body
    table = palette.T.tobytes() if palette is not None else b""
    head = struct.pack(
        ">8I", 0x59A66A95, width, len(rows), depth, len(body), kind, map_kind if table else 0, len(table)
    )
    return head + table + body


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("width", [1, 7, 8, 300])
def test_grey_and_palettes(width: int, kind: int) -> None:
    values, bits = noise(5, width), noise(5, width) & 1
    values[0], values[1] = 128, 7
    packed = np.packbits(bits, axis=1)
    few, many = noise(2, 3), noise(256, 3)
    greys = np.repeat(noise(256, 1), 3, axis=1)
    for data, expected in (
        (ras(packed, width, 1, kind), 255 - 255 * bits[..., None]),  # 1 is black
        (ras(packed, width, 1, kind, palette=few), few[bits]),
        (ras(values, width, 8, kind), values[..., None]),
        (ras(values, width, 8, kind, palette=many), many[values]),
        (ras(values, width, 8, kind, palette=greys), greys[values][..., :1]),
    ):
        picture = reading.decode(data, place="")
        assert np.array_equal(picture.pixels, expected) and picture.notes == ()
        assert picture.pixels.flags.c_contiguous and picture.pixels.dtype == np.uint8


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("width", [1, 7, 8])
def test_colours(width: int, kind: int) -> None:
    rgb = noise(5, width, 3)
    stored = rgb if kind == 3 else rgb[..., ::-1]
    padded = np.concatenate([noise(5, width, 1, seed=9), stored], axis=2)
    for data in (ras(stored.reshape(5, -1), width, 24, kind), ras(padded.reshape(5, -1), width, 32, kind)):
        assert np.array_equal(reading.decode(data, place="").pixels, rgb)


def test_colours_behind_the_palette() -> None:
    picture = reading.decode(ras(np.array([[0, 1, 2]], np.uint8), 3, 8, 1, palette=noise(2, 3)), place="")
    assert picture.pixels[0, 2].tolist() == [0, 0, 0]
    fact = "damaged RAS: 1 pixels have colours behind the 2 of its palette"
    assert texts(picture.notes) == (f"{fact}; decoded as far as it goes",)


@pytest.mark.parametrize("kind", TYPES)
def test_what_can_not_be_read_is_named(kind: int) -> None:
    values = noise(6, 8)
    whole = ras(values, 8, 8, kind, palette=noise(256, 3))

    def refusal(data: bytes) -> str:
        with pytest.raises(ImageError) as caught:
            reading.decode(data, place="")
        return caught.value.fact

    able = "; 1, 8, 24 and 32 bits of the types 0 to 3 can be read"
    assert refusal(ras(values, 8, 4, kind)) == f"unsupported RAS: 8 x 6 pixels of 4 bits, type {kind}{able}"
    assert refusal(whole[:20] + b"\0\0\0\4" + whole[24:]) == f"unsupported RAS: 8 x 6 pixels of 8 bits, type 4{able}"
    raw = ras(values, 8, 8, kind, palette=noise(256, 3), map_kind=2)
    assert refusal(raw) == "unsupported RAS: a palette of kind 2, 768 bytes; kind 1 can be read"
    assert refusal(whole[:500]) == "truncated RAS: its palette needs 768 bytes, 468 are left"
    assert refusal(whole[:25]) == "truncated RAS: it ends at byte 25, in its header"
    assert "truncated RAS: its pixels need 48 bytes, " in refusal(whole[:-3])
    lie = whole[:4] + struct.pack(">II", 30000, 30000) + whole[12:]
    assert refusal(lie).startswith(
        ("damaged RAS: its header promises 900000000 bytes", "truncated RAS: its pixels need")
    )
