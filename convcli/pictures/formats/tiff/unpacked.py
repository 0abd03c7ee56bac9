"""Strips and tiles of TIFF files, unpacked by imagecodecs: of codes of bytes, and of codes of pictures.

imagecodecs fills arrays of the size that the page promises and no others.

Source: TIFF Revision 6.0 (Adobe, 1992), section 22, with Technical Note 2; Esri's LERC in TIFF (GDAL, libtiff).
"""

from __future__ import annotations

import lzma
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from convcli.errors import ImageError
from convcli.pictures.codecs import full_range
from convcli.pictures.format import Pixels, TruncatedError
from convcli.pictures.formats.tiff import directories as tags, meaning
from convcli.pictures.formats.tiff.blocks import Blocks
from convcli.pictures.formats.tiff.directories import Directory, Value, shorts
from convcli.records import record

OLD_JPEG, _JPEG, _LERC, _WEBP = 6, 7, 34887, 50001
#: Codes of bytes, and what unpacks them.
BYTES: Final[Mapping[int, str]] = {34925: "lzma", 34926: "zstd", 50000: "zstd"}
#: Codes of pictures, and imagecodecs' name of them.
PICTURES: Final[Mapping[int, str]] = {
    OLD_JPEG: "jpeg", _JPEG: "jpeg", 33005: "jpeg2k", 34712: "jpeg2k", _LERC: "lerc", 34927: "webp", _WEBP: "webp",
    50002: "jpegxl", 52546: "jpegxl",
}  # fmt: skip
_TABLES, _LERC_PARAMETERS = 347, 50674
#: Memory that a dictionary of LZMA may take: four times that of `xz -9`.
_LZMA_MEMORY: Final = 1 << 28
_END_OF_JPEG: Final = b"\xff\xd9"


