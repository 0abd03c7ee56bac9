"""How a deformable kernel's bands are computed: where its taps read, and by which algorithm."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from convcli.engine.bank.layouts import join
from convcli.engine.dtypes import planar
from convcli.engine.memory import scratch
from convcli.engine.sampled.parts import (
    BYTES_FAR,
    BYTES_SPAN,
    FAR,
    SPAN,
    Part,
    Shifts,
    far_parts,
    is_narrow,
    near_part,
    tight,
)  # fmt: skip
from convcli.engine.sampled.samples import BLOCK, mix, sample
from convcli.engine.sampled.warp import Local, read_pixels, read_planes, window_of
from convcli.ops.sources import Block
from convcli.records import record

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, DTypeLike
    from convcli.engine.geometry import Window
    from convcli.engine.tiles import Region
    from convcli.ops.sources import Factors, Shifting

    #: Offsets and mask of a half-open range of rows, made from the picture that is looked at where they are not fixed.
    Sources = Callable[[tuple[int, int]], tuple[Shifting, Factors | None]]

#: Places that are looked at together, and samples of all taps and channels that are held at once.
PLACES = 1 << 19
HELD = 1 << 20
#: Places of the smallest blocks: those of many taps are narrower, down to a single output.
MOST_PLACES = 1 << 22
#: Columns of stored offsets that are read one after another: memory is slow where rows are short.
WIDE = 8 * BLOCK
#: Up to so many samples two bands are enough.
FEW = 1 << 20

#: Bytes of places that are kept from one picture to the next.
KEPT_BYTES = 1 << 26

#: A block as four numbers, and whether bytes are moved.
Corners = tuple[int, int, int, int, bool]
#: A part of a block, and where its taps read; None where `remap` can't read there.
Read = tuple[Part, Local | None]


class Places:
    """What the taps of blocks read, for the next picture of one size: of as many blocks as `KEPT_BYTES` are enough for.

    Two threads may make those of the same block: they are the same.
    """

    def __init__(self) -> None:
        self.reads: dict[Corners, list[Read]] = {}
        self._room = KEPT_BYTES

    def has_room(self, size: int) -> bool:
        """Whether so many bytes more are kept."""
        self._room -= size
        return self._room >= 0


@record(eq=False)
class Deformation:
    """A deformable kernel as pictures of one size are sampled by it.

    `weights` are the effective ones, `windows` those of the rows and columns without offsets. `parts` keeps how blocks
    are cut from one picture to the next, where offsets are the same for every picture; `places`, where they are made by
    a rule, what the taps of blocks read.
    """

    weights: Array
    windows: Sequence[Window]
    groups: int
    offset_groups: int
    channels_out: int
    border: str
    parts: dict[Corners, list[Part]]
    places: Places | None
    #: Whether offsets are the same for every picture, and whether they are a rule of the place.
    fixed: bool
    by_rule: bool
    masked: bool


class Sampling:
    """Pictures `(height, width, channels)` of one size under a deformable kernel, in float32 or float64."""

    def __init__(self, kernel: Deformation, size: Sequence[int], dtype: DTypeLike) -> None:
        self.kernel, self.size, self.dtype = kernel, tuple(size[:2]), np.dtype(dtype)
        taps = kernel.weights.shape[-2:]
        self.weights = kernel.weights.reshape(*kernel.weights.shape[:-2], -1).astype(dtype)
        self._taps = (kernel.offset_groups, *taps)
        self._nominal = [
            np.arange(count, dtype=np.float64)[:, None] * window.dilation
            + (np.arange(window.length, dtype=np.float64) * window.stride - window.before)
            for count, window in zip(taps, kernel.windows, strict=True)
        ]
        lengths = [window.length for window in kernel.windows]
        #: Samples that are read for one output, and for all of them.
        self.samples = math.prod(taps) * size[2]
        self.total = self.samples * math.prod(lengths)
        self._all = (0, lengths[0]), (0, lengths[1])
        self._record: Array | None = None

    @property
    def rows(self) -> int:
        """The height that bands should have: all threads get some, and places lie near one another."""
        return min(BLOCK, -(-self._all[0][1] // (2 if self.total <= FEW else 4)))

    def moves_bytes(self, image: Array) -> bool:
        """Whether bytes are only moved: bilinearly, by a single tap of 1."""
        return image.dtype == np.uint8 and self._whole(image) and self.weights[0] == 1 and not self.kernel.masked

    def _whole(self, image: Array) -> bool:
        """Whether a single tap reads pixels with all channels."""
        return self.weights.size == 1 == self.weights.ndim and image.shape[2] in (1, 3, 4) and not planar(image)

    def call(self, sources: Sources, image: Array, out: Array | None) -> Array:
        """All of a picture: see `Signature`."""
        with np.errstate(all="ignore"):
            return self.band(image, sources, self._all, out)

    def band(self, image: Array, sources: Sources, region: Region, target: Array | None = None) -> Array:
        """`(*region, channels out)`; as a part of the `target`, in its dtype, where there is one."""
        (top, bottom), (_, width) = region
        whole, own = self._whole(image), sources(region[0])
        shape = (bottom - top, width, self.kernel.channels_out)
        if target is not None:
            y = target[top:bottom]
        elif whole:
            y = scratch("band", shape, self.dtype)
        else:
            y = np.moveaxis(scratch("band", (shape[2], *shape[:2]), self.dtype), 0, -1)
        for rows, columns in self._blocks if region == self._all else self._cut(region):
            _Block(self, image, (rows, columns), own).fill(y[rows.start - top : rows.stop - top, columns], whole=whole)
        if own[0].lost is not None:
            y[own[0].lost] = np.nan
        return y if whole or planar(image) or target is not None else join(np.moveaxis(y, -1, 0))

    @cached_property
    def _blocks(self) -> list[Block]:
        """Those of all of a picture, of which many may come."""
        return list(self._cut(self._all))

    def _cut(self, region: Region) -> Iterator[Block]:
        """A region in blocks whose places and samples are few enough."""
        (top, bottom), (_, width) = region
        taps = math.prod(self._taps)
        least = max(1, min(BLOCK // 16, MOST_PLACES // taps))
        wide = max(1, min(width if self.kernel.by_rule else min(width, WIDE), MOST_PLACES // (taps * least)))
        few = min(BLOCK, HELD // (self.samples * min(width, SPAN)), PLACES // (taps * wide))
        for rows in _ranges(top, bottom, max(least, few)):
            for columns in _ranges(0, width, wide):
                yield rows, columns

    def reads(self, block: Block, offsets: Shifting, *, moved: bool) -> Iterable[Read]:
        """The parts of a block with their places; `moved`: of bytes that are only moved."""
        key = block[0].start, block[0].stop, block[1].start, block[1].stop, moved
        places = self.kernel.places
        if places and key in places.reads:
            return places.reads[key]
        shifts = self.shifts(block, offsets)
        parts = self.kernel.parts.get(key) if self.kernel.fixed else None
        shape, span = (BYTES_FAR, BYTES_SPAN) if moved else (FAR, SPAN)
        if parts is None:
            near = near_part(shifts, self.size) if self.dtype == np.float32 and not moved else None
            if near:
                parts = [tight(near, shifts) if self.kernel.fixed else near]
            else:
                parts = far_parts(shifts.places(), self.size, shape, span=span)
            if self.kernel.fixed:
                self.kernel.parts[key] = parts
        narrow = [self.dtype == np.float32 and is_narrow(part, self.size, span) for part in parts]
        reads = ((part, Local(part, shifts) if one else None) for part, one in zip(parts, narrow, strict=True))
        if not places or not places.has_room(8 * math.prod(shifts.down.shape)):
            return reads
        places.reads[key] = [(part, local and local.settled()) for part, local in reads]
        return places.reads[key]

    def shifts(self, block: Block, offsets: Shifting) -> Shifts:
        """How far from their places the taps of a block read."""
        rows, columns = (nominal[:, part] for nominal, part in zip(self._nominal, block, strict=True))
        down, right = offsets.of(block, rows, columns)
        if self._record is not None:
            self._record[:, :, :, 0, block[0], block[1]] = down
            self._record[:, :, :, 1, block[0], block[1]] = right
        return Shifts(down, right, rows, columns)

    def record(self, path: str) -> None:
        """Has all offsets written to a .npy file, `(groups * 2 * taps, rows, columns)` in float32."""
        size = [window.length for window in self.kernel.windows]
        planes = np.lib.format.open_memmap(path, "w+", np.float32, (2 * math.prod(self._taps), *size))
        self._record = planes.reshape(*self._taps, 2, *size)


class _Block:
    """A block of outputs of a picture `(height, width, channels)`, with the offsets and the mask that are its own."""

    def __init__(self, sampling: Sampling, image: Array, block: Block, own: tuple[Shifting, Factors | None]) -> None:
        self._sampling, self._kernel, self._image, self._block = sampling, sampling.kernel, image, block
        self._offsets, self._mask = own

    def fill(self, y: Array, *, whole: bool) -> None:
        """Fills `y`, `(h, w, channels out)`, part by part; `whole`: a single tap reads pixels with all channels."""
        far, weights = [], self._sampling.weights
        for part, local in self._sampling.reads(self._block, self._offsets, moved=y.dtype == np.uint8):
            window = None if local is None else window_of(self._image, part, self._kernel.border, y.dtype)
            if window is None or local is None:
                far.append(part)
                continue
            own, inside = y[part.rows, part.columns], _inside(self._block, part)
            if not whole:
                own[...] = self._mixed(read_planes(window, local), inside).transpose(1, 2, 0)
                continue
            read_pixels(window, local, own)
            if weights[0] != 1:
                own *= weights[0]
            if self._mask is not None:
                np.multiply(own, self._mask.of(inside)[0, 0, 0, ..., None], out=own, casting="same_kind")
        # Last, for they make places of their own in the same scratch memory.
        for part in far:
            inside = _inside(self._block, part)
            mixed = self._mixed(self._gathered(inside), inside).transpose(1, 2, 0)
            own = y[part.rows, part.columns]
            np.copyto(own, np.rint(mixed) if own.dtype.kind == "u" else mixed, casting="unsafe")

    def _gathered(self, block: Block) -> Array:
        """`(channels, taps, h, w)` from anywhere in a picture of any kind."""
        rows, columns = self._sampling.shifts(block, self._offsets).places()
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


def _inside(block: Block, part: Part) -> Block:
    """The outputs of a part of a block."""
    (rows, columns), (top, left) = part[:2], (cut.start for cut in block)
    return slice(top + rows.start, top + rows.stop), slice(left + columns.start, left + columns.stop)


def _ranges(start: int, stop: int, longest: int) -> list[slice]:
    return [slice(first, min(first + longest, stop)) for first in range(start, stop, longest)]
