"""Kernels on pictures and arrays: chains in float, alpha premultiplied, one rounding at the end."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from convcli.engine.dtypes import limits, work_dtype
from convcli.engine.plan import asked_for, refusal
from convcli.engine.sink import Sink
from convcli.errors import ShapeError
from convcli.filtering.ranges import kept_dtype, reach, sink_for, store
from convcli.filtering.stages import Stage, describe
from convcli.ops import Kernel
from convcli.records import record
from convcli.spec.library import load

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, DTypeLike, Floats


@record
class Filtered:
    """The result of a chain of kernels: `(*spatial, channels)`, and what happened on the way.

    `below` and `above` count samples as `ranges.Sink` does, `nonfinite` those that are NaN or infinite; `seconds` is
    the time for filtering alone.
    """

    array: Array
    stages: tuple[Stage, ...]
    below: int
    above: int
    nonfinite: int
    seconds: float
    notes: tuple[str, ...] = ()


def apply(
    array: Array,
    kernel: str | Path | Mapping[str, Any] | Kernel,
    layout: str | None = None,
    *,
    dtype: DTypeLike | None = None,
) -> Array:
    """`array` filtered with a kernel in any form that `load` takes; see `Kernel.apply`."""
    return load(kernel).apply(array, layout, dtype=dtype)


def filter_array(x: Array, axes: str, kernels: Sequence[Kernel], mode: str = "clip") -> Filtered:
    """The chain `kernels` on `x` (`(*spatial, channels)`), kept in the range `mode` in the dtype of `x`."""
    stages = describe(kernels, x.shape[:-1], axes, x.shape[-1])
    begun = started()
    kept = _kept(x, axes, kernels, stages, mode, x.dtype)
    return together(kept.out, stages, [kept], begun)


def filter_picture(pixels: Array, kernels: Sequence[Kernel], mode: str = "clip", *, counted: bool = True) -> Filtered:
    """The chain `kernels` on a picture `(height, width, 1 to 4 channels)`; the second or fourth channel is alpha.

    Pictures of one size stacked along a first axis are filtered as a volume, `zyx`.

    Colour is multiplied by alpha before it is filtered and divided by the filtered alpha afterwards, so that the hidden
    colour of transparent pixels does not bleed; only where the result is wholly transparent is hidden colour filtered
    on its own. Alpha itself gets each kernel's `coverage`. A grey picture goes to a filter bank for three channels as
    three equal ones. What is cut off need not be counted, which takes time.
    """
    colour, alpha, stages, notes = prepared(pixels, kernels)
    axes, begun = picture_axes(pixels), started()
    dtype = kept_dtype(mode, pixels.dtype)
    top = 1.0 if pixels.dtype.kind == "f" else limits(pixels.dtype)[1]
    if alpha is None:
        kept = _kept(colour, axes, kernels, stages, mode, pixels.dtype, counted=counted)
        return together(kept.out, stages, [kept], begun, notes)
    from convcli.filtering.opacity import apart, joined, store_opacity

    if not notes:
        # Apart: numpy and OpenCV are slow on three channels of which every fourth is another's.
        colour, alpha = apart(pixels)
    if alpha.min() == top and alpha.max() == top:
        kept = _kept(colour, axes, kernels, stages, mode, pixels.dtype)
        del colour, alpha
        opaque = np.full((*kept.out.shape[:-1], 1), top, kept.out.dtype)
        return together(joined(kept.out, opaque), stages, [kept], begun, notes)
    straight, covered = through_alpha(colour, alpha, kernels, stages, top)
    kept = store(straight, mode, pixels.dtype)
    kept_alpha = store_opacity(covered, dtype, top)
    return together(joined(kept.out, kept_alpha), stages, [kept], begun, notes)


def prepared(
    pixels: Array, kernels: Sequence[Kernel]
) -> tuple[Array, Array | None, tuple[Stage, ...], tuple[str, ...]]:
    """Views of a picture's colour, as the first kernel takes it, and of its alpha; the stages, and notes."""
    colour, alpha = (pixels[..., :-1], pixels[..., -1:]) if pixels.shape[-1] in (2, 4) else (pixels, None)
    notes: tuple[str, ...] = ()
    expected = kernels[0].channels
    if colour.shape[-1] == 1 and expected is not None and expected[0] == 3:
        colour = np.broadcast_to(colour, (*colour.shape[:-1], 3))
        notes = ("a grey picture, filtered as three equal channels",)
    stages = describe(kernels, colour.shape[:-1], picture_axes(pixels), colour.shape[-1])
    if alpha is not None and stages[-1].channels_out not in (1, 3):
        raise ShapeError(
            f"{stages[-1].channels_out} channels leave no picture that alpha could belong to",
            hint="--alpha drop removes the alpha channel first",
        )
    return colour, alpha, stages, notes


