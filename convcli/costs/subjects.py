"""What a command line asks to compare: kernels as they are, kernels as layers, the textbook's layers, networks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convcli.costs.comparison import Lineup, Subject
from convcli.errors import FieldError, ShapeError, UsageError
from convcli.networks import LAYERS, Flow, Layer, Network, assemble, file, like, place_kernel, place_layer, textbook
from convcli.ops import Kernel
from convcli.records import record
from convcli.spec import library
from convcli.spec.nodes import Node, Source

if TYPE_CHECKING:
    import numpy.typing as npt

    from convcli.spec.library import KernelLike

    Pixels = npt.NDArray[Any]

#: The layers of the textbook, and those that kernels are expanded into: 3 -> 128 channels, 3x3, 224x224.
CHANNELS_IN, CHANNELS_OUT, KERNEL_SIZE = 3, 128, 3
SIZE = (224, 224)
TEXTBOOK = tuple(name for name, _ in textbook(channels_out=CHANNELS_OUT))
AXES = {2: "yx", 3: "zyx"}
NAME_LENGTH = 32


@record
class Request:
    """The arguments and options of `convcli compare` that say what is compared; None and "" for those not given."""

    sources: Sequence[KernelLike] = ()
    in_channels: int | None = None
    out_channels: int | None = None
    groups: int | None = None
    kernel_size: int | None = None
    bias: bool = False
    size: str | None = None
    image: str | None = None
    width: float | None = None
    resolution: float | None = None
    swap: str = ""

    @property
    def expands(self) -> bool:
        """Whether kernels are to become layers."""
        return self.bias or any((self.in_channels, self.out_channels, self.groups, self.kernel_size))


def subjects(request: Request) -> Lineup:
    """Reads everything that `request` names. Raises `ConvcliError` for what is wrong or can't be."""
    if request.image and request.size:
        raise UsageError("--image and --size both say the size of the input", hint="leave one out")
    if any(map(layer_names, request.sources)):  # kernels beside layers become layers, too
        request = replace(request, out_channels=request.out_channels or CHANNELS_OUT)
    pixels = _pixels(request.image) if request.image else None
    size = tuple(pixels.shape[:2]) if pixels is not None else _size(request.size) if request.size else None
    kernels = _Kernels(request, size or SIZE, CHANNELS_IN if pixels is None else pixels.shape[2])
    if not request.sources:
        _refuse_unused(request, networks=False, kernels=True)
        return kernels.textbook()
    notes: list[str] = []
    networks = [_read(source, size, notes) for source in request.sources]
    count = sum(network is not None for network in networks)
    _refuse_unused(request, networks=count > 0, kernels=count < len(networks))
    every: list[Subject] = []
    for source, network in zip(request.sources, networks, strict=True):
        every += _network(request, network, size) if network else kernels.subjects(source)
    title = _title(every) if any(subject.network for subject in every) else kernels.title()
    return Lineup(subjects=_unique(every), title=title, notes=(*kernels.notes, *notes), pixels=pixels)


def _read(source: KernelLike, size: tuple[int, ...] | None, notes: list[str]) -> Network | None:
    """The network in a file, also of an ONNX model; None where it is no network."""
    if not isinstance(source, str | Path):
        return None
    source = library.located(str(source))
    if not source.endswith(".onnx"):
        return file.load(source)
    from convcli.networks.onnx import reading

    imported = reading.read(Path(source), size=size if size and len(size) == 2 else None, strict=False)
    notes.extend(f"{source}: {note}" for note in imported.notes)
    return imported.network(Path(source).stem)


def picture_size(text: str) -> tuple[int, int]:
    """`HxW`, or N for NxN. Raises `UsageError`."""
    size = _size(text)
    if len(size) != 2:
        raise UsageError(f"a network takes a picture, not {_times(size)}")
    return size


