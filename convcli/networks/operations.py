"""Layers without weights: pools, enlargements and joins, by the windows that their outputs read."""

from __future__ import annotations

import math
from collections.abc import Sequence

from convcli.engine.geometry import AxisPadding, Gather, KernelAxis, Scatter, gather_window
from convcli.errors import FieldError, ShapeError
from convcli.networks.network import Item
from convcli.networks.placed import Flow, Norm, Operation
from convcli.ops.weights import paddings, per_axis

#: Which channel `depth_to_space` makes which pixel: PyTorch's and ONNX's names.
ORDERS = ("crd", "dcr")
#: Kinds of items that join several flows, and what that is called.
JOINS = {
    "add": "added", "subtract": "subtracted", "multiply": "multiplied", "divide": "divided", "concat": "joined",
}  # fmt: skip


def pool(item: Item, flow: Flow) -> Operation:
    taps = per_axis(item.fields["kernel_size"], flow.axes, "kernel_size")
    stride = per_axis(item.fields["stride"] or taps, flow.axes, "stride")
    padding = paddings(item.fields["padding"], flow.axes)
    for cells, side, axis in zip(padding, taps, flow.axes, strict=True):
        if not isinstance(cells, str) and max(cells) >= side:
            raise FieldError("padding", f"{max(cells)} cells along {axis} are a window of {side} without a sample")
    if item.fields["ceil"]:
        padding = tuple(map(_reaching, flow.size, taps, stride, padding))
    windows = tuple(
        gather_window(n, KernelAxis(k, s, name=axis), p)
        for n, k, s, p, axis in zip(flow.size, taps, stride, padding, flow.axes, strict=True)
    )
    return Operation(type=f"pool {item.value}", windows=windows)


def global_pool(item: Item, flow: Flow) -> Operation:
    windows = tuple(gather_window(n, KernelAxis(n)) for n in flow.size)
    return Operation(type=f"pool {item.value}", windows=windows, sees_all=True)


