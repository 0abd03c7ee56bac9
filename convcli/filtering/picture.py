"""The chain and its treatment as pictures made row by row: the same arithmetic as `filter_treated`, rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from convcli.engine.dtypes import work_dtype
from convcli.engine.sink import Sink
from convcli.filtering.chain import nonfinite, prepared  # fmt: skip
from convcli.filtering.graph import Node, convolved, pointwise
from convcli.filtering.opacity import HIDDEN, biased, multiplied, opacity, store_opacity, unmultiplied
from convcli.filtering.ranges import kept_dtype, reach, sink_for, span, stretched
from convcli.filtering.result import Chain, Ends, Result, Tally
from convcli.filtering.stages import Stage, describe
from convcli.filtering.treatment import (
    Treatment,
    channels_picked,
    check_fits,
    drops_alpha,
    filters_alpha,
    in_light,
    is_linear,
    is_plain,
    merged,
    opacity_kept,
    out_of_light,
    white,
)
from convcli.ops import Kernel

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, Floats

    Rows = tuple[int, int]


def treated(
    source: Node, kernels: Sequence[Kernel], mode: str, treatment: Treatment, opaque: Callable[[], bool],
    *, counted: bool = True,
) -> Result:  # fmt: skip
    """The picture that `filter_treated` makes of `source`; `opaque` looks whether all of it is.

    Raises ShapeError as `filter_treated` does.
    """
    pixels = source.array
    if drops_alpha(pixels.shape[-1], treatment):
        colours = pixels.shape[-1] - 1
        source = pointwise(np.ascontiguousarray, [(source, pixels[..., :-1])], colours, pixels.dtype)
        pixels = source.array
    if is_plain(pixels, treatment):
        return _plain(source, kernels, mode, opaque, counted=counted)
    return _treated(source, kernels, mode, treatment, opaque)


def _plain(source: Node, kernels: Sequence[Kernel], mode: str, opaque: Callable[[], bool], *, counted: bool) -> Result:
    pixels = source.array
    colour, alpha, stages, notes = prepared(pixels, kernels)
    covered = alpha is None or opaque()
    if covered and mode != "rescale":
        counted |= alpha is not None
        return _direct(source, colour, kernels, mode, stages, notes, has_alpha=alpha is not None, counted=counted)
    top = white(pixels.dtype)
    chain = _chain(source, colour, None if covered else alpha, kernels, stages, top)
    dtype = kept_dtype(mode, pixels.dtype)

    def together(colours: Array, share: Floats | None, rows: slice) -> list[Array]:
        if alpha is None:
            return [colours]
        if share is None:
            return [colours, np.full((*colours.shape[:-1], 1), top, dtype)]
        return [colours, store_opacity(share, dtype, top)]

    return _kept(
        chain,
        stages,
        notes,
        mode,
        pixels.dtype,
        [],
        lambda floats, rows: floats,
        stages[-1].channels_out,
        together,
        alpha is not None,
    )


def _direct(
    source: Node, colour: Array, kernels: Sequence[Kernel], mode: str, stages: tuple[Stage, ...],
    notes: tuple[str, ...], *, has_alpha: bool, counted: bool,
) -> Result:  # fmt: skip
    """The last kernel's results go straight to where they are kept."""
    dtype, given, tally = kept_dtype(mode, colour.dtype), colour.dtype, Tally()
    work = work_dtype(given)
    before, x = _floats(source, colour, kernels[:-1], stages[:-1], work)
    shape = (*stages[-1].size_out, stages[-1].channels_out)
    sinks: list[Sink] = []

    def sink(array: Array) -> Sink:
        sinks.append(sink_for(shape, mode, given, array, reach(kernels[-1], x), counted=counted))
        return sinks[0]

    final = convolved(before, x, kernels[-1], work, shape, dtype, sink)

    def keep(start: int, stop: int) -> Array:
        rows: Array = final.array[start:stop]
        if has_alpha:
            rows = np.concatenate([rows, np.full((*rows.shape[:-1], 1), white(given), dtype)], axis=-1)
        tally.nonfinite += nonfinite(rows)
        # One sink takes all bands, and counts them itself.
        tally.below, tally.above, tally.unkept = sinks[0].below, sinks[0].above, sinks[0].nonfinite
        return rows

    channels = shape[2] + has_alpha
    nothing = Chain(nodes=[final], rows=lambda start, stop: (final.array[start:stop], None))
    return Result(
        shape=(shape[0], shape[1], channels), dtype=dtype, stages=stages, notes=notes, chain=nothing, nodes=[final],
        keep=keep, tally=tally, final=None if has_alpha else final,
    )  # fmt: skip


def _floats(
    source: Node, x: Array, kernels: Sequence[Kernel], stages: Sequence[Stage], work: np.dtype[Any]
) -> tuple[Node, Array]:
    """The chain on a view of `source`, as floats: the last node, and its array or that view where there is none."""
    for kernel, stage in zip(kernels, stages, strict=True):
        shape = (*stage.size_out, stage.channels_out)
        source = convolved(source, x, kernel, work, shape, work, partial(_into, shape, work))
        x = source.array
    return source, x


def _into(shape: Sequence[int], work: np.dtype[Any], array: Array) -> Sink:
    return Sink(shape, work, out=array)


