"""A filter bank, which mixes channels: `(out, in/groups, *taps)`.

Few pairs of channels go plane by plane; many become one matrix product per chunk of outputs, the patches that each
output reads being laid out as rows (im2col).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from convcli.engine.facts import Facts
from convcli.engine.planes import correlate_planes

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.floating[Any]]

#: Up to this many (output, input) pairs of channels, planes are faster than matrix products.
PAIR_LIMIT = 12
#: Bytes of patches laid out at a time.
PATCH_BYTES = 1 << 20


def by_planes(weights_shape: Sequence[int]) -> bool:
    """Whether a bank of this shape runs plane by plane: few pairs of channels, or one input channel per group."""
    outputs, inputs = weights_shape[:2]
    return outputs * inputs <= PAIR_LIMIT or inputs == 1


def correlate_bank(
    x: Array, weights: Array, groups: int, stride: Sequence[int], dilation: Sequence[int], lengths: Sequence[int],
    *, facts: Facts,
) -> Array:  # fmt: skip
    """`y[o, m] = sum_{t, c} weights[m, c, t] * x[stride*o + dilation*t, c]`, `c` in the group of `m`.

    `x` is `(*spatial, channels)`, the result `(*lengths, out)`; nothing outside `x` is read.
    """
    if not by_planes(weights.shape):
        return _by_patches(x, weights, groups, stride, dilation, lengths)

    def pair(m: int, c: int, plane: Array) -> Array:
        return correlate_planes(plane, weights[m, c], stride, dilation, lengths, facts=facts)

    return sum_pairs(x, weights.shape[0], weights.shape[1], lengths, pair)


def sum_pairs(
    x: Array, outputs: int, inputs: int, lengths: Sequence[int], pair: Callable[[int, int, Array], Array]
) -> Array:
    """For each of `outputs` channels the sum of `pair(m, c, plane)` over the `inputs` channels of its group."""
    import numpy as np

    planes = [np.ascontiguousarray(x[..., channel : channel + 1]) for channel in range(x.shape[-1])]
    per_group = outputs * inputs // x.shape[-1]
    y = np.zeros((*lengths, outputs), x.dtype)
    for m in range(outputs):
        first = m // per_group * inputs
        for c in range(inputs):
            y[..., m] += pair(m, c, planes[first + c])[..., 0]
    return y


def _by_patches(
    x: Array, weights: Array, groups: int, stride: Sequence[int], dilation: Sequence[int], lengths: Sequence[int]
) -> Array:
    import numpy as np

    outputs, inputs, *taps = weights.shape
    per_group = outputs // groups
    y = np.empty((*lengths, outputs), x.dtype)
    depth = math.prod(taps) * inputs
    row = math.prod(lengths[1:]) * depth * x.itemsize
    rows = max(1, PATCH_BYTES // row)
    for group in range(groups):
        channels = x[..., group * inputs : (group + 1) * inputs]
        matrix = np.moveaxis(weights[group * per_group : (group + 1) * per_group], 1, -1).reshape(per_group, depth).T
        for start in range(0, lengths[0], rows):
            part = (min(rows, lengths[0] - start), *lengths[1:])
            patches = _patches(channels[start * stride[0] :], taps, stride, dilation, part).reshape(-1, depth)
            y[start : start + part[0], ..., group * per_group : (group + 1) * per_group] = (patches @ matrix).reshape(
                *part, per_group
            )
    return y


def _patches(
    x: Array, taps: Sequence[int], stride: Sequence[int], dilation: Sequence[int], lengths: Sequence[int]
) -> Array:
    """A view `(*lengths, *taps, channels)` of what each output reads."""
    from numpy.lib.stride_tricks import as_strided

    spatial = x.strides[:-1]
    outer = tuple(step * s for step, s in zip(spatial, stride, strict=True))
    inner = tuple(step * d for step, d in zip(spatial, dilation, strict=True))
    return as_strided(x, (*lengths, *taps, x.shape[-1]), (*outer, *inner, x.strides[-1]), writeable=False)
