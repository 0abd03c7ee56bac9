"""Inputs that are whole in memory: picture files and array files, decoded, and what becomes of them encoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from convcli.batch.names.inputs import ARRAYS
from convcli.batch.settings import PictureSettings, Settings
from convcli.channels import Channels
from convcli.engine.dtypes import dtype_name
from convcli.errors import ImageError, ShapeError, UsageError
from convcli.filtering import Chain, Filtered, Picture, Treatment, filtered
from convcli.filtering.picture import Outline
from convcli.pictures import Animation, Metadata, Picture as Frame, decode, decode_all, encoding, fit, table
from convcli.records import late

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array
    from convcli.files import npy
else:
    npy = late("convcli.files.npy")

BY_ARRAY: Final = "write a .npy file"


def opened(data: bytes, place: str, settings: Settings, format_out: str) -> PictureFile | ArrayFile:
    """A file's pictures or its array, with the chain that is to run on them; what it makes goes to `format_out`."""
    chain, pictures = settings.chain(format_out), settings.pictures or PictureSettings()
    if data.startswith(ARRAYS):
        return ArrayFile(data, chain, settings.layout, pictures, place=place)
    if settings.layout not in (None, "yxc"):
        raise UsageError(f"an image has the layout yxc, not {settings.layout}", hint="--layout is for .npy arrays")
    return PictureFile(data, chain, pictures, place=place)


