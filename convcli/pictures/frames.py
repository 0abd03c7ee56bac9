"""Files of several pictures: animations (GIF, APNG, WebP, AVIF) and pages (TIFF), read and written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from convcli.errors import ImageError
from convcli.pictures.format import NOTHING, Animation, Metadata, Target
from convcli.pictures.metadata import fit
from convcli.pictures.opencv import opencv, overheard, quiet
from convcli.pictures.pixels import swapped, upright
from convcli.pictures.registry import FORMATS
from convcli.pictures.source import Source
from convcli.pictures.table import check_shape, chosen_settings

_STILL_MS: Final = 100  # what browsers give a frame without a duration


def read(source: Source, *, count: int, orientation: int) -> Animation:
    """All `count` frames of an animation, upright. They are RGB where every one of them is opaque.

    Raises ImageError where they can't all be decoded, or are more pixels than the limit together.
    """
    cv2 = opencv(source.place)
    ordered = FORMATS[source.format].ordered
    data = ordered(source.data, place=source.place) if ordered else source.data
    try:
        with quiet(cv2), overheard(source.complaints):
            done, animation = cv2.imdecodeanimation(np.frombuffer(data, np.uint8))
    except cv2.error as error:
        raise ImageError(f"its frames can't be decoded: {error.err or error}", place=source.place) from None
    if not done or len(animation.frames) < count:
        decoded = len(animation.frames) if done else 0
        fact = f"damaged {source.format}: {decoded} of {count} frames can be decoded"
        raise ImageError(fact, place=source.place)
    frames = [swapped(frame.reshape(*frame.shape[:2], -1)) for frame in animation.frames]
    if all(frame.shape[2] == 4 and frame[:, :, 3].min() == np.iinfo(frame.dtype).max for frame in frames):
        frames = [np.ascontiguousarray(frame[:, :, :3]) for frame in frames]
    return Animation(
        frames=[upright(frame, orientation) for frame in frames],
        durations=[int(duration) for duration in animation.durations] or [0] * len(frames),
        loops=animation.loop_count,
    )


def encode(
    animation: Animation, *, format: str, place: str, metadata: Metadata = NOTHING,
    options: Mapping[str, Any] | None = None,
) -> bytes:  # fmt: skip
    """The bytes of one file of several pictures (height, width, channels): pages of a TIFF, or an animation.

    Frames without a duration get one. An AVIF sequence takes no metadata and no `loops`. Raises ImageError where the
    format can't hold them.
    """
    frames = animation.frames
    check_frames([(frame.shape, frame.dtype) for frame in frames], format, place)
    metadata, _ = fit(metadata, frames[0], format, animated=True)
    chosen = chosen_settings(format, options)
    durations = [duration if duration > 0 else _STILL_MS for duration in animation.durations or [0] * len(frames)]
    timed = Animation(frames=frames, durations=durations, loops=animation.loops)
    encoder = FORMATS[format].encode_frames
    assert encoder
    return encoder(timed, Target(format=format, place=place, metadata=metadata, settings=chosen))


def check_frames(kinds: Sequence[tuple[Sequence[int], Any]], format: str, place: str) -> None:
    """Raise ImageError where a format can't hold frames of these shapes (height, width, channels) and dtypes."""
    row = FORMATS[format]
    if row.encode_frames is None:
        able = sorted((other for other in FORMATS.values() if other.encode_frames), key=lambda other: not other.pages)
        hint = f"formats that can: {' '.join(other.extensions[0] for other in able)}"
        hint += "; {frame} in the output's name gives each a file"
        raise ImageError(f"{format} can't hold {len(kinds)} pictures", place=place, hint=hint)
    for shape, dtype in kinds:
        check_shape(shape, dtype, format, place)
    if not row.pages and len({(tuple(shape), str(dtype)) for shape, dtype in kinds}) > 1:
        raise ImageError("the frames of an animation must be of one size", place=place, hint="a TIFF takes any")
