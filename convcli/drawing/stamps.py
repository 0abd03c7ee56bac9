"""A transposed kernel from its input's side: every sample stamps the kernel on the output, where stamps add up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from convcli.drawing.parts import PAD, brief, cell, header, heading, in_cell
from convcli.drawing.scene import Box, Group, Path, Scene, Text
from convcli.drawing.steps import CELL, CELL_WITH_NUMBERS
from convcli.drawing.strips import MOST_PLACES, check_rank, check_steps, described, relation
from convcli.engine.geometry import Scatter
from convcli.errors import ShapeError, UsageError

if TYPE_CHECKING:
    from convcli.drawing.parts import Floats
    from convcli.ops import Kernel

SECONDS = 0.8


def figure(
    kernel: Kernel, size: Sequence[int], values: Floats | None = None, *, title: str | None = None, still: bool = False
) -> Scene:
    """The animation of a transposed 2-D kernel on an input of `size`; with `values` sums build up, else counts.

    Raises UsageError where that is not what the kernel computes: for a border whose samples outside the input stamp,
    too, and, with `values`, for a bias or an activation.
    """
    check_rank(kernel)
    windows = kernel.windows(size, kernel.axes)
    if not all(isinstance(window, Scatter) for window in windows):
        fact = f"kernel '{kernel.name}' is not transposed: its input stamps nothing"
        raise UsageError(fact, hint="convcli draw steps without --stamps")
    if kernel.channels:
        fact = f"kernel '{kernel.name}' is a filter bank; stamps are drawn of one kernel"
        raise UsageError(fact, hint="convcli draw steps without --stamps")
    reads = [window.reads(0, window.length) for window in windows]
    if kernel.border != "zero" and any(low < 0 or high > n for (low, high), n in zip(reads, size, strict=True)):
        fact = f"with border {kernel.border} samples outside the input stamp, too"
        raise UsageError(fact, hint="--border zero, or without --stamps")
    if values is not None and not kernel.is_linear:
        fact = f"kernel '{kernel.name}' has a bias or an activation: stamps alone are not its output"
        raise UsageError(fact, hint="convcli draw steps without --stamps, or without --values")
    check_steps(size, still=still, what="samples")
    if values is not None and values.shape != tuple(size):
        raise ShapeError(f"the values have shape {values.shape}, the input {tuple(size)}")
    return _Stamps(kernel, size, values).scene(heading(kernel, title))


class _Stamps:
    """The parts of the figure; the output's cells lie from (0, 0) on, those that padding cuts off included."""

    def __init__(self, kernel: Kernel, size: Sequence[int], values: Floats | None) -> None:
        self.kernel, self.size = kernel, tuple(size)
        windows = kernel.windows(size, kernel.axes)
        weights = kernel.dense_weights()
        flat = len(windows) == 1
        lead, one = ((1,), (0,)) if flat else ((), ())
        self.weights = weights.reshape(-1, weights.shape[-1])
        self.n = (*lead, *size)
        self.stride = (*lead, *(window.stride for window in windows))
        self.gap = (*lead, *(window.dilation for window in windows))
        self.before = (*one, *(window.before for window in windows))
        self.length = (*lead, *(window.length for window in windows))
        spans = [(n - 1) * s + d * (k - 1) + 1 for n, s, d, k in
                 zip(self.n, self.stride, self.gap, self.weights.shape, strict=True)]  # fmt: skip
        self.cells = [max(s, b + m) for s, b, m in zip(spans, self.before, self.length, strict=True)]
        if max(*self.cells, *self.n) > MOST_PLACES:
            fact = f"{max(*self.cells, *self.n)} places along an axis; at most {MOST_PLACES} can be told apart"
            raise UsageError(fact, hint="--size 4x4")
        self.values = None if values is None else values.reshape(self.n)
        self.cell = CELL if values is None else CELL_WITH_NUMBERS
        self.samples = list(np.ndindex(*self.n))

    def inside(self, row: int, column: int) -> bool:
        """Whether a cell belongs to the output: padding cuts the others off."""
        places = zip((row, column), self.before, self.length, strict=True)
        return all(0 <= at - before < length for at, before, length in places)

    def stamp(self, sample: tuple[int, ...]) -> list[tuple[int, int, float]]:
        """The cells that a sample's stamp lies on, each with its weight."""
        (y, x), (sy, sx), (dy, dx) = sample, self.stride, self.gap
        return [(y * sy + i * dy, x * sx + j * dx, float(w)) for (i, j), w in np.ndenumerate(self.weights)]

    def scene(self, name: str) -> Scene:
        lines = [
            described(self.kernel, self.size),
            f"{relation(self.kernel, self.size)}; every sample stamps the kernel",
        ]
        heads, top, wide = header(name, lines)
        size, high = self.cell, max(self.n[0], self.cells[0]) * self.cell
        self.x0, self.y0 = float(PAD), top + 26 + (high - self.n[0] * size) / 2
        self.xo, self.yo = self.x0 + self.n[1] * size + 84, top + 26 + (high - self.cells[0] * size) / 2
        right, bottom = self.xo + self.cells[1] * size, top + 26 + high
        notes = [] if self.values is not None else ["numbers: how many stamps have met there"]
        if not all(self.inside(r, c) for r, c in np.ndindex(*self.cells)):
            notes.append("dashed: cut off by padding")
        foot = [
            Text(x=PAD, y=bottom + 18 + 15 * k, text=text, size=11, role="faint", anchor="start")
            for k, text in enumerate(notes)
        ]
        return Scene(
            width=max(right + PAD, wide), height=bottom + 18 * len(notes) + PAD,
            items=(*heads, *self._beams(), *self._grids(), *self._sums(), *self._marks(), *foot),
            title=f"Transposed convolution: {name}", frames=len(self.samples), seconds=SECONDS,
            about=f"{'. '.join(lines)}. One frame for each of the {len(self.samples)} input samples.",
        )  # fmt: skip

    def _grids(self) -> list[Any]:
        size = self.cell
        heads = (("input", self.x0, self.n[1], self.y0), ("output", self.xo, self.cells[1], self.yo))
        items: list[Any] = [
            Text(x=x + count * size / 2, y=y - 9, text=text, size=13, bold=True, role=f"{text}line")
            for text, x, count, y in heads
        ]
        for r, c in self.samples:
            x, y = self.x0 + c * size, self.y0 + r * size
            items.append(cell(x, y, size, fill="input", stroke="inputline"))
            if self.values is not None:
                items.append(in_cell(brief(float(self.values[r, c])), x, y, size))
        for r, c in np.ndindex(*self.cells):
            there = self.inside(r, c)
            look = {"stroke": "rule"} if there else {"stroke": "ghostline", "fill": "ghost", "dashed": True}
            items.append(cell(self.xo + c * size, self.yo + r * size, size, **look))
        return items

    def _beams(self) -> list[Any]:
        items: list[Any] = []
        size, tall = self.cell, self.gap[0] * (self.weights.shape[0] - 1) + 1
        for frame, (r, c) in enumerate(self.samples):
            x, y = self.x0 + (c + 1) * size, self.y0 + r * size
            left, up = self.xo + c * self.stride[1] * size, self.yo + r * self.stride[0] * size
            points = ((x, y), (left, up), (left, up + tall * size), (x, y + size))
            items.append(Path(points=points, fill="tap", opacity=0.16, closed=True, frames=(frame, frame + 1)))
        return items

    def _history(self) -> dict[tuple[int, int], list[tuple[int, float, int]]]:
        """For each cell that is stamped, the frames in which that happens, with the sum and the count from then on.

        The sums after the last frame are what the engine computes, which a test holds them to.
        """
        history: dict[tuple[int, int], list[tuple[int, float, int]]] = {}
        for frame, sample in enumerate(self.samples):
            value = 1.0 if self.values is None else float(self.values[sample])
            for row, column, weight in self.stamp(sample):
                steps = history.setdefault((row, column), [])
                before = steps[-1] if steps else (0, 0.0, 0)
                steps.append((frame, before[1] + weight * value, before[2] + 1))
        return history

    def _sums(self) -> list[Any]:
        """The output as it fills up, the stamp that moves over it, and the numbers over both."""
        fills, texts, size = [], [], self.cell
        for (r, c), steps in self._history().items():
            x, y, there = self.xo + c * size, self.yo + r * size, self.inside(r, c)
            ends = [*(frame for frame, _, _ in steps[1:]), len(self.samples)]
            for (frame, total, count), end in zip(steps, ends, strict=True):
                text = str(count) if self.values is None else brief(total)
                label = str(count) if self.values is None else f"{total:.6g}"
                what = "output" if self.values is not None else "stamps on output"
                note = f"{what}[{r - self.before[0]}, {c - self.before[1]}] = {label}" if there else "cut off"
                strength = 1.0 if self.values is not None else min(1.0, 0.25 + 0.25 * count)
                if there:
                    look = {"fill": "output", "opacity": strength, "stroke": "outputline"}
                    fills.append(cell(x, y, size, frames=(frame, end), note=note, **look))
                texts.append(in_cell(text, x, y, size, frames=(frame, end), note=note))
        high, wide = (d * (k - 1) + 1 for d, k in zip(self.gap, self.weights.shape, strict=True))
        taps = [
            cell(self.xo + j * self.gap[1] * size, self.yo + i * self.gap[0] * size, size, fill="tap",
                 stroke="tapline", opacity=0.92)
            for i, j in np.ndindex(*self.weights.shape)
        ]  # fmt: skip
        hull = Box(x=self.xo, y=self.yo, w=wide * size, h=high * size, stroke="tapline", width=2, radius=4)
        moves = tuple((c * self.stride[1] * size, r * self.stride[0] * size) for r, c in self.samples)
        return [*fills, Group(items=(*taps, hull), moves=moves), *texts]

    def _marks(self) -> list[Any]:
        frame = Box(x=self.x0, y=self.y0, w=self.cell, h=self.cell, stroke="tapline", width=2.4, radius=4)
        return [Group(items=(frame,), moves=tuple((c * self.cell, r * self.cell) for r, c in self.samples))]
