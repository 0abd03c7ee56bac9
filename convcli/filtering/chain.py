"""A chain of kernels, and its stages: what each kernel makes of what the one before it made."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, cast

from convcli.engine.plan import Algorithm, refusal
from convcli.errors import ShapeError
from convcli.ops import Kernel
from convcli.records import record

if TYPE_CHECKING:
    from convcli.filtering.effect import Effect
    from convcli.filtering.picture import Picture
    from convcli.networks.runnable import NetworkKernel

#: Samples per channel that a stage may make of fewer: as many as an image has at most that is read unless asked for.
LARGEST = 1 << 30


#: Sums of weights above this are told of where results are cut off at white.
BRIGHT = 1.5


@record
class Stage:
    """One kernel of a chain on one input."""

    kernel: str
    type: str
    algorithm: Algorithm
    border: str
    #: What is done with each sample at last; empty where nothing is.
    activation: str
    #: True where the weights were flipped (convolution); False: cross-correlation.
    flipped: bool
    #: Samples per spatial axis, in the order y, x (or z, y, x).
    size_in: tuple[int, ...]
    size_out: tuple[int, ...]
    channels_in: int
    channels_out: int
    #: Parameters, weights and biases apart.
    weights: int
    biases: int
    #: Multiply-accumulates on this input; FLOPs are twice that.
    macs: int

    @property
    def shape_out(self) -> tuple[int, ...]:
        return (*self.size_out, self.channels_out)


@record(kw_only=False)
class Chain:
    """Kernels that run one after the other, in float in between; what leaves the last is kept in `range` (`MODES`).

    `depth` (`DEPTHS`) is that of the results, None: as before; `to_array` says that they go to an array file, which
    keeps any numbers; `effect`, how much of the results there is to be, and where; `nodata` stands for samples that are
    missing (NaN is one of them then). `algorithm` is used wherever it can
    be; None leaves it to the planner.
    """

    kernels: Sequence[Kernel]
    range: str = "auto"
    algorithm: str | None = None
    depth: str | None = None
    to_array: bool = False
    effect: Effect | None = None
    nodata: float | None = None

    @cached_property
    def pictures(self) -> dict[object, Picture]:
        """Of `Picture.of`."""
        return {}

    def mixing_within(self, mode: str) -> Chain:
        """The same with each effect in the weights of its kernel where it can be, for results in range `mode`."""
        kernels, effect = list(self.kernels), self.effect
        alone = len(kernels) == 1 and not as_network(kernels[0]) and not kernels[0].has_effect
        if effect and alone and not effect.has_mask and mode in ("clip", "float"):
            fields = {"amount": effect.amount, "threshold": effect.threshold}
            kernels[0] = kernels[0].remembered(("effect", *fields.values()), partial(kernels[0].replace, **fields))
            effect = None
        folded = [kernel.folded for kernel in kernels]
        if effect is self.effect and all(one is kernel for one, kernel in zip(folded, self.kernels, strict=True)):
            return self
        return replace(self, kernels=folded, effect=effect)

    def stages(self, spatial: Sequence[int], axes: str, channels: int) -> tuple[Stage, ...]:
        """The stages on an input of these sizes; raises `ShapeError` where one doesn't fit."""
        stages = []
        for kernel in self.kernels:
            key = "stage", tuple(spatial), axes, channels, self.algorithm
            make = partial(_stage, kernel, tuple(spatial), axes, channels, self.algorithm)
            stage = kernel.remembered(key, make)
            stages.append(stage)
            spatial, channels = stage.size_out, stage.channels_out
        return tuple(stages)

    def planes(self, stages: Sequence[Stage], entering: bool) -> list[bool]:
        """Whether the result of each stage is to lie as planes, as what enters does or doesn't; pixels leave.

        Each kernel says how many samples it would turn to read and write one or the other; the fewest are turned.
        """
        routes: dict[bool, tuple[float, list[bool]]] = {entering: (0.0, [])}
        for kernel, stage in zip(self.kernels, stages, strict=True):
            after: dict[bool, tuple[float, list[bool]]] = {}
            for (reads, (cost, before)), writes in itertools.product(routes.items(), (False, True)):
                total = cost + kernel.turned(stage.size_in, stage.channels_in, reads=reads, writes=writes)
                if writes not in after or total < after[writes][0]:
                    after[writes] = total, [*before, writes]
            routes = after
        return routes[False][1]

    def refusals(self, stages: Sequence[Stage]) -> tuple[str, ...]:
        """Notes on the stages that the algorithm asked for can't compute."""
        return tuple(note for stage in stages for note in refusal(self.algorithm, stage.kernel, stage.algorithm))

    @cached_property
    def sees_all(self) -> bool:
        """Whether a network of it needs all of a picture at a time."""
        return any(network.sees_all for network in map(as_network, self.kernels) if network)

    @cached_property
    def bytes_per_pixel(self) -> float:
        """Bytes that networks which are run whole take for each pixel, about."""
        whole = (network for network in map(as_network, self.kernels) if network and network.sees_all)
        return max((network.bytes_per_pixel for network in whole), default=0.0)

    def map_bytes(self, stages: Sequence[Stage]) -> int:
        """Bytes that the maps of its largest network take at a time, where they are whole."""
        pairs = [(as_network(kernel), stage.size_in) for kernel, stage in zip(self.kernels, stages, strict=True)]
        return max((network.map_bytes(size) for network, size in pairs if network), default=0)

    def least_bytes(self, stages: Sequence[Stage]) -> int:
        """Bytes that they take at a time, where they are made in bands if that can be."""
        pairs = [(as_network(kernel), stage.size_in) for kernel, stage in zip(self.kernels, stages, strict=True)]
        return max((network.least_bytes(size) for network, size in pairs if network), default=0)

    @property
    def makes_maps(self) -> bool:
        """Whether a network of it makes numbers that are no picture."""
        return any(network.makes_maps for network in map(as_network, self.kernels) if network)

    def remarks(self, stages: Sequence[Stage]) -> tuple[str, ...]:
        """Notes on how kernels were read, and on those of zeros; on edges of edges, which are seldom meant; on
        networks, what of their weights is left over, and why they are not run in bands."""
        notes, edges = [], [kernel.name for kernel in self.kernels if kernel.sums_to_zero]
        if len(edges) > 1:
            other = "--combine magnitude makes one of both"
            notes.append(f"{edges[0]} and {edges[1]} run one after the other, as edges of edges; {other}")
        notes += [f"all weights of {kernel.name} are 0" for kernel in self.kernels if kernel.reach(-1, 1) == (0, 0)]
        for kernel, stage in zip(self.kernels, stages, strict=True):
            notes += [f"kernel '{kernel.name}': {note}" for note in kernel.notes]
            if network := as_network(kernel):
                notes += network.remarks(stage.size_in)
        return tuple(dict.fromkeys(notes))


