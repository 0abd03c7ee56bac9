"""TIFF cells of other programs' writers, and of colours that need a codec: YCbCr, Lab, the SGI log encodings.

Source: TIFF Revision 6.0 (Adobe, 1992), sections 21 to 23; libtiff's tif_luv.c (LogL, LogLuv).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

from tests.pictures.matrix import coding, rules
from tests.pictures.matrix.cells import Cell, Reading
from tests.pictures.matrix.contents import samples_of
from tests.pictures.matrix.pages import Page, tiff_page
from tests.pictures.matrix.tiff_structures import cell
from tests.support import Pixels

_CODES = {
    "lzma": 34925, "zstd": 50000, "webp": 50001, "jpegxl": 50002, "lerc": 34887, "jpeg2000": 34712, "png": 34933,
    "jpeg": 7, "packbits": 32773, "lzw": 5, "deflate": 8,
}  # fmt: skip
_NAMES = {0: "miniswhite", 1: "minisblack", 2: "rgb"}
_EXTRAS = {0: "unspecified", 1: "assocalpha", 2: "unassalpha"}
_MEANINGS: dict[str, dict[str, Any]] = {
    "grey": {}, "grey+straight": {"samples": 2, "extra": (2,)}, "rgb": {"samples": 3, "photometric": 2},
    "rgb+straight": {"samples": 4, "photometric": 2, "extra": (2,)},
    "rgb+premultiplied": {"samples": 4, "photometric": 2, "extra": (1,)},
    "5-bands": {"samples": 5, "extra": (0,) * 4},
}  # fmt: skip
_ARGUMENTS: dict[str, dict[str, Any]] = {
    "webp": {"lossless": True}, "jpegxl": {"lossless": True}, "jpeg2000": {"reversible": True}, "lerc": {"level": 0},
}  # fmt: skip


def by_tifffile() -> Iterator[Cell]:
    """Every lossless compression that tifffile writes, of every dtype and meaning that it takes."""
    for codec, number in _CODES.items():
        for kind, bits in [("u", 8), ("u", 16), ("i", 16), ("u", 32), ("f", 16), ("f", 32), ("f", 64), ("u", 64)]:
            for name, meaning in _MEANINGS.items():
                for route, layout in enumerate([{"rows": 8}, {"tile": (16, 16), "big": True}, {"planar": True}]):
                    page = Page(size=(33, 20), kind=kind, bits=bits, compression=number, **meaning, **layout)
                    for predictor in [1, 3 if kind == "f" else 2] if codec in ("lzma", "zstd", "lzw") else [1]:
                        if codec == "jpeg" or (page.planar and page.samples == 1):
                            continue
                        page = replace(page, predictor=predictor)
                        data = _written(page, codec)
                        if data:
                            text = f"{codec} {kind}{bits} {name} way {route} predictor {predictor}"
                            yield cell(text, page, file=lambda data=data: data)


def _written(page: Page, codec: str) -> bytes:
    """The page by tifffile; nothing where it, or the codec, does not take it."""
    values = samples_of(page).astype(f"{page.kind}{page.depths[0] // 8}")
    pixels = np.moveaxis(values, 2, 0) if page.planar else values[..., 0] if page.samples == 1 else values
    file = io.BytesIO()
    more: dict[str, Any] = {"tile": page.tile} if page.tile else {"rowsperstrip": page.rows or None}
    if page.samples > 1:
        more["planarconfig"] = "separate" if page.planar else "contig"
    if page.extra:
        more["extrasamples"] = [_EXTRAS[kind] for kind in page.extra]
    try:
        with tifffile.TiffWriter(file, bigtiff=page.big) as writer:
            writer.write(
                np.ascontiguousarray(pixels), photometric=_NAMES[page.photometric or 0], compression=codec,
                compressionargs=_ARGUMENTS.get(codec), predictor=page.predictor if page.predictor > 1 else None,
                metadata=None, **more,
            )  # fmt: skip
    except (ValueError, TypeError, KeyError, RuntimeError, NotImplementedError):
        return b""
    with tifffile.TiffFile(io.BytesIO(file.getvalue())) as back:  # the codec may change what it can't hold
        same = np.array_equal(back.pages[0].asarray(), pixels)
    return file.getvalue() if same else b""


def by_pillow() -> Iterator[Cell]:
    """What libtiff writes for Pillow, in every mode and compression; lossy ones as Pillow reads them."""
    compressions = ["raw", "tiff_ccitt", "group3", "group4", "tiff_lzw", "jpeg", "tiff_adobe_deflate", "tiff_deflate",
                    "packbits", "lzma", "zstd", "webp"]  # fmt: skip
    codes = {"tiff_ccitt": 2, "group3": 3, "group4": 4, "jpeg": 7, "lzma": 34925, "zstd": 50000, "webp": 50001}
    noise = np.random.default_rng(0).integers(0, 256, (70, 53, 4), np.uint8)
    smooth = np.add.outer(np.arange(70), np.arange(53)).astype(np.uint8)[..., None] + np.arange(4, dtype=np.uint8) * 20
    for mode in ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F", "LAB", "YCbCr", "RGBX"]:
        for compression in compressions:
            if compression == "jpeg" and mode not in ("L", "RGB", "CMYK", "YCbCr"):
                continue
            pixels = smooth if compression in ("jpeg", "webp") else noise
            picture = _picture(mode, pixels)
            file = io.BytesIO()
            try:
                picture.save(file, "TIFF", compression=compression, quality=100)
            except (OSError, KeyError, ValueError):
                continue  # libtiff does not write it
            data = file.getvalue()
            photometric = _photometric(data)
            page = Page(samples=len(picture.getbands()), compression=codes.get(compression, 1), photometric=photometric)
            readings = _of_pillow(picture, data, compression, photometric)
            yield Cell(name=f"{mode} {compression}", file=lambda data=data: data, readings=readings,
                       reasons=rules.reasons(page))  # fmt: skip


def _picture(mode: str, pixels: Pixels) -> Image.Image:
    if mode in ("I;16", "I", "F"):
        depth = {"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]
        return Image.fromarray((pixels[..., 0].astype(np.float64) * 257 - (mode != "I;16") * 3000).astype(depth))
    if mode == "1":
        return Image.fromarray(pixels[..., 0] > 120)
    if mode == "P":
        return Image.fromarray(pixels[..., :3]).quantize(40)
    bands = len(Image.new(mode, (1, 1)).getbands())
    return Image.merge(mode, [Image.fromarray(np.ascontiguousarray(pixels[..., band])) for band in range(bands)])


def _photometric(data: bytes) -> int:
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        return int(file.pages[0].photometric)


def _of_pillow(picture: Image.Image, data: bytes, compression: str, photometric: int) -> tuple[Reading, ...]:
    within = 3 if compression in ("jpeg", "webp") else 0
    if within:
        with Image.open(io.BytesIO(data)) as back:
            picture = back.copy()
    if picture.mode == "LAB":
        return lab_as_rgb(np.array(picture))
    if picture.mode in ("CMYK", "YCbCr", "P"):
        page = Page(samples=len(picture.getbands()), photometric=photometric)
        if picture.mode == "P":
            return (Reading(pixels=np.array(picture.convert("RGB")), colours=3),)
        actual = rules.readings(page, np.array(picture).astype(np.uint64))
        return tuple(replace(reading, within=within + reading.within) for reading in actual)
    pixels = np.array(picture)
    pixels = pixels.astype(np.uint8) * 255 if pixels.dtype == bool else pixels
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    colours = 3 if pixels.shape[2] > 2 else 1
    extra = ("band" if picture.mode == "RGBX" else "straight",) * (pixels.shape[2] - colours)
    return (Reading(pixels=pixels, colours=colours, extra=extra, within=within),)


def subsampled() -> Iterator[Cell]:
    """YCbCr without compression, section 21: each data unit has all of its luma, then one Cb and one Cr."""
    luma = np.random.default_rng(1).integers(0, 256, (16, 24))
    # Chroma that varies slowly: repeated or interpolated, it is right within a few levels.
    full = np.stack([100 + np.add.outer(np.arange(16), np.arange(24)) // 2, np.full((16, 24), 140)], axis=2)
    ways = product([(1, 1), (2, 1), (2, 2), (4, 1), (4, 2), (4, 4), (1, 2)], "<>", (1, 5, 8, 32773), (16, 8))
    for (across, down), order, compression, rows in ways:
        tags = {530: Page(order=order).packed(3, across, down)}
        page = Page(size=(16, 24), samples=3, photometric=6, order=order, rows=rows, compression=compression, tags=tags)
        chroma = full[::down, ::across]
        values = np.concatenate([luma[..., None], chroma.repeat(down, 0).repeat(across, 1)], axis=2).astype(np.uint64)
        actual = tuple(replace(r, within=4 * max(across, down) + 2) for r in rules.readings(page, values))
        units = [_units(luma[y : y + rows], chroma[y // down :], across, down) for y in range(0, 16, rows)]
        data = tiff_page(page, values, blocks=[coding.LOSSLESS[compression](unit) for unit in units])
        yield cell(f"{across}x{down} {order} compression {compression} rows {rows}", page, readings=actual,
                   file=lambda data=data: data, reasons=("YCbCr|subsampl|kind 6",))  # fmt: skip


def _units(luma: Pixels, chroma: Pixels, across: int, down: int) -> Pixels:
    """A strip's data units, a row of them each row."""
    rows = []
    for y in range(0, len(luma), down):
        for x in range(0, luma.shape[1], across):
            rows.append([*luma[y : y + down, x : x + across].reshape(-1), *chroma[y // down, x // across]])
    return np.array(rows, np.uint8).reshape(len(luma) // down, -1)


def lab() -> Iterator[Cell]:
    """CIELab (a, b signed) and ICCLab (a, b from 128 on) of 8 and 16 bits, in the gamut of sRGB."""
    rng = np.random.default_rng(0)
    for photometric in (8, 9):
        for bits in (8, 16):
            for route in ({}, {"rows": 2, "order": ">"}, {"tile": (16, 16), "compression": 5}):
                page = Page(size=(9, 8), samples=3, bits=bits, photometric=photometric, **route)
                values = np.concatenate([rng.integers(80, 180, (9, 8, 1)), rng.integers(-20, 20, (9, 8, 2))], axis=2)
                stored = values + np.array([0, 128, 128]) * (photometric == 9)
                stored = (stored % 256 if bits == 8 else stored * np.array([257, 256, 256]) % 65536).astype(np.uint64)
                yield cell(f"photometric {photometric} u{bits} {route}", page, readings=lab_as_rgb(values),
                           file=lambda page=page, stored=stored: tiff_page(page, stored))  # fmt: skip


def lab_as_rgb(values: Pixels) -> tuple[Reading, ...]:
    """L from 0 to 255, a and b signed, under D50, as sRGB of 8 or 16 bits."""
    signed = values.astype(np.int64)
    signed[..., 1:] = (signed[..., 1:] + 128) % 256 - 128
    lightness = (signed[..., 0] * (100 / 255) + 16) / 116
    roots = np.stack([lightness + signed[..., 1] / 500, lightness, lightness - signed[..., 2] / 200], axis=2)
    light = np.where(roots > 6 / 29, roots**3, 3 * (6 / 29) ** 2 * (roots - 4 / 29)) * [0.9642, 1.0, 0.8251]
    linear = (light @ _D50_TO_RGB.T).clip(0, 1)
    light = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    eight = Reading(pixels=np.rint(255 * light).astype(np.uint8), colours=3, within=2)
    return eight, Reading(pixels=np.rint(65535 * light).astype(np.uint16), colours=3, within=2 * 257)


#: Of IEC 61966-2-1, which is for D65, and the same adapted to D50 by Bradford's transform.
_XYZ_TO_RGB = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
_D50_TO_RGB = np.array([[3.1339, -1.6169, -0.4906], [-0.9788, 1.9161, 0.0335], [0.0719, -0.2290, 1.4052]])


def logarithmic() -> Iterator[Cell]:
    """LogL of 16 bits and LogLuv of 32, in SGI's run-length code, as linear floats."""
    rng = np.random.default_rng(0)
    for order in "<>":
        for rows in (0, 3):
            step = rows or 9
            page = Page(size=(9, 8), bits=16, kind="i", photometric=32844, compression=34676, rows=rows, order=order)
            codes = rng.integers(15000, 17000, (9, 8))
            light = np.exp2((codes + 0.5) / 256 - 64).astype(np.float32)
            blocks = [coding.sgi_log(codes[y : y + step], 2) for y in range(0, 9, step)]
            yield _log(f"LogL {order} rows {rows}", page, light[..., None], blocks)
            page = replace(page, samples=3, photometric=32845)
            u, v = rng.integers(75, 90, (2, 9, 8)), rng.integers(185, 200, (2, 9, 8))[0]
            words = codes << 16 | u[0] << 8 | v
            x, y_ = (u[0] + 0.5) / 410, (v + 0.5) / 410
            s = 1 / (6 * x - 16 * y_ + 12)
            x, y_ = 9 * x * s, 4 * y_ * s
            xyz = np.stack([x / y_ * light, light, (1 - x - y_) / y_ * light], axis=2)
            blocks = [coding.sgi_log(words[y : y + step], 4) for y in range(0, 9, step)]
            yield _log(f"LogLuv {order} rows {rows}", page, xyz @ _XYZ_TO_RGB.T, blocks)


def _log(name: str, page: Page, light: Pixels, blocks: list[bytes]) -> Cell:
    within = 0.01 * float(np.abs(light).max())
    reading = Reading(pixels=light.astype(np.float32), colours=light.shape[2], within=within)
    return cell(name, page, file=lambda: tiff_page(page, light, blocks=blocks), readings=(reading,))


def jpeg() -> Iterator[Cell]:
    """JPEG in strips and tiles: grey, RGB as it is, YCbCr with and without subsampling and CMYK, as it went in."""
    smooth = np.add.outer(np.arange(32) * 3, np.arange(48) * 2)[..., None] + np.arange(4) * 15
    kinds: dict[str, tuple[dict[str, Any], str | None, str | None]] = {
        "grey": ({}, None, None), "rgb": ({"samples": 3, "photometric": 2}, "rgb", None),
        "ycbcr": ({"samples": 3, "photometric": 6}, "ycbcr", "444"),
        "ycbcr-420": ({"samples": 3, "photometric": 6}, "ycbcr", "420"),
        "ycbcr-422": ({"samples": 3, "photometric": 6}, "ycbcr", "422"),
        "cmyk": ({"samples": 4, "photometric": 5}, "cmyk", None),
    }  # fmt: skip
    ways: list[dict[str, Any]] = [{}, {"rows": 16, "order": ">"}, {"tile": (16, 16)}, {"tile": (32, 16), "big": True}]
    for (name, (meaning, inside, sampling)), (number, route) in product(kinds.items(), enumerate(ways)):
        page = Page(size=(32, 48), compression=7, **meaning, **route)
        values = smooth[..., : page.samples].astype(np.uint64)
        # What goes in as RGB comes out as RGB: YCbCr is the codec's own affair.
        plain = rules.readings(replace(page, photometric=2) if sampling else page, values)
        actual = tuple(replace(reading, within=reading.within + (9 if sampling else 3)) for reading in plain)
        if sampling:
            page = replace(page, tags={530: page.packed(3, *_SIDES[sampling])})
        codec = partial(_jpeg, source="rgb" if sampling else inside, inside=inside, sampling=sampling)
        data = tiff_page(replace(page, codec=codec), values)
        yield cell(f"{name} way {number}", page, readings=actual, file=lambda data=data: data)


_SIDES = {"444": (1, 1), "422": (2, 1), "420": (2, 2)}


def _jpeg(block: Pixels, *, source: str | None, inside: str | None, sampling: str | None) -> bytes:
    pixels = block.astype(np.uint8)
    pixels = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    return bytes(imagecodecs.jpeg8_encode(pixels, 100, colorspace=source, outcolorspace=inside, subsampling=sampling))
