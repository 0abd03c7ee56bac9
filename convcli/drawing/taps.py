"""Where outputs of a kernel read: their taps over a picture, and enlarged where they lie close together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from convcli.drawing.images import window_of
from convcli.drawing.parts import PAD, header, heading, number, wrapped
from convcli.drawing.scene import Box, Dot, Path, Picture, Scene, Text
from convcli.drawing.theme import over
from convcli.errors import UsageError
from convcli.ops.deformable import Deformable

if TYPE_CHECKING:
    from convcli.drawing.parts import Floats
    from convcli.ops import Kernel

#: How wide a picture is drawn.
WIDTH: Final = 760.0
#: Taps up to which a kernel's are drawn one by one, and units around the picture for those that read outside it.
MOST_TAPS, _OUTSIDE = 1024, 160.0
#: A kernel that spans less than this share of the picture is drawn enlarged, too: so wide, that many points.
_SMALL, _INSET, _INSETS = 1 / 12, 232.0, 3
_LISTED: Final = 9


def default_points(kernel: Kernel, size: Sequence[int]) -> list[tuple[int, ...]]:
    """Two outputs, at thirds of the picture."""
    high, wide = kernel.output_shape(size, "yx")
    return [(high // 3, wide // 3), (2 * high // 3, 2 * wide // 3)]


def flat_weights(kernel: Kernel) -> tuple[Floats, str]:
    """One weight per tap, `(h, w)`, and what is to be said of it: of a bank the mean of the absolute values."""
    weights = kernel.dense_weights()
    if not kernel.channels:
        return weights, ""
    return np.abs(weights).mean(axis=(0, 1)), "size of a tap: mean of all filters"


def figure(kernel: Kernel, picture: Any, points: Sequence[tuple[int, ...]] = (), *, title: str | None = None) -> Scene:
    """The taps of the outputs at `points` (y, x) over `picture`, (height, width, 3) uint8.

    Raises `ShapeError` for a point outside the output, UsageError for a kernel of more than 1,024 taps.
    """
    check_plane(kernel)
    if kernel.looks:
        kernel = kernel.guided(picture, 255.0)
    points = points or default_points(kernel, picture.shape[:2])
    return _Taps(kernel, picture, points).scene(heading(kernel, title))


def check_plane(kernel: Kernel) -> None:
    """Raises UsageError for a kernel that isn't looked at over a picture tap by tap."""
    if kernel.axes != "yx":
        raise UsageError(f"kernel '{kernel.name}' moves along {','.join(kernel.axes)}, not over a picture's y and x")
    if math.prod(kernel.taps) > MOST_TAPS:
        fact = f"kernel '{kernel.name}' has {math.prod(kernel.taps):,} taps; at most {MOST_TAPS:,} are drawn one by one"
        raise UsageError(fact, hint=f"convcli draw field PICTURE -k {kernel.name}")


