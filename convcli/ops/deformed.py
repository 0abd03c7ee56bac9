"""Pictures under a deformable kernel: how they are sampled, and how far from their places its taps read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from convcli import engine
from convcli.engine.sink import Tally
from convcli.errors import ShapeError, UsageError
from convcli.ops.branches import Branch
from convcli.ops.offsets import check_shape, planes_first
from convcli.ops.reads import Deformation, KnownPlaces
from convcli.ops.rules import RuleCall
from convcli.ops.sampling import Sampling
from convcli.ops.sources import fixed_sources, sources_of
from convcli.ops.tensors import Tensor

if TYPE_CHECKING:
    from convcli.engine import Call, Cuts, Signature, Sink
    from convcli.engine.dtypes import Array, DTypeLike
    from convcli.ops.deformable import Deformable
    from convcli.ops.displacements import Displacement

#: Up to so many samples one thread makes them sooner than several have begun, with places that are kept.
CALL_LIMIT = 1 << 18
#: Numbers per output that a band of a kernel holds whose offsets look at the picture.
FIELDS = 16


def call(kernel: Deformable, x: Signature) -> Call | None:
    """All of a small picture at once, by offsets that are the same for every picture."""
    sampling = _sampling(kernel, x.shape, x.axes, x.work, KnownPlaces())
    if sampling.total > CALL_LIMIT:
        return None
    return sampling.small_call(fixed_sources(kernel, x.shape[:2]), x)


def cuts(kernel: Deformable, x: Array, axes: str, dtype: DTypeLike, sink: Sink) -> Cuts:
    """In bands of rows, volumes slice by slice; without bias and activation."""
    sampling = _sampling(kernel, x.shape, axes, dtype, _places(kernel, x.shape[-3:-1], dtype))
    windows = sampling.kernel.windows
    guide = x if kernel.guide is None else kernel.guide
    size = windows[0].length, windows[1].length
    for part, branch in {**kernel.own_branches, **kernel.supplied}.items():
        branch.check_fit(guide.shape[-1], guide.shape[-3:-1], size, f"the {part} of kernel '{kernel.name}'")
    if kernel.recorded:
        if x.ndim > 3:
            raise ShapeError(f"the offsets of a picture are written, not those of {len(x)} slices")
        sampling.reads.record(kernel.recorded)

    def image_cuts(image: Array, guide: Array, sink: Sink, number: int = 0) -> Cuts:
        tiling = engine.Tiling(
            x=image, windows=windows, border=kernel.border, dtype=dtype, sink=sink, rows=sampling.rows,
            channels=_held(kernel) or sampling.samples,
        )  # fmt: skip
        sources = sources_of(kernel, guide, windows, dtype, sink.tally, number)
        return tiling.by_regions(partial(sampling.band, image, sources, target=sampling.target(image, sink)))

    if x.ndim == 3:
        return image_cuts(x, guide, sink)
    # A volume goes slice by slice: z is carried through.
    return engine.Cuts.joined([image_cuts(x[z], guide[z], sink.slice(z), z) for z in range(len(x))])


def _held(kernel: Deformable) -> int:
    """Numbers per output that a band holds of offsets that look at the picture; 0 where they don't."""
    branches = {**kernel.own_branches, **kernel.supplied}.values()
    return max([FIELDS * (kernel.oriented is not None), *(branch.planes for branch in branches)])


def _sampling(
    kernel: Deformable, shape: Sequence[int], axes: str, dtype: DTypeLike, places: KnownPlaces | None
) -> Sampling:
    """How pictures of a shape are sampled; raises `ShapeError` where offsets or mask were made for another."""
    windows = kernel.windows(shape[:-1], axes)[-2:]
    _check_fit(kernel, tuple(shape), (windows[0].length, windows[1].length))
    deformation = Deformation(
        weights=kernel.effective, windows=windows, groups=kernel.groups, offset_groups=kernel.offset_groups,
        channels_out=kernel.output_channels(shape[-1]), border=kernel.border,
        parts=kernel.remembered(("parts", tuple(shape[-3:-1]), dtype), dict), places=places, fixed=not kernel.looks,
        by_rule=_is_by_rule(kernel), masked=kernel.mask is not None or kernel.packed,
    )  # fmt: skip
    return Sampling(deformation, shape[-3:], dtype)


