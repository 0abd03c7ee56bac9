"""Image files <-> arrays of pixels: the one place that calls OpenCV's codecs, and that knows where they must not be trusted.

Inside the program pixels are (height, width, channels) in RGB(A) order and upright. OpenCV reads BGR, turns some formats
upright and not others, fills the missing half of a file with grey, and writes what a format can't hold as something
else; each of that is decided here, before or after the call.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from convcli import exif, png, sniff
from convcli.errors import ImageError, UsageError, suggestion

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[Any]

MAX_PIXELS: Final = 1 << 30  # OpenCV's own limit, so it needs no setting of its own

WRITABLE: Final[dict[str, tuple[str, ...]]] = {
    "png": (".png",),
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "webp": (".webp",),
    "tiff": (".tif", ".tiff"),
    "bmp": (".bmp", ".dib"),
    "pnm": (".ppm", ".pgm", ".pnm"),
    "pam": (".pam",),
    "pfm": (".pfm",),
    "jp2": (".jp2",),
    "avif": (".avif",),
    "npy": (".npy",),
}

# Depths and numbers of channels. Grey and alpha is written as RGBA by webp, tiff, bmp, jp2 and avif, grey as RGB by webp.
_HOLDS: Final[dict[str, tuple[frozenset[str], frozenset[int]]]] = {
    "png": (frozenset({"uint8", "uint16"}), frozenset({1, 2, 3, 4})),
    "jpeg": (frozenset({"uint8"}), frozenset({1, 3})),
    "webp": (frozenset({"uint8"}), frozenset({1, 2, 3, 4})),
    "tiff": (
        frozenset({"uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"}),
        frozenset({1, 2, 3, 4}),
    ),
    "bmp": (frozenset({"uint8"}), frozenset({1, 2, 3, 4})),
    "pnm": (frozenset({"uint8", "uint16"}), frozenset({1, 3})),
    "pam": (frozenset({"uint8", "uint16"}), frozenset({1, 2, 3, 4})),
    "pfm": (frozenset({"float32"}), frozenset({1, 3})),
    "jp2": (frozenset({"uint8", "uint16"}), frozenset({1, 2, 3, 4})),
    "avif": (frozenset({"uint8"}), frozenset({1, 2, 3, 4})),
}
_LONGEST_SIDE: Final = {"jpeg": 65500, "webp": 16383, "avif": 65535}
_QUALITY: Final = 95  # of the lossy formats: chained filters should not sharpen an encoder's blocks
_CHANNELS: Final = {1: "grey", 2: "grey and alpha", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """A decoded image.

    `pixels` (height, width, channels), native byte order, C-contiguous, upright; channels 1 grey, 2 grey and alpha, 3 RGB,
    4 RGBA. `format` as told by the content; `frames` or pages in the file, of which this is the first; `notes` warnings.
    """

    pixels: Pixels
    format: str
    frames: int
    notes: tuple[str, ...]

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is opacity."""
        return self.pixels.shape[2] in (2, 4)


def decode(data: bytes, *, place: str, max_pixels: int = MAX_PIXELS) -> Picture:
    """The first frame of an image file's bytes, upright; its format is told by its content.

    Values are as stored: grey stays grey, 16 bits and floats are kept; palettes become RGB(A), 1 to 4 bits become 8, and
    PNM's values are scaled to the full 8 or 16 bits. More than `max_pixels` are refused from the header.

    Raises ImageError, naming `place`, for anything that is no image, unsupported, cut short or damaged.
    """
    format = sniff.identify(data)
    if not format:
        fact, hint = sniff.unknown(data)
        raise ImageError(fact, place=place, hint=hint)
    source = _Source(data=data, format=format, place=place, max_pixels=max_pixels)
    special = {"png": _decode_png, "tiff": _decode_tiff, "pnm": _decode_pnm}
    try:
        pixels, frames, notes = special.get(format, _decode_other)(source)
    except MemoryError:
        raise ImageError("not enough memory to decode it", place=place) from None
    if frames > 1:
        notes = (f"frame 1 of {frames}", *notes)
    return Picture(pixels=pixels, format=format, frames=frames, notes=notes)


