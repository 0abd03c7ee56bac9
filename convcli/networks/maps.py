"""Maps between layers: the bytes that they take, and the rows of the input that a row of the last one is made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from convcli.networks.network import Assembled
from convcli.networks.placed import INPUT, Placed

#: Bytes of a number between layers.
ITEM_BYTES: Final = 4


def rows_seen(layers: Sequence[Placed]) -> int:
    """Rows of the input that a row of the result is made of, in its middle; of what a layer sees all of, one."""
    middle = layers[-1].size_out[0] // 2
    seen = {len(layers) - 1: (middle, middle + 1)}
    for number in range(len(layers) - 1, -1, -1):
        if number not in seen:
            continue
        placed = layers[number]
        centre = placed.size_in[0] // 2
        whole = placed.sees_all or (placed.norm and placed.norm.groups)
        start, stop = (centre, centre + 1) if whole else placed.windows[0].reads(*seen[number])
        for source in placed.inputs:
            a, b = seen.get(source, (start, stop))
            seen[source] = min(a, start), max(b, stop)
    start, stop = seen.get(INPUT, (0, 1))
    return stop - start


def peak_bytes(network: Assembled) -> int:
    """Bytes that its maps take at most, where each is whole and given up after the last layer that reads it."""
    last = {source: number for number, placed in enumerate(network.layers) for source in placed.inputs}
    sizes = {number: bytes_of(placed) for number, placed in enumerate(network.layers)}
    first = network.layers[0]
    sizes[INPUT] = ITEM_BYTES * math.prod(first.size_in) * first.channels_in
    there, most = {INPUT}, 0
    for number in range(len(network.layers)):
        there.add(number)
        most = max(most, sum(sizes[source] for source in there))
        there -= {source for source in there if last.get(source, number) <= number and source != number}
    return most


def bytes_of(placed: Placed) -> int:
    return ITEM_BYTES * math.prod(placed.size_out) * placed.channels_out
