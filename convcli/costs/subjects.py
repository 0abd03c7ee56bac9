"""What a command line asks to compare: kernels as they are, kernels as layers, the textbook's layers, networks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convcli.costs.comparison import Subject
from convcli.errors import FieldError, ImageError, ShapeError, UsageError, reason
from convcli.networks import file
from convcli.networks.layers import Layer, like, textbook
from convcli.networks.network import Network, assemble
from convcli.networks.placed import place_kernel, place_layer
from convcli.ops import Kernel
from convcli.records import record
from convcli.spec import library
from convcli.spec.nodes import Node, Source

if TYPE_CHECKING:
    import numpy.typing as npt

    Pixels = npt.NDArray[Any]

#: The layers of the textbook, and those that kernels are expanded into: 3 -> 128 channels, 3x3, 224x224.
CHANNELS_IN, CHANNELS_OUT, KERNEL_SIZE = 3, 128, 3
SIZE = (224, 224)
AXES = {2: "yx", 3: "zyx"}
NAME_LENGTH = 32


@record
class Request:
    """The arguments and options of `convcli compare` that say what is compared; None and "" for those not given."""

    sources: Sequence[str] = ()
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


@record
class Subjects:
    """The subjects, a title for their table, remarks, and the image's pixels where one was given."""

    subjects: tuple[Subject, ...]
    title: str
    notes: tuple[str, ...] = ()
    pixels: Pixels | None = None
    #: Columns that would only repeat what the title and the names say.
    hidden: tuple[str, ...] = ()


def subjects(request: Request) -> Subjects:
    """Reads everything that `request` names. Raises `ConvcliError` for what is wrong or can't be."""
    if request.image and request.size:
        raise UsageError("--image and --size both say the size of the input", hint="leave one out")
    pixels = _pixels(request.image) if request.image else None
    spatial = tuple(pixels.shape[:2]) if pixels is not None else _size(request.size) if request.size else None
    given = _Given(request, spatial or SIZE, pixels)
    if not request.sources:
        _refuse_unused(request, networks=False, kernels=True)
        return given.textbook()
    networks = {source: file.load(source) for source in request.sources}
    some = [network for network in networks.values() if network]
    _refuse_unused(request, networks=bool(some), kernels=len(some) < len(networks))
    found: list[Subject] = []
    for source in request.sources:
        network = networks[source]
        found += _network(request, network, spatial) if network else [given.kernel(source)]
    return Subjects(
        subjects=_unique(found), title=_title(found, request, given), notes=tuple(given.notes), pixels=pixels
    )  # fmt: skip


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

    try:
        data = Path(name).read_bytes()
    except OSError as error:
        raise ImageError(reason(error), place=name) from error
    picture = reading.decode(data, place=name)
    return picture.pixels[..., :-1] if picture.has_alpha else picture.pixels


