"""A filter bank as a network of one layer that OpenCV computes: a kernel per channel, groups, deep 3x3 banks.

OpenCV has kernels for blocks of eight channels, where matrix products would be of few rows, and makes what a 3x3 bank
reads while it multiplies. It takes a network as an ONNX model only (`messages`). A network computes for one thread at a
time: who finds none idle makes another. Results that are not finite it cuts off at the largest numbers: such ones are
seen, and are others' work.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from convcli.engine.bank import messages
from convcli.engine.bank.layouts import join_to, room_for
from convcli.engine.dtypes import channels_first, planar

if TYPE_CHECKING:
    from convcli.engine.dtypes import Floats
    from convcli.engine.geometry import Grid

    #: Zeros that a network puts before and behind each axis.
    Pads = Sequence[tuple[int, int]]

#: Sizes of windows for which a bank keeps networks.
SIZES = 4
#: A sum of squares above this is that of results of which some may be beyond float32.
LARGE = 1e30


class Networks:
    """Networks that compute the same."""

    def __init__(self) -> None:
        self._idle: list[Any] = []

    def forward(self, model: Callable[[], bytes], planes: Floats, into: Floats | None) -> Floats:
        """The result for planes `(channels, height, width)`: `into`, planes in one piece, or another array.

        `model` writes the ONNX model of which a network is made.
        """
        try:
            net = self._idle.pop()
        except IndexError:
            net = cv2.dnn.readNetFromONNX(np.frombuffer(model(), np.uint8))
        net.setInput(planes[None])
        target = None if into is None else into[None]
        result: Floats = net.forward([] if target is None else [target])[0]
        self._idle.append(net)
        return into if into is not None and result is target else result.reshape(result.shape[-3:])


class Nets:
    """The networks of one bank, by the size of the input that they filter."""

    def __init__(self, weights: Floats, groups: int) -> None:
        self._weights, self._groups = weights, groups
        self._networks: dict[Hashable, Networks] = {}

    def fill(self, planes: Floats, grid: Grid, y: Floats, pads: Pads = ((0, 0), (0, 0))) -> bool:
        """Fills `y` `(*lengths, out)`, planes or pixels, as `correlate` does; not at all where that returns False."""
        apart = y if planar(y) or y.shape[-1] == 1 else room_for(grid.lengths, y.shape[-1], y.dtype, planes=True)
        done = self.correlate(planes, grid, channels_first(apart), pads)
        if done and apart is not y:
            join_to(apart, y)
        return done

    def correlate(self, planes: Floats, grid: Grid, y: Floats, pads: Pads = ((0, 0), (0, 0))) -> bool:
        """Fills planes `y` `(out, *lengths)` from planes `(channels, height, width)` with `pads` of zeros around them.

        Returns False where there are results that are not finite, or may be wrong beside such.
        """
        key = planes.shape, *grid.stride, *grid.dilation, *pads
        networks = self._networks.get(key)
        if networks is None:
            if len(self._networks) >= SIZES:
                self._networks.clear()
            networks = self._networks[key] = Networks()
        written = partial(model, self._weights, self._groups, planes.shape, grid, pads)
        result = networks.forward(written, planes, y if y.flags.c_contiguous else None)
        if result is not y:
            y[...] = result
        flat = result.reshape(-1)
        with np.errstate(over="ignore", invalid="ignore"):
            return bool(np.dot(flat, flat) < LARGE)


def model(weights: Floats, groups: int, size: Sequence[int], grid: Grid, pads: Pads) -> bytes:
    """An ONNX model of one convolution of an input `(channels, height, width)` with `pads` of zeros around it."""
    before, after = zip(*pads, strict=True)
    attributes: dict[str, messages.Attribute] = {
        "kernel_shape": weights.shape[2:], "strides": grid.stride, "dilations": grid.dilation, "group": groups,
        "pads": (*before, *after),
    }  # fmt: skip
    nodes = [messages.node("Conv", ["x", "w"], "y", attributes)]
    ends = [("x", (1, *size)), ("y", (1, len(weights), *grid.lengths))]
    return messages.model(nodes, [messages.tensor("w", weights)], ends)
