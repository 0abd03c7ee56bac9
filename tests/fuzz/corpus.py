"""Whole files to begin with: pictures of every format that is read, all made here or from samples/."""

from __future__ import annotations

import functools
import io
import struct
import zlib
from typing import Any

import cv2
import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image

from convcli.pictures.format import Animation, Metadata, Target
from convcli.pictures.formats.png import structure, writer as png_writer
from convcli.pictures.formats.tiff import writer as tiff_writer
from tests.pictures.bmp_files import bmp, packed
from tests.support import SAMPLES

Pixels = NDArray[Any]


@functools.cache
def scene(height: int, width: int, channels: int = 3) -> Pixels:
    """A corner of a sample picture: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA; (height, width, channels) uint8."""
    whole = np.asarray(Image.open(SAMPLES / "scene.jpg"))[100 : 100 + height, 200 : 200 + width]
    colour = whole if channels > 2 else whole[..., 1:2]
    if channels in (1, 3):
        return np.ascontiguousarray(colour)
    alpha = np.broadcast_to(np.linspace(0, 255, width, dtype=np.uint8)[None, :, None], (height, width, 1))
    return np.concatenate([colour, alpha], axis=2)


def pillow(pixels: Pixels, format: str, mode: str = "", **options: Any) -> bytes:
    """A file by Pillow, the picture turned to a Pillow `mode` first."""
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    out = io.BytesIO()
    (picture.convert(mode) if mode else picture).save(out, format, **options)
    return out.getvalue()


def opencv(pixels: Pixels, extension: str, *settings: int) -> bytes:
    """A file by OpenCV."""
    turned = pixels[..., [2, 1, 0, 3][: pixels.shape[2]]] if pixels.shape[2] > 2 else pixels
    done, out = cv2.imencode(extension, np.ascontiguousarray(turned), settings)
    assert done, extension
    return out.tobytes()


