"""What one output of a chain of kernels sees of a picture: how much every pixel counts for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from convcli.drawing.images import window_of
from convcli.drawing.parts import PAD, header, heading
from convcli.drawing.response import colour_map
from convcli.drawing.scene import Box, Picture, Scene, Text
from convcli.drawing.taps import flat_weights
from convcli.engine.geometry import Scatter, Window, extent
from convcli.errors import ShapeError, UsageError
from convcli.spec.library import load

if TYPE_CHECKING:
    from convcli.drawing.parts import Floats
    from convcli.ops import Kernel

#: The side of each of the two pictures, at most, and pixels around the field.
SIDE, _MARGIN = 380.0, 3
#: Pixels a side that a field may have.
MOST: Final = 4096


def figure(
    kernels: Sequence[Kernel], picture: Any, point: Sequence[int] | None = None, *, title: str | None = None
) -> Scene:
    """The field of the output at `point` (y, x; by default the middle one) on `picture`, (height, width, 3) uint8.

    Raises `ShapeError` for a point outside the output, UsageError for kernels whose field can't be followed.
    """
    sizes = [tuple(picture.shape[:2])]
    for kernel in kernels:
        if kernel.type == "deformable" or kernel.axes != "yx":
            fact = f"kernel '{kernel.name}' is {kernel.type} along {','.join(kernel.axes)}"
            hint = f"convcli draw taps {kernel.name} PICTURE"
            raise UsageError(f"{fact}; fields are drawn of kernels whose taps keep their places", hint=hint)
        sizes.append(kernel.output_shape(sizes[-1], "yx"))
    point = tuple(n // 2 for n in sizes[-1]) if point is None else tuple(point)
    if len(point) != 2 or not all(0 <= at < n for at, n in zip(point, sizes[-1], strict=True)):
        size = "x".join(map(str, sizes[-1]))
        raise ShapeError(f"{','.join(map(str, point))} lies outside the output of {size}", hint="indices count from 0")
    counted, (top, left) = counts(kernels, sizes, point)
    # Transforms leave a little where nothing is; with all taps alike these are whole numbers.
    touched, _ = counts(kernels, sizes, point, alike=True)
    name = ", then ".join(heading(kernel, None) for kernel in kernels) if title is None else title
    high, wide = counted.shape
    ranges = [(top - _MARGIN, top + high + _MARGIN), (left - _MARGIN, left + wide + _MARGIN)]
    part = window_of(picture, ranges, kernels[0].border)
    return _drawn(name, part, (np.maximum(counted, 0), touched > 0.5), point)


def counts(
    kernels: Sequence[Kernel], sizes: Sequence[Sequence[int]], point: Sequence[int], *, alike: bool = False
) -> tuple[Floats, tuple[int, int]]:
    """How much each pixel counts for an output: absolute weights along all paths, and where their first is.

    The engine follows them back: the adjoint of a convolution is the transposed one. With `alike` all taps count.
    """
    grid: Floats = np.ones((1, 1))
    corner = int(point[0]), int(point[1])
    for kernel, size in zip(reversed(kernels), reversed(sizes[:-1]), strict=True):
        weights = np.abs(flat_weights(kernel)[0])
        weights = np.ones_like(weights) if alike else weights / (weights.sum() or 1)
        windows = kernel.windows(size, "yx")
        back = _before_transposed if isinstance(windows[0], Scatter) else _before
        grid, corner = back(grid, corner, weights, windows)
        if max(grid.shape) > MOST:
            raise UsageError(
                f"one output sees {grid.shape[0]} x {grid.shape[1]} pixels; at most {MOST} a side are drawn"
            )
    return grid, corner


def _before(
    grid: Floats, corner: tuple[int, int], weights: Floats, windows: Sequence[Window]
) -> tuple[Floats, tuple[int, int]]:  # fmt: skip
    """What a grid of outputs sees through a convolution."""
    stamps = {
        "type": "transposed", "weights": weights, "stride": [w.stride for w in windows],
        "dilation": [w.dilation for w in windows], "padding": "valid", "border": "zero",
    }  # fmt: skip
    seen = load(stamps).apply(grid, "yx")
    y, x = (at * w.stride - w.before for at, w in zip(corner, windows, strict=True))
    return seen, (y, x)


def _before_transposed(
    grid: Floats, corner: tuple[int, int], weights: Floats, windows: Sequence[Window]
) -> tuple[Floats, tuple[int, int]]:
    """What a grid of outputs sees through a transposed convolution, whose adjoint is a strided one."""
    firsts, paddings = [], []
    for axis, (window, first) in enumerate(zip(windows, corner, strict=True)):
        reach, count = extent(window.taps, window.dilation), grid.shape[axis]
        low = -((reach - 1 - first - window.before) // window.stride)
        high = max((first + count - 1 + window.before) // window.stride, low)
        before = first + window.before - low * window.stride
        after = (high - low) * window.stride + reach - before - count
        # Outputs at the ends that no sample's stamp reaches are seen from nowhere.
        grid = np.take(grid, range(max(0, -before), count + min(0, after)), axis)
        if not grid.size:
            raise UsageError("this output sees zeros alone, which lie between the samples", hint="--at another place")
        firsts.append(low)
        paddings.append([max(0, before), max(0, after)])
    strided = {
        "weights": weights, "stride": [w.stride for w in windows], "dilation": [w.dilation for w in windows],
        "padding": paddings, "border": "zero",
    }  # fmt: skip
    return load(strided).apply(grid, "yx"), (firsts[0], firsts[1])


def _drawn(
    name: str, part: Any, seen: tuple[Floats, Any], point: Sequence[int]
) -> Scene:  # fmt: skip
    """The figure of what is `seen` of a `part` of the picture, which reaches a little further."""
    counted, touched = seen
    high, wide = counted.shape
    share = f"{high}×{wide} pixels, and reads {touched.mean():.0%} of them"
    lines = [f"the output at y {point[0]}, x {point[1]} sees {share}"]
    heads, top, width = header(name, lines)
    weight = np.zeros(part.shape[:2])
    weight[_MARGIN : _MARGIN + high, _MARGIN : _MARGIN + wide] = counted / (counted.max() or 1)
    zoom = SIDE / max(weight.shape)
    w, h = weight.shape[1] * zoom, weight.shape[0] * zoom
    lit = np.rint(part * (0.22 + 0.78 * np.sqrt(weight))[..., None]).astype(np.uint8)
    y, items, fine = top + 20, list(heads), zoom < 2
    panels = (("the picture, as bright as it counts", lit), ("how much each pixel counts; blue: 0", colour_map(weight)))
    for x, (text, pixels) in zip((PAD, PAD + w + 30), panels, strict=True):
        items.append(Text(x=x, y=y - 8, text=text, role="faint", anchor="start"))
        items.append(Picture(x=x, y=y, w=w, h=h, pixels=pixels, smooth=fine))
        edge = {"x": x + _MARGIN * zoom, "y": y + _MARGIN * zoom, "w": wide * zoom, "h": high * zoom}
        items.append(Box(**edge, stroke="mark", dashed=True, width=1.5, note=lines[0]))
    return Scene(
        width=max(PAD + 2 * w + 30 + PAD, width, PAD + w + 30 + 240), height=y + h + PAD, items=tuple(items),
        title=f"Receptive field of {name}", about=f"{lines[0]}.",
    )  # fmt: skip
