"""A network on a picture, laid out as nodes: in by its range and channels, layer by layer, and back to a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np

from convcli.engine.dtypes import work_dtype
from convcli.errors import ShapeError
from convcli.filtering import colour
from convcli.filtering.graph import Node, Part, Pointwise
from convcli.filtering.layers import Chained, EachAlone, Pooled, Shuffled, joined, pooled_whole
from convcli.filtering.norms import across_channels, normalized
from convcli.networks import INPUT, Placed
from convcli.ops import Kernel
from convcli.ops.activation import Activation
from convcli.spec import from_mapping

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, DTypeLike, Floats
    from convcli.networks.entrance import Entrance
    from convcli.networks.runnable import NetworkKernel

#: Pixels beside what is transparent whose colours a network sees there, at least and at most.
NEAR, FAR = 12, 96


class Convolve(Protocol):
    """Makes the node of a kernel on a part, of a shape; `guide` has its offsets where another layer makes them."""

    def __call__(self, part: Part, kernel: Kernel, shape: Sequence[int], *, guide: Part | None = None) -> Node: ...


def laid_out(network: NetworkKernel, part: Part, axes: str, white: float, convolve: Convolve) -> Part:
    """What the network makes of a part, whose white is `white`. Raises `ShapeError` where it can't be put together."""
    shape, dtype, entrance = part.node.shape, work_dtype(part.node.dtype), network.network.picture
    layers = network.on(shape[:-1], axes).layers
    outer = shape[:-3]
    if network.runs_one_by_one(shape[:-1]):
        alone = partial(_one_picture, network, axes[-2:], white, convolve)
        shape = (*outer, *layers[-1].size_out, network.output_channels(part.channels))
        return Part(EachAlone(part, shape, dtype, alone))
    entering = _enter(part, entrance, white, dtype) if entrance else Part(_floats(part, dtype))
    together = network.together(shape[:-1]) if dtype == np.float32 and not outer else {}
    within = {number for one in together.values() for number in range(one.first, one.last)}
    nodes: dict[int, Node] = {INPUT: entering.node}
    for number, placed in enumerate(layers):
        shape = (*outer, *placed.size_out, placed.channels_out)
        if one := together.get(number):
            own = {place: layers[place] for place in range(one.first, one.last + 1)}
            apart = partial(_one_by_one, own, one.source, convolve)
            nodes[number] = Chained(Part(nodes[one.source]), one, shape, apart)
        elif number not in within:
            nodes[number] = _node(placed, [Part(nodes[source]) for source in placed.inputs], shape, convolve)
    result = nodes[len(layers) - 1]
    if entrance is None or network.makes_maps:
        return Part(result)
    return _leave(part, Part(result), entrance, white, convolve)


def _one_picture(network: NetworkKernel, axes: str, white: float, convolve: Convolve, entering: Node) -> Node:
    """The node of what the network makes of a node that is a single picture."""
    return laid_out(network, Part(entering), axes, white, convolve).node


def _node(placed: Placed, parts: Sequence[Part], shape: Sequence[int], convolve: Convolve) -> Node:
    if placed.kernel:
        return convolve(parts[0], placed.kernel, shape, guide=parts[1] if len(parts) > 1 else None)
    dtype = parts[0].node.dtype
    curve = placed.activation.curve(dtype) if placed.activation else None
    if placed.norm:
        return normalized(parts[0], placed, placed.norm, shape, curve)
    if placed.type.endswith("across channels"):
        return across_channels(parts[0], placed, curve)
    if placed.type.startswith("upsample"):
        return convolve(parts[0], enlarging(placed, placed.activation), shape)
    if placed.type.startswith("pool"):
        if placed.sees_all:
            return pooled_whole(parts[0], placed, shape, curve, dtype)
        return Pooled(parts[0], placed, shape, curve)
    if placed.type.startswith(("depth to space", "space to depth")):
        return Shuffled(parts[0], placed, shape, curve)
    return joined(placed, parts, curve, dtype)


def _one_by_one(own: Mapping[int, Placed], source: int, convolve: Convolve, entering: Node) -> Node:
    """The layers `own`, by their numbers, each as a node; those that read `source` read what is `entering`."""
    nodes = {source: entering}
    for number, placed in own.items():
        shape = (*placed.size_out, placed.channels_out)
        nodes[number] = _node(placed, [Part(nodes[one]) for one in placed.inputs], shape, convolve)
    return nodes[number]


