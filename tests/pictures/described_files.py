"""Pictures with metadata of all kinds, by Pillow, and what Pillow reads of them."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

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
    displayed = Image.open(io.BytesIO(data))
    displayed.load()
    return displayed


def xmp_of(displayed: Image.Image) -> bytes:
    actual = displayed.info.get("xmp") or displayed.info.get("XML:com.adobe.xmp") or b""
    return actual.encode() if isinstance(actual, str) else actual
