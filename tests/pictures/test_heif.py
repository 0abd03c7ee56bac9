"""HEIF files that pillow-heif encodes come in as the arrays that went in, and all that is wrong with them is said."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from convcli.errors import ImageError
from convcli.pictures import reading, sniff
from convcli.pictures.format import TruncatedError
from tests.fuzz.corpus import exif_block, heif, pillow, scene
from tests.support import Pixels, environment, run, save, texts

pillow_heif = pytest.importorskip("pillow_heif", reason="the extra 'heif' is not installed")


def smooth(channels: int, dtype: Any = np.uint8, size: tuple[int, int] = (50, 66)) -> Pixels:
    """A soft picture over the whole range of a dtype, black and white in its upper corners."""
    rng = np.random.default_rng(channels)
    field = np.atleast_3d(cv2.GaussianBlur(rng.random((*size, channels)), (0, 0), 6))
    field = (field - field.min()) / max(np.ptp(field), 1)
    field[:16, :16], field[:16, -16:] = 0, 1
    return np.rint(field * np.iinfo(dtype).max).astype(dtype)


@pytest.fixture
def twelve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pillow_heif.options, "SAVE_HDR_TO_12_BIT", True)


def compare(pixels: Pixels, bits: int) -> None:
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[pixels.shape[2]] + ";16" * (bits > 8)
    picture = reading.decode(heif(pixels, mode, quality=-1, chroma=444), place="a.heic")
    assert (picture.format, picture.frames, picture.notes) == ("heif", 1, ())
    assert (picture.pixels.shape, picture.pixels.dtype) == (pixels.shape, pixels.dtype)
    assert picture.pixels.flags.c_contiguous and picture.pixels.flags.writeable
    full = np.iinfo(pixels.dtype).max
    apart = np.abs(picture.pixels.astype(float) - pixels) / full
    assert apart.max() <= 2.1 / (2**bits - 1)  # of colours turned to YCbCr and back
    if pixels.shape[2] < 3:
        assert apart.max() <= (0 if bits == 8 else 1 / (2**bits - 1))  # the encoder cuts bits off
    assert picture.pixels[:8, :8].max() <= full / 2**bits and picture.pixels[:8, -8:].min() >= full - full / 2**bits


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("bits", [8, 10])
def test_pixels_come_back(channels: int, bits: int) -> None:
    compare(smooth(channels, np.uint8 if bits == 8 else np.uint16), bits)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.usefixtures("twelve")
def test_twelve_bits_come_back(channels: int) -> None:
    compare(smooth(channels, np.uint16), 12)


@pytest.mark.parametrize("mode", ["RGBa", "La", "RGBa;16"])
def test_colours_that_alpha_is_multiplied_into_stay_so(mode: str) -> None:
    channels, dtype = (4 if "RGB" in mode else 2), (np.uint16 if "16" in mode else np.uint8)
    picture = reading.decode(heif(smooth(channels, dtype), mode, quality=-1, chroma=444), place="a.heic")
    assert picture.pixels.shape[2] == channels
    assert picture.channels.alpha == "premultiplied"


@pytest.mark.parametrize("chroma", [420, 422, 444])
@pytest.mark.parametrize("size", [(33, 47), (64, 64), (1, 1), (5, 300)])
def test_sizes_and_subsampling(size: tuple[int, int], chroma: int) -> None:
    grey = np.broadcast_to(smooth(1, size=size), (*size, 3))
    decoded = reading.decode(heif(grey, quality=95, chroma=chroma), place="").pixels
    assert np.abs(decoded.astype(int) - grey).mean() < 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_come_upright_once(orientation: int, here: Path) -> None:
    """The boxes turn them; the EXIF block, which says the same, does not once more, now or when it is read again."""
    stored = smooth(3)
    data = heif(stored, quality=95, chroma=444, exif=exif_block(orientation))
    tagged = pillow(stored, "PNG", exif=exif_block(orientation))
    upright = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(tagged))))
    decoded = reading.decode(data, place="").pixels
    assert decoded.shape == upright.shape and np.abs(decoded.astype(int) - upright).mean() < 2
    Path("a.heic").write_bytes(data)
    for name in ("a.jpg", "a.png", "a.tif"):
        assert run("apply", "a.heic", "-k", "identity", "-o", name).code == 0
        with Image.open(name) as picture:
            again = np.asarray(ImageOps.exif_transpose(picture))
            assert picture.getexif()[0x112] == 1
        assert again.shape == upright.shape and np.abs(again.astype(int) - upright).mean() < 3


def test_the_exif_tag_alone_turns_nothing() -> None:
    """That of a file without `irot`, as converters leave them: ISO/IEC 23008-12 has it not counted."""
    data = heif(smooth(3), quality=90, exif=exif_block(1))
    at = data.find(b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x01")
    assert at > 0
    turned = data[: at + 9] + b"\x06" + data[at + 10 :]
    assert np.array_equal(reading.decode(turned, place="").pixels, reading.decode(data, place="").pixels)


def test_metadata_are_kept(here: Path) -> None:
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = heif(smooth(3), exif=exif_block(1), xmp=b"<x:xmpmeta>words</x:xmpmeta>", icc_profile=icc)
    remaining = reading.decode(data, place="").metadata
    assert (remaining.icc, remaining.xmp, remaining.lost) == (icc, b"<x:xmpmeta>words</x:xmpmeta>", ())
    assert exif_block(1) == b"Exif\0\0" + remaining.exif
    Path("a.heic").write_bytes(data)
    assert run("apply", "a.heic", "-k", "identity", "-o", "a.png").err.count("dropped") == 0
    with Image.open("a.png") as picture:
        assert picture.info["icc_profile"] == icc and picture.getexif()[0x10E] == "a picture"


def test_colours_without_a_profile_are_told() -> None:
    plain, canon = smooth(3, np.uint16), {"color_primaries": 9, "transfer_characteristics": 16}
    nclx = {**canon, "matrix_coefficients": 9, "full_range_flag": 1}
    file = pillow_heif.from_bytes("RGB;16", (66, 50), plain.tobytes())
    out = io.BytesIO()
    file.save(out, quality=-1, chroma=444, **nclx)
    picture = reading.decode(out.getvalue(), place="")
    assert texts(picture.notes) == ("its colours are BT.2020 and PQ without a profile, and taken as they are",)


def test_pages(here: Path) -> None:
    """The primary picture comes first, then the others in order, each of its own size and metadata."""
    file = pillow_heif.HeifFile()
    for side in (40, 50, 60):
        page = file.add_frombytes("RGB", (side, 33), smooth(3, size=(33, side)).tobytes())
        page.info["exif"] = exif_block(1).replace(b"a picture", b"side %d!!" % side)
    out = io.BytesIO()
    file.save(out, quality=90, primary_index=1)
    data = out.getvalue()
    first = reading.decode(data, place="")
    assert (first.frames, texts(first.notes), first.pixels.shape) == (3, ("frame 1 of 3",), (33, 50, 3))
    every = list(reading.decode_all(data, place=""))
    assert [page.pixels.shape[1] for page in every] == [50, 40, 60]
    for page, side in zip(every, (50, 40, 60), strict=True):
        assert np.abs(page.pixels.astype(int) - smooth(3, size=(33, side))).mean() < 4
        assert b"side %d" % side in page.metadata.exif and not page.notes
    Path("a.heic").write_bytes(data)
    assert run("apply", "a.heic", "-k", "identity", "-o", "all.tif", "--all-frames").code == 0
    assert [page.pixels.shape[1] for page in reading.decode_all(Path("all.tif").read_bytes(), place="")] == [50, 40, 60]


def test_thumbnails_and_maps_are_no_pages() -> None:
    data = heif(smooth(3), thumbnails=[16, 32])
    assert len(pillow_heif.open_heif(data)[0].info["thumbnails"]) == 2
    assert reading.decode(data, place="").frames == 1
    assert data.count(b"thmb") == 2
    assert sniff.header(data.replace(b"thmb", b"auxl"), "heif").frames == 1
    assert reading.decode(heif(smooth(4)), place="").frames == 1  # alpha is a picture of its own


def test_a_sequence_is_told() -> None:
    still = heif(smooth(3))
    brand = still.find(b"mif1", 16)
    times = struct.pack(">IIIIIIH", 0, 0, 0, 1000, 1000, 1 << 16, 256) + bytes(74)
    movie = struct.pack(">I4sI4s", 16 + len(times), b"moov", 8 + len(times), b"mvhd") + times
    data = still[:brand] + b"msf1" + still[brand + 4 :] + movie
    assert texts(reading.decode(data, place="").notes) == ("its image sequence is not read, only its still picture",)
    with pytest.raises(ImageError, match="unsupported HEIF: an image sequence without a still picture"):
        reading.decode(data[: data.find(b"meta") - 4] + movie, place="")


def test_a_file_cut_short_is_refused() -> None:
    data = heif(smooth(3), exif=exif_block(1), quality=50)
    for length in (*range(40), *range(40, len(data), 17), len(data) - 1):
        with pytest.raises(ImageError) as caught:
            reading.decode(data[:length], place="a.heic")
        assert str(caught.value).count("\n") <= 1
        assert length < 36 or isinstance(caught.value, TruncatedError)


def test_sizes_are_limited_before_memory_is_taken() -> None:
    data = heif(smooth(3))
    with pytest.raises(ImageError, match=r"66 x 50 is 3,300 pixels; at most 3,299 are read\n.*--max-pixels"):
        reading.decode(data, place="", max_pixels=3299)
    at = data.find(b"ispe") + 8
    for size in ((8, 8), (66, 51), (20000, 20000), (0, 0), (1 << 31, 1)):
        with pytest.raises(ImageError):
            reading.decode(data[:at] + struct.pack(">II", *size) + data[at + 8 :], place="")


def test_without_the_extra(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a.heic").write_bytes(heif(smooth(3)))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    result = run("apply", "a.heic", "-k", "identity", "-o", "a.png")
    assert result.code == 1
    assert result.errors() == ["Error: a.heic: unsupported format: HEIC"]
    assert "  hint: pip install 'convcli[heif]' reads it" in result.err.splitlines()


def test_folders_pipes_and_workers(here: Path) -> None:
    Path("in").mkdir()
    for name in ("a.heic", "b.HEIF", "c.hif", "d.heics"):
        Path("in", name).write_bytes(heif(smooth(3), quality=95))
    save(Path("in/e.png"), smooth(3))
    assert run("apply", "in", "-k", "identity", "-o", "out/", "--format", "png", "-j", "2").code == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.png", "b.png", "c.png", "d.png", "e.png"]
    piped = run("apply", "-", "-k", "identity", "-o", "-", stdin=Path("in/a.heic").read_bytes())
    assert piped.code == 0 and piped.out == Path("out/a.png").read_bytes()
    refused = run("apply", "in/a.heic", "-k", "identity", "-o", "out2/")
    assert refused.errors() == ["Error: in/a.heic: HEIC can be read but not written"]


def test_the_library_is_loaded_for_such_files_alone(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg", scene(40, 50))
    code = "import sys; from convcli import cli; cli.run(['apply', 'a.jpg', '-k', 'identity', '-o', 'b.png'])\n"
    code += "print(*(name for name in sys.modules if 'heif' in name or name == 'PIL'))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_places_that_take_no_bytes_end() -> None:
    """65,535 places of nothing for each of 10,000 items would be gone through one by one."""

    def box(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I4s", 8 + len(body), kind) + body

    item = struct.pack(">HHH", 1, 0, 65535)
    for brand, sizes in ((b"heic", 0), (b"heic", 15), (b"avif", 0)):  # 15: of indices, that version 0 lacks
        places = box(b"iloc", bytes(4) + struct.pack(">HH", sizes, 10000) + item * 10000)
        data = box(b"ftyp", brand + bytes(4) + brand) + box(b"meta", bytes(4) + places)
        with pytest.raises(ImageError):
            reading.decode(data, place="")