def enlarging(placed: Placed, activation: Activation | None) -> Kernel:
    """The kernel of a layer that enlarges without weights: on every channel alone, edges clamped."""
    rule = placed.type.partition(" ")[2] or "nearest"
    return _enlarging(rule, [window.stride for window in placed.windows]).replace(activation=activation)


def _enlarging(rule: str, factors: Sequence[int]) -> Kernel:
    fields = {"type": "transposed", "weights": {rule: {}}, "stride": list(factors), "border": "replicate"}
    return from_mapping(fields, name=rule)


def enlarged(part: Part, size: Sequence[int], convolve: Convolve) -> Part:
    """A part of a picture at the `size` (height, width) that a network makes of it, bicubically.

    Raises `ShapeError` where that is no multiple: what moves by parts of a pixel would not fit any more.
    """
    before = part.node.shape[-3:-1]
    if tuple(size) == before:
        return part
    if any(new % old for new, old in zip(size, before, strict=True)):
        sizes = ["x".join(map(str, reversed(one))) for one in (before, size)]
        fact = (
            f"the network makes {sizes[1]} pixels of {sizes[0]}, to which colours beside it or opacity can't be fitted"
        )
        raise ShapeError(fact, hint="padding: same in its layers; or a grey picture without alpha")
    factors = [new // old for new, old in zip(size, before, strict=True)]
    shape = (*part.node.shape[:-3], *size, part.channels)
    return Part(convolve(part, _enlarging("cubic", factors), shape))


def spread(network: NetworkKernel) -> Kernel:
    """What spreads the colours of a picture over what is transparent beside them, as far as a network looks."""
    radius = min(max(network.sight, NEAR), FAR)
    return from_mapping(
        {"type": "separable", "taps": {"gaussian": {"sigma": radius / 3, "radius": radius}}}, name="spread"
    )


def _floats(part: Part, dtype: DTypeLike) -> Node:
    if part.node.dtype == dtype and part.channels == part.node.shape[-1]:
        return part.node
    return Pointwise(np.copyto, [part], part.channels, dtype)


def _enter(part: Part, entrance: Entrance, white: float, dtype: DTypeLike) -> Part:
    return Part(Pointwise(partial(_entered, entrance, white), [part], entrance.count, dtype))


def _entered(entrance: Entrance, white: float, out: Floats, pixels: Array) -> None:
    """Channels as the network wants them, in its range."""
    if entrance.count == 1 and pixels.shape[-1] == 3:
        out[...] = colour.luma(pixels.astype(out.dtype))
    else:
        out[...] = pixels[..., ::-1] if entrance.channels == "bgr" else pixels
    out *= out.dtype.type(entrance.white / white)
    if entrance.mean:
        out -= np.array(entrance.mean, out.dtype)
    if entrance.std:
        out /= np.array(entrance.std, out.dtype)


def _leave(part: Part, result: Part, entrance: Entrance, white: float, convolve: Convolve) -> Part:
    """A picture of what the network made, with the colours that went round it."""
    dtype, leaving = result.node.dtype, partial(_left, entrance, white)
    if entrance.count == part.channels or not entrance.carries_colour:
        return Part(Pointwise(leaving, [result], entrance.count, dtype))
    chroma = Part(Pointwise(_chroma, [part], part.channels, dtype))
    chroma = enlarged(chroma, result.node.shape[-3:-1], convolve)
    return Part(Pointwise(partial(_coloured, leaving), [result, chroma], part.channels, dtype))


def _left(entrance: Entrance, white: float, out: Floats, results: Floats) -> None:
    np.copyto(out, results)
    if entrance.std:
        out *= np.array(entrance.std, out.dtype)
    if entrance.mean:
        out += np.array(entrance.mean, out.dtype)
    out *= out.dtype.type(white / entrance.white)
    if entrance.channels == "bgr":
        out[...] = out[..., ::-1].copy()


def _chroma(out: Floats, pixels: Array) -> None:
    """What a colour is beside its luma: R - Y, G - Y and B - Y, of which Cb and Cr are multiples."""
    x = pixels.astype(out.dtype)
    np.subtract(x, colour.luma(x), out=out)


def _coloured(leaving: Callable[[Floats, Floats], None], out: Floats, luma: Floats, chroma: Floats) -> None:
    only = np.empty_like(luma)
    leaving(only, luma)
    np.add(chroma, only, out=out)
