"""A comparison as tables, for people and for CSV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from convcli.costs.columns import BY_KEY, DATA, SHOWN, row, share
from convcli.costs.comparison import Comparison
from convcli.costs.cost import Cost
from convcli.reports.tables import Column, Table, engineering

#: Columns that make no sense for the rows of a table, by what its rows are.
_NOT_FOR_KERNELS = ("macs_share",)
_NOT_FOR_LAYERS = ("params_ratio", "macs_ratio", "extent", "time_repeats", "branch_biases")
_NOT_FOR_NETWORKS = ("type", "geometry", "extent", "macs_share", "time_repeats", "branch_biases")
#: What goes first where space is short, the highest first; by what the rows of a table are.
_FOR_LAYERS = {
    "output": 1, "type": 2, "receptive_field": 3, "macs_share": 3, "geometry": 4, "flops": 5, "params_biases": 6,
    "speed_mp_per_s": 8,
}  # fmt: skip
_FOR_NETWORKS = {"receptive_field": 2, "flops": 3, "params_biases": 4, "output": 6}
_FOR_TIMES = {
    "flops": 3, "params_biases": 4, "geometry": 5, "type": 6, "output": 7, "receptive_field": 7, "coverage": 8,
    "output_bytes": 9, "flops_per_byte": 9, "extent": 12,
}  # fmt: skip
#: The smallest number that a column of times should hold.
LEAST_SHOWN = 0.05
#: Networks that fit side by side.
BESIDE = 4


def tables(comparison: Comparison, columns: Sequence[str] = ()) -> list[Table]:
    """What people see: kernels, the layers of one network and its operations, or networks side by side.

    `columns` are the keys of those to show, in order; without them those that say something.
    """
    networks = [cost for cost in comparison.rows if cost.type == "network"]
    if not networks:
        return [_kernels(comparison, columns)]
    if len(comparison.rows) == 1:
        return [_layers(comparison, networks[0], columns), _operations(comparison)]
    first = [_networks(comparison, columns)]
    names = [cost.name for cost in networks]
    return [*first, _beside(comparison, names)] if 2 <= len(names) <= BESIDE else first


def csv_table(comparison: Comparison, columns: Sequence[str] = ()) -> Table:
    """The rows, or the layers of one network, with the columns asked for, else every column that is data."""
    costs = comparison.layers if len(comparison.rows) == 1 and comparison.layers else comparison.rows
    asked = [BY_KEY[key] for key in dict.fromkeys(("name", *columns))] if columns else DATA
    return Table(columns=[measure.column() for measure in asked], rows=[row(cost) for cost in costs])


def _kernels(comparison: Comparison, columns: Sequence[str]) -> Table:
    types = {cost.type for cost in comparison.rows}
    hidden = (*_NOT_FOR_KERNELS, *comparison.hidden, *(("type",) if len(types) == 1 else ()))
    timed = any(cost.timing for cost in comparison.rows)
    priorities = _FOR_TIMES if timed else {}
    return _table(comparison, _columns(comparison.rows, columns, hidden, "Kernel", priorities), comparison.rows)


def _layers(comparison: Comparison, total: Cost, columns: Sequence[str]) -> Table:
    blank = dict.fromkeys(("type", "output", "macs_share", "receptive_field", "coverage"))
    chosen = _columns(comparison.layers, columns, _NOT_FOR_LAYERS, "Layer", _FOR_LAYERS)
    return replace(
        _table(comparison, chosen, comparison.layers), total={**row(total), **blank, "name": "total", "output": ""}
    )  # fmt: skip


def _networks(comparison: Comparison, columns: Sequence[str]) -> Table:
    chosen = _columns(comparison.rows, columns, _NOT_FOR_NETWORKS, "Network", _FOR_NETWORKS)
    return _table(comparison, chosen, comparison.rows)


def _table(comparison: Comparison, columns: Sequence[Column], costs: Sequence[Cost]) -> Table:
    """A table with the remarks that belong to it."""
    notes = list(comparison.notes)
    if any(column.key == "params_ratio" for column in columns):
        notes.append(f"Ratio: weights and biases against those of {comparison.baseline}.")
    if machine := comparison.machine:
        packages = ", ".join(f"{name} {version}" for name, version in machine.packages.items())
        threads = f"{machine.threads} thread{'s' if machine.threads > 1 else ''}"
        notes.append("Time: the median of the runs, ± the distance between their quartiles.")
        notes.append(
            f"Timed on {machine.processor}, {threads} ({packages}, Python {machine.python}, {machine.system})."
        )
    return Table(title=comparison.title, columns=columns, rows=[row(cost) for cost in costs], notes=notes)


def _columns(
    costs: Sequence[Cost], asked: Sequence[str], hidden: Sequence[str], first: str, priorities: dict[str, int]
) -> list[Column]:
    """The columns asked for, none of which is dropped; or all that these rows give something to say."""
    chosen = []
    shortest = min((cost.timing.median_s for cost in costs if cost.timing), default=1.0)
    name, factor = unit(shortest)
    decimals = 0 if shortest * factor >= 100 else 1 if shortest * factor >= 10 else 2
    for measure in [BY_KEY[key] for key in dict.fromkeys(("name", *asked))] if asked else SHOWN:
        if not asked and (measure.key in hidden or not measure.needed([measure.value(cost) for cost in costs])):
            continue
        column = measure.column(
            title=first if measure.key == "name" else measure.title or measure.key,
            priority=0 if asked else priorities.get(measure.key),
        )
        if measure.key in ("time_median_s", "time_spread_s"):
            column = replace(column, title=f"{column.title} ({name})", show=_fixed(factor, decimals))
        chosen.append(column)
    return chosen


def unit(shortest_s: float) -> tuple[str, float]:
    """The unit for a column of times from `shortest_s` up, and how many of it make a second.

    >>> unit(0.012), unit(0.00001)
    (('ms', 1000.0), ('µs', 1000000.0))
    """
    for name, factor in (("s", 1.0), ("ms", 1e3)):
        if shortest_s * factor >= LEAST_SHOWN:
            return name, factor
    return "µs", 1e6


def _fixed(factor: float, decimals: int) -> Callable[[float | None], str]:
    return lambda value: "" if value is None else f"{value * factor:,.{decimals}f}"


def _operations(comparison: Comparison) -> Table:
    columns = (
        Column(key="operation", title="Operation"),
        Column(key="params_weights", title="Weights", right=True),
        Column(key="params_share", title="of all", right=True, show=share, bar="spare"),
        Column(key="macs", title="MACs", right=True, show=engineering),
        Column(key="macs_share", title="of all", right=True, show=share, bar="spare"),
    )
    rows = [{column.key: getattr(operation, column.key) for column in columns} for operation in comparison.operations]
    return Table(columns=columns, rows=rows)


def _beside(comparison: Comparison, names: Sequence[str]) -> Table:
    """Layers of several networks by name, in order: types, weights and MACs of two, the MACs of more."""
    lines: dict[str, dict[str, Any]] = {}
    for cost in comparison.layers:
        if cost.params or cost.macs:
            line = lines.setdefault(cost.name, {"name": cost.name})
            line |= {f"type {cost.network}": cost.type, f"weights {cost.network}": cost.params_weights}
            line |= {f"macs {cost.network}": cost.macs}
    columns = [Column(key="name", title="Layer")]
    for name in names:
        if len(names) > 2:
            columns.append(Column(key=f"macs {name}", title=name, right=True, show=_maybe))
            continue
        columns += [
            Column(key=f"type {name}", title=name),
            Column(key=f"weights {name}", title="Weights", right=True, priority=1),
            Column(key=f"macs {name}", title="MACs", right=True, show=_maybe),
        ]
    total: dict[str, Any] = {"name": "total"}
    for cost in comparison.rows:
        total |= {f"weights {cost.name}": cost.params_weights, f"macs {cost.name}": cost.macs}
    title = "MACs by layer" if len(names) > 2 else ""
    return Table(columns=columns, rows=list(lines.values()), total=total, title=title)


def _maybe(value: int | None) -> str:
    return "" if value is None else engineering(value)
