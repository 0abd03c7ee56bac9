"""What pictures are read from in bands of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from convcli.pictures.format import Metadata


class NotInBandsError(Exception):
    """Why a picture can't be read in bands, in words; empty where nobody would expect it to be."""


class RowSource(Protocol):
    """An open picture file. `cuts` are its bands of rows; `read` decodes one of them into `(rows, width, channels)`.

    `shape` is (height, width, channels), `pages` the number of pages, `notes` what the decoder says of the file.
    Bands are cheap in any order, unless it is `sequential`: then they are read by one thread, best from first to last.
    """

    format: str
    sequential: bool
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    cuts: Sequence[tuple[int, int]]
    pages: int
    notes: tuple[str, ...]

    def read(self, cut: tuple[int, int], out: NDArray[Any]) -> None:
        """Raises ImageError for damage, and NotInBandsError where only the ordinary way can tell what is wrong."""

    def metadata(self) -> Metadata:
        """What the picture carries besides its pixels."""

    def close(self) -> None:
        """The file is not wanted any more."""