def _chain(
    source: Node, colour: Array, alpha: Array | None, kernels: Sequence[Kernel], stages: Sequence[Stage], top: float,
    alpha_source: Node | None = None,
) -> Chain:  # fmt: skip
    """The chain on colours, through alpha where there is one, as `through_alpha` has it."""
    work = work_dtype(colour.dtype)
    straight, _ = _floats(source, colour, kernels, stages, work)
    if alpha is None:
        return Chain(nodes=[straight], rows=lambda start, stop: (straight.array[start:stop], None))
    share = pointwise(lambda rows: opacity(rows, work, top), [(alpha_source or source, alpha)], 1, work)
    colours = colour.shape[-1]
    premultiplied = pointwise(multiplied, [(source, colour), (share, share.array)], colours, work)
    for kernel, stage in zip(kernels, stages, strict=True):
        shape, one = (*stage.size_out, stage.channels_out), (*stage.size_out, 1)
        premultiplied = convolved(
            premultiplied,
            premultiplied.array,
            kernel.replace(bias=None),
            work,
            shape,
            work,
            partial(_into, shape, work),
        )
        share = convolved(share, share.array, kernel.coverage(), work, one, work, partial(_into, one, work))
        if kernel.bias is not None:
            parts = [(premultiplied, premultiplied.array), (share, share.array)]
            premultiplied = pointwise(partial(_biased, kernel), parts, stage.channels_out, work)
    last, shares = premultiplied, share

    def hidden(start: int, stop: int) -> bool:
        return bool((shares.array[start:stop] <= HIDDEN).any())

    def rows(start: int, stop: int) -> tuple[Floats, Floats | None]:
        opacity_rows = shares.array[start:stop]
        found = unmultiplied(last.array[start:stop], opacity_rows)
        unseen = opacity_rows[..., 0] <= HIDDEN
        if unseen.any():
            found[unseen] = straight.array[start:stop][unseen]
        return found, opacity_rows

    return Chain(nodes=[last, shares], rows=rows, behind=[straight], hidden=hidden)


def _biased(kernel: Kernel, premultiplied: Floats, share: Floats) -> Floats:
    return biased(premultiplied.copy(), share, kernel)


def _treated(
    source: Node, kernels: Sequence[Kernel], mode: str, treatment: Treatment, opaque: Callable[[], bool]
) -> Result:
    pixels, top = source.array, white(source.array.dtype)
    light = is_linear(pixels, treatment)

    def lit(rows: Array) -> Floats:
        return in_light(rows, treatment, kernels)[0]

    one, one_alpha = in_light(np.zeros((1, 1, pixels.shape[-1]), pixels.dtype), treatment, kernels)
    alpha = None if one_alpha is None else pixels[..., -1:]
    x = pointwise(lit, [(source, pixels)], one.shape[-1], one.dtype)
    one_picked, places = channels_picked(one, treatment, has_alpha=alpha is not None)
    picked = x
    if one_picked is not one:
        pick = partial(_picked, treatment, alpha is not None)
        picked = pointwise(pick, [(x, x.array)], one_picked.shape[-1], one_picked.dtype)
    stages = describe(kernels, picked.array.shape[:-1], "yx", picked.array.shape[-1])
    seen = alpha if alpha is not None and not opaque() else None
    chain = _chain(picked, picked.array, seen, kernels, stages, top, source)
    shape = (*stages[-1].size_out, stages[-1].channels_out)
    check_fits(picked.array.shape, shape, treatment, has_alpha=alpha is not None)

    def finished(floats: Floats, rows: slice) -> Floats:
        result = merged(x.array[rows], picked.array[rows], floats, places, treatment)
        return out_of_light(result, top) if light else result

    def together(colours: Array, share: Floats | None, rows: slice) -> list[Array]:
        if alpha is None:
            return [colours]
        return [colours, opacity_kept(colours, alpha[rows], share, treatment, top)]

    stay = [] if treatment.channels == ("all",) else [x, picked]
    colours = x.array.shape[-1] if stay else stages[-1].channels_out
    if alpha is not None and (stay or not filters_alpha(treatment)):
        stay.append(source)
    return _kept(chain, stages, (), mode, pixels.dtype, stay, finished, colours, together, alpha is not None)


def _picked(treatment: Treatment, has_alpha: bool, rows: Floats) -> Floats:
    return channels_picked(rows, treatment, has_alpha=has_alpha)[0]


def _kept(
    chain: Chain, stages: tuple[Stage, ...], notes: tuple[str, ...], mode: str, given: np.dtype[Any],
    stay: Sequence[Node], finished: Callable[[Floats, slice], Floats], colours: int,
    together: Callable[[Array, Floats | None, slice], list[Array]], has_alpha: bool,
) -> Result:  # fmt: skip
    """A result whose floats are put together with what stays, stretched if need be, and stored, band by band."""
    tally, found = Tally(), Ends()
    height, width = stages[-1].size_out
    shape = height, width, colours + has_alpha

    def measure(start: int, stop: int) -> None:
        found.add(span(finished(chain.rows(start, stop)[0], slice(start, stop))))

    def keep(start: int, stop: int) -> Array:
        floats, share = chain.rows(start, stop)
        floats = finished(floats, slice(start, stop))
        if mode == "rescale":
            floats = stretched(floats, found.ends or (0.0, 1.0), given)
        sink = sink_for(floats.shape, mode, given)
        sink.store(np.ascontiguousarray(floats), 0)
        parts = together(sink.out, share, slice(start, stop))
        result = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)
        tally.add(sink, result)
        return result

    return Result(
        shape=shape, dtype=kept_dtype(mode, given), stages=stages, notes=notes, chain=chain,
        nodes=[*chain.nodes, *stay], keep=keep, tally=tally, measure=measure if mode == "rescale" else None,
    )  # fmt: skip
