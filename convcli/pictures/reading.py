"""Image files -> arrays of pixels, by their formats' decoders.

Inside the program pixels are (height, width, channels) in RGB(A) order and upright. OpenCV reads BGR, turns some
formats upright and not others, drops grey's alpha, and writes what a format can't hold as something else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from convcli.channels import Channels
from convcli.errors import ImageError, reason
from convcli.files import streams
from convcli.pictures import sniff
from convcli.pictures.codecs import displayed, swapped
from convcli.pictures.format import (
    Animation,
    Header,
    Metadata,
    Note,
    NotInBandsError,
    Pixels,
    RowSource,
    Source,
    TruncatedError,
    at,
)
from convcli.pictures.formats.tiff import directories
from convcli.pictures.opencv import opencv, overheard, quiet
from convcli.pictures.registry import FORMATS
from convcli.pictures.table import MAX_PIXELS
from convcli.records import record


@record(eq=False)
class Picture:
    """A decoded image.

    `pixels` (height, width, channels), native byte order, C-contiguous, upright; `channels` say what each of them is:
    colours come multiplied by alpha where they are stored so. `format` as told by the content; `frames` or pages in the
    file, of which this is the first; `notes` are warnings; `metadata` as stored, so that its orientation has been
    applied; `duration` in milliseconds and `loops` (plays, 0: for ever) of a frame that is one of an animation's.
    """

    pixels: Pixels
    channels: Channels
    format: str
    frames: int
    notes: tuple[Note, ...]
    metadata: Metadata = Metadata()
    duration: int = 0
    loops: int = 0


def from_file(name: str, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """The first picture in a file or pipe, as `decode` has it; what is no picture is not read whole."""
    try:
        with streams.opened(name, pipes=True) as file:
            head = streams.piece(file, 1 << 10)
            with at(name):
                sniff.format_of(head)
            data = streams.read(file, 32 * max_pixels, head)
    except OSError as error:
        raise ImageError(reason(error), place=name) from error
    return decode(data, place=name, max_pixels=max_pixels)


def decode(
    data: bytes, *, place: str, max_pixels: int = MAX_PIXELS, allow_truncated: bool = False, strict: bool = False
) -> Picture:
    """The first frame of an image file's bytes, upright; its format is told by its content.

    Values are as stored: grey stays grey, 16 bits and floats are kept; palettes become RGB(A), 1 to 4 bits become 8,
    and other depths (PNM, AVIF, JPEG 2000, BMP, TIFF) are scaled to the full 8 to 32 bits. More than `max_pixels` are
    refused from the header. With `allow_truncated` a JPEG, PNG, BMP, PNM or plain TIFF file that was cut short is
    filled up, which a note tells.

    Data that a decoder complains of, and decodes, get a note, or with `strict` an error. JPEG has no checksums: only
    damage that breaks its codes is found, which libjpeg did in 9 of 10 files with 100 random bytes in them, and in 1 of
    4 with one wrong bit.

    Raises ImageError, naming `place`, for anything that is no image, unsupported, cut short or damaged.
    """
    with at(place):
        source = Source(data=data, format=sniff.format_of(data), max_pixels=max_pixels)
        try:
            return _whole(source, strict=strict, allow_truncated=allow_truncated)
        except MemoryError:
            raise ImageError("not enough memory to decode it") from None


def _whole(source: Source, *, strict: bool, allow_truncated: bool) -> Picture:
    """A file's picture, completed if it has to be."""
    try:
        return _picture(source, strict=strict)
    except TruncatedError as error:
        if not allow_truncated:
            error.hint = sniff.hint(source.data, source.format)
            raise
        whole = sniff.completed(source.data, source.format)
        if whole is None:
            raise
        picture = _picture(replace(source, data=whole.data, complaints=[]), strict=False)
        # Only this frame was made whole: the others are no longer counted on.
        several = (note for note in picture.notes if note.kind == "frames")
        return replace(picture, notes=(whole.note(picture.pixels), *several), frames=1)


