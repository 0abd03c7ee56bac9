"""Array files from bytes to bytes: .npy and .npz read, filtered in their layout, written as arrays or pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from convcli import npy
from convcli.errors import ImageError
from convcli.filtering.chain import Filtered, filter_array
from convcli.filtering.stages import describe
from convcli.ops import Kernel
from convcli.ops.layouts import Layout
from convcli.pictures import encoding, table


class ArrayFile:
    """An array file that was read, and the chain that is to run on it."""

    format_in = "npy"
    frames_in = frames_out = 1
    notes: tuple[str, ...] = ()

    def __init__(
        self, data: bytes, kernels: Sequence[Kernel], mode: str, layout: str | None, options: Mapping[str, Any],
        *, place: str,
    ) -> None:  # fmt: skip
        """Raises ImageError for what holds no array, UsageError for a layout that doesn't fit."""
        self._array = npy.read_npy(data, place=place)
        self._layout = Layout.of(self._array, layout)
        self._kernels = kernels
        self._mode = mode
        self._options = options
        self.dtype_in = str(self._array.dtype)

    def check(self, format: str, place: str, *, apart: bool) -> None:
        """Raise ImageError where `format` can't hold what will come out, ShapeError where a kernel doesn't fit."""
        import numpy as np

        if apart:
            raise ImageError("an array has no frames to be numbered", place=place, hint="leave {frame} out")
        x = self._layout.canonical(self._array)
        last = describe(self._kernels, x.shape[:-1], self._layout.spatial, x.shape[-1])[-1]
        if format == "npy":
            return
        made = self._layout.restore(np.broadcast_to(np.zeros((), np.uint8), (*last.size_out, last.channels_out))).shape
        if len(made) not in (2, 3) or last.channels_out not in (1, 3, 4):
            what = (
                f"{last.channels_out} channels" if len(made) == 3 else f"an array of shape {'x'.join(map(str, made))}"
            )
            raise ImageError(f"{what} can't be written as {format}", place=place, hint="write a .npy file")
        dtype = np.float32 if self._mode == "float" and self._array.dtype.kind != "f" else self._array.dtype
        table.check_shape(made if len(made) == 3 else (*made, 1), np.dtype(dtype), format, place)

    def filter(self) -> list[Filtered]:
        """The chain on the array, in the program's order of axes."""
        return [filter_array(self._layout.canonical(self._array), self._layout.spatial, self._kernels, self._mode)]

    def encode(self, results: Sequence[Filtered], format: str, *, place: str) -> tuple[bytes, tuple[str, ...]]:
        """The bytes of a file of the result, in its layout."""
        result = self._layout.restore(results[0].array)
        if format == "npy":
            return npy.write_npy(result), ()
        return encoding.encode(result, format=format, place=place, options=self._options), ()

    def encode_apart(
        self, results: Sequence[Filtered], format: str, *, place: str
    ) -> Iterator[tuple[bytes, tuple[str, ...]]]:
        """As `encode`: an array is one frame."""
        yield self.encode(results, format, place=place)