class _Taps:
    """The parts of the figure."""

    def __init__(self, kernel: Kernel, picture: Any, points: Sequence[tuple[int, ...]]) -> None:
        self.kernel, self.picture, self.points = kernel, picture, points
        self.size = picture.shape[:2]
        self.zoom = WIDTH / self.size[1]
        self.weights, self.remark = flat_weights(kernel)
        self.peak = float(np.abs(self.weights).max()) or 1.0
        self.deformed = isinstance(kernel, Deformable)
        self.reads = [kernel.reads(point, self.size) for point in points]
        for (y, x), reads in zip(points, self.reads, strict=True):
            if np.isnan(reads).all():
                raise UsageError(
                    f"the output at {y},{x} reads nothing: it lies between stamps", hint="--at another place"
                )
        self.plain = [_undisplaced(kernel, point, self.size) for point in points]

    def scene(self, name: str) -> Scene:
        heads, top, wide = header(name, [*wrapped(self.kernel.about), *self._lines()])
        high, width = self.size[0] * self.zoom, self.size[1] * self.zoom
        left, above, right, below = self._margins()
        self.x0, self.y0 = PAD + left, top + above
        items = [*heads, Picture(x=self.x0, y=self.y0, w=width, h=high, pixels=self.picture, smooth=True)]
        for index in range(len(self.points)):
            items += self._point(index)
        bottom, end = self.y0 + high + below, self.x0 + width + right
        if len(self.weights.reshape(-1)) > self.deformed and self._span() < min(self.size) * _SMALL:
            for index in range(min(len(self.points), _INSETS)):
                items += self._inset(index, PAD + index * (_INSET + 20), bottom + 36)
            bottom += 36 + _INSET + 18
        return Scene(
            width=max(end + PAD, wide), height=bottom + PAD, items=tuple(items), title=f"Taps of {name}",
            about=" ".join(self._about(index) for index in range(len(self.points))),
        )  # fmt: skip

    def _span(self) -> float:
        """Pixels from one side to the other of what is read around each point."""
        reach = [np.nanmax(np.abs(reads - self._middle(index))) for index, reads in enumerate(self.reads)]
        return 2 * float(max(reach)) + 1

    def _lines(self) -> list[str]:
        taps, extent = ("×".join(map(str, values)) for values in (self.kernel.taps, self.kernel.extent))
        span = f"{taps} taps" + (f", spanning {extent} pixels" if taps != extent else "")
        legend = "orange: positive weights, blue: negative; the larger, the more"
        if self.deformed:
            legend = (
                "white rings: where taps would read; dots: where they do, orange for positive weights, blue for others"
            )
        groups = getattr(self.kernel, "offset_groups", 1)
        more = f"offsets of the first of {groups} groups of channels" if groups > 1 else ""
        return [span, legend, *filter(None, (self.remark, more))]

    def _about(self, index: int) -> str:
        places = [f"({number(y, 5)}, {number(x, 5)})" for y, x in self.reads[index][:_LISTED] if not math.isnan(y)]
        more = f" and {len(self.reads[index]) - _LISTED} more places" * (len(self.reads[index]) > _LISTED)
        y, x = self.points[index]
        return f"The output at y {y}, x {x} reads {', '.join(places)}{more}."

    def _margins(self) -> tuple[float, float, float, float]:
        """Room around the picture for taps that read outside it: left, above, right, below."""
        places = np.concatenate([*self.reads, *self.plain])
        places = places[~np.isnan(places[:, 0])]
        low = -np.minimum(places.min(axis=0), 0)
        high = np.maximum(places.max(axis=0) - (self.size[0] - 1, self.size[1] - 1), 0)
        left, above, right, below = (min(float(n) * self.zoom, _OUTSIDE) for n in (low[1], low[0], high[1], high[0]))
        return left, above, right, below

    def _at(self, place: Any) -> tuple[float, float]:
        """The middle of a pixel, in units of the drawing."""
        return self.x0 + (float(place[1]) + 0.5) * self.zoom, self.y0 + (float(place[0]) + 0.5) * self.zoom

    def _point(self, index: int) -> list[Any]:
        reads, plain = self.reads[index], self.plain[index]
        items = self._mesh(reads, plain) if self.deformed else self._rays(index)
        for tap, (place, weight) in enumerate(zip(reads, map(float, self.weights.reshape(-1)), strict=True)):
            if not weight or math.isnan(place[0]):
                continue
            x, y = self._at(place)
            r = 5.4 if self.deformed else 3.0 + 4.6 * self._share(weight)
            note = f"tap {tap}: weight {weight:.6g}, reads y {place[0]:.6g}, x {place[1]:.6g}"
            items.append(Dot(x=x, y=y, r=r + 1.6, fill="mark"))
            items.append(Dot(x=x, y=y, r=r, fill="pos" if weight > 0 else "neg", note=note))
        x, y = self._at(self._middle(index))
        for role, width in (("marked", 4), ("mark", 2)):
            items.append(Box(x=x - 9, y=y - 9, w=18, h=18, stroke=role, width=width, radius=2))
        if len(self.points) > 1:
            items.append(Text(x=x - 15, y=y - 12, text=self._letter(index), size=15, bold=True, halo=True))
        return items

    def _letter(self, index: int) -> str:
        """What an output is called in the picture and below it."""
        return ascii_uppercase[index : index + 1] or str(index + 1)

    def _share(self, weight: float) -> float:
        """How large the dot of a weight is: its area grows as the weight does."""
        return math.sqrt(abs(weight) / self.peak)

    def _middle(self, index: int) -> Any:
        """The middle of what an output would read without offsets."""
        windows = self.kernel.windows(self.size, "yx")
        return np.array([window.middle(o) for window, o in zip(windows, self.points[index], strict=True)])

    def _rays(self, index: int) -> list[Any]:
        middle = self._at(self._middle(index))
        ends = [self._at(place) for place, weight in zip(self.reads[index], self.weights.reshape(-1), strict=True)
                if weight and not math.isnan(place[0])]  # fmt: skip
        return [
            Path(points=(middle, end), stroke=role, width=width)
            for role, width in (("marked", 2.6), ("mark", 1.2))
            for end in ends
            if math.dist(middle, end) > 0
        ]

    def _mesh(self, reads: Floats, plain: Floats) -> list[Any]:
        """Rings where taps would be, the way from there, and lines between neighbours where they are."""
        items: list[Any] = []
        for own, place in zip(plain, reads, strict=True):
            items.append(Path(points=(self._at(own), self._at(place)), stroke="mark", dashed=True))
        for own in plain:
            x, y = self._at(own)
            items.append(Dot(x=x, y=y, r=3.6, fill="marked", opacity=0.3, stroke="mark", width=1.3))
        spots, wide = [self._at(place) for place in reads], self.kernel.taps[1]
        rows = [spots[at : at + wide] for at in range(0, len(spots), wide)]
        lines = [line for line in (*rows, *zip(*rows, strict=True)) if len(line) > 1]
        for role, width in (("marked", 3.6), ("hot", 1.9)):
            items += [Path(points=tuple(line), stroke=role, width=width) for line in lines]
        return items

    def _inset(self, index: int, x: float, y: float) -> list[Any]:
        """The pixels around a point, with the weights on those that are read."""
        reads, weights = self.reads[index], self.weights.reshape(-1)
        there = ~np.isnan(reads[:, 0])
        middle = np.rint(self._middle(index)).astype(int)
        reach = int(np.abs(reads[there] - middle).max(initial=1)) + 2
        count = 2 * reach + 1
        ranges = [(int(m) - reach, int(m) + reach + 1) for m in middle]
        side = _INSET / count
        text = f"around y {middle[0]}, x {middle[1]}"
        text = f"{self._letter(index)}: {text}" if len(self.points) > 1 else text
        items: list[Any] = [
            Picture(x=x, y=y, w=_INSET, h=_INSET, pixels=window_of(self.picture, ranges, self.kernel.border)),
            *self._edges(ranges, x, y, side),
            Text(x=x, y=y - 8, text=text, role="faint", anchor="start"),
        ]
        for place, weight in zip(reads[there], map(float, weights[there]), strict=True):
            left, up = x + (place[1] - middle[1] + reach) * side, y + (place[0] - middle[0] + reach) * side
            if not self.deformed:  # those read between pixels
                items.append(Box(x=left, y=up, w=side, h=side, stroke="mark", width=1.6))
            if weight:
                role, r = "pos" if weight > 0 else "neg", side * (0.3 if self.deformed else 0.46 * self._share(weight))
                items.append(Dot(x=left + side / 2, y=up + side / 2, r=r, fill=role, stroke="mark"))
                if side * self._share(weight) > 16 and not self.deformed:
                    high, ink = min(11, side * 0.36), over(role, 1)
                    x_, y_ = left + side / 2, up + side / 2 + high * 0.36
                    items.append(Text(x=x_, y=y_, text=number(weight), size=high, role=ink, bold=True))
        return items

    def _edges(self, ranges: Sequence[tuple[int, int]], x: float, y: float, side: float) -> list[Any]:
        """Around what of an inset lies on the picture, where some does not, and what the rest is."""
        clipped = [(max(0, low), min(n, high)) for (low, high), n in zip(ranges, self.size, strict=True)]
        if clipped == list(ranges):
            return []
        (top, bottom), (left, right) = (
            ((a - low) * side, (b - low) * side) for (a, b), (low, _) in zip(clipped, ranges, strict=True)
        )
        look = {"x": x + left, "y": y + top, "w": max(0.0, right - left), "h": max(0.0, bottom - top)}
        text = f"dashed: the picture; beyond it border {self.kernel.border}"
        return [
            Box(**look, stroke="marked", width=3), Box(**look, stroke="mark", width=1.5, dashed=True),
            Text(x=x, y=y + _INSET + 16, text=text, size=11, role="faint", anchor="start"),
        ]  # fmt: skip


def _undisplaced(kernel: Kernel, point: tuple[int, ...], size: Sequence[int]) -> Floats:
    """Where taps would read without offsets."""
    from convcli.ops import Kernel as Plain

    return Plain.reads(kernel, point, size)
