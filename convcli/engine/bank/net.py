"""A filter bank in groups of few channels, as a network of one layer that OpenCV computes.

Matrix products of so few rows are mostly loads; OpenCV has kernels for blocks of eight channels. It takes a network as
an ONNX model only: the few messages of one are written here, in memory. A network computes for one thread at a time:
who finds none idle makes another. It makes numbers of NaN: samples that are not finite are others' work.

Source: onnx.proto3 of ONNX 1.x, opset 13, operator Conv; Protocol Buffers' encoding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from convcli.engine.dtypes import Floats
    from convcli.engine.geometry import Grid

#: Versions of the format and of the operators.
_IR, _OPSET = 8, 13
#: ONNX's numbers for float32, and for attributes that are one integer, and several.
_FLOAT, _INT, _INTS = 1, 2, 7
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
    outputs = len(weights)
    attributes: list[tuple[str, int | Sequence[int]]] = [
        ("kernel_shape", weights.shape[2:]), ("strides", grid.stride), ("dilations", grid.dilation), ("group", groups),
    ]  # fmt: skip
    node = _message(
        (1, "x"), (1, "w"), (2, "y"), (4, "Conv"), *((5, _attribute(name, value)) for name, value in attributes)
    )
    tensor = _message(
        *((1, n) for n in weights.shape), (2, _FLOAT), (8, "w"), (9, np.ascontiguousarray(weights, "<f4").tobytes())
    )
    ends = (11, _value("x", (1, *size))), (12, _value("y", (1, outputs, *grid.lengths)))
    graph = _message((1, node), (2, "bank"), (5, tensor), *ends)
    return _message((1, _IR), (7, graph), (8, _message((1, ""), (2, _OPSET))))


def _attribute(name: str, value: int | Sequence[int]) -> bytes:
    if isinstance(value, int):
        return _message((1, name), (3, value), (20, _INT))
    return _message((1, name), *((8, n) for n in value), (20, _INTS))


def _value(name: str, shape: Sequence[int]) -> bytes:
    """What an end of the graph is: its name, dtype and shape."""
    dimensions = _message(*((1, _message((1, n))) for n in shape))
    return _message((1, name), (2, _message((1, _message((1, _FLOAT), (2, dimensions))))))


def _message(*fields: tuple[int, int | str | bytes]) -> bytes:
    """Fields by their numbers: integers as they are, texts and messages after their length."""
    return b"".join(part for number, value in fields for part in _field(number, value))


def _field(number: int, value: int | str | bytes) -> Iterator[bytes]:
    if isinstance(value, int):
        yield _integer(number << 3) + _integer(value)
        return
    data = value.encode() if isinstance(value, str) else value
    yield _integer(number << 3 | 2) + _integer(len(data))
    yield data


def _integer(value: int) -> bytes:
    """Seven bits a byte, the lowest first; all bytes but the last have their highest bit set."""
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _integer(rest) if rest else bytes([low])
