"""OpenCV's encoders, and a proof of what they wrote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from convcli.errors import ImageError
from convcli.pictures import sniff
from convcli.pictures.format import Animation, Target
from convcli.pictures.opencv import opencv, quiet
from convcli.pictures.pixels import Pixels, coloured, swapped
from convcli.pictures.registry import FORMATS
from convcli.pictures.source import header


def encoded(
    pixels: Pixels, target: Target, flags: Sequence[int] = (), *, described: bool = False, by_header: bool = True
) -> bytes:
    """A file of `pixels`, with the metadata in it if `described`, proved to be of their size.

    By its header, or if not `by_header` by reading it back. Raises ImageError.
    """
    cv2 = opencv(target.place)
    row, shape, metadata = FORMATS[target.format], pixels.shape, target.metadata
    if shape[2] in row.widened:
        pixels = coloured(pixels)
    blocks = {}
    if described:
        kinds = (cv2.IMAGE_METADATA_EXIF, cv2.IMAGE_METADATA_XMP, cv2.IMAGE_METADATA_ICCP)
        blocks = dict(zip(kinds, (metadata.exif, metadata.xmp, metadata.icc), strict=True))
    present = {kind: np.frombuffer(block, np.uint8) for kind, block in blocks.items() if block}
    try:
        with quiet(cv2):
            done, out = cv2.imencodeWithMetadata(
                row.extensions[0], swapped(pixels), list(present), list(present.values()), list(flags)
            )
    except cv2.error as error:
        raise _refused(target, error) from None
    data: bytes = out.tobytes() if done else b""
    if sniff.identify(data) != target.format or _size(data, target.format, by_header=by_header) != shape[:2]:
        raise ImageError(f"OpenCV can't write {shape[1]} x {shape[0]} as {target.format}", place=target.place)
    return data


def _size(data: bytes, format: str, *, by_header: bool) -> tuple[int, ...]:
    """The height and width of a file just written."""
    if by_header:
        facts = header(data, format, place="")
        return facts.height, facts.width
    cv2 = opencv()
    with quiet(cv2):
        back: Any = cv2.imdecode(np.frombuffer(data, np.uint8), -1)
    return () if back is None else back.shape[:2]


def encoded_frames(animation: Animation, target: Target, flags: Sequence[int]) -> bytes:
    """A file of all frames. Raises ImageError."""
    cv2 = opencv(target.place)
    frames = cv2.Animation()
    frames.frames = [swapped(coloured(frame)) for frame in animation.frames]
    frames.durations = np.array(animation.durations, np.int32)
    frames.loop_count = animation.loops
    try:
        with quiet(cv2):
            done, out = cv2.imencodeanimation(FORMATS[target.format].extensions[0], frames, list(flags))
    except cv2.error as error:
        raise _refused(target, error) from None
    data: bytes = out.tobytes() if done else b""
    count = len(animation.frames)
    if sniff.identify(data) != target.format or header(data, target.format, place=target.place).frames > count:
        raise ImageError(f"OpenCV can't write {count} frames as {target.format}", place=target.place)
    return data


def _refused(target: Target, error: Any) -> ImageError:
    return ImageError(f"can't be written as {target.format}: {error.err or error}", place=target.place)
