"""Layers of a network one after the other, with biases and activations, as one network that OpenCV computes.

Between its own layers OpenCV keeps blocks of channels together, adds biases and bends results where they are made, and
pads nothing by copies: on maps of small size this takes half the time of a layer at a time, most of it with a kernel
per channel. It makes numbers of NaN, so that a stretch is for samples whose results are finite: see `Stretch.bears`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np

from convcli.engine import threads
from convcli.engine.bank import messages
from convcli.engine.bank.bank import work_of
from convcli.engine.bank.plan import plan_bank
from convcli.records import record

if TYPE_CHECKING:
    from convcli.engine.activation import Curve
    from convcli.engine.dtypes import Floats
    from convcli.engine.geometry import Grid

#: What enters, among the inputs of a `Step`.
ENTERS: Final = -1
#: Activations that OpenCV computes as they are computed here.
CURVES: Final = ("relu", "slope", "clip")
#: Nanoseconds of one core for a multiply-add, of single taps and of others: OpenCV has channels in blocks of eight.
_POINT, _WINDOW, _BLOCK = 0.0165, 0.028, 8
#: The same of a kernel per channel, and for a sample that a layer reads or makes.
_SINGLE, _MAPPED = 0.05, 0.25
#: Nanoseconds for a sample that enters or leaves: it goes from pixels to planes or back.
COPIED: Final = 0.5
#: The same for a bias and an activation of a layer at a time, for a weight that comes from memory, and for its calls.
_BENT, _FETCHED, _CALLS = 0.2, 1.0, 100_000
#: The same for a sample of a column whose neighbours lie a stride apart.
_APART = 0.8
#: Nanoseconds of work that are worth threads of OpenCV's.
_THREADS = 3e6
#: The greatest result that may come: not far below what float32 holds.
_LARGEST: Final = 1e37


@record
class Step:
    """A layer: `operator` (ONNX's name) on the results of the steps numbered `inputs`, `channels` of them of `size`.

    `attributes` are ONNX's; a Conv has `weights` `(out, in/groups, rows, columns)`. `magnify` is what the largest
    magnitude that it reads is multiplied by at most, without the bias. `cost` is in nanoseconds.
    """

    operator: str
    inputs: tuple[int, ...]
    channels: int
    size: tuple[int, ...]
    attributes: Mapping[str, messages.Attribute] = field(default_factory=dict)
    weights: Floats | None = field(default=None, repr=False)
    bias: Floats | None = field(default=None, repr=False)
    curve: Curve | None = None
    magnify: float = 1.0
    cost: float = 0.0

    @property
    def samples(self) -> int:
        return self.channels * math.prod(self.size)


class Stretch:
    """Steps whose last one's result is made of `channels` that enter; they may be run by several threads."""

    def __init__(self, steps: Sequence[Step], channels: int) -> None:
        self.steps = tuple(steps)
        self._channels = channels
        self._idle: list[Any] = []
        self._threaded = sum(step.cost for step in steps) > _THREADS
        self._most = _most(steps)

    def bears(self, planes: Floats) -> bool:
        """Whether all samples are finite, and small enough for all results to be so."""
        flat = planes.reshape(-1)
        # No sample is larger than the root of their sum of squares.
        return self._most > 0 and bool(math.sqrt(np.dot(flat, flat)) < self._most)

    def run(self, planes: Floats) -> Floats:
        """The result `(channels, height, width)`, a new array, of planes `(channels, height, width)` in float32."""
        try:
            net = self._idle.pop()
        except IndexError:
            net = cv2.dnn.readNetFromONNX(np.frombuffer(self._model(planes.shape), np.uint8))
        net.setInput(planes[None])
        if self._threaded:
            with threads.threads_below():
                result: Floats = net.forward()[0]
        else:
            result = net.forward()[0]
        self._idle.append(net)
        return result

    def _model(self, size: Sequence[int]) -> bytes:
        names = {ENTERS: "x"}
        nodes, tensors = [], []
        for number, step in enumerate(self.steps):
            output = f"r{number}"
            inputs = [names[source] for source in step.inputs]
            for part, array in (("w", step.weights), ("b", step.bias)):
                if array is not None:
                    tensors.append(messages.tensor(f"{part}{number}", array))
                    inputs.append(f"{part}{number}")
            nodes.append(messages.node(step.operator, inputs, output, step.attributes))
            if step.curve:
                operator, numbers = _bending(step.curve, step.channels)
                tensors += [messages.tensor(f"n{number}.{place}", one) for place, one in enumerate(numbers)]
                bends = [f"n{number}.{place}" for place in range(len(numbers))]
                nodes.append(messages.node(operator, [output, *bends], f"a{number}", {}))
                output = f"a{number}"
            names[number] = output
        last = self.steps[-1]
        ends = [("x", (1, *size)), (names[len(self.steps) - 1], (1, last.channels, *last.size))]
        return messages.model(nodes, tensors, ends)


def _bending(curve: Curve, channels: int) -> tuple[str, list[Floats]]:
    """An activation's operator and its numbers."""
    if curve.name == "slope":
        return "PRelu", [np.broadcast_to(curve.numbers, channels).reshape(-1, 1, 1)]
    return ("Clip", [number.reshape(()) for number in curve.numbers]) if curve.name == "clip" else ("Relu", [])


def _most(steps: Sequence[Step]) -> float:
    """The largest sample for which no result is beyond `_LARGEST`; 0 where there is none."""
    # Of samples up to m no result is beyond factor * m + more.
    bounds = {ENTERS: (1.0, 0.0)}
    most = _LARGEST
    for number, step in enumerate(steps):
        read = [bounds[source] for source in step.inputs]
        # Of what is added all counts, of what is joined the largest.
        both = sum if step.operator == "Add" else max
        factor, more = (step.magnify * both(part) for part in zip(*read, strict=True))
        if step.bias is not None:
            more += float(np.abs(step.bias).max())
        if step.curve is not None and step.curve.numbers.size:
            bend = max(1.0, float(np.abs(step.curve.numbers).max()))
            factor, more = factor * (bend if step.curve.name == "slope" else 1.0), more * bend + bend
        if not factor + more < _LARGEST:
            return 0.0
        bounds[number] = factor, more
        most = min(most, (_LARGEST - more) / max(factor, 1.0))
    return most


def cost_within(shape: Sequence[int], groups: int, grid: Grid) -> float:
    """Nanoseconds that a bank of weights of this shape takes in a stretch."""
    outputs, inputs, *taps = shape
    area, samples = math.prod(taps), math.prod(grid.lengths)
    mapped = samples * (outputs + inputs * groups * math.prod(grid.stride)) * _MAPPED
    if inputs == 1 and outputs == groups:
        return samples * outputs * area * _SINGLE + mapped
    blocks = 1.0
    for channels in (inputs, outputs // groups):
        blocks *= _BLOCK * math.ceil(channels / _BLOCK)
    return samples * groups * blocks * area * (_POINT if area == 1 else _WINDOW) + mapped


def cost_alone(shape: Sequence[int], groups: int, grid: Grid, *, bent: bool) -> float:
    """Nanoseconds that the same takes as a layer of its own, which is `bent` where it has a bias or an activation."""
    work = work_of(shape, groups, grid, planes=False)
    each = plan_bank(work).cost + bent * _BENT * shape[0]
    if max(grid.stride) > 1 and groups == 1 and work.area > 1:
        each += _APART * work.depth
    return each * math.prod(grid.lengths) + _FETCHED * math.prod(shape) + _CALLS


def cost_of_reading(samples: int) -> float:
    """Nanoseconds that a pool or join of so many samples, all taps counted, takes in a stretch."""
    return _MAPPED * samples
