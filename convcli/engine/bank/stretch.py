"""Layers of a network one after the other, with biases and activations, computed together: what they cost, and how.

Some are products of one layer on rows that are in the cache (`rolling`), some together one network of OpenCV's, which
has kernels for blocks of channels, and for a kernel per channel. That makes numbers of NaN, and Winograd's tiles
spread what is large beside the rest, so that a stretch is for samples whose results are finite: see `Stretch.bears`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from threading import get_ident
from typing import TYPE_CHECKING, Final

import numpy as np

from convcli.engine.bank import rolling
from convcli.engine.bank.bank import work_of
from convcli.engine.bank.layouts import join_to, laid
from convcli.engine.bank.pieces import COLUMNS, ENTERS, SHIFTS, TILES, Net, Product, Step
from convcli.engine.bank.plan import options, plan_bank
from convcli.engine.bank.speeds import SPEEDS
from convcli.engine.dtypes import channels_first, channels_last, planar
from convcli.engine.facts import Facts
from convcli.engine.memory import prepared
from convcli.engine.processor import WIDE, processor
from convcli.records import record

if TYPE_CHECKING:
    from convcli.engine.bank.rolling import Piece
    from convcli.engine.dtypes import Floats
    from convcli.engine.geometry import Grid
    from convcli.engine.threads import Cut

#: Activations that OpenCV computes as they are computed here.
CURVES: Final = ("relu", "slope", "clip")
#: How layers are computed, if not each as products: together by OpenCV.
NET: Final = "net"
#: Nanoseconds of one core for a multiply-add of OpenCV's, of single taps and of others: it has channels in blocks.
_POINT, _WINDOW, _BLOCK = 0.0165, 0.028, 8
#: The same of a kernel per channel, and for a sample that a layer reads or makes.
_SINGLE, _MAPPED = 0.05, 0.25
#: Nanoseconds for a sample that enters or leaves a stretch: it goes from pixels to planes or back.
COPIED: Final = 0.5
#: The same within a stretch, where networks begin and end, for each part, and for a network behind others: its threads
#: wake, and serve it alone.
PASSED, PASSING, WAKING = 0.3, 100_000, 150_000
#: The same for a sample of columns, of neighbours and of those that lie a stride apart; for a result that is bent.
_COLUMN, _APART_COLUMN, _ROLLED = 0.045, 0.25, 0.12
#: The share of their time that Winograd's tiles take where they are of few rows, which are turned each time.
_FEW_TILES = 1.25
#: Nanoseconds for a result of a tap that is added, and the share of products that lie beside results.
_ADDED, _BESIDE_TAPS = 0.12, 1.15
#: What a multiply-add of a product takes longer, over its rows, on a processor that is wide, and on others.
_FEW_ROWS = 0.035, 0.1
#: The same for a bias and an activation of a layer at a time, for a weight that comes from memory, and for its calls.
_BENT, _FETCHED, _CALLS = 0.2, 1.0, 100_000
#: The same for a sample of a column whose neighbours lie a stride apart.
_APART = 0.8
#: Nanoseconds of work that are worth two threads of ours, and those that OpenCV starts for one network.
_THREADS, _THREADS_BELOW = 1.5e6, 5e5
#: Bytes of what a cut reads and makes, and its rows over those that it reads beside them, at least: of cuts that follow
#: from bytes, and of two for two threads.
_CUT_BYTES, _BESIDE, _HALVES_BESIDE = 1 << 23, 8, 4
#: Cuts for which a stretch keeps how its maps are laid out, and those for which it keeps programs, for each thread.
_LAID_OUT, _PROGRAMS = 64, 16
#: The greatest result that may come: as far below what float32 holds as Winograd's tiles go beyond it.
_LARGEST: Final = 1e34


@record(kw_only=False)
class Span:
    """Steps `first` to `last` of a stretch, computed as `kind` says."""

    first: int
    last: int
    kind: str


class Stretch:
    """Steps whose last one's result is made of `channels` that enter; they may be run by several threads."""

    def __init__(self, steps: Sequence[Step], channels: int, spans: Sequence[Span]) -> None:
        self.steps, self.spans = tuple(steps), tuple(spans)
        self._pieces = [_piece(steps, channels, span) for span in spans]
        self._tiled = any(span.kind == TILES for span in spans)
        self._most = _most(steps)
        self._programs: dict[tuple[int, tuple[int, int], Cut], tuple[object, rolling.Program]] = {}
        self._maps: dict[tuple[tuple[int, int], Cut], list[rolling.Map]] = {}

    def bears(self, x: Floats) -> bool:
        """Whether all samples are finite, and small enough for all results to be so, and none far above the others."""
        flat = laid(x).reshape(-1)
        # No sample is larger than the root of their sum of squares.
        finite = self._most > 0 and bool(math.sqrt(np.dot(flat, flat)) < self._most)
        return finite and (not self._tiled or Facts(flat, plain=False).bounded)

    def reads(self, size: tuple[int, int], cut: Cut) -> Cut:
        """The rows of an input of this size of which a cut of the result is made."""
        return self._laid_out(size, cut)[0].cut

    def _laid_out(self, size: tuple[int, int], cut: Cut) -> list[rolling.Map]:
        maps = self._maps.get((size, cut))
        if maps is None:
            if len(self._maps) >= _LAID_OUT:
                self._maps.clear()
            maps = self._maps[size, cut] = rolling.laid_out(self._pieces, size, cut)
        return maps

    def cuts(self, size: tuple[int, int], cost: float) -> list[Cut]:
        """Cuts of the result for an input of this size, of which all takes so many nanoseconds."""
        height, width = rolling.sizes_of(self._pieces, size)[-1]
        first, stop = self.reads(size, (height // 2, height // 2 + 1))
        beside = (stop - first) * height / size[0]
        row = 4 * (width * self.steps[-1].channels + size[0] / height * size[1] * self._pieces[0].inputs)
        count = math.ceil(height / max(_CUT_BYTES / row, _BESIDE * beside))
        worth = cost > _THREADS and not self.has_threads_below(cost)
        if count == 1 and worth and height >= _HALVES_BESIDE * beside:
            count = 2
        return [(height * part // count, height * (part + 1) // count) for part in range(count)]

    def has_threads_below(self, cost: float) -> bool:
        """Whether most of it, which takes so many nanoseconds, is one network of OpenCV's.

        OpenCV's threads go on turning for a while after each, beside what is not.
        """
        whole = any(2 * (span.last - span.first + 1) > len(self.steps) for span in self.spans if span.kind == NET)
        return whole and cost > _THREADS_BELOW

    def run(self, x: Floats, cut: Cut, out: Floats) -> None:
        """Fills the rows of a cut of `out`, `(height, width, channels)`, from `x`, of the same axes, in float32."""

        def store(planes: Floats, first: int) -> None:
            target = out[first : first + planes.shape[1]]
            if planar(out) or out.shape[-1] == 1:
                channels_first(target)[...] = planes
            else:
                join_to(channels_last(np.ascontiguousarray(planes)), target)

        self._program((x.shape[0], x.shape[1]), cut).run(x, store)

    def _program(self, size: tuple[int, int], cut: Cut) -> rolling.Program:
        """The one for this thread, where it stays, as long as the scratch arrays do on which it is."""
        key, arrays = (get_ident(), size, cut), prepared(Stretch, object)
        there, program = self._programs.get(key, (None, None))
        if program is None or there is not arrays:
            program = rolling.Program(self._pieces, self._laid_out(size, cut))
            if program.is_short:
                # Others of this thread would hold memory that it has given up.
                others = {
                    other: one for other, one in self._programs.copy().items()
                    if other[0] != key[0] or one[0] is arrays
                }  # fmt: skip
                self._programs = {**(others if len(others) < _PROGRAMS else {}), key: (arrays, program)}
        return program


def _piece(steps: Sequence[Step], channels: int, span: Span) -> Piece:
    inputs = steps[span.first - 1].channels if span.first else channels
    if span.kind != NET:
        return Product(steps[span.first], span.kind)
    own = range(span.first, span.last + 1)
    numbers = {number: number - span.first for number in own}
    return Net(
        [
            replace(steps[number], inputs=tuple(numbers.get(source, ENTERS) for source in steps[number].inputs))
            for number in own
        ],
        inputs,
    )


def _most(steps: Sequence[Step]) -> float:
    """The largest sample for which no result is beyond `_LARGEST`; 0 where there is none."""
    # Of samples up to m no result is beyond factor * m + more.
    bounds = {ENTERS: (1.0, 0.0)}
    most = _LARGEST
    for number, step in enumerate(steps):
        read = [bounds[source] for source in step.inputs]
        # Of what is added all counts, of what is joined the largest.
        both = sum if step.operator == "Add" else max
        factor, more = (step.magnify * both(part) for part in zip(*read, strict=True))
        if step.bias is not None:
            more += float(np.abs(step.bias).max())
        if step.curve is not None and step.curve.numbers.size:
            bend = max(1.0, float(np.abs(step.curve.numbers).max()))
            factor, more = factor * (bend if step.curve.name == "slope" else 1.0), more * bend + bend
        if not factor + more < _LARGEST:
            return 0.0
        bounds[number] = factor, more
        most = min(most, (_LARGEST - more) / max(factor, 1.0))
    return most


def cost_within(shape: Sequence[int], groups: int, grid: Grid) -> float:
    """Nanoseconds that a bank of weights of this shape takes in a network of OpenCV's."""
    outputs, inputs, *taps = shape
    area, samples = math.prod(taps), math.prod(grid.lengths)
    mapped = samples * (outputs + inputs * groups * math.prod(grid.stride)) * _MAPPED
    if inputs == 1 and outputs == groups:
        return samples * outputs * area * _SINGLE + mapped
    blocks = 1.0
    for channels in (inputs, outputs // groups):
        blocks *= _BLOCK * math.ceil(channels / _BLOCK)
    return samples * groups * blocks * area * (_POINT if area == 1 else _WINDOW) + mapped


def cost_of_products(shape: Sequence[int], grid: Grid, *, even: bool) -> tuple[float, str]:
    """Nanoseconds that a bank of weights of this shape, without groups, takes as products, and of what kind; `even`
    where its result has the size of what it reads."""
    outputs, inputs, *taps = shape
    samples, depth, kind = math.prod(grid.lengths), inputs * math.prod(taps), processor()
    few = _FEW_ROWS[kind is not WIDE]
    each = SPEEDS[kind.name].product + few / outputs
    apart = max(grid.stride) > 1
    laid = depth * (_APART_COLUMN if apart else _COLUMN) if depth > inputs or apart else 0.0
    costs = {COLUMNS: samples * (outputs * depth * each + laid)}
    if not apart and even and depth > inputs:
        rows = outputs * depth // inputs
        costs[SHIFTS] = samples * rows * (_BESIDE_TAPS * inputs * (SPEEDS[kind.name].product + few / rows) + _ADDED)
    for plan in options(work_of(shape, 1, grid), kind):
        if plan.algorithm == "winograd":
            costs[TILES] = samples * plan.cost * _FEW_TILES
    best = min(costs, key=costs.__getitem__)
    return costs[best] + samples * outputs * _ROLLED + _FETCHED * math.prod(shape) + PASSING, best


def cost_alone(shape: Sequence[int], groups: int, grid: Grid, *, bent: bool) -> float:
    """Nanoseconds that the same takes as a layer of its own, which is `bent` where it has a bias or an activation."""
    work = work_of(shape, groups, grid, planes=False)
    each = plan_bank(work).cost + bent * _BENT * shape[0]
    if max(grid.stride) > 1 and groups == 1 and work.area > 1:
        each += _APART * work.depth
    return each * math.prod(grid.lengths) + _FETCHED * math.prod(shape) + _CALLS


def cost_of_reading(samples: int) -> float:
    """Nanoseconds that a pool or join of so many samples, all taps counted, takes in a network of OpenCV's."""
    return _MAPPED * samples
