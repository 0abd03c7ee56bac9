"""Picture files read and written some rows at a time, whatever their format."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

from convcli.engine.threads import thread_count
from convcli.pictures import carriers, encoding
from convcli.pictures.format import NOTHING, Metadata, NotInBandsError, RowSource, RowWriter

if TYPE_CHECKING:
    import numpy.typing as npt
    from numpy.typing import NDArray

__all__ = ["Collected", "NotInBandsError", "RowSource", "RowWriter", "open", "writer"]


def open(
    source: str | bytes, format: str, *, least: int, max_pixels: int, allow_truncated: bool = False,
    all_pages: bool = False,
) -> RowSource:  # fmt: skip
    """A picture file, by its path or its bytes, to be read in bands; `least` bytes of samples are worth it.

    Raises NotInBandsError where it is to be read whole, and ImageError for a file that can't be read.
    """
    if format == "png":
        from convcli.pictures.formats.png.rows import PngBands

        return PngBands(source, least=least, max_pixels=max_pixels)
    if format != "tiff" or isinstance(source, bytes):
        raise NotInBandsError
    from convcli.pictures.formats.tiff.rows import TiffBands

    return TiffBands(
        source, least=least, max_pixels=max_pixels, allow_truncated=allow_truncated, all_pages=all_pages
    )  # fmt: skip


def writer(
    format: str, file: BinaryIO, *, shape: Sequence[int], dtype: npt.DTypeLike, metadata: Metadata = NOTHING,
    options: Mapping[str, Any] | None = None, place: str = "",
) -> RowWriter:  # fmt: skip
    """What writes a file of `format` by rows: PNG, TIFF and JPEG as they come, any other when all are there.

    `begin` is to be called with the same shape and dtype; `metadata` are what `fit` leaves.
    """
    import numpy as np

    if format == "png":
        from convcli.pictures.formats.png import writer as png_writer

        chosen = encoding.settings(format, options)
        return png_writer.Writer(file.write, chunks=carriers.png_chunks(metadata), threads=thread_count(), **chosen)
    if format == "jpeg":
        from convcli.pictures.formats.jpeg import writer as jpeg_writer

        dressed = partial(carriers.put, format=format, metadata=metadata)
        return jpeg_writer.Writer(file.write, dressed=dressed, place=place, **encoding.settings(format, options))
    if format == "tiff":
        from convcli.pictures.formats.tiff import writer as tiff_writer

        size, chosen = math.prod(shape) * np.dtype(dtype).itemsize, encoding.settings(format, options)
        return tiff_writer.Writer(file, size=size, metadata=metadata, threads=thread_count(), **chosen)
    return Collected(file, format, metadata=metadata, options=options, place=place)


class Collected:
    """Keeps the rows of a picture, and encodes all of it at the end: for formats that can't be written by rows."""

    def __init__(
        self, file: BinaryIO, format: str, *, metadata: Metadata, options: Mapping[str, Any] | None, place: str
    ) -> None:
        self._file, self._format, self._place = file, format, place
        self._metadata, self._options = metadata, options

    def begin(self, shape: Sequence[int], dtype: npt.DTypeLike) -> None:
        import numpy as np

        self._pixels, self._count = np.empty(shape, dtype), 0

    def add(self, rows: NDArray[Any]) -> None:
        """Raises ValueError for more rows than there are to be."""
        self._pixels[self._count : self._count + len(rows)] = rows
        self._count += len(rows)

    def end(self) -> None:
        """Raises ImageError where the format can't hold the picture."""
        data = encoding.encode(
            self._pixels, format=self._format, place=self._place, metadata=self._metadata, options=self._options
        )
        self._file.write(data)
