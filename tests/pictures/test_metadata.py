"""ICC profile, EXIF, XMP and resolution from any format to any other; Pillow and OpenCV are the judges."""

from __future__ import annotations

import io
import struct
import time
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from convcli.pictures import encoding, reading, sniff
from convcli.pictures.format import NOTHING, Animation, Metadata, Target
from convcli.pictures.formats import avif
from convcli.pictures.formats.tiff import exif
from convcli.pictures.metadata import fit

Pixels = np.ndarray[Any, Any]
CARRIERS = ("jpeg", "png", "webp", "tiff", "avif")
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description tiff:Orientation="6" exif:PixelXDimension = \'9\' '
    b'dc:title="T"><tiff:ImageWidth>9</tiff:ImageWidth><xmp:Thumbnails><a>secret</a></xmp:Thumbnails>'
    b"</rdf:Description></rdf:RDF></x:xmpmeta>"
)
ORIENTATION, MAKE, COPYRIGHT, EXIF, GPS = 0x0112, 0x010F, 0x8298, 0x8769, 0x8825
LENS, NOTE, ACROSS, DOWN, EXPOSURE = 0xA434, 0x927C, 0xA002, 0xA003, 0x829A


def picture(channels: int = 3, height: int = 40, width: int = 56) -> Pixels:
    y, x = np.mgrid[:height, :width]
    return np.stack([(x * (c + 1) + y * 2) % 200 + 20 for c in range(channels)], axis=2).astype(np.uint8)


def profile(model: bytes, size: int = 600) -> bytes:
    """Something that a picture's colours could be described by, as far as its header goes."""
    head = bytearray(np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8).tobytes())
    head[:4], head[16:20], head[36:40] = struct.pack(">I", size), model, b"acsp"
    return bytes(head)


def block(orientation: int = 6) -> bytes:
    """An EXIF block as Pillow writes it."""
    tags = Image.Exif()
    tags[ORIENTATION], tags[MAKE], tags[COPYRIGHT] = orientation, "A maker of cameras", "CC0"
    inner = tags.get_ifd(EXIF)
    inner[LENS], inner[ACROSS], inner[DOWN], inner[EXPOSURE] = "A long lens", 9, 9, 0.008
    inner[NOTE] = b"MAKERNOTE" * 4
    tags.get_ifd(GPS)[1], tags.get_ifd(GPS)[2] = "N", (48.0, 8.0, 14.5)
    return tags.tobytes().removeprefix(b"Exif\0\0")


def from_pillow(format: str, **more: Any) -> bytes:
    out = io.BytesIO()
    settings: dict[str, Any] = {"icc_profile": SRGB, "exif": b"Exif\0\0" + block(), "xmp": XMP, "dpi": (300, 300)}
    if format == "png":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", XMP.decode(), zip=True)
        settings["pnginfo"] = info
    if format == "avif":
        settings["speed"] = 10
    settings |= more
    if format == "tiff" and settings["exif"]:
        tags = Image.Exif()
        tags.load(settings["exif"])
        tags[700] = XMP
        settings["exif"] = tags
    Image.fromarray(picture()).save(out, format.upper(), **settings)
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    shown = Image.open(io.BytesIO(data))
    shown.load()
    return shown


def xmp_of(shown: Image.Image) -> bytes:
    found = shown.info.get("xmp") or shown.info.get("XML:com.adobe.xmp") or b""
    return found.encode() if isinstance(found, str) else found


