"""Where a filter acts: a rectangle, and the shares in a picture or an array, with edges that a Gaussian feathers."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from convcli.engine.sink import PLAIN
from convcli.engine.threads import Cut, Cuts
from convcli.errors import ShapeError, UsageError
from convcli.filtering.graph import Convolved, InMemory, Node, Part, Pointwise
from convcli.filtering.ranges import white
from convcli.ops import tensors
from convcli.records import record
from convcli.spec import from_mapping
from convcli.spec.fillings import filled

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, Floats
    from convcli.ops import Kernel
    from convcli.ops.tensors import Tensor

#: No picture has sides of more than 9 digits.
_GEOMETRY: Final = re.compile(
    r"(\d{1,9}(?:\.\d{1,9})?)(%?)x(\d{1,9}(?:\.\d{1,9})?)(%?)(?:([+-]\d{1,9})(%?)([+-]\d{1,9})(%?))?", re.ASCII
)


@record
class Region:
    """A rectangle as ImageMagick writes it: WIDTHxHEIGHT+X+Y, in pixels; sides in `percent` of the picture's.

    X and Y count from the left and the top, `placed_by_percent` as parts of its sides; below 0 the rectangle begins
    outside.
    """

    width: float
    height: float
    x: int = 0
    y: int = 0
    percent: bool = False
    placed_by_percent: bool = False

    @classmethod
    def parse(cls, text: str) -> Region:
        """Raises UsageError.

        >>> Region.parse("100x50+10-20"), Region.parse("50%x50%+25%+25%").inside(40, 80)
        (Region(width=100.0, height=50.0, x=10, y=-20, percent=False, placed_by_percent=False), \
(slice(10, 30, None), slice(20, 60, None)))
        """
        match = _GEOMETRY.fullmatch(text.strip())
        if not match or not float(match[1]) or not float(match[3]):
            meant = filled("{region}", "", [text])
            like = meant if meant != text else "100x50+10+20"
            raise UsageError(f"'{text}' is no region", hint=f"--region {like} is WIDTHxHEIGHT+X+Y")
        return cls(
            width=float(match[1]), height=float(match[3]), percent=bool(match[2] or match[4]),
            x=int(match[5] or 0), y=int(match[7] or 0), placed_by_percent=bool(match[6] or match[8]),
        )  # fmt: skip

    def inside(self, height: int, width: int) -> tuple[slice, slice]:
        """The rows and columns of a picture that lie in it. Raises ShapeError where none do."""
        sides = (self.height * height / 100, self.width * width / 100) if self.percent else (self.height, self.width)
        places = (self.y, self.x)
        if self.placed_by_percent:
            places = round(self.y * height / 100), round(self.x * width / 100)
        rows, columns = (
            slice(max(0, at), max(0, min(n, at + max(1, round(side)))))
            for at, side, n in zip(places, sides, (height, width), strict=True)
        )
        if rows.start >= rows.stop or columns.start >= columns.stop:
            says = f"{round(sides[1])}x{round(sides[0])}{places[1]:+}{places[0]:+}"
            fact = f"region {says} lies outside of a picture of {width}x{height}"
            raise ShapeError(fact, hint=f"--region {width}x{height}+0+0 is all of it")
        return rows, columns


def shares(mask: Array, *, place: str = "where") -> Tensor:
    """The numbers of a mask, `(height, width)` or `(height, width, 1)`, whose white is 1 of booleans and floats, and
    the largest number of bytes and of other unsigned integers.

    Raises UsageError for what has no white, and for numbers that are not shares of it.
    """
    if mask.ndim == 3 and mask.shape[2] == 1:
        mask = mask[..., 0]
    if mask.ndim != 2:
        raise UsageError(f"a mask has rows and columns, this has the shape {mask.shape}", place=place)
    if mask.dtype.kind == "b":
        mask = mask.astype(np.float32)
    if mask.dtype.kind not in "uf" or (mask.dtype.itemsize > 4 and mask.dtype.kind == "u"):
        fact = f"a mask of {mask.dtype} says not what is white"
        raise UsageError(fact, place=place, hint="uint8 (255 is white), uint16, or booleans and floats (1 is)")
    floats = mask.dtype.kind == "f"
    if floats and (bad := mask.size - np.count_nonzero(np.isfinite(mask))):
        raise UsageError(f"{bad} of {mask.size} shares of the mask are NaN or infinite", place=place)
    top, one = mask.max(initial=0), white(mask.dtype)
    if top >= 2 if floats else top == 1:
        fact = f"the mask's largest number is {top:g}, its white {one:g}"
        hint = "floats from 0 to 1" if floats else "masks of 0 and 1 are arrays of booleans, or pictures of 0 and 255"
        raise UsageError(fact, place=place, hint=hint)
    return tensors.of_array(mask)


def softened(shares: Array, sigma: float) -> Node:
    """Shares of any white as a mask `(height, width, 1)`, feathered by a Gaussian of this `sigma` in pixels."""
    node = InMemory(shares[..., None])
    if not sigma and shares.dtype.kind != "f":
        return node
    part = Part(node)
    if sigma:
        part = Part(Convolved(part, _bell(sigma), node.shape, PLAIN))
    return Pointwise(partial(_limited, top=white(shares.dtype)), [part], 1, np.float32)


def _bell(sigma: float, axes: str = "yx") -> Kernel:
    fields = {"type": "separable", "taps": {"gaussian": {"sigma": sigma}}, "border": "replicate", "axes": axes}
    return from_mapping(fields, name="feather")


def line(n: int, inside: slice, feather: float) -> Floats:
    """1 from `inside.start` to `inside.stop` of `n`, 0 elsewhere, with soft ends."""
    line: Floats = np.zeros(n, np.float32)
    line[inside] = 1
    if feather:
        line = np.asarray(_bell(feather, "x").apply(line))
    return line


def _limited(out: Floats, samples: Array, top: float) -> None:
    np.divide(samples, top, out=out, casting="same_kind")
    np.clip(out, 0, 1, out=out)


class Rectangle(Node):
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
