"""A TIFF file read in bands: each band is made a small TIFF file of its own, which the ordinary decoder takes.

Such a file has the tags of the page that say how its samples are stored, the height of the band, and copies of the
strips or tiles that the band needs. So whatever compression, depth and colours the ordinary way reads are read here,
by the same code.

Source: TIFF Revision 6.0 (Adobe, 1992), sections 8 and 15; BigTIFF (Aware Systems).
"""

from __future__ import annotations

import mmap
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import numpy as np

from convcli.channels import Channels
from convcli.errors import ImageError, reason
from convcli.files import streams
from convcli.pictures import sniff
from convcli.pictures.format import Decoded, Metadata, NotInBandsError, Pixels, Source, TruncatedError, at
from convcli.pictures.formats.tiff import directories as tags, stacks
from convcli.pictures.formats.tiff.blocks import Blocks, meaning, small_file
from convcli.pictures.formats.tiff.layout import decode, lacking, layout

_OLD_JPEG: Final = 6
_FAX: Final = (2, 3, 4)
#: Bytes of samples that are decoded at a time, where strips and tiles allow it.
_BAND_BYTES: Final = 1 << 21
#: Rows that show how samples are stored, where they can be read alone.
_LOOKED_AT: Final = 8
#: A compressed strip or row of tiles with more bytes of samples would not leave memory bounded.
_LARGEST: Final = 1 << 27
#: Bytes of samples of a file that is expected not to be read whole.
_TOLD: Final = 1 << 26


