"""What one output of a chain of kernels sees of a picture: how much every pixel counts for it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from convcli.drawing.images import window_of
from convcli.drawing.parts import PAD, header, heading
from convcli.drawing.response import colour_map
from convcli.drawing.scene import Box, Picture, Scene, Text, shifted
from convcli.drawing.taps import flat_weights
from convcli.engine.borders import source_indices
from convcli.engine.geometry import Scatter, Window, extent
from convcli.errors import ShapeError, UsageError
from convcli.networks.placed import INPUT, Flow, Placed, place_kernel
from convcli.networks.runnable import NetworkKernel
from convcli.ops.deformable import Deformable
from convcli.spec.library import load

if TYPE_CHECKING:
    from convcli.drawing.parts import Floats
    from convcli.ops import Kernel

    #: How much pixels count, and the first row and column of these.
    Seen = tuple[Floats, tuple[int, int]]

#: The side of each of the two pictures, at most, and pixels around the field.
SIDE, _MARGIN = 380.0, 3
#: The longer side of the whole picture, and how wide the text above the others is.
_WHOLE, _TEXT = 220.0, 250.0
#: Pixels a side that a field may have, and the least part of a pixel that is read between others.
MOST, _LEAST = 4096, 1e-6


def figure(
    kernels: Sequence[Kernel], picture: Any, point: Sequence[int] | None = None, *, title: str | None = None
) -> Scene:
    """The field of the output at `point` (y, x; by default the middle one) on `picture`, (height, width, 3) uint8.

    Raises `ShapeError` for a point outside the output, UsageError for kernels whose field can't be followed.
    """
    for kernel in kernels:
        if kernel.axes != "yx":
            fact = f"kernel '{kernel.name}' moves along {','.join(kernel.axes)}, not over a picture's y and x"
            raise UsageError(fact, hint="convcli draw kernel")
    first, *others = kernels
    layers = placed([first.guided(picture, 255.0) if first.looks else first, *others], picture.shape[:2])
    size = layers[-1].size_out
    point = tuple(n // 2 for n in size) if point is None else tuple(point)
    if len(point) != 2 or not all(0 <= at < n for at, n in zip(point, size, strict=True)):
        shape = "x".join(map(str, size))
        raise ShapeError(f"{','.join(map(str, point))} lies outside the output of {shape}", hint="indices count from 0")
    counted, (top, left) = counts(layers, point)
    touched, _ = counts(layers, point, alike=True)
    name = ", then ".join(heading(kernel, None) for kernel in kernels) if title is None else title
    high, wide = counted.shape
    ranges = [(top - _MARGIN, top + high + _MARGIN), (left - _MARGIN, left + wide + _MARGIN)]
    part = window_of(picture, ranges, kernels[0].border)
    return _drawn(
        name,
        _whole(picture, ranges),
        part,
        (np.maximum(counted, 0), touched > 0.5),
        [f"y {point[0]}, x {point[1]}", _simplified(layers)],
    )


def _simplified(layers: Sequence[Placed]) -> str:
    """What of the layers is not followed back, but counted as a whole or left out."""
    kernels = [layer.kernel for layer in layers if layer.kernel]
    parts = {
        "of filters the mean of absolute weights counts": any(kernel.channels for kernel in kernels),
        "of pools and joins all that they read": len(kernels) < len(layers),
        "activations are left out": any(one.activation for one in layers) or any(k.activation for k in kernels),
    }
    return ", ".join(text for text, holds in parts.items() if holds)


def placed(kernels: Sequence[Kernel], size: Sequence[int]) -> list[Placed]:
    """The kernels, and the layers of networks among them, on a picture; each reads layers before it, by number."""
    layers: list[Placed] = []
    for kernel in kernels:
        base, size = len(layers), tuple(size)
        if isinstance(kernel, NetworkKernel):
            for layer in kernel.on(size).layers:
                inputs = tuple(base - 1 if number == INPUT else base + number for number in layer.inputs)
                layers.append(dataclasses.replace(layer, inputs=inputs))
        else:
            flow = Flow(size=size, channels=kernel.channels[0] if kernel.channels else 1, sources=(base - 1,))
            layers.append(place_kernel(kernel, flow, kernel.name))
        size = layers[-1].size_out
    return layers


def counts(layers: Sequence[Placed], point: Sequence[int], *, alike: bool = False) -> Seen:
    """How much each pixel counts for an output of the last layer: absolute weights along all paths, and where their
    first is.

    The engine follows them back: the adjoint of a convolution is the transposed one. With `alike` all taps count, and
    pixels are 1 where they are read.
    """
    seen: dict[int, Seen] = {len(layers) - 1: (np.ones((1, 1)), (int(point[0]), int(point[1])))}
    for number in range(len(layers) - 1, INPUT, -1):
        if number not in seen:
            continue
        layer, (grid, corner) = layers[number], seen.pop(number)
        if layer.sees_all or layer.spreads:
            raise UsageError(f"one output of layer '{layer.name}' sees all of a picture", hint="until=LAYER, before it")
        kernel, windows = layer.kernel, layer.windows
        weights = np.abs(flat_weights(kernel)[0]) if kernel else np.ones([window.taps for window in windows])
        weights = np.ones_like(weights) if alike else weights / (weights.sum() or 1)
        if isinstance(kernel, Deformable):
            before = _before_deformable(grid, corner, weights, kernel, layer.size_in, alike=alike)
        else:
            back = _before_transposed if isinstance(windows[0], Scatter) else _before
            before = back(grid, corner, weights, windows)
        if alike:  # transforms leave a little where nothing is; numbers of paths would grow beyond all limits
            before = (before[0] > 0.5).astype(float), before[1]
        if max(before[0].shape) > MOST:
            high, wide = before[0].shape
            raise UsageError(f"one output sees {high} x {wide} pixels; at most {MOST} a side are drawn")
        for source in layer.inputs:
            inside = before if source == INPUT else _folded(before, layer.size_in, kernel.border if kernel else "zero")
            seen[source] = _together(seen[source], inside) if source in seen else inside
    return seen[INPUT]


def _folded(seen: Seen, size: Sequence[int], border: str) -> Seen:
    """What is seen of outputs of a layer: of those beyond its edges, the ones that the border shows in their place.

    Beyond the edges of the picture itself fields go on, where what the border shows is drawn.
    """
    grid, corner = seen
    for axis, (first, n) in enumerate(zip(corner, size, strict=True)):
        if first >= 0 and first + grid.shape[axis] <= n:
            continue
        indices = source_indices(np.arange(first, first + grid.shape[axis]), n, border)
        rows = np.moveaxis(grid, axis, 0)
        folded = np.zeros((n, *rows.shape[1:]))
        own = slice(max(first, 0), max(first + len(rows), 0))
        folded[own] = rows[own.start - first : own.stop - first][: len(folded[own])]
        beyond = (indices >= 0) & (indices != np.arange(first, first + len(rows)))
        np.add.at(folded, indices[beyond], rows[beyond])
        grid, corner = np.moveaxis(folded, 0, axis), (corner[0] * axis, corner[1] * (1 - axis))
    return grid, corner


def _together(one: Seen, other: Seen) -> Seen:
    """What is seen along one of two ways or the other."""
    top, left = (min(pair) for pair in zip(one[1], other[1], strict=True))
    ends = [[at + n for at, n in zip(corner, grid.shape, strict=True)] for grid, corner in (one, other)]
    grid = np.zeros([max(pair) - first for pair, first in zip(zip(*ends, strict=True), (top, left), strict=True)])
    for part, (y, x) in (one, other):
        grid[y - top : y - top + part.shape[0], x - left : x - left + part.shape[1]] += part
    return grid, (top, left)


def _before_deformable(
    grid: Floats, corner: tuple[int, int], weights: Floats, kernel: Deformable, size: Sequence[int], *, alike: bool
) -> Seen:
    """What outputs see where offsets take their taps, by four pixels each, as much as the mask lets through."""
    windows = kernel.windows(size, "yx")
    parts = [slice(at, at + n) for at, n in zip(corner, grid.shape, strict=True)]
    *shifts, mask = kernel.sampled(size, parts[0], parts[1])
    plain = [np.array([w.places(o) for o in range(*part.indices(w.length))]).T
             for w, part in zip(windows, parts, strict=True)]  # fmt: skip
    shape = shifts[0].shape
    rows = (plain[0][:, None, :, None] + shifts[0].reshape(*kernel.taps, *shape[1:])).reshape(shape)
    columns = (plain[1][None, :, None, :] + shifts[1].reshape(*kernel.taps, *shape[1:])).reshape(shape)
    y, x = np.floor(rows).astype(int), np.floor(columns).astype(int)
    top, left = int(y.min()), int(x.min())
    high, wide = (math.ceil(places.max()) - first + 1 for places, first in ((rows, top), (columns, left)))
    if max(high, wide) > MOST:
        return np.broadcast_to(0.0, (high, wide)), (top, left)
    seen, each = np.zeros((high, wide)), weights.reshape(-1, 1, 1) * grid
    if mask is not None:
        each = each * (mask > _LEAST if alike else mask)
    for dy, dx in np.ndindex(2, 2):
        share = np.abs(1 - dy - (rows - y)) * np.abs(1 - dx - (columns - x))
        # Beyond the last row or column lies what has no share.
        place = np.minimum(y - top + dy, high - 1), np.minimum(x - left + dx, wide - 1)
        np.add.at(seen, place, each * (share > _LEAST if alike else share))
    return seen, (top, left)


def _before(
    grid: Floats, corner: tuple[int, int], weights: Floats, windows: Sequence[Window]
) -> Seen:  # fmt: skip
    """What a grid of outputs sees through a convolution."""
    stamps = {
        "type": "transposed", "weights": weights, "stride": [w.stride for w in windows],
        "dilation": [w.dilation for w in windows], "padding": "valid", "border": "zero",
    }  # fmt: skip
    seen = load(stamps).apply(grid, "yx")
    y, x = (at * w.stride - w.before for at, w in zip(corner, windows, strict=True))
    return seen, (y, x)


def _before_transposed(grid: Floats, corner: tuple[int, int], weights: Floats, windows: Sequence[Window]) -> Seen:
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


def _whole(picture: Any, ranges: Sequence[tuple[int, int]]) -> list[Any]:
    """The picture from (PAD, 0) on, with a frame around what of rows and columns lies on it."""
    zoom = _WHOLE / max(picture.shape[:2])
    sides = zip(ranges, picture.shape, strict=False)
    (top, bottom), (left, right) = ([zoom * min(max(0, at), n) for at in pair] for pair, n in sides)
    frame = {"x": PAD + left, "y": top, "w": right - left, "h": bottom - top}
    return [
        Picture(x=PAD, y=0, w=zoom * picture.shape[1], h=zoom * picture.shape[0], pixels=picture, smooth=True),
        Box(**frame, stroke="marked", width=3), Box(**frame, stroke="mark", width=1.4),
    ]  # fmt: skip


def _drawn(
    name: str, whole: list[Any], part: Any, seen: tuple[Floats, Any], said: Sequence[str]
) -> Scene:  # fmt: skip
    """The figure of what is `seen` of a `part` of the picture, which reaches a little further, with the `whole` at the
    left; the output's place and what else is to be said."""
    counted, touched = seen
    high, wide = counted.shape
    place, more = said
    lines = [f"the output at {place} sees {high}×{wide} pixels, and reads {touched.mean():.0%} of them", more]
    heads, top, width = header(name, lines)
    weight = np.zeros(part.shape[:2])
    weight[_MARGIN : _MARGIN + high, _MARGIN : _MARGIN + wide] = counted / (counted.max() or 1)
    zoom = SIDE / max(weight.shape)
    w, h = weight.shape[1] * zoom, weight.shape[0] * zoom
    lit = np.rint(part * (0.22 + 0.78 * np.sqrt(weight))[..., None]).astype(np.uint8)
    y, items, fine = top + 20, [*heads, *(shifted(item, 0, top + 20) for item in whole)], zoom < 2
    apart = max(w, _TEXT) + 30
    left, below = (max(item.x + item.w for item in whole) + 30, y + max(item.y + item.h for item in whole))
    items.append(Text(x=PAD, y=y - 8, text="where that is", role="faint", anchor="start"))
    panels = (("the picture, as bright as it counts", lit), ("how much each pixel counts; blue: 0", colour_map(weight)))
    for x, (text, pixels) in zip((left, left + apart), panels, strict=True):
        items.append(Text(x=x, y=y - 8, text=text, role="faint", anchor="start"))
        items.append(Picture(x=x, y=y, w=w, h=h, pixels=pixels, smooth=fine))
        edge = {"x": x + _MARGIN * zoom, "y": y + _MARGIN * zoom, "w": wide * zoom, "h": high * zoom}
        items.append(Box(**edge, stroke="mark", dashed=True, width=1.5, note=lines[0]))
    return Scene(
        width=max(left + 2 * apart - 30 + PAD, width), height=max(y + h, below) + PAD, items=tuple(items),
        title=f"Receptive field of {name}", about=f"{'; '.join(filter(None, lines))}.",
    )  # fmt: skip
