"""The branch of a deformable kernel: the convolutions that predict its offsets, or its mask, from the picture.

Source: Dai et al. 2017, arXiv:1703.06211, section 2.1; Zhu et al. 2018, arXiv:1811.11168, section 3.2 (the mask).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from convcli.engine.geometry import constant
from convcli.engine.plan import Constraints
from convcli.errors import FieldError, ShapeError
from convcli.ops import fields as f, tensors
from convcli.ops.base import Kernel
from convcli.ops.dense import Dense
from convcli.records import late, record

if TYPE_CHECKING:
    import numpy as np

    from convcli import engine
    from convcli.engine import borders, memory
    from convcli.engine.dtypes import Array, DTypeLike, Floats
    from convcli.engine.sampled import structure
    from convcli.ops.tensors import Tensor
else:
    np, engine = late("numpy"), late("convcli.engine")
    borders, memory = late("convcli.engine.borders"), late("convcli.engine.memory")
    structure = late("convcli.engine.sampled.structure")

#: What a white pixel is to a branch, by the word for it.
RANGES = {"unit": 1.0, "byte": 255.0}

#: Fields of a layer, without a default where they are the kernel's own.
FIELDS: Mapping[str, f.Field] = {
    "weights": replace(f.WEIGHTS, doc="Weights of the layer's filter bank: (out, in/groups, kh, kw)."),
    "bias": f.BIAS, "activation": f.ACTIVATION, "groups": f.GROUPS, "divisor": f.DIVISOR, "flip": f.FLIP,
    **{key: replace(f.COMMON[key], default=None) for key in ("stride", "dilation", "padding", "border")},
    "range": f.Field("range", "What white is to the branch: unit (1) or byte (255); else samples go in as they are."),
    "limit": f.Field("length", "Pixels by which an offset may stray; what is beyond is cut off, and told."),
    "packed": f.Field("flag", "Whether the last third of the planes is the mask, where their number leaves it open."),
}  # fmt: skip


@record(kw_only=False)
class BranchCall:
    """The fields of a branch's layers, as they stand in a kernel file, before its kernel's own are known."""

    layers: tuple[Mapping[str, Any], ...]

    def built(self, fields: Mapping[str, Any], path: str) -> Branch:
        """The branch of a kernel with these `fields`. Raises `FieldError`."""
        layers = [self._layer(number, fields, path) for number in range(len(self.layers))]
        for number, (layer, after) in enumerate(itertools.pairwise(layers), 1):
            if layer.channels[1] != after.channels[0]:  # type: ignore[index]
                fact = f"the layer before it makes {layer.channels[1]} channels; its weights take {after.channels[0]}"  # type: ignore[index]
                raise FieldError(self._path(path, number, "weights"), fact)
        for number, own in enumerate(self.layers):
            ends = {"range": 0, "limit": len(layers) - 1, "packed": len(layers) - 1}
            for key, place in ends.items():
                if own[key] is not None and number != place:
                    fact = f"'{key}' belongs to the {'first' if place == 0 else 'last'} layer of a branch"
                    raise FieldError(self._path(path, number, key), fact)
        first, last = self.layers[0], self.layers[-1]
        return Branch(layers=tuple(layers), range=first["range"], limit=last["limit"], packed=last["packed"])

    def _path(self, path: str, number: int, key: str | int) -> tuple[str | int, ...]:
        return (path, "branch", *([number] if len(self.layers) > 1 else []), key)

    def _layer(self, number: int, fields: Mapping[str, Any], path: str) -> Dense:
        """A layer; stride, dilation and padding of the last one are the kernel's where it doesn't say its own."""
        said = self.layers[number]
        last = number == len(self.layers) - 1
        own = {"name": f"{path} branch", "about": "", "axes": "yx", **said}
        for key in ("stride", "dilation", "padding", "border"):
            if said[key] is None:
                own[key] = fields[key] if last or key == "border" else f.COMMON[key].default
        try:
            layer = Dense.build(own)
        except FieldError as error:
            raise FieldError(self._path(path, number, error.path[0]), error.fact, hint=error.hint) from error
        if layer.channels is None:
            fact = f"weights of a branch have shape (out, in/groups, kh, kw), not {layer.weights.shape}"
            raise FieldError(self._path(path, number, "weights"), fact)
        return layer


def branch_call(weights: Tensor, bias: Tensor | None, **fields: Any) -> BranchCall:
    """A branch of one layer, as a kernel file would say it."""
    return BranchCall(
        ({key: field.default for key, field in FIELDS.items()} | fields | {"weights": weights, "bias": bias},)
    )


def untrained(kernel: Kernel, name: str, channels: int, out: int) -> Dense:
    """The layer that predicts `out` planes for `kernel` from `channels`, with its geometry and a bias per output.

    Its weights are 0, as at the start of training.
    """
    return Dense(
        name=name, weights=tensors.zeros((out, channels, *kernel.taps)), bias=tensors.zeros((out,)),
        stride=kernel.stride, dilation=kernel.dilation, padding=kernel.padding, border=kernel.border,
    )  # fmt: skip


@record
class Branch:
    """`layers` one after the other, on a picture whose white they want as `range` says.

    `limit` bounds offsets; `packed` says that the mask comes with them (None: their number tells).
    """

    layers: tuple[Dense, ...]
    range: str | None = None
    limit: float | None = None
    packed: bool | None = None

    @property
    def planes(self) -> int:
        """Planes that come out."""
        return self.layers[-1].weights.shape[0]

    @property
    def inputs(self) -> int:
        """Channels that go in; 1 is luma."""
        return self.layers[0].weights.shape[1] * self.layers[0].groups

    def __str__(self) -> str:
        sizes = ["x".join(map(str, layer.taps)) for layer in self.layers]
        counts = [self.inputs, *(layer.weights.shape[0] for layer in self.layers)]
        limit = f", at most {self.limit:g} pixels" if self.limit is not None else ""
        return f"predicted by {' and '.join(sizes)}, {' -> '.join(map(str, counts))} channels{limit}"

    def check(self) -> None:
        """Makes the numbers; raises where they are wrong."""
        for layer in self.layers:
            layer.check()
            _ = layer.bias and layer.bias.array
            _ = layer.activation and layer.activation.numbers and layer.activation.numbers.array

    def sizes(self, size: tuple[int, int]) -> list[tuple[int, int]]:
        """Height and width of the picture and of what each layer makes."""
        sizes = [size]
        for layer in self.layers:
            height, width = layer.output_shape(sizes[-1], "yx")
            sizes.append((height, width))
        return sizes

    def check_fit(self, channels: int, size: tuple[int, int], outputs: tuple[int, int], name: str) -> None:
        """Raises `ShapeError` where a picture has other channels, or something else comes out than is wanted."""
        if self.inputs not in (1, channels):
            raise ShapeError(f"{name} takes {self.inputs} channels, the input has {channels}")
        size_out = self.sizes(size)[-1]
        if size_out != outputs:
            made_, needed = (f"{width}x{height}" for height, width in (size_out, outputs))
            hint = "stride and padding of its layers have to make the same of a picture as the kernel's"
            raise ShapeError(
                f"{name} makes {made_} places of {size[1]}x{size[0]} pixels; {needed} are needed", hint=hint
            )

    def macs(self, spatial: Sequence[int], axes: str) -> int:
        total = 0
        for layer in self.layers:
            total += sum(layer.macs(spatial, axes, 0).values())
            spatial = layer.output_shape(spatial, axes)
        return total

    @property
    def weight_count(self) -> int:
        return sum(layer.weight_count for layer in self.layers)

    @property
    def bias_count(self) -> int:
        return sum(layer.bias.size for layer in self.layers if layer.bias)

    def rows_read(self, start: int, stop: int, size: tuple[int, int]) -> tuple[int, int]:
        """The rows of the picture, first and behind the last, that some rows of outputs follow from."""
        for layer, before in zip(reversed(self.layers), reversed(self.sizes(size)[:-1]), strict=True):
            start, stop = _hull(layer, start, stop, before)
        return start, stop

    def predicted(self, picture: Array, rows: tuple[int, int], white: float, dtype: DTypeLike) -> Floats:
        """`(planes, height of rows, width)` for the half-open `rows` of outputs, by a picture `(h, w, channels)`."""
        sizes = self.sizes(picture.shape[:2])
        planes = self._rows(
            len(self.layers), rows, picture, sizes, RANGES[self.range] / white if self.range else 1, dtype
        )
        return np.ascontiguousarray(np.moveaxis(planes, -1, 0))

    def _rows(
        self, level: int, rows: tuple[int, int], picture: Array, sizes: Sequence[tuple[int, int]], factor: float,
        dtype: DTypeLike,
    ) -> Floats:  # fmt: skip
        """Rows of what the first `level` layers make."""
        if level == 0:
            pixels = picture[slice(*rows)].astype(dtype)
            if self.inputs == 1 != pixels.shape[-1]:
                pixels = structure.luma(pixels)[..., None]
            return pixels * pixels.dtype.type(factor) if factor != 1 else pixels
        layer, size = self.layers[level - 1], sizes[level - 1]
        low, high = _hull(layer, *rows, size)
        below = self._rows(level - 1, (low, high), picture, sizes, factor, dtype)
        down, across = layer.windows(size, "yx")
        return self._bare[level - 1].on(
            _window(below, low, down.reads(*rows), across.reads(0, across.length), size, layer.border), dtype
        )

    @cached_property
    def _bare(self) -> list[_Bare]:
        return [_Bare(layer) for layer in self.layers]

    def factors(self, planes: Floats) -> Floats:
        """The mask among its planes, which may be changed."""
        from convcli.engine.activation import Curve

        Curve("sigmoid", planes[:0]).bend(planes)
        return planes


@record
class Supplied(Branch):
    """`count` planes that another layer of a network makes, a pixel for each output; their mask is one already."""

    layers: tuple[Dense, ...] = ()
    count: int

    @property
    def planes(self) -> int:
        return self.count

    @property
    def inputs(self) -> int:
        return self.count

    @property
    def weight_count(self) -> int:
        return 0

    @property
    def bias_count(self) -> int:
        return 0

    def __str__(self) -> str:
        return f"{self.count} planes of another layer"

    def check_fit(self, channels: int, size: tuple[int, int], outputs: tuple[int, int], name: str) -> None:
        if (channels, size) != (self.count, outputs):
            has, needed = ("x".join(map(str, shape)) for shape in ((*size, channels), (*outputs, self.count)))
            raise ShapeError(f"{name} is {has}; {needed} are needed")

    def predicted(self, picture: Array, rows: tuple[int, int], white: float, dtype: DTypeLike) -> Floats:
        return np.array(np.moveaxis(picture[slice(*rows)], -1, 0), dtype, order="C")

    def factors(self, planes: Floats) -> Floats:
        return planes


def _hull(layer: Dense, start: int, stop: int, size: tuple[int, int]) -> tuple[int, int]:
    """The rows of a layer's input between which all lie that some of its outputs follow from; at least one."""
    ranges = borders.rows_behind(*layer.rows_read(start, stop, size), size[0], layer.border)
    return (min(a for a, _ in ranges), max(b for _, b in ranges)) if ranges else (0, 1)


