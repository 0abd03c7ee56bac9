"""The standard convolution, of any rank, stride, dilation and number of groups."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

from convcli.engine.bank import bank
from convcli.engine.channel import planes
from convcli.engine.dtypes import planar
from convcli.engine.facts import Facts
from convcli.engine.sink import channel_store, float_target
from convcli.engine.tiles import Tile, run_tiled
from convcli.ops import fields as f, tensors
from convcli.ops.base import Kernel
from convcli.ops.tensors import Tensor
from convcli.ops.weights import (
    check_bank,
    check_bias,
    common,
    divided,
    footprint,
    onto,
    resolve_weights,
    spread_over,
)  # fmt: skip
from convcli.records import record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from convcli.ops.base import Array, Store


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
        check_bias(kernel.bias, kernel.channels[1] if kernel.channels else None)
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

    def parts(self) -> dict[str, npt.NDArray[np.float64]]:
        return {"weights": self.effective}

    def reach(self, low: float, high: float) -> tuple[float, float] | None:
        if self.channels is not None or self.bias is not None:
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

    def algorithm(self, spatial: Sequence[int] | None = None, channels: int = 1) -> str:
        if self.channels:
            case = self.weights.shape, self.groups, self.stride, self.dilation
            if bank.algorithm(*case) != "planes":
                return bank.describe(*case)
        weights = self.effective[0, 0] if self.channels else self.effective
        return planes.describe(weights, self.stride, self.dilation, spatial, channels)

    def coverage(self) -> Kernel:
        weights = tensors.given(footprint(self.effective, len(self.axes)))
        return self.replace(weights=weights, groups=1, bias=None, divisor=1, flip=False)

    @cached_property
    def _made(self) -> dict[tuple[str, str], Array | bank.Filters]:
        return {}

    def _weights(self, axes: str, dtype: npt.DTypeLike) -> Array | bank.Filters:
        """The weights for arrays with `axes`, once made: transforms of banks are kept from one picture to the next."""
        import numpy as np

        key = axes, np.dtype(dtype).str
        if key not in self._made:
            weights = spread_over(self.effective, axes, self.axes).astype(dtype)
            self._made[key] = weights if self.channels is None else bank.Filters(weights, self.groups)
        return self._made[key]

    def _compute(self, x: npt.NDArray[Any], axes: str, dtype: npt.DTypeLike, store: Store) -> None:
        weights = self._weights(axes, dtype)
        stride, dilation = onto(self.stride, axes, self.axes, 1), onto(self.dilation, axes, self.axes, 1)

        if planar(x) and self._by_channels(x, axes, dtype, store):
            return
        windows = self.windows(x.shape[:-1], axes)
        lengths = [window.length for window in windows]
        if isinstance(weights, bank.Filters):
            if bank.algorithm(weights.shape, weights.groups) == "pointwise":
                from convcli.engine.bank.pointwise import run_pointwise

                if run_pointwise(x, weights.weights, weights.groups, windows, store):
                    return
            rows = bank.band_rows(weights, stride, dilation, lengths)
        elif planes.run_whole(x, weights, dilation, windows, self.border, store):
            return
        else:
            rows = planes.band_rows(weights, stride, dilation, lengths, x.shape[-1])

        target = float_target(store, dtype)

        def compute(tile: Tile) -> Array:
            lengths = [stop - start for start, stop in tile.region]
            facts = Facts(bank.laid(tile.data), plain=x.dtype.kind != "f")
            into = None if target is None else target[slice(*tile.region[0])]
            return correlate(tile.data, weights, stride, dilation, lengths, facts, into)

        channels = self.output_channels(x.shape[-1]) if self.channels else 0
        run_tiled(x, windows, self.border, dtype, compute, store, rows=rows, channels=channels)

    def _by_channels(self, x: npt.NDArray[Any], axes: str, dtype: npt.DTypeLike, store: Store) -> bool:
        """Runs channel by channel where channels lie as planes and don't mix; False where that can't be."""
        if self.channels is not None and self.weights.shape[1] > 1:
            return False
        from convcli.engine.channel.depthwise import filter_planes

        share = 1 if self.channels is None else self.channels[1] // x.shape[-1]
        given = [
            (channel // share, self.effective if self.channels is None else self.effective[channel, 0])
            for channel in range(self.output_channels(x.shape[-1]))
        ]
        if axes == self.axes and all(step == 1 for step in (*self.stride, *self.dilation)):
            kernels = [(source, taps.astype(dtype)) for source, taps in given]
            if filter_planes(x, kernels, self.windows(x.shape[:-1], axes), self.border, store):
                return True
        alone = self.replace(groups=1, bias=None, divisor=1, flip=False)
        for channel, (source, taps) in enumerate(given):
            one = channel_store(store, channel)
            if one is None:
                return False
            kernel = alone.replace(weights=tensors.given(taps))
            kernel._compute(x[..., source : source + 1], axes, dtype, one)
        return True


def check_groups_of_kernel(groups: int) -> None:
    """Raises `FieldError` where a kernel that mixes no channels is to have groups."""
    from convcli.errors import FieldError

    if groups != 1:
        hint = "weights of shape (out, in/groups, *taps) make one; a plain kernel runs on every channel alone anyway"
        raise FieldError("groups", "groups belong to a filter bank", hint=hint)


def effective_weights(weights: Tensor, divisor: float | str, flip: bool, spatial: int) -> npt.NDArray[np.float64]:
    """Weights divided by the divisor and, where asked, flipped along their `spatial` last axes."""
    import numpy as np

    array = divided(weights.array, divisor, "weights")
    return np.ascontiguousarray(np.flip(array, tuple(range(-spatial, 0))) if flip else array)


def correlate(
    x: Array, weights: Array | bank.Filters, stride: Sequence[int], dilation: Sequence[int], lengths: Sequence[int],
    facts: Facts, into: Array | None = None,
) -> Array:  # fmt: skip
    """A filter bank, or weights of the spatial rank on every channel alone.

    The result is `into` where that is given and the algorithm can write to it at once.
    """
    if isinstance(weights, bank.Filters):
        return bank.correlate_bank(x, weights, stride, dilation, lengths, facts=facts, into=into)
    return planes.correlate_planes(x, weights, stride, dilation, lengths, facts=facts, into=into)
