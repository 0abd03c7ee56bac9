"""Spatially separable kernels: one row of taps per axis."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from convcli import engine
from convcli.engine.geometry import Grid
from convcli.engine.plan import COPY, Algorithm, Constraints
from convcli.errors import FieldError
from convcli.ops import fields as f, tensors
from convcli.ops.base import MOST_LOOKED_AT, Kernel
from convcli.ops.dense import Dense, check_groups_of_kernel, effective_weights
from convcli.ops.rules import RuleCall
from convcli.ops.tensors import Tensor
from convcli.ops.weights import check_bank, check_multiplied, check_outputs, common, footprint, only_tap, per_axis, sums
from convcli.records import late, record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from convcli.engine import Call, Cuts, Facts, Signature, Sink, Tile
    from convcli.engine.dtypes import Array, DTypeLike, Floats
else:
    np = late("numpy")

#: Taps of both axes multiplied out for the planner and for OpenCV, up to so many.
TOGETHER_LIMIT = 1 << 20

TAPS = f.Field(
    "taps",
    "Taps of one axis, used along each; or taps per axis as {y: ..., x: ...}. Of shape (out, in/groups, taps) they"
    " make a bank of filters that mixes channels.",
    required=True,
)


@record
class Separable(Kernel):
    """A kernel that is the outer product of one row of taps per axis: k + k multiplications instead of k * k.

    `factors` holds the taps in the order of `axes`: `(taps,)` each, or `(out, in/groups, taps)` for a filter bank in
    which every pair of channels has taps of its own.
    """

    type: ClassVar[str] = "separable"
    summary: ClassVar[str] = "spatially separable: one row of taps per axis"
    formula: ClassVar[str] = (
        "y = along x of (along y of x), each y[o] = sum_t w[t] * x[stride*o + dilation*t - padding]"
    )
    source: ClassVar[str] = "Treitel & Shanks 1971, doi:10.1109/TGE.1971.271457"
    FIELDS: ClassVar[Mapping[str, f.Field]] = {"taps": TAPS, "groups": f.GROUPS, **f.COMMON}

    factors: tuple[Tensor, ...]
    groups: int = 1

    @classmethod
    def build(cls, fields: Mapping[str, Any]) -> Kernel:  # type: ignore[override]
        """A dense kernel where the product is turned by an eighth, and then is none any more."""
        degrees = fields.get("rotate", 0)
        if degrees % 90:
            return _turned(cls.build({**fields, "rotate": 0}), degrees)
        factors, axes = _factors(fields["taps"], fields)
        factors = _rotated(factors, degrees, axes)
        ranks = {factor.rank for factor in factors}
        if not ranks <= {1} and not ranks <= {3}:
            raise FieldError("taps", f"taps have rank {_listed(ranks)}; 1 makes a kernel, 3 a filter bank")
        if any(0 in factor.shape for factor in factors):
            raise FieldError("taps", "an axis has no taps")
        if len({factor.shape[:-1] for factor in factors}) > 1:
            shapes = " and ".join(str(factor.shape[:2]) for factor in factors)
            raise FieldError("taps", f"the axes have filters for different channels: {shapes}")
        kernel = cls(factors=factors, groups=fields["groups"], **common(fields, axes))
        if kernel.channels is None:
            check_groups_of_kernel(kernel.groups)
        else:
            check_bank(factors[0].shape, kernel.groups, "groups")
        check_outputs(kernel.bias, kernel.activation, kernel.channels[1] if kernel.channels else None)
        return kernel

    @property
    def taps(self) -> tuple[int, ...]:
        return tuple(factor.shape[-1] for factor in self.factors)

    @property
    def channels(self) -> tuple[int, int] | None:
        out, per_group = self.factors[0].shape[:-1] or (0, 0)
        return (per_group * self.groups, out) if out else None

    @property
    def weight_count(self) -> int:
        return sum(factor.size for factor in self.factors)

    @property
    def weights_by_part(self) -> dict[str, int]:
        return {f"along {axis}": factor.size for axis, factor in zip(self.axes, self.factors, strict=True)}

    @cached_property
    def effective(self) -> tuple[npt.NDArray[np.float64], ...]:
        """Taps per axis as they are applied; a number as divisor divides the first axis alone."""
        divisors = [self.divisor if self.divisor == "sum" or axis == 0 else 1 for axis in range(len(self.factors))]
        return tuple(
            effective_weights(factor, divisor, self.flip, 1)
            for factor, divisor in zip(self.factors, divisors, strict=True)
        )

    @property
    def is_local(self) -> bool:
        return not self.has_effect

    def parts(self) -> dict[str, npt.NDArray[np.float64]]:
        parts = {f"along {axis}": taps for axis, taps in zip(self.axes, self.effective, strict=True)}
        if self.channels is None and len(self.axes) == 2 and math.prod(self.taps) <= MOST_LOOKED_AT:
            parts["together"] = np.outer(*self.effective)
        return parts

    def dense_weights(self) -> npt.NDArray[np.float64]:
        check_multiplied((*self.factors[0].shape[:-1], *self.taps), self.name)
        first, *others = self.effective
        for taps in others:
            first = first[..., None] * taps.reshape(*taps.shape[:-1], *(1,) * (first.ndim - taps.ndim + 1), -1)
        return first

    @cached_property
    def only_tap(self) -> tuple[int, ...] | None:
        places = [only_tap(taps) for taps in self.effective] if self.channels is None else [None]
        return None if None in places else tuple(place[0] for place in places if place)

    @cached_property
    def own_sums(self) -> npt.NDArray[np.float64]:
        # The product of every pair's sums, and then those of the pairs that make one output.
        pairs = math.prod((sums(taps, (-1,)) for taps in self.effective), start=np.ones(()))
        return sums(pairs, (-1,)) if self.channels else pairs

    def _reach(self, low: float, high: float) -> tuple[float, float] | None:
        if self.channels is not None:
            return None
        plus, minus = 1.0, 0.0
        for taps in self.effective:
            above, below = float(taps[taps > 0].sum()), float(taps[taps < 0].sum())
            plus, minus = plus * above + minus * below, plus * below + minus * above
        return plus * low + minus * high, plus * high + minus * low

    def check(self) -> None:
        _ = self.effective

    def macs(self, spatial: Sequence[int], axes: str, channels: int) -> dict[str, int]:
        # The pass along the last axis comes first; strides shrink what the later passes have to do.
        output = dict(zip(axes, self.output_shape(spatial, axes), strict=True))
        sizes = dict(zip(axes, spatial, strict=True))
        pairs = self.factors[0].shape[0] * self.factors[0].shape[1] if self.channels else channels
        macs = {}
        for axis, taps in reversed(list(zip(self.axes, self.taps, strict=True))):
            sizes[axis] = output[axis]
            macs[f"along {axis}"] = taps * pairs * math.prod(sizes.values())
        return macs

    def algorithm(self, spatial: Sequence[int] | None = None, channels: int = 1, asked: str | None = None) -> Algorithm:
        if self.copies:
            return COPY
        plain = max(self.dilation) == 1
        if self.channels is None and len(self.axes) == 2 and plain and math.prod(self.taps) <= TOGETHER_LIMIT:
            together = np.outer(*self.effective)
            return engine.algorithm_for(together, (self.stride, self.dilation), spatial, channels, asked)
        return Algorithm("one pass per axis", "one pass per axis, by planes")

    def coverage(self) -> Kernel:
        factors = tuple(tensors.of_array(footprint(taps, 1)) for taps in self.effective)
        return self.replace(factors=factors, groups=1, bias=None, activation=None, divisor=1, flip=False)

    def _together(self, axes: str, dtype: DTypeLike) -> Floats | None:
        """The taps multiplied out where a picture is filtered with them, as one kernel without dilation."""
        plain = self.channels is None and len(axes) == len(self.axes) == 2 and max(self.dilation) == 1
        if not plain or math.prod(self.taps) > TOGETHER_LIMIT:
            return None
        return np.outer(*self.effective).astype(dtype)

    def call(self, x: Signature) -> Call | None:
        together = self._together(x.axes, x.work)
        if together is None:
            return None
        return engine.plane_call(x, together, self.windows(x.shape[:-1], x.axes), self.border)

    def _cuts(self, x: Array, axes: str, dtype: DTypeLike, sink: Sink, constraints: Constraints) -> Cuts:
        passes = [(axes.index(axis), taps.astype(dtype)) for axis, taps in zip(self.axes, self.effective, strict=True)]
        passes.reverse()
        windows = self.windows(x.shape[:-1], axes)
        together = self._together(axes, dtype)
        if together is not None:
            work = engine.Correlation(x, together, windows, self.border, sink, constraints)
            if cuts := engine.whole_cuts(work):
                return cuts
        tiling = engine.Tiling(x=x, windows=windows, border=self.border, dtype=dtype, sink=sink)

        def chain(plane: Floats, pair: tuple[int, ...], grid: Grid, facts: Facts) -> Floats:
            for axis, taps in passes:
                sizes = [*plane.shape[:-1]]
                shape, step, gap = ([1] * len(axes) for _ in range(3))
                shape[axis], step[axis], gap[axis] = taps.shape[-1], grid.stride[axis], grid.dilation[axis]
                sizes[axis] = grid.lengths[axis]
                plane = engine.correlate_planes(plane, taps[pair].reshape(shape), Grid(step, gap, sizes), facts=facts)
            return plane

        def compute(tile: Tile) -> Floats:
            grid, facts = tiling.grid(tile.region), tiling.facts(tile.data, constraints.algorithm)
            if self.channels is None:
                return chain(tile.data, (), grid, facts)
            out, per_group, _ = self.factors[0].shape
            return engine.sum_pairs(
                tile.data, out, per_group, grid.lengths, lambda m, c, p: chain(p, (m, c), grid, facts)
            )

        return tiling.by_tiles(compute)


def _factors(taps: Any, fields: Mapping[str, Any]) -> tuple[tuple[Tensor, ...], str]:
    """Taps per axis and the axes: those named in a mapping, or those asked for (yx by default)."""
    asked = fields["axes"]
    if isinstance(taps, Mapping):
        axes = "".join(axis for axis in "zyx" if axis in taps)
        if asked and asked != axes:
            raise FieldError("axes", f"axes are {asked}, taps are given for {axes}")
    else:
        axes = asked or _axes_of_rule(taps) or "yx"
    stride = per_axis(fields["stride"], axes, "stride")
    factors = []
    for index, axis in enumerate(axes):
        value = taps[axis] if isinstance(taps, Mapping) else taps
        if isinstance(value, RuleCall):
            value = _along(value, index, axes).resolve(1, (stride[index],), "taps")
        factors.append(value)
    return tuple(factors), axes


def _rotated(factors: tuple[Tensor, ...], degrees: int, axes: str) -> tuple[Tensor, ...]:
    """The factors of the product turned clockwise, by quarters."""
    if degrees and not axes.endswith("yx"):
        raise FieldError("rotate", f"taps along {axes} alone don't turn", hint="axes: yx, or {y: [...], x: [...]}")
    for _ in range(degrees // 90):
        *others, down, right = factors
        factors = (*others, right, _reversed(down))
    return factors


def _turned(kernel: Kernel, degrees: int) -> Dense:
    """The product of taps, turned; raises `FieldError` where it is not 3x3."""
    from convcli.ops.rotation import rotated

    if kernel.channels:
        raise FieldError("rotate", "a bank of separable filters turns by multiples of 90 degrees")
    together = Tensor(shape=kernel.taps, origin=f"{kernel.name}", make=kernel.dense_weights)
    shared = {field.name: getattr(kernel, field.name) for field in dataclasses.fields(Kernel)}
    return Dense(**{**shared, "weights": rotated(together, degrees, kernel.axes), "divisor": 1, "flip": False})


def _reversed(taps: Tensor) -> Tensor:
    return Tensor(shape=taps.shape, origin=taps.origin, make=lambda: taps.array[..., ::-1].copy(), fail=taps.fail)


def _axes_of_rule(taps: Any) -> str | None:
    if isinstance(taps, RuleCall):
        return {1: "x", 2: "yx", 3: "zyx"}.get(taps.rank(2))
    return None


def _along(rule: RuleCall, index: int, axes: str) -> RuleCall:
    """The rule with those of its parameters that are values per axis reduced to the ones of one axis."""
    values = {}
    for name, value in rule.parameters.items():
        if isinstance(value, Sequence) and len(value) > 1:
            values[name] = per_axis(value, axes, "taps")[index]
        else:
            values[name] = value
    return RuleCall(rule.rule, values)


def _listed(ranks: set[int]) -> str:
    return " and ".join(str(rank) for rank in sorted(ranks))
