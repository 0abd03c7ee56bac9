"""The library against OpenCV, onnxruntime, scipy and torch: one case per line of the goals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

import convcli
from benchmarks import peers

Array = np.ndarray[Any, Any]
Contenders = dict[str, Callable[[], object]]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One comparison: `make` builds the contenders, "convcli" among them; `goal` is our time over `against`'s."""

    name: str
    conditions: str
    make: Callable[[], Contenders]
    against: str
    goal: float
    quick: bool = False


def noise(*shape: int) -> Array:
    """Float32 noise in 0 .. 1, the same for the same shape."""
    return np.random.default_rng(len(shape)).random(shape, dtype=np.float32)


def ours(fields: Mapping[str, Any], x: Array, layout: str | None = None) -> Callable[[], Array]:
    kernel = convcli.load(dict(fields))
    return lambda: kernel.apply(x, layout)


def _present(contenders: Mapping[str, Callable[[], object] | None]) -> Contenders:
    return {name: run for name, run in contenders.items() if run is not None}


def dense(taps: int, height: int, width: int, channels: int = 1, dtype: str = "float32") -> Contenders:
    weights = np.random.default_rng(taps).standard_normal((taps, taps)).astype(np.float32)
    weights /= np.abs(weights).sum()
    x = noise(height, width, channels) if channels > 1 else noise(height, width)
    if dtype == "uint8":
        x = (255 * x).astype(np.uint8)
    return {"convcli": ours({"weights": weights}, x), "cv2": lambda: cv2.filter2D(x, -1, weights)}


def separable(
    taps: int, height: int, width: int, channels: int = 1, dtype: str = "float32", *, even: bool = True
) -> Contenders:
    """A Gaussian, or taps that are not symmetric."""
    row = cv2.getGaussianKernel(taps, 0).astype(np.float32).ravel()
    if not even:
        row = np.random.default_rng(taps).standard_normal(taps).astype(np.float32)
    x = noise(height, width, channels) if channels > 1 else noise(height, width)
    if dtype == "uint8":
        x = (255 * x).astype(np.uint8)
    kernel = {"type": "separable", "taps": row.tolist()}
    return {"convcli": ours(kernel, x), "cv2": lambda: cv2.sepFilter2D(x, -1, row, row)}


def network(
    x: Array, weights: Array, *, stride: int = 1, dilation: int = 1, groups: int = 1, plain: bool = False
) -> Contenders:
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
    return _present({"convcli": run, "onnxruntime": ort, "torch": torch})