@dataclass(frozen=True, kw_only=True)
class _Source:
    """A file on its way through `decode`."""

    data: bytes
    format: str
    place: str
    max_pixels: int

    def limit(self, width: int, height: int) -> None:
        """Refuse a picture that is too large, before memory is taken for it."""
        if width * height > self.max_pixels:
            fact = f"{width} x {height} is {width * height:,} pixels; at most {self.max_pixels:,} are read"
            raise ImageError(fact, place=self.place)

    def read(self, data: bytes, flags: int) -> Pixels:
        """OpenCV's decoder; the result is (height, width, channels), in OpenCV's order of channels."""
        import numpy as np

        cv2 = opencv(self.place)
        try:
            with _quiet(cv2):
                pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        except cv2.error as error:
            raise ImageError(f"can't be decoded as {self.format}: {error.err or error}", place=self.place) from None
        if pixels is None or not pixels.size:
            fact = f"damaged, truncated or unsupported {self.format}: its pixels can't be decoded"
            raise ImageError(fact, place=self.place)
        return pixels.reshape(*pixels.shape[:2], -1)


Decoded = tuple["Pixels", int, tuple[str, ...]]


def _decode_png(source: _Source) -> Decoded:
    import numpy as np

    found = png.inspect(source.data, place=source.place)
    source.limit(found.width, found.height)
    pixels = _rgb(source.read(found.plain, -1))
    if found.colour == 4:
        pixels = np.ascontiguousarray(pixels[:, :, ::3])
    elif found.colour == 0 and len(found.transparent) == 2:
        # One grey value is transparent, which OpenCV passes over.
        value = int.from_bytes(found.transparent, "big") & (1 << found.depth) - 1
        if found.depth < 8:
            value = value * 255 // ((1 << found.depth) - 1)
        alpha = (pixels != value) * pixels.dtype.type(np.iinfo(pixels.dtype).max)
        pixels = np.concatenate([pixels, alpha], axis=2)
    return _upright(pixels, exif.orientation(found.exif)), found.frames, ()


def _decode_tiff(source: _Source) -> Decoded:
    """TIFF, which OpenCV turns upright itself; the layouts that it decodes wrongly are patched, corrected or refused."""
    import numpy as np

    try:
        pages = list(exif.directories(source.data))
        page = pages[0]
        width, height, samples = page.first(exif.WIDTH, 0), page.first(exif.HEIGHT, 0), page.first(exif.SAMPLES, 1)
        bits, photometric = page.first(exif.BITS, 1), page.first(exif.PHOTOMETRIC, 1)
        kind, extra = page.first(exif.SAMPLE_FORMAT, 1), page.get(exif.EXTRA_SAMPLES)
        frames = sum(not page.first(exif.SUBFILE, 0) & 1 for page in pages)
        _check_strips(page, source.data)
    except (ValueError, IndexError) as error:
        raise ImageError(f"damaged or truncated TIFF: {error}", place=source.place) from None
    source.limit(width, height)
    refusal = ""
    if samples > 4:
        refusal = f"{samples} samples per pixel; 1 to 4 can be read"
    elif samples > 1 and page.first(exif.PLANAR, 1) == 2 and (bits > 8 or samples == 2):
        refusal = f"{bits}-bit samples in separate planes; 8 bits, or samples side by side, can be read"
    elif photometric > 6 and photometric not in (32844, 32845):
        refusal = f"its colours are of kind {photometric}; grey, RGB, palette, CMYK and YCbCr can be read"
    elif bits not in (1, 8, 12, 16, 32, 64) or (kind == 3 and bits == 16):
        refusal = f"{bits}-bit {'floats' if kind == 3 else 'samples'}"
    if refusal:
        raise ImageError(f"unsupported TIFF: {refusal}", place=source.place)
    notes = ("its colours are stored multiplied by alpha, and taken as they are",) if 1 in extra else ()
    if samples == 2:
        return _grey_and_alpha(source, page), frames, notes
    # Told of an alpha channel, OpenCV multiplies 8-bit colours by it; so it isn't told.
    data = exif.patched(page, {exif.EXTRA_SAMPLES: 0}) if samples == 4 and extra == (2,) else source.data
    pixels = _rgb(source.read(data, -1))
    if photometric == 0 and pixels.dtype in (np.uint16, np.uint32):
        np.subtract(np.iinfo(pixels.dtype).max, pixels, out=pixels)  # white is zero, which OpenCV heeds for 8 bits only
    return pixels, frames, notes


def _check_strips(page: exif.Directory, data: bytes) -> None:
    """Raise ValueError where a strip or tile lies beyond the end of the file."""
    for offsets, counts in ((exif.STRIP_OFFSETS, exif.STRIP_BYTES), (exif.TILE_OFFSETS, exif.TILE_BYTES)):
        for start, count in zip(page.get(offsets), page.get(counts), strict=False):
            if start + count > len(data):
                raise ValueError(f"its pixels reach byte {start + count}, it ends at byte {len(data)}")


