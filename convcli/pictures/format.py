"""What the formats of picture files, and those who use them, hand to each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, Final, Literal, Protocol, TypeAlias

import numpy as np

from convcli.channels import Channels
from convcli.errors import ImageError
from convcli.records import record

#: Pixels (height, width, channels), as `numpy.typing.NDArray[Any]` without loading that.
Pixels: TypeAlias = np.ndarray[tuple[Any, ...], np.dtype[Any]]
LONGEST_SIDE: Final = 1 << 20  # OpenCV's own limit; beyond it leaves a temporary file behind for some formats


class TruncatedError(ImageError):
    """A file that was cut short, or may have been."""


class NotInBandsError(Exception):
    """Why a picture can't be read in bands, in words; empty where nobody would expect it to be."""


class at:
    """A context whose errors are told of the file `place`, where they don't say another."""

    def __init__(self, place: str) -> None:
        self._place = place

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: object) -> None:
        if isinstance(error, ImageError):
            error.place = error.place or self._place


#: The frame that was taken of several; a file cut short; data that a decoder complains of; colours that are others.
Kind: TypeAlias = Literal["frames", "truncated", "damaged", "colours"]


@record(kw_only=False)
class Note:
    """Something that a reader of a file should know of it; `str` gives its text."""

    kind: Kind
    text: str

    def __str__(self) -> str:
        return self.text


CMYK: Final = Note("colours", "its CMYK colours are turned into RGB")


@record
class Header:
    """What a file's header says: `width`, `height` in pixels (0: not known), `frames` or pages, its EXIF block, and
    the `orientation` that its boxes give (0: the EXIF block counts).

    `channels` is known for JPEG, PNM and AVIF; `minimum` and `maximum` are the values of black and white (0: a
    dtype's largest), `body` is where the pixels of a PNM file start, `crop` the part of an AVIF picture that is shown:
    its left, top, width and height, before it is turned.
    """

    width: int = 0
    height: int = 0
    frames: int = 1
    exif: bytes = b""
    orientation: int = 0
    channels: int = 0
    minimum: int = 0
    maximum: int = 0
    body: int = 0
    crop: tuple[int, int, int, int] | None = None


@record
class Metadata:
    """Metadata as bytes; what is absent is empty.

    `icc` is an ICC profile, `exif` an EXIF block (a small TIFF, without "Exif" before it), `xmp` an XMP packet, `dpi`
    the pixels per inch across and down, `texts` (keyword, text) as PNG has them, JPEG's with the keyword "Comment".
    `pictures` is of how many the description in the EXIF block tells, and `lost` says in words what a file held that is
    not taken up here. `settings` are those of its own format's encoder which keep what is kept in the file: lossless
    stays lossless.
    """

    icc: bytes = b""
    exif: bytes = b""
    xmp: bytes = b""
    dpi: tuple[float, float] | None = None
    texts: tuple[tuple[str, str], ...] = ()
    lost: tuple[str, ...] = ()
    pictures: int = 1
    settings: tuple[tuple[str, Any], ...] = ()


NOTHING: Final = Metadata()
EXIF_MARK: Final = b"Exif\0\0"
INCH: Final = 0.0254  # metres


@record
class Source:
    """A file to be decoded, of at most `max_pixels`; what a decoder complains of is appended to `complaints`."""

    data: bytes
    format: str
    max_pixels: int
    complaints: list[str] = field(default_factory=list)

    def limit(self, width: int, height: int) -> None:
        """Refuse a picture that is too large, before memory is taken for it."""
        if max(width, height) > LONGEST_SIDE:
            fact = f"{width} x {height} pixels; at most {LONGEST_SIDE:,} a side are read"
            raise ImageError(fact)
        if width * height > self.max_pixels:
            fact = f"{width} x {height} is {width * height:,} pixels; at most {self.max_pixels:,} are read"
            raise ImageError(fact, hint="--max-pixels raises the limit")


