"""TIFF files that only the extra reads: every compression that imagecodecs encodes, against the arrays that went in."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from convcli.channels import Channels
from convcli.errors import ImageError
from convcli.pictures import reading
from convcli.pictures.format import TruncatedError
from convcli.pictures.formats.tiff.blocks import small_file
from convcli.pictures.formats.tiff.directories import longs, shorts
from tests.support import Pixels, noise, run, texts

imagecodecs = pytest.importorskip("imagecodecs", reason="the extra 'tiff' is not installed")
tifffile = pytest.importorskip("tifffile", reason="nothing here writes such files")

#: What is kept exactly: the dtypes and numbers of samples, and imagecodecs' settings.
EXACT: dict[str, tuple[str, tuple[int, ...], dict[str, Any]]] = {
    "zstd": ("u1 u2 u4 i1 i2 i4 f2 f4 f8", (1, 2, 3, 4, 5), {}),
    "lzma": ("u1 u2 i4 f8", (1, 3, 5), {"level": 0}),  # which is slow: the way is that of zstd
    "lerc": ("u1 u2 u4 i1 i2 i4 f4 f8", (1, 2, 3, 4, 5), {}),
    "lerc+zstd": ("u2 f4", (1, 3), {"compression": "zstd"}),
    "lerc+deflate": ("u2 f4", (1, 3), {"compression": "deflate"}),
    "jpeg2000": ("u1 u2 i1 i2", (1, 2, 3, 4, 5), {"level": 0}),
    "jpegxl": ("u1 u2 f4", (1, 3, 4), {"lossless": True}),
    "webp": ("u1", (3, 4), {"lossless": True}),
}
#: Those whose bytes tifffile takes to be the file's order.
OF_BYTES = ("zstd", "lzma")


def picture(samples: int, dtype: str, height: int = 70, width: int = 90) -> Pixels:
    """A soft picture over most of a dtype's range; floats from -1 to 2."""
    rng, kind = np.random.default_rng(samples), np.dtype(dtype)
    field = np.atleast_3d(cv2.GaussianBlur(rng.random((height, width, samples)), (0, 0), 4))
    field = (field - field.min()) / np.ptp(field)
    if kind.kind == "f":
        return (3 * field - 1).astype(kind)
    limits = np.iinfo(kind)
    return (float(limits.min) + field * (float(limits.max) - limits.min) * 0.999).astype(kind)


def written(pixels: Pixels, *, planar: bool = False, **options: Any) -> bytes:
    """A file by tifffile."""
    out, samples = io.BytesIO(), pixels.shape[2]
    shaped = pixels[..., 0] if samples == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1) if planar else pixels)
    if samples > 1:
        options["planarconfig"] = "separate" if planar else "contig"
    if samples in (2, 4):
        options["extrasamples"] = ["unassalpha"]
    options.setdefault("photometric", "rgb" if samples in (3, 4) else "minisblack")
    tifffile.imwrite(out, shaped, **options)
    return out.getvalue()


def same(data: bytes, pixels: Pixels, channels: Channels | None = None) -> bool:
    read = reading.decode(data, place="a.tif")
    right = pixels.astype("f4") if pixels.dtype == "f2" else pixels
    assert read.channels == (channels or Channels.of(pixels.shape[2])) and read.notes == ()
    return read.pixels.dtype == right.dtype and np.array_equal(read.pixels, right)


@pytest.mark.parametrize("name", EXACT)
def test_samples_come_back(name: str) -> None:
    """Dtypes x samples x planes x strips or tiles x predictors x byte orders."""
    dtypes, counts, arguments = EXACT[name]
    compression, files = name.partition("+")[0], 0
    for dtype, samples in ((dtype, samples) for dtype in dtypes.split() for samples in counts):
        pixels = picture(samples, dtype)
        for planar in (False, True)[: 1 if samples == 1 or name == "webp" else 2]:
            for layout in ({"rowsperstrip": 32}, {"tile": (32, 48)}, {"tile": (16, 16)}, {"tile": (128, 112)}):
                for predictor in (None, True)[: 2 if compression in OF_BYTES and dtype != "f2" else 1]:
                    for order in "<>"[: 2 if compression in OF_BYTES else 1]:
                        data = written(
                            pixels, planar=planar, compression=compression, compressionargs=arguments,
                            predictor=predictor, byteorder=order, **layout,
                        )  # fmt: skip
                        assert same(data, pixels), (dtype, samples, planar, layout, predictor, order)
                        files += 1
    assert files >= 8


