"""Real networks beside onnxruntime, as convcli.load makes them: of random weights, and of their own where these are.

Weights are not part of the project: `--networks FOLDER` names a folder that has the files of `WHOLE`.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import functions, peers
from benchmarks.functions import Layer, noise
from benchmarks.goals import beside_torch
from benchmarks.model import US, Array, Contender, Contest, Goal, Scenario, Workshop
from benchmarks.timing import SETTLE, function
from convcli.filtering import Chain, filter_pixels
from convcli.networks import runnable

GOAL = Goal(what="real networks, CPU", against=("onnxruntime",), most=1.3, cpu=True)
GOALS = (GOAL, *beside_torch(GOAL))
#: One line of a network: outputs, taps, and what else `Layer` has.
Line = tuple[int, int] | tuple[int, int, Mapping[str, int]]


@dataclass(frozen=True, kw_only=True)
class Network:
    """Convolutions from `inputs` channels of `size`, in their order. `source` is who made it."""

    name: str
    source: str
    inputs: int
    size: tuple[int, int]
    lines: tuple[Line, ...]
    quick: bool = False

    def layers(self) -> list[Layer]:
        """The layers with the shapes that they get."""
        output, channels, size = [], self.inputs, self.size
        for outputs, taps, *more in self.lines:
            fields = dict(more[0]) if more else {}
            transposed = bool(fields.pop("transposed", 0))
            groups = channels if fields.pop("depthwise", 0) else 1
            one = Layer(
                inputs=channels, outputs=outputs or channels, taps=taps, size=size, groups=groups,
                transposed=transposed, **fields,  # type: ignore[arg-type]
            )  # fmt: skip
            output.append(one)
            channels = one.outputs
            size = tuple(n * one.stride if transposed else -(-n // one.stride) for n in size)  # type: ignore[assignment]
        return output


def _separated(*rows: tuple[int, int]) -> tuple[Line, ...]:
    """Depthwise 3x3 of a stride, then 1x1 to so many outputs."""
    return tuple(
        line for outputs, stride in rows for line in ((0, 3, {"depthwise": 1, "stride": stride}), (outputs, 1))
    )


NETWORKS = (
    Network(name="FSRCNN", source="Dong, Loy & Tang 2016", inputs=1, size=(240, 320), quick=True, lines=(
        (56, 5), (12, 1), (12, 3), (12, 3), (12, 3), (12, 3), (56, 1), (4, 1),
    )),
    Network(name="FSRCNN-small", source="Dong, Loy & Tang 2016", inputs=1, size=(240, 320), lines=(
        (32, 5), (5, 1), (5, 3), (32, 1), (4, 1),
    )),
    Network(name="ESPCN", source="Shi et al. 2016", inputs=1, size=(240, 320), lines=((64, 5), (32, 3), (4, 3))),
    Network(name="waifu2x", source="nagadomi 2015, upconv_7", inputs=3, size=(160, 160), lines=(
        (16, 3), (32, 3), (64, 3), (128, 3), (128, 3), (256, 3), (3, 4, {"stride": 2, "transposed": 1}),
    )),
    Network(name="IRCNN", source="Zhang et al. 2017", inputs=1, size=(240, 240), lines=(
        (64, 3), *((64, 3, {"dilation": dilation}) for dilation in (2, 3, 4, 3, 2)), (1, 3),
    )),
    Network(name="UltraFace", source="Linzaer 2019, slim, without its heads", inputs=3, size=(240, 320), lines=(
        (16, 3, {"stride": 2}),
        *_separated((32, 1), (32, 2), (32, 1), (64, 2), (64, 1), (64, 1), (64, 1), (128, 2), (128, 1), (128, 1)),
        *_separated((256, 2), (256, 1)),
    )),
    Network(name="MobileNet", source="Howard et al. 2017", inputs=3, size=(224, 224), lines=(
        (32, 3, {"stride": 2}),
        *_separated((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)),
    )),
)  # fmt: skip

#: Networks that run whole: the file of weights, the place of each convolution in it, and the text that loads them.
WHOLE = {"FSRCNN": "fsrcnn_x2.safetensors", "FSRCNN-small": "fsrcnn_small_x2.safetensors"}


def scenarios(folder: Path | None) -> Iterator[Scenario]:
    for one in NETWORKS:
        extent = "x".join(map(str, one.size))
        for last in (False, True):
            layout = "channels last" if last else "planes"
            layers = [replace(layer, last=last) for layer in one.layers()]
            yield Scenario(
                section="networks", name=one.name, conditions=f"random weights, {extent}, {layout}", goals=GOALS,
                make=partial(_sequence, layers), quick=one.quick and not last, rounds=9, patience=2, settle=SETTLE,
            )  # fmt: skip
        if one.name in WHOLE:
            yield Scenario(
                section="networks", name=one.name, conditions=f"with its weights, {extent}", goals=(GOAL,),
                make=partial(_whole, one, folder), rounds=9, patience=2, settle=SETTLE,
            )  # fmt: skip


def _sequence(layers: Sequence[Layer], shop: Workshop) -> Contest:
    return functions.chain(layers)


def _whole(one: Network, folder: Path | None, shop: Workshop) -> Contest:
    """Convolutions with biases and slopes, and depth to space, by a network file, and as one model of onnxruntime's."""
    path = folder / WHOLE[one.name] if folder else None
    if path is None or not path.is_file():
        return Contest(contenders={US: f"no {WHOLE[one.name]}: --networks FOLDER names the folder that has it"})
    members = safetensors(path.read_bytes())
    x = noise(1, *one.size)
    file = peers.model(list(_nodes(one, members)), [x[None]])
    text = shop.folder / f"{one.name}.yaml"
    text.write_text(_network_file(one, path, members), encoding="utf-8")
    network = runnable.load(str(text))
    assert network is not None
    chain, picture = Chain([network]), x[0][..., None]
    run = peers.onnx_run(file, [x[None]])
    contenders: dict[str, Contender | str] = {
        US: function(lambda: filter_pixels(picture, chain).array),
        "onnxruntime": run if isinstance(run, str) else function(run),
    }  # fmt: skip
    return Contest(contenders=contenders, largest=10, moved=x.nbytes)


