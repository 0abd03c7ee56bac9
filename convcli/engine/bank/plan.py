"""Which algorithm computes a filter bank fastest: costs from counts, for each kind of processor; nothing is measured.

| algorithm       | what it does                                                     | where                          |
|-----------------|------------------------------------------------------------------|--------------------------------|
| `pointwise`     | one matrix product for all samples                               | a single tap                   |
| `net`           | a network of one layer, by OpenCV; float32, finite results       | groups, deep 3x3 banks         |
| `multiply-adds` | shifted multiply-adds of pixels                                  | a kernel per channel           |
| `planes`        | every pair of channels by the plan for planes                    | few pairs, and large kernels   |
| `shifts`        | one product over the channels for all taps, shifted additions    | many channels to few           |
| `winograd`      | F(4x4, 3x3): a quarter of the products, and two transforms       | 3x3 taps, many channels        |
| `winograd 2x2`  | F(2x2, 3x3): fewer weights to read, simpler transforms           | the same on small maps         |
| `rows`          | a matrix product for each row, of rows laid out once a tap across | few channels, long rows        |
| `columns`       | what outputs read is laid out as columns of one matrix product   | all else                       |
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from convcli.engine.bank.speeds import LEAST_COLUMNS, SPEEDS, VECTOR, Speeds
from convcli.engine.plan import FOURIER_AREA, Plan, Plane, plan_plane
from convcli.engine.processor import NARROW, Processor, line, processor
from convcli.records import record

#: Outputs of Winograd's tiles along an axis.
TILES = {"winograd": 4, "winograd 2x2": 2}
ALGORITHMS = ("pointwise", "net", "multiply-adds", "planes", "shifts", *TILES, "rows", "columns")

#: Nanoseconds for a call of `filter2D` on a plane, for a tap in each of its rows, and to keep a sample of its result.
PLANE_CALL, PLANE_ROW, PICKED = 2_600, 1.5, 0.3
#: The share of its time on large pictures that `filter2D` takes on planes that the caches hold: no wider vectors help;
#: and nanoseconds for a sample of pixels that are filtered by a plan for each plane, in many short bands.
CACHED, PARTED = 0.55, 6.0
#: Taps from which on it may be slower than what a plan for each band of a plane is: those may be separable.
BANDED = 26
#: Bytes of an input and its result that are filtered by one call.
CALL_BYTES = 1 << 23
#: Nanoseconds for the calls of a network, and of multiply-adds, and channels from which a network saves products.
NET, ADDS, DEEP = 15_000, 20_000, 64
#: Samples of rows to which the products of a tap are added by one call, what it takes, how many times what small
#: windows take those of tiles take to be laid out, and how many times planes are turned, and copied.
ADDED, ADD_CALL, TILED, TURNED = 1 << 15, 550, 4, 3
#: Nanoseconds for the calls that a group takes, and for a product among many; so many groups, whose columns go into few
#: products, take but a share of that of others.
GROUP, PRODUCT_CALL, MANY, GROUPED = 20_000, 250, 8, 0.66
#: Nanoseconds of work that are worth a band of its own, what another thread takes to begin one, and OpenCV's to begin;
#: and both of ours where threads hardly wait for Python's lock.
BAND, THREAD, POOL = 150_000, 150_000, 30_000
LEAN = 100_000
#: What another thread saves a network of single channels for a multiply-add, calls on planes that are long enough for
#: two threads, and what shorter ones wait for Python's lock.
SHARED, LONG, LOCKED = 0.03, 15_000, 15_000
#: Bytes that a band lays out, within the last cache's share of a core, and the fewest channels whose pixels are long
#: enough to be copied one by one.
BAND_BYTES, PIXELS = 3 << 20, 24
#: Rows of a band by Winograd, whole tiles, and the fewest channels on either side for it.
WINOGRAD_ROWS, WINOGRAD_CHANNELS = 64, 16


@record
class Bank:
    """A filter bank `(outputs, inputs, *taps)`, with `inputs` to a group, and the `lengths` of its output per axis.

    `planes` says that the channels of its input lie as planes, not pixel by pixel, `single` that it is computed in
    float32, `beside` that other threads compute the like meanwhile: this one starts none.
    """

    outputs: int
    inputs: int
    taps: tuple[int, ...]
    lengths: tuple[int, ...]
    groups: int = 1
    stride: tuple[int, ...] = (1, 1)
    dilation: tuple[int, ...] = (1, 1)
    planes: bool = True
    single: bool = True
    beside: bool = False

    @property
    def area(self) -> int:
        return math.prod(self.taps)

    @property
    def samples(self) -> int:
        """Outputs of one channel."""
        return math.prod(self.lengths)

    @property
    def per_group(self) -> int:
        return self.outputs // self.groups

    @property
    def bytes(self) -> int:
        """Of an input and its result."""
        return 4 * self.samples * (math.prod(self.stride) * self.inputs * self.groups + self.outputs)

    @property
    def depth(self) -> int:
        """Products per output."""
        return self.inputs * self.area


@lru_cache(maxsize=512)
def plan_bank(work: Bank, kind: Processor | None = None) -> Plan:
    """The fastest plan on a processor of this `kind`, by default this one; costs are for all channels of an output."""
    return min(options(work, kind or processor()), key=lambda plan: duration(work, plan))


def duration(work: Bank, plan: Plan) -> float:
    """Nanoseconds by the clock on two cores: OpenCV's threads begin sooner than ours, which wait for Python's lock.

    Groups of several channels are shared among threads in the same manner, whatever computes them. Of single ones a
    network shares what is not copied, and small planes gain nothing: threads wait for Python's lock after every call.
    """
    whole = plan.cost * work.samples
    if work.beside:
        return whole + LOCKED * work.outputs * (plan.algorithm == "planes")
    if work.groups > 1 and work.inputs > 1:
        return whole
    if work.groups > 1 and plan.algorithm == "net":
        return whole - work.outputs * work.area * work.samples * SHARED
    if work.groups > 1:
        apart = 0 < plan.rows < work.lengths[0] and plan.algorithm != "planes"
        return whole / 2 + THREAD if apart or plan.shares > 1 or work.bytes > CALL_BYTES else whole
    if plan.algorithm == "net":
        return min(whole, whole / 2 + POOL)
    band, thread = _band(work, plan.algorithm)
    shared = plan.shares > 1 or (plan.rows < work.lengths[0] if plan.rows else whole >= 2 * band)
    return whole / 2 + thread if shared else whole


def _band(work: Bank, algorithm: str) -> tuple[float, float]:
    """Nanoseconds that are worth a band, and that another thread takes to begin: the least where all that it does is
    to copy pixels and to multiply, for which it hardly waits for Python's lock."""
    lean = algorithm == "columns" and by_pixels(work.inputs, work.groups)
    return (LEAN, LEAN) if lean else (BAND, THREAD)


