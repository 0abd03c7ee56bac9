"""Comments and texts in JPEG and PNG files, and profiles written as texts in PNG files; Pillow is the judge."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from convcli.pictures import encoding, reading
from convcli.pictures.format import NOTHING, Metadata
from convcli.pictures.formats.png import structure
from convcli.pictures.metadata import fit
from tests.fuzz.corpus import exif_block
from tests.pictures.described_files import SRGB, XMP, from_pillow, opened, picture
from tests.support import Pixels, run

TEXTS = (
    ("Title", "A picture"),
    ("Comment", "two\nlines"),
    ("Author", "Zoë"),
    ("parameters", "steps: 20, " * 300),
)


def png(*chunks: tuple[bytes, bytes], behind: bool = False) -> bytes:
    """A file of 5 x 4 pixels, all different, with chunks before or behind its pixels."""
    plain = encoding.encode(samples(), format="png", place="")
    at = plain.index(b"IEND") - 4 if behind else 33
    return plain[:at] + b"".join(structure.chunk(kind, content) for kind, content in chunks) + plain[at:]


def samples() -> Pixels:
    return np.arange(60, dtype=np.uint8).reshape(4, 5, 3)


def with_segments(*segments: tuple[int, bytes]) -> bytes:
    """A JPEG file with segments behind its first one."""
    plain = from_pillow("jpeg", exif=b"", xmp=b"", icc_profile=b"")
    packed = (struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content for marker, content in segments)
    return plain[:20] + b"".join(packed) + plain[20:]


def raw(name: str, block: bytes, kind: bytes = b"zTXt", keyword: str = "") -> tuple[bytes, bytes]:
    """A chunk with a profile as ImageMagick writes it."""
    digits = block.hex()
    lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    words = f"\n{name}\n{len(block):8}\n{lines}\n".encode()
    key = f"{keyword or f'Raw profile type {name}'}\0".encode("latin-1")
    if kind == b"tEXt":
        return kind, key + words
    return kind, key + (b"\0" + zlib.compress(words) if kind == b"zTXt" else b"\1\0\0\0" + zlib.compress(words))


# --- texts ---------------------------------------------------------------------------------------------------------


def test_texts_of_a_png_stay_in_a_png() -> None:
    info = PngImagePlugin.PngInfo()
    for keyword, text in TEXTS:
        info.add_text(keyword, text, zip=len(text) > 100)
    info.add_itxt("Copyright", "© Zoë", zip=True)
    out = io.BytesIO()
    Image.fromarray(samples()).save(out, "PNG", pnginfo=info)
    carried = reading.decode(out.getvalue(), place="").metadata
    assert carried.lost == () and carried.texts == (*TEXTS, ("Copyright", "© Zoë"))
    data = encoding.encode(samples(), format="png", place="", metadata=carried)
    assert opened(data).info == Image.open(out).info | dict(carried.texts)
    assert reading.decode(data, place="").metadata == carried


@pytest.mark.parametrize("target", ["jpeg", "webp", "tiff", "avif", "bmp", "jp2", "pnm"])
def test_texts_that_stay_behind_are_told(target: str) -> None:
    texts = (*TEXTS, ("Description", "d"), ("Software", "s"), ("Warning", "w"))
    remaining, notes = fit(Metadata(texts=texts), picture(), target)
    listed = (
        "Title, Author, parameters, Description, ..." if target == "jpeg" else "Title, Comment, Author, parameters, ..."
    )
    assert notes == (f"texts ({listed}) dropped: not kept in {target} files",)
    assert remaining == Metadata(texts=(TEXTS[1],) if target == "jpeg" else ())
    assert fit(remaining, picture(), target) == (remaining, ())
    for silent in (("Software", "s"), ("Comment", "Created with GIMP")):
        assert fit(Metadata(texts=(silent,)), picture(), "webp") == (NOTHING, ())


def test_comments_of_a_jpeg() -> None:
    data = with_segments(
        (0xFE, b"hello there"), (0xFE, "Grüße".encode() + b"\0"), (0xFE, "é".encode("latin-1")), (0xFE, b"")
    )
    carried = reading.decode(data, place="").metadata
    assert carried.texts == (("Comment", "hello there"), ("Comment", "Grüße"), ("Comment", "é")) and carried.lost == ()
    written = encoding.encode(picture(), format="jpeg", place="", metadata=carried)
    assert reading.decode(written, place="").metadata.texts == carried.texts
    assert opened(written).info["comment"] in (b"hello there", "é".encode())
    displayed = opened(encoding.encode(picture(), format="png", place="", metadata=carried))
    assert displayed.info["Comment"] == "é"  # Pillow keeps the last of one name
    long = Metadata(texts=(("Comment", "x" * 65534),))
    assert fit(long, picture(), "jpeg") == (NOTHING, ("texts (Comment) dropped: not kept in jpeg files",))
    assert fit(Metadata(texts=(("Comment", "x" * 65533),)), picture(), "jpeg")[1] == ()


@pytest.mark.parametrize("options", [(), ("--set", "jpeg_progressive=1")])
def test_comments_go_through_the_command(here: Path, options: tuple[str, ...]) -> None:
    Path("a.jpg").write_bytes(with_segments((0xFE, b"hello there")))
    result = run("apply", "a.jpg", "-k", "identity", "-o", "b.jpg")
    assert (result.code, result.errors()) == (0, [])
    assert opened(Path("b.jpg").read_bytes()).info["comment"] == b"hello there"
    assert (
        "texts (Comment) dropped: not kept in webp files" in run("apply", "a.jpg", "-k", "identity", "-o", "b.webp").err
    )


def test_texts_that_inflate_without_bound() -> None:
    bomb = b"k\0\0" + zlib.compress(b"x" * (1 << 25))
    carried = reading.decode(png(*[(b"zTXt", bomb)] * 5), place="").metadata
    assert sum(len(text) for _, text in carried.texts) <= 1 << 26
    assert carried.lost == ("further texts dropped",)


@pytest.mark.parametrize("content", [b"k\0\0rubbish", b"k\0", b""])
def test_damaged_texts_are_told(content: bytes) -> None:
    carried = reading.decode(png((b"zTXt", content), (b"tEXt", b"Title\0t")), place="").metadata
    assert carried.texts[-1] == ("Title", "t")
    assert carried.lost == (("a damaged text dropped",) if b"rubbish" in content else carried.lost)


# --- profiles that are written as texts ----------------------------------------------------------------------------


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt"])
@pytest.mark.parametrize("name", ["exif", "APP1"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_in_digits_turns_a_png_upright(orientation: int, name: str, kind: bytes, behind: bool) -> None:
    block = b"Exif\0\0" + exif_block(orientation).removeprefix(b"Exif\0\0")
    data = png(raw(name, block, kind), behind=behind)
    picture = reading.decode(data, place="")
    turn = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}.get(orientation)
    upright = Image.fromarray(samples())
    expected = upright.transpose(Image.Transpose(turn)) if turn is not None else upright
    assert np.array_equal(picture.pixels, np.asarray(expected))
    assert picture.metadata.exif == block[6:] and picture.metadata.lost == ()
    remaining = fit(picture.metadata, picture.pixels, "png")[0]
    displayed = opened(encoding.encode(picture.pixels, format="png", place="", metadata=remaining))
    assert displayed.getexif()[0x010E] == "a picture" and displayed.getexif()[0x0112] == 1


def test_the_exif_chunk_counts_before_digits() -> None:
    plain = exif_block(6).removeprefix(b"Exif\0\0")
    data = png(raw("exif", exif_block(3)), (b"eXIf", plain))
    picture = reading.decode(data, place="")
    assert picture.pixels.shape == (5, 4, 3) and picture.metadata.exif == plain


def test_other_profiles_in_digits() -> None:
    data = png(raw("icc", SRGB), raw("xmp", XMP), raw("iptc", b"8BIM"), raw("mine", b"abc"))
    carried = reading.decode(data, place="").metadata
    assert (carried.icc, carried.xmp, carried.texts) == (SRGB, XMP, ())
    assert carried.lost == ("Photoshop and IPTC records dropped", "a profile (mine) dropped")
    xmp = reading.decode(png(raw("APP1", b"http://ns.adobe.com/xap/1.0/\0" + XMP)), place="").metadata
    assert (xmp.xmp, xmp.exif, xmp.lost) == (XMP, b"", ())
    for words in (
        b"Raw profile type exif\0\nexif\n  9\n4d4d",
        b"Raw profile type exif\0\nexif\n  2\nzz",
        b"Raw profile type exif\0",
    ):
        damaged = reading.decode(png((b"tEXt", words)), place="")
        assert damaged.pixels.shape == (4, 5, 3) and damaged.metadata.lost == ("a damaged profile (exif) dropped",)
