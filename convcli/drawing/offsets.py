"""The offsets of a deformable kernel: arrows from each output to where it reads, and directions as hues."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from convcli.drawing.images import sized
from convcli.drawing.parts import PAD, header, heading, number, wrapped
from convcli.drawing.scene import Box, Dot, Path, Picture, Scene, Text
from convcli.errors import UsageError
from convcli.ops.deformable import Deformable

if TYPE_CHECKING:
    from convcli.drawing.parts import Floats
    from convcli.ops import Kernel

#: How wide each of the two pictures is drawn, and arrows along its longer side.
WIDTH, _ARROWS = 440.0, 20
_ROWS: Final = 64
_WHEEL: Final = 64.0
#: OKLCH to linear RGB. Source: B. Ottosson, "A perceptual color space for image processing" (2020).
_TO_LMS: Final = ((1, 0.3963377774, 0.2158037573), (1, -0.1055613458, -0.0638541728), (1, -0.0894841775, -1.291485548))
_TO_RGB: Final = (
    (4.0767416621, -3.3077115913, 0.2309699292),
    (-1.2684380046, 2.6097574011, -0.3413193965),
    (-0.0041960863, -0.7034186147, 1.707614701),
)


def figure(kernel: Kernel, picture: Any, *, tap: int | None = None, title: str | None = None) -> Scene:
    """The field of one tap's offsets on `picture`, (height, width, 3) uint8; by default the middle's, or the first's.

    Raises UsageError for a kernel without offsets, and for a tap that it doesn't have.
    """
    if not isinstance(kernel, Deformable):
        fact = f"kernel '{kernel.name}' is not deformable: it has no offsets to draw"
        raise UsageError(fact, hint=f"convcli draw taps {kernel.name} PICTURE")
    taps = math.prod(kernel.taps)
    if tap is not None and not 0 <= tap < taps:
        raise UsageError(f"tap {tap} of a kernel with {taps}", hint="they count from 0, row by row")
    if kernel.looks:
        kernel = kernel.guided(picture, 255.0)
    size = picture.shape[:2]
    # Where offsets turn or stretch a kernel its middle tap stays: then the first moves most.
    tap = _default(kernel, size, taps) if tap is None else tap
    down, right = field(kernel, size, tap)
    length = np.hypot(down, right)
    longest = float(length.max())
    where = np.unravel_index(length.argmax(), length.shape)
    lines = [*wrapped(kernel.about), f"longest offset {longest:.1f} pixels, at y {where[0]}, x {where[1]}"]
    if taps > 1:
        lines.append(f"tap {tap} of 0 to {taps - 1}")
    name = heading(kernel, title)
    heads, top, wide = header(name, lines)
    high = WIDTH * picture.shape[0] / picture.shape[1]
    y, left = top + 20, PAD + WIDTH + 28
    share = _share(longest, picture.shape[:2])
    says = "from each output towards where it reads" + (f", {number(share)} of the way" if share < 1 else "")
    items: list[Any] = [
        *heads, Picture(x=PAD, y=y, w=WIDTH, h=high, pixels=picture, smooth=True),
        Text(x=PAD, y=y - 8, text=says, role="faint", anchor="start"),
        Text(x=left, y=y - 8, text="direction as hue, length as depth of colour", role="faint", anchor="start"),
        Picture(x=left, y=y, w=WIDTH, h=high, pixels=_hues(down, right, longest, high), smooth=True),
        Box(x=left, y=y, w=WIDTH, h=high, stroke="rule"), *_arrows(down, right, share, y, picture.shape[:2]),
        *_wheel(left + WIDTH + 24, y + 18, longest),
    ]  # fmt: skip
    return Scene(
        width=max(left + WIDTH + 24 + _WHEEL + PAD, wide), height=max(y + high, y + _WHEEL + 60) + PAD,
        items=tuple(items), title=f"Offsets of {name}", about=f"{' '.join(lines)}.",
    )  # fmt: skip


def _default(kernel: Deformable, size: tuple[int, int], taps: int) -> int:
    """The middle tap, or the first where that one stays in its place."""
    return taps // 2 if any(part.any() for part in field(kernel, size, taps // 2)) else 0


def field(kernel: Deformable, size: tuple[int, int], tap: int) -> tuple[Floats, Floats]:
    """How far from its place one tap reads, down and right, at every output."""
    high, wide = kernel.output_shape(size)
    parts = []
    for top in range(0, high, _ROWS):
        rows = slice(top, min(top + _ROWS, high))
        shifts = kernel.displacements(size, rows, slice(0, wide))
        parts.append([np.array(shift[tap], np.float64) for shift in shifts])
    down, right = (np.concatenate(part) for part in zip(*parts, strict=True))
    return down, right


def hues(down: Floats, right: Floats, longest: float) -> Any:
    """Displacements as colours of equal lightness for equal lengths: grey where nothing moves."""
    angle = np.arctan2(down, right)
    share = np.clip(np.hypot(down, right) / (longest or 1), 0, 1)
    light, chroma = 0.97 - 0.24 * share, 0.122 * share
    lab = np.stack([light, chroma * np.cos(angle), chroma * np.sin(angle)], axis=-1)
    rgb = np.clip((lab @ np.array(_TO_LMS).T) ** 3 @ np.array(_TO_RGB).T, 0, 1)
    encoded = np.where(rgb <= 0.0031308, 12.92 * rgb, 1.055 * rgb ** (1 / 2.4) - 0.055)
    return np.rint(255 * encoded).astype(np.uint8)


def _hues(down: Any, right: Any, longest: float, high: float) -> Any:
    """As `hues`, no larger than it is looked at."""
    high, wide = 2 * round(high), 2 * round(WIDTH)
    if down.shape[1] > wide:
        down, right = (sized(part[..., None], wide, int(high), smooth=True)[..., 0] for part in (down, right))
    return hues(down, right, longest)


def _spacing(size: tuple[int, int]) -> int:
    return max(8, round(max(size) / _ARROWS))


def _share(longest: float, size: tuple[int, int]) -> float:
    """The part of each offset that its arrow has, so that arrows don't hide each other."""
    share = min(1.0, 1.6 * _spacing(size) / longest) if longest else 1.0
    return float(f"{share:.1g}") if share < 1 else 1.0


