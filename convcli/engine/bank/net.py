"""A filter bank in groups of few channels, as a network of one layer that OpenCV computes.

Matrix products of so few rows are mostly loads; OpenCV has kernels for blocks of eight channels. It takes a network as
an ONNX model only (`messages`). A network computes for one thread at a time: who finds none idle makes another. It
makes numbers of NaN: samples that are not finite are others' work.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from convcli.engine.bank import messages

if TYPE_CHECKING:
    from convcli.engine.dtypes import Floats
    from convcli.engine.geometry import Grid

#: Sizes of windows for which a bank keeps networks.
SIZES = 4
#: A sum of squares above this is that of samples whose results may be beyond float32.
LARGE = 1e30


class Nets:
    """The networks of one bank, by the size of the window that they filter."""

    def __init__(self, weights: Floats, groups: int) -> None:
        self._weights, self._groups = weights, groups
        self._idle: dict[tuple[int, ...], list[Any]] = {}

    def correlate(self, planes: Floats, grid: Grid) -> Floats:
        """The results `(out, *lengths)`, a new array, for a window `(channels, height, width)` of finite samples."""
        key = (*planes.shape, *grid.stride, *grid.dilation)
        if key not in self._idle:
            if len(self._idle) >= SIZES:
                self._idle.clear()
            self._idle[key] = []
        idle = self._idle.get(key, [])
        try:
            net = idle.pop()
        except IndexError:
            data = model(self._weights, self._groups, planes.shape, grid)
            net = cv2.dnn.readNetFromONNX(np.frombuffer(data, np.uint8))
        net.setInput(planes[None])
        result: Floats = net.forward()[0]
        idle.append(net)
        return result


def bears(planes: Floats) -> bool:
    """Whether all samples are finite, and small enough for all results to be so."""
    flat = planes.reshape(-1)
    return bool(np.dot(flat, flat) < LARGE)


def model(weights: Floats, groups: int, size: Sequence[int], grid: Grid) -> bytes:
    """An ONNX model of one convolution, without padding, of an input `(channels, height, width)`."""
    attributes: dict[str, messages.Attribute] = {
        "kernel_shape": weights.shape[2:], "strides": grid.stride, "dilations": grid.dilation, "group": groups,
    }  # fmt: skip
    nodes = [messages.node("Conv", ["x", "w"], "y", attributes)]
    ends = [("x", (1, *size)), ("y", (1, len(weights), *grid.lengths))]
    return messages.model(nodes, [messages.tensor("w", weights)], ends)
