"""TIFF files written: one page or several, plain or deflated, with metadata.

OpenCV's encoder takes no metadata and no grey with alpha. An EXIF block is laid down at the same offsets as in a file
of its own, so that everything it holds, maker notes too, stays true.

Source: TIFF Revision 6.0 (Adobe, 1992), with Technical Note 2 for deflate; BigTIFF (Aware Systems); CIPA DC-008.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any, BinaryIO, Final, Literal

import numpy as np

from convcli.channels import Channels
from convcli.engine.threads import run_all
from convcli.pictures.format import Animation, Metadata, Pixels, Target
from convcli.pictures.formats.tiff import directories as tags, exif
from convcli.pictures.formats.tiff.directories import Value, directories, longs, pack, shorts

COMPRESSIONS: Final = {"none": 1, "deflate": 8}
_STRIP_BYTES: Final = 1 << 20
_CLASSIC_END: Final = (1 << 32) - (1 << 20)
_KINDS: Final = {"u": 1, "i": 2, "f": 3}


def encode_frames(animation: Animation, target: Target) -> bytes:
    """A TIFF file of a page for every frame, without their durations; metadata belong to the first."""
    file, pages = io.BytesIO(), animation.frames
    writer = Writer(file, sum(page.nbytes for page in pages), target)
    kinds = animation.channels or [Channels.of(page.shape[2]) for page in pages]
    for number, (page, channels) in enumerate(zip(pages, kinds, strict=True)):
        writer.begin(page.shape, page.dtype, channels, place=(number, len(pages)))
        writer.add(page)
        writer.end()
    return file.getvalue()


class Writer:
    """Writes a TIFF file page by page, some rows of a page at a time; a BigTIFF where 4 GiB don't do.

    `size` is the number of bytes of all pages' samples. Pages are of integers or floats; what their channels mean is
    the target's to say, where that is not what so many mostly do. Integers are deflated as differences. The
    result does not depend on how many rows come at a time.
    """

    def __init__(self, file: BinaryIO, size: int, target: Target) -> None:
        metadata = target.metadata
        block = metadata.exif
        self._big = size + len(block) + len(metadata.icc) > _CLASSIC_END
        if self._big:
            block = b""  # its offsets have 32 bits
        self._order: Literal["<", ">"] = ">" if block[:1] == b"M" else "<"
        self._file, self._metadata, self._block = file, metadata, block
        self._channels = target.channels
        self._compression = target.settings.get("compression", "none")
        mark = b"II" if self._order == "<" else b"MM"
        head = struct.pack(self._order + "HHHQ", 43, 8, 0, 0) if self._big else struct.pack(self._order + "HI", 42, 0)
        self._link = 8 if self._big else 4  # where the file says where its next page is
        self._at = 0
        self._write(mark + head + block[8:])

    def begin(
        self, shape: Sequence[int], dtype: np.dtype[Any], channels: Channels | None = None, *,
        place: tuple[int, int] = (0, 1),
    ) -> None:  # fmt: skip
        """A page of `(height, width, channels)`; `place` is its number, from 0, of how many."""
        self._means = channels or self._channels or Channels.of(shape[2])
        self._shape, self._dtype, self._place = tuple(shape), dtype, place
        row = self._dtype.itemsize * shape[1] * shape[2]
        self._rows = max(1, min(shape[0], _STRIP_BYTES // max(1, row)))
        self._pending: list[Pixels] = []
        self._offsets: list[int] = []
        self._sizes: list[int] = []

    def add(self, rows: Pixels) -> None:
        """The page's next rows, which need not stay as they are afterwards."""
        if self._pending:
            rows = np.concatenate([*self._pending, rows])
        ready = len(rows) // self._rows * self._rows
        self._strips(rows[:ready])
        self._pending = [rows[ready:].copy()] if ready < len(rows) else []

    def end(self) -> None:
        """The page has all of its rows."""
        for rows in self._pending:
            self._strips(rows)
        entries = self._tags()
        entries[tags.STRIP_OFFSETS] = longs(self._order, *self._offsets, big=self._big)
        entries[tags.STRIP_BYTES] = longs(self._order, *self._sizes, big=self._big)
        number, count = self._place
        if count > 1:
            entries[tags.SUBFILE] = longs(self._order, 2)
            entries[297] = shorts(self._order, min(number, 65535), min(count, 65535))
        if number == 0:
            entries |= _described(self._metadata, self._order)
        others = _from_block(self._block) if number == 0 else []
        packed, start = pack(entries, self._at, order=self._order, big=self._big, entries=others)
        self._write(packed)
        self._file.seek(self._link)
        self._file.write(struct.pack(self._order + ("Q" if self._big else "I"), start))
        self._file.seek(self._at)
        self._link = self._at - (8 if self._big else 4)

    def _tags(self) -> dict[int, Value]:
        """What a page's tags say, but for where its strips lie."""
        order, dtype, (height, width, channels) = self._order, self._dtype, self._shape
        entries = {
            tags.WIDTH: longs(order, width), tags.HEIGHT: longs(order, height),
            tags.BITS: shorts(order, *[8 * dtype.itemsize] * channels),
            tags.COMPRESSION: shorts(order, COMPRESSIONS[self._compression]),
            tags.PHOTOMETRIC: shorts(order, 2 if self._means.colours == 3 else 1),
            tags.SAMPLES: shorts(order, channels), tags.ROWS_PER_STRIP: longs(order, self._rows),
            tags.PLANAR: shorts(order, 1), tags.ORIENTATION: shorts(order, 1),
            tags.SAMPLE_FORMAT: shorts(order, *[_KINDS[dtype.kind]] * channels),
        }  # fmt: skip
        if self._means.extra:
            entries[tags.EXTRA_SAMPLES] = shorts(order, *(tags.EXTRA.index(kind) for kind in self._means.extra))
        if self._compression != "none" and dtype.kind in "ui":
            entries[tags.PREDICTOR] = shorts(order, 2)
        return entries

    def _write(self, data: bytes | memoryview) -> None:
        self._file.write(data)
        self._at += len(data)

    def _strips(self, rows: Pixels) -> None:
        """Writes whole strips, the last of a page may be shorter."""
        stored = self._dtype.newbyteorder(self._order)
        packed: dict[int, bytes | memoryview] = {}
        if self._compression == "none":
            plain = rows.astype(stored, order="C", copy=False).reshape(-1).view("u1").data
            size = self._rows * self._dtype.itemsize * self._shape[1] * self._shape[2]
            packed = {start: plain[start : start + size] for start in range(0, len(plain), size)}
        else:

            def work(start: int) -> None:
                packed[start] = _deflated(rows[start : start + self._rows], stored)

            run_all(work, range(0, len(rows), self._rows))
        for start in sorted(packed):
            self._offsets.append(self._at)
            self._sizes.append(len(packed[start]))
            self._write(packed[start])


def _deflated(strip: Pixels, stored: np.dtype[Any]) -> bytes:
    """A strip compressed, integers as differences along the rows."""
    if strip.dtype.kind in "ui":
        differences = strip.copy()
        np.subtract(strip[:, 1:], strip[:, :-1], out=differences[:, 1:])
        strip = differences
    return zlib.compress(strip.astype(stored, copy=False).tobytes(), 6)


def _described(metadata: Metadata, order: str) -> dict[int, Value]:
    tags = exif.resolution_tags(metadata.dpi, order) if metadata.dpi else {}
    if metadata.icc:
        tags[exif.ICC_PROFILE] = (7, len(metadata.icc), metadata.icc)
    if metadata.xmp:
        tags[exif.XMP_PACKET] = (1, len(metadata.xmp), metadata.xmp)
    return tags


def _from_block(block: bytes) -> list[bytes]:
    """The entries of an EXIF block's first directory that tell of the picture, as they are."""
    if not block:
        return []
    page = next(directories(block))
    wanted = exif.DESCRIPTIVE | exif.POINTERS
    return [block[entry.count_at - 4 : entry.count_at + 8] for tag, entry in page.entries.items() if tag in wanted]