class PictureFile:
    """A picture file that was read, and the chain that is to run on each of its frames, or on all as a volume.

    They are a volume, `zyx`, where a kernel of the chain moves along z.
    """

    def __init__(self, data: bytes, chain: Chain, settings: PictureSettings, *, place: str) -> None:
        """Decodes the first frame, or all of them.

        Raises ImageError, and ShapeError for frames that make no volume or don't fit the chain.
        """
        self._settings = settings
        self._volume = any("z" in kernel.axes for kernel in chain.kernels)
        if self._volume and not settings.all_frames:
            name = next(kernel.name for kernel in chain.kernels if "z" in kernel.axes)
            fact = f"kernel '{name}' moves along z, which one picture lacks"
            raise ShapeError(fact, place=place, hint="--all-frames takes the frames or pages of a file as a volume")
        limits: dict[str, Any] = {
            "place": place,
            "max_pixels": settings.max_pixels,
            "allow_truncated": settings.allow_truncated,
            "strict": settings.strict,
        }
        self._frames: list[Frame] = (
            list(decode_all(data, **limits)) if settings.all_frames else [decode(data, **limits)]
        )
        if self._volume:
            _check_stack(self._frames, place)
        self.format_in = self._frames[0].format
        self.dtype_in = dtype_name(self._frames[0].pixels.dtype)
        self.frames_in = len(self._frames)
        #: How many frames or pages the file has that were not taken.
        self.frames_left = self._frames[0].frames - self.frames_in
        self.notes = tuple(str(note) for frame in self._frames for note in frame.notes)
        first = self._frames[0].pixels
        shapes = [(len(self._frames), *first.shape)] if self._volume else [frame.pixels.shape for frame in self._frames]
        self.pictures = [
            Picture.of(
                Outline(shape=shape, dtype=frame.pixels.dtype, channels=frame.channels), chain, settings.treatment,
                counted=settings.counted,
            )
            for shape, frame in zip(shapes, self._frames, strict=False)
        ]  # fmt: skip

    @property
    def _kinds(self) -> list[tuple[tuple[int, ...], Any, Channels]]:
        """The shape, dtype and channels of each frame that will come out."""
        first = self.pictures[0]
        if self._volume:
            return [(first.shape[1:], first.dtype, first.channels)] * first.shape[0]
        return [(result.shape, result.dtype, result.channels) for result in self.pictures]

    @property
    def frames_out(self) -> int:
        """How many frames there will be."""
        return len(self._kinds)

    def check(self, format: str, place: str, *, apart: bool) -> None:
        """Raise ImageError where `format` can't hold what will come out; `apart`: each frame in a file of its own."""
        shapes = [shape for shape, _, _ in self._kinds]
        if format == "npy":
            if len(set(shapes)) > 1 and not apart:
                raise ImageError(
                    "frames of several sizes can't be one array", place=place, hint="a .tif file takes any"
                )
        elif len(shapes) > 1 and not apart:
            encoding.check_frames(self._kinds, format, place)
        else:
            for shape, dtype, channels in self._kinds:
                table.check_shape(shape, dtype, format, place, channels)

    def filter(self, *, premultiplied: bool) -> list[Filtered]:
        """The chain on each frame alone, or once on all of them. The frames' own pixels are gone then.

        Only where they may stay `premultiplied` do colours leave multiplied by alpha that came so.
        """
        for picture in self.pictures:
            picture.premultiplied &= premultiplied
        if self._volume:
            results = [filtered(self.pictures[0], self._stacked())]
            self._empty(0, len(self._frames))
            return results
        results = []
        for number, picture in enumerate(self.pictures):
            results.append(filtered(picture, self._frames[number].pixels))
            self._empty(number, number + 1)
        return results

    def _empty(self, first: int, stop: int) -> None:
        """Gives the memory of some frames' pixels up; their metadata and kind are still wanted."""
        for number in range(first, stop):
            frame = self._frames[number]
            self._frames[number] = replace(frame, pixels=frame.pixels[:0].copy())

    def _stacked(self) -> Array:
        """All frames in one array; the pictures become views of it, so that memory is taken once."""
        first = self._frames[0].pixels
        stacked = np.empty((len(self._frames), *first.shape), first.dtype)
        for number, frame in enumerate(self._frames):
            stacked[number] = frame.pixels
            self._frames[number] = replace(frame, pixels=stacked[number])
        return stacked

    def encode(self, results: Sequence[Filtered], format: str, *, place: str) -> tuple[bytes, tuple[str, ...]]:
        """The bytes of one file of all frames, and notes on what of the first one's metadata it can't hold."""
        frames = _frames(results)
        if format == "npy":
            return _as_array(frames), ()
        if len(frames) == 1:
            return self._encoded(frames[0], 0, format, place)
        first = self._frames[0]
        kinds = [channels for _, _, channels in self._kinds]
        metadata, notes = fit(first.metadata, frames[0], format, kinds[0], animated=True)
        timed = Animation(frames=frames, durations=self._durations(len(frames)), loops=first.loops, channels=kinds)
        data = encoding.encode_frames(
            timed, format=format, place=place, metadata=metadata, options=self._settings.options
        )
        return data, (*self._assumed(first), *notes, *encoding.losses(frames, format))

    def encode_apart(
        self, results: Sequence[Filtered], format: str, *, place: str
    ) -> Iterator[tuple[bytes, tuple[str, ...]]]:
        """As `encode`, a file for every frame. Each has its own page's metadata where frames and pages are as many."""
        frames = _frames(results)
        for number, frame in enumerate(frames):
            if format == "npy":
                yield _as_array([frame]), ()
            else:
                yield self._encoded(frame, number, format, place)

    def _encoded(self, frame: Array, number: int, format: str, place: str) -> tuple[bytes, tuple[str, ...]]:
        kinds = self._kinds
        picture, channels = self._frames[number if len(kinds) == self.frames_in else 0], kinds[number][2]
        metadata, notes = fit(picture.metadata, frame, format, channels)
        data = encoding.encode(
            frame, format=format, place=place, metadata=metadata, options=self._settings.options, channels=channels
        )
        return data, (*self._assumed(picture), *notes, *encoding.losses([frame], format))

    def _durations(self, count: int) -> list[int]:
        """Milliseconds of each frame that comes out; where a volume lost or gained some, all play as long as before."""
        durations = [picture.duration for picture in self._frames]
        return durations if count == len(durations) else [round(sum(durations) / count)] * count

    def _assumed(self, picture: Frame) -> tuple[str, ...]:
        return curve_note(picture.metadata, picture.pixels.dtype, self._settings.treatment)


def curve_note(metadata: Metadata, dtype: np.dtype[Any], treatment: Treatment) -> tuple[str, ...]:
    """A note where linear light was made of a picture by sRGB's curve, and it has another profile."""
    icc = metadata.icc
    srgb = not icc or b"sRGB" in icc or "sRGB".encode("utf-16-be") in icc
    if srgb or not treatment.linear or dtype.kind == "f":
        return ()
    return ("linear light by sRGB's curve, which its ICC profile may not have",)