@pytest.mark.parametrize("target", CARRIERS)
@pytest.mark.parametrize("source", CARRIERS)
def test_all_survives_from_format_to_format(source: str, target: str) -> None:
    decoded = reading.decode(from_pillow(source), place="")
    assert decoded.pixels.shape == (56, 40, 3)
    assert decoded.metadata.lost == ()
    enlarged = np.repeat(decoded.pixels, 2, axis=0)
    kept, notes = fit(decoded.metadata, enlarged, target)
    assert notes == ()
    data = encoding.encode(enlarged, format=target, place="", metadata=decoded.metadata)
    shown = opened(data)
    assert shown.size == (40, 112)
    assert shown.info["icc_profile"] == SRGB
    tags = shown.getexif()
    assert tags.get(ORIENTATION, 1) == 1
    assert (tags[MAKE], tags[COPYRIGHT]) == ("A maker of cameras", "CC0")
    inner = tags.get_ifd(EXIF)
    assert (inner[LENS], inner[ACROSS], inner[DOWN]) == ("A long lens", 40, 112)
    assert inner[EXPOSURE] == pytest.approx(1 / 125)
    assert tags.get_ifd(GPS) == {1: "N", 2: (48.0, 8.0, 14.5)}
    assert (inner.get(NOTE) == b"MAKERNOTE" * 4) == (source != "tiff")
    packet = xmp_of(shown)
    assert b'tiff:Orientation="1"' in packet and b"exif:PixelXDimension = '40'" in packet and b'dc:title="T"' in packet
    assert b"<tiff:ImageWidth>40</" in packet and b"secret" not in packet
    again = reading.decode(data, place="")
    assert again.pixels.shape == enlarged.shape
    if source in ("jpeg", "png", "tiff"):
        assert again.metadata.dpi == pytest.approx((300, 300), abs=0.05)
        if target in ("jpeg", "png", "tiff"):
            assert shown.info["dpi"] == pytest.approx((300, 300), abs=0.05)
    if target != "tiff":
        assert fit(again.metadata, enlarged, target)[0].exif == kept.exif == again.metadata.exif


@pytest.mark.parametrize("target", ["jpeg", "png", "webp", "avif"])
def test_opencv_reads_what_is_written(target: str) -> None:
    given = Metadata(icc=SRGB, exif=block(), xmp=XMP)
    data = encoding.encode(picture(), format=target, place="", metadata=given)
    kept, _ = fit(given, picture(), target)
    _, kinds, blocks = cv2.imdecodeWithMetadata(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    found = {int(kind): np.asarray(value).tobytes() for kind, value in zip(kinds, blocks, strict=True)}
    assert found[cv2.IMAGE_METADATA_EXIF] == kept.exif
    assert found.get(cv2.IMAGE_METADATA_ICCP, SRGB) == SRGB
    assert kept.xmp in found.get(cv2.IMAGE_METADATA_XMP, kept.xmp)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("source", CARRIERS)
def test_orientation_is_never_applied_twice(source: str, orientation: int) -> None:
    data = from_pillow(source, exif=b"Exif\0\0" + block(orientation), quality=100)
    first = reading.decode(data, place="")
    stored = opened(from_pillow(source, exif=b"", quality=100)).convert("RGB")
    turn = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}.get(orientation)
    upright = np.asarray(stored.transpose(Image.Transpose(turn)) if turn is not None else stored)
    assert np.abs(first.pixels.astype(int) - upright).mean() < 3
    for target in CARRIERS:
        written = encoding.encode(first.pixels, format=target, place="", metadata=first.metadata)
        second = reading.decode(written, place="")
        assert second.pixels.shape == first.pixels.shape
        assert np.abs(second.pixels.astype(int) - first.pixels).mean() < 3


def test_a_thumbnail_is_wiped_out() -> None:
    plain = block()
    thumbnail = b"\xff\xd8 what was there before \xff\xd9"
    at = struct.unpack_from("<I" if plain[:1] == b"I" else ">I", plain, 4)[0]
    order = "<" if plain[:1] == b"I" else ">"
    (count,) = struct.unpack_from(order + "H", plain, at)
    start = len(plain)
    second = struct.pack(order + "HHHIIHHIII", 2, 513, 4, 1, start + 30, 514, 4, 1, len(thumbnail), 0)
    whole = bytearray(plain + second + thumbnail)
    struct.pack_into(order + "I", whole, at + 2 + 12 * count, start)
    renewed = exif.renewed(bytes(whole), width=5, height=6)
    assert b"there before" not in renewed and len(renewed) == start + 30
    assert exif.renewed(renewed, width=5, height=6) == renewed
    tags = Image.Exif()
    tags.load(b"Exif\0\0" + renewed)
    assert tags[MAKE] == "A maker of cameras" and tags.get_ifd(EXIF)[ACROSS] == 5