def _window(
    rows: Floats, low: int, down: tuple[int, int], across: tuple[int, int], size: tuple[int, int], border: str
) -> Floats:
    """The window `down` and `across` of an array of a `size` of which only `rows`, from `low` on, are there."""
    if low <= down[0] and down[1] <= low + len(rows):
        rows = rows[down[0] - low : down[1] - low]
    else:
        places = borders.source_indices(np.arange(*down), size[0], border)
        outside = rows.dtype.type(constant(border) or 0)
        rows = np.where((places < 0)[:, None, None], outside, rows[np.maximum(places - low, 0)])
    return borders.read_window(rows, [(0, len(rows)), across], border, rows.dtype)


class _Bare:
    """A layer without padding, for windows that have it already."""

    def __init__(self, layer: Dense) -> None:
        self._kernel = layer.replace(padding=((0, 0), (0, 0)))

    def on(self, window: Floats, dtype: DTypeLike) -> Floats:
        """Within the thread that asks: others are at work on other windows."""
        kernel = self._kernel
        out: Floats = np.empty((*kernel.output_shape(window.shape[:2], "yx"), kernel.weights.shape[0]), dtype)
        with memory.scratch_space():
            cuts = kernel.cuts(window, "yx", np.dtype(dtype), engine.Sink(out), Constraints(plain=True))
            for cut in cuts.cuts:
                cuts.work(cut)
        return out