def started() -> float:
    """The time filtering starts: OpenCV is loaded by then."""
    import cv2  # noqa: F401

    return time.perf_counter()


def together(
    array: Array, stages: tuple[Stage, ...], sinks: Sequence[Sink], begun: float, notes: tuple[str, ...] = ()
) -> Filtered:
    """A finished result, with what its sinks counted; `begun` is when filtering began."""
    asked = asked_for()
    notes += tuple(note for stage in stages for note in refusal(asked, stage.kernel, stage.algorithm))
    return Filtered(
        array=array, stages=stages, seconds=time.perf_counter() - begun, notes=notes,
        below=sum(sink.below for sink in sinks), above=sum(sink.above for sink in sinks),
        nonfinite=sum(sink.nonfinite for sink in sinks) or nonfinite(array),
    )  # fmt: skip


def nonfinite(array: Array) -> int:
    """NaN and infinite samples of a result; a finite sum says at once that there are none."""
    if array.dtype.kind != "f":
        return 0
    with np.errstate(over="ignore", invalid="ignore"):
        total = array.sum(dtype=np.float64)
    return 0 if np.isfinite(total) else int(array.size - np.count_nonzero(np.isfinite(array)))


def _kept(
    x: Array, axes: str, kernels: Sequence[Kernel], stages: Sequence[Stage], mode: str, dtype: DTypeLike,
    *, counted: bool = True,
) -> Sink:  # fmt: skip
    """The chain on `x`, its last stage going straight into the output where the mode needs no look at the whole."""
    work = work_dtype(x.dtype)
    for kernel, stage in zip(kernels[:-1], stages[:-1], strict=True):
        x = _floats(kernel, x, axes, stage, work)
    shape = (*stages[-1].size_out, stages[-1].channels_out)
    if mode == "rescale":
        return store(_floats(kernels[-1], x, axes, stages[-1], work), mode, dtype)
    sink = sink_for(shape, mode, dtype, reach=reach(kernels[-1], x), counted=counted)
    kernels[-1].run(x, axes, work, sink.store)
    return sink


def _floats(kernel: Kernel, x: Array, axes: str, stage: Stage, work: DTypeLike) -> Floats:
    sink = Sink((*stage.size_out, stage.channels_out), work)
    kernel.run(x, axes, work, sink.store)
    return sink.out


def picture_axes(pixels: Array) -> str:
    """The spatial axes of a picture, or of pictures stacked into a volume."""
    return "zyx" if pixels.ndim == 4 else "yx"


def after_chain(x: Array, kernels: Sequence[Kernel], stages: Sequence[Stage]) -> Floats:
    """The channels of a picture or volume after the chain, as floats."""
    work, axes = work_dtype(x.dtype), picture_axes(x)
    for kernel, stage in zip(kernels, stages, strict=True):
        x = _floats(kernel, x, axes, stage, work)
    return x


def through_alpha(
    colour: Array, alpha: Array, kernels: Sequence[Kernel], stages: Sequence[Stage], top: float
) -> tuple[Floats, Floats]:
    """Colour (not premultiplied) and alpha (0 to 1) after the chain."""
    from convcli.filtering.opacity import HIDDEN, biased, multiplied, opacity, put_hidden, unmultiplied

    work, axes = work_dtype(colour.dtype), picture_axes(colour)
    share = opacity(alpha, work, top)
    premultiplied = multiplied(colour, share)
    straight = colour
    for kernel, stage in zip(kernels, stages, strict=True):
        premultiplied = _floats(kernel.replace(bias=None), premultiplied, axes, stage, work)
        share = _floats(kernel.coverage(), share, axes, replace(stage, channels_in=1, channels_out=1), work)
        if kernel.bias is not None:
            premultiplied = biased(premultiplied, share, kernel)
    result = unmultiplied(premultiplied, share)
    if (share <= HIDDEN).any():
        for kernel, stage in zip(kernels, stages, strict=True):
            straight = _floats(kernel, straight, axes, stage, work)
        put_hidden(result, straight, share)
    return result, share