def _arrows(down: Floats, right: Floats, share: float, y: float, size: tuple[int, int]) -> list[Any]:
    zoom, step = WIDTH / size[1], _spacing(size)
    stride = size[0] / down.shape[0], size[1] / down.shape[1]
    under, bright, dots = list[Any](), list[Any](), list[Any]()
    for row in range(int(step // stride[0]) // 2, down.shape[0], max(1, int(step // stride[0]))):
        for column in range(int(step // stride[1]) // 2, down.shape[1], max(1, int(step // stride[1]))):
            a = PAD + (column * stride[1] + 0.5) * zoom, y + (row * stride[0] + 0.5) * zoom
            dx, dy = (float(part[row, column]) * zoom * share for part in (right, down))
            cut = min(_part(a[0], dx, PAD, PAD + WIDTH), _part(a[1], dy, y, y + size[0] * zoom))
            b = a[0] + dx * cut, a[1] + dy * cut
            if math.dist(a, b) < 1.5:
                dots.append(Dot(x=a[0], y=a[1], r=1.6, fill="mark", stroke="marked", width=0.7))
                continue
            note = f"y {row}, x {column}: {down[row, column]:.6g} down, {right[row, column]:.6g} right"
            under.append(Path(points=(a, b), stroke="marked", width=3, arrow=5))
            bright.append(Path(points=(a, b), stroke="mark", width=1.4, arrow=5, note=note))
    return [*dots, *under, *bright]


def _part(start: float, distance: float, low: float, high: float) -> float:
    """How much of a way along an axis lies between `low` and `high`, at most 1."""
    return min(1.0, ((high if distance > 0 else low) - start) / distance) if distance else 1.0


def _wheel(x: float, y: float, longest: float) -> list[Any]:
    """What the hues mean."""
    line = np.linspace(-1, 1, 121)
    down, right = np.meshgrid(line, line, indexing="ij")
    disc = hues(down, right, 1.0)
    opaque = np.where(np.hypot(down, right) > 1, 0, 255).astype(np.uint8)
    disc = np.concatenate([disc, opaque[..., None]], axis=2)
    half = _WHEEL / 2
    return [
        Picture(x=x, y=y, w=_WHEEL, h=_WHEEL, pixels=disc, smooth=False),
        Dot(x=x + half, y=y + half, r=half, stroke="rule", width=1.5),
        Text(x=x + half, y=y - 6, text="up", size=11, role="faint"),
        Text(x=x + half, y=y + _WHEEL + 15, text="down", size=11, role="faint"),
        Text(x=x + half, y=y + _WHEEL + 36, text=f"rim: {number(round(longest, 1))} px", size=11, role="faint"),
    ]
