"""Contenders of the library: a kernel of ours beside the functions of OpenCV, onnxruntime, scipy and torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np

import convcli
from benchmarks import peers
from benchmarks.model import US, Array, Made
from benchmarks.timing import function


def noise(*shape: int) -> Array:
    """Float32 noise in 0 .. 1, the same for the same shape."""
    return np.random.default_rng(len(shape)).random(shape, dtype=np.float32)


def made(
    runs: Mapping[str, Callable[[], object] | str],
    *inputs: Array,
    flops: float = 0,
    planes: bool = True,
) -> Made:
    """`runs` as contenders; our result has its channels last where `planes` is false, as everybody else's has not."""
    contenders = {
        name: run if isinstance(run, str) else function(run, last=name == US and not planes)
        for name, run in runs.items()
    }
    return Made(contenders=contenders, moved=sum(array.nbytes for array in inputs), flops=flops)


def ours(fields: Mapping[str, Any], x: Array, layout: str | None = None) -> Callable[[], Array]:
    kernel = convcli.load(dict(fields))
    return lambda: kernel.apply(x, layout)


def dense(taps: int, height: int, width: int, channels: int = 1, dtype: str = "float32") -> Made:
    weights = np.random.default_rng(taps).standard_normal((taps, taps)).astype(np.float32)
    weights /= np.abs(weights).sum()
    x = noise(height, width, channels) if channels > 1 else noise(height, width)
    if dtype == "uint8":
        x = (255 * x).astype(np.uint8)
    return made({US: ours({"weights": weights}, x), "cv2": lambda: cv2.filter2D(x, -1, weights)}, x)


def separable(
    taps: int, height: int, width: int, channels: int = 1, dtype: str = "float32", *, even: bool = True
) -> Made:
    """A Gaussian, or taps that are not symmetric."""
    row = cv2.getGaussianKernel(taps, 0).astype(np.float32).ravel()
    if not even:
        row = np.random.default_rng(taps).standard_normal(taps).astype(np.float32)
    x = noise(height, width, channels) if channels > 1 else noise(height, width)
    if dtype == "uint8":
        x = (255 * x).astype(np.uint8)
    kernel = {"type": "separable", "taps": row.tolist()}
    return made({US: ours(kernel, x), "cv2": lambda: cv2.sepFilter2D(x, -1, row, row)}, x)


def network(
    x: Array,
    weights: Array,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    plain: bool = False,
    others: Mapping[str, Callable[[], object] | str] | None = None,
) -> Made:
    """A convolution of `x` `(channels, *spatial)` with zero borders, beside onnxruntime and torch."""
    rank = x.ndim - 1
    pad = dilation * (weights.shape[-1] - 1) // 2
    axes = "zyx"[3 - rank :]
    fields = {
        "weights": weights[0, 0] if plain else weights, "axes": axes, "stride": stride, "dilation": dilation,
        "padding": pad, "border": "zero", "groups": 1 if plain else groups,
    }  # fmt: skip
    run = ours(fields, x, "c" + axes)
    ort = peers.onnx_run(
        "Conv", [x[None]], weights, pads=[pad] * 2 * rank, strides=[stride] * rank, dilations=[dilation] * rank,
        group=groups, kernel_shape=list(weights.shape[2:]),
    )  # fmt: skip
    torch = peers.torch_run(
        f"conv{rank}d", x[None], weights, padding=pad, stride=stride, dilation=dilation, groups=groups
    )
    channels = weights.shape[0] * weights[0].size > 9 * 3 * 3 and groups == 1 and len(x) > 1
    flops = 2.0 * weights.size * x[0].size if channels else 0
    return made({US: run, "onnxruntime": ort, "torch": torch, **(others or {})}, x, flops=flops)


def bank(inputs: int, outputs: int, taps: int, size: int, groups: int = 1) -> Made:
    weights = np.random.default_rng(0).standard_normal((outputs, inputs // groups, taps, taps)).astype(np.float32)
    return network(noise(inputs, size, size), weights, groups=groups)


def plane(taps: int, size: int, *, stride: int = 1, dilation: int = 1) -> Made:
    weights = np.random.default_rng(0).standard_normal((1, 1, taps, taps)).astype(np.float32)
    return network(noise(1, size, size), weights, stride=stride, dilation=dilation, plain=True)


def transposed(taps: int, stride: int, size: int) -> Made:
    weights = np.random.default_rng(0).standard_normal((1, 1, taps, taps)).astype(np.float32)
    x, pad = noise(1, size, size), (taps - stride) // 2
    fields = {"type": "transposed", "weights": weights[0, 0], "stride": stride, "padding": pad, "border": "zero"}
    ort = peers.onnx_run("ConvTranspose", [x[None]], weights, pads=[pad] * 4, strides=[stride] * 2)
    torch = peers.torch_run("conv_transpose2d", x[None], weights, padding=pad, stride=stride)
    return made({US: ours(fields, x[0]), "onnxruntime": ort, "torch": torch}, x)


def deformable(channels: int, size: int, *, masked: bool) -> Made:
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((channels, channels, 3, 3)).astype(np.float32)
    x = noise(channels, size, size)
    offsets = (3 * rng.standard_normal((18, size, size))).astype(np.float32)
    mask = rng.random((9, size, size), dtype=np.float32)
    fields = {
        "type": "deformable", "weights": weights if channels > 1 else weights[0, 0], "offsets": offsets, "padding": 1,
        "border": "zero",
    } | ({"mask": mask} if masked else {})  # fmt: skip
    inputs = [x[None], offsets[None], *([mask[None]] if masked else [])]
    ort = peers.onnx_run("DeformConv", inputs, weights, pads=[1] * 4, kernel_shape=[3, 3])
    torchvision = "not measured here: no layer of torch itself"
    runs = {US: ours(fields, np.ascontiguousarray(np.moveaxis(x, 0, -1))), "onnxruntime": ort, "torch": torchvision}
    return made(runs, *inputs, planes=False)


def line(taps: int, samples: int) -> Made:
    from scipy import ndimage, signal

    weights = np.random.default_rng(0).standard_normal((1, 1, taps)).astype(np.float32)
    x, flipped = noise(1, samples), weights[0, 0, ::-1].copy()
    scipy: dict[str, Callable[[], object] | str] = {
        "oaconvolve": lambda: signal.oaconvolve(x[0], flipped, mode="same"),
        "ndimage": lambda: ndimage.correlate1d(x[0], weights[0, 0], mode="constant"),
    }
    if taps > 255:
        scipy["ndimage"] = "sums directly: too many taps"
        fields = {"weights": weights[0, 0], "padding": taps // 2, "border": "zero"}
        return made({US: ours(fields, x[0]), "onnxruntime": "sums directly: too many taps", **scipy}, x)
    return network(x, weights, plain=True, others=scipy)


def volume(taps: int) -> Made:
    from scipy import ndimage, signal

    weights = np.random.default_rng(0).standard_normal((1, 1, taps, taps, taps)).astype(np.float32)
    x = noise(1, 64, 256, 256)
    flipped = weights[0, 0, ::-1, ::-1, ::-1].copy()
    scipy: dict[str, Callable[[], object] | str] = {
        "oaconvolve": lambda: signal.oaconvolve(x[0], flipped, mode="same"),
        "fftconvolve": lambda: signal.fftconvolve(x[0], flipped, mode="same"),
        "ndimage": "sums directly: too many taps",
    }
    if taps == 3:
        scipy["ndimage"] = lambda: ndimage.correlate(x[0], weights[0, 0], mode="constant")
    return network(x, weights, plain=True, others=scipy)