def bank(inputs: int, outputs: int, taps: int, size: int, groups: int = 1) -> Contenders:
    weights = np.random.default_rng(0).standard_normal((outputs, inputs // groups, taps, taps)).astype(np.float32)
    return network(noise(inputs, size, size), weights, groups=groups)


def plane(taps: int, size: int, *, stride: int = 1, dilation: int = 1) -> Contenders:
    weights = np.random.default_rng(0).standard_normal((1, 1, taps, taps)).astype(np.float32)
    return network(noise(1, size, size), weights, stride=stride, dilation=dilation, plain=True)


def transposed(taps: int, stride: int, size: int) -> Contenders:
    weights = np.random.default_rng(0).standard_normal((1, 1, taps, taps)).astype(np.float32)
    x, pad = noise(1, size, size), (taps - stride) // 2
    fields = {"type": "transposed", "weights": weights[0, 0], "stride": stride, "padding": pad, "border": "zero"}
    ort = peers.onnx_run("ConvTranspose", [x[None]], weights, pads=[pad] * 4, strides=[stride] * 2)
    torch = peers.torch_run("conv_transpose2d", x[None], weights, padding=pad, stride=stride)
    return _present({"convcli": ours(fields, x[0]), "onnxruntime": ort, "torch": torch})


def deformable(channels: int, size: int, *, masked: bool) -> Contenders:
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
    return _present({"convcli": ours(fields, np.ascontiguousarray(np.moveaxis(x, 0, -1))), "onnxruntime": ort})


def line(taps: int, samples: int) -> Contenders:
    from scipy import ndimage, signal

    weights = np.random.default_rng(0).standard_normal((1, 1, taps)).astype(np.float32)
    x, flipped = noise(1, samples), weights[0, 0, ::-1].copy()
    found = network(x, weights, plain=True) if taps < 1000 else {"convcli": ours({"weights": weights[0, 0]}, x[0])}
    found["scipy"] = lambda: signal.oaconvolve(x[0], flipped, mode="same")
    if taps < 64:
        found["ndimage"] = lambda: ndimage.correlate1d(x[0], weights[0, 0], mode="constant")
    return found


def volume(taps: int) -> Contenders:
    from scipy import signal

    weights = np.random.default_rng(0).standard_normal((1, 1, taps, taps, taps)).astype(np.float32)
    x = noise(1, 64, 256, 256)
    found = network(x, weights, plain=True)
    flipped = weights[0, 0, ::-1, ::-1, ::-1].copy()
    found["scipy"] = lambda: signal.fftconvolve(x[0], flipped, mode="same")
    return found


def cases() -> Iterator[Case]:
    """Every comparison, in the order of the report."""
    yield from _pictures()
    yield from _others()


def _pictures() -> Iterator[Case]:
    for taps in (3, 5, 7, 9, 11):
        yield _case(f"dense {taps}x{taps}", "4 MP", lambda k=taps: dense(k, 2000, 2000), "cv2", 0.9, taps in (3, 9))
    for taps in (13, 15, 31, 63):
        yield _case(f"dense {taps}x{taps}", "12 MP", lambda k=taps: dense(k, 3000, 4000), "cv2", 0.4, taps == 31)
    for taps in (3, 7):
        make = lambda k=taps: dense(k, 3000, 4000, 3, "uint8")
        yield _case(f"dense {taps}x{taps} uint8", "12 MP, 3 channels", make, "cv2", 0.9, taps == 3)
    for taps in (15, 31):
        yield _case(
            f"dense {taps}x{taps} uint8",
            "3 MP, 3 channels",
            lambda k=taps: dense(k, 1500, 2000, 3, "uint8"),
            "cv2",
            0.4,
        )
    for taps, goal in ((5, 1.0), (15, 0.7), (31, 0.45), (63, 0.3)):
        yield _case(f"gaussian {taps}", "12 MP", lambda k=taps: separable(k, 3000, 4000), "cv2", goal)
        make = lambda k=taps: separable(k, 3000, 4000, even=False)
        yield _case(f"separable {taps}", "12 MP, not symmetric", make, "cv2", goal, taps == 31)
    yield _case("separable 17 uint8", "12 MP, 3 channels", lambda: separable(17, 3000, 4000, 3, "uint8"), "cv2", 0.7)


def _others() -> Iterator[Case]:
    for dilation in (2, 6, 16):
        yield _case(
            f"dilated 3x3 d{dilation}",
            "4 MP",
            lambda d=dilation: plane(3, 2000, dilation=d),
            "onnxruntime",
            0.35,
            dilation == 2,
        )
    yield _case("strided 5x5 s2", "4 MP", lambda: plane(5, 2000, stride=2), "onnxruntime", 0.35, True)
    yield _case("strided 9x9 s4", "4 MP", lambda: plane(9, 2000, stride=4), "onnxruntime", 0.35)
    yield _case("transposed k4 s2", "1 MP in", lambda: transposed(4, 2, 1000), "onnxruntime", 0.35, True)
    yield _case("transposed k8 s4", "1 MP in", lambda: transposed(8, 4, 1000), "onnxruntime", 0.35)
    yield _case("depthwise 3x3", "16 channels, 1 MP", lambda: bank(16, 16, 3, 1000, 16), "onnxruntime", 0.35)
    for outputs in (3, 16, 64):
        size = 1000 if outputs < 64 else 500
        yield _case(
            f"bank 3 -> {outputs} 3x3",
            f"{size}^2",
            lambda o=outputs, s=size: bank(3, o, 3, s),
            "onnxruntime",
            1.0,
            outputs == 16,
        )
    yield _case("bank 64 -> 64 3x3", "256^2", lambda: bank(64, 64, 3, 256), "onnxruntime", 1.2)
    yield _case("bank 128 -> 128 3x3", "128^2", lambda: bank(128, 128, 3, 128), "onnxruntime", 0.9)
    yield _case("bank 64 -> 128 1x1", "256^2", lambda: bank(64, 128, 1, 256), "onnxruntime", 1.0)
    yield _case(
        "deformable 3x3", "1 channel, 1 MP", lambda: deformable(1, 1000, masked=False), "onnxruntime", 0.35, True
    )
    yield _case("deformable 3x3, mask", "3 -> 3, 1 MP", lambda: deformable(3, 1000, masked=True), "onnxruntime", 0.55)
    for taps in (15, 255, 8191):
        against = "onnxruntime" if taps < 1000 else "scipy"
        yield _case(
            f"line {taps}",
            "4 M samples",
            lambda k=taps: line(k, 4_000_000),
            against,
            0.5 if taps < 1000 else 0.7,
            taps == 255,
        )
    for taps in (3, 7, 11):
        yield _case(
            f"volume {taps}^3",
            "64 x 256^2",
            lambda k=taps: volume(k),
            "onnxruntime" if taps < 8 else "scipy",
            0.5 if taps < 8 else 0.15,
        )


def _case(
    name: str, conditions: str, make: Callable[[], Contenders], against: str, goal: float, quick: bool = False
) -> Case:
    return Case(name=name, conditions=conditions, make=make, against=against, goal=goal, quick=quick)
