"""Layers of networks, planes that are spread or moved, lines and volumes: beside onnxruntime, torch and scipy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from benchmarks import functions, machine, peers
from benchmarks.functions import Layer, noise
from benchmarks.goals import beside_torch
from benchmarks.images import SIZES, described
from benchmarks.model import US, Array, Contest, Goal, Scenario
from benchmarks.timing import SETTLE

ORT = ("onnxruntime",)
NETWORKS = ("onnxruntime", "torch")
SCIPY = ("oaconvolve", "fftconvolve", "ndimage")
#: As good as the better of them where OpenCV's own layers are, and somewhat less else.
DEEP = Goal(what="grouped, deep banks, 1x1, stems", against=NETWORKS, most=1.0, proof="cv2.dnn", relaxed=1.3)
DEPTHWISE = Goal(what="depthwise", against=NETWORKS, most=1.0, proof="cv2.dnn", relaxed=1.5)


@dataclass(frozen=True, kw_only=True)
class Group:
    """Layers of one goal: (inputs, outputs, taps, size, stride, and what else `Layer` has)."""

    name: str
    goals: tuple[Goal, ...]
    layers: tuple[Layer, ...]
    layouts: tuple[bool, ...] = (False, True)
    quick: int = -1


def _layers(*rows: tuple[int, int, int, int | tuple[int, ...], int], **fields: bool | int | str) -> tuple[Layer, ...]:
    return tuple(
        Layer(
            inputs=inputs, outputs=outputs, taps=taps, stride=stride,
            size=size if isinstance(size, tuple) else (size, size), **fields,  # type: ignore[arg-type]
        )
        for inputs, outputs, taps, size, stride in rows
    )  # fmt: skip


def _depthwise(*rows: tuple[int, int | tuple[int, int], int]) -> tuple[Layer, ...]:
    return tuple(
        replace(_layers((channels, channels, 3, size, stride))[0], groups=channels) for channels, size, stride in rows
    )


def _first(what: str, most: float, against: tuple[str, ...] = ORT) -> tuple[Goal, ...]:
    """A goal that is set for processors with AVX-512."""
    return (Goal(what=f"AVX-512: {what}", against=against, most=most),) if machine.wide() else ()


GROUPS = (
    Group(name="depthwise", goals=(DEPTHWISE,), quick=3, layers=_depthwise(
        (64, 112, 1), (64, 56, 1), (128, 28, 1), (512, 14, 1), (32, (60, 80), 1), (64, (30, 40), 1), (256, (8, 10), 1),
        (64, 112, 2), (128, 56, 2), (256, 28, 2), (32, (120, 160), 2),
    )),
    Group(name="depthwise", goals=(DEPTHWISE, *_first("depthwise on images", 0.35, NETWORKS)), layers=_depthwise(
        (16, 1000, 1),
    )),
    Group(name="grouped", goals=(DEEP,), quick=0, layers=(
        *_layers((256, 256, 3, 28, 1), (128, 128, 3, 56, 1), groups=32), *_layers((96, 256, 5, 27, 1), groups=2),
    )),
    Group(name="bank", goals=(DEEP,), quick=2, layers=_layers(
        (64, 64, 3, 56, 1), (64, 64, 3, 28, 1), (64, 64, 3, 14, 1), (128, 128, 3, 56, 1), (128, 128, 3, 28, 1),
        (128, 128, 3, 14, 1), (256, 256, 3, 28, 1), (256, 256, 3, 14, 1), (512, 512, 3, 14, 1), (32, 32, 3, 128, 1),
        (64, 64, 3, 56, 2), (128, 128, 3, 28, 2), (12, 12, 3, 240, 1), (128, 3, 3, 128, 1),
    )),
    Group(name="bank", goals=(DEEP, *_first("bank 64 to 64", 1.2)), layers=_layers((64, 64, 3, 256, 1))),
    Group(name="bank", goals=(DEEP, *_first("bank 128 to 128", 0.9)), layers=_layers((128, 128, 3, 128, 1))),
    Group(name="1x1", goals=(DEEP,), quick=1, layers=_layers(
        (64, 256, 1, 56, 1), (256, 64, 1, 56, 1), (128, 128, 1, 28, 1), (512, 512, 1, 14, 1), (56, 12, 1, 240, 1),
        (64, 128, 1, 56, 2),
    )),
    Group(name="1x1", goals=(DEEP, *_first("1x1", 1.0)), layers=_layers((64, 128, 1, 256, 1))),
    Group(name="stem", goals=(DEEP,), quick=0, layers=(
        *_layers((3, 64, 7, 224, 2), pad=3), *_layers((3, 32, 3, 224, 2), (3, 64, 3, 224, 1)),
    )),
    Group(name="stem", goals=(DEEP, *_first("banks of 3 input channels", 1.0)), layers=_layers(
        (3, 3, 3, 1000, 1), (3, 16, 3, 1000, 1), (3, 64, 3, 500, 1),
    )),
    Group(name="dilated bank", goals=(DEEP,), quick=0, layers=(
        *_layers((64, 64, 3, 56, 1), (64, 64, 3, 128, 1), dilation=2), *_layers((64, 64, 3, 128, 1), dilation=4),
    )),
    Group(name="transposed bank", quick=0, goals=(
        Goal(what="transposed banks", against=NETWORKS, most=1.0),
    ), layers=_layers(
        (256, 3, 4, 56, 2), (64, 32, 2, 56, 2), (64, 64, 4, 28, 2), (32, 16, 2, 128, 2), transposed=True,
    )),
    Group(name="bank of volumes", goals=(DEEP,), layouts=(False,), layers=_layers((16, 16, 3, (16, 56, 56), 1))),
)  # fmt: skip


def scenarios() -> Iterator[Scenario]:
    """Every layer, with planes and with its channels last; planes alone; then lines and volumes."""
    for group in GROUPS:
        for number, one in enumerate(group.layers):
            for last in group.layouts:
                layer = replace(one, last=last)
                quick = number == group.quick and not last
                yield _case("layers", *_named(group.name, layer), partial(_layer, layer), group.goals, quick=quick)
    for inputs, outputs, side in ((32, 64, 112), (128, 128, 56), (512, 512, 14)):
        for last in (False, True):
            run = partial(functions.separated, inputs, outputs, side, last=last)
            where = f"{inputs} to {outputs}, {side}x{side}{', channels last' * last}"
            yield _case("layers", "depthwise separable", where, run, (DEEP,))
    run = partial(_depth_to_space, (240, 320))
    goal = Goal(what="transposed banks", against=ORT, most=1.0)
    yield _case("layers", "depth to space", "4 to 1, 240x320", run, (goal,))
    yield from _planes()
    yield from _deformable()
    yield from _other_axes()


def _layer(one: Layer) -> Contest:
    return functions.layer(one, dnn=True)


def _named(kind: str, one: Layer) -> tuple[str, str]:
    taps = "x".join([str(one.taps)] * len(one.size))
    parts = [kind if taps == kind else f"{kind} {taps}"]
    parts += [f"stride {one.stride}"] * (one.stride > 1) + [f"dilation {one.dilation}"] * (one.dilation > 1)
    alone = one.groups == one.inputs and one.groups > 1
    grouped = f" in {one.groups} groups" if one.groups > 1 and not alone else ""
    channels = f"{one.inputs}" if alone else f"{one.inputs} to {one.outputs}{grouped}"
    extent = "x".join(map(str, one.size))
    return ", ".join(parts), f"{channels}, {extent}{', channels last' * one.last}"


def _depth_to_space(size: tuple[int, int]) -> Contest:
    """Four planes to one of twice the size: as a transposed bank of ones and zeros, and as it is done elsewhere."""
    x = noise(4, *size)
    weights = np.eye(4, dtype=np.float32).reshape(4, 1, 2, 2)
    run = functions.ours(
        {"type": "transposed", "weights": weights, "stride": 2, "padding": 0, "border": "zero"}, x, "cyx"
    )
    node = peers.Node(op="DepthToSpace", attributes={"blocksize": 2, "mode": "CRD"})
    return functions.contest(
        {US: run, "onnxruntime": peers.onnx_run(peers.model([node], [x[None]]), [x[None]])}, x, largest=1
    )


def _planes() -> Iterator[Scenario]:
    """Dilated and transposed kernels on one plane of every size."""
    rows = {
        "dilated": [Layer(inputs=1, outputs=1, taps=3, size=(1,), dilation=dilation) for dilation in (2, 6, 16)],
        "transposed": [
            Layer(inputs=1, outputs=1, taps=taps, size=(1,), stride=stride, transposed=True)
            for taps, stride in ((2, 2), (4, 2), (8, 4))
        ],
    }
    for size, extent in SIZES.items():
        for kind, layers in rows.items():
            for number, one in enumerate(layers):
                if kind == "transposed" and size == "12 MP":
                    continue
                layer = replace(one, size=extent, plain=True)
                first = _first("dilated and transposed on images", 0.35, NETWORKS) if size == "2 MP" else ()
                goals = (_half(f"{kind} planes", size), *first)
                name, _ = _named(kind, layer)
                run = partial(functions.layer, layer)
                yield _case("layers", name, f"1, {size}", run, goals, quick=number == 0 and size == "512x512")


def _half(what: str, size: str) -> Goal:
    large = size not in ("64x64", "256x256")
    where = "from 512x512 up" if large else "below 512x512"
    return Goal(what=f"{what}, {where}", against=NETWORKS, most=0.5 if large else 1.0)


def _deformable() -> Iterator[Scenario]:
    """Offsets of a file, with a mask where there is more than one channel; then those of a rule."""
    for size, extent in list(SIZES.items())[:4]:
        for channels in (1, 3, 64):
            if channels == 64 and size in ("512x512", "2 MP"):
                continue
            name = "deformable 3x3, mask" if channels > 1 else "deformable 3x3"
            most = {1: 0.35, 3: 0.55}.get(channels)
            first = _first(f"deformable, {channels} channels", most) if most and size == "2 MP" else ()
            goals = (_half("deformable", size), *first)
            run = partial(functions.deformable, channels, *extent, masked=channels > 1)
            quick = (size, channels) == ("256x256", 3)
            yield _case("layers", name, f"{channels} to {channels}, {size}", run, goals, quick=quick)
    for rule in ("swirl", "lens", "jitter"):
        for size, extent in list(SIZES.items())[:: 2 if rule == "swirl" else 3]:
            for dtype, channels in (("float32", 1), ("uint8", 3)):
                run = partial(functions.warp, rule, *extent, channels, dtype)
                conditions = f"{described(dtype, channels)}, {size}"
                # Both get the places ready made; onnxruntime, which has layers like ours, is whom the goal is about.
                held = (_half("deformable", size),) if channels == 1 else ()
                quick = (rule, size, channels) == ("swirl", "512x512", 1)
                yield _case("layers", f"deformable, {rule}", conditions, run, held, quick=quick)


def _other_axes() -> Iterator[Scenario]:
    goals = (
        Goal(what="lines and volumes, onnxruntime", against=ORT, most=0.5),
        Goal(what="lines and volumes, scipy's best", against=SCIPY, most=0.15),
    )
    for taps, samples in ((15, 4096), (15, 4_000_000), (255, 4_000_000), (8191, 4_000_000)):
        large = goals[taps > 255 :] if samples > 4096 else ()
        quick = (taps, samples) == (15, 4096)
        extent = f"{samples} samples" if samples < 1e6 else f"{samples / 1e6:g} M samples"
        yield _case("layers", f"line, {taps} taps", extent, partial(_line, taps, samples), large, quick=quick)
    for taps, size in ((3, (16, 64, 64)), (3, (64, 256, 256)), (7, (64, 256, 256)), (11, (64, 256, 256))):
        name, extent = f"volume {taps}x{taps}x{taps}", "x".join(map(str, size))
        large = goals if size[0] == 64 else ()
        yield _case("layers", name, extent, partial(_volume, taps, size), large, quick=size[0] == 16)


def _line(taps: int, samples: int) -> Contest:
    one = Layer(inputs=1, outputs=1, taps=taps, size=(samples,), plain=True)

    def scipy(x: Array) -> Mapping[str, Callable[[], object] | str]:
        from scipy import ndimage, signal

        weights = one.weights()[0, 0]
        flipped = weights[::-1].copy()
        direct = lambda: ndimage.correlate1d(x, weights, mode="constant")
        return {
            "oaconvolve": lambda: signal.oaconvolve(x, flipped, mode="same"),
            "ndimage": direct if taps <= 255 else "sums directly: too many taps",
        }

    if taps <= 255:
        return functions.layer(one, others=scipy)
    x = noise(samples)
    return functions.contest({US: functions.ours(one.fields(), x, "x"), **scipy(x)}, x, largest=one.largest)


def _volume(taps: int, size: tuple[int, int, int]) -> Contest:
    one = Layer(inputs=1, outputs=1, taps=taps, size=size, plain=True)

    def scipy(x: Array) -> Mapping[str, Callable[[], object] | str]:
        from scipy import ndimage, signal

        weights = one.weights()[0, 0]
        flipped = weights[::-1, ::-1, ::-1].copy()
        direct = lambda: ndimage.correlate(x, weights, mode="constant")
        return {
            "oaconvolve": lambda: signal.oaconvolve(x, flipped, mode="same"),
            "fftconvolve": lambda: signal.fftconvolve(x, flipped, mode="same"),
            "ndimage": direct if taps == 3 else "sums directly: too many taps",
        }

    return functions.layer(one, others=scipy)


def _case(
    section: str,
    name: str,
    conditions: str,
    contest: Callable[[], Contest],
    goals: tuple[Goal, ...],
    *,
    quick: bool = False,
) -> Scenario:
    beside = tuple(each for goal in goals if "torch" in goal.against for each in beside_torch(goal))
    return Scenario(
        section=section, name=name, conditions=conditions, make=lambda shop: contest(), goals=(*goals, *beside),
        quick=quick, rounds=9, patience=0.8, settle=SETTLE,
    )  # fmt: skip