@record
class Target:
    """A file to be written: its format, metadata that fit it, and its encoder's settings."""

    format: str
    metadata: Metadata = NOTHING
    #: What the channels of its pictures mean; None: what so many mostly do.
    channels: Channels | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@record(eq=False)
class Decoded:
    """The first of a file's `frames` or pages, upright, and what there is to say of it.

    `channels` say what its channels mean; None: what so many mostly do.
    """

    pixels: Pixels
    frames: int = 1
    notes: tuple[Note, ...] = ()
    channels: Channels | None = None


@record(eq=False)
class Animation:
    """The frames of an animation, each (height, width, 1 to 4), as shown; milliseconds; `loops` plays, 0 for ever.

    `channels` say what those of each frame or page mean; none: what so many mostly do.
    """

    frames: Sequence[Pixels]
    durations: Sequence[int] = ()
    loops: int = 0
    channels: Sequence[Channels] = ()


@record
class Completed:
    """A file made whole; `share` of the pixels' data that was there (0 to 1), or None where only a look can tell."""

    data: bytes
    share: float | None
    #: For progressive files and interlaced ones, whose end makes the whole picture coarser.
    coarse: bool = False

    def note(self, pixels: Pixels) -> Note:
        """How much was there; `pixels` as decoded from `data`."""
        if self.coarse:
            return Note("truncated", "truncated: the picture is coarser than it was")
        share = _share_by_look(pixels) if self.share is None else self.share
        text = f"truncated: about {100 * share:.0f} % of the picture is there, the rest is filled up"
        return Note("truncated", text)


#: Of a picture at least this share must be there to be completed, so that a short file can't ask for much memory.
LEAST_SHARE: Final = 1 / 256


def padded(data: bytes, start: int, needed: int) -> Completed | None:
    """A file with zeros for the pixels that are missing of `needed` bytes from `start` on."""
    if needed <= 0 or (len(data) - start) < needed * LEAST_SHARE:
        return None
    share = (len(data) - start) / needed
    return Completed(data=data + bytes(max(0, start + needed - len(data))), share=min(share, 1.0))


def _share_by_look(pixels: Pixels) -> float:
    """Which part of the picture lies outside the largest area of one colour along one of its sides."""
    shares = []
    for turn in range(4):
        rows = np.rot90(pixels, turn)
        varied = np.flatnonzero((rows != rows[-1:, -1:]).any(axis=(1, 2)))
        shares.append(float(varied[-1] + 1) / len(rows) if varied.size else 0.0)
    return min(shares)


class RowSource(Protocol):
    """An open picture file. `cuts` are its bands of rows, which `read` decodes.

    `shape` is (height, width, channels), `channels` what those mean, `pages` the number of pages, `notes` what the
    decoder says of the file. Bands are cheap in any order, unless it is `sequential`: then they are read by one thread,
    best from first to last, and `once` only where that is all that can be done.
    """

    format: str
    sequential: bool
    once: bool
    shape: tuple[int, int, int]
    channels: Channels
    dtype: np.dtype[Any]
    cuts: Sequence[tuple[int, int]]
    pages: int
    notes: tuple[Note, ...]

    def read(self, cut: tuple[int, int], array: Pixels) -> None:
        """Decodes the rows of one of `cuts` to their place in `array`, the whole picture's `(height, width, channels)`.

        It is the same array each time; rows that are yet to be asked for may be written to, too. Raises ImageError for
        damage, and NotInBandsError where only the ordinary way can tell what is wrong.
        """

    def metadata(self) -> Metadata:
        """What the picture carries besides its pixels."""

    def close(self) -> None:
        """The file is not wanted any more."""


class RowWriter(Protocol):
    """A picture file that is written some rows at a time, in order."""

    def begin(self, shape: Sequence[int], dtype: np.dtype[Any]) -> None:
        """A picture of (height, width, channels)."""

    def add(self, rows: Pixels) -> None:
        """The next rows, which need not stay as they are afterwards."""

    def end(self) -> None:
        """All rows are there."""
