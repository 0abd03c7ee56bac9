"""Blocks of channels, as textbooks draw them: a standard convolution beside its depthwise separable twin."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from convcli.drawing.parts import PAD, header, width_of
from convcli.drawing.scene import Path, Scene, Text
from convcli.errors import UsageError
from convcli.ops import tensors
from convcli.ops.base import Count
from convcli.ops.dense import Dense
from convcli.ops.depthwise_separable import DepthwiseSeparable
from convcli.records import record

#: Colours of three channels: red, green, blue.
_COLOURS: Final = ("c4", "c3", "c1")
#: The side of a cell, the skew of depth per cell, and the deepest block in cells; the most of each number.
UNIT, _ACROSS, _UP, _DEEP = 18.0, 0.42, 0.30, 13
MOST_SIDE, MOST_TAPS, MOST_CHANNELS = 12, 7, 8


@record
class Block:
    """`rows` x `columns` cells, `depth` of them deep; `slices` are the colours of its channels, front to back."""

    rows: int
    columns: int
    depth: int
    role: str
    slices: tuple[str, ...] = ()

    @property
    def width(self) -> float:
        return (self.columns + self.depth * _ACROSS) * UNIT

    def at(self, x: float, middle: float) -> list[Any]:
        """The block with its front's left edge at `x`, its front in the middle of a line."""
        y, line = middle - self.rows * UNIT / 2, f"{self.role}line"

        def place(row: float, column: float, depth: float) -> tuple[float, float]:
            return x + (column + depth * _ACROSS) * UNIT, y + (row - depth * _UP) * UNIT

        h, w, d = self.rows, self.columns, self.depth
        front = tuple(place(*p, 0) for p in ((0, 0), (0, w), (h, w), (h, 0)))
        around = (place(0, 0, 0), place(0, 0, d), place(0, w, d), place(h, w, d), place(h, w, 0), place(h, 0, 0))
        items = [Path(points=around, closed=True, fill="paper")]
        layers = self.slices or (self.role,)
        step = d / len(layers)
        for k, role in enumerate(layers):
            near, far = k * step, (k + 1) * step
            top = tuple(place(0, *p) for p in ((0, near), (w, near), (w, far), (0, far)))
            side = tuple(place(*p) for p in ((0, w, near), (h, w, near), (h, w, far), (0, w, far)))
            items.append(Path(points=top, closed=True, fill=role, opacity=0.45, stroke=line))
            items.append(Path(points=side, closed=True, fill=role, opacity=0.7, stroke=line))
        items.append(Path(points=front, closed=True, fill=layers[0], opacity=0.3 if self.slices else 1, stroke=line))
        lines = [((r, 0, 0), (r, w, 0), (r, w, d)) for r in range(1, h)]
        lines += [((h, c, 0), (0, c, 0), (0, c, d)) for c in range(1, w)]
        items += [Path(points=tuple(place(*p) for p in line_), stroke=line, width=0.6, opacity=0.7) for line_ in lines]
        return [*items, Path(points=front, closed=True, stroke=line, width=1.2)]


@record
class Part:
    """Something in a row of the figure: its name and shape in words, its width, and what draws it."""

    name: str
    shape: str
    width: float
    draw: Callable[[float, float], list[Any]]


def figure(
    size: Sequence[int] = (7, 7), inputs: int = 3, outputs: int = 128, taps: int = 3, *, title: str | None = None
) -> Scene:
    """Both ways from the same input of `size` to outputs of the same size, without padding, and what each costs."""
    given = {"side": (max(size), MOST_SIDE), "taps": (taps, MOST_TAPS), "input channels": (inputs, MOST_CHANNELS)}
    for name, (value, most) in given.items():
        if value > most:
            raise UsageError(f"{value} {name}; layers are drawn with at most {most}")
    if len(size) != 2 or taps > min(size) or min(inputs, outputs) < 1:
        raise UsageError(f"{taps}x{taps} taps on {'x'.join(map(str, size))}: there would be no output")
    high, wide = (n - taps + 1 for n in size)
    plain, separable = counts(size, inputs, outputs, taps)
    text = "Standard and depthwise separable convolution" if title is None else title
    shapes = f"{size[0]}×{size[1]}×{inputs} → {high}×{wide}×{outputs}"
    lines = [f"{inputs} → {outputs} channels, {taps}×{taps} taps, no padding: {shapes}"]
    items, top, least = header(text, lines)
    source, filtered, result = _blocks(size, inputs, outputs, taps)
    ways = _ways(source, filtered, result, inputs, outputs, taps)
    low = max(size[0] + inputs * _UP, high + min(outputs, _DEEP) * _UP * 2, taps + inputs * _UP + 2) * UNIT + 30
    talls = low, max(low, inputs * (taps * UNIT + 8) + 16)
    width, y = least, top + 40.0
    rows = zip(ways, (plain, separable), _words(inputs, outputs, taps), talls, strict=True)
    for (name, parts), count, words, tall in rows:
        items.append(Text(x=PAD, y=y - 8, text=name, size=14, bold=True, anchor="start"))
        x = float(PAD)
        for index, part in enumerate(parts):
            middle = y + tall / 2
            items += part.draw(x, middle)
            under = x + part.width / 2
            items.append(Text(x=under, y=y + tall + 14, text=part.name, size=13, bold=True))
            items.append(Text(x=under, y=y + tall + 30, text=part.shape, size=11, role="faint"))
            x += part.width
            if index < len(parts) - 1:
                items.append(Text(x=x + 26, y=middle + 7, text="∗" if index % 2 == 0 else "→", size=20, role="faint"))
                x += 52
        ratio = f"standard: {plain.weights / separable.weights:.3g} times both" if count is separable else ""
        lines_ = [*filter(None, (_many(count.weights, "weight"), words, _many(count.total_macs, "MAC"), ratio))]
        for k, line in enumerate(lines_):
            items.append(
                Text(
                    x=x + 34, y=y + tall / 2 - 20 + 21 * k, text=line, anchor="start", size=15 if k == 0 else 12,
                    bold=k == 0, role="ink" if k in (0, 3) else "faint",
                )
            )  # fmt: skip
        width = max(width, x + 34 + max(width_of(line, 15) for line in lines_) + PAD)
        y += tall + 84
    about = f"{lines[0]}. Standard: {plain.weights:,} weights. Depthwise separable: {separable.weights:,} weights."
    return Scene(width=width, height=y - 32, items=tuple(items), title=text or "Layers", about=about)