def _refuse_unused(request: Request, *, networks: bool, kernels: bool) -> None:
    """Raises `UsageError` for an option that would do nothing."""
    for_networks = {"--width": request.width, "--resolution": request.resolution, "--as": request.swap}
    for_kernels = {
        "--in-channels": request.in_channels, "--out-channels": request.out_channels, "--groups": request.groups,
        "--kernel-size": request.kernel_size, "--bias": request.bias,
    }  # fmt: skip
    if not networks and (unused := [option for option, value in for_networks.items() if value not in (None, "")]):
        raise UsageError(f"{unused[0]} has no use: it is for networks, and none is compared")
    if not kernels and (unused := [option for option, value in for_kernels.items() if value]):
        raise UsageError(f"{unused[0]} has no use: it is for kernels, and only networks are compared")


def _size(text: str) -> tuple[int, ...]:
    """`HxW`, `DxHxW`, or N for NxN."""
    if not re.fullmatch(r"[1-9]\d{0,6}(x[1-9]\d{0,6}){0,2}", text):
        raise UsageError(f"'{text}' is no size for --size", hint="height x width, such as 1080x1920")
    sizes = tuple(map(int, text.split("x")))
    return sizes * 2 if len(sizes) == 1 else sizes


def _pixels(name: str) -> Pixels:
    """The picture in a file, its alpha left out."""
    from convcli.pictures import reading

    picture = reading.from_file(name)
    return picture.pixels[..., :-1] if picture.channels.alpha else picture.pixels


class _Kernels:
    """Kernels and layers on the input that all of them get, and remarks on the way."""

    def __init__(self, request: Request, size: tuple[int, ...], channels: int) -> None:
        self._request = request
        self._flow = Flow(size=size, channels=channels, axes=AXES[len(size)])
        self._layers = replace(self._flow, channels=request.in_channels or channels)
        self.notes: list[str] = []

    def textbook(self) -> Lineup:
        """Every type of kernel as a layer."""
        side = self._request.kernel_size or KERNEL_SIZE
        out = self._request.out_channels or CHANNELS_OUT
        every = self._named(TEXTBOOK)
        return Lineup(
            subjects=every, notes=tuple(self.notes), title=f"{side}x{side} kernels, {self._arrow(out)}",
            hidden=("type", "geometry"),
        )  # fmt: skip

    def _named(self, names: Sequence[str]) -> tuple[Subject, ...]:
        """The textbook's layers of these names."""
        request = self._request
        side, out = request.kernel_size or KERNEL_SIZE, request.out_channels or CHANNELS_OUT
        layers = textbook(channels_out=out, taps=(side, side), groups=request.groups or 1, bias=request.bias)
        if request.groups and "depthwise separable" in names:
            self.notes.append("Depthwise separable layers take no groups.")
        return tuple(self._as_layer(name, layer) for name, layer in layers if name in names)

    def _arrow(self, channels_out: int) -> str:
        return f"{self._layers.channels} -> {channels_out} channels, input {_times(self._layers.size)}"

    def title(self) -> str:
        """For a table of kernels, or of the layers that they become."""
        if self._request.expands:
            return f"Layers, {self._arrow(self._request.out_channels or CHANNELS_OUT)}"
        channels = self._flow.channels
        on = f"{self._request.image or 'a picture'}, {_times(self._flow.size)}"
        return f"Kernels on {on}, {channels} channel{'s' if channels > 1 else ''}"

    def subjects(self, source: KernelLike) -> Sequence[Subject]:
        """One kernel, as it is or as a layer; or the layers of a name."""
        names = layer_names(source)
        return self._named(names) if names else [self._subject(source)]

    def _subject(self, source: KernelLike) -> Subject:
        kernel = source if isinstance(source, Kernel) else library.read(source)
        name = _label(source, kernel)
        if self._request.expands:
            if kernel.channels is None and kernel.type in LAYERS:
                return self._as_layer(name, self._expanded(kernel))
            what = "a filter bank already" if kernel.channels else "no layer of a network"
            self.notes.append(f"{name} is {what} and stays as it is.")
        channels = kernel.channels[0] if kernel.channels and self._fits(kernel.channels[0]) else self._flow.channels
        try:
            placed = place_kernel(kernel, replace(self._flow, channels=channels), name)
        except ShapeError as error:
            missing = any(axis not in self._flow.axes for axis in kernel.axes)
            hint = "--size DxHxW is a volume" if missing else error.hint
            raise ShapeError(error.fact, place=f"kernel '{name}'", hint=hint) from error
        return Subject(name=name, layers=(placed,), picture=True)

    def _fits(self, channels_in: int) -> bool:
        """Whether a filter bank can be fed: random numbers have any channels, a grey picture counts as three."""
        return self._request.image is None or (self._flow.channels == 1 and channels_in == 3)

    def _expanded(self, kernel: Kernel) -> Layer:
        request = self._request
        if request.groups and "groups" not in kernel.FIELDS:
            self.notes.append(f"{kernel.name}: {kernel.type} layers take no groups.")
        return like(
            kernel, channels_out=request.out_channels or CHANNELS_OUT, groups=request.groups or 1,
            taps=request.kernel_size, bias=request.bias,
        )  # fmt: skip

    def _as_layer(self, name: str, layer: Layer) -> Subject:
        try:
            return Subject(name=name, layers=(place_layer(layer, self._layers, name),))
        except (FieldError, ShapeError) as error:
            place = f"layer '{name}, {self._arrow(layer.channels_out)}'"
            raise UsageError(error.fact, place=place, hint=error.hint) from error


