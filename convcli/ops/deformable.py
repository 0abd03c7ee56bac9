"""Deformable convolution: each tap reads at a fractional offset of its own, per output pixel."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

from convcli.engine.plan import Algorithm, Constraints
from convcli.errors import FieldError
from convcli.ops import fields as f, tensors
from convcli.ops.base import Count, Kernel
from convcli.ops.branches import Branch, BranchCall, Supplied, untrained
from convcli.ops.dense import Dense, check_groups_of_kernel, effective_weights
from convcli.ops.offsets import check_branches, check_finite, check_stack, check_together, is_packed
from convcli.ops.orientations import Orientation
from convcli.ops.rules import RuleCall
from convcli.ops.tensors import Tensor
from convcli.ops.weights import check_bank, check_outputs, common, footprint, resolve_weights, sums
from convcli.records import late, record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from convcli.engine import Call, Cuts, Signature, Sink
    from convcli.engine.dtypes import Array, DTypeLike
else:
    np = late("numpy")

OFFSETS = f.Field(
    "offsets",
    "How far from its place each tap reads, in pixels: an array (offset groups * 2 * taps, out height, out width) with"
    " the pairs (down, right) per tap, a rule of the place such as {swirl: {angle: 90}}, or what looks at the picture:"
    " a rule, {along: {sigma: 1, around: 3}}, or {branch: {weights: ..., bias: ...}}, which predicts these planes.",
    required=True,
)
MASK = f.Field(
    "mask",
    "A factor per tap and output pixel: (offset groups * taps, out height, out width), or {branch: {weights: ...,"
    " activation: sigmoid}}. A branch of offsets with 3 * taps planes brings it along.",
)


@record
class Deformable(Kernel):
    """A convolution whose taps each read `offsets` away from their places, bilinearly; `mask` weighs them (version 2).

    `weights` is `(kh, kw)` or `(out, in/groups, kh, kw)`. `offsets` is `(og * 2 * K, out_h, out_w)` for K = kh * kw
    taps and og groups of input channels; channel `g*2K + 2*(i*kw + j)` holds tap (i, j)'s displacement down, the next
    one right. `mask` is `(og * K, out_h, out_w)`.
    """

    #: Fields that change no pixel of a file.
    ASIDE: ClassVar[frozenset[str]] = frozenset({"name", "about", "group", "notes", "locate", "guide", "recorded"})
    type: ClassVar[str] = "deformable"
    summary: ClassVar[str] = "each tap reads at a fractional offset of its own, per output pixel"
    formula: ClassVar[str] = "y[o] = sum_t w[t] * mask[t, o] * x(stride*o + dilation*t - padding + offset[t, o])"
    source: ClassVar[str] = "Dai et al. 2017, arXiv:1703.06211; Zhu et al. 2018, arXiv:1811.11168 (mask)"
    FIELDS: ClassVar[Mapping[str, f.Field]] = {
        "weights": f.WEIGHTS, "offsets": OFFSETS, "mask": MASK, "groups": f.GROUPS, **f.COMMON,
    }  # fmt: skip

    weights: Tensor
    offsets: Tensor | RuleCall | Branch
    mask: Tensor | Branch | None = None
    groups: int = 1
    #: The picture that offsets look at, where that is not the input, and its white, where its dtype doesn't tell.
    guide: Array | None = field(default=None, repr=False, compare=False)
    white: float = 0.0
    #: Whether one channel is filtered, that of opacity, with the offsets of the first group.
    first_group: bool = False
    #: A .npy file that the offsets of one picture are written to.
    recorded: str = ""

    @classmethod
    def build(cls, fields: Mapping[str, Any]) -> Self:
        weights, axes = resolve_weights(fields["weights"], fields, "weights")
        if axes != "yx":
            raise FieldError("weights", f"a deformable kernel moves along y and x; these weights move along {axes}")
        offsets, mask = (
            fields[key].built(fields, key) if isinstance(fields[key], BranchCall) else fields[key]
            for key in ("offsets", "mask")
        )
        kernel = cls(weights=weights, offsets=offsets, mask=mask, groups=fields["groups"], **common(fields, axes))
        if kernel.channels is None:
            check_groups_of_kernel(kernel.groups)
        else:
            check_bank(weights.shape, kernel.groups, "groups")
        check_outputs(kernel.bias, kernel.activation, kernel.channels[1] if kernel.channels else None)
        taps = math.prod(kernel.taps)
        check_stack(kernel.offsets, 2 * taps, "offsets", f"2 x {taps} taps")
        check_stack(kernel.mask, taps, "mask", f"{taps} taps")
        check_together(kernel.offsets, kernel.mask)
        check_branches(kernel.offsets, kernel.mask, taps, kernel.offset_groups)
        if isinstance(kernel.offsets, RuleCall):
            kernel.offsets.values(2, "offsets")
        return kernel

    @property
    def taps(self) -> tuple[int, ...]:
        return self.weights.shape[-2:]

    @property
    def channels(self) -> tuple[int, int] | None:
        if self.weights.rank == 2:
            return None
        return self.weights.shape[1] * self.groups, self.weights.shape[0]

    @property
    def packed(self) -> bool:
        """Whether a branch makes offsets and mask together."""
        return is_packed(self.offsets, self.mask, math.prod(self.taps))

    @property
    def weight_count(self) -> int:
        return sum(self.weights_by_part.values())

    @property
    def weights_by_part(self) -> dict[str, int]:
        own = {part: branch.weight_count for part, branch in self.own_branches.items()}
        return {"convolution": self.weights.size} | own

    @property
    def branch_biases(self) -> int:
        """Biases of the branches."""
        return sum(branch.bias_count for branch in self.own_branches.values())

    @property
    def own_branches(self) -> dict[str, Branch]:
        """The branches with weights, by the name of their part."""
        both = {"offset branch": self.offsets, "mask branch": self.mask}
        return {} if self.is_supplied else {part: one for part, one in both.items() if isinstance(one, Branch)}

    @property
    def offset_groups(self) -> int:
        """Groups of input channels with offsets of their own."""
        if self.first_group:
            return 1
        taps = math.prod(self.taps)
        if isinstance(self.offsets, Branch):
            return self.offsets.planes // ((3 if self.packed else 2) * taps)
        if isinstance(self.offsets, Tensor):
            return self.offsets.shape[0] // (2 * taps)
        return self.mask.planes // taps if isinstance(self.mask, Branch) else 1

    def count(self, spatial: Sequence[int], channels: int = 1, axes: str | None = None) -> Count:
        count = super().count(spatial, channels, axes)
        return dataclasses.replace(count, biases=count.biases + self.branch_biases)

    def branches(self, channels: int) -> dict[str, Dense]:
        """The convolutions that predict offsets, and the mask where there is one, in a network without weights."""
        if self.own_branches or self.is_supplied:
            return {}
        taps = math.prod(self.taps) * self.offset_groups
        outputs = {"offset branch": 2 * taps} | ({"mask branch": taps} if self.mask is not None else {})
        return {part: untrained(self, f"{self.name}: {part}", channels, out) for part, out in outputs.items()}

    @property
    def looks(self) -> bool:
        return self.oriented is not None or bool(self.own_branches) or self.is_supplied

    @property
    def is_supplied(self) -> bool:
        return isinstance(self.offsets, Supplied)

    @property
    def supplied(self) -> dict[str, Branch]:
        """The planes that another layer makes, named as `own_branches` are."""
        return {"field of offsets": self.offsets} if isinstance(self.offsets, Supplied) else {}

    @cached_property
    def oriented(self) -> tuple[Orientation, dict[str, Any]] | None:
        """The rule that looks at the picture, with its parameters; None where offsets follow from something else."""
        if isinstance(self.offsets, RuleCall) and isinstance(self.offsets.rule, Orientation):
            return self.offsets.rule, self.offsets.values(2, "offsets")
        return None

    def guided(self, picture: Array | None, white: float) -> Self:
        return self.replace(guide=picture, white=white)

    def unrecorded(self) -> Self:
        return self.replace(recorded="") if self.recorded else self

    def displacements(self, size: Sequence[int], rows: slice, columns: slice, group: int = 0) -> tuple[Any, Any]:
        """How far from their places taps read, in pixels down and right: `(taps, h, w)` each, of the outputs of `rows`
        and `columns`, on a picture of `size` (height, width); `group` is one of the offset groups.

        Raises `UsageError` where offsets depend on a picture, and the kernel is not `guided` by one.
        """
        return self.sampled(size, rows, columns, group)[:2]

    def sampled(self, size: Sequence[int], rows: slice, columns: slice, group: int = 0) -> tuple[Any, Any, Any]:
        """The `displacements`, and what the mask multiplies by what taps read, of the same shape; None without one."""
        from convcli.ops.deformed import sampled

        return sampled(self, size, (rows, columns), group)

    def reads(self, output: Sequence[int], size: Sequence[int]) -> npt.NDArray[np.float64]:
        """As for other kernels, at fractions of pixels, by the first group of offsets."""
        places = super().reads(output, size)
        rows, columns = (slice(o, o + 1) for o in output)
        reads: npt.NDArray[np.float64] = places + np.stack(
            [shift.reshape(-1) for shift in self.displacements(size, rows, columns)], axis=-1
        )
        return reads

    def rows_read(self, start: int, stop: int, size: tuple[int, int]) -> tuple[int, int]:
        from convcli.ops.deformed import strays

        first, last = super().rows_read(start, stop, size)
        for branch in self.own_branches.values():
            seen = branch.rows_read(start, stop, size)
            first, last = min(first, seen[0]), max(last, seen[1])
        up, down = strays(self, start, stop, size)
        # A place lies between two rows. One far outside may come to lie just beyond the edge, and read what is there.
        low, high = first + math.floor(up) - 1, last + math.ceil(down) + 2
        return min(low, size[0] - 1), max(high, 1)

    @cached_property
    def effective(self) -> npt.NDArray[np.float64]:
        return effective_weights(self.weights, self.divisor, self.flip, 2)

    def parts(self) -> dict[str, npt.NDArray[np.float64]]:
        return {"weights": self.effective}

    def check(self) -> None:
        _ = self.effective
        for name, tensor in (("offsets", self.offsets), ("mask", self.mask)):
            if isinstance(tensor, Tensor):
                check_finite(tensor, name)
        for branch in self.own_branches.values():
            branch.check()

    def macs(self, spatial: Sequence[int], axes: str, channels: int) -> dict[str, int]:
        outputs = math.prod(self.output_shape(spatial, axes))
        taps = math.prod(self.taps)
        macs = {
            "convolution": outputs * (self.weights.size if self.channels else taps * channels),
            "bilinear sampling": 4 * taps * channels * outputs,
        }
        if self.mask is not None or self.packed:
            macs["mask"] = taps * channels * outputs
        return macs | {part: branch.macs(spatial, axes) for part, branch in self.own_branches.items()}

    def algorithm(self, spatial: Sequence[int] | None = None, channels: int = 1, asked: str | None = None) -> Algorithm:
        return Algorithm("bilinear samples per tap", "bilinear samples per tap, in blocks")

    def coverage(self) -> Kernel:
        weights = tensors.of_array(footprint(self.effective, 2))
        offsets = self.offsets
        if isinstance(offsets, Tensor) and self.offset_groups > 1:
            # One alpha for all channels: it follows the first group.
            first, whole = 2 * math.prod(self.taps), offsets
            offsets = tensors.Tensor(
                shape=(first, *whole.shape[1:]), origin=whole.origin, make=lambda: whole.native[:first]
            )
        return self.replace(
            weights=weights, offsets=offsets, mask=None, groups=1, bias=None, activation=None, divisor=1, flip=False,
            first_group=True, recorded="",
        )  # fmt: skip

    @cached_property
    def own_sums(self) -> npt.NDArray[np.float64] | None:
        if self.mask is not None or self.packed:
            return None
        weights = self.effective
        return sums(weights, range(1 if self.channels else 0, weights.ndim))

    def _reach(self, low: float, high: float) -> tuple[float, float] | None:
        if self.channels is not None or self.mask is not None or self.packed:
            return None
        weights = self.effective
        plus, minus = float(weights[weights > 0].sum()), float(weights[weights < 0].sum())
        return plus * low + minus * high, plus * high + minus * low

    def call(self, x: Signature) -> Call | None:
        if self.looks or len(x.shape) != 3:
            return None
        from convcli.ops.deformed import call

        return call(self, x)

    def _cuts(self, x: Array, axes: str, dtype: DTypeLike, sink: Sink, constraints: Constraints) -> Cuts:
        from convcli.ops.deformed import cuts

        return cuts(self, x, axes, dtype, sink)
