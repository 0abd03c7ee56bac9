"""Which layers of a network are computed together, on maps of their sizes: a plan by costs, made once for each size."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from convcli.engine.geometry import Gather, Window
from convcli.networks.placed import Placed
from convcli.ops.dense import Dense
from convcli.records import late, record

if TYPE_CHECKING:
    import numpy as np

    from convcli.engine.bank import stretch
    from convcli.engine.dtypes import Floats
    from convcli.ops import Kernel

    Numbers = tuple[Floats, Floats | None, float]
else:
    np, stretch = late("numpy"), late("convcli.engine.bank.stretch")

#: Layers of a stretch at most, and bytes of one of its maps: they are there whole.
_MOST_LAYERS: Final = 128
_MAP_BYTES: Final = 1 << 24
#: Nanoseconds for the calls that a stretch takes.
_CALLS: Final = 30_000
#: Nanoseconds for a sample of a layer without weights, alone.
_ALONE: Final = 0.6

#: What serves for all sizes: the numbers of layers, by the layer's number, and stretches, by what they are made of.
Shared = dict[Any, Any]


@record(kw_only=False)
class Together:
    """Layers `first` to `last`, of which only the last one's result is read by others; `source` is what they read."""

    first: int
    last: int
    source: int
    stretch: stretch.Stretch


@record(kw_only=False)
class _Cost:
    """Nanoseconds for a layer within a stretch, and alone; for what enters and leaves, were it at the end of one."""

    within: float
    alone: float
    entering: float
    leaving: float


def plan(layers: Sequence[Placed], shared: Shared) -> dict[int, Together]:
    """The stretches by the number of their last layer, such that all layers take the least time in float32.

    `shared` holds what serves for other sizes, too.
    """
    costs = [_cost(placed) for placed in layers]
    # Least cost of all layers before a number, and where the last stretch of them begins with its source.
    least: list[float] = [0.0]
    chosen: list[tuple[int, int] | None] = []
    readers = {source: number for number, placed in enumerate(layers) for source in placed.inputs}
    for last, cost in enumerate(costs):
        best, choice = least[last] + (cost.alone if cost else 0.0), None
        for first, source, total in _ending_with(last, layers, costs, readers):
            if least[first] + total < best:
                best, choice = least[first] + total, (first, source)
        least.append(best)
        chosen.append(choice)
    stretches, last = {}, len(layers) - 1
    while last >= 0:
        one = chosen[last]
        if one:
            stretches[last] = Together(one[0], last, one[1], _stretch(layers, one[0], last, one[1], shared))
        last = one[0] - 1 if one else last - 1
    return stretches


def _ending_with(
    last: int, layers: Sequence[Placed], costs: Sequence[_Cost | None], readers: Mapping[int, int]
) -> list[tuple[int, int, float]]:
    """All stretches that end with a layer: the first one, what they read, and nanoseconds."""
    ends: list[tuple[int, int, float]] = []
    read: set[int] = set()
    total = 0.0
    for first in range(last, max(-1, last - _MOST_LAYERS), -1):
        cost = costs[first]
        if cost is None or (first < last and readers.get(first, first) > last):
            break
        read = (read - {first}) | set(layers[first].inputs)
        total += cost.within
        if len(read) == 1 and first < last:
            closing = costs[last]
            (source,) = read
            ends.append((first, source, total + cost.entering + (closing.leaving if closing else 0.0) + _CALLS))
    return ends


def _cost(placed: Placed) -> _Cost | None:
    """What a layer costs; None where it is never in a stretch."""
    before = math.prod(placed.size_in) * placed.channels_in
    after = math.prod(placed.size_out) * placed.channels_out
    bent = placed.activation or (placed.kernel and placed.kernel.activation)
    if 4 * max(before, after) > _MAP_BYTES or (bent and bent.curve("f4").name not in stretch.CURVES):
        return None
    ends = stretch.COPIED * before, stretch.COPIED * after
    if placed.kernel is None:
        if placed.type not in ("pool max", "add", "concat") or not _is_padded(placed.windows, placed.size_in):
            return None
        read = after * math.prod(window.taps for window in placed.windows) * len(placed.inputs)
        return _Cost(stretch.cost_of_reading(read), _ALONE * read + _CALLS, *ends)
    kernel = _bank(placed.kernel)
    if kernel is None or not _is_padded(kernel.windows(placed.size_in, "yx"), placed.size_in):
        return None
    shape, groups, grid = kernel.weights.shape, kernel.groups, kernel.grid(placed.size_in)
    bends = kernel.bias is not None or bent is not None
    alone = stretch.cost_alone(shape, groups, grid, bent=bends)
    return _Cost(stretch.cost_within(shape, groups, grid), alone, *ends)


