"""ONNX nodes that only move numbers, as layers that pick channels: Split, Slice, Gather, channel shuffles.

Exporters write one shuffle in many words (Reshape, Transpose, Reshape; or by Gather of halves). What a node makes of
the numbers of its input's samples says what it does, whatever its words: where these are whole channels again, it
picks them; where they are not yet, the nodes behind it go on with the numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from convcli.networks.onnx import known
from convcli.networks.onnx.attributes import Attributes, layer_name
from convcli.networks.onnx.graph import FIRST, LAST, Graph, Unsupported
from convcli.networks.operations import shuffled
from convcli.records import late

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt
else:
    np = late("numpy")

#: Operators that may read what is moved.
MOVING: Final = frozenset({
    "Split", "Slice", "Gather", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Identity", "InstanceNormalization",
    "Softmax",
})  # fmt: skip
#: Samples whose numbers are moved, at most: 400 MB on the way.
_MOST: Final = 1 << 25


@dataclass(frozen=True)
class Moved:
    """Samples of a picture `value` by their `numbers` in it, which is `(1, channels, height, width)` of `shape`; they
    lie as in no picture, by a `node` that no layer stands for, unless others make a picture of it."""

    value: str
    shape: tuple[int, ...]
    numbers: npt.NDArray[np.int32]
    node: Any
    reason: str


def else_moved(plain: Callable[[Graph, Any, Attributes], None]) -> Callable[[Graph, Any, Attributes], None]:
    """What `plain` does; where that refuses a picture, the node moves numbers."""

    def take(graph: Graph, node: Any, attributes: Attributes) -> None:
        if node.input[0] in graph.moved:
            _move(graph, node, graph.moved[node.input[0]])
            return
        try:
            plain(graph, node, attributes)
        except Unsupported as error:
            if node.input[0] in graph.flat:
                raise
            before = _entering(graph, node, str(error))
            try:
                _move(graph, node, before)
            except ValueError:
                raise error from None

    return take


def moved(graph: Graph, node: Any, attributes: Attributes) -> None:
    reason = "what it makes is no picture of whole channels"
    _move(graph, node, graph.moved.get(node.input[0]) or _entering(graph, node, reason))


def _move(graph: Graph, node: Any, before: Moved) -> None:
    constants = {name: graph.constant(name) for name in node.input[1:] if name}
    outputs = [name for name in node.output if name]
    results = known.run(node, graph.opsets, {node.input[0]: before.numbers, **constants})
    for output, numbers in zip(outputs, results, strict=True):
        after = replace(before, numbers=np.asarray(numbers, np.int32))
        if not _picked(graph, node, output, after):
            graph.moved[output] = after


def _entering(graph: Graph, node: Any, reason: str) -> Moved:
    """The numbers of the picture that a node reads; `reason` is why it is refused where nothing comes of it."""
    value = node.input[0]
    if graph.is_constant(value):
        raise Unsupported(f"its input '{value}' is a constant")
    graph.source(value)
    sides = graph.shape(value)
    last = value in graph.last
    shape = tuple(sides[axis] for axis in FIRST) if last and len(sides) == 4 else sides
    if len(shape) != 4 or shape[0] != 1 or int(np.prod(shape, dtype=np.float64)) > _MOST:
        raise Unsupported(f"samples of shape {list(sides)} are moved; up to {_MOST:,} of one picture are followed")
    numbers = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    return Moved(value, shape, numbers.transpose(LAST) if last else numbers, node, reason)


def _picked(graph: Graph, node: Any, output: str, after: Moved) -> bool:
    """Whether samples lie as in a picture of some of the channels, which a layer takes then."""
    channels, height, width = after.shape[1:]
    for last in (False, True):
        numbers = after.numbers
        if last and numbers.ndim == 4:
            numbers = numbers.transpose(FIRST)
        if numbers.ndim != 4 or not numbers.size or numbers.shape != (1, numbers.shape[1], height, width):
            continue
        picked = numbers[0, :, 0, 0] // (height * width)
        whole = np.arange(channels * height * width, dtype=np.int32).reshape(after.shape)
        if np.array_equal(numbers, whole[:, picked]):
            _take(graph, node, output, after.value, picked.tolist())
            if last:
                graph.last.add(output)
            return True
    return _unshuffled(graph, node, output, after)


def _unshuffled(graph: Graph, node: Any, output: str, after: Moved) -> bool:
    """Whether pixels became channels, as PyTorch writes its pixel_unshuffle, which a layer does then."""
    (channels, height, width), shape = after.shape[1:], after.numbers.shape
    factor = height // shape[2] if len(shape) == 4 and shape[2] else 0
    if factor < 2 or shape != (1, channels * factor**2, height // factor, width // factor) or width % factor:
        return False
    whole = np.arange(channels * height * width, dtype=np.int32)
    pixels = whole.reshape(channels, height // factor, factor, width // factor, factor).transpose(0, 2, 4, 1, 3)
    if not np.array_equal(pixels.reshape(shape), after.numbers):
        return False
    graph.add(output, "space_to_depth", factor, [graph.source(after.value)], layer_name(node), order="crd")
    return True


def _take(graph: Graph, node: Any, output: str, value: str, picked: list[int]) -> None:
    layer, name = graph.source(value), layer_name(node)
    channels = graph.channels(layer)
    first, step = picked[0], picked[1] - picked[0] if len(picked) > 1 else 1
    groups = next((g for g in range(2, channels) if channels % g == 0 and picked == [*shuffled(channels, g)]), 0)
    if picked == [*range(channels)]:
        # Those who read it on the way are not counted: nothing is folded into what both read.
        graph.uses[value] += 1
        graph.alias(output, value)
    elif groups:
        graph.add(output, "channel_shuffle", groups, [layer], name)
    elif step > 0 and picked == [*range(first, first + step * len(picked), step)]:
        graph.add(output, "take", len(picked), [layer], name, first=first, step=step)
    else:
        graph.add(output, "take", picked, [layer], name)
