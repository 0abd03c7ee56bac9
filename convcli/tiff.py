"""TIFF files written: one page or several, plain or deflated, with metadata.

OpenCV's encoder takes no metadata and no grey with alpha. An EXIF block is laid down at the same offsets as in a file
of its own, so that everything it holds, maker notes too, stays true.

Source: TIFF Revision 6.0 (Adobe, 1992), with Technical Note 2 for deflate; BigTIFF (Aware Systems); CIPA DC-008.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from convcli import exif, exif_blocks
from convcli.exif_blocks import Value
from convcli.metadata import NOTHING, Metadata

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[Any]

COMPRESSIONS: Final = {"none": 1, "deflate": 8}
_STRIP_BYTES: Final = 1 << 20
_CLASSIC_END: Final = (1 << 32) - (1 << 20)
_KINDS: Final = {"u": 1, "i": 2, "f": 3}


def encode(
    pages: Sequence[Pixels], *, compression: str = "none", metadata: Metadata = NOTHING, threads: int = 2
) -> bytes:
    """A TIFF file of pages (height, width, 1 to 4 channels), of integers or floats; a BigTIFF where 4 GiB don't do.

    The second or fourth channel is alpha, not multiplied into the colours. `compression` is one of `COMPRESSIONS`;
    integers are deflated as differences. Metadata belong to the first page.
    """
    block = metadata.exif
    big = sum(page.nbytes for page in pages) + len(block) + len(metadata.icc) > _CLASSIC_END
    if big:
        block = b""  # its offsets have 32 bits
    order = ">" if block[:1] == b"M" else "<"
    strips = [_strips(page, order, compression, threads) for page in pages]
    out = [b"", block[8:]]
    at = (16 if big else 8) + len(block[8:])
    if big:
        out[1] = b""
    link = 0  # where the previous page says where this one is, among `out`
    for number, (page, (packed, rows)) in enumerate(zip(pages, strips, strict=True)):
        offsets = []
        for strip in packed:
            offsets.append(at)
            out.append(strip)
            at += len(strip)
        tags = _tags(page, rows, compression, order)
        word = ("Q" if big else "I", 16 if big else 4)
        tags[exif.STRIP_OFFSETS] = (word[1], len(offsets), struct.pack(f"{order}{len(offsets)}{word[0]}", *offsets))
        sizes = [len(strip) for strip in packed]
        tags[exif.STRIP_BYTES] = (word[1], len(sizes), struct.pack(f"{order}{len(sizes)}{word[0]}", *sizes))
        if len(pages) > 1:
            tags[exif.SUBFILE] = (4, 1, struct.pack(order + "I", 2))
            tags[297] = (3, 2, struct.pack(order + "HH", min(number, 65535), min(len(pages), 65535)))
        if number == 0:
            tags |= _described(metadata, order)
        entries = _from_block(block, order) if number == 0 else []
        pad, values, directory, start = _directory(tags, entries, at, order, big)
        out += [pad, values, directory]
        out[link] = _linked(out[link], start, order, big, first=number == 0)
        link = len(out) - 1
        at += len(pad) + len(values) + len(directory)
    return b"".join(out)


def _linked(piece: bytes, start: int, order: str, big: bool, *, first: bool) -> bytes:
    """The header, or the previous directory, with the offset of the next directory filled in."""
    if not first:
        return piece[: -8 if big else -4] + struct.pack(order + ("Q" if big else "I"), start)
    mark = b"II" if order == "<" else b"MM"
    if big:
        return mark + struct.pack(order + "HHHQ", 43, 8, 0, start)
    return mark + struct.pack(order + "HI", 42, start)


def _strips(page: Pixels, order: str, compression: str, threads: int) -> tuple[list[bytes], int]:
    """The strips of a page, and how many rows each has."""
    import numpy as np

    rows = max(1, min(page.shape[0], _STRIP_BYTES // max(1, page[0].nbytes)))
    stored = page.dtype.newbyteorder(">" if order == ">" else "<")

    def strip(start: int) -> bytes:
        part = page[start : start + rows]
        if compression == "none":
            return part.astype(stored, copy=False).tobytes()
        if part.dtype.kind in "ui":
            differences = part.copy()
            np.subtract(part[:, 1:], part[:, :-1], out=differences[:, 1:])
            part = differences
        return zlib.compress(part.astype(stored, copy=False).tobytes(), 6)

    starts = range(0, page.shape[0], rows)
    if compression == "none" or len(starts) == 1:
        return [strip(start) for start in starts], rows
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(strip, starts)), rows


def _tags(page: Pixels, rows: int, compression: str, order: str) -> dict[int, Value]:
    height, width, channels = page.shape

    def shorts(*values: int) -> Value:
        return 3, len(values), struct.pack(f"{order}{len(values)}H", *values)

    def long(value: int) -> Value:
        return 4, 1, struct.pack(order + "I", value)

    tags = {
        exif.WIDTH: long(width), exif.HEIGHT: long(height), exif.BITS: shorts(*[8 * page.dtype.itemsize] * channels),
        exif.COMPRESSION: shorts(COMPRESSIONS[compression]), exif.PHOTOMETRIC: shorts(2 if channels > 2 else 1),
        exif.SAMPLES: shorts(channels), 278: long(rows), exif.PLANAR: shorts(1),
        exif.SAMPLE_FORMAT: shorts(*[_KINDS[page.dtype.kind]] * channels), exif.ORIENTATION: shorts(1),
    }  # fmt: skip
    if channels in (2, 4):
        tags[exif.EXTRA_SAMPLES] = shorts(2)
    if compression != "none" and page.dtype.kind in "ui":
        tags[exif.PREDICTOR] = shorts(2)
    return tags


def _described(metadata: Metadata, order: str) -> dict[int, Value]:
    tags = exif_blocks.resolution_tags(metadata.dpi, order) if metadata.dpi else {}
    if metadata.icc:
        tags[34675] = (7, len(metadata.icc), metadata.icc)
    if metadata.xmp:
        tags[700] = (1, len(metadata.xmp), metadata.xmp)
    return tags


def _from_block(block: bytes, order: str) -> list[bytes]:
    """The entries of an EXIF block's first directory that tell of the picture, as they are."""
    if not block:
        return []
    page = next(exif.directories(block))
    wanted = exif_blocks.DESCRIPTIVE | exif_blocks.POINTERS
    return [block[entry.count_at - 4 : entry.count_at + 8] for tag, entry in page.entries.items() if tag in wanted]


def _directory(
    tags: dict[int, Value], entries: list[bytes], at: int, order: str, big: bool
) -> tuple[bytes, bytes, bytes, int]:
    """Padding, values and the directory itself, to be laid down from byte `at` on, and where the directory starts."""
    inline, word = (8, "Q") if big else (4, "I")
    pad = bytes(at & 1)
    at += len(pad)
    values = b""
    entries = list(entries)
    for tag, (kind, count, packed) in tags.items():
        place = packed.ljust(inline, b"\0")
        if len(packed) > inline:
            place = struct.pack(order + word, at + len(values))
            values += packed + bytes(len(packed) & 1)
        entries.append(struct.pack(f"{order}HH{word}", tag, kind, count) + place)
    entries.sort(key=lambda entry: int(struct.unpack_from(order + "H", entry)[0]))
    count_word = struct.pack(order + ("Q" if big else "H"), len(entries))
    return pad, values, count_word + b"".join(entries) + bytes(inline), at + len(values)
