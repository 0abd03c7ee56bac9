"""What is compared -> costs with ratios, shares and receptive fields, as plain data."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from convcli.costs.columns import BY_KEY, DATA, MEASURES, row
from convcli.costs.cost import Cost
from convcli.costs.counts import cost, operations
from convcli.costs.notes import holes, notes_of
from convcli.costs.receptive import receptive_fields
from convcli.errors import UsageError, suggestion
from convcli.networks import Assembled, Placed
from convcli.networks.swaps import summary
from convcli.records import record

if TYPE_CHECKING:
    import numpy.typing as npt

    from convcli.costs.cost import Machine, Timing

    Pixels = npt.NDArray[Any]


@record
class Operation:
    """The share of one kind of operation in a network."""

    network: str
    operation: str
    params_weights: int
    params_share: float
    macs: int
    macs_share: float


@record
class Comparison:
    """All that `convcli compare` tells: `rows` are what is compared, `layers` those of the networks among them.

    `machine` says what the times were measured on, where there are any.
    """

    title: str
    rows: tuple[Cost, ...]
    layers: tuple[Cost, ...] = ()
    operations: tuple[Operation, ...] = ()
    baseline: str = ""
    notes: tuple[str, ...] = ()
    machine: Machine | None = None
    #: Columns that would only repeat what the title and the names say.
    hidden: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON, as the schema describes it."""
        return {
            "title": self.title,
            "baseline": self.baseline or None,
            "rows": [_data(cost) for cost in self.rows],
            "layers": [_data(cost) for cost in self.layers],
            "operations": [dataclasses.asdict(operation) for operation in self.operations],
            "machine": dataclasses.asdict(self.machine) if self.machine else None,
            "notes": list(self.notes),
        }


def _data(cost: Cost) -> dict[str, Any]:
    values = row(cost)
    return {measure.key: values[measure.key] for measure in DATA}


@record
class Subject:
    """One thing to compare: a kernel or layer (one `Placed`), or a network (all of its layers)."""

    name: str
    layers: tuple[Placed, ...]
    network: Assembled | None = None
    #: A kernel as `convcli apply` would run it: timed on a picture rather than on the numbers between layers.
    picture: bool = False

    @property
    def timed(self) -> tuple[Placed, ...]:
        """What there is to time."""
        return tuple(placed for placed in self.layers if placed.kernel)


@record
class Lineup:
    """What is compared, in order, with a title, remarks, and the pixels of the image that kernels run on, if any."""

    subjects: tuple[Subject, ...]
    title: str = ""
    notes: tuple[str, ...] = ()
    pixels: Pixels | None = None
    #: Columns that would only repeat what the title and the names say.
    hidden: tuple[str, ...] = ()


def compare(
    lineup: Lineup, times: Sequence[Timing | None] = (), *, baseline: str = "", sort: str = "",
    descending: bool = False, machine: Machine | None = None,
) -> Comparison:  # fmt: skip
    """The comparison of a lineup; `times` belong to what `Subject.timed` lists, one subject after the other.

    `times` may be short: the rest was not timed. `sort` is the key of a column. Ratios are against the row named
    `baseline`, the first where several rows are compared. Raises `UsageError` for a baseline that isn't
    there.
    """
    rows: list[Cost] = []
    layers: list[Cost] = []
    shares: list[Operation] = []
    swaps: list[str] = []
    left = list(times)
    for subject in lineup.subjects:
        costs, left = _costs(subject, left)
        if subject.network is None:
            rows += costs
            continue
        total = _total(subject, costs)
        rows.append(total)
        layers += [dataclasses.replace(cost, macs_share=_over(cost.macs, total.macs)) for cost in costs]
        shares += _operations(subject, total)
        if swap := subject.network.network.swap:
            swaps += summary(subject.network.swaps, swap)
    rows = _with_ratios(rows, baseline)
    base = baseline or (rows[0].name if len(rows) > 1 else "")
    notes = notes_of(lineup, [*rows, *layers], [*swaps, *lineup.notes, *holes(rows)])
    if sort:
        rows, layers = (_sorted(costs, sort, descending) for costs in (rows, layers))
    return Comparison(
        title=lineup.title, rows=tuple(rows), layers=tuple(layers), operations=tuple(shares), baseline=base,
        notes=notes, machine=machine, hidden=lineup.hidden,
    )  # fmt: skip


