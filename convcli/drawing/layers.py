"""Blocks of channels, as textbooks draw them: a standard convolution beside its depthwise separable twin."""

from __future__ import annotations

from collections.abc import Sequence
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
_LEAST: Final = 34.0  # text beside a row of small blocks reaches so far above and below its middle
MOST_SIDE, MOST_TAPS = 12, 7


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
    """Something in a row: its name and shape in words, and its blocks, each `right` and `down` of the last."""

    name: str
    shape: str
    blocks: tuple[Block, ...]
    right: float = 0
    down: float = 0

    @property
    def width(self) -> float:
        return self.blocks[0].width + self.right * (len(self.blocks) - 1)

    @property
    def room(self) -> float:
        """How wide it is with its text."""
        return max(self.width, width_of(self.name, 13, bold=True), width_of(self.shape, 11))

    @property
    def below(self) -> float:
        """How far it reaches below its middle."""
        return self.blocks[0].rows * UNIT / 2 + self.down * (len(self.blocks) - 1) / 2

    @property
    def above(self) -> float:
        return self.below + self.blocks[0].depth * _UP * UNIT

    def at(self, x: float, middle: float) -> list[Any]:
        first = (len(self.blocks) - 1) / 2
        places = ((block, x + self.right * k, middle + self.down * (k - first)) for k, block in enumerate(self.blocks))
        return [item for block, left, y in places for item in block.at(left, y)]


def figure(
    size: Sequence[int] = (7, 7), inputs: int = 3, outputs: int = 128, taps: int = 3, *, title: str | None = None
) -> Scene:
    """Both ways from the same input of `size` to outputs of the same size, without padding, and what each costs."""
    _check(size, inputs, outputs, taps)
    high, wide = (n - taps + 1 for n in size)
    both = counts(size, inputs, outputs, taps)
    text = "Standard and depthwise separable convolution" if title is None else title
    shapes = f"{size[0]}×{size[1]}×{inputs} → {high}×{wide}×{outputs}"
    lines = [f"{inputs} → {outputs} channels, {taps}×{taps} taps, no padding: {shapes}"]
    if max(inputs, outputs) > _DEEP:
        lines.append(f"more than {_DEEP} channels are drawn {_DEEP} deep")
    items, y, width = header(text, lines)
    y += 28
    ways = _ways(size, inputs, outputs, taps)
    for (name, parts), count, words in zip(ways, both, _words(inputs, outputs, taps), strict=True):
        items.append(Text(x=PAD, y=y, text=name, size=14, bold=True, anchor="start"))
        middle = y + 20 + max(_LEAST, *(part.above for part in parts))
        bottom = middle + max(_LEAST, *(part.below for part in parts))
        drawn, x = _row(parts, middle, bottom)
        texts = [_many(count.weights, "weight"), words, _many(count.total_macs, "MAC")]
        if count is both[1]:
            texts.append(f"standard: {both[0].weights / count.weights:.3g} times both")
        items += [*drawn, *(
            Text(x=x, y=middle - 20 + 21 * k, text=line, anchor="start", size=12 if k else 15, bold=not k,
                 role="faint" if k in (1, 2) else "ink")
            for k, line in enumerate(texts)
        )]  # fmt: skip
        ends = x + width_of(texts[0], 15, bold=True), *(x + width_of(line) for line in texts)
        width = max(width, *(end + PAD for end in ends), 2 * PAD + width_of(name, 14, bold=True))
        y = bottom + 78
    about = f"{lines[0]}. Standard: {both[0].weights:,} weights. Depthwise separable: {both[1].weights:,} weights."
    return Scene(width=width, height=y - 26, items=tuple(items), title=text or "Layers", about=about)