class TiffBands:
    """The first page of a TIFF file as a `RowSource`."""

    format: str = "tiff"
    sequential: bool = False
    once: bool = False

    def __init__(
        self, source: str | bytes, *, least: int, max_pixels: int, allow_truncated: bool = False,
        all_pages: bool = False,
    ) -> None:  # fmt: skip
        """`source` is a path; `least` is how many bytes of samples are worth it.

        Raises ImageError for a file that can't be read, NotInBandsError for one that is to be read whole, as bytes are.
        """
        if isinstance(source, bytes):
            raise NotInBandsError
        self._place, self._files = source, ExitStack()
        self._max_pixels, self._allow_truncated, self._all_pages = max_pixels, allow_truncated, all_pages
        self._guard = threading.Lock()
        try:
            if not Path(source).is_file():
                raise NotInBandsError
            self._file = self._files.enter_context(Path(source).open("rb")).fileno()  # noqa: SIM115
            # Read as bytes are: only the pages of it that are looked at take memory.
            self._data: Any = self._files.enter_context(mmap.mmap(self._file, 0, access=mmap.ACCESS_READ))
            with at(source):
                self._inspect(least)
        except (OSError, ValueError):
            self.close()
            raise NotInBandsError from None
        except BaseException:
            self.close()
            raise

    def _inspect(self, least: int) -> None:
        """Raises ValueError for what is no TIFF file."""
        pages, broken = tags.listed(self._data)
        page = self._page = pages[0]
        self.pages = max(1, sum(page.is_page for page in pages))
        self.width, self.height = page.first(tags.WIDTH, 0), page.first(tags.HEIGHT, 0)
        self._samples, self._bits = page.first(tags.SAMPLES, 1), page.first(tags.BITS, 1)
        if self.height * self._row() < least or not self.height:
            raise NotInBandsError
        Source(data=b"", format="tiff", max_pixels=self._max_pixels).limit(self.width, self.height)
        if not self._readable():
            raise NotInBandsError
        if page.first(tags.ORIENTATION, 1) != 1:
            raise self._whole("its rows are stored turned or mirrored")
        if page.first(tags.COMPRESSION, 1) == _OLD_JPEG:
            raise self._whole("its JPEG compression is of the old kind")
        if page.first(tags.COMPRESSION, 1) in _FAX:
            raise self._whole("of faulty rows of fax codes it is told in the end")
        if broken:
            raise self._whole(broken)
        if self._all_pages and self.pages > 1:
            raise self._whole(f"all of its {self.pages} pages are wanted")
        self._blocks, self._meaning = Blocks.of(page), meaning(page)
        # Rows of plain samples can be cut anywhere.
        plain = page.first(tags.COMPRESSION, 1) == 1 and page.first(tags.PHOTOMETRIC, 1) < 4
        self._anywhere = plain and not self._blocks.tiled and self._blocks.planes == 1
        self.cuts: Sequence[tuple[int, int]] = self._cut()
        self._look()

    def _whole(self, reason: str) -> NotInBandsError:
        """Says why the file is read whole, if it is so large that somebody may wonder."""
        return NotInBandsError(reason if self.height * self._row() >= _TOLD else "")

    def _row(self, width: int = 0) -> int:
        """Bytes of samples of a row of the picture, or of one of that width."""
        return -(-(width or self.width) * self._samples * self._bits // 8)

    def _readable(self) -> bool:
        """Whether the page is read by its samples or OpenCV. Raises TruncatedError where parts of it are missing."""
        try:
            return not layout(self._data).refusal
        except TruncatedError as error:
            if self._allow_truncated:
                raise self._whole(error.fact) from None
            error.hint = sniff.HINT if lacking(self._page) else ""
            raise

    def _cut(self) -> list[tuple[int, int]]:
        row = self._row()
        step = max(1, _BAND_BYTES // row)
        if not self._anywhere:
            blocks = self._blocks
            largest = max(blocks.height * max(row, self._row(blocks.width)), *blocks.sizes)
            if largest > _LARGEST:
                what = "row of tiles" if blocks.tiled else "strip"
                raise self._whole(f"one {what} of it has {largest / 1e6:,.0f} MB of samples")
            step = blocks.height * max(1, step // blocks.height)
        return [(start, min(start + step, self.height)) for start in range(0, self.height, step)]

    def _look(self) -> None:
        """Decodes the first rows, by which `shape`, `dtype` and `notes` are known."""
        stop = min(self.cuts[0][1], _LOOKED_AT) if self._anywhere else self.cuts[0][1]
        first = self._decoded(self._small_file(0, stop, 0, self._columns()[0][1]))
        self.notes = (*first.notes, *stacks.unlisted(self._page, self.pages))
        self.channels = first.channels or Channels.of(first.pixels.shape[2])
        self.dtype = first.pixels.dtype
        self.shape = (self.height, self.width, first.pixels.shape[2])
        self._as_stored = self._anywhere and self._is_stored(first.pixels)

    def read(self, cut: tuple[int, int], array: Pixels) -> None:
        """Decodes the rows of one of `cuts` to their place in `array`, from several threads at will.

        Raises ImageError for samples that are damaged or cut short.
        """
        start, stop = cut
        out = array[start:stop]
        with at(self._place):
            if self._as_stored:
                self._fill(start, stop, out)
                return
            for left, right in self._columns():
                pixels = self._decoded(self._small_file(start, stop, left, right)).pixels
                if pixels.shape != (stop - start, right - left, *self.shape[2:]) or pixels.dtype != self.dtype:
                    raise ImageError(f"damaged TIFF: its rows {start} to {stop - 1} are of another kind")
                out[:, left:right] = pixels

    def _is_stored(self, first: Pixels) -> bool:
        """Whether samples are stored as the decoder gives them, as it did `first`: so they need no decoder."""
        page, native = self._page, "<" if sys.byteorder == "little" else ">"
        others = {tags.FILL_ORDER, tags.PREDICTOR, tags.EXTRA_SAMPLES} & page.entries.keys()
        simple = page.first(tags.PHOTOMETRIC, 1) == {1: 1, 3: 2}.get(self._samples) and not others
        kind = {1: "u", 2: "i", 3: "f"}.get(page.first(tags.SAMPLE_FORMAT, 1))
        plain = self.dtype.kind == kind and set(page.get(tags.BITS)) == {8 * self.dtype.itemsize}
        if not (simple and plain and self.shape[2] == self._samples and (page.order == native or self._bits == 8)):
            return False
        again = np.empty_like(first)
        self._fill(0, len(again), again)
        return again.tobytes() == first.tobytes()

    def metadata(self) -> Metadata:
        """What the page carries besides its pixels."""
        with self._guard:
            return sniff.metadata(self._data, self.format)

    def close(self) -> None:
        self._files.close()

    def _columns(self) -> list[tuple[int, int]]:
        """The columns that are decoded at a time: all of them, but of tiles only as many as make a band's bytes."""
        blocks = self._blocks
        if not blocks.tiled:
            return [(0, self.width)]
        step = blocks.width * max(1, _BAND_BYTES // (self._row(blocks.width) * blocks.height))
        return [(left, min(left + step, self.width)) for left in range(0, self.width, step)]

    def _decoded(self, data: bytes) -> Decoded:
        try:
            return decode(Source(data=data, format=self.format, max_pixels=self._max_pixels))
        except TruncatedError as error:
            error.hint = sniff.hint(data, self.format)
            raise
        except MemoryError:
            raise ImageError("not enough memory to decode it") from None

    def _small_file(self, start: int, stop: int, left: int, right: int) -> bytes:
        """Rows `start` to `stop`, columns `left` to `right` as a TIFF file."""
        blocks, height = self._blocks, self._blocks.height
        if self._anywhere:
            pieces, height = [b"".join(self._bytes(*piece) for piece in self._plain(start, stop))], stop - start
        else:
            numbers = blocks.inside(start, stop, left, right)
            pieces = [self._bytes(blocks.offsets[number], blocks.sizes[number]) for number in numbers]
        size, block = (stop - start, right - left), (height, blocks.width)
        return small_file(self._meaning, self._page.order, size, block, pieces, tiled=blocks.tiled)

    def _plain(self, start: int, stop: int) -> list[tuple[int, int]]:
        try:
            return self._blocks.plain(start, stop, self._row())
        except ValueError as error:
            raise TruncatedError(f"damaged or truncated TIFF: {error}") from None

    def _fill(self, start: int, stop: int, out: Pixels) -> None:
        """Plain samples straight to where they are to lie."""
        flat, done = out.reshape(-1).view("u1").data, 0
        for first, size in self._plain(start, stop):
            self._read(first, flat[done : done + size])
            done += size

    def _bytes(self, at: int, size: int) -> bytes:
        data = bytearray(size)
        self._read(at, memoryview(data))
        return data  # type: ignore[return-value] # as good as bytes, without a copy

    def _read(self, at: int, into: memoryview) -> None:
        try:
            count = streams.read_into(self._file, into, at)
        except OSError as error:
            raise ImageError(f"can't be read: {reason(error)}") from None
        if count < len(into):
            raise TruncatedError(f"damaged or truncated TIFF: it ends at byte {at + count}")
