"""A filter bank as a grid of its filters: in colour where they see three channels, else by signs of weights."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from convcli.drawing.parts import PAD, header, heading, heat_pixels, wrapped
from convcli.drawing.scene import Box, Picture, Scene
from convcli.errors import UsageError

if TYPE_CHECKING:
    from convcli.drawing.parts import Floats
    from convcli.ops import Kernel

#: Filters that are drawn.
MOST_FILTERS: Final = 1024
#: Matrices that are drawn number by number, and taps along their sides, at most.
_MATRICES, _TAPS = 24, 5
_GAP: Final = 6
_SIDE: Final = 64


def figure(kernel: Kernel, weights: Floats, *, title: str | None = None, columns: int | None = None) -> Scene:
    """`weights` are `(out, in/groups, *taps)`; each filter is scaled to its own largest weight."""
    filters, inputs = weights.shape[:2]
    if filters > MOST_FILTERS:
        raise UsageError(f"{filters:,} filters; at most {MOST_FILTERS:,} are drawn")
    shape = (1, 1, *weights.shape[2:])[-max(2, weights.ndim - 2) :]
    cells = weights.reshape(filters, inputs, -1, shape[-1])
    high, wide = cells.shape[2:]
    zoom = max(2, min(20, round(_SIDE / max(high, wide))))
    columns = columns or max(1, round(math.sqrt(filters * 1.6 * high / wide)))
    size = "×".join(map(str, (*kernel.taps, inputs)))
    lines = [f"{counted(filters)} of {size}, each scaled to its own largest weight", _meaning(inputs)]
    if len(shape) == 3:
        lines.append(f"the {shape[0]} slices along z one below the other")
    heads, top, width = header(heading(kernel, title), [*wrapped(kernel.about), *lines])
    items, top = list(heads), top + 4
    for index, one in enumerate(cells):
        row, column = divmod(index, columns)
        x, y = PAD + column * (wide * zoom + _GAP), top + row * (high * zoom + _GAP)
        w, h = wide * zoom, high * zoom
        note = f"filter {index}: from {one.min():.6g} to {one.max():.6g}"
        items += [Picture(x=x, y=y, w=w, h=h, pixels=_pixels(one)), Box(x=x, y=y, w=w, h=h, stroke="rule", note=note)]
    rows = math.ceil(filters / columns)
    width = max(width, 2 * PAD + min(columns, filters) * (wide * zoom + _GAP) - _GAP)
    return Scene(
        width=width, height=top + rows * (high * zoom + _GAP) - _GAP + PAD, items=tuple(items),
        title=f"Filters of {heading(kernel, title)}", about=f"{kernel.about} {'; '.join(lines)}.".strip(),
    )  # fmt: skip


def counted(filters: int) -> str:
    return "1 filter" if filters == 1 else f"{filters} filters"


def matrices(weights: Floats, groups: int) -> dict[str, tuple[str, Floats]]:
    """The weights of a small bank by filter and channel, with how notes on their cells begin; none of a large one."""
    filters, inputs = weights.shape[:2]
    if filters * inputs > _MATRICES or max(weights.shape[2:]) > _TAPS or weights.ndim > 4:
        return {}
    return {
        f"filter {k}, channel {k * groups // filters * inputs + c}": (f"w[{k}, {c}, ", one.reshape(-1, one.shape[-1]))
        for k, filter in enumerate(weights)
        for c, one in enumerate(filter)
    }


def _meaning(inputs: int) -> str:
    if inputs == 3:
        return "the three input channels as red, green and blue; grey is 0"
    many = f"the mean of {inputs} input channels; " if inputs > 1 else ""
    return f"{many}orange: positive, blue: negative, white: 0"


def _pixels(one: Floats) -> Floats:
    """A filter (in, h, w) as pixels."""
    if one.shape[0] == 3:
        peak = float(np.abs(one).max()) or 1.0
        colours: Floats = np.rint(127.5 + 127.5 * one.transpose(1, 2, 0) / peak).clip(0, 255).astype(np.uint8)
        return colours
    mean = one.mean(axis=0)
    return heat_pixels(mean, float(np.abs(mean).max()))
