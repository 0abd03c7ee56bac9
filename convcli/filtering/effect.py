"""How much of a filter, from which difference on, and where: `x + amount * mask * (K(x) - x)`.

The mask is 1 in a region, or the grey (or alpha) of a picture, with edges that a Gaussian feathers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from convcli.engine.effect import NOTHING as NOTHING, in_samples, mixed
from convcli.errors import ShapeError, UsageError
from convcli.filtering import opacity
from convcli.filtering.graph import InMemory, Node, Part, Pointwise
from convcli.filtering.masks import Rectangle, Region as Region, line, shares as shares, softened
from convcli.ops import tensors
from convcli.records import record

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, Floats
    from convcli.engine.sink import Storage
    from convcli.ops.tensors import Tensor


@record
class Effect:
    """What becomes of a chain's results `y` of samples `x`: `x + amount * mask * (y - x)`, `x` itself where
    `|y - x| < threshold` (in parts of white below 1, in samples from 1 on).

    The mask is the product of `region` and `where`, shares from 0 to 1 (height, width), blurred by a Gaussian whose
    sigma is `feather` pixels.
    """

    amount: float = 1.0
    threshold: float = 0.0
    region: Region | None = None
    where: Tensor | None = None
    feather: float = 0.0

    def __post_init__(self) -> None:
        if self.feather and not self.has_mask:
            raise UsageError("--feather softens the edge of a mask", hint="--region 100x100+50+50, or --where mask.png")

    @property
    def has_mask(self) -> bool:
        return self.region is not None or self.where is not None

    def mask(self, shape: Sequence[int], axes: str) -> Node:
        """Shares from 0 to 1, `(*spatial, 1)`, for results of this shape. Raises ShapeError where it doesn't fit."""
        if not axes.endswith("yx"):
            fact = f"a mask has rows and columns; the array has the axes {','.join(axes)}"
            raise ShapeError(fact, hint="leave --region and --where out")
        height, width = shape[-3:-1]
        rows, columns = self._sides(height, width)
        if self.where is None:
            down, across = (line(n, one, self.feather) for n, one in ((height, rows), (width, columns)))
            node: Node = Rectangle(down, across)
        else:
            node = self._of_picture(height, width, rows, columns)
        if len(axes) == 2:
            return node
        plane = _whole(node)
        return InMemory(np.broadcast_to(plane, (*shape[:-3], *plane.shape)))

    def reaches(self, height: int, width: int) -> tuple[slice, slice] | None:
        """The rows and columns in which a mask's shares, soft edges included, are not 0; None where all are 0."""
        rows, columns = self._sides(height, width)
        if self.where is not None:
            shares = self._shares(height, width)[rows, columns]
            if not shares.any():
                return None
            rows, columns = (_above_0(shares.max(axis=axis), one.start) for axis, one in ((1, rows), (0, columns)))
        return _above_0(line(height, rows, self.feather)), _above_0(line(width, columns, self.feather))

    def within(self, rows: slice, columns: slice, height: int, width: int) -> Effect:
        """The same on some rows and columns of a picture of this size. Raises ShapeError where a mask doesn't fit."""
        region = self.region
        if region:
            down, across = region.inside(height, width)
            region = Region(
                width=across.stop - across.start, height=down.stop - down.start, x=across.start - columns.start,
                y=down.start - rows.start,
            )  # fmt: skip
        where = self.where and tensors.of_array(self._shares(height, width)[rows, columns])
        return replace(self, region=region, where=where)

    def _sides(self, height: int, width: int) -> tuple[slice, slice]:
        """The rows and columns of the region, or of all of a picture."""
        return self.region.inside(height, width) if self.region else (slice(0, height), slice(0, width))

    def _shares(self, height: int, width: int) -> Array:
        assert self.where is not None
        shares = self.where.native
        if shares.shape != (height, width):
            sizes = f"{shares.shape[1]}x{shares.shape[0]}", f"{width}x{height}"
            hint = "a mask has the size of the picture, pixel for pixel"
            raise ShapeError(f"the mask of --where is {sizes[0]}, the picture {sizes[1]}", hint=hint)
        return shares

    def _of_picture(self, height: int, width: int, rows: slice, columns: slice) -> Node:
        inside = self._shares(height, width)
        if (rows, columns) != (slice(0, height), slice(0, width)):
            inside, whole = np.zeros_like(inside), inside
            inside[rows, columns] = whole[rows, columns]
        return softened(inside, self.feather)


