"""TIFF pages that are refused without it: compressions by imagecodecs, the extra `convcli[tiff]`, and CIELab colours.

What is unpacked goes on as a TIFF file of plain samples, so that depths, palettes, planes, bands and alpha mean the
same as in any other.

Source: TIFF Revision 6.0 (Adobe, 1992), sections 22 and 23.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np

from convcli.engine.threads import run_all
from convcli.errors import ImageError
from convcli.pictures.codecs import range_notes, upright
from convcli.pictures.format import Decoded, Note, Pixels, Source, TruncatedError
from convcli.pictures.formats.tiff import directories as tags, lab, meaning, unpacked
from convcli.pictures.formats.tiff.blocks import Blocks, meaning as described, small_file
from convcli.pictures.formats.tiff.directories import Directory, listed
from convcli.pictures.formats.tiff.samples import OF_BYTES, stored
from convcli.pictures.formats.tiff.unpacked import BYTES, OLD_JPEG, PICTURES, Packed

_STREAM, _STREAM_BYTES, _DEPTH = 513, 514, 32997
_STRIP: Final = 1 << 20  # bytes
_LARGEST: Final = (1 << 32) - (1 << 20)  # of a TIFF file whose offsets have 32 bits
_NONE: Final = np.empty((0, 0), np.uint8)


def decode(source: Source, refusal: str, plain: Callable[[Source], Decoded]) -> Decoded:
    """The first page of a TIFF file that was refused for `refusal`, upright; `plain` decodes a file of plain samples.

    Raises ImageError with the refusal where nothing here helps, and with a hint where the extra would.
    """
    try:
        page = listed(source.data)[0][0]
        compression, photometric = page.first(tags.COMPRESSION, 1), page.first(tags.PHOTOMETRIC, 1)
        if compression in BYTES or compression in PICTURES:
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


def _facts(source: Source, page: Directory, refusal: str) -> Packed:
    """Raises ImageError for what can't be unpacked, and ValueError for blocks that can't be the page's."""
    compression, photometric = page.first(tags.COMPRESSION, 1), page.first(tags.PHOTOMETRIC, 1)
    bits, kinds = set(page.get(tags.BITS) or (1,)), set(page.get(tags.SAMPLE_FORMAT)) or {1}
    samples, planar = page.first(tags.SAMPLES, 1), page.first(tags.PLANAR, 1) == 2
    kind = {1: "u", 2: "i", 3: "f", 4: "u"}.get(min(kinds), "")
    known = len(bits) == len(kinds) == 1 and kind and 1 <= min(bits) <= 64 and page.first(_DEPTH, 1) == 1
    foreign = meaning.foreign_colours(page) and photometric not in lab.KINDS
    if compression in PICTURES:
        of_bits = {"jpeg": (8, 12), "webp": (8,), "lerc": (8, 16, 32, 64)}
        most = 32 if kind == "f" else 16
        known = known and min(bits) in of_bits.get(PICTURES[compression], range(8, most + 1))
        known = known and (photometric != meaning.YCBCR or PICTURES[compression] == "jpeg")
    elif page.first(tags.PREDICTOR, 1) != 1:
        fits = {2: min(bits) in (8, 16, 32, 64), 3: kind == "f" and min(bits) in (16, 32, 64)}
        known = known and fits.get(page.first(tags.PREDICTOR, 1), False)
    if not known or foreign or samples < 1 or page.first(tags.FILL_ORDER, 1) != 1:
        raise ImageError(f"unsupported TIFF: {refusal}")
    blocks = _stream(page) if compression == OLD_JPEG else Blocks.of(page)
    source.limit(blocks.width, blocks.height)
    shape = blocks.height, blocks.width, 1 if planar else samples
    facts = Packed(
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


def _unpacked(source: Source, facts: Packed, refusal: str) -> tuple[bytes, tuple[Note, ...]]:
    """A TIFF file of the page with plain samples, and notes on those."""
    page, blocks, library = facts.page, facts.blocks, _library(refusal)
    count = len(blocks.sizes)
    if count * facts.shape[0] * facts.row > _LARGEST:
        raise ImageError(f"unsupported TIFF: {refusal}; unpacked it would be larger than 4 GiB")
    unpack = unpacked.picture if facts.compression in PICTURES else unpacked.rows
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
    if facts.compression in PICTURES and facts.bits != 8 * facts.dtype.itemsize:
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


def _library(refusal: str) -> Any:
    """The module imagecodecs, or an ImageError that says how to get it."""
    try:
        import imagecodecs
    except ImportError:
        raise ImageError(f"unsupported TIFF: {refusal}", hint="pip install 'convcli[tiff]' reads it") from None
    return imagecodecs
