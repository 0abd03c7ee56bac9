"""Files of several pictures: animations (GIF, APNG, WebP, AVIF) and pages (TIFF), read and written.

Source: PNG, third edition, section 11.3.6 (APNG); WebP container specification (RFC 9649).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from convcli.errors import ImageError
from convcli.pictures import carriers, headers, orientation as exif, sniff
from convcli.pictures.encoding import fit, settings
from convcli.pictures.format import NOTHING, Metadata
from convcli.pictures.formats.png import animated
from convcli.pictures.formats.tiff import directories, writer as tiff_writer
from convcli.pictures.opencv import opencv, overheard, quiet, swapped
from convcli.pictures.source import Source
from convcli.pictures.table import WRITABLE, check_shape
from convcli.records import record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Pixels = NDArray[Any]

#: Formats that can be written with several pictures.
WRITABLE_FRAMES: Final = ("tiff", "png", "webp", "avif")
_STILL_MS: Final = 100  # what browsers give a frame without a duration


@record
class Animation:
    """The frames of an animation, each (height, width, 3 or 4), as shown; milliseconds; `loops` plays, 0 for ever."""

    frames: Sequence[Pixels]
    durations: Sequence[int]
    loops: int


def read(source: Source, *, count: int, orientation: int) -> Animation:
    """All `count` frames of an animation, upright. They are RGB where every one of them is opaque.

    Raises ImageError where they can't all be decoded, or are more pixels than the limit together.
    """
    import numpy as np

    cv2 = opencv(source.place)
    data = animated.ordered(source.data, place=source.place) if source.format == "png" else source.data
    try:
        with quiet(cv2), overheard(source.complaints):
            done, found = cv2.imdecodeanimation(np.frombuffer(data, np.uint8))
    except cv2.error as error:
        raise ImageError(f"its frames can't be decoded: {error.err or error}", place=source.place) from None
    if not done or len(found.frames) < count:
        fact = f"damaged {source.format}: {len(found.frames) if done else 0} of {count} frames can be decoded"
        raise ImageError(fact, place=source.place)
    frames = [swapped(frame.reshape(*frame.shape[:2], -1)) for frame in found.frames]
    if all(frame.shape[2] == 4 and frame[:, :, 3].min() == np.iinfo(frame.dtype).max for frame in frames):
        frames = [np.ascontiguousarray(frame[:, :, :3]) for frame in frames]
    durations = [int(duration) for duration in found.durations] or [0] * len(frames)
    return Animation(
        frames=[exif.upright(frame, orientation) for frame in frames], durations=durations, loops=found.loop_count
    )


def tiff_pages(data: bytes) -> Iterator[bytes]:
    """For every page of a TIFF file the same file starting with that page; reduced copies don't count."""
    whole = memoryview(data)
    for page in list(directories.directories(data)):
        if not page.first(directories.SUBFILE, 0) & 1:
            start, word = (8, "Q") if page.big else (4, "I")
            packed = struct.pack(page.order + word, page.at)
            yield b"".join((whole[:start], packed, whole[start + len(packed) :]))


def encode(
    frames: Sequence[Pixels],
    *,
    format: str,
    place: str,
    durations: Sequence[int] = (),
    loops: int = 0,
    metadata: Metadata = NOTHING,
    options: Mapping[str, Any] | None = None,
) -> bytes:
    """The bytes of one file of several pictures (height, width, channels): pages of a TIFF, or an animation.

    `durations` are milliseconds, `loops` how often it plays (0: for ever). An AVIF sequence takes no metadata and no
    `loops`. Raises ImageError where the format can't hold them.
    """
    check_frames([(frame.shape, frame.dtype) for frame in frames], format, place)
    metadata, _ = fit(metadata, frames[0], format, animated=True)
    if format == "tiff":
        return tiff_writer.encode(frames, metadata=metadata, **settings(format, options, place))
    times = [duration if duration > 0 else _STILL_MS for duration in durations] or [_STILL_MS] * len(frames)
    if format == "png":
        return carriers.put(animated.encode(frames, times, loops, **settings(format, options, place)), format, metadata)
    data = _by_opencv(frames, format, times, loops, place, options)
    return carriers.put_webp(data, metadata) if format == "webp" else data


def check_frames(kinds: Sequence[tuple[Sequence[int], Any]], format: str, place: str) -> None:
    """Raise ImageError where a format can't hold frames of these shapes (height, width, channels) and dtypes."""
    if format not in WRITABLE_FRAMES:
        able = " ".join(WRITABLE[name][0] for name in WRITABLE_FRAMES)
        hint = f"formats that can: {able}; {{frame}} in the output's name gives each a file"
        raise ImageError(f"{format} can't hold {len(kinds)} pictures", place=place, hint=hint)
    for shape, dtype in kinds:
        check_shape(shape, dtype, format, place)
    if format != "tiff" and len({(tuple(shape), str(dtype)) for shape, dtype in kinds}) > 1:
        raise ImageError("the frames of an animation must be of one size", place=place, hint="a TIFF takes any")


def _by_opencv(
    frames: Sequence[Pixels],
    format: str,
    times: Sequence[int],
    loops: int,
    place: str,
    options: Mapping[str, Any] | None,
) -> bytes:
    import numpy as np

    cv2 = opencv(place)
    animation = cv2.Animation()
    pick = {1: [0, 0, 0], 2: [0, 0, 0, 1]}.get(frames[0].shape[2])
    animation.frames = [swapped(frame[:, :, pick] if pick else frame) for frame in frames]
    animation.durations = np.array(times, np.int32)
    animation.loop_count = loops
    try:
        with quiet(cv2):
            done, out = cv2.imencodeanimation(WRITABLE[format][0], animation, settings(format, options, place)["flags"])
    except cv2.error as error:
        raise ImageError(f"can't be written as {format}: {error.err or error}", place=place) from None
    data = out.tobytes() if done else b""
    if sniff.identify(data) != format or headers.header(data, format, place=place).frames > len(frames):
        raise ImageError(f"OpenCV can't write {len(frames)} frames as {format}", place=place)
    return data