def _above_0(shares: Array, first: int = 0) -> slice:
    """From the first to the last of them, which count from `first`."""
    places = np.flatnonzero(shares)
    return slice(first + int(places[0]), first + int(places[-1]) + 1)


def check(before: Sequence[int], after: Sequence[int], mode: str, *, linear: bool) -> None:
    """Raises ShapeError where results of a chain can't be mixed with what entered it, UsageError for ranges that no
    samples are in."""
    if tuple(before) != tuple(after):
        sizes = ["x".join(map(str, (*shape[-2::-1], *shape[-1:]))) for shape in (after, before)]
        fact = f"the kernels make {sizes[0]} samples of {sizes[1]}, which can't be mixed with them"
        raise ShapeError(fact, hint="--amount, --threshold, --region and --where take what keeps size and channels")
    if mode == "rescale" or (mode == "offset" and linear):
        fact = f"--range {mode} moves all samples, which an amount, a threshold or a mask leaves where they are"
        raise UsageError(fact, hint="--range abs or clip")


def _whole(node: Node) -> Array:
    """All of a node's array, and of those that it is made of."""
    from convcli.engine.threads import run_all
    from convcli.filtering.graph import order
    from convcli.filtering.paging import Held

    for one in order([node]):
        if not one.begun:
            one.begin(Held, fine=False)
            run_all(one.work, one.cuts)
    return node.array


@record(kw_only=False)
class Mixing:
    """An effect on samples with this `white`: see `Effect`; `ranged` is what is done with results first."""

    gain: float
    threshold: float
    white: float
    ranged: Storage | None = None

    @property
    def least(self) -> float:
        """The threshold in samples."""
        return in_samples(self.threshold, self.white)

    def of(self, x: Part, y: Part, mask: Node | None = None) -> Part:
        """Samples mixed with results, as a node of floats."""
        masks = [Part(mask)] if mask else []
        return Part(Pointwise(self.colours, [x, y, *masks], y.channels, y.node.dtype))

    def of_premultiplied(
        self, x: tuple[Part, Node], y: tuple[Part, Node], mask: Node | None = None
    ) -> tuple[Part, Node]:
        """The same of premultiplied colours and their opacity."""
        masks, shares = [Part(mask)] if mask else [], [Part(x[1]), Part(y[1])]
        share = Pointwise(self.opacities, [*shares, *masks], 1, y[1].dtype)
        parts = [x[0], shares[0], y[0], shares[1], Part(share), *masks]
        return Part(Pointwise(self.through_alpha, parts, y[0].channels, y[0].node.dtype)), share

    def colours(self, out: Floats, x: Array, y: Floats, share: Floats | None = None) -> None:
        """Samples `x` and results `y` mixed; `share` is the mask."""
        mixed(out, x, y if self.ranged is None else self.ranged.ranged(y), self.gain, self.least, share)

    def opacities(self, out: Floats, x: Floats, y: Floats, share: Floats | None = None) -> None:
        """The same of opacity, which is kept between 0 and 1."""
        mixed(out, x, y, self.gain, 0.0, share)

    def through_alpha(self, out: Floats, *parts: Floats) -> None:
        """Premultiplied colours mixed, each weighed by its opacity; a threshold is one of straight colour.

        The parts are samples, their opacity, results, theirs, the opacity of what comes out, and the mask if any.
        """
        x, x_share, y, y_share, out_share, *mask = parts
        if self.ranged is not None:
            y = abs(y) if self.ranged.absolute else y
            y = y + y_share * y.dtype.type(self.ranged.shift) if self.ranged.shift else y
        mixed(out, x, y, self.gain, 0.0, *mask)
        if not self.threshold:
            return
        before = opacity.unmultiplied(x, x_share)
        change = abs(opacity.unmultiplied(y, y_share) - before)
        stays = (change < self.least) & (x_share > opacity.HIDDEN) & (y_share > opacity.HIDDEN)
        np.copyto(out, opacity.per_channel(np.multiply, before, out_share), where=stays)