class _Given:
    """The input that all kernels get, and remarks on the way."""

    def __init__(self, request: Request, spatial: tuple[int, ...], pixels: Pixels | None) -> None:
        self.request = request
        self.spatial = spatial
        self.axes = AXES[len(spatial)]
        self.channels = pixels.shape[2] if pixels is not None else CHANNELS_IN
        self.layer_channels = request.in_channels or self.channels
        self.notes: list[str] = []

    def textbook(self) -> Subjects:
        """Every type of kernel as a layer."""
        request = self.request
        side = request.kernel_size or KERNEL_SIZE
        out = request.out_channels or CHANNELS_OUT
        layers = textbook(channels_out=out, taps=(side, side), groups=request.groups or 1, bias=request.bias)
        if request.groups:
            self.notes.append("Depthwise separable layers take no groups.")
        where = f"{self.layer_channels} -> {out} channels, input {_shown(self.spatial)}"
        found = [self._as_layer(name, layer) for name, layer in layers]
        return Subjects(
            subjects=tuple(found), title=f"{side}x{side} kernels, {where}", notes=tuple(self.notes),
            hidden=("type", "geometry"),
        )  # fmt: skip

    def kernel(self, source: str) -> Subject:
        """One kernel, as it is or as a layer."""
        kernel = library.read(source)
        name = _label(source, kernel)
        if self.request.expands:
            if kernel.channels is None:
                return self._as_layer(name, self._expanded(kernel))
            self.notes.append(f"{name} is a filter bank already and stays as it is.")
        channels = kernel.channels[0] if kernel.channels and self._fits(kernel) else self.channels
        try:
            placed = place_kernel(kernel, name=name, axes=self.axes, spatial=self.spatial, channels=channels)
        except ShapeError as error:
            missing = any(axis not in self.axes for axis in kernel.axes)
            raise ShapeError(
                error.fact, place=f"kernel '{name}'", hint="--size DxHxW is a volume" if missing else error.hint
            ) from error
        return Subject(name=name, layers=(placed,), picture=True)

    def _fits(self, kernel: Kernel) -> bool:
        """Whether a filter bank can be fed: random numbers have any channels, a grey picture counts as three."""
        return self.request.image is None or (
            self.channels == 1 and kernel.channels is not None and kernel.channels[0] == 3
        )

    def _expanded(self, kernel: Kernel) -> Layer:
        request = self.request
        if request.groups and "groups" not in kernel.FIELDS:
            self.notes.append(f"{kernel.name}: {kernel.type} layers take no groups.")
        return like(
            kernel, channels_out=request.out_channels or CHANNELS_OUT, groups=request.groups or 1,
            taps=request.kernel_size, bias=request.bias,
        )  # fmt: skip

    def _as_layer(self, name: str, layer: Layer) -> Subject:
        try:
            placed = place_layer(
                layer, name=name, axes=self.axes, spatial=self.spatial, channels=self.layer_channels
            )  # fmt: skip
        except (FieldError, ShapeError) as error:
            shown = f"{name}, {self.layer_channels} -> {layer.channels_out} channels, input {_shown(self.spatial)}"
            raise UsageError(error.fact, place=f"layer '{shown}'", hint=error.hint) from error
        return Subject(name=name, layers=(placed,))


def _label(source: str, kernel: Kernel) -> str:
    """What a kernel is called in the table: its name with what is overridden; inline text where it is short."""
    if source.lstrip()[0] in "[{" or "\n" in source:
        text = " ".join(source.split())
        return text if len(text) <= NAME_LENGTH else "inline"
    after = library.split(source)[1]
    return f"{kernel.name}:{after}" if after else kernel.name


def _network(request: Request, network: Network, spatial: tuple[int, ...] | None) -> list[Subject]:
    """A network with the multipliers of the command line; with `--as` also the swapped one."""
    if spatial is not None and len(spatial) != 2:
        raise UsageError(f"a network takes a picture, not {_shown(spatial)}")
    changes: dict[str, Any] = {"size": spatial}
    for key in file.MULTIPLIERS:
        value = getattr(request, key)
        changes[key] = None if value is None else file.multiplier(Node(value, Source(f"--{key}")), key)
    network = network.changed(**changes)
    found = [network]
    if request.swap:
        found.append(network.changed(name=f"{network.name} as {request.swap}", swap=request.swap))
    subjects = []
    for each in found:
        assembled = assemble(each)
        subjects.append(Subject(name=each.name, layers=assembled.layers, network=assembled))
    return subjects


def _unique(found: Sequence[Subject]) -> tuple[Subject, ...]:
    """Subjects with names that differ: the second "inline" becomes "inline (2)"."""
    seen: dict[str, int] = {}
    named = []
    for subject in found:
        seen[subject.name] = seen.get(subject.name, 0) + 1
        name = subject.name if seen[subject.name] == 1 else f"{subject.name} ({seen[subject.name]})"
        layers = subject.layers if subject.network else tuple(replace(p, name=name) for p in subject.layers)
        named.append(replace(subject, name=name, layers=layers))
    return tuple(named)


def _title(found: Sequence[Subject], request: Request, given: _Given) -> str:
    networks = [subject.network.network for subject in found if subject.network]
    if len(found) == 1 and networks:
        network = networks[0]
        factors = [f"{key} {getattr(network, key):g}" for key in ("width", "resolution") if getattr(network, key) != 1]
        size = f"input {_shown((*network.input_size, network.channels))}"
        return ", ".join([network.name, size, *factors])
    if networks:
        return ""
    if request.expands:
        out = request.out_channels or CHANNELS_OUT
        return f"Layers, {given.layer_channels} -> {out} channels, input {_shown(given.spatial)}"
    channels = f"{given.channels} channel{'s' if given.channels > 1 else ''}"
    return f"Kernels on {request.image or 'a picture'}, {_shown(given.spatial)}, {channels}"


def _shown(sizes: Sequence[int]) -> str:
    return "x".join(map(str, sizes))