@pytest.mark.parametrize(
    ("icc", "channels", "part"),
    [
        (profile(b"CMYK"), 3, "it is for CMYK, the result is RGB"),
        (profile(b"GRAY"), 4, "it is for grey, the result is RGB"),
        (profile(b"RGB "), 1, "it is for RGB, the result is grey"),
        (profile(b"RGB ")[:100], 3, "it is damaged"),
        (profile(b"GRAY"), 2, ""),
        (profile(b"RGB "), 4, ""),
    ],
)
def test_profiles_of_another_model_are_dropped(icc: bytes, channels: int, part: str) -> None:
    kept, notes = fit(Metadata(icc=icc), picture(channels), "png")
    assert notes == ((f"ICC profile dropped: {part}",) if part else ())
    assert kept.icc == (b"" if part else icc)
    data = encoding.encode(picture(channels), format="png", place="", metadata=Metadata(icc=icc))
    assert opened(data).info.get("icc_profile", b"") == kept.icc


@pytest.mark.parametrize(
    ("channels", "format", "note"),
    [
        (1, "webp", "grey becomes RGB in webp files"),
        (2, "webp", "grey and alpha becomes RGBA in webp files"),
        (2, "bmp", "grey and alpha becomes RGBA in bmp files"),
        (2, "jp2", "grey and alpha becomes RGBA in jp2 files"),
        (2, "avif", "grey and alpha becomes RGBA in avif files"),
        (1, "bmp", ""),
        (2, "png", ""),
        (3, "webp", ""),
    ],
)
def test_grey_that_becomes_colour_is_told(channels: int, format: str, note: str) -> None:
    pixels = np.full((40, 50, channels), 100, np.uint8)
    _, notes = fit(NOTHING, pixels, format)
    assert notes == ((note,) if note else ())
    back: Any = cv2.imdecode(
        np.frombuffer(encoding.encode(pixels, format=format, place=""), np.uint8), cv2.IMREAD_UNCHANGED
    )
    if note:
        assert back.shape[2] == (4 if "RGBA" in note else 3)


def test_grey_that_becomes_rgb_loses_its_profile() -> None:
    _, notes = fit(Metadata(icc=profile(b"GRAY")), picture(1), "webp")
    assert notes == ("grey becomes RGB in webp files", "ICC profile dropped: it is for grey, the result is RGB")


def test_what_a_format_does_not_hold_is_said() -> None:
    given = Metadata(icc=SRGB, exif=block(), xmp=XMP, dpi=(72, 72))
    assert fit(given, picture(), "pnm") == (
        NOTHING, ("ICC profile, EXIF, XMP, resolution dropped: not kept in pnm files",),
    )  # fmt: skip
    kept, notes = fit(given, picture(), "bmp")
    assert (kept.dpi, notes) == ((72, 72), ("ICC profile, EXIF, XMP dropped: not kept in bmp files",))
    data = encoding.encode(picture(), format="bmp", place="", metadata=given)
    assert opened(data).info["dpi"] == pytest.approx((72, 72), abs=0.05)
    assert reading.decode(data, place="").metadata.dpi == pytest.approx((72, 72), abs=0.05)
    large = Metadata(exif=block() + bytes(70000), xmp=XMP + b" " * 70000)
    kept, notes = fit(large, picture(), "jpeg")
    assert kept == NOTHING
    assert [note[:24] for note in notes] == [
        f"EXIF dropped: it has {len(large.exif) // 1000},",
        "XMP dropped: it has 70,2",
    ]


def test_a_large_profile_is_split_over_segments() -> None:
    icc = profile(b"RGB ", 200_000)
    data = encoding.encode(picture(), format="jpeg", place="", metadata=Metadata(icc=icc))
    assert data.count(b"ICC_PROFILE\0") == 4
    assert opened(data).info["icc_profile"] == icc
    assert reading.decode(data, place="").metadata.icc == icc


@pytest.mark.parametrize(
    ("marker", "content", "part"),
    [
        (0xED, b"Photoshop 3.0\0 8BIM", "Photoshop and IPTC records dropped"),
        (0xE2, b"MPF\0 directory", "further pictures in it"),
        (0xE1, b"http://ns.adobe.com/xmp/extension/\0 more", "extended XMP dropped"),
    ],
)
def test_what_is_not_taken_up_is_said(marker: int, content: bytes, part: str) -> None:
    plain = from_pillow("jpeg")
    segment = bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content
    found = reading.decode(plain[:2] + segment + plain[2:], place="").metadata
    assert len(found.lost) == 1 and part in found.lost[0]
    assert fit(found, picture(), "png")[1] == found.lost


