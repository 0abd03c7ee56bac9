"""Pixels -> image files: checked, with metadata that fit, by the format's own encoder."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, BinaryIO, Final

from convcli.channels import Channels
from convcli.errors import ImageError
from convcli.pictures.format import NOTHING, Animation, Metadata, Pixels, RowWriter, Target, at
from convcli.pictures.metadata import fit
from convcli.pictures.registry import FORMATS
from convcli.pictures.table import check_shape, chosen_settings

_STILL_MS: Final = 100  # what browsers give a frame without a duration


def encode(
    pixels: Pixels, *, format: str, place: str, metadata: Metadata = NOTHING,
    options: Mapping[str, Any] | None = None, channels: Channels | None = None,
) -> bytes:  # fmt: skip
    """The bytes of an image file of `pixels`, shaped (height, width, channels) or (height, width), in RGB(A) order.

    JPEG, WebP and AVIF are written at quality 95, TIFF uncompressed, where neither `options` (see `chosen_settings`)
    nor the file that the metadata are of say anything else. Where a format has no grey with alpha (WebP, BMP, JPEG
    2000, AVIF) the grey becomes three equal channels, as plain grey does in WebP. `channels` say what those of the
    pixels mean, where that is not what so many mostly do: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA. Of `metadata` the
    file gets what `fit` leaves.

    Raises ImageError where the format can't hold the depth, the channels or the size; nothing is converted in silence.
    """
    if format == "npy":
        from convcli.files import npy  # an array is seldom written

        return npy.write_npy(pixels)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    check_shape(pixels.shape, pixels.dtype, format, place, channels)
    target = target_of(format, fit(metadata, pixels, format, channels)[0], options, channels)
    by_itself = FORMATS[format].encode
    with at(place):
        if by_itself:
            return by_itself(pixels, target)
        file = io.BytesIO()
        rows = writer(file, target, pixels)
        rows.add(pixels)
        rows.end()
        return file.getvalue()


def target_of(
    format: str, metadata: Metadata, options: Mapping[str, Any] | None, channels: Channels | None = None
) -> Target:
    """What a file of `format` is written by; `metadata` are what `fit` leaves, the others as for `encode`.

    An encoder's settings are those of `options`; else, unless these say a quality, as the file was that they are of.
    """
    own = {} if "quality" in (options or {}) else dict(metadata.settings)
    settings = chosen_settings(format, {**own, **(options or {})})
    return Target(format=format, metadata=metadata, settings=settings, channels=channels)


def writer(file: BinaryIO, target: Target, outline: Pixels) -> RowWriter:
    """What writes a picture by rows, in a format that has a `writer`; `outline` is any array of its shape and dtype."""
    by_rows = FORMATS[target.format].writer
    assert by_rows
    begun = by_rows(file, outline.nbytes, target)
    begun.begin(outline.shape, outline.dtype)
    return begun


def encode_frames(
    animation: Animation, *, format: str, place: str, metadata: Metadata = NOTHING,
    options: Mapping[str, Any] | None = None,
) -> bytes:  # fmt: skip
    """The bytes of one file of several pictures (height, width, channels): pages of a TIFF, or an animation.

    Frames without a duration get one. An AVIF sequence takes no metadata and no `loops`. Raises ImageError where the
    format can't hold them.
    """
    frames = animation.frames
    kinds = animation.channels or [Channels.of(frame.shape[2]) for frame in frames]
    check_frames([(frame.shape, frame.dtype, kind) for frame, kind in zip(frames, kinds, strict=True)], format, place)
    target = target_of(format, fit(metadata, frames[0], format, kinds[0], animated=True)[0], options)
    durations = [duration if duration > 0 else _STILL_MS for duration in animation.durations or [0] * len(frames)]
    encoder = FORMATS[format].encode_frames
    assert encoder
    with at(place):
        return encoder(replace(animation, durations=durations, channels=kinds), target)


def losses(frames: Sequence[Pixels], format: str) -> tuple[str, ...]:
    """What pictures that `format` holds lose in a file of it all the same, in words."""
    in_words = FORMATS[format].losses
    return in_words([frame.reshape(*frame.shape[:2], -1) for frame in frames]) if in_words else ()


def check_frames(kinds: Sequence[tuple[Sequence[int], Any, Channels]], format: str, place: str) -> None:
    """Raise ImageError where a format can't hold frames of these shapes (height, width, channels), dtypes, channels."""
    row = FORMATS[format]
    if row.encode_frames is None:
        able = sorted((other for other in FORMATS.values() if other.encode_frames), key=lambda other: not other.pages)
        hint = f"formats that can: {' '.join(other.extensions[0] for other in able)}"
        hint += "; {frame} in the output's name gives each a file"
        raise ImageError(f"{format} can't hold {len(kinds)} pictures", place=place, hint=hint)
    for shape, dtype, channels in kinds:
        check_shape(shape, dtype, format, place, channels)
    if not row.pages and len({(tuple(shape), str(dtype)) for shape, dtype, _ in kinds}) > 1:
        raise ImageError("the frames of an animation must be of one size", place=place, hint="a TIFF takes any")
