"""A figure as data: shapes with roles instead of colours, and, where it moves, the frames in which each is visible."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from convcli.records import record

Point: TypeAlias = tuple[float, float]
#: The frames in which something is visible, half-open.
Frames: TypeAlias = tuple[int, int]


@record(eq=False)
class Item:
    """Something that is drawn; visible in all frames unless `frames` says in which. A pointer over it gets `note`."""

    frames: Frames | None = None
    note: str = ""


@record(eq=False)
class Box(Item):
    """A rectangle, with corners of a `radius`; `width` and `dashed` are its line's."""

    x: float
    y: float
    w: float
    h: float
    fill: str = ""
    opacity: float = 1
    stroke: str = ""
    width: float = 1
    dashed: bool = False
    radius: float = 0


@record(eq=False)
class Path(Item):
    """A line through `points`, with a head of the length `arrow` at the last; or an area."""

    points: tuple[Point, ...]
    stroke: str = ""
    width: float = 1
    dashed: bool = False
    closed: bool = False
    fill: str = ""
    opacity: float = 1
    arrow: float = 0


@record(eq=False)
class Dot(Item):
    """A circle of radius `r` around (x, y)."""

    x: float
    y: float
    r: float
    fill: str = ""
    stroke: str = ""
    width: float = 1
    opacity: float = 1


@record(eq=False)
class Text(Item):
    """A line of text; `y` is its baseline, `anchor` what of it lies at `x`: start, middle or end.

    With a `halo` it is outlined in paper, to be read over a picture.
    """

    x: float
    y: float
    text: str
    size: float = 12
    role: str = "ink"
    anchor: str = "middle"
    bold: bool = False
    halo: bool = False


@record(eq=False)
class Picture(Item):
    """Pixels, (height, width, 3 or 4) uint8 RGB or RGBA.

    A `smooth` one is a photograph, which has no alpha; the others show each of their pixels.
    """

    x: float
    y: float
    w: float
    h: float
    pixels: Any
    smooth: bool = False


@record(eq=False)
class Group(Item):
    """Items that move together: in each frame by an entry of `moves`."""

    items: tuple[Any, ...]
    moves: tuple[Point, ...] = ()


@record(eq=False)
class Scene:
    """A whole figure. `about` says in words what it shows.

    An animation has several `frames`, of `seconds` each; the last stays `rest` times as long in addition.
    """

    width: float
    height: float
    title: str
    about: str
    items: tuple[Any, ...]
    frames: int = 1
    seconds: float = 0.7
    rest: int = 2

    def at(self, frame: int) -> Scene:
        """The still picture of one frame."""
        items = [shifted(item, dx, dy) for item, dx, dy in self.visible(frame)]
        return dataclasses.replace(self, items=tuple(items), frames=1)

    def visible(self, frame: int) -> Iterator[tuple[Any, float, float]]:
        """What is drawn in a frame, groups taken apart, each with its displacement."""
        yield from _visible(self.items, frame, 0, 0)

    @property
    def durations(self) -> list[int]:
        """Milliseconds that each frame is shown."""
        step = round(1000 * self.seconds)
        return [step] * (self.frames - 1) + [step * (1 + self.rest)]


def is_visible(item: Item, frame: int) -> bool:
    return item.frames is None or item.frames[0] <= frame < item.frames[1]


def _visible(items: Iterable[Any], frame: int, dx: float, dy: float) -> Iterator[tuple[Any, float, float]]:
    for item in items:
        if not is_visible(item, frame):
            continue
        if isinstance(item, Group):
            x, y = item.moves[frame] if item.moves else (0, 0)
            yield from _visible(item.items, frame, dx + x, dy + y)
        else:
            yield item, dx, dy


def shifted(item: Any, dx: float, dy: float) -> Any:
    """The item elsewhere, and visible in all frames."""
    if isinstance(item, Path):
        return dataclasses.replace(item, points=tuple((x + dx, y + dy) for x, y in item.points), frames=None)
    return dataclasses.replace(item, x=item.x + dx, y=item.y + dy, frames=None)


def arrow_head(points: Sequence[Point], length: float) -> list[Point]:
    """The three points of the head at the end of a line."""
    (ax, ay), (bx, by) = points[-2:]
    run = max(((bx - ax) ** 2 + (by - ay) ** 2) ** 0.5, 1e-9)
    ux, uy, size = (bx - ax) / run, (by - ay) / run, min(length, run * 0.6)
    sides = [(bx - size * (ux * 0.87 - s * uy * 0.5), by - size * (uy * 0.87 + s * ux * 0.5)) for s in (1, -1)]
    return [sides[0], (bx, by), sides[1]]
