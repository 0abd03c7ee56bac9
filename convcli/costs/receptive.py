"""What one output sees of the input: the receptive field, and the share of it that is read at all.

Worked out, not estimated: the positions that an output reads are followed back, window by window, to the input. Araujo,
Norris & Sim 2019, "Computing receptive fields of convolutional neural networks", doi:10.23915/distill.00021, give the
closed form for the size; the share needs the positions themselves.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from convcli.engine.geometry import Scatter, Window
from convcli.networks import INPUT, Placed
from convcli.records import record

#: Positions along one axis: the lowest, and a bit per position from there, so that the lowest bit is set.
Positions: TypeAlias = tuple[int, int]
#: A set of samples: all combinations of positions per axis.
Block: TypeAlias = tuple[Positions, ...]

#: Blocks beyond which positions are joined and the coverage is given up.
BLOCK_LIMIT = 24
#: Samples from the first to the last, along one axis, beyond which only these two are followed.
SPAN_LIMIT = 1 << 20
#: Phases of an upsampled output that are looked at, per axis.
PHASE_LIMIT = 64


@record(kw_only=False)
class Seen:
    """Samples from the first to the last that is read, per axis; and the share of these that is read.

    None as the share: it takes too many blocks to say, or the samples lie too far apart. Where they do, all between the
    first and the last that a layer reads counts as read.
    """

    field: tuple[int, ...]
    coverage: float | None


class _TooWideError(Exception):
    """Positions lie further apart than `SPAN_LIMIT`."""


def receptive_fields(layers: Sequence[Placed]) -> list[Seen]:
    """For each layer what one of its outputs sees of the network's input, borders aside.

    Where outputs differ (after a transposed layer) it is the one that sees most.
    """
    return [
        _seen(layers, last, {axis: _widest(layers, last, axis, period) for axis, period in enumerate(periods)})
        for last, periods in enumerate(_periods(layers))
    ]


def _periods(layers: Sequence[Placed]) -> list[tuple[int, ...]]:
    """For each layer, per axis, after how many outputs they see alike again: as many as the layers so far enlarge."""
    periods: list[tuple[int, ...]] = []
    for placed in layers:
        before = [periods[i] for i in placed.inputs if i != INPUT] or [(1,) * len(placed.windows)]
        own = (w.stride if isinstance(w, Scatter) else 1 for w in placed.windows)
        periods.append(tuple(max(p) * s for p, s in zip(zip(*before, strict=True), own, strict=True)))
    return periods


def _widest(layers: Sequence[Placed], last: int, axis: int, period: int) -> int:
    """The output position along one axis that sees most: axes can be looked at one by one."""
    if period == 1:
        return 0

    def size(position: int) -> tuple[int, float]:
        seen = _seen(layers, last, {axis: position})
        return seen.field[0], seen.coverage or 0

    return max(range(min(period, PHASE_LIMIT)), key=size)


def _seen(layers: Sequence[Placed], last: int, output: Mapping[int, int]) -> Seen:
    """What an output of layer number `last`, whose positions are given by axis, sees of the input along these axes."""
    try:
        blocks, exact = _needed(layers, last, output)
    except _TooWideError:
        return Seen(tuple(_span(layers, last, *place) for place in output.items()), None)
    if not blocks:
        return Seen((0,) * len(output), None)
    field = tuple(high - low + 1 for low, high in map(_bounds, zip(*blocks, strict=True)))
    return Seen(field, count(blocks) / math.prod(field) if exact and len(blocks) <= BLOCK_LIMIT else None)


def _needed(layers: Sequence[Placed], last: int, output: Mapping[int, int]) -> tuple[list[Block], bool]:
    """The samples of the input that an output needs, and whether it is just these. Raises `_TooWideError`."""
    needed: dict[int, list[Block]] = {last: [tuple((position, 1) for position in output.values())]}
    exact = True
    for number in range(last, -1, -1):
        blocks = needed.pop(number, [])
        if len(blocks) > BLOCK_LIMIT:
            blocks, exact = [_hull(blocks)], False
        windows = [layers[number].windows[axis] for axis in output]
        for block in blocks:
            read = tuple(reads(positions, window) for positions, window in zip(block, windows, strict=True))
            if all(bits for _, bits in read):
                for source in layers[number].inputs:
                    _add(needed.setdefault(source, []), read)
    return needed.get(INPUT, []), exact


def _span(layers: Sequence[Placed], last: int, axis: int, position: int) -> int:
    """The samples of the input along one axis, from the first to the last that an output needs."""
    needed = {last: (position, position)}
    for number in range(last, -1, -1):
        if number not in needed:
            continue
        (low, high), window = needed.pop(number), layers[number].windows[axis]
        reach = window.dilation * (window.taps - 1)
        if isinstance(window, Scatter):
            low, high = -((reach - window.before - low) // window.stride), (high + window.before) // window.stride
        else:
            low, high = low * window.stride - window.before, high * window.stride - window.before + reach
        for source in layers[number].inputs if low <= high else ():
            lows, highs = zip((low, high), needed.get(source, (low, high)), strict=True)
            needed[source] = min(lows), max(highs)
    low, high = needed.get(INPUT, (0, -1))
    return high - low + 1


def reads(outputs: Positions, window: Window) -> Positions:
    """The inputs that `outputs` read along one axis; no bit is set where there are none. Raises `_TooWideError`."""
    low, bits = outputs
    if isinstance(window, Scatter):
        # Input i stamps tap t on output stride*i + dilation*t - before: turned round.
        first = low + window.before - window.dilation * (window.taps - 1)
        skipped = -first % window.stride
        return _tidy((first + skipped) // window.stride, _every(_moved(bits, window) >> skipped, window.stride))
    if (bits.bit_length() - 1) * window.stride >= SPAN_LIMIT:
        raise _TooWideError
    return low * window.stride - window.before, _moved(_spread(bits, window.stride), window)


def _moved(bits: int, window: Window) -> int:
    """Bit n moved to bits n + dilation * t, for all taps t."""
    if bits.bit_length() + window.dilation * (window.taps - 1) > SPAN_LIMIT:
        raise _TooWideError
    taps = 1
    while taps < window.taps:  # what the first so many taps make, moved, is what as many more make
        more = min(taps, window.taps - taps)
        bits |= bits << window.dilation * more
        taps += more
    return bits


def _spread(bits: int, step: int) -> int:
    """Bit n moved to bit n * step."""
    return bits if bits == 1 else int(("0" * (step - 1)).join(f"{bits:b}"), 2)


def _every(bits: int, step: int) -> int:
    """Bit n * step moved to bit n, the others dropped."""
    return int(f"{bits:b}"[::-1][::step][::-1] or "0", 2)


def _tidy(low: int, bits: int) -> Positions:
    """With the lowest bit set."""
    if not bits:
        return 0, 0
    zeros = (bits & -bits).bit_length() - 1
    return low + zeros, bits >> zeros


def _union(one: Positions, other: Positions) -> Positions:
    """Raises `_TooWideError`."""
    if not one[1] or not other[1]:
        return one if one[1] else other
    low = min(one[0], other[0])
    if abs(one[0] - other[0]) > SPAN_LIMIT:
        raise _TooWideError
    return low, one[1] << (one[0] - low) | other[1] << (other[0] - low)


def _holds(block: Block, other: Block) -> bool:
    return all(_union(mine, its) == mine for mine, its in zip(block, other, strict=True))


def _add(blocks: list[Block], new: Block) -> None:
    """Adds a block unless one holds it already; those that it holds go."""
    if any(_holds(block, new) for block in blocks):
        return
    blocks[:] = [block for block in blocks if not _holds(new, block)]
    blocks.append(new)


def _hull(blocks: Sequence[Block]) -> Block:
    hull = blocks[0]
    for block in blocks[1:]:
        hull = tuple(_union(one, other) for one, other in zip(hull, block, strict=True))
    return hull


def _bounds(positions: Iterable[Positions]) -> tuple[int, int]:
    """The first and the last of all positions."""
    pairs = [(low, low + bits.bit_length() - 1) for low, bits in positions]
    return min(low for low, _ in pairs), max(high for _, high in pairs)


def count(blocks: Sequence[Block]) -> int:
    """Samples in at least one of the blocks."""
    if len(blocks) == 1:
        return math.prod(bits.bit_count() for _, bits in blocks[0])
    if not blocks[0]:
        return 1
    base = min(block[0][0] for block in blocks)
    lines = [block[0][1] << (block[0][0] - base) for block in blocks]
    total, alike = 0, {}
    for position in range(max(line.bit_length() for line in lines)):
        holding = tuple(n for n, line in enumerate(lines) if line >> position & 1)
        if holding and holding not in alike:
            alike[holding] = count([blocks[n][1:] for n in holding])
        total += alike.get(holding, 0)
    return total
