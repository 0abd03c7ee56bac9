"""What all kernel types share: their fields, counts, and how they run on an array."""

from __future__ import annotations

import dataclasses
import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

from convcli import engine
from convcli.engine.plan import FREE, Algorithm, Constraints
from convcli.errors import FieldError, KernelError
from convcli.ops import interactive
from convcli.ops.arithmetic import Arithmetic
from convcli.ops.fields import Field
from convcli.records import late, record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from convcli.engine import Call, Cuts, Signature, Sink
    from convcli.engine.dtypes import Array, ArrayLike, DTypeLike
else:
    np = late("numpy")

#: How many times a sample counts that channels which don't mix have turned: they take long for it.
TURNED = 8.0
#: Channels up to which pixels are filtered together.
PICTURE = 4
#: Weights that are worth looking at one by one; nobody reads more, and millions take many seconds to write.
MOST_LOOKED_AT = 1 << 18


@record
class Count:
    """What a kernel costs on one input. MACs are taps applied x samples, by part; FLOPs are twice that."""

    weights: int
    biases: int
    macs: Mapping[str, int]

    @property
    def parameters(self) -> int:
        return self.weights + self.biases

    @property
    def total_macs(self) -> int:
        return sum(self.macs.values())

    @property
    def flops(self) -> int:
        return 2 * self.total_macs