def upsample(item: Item, flow: Flow) -> Operation:
    factor, rules = item.value, [rule for rule in ("bilinear", "cubic") if item.fields[rule]]
    if len(rules) > 1:
        raise FieldError("cubic", "one rule enlarges: bilinear or cubic")
    # So many neighbours per axis are mixed; of nearest one is copied.
    mixed = {"bilinear": 2, "cubic": 4}[rules[0]] if rules else 1
    windows = tuple(Scatter(mixed * factor, factor, 1, (mixed - 1) * factor // 2, n * factor) for n in flow.size)
    return Operation(type=" ".join(["upsample", *rules]), windows=windows)


def depth_to_space(item: Item, flow: Flow) -> Operation:
    factor, order = item.value, item.fields["order"]
    if flow.channels % factor**2:
        fact = f"{flow.channels} channels don't make {factor}x{factor} pixels of each: they are no multiple of"
        raise FieldError(item.kind, f"{fact} {factor**2}")
    if order not in ORDERS:
        raise FieldError("order", f"'order' must be {' or '.join(ORDERS)}, not '{order}'")
    windows = tuple(Scatter(factor, factor, 1, 0, n * factor) for n in flow.size)
    return Operation(type=f"depth to space {order}", windows=windows, channels_out=flow.channels // factor**2)


def space_to_depth(item: Item, flow: Flow) -> Operation:
    factor, order = item.value, item.fields["order"]
    if any(n % factor for n in flow.size):
        raise FieldError(item.kind, f"{'x'.join(map(str, flow.size))} pixels are no multiple of {factor}")
    if order not in ORDERS:
        raise FieldError("order", f"'order' must be {' or '.join(ORDERS)}, not '{order}'")
    windows = tuple(gather_window(n, KernelAxis(factor, factor)) for n in flow.size)
    return Operation(type=f"space to depth {order}", windows=windows, channels_out=flow.channels * factor**2)


def take(item: Item, flow: Flow) -> Operation:
    first, step = item.fields["first"], item.fields["step"]
    listed = isinstance(item.value, tuple)
    if listed and (first, step) != (0, 1):
        raise FieldError(
            "first" if first else "step", "'first' and 'step' are for a number of channels, not for a list"
        )
    greatest = max(item.value) if listed else first + (item.value - 1) * step
    if greatest >= flow.channels:
        raise FieldError(item.kind, f"channel {greatest} is none of {flow.channels}, which are numbered from 0 on")
    return _by_sample("take", flow, picked=item.value if listed else tuple(range(first, greatest + 1, step)))


def channel_shuffle(item: Item, flow: Flow) -> Operation:
    """Source: Zhang et al. 2018, arXiv:1707.01083."""
    if flow.channels % item.value:
        raise FieldError(item.kind, f"{flow.channels} channels don't split into {item.value} groups")
    return _by_sample("channel shuffle", flow, picked=shuffled(flow.channels, item.value))


def shuffled(channels: int, groups: int) -> tuple[int, ...]:
    """The numbers of channels, the first of every group before the second."""
    size = channels // groups
    return tuple(group + place for place in range(size) for group in range(0, channels, size))


def normalize(item: Item, flow: Flow) -> Operation:
    """Sources: Ulyanov et al. 2016, arXiv:1607.08022 (instance); Wu & He 2018, arXiv:1803.08494 (group); Ba et al.
    2016, arXiv:1607.06450 (layer)."""
    groups = {"instance": flow.channels, "layer": 0}.get(item.value, item.fields["groups"])
    if item.value != "group" and item.fields["groups"] != 1:
        raise FieldError("groups", f"'groups' are for {{normalize: group}}, not for {item.value}")
    if groups and flow.channels % groups:
        raise FieldError("groups", f"{flow.channels} channels don't split into {groups} groups")
    norm = Norm(groups=groups, epsilon=item.fields["epsilon"])
    if not groups:
        return _by_sample(f"normalize {item.value}", flow, norm=norm)
    # Each output is of the same samples, all of them.
    windows = tuple(Gather(n, 0, 1, 0, n) for n in flow.size)
    return Operation(type=f"normalize {item.value}", windows=windows, norm=norm, spreads=math.prod(flow.size) > 1)


def across_channels(item: Item, flow: Flow) -> Operation:
    return _by_sample(f"{item.value} across channels", flow, None if item.value == "softmax" else 1)


def activate(_: Item, flow: Flow) -> Operation:
    return _by_sample("activate", flow)


def join(kind: str, flows: Sequence[Flow]) -> tuple[Flow, Operation]:
    """`kind` is one of `JOINS`; the flow has the channels of all. One pixel, or channel, goes to all others."""
    sizes = sorted({one.size for one in flows}, reverse=True)
    if len(sizes) > 1 and sizes[1:] != [(1, 1)]:
        raise ShapeError(f"what is joined differs in size: {' and '.join('x'.join(map(str, s)) for s in sizes)}")
    channels = [one.channels for one in flows]
    if kind != "concat" and len(set(channels) - {1}) > 1:
        raise ShapeError(f"what is {JOINS[kind]} differs in channels: {' and '.join(map(str, channels))}")
    sources = tuple(source for one in flows for source in one.sources)
    both = Flow(size=sizes[0], channels=sum(channels), sources=sources)
    return both, _by_sample(kind, both, max(channels) if kind != "concat" else None, spreads=len(sizes) > 1)


def _by_sample(
    type: str, flow: Flow, channels_out: int | None = None, *, spreads: bool = False, picked: tuple[int, ...] = (),
    norm: Norm | None = None,
) -> Operation:  # fmt: skip
    windows = tuple(gather_window(n, KernelAxis(1)) for n in flow.size)
    count = len(picked) or channels_out
    return Operation(type=type, windows=windows, channels_out=count, spreads=spreads, picked=picked, norm=norm)


def _reaching(n: int, taps: int, stride: int, padding: AxisPadding) -> AxisPadding:
    """`padding` with so many cells more at the end that the last sample is seen, by a window that begins before it.

    Source: ONNX operator MaxPool, `ceil_mode`.
    """
    if isinstance(padding, str):
        raise FieldError("ceil", f"padding '{padding}' reaches the last sample; 'ceil' is for numbers of cells")
    before, after = padding
    last = -(-(n + before + after - taps) // stride) * stride
    if last >= n + before:
        last -= stride
    return before, max(after, last + taps - n - before)