def safetensors(data: bytes) -> dict[str, Array]:
    """The members of a .safetensors file, all float32: a length, names as JSON, and the numbers one after the other."""
    (length,) = struct.unpack_from("<Q", data)
    names = {name: one for name, one in json.loads(data[8 : 8 + length]).items() if name != "__metadata__"}
    numbers = data[8 + length :]
    return {
        name: np.frombuffer(numbers[slice(*one["data_offsets"])], "<f4").reshape(one["shape"])
        for name, one in names.items()
    }


def _nodes(one: Network, members: Mapping[str, Array]) -> Iterator[peers.Node]:
    for number, layer in enumerate(one.layers(), 1):
        node = layer.node()
        yield replace(node, constants=[members[f"conv{number}.weight"], members[f"conv{number}.bias"]])
        if f"conv{number}.slope" in members:
            yield peers.Node(op="PRelu", constants=[members[f"conv{number}.slope"].reshape(-1, 1, 1)])
    yield peers.Node(op="DepthToSpace", attributes={"blocksize": 2, "mode": "CRD"})


def _network_file(one: Network, weights: Path, members: Mapping[str, Array]) -> str:
    lines = [f"weights: {weights.resolve()}", "picture: {channels: luma, range: unit}"]
    lines += ["defaults: {border: zero, bias: true}", "layers:"]
    for number, layer in enumerate(one.layers(), 1):
        slope = ", activation: prelu" if f"conv{number}.slope" in members else ""
        kind = (
            f"pointwise: {layer.outputs}" if layer.taps == 1 else f"dense: {layer.outputs}, kernel_size: {layer.taps}"
        )
        lines.append(f"  - {{{kind}, name: conv{number}{slope}}}")
    return "\n".join([*lines, "  - {depth_to_space: 2}", ""])
