"""Netpbm files read and written in bands: binary PGM, PPM and PAM, whose samples lie as they are in memory.

Source: Netpbm's pgm(5), ppm(5), pam(5).
"""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, BinaryIO, Final

import numpy as np

from convcli.channels import Channels
from convcli.errors import ImageError
from convcli.files import streams
from convcli.pictures.format import NOTHING, Metadata, NotInBandsError, Pixels, Source, Target
from convcli.pictures.formats.pnm.decode import header, row, tuples

_BAND_BYTES: Final = 1 << 21  # of samples that are read at a time


class PnmBands:
    """A binary PGM, PPM or PAM file of one picture, with samples up to 255 or 65535, as a `RowSource`.

    Anything else, damage too, is left to the ordinary way, which knows what to say of it.
    """

    format: str = "pnm"
    sequential: bool = False
    once: bool = False
    pages: int = 1

    def __init__(self, source: str | bytes, *, least: int, max_pixels: int, **_: bool) -> None:
        """`source` is a path; what else other formats are told is passed over.

        Raises NotInBandsError for a file that is to be read whole, as bytes are.
        """
        self._files = ExitStack()
        try:
            if isinstance(source, bytes):
                raise NotInBandsError
            self._file = os.open(source, os.O_RDONLY)
            self._files.callback(os.close, self._file)
            if os.fstat(self._file).st_size < least:
                raise NotInBandsError
            with mmap.mmap(self._file, 0, access=mmap.ACCESS_READ) as data:
                self._inspect(data, least, max_pixels)
        except (ImageError, OSError, ValueError, NotInBandsError):
            self.close()
            raise NotInBandsError from None

    def _inspect(self, data: Any, least: int, max_pixels: int) -> None:
        facts, kind = header(data), data[1:2]
        Source(data=b"", format=self.format, max_pixels=max_pixels).limit(facts.width, facts.height)
        self._body, self._row = facts.body, row(kind, facts)
        size = self._row * facts.height
        plain = kind in b"567" and facts.maximum in (255, 65535) and 1 <= facts.channels <= 4 and facts.frames == 1
        if not plain or not size or size < least or len(data) < facts.body + size:
            raise NotInBandsError
        self.notes = tuples(data, facts) if kind == b"7" else ()
        self.shape: tuple[int, int, int] = (facts.height, facts.width, facts.channels)
        self.channels, self.dtype = (
            Channels.of(facts.channels),
            np.dtype(np.uint8 if facts.maximum < 256 else np.uint16),
        )
        step = max(1, _BAND_BYTES // self._row)
        starts = range(0, facts.height, step)
        self.cuts: Sequence[tuple[int, int]] = [(start, min(start + step, facts.height)) for start in starts]

    def read(self, cut: tuple[int, int], array: Pixels) -> None:
        """Reads the rows of one of `cuts` to their place in `array`, from several threads at will."""
        rows = array[slice(*cut)]
        into, at = rows.reshape(-1).view(np.uint8).data, self._body + cut[0] * self._row
        try:
            whole = streams.read_into(self._file, into, at) == len(into)
        except OSError:
            whole = False
        if not whole:
            raise NotInBandsError
        if self.dtype.itemsize == 2 and sys.byteorder == "little":
            rows.byteswap(inplace=True)

    def metadata(self) -> Metadata:
        return NOTHING

    def close(self) -> None:
        self._files.close()


class Writer:
    """Writes a binary "pnm" (PGM for 1 channel, PPM for 3) or "pam" file by rows."""

    def __init__(self, file: BinaryIO, size: int, target: Target) -> None:
        self._write, self._format = file.write, target.format

    def begin(self, shape: Sequence[int], dtype: np.dtype[Any]) -> None:
        height, width, channels = shape
        top = 255 if dtype.itemsize == 1 else 65535
        head = f"P{5 if channels == 1 else 6}\n{width} {height}\n{top}\n"
        if self._format == "pam":
            kind = ("GRAYSCALE", "GRAYSCALE_ALPHA", "RGB", "RGB_ALPHA")[channels - 1]
            head = f"P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH {channels}\nMAXVAL {top}\nTUPLTYPE {kind}\nENDHDR\n"
        self._write(head.encode("ascii"))

    def add(self, rows: Pixels) -> None:
        self._write(np.ascontiguousarray(rows if rows.dtype.itemsize == 1 else rows.astype(">u2")).data)

    def end(self) -> None:
        """Nothing follows the rows."""
