"""What one output sees of the input: the receptive field, and the share of it that is read at all.

Worked out, not estimated: the positions that an output reads are those that its layer's taps read of the layers before,
moved. They are made once a layer, from the first to the last. Araujo, Norris & Sim 2019, "Computing receptive fields of
convolutional neural networks", doi:10.23915/distill.00021, give the closed form for the size; the share needs the
positions themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias, TypeVar

from convcli.engine.geometry import Scatter, Window
from convcli.networks import INPUT, Placed
from convcli.records import record

#: Blocks beyond which positions are joined and the coverage is given up.
BLOCK_LIMIT = 24
#: Samples from the first to the last, along one axis, beyond which only these two are followed.
SPAN_LIMIT = 1 << 20
#: Phases of an upsampled output that are looked at, per axis.
PHASE_LIMIT = 64
#: Phases that one output reads, along one axis, beyond which only the first sample and the last are followed.
FOLLOWED_LIMIT = 1 << 10


@record(kw_only=False)
class Seen:
    """Samples from the first to the last that is read, per axis; and the share of these that is read.

    None as the share: it takes too many blocks to say, or the samples lie too far apart.
    """

    field: tuple[int, ...]
    coverage: float | None


class Positions(NamedTuple):
    """Positions along one axis: the lowest, the highest, and a bit for each from the lowest on.

    No bits where they lie more than `SPAN_LIMIT` apart: all between counts as read.
    """

    low: int
    high: int
    bits: int | None


#: A set of samples: all combinations of positions per axis.
Block: TypeAlias = tuple[Positions, ...]


@record(kw_only=False)
class _Axis:
    """What outputs read of the input along one axis: the same, `shift` samples further on, after `period` outputs.

    `phases` are the positions of those of the first `period` outputs that are asked for; None where they read none.
    """

    period: int
    shift: int
    phases: Mapping[int, Positions | None]

    def at(self, output: int) -> Positions | None:
        periods, phase = divmod(output, self.period)
        seen = self.phases[phase]
        return seen and Positions(seen.low + periods * self.shift, seen.high + periods * self.shift, seen.bits)


#: What the outputs of a layer read by one path through the network: all combinations of positions per axis.
_Path: TypeAlias = tuple[_Axis, ...]
_Set = TypeVar("_Set", Block, _Path)


def receptive_fields(layers: Sequence[Placed]) -> list[Seen]:
    """For each layer what one of its outputs sees of the network's input, borders aside.

    Where outputs differ (after a transposed layer) it is the one that sees most.
    """
    if not layers:
        return []
    periods = _periods(layers)
    asked = _asked(layers, periods)
    last_reader = {source: number for number, placed in enumerate(layers) for source in placed.inputs}
    sample = _Axis(1, 1, {0: Positions(0, 0, 1)})
    paths: dict[int, tuple[Sequence[_Path], bool]] = {INPUT: ([(sample,) * len(layers[0].windows)], True)}
    fields = []
    for number, placed in enumerate(layers):
        read = [
            tuple(map(_read, path, placed.windows, periods[number], asked[number]))
            for source in placed.inputs
            for path in paths[source][0]
        ]
        paths[number] = _joined(_largest(read, _path_holds), exact=all(paths[source][1] for source in placed.inputs))
        fields.append(_most(*paths[number], periods[number]))
        for source in {number, *placed.inputs}:
            if last_reader.get(source, number) == number:
                del paths[source]
    return fields


def reads(output: int, window: Window) -> range:
    """The inputs that an output reads along one axis, in their order.

    >>> from convcli.engine.geometry import Gather
    >>> reads(5, Gather(3, 2, 4, 1, 9)), reads(4, Scatter(5, 2, 1, 1, 9))
    (range(9, 18, 4), range(1, 3))
    """
    if not isinstance(window, Scatter):
        first = output * window.stride - window.before
        return range(first, first + window.dilation * (window.taps - 1) + 1, window.dilation)
    # Input i stamps tap t on output stride*i + dilation*t - before.
    place, common = output + window.before, math.gcd(window.stride, window.dilation)
    step = window.stride // common
    if place % common:
        return range(0)
    taps = range(place // common * pow(window.dilation // common, -1, step) % step, window.taps, step)
    highest, apart = (place - window.dilation * taps.start) // window.stride, window.dilation // common
    return range(highest, highest - apart * len(taps), -apart)[::-1]


def _by_phase(places: range, period: int) -> Iterable[range]:
    """The places of each phase that occurs; of more phases than are followed the first place and the last."""
    step = period // math.gcd(period, places.step)
    if min(step, len(places)) > FOLLOWED_LIMIT:
        return places[:1], places[-1:]
    return (places[first::step] for first in range(min(step, len(places))))


def _periods(layers: Sequence[Placed]) -> dict[int, tuple[int, ...]]:
    """For each layer, per axis, after how many outputs they see alike again."""
    periods = {INPUT: (1,) * len(layers[0].windows)}
    for number, placed in enumerate(layers):
        before = (math.lcm(*axis) for axis in zip(*(periods[i] for i in placed.inputs), strict=True))
        periods[number] = tuple(
            period * window.stride if isinstance(window, Scatter) else period // math.gcd(period, window.stride)
            for period, window in zip(before, placed.windows, strict=True)
        )
    return periods


def _asked(layers: Sequence[Placed], periods: Mapping[int, tuple[int, ...]]) -> dict[int, list[set[int]]]:
    """For each layer, per axis, the phases that are looked at or that a later layer reads."""
    asked = {number: [set(range(min(p, PHASE_LIMIT))) for p in period] for number, period in periods.items()}
    for number in reversed(range(len(layers))):
        for source in layers[number].inputs:
            for axis, window in enumerate(layers[number].windows):
                period = periods[source][axis]
                for output in asked[number][axis]:
                    asked[source][axis].update(part[0] % period for part in _by_phase(reads(output, window), period))
    return asked


def _read(axis: _Axis, window: Window, period: int, asked: Iterable[int]) -> _Axis:
    """What outputs of a layer read, along an axis on which the outputs that they read do so by `axis`."""
    inputs = period // window.stride if isinstance(window, Scatter) else period * window.stride
    phases: dict[int, Positions | None] = {}
    for output in asked:
        phases[output], places, followed = None, reads(output, window), 0
        for part in _by_phase(places, axis.period):
            followed += len(part)
            first = axis.at(part[0])
            if first:
                every = _repeated(first, len(part), part.step * axis.shift // axis.period)
                phases[output] = _union(phases[output] or every, every)
        seen = phases[output]
        if seen and followed < len(places):
            phases[output] = Positions(seen.low, seen.high, None)
    return _Axis(period, inputs // axis.period * axis.shift, phases)


def _repeated(positions: Positions, times: int, step: int) -> Positions:
    """Positions, and the same moved by 1, 2, ... `times` - 1 steps."""
    low, high, bits = positions
    high += (times - 1) * step
    if bits is None or high - low >= SPAN_LIMIT:
        return Positions(low, high, None)
    made = 1
    while made < times:  # what the first so many make, moved, is what as many more make
        more = min(made, times - made)
        bits |= bits << step * more
        made += more
    return Positions(low, high, bits)


def _union(one: Positions, other: Positions) -> Positions:
    low, high = min(one.low, other.low), max(one.high, other.high)
    if one.bits is None or other.bits is None or high - low >= SPAN_LIMIT:
        return Positions(low, high, None)
    return Positions(low, high, one.bits << (one.low - low) | other.bits << (other.low - low))


def _holds(one: Positions | None, other: Positions | None) -> bool:
    if not one or not other:
        return not other
    if other.low < one.low or one.high < other.high:
        return False
    return one.bits is None or (other.bits is not None and not other.bits << (other.low - one.low) & ~one.bits)


def _path_holds(one: _Path, other: _Path) -> bool:
    return all(
        mine.shift == its.shift and all(_holds(mine.phases[phase], its.phases[phase]) for phase in mine.phases)
        for mine, its in zip(one, other, strict=True)
    )


def _block_holds(one: Block, other: Block) -> bool:
    return all(map(_holds, one, other))


def _largest(sets: Iterable[_Set], holds: Callable[[_Set, _Set], bool]) -> list[_Set]:
    """Those that no other one holds."""
    largest: list[_Set] = []
    for one in sets:
        if not any(holds(other, one) for other in largest):
            largest = [other for other in largest if not holds(one, other)]
            largest.append(one)
    return largest


def _joined(paths: Sequence[_Path], *, exact: bool) -> tuple[Sequence[_Path], bool]:
    """Paths that are few, and whether they are just what is read: too many are joined, and hold more."""
    if len(paths) <= BLOCK_LIMIT:
        return paths, exact
    hulls: dict[tuple[int, ...], _Path] = {}
    for path in paths:
        shifts = tuple(axis.shift for axis in path)
        hulls[shifts] = tuple(map(_hull, hulls.get(shifts, path), path))
    return list(hulls.values()), False


def _hull(one: _Axis, other: _Axis) -> _Axis:
    both = {phase: (seen, other.phases[phase]) for phase, seen in one.phases.items()}
    joined = {phase: _union(mine, its) if mine and its else mine or its for phase, (mine, its) in both.items()}
    return _Axis(one.period, one.shift, joined)


def _most(paths: Sequence[_Path], exact: bool, periods: Sequence[int]) -> Seen:
    """What the output sees that sees most. Axes can be looked at one by one."""
    outputs = []
    for axis, period in enumerate(periods):
        alone = [path[axis : axis + 1] for path in paths]
        seen = [_seen(alone, exact, [output]) for output in range(min(period, PHASE_LIMIT))]
        outputs.append(max(range(len(seen)), key=lambda n, seen=seen: (seen[n].field, seen[n].coverage or 0)))  # type: ignore[misc]
    return _seen(paths, exact, outputs)


def _seen(paths: Iterable[_Path], exact: bool, output: Sequence[int]) -> Seen:
    """What an output sees along the axes of the paths."""
    read = ([axis.at(place) for axis, place in zip(path, output, strict=True)] for path in paths)
    blocks: list[Block] = _largest((tuple(filter(None, block)) for block in read if all(block)), _block_holds)
    if not blocks:
        return Seen((0,) * len(output), None)
    field = tuple(max(p.high for p in axis) - min(p.low for p in axis) + 1 for axis in zip(*blocks, strict=True))
    followed = exact and max(field) <= SPAN_LIMIT and all(p.bits is not None for block in blocks for p in block)
    return Seen(field, count(blocks) / math.prod(field) if followed else None)


def count(blocks: Sequence[Block]) -> int:
    """Samples in at least one of the blocks, of which the positions' bits are known."""
    if len(blocks) == 1:
        return math.prod((p.bits or 0).bit_count() for p in blocks[0])
    if not blocks[0]:
        return 1
    base = min(block[0].low for block in blocks)
    # Positions by the blocks that have them, from those that none has.
    alike: dict[tuple[int, ...], int] = {(): -1}
    for number, (positions, *_) in enumerate(blocks):
        bits = (positions.bits or 0) << (positions.low - base)
        split = [(holding, there & ~bits) for holding, there in alike.items()]
        split += [((*holding, number), there & bits) for holding, there in alike.items()]
        alike = {holding: there for holding, there in split if there}
    return sum(
        there.bit_count() * count([blocks[n][1:] for n in holding]) for holding, there in alike.items() if holding
    )
