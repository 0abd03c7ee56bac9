"""The standard convolution, of any rank, stride, dilation and number of groups."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Hashable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

from convcli import engine
from convcli.engine.geometry import Grid
from convcli.engine.plan import COPY, Algorithm, Constraints
from convcli.ops import fields as f, tensors
from convcli.ops.base import Kernel
from convcli.ops.tensors import Tensor
from convcli.ops.weights import (
    check_bank,
    check_outputs,
    common,
    divided,
    footprint,
    only_tap,
    resolve_weights,
    spread_over,
    sums,
)  # fmt: skip
from convcli.records import late, record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from convcli.engine import Call, Cuts, Filters, Signature, Sink
    from convcli.engine.dtypes import Array, DTypeLike, Floats
else:
    np = late("numpy")


@record
class Dense(Kernel):
    """The standard convolution: one weighted sum per output sample.

    `weights` has the rank of `axes` (a kernel, run on every channel alone) or two more (a filter bank,
    `(out, in/groups, *taps)`). Dilated (atrous) is this with `dilation`; depthwise is this with `groups` = channels.
    """

    type: ClassVar[str] = "dense"
    summary: ClassVar[str] = "the standard convolution, of any stride, dilation and groups"
    formula: ClassVar[str] = "y[o] = sum_t w[t] * x[stride*o + dilation*t - padding]"
    source: ClassVar[str] = "Dumoulin & Visin 2016, arXiv:1603.07285, relations 6 and 15"
    FIELDS: ClassVar[Mapping[str, f.Field]] = {"weights": f.WEIGHTS, "groups": f.GROUPS, **f.COMMON}

    weights: Tensor
    groups: int = 1

    @classmethod
    def build(cls, fields: Mapping[str, Any]) -> Self:
        weights, axes = resolve_weights(fields["weights"], fields, "weights")
        kernel = cls(weights=weights, groups=fields["groups"], **common(fields, axes))
        if kernel.channels is None:
            check_groups_of_kernel(kernel.groups)
        else:
            check_bank(weights.shape, kernel.groups, "groups")
        check_outputs(kernel.bias, kernel.activation, kernel.channels[1] if kernel.channels else None)
        return kernel

    @property
    def taps(self) -> tuple[int, ...]:
        return self.weights.shape[-len(self.axes) :]

    @property
    def channels(self) -> tuple[int, int] | None:
        if self.weights.rank == len(self.axes):
            return None
        return self.weights.shape[1] * self.groups, self.weights.shape[0]

    @property
    def weight_count(self) -> int:
        return self.weights.size

    @cached_property
    def effective(self) -> npt.NDArray[np.float64]:
        """The weights as they are applied: divided, and flipped where `flip` says so."""
        return effective_weights(self.weights, self.divisor, self.flip, len(self.axes))

    @property
    def is_local(self) -> bool:
        return not self.has_effect

    def parts(self) -> dict[str, npt.NDArray[np.float64]]:
        return {"weights": self.effective}

    @cached_property
    def only_tap(self) -> tuple[int, ...] | None:
        if self.channels is None:
            return only_tap(self.effective)
        if self.channels != (self.groups, self.groups):
            return None
        # A kernel per channel: the same for all, as may be.
        first = self.effective[0, 0]
        return only_tap(first) if (self.effective[:, 0] == first).all() else None

    @cached_property
    def folded(self) -> Kernel:
        place = own_tap(self) if self.has_effect and self.is_linear else None
        if place is None or len(set(self.channels or ())) > 1:
            return self
        weights = self.gain * self.effective
        if self.channels is None:
            weights[place] += 1 - self.gain
        else:
            for output in range(len(weights)):
                weights[(output, output % weights.shape[1], *place)] += 1 - self.gain
        return self.bare.replace(weights=tensors.of_array(weights), divisor=1, flip=False)

    @cached_property
    def own_sums(self) -> npt.NDArray[np.float64]:
        weights = self.effective
        return sums(weights, range(1 if self.channels else 0, weights.ndim))

    def _reach(self, low: float, high: float) -> tuple[float, float] | None:
        if self.channels is not None:
            return None
        plus, minus = self._shares
        return plus * low + minus * high, plus * high + minus * low

    @cached_property
    def _shares(self) -> tuple[float, float]:
        """The sums of the weights above and below 0."""
        weights = self.effective
        return float(weights[weights > 0].sum()), float(weights[weights < 0].sum())

    def check(self) -> None:
        _ = self.effective

    def macs(self, spatial: Sequence[int], axes: str, channels: int) -> dict[str, int]:
        outputs = math.prod(self.output_shape(spatial, axes))
        return {"convolution": outputs * (self.weights.size if self.channels else self.weights.size * channels)}

    def algorithm(self, spatial: Sequence[int] | None = None, channels: int = 1, asked: str | None = None) -> Algorithm:
        if self.copies:
            return COPY
        if self.channels:
            mixed = engine.algorithm_of_bank(self.weights.shape, self.groups, self.grid(spatial))
            if mixed is not None:
                return mixed
        weights = self.effective[0, 0] if self.channels else self.effective
        return engine.algorithm_for(weights, (self.stride, self.dilation), spatial, channels, asked)

    def grid(self, spatial: Sequence[int] | None) -> Grid:
        """Where outputs lie on an input of these sizes, by default a megapixel."""
        lengths = self.output_shape((spatial or (1000,) * len(self.axes))[-len(self.axes) :])
        return Grid(self.stride, self.dilation, lengths)

    def turned(self, spatial: Sequence[int], channels: int, *, reads: bool, writes: bool) -> float:
        if self.channels is None:
            return super().turned(spatial, channels, reads=reads, writes=writes)
        grid = self.grid(spatial)
        read, written = engine.layouts_of_bank(self.weights.shape, self.groups, grid)
        samples = math.prod(spatial) * channels * (read not in (None, reads))
        return float(samples + math.prod(grid.lengths) * self.channels[1] * (written not in (None, writes)))

    def coverage(self) -> Kernel:
        weights = tensors.of_array(footprint(self.effective, len(self.axes)))
        return self.replace(weights=weights, groups=1, bias=None, activation=None, divisor=1, flip=False)

    @cached_property
    def _spread(self) -> dict[Hashable, Floats]:
        return {}

    def _weights(self, axes: str, dtype: DTypeLike) -> Floats:
        """The weights for arrays with `axes`, once made."""
        key = axes, dtype
        if key not in self._spread:
            self._spread[key] = spread_over(self.effective, axes, self.axes).astype(dtype)
        return self._spread[key]

    @cached_property
    def _filters(self) -> dict[Hashable, Filters]:
        return {}

    def _bank(self, axes: str, dtype: DTypeLike) -> Filters:
        """The same as a filter bank, whose transforms are kept from one picture to the next."""
        key = axes, dtype
        if key not in self._filters:
            self._filters[key] = engine.Filters(self._weights(axes, dtype), self.groups)
        return self._filters[key]

    def call(self, x: Signature) -> Call | None:
        windows = self.windows(x.shape[:-1], x.axes)
        if self.channels is not None:
            return engine.bank_call(x, self._bank(x.axes, x.work), windows, self.border)
        return engine.plane_call(x, self._weights(x.axes, x.work), windows, self.border)

    def _cuts(self, x: Array, axes: str, dtype: DTypeLike, sink: Sink, constraints: Constraints) -> Cuts:
        windows = self.windows(x.shape[:-1], axes)
        bank = None if self.channels is None else self._bank(axes, dtype)
        apart = bank is None or engine.bank_is_by_planes(bank, windows)
        if apart and engine.planar(x) and (cuts := self._by_channels(x, axes, dtype, sink, constraints)):
            return cuts
        if bank is not None:
            if not constraints.plain and (cuts := engine.bank_cuts(x, bank, windows, self.border, sink)):
                return cuts
            tiling = engine.Tiling(
                x=x, windows=windows, border=self.border, dtype=dtype, sink=sink, channels=len(bank.weights)
            )
            tiling = dataclasses.replace(tiling, rows=engine.bank_rows(bank, tiling), small=True)
            return engine.correlated(tiling, bank, constraints)
        weights = self._weights(axes, dtype)
        work = engine.Correlation(x, weights, windows, self.border, sink, constraints)
        if cuts := engine.whole_cuts(work):
            return cuts
        rows = engine.band_rows(work)
        tiling = engine.Tiling(x=x, windows=windows, border=self.border, dtype=dtype, sink=sink, rows=rows)
        return engine.correlated(tiling, weights, constraints)

    def _by_channels(self, x: Array, axes: str, dtype: DTypeLike, sink: Sink, constraints: Constraints) -> Cuts | None:
        """Channel by channel where they lie as planes and don't mix; None where that can't be."""
        if self.channels is not None and self.weights.shape[1] > 1:
            return None
        share = 1 if self.channels is None else self.channels[1] // x.shape[-1]
        kernels = [
            (channel // share, self.effective if self.channels is None else self.effective[channel, 0])
            for channel in range(self.output_channels(x.shape[-1]))
        ]
        if axes == self.axes and all(step == 1 for step in (*self.stride, *self.dilation)):
            windows = self.windows(x.shape[:-1], axes)
            work = engine.Correlation(x, kernels[0][1], windows, self.border, sink, constraints)
            if cuts := engine.plane_by_plane(work, [(source, taps.astype(dtype)) for source, taps in kernels]):
                return cuts
        alone = self.replace(groups=1, bias=None, activation=None, divisor=1, flip=False)
        return engine.Cuts.joined([
            alone.replace(weights=tensors.of_array(taps))._cuts(
                x[..., source : source + 1], axes, dtype, sink.channel(channel), constraints
            )
            for channel, (source, taps) in enumerate(kernels)
        ])  # fmt: skip


def own_tap(kernel: Kernel) -> tuple[int, ...] | None:
    """The tap per axis that reads the sample at the output's own place, where a kernel keeps the size and has one."""
    sides = [kernel.window(n, axis) for axis, n in enumerate(kernel.extent)]
    own = [divmod(side.before, side.dilation) for side in sides]
    keeps = all(side.stride == 1 and side.length == n for side, n in zip(sides, kernel.extent, strict=True))
    there = all(not rest and 0 <= at < taps for (at, rest), taps in zip(own, kernel.taps, strict=True))
    return tuple(at for at, _ in own) if keeps and there else None


def check_groups_of_kernel(groups: int) -> None:
    """Raises `FieldError` where a kernel that mixes no channels is to have groups."""
    from convcli.errors import FieldError

    if groups != 1:
        hint = "weights of shape (out, in/groups, *taps) make one; a plain kernel runs on every channel alone anyway"
        raise FieldError("groups", "groups belong to a filter bank", hint=hint)


def effective_weights(weights: Tensor, divisor: float | str, flip: bool, spatial: int) -> npt.NDArray[np.float64]:
    """Weights divided by the divisor and, where asked, flipped along their `spatial` last axes."""
    array = divided(weights.array, divisor, "weights")
    return np.ascontiguousarray(np.flip(array, tuple(range(-spatial, 0))) if flip else array)