def _grey_and_alpha(source: _Source, page: exif.Directory) -> Pixels:
    """A TIFF of 2 samples per pixel, which OpenCV reads wrongly: read it as grey of twice the width."""
    import numpy as np

    predictor, tile = page.first(exif.PREDICTOR, 1), page.first(exif.TILE_WIDTH, 0)
    if predictor > 2 or (predictor == 2 and tile):
        raise ImageError("unsupported TIFF: grey and alpha, in tiles or floats with a predictor", place=source.place)
    changes = {exif.WIDTH: 2 * page.first(exif.WIDTH, 0), exif.TILE_WIDTH: 2 * tile, exif.SAMPLES: 1}
    changes |= {exif.BITS: page.first(exif.BITS, 8), exif.SAMPLE_FORMAT: page.first(exif.SAMPLE_FORMAT, 1)}
    changes |= {exif.PREDICTOR: 1, exif.ORIENTATION: 1, exif.PHOTOMETRIC: 1, exif.EXTRA_SAMPLES: 0}
    try:
        pixels = source.read(exif.patched(page, changes), -1)
    except ValueError as error:
        raise ImageError(f"unsupported TIFF: grey and alpha: {error}", place=source.place) from None
    pixels = pixels.reshape(pixels.shape[0], -1, 2)
    if predictor == 2:  # samples are differences from the pixel on the left, modulo the depth
        np.cumsum(pixels, axis=1, dtype=pixels.dtype, out=pixels)
    if page.first(exif.PHOTOMETRIC, 1) == 0 and pixels.dtype.kind == "u":
        pixels[:, :, 0] = np.iinfo(pixels.dtype).max - pixels[:, :, 0]
    return _upright(pixels, page.first(exif.ORIENTATION, 1))


def _decode_pnm(source: _Source) -> Decoded:
    """PGM, PPM and PAM in binary are read here, the others by OpenCV; all are scaled to the full range of their depth."""
    import numpy as np

    found = sniff.header(source.data, "pnm", place=source.place)
    source.limit(found.width, found.height)
    shape, top = (found.height, found.width, found.channels), found.maximum
    if not (found.width and found.height and 1 <= found.channels <= 4 and 1 <= top <= 65535):
        fact = f"unsupported PNM: {found.width} x {found.height} pixels of {found.channels} channels up to {top}"
        raise ImageError(fact, place=source.place)
    dtype = np.dtype(np.uint8 if top < 256 else ">u2")
    if source.data[1:2] in b"567":
        needed, left = found.width * found.height * found.channels * dtype.itemsize, len(source.data) - found.body
        if left < needed:
            raise ImageError(f"truncated PNM: its pixels need {needed} bytes, {left} are left", place=source.place)
        stored = np.frombuffer(source.data, dtype, needed // dtype.itemsize, found.body).reshape(shape)
        pixels = stored.astype(dtype.newbyteorder("="))
    else:
        pixels = _rgb(source.read(source.data + b"\n", -1))
        top = top if top > 255 else 255  # OpenCV scales 8 bits
    full = int(np.iinfo(pixels.dtype).max)
    if top == full:
        return pixels, 1, ()
    scaled = (np.minimum(pixels, top).astype(np.uint32) * full + top // 2) // top
    return scaled.astype(pixels.dtype), 1, (f"its values up to {top} are scaled to {full}",)


def _decode_other(source: _Source) -> Decoded:
    import numpy as np

    found = sniff.header(source.data, source.format, place=source.place)
    source.limit(found.width, found.height)
    if source.format == "jpeg" and found.channels > 1:
        cv2 = opencv(source.place)
        # Straight to RGB, and as stored: by these flags OpenCV leaves the orientation alone.
        pixels = source.read(source.data, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    else:
        pixels = _rgb(source.read(source.data, -1))
    if source.format == "bmp" and pixels.shape[2] == 4 and not pixels[:, :, 3].any():
        pixels = np.ascontiguousarray(pixels[:, :, :3])  # the fourth byte is padding, as it is in most such files
    return _upright(pixels, exif.orientation(found.exif)), found.frames, ()


def _rgb(pixels: Pixels) -> Pixels:
    """BGR(A) to RGB(A) or back; in place where OpenCV can."""
    import cv2
    import numpy as np

    if pixels.shape[2] < 3:
        return np.ascontiguousarray(pixels)
    if pixels.dtype not in (np.uint8, np.uint16, np.float32):
        return np.ascontiguousarray(pixels[:, :, [2, 1, 0, 3][: pixels.shape[2]]])
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA, dst=pixels)
