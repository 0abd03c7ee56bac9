"""Where the taps of a deformable kernel read: blocks of outputs in parts, each with the places of its taps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from convcli.engine.sampled.parts import (
    BYTES_FINE,
    BYTES_TILE,
    Fit,
    Part,
    Shifts,
    far_parts,
    near_parts,
)  # fmt: skip
from convcli.engine.sampled.smooth import Settled, Smooth, Still, tiles
from convcli.engine.sampled.warp import Local, Reading
from convcli.ops.sources import Block
from convcli.records import record

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, DTypeLike
    from convcli.engine.geometry import Window
    from convcli.engine.sampled.samples import Gathering
    from convcli.engine.sampled.smooth import Field
    from convcli.ops.sources import Shifting

#: Up to so many samples places are read again from memory sooner than polynomials make them.
SETTLED = 1 << 22
#: Bytes of places that are kept from one picture to the next.
KEPT_BYTES = 1 << 26

#: A block as four numbers, and whether bytes are moved.
Corners = tuple[int, int, int, int, bool]
#: A part of a block, and where its taps read; None where `remap` can't read there.
Read = tuple[Part, Reading | None]
#: The same where shifts are smooth; None where no polynomial is near enough.
Tile = tuple[Part, Smooth | Settled | Still | None]


class KnownPlaces:
    """What the taps of blocks read, for the next picture of one size: of as many blocks as `KEPT_BYTES` are enough for.

    Two threads may make those of the same block: they are the same.
    """

    def __init__(self) -> None:
        self.reads: dict[Corners, list[Read]] = {}
        #: Blocks in tiles, those that polynomials do for; of others there are `reads`.
        self.tiles: dict[Corners, list[Tile]] = {}
        #: Of blocks of many channels, what reads the pixels of each offset group.
        self.gatherings: dict[Corners, list[Gathering]] = {}
        self._room = KEPT_BYTES

    def has_room(self, size: int) -> bool:
        """Whether so many bytes more are kept."""
        self._room -= size
        return self._room >= 0


@record(eq=False)
class Deformation:
    """A deformable kernel as pictures of one size are sampled by it.

    `weights` are the effective ones, `windows` those of the rows and columns without offsets. `parts` keeps how blocks
    are cut from one picture to the next, where offsets are the same for every picture, and `places` what the taps of
    blocks read.
    """

    weights: Array
    windows: Sequence[Window]
    groups: int
    offset_groups: int
    channels_out: int
    border: str
    parts: dict[Corners, list[Part]]
    places: KnownPlaces | None
    #: Whether offsets are the same for every picture, and whether they are a rule of the place.
    fixed: bool
    by_rule: bool
    masked: bool


class Reads:
    """The parts of blocks of outputs, for pictures of a `size` (height, width) that are sampled in a dtype."""

    def __init__(self, kernel: Deformation, size: Sequence[int], dtype: DTypeLike) -> None:
        self._kernel, self._size, self._dtype = kernel, tuple(size), np.dtype(dtype)
        taps = kernel.weights.shape[-2:]
        self._taps = (kernel.offset_groups, *taps)
        self._nominal = [
            np.arange(count, dtype=np.float64)[:, None] * window.dilation
            + (np.arange(window.length, dtype=np.float64) * window.stride - window.before)
            for count, window in zip(taps, kernel.windows, strict=True)
        ]
        self._fit = Fit(self._size, kernel.border)
        self._total = math.prod(taps) * math.prod(window.length for window in kernel.windows)
        self._record: Array | None = None

    def of(self, block: Block, offsets: Shifting, *, moved: bool) -> Iterator[Read]:
        """The parts of a block with their places; `moved`: of bytes that are only moved."""
        if offsets.smooth is None or self._dtype != np.float32 or self._record is not None:
            yield from self._by_shifts(block, offsets, moved)
            return
        for part, reading in self._tiles(block, offsets.smooth, moved):
            if reading:
                yield part, reading
                continue
            for own, read in self._by_shifts(inside(block, part), offsets, moved):
                yield own.moved(part.rows.start, part.columns.start), read

    def _tiles(self, block: Block, field: Field, moved: bool) -> list[Tile]:
        """A block in tiles, those of which nothing is more than polynomials of the place."""
        key, places = _corners(block, moved), self._kernel.places
        if places and key in places.tiles:
            return places.tiles[key]
        rows, columns = (nominal[:, part] for nominal, part in zip(self._nominal, block, strict=True))
        cut: list[Tile] = list(tiles(field, rows, columns, self._fitting(moved)))
        if places and self._total <= SETTLED:
            cut = [(part, Settled(reading) if isinstance(reading, Smooth) else reading) for part, reading in cut]
        if places and places.has_room(sum(reading.size for _, reading in cut if reading)):
            places.tiles[key] = cut
        return cut

    def _by_shifts(self, block: Block, offsets: Shifting, moved: bool) -> Iterable[Read]:
        key, places = _corners(block, moved), self._kernel.places
        if places and key in places.reads:
            return places.reads[key]
        shifts = self.shifts(block, offsets)
        parts, fit = self._kernel.parts.get(key) if self._kernel.fixed else None, self._fitting(moved)
        if parts is None:
            near = near_parts(shifts, fit) if self._dtype == np.float32 and not moved else None
            parts = near or list(far_parts(shifts.places(), fit))
            if self._kernel.fixed:
                self._kernel.parts[key] = parts
        settled = ((part, fit.settled(part) if self._dtype == np.float32 else None) for part in parts)
        reads = ((own or part, Local(own, shifts) if own else None) for part, own in settled)
        if not places or not places.has_room(8 * math.prod(shifts.down.shape)):
            return reads
        places.reads[key] = [(part, local and Settled(local)) for part, local in reads]
        return places.reads[key]

    def gatherings(self, block: Block, make: Callable[[], list[Gathering]]) -> list[Gathering]:
        """What `make` makes for a block: the same for every picture where its places are."""
        key, places = _corners(block, False), self._kernel.places
        if places and key in places.gatherings:
            return places.gatherings[key]
        own = make()
        if places and places.has_room(sum(one.size for one in own)):
            places.gatherings[key] = own
        return own

    def _fitting(self, moved: bool) -> Fit:
        return self._fit._replace(fine=BYTES_FINE, tile=BYTES_TILE) if moved else self._fit

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
        size = [window.length for window in self._kernel.windows]
        planes = np.lib.format.open_memmap(path, "w+", np.float32, (2 * math.prod(self._taps), *size))
        self._record = planes.reshape(*self._taps, 2, *size)


def inside(block: Block, part: Part) -> Block:
    """The outputs of a part of a block."""
    (rows, columns), (top, left) = part[:2], (cut.start for cut in block)
    return slice(top + rows.start, top + rows.stop), slice(left + columns.start, left + columns.stop)


def _corners(block: Block, moved: bool) -> Corners:
    return block[0].start, block[0].stop, block[1].start, block[1].stop, moved
