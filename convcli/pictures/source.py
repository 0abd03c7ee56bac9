"""A picture file's bytes on their way to pixels, and what a file of any format says of itself."""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import field
from typing import Any, Final

import numpy as np

from convcli.errors import ImageError
from convcli.pictures.format import NOTHING, Completed, Header, Metadata, TruncatedError
from convcli.pictures.opencv import opencv, overheard, quiet
from convcli.pictures.pixels import Pixels
from convcli.pictures.registry import FORMATS
from convcli.records import record

_IN_PLACE: Final = 1 << 22  # bytes of pixels that are worth a file in memory
_LONGEST_SIDE: Final = 1 << 20  # OpenCV's own limit; beyond it leaves a temporary file behind for some formats
_MARK: Final = 32  # bytes that no picture begins with, since nobody can know them
#: What readers of a file's parts raise where it is damaged.
DAMAGE: Final = (ImageError, ValueError, struct.error, IndexError, KeyError, zlib.error)
HINT: Final = "--allow-truncated uses what is there"


@record
class Source:
    """A file on its way through `decode`; what a decoder complains of is appended to `complaints`."""

    data: bytes
    format: str
    place: str
    max_pixels: int
    complaints: list[str] = field(default_factory=list)

    def limit(self, width: int, height: int) -> None:
        """Refuse a picture that is too large, before memory is taken for it."""
        if max(width, height) > _LONGEST_SIDE:
            fact = f"{width} x {height} pixels; at most {_LONGEST_SIDE:,} a side are read"
            raise ImageError(fact, place=self.place)
        if width * height > self.max_pixels:
            fact = f"{width} x {height} is {width * height:,} pixels; at most {self.max_pixels:,} are read"
            raise ImageError(fact, place=self.place, hint="--max-pixels raises the limit")

    def read(self, data: bytes, flags: int, size: tuple[int, int] = (0, 0), *, logged: bool = False) -> Pixels:
        """OpenCV's decoder; the result is (height, width, channels), in OpenCV's order of channels.

        `size`, height and width, is given where 8-bit colours must come of it. `logged`: of damaged samples OpenCV only
        writes to its log, and leaves them black.
        """
        cv2 = opencv(self.place)
        try:
            # Whatever the format: what one thread's decoder says is not to be taken for another's.
            with overheard(self.complaints), quiet(cv2, errors=logged):
                pixels: Any = np.empty((*size, 3), np.uint8)
                if pixels.nbytes < _IN_PLACE or not read_into(cv2, data, flags, pixels):
                    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        except cv2.error:  # its words are of its own code, not of the file
            pixels = None
        if pixels is None or not pixels.size or (logged and self.complaints):
            fact = f"damaged, truncated or unsupported {self.format.upper()}: its pixels can't be decoded"
            fact += f" ({self.complaints[0]})" if self.complaints else ""
            raise TruncatedError(fact, place=self.place)
        shaped: Pixels = pixels.reshape(*pixels.shape[:2], -1)
        return shaped

    def read_rgb(self, data: bytes, size: tuple[int, int] = (0, 0)) -> Pixels:
        """As `read`, for what is stored as three colours: straight to RGB, 8 or 16 bits, not turned upright."""
        cv2 = opencv(self.place)
        return self.read(data, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION, size)


def read_into(cv2: Any, data: bytes, flags: int, out: Pixels) -> bool:
    """Decodes a file straight into `out`, which has the shape and dtype that come of it; False where that fails.

    `cv2.imdecode` decodes into memory of its own, and copies that: a quarter of the time of a JPEG file, and twice its
    pixels. Only `cv2.imread` takes an array, and a name, which a file in memory has on Linux. Where it can't read the
    header it leaves the array as it is, without a word: what stood in it first would still be there.
    """
    mark = np.frombuffer(os.urandom(min(out.nbytes, _MARK)), np.uint8)
    there = out.reshape(-1).view(np.uint8)[: len(mark)]
    there[:] = mark
    try:
        with os.fdopen(os.memfd_create("convcli"), "wb") as file:
            file.write(data)
            file.flush()
            read = cv2.imread(f"/proc/self/fd/{file.fileno()}", out, flags)
    except (AttributeError, OSError, cv2.error):  # not Linux, not allowed, or another shape
        return False
    return read is not None and np.shares_memory(read, out) and not (there == mark).all()


def header(data: bytes, format: str, *, place: str) -> Header:
    """The header of a file of that format. Raises ImageError for one that is cut short or impossible."""
    read = FORMATS[format].header
    try:
        return read(data) if read else Header()
    except (struct.error, IndexError):
        raise TruncatedError(f"truncated {format.upper()}: it ends at byte {len(data)}", place=place) from None
    except ImageError as error:
        error.place = place
        raise


def metadata(data: bytes, format: str) -> Metadata:
    """The metadata in a file of that format that was decoded; what is damaged counts as absent."""
    read = FORMATS[format].metadata
    try:
        return read(data) if read else NOTHING
    except DAMAGE:
        return Metadata(lost=("its metadata are damaged and left out",))


def completed(data: bytes, format: str) -> Completed | None:
    """A file that was cut short, made whole enough for a decoder; None where nothing can be done.

    JPEG's missing blocks become grey (libjpeg's rule), everywhere else missing samples are 0. WebP, AVIF, JPEG 2000,
    GIF and compressed TIFF are left alone: their decoders take all or nothing.
    """
    complete = FORMATS[format].completed
    try:
        return complete(data) if complete else None
    except DAMAGE:
        return None


def hint(data: bytes, format: str) -> str:
    """How the user gets what is there of a file that was cut short, or nothing where `completed` can't help."""
    return HINT if FORMATS[format].completes or completed(data, format) is not None else ""
