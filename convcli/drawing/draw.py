"""`convcli.draw`: each figure by a function, as `convcli draw` has it by a command.

convcli.draw.kernel("sharpen").save("sharpen.svg")
convcli.draw.steps({"weights": [[1, 2], [3, 4]], "stride": 2}, size=(5, 5))      # shown in a notebook
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, Unpack

import numpy as np

from convcli.drawing.drawing import Drawing, Look
from convcli.errors import UsageError
from convcli.networks.sources import network
from convcli.ops.arrays import real_array
from convcli.ops.interactive import whole
from convcli.spec.library import check, lists_kernels, load, split

if TYPE_CHECKING:
    from convcli.engine.dtypes import ArrayLike
    from convcli.ops import Kernel
    from convcli.spec.library import KernelLike

__all__ = ["Drawing", "costs", "difference", "field", "kernel", "layers", "offsets", "sheet", "steps", "taps"]

#: What becomes of negative and over-bright results in a sheet.
Range: TypeAlias = Literal["auto", "clip", "abs", "offset", "rescale"]


def __dir__() -> list[str]:
    return __all__


def kernel(
    source: KernelLike, *, title: str | None = None, numbers: bool | None = None, columns: int | None = None,
    **look: Unpack[Look],
) -> Drawing:  # fmt: skip
    """A kernel's weights, in any form that `load` takes: a map with numbers (to 15 taps a side unless asked for),
    factors and gain; a small bank alike, another as a grid of so many `columns`; slices of a 3-D kernel; stems of a
    1-D one.

    `title` is written above, "" nothing; `look` is `theme`, `scale` or `width` of a `Drawing`.
    """
    from convcli.drawing import kernels

    _check_columns(columns)
    return Drawing(scene=kernels.figure(whole(_loaded(source)), title=title, numbers=numbers, columns=columns), **look)


def steps(
    source: KernelLike, size: Sequence[int] | None = None, values: ArrayLike | None = None, *, title: str | None = None,
    filter: int = 0, stamps: bool = False, frame: int | None = None, seconds: float | None = None, **look: Unpack[Look],
) -> Drawing:  # fmt: skip
    """How a kernel moves over an input of `size` per axis, or over `values`, which are then written down, with sums.

    A filter bank takes `(*size, channels)` values; its filter number `filter` is drawn. With `stamps` a transposed
    kernel is seen from the input. `frame` is one step alone, counted from 1; steps take `seconds`.
    """
    import dataclasses

    from convcli.drawing import stamps as seen_from_input, steps as moving

    kernel = whole(_loaded(source))
    array = None if values is None else real_array(values).astype(np.float64)
    if array is not None and not np.isfinite(array).all():
        raise UsageError("values that are not finite can't be drawn")
    if size is None:
        if array is None:
            raise UsageError("an input to move over is missing", hint="a size per axis, or values")
        size = array.shape[: len(kernel.axes)]
    if len(size) != len(kernel.axes) or min(size) < 1:
        sizes = "x".join(map(str, size))
        raise UsageError(f"the kernel moves along {','.join(kernel.axes)}; '{sizes}' is no size for it")
    if stamps:
        scene = seen_from_input.figure(kernel, size, array, title=title, still=frame is not None)
    else:
        only = None if frame is None else frame - 1
        scene = moving.figure(kernel, size, array, title=title, filter=filter, only=only)
    if seconds is not None:
        if not 0 < seconds < math.inf:
            raise UsageError(f"a step can't take {seconds} seconds", hint="seconds=0.7")
        scene = dataclasses.replace(scene, seconds=seconds)
    drawn = Drawing(scene=scene, **look)
    return drawn if frame is None else drawn.frame(frame)


def taps(source: KernelLike, picture: ArrayLike, points: Sequence[Sequence[int]] = (), *, title: str | None = None,
         **look: Unpack[Look]) -> Drawing:  # fmt: skip
    """Where the outputs at `points` (y, x) read `picture`: (height, width), or (height, width, channels) of bytes.

    By default these are two outputs, at thirds of the picture.
    """
    from convcli.drawing import taps as over_picture

    kernel, places = whole(_loaded(source)), [tuple(point) for point in points]
    return Drawing(scene=over_picture.figure(kernel, _picture(picture), places, title=title), **look)


def offsets(
    source: KernelLike, picture: ArrayLike, *, tap: int | None = None, title: str | None = None, **look: Unpack[Look]
) -> Drawing:
    """How far from their places outputs of a deformable kernel read a picture, by one tap (default: the middle one)."""
    from convcli.drawing import offsets as fields

    return Drawing(scene=fields.figure(_loaded(source), _picture(picture), tap=tap, title=title), **look)


def field(
    sources: KernelLike, picture: ArrayLike, point: Sequence[int] | None = None, *, title: str | None = None,
    **look: Unpack[Look],
) -> Drawing:  # fmt: skip
    """What the output at `point` (y, x; default: the middle) of several kernels or networks, one after the other, sees.

    Of a network whose layers are branched every way counts; pools and joins count all that they read.
    """
    from convcli.drawing import field as receptive

    kernels = [whole(_kernel_or_network(source)) for source in _several(sources)]
    if not kernels:
        raise UsageError("no kernels, no field", hint="-k KERNEL")
    return Drawing(scene=receptive.figure(kernels, _picture(picture), point, title=title), **look)


def sheet(
    sources: KernelLike, picture: ArrayLike, *, title: str | None = None, columns: int | None = None,
    range: Range = "auto", **look: Unpack[Look],
) -> Drawing:  # fmt: skip
    """A picture and what each kernel makes of it, side by side; each channel of a filter bank is a panel.

    A network file with weights is a kernel, too; `net.yaml:until=conv3` are the maps that leave the layer conv3.

    `range` is clip, abs, offset or rescale, as in `convcli apply`, or auto: results of kernels whose taps sum to 0 are
    grey where they are 0.
    """
    from convcli.drawing import sheets

    _check_columns(columns)
    kernels = [_kernel_or_network(source) for source in _several(sources)]
    scene = sheets.figure(kernels, _array(picture), title=title, columns=columns, range=range)
    return Drawing(scene=scene, **look)


def difference(source: KernelLike, picture: ArrayLike, *, title: str | None = None, **look: Unpack[Look]) -> Drawing:
    """A picture before and after a kernel, and the difference."""
    from convcli.drawing import sheets

    return Drawing(scene=sheets.difference(_kernel_or_network(source), _array(picture), title=title), **look)


def layers(
    size: Sequence[int] = (7, 7), inputs: int = 3, outputs: int = 128, taps: int = 3, *, title: str | None = None,
    **look: Unpack[Look],
) -> Drawing:  # fmt: skip
    """A standard convolution beside a depthwise separable one, as blocks of channels, with what they cost."""
    from convcli.drawing import layers as blocks

    return Drawing(scene=blocks.figure(size, inputs, outputs, taps, title=title), **look)


def costs(
    report: Mapping[str, Any] | Sequence[Mapping[str, Any]], *, title: str | None = None, **look: Unpack[Look]
) -> Drawing:
    """The rows of `convcli.compare`, or a report of `convcli compare --format json`: bars, or dots where timed."""
    from convcli.drawing import costs as rows

    if not isinstance(report, Mapping):
        baseline = report[0]["name"] if len(report) > 1 else None
        report = {"title": "", "baseline": baseline, "rows": report}
    return Drawing(scene=rows.figure(report, title=title), **look)


def _several(sources: KernelLike) -> Sequence[KernelLike]:
    """Several kernels, or the one that a name, a mapping or rows of numbers are."""
    return sources if isinstance(sources, list | tuple) and (not sources or lists_kernels(sources)) else [sources]


def _check_columns(columns: int | None) -> None:
    if columns is not None and columns < 1:
        raise UsageError(f"{columns} columns hold nothing", hint="columns=3")


def labelled(source: object, kernel: Kernel) -> Kernel:
    """The kernel with what overrides its fields in its name, which figures show: `gaussian:sigma=2`."""
    overridden = split(source)[1] if isinstance(source, str) and kernel.name != "inline" else ""
    return kernel.replace(name=f"{kernel.name}:{overridden}") if overridden else kernel


def _loaded(source: KernelLike) -> Kernel:
    return labelled(source, load(source))


def _kernel_or_network(source: KernelLike) -> Kernel:
    """A kernel in any form that `load` takes, or the network in a file, with its numbers checked."""
    if source_network := network(source):
        check(source_network)
        return source_network
    return _loaded(source)


def _picture(source: Any) -> Any:
    """A picture as (height, width, 3) bytes; raises UsageError for what can't be one."""
    from convcli.drawing.images import eight_bits

    return eight_bits(_array(source))


def _array(source: Any) -> Any:
    """A picture as (height, width, channels)."""
    array = real_array(source)
    array = array[..., None] if array.ndim == 2 else array
    if array.ndim != 3 or array.shape[2] > 4 or not array.size:
        fact = f"an array of shape {array.shape} is no picture"
        raise UsageError(fact, hint="(height, width) or (height, width, 1 to 4 channels)")
    return array
