"""Transposed kernels on every channel alone: each phase of the outputs is a plain convolution, put in its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from convcli.engine.channel.phases import correlate_phase
from convcli.engine.channel.planes import correlate_planes
from convcli.engine.geometry import Grid
from convcli.engine.memory import scratch
from convcli.engine.stamps import are_apart, stamp

if TYPE_CHECKING:
    from convcli.engine.dtypes import Floats
    from convcli.engine.facts import Facts
    from convcli.engine.geometry import Scatter
    from convcli.engine.tiles import Tile


def stamped(
    weights: Floats, windows: Sequence[Scatter], channels: int
) -> Callable[[Tile, Facts, Floats | None], Floats]:
    """What makes the outputs of a tile, given its facts, in the array that is handed to it where that can be."""
    ones, apart = (1,) * len(windows), are_apart(windows)

    def by_phases(tile: Tile, facts: Facts, into: Floats | None) -> Floats:
        def phase(
            source: Floats, taps: tuple[slice, ...], dilation: tuple[int, ...], lengths: tuple[int, ...], name: str
        ) -> Floats:
            if apart:
                part = source[tuple(slice(0, n) for n in lengths)]
                product: Floats = np.multiply(part, weights[taps].item(), out=scratch(name, part.shape, part.dtype))
                return product
            result = correlate_phase(source, weights[taps], dilation, lengths, name)
            if result is not None:
                return result
            # Others may hand out the same scratch array again.
            return np.array(correlate_planes(source, weights[taps], Grid(ones, dilation, lengths), facts=facts))

        return stamp(tile, windows, channels, phase, into)

    return by_phases
