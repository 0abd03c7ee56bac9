"""Kernels on arrays of Python programs: one alone, or several and what there is to be of their results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convcli.errors import KernelError, UsageError
from convcli.networks.sources import load
from convcli.records import late
from convcli.spec.library import lists_kernels

if TYPE_CHECKING:
    import numpy as np

    from convcli.engine.dtypes import Array, ArrayLike, DTypeLike
    from convcli.filtering import Chain, effect as effects
    from convcli.filtering.effect import Effect, Region
    from convcli.spec.library import KernelLike
else:
    effects = late("convcli.filtering.effect")


def apply(
    array: ArrayLike, kernel: KernelLike, layout: str | None = None, *,
    dtype: DTypeLike | None = None, amount: float | None = None, threshold: float | None = None,
    region: str | Region | None = None, where: ArrayLike | None = None, feather: float | None = None,
    nodata: float | None = None,
) -> Array:  # fmt: skip
    """`array` filtered with a kernel in any form that `load` takes, or with several, one after the other.

    Between several numbers are floats; they are rounded and clipped once, to what `dtype` (by default that of the
    array) can hold; what a network makes of integers that is no picture are floats. The effect is that of the
    command's options of these names: `array + amount * mask * (result - array)` where `abs(result - array) >=
    threshold`, in parts of white below 1, in samples from 1 on. The mask is `region`, "WIDTHxHEIGHT+X+Y" in pixels or
    per cent, times `where`, (height, width), whose white is 1 for floats; `feather` is the sigma, in pixels, of the
    Gaussian that softens its edge. Samples of `nodata` are missing: the weights of the others make up for them. See
    `Kernel.apply` for all else.

    Raises ConvcliError where array, kernels and mask don't fit.

    >>> apply([0, 0, 4, 0, 0], ["{weights: [1, 2, 1], divisor: sum}"] * 2, dtype="float64").tolist()
    [0.5, 1.0, 1.5, 1.0, 0.5]
    >>> apply([[0, 0, 8, 0, 0]], "{axes: x, weights: [1, 2, 1], divisor: sum}", region="2x1+2+0").tolist()
    [[0, 0, 4, 2, 0]]
    """
    kernels = [load(source) for source in _chain(kernel)]
    effect = _effect(amount, threshold, region, where, feather)
    if len(kernels) == 1 and effect is None and nodata is None:
        return kernels[0].apply(array, layout, dtype=dtype)
    from convcli.filtering import Chain

    return through(Chain(kernels, effect=effect, nodata=nodata), array, layout, dtype)


def through(chain: Chain, array: ArrayLike, layout: str | None, dtype: DTypeLike | None) -> Array:
    """`array` after a chain, whose range is not looked at; as `apply` has it."""
    from convcli.engine import work_dtype
    from convcli.ops.arrays import real_array, sample_dtype
    from convcli.ops.layouts import Layout

    x = real_array(array)
    expected = chain.kernels[0].channels
    placed = Layout.of(x, layout, expected[0] if expected else None)
    own = work_dtype(x.dtype) if chain.makes_maps and x.dtype.kind != "f" else x.dtype
    kind = own if dtype is None else sample_dtype(dtype)
    return placed.restore(_filtered(placed.canonical(x), placed.spatial, chain, kind))


def _filtered(x: Array, axes: str, chain: Chain, kind: np.dtype[Any]) -> Array:
    """The chain on `x` `(*spatial, channels)`, rounded and clipped to `kind`."""
    from dataclasses import replace

    from convcli.engine import Sink, least_change, results, work_dtype
    from convcli.filtering import filter_pixels

    kernels, effect = list(chain.kernels), chain.effect
    work, mode = work_dtype(x.dtype), "clip" if kind == x.dtype else "float"
    if mode == "float" and (x.dtype.kind == "f" or x.dtype.itemsize > 2):
        # Floats are kept as float32 of integers, as themselves of floats. Of these white is another.
        if effect:
            effect = replace(effect, threshold=least_change(effect.threshold, x.dtype))
        kernels = [
            one.replace(threshold=least_change(one.threshold, x.dtype)) if one.threshold else one for one in kernels
        ]
        x = x.astype(work)
    chain = replace(chain, kernels=kernels, range=mode, effect=effect)
    done = filter_pixels(x, chain, axes=axes, counted=False).array
    if done.dtype == kind:
        return done
    out: Array = results(done.shape, kind)
    Sink(out).store(done, 0)
    return out


def _effect(
    amount: float | None, threshold: float | None, region: str | Region | None, where: ArrayLike | None,
    feather: float | None,
) -> Effect | None:  # fmt: skip
    """The effect that is asked for. Raises `UsageError`."""
    if amount is None and threshold is None and region is None and where is None and not feather:
        return None
    from convcli.ops.arrays import real_array

    for name, value in (("amount", amount), ("threshold", threshold), ("feather", feather)):
        if value is not None and not isinstance(value, int | float):
            raise UsageError(f"{name} is a number, not {value!r}", hint=f"{name}=0.5")
    if min(threshold or 0, feather or 0) < 0:
        raise UsageError(f"threshold {threshold or 0:g}, feather {feather or 0:g}: neither is below 0")
    return effects.Effect(
        amount=1.0 if amount is None else amount, threshold=threshold or 0.0, feather=feather or 0.0,
        region=effects.Region.parse(region) if isinstance(region, str) else region,
        where=None if where is None else effects.shares(real_array(where)),
    )  # fmt: skip


def _chain(source: KernelLike) -> list[Any]:
    """The kernels of a list that holds others than numbers; else the one that it is. Raises `KernelError` for none."""
    if not isinstance(source, list | tuple):
        return [source]
    if not source:
        raise KernelError("a chain of no kernels", hint="a name, or a list of several")
    return list(source) if lists_kernels(source) else [source]
