"""The PNG encoder, proved by OpenCV's libpng, by Python's zlib, and by undoing its filters after the specification."""

from __future__ import annotations

import struct
import threading
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays

from convcli.engine import threads
from convcli.errors import ImageError
from convcli.pictures.format import at
from convcli.pictures.formats.png import deflate, structure, writer as png_writer

Pixels = np.ndarray[Any, Any]

pytestmark = pytest.mark.usefixtures("each_deflate")


def libpng(data: bytes) -> Pixels:
    """The pixels as libpng reads them, with grey and alpha as 2 channels."""
    pixels: Pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)  # type: ignore[assignment]
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    if data[25] == 4:
        return pixels[:, :, [0, 3]]
    return pixels[:, :, [2, 1, 0, 3][: pixels.shape[2]]] if pixels.shape[2] > 2 else pixels


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Every chunk, its CRC checked."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, actual = 8, []
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        content = data[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length)[0] == zlib.crc32(kind + content)
        actual.append((kind, content))
        at += 12 + length
    return actual


def stream(data: bytes) -> bytes:
    return b"".join(content for kind, content in chunks(data) if kind == b"IDAT")


def unfiltered(rows: bytes, height: int, width_bytes: int, step: int) -> bytes:
    """Section 9 of the specification, byte by byte."""
    out = [bytearray(width_bytes)]
    for y in range(height):
        kind, row = rows[y * (width_bytes + 1)], bytearray(rows[y * (width_bytes + 1) + 1 :][:width_bytes])
        for x in range(width_bytes):
            left, up = row[x - step] if x >= step else 0, out[-1][x]
            row[x] = (row[x] + (0, left, up, (left + up) // 2)[kind]) % 256
        out.append(row)
    return b"".join(out[1:])


@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 4)).flatmap(
        lambda shape: st.sampled_from([np.uint8, np.uint16]).flatmap(lambda dtype: arrays(dtype, shape))
    )
)
@settings(max_examples=150, deadline=None)
def test_any_picture_comes_back(pixels: Pixels) -> None:
    back = libpng(png_writer.encode(pixels))
    assert back.dtype == pixels.dtype
    assert np.array_equal(back, pixels)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (3, 7), (257, 255)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("content", ["noise", "flat", "ramp", "text"])
def test_shapes_and_contents(shape: tuple[int, int], channels: int, dtype: type, content: str) -> None:
    random = np.random.default_rng(0)
    top = int(np.iinfo(dtype).max)
    pixels: Any
    if content == "noise":
        pixels = random.integers(0, top, (*shape, channels), endpoint=True)
    elif content == "flat":
        pixels = np.full((*shape, channels), top // 3)
    elif content == "ramp":
        pixels = np.add.outer(np.arange(shape[0]), np.arange(shape[1]))[:, :, None] * np.ones(channels, int) % (top + 1)
    else:
        pixels = (random.random((*shape, channels)) < 0.05) * top
    pixels = pixels.astype(dtype)
    data = png_writer.encode(pixels)
    assert np.array_equal(libpng(data), pixels)
    assert [kind for kind, _ in chunks(data)][:: len(chunks(data)) - 1] == [b"IHDR", b"IEND"]


@pytest.mark.parametrize("strip_bytes", [1, 300, 5000])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_strips_join(strip_bytes: int, channels: int, dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png_writer, "_STRIP_BYTES", strip_bytes)
    random = np.random.default_rng(1)
    soft = cv2.GaussianBlur(random.random((37, 29, 4)), (0, 0), 3)[:, :, :channels]
    pixels: Any = (soft * np.iinfo(dtype).max).astype(dtype)
    pixels[20:] = pixels[20, 0]  # some strips are flat, with another filter and strategy
    data = png_writer.encode(pixels)
    rows = max(1, strip_bytes // (29 * channels * pixels.itemsize))
    assert len(chunks(data)) == 4 + -(-37 // rows)
    raw = zlib.decompress(stream(data))  # checks the joined Adler-32
    width_bytes = 29 * channels * pixels.itemsize
    stored = unfiltered(raw, 37, width_bytes, channels * pixels.itemsize)
    assert stored == pixels.astype(pixels.dtype.newbyteorder(">")).tobytes()
    assert np.array_equal(libpng(data), pixels)


def test_bytes_do_not_depend_on_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (900, 800, 3), dtype=np.uint8)
    pixels[300:600] = 7
    files = [png_writer.encode(pixels)]
    for count in (1, 2, 9):
        monkeypatch.setattr(threads, "_most", count)
        files.append(png_writer.encode(pixels))
    assert len(set(files)) == 1
    assert np.array_equal(libpng(files[0]), pixels)


@pytest.mark.parametrize("start", range(12))
def test_bytes_do_not_depend_on_where_memory_lies(
    start: int, each_deflate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ISA-L takes its stream's address for data at the start: such data, from byte `start` on, tell whether it does."""
    library = deflate._fast
    packers = [library.compressobj(1, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY) for _ in range(3)]
    address = id(packers[1]) + 48  # of the stream in python-isal's object; the lowest 16 bits don't count
    random = np.random.default_rng(start)
    first = random.bytes(start) + struct.pack("<I", address >> 16 & 0xFFFFFFFF) + b"and some more"
    data = first + random.bytes(3000) + first[start:] + bytes(3000)  # which is worth being packed
    files = set()
    for packer in packers:
        monkeypatch.setattr(library, "compressobj", lambda *_, packer=packer: packer)
        files.add(deflate.deflated(data, zlib.Z_DEFAULT_STRATEGY, zlib.Z_FULL_FLUSH))
    assert len(files) == 1
    assert zlib.decompressobj(-15).decompress(files.pop()) == data


def test_views_and_planes() -> None:
    pixels = np.random.default_rng(3).integers(0, 65536, (30, 40, 4), dtype=np.uint16)
    for view in (pixels[::-1], pixels[:, ::2], pixels[:, :, :3], pixels.transpose(1, 0, 2), pixels.astype(">u2")):
        before = view.copy()
        assert np.array_equal(libpng(png_writer.encode(view)), view)
        assert np.array_equal(view, before)
    assert np.array_equal(libpng(png_writer.encode(pixels[:, :, 0]))[:, :, 0], pixels[:, :, 0])


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((2, 2, 5), np.uint8),
        np.zeros((2, 2, 3), np.float32),
        np.zeros((2, 2), np.int16),
        np.zeros((0, 2, 3), np.uint8),
    ],
)
def test_what_png_lacks_is_refused(pixels: Pixels) -> None:
    with pytest.raises(ValueError, match="PNG can't hold"):
        png_writer.encode(pixels)


def test_a_failing_thread_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise MemoryError
        raise KeyboardInterrupt

    monkeypatch.setattr(png_writer, "_filtered", fail)
    monkeypatch.setattr(threads, "_most", 2)
    with pytest.raises((MemoryError, KeyboardInterrupt)):
        png_writer.encode(np.zeros((2000, 900, 3), np.uint8))


def test_files_are_no_larger_than_opencvs(each_deflate: str) -> None:
    most = {"zlib": 1, "ISA-L": 1.1}[each_deflate]
    noise = np.random.default_rng(4).integers(0, 256, (600, 800, 3), dtype=np.uint8)
    photograph: Any = cv2.GaussianBlur(noise, (0, 0), 1.5)
    drawing: Any = np.full((600, 800, 3), 255, np.uint8)
    for number in range(20):
        cv2.putText(drawing, f"kernel {number} of many", (number * 9, 30 + number * 28), 0, 1, (number * 9, 0, 90), 2)
    for pixels in (photograph, drawing, photograph[:, :, :1], np.dstack([photograph, photograph[:, :, :1]])):
        assert len(png_writer.encode(pixels)) <= most * len(cv2.imencode(".png", pixels)[1])


@given(st.binary(max_size=500), st.binary(max_size=500))
def test_adler_of_a_whole(first: bytes, second: bytes) -> None:
    joined = png_writer._joined_adler(zlib.adler32(first), zlib.adler32(second), len(second))
    assert joined == zlib.adler32(first + second)


# --- the check ------------------------------------------------------------------------------------------------------


def rebuilt(*parts: tuple[bytes, bytes]) -> bytes:
    return structure.SIGNATURE + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in parts
    )