def _costs(subject: Subject, times: list[Timing | None]) -> tuple[list[Cost], list[Timing | None]]:
    """The costs of a subject's layers with receptive fields and times, and the times that are left."""
    costs = []
    network = subject.name if subject.network else ""
    for placed, seen in zip(subject.layers, receptive_fields(subject.layers), strict=True):
        timing = times.pop(0) if placed.kernel and times else None
        each = dataclasses.replace(cost(placed), network=network, timing=timing)
        costs.append(dataclasses.replace(each, receptive_field=seen.field, coverage=seen.coverage))
    return costs, times


def _total(subject: Subject, costs: Sequence[Cost]) -> Cost:
    """A network as one row: sums over its layers, the receptive field of the last."""
    first, last = subject.layers[0], costs[-1]
    macs: dict[str, int] = {}
    for each in costs:
        for part, number in each.macs_by_part.items():
            macs[part] = macs.get(part, 0) + number
    summed = "params_weights", "params_biases", "branch_weights", "branch_biases", "output_bytes", "moved_bytes"
    sums = {field: sum(getattr(each, field) for each in costs) for field in summed}
    assert subject.network is not None
    network = subject.network.network
    return Cost(
        name=subject.name, type="network", size_in=first.size_in if first.inputs == (-1,) else network.input_size,
        channels_in=network.channels, size_out=last.size_out, channels_out=last.channels_out, macs_by_part=macs,
        receptive_field=last.receptive_field, coverage=last.coverage,
        timing=_sum_of_times(subject, costs), **sums,
    )  # fmt: skip


def _sum_of_times(subject: Subject, costs: Sequence[Cost]) -> Timing | None:
    """The sum over all layers with kernels; None where one has no time."""
    times = [each.timing for placed, each in zip(subject.layers, costs, strict=True) if placed.kernel]
    known = [timing for timing in times if timing]
    if not known or len(known) < len(times):
        return None
    return dataclasses.replace(
        known[0], median_s=sum(t.median_s for t in known), spread_s=sum(t.spread_s or 0.0 for t in known),
        repeats=min(t.repeats for t in known),
    )  # fmt: skip


def _operations(subject: Subject, total: Cost) -> list[Operation]:
    """By kind, the one with most MACs first."""
    by_kind = operations(subject.layers).items()
    return [
        Operation(
            network=subject.name, operation=label, params_weights=weights, macs=macs,
            params_share=_over(weights, total.params_weights) or 0.0, macs_share=_over(macs, total.macs) or 0.0,
        )
        for label, (weights, macs) in sorted(by_kind, key=lambda item: (-item[1][1], -item[1][0]))
    ]  # fmt: skip


def _with_ratios(rows: Sequence[Cost], baseline: str) -> list[Cost]:
    if not baseline and len(rows) < 2:
        return list(rows)
    names = [row.name for row in rows]
    if baseline and baseline not in names:
        raise UsageError(
            f"no row has the name '{baseline}' for --baseline",
            hint=suggestion(baseline, names) or f"rows: {'; '.join(names)}",
        )
    base = rows[names.index(baseline)] if baseline else rows[0]
    return [
        dataclasses.replace(row, params_ratio=_over(row.params, base.params), macs_ratio=_over(row.macs, base.macs))
        for row in rows
    ]


def _over(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def measure_key(name: str, option: str) -> str:
    """The key of a column by its key or title; raises `UsageError` for one that isn't there."""
    titles = {measure.title.lower(): measure.key for measure in MEASURES if measure.title}
    key = name if name in BY_KEY else titles.get(name.lower(), "")
    if not key:
        known = [measure.key for measure in MEASURES if measure.title]
        hint = suggestion(name, [*BY_KEY, *titles]) or f"columns: {', '.join(known)}"
        raise UsageError(f"no column '{name}' for {option}", hint=hint)
    return key


def _sorted(costs: Sequence[Cost], key: str, reverse: bool) -> list[Cost]:
    """By a column, sizes by their product; those without a value last."""

    def value(cost: Cost) -> Any:
        entry = BY_KEY[key].value(cost)
        return math.prod(entry) if isinstance(entry, tuple) else entry

    known = [cost for cost in costs if value(cost) is not None]
    return sorted(known, key=value, reverse=reverse) + [cost for cost in costs if value(cost) is None]
