"""`--as TYPE`: a network priced with another type of kernel wherever that makes sense, and why not elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from convcli.networks.layers import Layer
from convcli.records import record

#: Types that a layer can be swapped to. A transposed one enlarges, so it can't stand in for any other.
TARGETS = ("dense", "separable", "depthwise_separable", "deformable")


@record
class Swap:
    """What became of one layer: swapped where `reason` is empty."""

    name: str
    reason: str = ""


def swapped(layer: Layer, channels: int, to: str, name: str) -> tuple[Layer, Swap | None]:
    """`layer` as type `to` ("" for none) with the same channels, taps, stride and dilation; or itself, and why."""
    if not to:
        return layer, None
    reason = _reason(layer, channels, to)
    if reason:
        return layer, Swap(name=name, reason=reason)
    groups = 1 if to == "depthwise_separable" else layer.groups
    return replace(layer, type=to, groups=groups, mask=False, offset_groups=1), Swap(name=name)


def _reason(layer: Layer, channels: int, to: str) -> str:
    """Why a layer can't become `to`; nothing where it can."""
    if layer.type == to:
        return f"{to} already"
    if layer.type == "transposed":
        return "transposed, it enlarges"
    if to == "dense":
        return ""
    if all(taps == 1 for taps in layer.taps):
        return "1x1, a single tap"
    if layer.type != "dense":
        return f"{layer.type}, not dense"
    if to == "separable" and min(layer.taps) == 1:
        return "one row of taps already"
    if to == "depthwise_separable" and layer.groups > 1:
        return "depthwise already" if layer.groups == channels else f"its channels are in {layer.groups} groups"
    return ""


def summary(swaps: Sequence[Swap], to: str) -> list[str]:
    """What was swapped and what was not, in sentences."""
    done = [swap.name for swap in swaps if not swap.reason]
    refused = sorted((swap for swap in swaps if swap.reason), key=lambda swap: swap.reason)
    lines = [f"Swapped to {to}: {len(done)} of {len(swaps)} layers" + (f" ({_listed(done)})." if done else ".")]
    if refused:
        reasons = [
            f"{_listed([swap.name for swap in group])} ({reason})"
            for reason, group in groupby(refused, key=lambda swap: swap.reason)
        ]
        lines.append(f"Not swapped: {'; '.join(reasons)}.")
    return lines


def _listed(names: Iterable[str]) -> str:
    """Names, runs of numbered ones shortened: 1, 3-7, fc.

    >>> _listed(["1", "3", "4", "5", "conv.9", "conv.10", "conv.11", "fc"])
    '1, 3-5, conv.9-11, fc'
    """
    runs: list[list[str]] = []
    for name in names:
        if runs and _follows(runs[-1][-1], name):
            runs[-1].append(name)
        else:
            runs.append([name])
    return ", ".join(f"{run[0]}-{_number(run[-1])[1]}" if len(run) > 2 else ", ".join(run) for run in runs)


def _follows(one: str, other: str) -> bool:
    """Whether two names differ by a number at the end that is one greater."""
    (stem, number), (other_stem, other_number) = _number(one), _number(other)
    return stem == other_stem and bool(number and other_number) and int(other_number) == int(number) + 1


def _number(name: str) -> tuple[str, str]:
    stem = name.rstrip("0123456789")
    return stem, name[len(stem) :]
