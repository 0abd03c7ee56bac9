"""A kernel on its way over an input: the places, samples and sums of each step, as the engine has them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from convcli.drawing.strips import FLAT, Strip, check_places, sum_in_words
from convcli.engine.geometry import Scatter, constant
from convcli.errors import ShapeError, UsageError
from convcli.ops import tensors
from convcli.ops.deformable import Deformable

if TYPE_CHECKING:
    from convcli.drawing.parts import Floats
    from convcli.ops import Kernel

#: Input channels of one filter that are drawn.
MOST_CHANNELS: Final = 8


class Motion:
    """A 1-D or 2-D kernel on an input; of a bank, one filter. Outputs are counted row by row."""

    def __init__(
        self, kernel: Kernel, size: Sequence[int], values: Floats | None, filter: int = 0, only: int | None = None
    ) -> None:
        """With `only` what is read in that frame alone is drawn of the border."""
        self.kernel, self.size, self.filter = kernel, tuple(size), filter
        self.flat = len(kernel.axes) == 1
        own = kernel.windows(size, kernel.axes)
        self.windows = [FLAT, *own] if self.flat else own
        self.transposed = isinstance(self.windows[-1], Scatter)
        self.lengths = [window.length for window in self.windows]
        weights = kernel.dense_weights()
        filters, inputs = weights.shape[:2] if kernel.channels else (1, 1)
        if not 0 <= filter < filters:
            raise UsageError(f"filter {filter} of a kernel with {filters}", hint="they count from 0")
        planes = weights[filter] if kernel.channels else weights[None]
        #: The weights of each channel that is read, `(channels, h, w)`, and the first of these channels.
        self.weights = planes.reshape(inputs, -1, planes.shape[-1])
        self.first = filter * getattr(kernel, "groups", 1) // filters * inputs if kernel.channels else 0
        if inputs > MOST_CHANNELS:
            raise UsageError(f"each filter reads {inputs} channels; steps are drawn of at most {MOST_CHANNELS}")
        self.values = values
        moves = isinstance(kernel, Deformable)
        if moves:
            check_places(max(*self.size, *self.lengths))
        else:
            self.strips = self._strips((None, None))
        # Not before there are known to be few.
        self.positions = [(r, c) for r in range(self.lengths[0]) for c in range(self.lengths[1])]
        self.drawn = [*range(len(self.positions))][slice(None) if only is None else slice(only, only + 1)]
        if moves:
            self.strips = self._strips(np.concatenate(self.deformed)[:, self.drawn].reshape(-1, 2).T)

    def _strips(self, read: Sequence[None] | Floats) -> list[Strip]:
        """The input along both axes; deformable taps `read` at these places of them."""
        sizes = (1, *self.size) if self.flat else self.size
        axes = zip(self.windows, sizes, read, strict=True)
        return [Strip(window, n, self.kernel.border, places) for window, n, places in axes]

    @cached_property
    def deformed(self) -> list[Floats]:
        """Where the taps of each channel that is read go, `(taps, outputs, 2)`, where not in rows and columns."""
        kernel = self.kernel
        if not isinstance(kernel, Deformable):
            return []
        groups, channels = kernel.offset_groups, kernel.channels[0] if kernel.channels else 1
        if groups > channels:
            fact = f"kernel '{kernel.name}' has offsets for {groups} groups of channels, and runs on each channel alone"
            raise UsageError(fact, hint="convcli draw taps shows those of the first group")
        if kernel.looks:
            if self.values is None or self.samples is None:
                fact = f"the offsets of kernel '{kernel.name}' follow from the samples, and there are none"
                raise UsageError(fact, hint="--values FILE, such as a picture")
            kernel = kernel.guided(self.values.reshape(*self.size, -1), 0.0)
        down, right = (slice(0, length) for length in self.lengths)
        plain = [np.array([w.places(o) for o in range(w.length)]) for w in self.windows]
        places = np.stack(np.broadcast_arrays(plain[0].T[:, None, :, None], plain[1].T[None, :, None, :]), axis=-1)
        planes = []
        for plane in range(len(self.weights)):
            group = (self.first + plane) * groups // channels
            shifts = np.stack(kernel.displacements(self.size, down, right, group), axis=-1)
            planes.append((places.reshape(shifts.shape) + shifts).reshape(len(shifts), -1, 2))
        return planes

    @property
    def masked(self) -> bool:
        """Whether a mask weighs what each tap reads."""
        return isinstance(self.kernel, Deformable) and (self.kernel.mask is not None or self.kernel.packed)

    @cached_property
    def samples(self) -> Floats | None:
        """The values of the channels that are read, `(channels, h, w)`."""
        if self.values is None:
            return None
        needed = (*self.size, self.kernel.channels[0]) if self.kernel.channels else self.size
        if self.values.shape != needed:
            raise ShapeError(f"the values have shape {self.values.shape}; kernel '{self.kernel.name}' takes {needed}")
        planes = np.moveaxis(self.values, -1, 0) if self.kernel.channels else self.values[None]
        read = planes[self.first : self.first + len(self.weights)]
        return read.reshape(len(read), -1, self.size[-1])

    @cached_property
    def results(self) -> Floats | None:
        """What the engine makes of the values, `(h, w)`: of a bank, what the filter does."""
        if self.values is None:
            return None
        done = self._applied(self.kernel)
        return done.reshape(*self.lengths)

    def _applied(self, kernel: Kernel) -> Floats:
        assert self.values is not None
        layout = kernel.axes + ("c" if kernel.channels else "")
        done = np.asarray(kernel.apply(self.values, layout, dtype=np.float64))
        return done[..., self.filter] if kernel.channels and done.ndim > len(kernel.axes) else done

    def place(self, row: int, column: int) -> tuple[int, int] | None:
        """The index of the sample that a cell shows, outside the input, too; None where a zero was put between."""
        rows, columns = self.strips
        if rows.gaps[row] or columns.gaps[column]:
            return None
        return int(rows.places[row]) // rows.step, int(columns.places[column]) // columns.step

    def value(self, plane: int, row: int, column: int) -> float | None:
        if self.samples is None:
            return None
        rows, columns = self.strips
        at = rows.sources[row], columns.sources[column]
        if min(at) >= 0:
            return float(self.samples[(plane, *at)])
        return 0.0 if rows.gaps[row] or columns.gaps[column] else constant(self.kernel.border) or 0.0

    def span(self) -> tuple[int, int]:
        """Places from the first to the last tap."""
        down, right = (window.dilation * (window.taps - 1) + 1 for window in self.windows)
        return down, right

    def moves(self, plane: int) -> list[list[tuple[float, float]]]:
        """How taps move over a channel, in places (right, down): all of them alike, or each by itself."""
        rows, columns = self.strips
        if self.deformed:
            down, right = (strip.at(self.deformed[plane][..., axis]) for axis, strip in enumerate(self.strips))
            return [list(zip(*tap, strict=True)) for tap in zip(right.tolist(), down.tolist(), strict=True)]
        return [
            [
                (columns.starts[c] - int(columns.places[0]), rows.starts[r] - int(rows.places[0]))
                for r, c in self.positions
            ]
        ]

    def read(self, plane: int) -> dict[tuple[int, int], list[tuple[int, int]]]:
        """The cells of a channel that deformable taps mix, by row and column, each with the frames in which they do."""
        frames: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for frame in self.drawn:
            near = self.deformed[plane][:, frame]
            ends = [[np.searchsorted(strip.places, end(near[:, axis])).tolist() for end in (np.floor, np.ceil)]
                    for axis, strip in enumerate(self.strips)]  # fmt: skip
            for cell in {place for down in ends[0] for right in ends[1] for place in zip(down, right, strict=True)}:
                before = frames.setdefault(cell, [])
                if before and before[-1][1] == frame:
                    before[-1] = before[-1][0], frame + 1
                else:
                    before.append((frame, frame + 1))
        return frames

    def sums(self) -> list[str]:
        """The sum of each step in words; none without values."""
        if self.results is None:
            return []
        bias = self.kernel.bias
        more = 0.0 if bias is None else float(bias.array.reshape(-1)[self.filter if bias.size > 1 else 0])
        activation = str(self.kernel.activation or "")
        return [
            sum_in_words(self._products(frame), more, float(self.results[position]), activation)
            for frame, position in enumerate(self.positions)
        ]

    def _products(self, frame: int) -> list[tuple[float, float]]:
        """The samples that the taps of a step meet, each with its weight."""
        if self.deformed:
            return [
                (float(samples.reshape(-1)[frame]), weight)
                for weight, samples in zip(map(float, self.weights.reshape(-1)), self._sampled, strict=True)
                if weight
            ]  # fmt: skip
        products = []
        (rows, columns), (r, c) = self.strips, self.positions[frame]
        gaps = [window.dilation for window in self.windows]
        for plane, i, j in np.ndindex(self.weights.shape):
            at = (
                rows.starts[r] - int(rows.places[0]) + i * gaps[0],
                columns.starts[c] - int(columns.places[0]) + j * gaps[1],
            )
            weight = self.weights[plane, ::-1, ::-1][i, j] if self.transposed else self.weights[plane, i, j]
            sample = self.value(plane, *at)
            if weight and sample is not None and not (rows.gaps[at[0]] or columns.gaps[at[1]]):
                products.append((sample, float(weight)))
        return products

    @cached_property
    def _sampled(self) -> list[Floats]:
        """What each tap of each channel reads, by the engine: the kernel with a 1 there and nothing else."""
        shape, kernel = self.kernel.dense_weights().shape, self.kernel
        reads = []
        for place in np.ndindex(self.weights.shape):
            only = np.zeros(shape)
            tap = place[1:] if not kernel.channels else (self.filter, *place)
            only[tap] = 1
            alone = kernel.replace(weights=tensors.of_array(only), bias=None, activation=None, divisor=1, flip=False)
            reads.append(self._applied(alone))
        return reads
