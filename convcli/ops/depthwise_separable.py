"""Depthwise separable kernels: a kernel per channel, then a mix of the channels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

from convcli import engine
from convcli.engine.geometry import Gather, Grid
from convcli.engine.plan import Algorithm, Constraints
from convcli.engine.threads import one_thread_below
from convcli.errors import FieldError
from convcli.ops import fields as f, tensors
from convcli.ops.base import Kernel
from convcli.ops.dense import Dense, effective_weights
from convcli.ops.tensors import Tensor
from convcli.ops.weights import check_multiplied, check_outputs, common, footprint, resolve_weights, spread_over, sums
from convcli.records import late, record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from convcli.engine import Call, Cuts, Filters, Signature, Sink, Tile
    from convcli.engine.dtypes import Array, DTypeLike, Floats
else:
    np = late("numpy")

DEPTHWISE = f.Field(
    "weights",
    "The kernel of the first step: one for all channels, or (channels * multiplier, 1, *taps) for one each.",
    required=True,
)
POINTWISE = f.Field("array", "The mix of the second step: (out, in), a row per output channel.", required=True)


@record
class DepthwiseSeparable(Kernel):
    """A kernel on every channel alone, then a 1x1 mix between channels: k*k*C + C*M weights instead of k*k*C*M.

    `depthwise` has the rank of `axes` (one kernel for all channels) or two more, `(C * multiplier, 1, *taps)`;
    `pointwise` is `(out, C * multiplier)`. `divisor` divides the depthwise taps, each channel's by its own sum where
    it is "sum". `bias` is added after the mix.
    """

    type: ClassVar[str] = "depthwise_separable"
    summary: ClassVar[str] = "a kernel per channel, then a 1x1 mix between channels"
    formula: ClassVar[str] = "y[o, m] = sum_c p[m, c] * sum_t d[c, t] * x[stride*o + dilation*t - padding, c]"
    source: ClassVar[str] = "Sifre 2014; Howard et al. 2017, arXiv:1704.04861"
    FIELDS: ClassVar[Mapping[str, f.Field]] = {"depthwise": DEPTHWISE, "pointwise": POINTWISE, **f.COMMON}

    depthwise: Tensor
    pointwise: Tensor

    @classmethod
    def build(cls, fields: Mapping[str, Any]) -> Self:
        depthwise, axes = resolve_weights(fields["depthwise"], fields, "depthwise")
        pointwise: Tensor = fields["pointwise"]
        if pointwise.rank < 2 or 0 in pointwise.shape or pointwise.size != math.prod(pointwise.shape[:2]):
            raise FieldError("pointwise", f"'pointwise' has shape {pointwise.shape}; it must be (out, in)")
        kernel = cls(depthwise=depthwise, pointwise=pointwise, **common(fields, axes))
        if depthwise.rank > len(axes):
            if depthwise.shape[1] != 1:
                fact = f"'depthwise' has shape {depthwise.shape}; it must be (channels, 1, *taps): one kernel a channel"
                raise FieldError("depthwise", fact)
            if depthwise.shape[0] != pointwise.shape[1]:
                fact = f"'depthwise' makes {depthwise.shape[0]} channels, 'pointwise' mixes {pointwise.shape[1]}"
                raise FieldError("pointwise", fact)
        check_outputs(kernel.bias, kernel.activation, pointwise.shape[0])
        return kernel

    @property
    def taps(self) -> tuple[int, ...]:
        return self.depthwise.shape[-len(self.axes) :]

    @property
    def shared(self) -> bool:
        """Whether one depthwise kernel serves all channels."""
        return self.depthwise.rank == len(self.axes)

    @property
    def channels(self) -> tuple[int, int] | None:
        return self.pointwise.shape[1], self.pointwise.shape[0]

    def output_channels(self, channels: int) -> int:
        if not self.shared and self.pointwise.shape[1] % channels == 0:
            # A channel multiplier: each input channel has several kernels of its own.
            return self.pointwise.shape[0]
        return super().output_channels(channels)

    @property
    def weight_count(self) -> int:
        return self.depthwise.size + self.pointwise.size

    @property
    def weights_by_part(self) -> dict[str, int]:
        return {"depthwise": self.depthwise.size, "pointwise": self.pointwise.size}

    @cached_property
    def effective(self) -> npt.NDArray[np.float64]:
        """The depthwise taps as they are applied."""
        if self.shared or self.divisor != "sum":
            return effective_weights(self.depthwise, self.divisor, self.flip, len(self.axes))
        per_channel = [
            effective_weights(tensors.of_array(taps), "sum", self.flip, len(self.axes)) for taps in self.depthwise.array
        ]
        return np.stack(per_channel)

    @cached_property
    def mix(self) -> npt.NDArray[np.float64]:
        """The pointwise weights, `(out, in)`."""
        return self.pointwise.array.reshape(self.pointwise.shape[:2])

    @property
    def is_local(self) -> bool:
        return not self.has_effect

    def parts(self) -> dict[str, npt.NDArray[np.float64]]:
        return {"depthwise": self.effective, "pointwise": self.mix}

    def dense_weights(self) -> npt.NDArray[np.float64]:
        """`(out, in, *taps)`: each mix of channels times their kernels."""
        check_multiplied((*self.mix.shape, *self.taps), self.name)
        kernels = self.effective if self.shared else self.effective[:, 0]
        return self.mix.reshape(*self.mix.shape, *(1,) * len(self.axes)) * kernels

    def check(self) -> None:
        _ = self.effective, self.mix

    @cached_property
    def own_sums(self) -> npt.NDArray[np.float64]:
        alone = sums(self.effective, range(self.depthwise.rank - len(self.axes), self.depthwise.rank))
        return sums(self.mix * alone.reshape(-1), (1,))

    def macs(self, spatial: Sequence[int], axes: str, channels: int) -> dict[str, int]:
        outputs = math.prod(self.output_shape(spatial, axes))
        per_output = self.depthwise.size * (channels if self.shared else 1)
        return {"depthwise": outputs * per_output, "pointwise": outputs * self.pointwise.size}

    def algorithm(self, spatial: Sequence[int] | None = None, channels: int = 1, asked: str | None = None) -> Algorithm:
        return Algorithm("planes", "planes, then a matrix product")

    def coverage(self) -> Kernel:
        weights = tensors.of_array(footprint(self.effective, len(self.axes)))
        shared = {field: getattr(self, field) for field in ("name", "axes", "stride", "dilation", "padding", "border")}
        return Dense(weights=weights, **shared)

    def _steps(self, axes: str, dtype: DTypeLike, channels: int) -> tuple[Floats | Filters, Filters]:
        """A kernel for all channels, or a bank of one each; then the bank of single taps that mixes them."""

        def make() -> tuple[Floats | Filters, Filters]:
            weights = spread_over(self.effective, axes, self.axes).astype(dtype)
            mix = self.mix.astype(dtype).reshape(*self.mix.shape, *(1,) * len(axes))
            return weights if self.shared else engine.Filters(weights, channels), engine.Filters(mix, 1)

        return self.remembered(("steps", axes, dtype, channels), make)

    def call(self, x: Signature) -> Call | None:
        windows = self.windows(x.shape[:-1], x.axes)
        kernels, mix = self._steps(x.axes, x.work, x.shape[-1])
        if isinstance(kernels, engine.Filters):
            return engine.banks_call(x, kernels, mix, windows, self.border)
        shape = (*(window.length for window in windows), mix.shape[1])
        between = x._replace(shape=shape, dtype=np.dtype(x.work), algorithm=None)
        first = engine.plane_call(x, kernels, windows, self.border)
        second = engine.bank_call(between, mix, [Gather(1, 1, 1, 0, n) for n in shape[:-1]], self.border)
        if x.native or first is None or second is None:
            return None
        filtered, mixed, outputs = first, second, len(mix.weights)

        def call(array: Array, out: Array | None) -> Array:
            room = engine.room_for(shape[:-1], shape[-1], x.work, planes=x.planes, name="between")
            y = engine.room_for(shape[:-1], outputs, x.work, planes=x.planes, name="mixed") if out is None else out
            with one_thread_below():
                return mixed(filtered(array, room), y)

        return call

    def _cuts(self, x: Array, axes: str, dtype: DTypeLike, sink: Sink, constraints: Constraints) -> Cuts:
        kernels, mix = self._steps(axes, dtype, x.shape[-1])
        windows = self.windows(x.shape[:-1], axes)
        tiling = engine.Tiling(
            x=x, windows=windows, border=self.border, dtype=dtype, sink=sink, channels=max(mix.shape[:2])
        )
        target = sink.target(dtype)

        def compute(tile: Tile) -> Floats:
            grid, facts = tiling.grid(tile.region), tiling.facts(tile.data, constraints.algorithm)
            into = None if target is None else target[slice(*tile.region[0])]
            planes, ones = engine.planar(tile.data), (1,) * len(axes)
            room = engine.room_for(grid.lengths, mix.shape[1], dtype, planes=planes, name="between")
            between = engine.correlate(tile.data, kernels, grid, facts, room)
            return engine.correlate(between, mix, Grid(ones, ones, grid.lengths), facts, into)

        return tiling.by_tiles(compute)