def _picture(source: Source, *, strict: bool) -> Picture:
    """A file as it is; raises MemoryError, too."""
    decode = FORMATS[source.format].decode
    assert decode  # since the format was told by the file's content
    decoded = decode(source)
    notes = decoded.notes
    if decoded.frames > 1:
        notes = (Note("frames", f"frame 1 of {decoded.frames}"), *notes)
    if source.complaints:
        fact = f"damaged {source.format.upper()}: {source.complaints[0]}"
        if strict:
            raise ImageError(fact)
        notes = (*notes, Note("damaged", f"{fact}; decoded as far as it goes"))
    return Picture(
        pixels=decoded.pixels, channels=decoded.channels or Channels.of(decoded.pixels.shape[2]),
        format=source.format, frames=decoded.frames, notes=notes,
        metadata=sniff.metadata(source.data, source.format),
    )  # fmt: skip


def decode_all(
    data: bytes, *, place: str, max_pixels: int = MAX_PIXELS, allow_truncated: bool = False, strict: bool = False
) -> Iterator[Picture]:
    """All frames of an animation, as shown, or all pages of a TIFF file, or the one picture; arguments as for `decode`.

    The limit is for all frames of an animation together. Raises ImageError where any can't be decoded.
    """
    first = decode(data, place=place, max_pixels=max_pixels, allow_truncated=allow_truncated, strict=strict)
    with at(place):
        by_page = FORMATS[first.format].pages
        pages = by_page(data) if by_page else None
    if first.frames == 1:
        yield first
        return
    if pages:
        for page in pages:
            picture = decode(page, place=place, max_pixels=max_pixels, strict=strict)
            yield replace(picture, frames=first.frames, notes=_without_count(picture))
        return
    with at(place):
        source = Source(data=data, format=first.format, max_pixels=max_pixels)
        height, width = first.pixels.shape[:2]
        source.limit(width * first.frames, height)
        facts = sniff.header(data, first.format)
        orientation = facts.orientation or directories.orientation(first.metadata.exif)
        animation = _frames(source, replace(facts, frames=first.frames, orientation=orientation))
    notes = _without_count(first)
    for pixels, duration in zip(animation.frames, animation.durations, strict=True):
        channels = Channels.of(pixels.shape[2])
        yield replace(first, pixels=pixels, channels=channels, notes=notes, duration=duration, loops=animation.loops)


def _without_count(picture: Picture) -> tuple[Note, ...]:
    return tuple(note for note in picture.notes if note.kind != "frames")


def _frames(source: Source, facts: Header) -> Animation:
    """All frames of an animation, as its header says they are to be shown. They are RGB where every one is opaque.

    Raises ImageError where they can't all be decoded, or are more pixels than the limit together.
    """
    cv2 = opencv()
    ordered = FORMATS[source.format].ordered
    data = ordered(source.data) if ordered else source.data
    try:
        with quiet(cv2), overheard(source.complaints):
            done, animation = cv2.imdecodeanimation(np.frombuffer(data, np.uint8))
    except cv2.error as error:
        raise ImageError(f"its frames can't be decoded: {error.err or error}") from None
    count = facts.frames
    if not done or len(animation.frames) < count:
        decoded = len(animation.frames) if done else 0
        fact = f"damaged {source.format}: {decoded} of {count} frames can be decoded"
        raise ImageError(fact)
    stored = [swapped(frame.reshape(*frame.shape[:2], -1)) for frame in animation.frames]
    frames = [displayed(frame, facts, facts.orientation) for frame in stored]
    if all(frame.shape[2] == 4 and frame[:, :, 3].min() == np.iinfo(frame.dtype).max for frame in frames):
        frames = [np.ascontiguousarray(frame[:, :, :3]) for frame in frames]
    return Animation(
        frames=frames,
        durations=[int(duration) for duration in animation.durations] or [0] * len(frames),
        loops=animation.loop_count,
    )


def open_rows(
    source: str | bytes, format: str, *, least: int, max_pixels: int, allow_truncated: bool = False,
    all_pages: bool = False,
) -> RowSource:  # fmt: skip
    """A picture file, by its path or its bytes, to be read in bands; `least` bytes of samples are worth it.

    Raises NotInBandsError where it is to be read whole, and ImageError for a file that can't be read.
    """
    by_rows = FORMATS[format].rows
    if by_rows is None:
        raise NotInBandsError
    return by_rows(source, least=least, max_pixels=max_pixels, allow_truncated=allow_truncated, all_pages=all_pages)
