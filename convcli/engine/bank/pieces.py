"""What layers of a network that are computed together are made of: products of one layer, and networks of OpenCV's.

A product reads columns that are copied from rows of planes, which is cheap there: what is copied is long, and a single
tap needs none. Its bias is the weight of one more sample, which is 1. OpenCV has kernels for blocks of channels, and
for a kernel per channel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from convcli.engine.bank import messages, winograd
from convcli.engine.bank.net import Networks
from convcli.engine.bank.rolling import Piece, Rows
from convcli.engine.dtypes import channels_last
from convcli.engine.memory import scratch
from convcli.engine.processor import WIDE, processor
from convcli.records import record

if TYPE_CHECKING:
    from convcli.engine.activation import Curve
    from convcli.engine.dtypes import Floats
    from convcli.engine.threads import Cut

#: What enters, among the inputs of a `Step`.
ENTERS: Final = -1
#: Outputs of a tile of Winograd's along an axis.
TILE: Final = 4
#: Columns that are laid out for a product, at most and at least, and their bytes.
_ACROSS, _FEWEST, _COLUMN_BYTES = 1 << 12, 1 << 8, 1 << 20


@record
class Step:
    """A layer: `operator` (ONNX's name) on the results of the steps numbered `inputs`, `channels` of them.

    `attributes` are ONNX's; a Conv has `weights` `(out, in/groups, rows, columns)`. `magnify` is what the largest
    magnitude that it reads is multiplied by at most, without the bias.
    """

    operator: str
    inputs: tuple[int, ...]
    channels: int
    attributes: Mapping[str, messages.Attribute] = field(default_factory=dict)
    weights: Floats | None = field(default=None, repr=False)
    bias: Floats | None = field(default=None, repr=False)
    curve: Curve | None = None
    magnify: float = 1.0

    def along(self, axis: int) -> tuple[int, int, int, int]:
        """Stride, samples from the first one that an output reads to behind the last, padding before and after."""
        if "pads" not in self.attributes:
            return 1, 1, 0, 0
        taps, stride, dilation = (self.numbers(name)[axis] for name in ("kernel_shape", "strides", "dilations"))
        pads = self.numbers("pads")
        return stride, (taps - 1) * dilation + 1, pads[axis], pads[axis + 2]

    def numbers(self, name: str) -> Sequence[int]:
        numbers = self.attributes.get(name, (1, 1))
        return [numbers] if isinstance(numbers, int) else numbers

    def length(self, axis: int, n: int) -> int:
        """Outputs of `n` samples."""
        stride, extent, before, after = self.along(axis)
        return (n + before + after - extent) // stride + 1


#: How a product is made: of columns, by Winograd's tiles, or of all taps at once, whose results are added shifted.
COLUMNS, TILES, SHIFTS = "columns", "tiles", "shifts"


class Product(Piece):
    """A layer without groups as matrix products of a `kind`; only even ones by shifts."""

    def __init__(self, step: Step, kind: str) -> None:
        assert step.weights is not None
        self._step, self._weights = step, step.weights
        self._make = {COLUMNS: self._multiply, TILES: self._by_tiles, SHIFTS: self._by_shifts}[kind]
        self.outputs, self.inputs, *self._taps = step.weights.shape
        self._down, self._across = step.along(0), step.along(1)
        self._dilation = step.numbers("dilations")
        stride, extent, before, after = self._across
        self._is_even = stride == 1 == self._down[0] and before + after == extent - 1
        self.step = TILE * self._dilation[0] if kind == TILES else 1

    @cached_property
    def _matrix(self) -> Floats:
        """`(out, depth + 1)`: weights, and the bias."""
        bias = np.zeros(self.outputs, np.float32) if self._step.bias is None else self._step.bias
        return np.ascontiguousarray(np.column_stack([self._weights.reshape(self.outputs, -1), bias]))

    @cached_property
    def _by_taps(self) -> Floats:
        """`(out * taps, in + 1)`: weights, and the bias, which one of the taps has."""
        matrix = np.zeros((self.outputs, math.prod(self._taps), self.inputs + 1), np.float32)
        matrix[..., :-1] = self._weights.reshape(self.outputs, self.inputs, -1).transpose(0, 2, 1)
        if self._step.bias is not None:
            matrix[:, 0, -1] = self._step.bias
        return matrix.reshape(-1, self.inputs + 1)

    @cached_property
    def _spectra(self) -> Floats:
        return winograd.transformed(self._weights, TILE)

    def length(self, axis: int, n: int) -> int:
        return self._step.length(axis, n)

    def reads(self, cut: Cut, n: int) -> Cut:
        stride, extent, before, _ = self._down
        return cut[0] * stride - before, (cut[1] - 1) * stride - before + extent

    def gap(self, width: int) -> int:
        return max(self._across[2:])

    def is_even(self) -> bool:
        return self._is_even

    def make(self, source: Rows, cut: Cut, target: Rows) -> None:
        rows = cut[1] - cut[0]
        result = target.room(rows)
        self._make(source, cut, result, target)
        if self._step.curve:
            target.calls.append(partial(bend, self._step.curve, result))
        target.added(rows)

    def _by_tiles(self, source: Rows, cut: Cut, result: Floats, target: Rows) -> None:
        rows = cut[1] - cut[0]
        size = rows + self._down[1] - 1, target.width + self._across[1] - 1
        planes = source.view(cut[0] - self._down[2], -self._across[2], size, (source.pitch, 1))
        y = target.view(target.stop, 0, (rows, target.width), (target.pitch, 1))
        tiles = channels_last(planes), self._spectra, self._dilation, channels_last(y)
        target.calls.append(partial(winograd.multiply_tiles, *tiles))
        if self._step.bias is not None:
            target.calls.append(partial(np.add, result, self._step.bias[:, None], result))

    def _by_shifts(self, source: Rows, cut: Cut, result: Floats, target: Rows) -> None:
        (down, across), area = self._dilation, math.prod(self._taps)
        first, left, size = cut[0] - self._down[2], self._across[2], result.shape[1]
        beside = (self._taps[0] - 1) * down * source.pitch + (self._taps[1] - 1) * across
        for start in range(0, size, _ACROSS):
            some = result[:, start : start + _ACROSS]
            read = source.view(first, start - left, (some.shape[1] + beside,), (1,), ones=True)
            apart = scratch("taps", (len(self._by_taps), read.shape[1]), np.float32)
            target.calls += products(self._by_taps, read, apart)
            tap = apart.strides[0]
            steps = area * tap, self._taps[1] * tap + 4 * down * source.pitch, tap + 4 * across, 4
            view: Floats = np.ndarray((self.outputs, *self._taps, some.shape[1]), np.float32, apart, 0, steps)
            target.calls.append(partial(np.add.reduce, view, (1, 2), None, some))

    def _multiply(self, source: Rows, cut: Cut, result: Floats, target: Rows) -> None:
        """Row by row; in one line across all rows where those of results lie as what they are made of does."""
        (stride, _, above, _), (step, _, left, _) = self._down, self._across
        pitch, depth, size = target.pitch, self._matrix.shape[1], result.shape[1]
        even, single = self._is_even and source.pitch == pitch, depth == self.inputs + 1
        most = max(_FEWEST, min(_ACROSS, _COLUMN_BYTES // (4 * depth)))
        if even and single:
            read = source.view(cut[0] * stride - above, 0, (size,), (1,), ones=True)
            target.calls += products(self._matrix, read, result)
            return
        each = -(-size // -(-size // most)) if even else max(1, most // pitch) * pitch
        columns = scratch("columns", (depth, min(each, size)), np.float32)
        target.calls.append(partial(columns[-1].fill, 1))
        for start in range(0, size, each):
            some = result[:, start : start + each]
            row, column = (0, start) if even else (start // pitch, 0)
            first, lines = (cut[0] + row) * stride - above, 1 if even else some.shape[1] // pitch
            wide = some.shape[1] // lines
            own = columns[:, : some.shape[1]]
            laid = own[:-1].reshape(self.inputs, *self._taps, lines, wide)
            laid = laid if even else laid[..., : target.width]
            between = source.pitch * self._dilation[0], self._dilation[1], source.pitch * stride, step
            read = source.view(first, column - left, laid.shape[1:], between)
            target.calls += [partial(np.copyto, laid, read), *products(self._matrix, own, some)]


def products(matrix: Floats, columns: Floats, out: Floats) -> Iterator[Callable[[], object]]:
    """The calls that fill `out` with their product: part by part of what OpenBLAS takes as it lies, where it does."""
    (rows, depth), size = matrix.shape, columns.shape[1]
    most = winograd.UNPACKED // (rows * depth) if processor() is WIDE else 0
    whole = 0
    if _FEWEST <= most < size:
        wide = -(-size // -(-size // most))
        count = size // wide
        whole = count * wide
        parts = [one[:, :whole].reshape(-1, count, wide).swapaxes(0, 1) for one in (columns, out)]
        yield partial(np.matmul, matrix, *parts)
    if whole < size:
        yield partial(np.matmul, matrix, columns[:, whole:], out[:, whole:])


def bend(curve: Curve, flat: Floats) -> None:
    """Applies an activation to `(channels, samples)`."""
    if curve.name == "relu":  # a third of the time of numpy's
        cv2.threshold(flat, 0, 0, cv2.THRESH_TOZERO, dst=flat)
    else:
        curve.bend(flat[:, None], planes=True)


class Net(Piece):
    """Layers as one network of OpenCV's, which may be run by several threads."""

    def __init__(self, steps: Sequence[Step], channels: int) -> None:
        self._steps, self.inputs, self.outputs = tuple(steps), channels, steps[-1].channels
        self.step = 0
        self._networks = Networks()
        self._down = [step.along(0) for step in steps]
        # Samples that outputs of each layer lie apart.
        self._strides = {ENTERS: 1}
        for number, step in enumerate(steps):
            self._strides[number] = self._strides[step.inputs[0]] * self._down[number][0]

    def length(self, axis: int, n: int) -> int:
        lengths = {ENTERS: n}
        for number, step in enumerate(self._steps):
            lengths[number] = step.length(axis, lengths[step.inputs[0]])
        return lengths[len(self._steps) - 1]

    def reads(self, cut: Cut, n: int) -> Cut:
        """From where all layers begin with an output; no zeros: a network puts them there itself."""
        read = {len(self._steps) - 1: cut}
        for number in range(len(self._steps) - 1, -1, -1):
            stride, extent, before, _ = self._down[number]
            start, stop = read[number]
            start, stop = start * stride - before, (stop - 1) * stride - before + extent
            for source in self._steps[number].inputs:
                low, high = read.get(source, (start, stop))
                read[source] = min(low, start), max(high, stop)
        start, stop = read[ENTERS]
        every = self._strides[len(self._steps) - 1]
        return max(0, start // every * every), min(stop, n)

    def gap(self, width: int) -> int:
        return 0

    def is_even(self) -> bool:
        return False

    def make(self, source: Rows, cut: Cut, target: Rows) -> None:
        first = cut[0] - source.top // self._strides[len(self._steps) - 1]
        planes, places = source.planes(), target.places(cut[1] - cut[0])
        whole = places.flags.c_contiguous and not first and self.length(0, planes.shape[1]) == places.shape[1]
        target.calls.append(partial(self._fill, planes, places, first, partial(self._model, planes.shape), whole))
        target.added(cut[1] - cut[0])

    def _fill(self, planes: Floats, places: Floats, first: int, model: Callable[[], bytes], whole: bool) -> None:
        """Fills `places` with the rows of the result from `first` on: all of it where these are the `whole`."""
        result = self._networks.forward(model, np.ascontiguousarray(planes), places if whole else None)
        if result is not places:
            places[...] = result[:, first : first + places.shape[1]]

    def _model(self, size: Sequence[int]) -> bytes:
        """An ONNX model of the layers on an input `(channels, height, width)`; networks of it take others, too."""
        names = {ENTERS: "x"}
        nodes, tensors = [], []
        for number, step in enumerate(self._steps):
            output = f"r{number}"
            inputs = [names[source] for source in step.inputs]
            for name, array in (("w", step.weights), ("b", step.bias)):
                if array is not None:
                    tensors.append(messages.tensor(f"{name}{number}", array))
                    inputs.append(f"{name}{number}")
            nodes.append(messages.node(step.operator, inputs, output, step.attributes))
            if step.curve:
                operator, numbers = _bending(step.curve, step.channels)
                tensors += [messages.tensor(f"n{number}.{place}", one) for place, one in enumerate(numbers)]
                bends = [f"n{number}.{place}" for place in range(len(numbers))]
                nodes.append(messages.node(operator, [output, *bends], f"a{number}", {}))
                output = f"a{number}"
            names[number] = output
        lengths = [self.length(axis, n) for axis, n in enumerate(size[1:])]
        ends = [("x", (1, *size)), (names[len(self._steps) - 1], (1, self.outputs, *lengths))]
        return messages.model(nodes, tensors, ends)


def _bending(curve: Curve, channels: int) -> tuple[str, list[Floats]]:
    """An activation's operator and its numbers."""
    if curve.name == "slope":
        return "PRelu", [np.broadcast_to(curve.numbers, channels).reshape(-1, 1, 1)]
    return ("Clip", [number.reshape(()) for number in curve.numbers]) if curve.name == "clip" else ("Relu", [])