def by_pixels(inputs: int, groups: int) -> bool:
    """Whether columns are made of pixels, `inputs` channels a group, and not of planes."""
    return groups == 1 and inputs >= PIXELS


def options(work: Bank, kind: Processor) -> Iterator[Plan]:
    """A plan for each algorithm that can compute `work`."""
    speeds = SPEEDS[kind.name]
    net = [_net(work, speeds)] if len(work.taps) == 2 and work.single and work.bytes <= CALL_BYTES else []
    if work.area == 1 and work.inputs > 1:
        mix = _plan(work, "pointwise", _product(speeds, work.per_group, work.inputs) * work.groups, work.inputs)
        yield mix
        # OpenCV, whose threads begin sooner, multiplies as fast as OpenBLAS does without AVX-512.
        if kind == NARROW and work.groups == mix.shares == 1 and mix.rows == work.lengths[0]:
            yield from net
        return
    product, calls = _product(speeds, work.per_group, work.depth), GROUP / work.samples
    # A stride takes samples of planes one by one.
    apart = max(work.stride) > 1 and not by_pixels(work.inputs, work.groups)
    laid = speeds.column * (2 if apart else 1)
    cost = work.groups * (work.depth * laid + product) * (GROUPED if work.groups >= MANY and work.inputs > 1 else 1)
    yield _plan(work, "columns", cost + work.groups * calls / 10, work.depth)
    if work.per_group > 1:
        yield _rows(work, speeds)
    if work.inputs == 1:
        yield from _multiply_adds(work, speeds)
    yield from net
    if work.area > 1:
        rows = work.per_group * work.area
        read = math.prod(work.stride) * _product(speeds, rows, work.inputs)
        cost = work.groups * (read + rows * speeds.shifted + calls)
        yield _plan(work, "shifts", cost, work.groups * rows * math.prod(work.stride))
    yield _planes(work, kind)
    deep = min(work.outputs, work.inputs) >= WINOGRAD_CHANNELS
    if work.taps == (3, 3) and max(work.stride) == 1 and work.groups == 1 and deep:
        yield from (_winograd(work, speeds, algorithm) for algorithm in TILES)


