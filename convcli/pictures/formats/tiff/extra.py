"""TIFF pages that are refused without it: compressions by imagecodecs, the extra `convcli[tiff]`, and CIELab colours.

What is unpacked goes on as a TIFF file of plain samples, so that depths, palettes, planes, bands and alpha mean the
same as in any other. imagecodecs fills arrays of the size that the page promises and no others.

Source: TIFF Revision 6.0 (Adobe, 1992), sections 22 and 23, with Technical Note 2; Esri's LERC in TIFF (GDAL, libtiff).
"""

from __future__ import annotations

import lzma
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from convcli.engine.threads import run_all
from convcli.errors import ImageError
from convcli.pictures.codecs import full_range, range_notes, upright
from convcli.pictures.format import Decoded, Note, Pixels, Source, TruncatedError
from convcli.pictures.formats.tiff import directories as tags, lab, meaning
from convcli.pictures.formats.tiff.blocks import Blocks, meaning as described, small_file
from convcli.pictures.formats.tiff.directories import Directory, Value, listed, shorts
from convcli.pictures.formats.tiff.samples import OF_BYTES, stored
from convcli.records import record

_OLD_JPEG, _JPEG, _LERC, _WEBP = 6, 7, 34887, 50001
#: Codes of bytes, and what unpacks them.
_BYTES: Final[Mapping[int, str]] = {34925: "lzma", 34926: "zstd", 50000: "zstd"}
#: Codes of pictures, and imagecodecs' name of them.
_PICTURES: Final[Mapping[int, str]] = {
    _OLD_JPEG: "jpeg", _JPEG: "jpeg", 33005: "jpeg2k", 34712: "jpeg2k", _LERC: "lerc", 34927: "webp", _WEBP: "webp",
    50002: "jpegxl", 52546: "jpegxl",
}  # fmt: skip
_TABLES, _LERC_PARAMETERS, _STREAM, _STREAM_BYTES = 347, 50674, 513, 514
_DEPTH, _TILE_DEPTH = 32997, 32998
#: Memory that a dictionary of LZMA may take: four times that of `xz -9`.
_LZMA_MEMORY: Final = 1 << 28
_STRIP: Final = 1 << 20  # bytes
_LARGEST: Final = (1 << 32) - (1 << 20)  # of a TIFF file whose offsets have 32 bits
_END_OF_JPEG: Final = b"\xff\xd9"
_NONE: Final = np.empty((0, 0), np.uint8)


