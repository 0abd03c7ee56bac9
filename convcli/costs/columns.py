"""The columns of `convcli compare`: for each its key with the unit, its meaning, how people read it, when it may go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from convcli.costs.cost import Cost
from convcli.records import record
from convcli.reports.tables import Column, digits, engineering, text

_COUNT = {"type": "integer", "minimum": 0}
_NUMBER = {"type": "number", "minimum": 0}
_MAYBE = {"type": ["number", "null"], "minimum": 0}
_PER_AXIS = {"type": "array", "items": _COUNT, "maxItems": 3}
_TEXT = {"type": "string"}


@record
class Measure:
    """One column. `schema` is the JSON Schema of its values; empty for one that is for people only.

    `priority` says which columns go first where space is short: the highest. `needed` says whether a column of these
    values is worth showing to people.
    """

    key: str
    doc: str
    value: Callable[[Cost], Any]
    schema: Mapping[str, Any]
    title: str = ""
    right: bool = True
    show: Callable[[Any], str] = text
    priority: int = 0
    bar: Literal["", "spare", "kept"] = ""
    needed: Callable[[Sequence[Any]], bool] = lambda values: True

    def column(self, title: str = "", priority: int | None = None) -> Column:
        """For a table."""
        return Column(
            key=self.key, title=title or self.title, right=self.right, show=self.show, bar=self.bar,
            priority=self.priority if priority is None else priority,
        )  # fmt: skip


def some(values: Sequence[Any]) -> bool:
    """Whether any value says something."""
    return any(value not in (None, 0, ()) for value in values)


def _count(value: float | None) -> str:
    return "" if value is None else engineering(value) if value else "0"


def _digits(value: float | None) -> str:
    return digits(value) if value else ""


def _rate(value: float | None) -> str:
    return "" if value is None else digits(value) if value >= 0.0995 else f"{value:.2g}"


def share(value: float | None) -> str:
    """A share of a whole: 0.0306 is 3.06 %."""
    return f"{100 * value:.2f} %" if value else ""


def _whole_percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.0f} %"


def memory(count: int | None) -> str:
    """Bytes: 1,536 is 1.5 KiB."""
    if count is None:
        return ""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= factor:
            return f"{digits(count / factor)} {unit}"
    return f"{count} B"


def geometry(cost: Cost) -> str:
    """Taps, and what of stride, dilation and groups is not 1: 3x3 /2 (stride), d4 (dilation), g2 (groups)."""
    parts = ["x".join(map(str, cost.kernel_size))] if cost.kernel_size else []
    for mark, values in (("/", cost.stride), ("d", cost.dilation), ("g", (cost.groups,))):
        if any(value > 1 for value in values):
            alike = len(set(values)) == 1
            parts.append(mark + (str(values[0]) if alike else "x".join(map(str, values))))
    return " ".join(parts)


def _size(sizes: Sequence[int], channels: int) -> str:
    return "x".join(map(str, (*sizes, channels)))


MEASURES: tuple[Measure, ...] = (
    Measure(key="name", title="Name", doc="What is compared: a kernel, a layer, a network.", right=False,
            value=lambda c: c.name, schema=_TEXT),
    Measure(key="network", doc="The network a layer belongs to, else empty.", value=lambda c: c.network, schema=_TEXT),
    Measure(key="type", title="Type", doc="Type of kernel; pool, fc, add, concat, upsample or network.", right=False,
            value=lambda c: c.type, schema=_TEXT, priority=5),
    Measure(key="geometry", title="Taps", right=False, priority=3, value=geometry, schema={},
            doc="Taps, /stride, d dilation, g groups."),
    Measure(key="kernel_size", doc="Taps per axis.", value=lambda c: c.kernel_size, schema=_PER_AXIS),
    Measure(key="stride", doc="Stride per axis.", value=lambda c: c.stride, schema=_PER_AXIS),
    Measure(key="dilation", doc="Dilation per axis.", value=lambda c: c.dilation, schema=_PER_AXIS),
    Measure(key="groups", doc="Groups of channels.", value=lambda c: c.groups, schema=_COUNT),
    Measure(key="size_in", doc="Samples per axis of the input: height, width.", value=lambda c: c.size_in,
            schema=_PER_AXIS),
    Measure(key="channels_in", doc="Channels of the input.", value=lambda c: c.channels_in, schema=_COUNT),
    Measure(key="size_out", doc="Samples per axis of the output: height, width.", value=lambda c: c.size_out,
            schema=_PER_AXIS),
    Measure(key="channels_out", doc="Channels of the output.", value=lambda c: c.channels_out, schema=_COUNT),
    Measure(key="params_weights", title="Weights", doc="Weights, branches included.", schema=_COUNT,
            value=lambda c: c.params_weights),
    Measure(key="params_biases", title="Biases", doc="Biases, branches included.", schema=_COUNT, priority=3,
            value=lambda c: c.params_biases),
    Measure(key="params_ratio", title="Ratio", doc="Parameters (weights and biases) over the baseline's.",
            schema=_MAYBE, value=lambda c: c.params_ratio, show=_digits, bar="kept", needed=some, priority=1),
    Measure(key="macs", title="MACs", doc="Multiply-accumulates: taps applied x samples.", schema=_COUNT, show=_count,
            value=lambda c: c.macs),
    Measure(key="macs_share", title="Share", doc="MACs over those of the whole network.", schema=_MAYBE, bar="spare",
            value=lambda c: c.macs_share, show=share, needed=some, priority=3),
    Measure(key="macs_ratio", title="MACs ratio", doc="MACs over the baseline's.", schema=_MAYBE,
            value=lambda c: c.macs_ratio, show=_digits, needed=some, priority=8),
    Measure(key="flops", title="FLOPs", doc="Floating-point operations: 2 x MACs.", schema=_COUNT, show=_count,
            value=lambda c: c.flops, priority=1),
    Measure(key="output", title="Output", doc="Height x width x channels of the output.", schema={},
            value=lambda c: _size(c.size_out, c.channels_out), priority=5),
    Measure(key="extent", title="Extent", doc="Samples from the first to the last tap per axis: d(k-1)+1.",
            schema=_PER_AXIS, value=lambda c: c.extent, needed=some, priority=8),
    Measure(key="receptive_field", title="Field", schema=_PER_AXIS, needed=some, priority=2,
            value=lambda c: c.receptive_field,
            doc="Samples of the network's (or kernel's) input from the first to the last that an output sees."),
    Measure(key="coverage", title="Seen", schema=_MAYBE, value=lambda c: c.coverage, show=_whole_percent, priority=4,
            needed=lambda values: any(value is not None and value < 0.9995 for value in values),
            doc="Share of the samples of the receptive field that are read at all; null where not worked out."),
    Measure(key="taps_per_output", doc="How many taps reach an output of a transposed kernel, over all phases.",
            value=lambda c: c.taps_per_output, schema={"type": "array", "items": _COUNT}),
    Measure(key="output_bytes", title="Memory", doc="Bytes of the output as float32; of a network, of all its layers'.",
            schema=_COUNT, value=lambda c: c.output_bytes, show=memory, priority=7),
    Measure(key="flops_per_byte", title="FLOP/B", schema=_NUMBER, value=lambda c: c.intensity, priority=7,
            show=_digits,
            doc="Arithmetic intensity: FLOPs per byte of input, parameters and output as float32, each moved once."),
    Measure(key="branch_weights", title="Branch weights", value=lambda c: c.branch_weights, schema=_COUNT,
            needed=some, priority=9, show=_count,
            doc="Weights of the offset and mask branches of deformable layers, part of params_weights."),
    Measure(key="branch_biases", title="Branch biases", value=lambda c: c.branch_biases, schema=_COUNT, needed=some,
            priority=11, doc="Biases of these branches, part of params_biases."),
    Measure(key="macs_kernel", doc="MACs of the kernel itself, part of macs.", value=lambda c: c.macs_kernel,
            schema=_COUNT),
    Measure(key="macs_branch", title="Branch MACs", value=lambda c: c.macs_branch, schema=_COUNT, needed=some,
            priority=9, show=_count, doc="MACs of the offset and mask branches, part of macs."),
    Measure(key="macs_sampling", title="Sampling MACs", value=lambda c: c.macs_sampling, schema=_COUNT, needed=some,
            priority=9, show=_count,
            doc="MACs of bilinear sampling (4 per tap, channel and output) and of the mask, part of macs."),
    Measure(key="time_median_s", title="Time", schema=_MAYBE, needed=some,
            value=lambda c: c.timing and c.timing.median_s, doc="Median seconds of a run; null where not timed."),
    Measure(key="time_spread_s", title="±", schema=_MAYBE, needed=some, priority=0,
            value=lambda c: c.timing and c.timing.spread_s,
            doc="Seconds between the quartiles of the runs; of a network the sum."),
    Measure(key="time_repeats", title="Runs", schema={"type": ["integer", "null"], "minimum": 1}, needed=some,
            value=lambda c: c.timing and c.timing.repeats, priority=10, doc="Runs that were timed."),
    Measure(key="speed_mp_per_s", title="MP/s", schema=_MAYBE, value=lambda c: c.megapixels_per_s, needed=some,
            priority=2, show=_rate,
            doc="Millions of input pixels (samples per channel) per second."),
    Measure(key="speed_gmac_per_s", title="GMAC/s", schema=_MAYBE, value=lambda c: c.gmacs_per_s, needed=some,
            priority=2, show=_rate,
            doc="Thousands of millions of MACs per second."),
)  # fmt: skip

BY_KEY = {measure.key: measure for measure in MEASURES}
#: Those that are data: what CSV and JSON hold.
DATA = tuple(measure for measure in MEASURES if measure.schema)
#: Those that people see, in order.
SHOWN = tuple(measure for measure in MEASURES if measure.title)


def row(cost: Cost) -> dict[str, Any]:
    """All values of a cost by key."""
    return {measure.key: measure.value(cost) for measure in MEASURES}
