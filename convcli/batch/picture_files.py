"""Picture files from bytes to bytes: frames decoded, filtered as the settings say, written with metadata."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from convcli.batch.settings import PictureSettings
from convcli.engine.dtypes import dtype_name
from convcli.errors import ImageError, ShapeError
from convcli.filtering.chain import Filtered
from convcli.filtering.treatment import Treatment, filter_treated, is_plain, outcome
from convcli.ops import Kernel
from convcli.pictures import Animation, Metadata, Picture, decode, decode_all, encode, fit, table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Bytes of a picture in memory that is worth being filtered in steps.
IN_STEPS: Final = 1 << 22
_CHANNELS = {1: "grey", 2: "grey and alpha", 3: "RGB", 4: "RGBA"}


class PictureFile:
    """A picture file that was read, and the chain that is to run on each of its frames, or on all as a volume.

    They are a volume, `zyx`, where a kernel of the chain moves along z.
    """

    def __init__(
        self, data: bytes, kernels: Sequence[Kernel], mode: str, settings: PictureSettings, *, place: str
    ) -> None:
        """Decodes the first frame, or all of them. Raises ImageError, and ShapeError for frames that make no volume."""
        self._kernels = kernels
        self._mode = mode
        self._settings = settings
        self._volume = any("z" in kernel.axes for kernel in kernels)
        if self._volume and not settings.all_frames:
            name = next(kernel.name for kernel in kernels if "z" in kernel.axes)
            fact = f"kernel '{name}' moves along z, which one picture lacks"
            raise ShapeError(fact, place=place, hint="--all-frames takes the frames or pages of a file as a volume")
        how: dict[str, Any] = {
            "place": place,
            "max_pixels": settings.max_pixels,
            "allow_truncated": settings.allow_truncated,
            "strict": settings.strict,
        }
        self._pictures: list[Picture] = list(decode_all(data, **how)) if settings.all_frames else [decode(data, **how)]
        if self._volume:
            _check_stack(self._pictures, place)
        self.format_in = self._pictures[0].format
        self.dtype_in = dtype_name(self._pictures[0].pixels.dtype)
        self.frames_in = len(self._pictures)
        self.notes = tuple(str(note) for picture in self._pictures for note in picture.notes)
        self._kinds, self._leaves = self._outcome()

    @property
    def frames_out(self) -> int:
        """How many frames there will be."""
        return len(self._kinds)

    def _outcome(self) -> tuple[list[tuple[tuple[int, ...], Any]], int]:
        """The shape and dtype of each frame that will come out, and the channels that leave the chain."""
        given: list[tuple[tuple[int, ...], Any]] = [(p.pixels.shape, p.pixels.dtype) for p in self._pictures]
        if self._volume:
            given = [((len(given), *given[0][0]), given[0][1])]
        made = {
            kind: outcome(*kind, self._kernels, self._mode, self._settings.treatment) for kind in dict.fromkeys(given)
        }
        kinds: list[tuple[tuple[int, ...], Any]] = []
        for shape, dtype, _ in (made[kind] for kind in given):
            kinds += [(shape[1:], dtype)] * shape[0] if self._volume else [(shape, dtype)]
        return kinds, made[given[0]][2]

    def check(self, format: str, place: str, *, apart: bool) -> None:
        """Raise ImageError where `format` can't hold what will come out; `apart`: each frame in a file of its own."""
        shapes = [shape for shape, _ in self._kinds]
        if format == "npy":
            if len(set(shapes)) > 1 and not apart:
                raise ImageError(
                    "frames of several sizes can't be one array", place=place, hint="a .tif file takes any"
                )
        elif shapes[0][-1] > 4:
            raise ImageError(f"{self._leaves} channels can't be written as {format}", place=place, hint=BY_ARRAY)
        elif len(shapes) > 1 and not apart:
            from convcli.pictures import frames as animation

            animation.check_frames(self._kinds, format, place)
        else:
            for shape, dtype in self._kinds:
                table.check_shape(shape, dtype, format, place)

    def filter(self) -> list[Filtered]:
        """The chain on each frame alone, or once on all of them. The frames' own pixels are gone then."""
        treatment, counted = self._settings.treatment, self._settings.counted
        if self._volume:
            results = [filter_treated(self._stacked(), self._kernels, self._mode, treatment, counted=counted)]
            self._empty(0, len(self._pictures))
            return results
        results = []
        for number, picture in enumerate(self._pictures):
            way = _way(picture.pixels, treatment, counted=counted)
            results.append(way(picture.pixels, self._kernels, self._mode, treatment))
            del picture
            self._empty(number, number + 1)
        return results

    def _empty(self, first: int, stop: int) -> None:
        """Gives the memory of some frames' pixels up; their metadata and kind are still wanted."""
        for number in range(first, stop):
            picture = self._pictures[number]
            self._pictures[number] = replace(picture, pixels=picture.pixels[:0].copy())

    def _stacked(self) -> NDArray[Any]:
        """All frames in one array; the pictures become views of it, so that memory is taken once."""
        import numpy as np

        first = self._pictures[0].pixels
        stacked = np.empty((len(self._pictures), *first.shape), first.dtype)
        for number, picture in enumerate(self._pictures):
            stacked[number] = picture.pixels
            self._pictures[number] = replace(picture, pixels=stacked[number])
        return stacked

    def encode(self, results: Sequence[Filtered], format: str, *, place: str) -> tuple[bytes, tuple[str, ...]]:
        """The bytes of one file of all frames, and notes on what of the first one's metadata it can't hold."""
        frames = _frames(results)
        if format == "npy":
            return _as_array(frames), ()
        if len(frames) == 1:
            return self._encoded(frames[0], self._pictures[0], format, place)
        first = self._pictures[0]
        metadata, notes = fit(first.metadata, frames[0], format, animated=True)
        from convcli.pictures import frames as animation

        timed = Animation(frames=frames, durations=self._durations(len(frames)), loops=first.loops)
        data = animation.encode(timed, format=format, place=place, metadata=metadata, options=self._settings.options)
        return data, (*self._assumed(first), *notes)

    def encode_apart(
        self, results: Sequence[Filtered], format: str, *, place: str
    ) -> Iterator[tuple[bytes, tuple[str, ...]]]:
        """As `encode`, a file for every frame. Each has its own page's metadata where frames and pages are as many."""
        frames = _frames(results)
        for number, frame in enumerate(frames):
            if format == "npy":
                yield _as_array([frame]), ()
            else:
                picture = self._pictures[number if len(frames) == self.frames_in else 0]
                yield self._encoded(frame, picture, format, place)

    def _encoded(self, frame: NDArray[Any], picture: Picture, format: str, place: str) -> tuple[bytes, tuple[str, ...]]:
        metadata, notes = fit(picture.metadata, frame, format)
        data = encode(frame, format=format, place=place, metadata=metadata, options=self._settings.options)
        return data, (*self._assumed(picture), *notes)

    def _durations(self, count: int) -> list[int]:
        """Milliseconds of each frame that comes out; where a volume lost or gained some, all play as long as before."""
        durations = [picture.duration for picture in self._pictures]
        return durations if count == len(durations) else [round(sum(durations) / count)] * count

    def _assumed(self, picture: Picture) -> tuple[str, ...]:
        return curve_note(picture.metadata, picture.pixels.dtype, self._settings.treatment)


