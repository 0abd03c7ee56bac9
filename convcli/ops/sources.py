"""Where offsets and masks of a deformable kernel come from, for some rows of outputs at a time.

Numbers of a file and rules of the place are the same for every picture; orientations and branches look at one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np

from convcli.engine.dtypes import limits
from convcli.engine.memory import scratch
from convcli.engine.sampled.parts import of_taps
from convcli.engine.sampled.smooth import Field
from convcli.engine.sampled.structure import structure
from convcli.ops.branches import Branch
from convcli.ops.displacements import middle_of
from convcli.ops.rules import RuleCall
from convcli.ops.tensors import GREATEST, Tensor

if TYPE_CHECKING:
    import numpy.typing as npt

    from convcli.engine.dtypes import Array, DTypeLike, Floats
    from convcli.engine.geometry import Window
    from convcli.engine.sink import Tally
    from convcli.ops.deformable import Deformable
    from convcli.ops.displacements import Displacement

    Places = npt.NDArray[np.float64]

#: Places whose displacement is worked out at once, all steps of it within the cache.
STRIP = 1 << 16

#: Outputs of a picture: rows, columns.
Block = tuple[slice, slice]


class Shifting(Protocol):
    """How far from their places taps read."""

    #: What shifts follow from, where that is smooth.
    smooth: Field | None

    @property
    def lost(self) -> Array | None:
        """Outputs, `(rows, width)`, for which there are none; None where there are everywhere."""

    def of(self, block: Block, rows: Places, columns: Places) -> tuple[Array, Array]:
        """Down and right, `(groups, kh, kw, h, w)`, for taps whose own places are `(kh, h)` and `(kw, w)`."""


class Stored:
    """By planes `(groups * 2 * kh * kw, rows, width)`, whose rows are those of outputs from `top` on."""

    def __init__(self, planes: Array, taps: Sequence[int], top: int = 0, lost: Array | None = None) -> None:
        self.smooth: Field | None = None
        self._pairs: Any = planes.reshape(-1, *taps, 2, *planes.shape[1:])
        self._top, self.lost = top, lost

    def of(self, block: Block, rows: Places, columns: Places) -> tuple[Array, Array]:
        pairs = self._pairs[..., moved(block[0], -self._top), block[1]]
        return pairs[:, :, :, 0], pairs[:, :, :, 1]


class Factors:
    """The mask: planes `(groups * kh * kw, rows, width)`, whose rows are those of outputs from `top` on."""

    def __init__(self, planes: Array, groups: int, top: int = 0) -> None:
        self._planes: Any = planes.reshape(groups, 1, -1, *planes.shape[1:])
        self._top = top

    def of(self, block: Block) -> Array:
        """`(groups, 1, taps, h, w)`."""
        factors: Array = self._planes[..., moved(block[0], -self._top), block[1]]
        return factors


class Displaced:
    """By a rule of the place in a picture of a size (height, width)."""

    lost: Array | None = None

    def __init__(self, rule: Displacement, parameters: Mapping[str, Any], size: tuple[int, ...]) -> None:
        self._rule, self._parameters, self._size = rule, parameters, size
        self.smooth = rule.rim and Field(of=self._field, middle=middle_of(size), rim=rule.rim(parameters, size))

    def _field(self, rows: Places, columns: Places) -> tuple[Places, Places]:
        return self._rule.field(self._parameters, rows, columns, self._size)

    def of(self, block: Block, rows: Places, columns: Places) -> tuple[Array, Array]:
        """Neighbouring outputs share places: the field is worked out once per place and not once per tap."""
        down = np.arange(rows[0, 0], rows[-1, -1] + 1)[:, None]
        right = np.arange(columns[0, 0], columns[-1, -1] + 1)[None, :]
        field = scratch("field", (2, down.size, right.size), np.float64)
        high = max(1, STRIP // right.size)
        for top in range(0, down.size, high):
            part = slice(top, top + high)
            field[0, part], field[1, part] = self._field(down[part], right)
            if self.smooth:
                field[:, part][:, self.smooth.beyond(down[part], right)] = 0
        down, right = of_taps(field, rows, columns)
        return down[None], right[None]


class Oriented:
    """By a matrix for every output, from the edges of a picture."""

    lost: Array | None = None
    smooth: Field | None = None

    def __init__(self, matrix: Floats, windows: Sequence[Window], top: int) -> None:
        self._matrix, self._top = matrix, top
        self._down, self._right = (_from_middle(window).astype(matrix.dtype) for window in windows)

    def of(self, block: Block, rows: Places, columns: Places) -> tuple[Array, Array]:
        matrix = self._matrix[..., moved(block[0], -self._top), block[1]]
        down, right = self._down[:, None, None, None], self._right[:, None, None]
        shifts: Floats = scratch("oriented", (2, 1, self._down.size, self._right.size, *matrix.shape[2:]), matrix.dtype)
        for shift, (by_down, by_right) in zip(shifts[:, 0], matrix, strict=True):
            np.multiply(by_right, right, out=shift)
            if self._down.any():
                shift += by_down * down
        return shifts[0], shifts[1]


def predicted(planes: Floats, taps: Sequence[int], band: tuple[int, int], limit: float | None, tally: Tally) -> Stored:
    """By planes that a branch made, which are changed: none goes beyond the `limit`, or further than numbers do.

    Where a branch saw a NaN, it makes one. `band` is the slice and the row that the planes begin at.
    """
    lost: Any = None
    if not math.isfinite(float(planes.max()) - float(planes.min())):
        lost = np.logical_not(np.isfinite(planes).all(axis=0))
        np.nan_to_num(planes, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    if limit is not None:
        beyond = int(np.count_nonzero(planes > limit) + np.count_nonzero(planes < -limit))
        tally.offsets[band] = beyond, planes.size
    most = GREATEST if limit is None else limit
    if planes.max() > most or planes.min() < -most:
        np.clip(planes, -most, most, out=planes)
    return Stored(planes, taps, band[1], lost)


def _oriented(
    kernel: Deformable, picture: Array, rows: tuple[int, int], windows: Sequence[Window], dtype: DTypeLike
) -> Oriented:
    """For the outputs in `rows`, half-open, by the edges of a picture `(height, width, channels)`."""
    assert kernel.oriented is not None
    rule, parameters = kernel.oriented
    ranges = [_middles(window, *part) for window, part in zip(windows, (rows, (0, windows[1].length)), strict=True)]
    edges = structure(picture, ranges, parameters["sigma"], parameters["around"], kernel.border, dtype)
    shape = [stop - start for start, stop in ranges]
    matrix = scratch("matrix", (2, 2, *shape), dtype)
    rule.matrix(parameters, edges, matrix)
    return Oriented(matrix[..., :: windows[0].stride, :: windows[1].stride], windows, rows[0])


def sources_of(
    kernel: Deformable, picture: Array, windows: Sequence[Window], dtype: DTypeLike, tally: Tally, number: int = 0
) -> Callable[[tuple[int, int]], tuple[Shifting, Factors | None]]:
    """Offsets and mask of a half-open range of rows of outputs, by the picture where they look at it.

    It is slice `number` of a volume; `tally` takes what a limit cut off.
    """
    white = kernel.white or (1.0 if picture.dtype.kind == "f" else float(limits(picture.dtype)[1]))
    groups, taps = kernel.offset_groups, math.prod(kernel.taps)

    def offsets_and_mask(rows: tuple[int, int]) -> tuple[Shifting, Factors | None]:
        offsets, mask = fixed, factors
        if kernel.oriented:
            offsets = _oriented(kernel, picture, rows, windows, dtype)
        elif isinstance(kernel.offsets, Branch):
            planes = kernel.offsets.predicted(picture, rows, white, dtype)
            count = 2 * groups * taps
            if kernel.packed and not kernel.first_group:
                mask = Factors(kernel.offsets.factors(planes[count:]), groups, rows[0])
            band = number, rows[0]
            offsets = predicted(planes[:count], kernel.taps, band, kernel.offsets.limit, tally)
        if isinstance(kernel.mask, Branch):
            mask = Factors(kernel.mask.predicted(picture, rows, white, dtype), groups, rows[0])
        assert offsets is not None
        return offsets, mask

    fixed, factors = fixed_sources(kernel, picture.shape[:2])
    return offsets_and_mask


def fixed_sources(kernel: Deformable, size: tuple[int, ...]) -> tuple[Any, Factors | None]:
    """Offsets and mask, those that are the same for every picture of a `size` (height, width); None for others."""
    offsets: Shifting | None = None
    if isinstance(kernel.offsets, Tensor):
        offsets = Stored(kernel.offsets.native, kernel.taps)
    elif isinstance(kernel.offsets, RuleCall) and not kernel.oriented:
        rule, parameters = cast("Displacement", kernel.offsets.rule), kernel.offsets.values(2, "offsets")
        offsets = Displaced(rule, parameters, size)
    mask = Factors(kernel.mask.native, kernel.offset_groups) if isinstance(kernel.mask, Tensor) else None
    return offsets, mask


def _middles(window: Window, start: int, stop: int) -> tuple[int, int]:
    """The half-open range of samples in which those below the middle tap of outputs lie; the first of two such taps."""
    first = window.dilation * ((window.taps - 1) // 2) - window.before
    return start * window.stride + first, (stop - 1) * window.stride + first + 1


def _from_middle(window: Window) -> Places:
    places: Places = np.arange(window.taps, dtype=np.float64) - (window.taps - 1) / 2
    places *= window.dilation
    return places


def moved(cut: slice, by: int) -> slice:
    """A slice moved."""
    return slice(cut.start + by, cut.stop + by)
