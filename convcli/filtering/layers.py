"""The layers of a network that have no kernel, as nodes: pools, joins, pixels made of channels."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from convcli.engine.dtypes import settled
from convcli.engine.geometry import Gather, Window
from convcli.engine.threads import Cut, Cuts, run_all
from convcli.filtering.graph import InMemory, Node, Part, Pointwise, order
from convcli.filtering.paging import Held

if TYPE_CHECKING:
    from convcli.engine.activation import Curve
    from convcli.engine.dtypes import Array, DTypeLike, Floats
    from convcli.networks import Placed
    from convcli.networks.stretches import Together

#: Bytes of a band of what is read.
_BAND_BYTES: Final = 1 << 20


class Stretched(Node):
    """A layer on `(..., height, width, channels)` whose rows are made of other rows: `compute(x, out, start)`.

    `x` is all of `(height, width, channels)`, of which the rows that `windows` tell are there; `out` are rows of the
    result from `start` on.
    """

    def __init__(self, part: Part, placed: Placed, shape: Sequence[int], curve: Curve | None, step: int = 1) -> None:
        super().__init__(shape, part.node.dtype, [part.node])
        self._part, self._windows, self._curve, self._step = part, placed.windows, curve, step

    @abstractmethod
    def compute(self, x: Array, out: Floats, start: int) -> None:
        """Fills some rows: see above."""

    def _cuts(self, *, fine: bool) -> Cuts:
        x, out, curve, compute = self._part.array, self.array, self._curve, self.compute
        if out.ndim > 3:  # pictures one after the other, each whole

            def pictures(cut: Cut) -> None:
                for source, target in zip(_flat(x[slice(*cut)]), _flat(out[slice(*cut)]), strict=True):
                    compute(source, target, 0)
                    if curve:
                        curve.bend(target)

            return Cuts(pictures, [(n, n + 1) for n in range(len(out))])
        rows = max(1, _BAND_BYTES * len(out) // max(1, x.nbytes) // self._step) * self._step

        def band(cut: Cut) -> None:
            compute(x, out[slice(*cut)], cut[0])
            if curve:
                curve.bend(out[slice(*cut)])

        return Cuts(band, [(start, min(start + rows, len(out))) for start in range(0, len(out), rows)])

    def reads(self, cut: Cut) -> Mapping[Node, Iterable[Cut]]:
        height = self._part.node.shape[0]
        first, stop = self._windows[0].reads(*cut)
        return {self._part.node: [(max(first, 0), min(stop, height))]}


def _flat(pictures: Array) -> Array:
    return pictures.reshape(-1, *pictures.shape[-3:])


class Pooled(Stretched):
    """The greatest sample, or the mean of those inside, of each window; with a `divisor` their sum divided by it."""

    def __init__(
        self, part: Part, placed: Placed, shape: Sequence[int], curve: Curve | None, divisor: float | None = None
    ) -> None:
        super().__init__(part, placed, shape, curve)
        self._greatest, self._divisor = placed.type == "pool max", divisor

    def compute(self, x: Array, out: Floats, start: int) -> None:
        """First down the rows, then along each: a window of k x k takes 2k passes."""
        combine, empty = (np.maximum, -np.inf) if self._greatest else (np.add, 0)
        # Sums of many float32 lose digits.
        kind = out.dtype if self._greatest else np.dtype(np.float64)
        rows = np.full((len(out), *x.shape[1:]), empty, kind)
        _gather(combine, x, rows, self._windows[0], start)
        wide: Floats = np.full(out.shape[1::-1] + out.shape[2:], empty, kind)
        _gather(combine, rows.swapaxes(0, 1), wide, self._windows[1], 0)
        result = wide.swapaxes(0, 1)
        if self._divisor:
            result /= self._divisor
        elif not self._greatest:
            down = _counts(self._windows[0], x.shape[0], start, len(out))
            result = result / (down[:, None, None] * _counts(self._windows[1], x.shape[1], 0, out.shape[1])[:, None])
        out[...] = result


def pooled_whole(part: Part, placed: Placed, shape: Sequence[int], curve: Curve | None, dtype: DTypeLike) -> Node:
    """One pixel of all others: their greatest, or their mean. Strips of rows first, so that they come and go."""
    height, width = placed.size_in
    rows = max(1, min(height, _BAND_BYTES // max(1, 4 * width * placed.channels_in)))
    count = -(-height // rows)
    down, across = Gather(rows, rows, 1, 0, count), Gather(width, 1, 1, 0, 1)
    by_strips = replace(placed, windows=(down, across))
    of_strips = replace(placed, windows=(Gather(count, 1, 1, 0, 1), Gather(1, 1, 1, 0, 1)))
    greatest = placed.type == "pool max"
    strips = Pooled(part, by_strips, (*shape[:-3], count, 1, shape[-1]), None, None if greatest else 1.0)
    strips.dtype = np.dtype(dtype if greatest else np.float64)
    result = Pooled(Part(strips), of_strips, shape, curve, None if greatest else float(height * width))
    result.dtype = np.dtype(dtype)
    return result


def _gather(combine: np.ufunc, x: Array, out: Floats, window: Window, start: int) -> None:
    """Combines with `out`, outputs from `start` on of `window` along the first axis, all samples of theirs that are."""
    if window.length == 1 and window.taps == len(x):
        combine(out[0], combine.reduce(x, axis=0, dtype=out.dtype), out=out[0])
        return
    for tap in range(window.taps):
        first = tap - window.before
        low = max(start, -(first // window.stride))
        high = min(start + len(out), (len(x) - 1 - first) // window.stride + 1)
        if low < high:
            source = x[low * window.stride + first : (high - 1) * window.stride + first + 1 : window.stride]
            target = out[low - start : high - start]
            combine(target, source, out=target)


def _counts(window: Window, n: int, start: int, length: int) -> Floats:
    """Samples of each output's window that lie inside `n` of them."""
    first = np.arange(start, start + length) * window.stride - window.before
    inside: Floats = (np.minimum(first + window.taps, n) - np.maximum(first, 0)).astype(np.float64)
    return inside


