"""`convcli.compare`: costs as rows of plain values, as `pandas.DataFrame`, `csv.DictWriter` and `json` take them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from convcli.costs import timing
from convcli.costs.comparison import compare as compared
from convcli.costs.subjects import Request, subjects
from convcli.errors import UsageError, suggestion

if TYPE_CHECKING:
    from convcli.spec.library import KernelLike


class Options(TypedDict, total=False):
    """What says of which layers and networks costs are told."""

    in_channels: int
    out_channels: int
    kernel_size: int
    groups: int
    bias: bool
    width: float
    resolution: float
    swap: str


def compare(
    *sources: KernelLike, size: str | Sequence[int] | None = None, layers: bool = False, time: bool = False,
    budget: float = 2.0, baseline: str = "", **options: Unpack[Options],
) -> list[dict[str, Any]]:  # fmt: skip
    """What kernels, layers and networks cost: a row of each, or with `layers` one of each layer of the networks.

    `sources` are kernels in any form that `load` takes, and network files; without any, every type of kernel as a
    layer. `size` is (height, width) of the input, `options` are those of `convcli compare`: `in_channels`,
    `out_channels`, `kernel_size`, `groups` and `bias` make layers of kernels, `width` and `resolution` scale networks,
    `swap` is its `--as`. The keys are its columns. With `time` each is run for up to `budget` seconds. Ratios are
    against the row named `baseline`, the first by default. Raises a `ConvcliError` for what is wrong.

    >>> [(row["name"], row["params_weights"]) for row in compare("sharpen", "gaussian:sigma=1", size=(480, 640))]
    [('sharpen', 9), ('gaussian:sigma=1', 18)]
    """
    text = size if size is None or isinstance(size, str) else "x".join(map(str, size))
    if unknown := options.keys() - Options.__annotations__:
        raise UsageError(f"compare knows no '{min(unknown)}'", hint=suggestion(min(unknown), Options.__annotations__))
    lineup = subjects(Request(sources=sources, size=text, **options))
    times = [
        timing.time_placed(placed, budget, as_picture=subject.picture)
        for subject in lineup.subjects * time
        for placed in subject.timed
    ]
    comparison = compared(lineup, times, baseline=baseline)
    rows: list[dict[str, Any]] = comparison.as_dict()["layers" if layers else "rows"]
    return rows
