"""How a deformable kernel's bands are computed: where its taps read, and by which algorithm."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np

from convcli.engine.bank.bank import join
from convcli.engine.dtypes import planar
from convcli.engine.memory import scratch
from convcli.engine.sampled.samples import BLOCK, sample
from convcli.engine.sampled.warp import (
    SPAN,
    Local,
    Part,
    Shifts,
    far_parts,
    is_narrow,
    located,
    mix,
    near_parts,
    read_pixels,
    read_planes,
    window_of,
)
from convcli.ops.sources import Block
from convcli.records import record

if TYPE_CHECKING:
    import numpy.typing as npt

    from convcli.engine.dtypes import Array, DTypeLike
    from convcli.engine.geometry import Window
    from convcli.engine.tiles import Region
    from convcli.ops.sources import Factors, Shifting

    Places = npt.NDArray[np.float64]
    #: Offsets and mask of a half-open range of rows, made from the picture that is looked at where they are not fixed.
    Sources = Callable[[tuple[int, int]], tuple[Shifting, Factors | None]]

#: Places that are looked at together, and samples of all taps and channels that are held at once.
PLACES = 1 << 19
HELD = 1 << 20
#: Up to so many samples two bands are enough.
FEW = 1 << 20
#: Bytes of places that a kernel keeps for its next picture, and those of one place.
KEPT_BYTES = 1 << 26
PLACE_BYTES = 8
#: Bytes that are kept at once; more are first when there is a second picture of that size.
LITTLE = 1 << 20

#: Sizes of pictures that a kernel remembers.
SIZES = 64

Blocks = dict[tuple[int, int, int, int], tuple[list[Part], list[Local | None] | None]]


class Memory:
    """The parts of blocks of outputs, by the size of the picture: with their places where these are few bytes.

    They are the same for every picture. Several threads may use it.
    """

    def __init__(self) -> None:
        self._sizes: dict[tuple[Any, ...], tuple[int, Blocks]] = {}
        self._lock = threading.Lock()

    def blocks(self, size: tuple[Any, ...], places: int) -> tuple[Blocks, bool]:
        """Those of pictures of a `size` and dtype by rows and columns, and whether they are to keep places."""
        needed = places * PLACE_BYTES
        with self._lock:
            known = size in self._sizes
            keeps = needed <= (KEPT_BYTES if known else LITTLE)
            needed = needed if keeps else 0
            blocks: Blocks = self._sizes.pop(size)[1] if known else {}
            while self._sizes and (len(self._sizes) >= SIZES or self._bytes() + needed > KEPT_BYTES):
                del self._sizes[next(iter(self._sizes))]
            self._sizes[size] = needed, blocks
            return blocks, keeps

    def _bytes(self) -> int:
        return sum(held for held, _ in self._sizes.values())


@record(eq=False)
class Deformation:
    """A deformable kernel as pictures of one size are sampled by it.

    `weights` are the effective ones, `windows` those of the rows and columns without offsets. `memory` keeps what is
    made of offsets that are the same for every picture from one picture to the next; None where they are not.
    """

    weights: Array
    windows: Sequence[Window]
    groups: int
    offset_groups: int
    channels_out: int
    border: str
    memory: Memory | None


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
        #: Samples that are read for one output.
        self.samples = math.prod(taps) * size[2]
        places = math.prod(self._taps) * math.prod(window.length for window in kernel.windows)
        self._record: Array | None = None
        self._blocks, self._keeps = Blocks(), False
        if kernel.memory:
            self._blocks, self._keeps = kernel.memory.blocks((*self.size, self.dtype.char), places)

    @property
    def rows(self) -> int:
        """The height that bands should have: all threads get some, and places lie near one another."""
        height, width = (window.length for window in self.kernel.windows)
        return min(BLOCK, -(-height // (2 if self.samples * height * width <= FEW else 4)))

    def band(self, image: Array, sources: Sources, region: Region) -> Array:
        """`(*region, channels out)`."""
        (top, bottom), (_, width) = region
        offsets, mask = sources(region[0])
        shape = bottom - top, width
        whole = self.weights.size == 1 == self.weights.ndim and image.shape[2] in (1, 3, 4) and not planar(image)
        if whole:
            y = scratch("band", (*shape, image.shape[2]), self.dtype)
        else:
            y = np.moveaxis(scratch("band", (self.kernel.channels_out, *shape), self.dtype), 0, -1)
        for rows, columns in self._cut(region):
            own = y[rows.start - top : rows.stop - top, columns]
            _Block(self, image, (rows, columns), offsets, mask).fill(own, whole=whole)
        if offsets.lost is not None:
            y[offsets.lost] = np.nan
        return y if whole or planar(image) else join(np.moveaxis(y, -1, 0))

    def _cut(self, region: Region) -> Iterator[Block]:
        """A region in blocks whose places and samples are few enough."""
        (top, bottom), (_, width) = region
        high = max(BLOCK // 16, min(BLOCK, HELD // (self.samples * min(width, SPAN))))
        for up in range(top, bottom, high):
            rows = slice(up, min(up + high, bottom))
            wide = max(BLOCK, PLACES // (math.prod(self._taps) * (rows.stop - rows.start)))
            for left in range(0, width, wide):
                yield rows, slice(left, min(left + wide, width))

    def reads(self, block: Block, offsets: Shifting) -> Iterator[tuple[Part, Local | None]]:
        """The parts of a block with their places; None where `remap` can't read there."""
        key = block[0].start, block[0].stop, block[1].start, block[1].stop
        parts, places = self._blocks.get(key, (None, None))
        if parts is None or places is None:
            shifts = self.shifts(block, offsets)
            near = near_parts(shifts, self.size) if parts is None and self.dtype == np.float32 else None
            parts = parts or near or far_parts(shifts.places(), self.size)
            narrow = [self.dtype == np.float32 and is_narrow(part, self.size) for part in parts]
            ready = iter(located(list(compress(parts, narrow)), shifts, held=self._keeps) if any(narrow) else ())
            places = [next(ready) if one else None for one in narrow]
            if self.kernel.memory:
                self._blocks[key] = parts, places if self._keeps else None
        return zip(parts, places, strict=True)

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

    def __init__(self, sampling: Sampling, image: Array, block: Block, offsets: Shifting, mask: Factors | None) -> None:
        self._sampling, self._kernel, self._image, self._block = sampling, sampling.kernel, image, block
        self._offsets, self._mask = offsets, mask

    def fill(self, y: Array, *, whole: bool) -> None:
        """Fills `y`, `(h, w, channels out)`, part by part; `whole`: a single tap reads pixels with all channels."""
        for part, local in self._sampling.reads(self._block, self._offsets):
            inside = _within(self._block[0], part.rows), _within(self._block[1], part.columns)
            own = y[part.rows, part.columns]
            window = None if local is None else window_of(self._image, part, self._kernel.border)
            if window is None or local is None:
                own[...] = self._mixed(self._gathered(inside), inside).transpose(1, 2, 0)
            elif whole:
                np.multiply(read_pixels(window, local), self._sampling.weights[0], out=own)
                if self._mask is not None:
                    np.multiply(own, self._mask.of(inside)[0, 0, 0, ..., None], out=own, casting="same_kind")
            else:
                own[...] = self._mixed(read_planes(window, local), inside).transpose(1, 2, 0)

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


def _within(outer: slice, inner: slice) -> slice:
    """A slice of a slice."""
    return slice(outer.start + inner.start, outer.start + inner.stop)