def heif(pixels: Pixels, mode: str = "", pages: int = 1, **options: Any) -> bytes:
    """A HEIF file by pillow-heif: `mode` is its name of the kind of pixels; further pages are the picture mirrored."""
    mode = mode or {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[pixels.shape[2]] + ";16" * (pixels.dtype.itemsize == 2)
    file, size = pillow_heif.HeifFile(), (pixels.shape[1], pixels.shape[0])
    for page in range(pages):
        file.add_frombytes(mode, size, np.ascontiguousarray(pixels[:: -1 if page % 2 else 1]).tobytes())
    out = io.BytesIO()
    file.save(out, **options)
    return out.getvalue()


def animated(pixels: Pixels, format: str, **options: Any) -> bytes:
    """Three frames by Pillow."""
    frames = [Image.fromarray(np.roll(pixels, 5 * shift, axis=1)) for shift in range(3)]
    out = io.BytesIO()
    frames[0].save(out, format, save_all=True, append_images=frames[1:], duration=80, loop=0, **options)
    return out.getvalue()


def exif_block(orientation: int) -> bytes:
    """An EXIF block with an orientation and a resolution, as Pillow writes it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x011A] = 72.0
    exif[0x010E] = "a picture"
    return exif.tobytes()


@functools.cache
def pictures(height: int = 36, width: int = 44) -> dict[str, tuple[str, bytes]]:
    """Name -> (format, file): every format that can be read, in the kinds that go different ways through decoders."""
    files: dict[str, tuple[str, bytes]] = {}
    for add in (_jpegs, _pngs, _tiffs, _others, _plain):
        files |= add(height, width)
    return files


def _jpegs(height: int, width: int) -> dict[str, tuple[str, bytes]]:
    rgb, grey = scene(height, width), scene(height, width, 1)
    block = exif_block(6)
    files = {
        "baseline": opencv(rgb, ".jpg"),
        "4:4:4": pillow(rgb, "JPEG", subsampling=0, quality=95),
        "progressive": pillow(rgb, "JPEG", progressive=True),
        "restarts": opencv(rgb, ".jpg", cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
        "grey": pillow(grey, "JPEG"),
        "cmyk": pillow(rgb, "JPEG", "CMYK"),
        "exif": pillow(rgb, "JPEG", exif=block, icc_profile=bytes(300), comment=b"words", dpi=(72, 72)),
    }
    return {f"jpeg {name}": ("jpeg", data) for name, data in files.items()}


def _pngs(height: int, width: int) -> dict[str, tuple[str, bytes]]:
    rgb, rgba = scene(height, width), scene(height, width, 4)
    files = {
        "rgb": opencv(rgb, ".png"),
        "16 bits": png_writer.encode(rgb.astype(np.uint16) * 257),
        "grey alpha": png_writer.encode(scene(height, width, 2)),
        "rgba": pillow(rgba, "PNG", exif=exif_block(8), icc_profile=bytes(300), dpi=(72, 72)),
        "palette": pillow(rgb, "PNG", "P", transparency=3),
        "1 bit": pillow(rgb, "PNG", "1"),
        "transparent": pillow(rgb, "PNG", transparency=(1, 2, 3)),
        "interlaced": _interlaced(scene(height, width, 1)[..., 0]),
        "animated": animated(rgb, "PNG"),
        "apart": animated(rgb, "PNG", default_image=True),  # the still picture is none of the frames
    }
    return {f"png {name}": ("png", data) for name, data in files.items()}


def _interlaced(grey: Pixels) -> bytes:
    """An Adam7 PNG, which nobody here can write: seven small pictures without row filters, one after the other."""
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    rows = b"".join(b"\0" + row.tobytes() for x, y, across, down in passes for row in grey[y::down, x::across])
    header = struct.pack(">IIBBBBB", grey.shape[1], grey.shape[0], 8, 0, 0, 0, 1)
    parts = (
        structure.chunk(b"IHDR", header),
        structure.chunk(b"IDAT", zlib.compress(rows)),
        structure.chunk(b"IEND", b""),
    )
    return structure.SIGNATURE + b"".join(parts)


def _tiffs(height: int, width: int) -> dict[str, tuple[str, bytes]]:
    rgb, grey = scene(height, width), scene(height, width, 1)
    files = {
        "plain": opencv(rgb, ".tif", cv2.IMWRITE_TIFF_COMPRESSION, 1),
        "lzw": pillow(rgb, "TIFF", compression="tiff_lzw"),
        "deflate": pillow(rgb, "TIFF", compression="tiff_adobe_deflate", dpi=(72, 72), icc_profile=bytes(300)),
        "packbits": pillow(rgb, "TIFF", compression="packbits"),
        "jpeg": pillow(rgb, "TIFF", compression="jpeg"),
        "fax": pillow(rgb, "TIFF", "1", compression="group4"),
        "palette": pillow(rgb, "TIFF", "P"),
        "cmyk": pillow(rgb, "TIFF", "CMYK"),
        "big": pillow(rgb, "TIFF", big_tiff=True),
        "big-endian": _tiled(grey[..., 0], ">"),
        "tiled": _tiled(grey[..., 0], "<"),
        "16 bits": opencv(rgb.astype(np.uint16) * 257, ".tif"),
        "float": opencv(rgb.astype(np.float32) / 255, ".tif"),
        "double": opencv(grey.astype(np.float64) / 255, ".tif"),
        "grey alpha": _tiff([scene(height, width, 2)], Metadata(exif=exif_block(1)[6:])),
        "rgba": pillow(scene(height, width, 4), "TIFF"),
        "pages": _tiff([rgb, grey, rgb[:20]], Metadata()),
    }
    return {f"tiff {name}": ("tiff", data) for name, data in files.items()}


def _tiff(pages: list[Pixels], metadata: Metadata) -> bytes:
    return tiff_writer.encode_frames(Animation(frames=pages), Target(format="tiff", metadata=metadata))


def _tiled(grey: Pixels, order: str) -> bytes:
    """A TIFF in tiles of 32 x 32 (OpenCV reads none below 1024 bytes), its directory before its pixels."""
    height, width = grey.shape
    down, across = -(-height // 32), -(-width // 32)
    padded = np.pad(grey, ((0, 32 * down - height), (0, 32 * across - width)), mode="edge")
    tiles = padded.reshape(down, 32, across, 32).transpose(0, 2, 1, 3).reshape(-1, 1024)
    count, table = len(tiles), 8 + 2 + 12 * 10 + 4
    start = table + 8 * count
    values = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (277, 3, 1, 1)]
    values += [(322, 3, 1, 32), (323, 3, 1, 32), (324, 4, count, table), (325, 4, count, table + 4 * count)]
    out = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, 10)
    for tag, kind, number, value in values:
        packed = struct.pack(order + ("H" if kind == 3 else "I"), value).ljust(4, b"\0")
        out += struct.pack(f"{order}HHI", tag, kind, number) + packed
    out += bytes(4) + struct.pack(f"{order}{count}I", *(start + 1024 * tile for tile in range(count)))
    return out + struct.pack(f"{order}{count}I", *[1024] * count) + tiles.tobytes()


def _others(height: int, width: int) -> dict[str, tuple[str, bytes]]:
    rgb, grey, rgba = scene(height, width), scene(height, width, 1), scene(height, width, 4)
    block, deep = exif_block(6), rgba.astype(np.uint16) * 257
    return {
        "heif still": ("heif", heif(rgb, exif=block, icc_profile=bytes(300), thumbnails=[16])),
        "heif grey": ("heif", heif(grey, xmp=b"<x:xmpmeta/>")),
        "heif 10 bits": ("heif", heif(deep)),
        "heif pages": ("heif", heif(rgb, pages=3, primary_index=1)),
        "webp lossy": ("webp", pillow(rgb, "WEBP", exif=exif_block(3), icc_profile=bytes(300))),
        "webp lossless": ("webp", pillow(rgb, "WEBP", lossless=True)),
        "webp alpha": ("webp", pillow(rgba, "WEBP", quality=80)),
        "webp animated": ("webp", animated(rgba, "WEBP")),
        "gif still": ("gif", pillow(rgb, "GIF")),
        "gif animated": ("gif", animated(rgb, "GIF")),
        "gif transparent": ("gif", pillow(rgb, "GIF", "P", transparency=4, interlace=1)),
        "avif still": ("avif", opencv(rgb, ".avif", cv2.IMWRITE_AVIF_SPEED, 10)),
        "avif alpha": ("avif", pillow(rgba, "AVIF", speed=10, exif=exif_block(5), icc_profile=bytes(300))),
        "avif 10 bits": ("avif", opencv(rgb.astype(np.uint16) * 4, ".avif", cv2.IMWRITE_AVIF_DEPTH, 10)),
        "avif animated": ("avif", animated(rgb, "AVIF", speed=10)),
        "jp2 lossless": ("jp2", opencv(rgb, ".jp2")),
        "jp2 lossy": ("jp2", pillow(rgb, "JPEG2000", quality_layers=[20], irreversible=True)),
        "jp2 grey": ("jp2", pillow(grey, "JPEG2000")),
        "jp2 codestream": ("jp2", pillow(rgba, "JPEG2000", no_jp2=True, tile_size=(16, 16))),
    }


def _plain(height: int, width: int) -> dict[str, tuple[str, bytes]]:
    rgb, grey, rgba = scene(height, width), scene(height, width, 1), scene(height, width, 4)
    numbers = " ".join(map(str, grey.ravel().tolist())).encode()
    triples = " ".join(map(str, rgb.ravel().tolist())).encode()
    size = f"{width} {height}".encode()
    pam = b"P7\nWIDTH %d\nHEIGHT %d\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n" % (width, height)
    floats, masks = rgb.astype(np.float32) / 255, (0xF800, 0x7E0, 0x1F)
    return {
        "pnm P1": ("pnm", b"P1\n" + size + b"\n" + b" ".join(b"01"[v % 2 :][:1] for v in grey.ravel().tolist())),
        "pnm P2": ("pnm", b"P2\n# words\n" + size + b" 255\n" + numbers),
        "pnm P3": ("pnm", b"P3\n" + size + b"\n255\n" + triples),
        "pnm P4": ("pnm", b"P4\n" + size + b"\n" + bytes(-(-width // 8) * height)),
        "pnm P5": ("pnm", b"P5 " + size + b" 200\n" + grey.tobytes()),
        "pnm P6": ("pnm", b"P6\n" + size + b"\n65535\n" + (rgb.astype(">u2") * 257).tobytes()),
        "pnm P7": ("pnm", pam + rgba.tobytes()),
        "pfm colour": ("pfm", b"PF\n" + size + b"\n-1.0\n" + floats.astype("<f4").tobytes()),
        "pfm grey": ("pfm", b"Pf\n" + size + b"\n1.0\n" + floats[..., 0].astype(">f4").tobytes()),
        "bmp 24": ("bmp", opencv(rgb, ".bmp")),
        "bmp 32": ("bmp", opencv(rgba, ".bmp")),
        "bmp 8": ("bmp", pillow(rgb, "BMP", "P")),
        "bmp 5-6-5": (
            "bmp",
            bmp(packed(grey[..., 0].astype(int) * 257, 16), width, height, 16, packing=3, masks=masks),
        ),
        "bmp os/2": (
            "bmp",
            bmp(packed(grey[..., 0], 8), width, height, 8, size=12, palette=rgb[0].repeat(8, axis=0)[:256]),
        ),
        "bmp 1": ("bmp", pillow(rgb, "BMP", "1")),
        "bmp rle": ("bmp", _run_lengths(grey[..., 0])),
        "hdr rle": ("hdr", opencv(floats, ".hdr")),
        "ras plain": ("ras", opencv(rgb, ".ras")),
        "ras grey": ("ras", opencv(grey, ".ras")),
    }


def _run_lengths(grey: Pixels) -> bytes:
    """A BMP of 8 bits packed as runs (BI_RLE8)."""
    rows = [b"".join(bytes((1, value)) for value in row.tolist()) + b"\0\0" for row in grey[::-1]]
    body = b"".join(rows) + b"\0\1"
    palette = b"".join(bytes((value, value, value, 0)) for value in range(256))
    start = 54 + len(palette)
    head = struct.pack("<2sIHHI", b"BM", start + len(body), 0, 0, start)
    head += struct.pack("<IiiHHIIiiII", 40, grey.shape[1], grey.shape[0], 1, 8, 1, len(body), 2835, 2835, 256, 0)
    return head + palette + body
