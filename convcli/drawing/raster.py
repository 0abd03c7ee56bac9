"""A frame of a scene as pixels, by OpenCV's lines and text: drawn larger and made smaller, so that edges are smooth.

OpenCV 5 has a font of its own, so that pictures look the same on every machine.
"""

from __future__ import annotations

import copy
import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np

from convcli.drawing.images import sized
from convcli.drawing.scene import Box, Dot, Group, Item, Path, Picture, Point, Scene, Text, arrow_head
from convcli.drawing.theme import rgb

if TYPE_CHECKING:
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

#: Times finer than the result that shapes are drawn: at most, and from the scale on where pixels are fine themselves.
FINER: Final = 3
_FINE: Final = 1.5
_SHIFT: Final = 4  # bits of a coordinate behind the point
_REGULAR, _BOLD = 400, 560
_DASH: Final = 3.0
#: Corners of a circle.
_CORNERS: Final = 24


def frames(scene: Scene, scale: float = 2, *, dark: bool = False) -> list[Pixels]:
    """All frames, `(height, width, 3)` RGB each, of `scale` pixels per unit; what never changes is drawn once."""
    still = next((n for n, item in enumerate(scene.items) if _changes(item)), len(scene.items))
    ground = Canvas(scene, scale, dark=dark)
    for item in scene.items[:still]:
        ground.draw(item, 0, 0)

    moving = dataclasses.replace(scene, items=scene.items[still:])

    def drawn(frame: int) -> Pixels:
        canvas = ground.copied()
        for item, dx, dy in moving.visible(frame):
            canvas.draw(item, dx, dy)
        return canvas.finished()

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(drawn, range(scene.frames)))


def _changes(item: Item) -> bool:
    return item.frames is not None or isinstance(item, Group)


