"""How a kernel would be computed on an array of some shape and dtype: said before anything is computed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convcli.engine import plan as engine
from convcli.engine.bank import bank
from convcli.engine.bank.plan import Bank, duration, options as bank_options
from convcli.engine.channel import choice
from convcli.engine.dtypes import work_dtype
from convcli.engine.processor import ACROSS, processor
from convcli.engine.threads import thread_count
from convcli.errors import UsageError
from convcli.networks.sources import load
from convcli.ops import Kernel
from convcli.ops.arrays import sample_dtype
from convcli.ops.dense import Dense
from convcli.ops.layouts import DEFAULTS, letters
from convcli.ops.separable import Separable
from convcli.records import late

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
else:
    np = late("numpy")


@dataclass(frozen=True, kw_only=True)
class Option:
    """One algorithm that could compute the kernel, and the milliseconds that it is estimated to take."""

    algorithm: str
    reason: str
    milliseconds: float


@dataclass(frozen=True, kw_only=True)
class KernelPlan:
    """How a kernel runs on an input.

    `options` are the algorithms that there is a choice of, the fastest first; empty where the kernel's type leaves
    none. `bands` of `band_rows` output rows are shared by `threads`; `tile` are the sides of a Fourier tile. `flops`
    count what is really done; `bytes` what is read of the input, rows that bands share twice, and written.
    """

    kernel: str
    shape: tuple[int, ...]
    layout: str
    dtype: str
    work_dtype: str
    output: tuple[int, ...]
    algorithm: str
    description: str
    options: tuple[Option, ...]
    phases: int
    bands: int
    band_rows: int
    tile: tuple[int, int] | None
    threads: int
    flops: int
    bytes: int
    #: The kind of processor whose costs were taken.
    processor: str = ""
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON: every field."""
        return dataclasses.asdict(self)

    def rows(self) -> list[tuple[str, str]]:
        """Names and values, for reading."""
        rows = [
            ("input", f"{_times(self.shape)} {self.dtype} ({self.layout}), computed in {self.work_dtype}"),
            ("output", f"{_times(self.output)}"),
            ("processor", f"{self.processor}, as numpy sees it"),
            ("computed by", self.description),
        ]
        fastest = min((option.milliseconds for option in self.options), default=0.0)
        for index, option in enumerate(self.options):
            ratio = f", {option.milliseconds / fastest:.1f} times the least" if option.milliseconds > fastest else ""
            text = f"{option.algorithm} ({option.reason}): about {option.milliseconds:.3g} ms{ratio}"
            rows.append(("estimates" if not index else "", text))
        if self.bands:
            bands = "1 band" if self.bands == 1 else f"{self.bands} bands of up to {self.band_rows} rows"
            rows.append(("bands", f"{bands}, {self.threads} thread{'s' if self.threads > 1 else ''}"))
        if self.tile:
            rows.append(("tiles", f"{_times(self.tile)} samples, two in one transform"))
        rows.append(("work", f"{self.flops / 1e9:.3g} GFLOP, {self.bytes / 1e6:.3g} MB read and written"))
        return rows + [("note", note) for note in self.notes]

    def __str__(self) -> str:
        return "\n".join([self.kernel, *(f"  {name:<12} {value}" for name, value in self.rows())])


def plan(
    kernel: str | Path | Mapping[str, Any] | Kernel, shape: Sequence[int], dtype: npt.DTypeLike = "uint8",
    layout: str | None = None, *, algorithm: str | None = None,
) -> KernelPlan:  # fmt: skip
    """How `kernel` (in any form that `load` takes) runs on an array of this shape, dtype and layout.

    Nothing is computed or measured: times are estimates from counts of operations, good for ranking. They hold for
    finite samples of like size; others are computed by what bears them. `algorithm` is used where it can be.

    Raises `UsageError` for a shape without a layout, `ShapeError` where kernel and shape don't fit.

    >>> plan("gaussian:sigma=5", (3000, 4000), "float32").algorithm
    'passes'
    """
    engine.check_algorithm(algorithm)
    loaded, kind = load(kernel), sample_dtype(dtype)
    axes = _axes(loaded, shape, layout)
    sizes = dict(zip(axes, shape, strict=True))
    spatial_axes = "".join(axis for axis in "nzyx" if axis in axes)
    spatial, channels = tuple(sizes[axis] for axis in spatial_axes), sizes.get("c", 1)
    output = (*loaded.output_shape(spatial, spatial_axes), loaded.output_channels(channels))
    computed = loaded.algorithm(spatial, channels, algorithm)
    shared: dict[str, Any] = {
        "kernel": loaded.name, "shape": tuple(shape), "layout": axes, "dtype": str(kind), "output": output,
        "work_dtype": str(work_dtype(kind)), "threads": thread_count(),
        "processor": processor().name,
        "algorithm": computed.name, "description": computed,
        "notes": tuple(engine.refusal(algorithm, loaded.name, computed)),
    }  # fmt: skip
    options: tuple[Option, ...] = ()
    if isinstance(loaded, Dense) and loaded.channels and not loaded.copies and spatial_axes == loaded.axes:
        single = work_dtype(kind) == np.float32
        grid, planar = loaded.grid(spatial), axes.startswith("c")
        options = _of_bank(bank.work_of(loaded.weights.shape, loaded.groups, grid, planes=planar, single=single))
        if options[0].algorithm != "planes":
            text = f"{options[0].algorithm} ({options[0].reason}; {processor().name})"
            shared |= {"algorithm": options[0].algorithm, "description": text}
    taps = plane_of(loaded, algorithm)
    if taps is not None:
        work, phases = choice.work_for(taps, _both(loaded.stride), _both(loaded.dilation), spatial, channels)
        work = dataclasses.replace(work, native=shared["dtype"] == "uint8")
        return _by_planes(shared, work, phases, engine.plan_plane(work, algorithm))
    return KernelPlan(
        **shared, options=options, phases=1, bands=0, band_rows=0, tile=None,
        bytes=(math.prod(shape) + math.prod(output)) * kind.itemsize,
        flops=loaded.count(spatial, channels, spatial_axes).flops,
    )  # fmt: skip