@record
class _Page:
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
        return self.shape[2] * (8 * self.dtype.itemsize if self.compression in _PICTURES else self.bits)

    @property
    def row(self) -> int:
        """The bytes of a row of such a block."""
        return -(-self.shape[1] * self.pixel // 8)

    def plain_tags(self) -> dict[int, Value]:
        """What is said of plain samples besides what the page says of its own."""
        page, coded = self.page, self.compression in _PICTURES
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


def decode(source: Source, refusal: str, plain: Callable[[Source], Decoded]) -> Decoded:
    """The first page of a TIFF file that was refused for `refusal`, upright; `plain` decodes a file of plain samples.

    Raises ImageError with the refusal where nothing here helps, and with a hint where the extra would.
    """
    try:
        page = listed(source.data)[0][0]
        compression, photometric = page.first(tags.COMPRESSION, 1), page.first(tags.PHOTOMETRIC, 1)
        if compression in _BYTES or compression in _PICTURES:
            file, notes = _unpacked(source, _facts(source, page, refusal), refusal)
            decoded = plain(replace(source, data=file))
            return replace(decoded, notes=(*notes, *decoded.notes))
        if photometric in lab.KINDS and compression in OF_BYTES:
            bits, samples = page.first(tags.BITS, 1), page.first(tags.SAMPLES, 1)
            unsigned = page.first(tags.SAMPLE_FORMAT, 1) in (1, 4)
            if samples == 3 and unsigned and (photometric, bits) in lab.DEPTHS:
                pixels = lab.rgb(stored(source, page, bits, "u"), photometric)
                note = Note("colours", "its CIELab colours are turned into sRGB")
                return Decoded(pixels=upright(pixels, page.first(tags.ORIENTATION, 1)), notes=(note,))
    except ValueError as error:
        raise TruncatedError(f"damaged or truncated TIFF: {error}") from None
    raise ImageError(f"unsupported TIFF: {refusal}")


def _facts(source: Source, page: Directory, refusal: str) -> _Page:
    """Raises ImageError for what can't be unpacked, and ValueError for blocks that can't be the page's."""
    compression, photometric = page.first(tags.COMPRESSION, 1), page.first(tags.PHOTOMETRIC, 1)
    bits, kinds = set(page.get(tags.BITS) or (1,)), set(page.get(tags.SAMPLE_FORMAT)) or {1}
    samples, planar = page.first(tags.SAMPLES, 1), page.first(tags.PLANAR, 1) == 2
    kind = {1: "u", 2: "i", 3: "f", 4: "u"}.get(min(kinds), "")
    known = len(bits) == len(kinds) == 1 and kind and 1 <= min(bits) <= 64 and page.first(_DEPTH, 1) == 1
    foreign = meaning.foreign_colours(page) and photometric not in lab.KINDS
    if compression in _PICTURES:
        of_bits = {"jpeg": (8, 12), "webp": (8,), "lerc": (8, 16, 32, 64)}
        most = 32 if kind == "f" else 16
        known = known and min(bits) in of_bits.get(_PICTURES[compression], range(8, most + 1))
        known = known and (photometric != meaning.YCBCR or _PICTURES[compression] == "jpeg")
    elif page.first(tags.PREDICTOR, 1) != 1:
        fits = {2: min(bits) in (8, 16, 32, 64), 3: kind == "f" and min(bits) in (16, 32, 64)}
        known = known and fits.get(page.first(tags.PREDICTOR, 1), False)
    if not known or foreign or samples < 1 or page.first(tags.FILL_ORDER, 1) != 1:
        raise ImageError(f"unsupported TIFF: {refusal}")
    blocks = _stream(page) if compression == _OLD_JPEG else Blocks.of(page)
    source.limit(blocks.width, blocks.height)
    shape = blocks.height, blocks.width, 1 if planar else samples
    facts = _Page(
        page=page, blocks=blocks, compression=compression, photometric=photometric, shape=shape, bits=min(bits),
        kind=kind,
    )  # fmt: skip
    if blocks.tiled and facts.pixel * blocks.width % 8:
        raise ImageError(f"unsupported TIFF: {refusal}")
    return facts


def _stream(page: Directory) -> Blocks:
    """The only block of an old-style JPEG page that is a stream of its own, strips or not."""
    start, size = page.first(_STREAM, 0), page.first(_STREAM_BYTES, 0)
    offsets, sizes = (page.get(tag) for tag in tags.STRIPS)
    if not start:
        raise ImageError("unsupported TIFF: old-style JPEG whose tables lie apart from its data")
    end = max([start + size, *(at + many for at, many in zip(offsets, sizes, strict=False))])
    if end > len(page.data):
        raise ValueError(f"its pixels reach byte {end}, it ends at byte {len(page.data)}")
    return Blocks(
        tiled=False, width=page.first(tags.WIDTH, 0), height=page.first(tags.HEIGHT, 0), across=1, down=1, planes=1,
        offsets=(start,), sizes=(end - start,),
    )  # fmt: skip


def _unpacked(source: Source, facts: _Page, refusal: str) -> tuple[bytes, tuple[Note, ...]]:
    """A TIFF file of the page with plain samples, and notes on those."""
    page, blocks, library = facts.page, facts.blocks, _library(refusal)
    count = len(blocks.sizes)
    if count * facts.shape[0] * facts.row > _LARGEST:
        raise ImageError(f"unsupported TIFF: {refusal}; unpacked it would be larger than 4 GiB")
    unpack = _picture if facts.compression in _PICTURES else _rows
    pieces: list[Pixels] = [_NONE] * count

    def work(number: int) -> None:
        start, length = blocks.offsets[number], blocks.sizes[number]
        if not length or start + length > len(source.data):
            raise ValueError(f"strip or tile {number + 1} of {count} is not there")
        try:
            pieces[number] = unpack(library, facts, source.data[start : start + length], facts.rows(number))
        except (ImageError, MemoryError):
            raise
        except Exception as error:  # of whatever kind: codecs have many
            words = str(error).strip() or type(error).__name__
            raise TruncatedError(f"damaged or truncated TIFF: strip or tile {number + 1}: {words}") from None

    run_all(work, range(count))
    height, width = page.first(tags.HEIGHT, 0), page.first(tags.WIDTH, 0)
    values = described(page) | facts.plain_tags()
    notes: tuple[Note, ...] = ()
    if facts.compression in _PICTURES and facts.bits != 8 * facts.dtype.itemsize:
        notes = range_notes(np.empty(0, facts.dtype), (1 << facts.bits) - 1)
    if blocks.tiled:  # rows of tiles become strips: OpenCV wants tiles to be large
        for first in range(0, count, blocks.across):
            down = first // blocks.across % blocks.down * blocks.height
            there = np.hstack(pieces[first : first + blocks.across])[: height - down]
            pieces[first : first + blocks.across] = [_NONE] * blocks.across
            pieces[first] = np.ascontiguousarray(there[:, : -(-facts.pixel * width // 8)])
    high = facts.shape[0]
    if blocks.down == 1:  # one strip of all rows would be read with a copy of it
        high = max(1, min(high, _STRIP // max(1, pieces[0].shape[1])))
        pieces[:] = [piece[top : top + high] for piece in pieces for top in range(0, len(piece), high)]
    plain: list[Any] = [np.ascontiguousarray(piece).reshape(-1).data for piece in pieces if piece.size]
    file = small_file(values, page.order, (height, width), (high, width), plain, tiled=False)
    pieces.clear()  # threads that wait for more work still know them
    return file, notes


def _rows(library: Any, facts: _Page, piece: bytes, rows: int) -> Pixels:
    """The rows of a block of bytes, without their predictor; it may hold more than the picture needs of it."""
    whole = facts.shape[0] * facts.row
    if _BYTES[facts.compression] == "zstd":
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


def _picture(library: Any, facts: _Page, piece: bytes, rows: int) -> Pixels:
    """The samples of a block that is coded as a picture: of the whole block, or of what the page shows of it."""
    name, (height, width, samples) = _PICTURES[facts.compression], facts.shape
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
    shapes = {(rows, width): None, (height, width): None, _shown(facts, width, rows): None}
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


def _shown(facts: _Page, width: int, rows: int) -> tuple[int, int]:
    """The rows and columns of a picture that is smaller than its only tile."""
    return min(rows, facts.page.first(tags.HEIGHT, 0)), min(width, facts.page.first(tags.WIDTH, 0))


def _jpeg_options(facts: _Page) -> dict[str, Any]:
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


def _lerc_piece(library: Any, facts: _Page, piece: bytes) -> bytes:
    """LERC data, which may be packed once more."""
    packing = (*facts.page.get(_LERC_PARAMETERS), 0, 0)[1]
    most = 2 * len(piece) + 64 * facts.shape[0] * facts.shape[1] * facts.shape[2] * facts.dtype.itemsize
    if packing == 1:
        piece = library.zlib_decode(piece, out=min(most, 1 << 31))
    elif packing == 2:
        piece = library.zstd_decode(piece, out=min(most, 1 << 31))
    return bytes(piece)


def _library(refusal: str) -> Any:
    """The module imagecodecs, or an ImageError that says how to get it."""
    try:
        import imagecodecs
    except ImportError:
        raise ImageError(f"unsupported TIFF: {refusal}", hint="pip install 'convcli[tiff]' reads it") from None
    return imagecodecs
