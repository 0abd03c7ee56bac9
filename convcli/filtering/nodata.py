"""Samples that are no data: filters make up for them by the weights of the samples that are there.

A result is `sum of w * x over what is there, times sum of w, over sum of w over what is there`: normalised convolution,
as astropy's `convolve` computes it. Where nothing is there nothing comes out. What a border shows counts as there.

Source: Knutsson & Westin 1993, doi:10.1109/CVPR.1993.341081; astropy.convolution.convolve, nan_treatment="interpolate".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from convcli.engine.dtypes import limits, work_dtype
from convcli.engine.geometry import constant
from convcli.errors import ShapeError
from convcli.filtering.chain import as_network
from convcli.filtering.effect import Mixing
from convcli.filtering.graph import Node, Part, Pointwise

if TYPE_CHECKING:
    from convcli.channels import Channels
    from convcli.engine.activation import Curve
    from convcli.engine.dtypes import Array, Floats
    from convcli.filtering.chain import Chain, Stage
    from convcli.filtering.treatment import Treatment
    from convcli.ops import Kernel

#: Weights of what is there below this share of all say nothing.
LEAST: Final = 1e-6


def check(chain: Chain, treatment: Treatment, channels: Channels, dtype: np.dtype[np.generic]) -> None:
    """Raises `ShapeError` for what can't make up for samples that are missing."""
    number = chain.nodata
    assert number is not None
    if dtype.kind != "f" and not (number.is_integer() and _fits(number, dtype)):
        fact = f"samples of {dtype} are never {number:g}"
        raise ShapeError(fact, hint="--nodata takes the number that stands for no data; nan is one of floats")
    if chain.range == "rescale" and dtype.kind != "f" and number in limits(dtype):
        fact = f"rescaled, some results become {number:g}, which stands for no data"
        raise ShapeError(fact, hint="--range float in a .tif or .npy file keeps them apart")
    if channels.alpha and treatment.background is None:
        raise ShapeError("alpha says what is there already", hint="--alpha none takes it as a band, --alpha drop")
    if treatment.channels == ("luma",) or (treatment.linear and dtype.kind != "f"):
        hint = "leave --channels luma and --linear out"
        raise ShapeError("luma and linear light are of colours, all of which are there", hint=hint)
    if chain.effect:
        hint = "amount and threshold as fields of the kernels: gaussian:amount=50%"
        raise ShapeError("what is missing can't be mixed with results", hint=hint)
    for kernel in chain.kernels:
        if as_network(kernel):
            fact = f"network '{kernel.name}' can't make up for what is missing"
            raise ShapeError(fact, hint="--nodata takes kernels whose weights have a sum")
        own = kernel.own_sums
        if own is None or not own.all():
            sums = "that sum to 0" if own is not None else "without one sum"
            fact = f"kernel '{kernel.name}' has weights {sums}, which can't make up for what is missing"
            raise ShapeError(fact, hint="fill it first: -k gaussian, and this kernel on the result")


def _fits(number: float, dtype: np.dtype[np.generic]) -> bool:
    low, high = limits(dtype)
    return low <= number <= high


def laid_out(
    part: Part, chain: Chain, stages: Sequence[Stage], white: float,
    convolve: Callable[[Part, Kernel, Sequence[int]], Node],
) -> Part:  # fmt: skip
    """The chain on a part in which samples are missing: floats that are NaN where nothing comes out."""
    work = work_dtype(part.node.dtype)
    for number, (kernel, stage) in enumerate(zip(chain.kernels, stages, strict=True)):
        nodata = chain.nodata if not number else math.nan
        assert nodata is not None
        there = Part(Pointwise(partial(_there, nodata), [part], part.channels, work))
        known = Part(Pointwise(_known, [part, there], part.channels, work))
        linear = kernel.bare.replace(bias=None, activation=None)
        border = "1" if constant(kernel.border) is not None else kernel.border
        sums = convolve(known, linear, stage.shape_out)
        weights = convolve(there, linear.replace(border=border), stage.shape_out)
        own = kernel.own_sums
        assert own is not None
        bias = None if kernel.bias is None else kernel.bias.array.reshape(-1).astype(work)
        curve = kernel.activation.curve(work) if kernel.activation else None
        results = Part(Pointwise(partial(_made_up, own.astype(work), bias, curve), [Part(sums), Part(weights)],
                              stage.channels_out, work))  # fmt: skip
        if kernel.has_effect:
            mixing = partial(_mixed, Mixing(gain=kernel.gain, threshold=kernel.threshold, white=white))
            results = Part(Pointwise(mixing, [known, there, results], stage.channels_out, work))
        part = results
    return part


def missing(samples: Array, nodata: float) -> Array:
    """Where samples are no data; NaN never is, whatever stands for it."""
    none: Array = samples != samples if samples.dtype.kind == "f" else np.zeros(samples.shape, bool)
    if not math.isnan(nodata):
        none |= samples == samples.dtype.type(nodata)
    return none


def _there(nodata: float, out: Floats, samples: Array) -> None:
    np.copyto(out, ~missing(samples, nodata))


def _known(out: Floats, samples: Array, there: Floats) -> None:
    np.copyto(out, 0)
    np.copyto(out, samples, where=there > 0, casting="same_kind")


def _made_up(own: Floats, bias: Floats | None, curve: Curve | None, out: Floats, sums: Floats, weights: Floats) -> None:
    share = weights / own
    nothing = abs(share) < LEAST
    share[nothing] = 1
    np.divide(sums, share, out=out)
    if bias is not None:
        out += bias
    if curve is not None:
        curve.bend(out)
    out[nothing] = np.nan


def _mixed(mixing: Mixing, out: Floats, known: Floats, there: Floats, results: Floats) -> None:
    """What is missing takes the results as they are."""
    mixing.colours(out, known, results)
    np.copyto(out, results, where=there == 0)
