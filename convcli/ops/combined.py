"""Several kernels on the same input, whose results become one: gradient magnitudes, compass operators, sums."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

from convcli import engine
from convcli.engine.geometry import Gather, Window, extent
from convcli.engine.plan import Algorithm, Constraints
from convcli.errors import FieldError, KernelError, ShapeError
from convcli.ops import fields as f
from convcli.ops.base import Kernel
from convcli.ops.sums import summed
from convcli.records import late, record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from convcli.engine import Cuts, Sink, Tile
    from convcli.engine.dtypes import Array, DTypeLike, Floats
else:
    np = late("numpy")

#: Ways to make one of results that a sum of kernels does as well.
LINEAR = ("sum", "mean", "difference")
#: Activations that may stand on a part: f(a x) = a f(x) for a > 0, so that they go with opacity.
HOMOGENEOUS = ("relu", "leaky_relu", "prelu", "abs")
#: What a rule between a part and its combination hands on: all that says how parts lie on the input.
HANDED_ON = ("axes", "stride", "dilation", "padding", "border", "divisor", "flip", "rotate")

#: What is said of how much results count.
EFFECT = {"amount": 1, "threshold": 0, "unsharp": False}

OF = f.Field(
    "kernels", "The kernels, in any form that -k takes: names, rows of numbers, mappings of fields.", required=True
)
BY = f.Field(
    "combination",
    "What becomes of their results: magnitude (the root of the sum of squares), sum, mean, difference (the first less"
    " the others), max or min.",
    required=True,
)
FACTORS = f.Field("array", "A number per kernel that its result is multiplied by.")


@record
class Combined(Kernel):
    """Kernels `of` which all read the same input; their results, each times its factor, become one by `by`.

    They agree in stride, border, the size and the channels of their results. `border`, `stride`, `dilation` and other
    fields beside `of` hold for all of them, as do parameters of their rules. Sums, means and differences of linear
    kernels become one kernel (`ops.sums`), which costs less.
    """

    type: ClassVar[str] = "combined"
    summary: ClassVar[str] = "several kernels read the same input, their results become one"
    formula: ClassVar[str] = "y[o] = by(factors[k] * kernel_k(x)[o]), by magnitude: sqrt(sum_k (...)^2)"
    source: ClassVar[str] = "Sobel & Feldman 1968; Kirsch 1971, doi:10.1016/0010-4809(71)90034-6; Robinson 1977"
    FIELDS: ClassVar[Mapping[str, f.Field]] = {"of": OF, "by": BY, "factors": FACTORS, **f.COMMON}
    HANDED_ON: ClassVar[Sequence[str]] = HANDED_ON

    of: tuple[Kernel, ...]
    by: str
    factors: tuple[float, ...]

    @classmethod
    def build(cls, fields: Mapping[str, Any]) -> Kernel:  # type: ignore[override]
        """A plain kernel where that does the same."""
        parts: tuple[Kernel, ...] = tuple(part.kernel().folded for part in fields["of"])
        factors = _factors(fields["factors"], len(parts), fields["by"])
        for number, part in enumerate(parts):
            _check_part(part, parts[0], number)
        shared: dict[str, Any] = {name: fields[name] for name in ("name", "about", "bias", "activation")}
        shared |= {name: fields.get(name, default) for name, default in EFFECT.items()}
        shared |= {
            "border": parts[0].border,
            "notes": tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        }
        if fields["by"] in LINEAR:
            weighted = _weighted(factors, fields["by"])
            if one := summed(parts, weighted):
                return one.replace(**shared)
            factors = weighted
        axes = "".join(axis for axis in "zyx" if any(axis in part.axes for part in parts))
        for name in ("stride", "dilation", "padding"):
            first = [next(part for part in parts if axis in part.axes) for axis in axes]
            shared[name] = tuple(getattr(p, name)[p.axes.index(axis)] for p, axis in zip(first, axes, strict=True))
        kernel = cls(of=parts, by=fields["by"], factors=factors, axes=axes, **shared)
        try:
            kernel.output_shape((240,) * len(axes))
            _ = kernel.channels
        except ShapeError as error:
            raise FieldError("of", error.fact, hint=error.hint) from error
        return kernel

    @cached_property
    def names(self) -> tuple[str, ...]:
        """A name per part; those that are alike are numbered."""
        names = [part.name for part in self.of]
        return tuple(
            f"{name} ({names[: index + 1].count(name)})" if names.count(name) > 1 else name
            for index, name in enumerate(names)
        )

    @property
    def taps(self) -> tuple[int, ...]:
        return tuple(self.window(240, index).taps for index in range(len(self.axes)))

    @property
    def extent(self) -> tuple[int, ...]:
        windows = (self.window(240, index) for index in range(len(self.axes)))
        return tuple(extent(window.taps, window.dilation) for window in windows)

    @property
    def channels(self) -> tuple[int, int] | None:
        banks = {part.channels for part in self.of if part.channels}
        plain = any(part.channels is None for part in self.of)
        if len(banks) > 1 or (plain and any(one != out for one, out in banks)):
            counts = [
                f"{p.name} {p.channels[0]} to {p.channels[1]}" if p.channels else f"{p.name} each" for p in self.of
            ]
            raise ShapeError(f"the parts take and make other numbers of channels: {', '.join(counts)}")
        return next(iter(banks), None)

    @property
    def weight_count(self) -> int:
        return sum(part.weight_count for part in self.of)

    @property
    def weights_by_part(self) -> dict[str, int]:
        return {name: part.weight_count for name, part in zip(self.names, self.of, strict=True)}

    def check(self) -> None:
        for part in self.of:
            part.verify()

    def window(self, n: int, index: int) -> Window:
        """All that any of the parts reads; raises `ShapeError` where their outputs differ in number."""
        axis = self.axes[index]
        windows = [p.window(n, p.axes.index(axis)) if axis in p.axes else Gather(1, 1, 1, 0, n) for p in self.of]
        for part, window in zip(self.of, windows, strict=True):
            if window.length != windows[0].length:
                raise ShapeError(
                    f"of {n} samples along {axis} kernel '{self.of[0].name}' makes {windows[0].length},"
                    f" '{part.name}' {window.length}",
                    hint="parts agree in stride and padding",
                )
        if all(window == windows[0] for window in windows) or not all(isinstance(w, Gather) for w in windows):
            return windows[0]
        before = max(window.before for window in windows)
        last = max(extent(window.taps, window.dilation) - window.before for window in windows)
        return Gather(before + last, windows[0].stride, 1, before, windows[0].length)

    def rows_read(self, start: int, stop: int, size: tuple[int, int]) -> tuple[int, int]:
        ranges = [part.rows_read(start, stop, size) for part in self.of]
        if not self.is_local:
            ranges.append((0, size[0]))
        return min(first for first, _ in ranges), max(last for _, last in ranges)

    def macs(self, spatial: Sequence[int], axes: str, channels: int) -> dict[str, int]:
        totals = (part.count(spatial, channels, axes).total_macs for part in self.of)
        return dict(zip(self.names, totals, strict=True))

    def parts(self) -> dict[str, npt.NDArray[np.float64]]:
        return {name: part.dense_weights() for name, part in zip(self.names, self.of, strict=True)}

    def dense_weights(self) -> npt.NDArray[np.float64]:
        """There are none that do what the kernel does. Raises `KernelError`."""
        fact = f"kernel '{self.name}' is the {self.by} of {len(self.of)} kernels: it has no weights of its own"
        raise KernelError(fact, hint=f"look at its parts: {', '.join(self.names)}")

    def algorithm(self, spatial: Sequence[int] | None = None, channels: int = 1, asked: str | None = None) -> Algorithm:
        each = {part.algorithm(spatial, channels, asked) for part in self.of}
        names = {algorithm.name for algorithm in each}
        by = " or ".join(sorted(map(str, each)))
        return Algorithm(names.pop() if len(names) == 1 else "parts", f"{by} for {len(self.of)} kernels")

    def coverage(self) -> Kernel:
        covers = tuple(part.coverage() for part in self.of)
        share = (1 / len(covers),) * len(covers)
        bare = self.replace(bias=None, activation=None, of=covers, by="sum", factors=share)
        return summed(covers, share) or bare

    def replace(self, **changes: Any) -> Self:
        """A copy with other fields; what lies outside is the same for all parts."""
        if "border" in changes and "of" not in changes:
            changes["of"] = tuple(part.replace(border=changes["border"]) for part in self.of)
        return super().replace(**changes)

    @property
    def looks(self) -> bool:
        return any(part.looks for part in self.of)

    def guided(self, picture: Array | None, white: float) -> Combined:
        return self.replace(of=tuple(part.guided(picture, white) for part in self.of))

    def unrecorded(self) -> Combined:
        return self.replace(of=tuple(part.unrecorded() for part in self.of))

    @property
    def is_local(self) -> bool:
        return all(part.is_local for part in self.of)

    def unpadded(self) -> Combined:
        return self.replace(of=tuple(part.unpadded() for part in self.of))

    @cached_property
    def _bare(self) -> tuple[Kernel, ...]:
        """The parts on windows that hold all that they read."""
        return self.unpadded().of

    def _cuts(self, x: Array, axes: str, dtype: DTypeLike, sink: Sink, constraints: Constraints) -> Cuts:
        windows, channels = self.windows(x.shape[:-1], axes), self.output_channels(x.shape[-1])
        if not self.is_local:
            return self._whole(x, axes, dtype, sink, constraints)
        own = [part.windows(x.shape[:-1], axes) for part in self.of]
        tiling = engine.Tiling(x=x, windows=windows, border=self.border, dtype=dtype, sink=sink)

        def compute(tile: Tile) -> Floats:
            shape = [stop - start for start, stop in tile.region]
            total = engine.Total(self.by, shape, channels, dtype)
            for part, its_windows, factor in zip(self._bare, own, self.factors, strict=True):
                ranges = [w.reads(*some) for w, some in zip(its_windows, tile.region, strict=True)]
                some = tuple(
                    slice(start - origin, stop - origin)
                    for (start, stop), origin in zip(ranges, tile.origin, strict=True)
                )
                cuts = part.cuts(tile.data[some], axes, dtype, engine.Sink(total.next), constraints)
                with engine.scratch_space():
                    for cut in cuts.cuts:
                        cuts.work(cut)
                total.add(factor)
            return total.result()

        return tiling.by_tiles(compute)

    def _whole(self, x: Array, axes: str, dtype: DTypeLike, sink: Sink, constraints: Constraints) -> Cuts:
        """All at once, where a part looks at where it is in the picture."""

        def work(cut: tuple[int, int]) -> None:
            shape = sink.out.shape
            total = engine.Total(self.by, shape[:-1], shape[-1], dtype)
            for part, factor in zip(self.of, self.factors, strict=True):
                part.cuts(x, axes, dtype, engine.Sink(total.next), constraints).run()
                total.add(factor)
            sink.store(total.result(), 0)

        return engine.Cuts(work, [(0, sink.out.shape[0])])


def _factors(tensor: Any, count: int, by: str) -> tuple[float, ...]:
    if not count:
        raise FieldError("of", "'of' names no kernels", hint="of: [sobel-x, sobel-y]")
    if tensor is None:
        return (1.0,) * count
    if tensor.shape != (count,):
        raise FieldError("factors", f"{tensor.size} factors for {count} kernels", hint="one number for each")
    factors = tuple(float(factor) for factor in tensor.array)
    if by == "mean" and abs(math.fsum(factors)) < 1e-12 * math.fsum(map(abs, factors)):
        raise FieldError("factors", "the factors of a mean sum to 0", hint="by: sum")
    return factors


def _weighted(factors: tuple[float, ...], by: str) -> tuple[float, ...]:
    """The factors with which a plain sum does the same."""
    if by == "mean":
        return tuple(factor / math.fsum(factors) for factor in factors)
    return tuple(-factor if by == "difference" and index else factor for index, factor in enumerate(factors))


def _check_part(part: Kernel, first: Kernel, number: int) -> None:
    """Raises `FieldError` where a part can't be combined, or not with the first."""
    if part.type == "network":
        raise FieldError(("of", number), "a network can't be combined", hint="combine results: convcli diff, or numpy")
    if part.bias is not None or part.threshold or (part.activation and part.activation.name not in HOMOGENEOUS):
        what = (
            "a bias"
            if part.bias is not None
            else "a threshold"
            if part.threshold
            else f"the activation {part.activation}"
        )
        fact = f"part {number + 1}, '{part.name}', has {what}"
        raise FieldError(("of", number), fact, hint="that goes beside 'of', for the whole")
    if part.border != first.border:
        fact = f"part {number + 1}, '{part.name}', has border {part.border}, '{first.name}' {first.border}"
        raise FieldError(("of", number), fact, hint=f"border: {first.border} beside 'of' is for all parts")