def _check_stack(pictures: Sequence[Frame], place: str) -> None:
    """Raise ShapeError where frames can't be stacked into a volume."""

    def kind(picture: Frame) -> str:
        height, width = picture.pixels.shape[:2]
        return f"{width} x {height} {picture.channels} {picture.pixels.dtype}"

    for number, picture in enumerate(pictures[1:], 2):
        if kind(picture) != kind(pictures[0]):
            fact = f"frame 1 is {kind(pictures[0])}, frame {number} is {kind(picture)}: they make no volume"
            raise ShapeError(fact, place=place, hint="kernels that move along y and x alone take frames of any size")


def _frames(results: Sequence[Filtered]) -> list[Array]:
    """The frames of results, one of which may be a volume of them."""
    npy = [result.array for result in results]
    return [frame for array in npy for frame in (array if array.ndim == 4 else [array])]


def _as_array(frames: Sequence[Array]) -> bytes:
    """An .npy file of one picture (y, x or y, x, c), or of frames of one shape (z, y, x, c)."""
    if len(frames) == 1:
        return npy.write_npy(frames[0][..., 0] if frames[0].shape[-1] == 1 else frames[0])
    return npy.write_npy(np.stack(frames))


class ArrayFile:
    """An array file that was read, and the chain that is to run on it."""

    format_in = "npy"
    frames_in = frames_out = 1
    frames_left = 0

    def __init__(self, data: bytes, chain: Chain, layout: str | None, settings: PictureSettings, *, place: str) -> None:
        """Channels are bands, of which none can be picked by a colour's name.

        Raises ImageError for what holds no array, UsageError or ShapeError where layout, kernel or treatment don't fit.
        """
        from convcli.ops.layouts import Layout, doubt

        self._array = npy.read_npy(data, place=place)
        expected = (chain.kernels[0].channels or (None,))[0]
        self._layout = Layout.of(self._array, layout, expected)
        self.notes = tuple(filter(None, [doubt(self._array.shape, expected)])) if layout is None else ()
        self._x = self._layout.canonical(self._array)
        outline = Outline(shape=self._x.shape, dtype=self._x.dtype, axes=self._layout.spatial)
        if settings.treatment.takes_alpha and self._x.shape[-1] in (2, 4):  # as pictures with alpha have
            fact = f"the {self._x.shape[-1]} channels of an array are bands, none of which is alpha"
            raise ShapeError(fact, hint="leave --alpha and --background out")
        self.pictures = [Picture(outline, chain, settings.treatment)]
        self._options = settings.options
        self.dtype_in = dtype_name(self._array.dtype)
        leaves = self.pictures[0].leaves
        # A picture file of four channels, and only that, has alpha: of two nobody thinks so.
        self._channels = Channels.of(leaves) if leaves != 2 else Channels.bands(2)

    def check(self, format: str, place: str, *, apart: bool) -> None:
        """Raise ImageError where `format` can't hold what will come out."""
        if apart:
            raise ImageError("an array has no frames to be numbered", place=place, hint="leave {frame} out")
        if format == "npy":
            return
        outline = np.broadcast_to(np.zeros((), self.pictures[0].dtype), self.pictures[0].shape)
        shape = self._layout.restore(outline).shape
        if len(shape) not in (2, 3):
            what = f"an array of shape {'x'.join(map(str, shape))}"
            raise ImageError(f"{what} can't be written as {format}", place=place, hint=BY_ARRAY)
        rows = shape if len(shape) == 3 else (*shape, 1)
        table.check_shape(rows, self.pictures[0].dtype, format, place, self._channels)

    def filter(self, *, premultiplied: bool) -> list[Filtered]:
        """The chain on the array, in the program's order of axes."""
        return [filtered(self.pictures[0], self._x)]

    def encode(self, results: Sequence[Filtered], format: str, *, place: str) -> tuple[bytes, tuple[str, ...]]:
        """The bytes of a file of the result, in its layout."""
        result = self._layout.restore(results[0].array)
        if format == "npy":
            return npy.write_npy(result), ()
        data = encoding.encode(result, format=format, place=place, options=self._options, channels=self._channels)
        return data, encoding.losses([result], format)

    def encode_apart(
        self, results: Sequence[Filtered], format: str, *, place: str
    ) -> Iterator[tuple[bytes, tuple[str, ...]]]:
        """As `encode`: an array is one frame."""
        yield self.encode(results, format, place=place)
