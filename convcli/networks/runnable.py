"""A network with weights where a kernel can stand: a link of a chain, which the room above lays out layer by layer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self

from convcli.engine.plan import Algorithm
from convcli.engine.threads import thread_count
from convcli.errors import FieldError, KernelError, ShapeError
from convcli.networks import file, maps, stretches
from convcli.networks.assembly import assemble
from convcli.networks.network import Assembled, Network
from convcli.networks.stretches import Together
from convcli.ops import interactive
from convcli.ops.base import Count, Kernel
from convcli.ops.fields import Field
from convcli.records import late, record
from convcli.spec import check as check_kernel

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from convcli.drawing.drawing import Drawing
    from convcli.engine.dtypes import Array, ArrayLike, DTypeLike
    from convcli.spec.nodes import Node
else:
    np = late("numpy")

#: Bytes of maps, at a time, up to which they may be there whole.
WHOLE_BYTES = 1 << 26


def load(source: str | Mapping[str, Any], extra: Mapping[str, Node] = MappingProxyType({})) -> NetworkKernel | None:
    """The network that `networks.file.load` makes of a source; None where it is no network.

    Its shapes are held against each other. Raises `KernelError` at line and column.
    """
    network = file.load(source, extra)
    if network is None:
        return None
    kernel = NetworkKernel(name=network.name, about=network.about, network=network, border=_border(network))
    kernel.check_layers()
    return kernel


def _border(network: Network) -> str:
    """The border rule of its layers; `wrap` where one wraps, which wants the last rows first."""
    borders = [placed.kernel.border for placed in assemble(network).layers if placed.kernel]
    return "wrap" if "wrap" in borders else (borders or ["zero"])[0]


@record
class NetworkKernel(Kernel):
    """A network that runs on a picture: its layers one after the other, as they read each other."""

    type: ClassVar[str] = "network"
    summary: ClassVar[str] = "the layers of a network file, with their weights"
    formula: ClassVar[str] = "y = layer_n(... layer_1(x))"
    source: ClassVar[str] = "the network file"
    FIELDS: ClassVar[Mapping[str, Field]] = {}

    network: Network

    @classmethod
    def build(cls, fields: Mapping[str, Any]) -> Self:
        raise FieldError("type", "a network is a file of its own", hint="layers: [{dense: 64}]")

    def __repr__(self) -> str:
        layers, shape = self._nominal.layers, f"{self.network.channels} -> {self._nominal.layers[-1].channels_out}"
        return f"<Network {self.name}: {len(layers)} layers, {shape} channels, {self.weight_count:,} weights>"

    def __dir__(self) -> list[str]:
        return sorted({*interactive.names(self), "until"})

    def until(self, layer: str) -> Self:
        """The network that ends with a layer. Raises `KernelError` where it has none of that name."""
        ending = self.network.changed(until=layer, name=f"{self.name.partition(':')[0]}:until={layer}")
        network = self.replace(network=ending, name=ending.name)
        _ = network._nominal
        return network

    def apply(
        self, array: ArrayLike, layout: str | None = None, *, dtype: DTypeLike | None = None,
        algorithm: str | None = None,
    ) -> Array:  # fmt: skip
        """What the network makes of an array, by `Kernel.apply`'s rules; maps of integers are floats."""
        from convcli.filtering import Chain
        from convcli.filtering.arrays import through

        return through(Chain([self], algorithm=algorithm), array, layout, dtype)

    def draw(self, picture: ArrayLike | None = None, **settings: Any) -> Drawing:
        """What one output sees of a picture, by default of a grey one of its input's size: `convcli.draw.field`."""
        grey = np.full((*self.network.input_size, 3), 128, np.uint8) if picture is None else picture
        return interactive.draw_field(self, grey, **settings)

    def on(self, spatial: Sequence[int], axes: str = "yx") -> Assembled:
        """The network on an input of these sizes. Raises `ShapeError` where it doesn't fit."""
        sizes = dict(zip(axes, spatial, strict=True))
        if missing := [axis for axis in self.axes if axis not in sizes]:
            raise ShapeError(f"network '{self.name}' moves along y,x; the array has no {missing[0]}")
        size = sizes["y"], sizes["x"]
        return self.remembered(("on", size), partial(self._on, size))

    def _on(self, size: tuple[int, int]) -> Assembled:
        try:
            return assemble(self.network.changed(size=size, resolution=1.0), self.remembered("kernels", dict))
        except KernelError as error:
            said = self.network.size
            hint = f"make the picture {said[1]}x{said[0]} first" if said and said != size else error.hint
            raise ShapeError(f"on {size[1]}x{size[0]} pixels: {error.fact}", place=error.place, hint=hint) from error

    def together(self, size: Sequence[int]) -> dict[int, Together]:
        """The layers that are computed together on an input of this size (height, width last), by the last of them.

        Where maps are large these are products alone, which go in bands: networks of OpenCV's take all of a map.
        """
        layers, whole = self.on(size[-2:]).layers, self.sees_all or self.map_bytes(size) <= WHOLE_BYTES
        shared: stretches.Shared = self.remembered("together", dict)
        key = "together", whole, tuple(size[-2:])
        return self.remembered(key, lambda: stretches.plan(layers, shared, whole=whole))

    def check_layers(self) -> None:
        """Raises `KernelError` for layers that don't fit each other or their weights, or that can't be run."""
        network = self._nominal
        if self.network.resolution != 1:
            factor = f"{self.network.resolution:g} times the size"
            fact = f"network '{self.name}' runs on pictures as they are, not at {factor}"
            raise KernelError(fact, hint="resolution is for compare; kernels resize: -k downsample-2x -k NETWORK")
        if network.untrained:
            names = ", ".join(network.untrained[:8]) + ("..." if len(network.untrained) > 8 else "")
            fact = f"network '{self.name}' has no weights for {names}"
            raise KernelError(fact, hint="weights: FILE.safetensors, beside layers; compare needs none")

    def check(self) -> None:
        for placed in self._nominal.layers:
            for kernel in placed.kernels.values():
                check_kernel(kernel)
                if kernel.activation and kernel.activation.numbers:
                    _ = kernel.activation.numbers.array

    @property
    def makes_maps(self) -> bool:
        """Whether what comes out is no picture as what went in is, but numbers of whatever meaning."""
        network = self._nominal
        channels = self.network.picture.count if self.network.picture else self.network.channels
        return bool(self.network.until) or network.is_of_all or network.layers[-1].channels_out != channels

    @property
    def taps(self) -> tuple[int, ...]:
        return (1, 1)

    @property
    def channels(self) -> tuple[int, int] | None:
        picture = self.network.picture
        if picture and picture.count == 1:
            return None
        return self.network.channels, self._nominal.layers[-1].channels_out

    @property
    def weight_count(self) -> int:
        return sum(kernel.weight_count for placed in self._nominal.layers for kernel in placed.kernels.values())

    @property
    def _nominal(self) -> Assembled:
        return self.remembered("nominal", lambda: assemble(self.network, self.remembered("kernels", dict)))

    @property
    def sees_all(self) -> bool:
        """Whether a layer needs all of a map at a time, so that none of it can be run in bands."""
        return bool(self._nominal.needs_whole)

    @property
    def bytes_per_pixel(self) -> float:
        """Bytes that its maps take for each pixel, about."""
        return maps.peak_bytes(self._nominal) / math.prod(self._nominal.layers[0].size_in)

    def map_bytes(self, size: Sequence[int]) -> int:
        """Bytes that its maps take at a time on an input of this size (height, width last), where they are whole."""
        pictures, each = math.prod(size[:-2]), self._picture_bytes(size)
        if not self.runs_one_by_one(size):
            return pictures * each
        return min(pictures, thread_count()) * each + pictures * maps.bytes_of(self.on(size[-2:]).layers[-1])

    def least_bytes(self, size: Sequence[int]) -> int:
        """Bytes that its maps take at a time on an input of this size, about: in bands those of the rows that a row of
        the result is made of."""
        whole, layers = self.map_bytes(size), self.on(size[-2:]).layers
        if self.sees_all or len(size) > 2:
            return whole
        return math.ceil(whole * min(1.0, maps.rows_seen(layers) / size[0]))

    def _picture_bytes(self, size: Sequence[int]) -> int:
        key = "picture bytes", tuple(size[-2:])
        return self.remembered(key, lambda: maps.peak_bytes(self.on(size[-2:])))

    def runs_one_by_one(self, size: Sequence[int]) -> bool:
        """Whether pictures of a stack of this size are run one by one: where their maps are large, but not where taps
        are laid by the picture."""
        pictures = math.prod(size[:-2])
        if pictures == 1 or pictures * self._picture_bytes(size) <= WHOLE_BYTES:
            return False
        return not any(kernel.looks for placed in self._nominal.layers for kernel in placed.kernels.values())

    @property
    def sight(self) -> int:
        """Pixels of the input that a sample of the result sees to either side, about."""
        layers = self._nominal.layers
        return min(maps.rows_seen(layers), layers[0].size_in[0]) // 2

    def remarks(self, size: Sequence[int]) -> tuple[str, ...]:
        """What is to be said of a run on an input of this size (height, width last)."""
        assembled = self.on(size[-2:])
        if not assembled.needs_whole or self.map_bytes(size) <= WHOLE_BYTES:
            return assembled.notes
        memory = f"{self.map_bytes(size) / 1e6:,.0f} MB of maps"
        fact = f"run whole, {memory} at a time: layer '{assembled.needs_whole}' needs all of what it reads at once"
        return (*assembled.notes, fact)

    def output_shape(self, spatial: Sequence[int], axes: str | None = None) -> tuple[int, ...]:
        height, width = self.on(spatial, axes or self.axes).layers[-1].size_out
        sizes = {"y": height, "x": width}
        return tuple(sizes.get(axis, n) for axis, n in zip(axes or self.axes, spatial, strict=True))

    def output_channels(self, channels: int) -> int:
        out = self._nominal.layers[-1].channels_out
        picture = self.network.picture
        expected = (1, 3) if picture and picture.count == 1 else (self.network.channels,)
        if channels not in expected:
            takes = " or ".join(map(str, expected))
            raise ShapeError(f"network '{self.name}' takes {takes} channels, the input has {channels}")
        return channels if picture and picture.carries_colour and not self.makes_maps else out

    def count(self, spatial: Sequence[int], channels: int | None = None, axes: str | None = None) -> Count:
        """As of kernels, by default for as many channels as it takes."""
        self.output_channels(self.network.channels if channels is None else channels)
        counts = [
            kernel.count(placed.size_in, placed.channels_in)
            for placed in self.on(spatial, axes or self.axes).layers
            for kernel in placed.kernels.values()
        ]
        apart = math.prod(n for axis, n in zip(axes or self.axes, spatial, strict=True) if axis not in self.axes)
        return Count(
            weights=sum(count.weights for count in counts), biases=sum(count.biases for count in counts),
            macs={"convolution": apart * sum(count.total_macs for count in counts)},
        )  # fmt: skip

    def macs(self, spatial: Sequence[int], axes: str, channels: int) -> dict[str, int]:
        return dict(self.count(spatial, channels, axes).macs)

    def algorithm(self, spatial: Sequence[int] | None = None, channels: int = 1, asked: str | None = None) -> Algorithm:
        layers = len(self._nominal.layers)
        return Algorithm("layers", f"{layers} layers, each by its own plan")

    def turned(self, spatial: Sequence[int], channels: int, *, reads: bool, writes: bool) -> float:
        """A network makes pixels, of whatever it reads."""
        return math.inf if writes else float(reads * math.prod(spatial) * channels)

    def coverage(self) -> NoReturn:
        raise ShapeError(f"network '{self.name}' says nothing of opacity")

    def parts(self) -> dict[str, npt.NDArray[np.float64]]:
        return {}

    def _cuts(self, *arguments: Any, **more: Any) -> NoReturn:
        raise ShapeError(f"network '{self.name}' runs as a part of a chain", hint="convcli apply")
