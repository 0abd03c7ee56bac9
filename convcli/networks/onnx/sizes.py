"""ONNX operators that change how many rows and columns there are, as layers of a network file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from convcli.networks.onnx.attributes import Attributes, layer_name
from convcli.networks.onnx.graph import Graph, Pad, Unsupported
from convcli.records import late

if TYPE_CHECKING:
    import numpy as np
else:
    np = late("numpy")


def spread(graph: Graph, node: Any, attributes: Attributes) -> None:
    """One pixel that goes to all others, by the joins that read it."""
    source, sides = graph.source(node.input[0]), np.reshape(graph.constant(node.input[1]), -1)
    if graph.has_rows(source) or len(sides) != 4 or sides[0] != 1 or sides[1] not in (1, graph.channels(source)):
        raise Unsupported(f"to {'x'.join(map(str, sides))}: one pixel is spread over rows and columns")
    graph.alias(node.output[0], node.input[0])
    graph.spread.add(node.output[0])


def depth_to_space(graph: Graph, node: Any, attributes: Attributes) -> None:
    order = attributes.get("mode", b"DCR").decode().lower()
    source = graph.source(node.input[0])
    graph.add(node.output[0], "depth_to_space", int(attributes["blocksize"]), [source], layer_name(node), order=order)


def space_to_depth(graph: Graph, node: Any, attributes: Attributes) -> None:
    source, factor = graph.source(node.input[0]), int(attributes["blocksize"])
    graph.add(node.output[0], "space_to_depth", factor, [source], layer_name(node), order="dcr")


def resized(graph: Graph, node: Any, attributes: Attributes) -> None:
    """Resize and Upsample by one whole factor, or to one pixel of so many; of a single pixel to any size."""
    scales = _scales(graph, node, attributes)
    factor = max(scales[-1], 1 / scales[-1]) if scales and scales[-1] > 0 else 0.0
    whole = len(scales) == 4 and scales[2] == scales[3] and abs(factor - round(factor)) < 1e-6 * factor
    if scales[:2] == [1, 1] and not whole and not graph.has_rows(graph.source(node.input[0])):
        graph.alias(node.output[0], node.input[0])  # whatever the mode
        graph.spread.add(node.output[0])
        return
    if scales[:2] != [1, 1] or not whole or attributes.get("antialias"):
        raise Unsupported(f"by the scales {scales}: one whole factor for rows and columns, or one over it, is taken")
    mode = attributes.get("mode", b"nearest").decode()
    # Before opset 11 there were two inputs, and one rule.
    old = len(node.input) <= 2
    centres = "asymmetric" if old else attributes.get("coordinate_transformation_mode", b"half_pixel").decode()
    rounding = "floor" if old else attributes.get("nearest_mode", b"round_prefer_floor").decode()
    centred = centres in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric")
    if scales[2] < 1 and mode in ("linear", "nearest") and (centred or centres == "asymmetric"):
        _shrunk(graph, node, round(factor), _read(round(factor), mode, rounding) if centred else [0])
        return
    smooth = mode == "cubic" and float(np.float32(attributes.get("cubic_coeff_a", -0.75))) == -0.75
    smooth &= not attributes.get("exclude_outside")
    cubic, linear = smooth and centred and scales[2] >= 1, mode == "linear" and centred
    nearest = mode == "nearest" and (
        rounding.startswith("round_prefer") if centred else (centres, rounding) == ("asymmetric", "floor")
    )
    if not nearest and not linear and not cubic:
        raise Unsupported(f"mode {mode}, {centres}, {rounding}")
    source = graph.source(node.input[0])
    graph.add(
        node.output[0], "upsample", round(factor), [source], layer_name(node), bilinear=linear or None,
        cubic=cubic or None,
    )  # fmt: skip


def _read(factor: int, mode: str, rounding: str) -> list[int]:
    """Which of `factor` samples a centred one is made of."""
    first, last = (factor - 1) // 2, factor // 2
    if mode == "linear":
        return sorted({first, last})
    return [last if rounding.endswith("ceil") else first]


def _shrunk(graph: Graph, node: Any, factor: int, read: Sequence[int]) -> None:
    """One pixel of `factor` by `factor`: the mean of those at the places `read` along each axis."""
    source, taps = graph.source(node.input[0]), np.zeros(factor)
    taps[read] = 1 / len(read)
    layer = graph.add(
        node.output[0], "depthwise", 1, [source], layer_name(node), kernel_size=[factor] * 2, stride=[factor] * 2,
        padding=[[0, 0], [0, 0]], bias=False,
    )  # fmt: skip
    weights = np.outer(taps, taps).astype(np.float32)
    graph.arrays[f"{layer.name}.weight"] = np.ascontiguousarray(
        np.broadcast_to(weights, (graph.channels(source), 1, *weights.shape))
    )


def _scales(graph: Graph, node: Any, attributes: Attributes) -> list[float]:
    """What the sides are multiplied by, also where their sizes are given."""
    scales = attributes.get("scales")
    where = 1 if node.op_type == "Upsample" else 2
    inputs = [*node.input, "", "", "", ""]
    if scales is None and inputs[where]:
        scales = np.reshape(graph.constant(inputs[where]), -1)
    if scales is None or not len(scales):
        if not inputs[3] or attributes.get("keep_aspect_ratio_policy", b"stretch") != b"stretch":
            raise Unsupported("without scales")
        sizes, before = np.reshape(graph.constant(inputs[3]), -1), graph.shape(node.input[0])
        scales = sizes / np.array(before[-len(sizes) :], np.float64)
        size = "x".join(str(int(side)) for side in sizes[-1:-3:-1])
        graph.notes.append(f"node '{node.name or node.output[0]}' makes {size} pixels; here it multiplies any size")
    scales = [float(scale) for scale in scales]
    return [1.0, 1.0, *scales] if attributes.get("axes") in ([2, 3], [-2, -1]) else scales


def padded(graph: Graph, node: Any, attributes: Attributes) -> None:
    """Cells that the next Conv takes as its own."""
    cells = attributes.get("pads")
    if cells is None:
        cells = graph.constant(node.input[1]).reshape(-1)
    value = graph.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else attributes.get("value", 0)
    mode = attributes.get("mode", b"constant").decode()
    border = {"constant": "zero", "reflect": "reflect", "edge": "replicate", "wrap": "wrap"}.get(mode)
    cells = [int(cell) for cell in cells]
    if border is None or len(cells) != 8 or any(cells[:2] + cells[4:6]) or (mode == "constant" and np.any(value)):
        raise Unsupported(f"mode {mode}, pads {cells}: zeros, or the picture itself, around rows and columns are taken")
    around = Pad((cells[2], cells[3], cells[6], cells[7]), border) if any(cells) else None
    graph.alias(node.output[0], node.input[0], around)
