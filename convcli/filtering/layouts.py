"""How what a chain hands on lies in memory, as planes or as pixels: so that as few samples as can be are turned."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convcli.filtering.chain import Stage
    from convcli.ops import Kernel


def by_planes(kernels: Sequence[Kernel], stages: Sequence[Stage], planes: bool) -> list[bool]:
    """Whether the result of each of `kernels` is to lie as planes, as what enters does or doesn't; pixels leave.

    Each kernel says what it would cost to read and write one or the other; the least sum over the chain is taken.
    """
    ways: dict[bool, tuple[float, list[bool]]] = {planes: (0.0, [])}
    for kernel, stage in zip(kernels, stages, strict=True):
        after: dict[bool, tuple[float, list[bool]]] = {}
        for (reads, (cost, before)), writes in itertools.product(ways.items(), (False, True)):
            total = cost + kernel.turned(stage.size_in, stage.channels_in, reads=reads, writes=writes)
            if writes not in after or total < after[writes][0]:
                after[writes] = total, [*before, writes]
        ways = after
    return ways[False][1]