class Canvas:
    """Pixels that are drawn on."""

    def __init__(self, scene: Scene, scale: float, *, dark: bool) -> None:
        finer = FINER if scale < _FINE else FINER - 1
        self._scale = scale * finer
        self._dark = dark
        self._size = max(1, round(scene.width * scale)), max(1, round(scene.height * scale))
        width, height = (finer * side for side in self._size)
        self.pixels: Any = np.empty((height, width, 3), np.uint8)
        self.pixels[:] = rgb("paper", dark=dark)
        self._font = cv2.FontFace("sans")
        self._outlines: dict[tuple[int, float, float], tuple[list[Point], list[Any]]] = {}

    def copied(self) -> Canvas:
        """Another canvas that looks the same, and knows what shapes this one has drawn."""
        other = copy.copy(self)
        other.pixels = self.pixels.copy()
        other._font = cv2.FontFace("sans")  # it serves one thread at a time
        return other

    def finished(self) -> Pixels:
        smaller: Any = cv2.resize(self.pixels, self._size, interpolation=cv2.INTER_AREA)
        return smaller  # type: ignore[no-any-return]

    def draw(self, item: Any, dx: float, dy: float) -> None:
        """Draws an item that is no group, displaced."""
        if isinstance(item, Picture):
            self._picture(item, dx, dy)
        elif isinstance(item, Text):
            self._text(item, dx, dy)
        else:
            points, pieces = self._outline(item, dx, dy)
            if item.fill:
                self._area(points, item.fill, item.opacity)
            if item.stroke:
                self._lines(pieces, item)

    def _outline(self, item: Box | Dot | Path, dx: float, dy: float) -> tuple[list[Point], list[Any]]:
        """The corners of a shape, and its lines as OpenCV takes them; most are the same in all frames."""
        key = id(item), dx, dy
        if key not in self._outlines:
            lines: list[Sequence[Point]]
            if isinstance(item, Path):
                points = [(x + dx, y + dy) for x, y in item.points]
                lines = [points + points[:1] * item.closed]
                if item.arrow:
                    lines.append(arrow_head(points, item.arrow))
            else:
                points = _circle(item, dx, dy) if isinstance(item, Dot) else _rounded(item, dx, dy)
                lines = [[*points, points[0]]]
            if not isinstance(item, Dot) and item.dashed:
                lines = [dash for line in lines for dash in _dashes(line)]
            self._outlines[key] = points, [self._fixed(line) for line in lines] if item.stroke else []
        return self._outlines[key]

    def _fixed(self, points: Sequence[Point]) -> Any:
        """Points as OpenCV takes them: whole numbers with bits behind the point."""
        return np.rint(np.array(points) * self._scale * (1 << _SHIFT)).astype(np.int32).reshape(-1, 1, 2)

    def _area(self, points: Sequence[Point], role: str, opacity: float) -> None:
        ink = rgb(role, dark=self._dark)
        if opacity >= 1:
            cv2.fillPoly(self.pixels, [self._fixed(points)], ink, cv2.LINE_AA, _SHIFT)
            return
        (left, right), (top, bottom) = (
            (max(0, math.floor(min(side) * self._scale) - 2), math.ceil(max(side) * self._scale) + 2)
            for side in zip(*points, strict=True)
        )
        part = self.pixels[top:bottom, left:right]
        if not part.size:
            return
        covered = part.copy()
        near = [(x - left / self._scale, y - top / self._scale) for x, y in points]
        cv2.fillPoly(covered, [self._fixed(near)], ink, cv2.LINE_AA, _SHIFT)
        part[:] = cv2.addWeighted(covered, opacity, part, 1 - opacity, 0)

    def _lines(self, pieces: list[Any], item: Box | Dot | Path) -> None:
        ink = rgb(item.stroke, dark=self._dark)
        if isinstance(item, Path) and not item.fill and item.opacity < 1:
            paper = rgb("paper", dark=self._dark)
            red, green, blue = (
                round(a * item.opacity + b * (1 - item.opacity)) for a, b in zip(ink, paper, strict=True)
            )
            ink = red, green, blue
        thick = max(1, round(item.width * self._scale))
        cv2.polylines(self.pixels, pieces, False, ink, thick, cv2.LINE_AA, _SHIFT)

    def _picture(self, item: Picture, dx: float, dy: float) -> None:
        left, top = round((item.x + dx) * self._scale), round((item.y + dy) * self._scale)
        width, height = round(item.w * self._scale), round(item.h * self._scale)
        pixels = sized(item.pixels, width, height, smooth=item.smooth)
        y, x = max(0, -top), max(0, -left)
        place = self.pixels[top + y : top + height, left + x : left + width]
        part = pixels[y : y + place.shape[0], x : x + place.shape[1]]
        if part.shape[2] == 4:
            share = part[..., 3:] / np.float32(255)
            part = np.rint(part[..., :3] * share + place * (1 - share))
        place[:] = part

    def _text(self, item: Text, dx: float, dy: float) -> None:
        size, weight = round(item.size * self._scale), _BOLD if item.bold else _REGULAR
        width = cv2.getTextSize((0, 0), item.text, (0, 0), self._font, size, weight)[2]
        x, y = (item.x + dx) * self._scale, (item.y + dy) * self._scale
        x -= {"start": 0, "middle": width / 2, "end": width}[item.anchor]
        places = [(round(x), round(y), item.role)]
        if item.halo:
            ring = 1.5 * self._scale
            turns = [k * math.tau / 12 for k in range(12)]
            places = [(round(x + ring * math.cos(t)), round(y + ring * math.sin(t)), "paper") for t in turns] + places
        for across, down, role in places:
            ink = rgb(role, dark=self._dark)
            self.pixels = cv2.putText(self.pixels, item.text, (across, down), ink, self._font, size, weight)[1]


def _circle(item: Dot, dx: float, dy: float) -> list[Point]:
    turns = (k / _CORNERS * math.tau for k in range(_CORNERS))
    return [(item.x + dx + item.r * math.cos(t), item.y + dy + item.r * math.sin(t)) for t in turns]


def _rounded(item: Box, dx: float, dy: float) -> list[Point]:
    left, top, right, bottom = item.x + dx, item.y + dy, item.x + dx + item.w, item.y + dy + item.h
    r = min(item.radius, item.w / 2, item.h / 2)
    if r <= 0:
        return [(left, top), (right, top), (right, bottom), (left, bottom)]
    centres = (
        (right - r, top + r, -90),
        (right - r, bottom - r, 0),
        (left + r, bottom - r, 90),
        (left + r, top + r, 180),
    )
    return [
        (x + r * math.cos(math.radians(first + turn)), y + r * math.sin(math.radians(first + turn)))
        for x, y, first in centres
        for turn in range(0, 91, 15)
    ]


def _dashes(points: Sequence[Point]) -> Iterator[list[Point]]:
    """A line cut into dashes."""
    drawn, left, current = True, _DASH, [points[0]]
    for a, b in itertools.pairwise(points):
        length, at = math.dist(a, b), 0.0
        while length - at > left:
            at += left
            cut = (a[0] + (b[0] - a[0]) * at / length, a[1] + (b[1] - a[1]) * at / length)
            if drawn:
                yield [*current, cut]
            current, drawn, left = [cut], not drawn, _DASH
        left -= length - at
        if drawn:
            current.append(b)
    if drawn and len(current) > 1:
        yield current