def _bank(kernel: Kernel) -> Dense | None:
    """The kernel as the plain filter bank that it is, with zeros around; None where it is none."""
    plain = isinstance(kernel, Dense) and kernel.channels and kernel.axes == "yx" and not kernel.has_effect
    return kernel if isinstance(kernel, Dense) and plain and kernel.border == "zero" else None


def _is_padded(windows: Sequence[Window], size: Sequence[int]) -> bool:
    """Whether windows begin and end no further outside than one of them reaches: what ONNX calls padding."""
    return all(
        isinstance(window, Gather) and 0 <= before < window.taps * window.dilation > after
        for window, (before, after) in zip(windows, _pads(windows, size), strict=True)
    )


def _pads(windows: Sequence[Window], size: Sequence[int]) -> list[tuple[int, int]]:
    """Samples before the first and behind the last one that outputs read, per axis."""
    last = [w.reads(w.length - 1, w.length)[1] for w in windows]
    return [(w.before, max(0, end - n)) for w, end, n in zip(windows, last, size, strict=True)]


def _stretch(layers: Sequence[Placed], first: int, last: int, source: int, shared: Shared) -> stretch.Stretch:
    """Layers as what the engine computes, from the last time where sizes alone have changed since."""
    numbers = {source: stretch.ENTERS} | {number: number - first for number in range(first, last + 1)}
    steps = [
        _step(layers[number], [numbers[one] for one in layers[number].inputs], partial(_numbers_of, number, shared))
        for number in range(first, last + 1)
    ]
    key = first, tuple(tuple(step.attributes.items()) for step in steps)
    if key not in shared:
        shared[key] = stretch.Stretch(steps, layers[first].channels_in)
    stretched: stretch.Stretch = shared[key]
    return stretched


def _step(placed: Placed, inputs: Sequence[int], numbers_of: Callable[[Dense], Numbers]) -> stretch.Step:
    kernel = _bank(placed.kernel) if placed.kernel else None
    windows = kernel.windows(placed.size_in, "yx") if kernel else placed.windows
    activation = kernel.activation if kernel else placed.activation
    fields: dict[str, Any] = {
        "inputs": tuple(inputs), "channels": placed.channels_out, "size": placed.size_out,
        "curve": activation.curve(np.float32) if activation else None,
    }  # fmt: skip
    if placed.type in ("add", "concat"):
        if placed.type == "add":
            return stretch.Step(operator="Add", **fields)
        return stretch.Step(operator="Concat", attributes={"axis": 1}, **fields)
    pads = _pads(windows, placed.size_in)
    geometry: dict[str, Any] = {
        "kernel_shape": tuple(window.taps for window in windows),
        "strides": tuple(window.stride for window in windows),
        "pads": tuple(before for before, _ in pads) + tuple(after for _, after in pads),
    }
    if kernel is None:
        return stretch.Step(operator="MaxPool", attributes=geometry, **fields)
    geometry |= {"dilations": kernel.dilation, "group": kernel.groups}
    weights, bias, magnify = numbers_of(kernel)
    return stretch.Step(
        operator="Conv", attributes=geometry, weights=weights, bias=bias, magnify=magnify,
        cost=stretch.cost_within(kernel.weights.shape, kernel.groups, kernel.grid(placed.size_in)), **fields,
    )  # fmt: skip


def _numbers_of(number: int, shared: Shared, kernel: Dense) -> Numbers:
    """Weights and biases of a layer's bank as they are applied, and the largest sum of magnitudes for an output."""
    if number not in shared:
        weights = kernel.effective.astype(np.float32)
        bias = None if kernel.bias is None else np.broadcast_to(kernel.bias.array.reshape(-1), len(weights))
        magnify = float(np.abs(weights).reshape(len(weights), -1).sum(1, dtype=np.float64).max())
        shared[number] = weights, None if bias is None else bias.astype(np.float32), magnify
    numbers: Numbers = shared[number]
    return numbers
