"""What every format of picture files has to say of a file: its size, its metadata, what is missing of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from convcli.records import record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from numpy.typing import NDArray


@record
class Header:
    """What a file's header says: `width`, `height` in pixels (0: not known), `frames` or pages, its EXIF block, and
    the `orientation` that its boxes give (0: the EXIF block counts).

    `channels` is known for JPEG and PNM, `maximum` (the value of white) and `body` (where the pixels start) for PNM.
    """

    width: int = 0
    height: int = 0
    frames: int = 1
    exif: bytes = b""
    orientation: int = 0
    channels: int = 0
    maximum: int = 0
    body: int = 0


@record
class Metadata:
    """Metadata as bytes; what is absent is empty.

    `icc` is an ICC profile, `exif` an EXIF block (a small TIFF, without "Exif" before it), `xmp` an XMP packet, `dpi`
    the pixels per inch across and down. `lost` says in words what a file held that is not taken up here.
    """

    icc: bytes = b""
    exif: bytes = b""
    xmp: bytes = b""
    dpi: tuple[float, float] | None = None
    lost: tuple[str, ...] = ()


NOTHING: Final = Metadata()


@record
class Completed:
    """A file made whole; `share` of the pixels' data that was there (0 to 1), or None where only a look can tell."""

    data: bytes
    share: float | None
    #: For progressive files and interlaced ones, whose end makes the whole picture coarser.
    coarse: bool = False

    def note(self, pixels: NDArray[Any]) -> str:
        """How much was there, in words; `pixels` as decoded from `data`."""
        if self.coarse:
            return "truncated: the picture is coarser than it was"
        share = _share_by_look(pixels) if self.share is None else self.share
        return f"truncated: about {100 * share:.0f} % of the picture is there, the rest is filled up"


def _share_by_look(pixels: NDArray[Any]) -> float:
    """Which part of the picture lies outside the largest area of one colour along one of its sides."""
    import numpy as np

    shares = []
    for turn in range(4):
        rows = np.rot90(pixels, turn)
        varied = np.flatnonzero((rows != rows[-1:, -1:]).any(axis=(1, 2)))
        shares.append(float(varied[-1] + 1) / len(rows) if varied.size else 0.0)
    return min(shares)


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


class RowWriter(Protocol):
    """A picture file that is written some rows at a time, in order."""

    def begin(self, shape: Sequence[int], dtype: npt.DTypeLike) -> None:
        """A picture of (height, width, channels)."""

    def add(self, rows: NDArray[Any]) -> None:
        """The next rows, which need not stay as they are afterwards."""

    def end(self) -> None:
        """All rows are there."""
