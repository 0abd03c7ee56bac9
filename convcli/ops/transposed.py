"""Transposed convolution: every input sample stamps the kernel on the output."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

from convcli import engine
from convcli.engine.geometry import Scatter, Window, cut_to, scatter_window
from convcli.engine.plan import Algorithm, Constraints
from convcli.errors import FieldError
from convcli.ops import fields as f, tensors
from convcli.ops.base import Kernel
from convcli.ops.dense import check_groups_of_kernel, effective_weights
from convcli.ops.tensors import Tensor
from convcli.ops.weights import check_outputs, common, per_axis, resolve_weights, spread_over
from convcli.records import late, record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from convcli.engine import Call, Cuts, Signature, Sink, Tile
    from convcli.engine.dtypes import Array, DTypeLike, Floats
else:
    np = late("numpy")

WEIGHTS = f.Field(
    "weights",
    "The stamp: one row per line; or (in, out/groups, *taps) for a bank of filters that mixes channels.",
    required=True,
)
PADDING = f.Field(
    "padding",
    "Cells cut off the edges of the output: same (exactly input x stride samples), valid (none), a number, one per"
    " axis, or [before, after] per axis.",
    "same",
)
OUTPUT_SHAPE = f.Field(
    "sizes", "The output's size, per axis, whatever the input's: the rest is cut off at both ends.", None
)
OUTPUT_PADDING = f.Field("sizes", "Cells added at the end of the output; one number or one per axis.", 0, least=0)


#: Bytes of the output that a band makes, and up to which a bank's are two and not four.
BAND_BYTES, FEW_BYTES = 6 << 20, 4 << 20


@record
class Transposed(Kernel):
    """The transposed convolution ("deconvolution"): enlarges by `stride`, the adjoint of the dense type.

    `weights` has the rank of `axes` or two more, `(in, out/groups, *taps)`. The input is continued by its border rule
    before it stamps, so that an upsampler turns ones into ones up to the edge; `border: zero` is PyTorch's.
    """

    type: ClassVar[str] = "transposed"
    summary: ClassVar[str] = "every input sample stamps the kernel on the output; enlarges by its stride"
    formula: ClassVar[str] = "y[stride*i + dilation*t - padding] += w[t] * x[i]"
    source: ClassVar[str] = "Dumoulin & Visin 2016, arXiv:1603.07285, relation 14; Zeiler et al. 2010"
    FIELDS: ClassVar[Mapping[str, f.Field]] = {
        "weights": WEIGHTS, "groups": f.GROUPS, **f.COMMON, "padding": PADDING, "output_padding": OUTPUT_PADDING,
        "output_shape": OUTPUT_SHAPE,
    }  # fmt: skip

    weights: Tensor
    groups: int = 1
    output_padding: tuple[int, ...] = (0, 0)
    output_shape_asked: tuple[int, ...] = ()

    @classmethod
    def build(cls, fields: Mapping[str, Any]) -> Self:
        weights, axes = resolve_weights(fields["weights"], fields, "weights")
        output_padding = per_axis(fields["output_padding"], axes, "output_padding")
        asked = fields.get("output_shape")
        kernel = cls(
            weights=weights, groups=fields["groups"], output_padding=output_padding, **common(fields, axes),
            output_shape_asked=() if asked is None else per_axis(asked, axes, "output_shape"),
        )  # fmt: skip
        if kernel.output_shape_asked and not all(isinstance(padding, str) for padding in kernel.padding):
            fact = "output_shape says what is cut off, and so does padding"
            raise FieldError("output_shape", fact, hint="leave padding out, or same_upper")
        for axis, extra, stride, dilation, padding in zip(
            axes, output_padding, kernel.stride, kernel.dilation, kernel.padding, strict=True
        ):
            if extra and isinstance(padding, str):
                fact = f"output_padding has no place where padding is {padding}"
                raise FieldError("output_padding", fact, hint="padding: 0")
            if extra >= max(stride, dilation):
                fact = f"output_padding {extra} along {axis} must be below stride {stride} or dilation {dilation}"
                raise FieldError("output_padding", fact)
        if kernel.channels is None:
            check_groups_of_kernel(kernel.groups)
        elif weights.shape[0] % kernel.groups:
            raise FieldError("groups", f"{weights.shape[0]} input channels don't split into {kernel.groups} groups")
        check_outputs(kernel.bias, kernel.activation, kernel.channels[1] if kernel.channels else None)
        return kernel

    @property
    def taps(self) -> tuple[int, ...]:
        return self.weights.shape[-len(self.axes) :]

    @property
    def channels(self) -> tuple[int, int] | None:
        if self.weights.rank == len(self.axes):
            return None
        return self.weights.shape[0], self.weights.shape[1] * self.groups

    @property
    def weight_count(self) -> int:
        return self.weights.size

    @cached_property
    def effective(self) -> npt.NDArray[np.float64]:
        """The stamp as it is applied; a bank is rearranged to `(out, in/groups, *taps)`."""
        weights = effective_weights(self.weights, self.divisor, self.flip, len(self.axes))
        if self.channels is None:
            return weights
        inputs, per_group, *taps = weights.shape
        split = weights.reshape(self.groups, inputs // self.groups, per_group, *taps)
        return np.ascontiguousarray(split.swapaxes(1, 2).reshape(-1, inputs // self.groups, *taps))

    def parts(self) -> dict[str, npt.NDArray[np.float64]]:
        return {"stamp": self.effective}

    def check(self) -> None:
        _ = self.effective

    def _reach(self, low: float, high: float) -> tuple[float, float] | None:
        if self.channels is not None:
            return None
        above, below = np.clip(self.effective, 0, None), np.clip(self.effective, None, 0)
        plus, minus = self._phase_sums(above)[0], self._phase_sums(below)[0]
        return float((plus * low + minus * high).min()), float((plus * high + minus * low).max())

    @cached_property
    def _phases(self) -> tuple[npt.NDArray[np.intp], bool]:
        """The phase of outputs that each tap meets, as they are numbered, and whether all phases have taps."""
        residues = [np.arange(k) * d % s for k, d, s in zip(self.taps, self.dilation, self.stride, strict=True)]
        numbers = [np.unique(axis, return_inverse=True) for axis in residues]
        counts = [len(values) for values, _ in numbers]
        phases = np.ravel_multi_index(np.ix_(*(places for _, places in numbers)), counts)
        return phases.reshape(-1), counts == list(self.stride)

    def _phase_sums(self, weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """`(out, phases)` sums of those weights that meet in an output; 0 for all phases without taps."""
        phases, whole = self._phases
        rows = weights.reshape(-1, weights.shape[1] if self.channels else 1, phases.size).sum(1)
        count = int(phases.max()) + 1 + (not whole)
        return np.stack([np.bincount(phases, row, count) for row in rows])

    def window(self, n: int, index: int) -> Window:
        if self.output_shape_asked:
            return cut_to(n, self.output_shape_asked[index], self.axis(index), str(self.padding[index]))
        return scatter_window(n, self.axis(index), self.padding[index], self.output_padding[index])

    def macs(self, spatial: Sequence[int], axes: str, channels: int) -> dict[str, int]:
        # Counted at the input: every input sample is multiplied with every tap once, whatever the stride.
        inputs = math.prod(spatial)
        return {"convolution": inputs * (self.weights.size if self.channels else self.weights.size * channels)}

    def algorithm(self, spatial: Sequence[int] | None = None, channels: int = 1, asked: str | None = None) -> Algorithm:
        phases = f"{math.prod(self.stride)} phases"
        if self.channels is None:
            return Algorithm(phases, f"{phases}, no zeros stuffed")
        if self._picked is not None:
            return Algorithm("depth to space", "depth to space: samples are moved")
        outputs, inputs = self.effective.shape[:2]
        lengths = [] if spatial is None else self.output_shape(spatial, self.axes)
        spread = self.groups == 1 and engine.is_spread((*(spatial or ()), channels), lengths, outputs, self.border)
        if not spread and engine.is_by_phases(outputs, inputs, self.groups):
            return Algorithm("phases", f"{phases}, each a bank of its own")
        return Algorithm("shifts", f"shifts (one product for all taps, {phases})")

    def turned(self, spatial: Sequence[int], channels: int, *, reads: bool, writes: bool) -> float:
        if self.channels is None:
            return super().turned(spatial, channels, reads=reads, writes=writes)
        # Products take planes and pixels, and stamps are put together from planes to either.
        return float(math.prod(spatial) * channels) if self._picked is not None and not reads else 0.0

    def coverage(self) -> Kernel:
        weights = self.effective
        if self.channels:
            weights = abs(weights).mean(axis=(0, 1))
        total, absolute = float(weights.sum()), float(abs(weights).sum())
        if abs(total) <= 1e-3 * absolute:
            weights, total = abs(weights), absolute
        # Each output gets one tap in prod(stride), so ones stay ones where the taps sum to that.
        unit = weights * (math.prod(self.stride) / total) if total else weights + 1.0
        return self.replace(weights=tensors.of_array(unit), groups=1, bias=None, activation=None, divisor=1, flip=False)

    @cached_property
    def _picked(self) -> npt.NDArray[np.intp] | None:
        """Which input channel each output channel and tap is, where samples are only moved: depth to space."""
        weights = self.effective
        taps = weights.swapaxes(0, 1).reshape(weights.shape[1], -1)
        if self.groups > 1 or not (np.count_nonzero(taps, axis=0) == 1).all() or not (taps.sum(axis=0) == 1).all():
            return None
        picked: npt.NDArray[np.intp] = taps.argmax(axis=0)
        return picked

    @cached_property
    def own_sums(self) -> npt.NDArray[np.float64] | None:
        if not self._phases[1]:
            return None
        alone = self._phase_sums(self.effective)
        alone[abs(alone) <= 1e-9 * self._phase_sums(abs(self.effective))] = 0
        first = alone[:, 0] if self.channels else alone[0, 0]
        return np.asarray(first) if np.allclose(alone.T, first, rtol=1e-9) else None

    def _cuts(self, x: Array, axes: str, dtype: DTypeLike, sink: Sink, constraints: Constraints) -> Cuts:
        weights, windows = self._stamp(axes, dtype), self._scattered(x.shape[:-1], axes)
        target, channels = sink.target(dtype), self.output_channels(x.shape[-1])
        tiling = engine.Tiling(x=x, windows=windows, border=self.border, dtype=dtype, sink=sink)
        rows = 0
        if len(windows) == 2:
            # Every phase is a convolution of its own: bands of many rows keep the calls few.
            row = windows[1].length * channels * np.dtype(dtype).itemsize
            bands = 2 if self.channels and row * windows[0].length <= FEW_BYTES else 4
            rows = max(1, min(BAND_BYTES // row, -(-windows[0].length // bands)))
        if self.channels is not None:
            tiling = dataclasses.replace(tiling, rows=rows, channels=channels)
            return self._bank(axes, dtype).cuts(tiling, windows)
        cuts = engine.resized_cuts(x, weights, windows, self.border, sink)
        if whole := cuts or engine.stamped_cuts(x, weights, windows, self.border, sink):
            return whole
        stamped = engine.stamped(weights, windows, x.shape[-1])

        def compute(tile: Tile) -> Floats:
            into = None if target is None else target[slice(*tile.region[0])]
            return stamped(tile, tiling.facts(tile.data, constraints.algorithm), into)

        return dataclasses.replace(tiling, rows=rows).by_tiles(compute)

    def call(self, x: Signature) -> Call | None:
        windows, weights = self._scattered(x.shape[:-1], x.axes), self._stamp(x.axes, x.work)
        if self.channels is not None:
            return self._bank(x.axes, x.work).call(x, windows, self.border)
        resized = engine.resized_call(x, weights, windows, self.border)
        return resized or engine.stamped_call(x, weights, windows, self.border)

    def _bank(self, axes: str, dtype: DTypeLike) -> engine.StampedBank:
        """The bank for arrays with `axes`, once made."""
        return self.remembered(
            ("bank", axes, dtype), lambda: engine.StampedBank(self._stamp(axes, dtype), self.groups, self._picked)
        )

    def _stamp(self, axes: str, dtype: DTypeLike) -> Floats:
        """The stamp for arrays with `axes`, once made."""
        return self.remembered(
            ("stamp", axes, dtype), lambda: spread_over(self.effective, axes, self.axes).astype(dtype)
        )

    def _scattered(self, spatial: Sequence[int], axes: str) -> list[Scatter]:
        """The windows of all axes, those that the kernel doesn't move along included."""
        return [
            window if isinstance(window, Scatter) else Scatter(1, 1, 1, 0, window.length)
            for window in self.windows(spatial, axes)
        ]
