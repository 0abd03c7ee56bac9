"""A filter bank, which mixes channels: `(out, in/groups, *taps)`.

Few pairs of channels go plane by plane. Many become matrix products: for each row of outputs the samples that it reads
are laid out as columns, `taps` times along the row only - the rows of the kernel are views of the same columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from convcli.engine.facts import Facts
from convcli.engine.planes import correlate_planes
from convcli.engine.threads import scratch
from convcli.ranges import planar

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.floating[Any]]

#: Up to this many (output, input) pairs of channels, planes are faster than matrix products.
PAIR_LIMIT = 12
#: Bytes of columns laid out at a time, and samples of one product's columns.
COLUMN_BYTES = 1 << 20
PRODUCT_SAMPLES = 150_000


def algorithm(weights_shape: Sequence[int]) -> str:
    """How a bank of this shape runs: `pointwise`, `planes`, `rows` (products of rows) or `patches` (of whole taps)."""
    outputs, inputs, *taps = weights_shape
    if math.prod(taps) == 1 and inputs > 1:
        return "pointwise"
    if outputs * inputs <= PAIR_LIMIT or inputs == 1:
        return "planes"
    return "rows" if len(taps) <= 2 else "patches"


def describe(weights_shape: Sequence[int]) -> str:
    """How a bank of this shape runs, in a few words."""
    words = {
        "pointwise": "matrix product of pixels",
        "planes": "plane by plane",
        "rows": "matrix products of rows",
        "patches": "matrix products of patches",
    }
    return words[algorithm(weights_shape)]


def correlate_bank(
    x: Array, weights: Array, groups: int, stride: Sequence[int], dilation: Sequence[int], lengths: Sequence[int],
    *, facts: Facts, into: Array | None = None,
) -> Array:  # fmt: skip
    """`y[o, m] = sum_{t, c} weights[m, c, t] * x[stride*o + dilation*t, c]`, `c` in the group of `m`.

    `x` is `(*spatial, channels)`, the result `(*lengths, out)`; nothing outside `x` is read. Products go straight to
    `into` where it is given.
    """
    chosen = algorithm(weights.shape)
    if chosen == "pointwise":
        return _pointwise(x, weights, groups, stride, lengths, into)
    if chosen == "patches":
        return _by_patches(x, weights, groups, stride, dilation, lengths)
    if chosen == "rows":
        if len(lengths) == 1:
            line = None if into is None else into[None]
            weights = weights[:, :, None]
            y: Array = _by_rows(x[None], weights, groups, (1, *stride), (1, *dilation), (1, *lengths), line)[0]
            return y
        return _by_rows(x, weights, groups, stride, dilation, lengths, into)

    def pair(m: int, c: int, plane: Array) -> Array:
        return correlate_planes(plane, weights[m, c], stride, dilation, lengths, facts=facts)

    return sum_pairs(x, weights.shape[0], weights.shape[1], lengths, pair)


def sum_pairs(
    x: Array, outputs: int, inputs: int, lengths: Sequence[int], pair: Callable[[int, int, Array], Array]
) -> Array:
    """For each of `outputs` channels the sum of `pair(m, c, plane)` over the `inputs` channels of its group."""
    import numpy as np

    planes = part(x)
    per_group = outputs * inputs // x.shape[-1]
    results = scratch("pairs", (outputs, *lengths), x.dtype)
    for m in range(outputs):
        first = m // per_group * inputs
        for c in range(inputs):
            found = pair(m, c, planes[first + c][..., None])[..., 0]
            if c:
                results[m] += found
            else:
                results[m] = found
    return np.moveaxis(results, 0, -1) if planar(x) else join(results)


def part(x: Array) -> Array:
    """`(*spatial, channels)` as planes, `(channels, *spatial)` contiguous."""
    import cv2
    import numpy as np

    if np.moveaxis(x, -1, 0).flags.c_contiguous:
        return np.moveaxis(x, -1, 0)
    planes = scratch("planes", (x.shape[-1], *x.shape[:-1]), x.dtype)
    flat = np.ascontiguousarray(x).reshape(-1, x.shape[-1])
    cv2.transpose(flat, planes.reshape(x.shape[-1], -1))
    return planes


def join(planes: Array) -> Array:
    """Planes as `(*spatial, channels)`."""
    import cv2

    if planes.shape[0] == 1:
        only: Array = planes[0][..., None]
        return only
    y = scratch("joined", (*planes.shape[1:], planes.shape[0]), planes.dtype)
    if planes.shape[0] <= 4 and planes.ndim == 3:
        cv2.merge(list(planes), y)
    else:
        cv2.transpose(planes.reshape(planes.shape[0], -1), y.reshape(-1, planes.shape[0]))
    return y


def _result(x: Array, lengths: Sequence[int], outputs: int) -> Array:
    """Where `(*lengths, outputs)` go: planes for an input of planes."""
    import numpy as np

    if planar(x):
        return np.moveaxis(scratch("bank", (outputs, *lengths), x.dtype), 0, -1)
    return scratch("bank", (*lengths, outputs), x.dtype)


def _pointwise(
    x: Array, weights: Array, groups: int, stride: Sequence[int], lengths: Sequence[int], into: Array | None
) -> Array:
    import numpy as np

    outputs, inputs = weights.shape[:2]
    per_group = outputs // groups
    x = x[tuple(slice(0, (n - 1) * s + 1, s) for n, s in zip(lengths, stride, strict=True))]
    y = _result(x, lengths, outputs) if into is None else into
    for group in range(groups):
        filters = slice(group * per_group, (group + 1) * per_group)
        matrix = np.ascontiguousarray(weights[filters].reshape(per_group, inputs).T)
        np.matmul(x[..., group * inputs : (group + 1) * inputs], matrix, out=y[..., filters])
    return y


def _by_rows(
    x: Array, weights: Array, groups: int, stride: Sequence[int], dilation: Sequence[int], lengths: Sequence[int],
    into: Array | None,
) -> Array:  # fmt: skip
    import numpy as np

    planes = part(x)
    outputs, inputs, kh, kw = weights.shape
    per_group = outputs // groups
    y = _result(x, lengths, outputs) if into is None else into
    for group in range(groups):
        filters = slice(group * per_group, (group + 1) * per_group)
        matrix = np.ascontiguousarray(weights[filters].transpose(2, 1, 3, 0)).reshape(kh * inputs * kw, per_group)
        own = planes[group * inputs : (group + 1) * inputs]
        _products(own, matrix, (kh, kw), stride, dilation, y[..., filters])
    return y


def _products(
    planes: Array, matrix: Array, taps: tuple[int, int], stride: Sequence[int], dilation: Sequence[int], y: Array
) -> None:
    """One group of channels: `y[o] = columns[o] @ matrix`, by blocks of rows and columns of outputs."""
    import numpy as np
    from numpy.lib.stride_tricks import as_strided

    (height, width), (kh, kw), inputs, depth = y.shape[:2], taps, planes.shape[0], matrix.shape[0]
    across = min(width, max(64, PRODUCT_SAMPLES // depth))
    across = -(-width // -(-width // across))
    # With rows of the kernel next to each other, the columns of one row of samples serve all rows of outputs.
    shared = dilation[0] == 1
    row_bytes = inputs * kw * across * planes.itemsize * (stride[0] if shared else kh)
    down = min(height, max(1, COLUMN_BYTES // row_bytes))
    plane_step, row_step, step = planes.strides
    for top in range(0, height, down):
        rows = min(down, height - top)
        for left in range(0, width, across):
            wide = min(across, width - left)
            source = planes[:, top * stride[0] :, left * stride[1] :]
            inner, steps = (inputs, kw, wide), (plane_step, dilation[1] * step, stride[1] * step)
            if shared:
                count = (rows - 1) * stride[0] + kh
                columns = scratch("columns", (count, *inner), planes.dtype)
                np.copyto(columns, as_strided(source, (count, *inner), (row_step, *steps)))
                apart = stride[0] * columns.strides[0]
            else:
                columns = scratch("columns", (rows, kh, *inner), planes.dtype)
                outer = (stride[0] * row_step, dilation[0] * row_step)
                np.copyto(columns, as_strided(source, (rows, kh, *inner), (*outer, *steps)))
                apart = columns.strides[0]
            read = as_strided(columns, (rows, wide, depth), (apart, step, wide * step))
            np.matmul(read, matrix, out=y[top : top + rows, left : left + wide])


def _by_patches(
    x: Array, weights: Array, groups: int, stride: Sequence[int], dilation: Sequence[int], lengths: Sequence[int]
) -> Array:
    """Any rank: what every output reads is laid out as one row."""
    import numpy as np

    outputs, inputs, *taps = weights.shape
    per_group = outputs // groups
    y = np.empty((*lengths, outputs), x.dtype)
    depth = math.prod(taps) * inputs
    row = math.prod(lengths[1:]) * depth * x.itemsize
    rows = max(1, COLUMN_BYTES // row)
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
