"""A PNG file read in bands of rows: each band is inflated, and made a small PNG file that the ordinary decoder takes.

Rows are predicted from the rows above them, so the small file starts with the last row of the band before, as it is.
Inflating, which takes longest, and which only one core can do, goes on in a thread of its own meanwhile.

Source: W3C, Portable Network Graphics (PNG) Specification, Third Edition, clauses 7 and 9.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

import numpy as np

from convcli.channels import Channels
from convcli.errors import ImageError
from convcli.pictures import sniff
from convcli.pictures.format import Metadata, Note, NotInBandsError, Pixels, Source
from convcli.pictures.formats.png import deflate, stream as png_stream, structure
from convcli.pictures.formats.png.decode import samples
from convcli.pictures.formats.tiff import directories

#: Bytes of samples that are decoded at a time.
_BAND_BYTES: Final = 1 << 20
#: What reading raises of a file with anything wrong with it.
_FAULTS: Final[tuple[type[Exception], ...]] = (ImageError, OSError, *deflate.ERRORS)
#: Bands that are inflated before they are asked for.
_AHEAD: Final = 8


class PngBands:
    """A PNG file as a `RowSource`, from a path or its bytes.

    Anything out of the ordinary, damage too, is left to the ordinary way, which knows what to say of it.
    """

    format: str = "png"
    sequential: bool = True
    once: bool = False
    pages: int = 1
    notes: tuple[Note, ...] = ()

    def __init__(self, source: str | bytes, *, least: int, max_pixels: int, **_: bool) -> None:
        """`least` is how many bytes of samples are worth it; what else other formats are told is passed over.

        Raises NotInBandsError for a file that is to be read whole.
        """
        self._file: int | None = None
        self._rows: png_stream.Ahead[list[bytes]] | None = None
        try:
            self._open(source)
            facts = structure.structure(self._chunks, self._at)
            Source(data=b"", format="png", max_pixels=max_pixels).limit(facts.width, facts.height)
        except (ImageError, OSError, NotInBandsError):
            self.close()
            raise NotInBandsError from None
        needed = [kind for kind, _, _ in self._chunks if kind in structure.NEEDED and kind != b"IDAT"]
        # A decoder hands such samples out as they are stored.
        plain = facts.colour != structure.PALETTE and facts.depth in (8, 16) and needed == [b"IHDR", b"IEND"]
        channels, itemsize = structure.SAMPLES[facts.colour], facts.depth // 8
        self._row = facts.width * channels * itemsize
        turned = directories.orientation(facts.exif) != 1
        if not plain or facts.interlaced or facts.frames > 1 or turned or facts.height * self._row < least:
            self.close()
            raise NotInBandsError
        self._max_pixels, self._depth, self._colour = max_pixels, facts.depth, facts.colour
        self.shape: tuple[int, int, int] = (facts.height, facts.width, channels)
        self.channels = Channels.of(channels)
        step = max(1, _BAND_BYTES // self._row)
        starts = range(0, facts.height, step)
        self.cuts: Sequence[tuple[int, int]] = [(start, min(start + step, facts.height)) for start in starts]
        self.rewind()
        self.dtype = np.dtype(np.uint8 if itemsize == 1 else np.uint16)

    def _open(self, source: str | bytes) -> None:
        """Finds the chunks. Raises ImageError and OSError."""
        if isinstance(source, bytes):
            size = len(source)
            self._at = structure.reader(source)
        else:
            file = self._file = os.open(source, os.O_RDONLY)
            size = os.fstat(file).st_size
            self._at = lambda at, size: os.pread(file, size, at)
        if self._at(0, 8) != structure.SIGNATURE:
            raise NotInBandsError
        self._chunks = structure.proved(self._at, size, later=b"IDAT")

    def metadata(self) -> Metadata:
        """What stands in chunks before and behind the pixels."""
        others = [self._at(start - 8, end - start + 12) for kind, start, end in self._chunks if kind != b"IDAT"]
        return sniff.metadata(structure.SIGNATURE + b"".join(others), self.format)

    def read(self, cut: tuple[int, int], array: Pixels) -> None:
        """Decodes the rows of one of `cuts` to their place in `array`; after a later one, all from the first on."""
        try:
            if cut[0] < self._next:
                self.rewind()
            while self._next < cut[0]:
                start, stop = self.cuts[self._next // self.cuts[0][1]]
                self._decode((start, stop), np.empty((stop - start, *self.shape[1:]), self.dtype))
            self._decode(cut, array[slice(*cut)])
        except _FAULTS:
            raise NotInBandsError from None

    def close(self) -> None:
        if self._rows:
            self._rows.close()
        if self._file is not None:
            os.close(self._file)

    def rewind(self) -> None:
        """Begins again with the first of `cuts`."""
        if self._rows:
            self._rows.close()
        self._next, self._above = 0, b""
        sizes = [(stop - start) * (self._row + 1) for start, stop in self.cuts]
        self._rows = png_stream.Ahead(png_stream.inflated(self._at, self._chunks, sizes), _AHEAD)

    def _decode(self, cut: tuple[int, int], out: Pixels) -> None:
        """The next band. Raises ImageError, OSError and one of deflate.ERRORS where anything is wrong with it."""
        assert self._rows
        rows, height = next(self._rows), cut[1] - cut[0]
        if self._above:
            rows, height = [b"\0" + self._above, *rows], height + 1
        data = png_stream.stored(rows, width=self.shape[1], height=height, depth=self._depth, colour=self._colour)
        source = Source(data=data, format="png", max_pixels=self._max_pixels)
        pixels = samples(source, data, self._colour)
        if source.complaints:
            raise ImageError(source.complaints[0])
        out[...] = pixels[-len(out) :]
        self._above = out[-1].astype(self.dtype.newbyteorder(">"), copy=False).tobytes()
        self._next = cut[1]