@record
class Packed:
    """What its blocks hold: `shape` (rows, columns, samples) of one of them, `bits` and `kind` ("u", "i", "f")."""

    page: Directory
    blocks: Blocks
    compression: int
    photometric: int
    shape: tuple[int, int, int]
    bits: int
    kind: str

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the arrays that codecs of pictures fill."""
        size = 1 if self.bits <= 8 else 2 if self.bits <= 16 else 4 if self.bits <= 32 else 8
        return np.dtype(f"{self.kind}{size}")

    @property
    def pixel(self) -> int:
        """The bits of a pixel in a block that is unpacked."""
        return self.shape[2] * (8 * self.dtype.itemsize if self.compression in PICTURES else self.bits)

    @property
    def row(self) -> int:
        """The bytes of a row of such a block."""
        return -(-self.shape[1] * self.pixel // 8)

    def plain_tags(self) -> dict[int, Value]:
        """What is said of plain samples besides what the page says of its own."""
        page, coded = self.page, self.compression in PICTURES
        values = {
            tags.COMPRESSION: 1, tags.FILL_ORDER: 1, tags.PREDICTOR: 1,
            tags.ORIENTATION: page.first(tags.ORIENTATION, 1),
            tags.PHOTOMETRIC: meaning.RGB if coded and self.photometric == meaning.YCBCR else self.photometric,
        }  # fmt: skip
        bits = [8 * self.dtype.itemsize if coded else self.bits] * page.first(tags.SAMPLES, 1)
        return {tag: shorts(page.order, value) for tag, value in values.items()} | {
            tags.BITS: shorts(page.order, *bits)
        }

    def rows(self, number: int) -> int:
        """The rows of a block; the last strip may have fewer."""
        down = number % (self.blocks.across * self.blocks.down) // self.blocks.across
        height = self.page.first(tags.HEIGHT, 0)
        return self.shape[0] if self.blocks.tiled else min(self.shape[0], height - down * self.shape[0])


def rows(library: Any, facts: Packed, piece: bytes, rows: int) -> Pixels:
    """The rows of a block of bytes, without their predictor; it may hold more than the picture needs of it."""
    whole = facts.shape[0] * facts.row
    if BYTES[facts.compression] == "zstd":
        data = bytes(library.zstd_decode(piece, out=whole))
    else:
        unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_LZMA_MEMORY)
        data = unpacker.decompress(piece, whole)
        if not unpacker.eof and not unpacker.decompress(b"", 1) and not unpacker.eof:  # its checksums come last
            raise ValueError(f"its LZMA data end after {len(data):,} of {whole:,} bytes")
    if len(data) < rows * facts.row:
        raise ValueError(f"it has {len(data):,} bytes, its rows need {rows * facts.row:,}")
    flat = np.frombuffer(data, np.uint8, rows * facts.row)
    predictor, shape = facts.page.first(tags.PREDICTOR, 1), (rows, *facts.shape[1:])
    if predictor == 2:  # differences of floats are those of the integers that have their bits
        stored = flat.view(f"{facts.page.order}u{facts.bits // 8}").reshape(shape)
        summed = np.cumsum(stored, axis=1, dtype=stored.dtype.newbyteorder("="))
        flat = summed.astype(stored.dtype, copy=False).reshape(-1).view(np.uint8)
    elif predictor == 3:
        floats = library.floatpred_decode(flat.view(facts.dtype).reshape(shape), axis=-2)
        flat = (
            floats.astype(facts.dtype.newbyteorder("<" if facts.page.order == "<" else ">"), copy=False)
            .reshape(-1)
            .view(np.uint8)
        )
    return flat.reshape(rows, facts.row)


def picture(library: Any, facts: Packed, piece: bytes, rows: int) -> Pixels:
    """The samples of a block that is coded as a picture: of the whole block, or of what the page shows of it."""
    name, (height, width, samples) = PICTURES[facts.compression], facts.shape
    dtype = facts.dtype
    options: dict[str, Any] = {}
    if name == "jpeg":
        options = _jpeg_options(facts)
        if _END_OF_JPEG not in piece[-64:]:
            raise TruncatedError("damaged or truncated TIFF: JPEG data without an end")
    elif name == "webp":
        options = {"hasalpha": samples == 4}
    elif name in ("jpegxl", "jpeg2k"):
        options = {"numthreads": 1}
    elif name == "lerc":
        piece, options = _lerc_piece(library, facts, piece), {"masks": True}
    out = np.zeros((rows, width, samples), dtype)
    shapes = {(rows, width): None, (height, width): None, _cropped(facts, width, rows): None}
    for number, sides in enumerate(shapes, 1):
        whole = np.empty((*sides, samples), dtype)
        try:
            result = getattr(library, f"{name}_decode")(piece, out=whole if samples > 1 else whole[..., 0], **options)
        except ValueError:  # the array is not one for this picture
            if number == len(shapes):
                raise ValueError("it holds a picture of another size or kind than the page's") from None
            continue
        if name == "lerc" and result[1] is not None:
            _mark_missing(whole, result[1])
        out[: sides[0], : sides[1]] = whole[:rows]
        break
    if facts.bits != 8 * dtype.itemsize and facts.kind == "u":
        out = full_range(out, (1 << facts.bits) - 1)
    return (
        out.astype(dtype.newbyteorder("<" if facts.page.order == "<" else ">"), copy=False)
        .reshape(rows, -1)
        .view(np.uint8)
    )


def _cropped(facts: Packed, width: int, rows: int) -> tuple[int, int]:
    """The rows and columns of a picture that is smaller than its only tile."""
    return min(rows, facts.page.first(tags.HEIGHT, 0)), min(width, facts.page.first(tags.WIDTH, 0))


def _jpeg_options(facts: Packed) -> dict[str, Any]:
    """What a decoder of JPEG is told of tables that lie apart, and of colours."""
    options: dict[str, Any] = {"tables": facts.page.raw(_TABLES) or None}
    if facts.shape[2] == 3 and facts.photometric in (meaning.YCBCR, meaning.RGB):
        options["outcolorspace"] = "RGB"
        if facts.photometric == meaning.RGB:
            options["colorspace"] = "RGB"
    return options


def _mark_missing(pixels: Pixels, there: Pixels) -> None:
    """Makes floats without a value NaN; `there` is LERC's mask, of pixels or samples. Raises ImageError for others."""
    if not there.all():
        if pixels.dtype.kind != "f":
            raise ImageError("unsupported TIFF: LERC data with pixels that have no value, which integers can't show")
        there = there if there.ndim == 3 else there[..., None]
        pixels[np.broadcast_to(there == 0, pixels.shape)] = np.nan


def _lerc_piece(library: Any, facts: Packed, piece: bytes) -> bytes:
    """LERC data, which may be packed once more."""
    packing = (*facts.page.get(_LERC_PARAMETERS), 0, 0)[1]
    most = 2 * len(piece) + 64 * facts.shape[0] * facts.shape[1] * facts.shape[2] * facts.dtype.itemsize
    if packing == 1:
        piece = library.zlib_decode(piece, out=min(most, 1 << 31))
    elif packing == 2:
        piece = library.zstd_decode(piece, out=min(most, 1 << 31))
    return bytes(piece)
