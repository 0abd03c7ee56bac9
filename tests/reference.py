"""Plain float64 references for every kernel type: written to be read, not to be fast.

Arrays are channels first, `(channels, *spatial)`, without a batch axis; `padding` is one `(before, after)` pair per
spatial axis. Weights have the layouts of PyTorch and ONNX: `(out, in / groups, *taps)` for the convolutions and
`(in, out / groups, *taps)` for the transposed one.

Nothing here imports convcli: the two share no code, so that they cannot share a mistake.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Pads = Sequence[tuple[int, int]]

BORDERS = ("reflect", "symmetric", "replicate", "wrap", "zero")
#: And a number that lies everywhere outside.
WITH_NUMBER = (*BORDERS, "7")


def source(position: int, n: int, border: str) -> int | None:
    """Where a read at `position` of a line of `n` samples lands; None where it is a number, 0 for `zero`.

    For `1234` and two positions to either side: reflect `32123432`, symmetric `21123443`, replicate `11123444`,
    wrap `34123412`, zero `00123400`.
    """
    if 0 <= position < n:
        return position
    if border == "zero" or border.isdigit():
        return None
    if border == "replicate":
        return 0 if position < 0 else n - 1
    if border == "wrap":
        return position % n
    if border == "symmetric":
        folded = position % (2 * n)
        return folded if folded < n else 2 * n - 1 - folded
    assert border == "reflect", border
    if n == 1:
        return 0
    folded = position % (2 * n - 2)
    return folded if folded < n else 2 * n - 2 - folded


def number(border: str) -> float:
    """What lies outside where `source` answers None."""
    return float(border) if border.isdigit() else 0.0


def read(x: Array, positions: Sequence[Sequence[int]], border: str) -> Array:
    """`x` of shape (channels, *spatial) at the grid of `positions`, one list per spatial axis."""
    x = np.asarray(x, np.float64)
    for axis, wanted in enumerate(positions, start=1):
        actual = [source(int(p), x.shape[axis], border) for p in wanted]
        x = np.take(x, [0 if f is None else f for f in actual], axis=axis)
        outside = np.array([f is None for f in actual], bool).reshape((-1,) + (1,) * (x.ndim - axis - 1))
        x = np.where(outside, number(border), x)
    return x


def same_padding(taps: Sequence[int], dilation: Sequence[int]) -> list[tuple[int, int]]:
    """The padding that keeps the picture in place: the odd cell of an even kernel goes to the end."""
    extents = [d * (k - 1) for k, d in zip(taps, dilation, strict=True)]
    return [(e // 2, e - e // 2) for e in extents]


def dense_length(n: int, *, taps: int, stride: int, dilation: int, pads: tuple[int, int]) -> int:
    """Output length of a convolution on one axis: relation 6 of Dumoulin & Visin, arXiv:1603.07285, with dilation."""
    return (n + sum(pads) - dilation * (taps - 1) - 1) // stride + 1


def transposed_length(n: int, *, taps: int, stride: int, dilation: int, pads: tuple[int, int], extra: int) -> int:
    """Output length of a transposed convolution along one axis: relation 14 of the same, with dilation."""
    return (n - 1) * stride + dilation * (taps - 1) + 1 + extra - sum(pads)


def dense(
    x: Array,
    weights: Array,
    bias: Array | None = None,
    *,
    stride: Sequence[int],
    dilation: Sequence[int],
    padding: Pads,
    groups: int = 1,
    border: str = "zero",
) -> Array:
    """`y[o] = sum_t w[t] * x[stride * o + dilation * t - before]`, no flip."""
    x, weights = np.asarray(x, np.float64), np.asarray(weights, np.float64)
    axes = range(x.ndim - 1)
    size = [
        dense_length(x.shape[1 + a], taps=weights.shape[2 + a], stride=stride[a], dilation=dilation[a], pads=padding[a])
        for a in axes
    ]
    out_channels, per_group = weights.shape[:2]
    assert x.shape[0] == per_group * groups and out_channels % groups == 0 and min(size) > 0
    y = np.zeros((out_channels, *size))
    for tap in np.ndindex(*weights.shape[2:]):
        positions = [[stride[a] * o + dilation[a] * tap[a] - padding[a][0] for o in range(size[a])] for a in axes]
        seen = read(x, positions, border)
        for out in range(out_channels):
            first = out // (out_channels // groups) * per_group
            for c in range(per_group):
                y[out] += weights[(out, c, *tap)] * seen[first + c]
    return y if bias is None else y + np.asarray(bias, np.float64).reshape((-1,) + (1,) * len(size))


def transposed(
    x: Array,
    weights: Array,
    bias: Array | None = None,
    *,
    stride: Sequence[int],
    dilation: Sequence[int],
    padding: Pads,
    output_padding: Sequence[int],
    groups: int = 1,
    border: str = "zero",
) -> Array:
    """Every input sample stamps the weights on the output: `y[stride * i + dilation * t - before] += w[t] * x[i]`.

    With a border other than zero, the samples beyond the edge stamp too: `i` runs over all the integers that reach
    the output.
    """
    x, weights = np.asarray(x, np.float64), np.asarray(weights, np.float64)
    axes = range(x.ndim - 1)
    size = [
        transposed_length(
            x.shape[1 + a],
            taps=weights.shape[2 + a],
            stride=stride[a],
            dilation=dilation[a],
            pads=padding[a],
            extra=output_padding[a],
        )
        for a in axes
    ]
    in_channels, per_group = weights.shape[:2]
    assert x.shape[0] == in_channels and in_channels % groups == 0 and min(size) > 0
    y = np.zeros((per_group * groups, *size))
    reach = [n + abs(b) + d * k for n, (b, _), d, k in zip(size, padding, dilation, weights.shape[2:], strict=True)]
    for tap in np.ndindex(*weights.shape[2:]):
        inputs: list[list[int]] = []
        outputs: list[list[int]] = []
        for a in axes:
            pairs = [(i, stride[a] * i + dilation[a] * tap[a] - padding[a][0]) for i in range(-reach[a], reach[a] + 1)]
            pairs = [(i, o) for i, o in pairs if 0 <= o < size[a]]
            inputs.append([i for i, _ in pairs])
            outputs.append([o for _, o in pairs])
        seen = read(x, inputs, border)
        for c, j in itertools.product(range(in_channels), range(per_group)):
            out = c // (in_channels // groups) * per_group + j
            y[np.ix_([out], *outputs)] += weights[(c, j, *tap)] * seen[c]
    return y if bias is None else y + np.asarray(bias, np.float64).reshape((-1,) + (1,) * len(size))


def bilinear(plane: Array, ys: Array, xs: Array, border: str) -> Array:
    """`plane` of shape (H, W) at fractional `ys`, `xs`: each of the four neighbours obeys the border on its own."""
    height, width = plane.shape
    top, left = np.floor(ys).astype(np.int64), np.floor(xs).astype(np.int64)
    result = np.zeros(ys.shape)
    for down, right in itertools.product((0, 1), (0, 1)):
        share_y = ys - top if down else 1 - (ys - top)
        share_x = xs - left if right else 1 - (xs - left)
        for at in np.ndindex(*ys.shape):
            row = source(int(top[at]) + down, height, border)
            column = source(int(left[at]) + right, width, border)
            outside = row is None or column is None
            sample = number(border) if outside else plane[row, column]
            result[at] += share_y[at] * share_x[at] * sample
    return result


def deformable(
    x: Array,
    weights: Array,
    offsets: Array,
    mask: Array | None = None,
    bias: Array | None = None,
    *,
    stride: Sequence[int],
    dilation: Sequence[int],
    padding: Pads,
    groups: int = 1,
    offset_groups: int = 1,
    border: str = "zero",
) -> Array:
    """`y[o] = sum_t w[t] * mask[t, o] * x(stride * o + dilation * t - before + offset[t, o])`, x read bilinearly.

    offsets are (offset_groups * 2 * taps, oh, ow), for each tap (row-major) dy, then dx; mask is
    (offset_groups * taps, oh, ow).
    """
    x, weights = np.asarray(x, np.float64), np.asarray(weights, np.float64)
    channels = x.shape[0]
    out_channels, per_group, taps_y, taps_x = weights.shape
    size = [
        dense_length(x.shape[1 + a], taps=weights.shape[2 + a], stride=stride[a], dilation=dilation[a], pads=padding[a])
        for a in (0, 1)
    ]
    moves = np.asarray(offsets, np.float64).reshape(offset_groups, taps_y, taps_x, 2, *size)
    weighing = (
        np.ones((offset_groups, taps_y, taps_x, *size))
        if mask is None
        else np.asarray(mask, np.float64).reshape(offset_groups, taps_y, taps_x, *size)
    )
    rows, columns = np.meshgrid(np.arange(size[0]), np.arange(size[1]), indexing="ij")
    y = np.zeros((out_channels, *size))
    for c, i, j in itertools.product(range(channels), range(taps_y), range(taps_x)):
        g = c // (channels // offset_groups)
        ys = rows * stride[0] + i * dilation[0] - padding[0][0] + moves[g, i, j, 0]
        xs = columns * stride[1] + j * dilation[1] - padding[1][0] + moves[g, i, j, 1]
        seen = bilinear(x[c], ys, xs, border) * weighing[g, i, j]
        for out in range(out_channels):
            if out // (out_channels // groups) == c // per_group:
                y[out] += weights[out, c % per_group, i, j] * seen
    return y if bias is None else y + np.asarray(bias, np.float64).reshape(-1, 1, 1)


def per_channel(weights: Array, channels: int) -> Array:
    """A kernel of the spatial rank as the bank with `groups` = channels that applies it to each channel alone."""
    weights = np.asarray(weights, np.float64)
    return np.broadcast_to(weights, (channels, 1, *weights.shape))


def flipped(weights: Array, rank: int) -> Array:
    """The weights reversed along their last `rank` axes."""
    return np.asarray(weights)[(..., *(slice(None, None, -1),) * rank)]


def channels_last(x: Array) -> Array:
    """(channels, *spatial) -> (*spatial, channels), the library's layout."""
    return np.ascontiguousarray(np.moveaxis(x, 0, -1))


