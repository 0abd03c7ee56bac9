"""Image files <-> arrays of pixels: the one place that calls OpenCV's codecs, and corrects them.

Inside the program pixels are (height, width, channels) in RGB(A) order and upright. OpenCV reads BGR, turns some
formats upright and not others, drops grey's alpha, and writes what a format can't hold as something else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from convcli import carriers, sniff
from convcli.decoding import DECODERS, Source, decode_other
from convcli.encoding import encode, fit
from convcli.errors import ImageError
from convcli.files import WRITABLE, format_of, holds
from convcli.metadata import NOTHING, Metadata

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[Any]

__all__ = ["MAX_PIXELS", "WRITABLE", "Metadata", "Picture", "decode", "encode", "fit", "format_of", "holds"]

MAX_PIXELS: Final = 1 << 30  # OpenCV's own limit, so it needs no setting of its own


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """A decoded image.

    `pixels` (height, width, channels), native byte order, C-contiguous, upright; channels 1 grey, 2 grey and alpha,
    3 RGB, 4 RGBA. `format` as told by the content; `frames` or pages in the file, of which this is the first; `notes`
    are warnings; `metadata` as stored, so that its orientation has been applied.
    """

    pixels: Pixels
    format: str
    frames: int
    notes: tuple[str, ...]
    metadata: Metadata = NOTHING

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is opacity."""
        return self.pixels.shape[2] in (2, 4)


def decode(data: bytes, *, place: str, max_pixels: int = MAX_PIXELS) -> Picture:
    """The first frame of an image file's bytes, upright; its format is told by its content.

    Values are as stored: grey stays grey, 16 bits and floats are kept; palettes become RGB(A), 1 to 4 bits become 8,
    and PNM's values are scaled to the full 8 or 16 bits. More than `max_pixels` are refused from the header.

    Raises ImageError, naming `place`, for anything that is no image, unsupported, cut short or damaged.
    """
    format = sniff.identify(data)
    if not format:
        fact, hint = sniff.unknown(data)
        raise ImageError(fact, place=place, hint=hint)
    source = Source(data=data, format=format, place=place, max_pixels=max_pixels)
    try:
        pixels, frames, notes = DECODERS.get(format, decode_other)(source)
    except MemoryError:
        raise ImageError("not enough memory to decode it", place=place) from None
    if frames > 1:
        notes = (f"frame 1 of {frames}", *notes)
    return Picture(pixels=pixels, format=format, frames=frames, notes=notes, metadata=carriers.read(data, format))
