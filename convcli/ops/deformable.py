"""Deformable convolution: each tap reads at a fractional offset of its own, per output pixel."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from convcli import engine
from convcli.engine.plan import Algorithm, Constraints
from convcli.errors import FieldError, ShapeError
from convcli.ops import fields as f, tensors
from convcli.ops.base import Kernel
from convcli.ops.dense import Dense, check_groups_of_kernel, effective_weights
from convcli.ops.offsets import check_finite, check_stack, check_together
from convcli.ops.orientations import Orientation
from convcli.ops.rules import RuleCall
from convcli.ops.tensors import Tensor
from convcli.ops.weights import check_bank, check_outputs, common, footprint, resolve_weights
from convcli.records import record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from convcli.engine import Cuts, Sink
    from convcli.engine.dtypes import Array, DTypeLike
    from convcli.engine.geometry import Window
    from convcli.ops.displacements import Displacement
    from convcli.ops.sampling import Memory, Sources
    from convcli.ops.sources import Shifting

#: Numbers per output that a band of a kernel holds whose offsets look at the picture.
FIELDS = 16

OFFSETS = f.Field(
    "offsets",
    "How far from its place each tap reads, in pixels: an array (offset groups * 2 * taps, out height, out width) with"
    " the pairs (down, right) per tap, a rule of the place such as {swirl: {angle: 90}}, or one that looks at the"
    " picture, {along: {sigma: 1, around: 3}}.",
    required=True,
)
MASK = f.Field("array", "A factor per tap and output pixel: (offset groups * taps, out height, out width).")


@record
class Deformable(Kernel):
    """A convolution whose taps each read `offsets` away from their places, bilinearly; `mask` weighs them (version 2).

    `weights` is `(kh, kw)` or `(out, in/groups, kh, kw)`. `offsets` is `(og * 2 * K, out_h, out_w)` for K = kh * kw
    taps and og groups of input channels; channel `g*2K + 2*(i*kw + j)` holds tap (i, j)'s displacement down, the next
    one right. `mask` is `(og * K, out_h, out_w)`.
    """

    type: ClassVar[str] = "deformable"
    summary: ClassVar[str] = "each tap reads at a fractional offset of its own, per output pixel"
    formula: ClassVar[str] = "y[o] = sum_t w[t] * mask[t, o] * x(stride*o + dilation*t - padding + offset[t, o])"
    source: ClassVar[str] = "Dai et al. 2017, arXiv:1703.06211; Zhu et al. 2018, arXiv:1811.11168 (mask)"
    FIELDS: ClassVar[Mapping[str, f.Field]] = {
        "weights": f.WEIGHTS, "offsets": OFFSETS, "mask": MASK, "groups": f.GROUPS, **f.COMMON,
    }  # fmt: skip

    weights: Tensor
    offsets: Tensor | RuleCall
    mask: Tensor | None = None
    groups: int = 1
    #: What offsets look at, where that is not the input itself.
    guide: Array | None = field(default=None, repr=False, compare=False)

    @classmethod
    def build(cls, fields: Mapping[str, Any]) -> Self:
        weights, axes = resolve_weights(fields["weights"], fields, "weights")
        if axes != "yx":
            raise FieldError("weights", f"a deformable kernel moves along y and x; these weights move along {axes}")
        kernel = cls(
            weights=weights, offsets=fields["offsets"], mask=fields["mask"], groups=fields["groups"],
            **common(fields, axes),
        )  # fmt: skip
        if kernel.channels is None:
            check_groups_of_kernel(kernel.groups)
        else:
            check_bank(weights.shape, kernel.groups, "groups")
        check_outputs(kernel.bias, kernel.activation, kernel.channels[1] if kernel.channels else None)
        taps = math.prod(kernel.taps)
        check_stack(kernel.offsets, 2 * taps, "offsets", f"2 x {taps} taps")
        check_stack(kernel.mask, taps, "mask", f"{taps} taps")
        check_together(kernel.offsets, kernel.mask)
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
    def weight_count(self) -> int:
        return self.weights.size

    @property
    def offset_groups(self) -> int:
        """Groups of input channels with offsets of their own."""
        if isinstance(self.offsets, Tensor):
            return self.offsets.shape[0] // (2 * math.prod(self.taps))
        return 1

    def branches(self, channels: int) -> dict[str, Dense]:
        """The convolutions that predict the offsets, and the mask where there is one, in a network.

        Each sees the same `channels` with the kernel's own taps, stride, dilation and padding, and has a bias per
        output: `kh*kw*C * 2*og*K` weights for the offsets, `kh*kw*C * og*K` for the mask (Dai et al. 2017, section
        2.1; Zhu et al. 2018, section 3.2). Their weights are 0, as at the start of training.
        """
        taps = math.prod(self.taps) * self.offset_groups
        outputs = {"offset branch": 2 * taps} | ({"mask branch": taps} if self.mask is not None else {})
        return {
            part: Dense(
                name=f"{self.name}: {part}", weights=tensors.zeros((out, channels, *self.taps)),
                bias=tensors.zeros((out,)), stride=self.stride, dilation=self.dilation, padding=self.padding,
                border=self.border,
            )
            for part, out in outputs.items()
        }  # fmt: skip

    @property
    def looks(self) -> bool:
        return self._oriented is not None

    @property
    def _oriented(self) -> tuple[Orientation, dict[str, Any]] | None:
        """The rule that looks at the picture, with its parameters; None where offsets follow from something else."""
        if isinstance(self.offsets, RuleCall) and isinstance(self.offsets.rule, Orientation):
            return self.offsets.rule, self.offsets.values(2, "offsets")
        return None

    def guided(self, picture: Array) -> Self:
        return self.replace(guide=picture) if self.looks else self

    def rows_read(self, start: int, stop: int, size: tuple[int, int]) -> tuple[int, int]:
        first, last = super().rows_read(start, stop, size)
        up, down = self._strays(start, stop, size)
        # A place lies between two rows. One far outside may come to lie just beyond the edge, and read what is there.
        low, high = first + math.floor(up) - 1, last + math.ceil(down) + 2
        return min(low, size[0] - 1), max(high, 1)

    def _strays(self, start: int, stop: int, size: tuple[int, int]) -> tuple[float, float]:
        """How far above and below the rows of its taps anything is read for some outputs."""
        if self._oriented:
            rule, parameters = self._oriented
            down, right = (reach / 2 for reach in (n - 1 for n in self.extent))
            seen = max(rule.stretch(parameters) * math.hypot(down, right), rule.halo(parameters))
            return down - seen, seen - down
        if isinstance(self.offsets, RuleCall):
            reach = cast("Displacement", self.offsets.rule).reach(self.offsets.values(2, "offsets"), size)
            return -reach, reach
        rows = self.offsets.native[0::2, start:stop]
        return float(rows.min()), float(rows.max())

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

    def macs(self, spatial: Sequence[int], axes: str, channels: int) -> dict[str, int]:
        outputs = math.prod(self.output_shape(spatial, axes))
        taps = math.prod(self.taps)
        macs = {
            "convolution": outputs * (self.weights.size if self.channels else taps * channels),
            "bilinear sampling": 4 * taps * channels * outputs,
        }
        if self.mask is not None:
            macs["mask"] = taps * channels * outputs
        return macs

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
            weights=weights, offsets=offsets, mask=None, groups=1, bias=None, activation=None, divisor=1, flip=False
        )

    def _cuts(self, x: Array, axes: str, dtype: DTypeLike, sink: Sink, constraints: Constraints) -> Cuts:
        from convcli.ops.sampling import Deformation, Sampling

        windows = self.windows(x.shape[:-1], axes)[-2:]
        size = (windows[0].length, windows[1].length)
        self._check_fit(x.shape, size)
        deformation = Deformation(
            weights=self.effective, windows=windows, groups=self.groups, offset_groups=self.offset_groups,
            channels_out=self.output_channels(x.shape[-1]), border=self.border,
            memory=None if self.looks else self._memory,
        )  # fmt: skip
        sampling = Sampling(deformation, x.shape[-3:], dtype)

        def image_cuts(image: Array, guide: Array, sink: Sink) -> Cuts:
            tiling = engine.Tiling(
                x=image, windows=windows, border=self.border, dtype=dtype, sink=sink, rows=sampling.rows,
                channels=FIELDS if self.looks else sampling.samples,
            )  # fmt: skip
            return tiling.by_regions(partial(sampling.band, image, self._sources(guide, windows, dtype)))

        guide = x if self.guide is None else self.guide
        if x.ndim == 3:
            return image_cuts(x, guide, sink)
        # A volume goes slice by slice: z is carried through.
        return engine.Cuts.joined([image_cuts(x[z], guide[z], sink.slice(z)) for z in range(len(x))])

    def _sources(self, picture: Array, windows: Sequence[Window], dtype: DTypeLike) -> Sources:
        """Offsets and mask of some rows, by the picture where they look at one."""
        from convcli.ops.sources import Displaced, Factors, Stored, oriented

        mask = Factors(self.mask.native, self.offset_groups) if self.mask else None
        if self._oriented:
            rule, parameters = self._oriented
            return lambda rows: (oriented(rule, parameters, picture, rows, windows, self.border, dtype), mask)
        offsets: Shifting
        if isinstance(self.offsets, RuleCall):
            rule_of_places, values = cast("Displacement", self.offsets.rule), self.offsets.values(2, "offsets")
            offsets = Displaced(rule_of_places, values, picture.shape[:2])
        else:
            offsets = Stored(self.offsets.native, self.taps)
        return lambda rows: (offsets, mask)

    @cached_property
    def _memory(self) -> Memory:
        """What `Deformation` keeps from one picture to the next."""
        from convcli.ops.sampling import Memory

        return Memory()

    def _check_fit(self, shape: tuple[int, ...], size: tuple[int, int]) -> None:
        """Raises `ShapeError` where offsets or mask were made for another output size or number of channels."""
        (kh, kw), groups = self.taps, self.offset_groups
        if shape[-1] % groups:
            planes = f"offsets of {2 * groups * kh * kw} planes are {groups} groups for a {kh}x{kw} kernel"
            raise ShapeError(f"{planes}, and {shape[-1]} channels don't split into {groups}")
        fields = (("offsets", self.offsets, 2, "zeros"), ("mask", self.mask, 1, "ones"))
        for name, tensor, per_tap, neutral in fields:
            if not isinstance(tensor, Tensor):
                continue
            needed = (groups * per_tap * kh * kw, *size)
            if tensor.shape != needed:
                raise ShapeError(
                    f"{name} {tensor.origin} has shape {tensor.shape}; a {kh}x{kw} kernel on a picture of"
                    f" {shape[-2]}x{shape[-3]} pixels needs {needed}",
                    hint=f"make it with numpy: np.save('{name}.npy', np.{neutral}({needed}))",
                )