def channels_first(x: Array) -> Array:
    """(*spatial, channels) -> (channels, *spatial), the references' layout."""
    return np.ascontiguousarray(np.moveaxis(x, -1, 0))


def layout(rank: int) -> str:
    """The library's name for an array of `rank` spatial axes and channels last."""
    return "zyx"[3 - rank :] + "c"


def scale(weights: Array, x: Array, expected: Array) -> float:
    """What an error is relative to: the largest |expected|, yet no less than a tenth of sum |w| * max |x|.

    The floor keeps a result that cancels to nearly nothing from turning float32's own rounding into a failure.
    """
    largest = float(np.max(np.abs(expected), initial=0.0))
    per_output = np.abs(np.asarray(weights, np.float64)).sum() / max(1, np.asarray(weights).shape[0])
    return max(largest, 0.1 * float(per_output) * float(np.max(np.abs(np.asarray(x, np.float64)), initial=0.0)), 1e-30)


def onnxruntime_run(op: str, inputs: Sequence[Array | None], **attributes: Any) -> Array:
    """One ONNX node (opset 22) run by onnxruntime on one sample, channels first; absent inputs are None."""
    import onnxruntime
    from onnx import TensorProto, helper

    feeds = {f"i{n}": np.asarray(a, np.float32) for n, a in enumerate(inputs) if a is not None}
    names = [f"i{n}" if a is not None else "" for n, a in enumerate(inputs)]
    graph = helper.make_graph(
        [helper.make_node(op, names, ["y"], **attributes)],
        op,
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, feed.shape) for name, feed in feeds.items()],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    answer: Array = session.run(None, feeds)[0]
    return answer


def onnx_pads(padding: Pads) -> list[int]:
    """All the befores, then all the afters."""
    return [b for b, _ in padding] + [a for _, a in padding]
