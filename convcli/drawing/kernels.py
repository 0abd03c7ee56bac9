"""A kernel: its weights as signed colours with numbers, 1-D factors beside their product, its gain by frequency."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from convcli.drawing import banks, volume
from convcli.drawing.parts import (
    PAD,
    Look,
    header,
    heading,
    heat,
    heat_pixels,
    number,
    scale_bar,
    width_of,
    wrapped,
)
from convcli.drawing.response import Response, folded, gain_picture, gain_plot
from convcli.drawing.scene import Box, Dot, Path, Picture, Scene, Text
from convcli.drawing.strips import once, times
from convcli.errors import UsageError
from convcli.ops.combined import Combined
from convcli.ops.deformable import Deformable
from convcli.ops.products import factors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from convcli.drawing.parts import Floats
    from convcli.ops import Kernel

#: Taps per axis up to which numbers stand in the cells, unless asked for; and up to which there are cells.
MOST_NUMBERS, MOST_CELLS = 15, 127
#: Weights that the description in words lists.
_MOST_LISTED: Final = 81
_GAP: Final = 8
#: Places of taps that are written below a line.
_LABELS: Final = 15
#: The side of cells from which on factors have their names in the corner between them.
_NAMED: Final = 30
#: How wide slices without numbers are.
_SLICE: Final = 200
_ACROSS: Final = 900
#: How wide the text below a picture of the gain is.
_TEXT: Final = 250


def figure(
    kernel: Kernel, *, title: str | None = None, numbers: bool | None = None, columns: int | None = None
) -> Scene:  # fmt: skip
    """A kernel by its rank: stems, a matrix, slices along z; a filter bank as a grid of its filters.

    Raises UsageError for numbers of a bank, and columns of what is none.
    """
    if isinstance(kernel, Combined):
        return _combined(kernel, heading(kernel, title), numbers is not False)
    weights = kernel.dense_weights()
    small = banks.matrices(weights, getattr(kernel, "groups", 1)) if kernel.channels and not columns else {}
    if kernel.channels and numbers and not small:
        raise UsageError(
            "numbers are written into the cells of a kernel or of few; this is a bank", hint="leave them out"
        )
    if not kernel.channels and columns:
        raise UsageError(f"columns are those of a filter bank; kernel '{kernel.name}' is none", hint="leave them out")
    if small and numbers is not False:
        return _bank(kernel, small, weights, heading(kernel, title))
    if kernel.channels:
        return banks.figure(kernel, weights, title=title, columns=columns)
    if numbers is None:
        numbers = max(weights.shape) <= (MOST_NUMBERS if weights.ndim < 3 else MOST_NUMBERS // 2)
    about = _described(kernel, weights)
    draw = {1: _stems, 2: _matrix, 3: _slices}[weights.ndim]
    items, width, height = draw(kernel, weights, heading(kernel, title), numbers)
    return Scene(width=width, height=height, title=f"Kernel {heading(kernel, title)}", about=about, items=tuple(items))


def facts(weights: Floats) -> list[str]:
    """What is said of weights in a line."""
    said = [f"{'×'.join(map(str, weights.shape))} taps, sum {number(weights.sum())}"]
    if weights.ndim == 2 and min(weights.shape) > 1 and weights.any():
        rank = np.linalg.matrix_rank(weights, tol=1e-9 * np.abs(weights).max())
        said.append("rank 1: separable" if rank == 1 else f"rank {rank}")
    return said


def beside(kernel: Kernel) -> str:
    """What else makes the result, besides weights that lie side by side."""
    said = [f"{name} {once(steps)}" for name in ("stride", "dilation") if max(steps := getattr(kernel, name)) > 1]
    if max(kernel.dilation) > 1:
        said.append(f"so that taps span {times(kernel.extent)}")
    if isinstance(kernel, Deformable):
        said.append("read at offsets, which draw offsets and draw taps show on a picture")
    if kernel.bias:
        said.append(f"bias {number(kernel.bias.array.reshape(-1)[0])}" if kernel.bias.size == 1 else "biases")
    return ", ".join([*said, *([f"then {kernel.activation}"] if kernel.activation else [])])


def _described(kernel: Kernel, weights: Floats) -> str:
    said = f"{'; '.join(filter(None, (*facts(weights), folded(kernel, weights))))}."
    return " ".join(filter(None, (kernel.about, said, f"Weights, row by row: {_listed(weights)}.")))


def _listed(weights: Floats) -> str:
    rows = weights.reshape(-1, weights.shape[-1])
    return "; ".join(" ".join(map(number, row)) for row in rows) if weights.size <= _MOST_LISTED else "too many here"


def _cell(sides: tuple[int, ...], *, numbers: bool) -> float:
    longest = max(sides)
    if not numbers:
        return max(4, min(34, 340 / longest))
    return 60 if longest <= 4 else 46 if longest <= 7 else 34


def _matrix(kernel: Kernel, weights: Floats, name: str, numbers: bool) -> tuple[list[Any], float, float]:
    lines = [*wrapped(kernel.about), " · ".join(facts(weights)), beside(kernel), *wrapped(folded(kernel, weights))]
    items, top, wide = header(name, lines)
    x, y = PAD, top + 22
    look = Look.of(weights, numbers=numbers)
    drawn, right, bottom, scales = _weights(weights, x, y, look)
    items += drawn
    labels = [*filter(None, (look.label, scales))]
    for line, label in enumerate(labels):
        items.append(Text(x=x, y=bottom + 18 + 16 * line, text=label, role="faint", anchor="start"))
    end = x + max(map(width_of, labels))
    bar, right = scale_bar(right + 14, y, bottom - y, look, pixels=max(weights.shape) > MOST_CELLS)
    items += bar
    if isinstance(kernel, Deformable):  # what it does to a frequency differs from place to place
        return items, max(right + PAD, wide, end + PAD), bottom + 18 * len(labels) + PAD
    gain = Response.of_kernel(kernel, weights)
    side = min(320, bottom - y) if bottom - y >= 200 else 220
    # The picture's own labels begin left of it, and its text lies beside that of the weights.
    left = max(right + 52, end + 24 + max(0, _TEXT - side) / 2)
    items += gain_picture(gain, left, y, side)
    plot = left + side + 62
    items += gain_plot(gain, plot, y, side * 1.05, side)
    items.append(Text(x=plot + side * 0.525, y=y + side + 34, text="gain along three directions", role="faint"))
    return items, max(plot + side * 1.05 + 12 + PAD, wide, end + PAD), max(bottom, y + side) + 50 + PAD


def _weights(weights: Floats, x: float, y: float, look: Look) -> tuple[list[Any], float, float, str]:
    """The weights as cells, with their factors where they have such, or as an image; where they end.

    The text tells by what the factors are multiplied.
    """
    high, wide = weights.shape
    if max(high, wide) > MOST_CELLS:
        zoom = 400 / max(high, wide)
        return _image(weights, x, y, zoom, look), x + wide * zoom, y + high * zoom, ""
    size = _cell((high, wide), numbers=look.factor > 0)
    items: list[Any] = []
    scales = []
    if pair := factors(weights):
        down, right = pair
        for axis, taps, left, top in (("y", down[:, None], x, y + size + _GAP), ("x", right[None], x + size + _GAP, y)):
            own = Look.of(taps, numbers=look.factor > 0)
            scales.append(f"{axis}{own.scale}")
            items += heat(taps, left, top, size, own, lambda r, c, axis=axis: f"{axis}[{r + c}]")
        if size > _NAMED:
            for axis, left, top in (("x", size - 9, size / 2 + 5), ("y", size / 2, size - 5)):
                items.append(Text(x=x + left, y=y + top, text=axis, size=13, role="faint"))
        x, y = x + size + _GAP, y + size + _GAP
    items += heat(weights, x, y, size, look, lambda r, c: f"w[{r}, {c}]")
    product = f"the product of {' and '.join(scales)}" if scales else ""
    return items, x + wide * size, y + high * size, product


def _image(weights: Floats, x: float, y: float, zoom: float, look: Look) -> list[Any]:
    """Weights as an image, so large per weight."""
    w, h = weights.shape[1] * zoom, weights.shape[0] * zoom
    note = f"weights from {weights.min():.6g} to {weights.max():.6g}"
    box = Box(x=x, y=y, w=w, h=h, stroke="rule", note=note)
    return [Picture(x=x, y=y, w=w, h=h, pixels=heat_pixels(weights, look.peak)), box]


def _slices(kernel: Kernel, weights: Floats, name: str, numbers: bool) -> tuple[list[Any], float, float]:
    middle = (len(weights) - 1) / 2
    step = kernel.dilation[0]
    labels = [f"z = {'+' if z > middle else ''}{number(step * (z - middle))}" for z in range(len(weights))]
    look = Look.of(weights, numbers=numbers)
    matrices = {label: (f"w[{z}, ", weights[z]) for z, label in enumerate(labels)}
    items, width, height = _side_by_side(kernel, matrices, look, name, [*facts(weights), beside(kernel)])
    if len(weights) == 1 or max(weights.shape) > volume.MOST:
        return items, width, height
    top = min(item.y for item in items if isinstance(item, Box))
    stacked, right, bottom = volume.stack(weights, labels, width - PAD + 30, top, look)
    return [*items, *stacked], right + PAD, max(height, bottom + PAD)


def _bank(kernel: Kernel, matrices: Mapping[str, tuple[str, Floats]], weights: Floats, name: str) -> Scene:
    """A small filter bank, a row for each filter, all in the same colours."""
    size = "×".join(map(str, (*kernel.taps, weights.shape[1])))
    look = Look.of(weights.reshape(1, -1), numbers=True)
    lines = [f"{banks.counted(len(weights))} of {size}", beside(kernel)]
    items, width, height = _side_by_side(kernel, matrices, look, name, lines, per_row=weights.shape[1])
    about = f"{kernel.about} {lines[0]}. Weights, filter by filter: {_listed(weights)}.".strip()
    return Scene(width=width, height=height, title=f"Kernel {name}", about=about, items=tuple(items))


def _combined(kernel: Combined, name: str, numbers: bool) -> Scene:
    """The kernels whose results become one, all in the same colours."""
    parts = {label: weights.reshape(-1, weights.shape[-1]) for label, weights in kernel.parts().items()}
    every = np.concatenate([weights.reshape(-1) for weights in parts.values()])
    look = Look.of(every[None], numbers=numbers and max(max(one.shape) for one in parts.values()) <= MOST_NUMBERS)
    by = f"{len(parts)} kernels on the same input; their results become one, by {kernel.by}"
    matrices = {label: (f"{label}: w[", weights) for label, weights in parts.items()}
    items, width, height = _side_by_side(kernel, matrices, look, name, [by])
    about = " ".join(filter(None, (kernel.about, f"{by}: {', '.join(parts)}.")))
    return Scene(width=width, height=height, title=f"Kernel {name}", about=about, items=tuple(items))


def _side_by_side(
    kernel: Kernel, matrices: Mapping[str, tuple[str, Floats]], look: Look, name: str, lines: list[str],
    per_row: int = 0,
) -> tuple[list[Any], float, float]:  # fmt: skip
    """Matrices by their labels, each with how notes on its cells begin, in rows, `per_row` where so many have room."""
    sides = [max(one.shape[axis] for _, one in matrices.values()) for axis in (0, 1)]
    longest = max(sides)
    size = min(46.0, _cell((sides[0], sides[1]), numbers=True)) if look.factor else min(34, _SLICE / longest)
    items, top, widest = header(name, [*wrapped(kernel.about), *lines])
    labels = max(map(width_of, matrices))
    y, wide = top + 22, max(sides[1] * size, labels) + 26
    if not 0 < per_row * wide <= _ACROSS:
        per_row = max(1, int(_ACROSS // wide))
        per_row = math.ceil(len(matrices) / math.ceil(len(matrices) / per_row))
    for place, (label, (note, weights)) in enumerate(matrices.items()):
        row, column = divmod(place, per_row)
        x, down = PAD + column * wide, y + row * (sides[0] * size + 40)
        if longest > MOST_CELLS:
            items += _image(weights, x, down, size, look)
        else:
            items += heat(weights, x, down, size, look, lambda r, c, note=note: f"{note}{r}, {c}]")
        middle = x + weights.shape[1] * size / 2
        items.append(
            Text(x=max(middle, x + width_of(label) / 2), y=down + sides[0] * size + 18, text=label, role="faint")
        )
    bottom = y + math.ceil(len(matrices) / per_row) * (sides[0] * size + 40)
    bar, right = scale_bar(
        PAD + min(len(matrices), per_row) * wide - 10, y, sides[0] * size, look, pixels=longest > MOST_CELLS
    )
    items += [*bar, Text(x=PAD, y=bottom + 2, text=look.label, role="faint", anchor="start")]
    return items, max(right + PAD, widest), bottom + 6 + PAD


def _stems(kernel: Kernel, weights: Floats, name: str, numbers: bool) -> tuple[list[Any], float, float]:
    """Taps as stems on a line, and the gain by frequency."""
    w, h, look = 380.0, 200.0, Look.of(weights, numbers=numbers)
    lines = [*wrapped(kernel.about), *facts(weights), beside(kernel), *wrapped(folded(kernel, weights))]
    items, top, wide = header(name, [*lines, look.label * bool(look.scale)])
    x, y = PAD + 12 + 34 * (not numbers), top + 24
    low, high = (limit(0.0, float(limit(weights))) for limit in (min, max))
    items += _stem_lines(weights, look, x, y, (w, h))
    if not numbers:
        for value in filter(None, (high, low)):
            at = y + h * (high - value) / ((high - low) or 1)
            items.append(Text(x=x - 14, y=at + 4, text=number(value), size=11, role="faint", anchor="end"))
    count, step = len(weights), kernel.dilation[0]
    every = next(m * 10**e for e in range(10) for m in (1, 2, 5) if m * 10**e * _LABELS >= count)
    for k in range((count - 1) // 2 % every, count, every):
        text = _place(k * step, (count - 1) * step + 1)
        items.append(Text(x=x + (k + 0.5) * w / count, y=y + h + 32, text=text, size=10.5, role="faint"))
    items.append(Text(x=x + w / 2, y=y + h + 50, text="taps, from the middle", role="faint"))
    gain = Response.of_kernel(kernel, weights)
    plot = x + w + 66
    items += gain_plot(gain, plot, y, w, h, {"": gain.lines()["horizontal"]})
    items.append(Text(x=plot + w / 2, y=y + h + 50, text="gain by frequency, cycles per sample", role="faint"))
    return items, max(plot + w + 12 + PAD, wide), y + h + 50 + PAD


def _stem_lines(weights: Floats, look: Look, x: float, y: float, size: tuple[float, float]) -> list[Any]:
    """The line, and on it a stem with a dot for each tap."""
    (w, h), count = size, len(weights)
    low, high = min(0.0, float(weights.min())), max(0.0, float(weights.max()))
    span = high - low or 1.0
    base = y + h * high / span
    items: list[Any] = [Path(points=((x - 8, base), (x + w, base)), stroke="ghostline")]
    for k, value in enumerate(map(float, weights)):
        at, end, role = x + (k + 0.5) * w / count, base - value / span * h, "pos" if value > 0 else "neg"
        note = f"w[{k}] = {value:.6g}"
        items.append(Path(points=((at, base), (at, end)), stroke=role, width=2.4))
        items.append(Dot(x=at, y=end, r=min(5, w / count / 3), fill=role, stroke="paper", width=1.5, note=note))
        if look.factor:
            up = end - 10 if value >= 0 else end + 18
            items.append(Text(x=at, y=up, text=look.text(value), size=10.5, note=note))
    return items


def _place(k: int, count: int) -> str:
    place = k - (count - 1) / 2
    return ("+" if place > 0 else "") + number(place)
