"""How a deformable kernel's bands are computed: where its taps read, and by which algorithm."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from convcli.engine.bank.layouts import join
from convcli.engine.dtypes import planar
from convcli.engine.memory import scratch, scratch_space
from convcli.engine.sampled.parts import TALL
from convcli.engine.sampled.samples import Gathering, mix, sample
from convcli.engine.sampled.warp import INTEGERS, Outside, Windows, moved_call, read_pixels, read_planes
from convcli.ops.reads import Reads, inside

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, Call, DTypeLike, Floats, Signature
    from convcli.engine.sink import Sink
    from convcli.engine.tiles import Region
    from convcli.ops.reads import Deformation
    from convcli.ops.sources import Block, Factors, Shifting

    #: Offsets and mask of a half-open range of rows, made from the picture that is looked at where they are not fixed.
    Sources = Callable[[tuple[int, int]], tuple[Shifting, Factors | None]]

#: Places that are looked at together, and samples of all taps and channels that are held at once.
PLACES = 1 << 19
HELD = 1 << 20
#: Places of the smallest blocks: those of many taps are narrower, down to a single output.
MOST_PLACES = 1 << 22
#: Columns of stored offsets that are read one after another: memory is slow where rows are short.
WIDE = 1 << 10
#: Rows of a block at least, unless its places are too many.
LOWEST = 8
#: Columns of a block whose samples are held at once, at most.
TOGETHER = 256
#: Channels of an offset group from which on pixels are gathered whole.
GATHERED = 32
#: Up to so many samples two bands are enough.
FEW = 1 << 20


class Sampling:
    """Pictures `(height, width, channels)` of one size under a deformable kernel, in float32 or float64."""

    def __init__(self, kernel: Deformation, size: Sequence[int], dtype: DTypeLike) -> None:
        self.kernel, self.size, self.dtype = kernel, tuple(size[:2]), np.dtype(dtype)
        self.weights = kernel.weights.reshape(*kernel.weights.shape[:-2], -1).astype(dtype)
        self.reads, self.outside = Reads(kernel, self.size, dtype), Outside.of(kernel.border)
        lengths = [window.length for window in kernel.windows]
        #: Samples that are read for one output, and for all of them.
        self.samples = self.weights.shape[-1] * size[2]
        self.total = self.samples * math.prod(lengths)
        self._all = (0, lengths[0]), (0, lengths[1])

    @property
    def rows(self) -> int:
        """The height that bands should have: all threads get some, and places lie near one another."""
        return min(TALL, -(-self._all[0][1] // (2 if self.total <= FEW else 4)))

    def target(self, image: Array, sink: Sink) -> Array | None:
        """Where bands may be made at once, in the dtype of the output; None where that is to be done with care."""
        if not self._lays_pixels(image) or planar(sink.out):
            return None
        # Integers `remap` rounds as we do.
        native = sink.native(image.dtype, exact=True) if image.dtype in INTEGERS and self._moves else None
        return sink.target(self.dtype) if native is None else native

    def _lays_pixels(self, image: Array) -> bool:
        """Whether results are made pixel by pixel, not as planes."""
        return self._whole(image) or self._gathers

    @property
    def _gathers(self) -> bool:
        """Whether so many channels are read together that all of a pixel is gathered, by what its neighbours weigh."""
        many = self.weights.ndim == 3 and self.weights.shape[1] // self.kernel.offset_groups >= GATHERED
        return many and self.kernel.groups == 1 and self.dtype == np.float32

    @cached_property
    def by_pixels(self) -> list[Floats]:
        """The weights of each offset group, `(taps * channels, outputs)`."""
        parts = np.split(self.weights.transpose(2, 1, 0), self.kernel.offset_groups, axis=1)
        return [np.ascontiguousarray(part).reshape(-1, self.weights.shape[0]) for part in parts]

    def _whole(self, image: Array) -> bool:
        """Whether a single tap reads pixels with all channels."""
        return self._is_single and image.shape[2] in (1, 3, 4) and not planar(image)

    @property
    def _moves(self) -> bool:
        """Whether samples are only moved: bilinearly, by a single tap of 1."""
        return self._is_single and self.weights[0] == 1 and not self.kernel.masked

    @property
    def _is_single(self) -> bool:
        """Whether there is one tap, at the same place in all channels."""
        return self.weights.size == 1 == self.weights.ndim and self.kernel.offset_groups == 1

    def small_call(self, own: tuple[Shifting, Factors | None], x: Signature) -> Call | None:
        """All of a small picture, by one call of `remap` where that can be; None where no results are of its dtype."""
        moved = self._moves and x.shape[2] in (1, 3, 4) and not x.planes
        if x.native and not (moved and x.dtype in INTEGERS):
            return None
        in_blocks = partial(self._call, own, x.dtype if x.native else self.dtype)
        if not moved or not (x.native or x.dtype == np.float32):
            return in_blocks
        rows, columns = (slice(*ends) for ends in self._all)
        with scratch_space():
            places = [part[0, 0, 0].copy() for part in self.reads.shifts((rows, columns), own[0]).places()]
        return moved_call(places, x.shape, self.kernel.border, x.dtype, in_blocks) or in_blocks

    def _call(self, own: tuple[Shifting, Factors | None], dtype: DTypeLike, image: Array, out: Array | None) -> Array:
        """All of a picture: see `Signature`."""
        if out is None and dtype != self.dtype:
            out = scratch("moved", (*(stop for _, stop in self._all), image.shape[2]), dtype)
        with np.errstate(all="ignore"):
            return self.band(image, lambda rows: own, self._all, out)

    def band(self, image: Array, sources: Sources, region: Region, target: Array | None = None) -> Array:
        """`(*region, channels out)`; as a part of the `target`, in its dtype, where there is one."""
        (top, bottom), (_, width) = region
        pixels, own = self._lays_pixels(image), sources(region[0])
        shape = (bottom - top, width, self.kernel.channels_out)
        if target is not None:
            y = target[top:bottom]
        elif pixels:
            y = scratch("band", shape, self.dtype)
        else:
            y = np.moveaxis(scratch("band", (shape[2], *shape[:2]), self.dtype), 0, -1)
        for rows, columns in self._blocks if region == self._all else self._cut(region):
            block = _Block(self, image, (rows, columns), own)
            part = y[rows.start - top : rows.stop - top, columns]
            if self._gathers:
                block.fill_gathered(part)
            else:
                block.fill(part, whole=pixels)
        if own[0].lost is not None:
            y[own[0].lost] = np.nan
        return y if pixels or planar(image) or target is not None else join(np.moveaxis(y, -1, 0))

    @cached_property
    def _blocks(self) -> list[Block]:
        """Those of all of a picture, of which many may come."""
        return list(self._cut(self._all))

    def _cut(self, region: Region) -> Iterator[Block]:
        """A region in blocks whose places and samples are few enough."""
        (top, bottom), (_, width) = region
        taps = self.kernel.offset_groups * self.weights.shape[-1]
        least = max(1, min(LOWEST, MOST_PLACES // taps))
        wide = max(1, min(width if self.kernel.by_rule else min(width, WIDE), MOST_PLACES // (taps * least)))
        few = min(TALL, HELD // (self.samples * min(width, TOGETHER)), PLACES // (taps * wide))
        for rows in _ranges(top, bottom, max(least, few)):
            for columns in _ranges(0, width, wide):
                yield rows, columns


class _Block:
    """A block of outputs of a picture `(height, width, channels)`, with the offsets and the mask that are its own."""

    def __init__(self, sampling: Sampling, image: Array, block: Block, own: tuple[Shifting, Factors | None]) -> None:
        self._sampling, self._kernel, self._image, self._block = sampling, sampling.kernel, image, block
        self._offsets, self._mask = own

    def fill(self, y: Array, *, whole: bool) -> None:
        """Fills `y`, `(h, w, channels out)`, part by part; `whole`: a single tap reads pixels with all channels."""
        self._fill(y, whole=whole, checked=not whole)
        # A NaN or an infinity among what is read is to be seen, perhaps where it is not to be.
        if whole and y.dtype.kind == "f" and not math.isfinite(np.vdot(y, y)):
            self._fill(y, whole=whole, checked=True)

    def _fill(self, y: Array, *, whole: bool, checked: bool) -> None:
        far, weights, outside = [], self._sampling.weights, self._sampling.outside
        windows = Windows(self._image, self._kernel.border, y.dtype)
        for part, reading in self._sampling.reads.of(self._block, self._offsets, moved=y.dtype == np.uint8):
            window = None if reading is None else windows.of(part, checked=checked, compact=reading.compact)
            if window is None or reading is None:
                far.append(part)
                continue
            own = y[part.rows, part.columns]
            if not whole:
                own[...] = self._mixed(read_planes(window, reading, outside), inside(self._block, part)).transpose(
                    1, 2, 0
                )
                continue
            read_pixels(window, reading, own, outside)
            if weights[0] != 1:
                own *= weights[0]
            if self._mask is not None:
                factors = self._mask.of(inside(self._block, part))[0, 0, 0, ..., None]
                np.multiply(own, factors, out=own, casting="same_kind")
        # Last, for they make places of their own in the same scratch memory.
        for part in far:
            block = inside(self._block, part)
            mixed = self._mixed(self._gathered(block), block).transpose(1, 2, 0)
            own = y[part.rows, part.columns]
            np.copyto(own, np.rint(mixed) if own.dtype.kind == "u" else mixed, casting="unsafe")

    def fill_gathered(self, y: Array) -> None:
        """Fills `y`, `(h, w, channels out)`, by products of the pixels that all taps of outputs read."""
        weights, (height, width) = self._sampling.by_pixels, y.shape[:2]
        share = self._image.shape[2] // len(weights)
        known = self._sampling.reads.gatherings(self._block, lambda: self._gatherings(y.dtype))
        for group, (own, gathering) in enumerate(zip(weights, known, strict=True)):
            read = gathering.of(self._image[..., group * share : (group + 1) * share]).reshape(height * width, -1)
            mixed = np.matmul(read, own, out=scratch("mixed", (height * width, own.shape[1]), y.dtype))
            if group:
                y += mixed.reshape(y.shape)
            else:
                y[...] = mixed.reshape(y.shape)

    def _gatherings(self, dtype: DTypeLike) -> list[Gathering]:
        """What reads the pixels of each offset group, `(h, w, taps)`."""
        places = self._sampling.reads.shifts(self._block, self._offsets).places()
        masks = None if self._mask is None else self._mask.of(self._block)
        gatherings = []
        for group, (rows, columns) in enumerate(zip(*places, strict=True)):
            factors = None if masks is None else _taps_last(masks[group])
            own = _taps_last(rows), _taps_last(columns)
            gatherings.append(Gathering(self._sampling.size, *own, self._kernel.border, dtype, factors))
        return gatherings

    def _gathered(self, block: Block) -> Array:
        """`(channels, taps, h, w)` from anywhere in a picture of any kind."""
        rows, columns = self._sampling.reads.shifts(block, self._offsets).places()
        groups, _, _, *size = rows.shape
        share = self._image.shape[2] // groups
        samples = [
            sample(
                self._image[..., group * share : (group + 1) * share], rows[group].reshape(-1, *size),
                columns[group].reshape(-1, *size), self._kernel.border, self._sampling.dtype,
            )
            for group in range(groups)
        ]  # fmt: skip
        return np.ascontiguousarray(np.moveaxis(np.concatenate(samples, axis=-1), -1, 0))

    def _mixed(self, samples: Array, block: Block) -> Array:
        """`(channels out, h, w)` from samples, `(channels, taps, h, w)`, which are used up."""
        if self._mask is not None:
            grouped = samples.reshape(self._kernel.offset_groups, -1, *samples.shape[1:])
            np.multiply(grouped, self._mask.of(block), out=grouped, casting="same_kind")
        return mix(self._sampling.weights, samples, self._kernel.groups)


def _taps_last(planes: Array) -> Array:
    """`(..., h, w)`, those of all taps, as `(h, w, taps)`."""
    return np.ascontiguousarray(planes.reshape(-1, *planes.shape[-2:]).transpose(1, 2, 0))


def _ranges(start: int, stop: int, longest: int) -> list[slice]:
    return [slice(first, min(first + longest, stop)) for first in range(start, stop, longest)]
