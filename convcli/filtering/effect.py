"""How much of a filter, from which difference on, and where: `x + amount * mask * (K(x) - x)`.

The mask is 1 in a region, or the grey (or alpha) of a picture, with edges that a Gaussian feathers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from convcli.engine.effect import NOTHING as NOTHING, in_samples, mixed
from convcli.engine.sink import PLAIN
from convcli.engine.threads import Cut, Cuts
from convcli.errors import ShapeError, UsageError
from convcli.filtering import opacity
from convcli.filtering.graph import Convolved, InMemory, Node, Part, Pointwise
from convcli.ops import tensors
from convcli.records import record
from convcli.spec import from_mapping

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, Floats
    from convcli.engine.sink import Storage
    from convcli.ops import Kernel
    from convcli.ops.tensors import Tensor

#: No picture has sides of more than 9 digits.
_GEOMETRY: Final = re.compile(
    r"(\d{1,9}(?:\.\d{1,9})?)(%?)x(\d{1,9}(?:\.\d{1,9})?)(%?)(?:([+-]\d{1,9})([+-]\d{1,9}))?", re.ASCII
)


@record
class Region:
    """A rectangle as ImageMagick writes it: WIDTHxHEIGHT+X+Y, in pixels; sides in `percent` of the picture's.

    X and Y count from the left and the top; below 0 the rectangle begins outside.
    """

    width: float
    height: float
    x: int = 0
    y: int = 0
    percent: bool = False

    @classmethod
    def parse(cls, text: str) -> Region:
        """Raises UsageError.

        >>> Region.parse("100x50+10-20"), Region.parse("50%x50%").percent
        (Region(width=100.0, height=50.0, x=10, y=-20, percent=False), True)
        """
        match = _GEOMETRY.fullmatch(text.strip())
        if not match or not float(match[1]) or not float(match[3]):
            raise UsageError(f"'{text}' is no region", hint="--region 100x50+10+20 is WIDTHxHEIGHT+X+Y")
        return cls(
            width=float(match[1]), height=float(match[3]), percent=bool(match[2] or match[4]),
            x=int(match[5] or 0), y=int(match[6] or 0),
        )  # fmt: skip

    def inside(self, height: int, width: int) -> tuple[slice, slice]:
        """The rows and columns of a picture that lie in it. Raises ShapeError where none do."""
        sides = (self.height * height / 100, self.width * width / 100) if self.percent else (self.height, self.width)
        rows, columns = (
            slice(max(0, at), max(0, min(n, at + max(1, round(side)))))
            for at, side, n in zip((self.y, self.x), sides, (height, width), strict=True)
        )
        if rows.start >= rows.stop or columns.start >= columns.stop:
            says = f"{round(sides[1])}x{round(sides[0])}{self.x:+}{self.y:+}"
            fact = f"region {says} lies outside of a picture of {width}x{height}"
            raise ShapeError(fact, hint=f"--region {width}x{height}+0+0 is all of it")
        return rows, columns


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
        rows, columns = self.region.inside(height, width) if self.region else (slice(0, height), slice(0, width))
        if self.where is None:
            down, across = (_line(n, one, self.feather) for n, one in ((height, rows), (width, columns)))
            node: Node = _Rectangle(down, across)
        else:
            node = self._of_picture(height, width, rows, columns)
        if len(axes) == 2:
            return node
        plane = _whole(node)
        return InMemory(np.broadcast_to(plane, (*shape[:-3], *plane.shape)))

    def reaches(self, height: int, width: int) -> tuple[slice, slice]:
        """The rows and columns in which a region's shares, soft edges included, are not 0."""
        assert self.region is not None
        rows, columns = (
            np.flatnonzero(_line(n, inside, self.feather))
            for n, inside in zip((height, width), self.region.inside(height, width), strict=True)
        )
        return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)

    def within(self, rows: slice, columns: slice, height: int, width: int) -> Effect:
        """The same on some rows and columns of a picture of this size. Raises ShapeError where a mask doesn't fit."""
        assert self.region is not None
        down, across = self.region.inside(height, width)
        region = Region(
            width=across.stop - across.start, height=down.stop - down.start, x=across.start - columns.start,
            y=down.start - rows.start,
        )  # fmt: skip
        where = self.where and tensors.of_array(self._shares(height, width)[rows, columns])
        return replace(self, region=region, where=where)

    def _shares(self, height: int, width: int) -> Array:
        assert self.where is not None
        shares = self.where.native
        if shares.shape != (height, width):
            sizes = f"{shares.shape[1]}x{shares.shape[0]}", f"{width}x{height}"
            hint = "a mask has the size of the picture, pixel for pixel"
            raise ShapeError(f"the mask of --where is {sizes[0]}, the picture {sizes[1]}", hint=hint)
        return shares

    def _of_picture(self, height: int, width: int, rows: slice, columns: slice) -> Node:
        shares = self._shares(height, width)
        inside = shares[..., None]
        if (rows, columns) != (slice(0, height), slice(0, width)):
            inside = np.zeros_like(inside)
            inside[rows, columns, 0] = shares[rows, columns]
        node = InMemory(inside)
        if not self.feather and shares.dtype.kind != "f":
            return node
        top = 1.0 if shares.dtype.kind == "f" else float(np.iinfo(shares.dtype).max)
        part = Part(node)
        if self.feather:
            part = Part(Convolved(part, _bell(self.feather), inside.shape, PLAIN))
        return Pointwise(partial(_shares, top=top), [part], 1, np.float32)


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


