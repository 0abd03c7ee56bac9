"""Layouts of arrays: which axis is which, in letters. Inside the program the order is n, z, y, x, then c.

Along n, pictures one after the other, no kernel moves. Other programs' letters d, h and w are z, y and x: nchw, hwc.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from convcli.errors import UsageError
from convcli.records import record

if TYPE_CHECKING:
    import numpy.typing as npt

#: The layout of a bare array by its rank.
DEFAULTS = {1: "x", 2: "yx", 3: "yxc", 4: "zyxc"}
#: All axes but the channels, in the program's order.
_SPATIAL = "nzyx"
#: Other programs' letters.
_OTHERS = str.maketrans("dhw", "zyx")
#: More channels than a picture has, with alpha.
_MANY = 5
#: Bands that come first are so many times fewer than rows and columns.
_SHORTER = 4
#: And channels at the end are so many times fewer than rows or columns of most pictures.
_FEWER = 2


def default(shape: Sequence[int], expected: int | None = None) -> str:
    """The layout of an array of this shape that nobody says anything of.

    Raises `UsageError` where its rank has none, and where the channels seem to be another axis than the last: that one
    is longer than a picture has channels, and one before rows and columns is not, or is that much shorter than both.
    Where a filter bank expects as many channels as the last axis is long, that is what they are.

    >>> default((480, 640, 3)), default((3, 480, 3)), default((7, 7, 512)), default((3, 480))
    ('yxc', 'yxc', 'yxc', 'yx')
    """
    if len(shape) not in DEFAULTS:
        raise UsageError(f"an array of rank {len(shape)} has no default layout", hint="ranks 1 to 4 have one")
    axes = DEFAULTS[len(shape)]
    first = next((place for place in range(len(shape) - 3, -1, -1) if 0 < shape[place] < _MANY), None)
    if len(shape) == 3 and 0 < _SHORTER * shape[0] <= min(shape[1:]):
        first = 0
    if first is None or shape[-1] < _MANY or shape[-1] == expected:
        return axes
    like = {3: ("cyx",), 4: ("czyx", "zcyx")}[len(shape)][first]
    others = " or ".join((axes, *(["zyx"] if len(shape) == 3 else [])))
    fact = f"an array of shape {tuple(shape)} looks like {like}; as {axes} it would have {shape[-1]} channels"
    raise UsageError(fact, hint=f"say layout='{like}' (--layout {like}), or {others} if it is that")


def doubt(shape: Sequence[int], expected: int | None = None) -> str:
    """What to say where the last axis of an array, channels by `default`, is about as long as an axis of space.

    >>> doubt((40, 50, 60))
    '60 channels of 40 x 50 samples: an array of shape (40, 50, 60) is read as yxc; --layout zyx makes it a volume'
    >>> doubt((480, 640, 8)), doubt((7, 7, 512), expected=512), doubt((480, 640))
    ('', '', '')
    """
    axes, sides = DEFAULTS.get(len(shape), ""), shape[:-1]
    if "c" not in axes or shape[-1] in (expected, *range(_MANY)) or _FEWER * shape[-1] <= min(sides):
        return ""
    fact = f"{shape[-1]} channels of {' x '.join(map(str, sides))} samples: an array of shape {tuple(shape)}"
    return f"{fact} is read as {axes}; --layout {'zyx makes it a volume' if len(shape) == 3 else f'{axes} says so'}"


def letters(axes: str) -> str:
    """`axes` in the letters n, z, y, x and c; raises `UsageError` where they can be the layout of no array.

    >>> letters("nchw"), letters("hwc")
    ('ncyx', 'yxc')
    """
    if not isinstance(axes, str):
        raise UsageError(f"a layout is letters of x, y, z and c, not {axes!r}", hint="layout='yxc'")
    ours = axes.lower().translate(_OTHERS)
    if len(set(ours)) != len(ours) or not set(ours) <= set("nzyxc"):
        hint = "nchw and hwc are known, too: d, h and w are z, y and x, and n counts pictures"
        raise UsageError(f"layout '{axes}' is not made of the letters x, y, z and c, each at most once", hint=hint)
    if not set(ours) & set("zyx"):
        raise UsageError(f"layout '{axes}' names no axis x, y or z")
    return ours


@record(kw_only=False)
class Layout:
    """The axes of an array, as letters of n, z, y, x and c, each at most once and one of them moved along."""

    axes: str

    @classmethod
    def of(cls, array: npt.NDArray[Any], axes: str | None = None, expected: int | None = None) -> Layout:
        """The layout `axes`, or the default for the array's rank.

        Raises `UsageError` where letters and rank don't fit, or the array is empty, or looks like another layout than
        its default. It does not where its last axis has the channels that are `expected`, by a filter bank.
        """
        if axes is None:
            axes = default(array.shape, expected)
        said, axes = axes, letters(axes)
        if len(axes) != array.ndim:
            raise UsageError(
                f"layout '{said}' has {len(axes)} axes, the array {array.ndim}: its shape is {array.shape}"
            )
        if 0 in array.shape:
            raise UsageError(f"an array of shape {array.shape} holds no samples")
        return cls(axes)

    @cached_property
    def spatial(self) -> str:
        """The spatial axes, in the program's order."""
        return "".join(axis for axis in _SPATIAL if axis in self.axes)

    @cached_property
    def _orders(self) -> tuple[list[int], list[int], list[int]]:
        """The axes in the program's order; and theirs in this one, without and with channels that had no axis."""
        axes, order = self.axes, [axis for axis in self.spatial + "c" if axis in self.axes]
        added = [*self.spatial, "c"]
        return (
            [axes.index(axis) for axis in order],
            [order.index(axis) for axis in axes],
            [added.index(axis) for axis in (axes if "c" in axes else f"{axes}c")],
        )

    def is_plain(self, array: npt.NDArray[Any]) -> bool:
        """Whether libraries of pictures see the same in the array: rows of pixels, one after the other, whose channels
        have an axis unless it is one."""
        return array.flags.c_contiguous and (self.axes == "yx" or (self.axes == "yxc" and array.shape[-1] > 1))

    def canonical(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The array as `(*spatial, channels)`; one channel where it has no channel axis."""
        moved = array.transpose(self._orders[0])
        return moved if "c" in self.axes else moved[..., None]

    def restore(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Back from `(*spatial, channels)`; several channels that had no axis become the last one."""
        if "c" not in self.axes and array.shape[-1] == 1:
            return array[..., 0].transpose(self._orders[1])
        return array.transpose(self._orders[2])
