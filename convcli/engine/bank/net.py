"""Filter banks one after the other as a network that OpenCV computes: a kernel per channel, groups, deep 3x3 banks.

OpenCV has kernels for blocks of eight channels, where matrix products would be of few rows, and makes what a 3x3 bank
reads while it multiplies. It takes a network as an ONNX model only (`messages`). A network computes for one thread at a
time: who finds none idle makes another. Results that are not finite it cuts off at the largest numbers: such ones are
seen, and are others' work.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from convcli.engine.bank import messages
from convcli.records import record

if TYPE_CHECKING:
    from convcli.engine.dtypes import Floats
    from convcli.engine.geometry import Grid

    #: Zeros that a layer puts before and behind each axis.
    Pads = Sequence[tuple[int, int]]

#: Sizes of windows for which a bank keeps networks.
SIZES = 4
#: A sum of squares above this is that of results of which some may be beyond float32.
LARGE = 1e30


@record(kw_only=False, eq=False)
class Layer:
    """A bank `(out, in/groups, *taps)`, and how it goes over what it reads, `pads` of zeros around it included."""

    weights: Floats
    groups: int
    stride: Sequence[int]
    dilation: Sequence[int]
    pads: Pads

    @property
    def attributes(self) -> dict[str, messages.Attribute]:
        """As ONNX has them."""
        before, after = zip(*self.pads, strict=True)
        return {
            "kernel_shape": self.weights.shape[2:], "strides": self.stride, "dilations": self.dilation,
            "group": self.groups, "pads": (*before, *after),
        }  # fmt: skip


class Nets:
    """The networks of one kernel, by the size of the input that they filter."""

    def __init__(self, *banks: tuple[Floats, int]) -> None:
        """Of `banks` one after the other, each its weights and groups; all behind the first are of single taps."""
        self._banks = banks
        self._idle: dict[Hashable, list[Any]] = {}

    def correlate(self, planes: Floats, grid: Grid, y: Floats, pads: Pads = ((0, 0), (0, 0))) -> bool:
        """Fills planes `y` `(out, *lengths)` from planes `(channels, height, width)` with `pads` of zeros around them.

        Returns False where there are results that are not finite, or may be wrong beside such.
        """
        key = planes.shape, *grid.stride, *grid.dilation, *pads
        if key not in self._idle:
            if len(self._idle) >= SIZES:
                self._idle.clear()
            self._idle[key] = []
        idle = self._idle.get(key, [])
        try:
            net = idle.pop()
        except IndexError:
            net = self._made(planes.shape, grid, pads)
        net.setInput(planes[None])
        result: Floats = net.forward([y[None]] if y.flags.c_contiguous else [])[0]
        idle.append(net)
        if result.__array_interface__["data"] != y.__array_interface__["data"]:
            y[...] = result[0]
        flat = result.reshape(-1)
        with np.errstate(over="ignore", invalid="ignore"):
            return bool(np.dot(flat, flat) < LARGE)

    def _made(self, size: Sequence[int], grid: Grid, pads: Pads) -> Any:
        rank = len(grid.lengths)
        none = (1,) * rank, (1,) * rank, ((0, 0),) * rank
        first = grid.stride, grid.dilation, pads
        layers = [
            Layer(weights, groups, *(first if not number else none))
            for number, (weights, groups) in enumerate(self._banks)
        ]
        return cv2.dnn.readNetFromONNX(np.frombuffer(model(layers, size, grid.lengths), np.uint8))


def model(layers: Sequence[Layer], size: Sequence[int], lengths: Sequence[int]) -> bytes:
    """An ONNX model of layers one after the other, from `(channels, height, width)` to `(out, *lengths)`."""
    names = ["x", *(f"x{number}" for number in range(1, len(layers))), "y"]
    nodes = [
        messages.node("Conv", [read, f"w{number}"], made, layer.attributes)
        for number, (layer, (read, made)) in enumerate(zip(layers, itertools.pairwise(names), strict=True))
    ]
    tensors = [messages.tensor(f"w{number}", layer.weights) for number, layer in enumerate(layers)]
    return messages.model(nodes, tensors, [("x", (1, *size)), ("y", (1, len(layers[-1].weights), *lengths))])