class Shuffled(Stretched):
    """Depth to space: each sample's channels become its pixels, `factor` by `factor` of them; or the opposite.

    Source: Shi et al. 2016, arXiv:1609.05158; ONNX's DepthToSpace, whose orders `crd` and `dcr` are.
    """

    def __init__(self, part: Part, placed: Placed, shape: Sequence[int], curve: Curve | None) -> None:
        self._factor, self._by_column = placed.windows[0].stride, placed.type.endswith("dcr")
        self._gathers = placed.type.startswith("space")
        super().__init__(part, placed, shape, curve, 1 if self._gathers else self._factor)

    def compute(self, x: Array, out: Floats, start: int) -> None:
        factor = self._factor
        if self._gathers:
            rows = x[start * factor : (start + len(out)) * factor]
            deep, pixels = self._views(out, rows)
            deep[...] = pixels
        else:
            rows = x[start // factor : -(-(start + len(out)) // factor)]
            deep, pixels = self._views(rows, out)
            pixels[...] = deep

    def _views(self, deep: Array, flat: Array) -> tuple[Array, Array]:
        """What has channels and what has pixels of them, as `(rows, factor, columns, factor, channels)`."""
        (height, width), factor, channels = deep.shape[:2], self._factor, flat.shape[-1]
        pixels = flat.reshape(height, factor, width, factor, channels)
        if self._by_column:
            return deep.reshape(height, width, factor, factor, channels).transpose(0, 2, 1, 3, 4), pixels
        return deep.reshape(height, width, channels, factor, factor).transpose(0, 3, 1, 4, 2), pixels


class Chained(Node):
    """Several layers that are computed together; `apart` where results may not be finite.

    `apart` makes, of the node that they read, the node of their last one.
    """

    def __init__(self, part: Part, one: Together, shape: Sequence[int], apart: Callable[[Node], Node]) -> None:
        super().__init__(shape, part.node.dtype, [part.node])
        self._part, self._one, self._apart = part, one, apart
        self.below = one.below

    def _cuts(self, *, fine: bool) -> Cuts:
        x, out, stretch, apart, rows_of = self._part.array, self.array, self._one.stretch, self._apart, self._rows

        def work(cut: Cut) -> None:
            if stretch.bears(x[slice(*rows_of(cut))]):
                stretch.run(x, cut, out)
            else:
                out[slice(*cut)] = _made(apart(InMemory(x)), cut)[slice(*cut)]

        return Cuts(work, self._one.cuts)

    def _rows(self, cut: Cut) -> Cut:
        height, width = self._part.node.shape[:2]
        return self._one.stretch.reads((height, width), cut)

    def reads(self, cut: Cut) -> Mapping[Node, Iterable[Cut]]:
        return {self._part.node: [self._rows(cut)]}


class EachAlone(Node):
    """Pictures one after the other, each made of one of another node's by nodes of its own, which `alone` lays out: a
    large stack takes the memory of as many of its pictures as there are threads."""

    def __init__(self, part: Part, shape: Sequence[int], dtype: DTypeLike, alone: Callable[[Node], Node]) -> None:
        super().__init__(shape, dtype, [part.node])
        self._part, self._alone = part, alone

    def _cuts(self, *, fine: bool) -> Cuts:
        x, out, alone = self._part.array, self.array, self._alone

        def work(cut: Cut) -> None:
            for picture, target in zip(_flat(x[slice(*cut)]), _flat(out[slice(*cut)]), strict=True):
                target[...] = _made(alone(InMemory(settled(picture))), (0, len(target)))

        return Cuts(work, [(n, n + 1) for n in range(len(out))])

    def reads(self, cut: Cut) -> Mapping[Node, Iterable[Cut]]:
        return {self._part.node: [cut]}


def _made(target: Node, rows: Cut) -> Array:
    """A node's array with these rows; whatever they are made of is made at once, and given up when no other is made
    of it."""
    nodes = order([target])
    readers = Counter(source for node in nodes for source in node.sources)
    wanted: dict[Node, list[Cut]] = {target: [rows]}
    for node in nodes:
        if not node.begun:
            node.begin(Held, fine=False)
    for node in reversed(nodes):
        for band in node.bands(wanted.get(node, [])):
            for source, read in node.reads(node.cuts[band]).items():
                wanted.setdefault(source, []).extend(read)
    for node in nodes:
        bands = [node.cuts[band] for band in sorted(node.bands(wanted.get(node, [])))]
        run_all(node.work, bands, below=node.below)
        for source in node.sources:
            readers[source] -= 1
            if not readers[source]:
                source.drop()
    return target.array


def joined(placed: Placed, parts: Sequence[Part], curve: Curve | None, dtype: DTypeLike) -> Node:
    """What a layer makes of several others, sample by sample."""
    make = partial(_picked, placed.picked) if placed.picked else _JOINS[placed.type]
    return Pointwise(partial(bent, make, curve), parts, placed.channels_out, dtype)


def bent(make: Any, curve: Curve | None, out: Floats, *rows: Array) -> None:
    """Makes some rows, and applies an activation to them."""
    make(out, *rows)
    if curve:
        curve.bend(out)


def _one_by_one(combine: np.ufunc, out: Floats, first: Array, *others: Array) -> None:
    np.copyto(out, first)
    with np.errstate(all="ignore"):
        for other in others:
            combine(out, other, out=out)


def _picked(channels: tuple[int, ...], out: Floats, rows: Array) -> None:
    first, step = channels[0], channels[1] - channels[0] if len(channels) > 1 else 1
    evenly = step > 0 and channels == tuple(range(first, first + len(channels) * step, step))
    out[...] = rows[..., first : channels[-1] + 1 : step] if evenly else rows[..., channels]


def _beside(out: Floats, *rows: Array) -> None:
    place = 0
    for one in rows:
        out[..., place : place + one.shape[-1]] = one
        place += one.shape[-1]


_JOINS: Final[Mapping[str, Callable[..., None]]] = {
    "add": partial(_one_by_one, np.add), "subtract": partial(_one_by_one, np.subtract),
    "multiply": partial(_one_by_one, np.multiply), "divide": partial(_one_by_one, np.divide),
    "concat": _beside, "activate": np.copyto,
}  # fmt: skip