def layer_names(source: KernelLike) -> list[str]:
    """The textbook's layers that a word stands for, as in the table of all; none where it is a kernel's name."""
    if not isinstance(source, str) or not re.fullmatch(r"[A-Za-z][\w -]*", source):
        return []
    if source in library.names() or source in library.own():
        return []
    from convcli.spec.words import LAYERS, lookup, plain

    word = plain(source).replace(" ", "-")
    row = lookup(word, LAYERS)
    word = row.answer if row else word
    names = ((name, name.replace(" ", "-")) for name in TEXTBOOK)
    return [name for name, whole in names if word in (whole, re.sub(r"-v?\d\w*$", "", whole))]


def _label(source: KernelLike, kernel: Kernel) -> str:
    """What a kernel is called in the table: its name with what is overridden; inline text where it is short."""
    if not isinstance(source, str):
        return kernel.name
    if source.lstrip()[0] in "[{" or "\n" in source:
        text = " ".join(source.split())
        return text if len(text) <= NAME_LENGTH else "inline"
    after = library.split(source)[1]
    return f"{kernel.name}:{after}" if after else kernel.name


def _network(request: Request, network: Network, size: tuple[int, ...] | None) -> list[Subject]:
    """A network with the multipliers of the command line; with `--as` also the swapped one."""
    if size is not None and len(size) != 2:
        raise UsageError(f"a network takes a picture, not {_times(size)}")
    changes: dict[str, Any] = {"size": size}
    for key in file.MULTIPLIERS:
        value = getattr(request, key)
        changes[key] = None if value is None else file.multiplier(Node(value, Source(f"--{key}")), key)
    network = network.changed(**changes)
    both = [network]
    if request.swap:
        both.append(network.changed(name=f"{network.name} as {request.swap}", swap=request.swap))
    assembled = map(assemble, both)
    return [Subject(name=each.network.name, layers=each.layers, network=each) for each in assembled]


def _unique(subjects: Sequence[Subject]) -> tuple[Subject, ...]:
    """Subjects with names that differ: the second "inline" becomes "inline (2)"."""
    seen: dict[str, int] = {}
    named = []
    for subject in subjects:
        seen[subject.name] = seen.get(subject.name, 0) + 1
        name = subject.name if seen[subject.name] == 1 else f"{subject.name} ({seen[subject.name]})"
        layers = subject.layers if subject.network else tuple(replace(p, name=name) for p in subject.layers)
        named.append(replace(subject, name=name, layers=layers))
    return tuple(named)


def _title(subjects: Sequence[Subject]) -> str:
    """For a table of one network's layers; several networks side by side have none."""
    if len(subjects) > 1 or not subjects[0].network:
        return ""
    network = subjects[0].network.network
    factors = [f"{key} {getattr(network, key):g}" for key in file.MULTIPLIERS if getattr(network, key) != 1]
    return ", ".join([network.name, f"input {_times((*network.input_size, network.channels))}", *factors])


def _times(sizes: Sequence[int]) -> str:
    return "x".join(map(str, sizes))
