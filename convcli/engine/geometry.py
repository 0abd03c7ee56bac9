"""Which input samples an output sample needs, along one axis; output lengths; padding.

Everything here is integer arithmetic on one axis, so that 1-D, 2-D and 3-D are the same code.
Formulas: Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import cache
from typing import Literal, NamedTuple, TypeAlias

from convcli.errors import ShapeError
from convcli.records import record

#: Padding of one axis: a word, or the cells (before, after) the input. "same" is PyTorch's; the two others are ONNX's
#: and TensorFlow's, who pad as little as they can, an odd cell at the end (upper) or at the start.
AxisPadding: TypeAlias = Literal["same", "same_upper", "same_lower"] | tuple[int, int]

#: Samples from the first to the last that are read: at most these, or so many times the input, output or weights.
SPAN, SPAN_FACTOR = 1 << 23, 16

#: What lies outside an input, by the names of kernel files; `engine.borders` has them by example.
BORDERS = ("reflect", "symmetric", "replicate", "wrap", "zero")


@cache
def constant(border: str) -> float | None:
    """The number that lies everywhere outside: 0 for `zero`, or what `border` says; None for rules that show samples.

    >>> constant("zero"), constant("255"), constant("wrap")
    (0.0, 255.0, None)
    """
    if border in BORDERS:
        return 0.0 if border == "zero" else None
    return float(border)


def extent(taps: int, dilation: int) -> int:
    """Samples from the first to the last tap, both counted: `d(k-1) + 1`.

    >>> extent(3, 2)
    5
    """
    return dilation * (taps - 1) + 1


class KernelAxis(NamedTuple):
    """One axis of a kernel."""

    taps: int
    stride: int = 1
    dilation: int = 1
    #: For messages.
    name: str = ""

    @property
    def extent(self) -> int:
        return extent(self.taps, self.dilation)


def convolution_length(n: int, axis: KernelAxis, padding: tuple[int, int] = (0, 0)) -> int:
    """Output length of a convolution along one axis; 0 or less where the kernel does not fit.

    Relation 6 of Dumoulin & Visin with dilation (their relation 15).

    >>> convolution_length(5, KernelAxis(taps=3, stride=2), padding=(1, 1))
    3
    """
    return (n + sum(padding) - axis.extent) // axis.stride + 1


def transposed_length(n: int, axis: KernelAxis, padding: tuple[int, int] = (0, 0), output_padding: int = 0) -> int:
    """Output length of a transposed convolution along one axis.

    Relation 14 of Dumoulin & Visin with dilation.

    >>> transposed_length(3, KernelAxis(taps=3, stride=2), padding=(1, 1), output_padding=1)
    6
    """
    return (n - 1) * axis.stride + axis.extent + output_padding - sum(padding)


@record(kw_only=False)
class Gather:
    """One axis of a convolution: output `o` reads inputs `stride*o - before + dilation*t` for the taps `t`.

    Inputs outside `0 .. n-1` come from the border rule.
    """

    taps: int
    stride: int
    dilation: int
    before: int
    length: int

    def reads(self, start: int, stop: int) -> tuple[int, int]:
        """The half-open range of inputs that the outputs `start .. stop-1` need."""
        first = start * self.stride - self.before
        last = (stop - 1) * self.stride - self.before + extent(self.taps, self.dilation)
        return first, last

    def places(self, output: int) -> list[float]:
        """The input that each tap reads for an output.

        >>> Gather(3, 2, 1, 1, 3).places(1)
        [1, 2, 3]
        """
        return [output * self.stride - self.before + self.dilation * t for t in range(self.taps)]

    def middle(self, output: int) -> float:
        """The middle of what an output reads, which lies between two samples where taps are even.

        >>> Gather(4, 1, 1, 1, 3).middle(1)
        1.5
        """
        return output * self.stride - self.before + self.dilation * (self.taps - 1) / 2


@record(kw_only=False)
class Scatter:
    """One axis of a transposed convolution: input `i` stamps tap `t` on output `stride*i + dilation*t - before`."""

    taps: int
    stride: int
    dilation: int
    before: int
    length: int

    def reads(self, start: int, stop: int) -> tuple[int, int]:
        """The half-open range of inputs whose stamps can reach the outputs `start .. stop-1`."""
        first = -((extent(self.taps, self.dilation) - 1 - start - self.before) // self.stride)
        last = (stop - 1 + self.before) // self.stride + 1
        return first, max(last, first + 1)

    def places(self, output: int) -> list[float]:
        """The input whose stamp puts each tap on an output; NaN where that falls between two of them.

        >>> Scatter(3, 2, 1, 1, 6).places(1)
        [1.0, nan, 0.0]
        """
        numerators = (output + self.before - self.dilation * t for t in range(self.taps))
        return [math.nan if n % self.stride else n / self.stride for n in numerators]

    def middle(self, output: int) -> float:
        """The place in the input whose stamp would have its middle on an output; between samples for most.

        >>> Scatter(3, 2, 1, 1, 6).middle(1)
        0.5
        """
        return (output + self.before - self.dilation * (self.taps - 1) / 2) / self.stride


Window: TypeAlias = Gather | Scatter


class Grid:
    """Where outputs lie: `lengths` of them along each axis, `stride` samples apart; their taps are `dilation` apart."""

    def __init__(self, stride: Sequence[int], dilation: Sequence[int], lengths: Sequence[int]) -> None:
        self.stride, self.dilation, self.lengths = tuple(stride), tuple(dilation), tuple(lengths)
        #: Whether no sample is left out, between outputs or between taps.
        self.is_dense = max(*self.stride, *self.dilation) == 1

    def inner(self, axes: int = 1) -> Grid:
        """Without the first axes."""
        return Grid(self.stride[axes:], self.dilation[axes:], self.lengths[axes:])


def gather_window(n: int, axis: KernelAxis, padding: AxisPadding = (0, 0)) -> Gather:
    """The window of a convolution on `n` samples.

    "same" puts `d(k-1)//2` cells before and the rest after (as PyTorch does), and yields `ceil(n / stride)` outputs:
    a strided result is the full result subsampled. Raises `ShapeError` where the output is empty.
    """
    taps, stride, dilation, name = axis
    if padding == "same":
        return Gather(taps, stride, dilation, dilation * (taps - 1) // 2, -(-n // stride))
    if isinstance(padding, str):
        length = -(-n // stride)
        total = max(0, (length - 1) * stride + axis.extent - n)
        return Gather(taps, stride, dilation, _first_share(total, padding), length)
    before, after = padding
    length = convolution_length(n, axis, padding)
    if length < 1 or n + before + after < axis.extent:
        size = f"{n} + {before} + {after} samples" if before or after else f"{n} samples"
        raise ShapeError(
            f"the kernel spans {axis.extent} samples along {name}, more than the {size} of the input",
            hint="padding: same keeps the size of the input",
        )
    return Gather(taps, stride, dilation, before, length)


def scatter_window(n: int, axis: KernelAxis, padding: AxisPadding = (0, 0), output_padding: int = 0) -> Scatter:
    """The window of a transposed convolution on `n` samples.

    "same" yields exactly `n * stride` outputs. The picture is aligned by pixel centres, input sample `i` covering the
    outputs `i*stride .. (i+1)*stride - 1`, wherever extent and stride are both odd or both even; otherwise a half
    pixel would be needed, and the kernel's middle is put on output `i*stride`.
    """
    taps, stride, dilation, name = axis
    if padding == "same":
        reach, spread = dilation * (taps - 1), stride - 1
        before = (reach - spread) // 2 if (reach - spread) % 2 == 0 else reach // 2
        return Scatter(taps, stride, dilation, before, n * stride)
    if isinstance(padding, str):
        return cut_to(n, n * stride, axis, padding)
    before, after = padding
    length = transposed_length(n, axis, padding, output_padding)
    if length < 1:
        raise ShapeError(
            f"the output would have {length} samples along {name}: ({n} - 1) * {stride} + {axis.extent}"
            f" + {output_padding} - {before} - {after}",
            hint="use less padding",
        )
    return Scatter(taps, stride, dilation, before, length)


def _first_share(total: int, padding: str) -> int:
    """The cells at the start, of `total` at both ends."""
    return total // 2 if padding == "same_upper" else total - total // 2


def cut_to(n: int, length: int, axis: KernelAxis, padding: str) -> Scatter:
    """The window of a transposed convolution on `n` samples that makes `length` outputs, the rest cut off at both ends.

    Source: ONNX's ConvTranspose, `output_shape`; an odd cell more is cut off at the start unless padding is same_upper.
    """
    total = max(0, transposed_length(n, axis) - length)
    return Scatter(axis.taps, axis.stride, axis.dilation, _first_share(total, padding), length)


def even_cuts(length: int, count: int) -> list[tuple[int, int]]:
    """So many rows in `count` cuts, as even as can be.

    >>> even_cuts(8, 3)
    [(0, 2), (2, 5), (5, 8)]
    """
    return list(itertools.pairwise(length * number // count for number in range(count + 1)))


def cuts_of(length: int, rows: int) -> list[tuple[int, int]]:
    """So many rows in cuts of `rows`, of which the last may be shorter.

    >>> cuts_of(8, 3)
    [(0, 3), (3, 6), (6, 8)]
    """
    return list(itertools.pairwise([*range(0, length, rows), length]))


def check_span(windows: Sequence[Window], spatial: Sequence[int], weights: int, name: str) -> None:
    """Raises `ShapeError` where taps so far apart, or strides so long, would have far more read than is there."""
    ranges = [window.reads(0, window.length) for window in windows]
    spans = [stop - start for start, stop in ranges]
    outputs = math.prod(window.length for window in windows)
    most = max(SPAN, SPAN_FACTOR * max(math.prod(spatial), outputs, weights))
    if math.prod(spans) > most:
        sizes = (" x ".join(map(str, sides)) for sides in (spans, spatial))
        fact = "{} spans {} samples on an input of {}; at most {:,}".format(name, *sizes, most)
        raise ShapeError(fact, hint="less dilation, stride or padding")


def grid_of(windows: Sequence[Window], region: Sequence[tuple[int, int]] = ()) -> Grid:
    """Where the outputs of windows lie, or those of a `region` of them."""
    lengths = [stop - start for start, stop in region] or [window.length for window in windows]
    return Grid([window.stride for window in windows], [window.dilation for window in windows], lengths)
