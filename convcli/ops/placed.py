"""Where a kernel's taps lie along its axes: what each output reads, and how many outputs there are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from convcli.engine.geometry import AxisPadding, Gather, KernelAxis, Window, extent, gather_window
from convcli.errors import ShapeError
from convcli.records import late, record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
else:
    np = late("numpy")

T = TypeVar("T")

#: So many facts about shapes a kernel keeps.
REMEMBERED = 64


@record
class Placed(ABC):
    """A kernel's place on the samples: `stride`, `dilation` and `padding` have one entry per axis of `axes`."""

    name: str = "kernel"
    axes: str = "yx"
    stride: tuple[int, ...] = (1, 1)
    dilation: tuple[int, ...] = (1, 1)
    padding: tuple[AxisPadding, ...] = ("same", "same")
    border: str = "reflect"

    @property
    @abstractmethod
    def taps(self) -> tuple[int, ...]:
        """Taps per axis."""

    @cached_property
    def _remembered(self) -> dict[Hashable, Any]:
        return {}

    def remembered(self, key: Hashable, make: Callable[[], T]) -> T:
        """`make()`, kept for the next input of the same shape, which a batch has many of; `key` tells shapes apart."""
        memory = self._remembered
        try:
            value: T = memory[key]
        except KeyError:
            # Not read from there again: another thread may have cleared it.
            value = make()
            if len(memory) >= REMEMBERED:
                memory.clear()
            memory[key] = value
        return value

    @property
    def extent(self) -> tuple[int, ...]:
        """Samples from the first to the last tap per axis."""
        return tuple(extent(k, d) for k, d in zip(self.taps, self.dilation, strict=True))

    def window(self, n: int, index: int) -> Window:
        """The window along the kernel's axis number `index` on `n` samples."""
        return gather_window(n, self.axis(index), self.padding[index])

    def axis(self, index: int) -> KernelAxis:
        return KernelAxis(self.taps[index], self.stride[index], self.dilation[index], self.axes[index])

    def windows(self, spatial: Sequence[int], axes: str) -> list[Window]:
        """One window per axis of an array; axes that the kernel doesn't move along are carried through.

        Raises `ShapeError` where the array lacks an axis of the kernel.
        """
        if missing := [axis for axis in self.axes if axis not in axes]:
            hint = "say what the axes of the array are: --layout, as in --layout zyx"
            if len(axes) == 1:
                hint = f"a kernel of one axis: -k '{{axes: {axes[0]}, weights: [1, 2, 1], divisor: sum}}'"
            raise ShapeError(
                f"kernel '{self.name}' moves along {','.join(self.axes)}; the array has the axes {','.join(axes)}"
                f" and no {missing[0]}",
                hint=hint,
            )
        sizes = dict(zip(axes, spatial, strict=True))

        def windows() -> list[Window]:
            return [
                self.window(sizes[axis], self.axes.index(axis))
                if axis in self.axes
                else Gather(1, 1, 1, 0, sizes[axis])
                for axis in axes
            ]

        return self.remembered(("windows", tuple(spatial), axes), windows)

    def output_shape(self, spatial: Sequence[int], axes: str | None = None) -> tuple[int, ...]:
        """Sizes of the output along `axes` (default: the kernel's own) for an input of `spatial` sizes."""
        return tuple(window.length for window in self.windows(spatial, axes or self.axes))

    def rows_read(self, start: int, stop: int, size: tuple[int, int]) -> tuple[int, int]:
        """The rows, first and behind the last, of a picture (height, width) that outputs `start .. stop-1` need.

        Rows outside the picture are those that the border rule shows there.
        """
        return self.windows(size, "yx")[0].reads(start, stop)

    def reads(self, output: Sequence[int], size: Sequence[int]) -> npt.NDArray[np.float64]:
        """The places that each tap of one output reads: `(taps, axes)`, taps in the order of the weights.

        `output` is its index and `size` the input's per axis of the kernel's own. Places are indices of samples, also
        outside the input, where the border rule says what is there. A tap of a transposed kernel that meets no sample
        has NaN. Raises `ShapeError` for an output that isn't there.
        """
        windows = self.windows(size, self.axes)
        lengths = tuple(window.length for window in windows)
        if len(output) != len(lengths) or not all(0 <= o < n for o, n in zip(output, lengths, strict=True)):
            at, shape = ",".join(map(str, output)), "x".join(map(str, lengths))
            raise ShapeError(f"{at} lies outside the output of {shape}", hint="indices count from 0")
        places = [np.array(window.places(o), np.float64) for window, o in zip(windows, output, strict=True)]
        grid = np.stack(np.meshgrid(*places, indexing="ij"), -1).reshape(-1, len(places))
        return np.where(np.isnan(grid).any(1, keepdims=True), np.nan, grid)