@record
class Kernel(Arithmetic):
    """A kernel or filter bank, ready to run.

    Weights are cross-correlated (not flipped) unless `flip`, and divided by `divisor` (a number or "sum").
    """

    type: ClassVar[str]
    summary: ClassVar[str]
    formula: ClassVar[str]
    source: ClassVar[str]
    FIELDS: ClassVar[Mapping[str, Field]]
    #: Those of the fields that are its parts', where it has such: they hold for all of them.
    HANDED_ON: ClassVar[Sequence[str]] = ()

    about: str = ""
    group: str = ""
    divisor: float | str = 1
    flip: bool = False
    #: What is to be said of how it was read.
    notes: tuple[str, ...] = ()
    #: Puts an error about a field at its place in the kernel file.
    locate: Callable[[FieldError], KernelError] | None = field(default=None, repr=False, compare=False)

    __repr__ = interactive.line
    __dir__ = interactive.names
    _repr_html_ = interactive.html
    draw = interactive.draw
    to_numpy = interactive.to_numpy

    def __getstate__(self) -> dict[str, Any]:
        """What travels to other processes: the fields, without what is made of them or their place in a file."""
        fields = dataclasses.fields(self)
        return {member.name: getattr(self, member.name) for member in fields if member.name != "locate"}

    @classmethod
    @abstractmethod
    def build(cls, fields: Mapping[str, Any]) -> Self:
        """The kernel from the values of its fields; raises `FieldError` for a wrong one."""

    @property
    @abstractmethod
    def weight_count(self) -> int:
        """Weights as stored: zeros counted, biases not."""

    @property
    def weights_by_part(self) -> dict[str, int]:
        """`weight_count` split under those names of `macs` that have weights of their own."""
        return {"convolution": self.weight_count}

    @abstractmethod
    def check(self) -> None:
        """Makes the numbers, raising `KernelError` where they are wrong (not finite, a sum of 0 to divide by)."""

    @abstractmethod
    def macs(self, spatial: Sequence[int], axes: str, channels: int) -> dict[str, int]:
        """Multiply-accumulates by part, on an input with `spatial` sizes along `axes` and `channels`."""

    @abstractmethod
    def _cuts(self, x: Array, axes: str, dtype: DTypeLike, sink: Sink, constraints: Constraints) -> Cuts:
        """As `cuts`, for an array that fits, without bias and activation."""

    @abstractmethod
    def coverage(self) -> Kernel:
        """The kernel of the same geometry for an alpha channel: one channel, no bias or activation, ones stay ones.

        Where the weights sum to 0 (an edge detector) their absolute values serve: the area the kernel sees.
        """

    @abstractmethod
    def algorithm(self, spatial: Sequence[int] | None = None, channels: int = 1, asked: str | None = None) -> Algorithm:
        """How it is computed on an input of these sizes (by default a megapixel); by what is `asked`, if possible."""

    def turned(self, spatial: Sequence[int], channels: int, *, reads: bool, writes: bool) -> float:
        """Samples that go from planes to pixels or back where the input `reads` and the result `writes` planes.

        Channels that don't mix stay as they lie: few are fastest pixel by pixel, many as planes.
        """
        samples = float(math.prod(spatial) * channels)
        return (reads != writes) * TURNED * samples + (reads != (channels > PICTURE)) * samples

    @abstractmethod
    def parts(self) -> dict[str, npt.NDArray[np.float64]]:
        """The weights as they are applied, by name, for looking at."""

    def dense_weights(self) -> npt.NDArray[np.float64]:
        """All weights as one array, as they are applied: `(*taps)`, or `(out, in/groups, *taps)` of a filter bank.

        Those of a kernel in several parts are multiplied out. Raises `KernelError` where that makes more than 2^24.
        """
        parts = list(self.parts().values())
        if not parts:
            raise KernelError(f"kernel '{self.name}' is a {self.type}: it has no weights of its own to look at")
        return parts[0]

    @property
    def looks(self) -> bool:
        """Whether where it reads follows from the picture: on its opacity it is `guided` by its colours."""
        return False

    @property
    def is_supplied(self) -> bool:
        """Whether what it is guided by is no picture but its offsets, a pixel for each output."""
        return False

    def guided(self, picture: Array | None, white: float) -> Self:
        """A kernel that `looks`, for a picture of that `white`: at `picture`, None for the input itself."""
        return self

    def unrecorded(self) -> Self:
        """The kernel without a file that what it predicts is written to."""
        return self

    @property
    def is_local(self) -> bool:
        """Whether an output follows from the samples under its window alone, wherever that lies."""
        return False

    def unpadded(self) -> Self:
        """The kernel for windows that hold all that it reads."""
        return self.replace(padding=((0, 0),) * len(self.axes))

    def verify(self) -> None:
        """`check`, with an error where the numbers stand in a kernel file. Raises `KernelError`."""
        try:
            self.check()
            _ = self.bias and self.bias.array
        except FieldError as error:
            if self.locate:
                raise self.locate(error) from error
            raise KernelError(error.fact, place=f"kernel '{self.name}'", hint=error.hint) from error

    def count(self, spatial: Sequence[int], channels: int = 1, axes: str | None = None) -> Count:
        """Parameters, and MACs on an input with `spatial` sizes along `axes` (default: the kernel's own)."""
        self.output_channels(channels)
        return Count(
            weights=self.weight_count,
            biases=self.bias.size if self.bias else 0,
            macs=self.macs(spatial, axes or self.axes, channels),
        )

    @property
    def folded(self) -> Kernel:
        """The same as one kernel whose weights hold the effect, where there is one; else itself."""
        return self

    def cuts(self, x: Array, axes: str, dtype: DTypeLike, sink: Sink, constraints: Constraints = FREE) -> Cuts:
        """What is computed to filter `x` (`(*spatial, channels)`, spatial in the order of `axes`): nothing is yet.

        Arithmetic is in `dtype`; results go to `sink`. Raises `ShapeError` where kernel and array do not fit.
        """
        if self.has_effect:
            folded = self.folded
            if not folded.has_effect:
                return folded.cuts(x, axes, dtype, sink, constraints)
            self.check_effect(x.shape[:-1], axes, x.shape[-1])
            blend = engine.Blend(x, self.gain, engine.least_change(self.threshold, x.dtype))
            return self.bare.cuts(x, axes, dtype, sink.mixing(blend), constraints)
        if not self.is_linear:
            bias = None if self.bias is None else self.bias.array.reshape(-1).astype(dtype)
            sink = sink.finishing(bias, self.activation.curve(dtype) if self.activation else None)
        if constraints.plain:
            return self._cuts(x, axes, dtype, sink, constraints)
        from convcli.ops.running import call_for

        signature = engine.Signature.of(x, axes, dtype, constraints.algorithm)
        keeps = sink.keeps(x.dtype, cut=True)
        native = call_for(self, signature._replace(native=True, exact=sink.exact)) if keeps else None
        target = sink.out if native else sink.target(dtype)
        if call := native or call_for(self, signature):
            # Nothing is looked at yet: the input may be made by and by.
            return engine.Cuts(partial(_stored, call, x, target, sink), [(0, sink.out.shape[0])], call=native)
        if self.copies:
            return engine.copied(x, self._moves(x.shape[:-1], axes), self.border, dtype, sink)
        return self._cuts(x, axes, dtype, sink, constraints)

    def call(self, x: Signature) -> Call | None:
        """All of the result, without bias and activation, by plain calls of a library; None where bands are faster, or
        where there is no such call for what is `native`.
        """
        return None

    def apply(
        self, array: ArrayLike, layout: str | None = None, *, dtype: DTypeLike | None = None,
        algorithm: str | None = None,
    ) -> Array:  # fmt: skip
        """The filtered array, in the layout and (unless `dtype` says otherwise) the dtype of `array`.

        `array` is a numpy array, or what numpy makes one of: a tensor, a table, an image, nested lists. `layout` names
        its axes: letters of x, y, z and c (channels) in any order; by rank it is "x", "yx", "yxc" or "zyxc" by default.
        Floats stay floats, without a limit (float64 and integers of 32 bits and more are computed in float64, all else
        in float32); integers are rounded half to even and clipped to what they can hold; booleans are 0 and 1. A kernel
        whose only tap is 1 keeps every bit. Where a filter bank gives an array without a channel axis several channels,
        they become its last axis. `algorithm` is used where it can be: "direct", "passes", "sums" or "fourier".

        Raises `UsageError` for what holds no real numbers, and for an array that looks like channels first unless a
        layout is said; `ShapeError` where array and kernel do not fit.
        """
        like: Any = array
        try:
            # The type first: heirs of an array have all that the key does, and are read otherwise.
            run = self._remembered[type(like), like.shape, like.strides, like.dtype, layout, dtype, algorithm]
        except (KeyError, TypeError, AttributeError):
            from convcli.ops.running import applied

            return applied(self, array, layout, dtype, algorithm)
        result: Array = run(like)
        return result


def _stored(call: Call, x: Array, target: Array | None, sink: Sink, cut: tuple[int, int]) -> None:
    """Makes all of a result."""
    sink.store(call(engine.settled(x), target), cut[0])
