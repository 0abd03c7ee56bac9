"""How a deformable kernel's bands are computed: where its taps read, and by which algorithm."""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from convcli.engine.bank.bank import join_to
from convcli.engine.sampled.samples import BLOCK, operator, sample
from convcli.engine.sampled.warp import Reads, reach, warp
from convcli.engine.tiles import Region
from convcli.ops.displacements import Displacement, displaced
from convcli.ops.rules import RuleCall
from convcli.ops.tensors import Tensor
from convcli.records import record

if TYPE_CHECKING:
    import numpy.typing as npt

    from convcli.engine.dtypes import Array, DTypeLike
    from convcli.engine.geometry import Window

    Places = npt.NDArray[np.float64]

#: Columns of outputs whose places are made at once: threads wait for one another between calls, which are to be long.
CHUNK = 8 * BLOCK
#: Outputs whose taps read far away go in blocks of so many rows and columns: turned by any angle their window is
#: narrower than 128 samples, below which float32 knows places twice as well as above.
FAR = (64, 96)
#: Samples of all taps and channels that are held at once.
HELD = 1 << 21
#: Above so many channels one sparse matrix for all of them is faster than a call per channel.
FEW_CHANNELS = 8
#: Bytes of sparse matrices that a kernel keeps for its next picture, and those of one place.
KEPT_BYTES = 1 << 26
PLACE_BYTES = 32


@record(eq=False)
class Deformation:
    """A deformable kernel as pictures of one size are sampled by it.

    `weights` are the effective ones, `windows` those of the rows and columns without offsets. `memory` keeps what is
    made of offsets that are the same for every picture from one picture to the next.
    """

    weights: Array
    windows: Sequence[Window]
    offsets: Tensor | RuleCall
    mask: Tensor | None
    groups: int
    offset_groups: int
    channels_out: int
    border: str
    memory: dict[Hashable, Any]


