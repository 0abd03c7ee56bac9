"""How a convolution is computed: a planner, kernels on each channel alone, banks of them, fractional places, sinks.

Importing this package costs nothing: a name loads its module, and numpy and OpenCV, when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convcli.engine.bank.bank import (
        Filters,
        algorithm_of_bank,
        bank_cuts,
        bank_rows,
        correlate,
        correlated,
        sum_pairs,
    )
    from convcli.engine.channel.correlation import Correlation
    from convcli.engine.channel.depthwise import plane_by_plane
    from convcli.engine.channel.phases import correlate_phase
    from convcli.engine.channel.planes import algorithm_for, band_rows, correlate_planes, whole_cuts
    from convcli.engine.dtypes import limits, planar, settled, work_dtype
    from convcli.engine.facts import Facts
    from convcli.engine.memory import by_planes, results
    from convcli.engine.sink import Sink, Storage
    from convcli.engine.stamps import stamp
    from convcli.engine.threads import Cuts
    from convcli.engine.tiles import Tile, Tiling

_HOMES = {
    "bank.bank": (
        "Filters",
        "algorithm_of_bank",
        "bank_cuts",
        "bank_rows",
        "correlate",
        "correlated",
        "sum_pairs",
    ),
    "channel.correlation": ("Correlation",),
    "channel.depthwise": ("plane_by_plane",),
    "channel.phases": ("correlate_phase",),
    "channel.planes": (
        "algorithm_for",
        "band_rows",
        "correlate_planes",
        "whole_cuts",
    ),
    "dtypes": (
        "limits",
        "planar",
        "settled",
        "work_dtype",
    ),
    "facts": ("Facts",),
    "memory": (
        "by_planes",
        "results",
    ),
    "sink": (
        "Sink",
        "Storage",
    ),
    "stamps": ("stamp",),
    "threads": ("Cuts",),
    "tiles": (
        "Tile",
        "Tiling",
    ),
}
__all__ = [
    "Correlation",
    "Cuts",
    "Facts",
    "Filters",
    "Sink",
    "Storage",
    "Tile",
    "Tiling",
    "algorithm_for",
    "algorithm_of_bank",
    "band_rows",
    "bank_cuts",
    "bank_rows",
    "by_planes",
    "correlate",
    "correlate_phase",
    "correlate_planes",
    "correlated",
    "limits",
    "planar",
    "plane_by_plane",
    "results",
    "settled",
    "stamp",
    "sum_pairs",
    "whole_cuts",
    "work_dtype",
]


def __getattr__(name: str) -> Any:
    """Loads a name from its module on first use (PEP 562)."""
    for module, names in _HOMES.items():
        if name in names:
            value = getattr(importlib.import_module(f"convcli.engine.{module}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'convcli.engine' has no attribute '{name}'")