def counts(size: Sequence[int], inputs: int, outputs: int, taps: int) -> tuple[Count, Count]:
    """What the standard and the depthwise separable layer cost, as the engine counts them."""
    shape: dict[str, Any] = {"padding": ((0, 0), (0, 0))}
    plain = Dense(weights=tensors.zeros((outputs, inputs, taps, taps)), **shape)
    pointwise = tensors.zeros((outputs, inputs))
    separable = DepthwiseSeparable(depthwise=tensors.zeros((inputs, 1, taps, taps)), pointwise=pointwise, **shape)
    return plain.count(size, inputs), separable.count(size, inputs)


def _many(count: int, word: str) -> str:
    return f"{count:,} {word}{'s' * (count != 1)}"


def _words(inputs: int, outputs: int, taps: int) -> tuple[str, str]:
    return f"{taps}·{taps}·{inputs}·{outputs}", f"{taps}·{taps}·{inputs} + {inputs}·{outputs}"


def _blocks(size: Sequence[int], inputs: int, outputs: int, taps: int) -> tuple[Part, Part, Part]:
    colours = _COLOURS[:inputs] if inputs <= 3 else ()
    high, wide = (n - taps + 1 for n in size)
    made = {
        "input": (Block(rows=size[0], columns=size[1], depth=inputs, role="input", slices=colours), inputs),
        "filtered": (Block(rows=high, columns=wide, depth=inputs, role="input", slices=colours), inputs),
        "output": (Block(rows=high, columns=wide, depth=min(outputs, _DEEP), role="output"), outputs),
    }
    source, filtered, result = (
        Part(name=name, shape=f"{block.rows}×{block.columns}×{channels}", width=block.width, draw=block.at)
        for name, (block, channels) in made.items()
    )
    return source, filtered, result


def _ways(
    source: Part, filtered: Part, result: Part, inputs: int, outputs: int, taps: int
) -> tuple[tuple[str, list[Part]], ...]:
    """Both rows: their headings and parts."""
    colours = _COLOURS[:inputs] if inputs <= 3 else ()
    filters, mixes = min(outputs, 5), min(outputs, 7)
    whole, mix = (Block(rows=n, columns=n, depth=inputs, role="tap") for n in (taps, 1))
    each = [Block(rows=taps, columns=taps, depth=1, role="tap", slices=colours[k : k + 1]) for k in range(inputs)]
    pitch, tall = taps * UNIT * 0.7, taps * UNIT + 8

    def fan(block: Block, count: int, across: float, down: float) -> Callable[[float, float], list[Any]]:
        return lambda x, middle: [
            item for k in range(count) for item in block.at(x + across * k, middle + down * (k - (count - 1) / 2))
        ]

    def stack(x: float, middle: float) -> list[Any]:
        places = enumerate(each)
        return [item for k, block in places for item in block.at(x, middle + (k - (inputs - 1) / 2) * tall)]

    kernels = Part(name=_many(inputs, "kernel"), shape=f"{taps}×{taps}×1 each", width=each[0].width, draw=stack)
    standard = Part(
        name=_many(outputs, "filter"), shape=f"{taps}×{taps}×{inputs} each",
        width=pitch * (filters - 1) + whole.width, draw=fan(whole, filters, pitch, 9),
    )  # fmt: skip
    points = Part(
        name=_many(outputs, "mixture"), shape=f"1×1×{inputs} each", width=7 * (mixes - 1) + mix.width,
        draw=fan(mix, mixes, 7, 21),
    )  # fmt: skip
    return (
        ("Standard: every filter sees all channels at once", [source, standard, result]),
        ("Depthwise separable: a kernel for each channel, then a 1×1 mix of channels",
         [source, kernels, filtered, points, result]),
    )  # fmt: skip