class Sampling:
    """One picture `(height, width, channels)` under a deformable kernel."""

    def __init__(self, kernel: Deformation, image: Array, dtype: DTypeLike) -> None:
        self.kernel = kernel
        self.image = image
        self.dtype = np.dtype(dtype)
        self.weights = kernel.weights.astype(dtype)
        self.taps = math.prod(kernel.weights.shape[-2:])
        self.nominal = self._nominal_of_all()
        self.groups = kernel.offset_groups
        offsets = kernel.offsets
        #: Whether sparse matrices are worth making, once for all pictures of this size.
        self.sparse = (
            isinstance(offsets, Tensor)
            and image.shape[-1] // self.groups > FEW_CHANNELS
            and offsets.size // 2 * PLACE_BYTES <= KEPT_BYTES
        )
        self.pixels = np.ascontiguousarray(image, dtype).reshape(-1, image.shape[-1]) if self.sparse else None

    def band(self, region: Region) -> Array:
        """`(*region, channels out)`."""
        (top, bottom), (_, width) = region
        channels = self.image.shape[-1]
        y = np.empty((bottom - top, width, self.kernel.channels_out), self.dtype)
        step = max(BLOCK // 8, min(BLOCK, HELD // (self.taps * channels * min(width, CHUNK))))
        for up in range(top, bottom, step):
            rows = slice(up, min(up + step, bottom))
            for left in range(0, width, CHUNK):
                columns = slice(left, min(left + CHUNK, width))
                self._chunk(rows, columns, y[rows.start - top : rows.stop - top, columns])
        return y

    def _chunk(self, rows: slice, columns: slice, y: Array) -> None:
        """A chunk of outputs, at once where its taps read near their places, else in blocks."""
        shifts = None
        if self.groups == 1 and self.dtype == np.float32 and not self.sparse:
            nominal = self._nominal(rows, columns)
            shifts = self._shifts(0, rows, columns)
            outputs = self._warped(Reads(shifts, nominal, self._reach(shifts, rows, columns)), rows, columns)
            if outputs is not None:
                join_to(outputs, y)
                return
        for up, left in itertools.product(
            range(rows.start, rows.stop, FAR[0]), range(columns.start, columns.stop, FAR[1])
        ):
            high, wide = slice(up, min(up + FAR[0], rows.stop)), slice(left, min(left + FAR[1], columns.stop))
            inside = (
                slice(high.start - rows.start, high.stop - rows.start),
                slice(wide.start - columns.start, wide.stop - columns.start),
            )
            own = None if shifts is None else tuple(shift[:, *inside] for shift in shifts)
            join_to(self._block(high, wide, own), y[inside])

    def _block(self, rows: slice, columns: slice, shifts: tuple[Places, ...] | None) -> Array:
        """A block of outputs whose taps read anywhere; `shifts` are those of its only group, where they are known."""
        if shifts is not None:
            down, right = self._places(shifts, rows, columns)
            none = np.zeros((self.taps, down.shape[1])), np.zeros((self.taps, down.shape[2]))
            outputs = self._warped(Reads((down, right), none, reach((down, right))), rows, columns)
            if outputs is not None:
                return outputs
        per_group = self.image.shape[-1] // self.groups
        parts = []
        for group in range(self.groups):
            own = slice(group * per_group, (group + 1) * per_group)
            samples = self._samples(group, own, rows, columns)
            if self.kernel.mask is not None:
                taps = slice(group * self.taps, (group + 1) * self.taps)
                samples *= np.asarray(self.kernel.mask.native[taps, rows, columns], self.dtype)[..., None]
            parts.append(samples)
        samples = parts[0] if self.groups == 1 else np.concatenate(parts, axis=-1)
        if self.weights.ndim == 2:
            summed: Array = np.tensordot(self.weights.reshape(-1), samples, axes=1)
            return summed
        return self._mix(samples)

    def _samples(self, group: int, own: slice, rows: slice, columns: slice) -> Array:
        """`(taps, h, w, channels)` of one group of channels."""
        size = self.image.shape[:2]
        if self.pixels is None:
            down, right = self._places(self._shifts(group, rows, columns), rows, columns)
            return sample(self.image[..., own], down, right, self.kernel.border, self.dtype)
        key = "operator", size, self.dtype, group, rows.start, rows.stop, columns.start, columns.stop
        matrix = self.kernel.memory.get(key)
        if matrix is None:
            down, right = self._places(self._shifts(group, rows, columns), rows, columns)
            matrix = self.kernel.memory[key] = operator(down, right, size, self.kernel.border, self.dtype)
        read: Array = matrix @ self.pixels[:, own]
        return read.reshape(self.taps, rows.stop - rows.start, columns.stop - columns.start, -1)

    def _warped(self, reads: Reads, rows: slice, columns: slice) -> Array | None:
        """Outputs, `(h, w, channels out)`, where `warp` serves."""
        mask = None if self.kernel.mask is None else self.kernel.mask.native[:, rows, columns]
        flat = self.weights.reshape(*self.weights.shape[:-2], self.taps)
        return warp(self.image, reads, flat, self.kernel.groups, self.kernel.border, mask)

    def _shifts(self, group: int, rows: slice, columns: slice) -> tuple[Any, Any]:
        """How far from their places the taps read: down and right, `(taps, h, w)` each."""
        offsets = self.kernel.offsets
        if isinstance(offsets, RuleCall):
            rule = cast("Displacement", offsets.rule)
            nominal = self._nominal(rows, columns)
            return displaced(rule, offsets.values(2, "offsets"), *nominal, self.image.shape[:2])
        block = offsets.native[group * 2 * self.taps : (group + 1) * 2 * self.taps, rows, columns]
        return block[0::2], block[1::2]

    def _reach(self, shifts: tuple[Any, Any], rows: slice, columns: slice) -> Any:
        """The `reach` of `shifts`, looked for once where they are the same for every picture."""
        if isinstance(self.kernel.offsets, RuleCall):
            return reach(shifts)
        key = "reach", rows.start, rows.stop, columns.start, columns.stop
        if key not in self.kernel.memory:
            self.kernel.memory[key] = reach(shifts)
        return self.kernel.memory[key]

    def _nominal(self, rows: slice, columns: slice) -> tuple[Places, Places]:
        """Where the taps would read without offsets: rows `(taps, h)` and columns `(taps, w)`."""
        return self.nominal[0][:, rows], self.nominal[1][:, columns]

    def _nominal_of_all(self) -> tuple[Places, Places]:
        nominal = []
        for window in self.kernel.windows:
            first = np.arange(window.length, dtype=np.float64) * window.stride - window.before
            nominal.append(first + np.arange(window.taps, dtype=np.float64)[:, None] * window.dilation)
        kh, kw = self.weights.shape[-2:]
        return np.repeat(nominal[0], kw, axis=0), np.tile(nominal[1], (kh, 1))

    def _places(self, shifts: tuple[Any, ...], rows: slice, columns: slice) -> tuple[Places, Places]:
        """Where the taps read: rows and columns, `(taps, h, w)` each."""
        nominal = self._nominal(rows, columns)
        return shifts[0] + nominal[0][:, :, None], shifts[1] + nominal[1][:, None, :]

    def _mix(self, samples: Array) -> Array:
        """The filter bank on `(taps, h, w, channels)` samples: one matrix product per group."""
        taps, height, width, _ = samples.shape
        out, inputs = self.weights.shape[:2]
        groups = self.kernel.groups
        y = np.empty((height, width, out), samples.dtype)
        for group in range(groups):
            filters = slice(group * out // groups, (group + 1) * out // groups)
            part = samples[..., group * inputs : (group + 1) * inputs].reshape(taps, -1, inputs)
            patches = part.transpose(1, 0, 2).reshape(height * width, -1)
            matrix = self.weights[filters].reshape(-1, inputs, taps).transpose(2, 1, 0).reshape(taps * inputs, -1)
            y[..., filters] = (patches @ matrix).reshape(height, width, -1)
        return y