def _check(size: Sequence[int], inputs: int, outputs: int, taps: int) -> None:
    """Raises UsageError for more than can be drawn, and for less than there is to draw."""
    for side, most, what, option in (
        (max(size), MOST_SIDE, f"an input of {'x'.join(map(str, size))}", "--size 7x7"),
        (taps, MOST_TAPS, f"{taps}x{taps} taps", "--kernel-size 3"),
    ):
        if side > most:
            fact = f"{what}: layers are drawn of at most {most} cells a side"
            raise UsageError(fact, hint=f"{option}; convcli compare counts any size")
    if len(size) != 2 or taps > min(size) or min(inputs, outputs) < 1:
        raise UsageError(f"{taps}x{taps} taps on {'x'.join(map(str, size))}: there would be no output")


def _row(parts: Sequence[Part], middle: float, bottom: float) -> tuple[list[Any], float]:
    """Parts side by side with their names below `bottom`, and where text goes on at their right."""
    items: list[Any] = []
    x = float(PAD)
    for index, part in enumerate(parts):
        centre = x + part.room / 2
        items += part.at(centre - part.width / 2, middle)
        items.append(Text(x=centre, y=bottom + 22, text=part.name, size=13, bold=True))
        items.append(Text(x=centre, y=bottom + 38, text=part.shape, size=11, role="faint"))
        x += part.room
        if index < len(parts) - 1:
            items.append(Text(x=x + 22, y=middle + 7, text="∗" if index % 2 == 0 else "→", size=20, role="faint"))
            x += 44
    return items, x + 34


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


def _ways(size: Sequence[int], inputs: int, outputs: int, taps: int) -> tuple[tuple[str, list[Part]], ...]:
    """Both rows: their headings and parts."""
    colours = _COLOURS[:inputs] if inputs <= 3 else ()
    high, wide = (n - taps + 1 for n in size)
    deep = min(inputs, _DEEP)
    source = Block(rows=size[0], columns=size[1], depth=deep, role="input", slices=colours)
    middle = Block(rows=high, columns=wide, depth=deep, role="input", slices=colours)
    result = Block(rows=high, columns=wide, depth=min(outputs, _DEEP), role="output")
    filter, mixture = (Block(rows=n, columns=n, depth=deep, role="tap") for n in (taps, 1))
    each = [
        Block(rows=taps, columns=taps, depth=1, role="tap", slices=colours[k : k + 1]) for k in range(min(inputs, 6))
    ]
    filters, mixtures = min(outputs, 5), min(outputs, 7)
    # Kernels of many channels overlap, each a little further to the right.
    overlap = (0.0, taps * UNIT + 8) if inputs <= 3 else (taps * UNIT * 0.3, taps * UNIT * 0.35)
    entry = Part(name="input", shape=f"{size[0]}×{size[1]}×{inputs}", blocks=(source,))
    filtered = Part(name="filtered", shape=f"{high}×{wide}×{inputs}", blocks=(middle,))
    output = Part(name="output", shape=f"{high}×{wide}×{outputs}", blocks=(result,))
    kernels = Part(
        name=_many(inputs, "kernel"), shape=f"{taps}×{taps}×1 each" + _drawn(len(each), inputs),
        blocks=tuple(each), right=overlap[0], down=overlap[1],
    )  # fmt: skip
    standard = Part(
        name=_many(outputs, "filter"), shape=f"{taps}×{taps}×{inputs} each" + _drawn(filters, outputs),
        blocks=(filter,) * filters, right=taps * UNIT * 0.7, down=9,
    )  # fmt: skip
    points = Part(
        name=_many(outputs, "mixture"), shape=f"1×1×{inputs} each" + _drawn(mixtures, outputs),
        blocks=(mixture,) * mixtures, right=7, down=21,
    )  # fmt: skip
    return (
        ("Standard: every filter sees all channels at once", [entry, standard, output]),
        ("Depthwise separable: a kernel for each channel, then a 1×1 mixture of channels",
         [entry, kernels, filtered, points, output]),
    )  # fmt: skip


def _drawn(count: int, of: int) -> str:
    return f", {count} drawn" if count < of else ""