@pytest.mark.parametrize("dpi", [(300, 300), (72.5, 96), (1, 65535)])
@pytest.mark.parametrize("target", ["tiff", "webp", "avif"])
def test_resolution_without_exif(target: str, dpi: tuple[float, float]) -> None:
    data = encoding.encode(picture(), format=target, place="", metadata=Metadata(dpi=dpi))
    assert reading.decode(data, place="").metadata.dpi == dpi
    tags = opened(data).getexif()
    assert (float(tags[282]), float(tags[283]), tags[296]) == (*dpi, 2)


@pytest.mark.parametrize("format", CARRIERS)
def test_without_metadata_nothing_is_added(format: str) -> None:
    data = encoding.encode(picture(), format=format, place="")
    found = reading.decode(data, place="").metadata
    assert (found.icc, found.exif, found.xmp, found.lost) == (b"", b"", b"", ())


def test_damage_in_metadata_is_no_damage_of_the_picture() -> None:
    random = np.random.default_rng(5)
    for format in CARRIERS:
        whole = from_pillow(format)
        spots = [at for mark in (b"Exif", b"acsp", b"iloc", b"II*\0", b"MM\0*") if (at := whole.find(mark, 1)) > 0]
        for _ in range(60):
            data = bytearray(whole)
            for _ in range(4):
                data[min(len(data) - 1, int(random.choice(spots) + random.integers(-8, 200)))] = random.integers(0, 256)
            found = sniff.metadata(bytes(data), format)
            kept, _ = fit(found, np.zeros((5, 6, 3), np.uint8), "png")
            again, _ = fit(kept, np.zeros((5, 6, 3), np.uint8), "png")
            assert again == kept
            encoding.encode(picture(), format="tiff", place="", metadata=found)


def test_hostile_xmp_packets_take_no_time() -> None:
    start = time.process_time()
    for part in (b" ", b"<xmp:Thumbnails>", b"tiff:Orientation=", b'tiff:Orientation="', b"<tiff:ImageWidth>1"):
        packet = part * (3_000_000 // len(part))
        kept, _ = fit(Metadata(xmp=packet), np.zeros((5, 6, 3), np.uint8), "png")
        assert kept.xmp == packet
    assert time.process_time() - start < 5


def test_hostile_exif_blocks() -> None:
    whole = block()
    for length in range(0, len(whole), 3):
        fit(Metadata(exif=whole[:length]), np.zeros((5, 6, 3), np.uint8), "png")
    kept, notes = fit(Metadata(exif=b"II*\0\xff\xff\xff\xff"), np.zeros((5, 6, 3), np.uint8), "png")
    assert kept.exif == b"" and notes == ("EXIF dropped: it is damaged, its directory lies beyond its end",)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turns_and_mirrors_of_avif(orientation: int) -> None:
    """Pillow writes the orientation as boxes of the picture and not as EXIF."""
    found, _ = avif.inspect(from_pillow("avif", exif=b"Exif\0\0" + block(orientation)))
    assert (found.width, found.height, found.orientation) == (56, 40, orientation)


@pytest.mark.parametrize("compression", ["none", "deflate"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "f4"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_tiff_pages_by_opencv(dtype: str, channels: int, compression: str) -> None:
    from convcli.pictures.formats.tiff import writer as tiff_writer

    pixels = (np.random.default_rng(1).random((700, 300, channels)) * 200).astype(dtype)
    target = Target(format="tiff", settings={"compression": compression})
    data = tiff_writer.encode_frames(Animation(frames=[pixels, pixels[:9, :7]]), target)
    if channels == 2:
        assert np.array_equal(reading.decode(data, place="").pixels, pixels)
        return
    done, pages = cv2.imdecodemulti(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert done and len(pages) == 2
    for page, expected in zip(pages, (pixels, pixels[:9, :7]), strict=True):
        shaped = page.reshape(*page.shape[:2], -1)
        assert shaped.dtype == expected.dtype
        if channels != 4 or dtype != "u1":  # OpenCV multiplies 8-bit colours by alpha
            assert np.array_equal(shaped[:, :, [2, 1, 0, 3][:channels]] if channels > 2 else shaped, expected)
    if dtype in ("u1",):
        assert np.array_equal(np.asarray(opened(data)).reshape(pixels.shape), pixels)
