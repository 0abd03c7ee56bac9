"""Layouts of arrays: which axis is which, in letters. Inside the program the order is z, y, x, then c."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convcli.errors import UsageError
from convcli.records import late, record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
else:
    np = late("numpy")

#: The layout of a bare array by its rank.
DEFAULTS = {1: "x", 2: "yx", 3: "yxc", 4: "zyxc"}


def check_letters(axes: str) -> None:
    """Raises `UsageError` where `axes` can be the layout of no array."""
    if len(set(axes)) != len(axes) or not set(axes) <= set("zyxc"):
        raise UsageError(f"layout '{axes}' is not made of the letters x, y, z and c, each at most once")
    if not set(axes) & set("zyx"):
        raise UsageError(f"layout '{axes}' names no axis x, y or z")


@record(kw_only=False)
class Layout:
    """The axes of an array, as letters of x, y, z and c, each at most once and one of them spatial."""

    axes: str

    @classmethod
    def of(cls, array: npt.NDArray[Any], axes: str | None = None) -> Layout:
        """The layout `axes`, or the default for the array's rank.

        Raises `UsageError` where letters and rank don't fit, or the array is none, empty or not of real numbers.
        """
        if not isinstance(array, np.ndarray):
            raise UsageError(f"a {type(array).__name__} is not an array", hint="numpy.asarray makes one of lists")
        if array.dtype.kind not in "buif":
            raise UsageError(f"an array of dtype {array.dtype} holds no real numbers")
        if axes is None:
            if array.ndim not in DEFAULTS:
                raise UsageError(f"an array of rank {array.ndim} has no default layout", hint="ranks 1 to 4 have one")
            axes = DEFAULTS[array.ndim]
        check_letters(axes)
        if len(axes) != array.ndim:
            raise UsageError(
                f"layout '{axes}' has {len(axes)} axes, the array {array.ndim}: its shape is {array.shape}"
            )
        if 0 in array.shape:
            raise UsageError(f"an array of shape {array.shape} holds no samples")
        return cls(axes)

    @property
    def spatial(self) -> str:
        """The spatial axes, in the program's order."""
        return "".join(axis for axis in "zyx" if axis in self.axes)

    def canonical(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The array as `(*spatial, channels)`; one channel where it has no channel axis."""
        moved = array.transpose([self.axes.index(axis) for axis in self.spatial + "c" if axis in self.axes])
        return moved if "c" in self.axes else moved[..., None]

    def restore(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Back from `(*spatial, channels)`; several channels that had no axis become the last one."""
        axes = self.axes
        if "c" not in axes:
            if array.shape[-1] == 1:
                array = array[..., 0]
            else:
                axes = axes + "c"
        order = [axis for axis in self.spatial + "c" if axis in axes]
        return array.transpose([order.index(axis) for axis in axes])