BY_ARRAY = "write a .npy file"


def _way(pixels: NDArray[Any], treatment: Treatment, *, counted: bool = True) -> Callable[..., Filtered]:
    """How to filter a picture: in steps where it is large, and floats of it are made besides the result."""
    plain = is_plain(pixels, treatment) and pixels.shape[-1] in (1, 3)
    if plain or pixels.nbytes < IN_STEPS:
        return filter_treated if counted else partial(filter_treated, counted=False)
    from convcli.filtering import paging, steps

    return steps.filter_in_steps if paging.available() else filter_treated


def curve_note(metadata: Metadata, dtype: np.dtype[Any], treatment: Treatment) -> tuple[str, ...]:
    """A note where linear light was made of a picture by sRGB's curve, and it has another profile."""
    icc = metadata.icc
    srgb = not icc or b"sRGB" in icc or "sRGB".encode("utf-16-be") in icc
    if srgb or not treatment.linear or dtype.kind == "f":
        return ()
    return ("linear light by sRGB's curve, which its ICC profile may not have",)


def _check_stack(pictures: Sequence[Picture], place: str) -> None:
    """Raise ShapeError where frames can't be stacked into a volume."""

    def kind(picture: Picture) -> str:
        height, width, channels = picture.pixels.shape
        return f"{width} x {height} {_CHANNELS[channels]} {picture.pixels.dtype}"

    for number, picture in enumerate(pictures[1:], 2):
        if kind(picture) != kind(pictures[0]):
            fact = f"frame 1 is {kind(pictures[0])}, frame {number} is {kind(picture)}: they make no volume"
            raise ShapeError(fact, place=place, hint="kernels that move along y and x alone take frames of any size")


def _frames(results: Sequence[Filtered]) -> list[NDArray[Any]]:
    """The frames of results, one of which may be a volume of them."""
    npy = [result.array for result in results]
    return [frame for array in npy for frame in (array if array.ndim == 4 else [array])]


def _as_array(frames: Sequence[NDArray[Any]]) -> bytes:
    """An .npy file of one picture (y, x or y, x, c), or of frames of one shape (z, y, x, c)."""
    import numpy as np

    from convcli import npy

    if len(frames) == 1:
        return npy.write_npy(frames[0][..., 0] if frames[0].shape[-1] == 1 else frames[0])
    return npy.write_npy(np.stack(frames))