def brightened(kernels: Sequence[Kernel]) -> tuple[str, ...]:
    """A note on weights that sum to far above 1, which makes all brighter: mostly a divisor was forgotten."""
    for kernel in kernels:
        sums = kernel.sums
        if sums is not None and (least := float(sums.min())) > BRIGHT and kernel.divisor != "sum":
            fact = f"the weights of {kernel.name} sum to {least:g}, and all gets that much brighter"
            # Of a transposed kernel each output gets but some of the weights.
            divisor = f"{least * float(kernel.divisor):g}" if kernel.type == "transposed" else "sum"
            return (f"{fact}; its field divisor: {divisor} (or :divisor={divisor}) keeps brightness",)
    return ()


def as_network(kernel: Kernel) -> NetworkKernel | None:
    """The kernel as the network that it is; None where it is none. No module of theirs is loaded for that."""
    return cast("NetworkKernel", kernel) if kernel.type == "network" else None


def _stage(kernel: Kernel, spatial: tuple[int, ...], axes: str, channels: int, asked: str | None) -> Stage:
    count = kernel.count(spatial, channels, axes)
    kernel.check_effect(spatial, axes, channels)
    output = kernel.output_shape(spatial, axes)
    most = max(LARGEST, math.prod(spatial))
    if math.prod(output) > most:
        size = " x ".join(map(str, output))
        raise ShapeError(f"kernel '{kernel.name}' would make {size} samples; at most {most:,} are made")
    return Stage(
        kernel=kernel.name, type=kernel.type, algorithm=kernel.algorithm(spatial, channels, asked),
        border=kernel.border, activation=str(kernel.activation or ""), flipped=kernel.flip, size_in=spatial,
        size_out=output,
        channels_in=channels, channels_out=kernel.output_channels(channels), weights=count.weights,
        biases=count.biases, macs=count.total_macs,
    )  # fmt: skip