def _bell(sigma: float, axes: str = "yx") -> Kernel:
    fields = {"type": "separable", "taps": {"gaussian": {"sigma": sigma}}, "border": "replicate", "axes": axes}
    return from_mapping(fields, name="feather")


def _line(n: int, inside: slice, feather: float) -> Floats:
    """1 from `inside.start` to `inside.stop` of `n`, 0 elsewhere, with soft ends."""
    line: Floats = np.zeros(n, np.float32)
    line[inside] = 1
    if feather:
        line = np.asarray(_bell(feather, "x").apply(line))
    return line


def _shares(out: Floats, samples: Array, top: float) -> None:
    np.divide(samples, top, out=out, casting="same_kind")
    np.clip(out, 0, 1, out=out)


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


class _Rectangle(Node):
    """The product of shares of rows and of columns."""

    def __init__(self, down: Floats, across: Floats) -> None:
        super().__init__((len(down), len(across), 1), np.float32)
        self._down, self._across = down, across

    def _cuts(self, *, fine: bool) -> Cuts:
        array, down, across = self.array, self._down, self._across
        step = max(1, (1 << 20) // (4 * len(across)))

        def work(cut: Cut) -> None:
            np.multiply(down[slice(*cut), None, None], across[None, :, None], out=array[slice(*cut)])

        return Cuts(work, [(start, min(start + step, len(down))) for start in range(0, len(down), step)])


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

    def through_alpha(
        self, out: Floats, x: Floats, x_share: Floats, y: Floats, y_share: Floats, out_share: Floats,
        share: Floats | None = None,
    ) -> None:  # fmt: skip
        """Premultiplied colours `x` and `y` mixed, each weighed by its opacity; a threshold is one of straight colour.

        `out_share` is the opacity of what comes out.
        """
        if self.ranged is not None:
            y = abs(y) if self.ranged.absolute else y
            y = y + y_share * y.dtype.type(self.ranged.shift) if self.ranged.shift else y
        mixed(out, x, y, self.gain, 0.0, share)
        if not self.threshold:
            return
        before = opacity.unmultiplied(x, x_share)
        change = abs(opacity.unmultiplied(y, y_share) - before)
        stays = (change < self.least) & (x_share > opacity.HIDDEN) & (y_share > opacity.HIDDEN)
        np.copyto(out, opacity.per_channel(np.multiply, before, out_share), where=stays)
