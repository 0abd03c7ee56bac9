"""Which layers of a network are computed together, on maps of their sizes: a plan by costs, made once for each size."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from convcli.engine.geometry import Gather, Window
from convcli.networks.placed import Placed
from convcli.ops.dense import Dense
from convcli.records import late, record

if TYPE_CHECKING:
    import numpy as np

    from convcli.engine.bank import pieces, stretch
    from convcli.engine.dtypes import Floats
    from convcli.engine.threads import Cut
    from convcli.ops import Kernel

    Numbers = tuple[Floats, Floats | None, float]
else:
    np, pieces, stretch = late("numpy"), late("convcli.engine.bank.pieces"), late("convcli.engine.bank.stretch")

#: Layers of a network of OpenCV's at most, and bytes of one of its maps: they are there whole.
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
    """Layers `first` to `last`, of which only the last one's result is read by others; `source` is what they read.

    `cuts` are rows of the result that are made at a time; `below` a single one OpenCV may start threads of its own.
    """

    first: int
    last: int
    source: int
    stretch: stretch.Stretch
    cuts: list[Cut]
    below: bool


@record(kw_only=False)
class _Cost:
    """Nanoseconds for a layer within a network of OpenCV's, as products of some `kind`, and alone; samples of what it
    reads and makes."""

    within: float
    products: float
    kind: str
    alone: float
    before: int
    after: int


@record(kw_only=False)
class _Choice:
    """Layers before a number, in the least time: the last of them are `span`, which reads `source`, or one alone; it
    goes on with the stretch before it where it is `joined`."""

    cost: float
    span: stretch.Span | None = None
    source: int = 0
    joined: bool = False


#: Of a layer that is never in a stretch.
_NONE: Final = _Cost(math.inf, math.inf, "", 0.0, 0, 0)


def plan(layers: Sequence[Placed], shared: Shared, *, whole: bool = True) -> dict[int, Together]:
    """The stretches by the number of their last layer, such that all layers take the least time in float32.

    `shared` holds what serves for other sizes, too. Unless maps may be there `whole`, none is made of networks.
    """
    costs = [_cost(placed, whole=whole) for placed in layers]
    readers = {source: number for number, placed in enumerate(layers) for source in placed.inputs}
    # By the number of layers: that end in a stretch, which goes on, and that don't.
    within, apart = [_Choice(math.inf)], [_Choice(0.0)]
    for last, cost in enumerate(costs):
        best = _Choice(math.inf)
        for span, source, total in _ending_with(last, layers, costs, readers):
            entering = stretch.COPIED * (costs[span.first] or _NONE).before + _CALLS
            joins = span.first > 0 and source == span.first - 1 and readers.get(source, last + 1) <= last
            going_on = stretch.WAKING * (span.kind == stretch.NET) if joins else math.inf
            for choice in (
                _Choice(apart[span.first].cost + entering + total, span, source),
                _Choice(within[span.first].cost + going_on + total, span, source, True),
            ):
                best = min(best, choice, key=lambda one: one.cost)
        within.append(best)
        alone = min(apart[last].cost, _left(within[last], costs, last)) + (cost.alone if cost else 0.0)
        apart.append(_Choice(min(alone, _left(best, costs, last + 1))))
    return _stretches(layers, shared, costs, within, apart)


def _left(choice: _Choice, costs: Sequence[_Cost | None], number: int) -> float:
    """The cost of so many layers that end in a stretch, with what leaves it."""
    return choice.cost + stretch.COPIED * (costs[number - 1] or _NONE).after if number else math.inf


def _stretches(
    layers: Sequence[Placed], shared: Shared, costs: Sequence[_Cost | None], within: Sequence[_Choice],
    apart: Sequence[_Choice],
) -> dict[int, Together]:  # fmt: skip
    """What was chosen, from the last layer on."""
    stretches: dict[int, Together] = {}
    number = len(layers)
    while number:
        if _left(within[number], costs, number) > apart[number].cost:
            number -= 1
            continue
        last = number - 1
        spans: list[stretch.Span] = []
        while True:
            choice = within[number]
            assert choice.span is not None
            spans.insert(0, choice.span)
            number = choice.span.first
            if not choice.joined:
                break
        if number < last:
            cost = within[last + 1].cost - apart[number].cost
            stretches[last] = _together(layers, spans, choice.source, shared, cost)
    return stretches


def _ending_with(
    last: int, layers: Sequence[Placed], costs: Sequence[_Cost | None], readers: Mapping[int, int]
) -> Iterator[tuple[stretch.Span, int, float]]:
    """All spans that end with a layer, what they read, and nanoseconds."""
    read: set[int] = set()
    total = 0.0
    closing = costs[last]
    if closing and closing.kind:
        yield stretch.Span(last, last, closing.kind), layers[last].inputs[0], closing.products
    for first in range(last, max(-1, last - _MOST_LAYERS), -1):
        cost = costs[first]
        if closing is None or cost is None or cost.within == math.inf:
            break
        if first < last and readers.get(first, first) > last:
            break
        read = (read - {first}) | set(layers[first].inputs)
        total += cost.within
        if len(read) == 1:
            (source,) = read
            passed = stretch.PASSED * (cost.before + closing.after) + stretch.PASSING
            yield stretch.Span(first, last, stretch.NET), source, total + passed


def _cost(placed: Placed, *, whole: bool) -> _Cost | None:
    """What a layer costs; None where it is never in a stretch."""
    before = math.prod(placed.size_in) * placed.channels_in
    after = math.prod(placed.size_out) * placed.channels_out
    bent = placed.activation or (placed.kernel and placed.kernel.activation)
    fits = whole and 4 * max(before, after) <= _MAP_BYTES
    fits &= not bent or bent.curve("f4").name in stretch.CURVES
    if placed.kernel is None:
        if placed.type not in ("pool max", "add", "concat") or not _is_padded(placed.windows, placed.size_in):
            return None
        alike = placed.type != "add" or placed.channels_in == len(placed.inputs) * placed.channels_out
        if placed.spreads or not alike:
            return None
        read = after * math.prod(window.taps for window in placed.windows) * len(placed.inputs)
        within = stretch.cost_of_reading(read) if fits else math.inf
        return _Cost(within, math.inf, "", _ALONE * read + _CALLS, before, after)
    kernel = _bank(placed.kernel)
    if kernel is None or not _is_padded(kernel.windows(placed.size_in, "yx"), placed.size_in):
        return None
    shape, groups, grid = kernel.weights.shape, kernel.groups, kernel.grid(placed.size_in)
    alone = stretch.cost_alone(shape, groups, grid, bent=kernel.bias is not None or bent is not None)
    even = placed.size_in == placed.size_out
    products, kind = stretch.cost_of_products(shape, grid, even=even) if groups == 1 else (math.inf, "")
    return _Cost(stretch.cost_within(shape, groups, grid) if fits else math.inf, products, kind, alone, before, after)


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


def _together(
    layers: Sequence[Placed], spans: Sequence[stretch.Span], source: int, shared: Shared, cost: float
) -> Together:
    """Layers as what the engine computes, from the last time where sizes alone have changed since."""
    first, last = spans[0].first, spans[-1].last
    numbers = {source: pieces.ENTERS} | {number: number - first for number in range(first, last + 1)}
    steps = [
        _step(layers[number], [numbers[one] for one in layers[number].inputs], partial(_numbers_of, number, shared))
        for number in range(first, last + 1)
    ]
    own = tuple(stretch.Span(span.first - first, span.last - first, span.kind) for span in spans)
    key = first, tuple(tuple(step.attributes.items()) for step in steps), own
    if key not in shared:
        shared[key] = stretch.Stretch(steps, layers[first].channels_in, own)
    stretched: stretch.Stretch = shared[key]
    height, width = layers[first].size_in
    cuts, below = stretched.cuts((height, width), cost), stretched.has_threads_below(cost)
    return Together(first, last, source, stretched, cuts, below)


def _step(placed: Placed, inputs: Sequence[int], numbers_of: Callable[[Dense], Numbers]) -> pieces.Step:
    kernel = _bank(placed.kernel) if placed.kernel else None
    windows = kernel.windows(placed.size_in, "yx") if kernel else placed.windows
    activation = kernel.activation if kernel else placed.activation
    fields: dict[str, Any] = {
        "inputs": tuple(inputs), "channels": placed.channels_out,
        "curve": activation.curve(np.float32) if activation else None,
    }  # fmt: skip
    if placed.type in ("add", "concat"):
        if placed.type == "add":
            return pieces.Step(operator="Add", **fields)
        return pieces.Step(operator="Concat", attributes={"axis": 1}, **fields)
    pads = _pads(windows, placed.size_in)
    geometry: dict[str, Any] = {
        "kernel_shape": tuple(window.taps for window in windows),
        "strides": tuple(window.stride for window in windows),
        "pads": tuple(before for before, _ in pads) + tuple(after for _, after in pads),
    }
    if kernel is None:
        return pieces.Step(operator="MaxPool", attributes=geometry, **fields)
    geometry |= {"dilations": kernel.dilation, "group": kernel.groups}
    weights, bias, magnify = numbers_of(kernel)
    return pieces.Step(
        operator="Conv", attributes=geometry, weights=weights, bias=bias, magnify=magnify, **fields
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
