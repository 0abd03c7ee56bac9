"""All of a picture by one call of OpenCV, and what is put before and after it when it is planned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from convcli.engine.channel.direct import one_channel, opencv_layout
from convcli.engine.dtypes import copy_pixels
from convcli.engine.memory import results

if TYPE_CHECKING:
    from convcli.engine.channel.whole import Filter
    from convcli.engine.dtypes import Array, DTypeLike
    from convcli.engine.geometry import Window


class PlainCall:
    """A `Call` that is one call of OpenCV: `filtered(x)` is all of the result, in fresh memory, `filtered(x, dst=y)` in
    `y`. A result of one channel may lack their axis."""

    def __init__(self, filtered: Filter, shape: tuple[int, ...]) -> None:
        self.filtered, self._shape = filtered, shape

    def __call__(self, x: Array, out: Array | None) -> Array:
        target = None if out is None else one_channel(out)
        if target is not None and opencv_layout(target):
            self.filtered(one_channel(x), dst=target)
            return target
        y: Array = self.filtered(one_channel(x)).reshape(self._shape)
        if out is None:
            return y
        np.copyto(out, y)
        return out

    def of_floats(self, dtype: DTypeLike) -> PlainCall:
        """The same on samples that are made floats of `dtype` first."""
        filtered = self.filtered

        def on_floats(picture: Array, dst: Array | None = None) -> Array:
            source = results(picture.shape, dtype)
            np.copyto(source, picture)
            y: Array = filtered(source, dst=dst)
            return y

        return PlainCall(on_floats, self._shape)

    def some(self, dtype: DTypeLike, windows: Sequence[Window]) -> PlainCall:
        """Of all results, of `dtype`, one for each sample, those that a stride leaves."""
        filtered = self.filtered
        steps = tuple(slice(0, (window.length - 1) * window.stride + 1, window.stride) for window in windows)

        def picked(picture: Array, dst: Array | None = None) -> Array:
            every = results(picture.shape, dtype)
            filtered(picture, dst=every)
            wanted = every[steps]
            y = results(wanted.shape, dtype) if dst is None else dst
            copy_pixels(y, wanted)
            return y

        return PlainCall(picked, (*(window.length for window in windows), *self._shape[2:]))
