"""A weighted sum of linear kernels as one kernel: weights laid over each other where the kernels read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from convcli.engine.geometry import AxisPadding, extent
from convcli.ops.base import Kernel
from convcli.ops.dense import Dense
from convcli.ops.separable import Separable
from convcli.ops.tensors import Tensor
from convcli.records import late, record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
else:
    np = late("numpy")

#: Taps of a sum at most: with more, its kernels are faster one by one.
MOST = 1 << 20


@record(kw_only=False)
class _Axis:
    """Where the taps of all kernels lie on one axis of their sum: so many, `dilation` apart."""

    taps: int
    dilation: int
    padding: AxisPadding
    #: Per kernel: its first tap among those of the sum, and how many of those it goes on by.
    starts: tuple[int, ...]
    steps: tuple[int, ...]


def summed(kernels: Sequence[Kernel], factors: Sequence[float]) -> Dense | None:
    """The kernel that does what the sum of `factors[k] * kernels[k]` does; None where there is none.

    They are dense or separable ones which run on every channel alone, of one stride and border.
    """
    for kernel in kernels:
        alike = kernel.border == kernels[0].border and kernel.is_linear and not kernel.has_effect
        if not isinstance(kernel, Dense | Separable) or kernel.channels or not alike:
            return None
    axes = "".join(axis for axis in "zyx" if any(axis in kernel.axes for kernel in kernels))
    strides = [{_of(kernel, kernel.stride, axis, 1) for kernel in kernels} for axis in axes]
    laid = [_axis(kernels, axis) for axis in axes]
    if any(len(steps) > 1 for steps in strides) or None in laid:
        return None
    lines = [line for line in laid if line]
    shape = tuple(line.taps for line in lines)
    if math.prod(shape) > MOST:
        return None

    def make() -> npt.NDArray[np.float64]:
        total = np.zeros(shape)
        for number, (kernel, factor) in enumerate(zip(kernels, factors, strict=True)):
            kernel.verify()
            taps = tuple(_of(kernel, kernel.taps, axis, 1) for axis in axes)
            places = tuple(
                slice(
                    line.starts[number], line.starts[number] + line.steps[number] * (count - 1) + 1, line.steps[number]
                )
                for line, count in zip(lines, taps, strict=True)
            )
            total[places] += factor * kernel.dense_weights().reshape(taps)
        return total

    names = ", ".join(kernel.name for kernel in kernels)
    return Dense(
        weights=Tensor(shape=shape, origin=f"sum of {names}", make=make), axes=axes, border=kernels[0].border,
        stride=tuple(next(iter(steps)) for steps in strides), dilation=tuple(line.dilation for line in lines),
        padding=tuple(line.padding for line in lines),
    )  # fmt: skip


def _of(kernel: Kernel, values: Sequence[int], axis: str, default: int) -> int:
    return values[kernel.axes.index(axis)] if axis in kernel.axes else default


def _axis(kernels: Sequence[Kernel], axis: str) -> _Axis | None:
    """One axis of the sum; None where outputs don't lie above the same samples."""
    before, spans, gaps, ends = [], [], [], []
    for kernel in kernels:
        taps, gap = _of(kernel, kernel.taps, axis, 1), _of(kernel, kernel.dilation, axis, 1)
        padding: AxisPadding = kernel.padding[kernel.axes.index(axis)] if axis in kernel.axes else "same"
        span = extent(taps, gap)
        if padding == "same":
            first, last = (span - 1) // 2, span - 1 - (span - 1) // 2
        elif isinstance(padding, str):
            return None
        else:
            first, last = padding
        before.append(first)
        spans.append(span)
        ends.append(first + last - span + 1)
        gaps.append(gap if taps > 1 else 0)
    if len(set(ends)) > 1:
        return None
    most = max(before)
    unit = math.gcd(*gaps, *(most - first for first in before)) or 1
    behind = max(span - first for span, first in zip(spans, before, strict=True))
    taps = (most + behind - 1) // unit + 1
    whole = most + behind - 1
    padded: AxisPadding = (most, whole - most + ends[0])
    if padded == (whole // 2, whole - whole // 2):
        padded = "same"
    starts = tuple((most - first) // unit for first in before)
    return _Axis(taps, unit, padded, starts, tuple(max(1, gap // unit) for gap in gaps))