def _axes(kernel: Kernel, shape: Sequence[int], layout: str | None) -> str:
    """The letters of an array's axes. Raises UsageError for a shape that has others."""
    axes = layout or ("zyx" if len(shape) == 3 and "z" in kernel.axes else DEFAULTS.get(len(shape), ""))
    if layout:
        axes = letters(axes)
    if not axes or len(axes) != len(shape) or min(shape) < 1:
        of = f"an array with the axes {','.join(axes)}" if axes else "an array with a default layout"
        raise UsageError(f"shape {_times(shape)} is none of {of}")
    return axes


def _of_bank(work: Bank) -> tuple[Option, ...]:
    """The algorithms for a bank, the fastest first."""
    return tuple(
        Option(algorithm=p.algorithm, reason=p.reason, milliseconds=duration(work, p) / 1e6)
        for p in sorted(bank_options(work, processor()), key=lambda option: duration(work, option))
    )


def _by_planes(shared: Mapping[str, Any], work: engine.Plane, phases: int, chosen: engine.Plan) -> KernelPlan:
    """The plan of a kernel that is so many plain convolutions of planes."""
    cuts = choice.bands(chosen, work, shared["dtype"])
    samples, sharing = math.prod(shared["output"]), min(thread_count(), len(cuts) * phases)
    # Of several plans by one algorithm, such as passes that are folded and not, the fastest.
    fastest = {p.algorithm: p for p in sorted(engine.options(work), key=lambda option: -option.cost)}
    options = [
        Option(algorithm=p.algorithm, reason=p.reason, milliseconds=p.cost * samples / sharing / 1e6)
        for p in sorted(fastest.values(), key=lambda option: option.cost)
    ]
    again = phases * (len(cuts) - 1) * (work.taps[0] - 1) * work.width * work.channels
    return KernelPlan(
        **{**shared, "algorithm": chosen.algorithm, "threads": sharing}, options=tuple(options), phases=phases,
        bands=len(cuts) * phases, band_rows=max(stop - start for start, stop in cuts),
        tile=chosen.tile if chosen.algorithm == "fourier" else None,
        flops=round(_flops(work, chosen) * samples),
        bytes=(math.prod(shared["shape"]) + again + samples) * np.dtype(shared["dtype"]).itemsize,
    )  # fmt: skip


def plane_of(kernel: Kernel, asked: str | None = None) -> npt.NDArray[Any] | None:
    """The taps `(y, x)` of a kernel that runs on planes, for which there is a choice of algorithms; else None."""
    if kernel.channels is not None or "z" in kernel.axes or kernel.copies:
        return None
    if isinstance(kernel, Dense):
        weights = kernel.effective
        picked = choice.plan_strided(weights, _both(kernel.stride), _both(kernel.dilation), asked)
        if picked and picked.algorithm != "phases":
            return None
        return weights if weights.ndim == 2 else weights[None] if kernel.axes == "x" else weights[:, None]
    plain = all(step == 1 for step in (*kernel.stride, *kernel.dilation))
    if isinstance(kernel, Separable) and plain and len(kernel.axes) == 2:
        together: npt.NDArray[Any] = np.outer(*kernel.effective)
        return together
    return None


def _both(steps: Sequence[int]) -> tuple[int, int]:
    return (1, steps[0]) if len(steps) == 1 else (steps[0], steps[1])


def _times(sizes: Sequence[int]) -> str:
    return "x".join(map(str, sizes))


def _flops(work: engine.Plane, chosen: engine.Plan) -> float:
    """Multiplications and additions per output sample, those by zeros of matrices included."""
    kh, kw = work.taps
    if chosen.algorithm == "direct":
        return 2.0 * (work.nonzero or kh * kw)
    if chosen.algorithm == "sums":
        return 4.0
    if chosen.algorithm == "passes":
        kind = work.processor
        down = kind.column_block(kh) + kh - 1 if kh > 1 and kind.columns_by_product(kh) else kh if kh > 1 else 0
        across = ACROSS + kw - 1 if kind.rows_by_product(kw, work.channels) else kw if kw > 1 else 0
        return 2.0 * max(work.rank, 1) * (down + across)
    samples, useful = 1, 1
    for side, taps, length in zip(chosen.tile, work.taps, (work.height, work.width), strict=True):
        samples *= side
        useful *= min(side - taps + 1, length)
    # Two complex transforms and a product serve two tiles.
    return (2 * 5 * samples * math.log2(max(samples, 2)) + 6 * samples) / (2 * useful)