def tiff(
    pieces: list[bytes], size: tuple[int, int], block: tuple[int, int], *, bits: int, compression: int,
    samples: int = 1, photometric: int = 1, kind: int = 1, tiled: bool = False, more: dict[int, Any] | None = None,
) -> bytes:  # fmt: skip
    """A file of pieces that are coded already."""
    values = {
        258: shorts("<", *[bits] * samples), 259: shorts("<", compression), 262: shorts("<", photometric),
        277: shorts("<", samples), 284: shorts("<", 1), 339: shorts("<", *[kind] * samples),
    }  # fmt: skip
    return small_file(values | (more or {}), "<", size, block, pieces, tiled=tiled)


@pytest.mark.parametrize("bits", [1, 2, 4, 6, 9, 10, 12, 14, 20, 31])
@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("tiled", [False, True])
def test_odd_depths(bits: int, samples: int, tiled: bool) -> None:
    stored = np.random.default_rng(bits).integers(0, 1 << bits, (40, 48, samples))
    dtype = "u1" if bits < 8 else "u2" if bits < 16 else "u4"
    width = 16 if tiled else 48
    blocks = [stored[y : y + 16, x : x + width] for y in range(0, 40, 16) for x in range(0, 48, width)]
    if tiled:
        blocks = [np.pad(block, ((0, 16 - len(block)), (0, 0), (0, 0))) for block in blocks]
    packed = [
        b"".join(bytes(imagecodecs.packints_encode(row.astype(dtype).ravel(), bits)) for row in block)
        for block in blocks
    ]
    full = np.iinfo(dtype).max
    for compression, encode in ((50000, imagecodecs.zstd_encode), (34925, imagecodecs.lzma_encode)):
        data = tiff(
            [bytes(encode(piece)) for piece in packed], (40, 48), (16, width), bits=bits, samples=samples,
            photometric=2 if samples == 3 else 1, compression=compression, tiled=tiled,
        )  # fmt: skip
        read = reading.decode(data, place="")
        assert np.array_equal(read.pixels, np.rint(stored * (full / ((1 << bits) - 1))).astype(dtype))
        assert bits == 1 or texts(read.notes) == (f"its values up to {(1 << bits) - 1} are scaled to {full}",)


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("layout", [{"rowsperstrip": 24}, {"tile": (32, 48)}])
def test_jpeg_of_twelve_bits(samples: int, layout: dict[str, Any]) -> None:
    pixels = picture(samples, "u2", 64, 96) >> 4
    data = written(
        pixels, compression="jpeg", compressionargs={"bitspersample": 12, "level": 95}, bitspersample=12, **layout
    )
    decoded = np.atleast_3d(tifffile.imread(io.BytesIO(data)))
    read = reading.decode(data, place="")
    assert np.array_equal(read.pixels, np.rint(decoded * (65535 / 4095)).astype("u2"))
    assert texts(read.notes) == ("its values up to 4095 are scaled to 65535",)
    assert np.abs(decoded.astype(int) - pixels).mean() < 20


def test_old_jpeg() -> None:
    pixels = picture(3, "u1", 48, 64)
    stream = bytes(imagecodecs.jpeg8_encode(pixels, level=95))
    place = {"bits": 8, "samples": 3, "photometric": 6, "compression": 6}
    pointers = {513: longs("<", 8), 514: longs("<", len(stream))}
    data = tiff([stream], (48, 64), (48, 64), more=pointers, **place)  # type: ignore[arg-type]
    assert np.array_equal(reading.decode(data, place="").pixels, imagecodecs.jpeg8_decode(stream))
    with pytest.raises(ImageError, match="unsupported TIFF: old-style JPEG whose tables lie apart from its data"):
        reading.decode(tiff([stream], (48, 64), (48, 64), **place), place="")  # type: ignore[arg-type]


def test_pixels_without_a_value() -> None:
    """LERC masks them: floats become NaN, integers have nothing for them."""
    mask = np.ones((40, 50), bool)
    mask[:5, 3:] = False
    for dtype, bits, kind in (("f4", 32, 3), ("u2", 16, 1)):
        pixels = picture(1, dtype, 40, 50)
        piece = bytes(imagecodecs.lerc_encode(pixels[..., 0], masks=mask))
        data = tiff([piece], (40, 50), (40, 50), bits=bits, kind=kind, compression=34887)
        if kind == 1:
            with pytest.raises(ImageError, match="pixels that have no value"):
                reading.decode(data, place="")
        else:
            read = reading.decode(data, place="").pixels[..., 0]
            assert np.array_equal(np.isnan(read), ~mask) and np.array_equal(read[mask], pixels[..., 0][mask])