GOOD = chunks(png_writer.encode(np.arange(48, dtype=np.uint8).reshape(4, 4, 3)))
HEAD, BODY, END = GOOD[0], GOOD[1:-1], GOOD[-1]


def header(*values: int) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", *values)


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"", "first 8 bytes"),
        (structure.SIGNATURE, "ends at byte 8, before its IEND"),
        (rebuilt(HEAD, *BODY), "before its IEND"),
        (rebuilt(HEAD, END), "no IDAT"),
        (rebuilt(*BODY, END), "first chunk is not a header"),
        (rebuilt((b"IHDR", b"short"), *BODY, END), "first chunk is not a header"),
        (rebuilt(HEAD, BODY[0], (b"tEXt", b"a\0b"), *BODY[1:], END), "between its IDAT"),
        (rebuilt(header(4, 4, 8, 3, 0, 0, 0), *BODY, END), "without a PLTE"),
        (rebuilt(header(0, 4, 8, 2, 0, 0, 0), *BODY, END), "says 0 x 4 pixels"),
        (rebuilt(header(4, 1 << 31, 8, 2, 0, 0, 0), *BODY, END), "2147483648 pixels"),
        (rebuilt(header(4, 4, 4, 2, 0, 0, 0), *BODY, END), "colour type 2 has 4 bits"),
        (rebuilt(header(4, 4, 8, 5, 0, 0, 0), *BODY, END), "no colour type 5"),
        (rebuilt(header(4, 4, 8, 2, 1, 0, 0), *BODY, END), "compression 1, filter 0, interlace 0"),
        (rebuilt(header(4, 4, 8, 2, 0, 0, 2), *BODY, END), "interlace 2"),
        (rebuilt(header(60000, 60000, 8, 2, 0, 0, 0), *BODY, END), "promises 60000 x 60000 pixels, more than"),
        (rebuilt(HEAD, *BODY, (b"I\0ND", b"")), "no chunk starts at byte"),
        (structure.SIGNATURE + b"\x7f\xff\xff\xffIHDR" + bytes(30), "needs 2147483647 bytes, 30 are left"),
    ],
)
def test_structure_is_proved(data: bytes, part: str) -> None:
    with pytest.raises(ImageError, match=part) as caught, at("a.png"):
        structure.inspect(data)
    assert str(caught.value).startswith("a.png: ")


def test_what_the_check_finds() -> None:
    extras = (b"acTL", struct.pack(">II", 7, 0)), (b"eXIf", b"MM\0*"), (b"iCCP", b"nonsense")
    actual = structure.inspect(rebuilt(HEAD, *extras, *BODY, END) + b"trailing")
    assert (actual.width, actual.height, actual.depth, actual.colour) == (4, 4, 8, 2)
    assert (actual.frames, actual.exif) == (7, b"MM\0*")
    assert actual.plain == rebuilt(HEAD, *BODY, END)
    assert libpng(actual.plain).shape == (4, 4, 3)
