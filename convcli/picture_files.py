"""Picture files from bytes to bytes: frames decoded, each filtered as the settings say, written with metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any

from convcli import images
from convcli.errors import ImageError
from convcli.images import MAX_PIXELS, Picture
from convcli.ops import Kernel
from convcli.pipeline import Filtered
from convcli.records import record
from convcli.treatment import PLAIN, Treatment, filter_treated

if TYPE_CHECKING:
    from numpy.typing import NDArray


@record
class PictureSettings:
    """How picture files are read, treated and written; `options` are those of `encoding.settings`."""

    max_pixels: int = MAX_PIXELS
    allow_truncated: bool = False
    strict: bool = False
    all_frames: bool = False
    treatment: Treatment = PLAIN
    options: Mapping[str, Any] = field(default_factory=dict)


def read(data: bytes, settings: PictureSettings, *, place: str) -> list[Picture]:
    """The first frame of a file, or all of them. Raises ImageError."""
    how: dict[str, Any] = {
        "place": place,
        "max_pixels": settings.max_pixels,
        "allow_truncated": settings.allow_truncated,
        "strict": settings.strict,
    }
    return list(images.frames(data, **how)) if settings.all_frames else [images.decode(data, **how)]


def filter_frames(
    pictures: Sequence[Picture], kernels: Sequence[Kernel], mode: str, settings: PictureSettings
) -> list[Filtered]:
    """The chain on each frame alone. Raises ShapeError."""
    return [filter_treated(picture.pixels, kernels, mode, settings.treatment) for picture in pictures]


def encode(
    results: Sequence[Filtered], pictures: Sequence[Picture], format: str, settings: PictureSettings, *, place: str
) -> tuple[bytes, tuple[str, ...]]:
    """The bytes of a file of filtered frames, and notes on what of the first one's metadata it can't hold.

    Raises ImageError where the format can't hold them, UsageError for settings that no encoder has.
    """
    frames = [result.array for result in results]
    if format == "npy":
        return _as_array(frames, place), ()
    channels = results[0].stages[-1].channels_out
    if frames[0].shape[-1] > 4:
        raise ImageError(f"{channels} channels can't be written as {format}", place=place, hint="write a .npy file")
    many = len(frames) > 1
    assumed = _curve_note(pictures[0]) if settings.treatment.linear else ()
    metadata, notes = images.fit(pictures[0].metadata, frames[0], format, animated=many)
    if not many:
        options = settings.options
        return images.encode(frames[0], format=format, place=place, metadata=metadata, options=options), (
            *assumed,
            *notes,
        )
    from convcli import animation

    data = animation.encode(
        frames, format=format, place=place, metadata=metadata, options=settings.options, loops=pictures[0].loops,
        durations=[picture.duration for picture in pictures],
    )  # fmt: skip
    return data, (*assumed, *notes)


def _curve_note(picture: Picture) -> tuple[str, ...]:
    """A note where linear light was made by sRGB's curve, and the picture has another profile."""
    icc = picture.metadata.icc
    if not icc or picture.pixels.dtype.kind == "f" or b"sRGB" in icc or "sRGB".encode("utf-16-be") in icc:
        return ()
    return ("linear light by sRGB's curve, which its ICC profile may not have",)


def _as_array(frames: Sequence[NDArray[Any]], place: str) -> bytes:
    """An .npy file of one picture (y, x or y, x, c), or of frames of one shape (z, y, x, c)."""
    import numpy as np

    from convcli import arrays

    if len(frames) == 1:
        return arrays.write_npy(frames[0][..., 0] if frames[0].shape[-1] == 1 else frames[0])
    if len({frame.shape for frame in frames}) > 1:
        raise ImageError("frames of several sizes can't be one array", place=place, hint="a .tif file takes any")
    return arrays.write_npy(np.stack(frames))