@pytest.mark.parametrize("photometric", ["cielab", "icclab"])
@pytest.mark.parametrize("compression", [None, "lzw", "zstd"])
def test_cielab(photometric: str, compression: str | None) -> None:
    """Against the colours that LittleCMS made CIELab of; 16 bits against 8."""
    colours = picture(3, "u1")
    srgb, cielab = (ImageCms.createProfile(name) for name in ("sRGB", "LAB"))
    turned = ImageCms.applyTransform(Image.fromarray(colours), ImageCms.buildTransform(srgb, cielab, "RGB", "LAB"))
    stored = np.array(turned)  # a* and b* signed
    if photometric == "icclab":
        stored[..., 1:] += 128
    read = reading.decode(written(stored, photometric=photometric, compression=compression), place="")
    apart = np.abs(read.pixels.astype(int) - colours)
    assert apart.mean() < 1 and (apart > 4).mean() < 0.01
    assert texts(read.notes) == ("its CIELab colours are turned into sRGB",)
    if photometric == "cielab":
        deep = np.dstack([stored[..., 0] * np.uint16(257), stored[..., 1:].astype("u2") << 8])
        again = reading.decode(written(deep, photometric=photometric, compression=compression), place="")
        assert again.pixels.dtype == np.uint16 and np.abs(again.pixels / 257 - read.pixels).max() < 0.51
    white = np.zeros((2, 2, 3), np.uint8)
    white[..., 0], white[..., 1:] = 255, 128 if photometric == "icclab" else 0
    assert (reading.decode(written(white, photometric=photometric), place="").pixels == 255).all()


def test_bands_alpha_palettes_and_orientation_mean_the_same() -> None:
    bands = picture(4, "u2")
    data = io.BytesIO()
    tifffile.imwrite(data, bands, photometric="minisblack", planarconfig="contig", compression="zstd")
    assert same(data.getvalue(), bands, Channels.bands(4))
    data = io.BytesIO()
    tifffile.imwrite(data, bands, photometric="rgb", extrasamples=["assocalpha"], compression="lzma")
    assert same(data.getvalue(), bands, Channels(colours=3, extra=("premultiplied",)))
    indices, colours = noise(20, 30), noise(3, 256).astype(np.uint16) * 257
    data = io.BytesIO()
    tifffile.imwrite(data, indices, photometric="palette", colormap=colours, compression="zstd")
    assert np.array_equal(reading.decode(data.getvalue(), place="").pixels, (colours >> 8).T[indices])
    data = io.BytesIO()
    tifffile.imwrite(
        data, 255 - indices, photometric="miniswhite", compression="zstd", extratags=[(274, 3, 1, 6, True)]
    )
    assert np.array_equal(reading.decode(data.getvalue(), place="").pixels[..., 0], np.rot90(indices, -1))


@pytest.mark.parametrize("name", [name for name in EXACT if "+" not in name])
def test_data_cut_short_are_refused(name: str) -> None:
    pixels = picture(3, "u1")
    data = written(pixels, compression=name, rowsperstrip=70)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        (size,) = file.pages[0].databytecounts
    at = data.find(longs("<", size)[2])
    for length in (0, 1, size // 2, size - 20):
        with pytest.raises(TruncatedError) as caught:
            reading.decode(data[:at] + longs("<", length)[2] + data[at + 4 :], place="a.tif")
        assert str(caught.value).startswith("a.tif: damaged or truncated TIFF: strip or tile 1")
    with pytest.raises(ImageError):
        reading.decode(data[: len(data) // 2], place="")
    with pytest.raises(ImageError, match="--max-pixels"):
        reading.decode(data, place="", max_pixels=6299)


def test_pages(here: Path) -> None:
    with tifffile.TiffWriter("a.tif") as file:
        for height in (30, 40):
            file.write(picture(3, "u1", height), compression="zstd", photometric="rgb")
    assert texts(reading.decode(Path("a.tif").read_bytes(), place="").notes) == ("frame 1 of 2",)
    assert run("apply", "a.tif", "-k", "identity", "-o", "b.tif", "--all-frames").code == 0
    with tifffile.TiffFile("b.tif") as pages:
        assert [len(page.asarray()) for page in pages.pages] == [30, 40]


def test_without_the_extra(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a.tif").write_bytes(written(picture(3, "u1"), compression="zstd"))
    Path("b.tif").write_bytes(written(picture(3, "u1"), compression="lzma", photometric="linear_raw"))
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    result = run("apply", "a.tif", "b.tif", "-k", "identity", "-o", "out/")
    assert result.code == 1 and "unsupported TIFF: its compression is ZSTD" in result.errors()[0]
    hints = [line for line in result.err.splitlines() if "hint" in line]
    assert hints == ["  hint: pip install 'convcli[tiff]' reads it"]  # which would not help the second one


@pytest.mark.parametrize("compression", [7, 34887, 34925, 50000])
def test_tags_without_a_value(compression: int) -> None:
    for tag in (258, 277, 339):
        with pytest.raises(ImageError):
            data = tiff([b"nothing"], (8, 8), (8, 8), bits=8, compression=compression, more={tag: (3, 0, b"")})
            reading.decode(data, place="")
