"""How a kernel moves: what each output reads, position by position, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from convcli.drawing.motion import Motion
from convcli.drawing.parts import PAD, brief, cell, header, heading, in_cell, number, width_of
from convcli.drawing.scene import Box, Dot, Group, Path, Scene, Text
from convcli.drawing.strips import check_rank, check_steps, described, kind_of, relation
from convcli.engine.geometry import constant

if TYPE_CHECKING:
    from convcli.drawing.parts import Floats
    from convcli.ops import Kernel

#: The side of a cell, without and with numbers.
CELL, CELL_WITH_NUMBERS = 34.0, 44.0
#: Seconds of a step, without and with numbers.
SECONDS, SECONDS_WITH_NUMBERS = 0.6, 0.9
_BETWEEN: Final = 22  # two channels
_PALE: Final = 0.35  # the opacity of taps of weight 0


def figure(
    kernel: Kernel, size: Sequence[int], values: Floats | None = None, *, title: str | None = None,
    filter: int = 0, only: int | None = None,
) -> Scene:  # fmt: skip
    """The animation of a 1-D or 2-D kernel on an input of `size` per axis; of a bank, that of one filter.

    `values` are the samples, `(*size)`, or `(*size, channels)` for a bank: then numbers are drawn, and the sum of each
    step. Where `only` one frame, counted from 0, is wanted, there may be many.
    """
    check_rank(kernel)
    check_steps([window.length for window in kernel.windows(size, kernel.axes)], still=only is not None)
    return _Steps(Motion(kernel, size, values, filter, only)).scene(heading(kernel, title))


class _Steps:
    """The parts of the figure; `x0, y0` is where the input's cells begin, `xo, yo` the output's."""

    def __init__(self, motion: Motion) -> None:
        self.motion = motion
        self.cell = CELL if motion.values is None else CELL_WITH_NUMBERS

    def scene(self, name: str) -> Scene:
        kernel, size = self.motion.kernel, self.motion.size
        lines = [described(kernel, size), relation(kernel, size)]
        if kernel.channels:
            first = self.motion.first
            last = first + len(self.motion.weights) - 1
            which = f"channel {last}" if last == first else f"channels {first} to {last}"
            one = kernel.channels[1] == 1
            name = "its filter" if one else f"filter {self.motion.filter} of 0 to {kernel.channels[1] - 1}"
            lines.append(f"{name} reads {which}")
        heads, top, wide = header(name, lines)
        self.x0, self.y0 = float(PAD), top + 26
        self.high = self.motion.strips[0].span * self.cell
        self.x1 = self.x0 + self.motion.strips[1].span * self.cell
        self.total = len(self.motion.weights) * (self.high + _BETWEEN) - _BETWEEN
        between, self.xo = self._kernel()
        self.yo = self.y0 + max(0.0, (self.total - self.motion.lengths[0] * self.cell) / 2)
        under, numbers = self._input()
        items = [*heads, *self._beams(), *under, *between, *self._output(), *self._taps(), *numbers, *self._marks()]
        notes, bottom = self._legend(max(self.y0 + self.total, self.yo + self.motion.lengths[0] * self.cell))
        sums, longest = self._sums(bottom + 34)
        bottom += 34 * bool(sums)
        right = max(self.xo + self.motion.lengths[1] * self.cell, PAD + longest)
        return Scene(
            width=max(right + PAD, wide), height=bottom + PAD, items=(*items, *notes, *sums),
            title=f"Convolution arithmetic: {name}", about=self._about(lines), frames=len(self.motion.positions),
            seconds=SECONDS if self.motion.values is None else SECONDS_WITH_NUMBERS,
        )  # fmt: skip

    def _about(self, lines: Sequence[str]) -> str:
        weights = "; ".join(" ".join(map(number, row)) for plane in self.motion.weights for row in plane)
        listed = f" Weights, row by row: {weights}." if self.motion.weights.size <= 81 else ""
        steps = f"One frame for each of the {len(self.motion.positions)} output positions, row by row"
        return f"{'. '.join(lines)}.{listed} {steps}: the taps over the input, and the output so far."

    def _planes(self) -> list[tuple[int, float]]:
        """The channels that are read, by number from 0, and where their cells begin."""
        return [(k, self.y0 + k * (self.high + _BETWEEN)) for k in range(len(self.motion.weights))]

    def _input(self) -> tuple[list[Any], list[Any]]:
        """The cells of the input, and the numbers that lie above the taps."""
        cells: list[Any] = []
        numbers: list[Any] = []
        rows, columns = self.motion.strips
        for plane, top in self._planes():
            many = len(self.motion.weights) > 1
            label = "input" + f", channel {self.motion.first + plane}" * many
            middle = self.x0 + columns.middle * self.cell
            cells.append(Text(x=middle, y=top - 8, text=label, size=11 if many else 13, bold=True, role="inputline"))
            read = self.motion.read(plane) if self.motion.deformed else None
            for r, (down, row) in enumerate(rows.cells):
                for c, (right, column) in enumerate(columns.cells):
                    kind = kind_of(row, column)
                    always = kind != "border" or read is None
                    for frames in [None] if always or read is None else read.get((r, c), []):
                        x, y = self.x0 + right * self.cell, top + down * self.cell
                        box, text = self._cell(plane, (r, c), kind, (x, y), frames)
                        cells.append(box)
                        numbers += text
            cells += self._left_out(top)
        return cells, numbers

    def _left_out(self, top: float) -> list[Any]:
        """Marks where rows and columns that no tap reads are left out, in the middle of the input's."""
        rows, columns = self.motion.strips
        marks = [(columns.middle, at, 0, 1, f"{count} rows") for at, count in rows.left_out()]
        marks += [(at, rows.middle, 1, 0, f"{count} columns") for at, count in columns.left_out()]
        return [
            Dot(x=self.x0 + right * self.cell + 6 * k * across, y=top + down * self.cell + 6 * k * along, r=1.7,
                fill="faint", note=f"{what} that no tap reads")
            for right, down, across, along, what in marks for k in (-1, 0, 1)
        ]  # fmt: skip

    def _cell(
        self, plane: int, at: tuple[int, int], kind: str, corner: tuple[float, float], frames: Any
    ) -> tuple[Box, list[Any]]:
        """A cell of the input, and its number."""
        x, y = corner
        value = self.motion.value(plane, *at)
        if value is not None:
            place = self.motion.place(*at)
            name = f"input[{place[0]}, {place[1]}]" if place else "put between the samples"
            note = f"{name} = {value:.6g}"
            number = in_cell(brief(value), x, y, self.cell, note=note, frames=frames)
            return _place(kind, x, y, self.cell, note=note, frames=frames), [number]
        half, dots = self.cell / 2, []
        if self.motion.transposed and kind == "input":
            dots = [Dot(x=x + half, y=y + half, r=self.cell * 0.13, fill="inputline")]
        return _place(kind, x, y, self.cell, frames=frames), dots

    def _kernel(self) -> tuple[list[Any], float]:
        """The weights between input and output, where there are numbers; and where the output begins."""
        if self.motion.values is None:
            return [], self.x1 + 84
        high, wide = self.motion.weights.shape[1:]
        x = self.x1 + 30
        items: list[Any] = []
        for plane, top in self._planes():
            y = top + (self.high - high * self.cell) / 2
            turned = self.motion.weights[plane, ::-1, ::-1] if self.motion.transposed else self.motion.weights[plane]
            label = "kernel, turned" if self.motion.transposed else "kernel"
            items.append(
                Text(x=x + wide * self.cell / 2, y=y - 9, text=label, size=13, bold=True, role="tapline")
            )  # fmt: skip
            for (r, c), weight in np.ndenumerate(turned):
                left, up = x + c * self.cell, y + r * self.cell
                note = f"weight {number(weight)}"
                items.append(cell(left, up, self.cell, fill="tap", stroke="tapline", note=note))
                items.append(in_cell(brief(weight), left, up, self.cell))
            sign = y + high * self.cell / 2 + 7
            items.append(Text(x=self.x1 + 15, y=sign, text="∗", size=20, role="faint"))
        right = x + wide * self.cell
        items.append(Text(x=right + 17, y=self.y0 + self.total / 2 + 6, text="=", size=18, role="faint"))
        return items, right + 34

    def _beams(self) -> list[Any]:
        """From the taps to the output of each step."""
        if self.motion.values is not None or self.motion.deformed:
            return []
        items: list[Any] = []
        (high, wide), size, moves = self.motion.span(), self.cell, self.motion.moves(0)[0]
        for frame, (r, c) in enumerate(self.motion.positions):
            for _, top in self._planes():
                right, down = moves[frame]
                left, up = self.x0 + (right + wide) * size, top + down * size
                x, y = self.xo + c * size, self.yo + r * size
                points = ((left, up), (x, y), (x, y + size), (left, up + high * size))
                items.append(Path(points=points, fill="tap", opacity=0.16, closed=True, frames=(frame, frame + 1)))
        return items

    def _output(self) -> list[Any]:
        size, last = self.cell, len(self.motion.positions)
        middle = self.xo + self.motion.lengths[1] * size / 2
        items: list[Any] = [Text(x=middle, y=self.yo - 9, text="output", size=13, bold=True, role="outputline")]
        items += [cell(self.xo + c * size, self.yo + r * size, size, stroke="rule") for r, c in self.motion.positions]
        for frame, (r, c) in enumerate(self.motion.positions):
            x, y, note = self.xo + c * size, self.yo + r * size, f"output[{r}, {c}]"
            if self.motion.results is not None:
                note += f" = {self.motion.results[r, c]:.6g}"
            items.append(cell(x, y, size, fill="output", stroke="outputline", frames=(frame, last), note=note))
            if self.motion.results is not None:
                items.append(in_cell(brief(self.motion.results[r, c]), x, y, size, frames=(frame, last), note=note))
        return items

    def _taps(self) -> list[Any]:
        """The taps over each channel, as groups that move: deformable ones each by itself."""
        items: list[Any] = []
        size, deformed = self.cell, bool(self.motion.deformed)
        gaps = [0, 0] if deformed else [window.dilation for window in self.motion.windows]
        (high, wide), kernels = self.motion.span(), self.motion.weights
        for plane, top in self._planes():
            moves = [tuple((x * size, y * size) for x, y in places) for places in self.motion.moves(plane)]
            turned = kernels[plane, ::-1, ::-1] if self.motion.transposed else kernels[plane]
            places = ((self.x0 + c * gaps[1] * size, top + r * gaps[0] * size) for r, c in np.ndindex(turned.shape))
            taps = [self._tap(*place, *one) for place, one in zip(places, np.ndenumerate(turned), strict=True)]
            if deformed:
                items += [Group(items=tuple(tap), moves=own) for tap, own in zip(taps, moves, strict=True)]
                continue
            hull = Box(x=self.x0, y=top, w=wide * size, h=high * size, stroke="tapline", width=2, radius=4)
            items.append(Group(items=(*(part for tap in taps for part in tap), hull), moves=moves[0]))
        return items

    def _tap(self, x: float, y: float, at: tuple[int, ...], weight: float) -> list[Any]:
        """A tap on the cell at (x, y): those of weight 0 are pale, or of deformable kernels rings."""
        size, note = self.cell, f"tap {at[0]}, {at[1]}: weight {weight:.6g}"
        if self.motion.deformed:  # they may lie over each other, and across numbers
            fill, half = "tap" if weight else "", size / 2
            return [
                Dot(x=x + half, y=y + half, r=size * 0.28, fill=fill, stroke="tapline", opacity=0.7, note=note)
            ]  # fmt: skip
        if self.motion.values is None:
            return [cell(x, y, size, fill="tap", stroke="tapline", opacity=0.92 if weight else _PALE)]
        small = max(8, size * 0.24)
        number = Text(
            x=x + size - 4, y=y + size - 4.5, text=brief(weight), size=small, anchor="end", role="tapline", bold=True
        )
        return [cell(x, y, size, fill="tap", stroke="tapline", opacity=0.92), number]

    def _marks(self) -> list[Any]:
        """The frame around the output of the step."""
        frame = Box(x=self.xo, y=self.yo, w=self.cell, h=self.cell, stroke="tapline", width=2.2, radius=4)
        return [Group(items=(frame,), moves=tuple((c * self.cell, r * self.cell) for r, c in self.motion.positions))]

    def _legend(self, bottom: float) -> tuple[list[Any], float]:
        """What the cells that are no input mean, below it; and where that ends."""
        rows, columns = self.motion.strips
        kinds = {kind_of(down, right) for down in rows.kinds for right in columns.kinds}
        words = []
        if "border" in kinds:
            border, outside = self.motion.kernel.border, constant(self.motion.kernel.border)
            meaning = f"what border {border} shows there" if outside is None else f"padding, {outside:g}"
            words.append(f"dashed: {meaning}")
        if "gap" in kinds:
            words.append("small: zeros put between" + "; dots: samples" * (self.motion.values is None))
        if self.motion.deformed:
            words.append("dots: taps, which lie between samples and mix these bilinearly")
            if any(strip.left_out() for strip in self.motion.strips):
                words.append("three points: rows or columns that no tap reads are left out")
        if not self.motion.weights.all() and (self.motion.deformed or self.motion.values is None):
            words.append("rings: taps of weight 0" if self.motion.deformed else "pale taps: weights of 0")
        if self.motion.masked and self.motion.values is not None:
            words.append("what they read is multiplied by the mask before it is weighed")
        items = [
            Text(x=PAD, y=bottom + 18 + 15 * k, text=text, size=11, role="faint", anchor="start")
            for k, text in enumerate(words)
        ]
        return items, bottom + 15 * len(words) + 3 * bool(words)

    def _sums(self, y: float) -> tuple[list[Any], float]:
        """The sum of each step, and how wide the widest is."""
        texts = self.motion.sums()
        items = [
            Text(x=PAD, y=y, text=text, size=14, anchor="start", frames=(frame, frame + 1))
            for frame, text in enumerate(texts)
        ]
        return items, max((width_of(text, 14) for text in texts), default=0.0)


def _place(kind: str, x: float, y: float, size: float, **look: Any) -> Box:
    if kind == "input":
        return cell(x, y, size, fill="input", stroke="inputline", **look)
    if kind == "border":
        return cell(x, y, size, fill="ghost", stroke="ghostline", dashed=True, **look)
    inset = size * 0.22
    return Box(
        x=x + inset, y=y + inset, w=size - 2 * inset, h=size - 2 * inset, radius=3, stroke="ghostline", dashed=True,
        **look,
    )  # fmt: skip
