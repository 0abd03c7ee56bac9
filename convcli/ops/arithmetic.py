"""What a kernel makes of the samples under its window: weights, bias, activation and effect, and what follows of them.

Nothing is computed here of samples; it is known beforehand which results there can be, and of which they are copies.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from convcli.engine.geometry import Gather
from convcli.errors import ShapeError
from convcli.ops.placed import Placed
from convcli.ops.tensors import Tensor
from convcli.records import record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from convcli.ops.activation import Activation


@record
class Arithmetic(Placed):
    """A kernel's arithmetic: sums of weights times samples, `bias` added, through an `activation`, then the effect.

    The effect: results are x + amount * (K(x) - x) where |K(x) - x| is at least the threshold; with `unsharp` K is 2x
    less what the kernel makes.
    """

    bias: Tensor | None = None
    activation: Activation | None = None
    amount: float = 1.0
    threshold: float = 0.0
    unsharp: bool = False

    @property
    @abstractmethod
    def channels(self) -> tuple[int, int] | None:
        """Channels (in, out) of a filter bank; None where the kernel runs on every channel alone."""

    @property
    def is_linear(self) -> bool:
        """Whether results are sums of weights times samples alone, without bias, activation and threshold."""
        return self.bias is None and self.activation is None and not self.threshold

    @property
    def gain(self) -> float:
        """How much of what the kernel itself changes is added: below 0 its opposite."""
        return -self.amount if self.unsharp else self.amount

    @property
    def has_effect(self) -> bool:
        """Whether results are mixed with the samples."""
        return self.gain != 1 or self.threshold != 0

    def replace(self, **changes: Any) -> Self:
        """A copy with other fields."""
        return dataclasses.replace(self, **changes)

    @property
    def bare(self) -> Self:
        """The kernel without its effect."""
        return self.replace(amount=1.0, threshold=0.0, unsharp=False)

    def output_channels(self, channels: int) -> int:
        """Channels of the output; raises `ShapeError` where a filter bank takes another number of them."""
        if self.channels is None:
            slopes = self.activation.numbers if self.activation and self.activation.name == "prelu" else None
            for numbers, what in ((self.bias, "biases"), (slopes, "slopes of prelu")):
                if numbers is not None and numbers.size not in (1, channels):
                    raise ShapeError(f"kernel '{self.name}' has {numbers.size} {what}, the input {channels} channels")
            return channels
        expected, out = self.channels
        if channels != expected:
            raise ShapeError(
                f"kernel '{self.name}' is a filter bank for {expected} channels, the input has {channels}",
                hint="a kernel with the rank of the picture (rows and columns) runs on every channel alone",
            )
        return out

    def check_effect(self, spatial: Sequence[int], axes: str, channels: int) -> None:
        """Raises `ShapeError` where results can't be mixed with the samples, for their sizes."""
        before, after = (*spatial, channels), (*self.output_shape(spatial, axes), self.output_channels(channels))
        if self.has_effect and before != after:
            sizes = ["x".join(map(str, (*shape[-2::-1], *shape[-1:]))) for shape in (after, before)]
            fact = f"kernel '{self.name}' makes {sizes[0]} samples of {sizes[1]}, which can't be mixed with them"
            raise ShapeError(fact, hint="amount, threshold and unsharp are of kernels that keep size and channels")

    @property
    def sums(self) -> npt.NDArray[np.float64] | None:
        """What the weights of each output channel sum to, of one for all where channels don't mix.

        None where some outputs would have other sums than others, or that isn't known.
        """
        own = self.own_sums
        return own if own is None or not self.has_effect else 1 + self.gain * (own - 1)

    @property
    def own_sums(self) -> npt.NDArray[np.float64] | None:
        """As `sums`, without the effect."""
        return None

    @cached_property
    def sums_to_zero(self) -> bool:
        """Whether flat areas become 0, as edge detectors make of them."""
        return self.is_linear and self.sums is not None and not self.sums.any()

    @property
    def only_tap(self) -> tuple[int, ...] | None:
        """The place of a tap of 1, per axis, where all other weights are 0: samples are moved, not computed."""
        return None

    @property
    def copies(self) -> bool:
        """Whether samples are moved, and nothing is computed."""
        return self.only_tap is not None and self.is_linear and not self.has_effect

    def _moves(self, spatial: Sequence[int], axes: str) -> list[Gather]:
        """The windows, of one tap each, by which a kernel that `copies` moves samples."""
        places = dict(zip(self.axes, self.only_tap or (), strict=True))
        return [
            Gather(1, w.stride, 1, w.before - w.dilation * places.get(axis, 0), w.length)
            for axis, w in zip(axes, self.windows(spatial, axes), strict=True)
        ]

    def is_identity(self, spatial: Sequence[int], axes: str) -> bool:
        """Whether every sample of an array of these sizes stays what and where it is."""
        return self.copies and self._moves(spatial, axes) == [Gather(1, 1, 1, 0, n) for n in spatial]

    def reach(self, low: float, high: float) -> tuple[float, float] | None:
        """The least and greatest result for finite samples from `low` to `high`, but for errors of rounding.

        With `zero` as border there must be a 0 between them. None where that isn't known.
        """
        ends = None if self.bias else self._reach(low, high)
        ends = self.activation.reach(ends) if self.activation else ends
        if ends is None or not self.has_effect:
            return ends
        corners = [x + self.gain * (y - x) for x in (low, high) for y in ends]
        return min(low, *corners), max(high, *corners)

    def _reach(self, low: float, high: float) -> tuple[float, float] | None:
        """As `reach`, without bias and activation."""
        return None
