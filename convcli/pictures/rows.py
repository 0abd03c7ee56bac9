"""Picture files read and written some rows at a time, whatever their format."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, BinaryIO

import numpy as np

from convcli.pictures.encoding import encode
from convcli.pictures.format import NOTHING, Metadata, NotInBandsError, RowSource, RowWriter, Target
from convcli.pictures.pixels import Pixels
from convcli.pictures.registry import FORMATS
from convcli.pictures.table import chosen_settings

__all__ = ["Collected", "NotInBandsError", "RowSource", "RowWriter", "open", "writer"]


def open(
    source: str | bytes, format: str, *, least: int, max_pixels: int, allow_truncated: bool = False,
    all_pages: bool = False,
) -> RowSource:  # fmt: skip
    """A picture file, by its path or its bytes, to be read in bands; `least` bytes of samples are worth it.

    Raises NotInBandsError where it is to be read whole, and ImageError for a file that can't be read.
    """
    opened = FORMATS[format].rows
    if opened is None:
        raise NotInBandsError
    return opened(source, least=least, max_pixels=max_pixels, allow_truncated=allow_truncated, all_pages=all_pages)


def writer(
    format: str, file: BinaryIO, *, shape: Sequence[int], dtype: np.dtype[Any], metadata: Metadata = NOTHING,
    options: Mapping[str, Any] | None = None, place: str = "",
) -> RowWriter:  # fmt: skip
    """What writes a file of `format` by rows: PNG, TIFF and JPEG as they come, any other when all are there.

    `begin` is to be called with the same shape and dtype; `metadata` are what `fit` leaves.
    """
    by_rows = FORMATS[format].writer
    if by_rows is None:
        return Collected(file, partial(encode, format=format, place=place, metadata=metadata, options=options))
    chosen = chosen_settings(format, options)
    size = math.prod(shape) * dtype.itemsize
    return by_rows(file, size, Target(format=format, place=place, metadata=metadata, settings=chosen))


class Collected:
    """Keeps the rows of a picture, and encodes all of it at the end: for formats that can't be written by rows."""

    def __init__(self, file: BinaryIO, encode: Callable[[Pixels], bytes]) -> None:
        self._file, self._encode = file, encode

    def begin(self, shape: Sequence[int], dtype: np.dtype[Any]) -> None:
        self._pixels, self._count = np.empty(shape, dtype), 0

    def add(self, rows: Pixels) -> None:
        """Raises ValueError for more rows than there are to be."""
        self._pixels[self._count : self._count + len(rows)] = rows
        self._count += len(rows)

    def end(self) -> None:
        """Raises ImageError where the format can't hold the picture."""
        self._file.write(self._encode(self._pixels))
