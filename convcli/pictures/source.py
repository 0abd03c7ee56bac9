"""A picture file's bytes on their way to pixels."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, Final

from convcli.errors import ImageError
from convcli.pictures.opencv import opencv, overheard, quiet, read_into
from convcli.records import record

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[Any]


_IN_PLACE: Final = 1 << 22  # bytes of pixels that are worth a file in memory


_LONGEST_SIDE: Final = 1 << 20  # OpenCV's own limit; beyond it leaves a temporary file behind for some formats


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

    def read(self, data: bytes, flags: int, size: tuple[int, int] = (0, 0)) -> Pixels:
        """OpenCV's decoder; the result is (height, width, channels), in OpenCV's order of channels.

        `size`, height and width, is given where 8-bit colours must come of it.
        """
        import numpy as np

        cv2 = opencv(self.place)
        tiff = self.format == "tiff"
        try:
            # Whatever the format: what one thread's decoder says is not to be taken for another's.
            with overheard(self.complaints), quiet(cv2, errors=tiff):
                pixels: Any = np.empty((*size, 3), np.uint8)
                if pixels.nbytes < _IN_PLACE or not read_into(cv2, data, flags, pixels):
                    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        except cv2.error:  # its words are of its own code, not of the file
            pixels = None
        # Of a damaged strip of a TIFF file OpenCV only writes to its log, and leaves its 8-bit samples black.
        if pixels is None or not pixels.size or (tiff and self.complaints):
            fact = f"damaged, truncated or unsupported {self.format.upper()}: its pixels can't be decoded"
            fact += f" ({self.complaints[0]})" if self.complaints else ""
            raise ImageError(fact, place=self.place)
        shaped: Pixels = pixels.reshape(*pixels.shape[:2], -1)
        return shaped

    def read_rgb(self, data: bytes, size: tuple[int, int] = (0, 0)) -> Pixels:
        """As `read`, for what is stored as three colours: straight to RGB, 8 or 16 bits, not turned upright."""
        cv2 = opencv(self.place)
        return self.read(data, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION, size)


Decoded = tuple["Pixels", int, tuple[str, ...]]