def _is_by_rule(kernel: Deformable) -> bool:
    """Whether offsets are a rule of the place."""
    return isinstance(kernel.offsets, RuleCall) and not kernel.oriented


def _places(kernel: Deformable, size: Sequence[int], dtype: DTypeLike) -> KnownPlaces | None:
    """Those of offsets that are the same for every picture, from the second of a `size` (height, width) on: such a one
    seldom comes alone."""
    if kernel.looks or kernel.recorded:
        return None
    key = tuple(size), np.dtype(dtype)
    last: dict[str, Any] = kernel.remembered("places", dict)
    if last.get("of") == key:
        places: KnownPlaces = last.setdefault("places", KnownPlaces())
        return places
    last.clear()
    last["of"] = key
    return None


def _check_fit(kernel: Deformable, shape: tuple[int, ...], size: tuple[int, int]) -> None:
    """Raises `ShapeError` where offsets or mask were made for another output size or number of channels."""
    (kh, kw), groups = kernel.taps, kernel.offset_groups
    if shape[-1] % groups:
        planes = f"offsets of {2 * groups * kh * kw} planes are {groups} groups for a {kh}x{kw} kernel"
        hint = planes_first(kernel.offsets, 2 * kh * kw) if isinstance(kernel.offsets, Tensor) else ""
        raise ShapeError(f"{planes}, and {shape[-1]} channels don't split into {groups}", hint=hint)
    picture = f"a {kh}x{kw} kernel on a picture of {shape[-2]}x{shape[-3]} pixels"
    if isinstance(kernel.offsets, Tensor):
        check_shape(kernel.offsets, "offsets", (2 * groups * kh * kw, *size), picture, "zeros")
    if isinstance(kernel.mask, Tensor):
        check_shape(kernel.mask, "mask", (groups * kh * kw, *size), picture, "ones")


def sampled(
    kernel: Deformable, size: Sequence[int], block: tuple[slice, slice], group: int
) -> tuple[Any, Any, Any]:  # fmt: skip
    """As that of the kernel, of the outputs of a block."""
    if kernel.looks and kernel.guide is None:
        fact = f"the offsets of kernel '{kernel.name}' depend on the picture: they follow from no size alone"
        raise UsageError(fact, hint="apply --offsets-out FILE.npy writes those of a picture")
    windows = kernel.windows(size, "yx")
    _check_fit(kernel, (*size, kernel.offset_groups), (windows[0].length, windows[1].length))
    places = [
        np.array([window.places(o) for o in range(window.length)[part]], np.float64).T
        for window, part in zip(windows, block, strict=True)
    ]
    start, stop, _ = block[0].indices(windows[0].length)
    guide = np.empty((*size, 1), np.float32) if kernel.guide is None else kernel.guide
    with engine.scratch_space():
        offsets, mask = sources_of(kernel, guide, windows, np.float32, Tally())((start, stop))
        down, right = (shift[group] for shift in offsets.of(block, *places))
        shape = math.prod(kernel.taps), *down.shape[2:]
        weighing = None if mask is None else mask.of(block)[group].reshape(shape).copy()
        return down.reshape(shape).copy(), right.reshape(shape).copy(), weighing


def strays(kernel: Deformable, start: int, stop: int, size: tuple[int, int]) -> tuple[float, float]:
    """How far above and below the rows of its taps anything is read for some outputs."""
    if kernel.oriented:
        rule, parameters = kernel.oriented
        down, right = (reach / 2 for reach in (n - 1 for n in kernel.extent))
        seen = max(rule.stretch(parameters) * math.hypot(down, right), rule.halo(parameters))
        return down - seen, seen - down
    if isinstance(kernel.offsets, Branch):
        reach = kernel.offsets.limit if kernel.offsets.limit is not None else 2 * size[0]
        return -reach, reach
    if isinstance(kernel.offsets, RuleCall):
        reach = cast("Displacement", kernel.offsets.rule).reach(kernel.offsets.values(2, "offsets"), size)
        return -reach, reach
    rows = kernel.offsets.native[0::2, start:stop]
    return float(rows.min()), float(rows.max())
