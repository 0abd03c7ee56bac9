"""How a convolution is computed: a planner, kernels on each channel alone, banks of them, fractional places, sinks.

Importing this package costs nothing: a name loads its module, and numpy and OpenCV, when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from convcli.records import lazily

if TYPE_CHECKING:
    from convcli.engine.bank.bank import (
        Filters,
        algorithm_of_bank,
        bank_cuts,
        bank_is_by_planes,
        bank_rows,
        correlate,
        correlated,
        layouts_of_bank,
        sum_pairs,
    )
    from convcli.engine.bank.call import bank_call, banks_call
    from convcli.engine.bank.layouts import room_for
    from convcli.engine.bank.spread import is_spread
    from convcli.engine.bank.stamped import StampedBank, is_by_phases
    from convcli.engine.borders import check_border, read_window
    from convcli.engine.channel.calls import plane_call
    from convcli.engine.channel.choice import algorithm_for
    from convcli.engine.channel.correlation import Correlation
    from convcli.engine.channel.depthwise import plane_by_plane
    from convcli.engine.channel.plain_call import PlainCall
    from convcli.engine.channel.planes import band_rows, correlate_planes, whole_cuts
    from convcli.engine.channel.resized import resized_call, resized_cuts
    from convcli.engine.channel.stamped import stamped, stamped_call, stamped_cuts
    from convcli.engine.copies import copied
    from convcli.engine.dtypes import Call, Signature, limits, planar, settled, work_dtype
    from convcli.engine.effect import Blend, in_samples, least_change
    from convcli.engine.facts import Facts
    from convcli.engine.integers import rounding
    from convcli.engine.memory import by_planes, results, scratch, scratch_space
    from convcli.engine.sink import Sink, Storage
    from convcli.engine.threads import Cuts
    from convcli.engine.tiles import Tile, Tiling
    from convcli.engine.totals import Total

__all__ = [
    "Blend",
    "Call",
    "Correlation",
    "Cuts",
    "Facts",
    "Filters",
    "PlainCall",
    "Signature",
    "Sink",
    "StampedBank",
    "Storage",
    "Tile",
    "Tiling",
    "Total",
    "algorithm_for",
    "algorithm_of_bank",
    "band_rows",
    "bank_call",
    "bank_cuts",
    "bank_is_by_planes",
    "bank_rows",
    "banks_call",
    "by_planes",
    "check_border",
    "copied",
    "correlate",
    "correlate_planes",
    "correlated",
    "in_samples",
    "is_by_phases",
    "is_spread",
    "layouts_of_bank",
    "least_change",
    "limits",
    "planar",
    "plane_by_plane",
    "plane_call",
    "read_window",
    "resized_call",
    "resized_cuts",
    "results",
    "room_for",
    "rounding",
    "scratch",
    "scratch_space",
    "settled",
    "stamped",
    "stamped_call",
    "stamped_cuts",
    "sum_pairs",
    "whole_cuts",
    "work_dtype",
]

__getattr__ = lazily(
    __name__,
    {
        "engine.bank.bank": "Filters algorithm_of_bank bank_cuts bank_is_by_planes bank_rows correlate"
        " correlated layouts_of_bank sum_pairs",
        "engine.bank.call": "bank_call banks_call",
        "engine.bank.layouts": "room_for",
        "engine.bank.spread": "is_spread",
        "engine.bank.stamped": "StampedBank is_by_phases",
        "engine.borders": "check_border read_window",
        "engine.channel.calls": "plane_call",
        "engine.channel.plain_call": "PlainCall",
        "engine.channel.correlation": "Correlation",
        "engine.channel.depthwise": "plane_by_plane",
        "engine.channel.stamped": "stamped stamped_call stamped_cuts",
        "engine.channel.choice": "algorithm_for",
        "engine.channel.planes": "band_rows correlate_planes whole_cuts",
        "engine.channel.resized": "resized_call resized_cuts",
        "engine.copies": "copied",
        "engine.dtypes": "Call Signature limits planar settled work_dtype",
        "engine.effect": "Blend in_samples least_change",
        "engine.facts": "Facts",
        "engine.integers": "rounding",
        "engine.memory": "by_planes results scratch scratch_space",
        "engine.sink": "Sink Storage",
        "engine.threads": "Cuts",
        "engine.tiles": "Tile Tiling",
        "engine.totals": "Total",
    },
)
