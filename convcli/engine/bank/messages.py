"""ONNX models in memory, of the few messages that OpenCV reads of one.

Source: onnx.proto3 of ONNX 1.x, opset 13; Protocol Buffers' encoding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from convcli.engine.dtypes import Floats

#: An attribute of an operator.
Attribute = int | Sequence[int]

#: Versions of the format and of the operators.
_IR, _OPSET = 8, 13
#: ONNX's numbers for float32, and for attributes that are one integer, and several.
_FLOAT, _INT, _INTS = 1, 2, 7


def node(operator: str, inputs: Sequence[str], output: str, attributes: Mapping[str, Attribute]) -> bytes:
    """An operator on results and tensors by their names."""
    described = ((5, _attribute(name, value)) for name, value in attributes.items())
    return _message(*((1, name) for name in inputs), (2, output), (4, operator), *described)


def tensor(name: str, array: Floats) -> bytes:
    """Constant float32 numbers."""
    numbers = np.ascontiguousarray(array, "<f4").tobytes()
    return _message(*((1, n) for n in array.shape), (2, _FLOAT), (8, name), (9, numbers))


def model(nodes: Sequence[bytes], tensors: Sequence[bytes], ends: Sequence[tuple[str, Sequence[int]]]) -> bytes:
    """The model that makes the second of the `ends`, a name and its shape each, of the first."""
    (entering, leaving) = (_value(name, shape) for name, shape in ends)
    graph = _message(
        *((1, one) for one in nodes), (2, "bank"), *((5, one) for one in tensors), (11, entering), (12, leaving)
    )
    return _message((1, _IR), (7, graph), (8, _message((1, ""), (2, _OPSET))))


def _attribute(name: str, value: Attribute) -> bytes:
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
