"""Image files <-> arrays of pixels: the one place that calls OpenCV's codecs, and corrects them.

Inside the program pixels are (height, width, channels) in RGB(A) order and upright. OpenCV reads BGR, turns some
formats upright and not others, drops grey's alpha, and writes what a format can't hold as something else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from convcli.errors import ImageError
from convcli.pictures import carriers, sniff
from convcli.pictures.decoding import DECODERS, decode_other
from convcli.pictures.encoding import encode, fit
from convcli.pictures.format import NOTHING, Metadata
from convcli.pictures.formats.tiff import directories
from convcli.pictures.source import Source
from convcli.pictures.table import WRITABLE, format_of, holds
from convcli.records import record

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[Any]

__all__ = [
    "MAX_PIXELS",
    "WRITABLE",
    "Metadata",
    "Picture",
    "decode",
    "encode",
    "fit",
    "format_of",
    "frames",
    "holds",
]

MAX_PIXELS: Final = 1 << 30  # OpenCV's own limit, so it needs no setting of its own


@record(eq=False)
class Picture:
    """A decoded image.

    `pixels` (height, width, channels), native byte order, C-contiguous, upright; channels 1 grey, 2 grey and alpha,
    3 RGB, 4 RGBA. `format` as told by the content; `frames` or pages in the file, of which this is the first; `notes`
    are warnings; `metadata` as stored, so that its orientation has been applied;
    `duration` in milliseconds and `loops` (plays, 0: for ever) of a frame that is one of an animation's.
    """

    pixels: Pixels
    format: str
    frames: int
    notes: tuple[str, ...]
    metadata: Metadata = NOTHING
    duration: int = 0
    loops: int = 0

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is opacity."""
        return self.pixels.shape[2] in (2, 4)


def decode(
    data: bytes, *, place: str, max_pixels: int = MAX_PIXELS, allow_truncated: bool = False, strict: bool = False
) -> Picture:
    """The first frame of an image file's bytes, upright; its format is told by its content.

    Values are as stored: grey stays grey, 16 bits and floats are kept; palettes become RGB(A), 1 to 4 bits become 8,
    and PNM's values are scaled to the full 8 or 16 bits. More than `max_pixels` are refused from the header. With
    `allow_truncated` a JPEG, PNG, BMP, PNM or plain TIFF file that was cut short is filled up, which a note tells.

    Data that a decoder complains of, and decodes, get a note, or with `strict` an error. JPEG has no checksums: only
    damage that breaks its codes is found, which libjpeg did in 9 of 10 files with 100 random bytes in them, and in 1 of
    4 with one wrong bit.

    Raises ImageError, naming `place`, for anything that is no image, unsupported, cut short or damaged.
    """
    format = sniff.identify(data)
    if not format:
        fact, hint = sniff.unknown(data)
        raise ImageError(fact, place=place, hint=hint)
    source = Source(data=data, format=format, place=place, max_pixels=max_pixels)
    try:
        try:
            return _picture(source, strict=strict)
        except ImageError as error:
            if "truncated" not in error.fact:
                raise
            from convcli.pictures import salvage

            if not allow_truncated:
                error.hint = salvage.hint(data, format)
                raise
            whole = salvage.completed(data, format)
            if whole is None:
                raise
            picture = _picture(replace(source, data=whole.data, complaints=[]), strict=False)
            more = tuple(note for note in picture.notes if note.startswith("frame 1 of "))
            # Only this frame was made whole: the others are no longer counted on.
            return replace(picture, notes=(whole.note(picture.pixels), *more), frames=1)
    except MemoryError:
        raise ImageError("not enough memory to decode it", place=place) from None


def _picture(source: Source, *, strict: bool) -> Picture:
    """A file as it is; raises MemoryError, too."""
    pixels, frames, notes = DECODERS.get(source.format, decode_other)(source)
    if frames > 1:
        notes = (f"frame 1 of {frames}", *notes)
    if source.complaints:
        fact = f"damaged {source.format.upper()}: {source.complaints[0]}"
        if strict:
            raise ImageError(fact, place=source.place)
        notes = (*notes, f"{fact}; decoded as far as it goes")
    metadata = carriers.read(source.data, source.format)
    return Picture(pixels=pixels, format=source.format, frames=frames, notes=notes, metadata=metadata)


def frames(
    data: bytes, *, place: str, max_pixels: int = MAX_PIXELS, allow_truncated: bool = False, strict: bool = False
) -> Iterator[Picture]:
    """All frames of an animation, as shown, or all pages of a TIFF file, or the one picture; arguments as for `decode`.

    The limit is for all frames of an animation together. Raises ImageError where any can't be decoded.
    """
    first = decode(data, place=place, max_pixels=max_pixels, allow_truncated=allow_truncated, strict=strict)
    if first.frames == 1:
        yield first
        return
    from convcli.pictures import frames as animation

    notes = first.notes[1:]
    if first.format == "tiff":
        for page in animation.tiff_pages(data):
            picture = decode(page, place=place, max_pixels=max_pixels, strict=strict)
            shown = tuple(note for note in picture.notes if not note.startswith("frame 1 of "))
            yield replace(picture, frames=first.frames, notes=shown)
        return
    source = Source(data=data, format=first.format, place=place, max_pixels=max_pixels)
    height, width = first.pixels.shape[:2]
    source.limit(width * first.frames, height)
    found = animation.read(source, count=first.frames, orientation=_orientation(source, first.metadata))
    for pixels, duration in zip(found.frames, found.durations, strict=True):
        yield replace(first, pixels=pixels, notes=notes, duration=duration, loops=found.loops)


def _orientation(source: Source, metadata: Metadata) -> int:
    """As an animation's frames are stored."""
    from convcli.pictures.headers import header

    in_boxes = header(source.data, source.format, place=source.place).orientation
    return in_boxes or directories.orientation(metadata.exif)