def _multiply_adds(work: Bank, speeds: Speeds) -> Iterator[Plan]:
    """By threads that lay out windows, and the phases of a stride; of a small input by one that adds to rows."""
    small, phases = work.bytes <= CALL_BYTES, math.prod(work.stride)
    laid = phases * speeds.turned
    turned = (1 + phases) * TURNED * speeds.turned * work.planes
    # Windows of tiles are copied, and then their phases; neither stays in a cache.
    each = work.area * speeds.multiply_add + laid * (1 if small else TILED) + turned
    yield _plan(work, "multiply-adds", work.outputs * each + ADDS / work.samples, work.outputs)
    if small and len(work.taps) == 2 and not work.planes and not work.beside:
        call = ADD_CALL / min(ADDED, work.outputs * work.samples)
        each = work.area * (speeds.added + call) + laid * (phases > 1)
        cost = work.outputs * each + ADDS / 4 / work.samples
        yield Plan(algorithm="multiply-adds", reason=_REASONS["multiply-adds"], cost=cost, rows=work.lengths[0])


def _rows(work: Bank, speeds: Speeds) -> Plan:
    width, macs = work.lengths[-1], work.per_group * work.depth
    down = work.taps[-2] if len(work.taps) > 1 else 1
    copies = work.depth / down * (work.stride[-2] if down > 1 else 1)
    product, packed = _product(speeds, work.per_group, work.depth), macs * speeds.packed
    if macs * width / max(1, width // LEAST_COLUMNS) <= speeds.unpacked:
        # It is made by whole vectors.
        product, packed = product * VECTOR * math.ceil(width / VECTOR) / width, 0
    cost = copies * speeds.column + product + (packed + PRODUCT_CALL) / width
    # What is laid out is no more than caches hold, however high a band is.
    read = work.inputs * work.groups * math.prod(work.stride)
    return _plan(work, "rows", work.groups * (cost + GROUP / 10 / work.samples), read)


def _net(work: Bank, speeds: Speeds) -> Plan:
    """Groups are filled up to blocks of eight channels, but for single ones."""
    product, strided = speeds.single, 1.0
    if max(work.inputs, work.per_group) > 1:
        blocks = [8 * math.ceil(channels / 8) / channels for channels in (work.inputs, work.per_group)]
        even = work.taps in ((1, 1), (3, 3)) and max(*work.stride, *work.dilation) == 1 and work.inputs >= DEEP
        product = math.prod(blocks) * (speeds.deep if even else speeds.blocked)
        strided = speeds.strided if max(work.stride) > 1 else 1.0
    read = work.groups * work.inputs * math.prod(work.stride)
    copied = (speeds.copied + (0 if work.planes else speeds.turned)) * (read + work.outputs)
    cost = work.outputs * work.depth * product * strided + copied + NET / work.samples
    return _plan(work, "net", cost, read + work.outputs)


def _product(speeds: Speeds, rows: int, depth: int) -> float:
    """A column of a product with a matrix of so many rows and columns."""
    return rows * depth * (speeds.product + speeds.few_rows / rows + speeds.shallow / depth)


def _planes(work: Bank, kind: Processor) -> Plan:
    """Planes that lie apart are not copied, pixels are turned."""
    banded = not work.planes and is_apart(work.inputs, work.taps, work.dilation, BANDED)
    if not _is_call(work) and not banded:
        cost = work.inputs * _plane(work, kind) + (0 if work.planes or work.inputs > 1 else PARTED)
        return _plan(work, "planes", work.outputs * cost, 0)
    # What is left out is made first.
    computed, width = math.prod(work.stride), work.lengths[1]
    each = computed * CACHED * line(NARROW.direct, work.area) + work.stride[0] * work.area * PLANE_ROW / width
    each += (PICKED if computed > 1 else 0) + (0 if work.planes else (1 + computed) * SPEEDS[kind.name].turned)
    # Twice the bytes of others: threads wait for Python's lock after each call.
    laid = 0 if work.planes else max(1, (work.groups * computed + work.outputs) // 2)
    rows = work.lengths[0] if _is_call(work) else max(1, BAND_BYTES // (4 * laid * width))
    call = PLANE_CALL + each * min(rows, work.lengths[0]) * width
    plan = _plan(work, "planes", work.outputs * call / (min(rows, work.lengths[0]) * width), laid)
    return replace(plan, shares=2 if _is_call(work) and plan.cost * work.samples >= 2 * BAND and call >= LONG else 1)


def _plane(work: Bank, kind: Processor) -> float:
    """One pair of channels, and its sum, for an output, by the plan for planes; strided ones are picked from all."""
    speeds = SPEEDS[kind.name]
    taps, lengths = ((1, 1, *sizes)[-2:] for sizes in (work.taps, work.lengths))
    plain = plan_plane(Plane(taps=(taps[0], taps[1]), height=lengths[0], width=lengths[1], processor=kind))
    slices = math.prod(work.taps[:-2]) if len(work.taps) > 2 else 1
    steps = max(work.stride) * max(work.dilation)
    return slices * (steps * plain.cost + speeds.shifted + steps * speeds.call / math.prod(lengths))


def is_apart(inputs: int, taps: Sequence[int], dilation: Sequence[int], most: int = FOURIER_AREA) -> bool:
    """Whether each channel is filtered by a call of `filter2D`."""
    return inputs == 1 and len(taps) == 2 and max(dilation) == 1 and math.prod(taps) < most


def _is_call(work: Bank) -> bool:
    """Whether that is done with all of a small input, where several have turns."""
    return work.bytes <= CALL_BYTES and work.groups > 1 and is_apart(work.inputs, work.taps, work.dilation)


def _winograd(work: Bank, speeds: Speeds, algorithm: str) -> Plan:
    step, phases = TILES[algorithm], math.prod(work.dilation)
    places = (step + 2) ** 2
    sides = [math.ceil(length / apart) for length, apart in zip(work.lengths, work.dilation, strict=True)]
    tiles = phases * math.prod(math.ceil(side / step) for side in sides)
    read = places * work.inputs * (speeds.gathered + places * speeds.product)
    put = step**2 * work.outputs * (speeds.gathered + places * speeds.product)
    tile = read + places * _product(speeds, work.outputs, work.inputs) + put
    weights, once = places * work.outputs * work.inputs * speeds.streamed, speeds.transforms
    turned = work.samples * (work.inputs + work.outputs) * speeds.turned * work.planes
    whole = tiles * tile + weights + turned + once
    height, apart = work.lengths[0], step * work.dilation[0]
    rows = -(-min(WINOGRAD_ROWS, -(-height // 2)) // apart) * apart
    # Two threads share rows, or, where there are more weights than tiles, outputs; few are made by one.
    divisions = {
        (rows, 1): rows / height * (tiles * tile + turned) + weights + once + THREAD,
        (height, 2): (tiles * (tile + read) + weights + turned) / 2 + once + THREAD,
        (height, 1): whole,
    }
    rows, shares = min(divisions, key=lambda one: divisions[one]) if work.bytes <= CALL_BYTES else (rows, 1)
    reason = f"tiles of {step}x{step}"
    return Plan(algorithm=algorithm, reason=reason, cost=whole / work.samples, rows=rows, shares=shares)


_REASONS = {
    "pointwise": "matrix product of pixels",
    "rows": "matrix products for rows",
    "columns": "matrix product of columns",
    "net": "a network of one layer",
    "multiply-adds": "shifted multiply-adds",
    "shifts": "one product for all taps, shifted additions",
    "planes": "every pair of channels",
}


def _plan(work: Bank, algorithm: str, cost: float, laid: int) -> Plan:
    """A plan whose bands lay out so many samples per output, and are even in number where they are worth two."""
    height, row = work.lengths[0], work.samples // work.lengths[0]
    worth = int(cost * work.samples / _band(work, algorithm)[0])
    most = max(1, BAND_BYTES // max(1, 4 * laid * row))
    rows = 0 if not laid else height if worth < 2 else min(most, -(-height // 2))
    # Where weights are more than what is laid out for them, threads share those.
    shares = 2 if worth >= 2 and work.groups == 1 and work.outputs > work.samples and rows else 1
    return Plan(algorithm=algorithm, reason=_REASONS[algorithm], cost=cost, rows=rows, shares=shares)
