"""Pictures treated in float64, from what docs/apply.md says of ranges, alpha, light and channels.

Nothing here imports convcli: the two share no code, so that they cannot share a mistake. Convolutions are
scipy.ndimage's. A further kind of picture is a row of `KINDS`; what its channels mean is said by `Kind` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy import ndimage

Array = np.ndarray[Any, Any]

MODES = {"reflect": "mirror", "symmetric": "reflect", "replicate": "nearest", "wrap": "grid-wrap", "zero": "constant"}
LUMA = (0.299, 0.587, 0.114)
#: Less of full opacity than this counts as none.
HIDDEN = 1e-4
#: Roundings of the largest possible sum that a computation may be off by.
ERROR = 16


class RefusedError(Exception):
    """What is to be refused, as "usage" or as "shape"."""


@dataclass(frozen=True)
class Kind:
    """What the channels of a picture are: 1 (grey) or 3 colours, and alpha, or none.

    `alpha` says how much of it there is: "opaque", "half" (the same everywhere), "partly" (everything from none to
    full), or "hidden" (none in large parts, under which there is another colour).
    """

    colours: int
    alpha: str = ""

    @property
    def channels(self) -> int:
        return self.colours + bool(self.alpha)

    def picture(self, dtype: str, seed: int) -> Array:
        """A picture 24 high and 31 wide with every value of its `dtype` from black to white."""
        random, top = np.random.default_rng(seed), white(dtype)
        shares = random.random((24, 31, self.channels))
        shares[:4], shares[4:6] = random.integers(0, 2, (4, 31, self.channels)), 0.5  # hard edges, flat areas
        if self.alpha == "opaque":
            shares[..., -1] = 1
        elif self.alpha == "half":
            shares[..., -1] = 0.5
        elif self.alpha == "hidden":
            shares[..., -1] = random.random((24, 31)) < 0.7
            shares[5:18, 8:24, -1] = 0
        return shares.astype(dtype) if top == 1 else np.rint(shares * top).astype(dtype)


KINDS = {
    "grey": Kind(1), "grey+alpha": Kind(1, "partly"), "grey+hidden": Kind(1, "hidden"), "rgb": Kind(3),
    "opaque": Kind(3, "opaque"), "half": Kind(3, "half"), "partly": Kind(3, "partly"), "hidden": Kind(3, "hidden"),
}  # fmt: skip


@dataclass(frozen=True)
class Filter:
    """A kernel of the rank of a picture, or a bank (out, in, taps, taps); or a function that enlarges by 2."""

    weights: Array
    stride: int = 1
    border: str = "reflect"
    bias: float = 0.0
    enlarge: Callable[[Array, str], Array] | None = None

    @property
    def expected(self) -> int | None:
        """The channels that it takes; None where it runs on every channel alone."""
        return self.weights.shape[1] if self.weights.ndim == 4 else None

    @property
    def gain(self) -> float:
        """The largest result for samples up to 1."""
        if self.enlarge:
            return 1.0
        outputs = 1 if self.expected is None else len(self.weights)
        return float(abs(self.weights).reshape(outputs, -1).sum(-1).max())

    @property
    def bare(self) -> Filter:
        return replace(self, bias=0.0)

    def size(self, height: int, width: int) -> tuple[int, int]:
        if self.enlarge:
            return 2 * height, 2 * width
        return -(-height // self.stride), -(-width // self.stride)

    def __call__(self, x: Array) -> Array:
        """`(height, width, channels)`, filtered."""
        planes = np.moveaxis(x, -1, 0)
        if self.enlarge:
            results = [self.enlarge(plane, MODES[self.border]) for plane in planes]
        elif self.expected is None:
            results = [self._plane(plane, self.weights) for plane in planes]
        else:
            results = [sum(map(self._plane, planes, weights)) for weights in self.weights]
        return np.stack(results, -1) + self.bias

    def _plane(self, plane: Array, weights: Array) -> Array:
        full: Array = ndimage.correlate(plane, weights, mode=MODES[self.border])  # type: ignore[arg-type]
        return full[:: self.stride, :: self.stride]

    def coverage(self) -> Filter:
        """The kernel that alpha gets: of one channel, ones stay ones; magnitudes where the weights sum to 0."""
        if self.enlarge:
            return self.bare
        weights = self.weights if self.expected is None else abs(self.weights).mean((0, 1))
        if abs(weights.sum()) < 1e-3 * abs(weights).sum():
            weights = abs(weights)
        return replace(self.bare, weights=weights / weights.sum())


def bilinear(plane: Array, mode: str) -> Array:
    """Twice as large: every new sample lies a quarter of a pixel from an old one."""
    for axis in (0, 1):
        before, after = (ndimage.correlate1d(plane, taps, axis, mode=mode) for taps in ((1, 3, 0), (0, 3, 1)))
        plane = (
            np.stack((before, after), axis + 1).reshape([n * (1 + (a == axis)) for a, n in enumerate(plane.shape)]) / 4
        )
    return plane


@dataclass(frozen=True)
class Asked:
    """What is asked for, in the words of the command line."""

    channels: str = "all"
    alpha: str = "filter"
    background: tuple[float, float, float] | None = None
    linear: bool = False
    range: str = "clip"

    def check(self) -> None:
        names = self.channels.split(",")
        contradictions = (
            len(names) > 1 and {"all", "luma"} & set(names),
            self.linear and "luma" in names,
            "alpha" in names and self.alpha != "filter",
            self.background is not None and self.alpha != "filter",
        )
        if any(contradictions):
            raise RefusedError("usage")


@dataclass
class Expected:
    """A picture before it is rounded and cut off, `errors` being how far from it what is rounded may be."""

    values: Array
    errors: Array
    dtype: np.dtype[Any]
    #: The channels that are to be the input's to the last bit, by their places in both.
    untouched: list[tuple[int, int]] = field(default_factory=list)


def white(dtype: str | np.dtype[Any]) -> float:
    return 1.0 if np.dtype(dtype).kind == "f" else float(np.iinfo(dtype).max)


def decoded(v: Array) -> Array:
    """IEC 61966-2-1."""
    light = np.where(abs(v) <= 0.04045, abs(v) / 12.92, ((abs(v) + 0.055) / 1.055) ** 2.4)
    return np.copysign(light, v)


def encoded(v: Array) -> Array:
    curve = np.where(abs(v) <= 0.0031308, 12.92 * abs(v), 1.055 * abs(v) ** (1 / 2.4) - 0.055)
    return np.copysign(curve, v)


def treat(pixels: Array, kind: Kind, chain: Sequence[Filter], asked: Asked) -> Expected:
    """The picture that is to come out. Raises RefusedError."""
    asked.check()
    top = white(pixels.dtype)
    light = asked.linear and pixels.dtype.kind != "f"
    values = pixels.astype(np.float64) / top
    colours, alpha = values[..., : kind.colours], values[..., kind.colours :]
    if asked.alpha == "drop":
        alpha = alpha[..., :0]
    if light:
        colours = decoded(colours)
    if asked.background and alpha.size:
        colours, alpha = _laid_over(colours, alpha, asked.background, light), alpha[..., :0]
    places = _picked(asked.channels, colours, alpha)
    entering = _luma(colours) if asked.channels == "luma" else colours[..., places] if places else colours
    whole = asked.channels == "all" or (asked.channels == "luma" and colours.shape[-1] == 1)
    if whole and colours.shape[-1] == 1 and chain[0].expected == 3:
        entering = np.repeat(colours, 3, -1)
    results, share = _filtered(entering, alpha, chain, top)
    stays = bool(alpha.size) and (asked.alpha == "keep" or (asked.channels != "all" and "alpha" not in asked.channels))
    if (stays or not whole) and results.shape[:2] != pixels.shape[:2]:
        raise RefusedError("shape")
    if not whole and results.shape != entering.shape:
        raise RefusedError("shape")
    if whole and alpha.size and results.shape[-1] not in (1, 3):
        raise RefusedError("shape")
    errors = _errors(pixels.dtype, chain, share, light) * (1 + abs(results).max())
    ranged, stretch = _ranged(encoded(results) if light else results, asked.range, pixels.dtype)
    if light:
        colours = encoded(colours)
    if whole:
        colours = ranged
    elif asked.channels == "luma":
        colours = colours + ranged - entering
    else:
        colours = colours.copy()
        colours[..., places] = ranged[..., : len(places)]
    picture = Expected(colours * top, np.broadcast_to(errors * stretch * top, colours.shape), pixels.dtype)
    if not whole and asked.channels != "luma" and not (asked.background and kind.alpha):
        picture.untouched = [(c, c) for c in range(kind.colours) if c not in places]
    if alpha.size:
        _add_alpha(picture, alpha if stays else np.clip(share, 0, 1), top, stays=stays)
    if asked.range == "float" and pixels.dtype.kind != "f":
        picture.dtype = np.dtype(np.float32)
        picture.errors = picture.errors + 2.0**-24 * abs(picture.values)
    return picture


def _laid_over(colours: Array, alpha: Array, background: Sequence[float], light: bool) -> Array:
    under = np.array(background)
    if light:
        under = decoded(under)
    if colours.shape[-1] == 1 and len(set(background)) == 1:
        under = under[:1]
    return colours * alpha + under * (1 - alpha)


def _picked(channels: str, colours: Array, alpha: Array) -> list[int]:
    """The places of the colours that enter; all of them where none is named, `alpha` alone included."""
    names = channels.split(",")
    if ("alpha" in names and not alpha.size) or (set(names) & set("rgb") and colours.shape[-1] == 1):
        raise RefusedError("shape")
    return ["rgb".index(name) for name in names if name in "rgb"]


def _luma(colours: Array) -> Array:
    return colours if colours.shape[-1] == 1 else (colours * LUMA).sum(-1, keepdims=True)


def _filtered(x: Array, alpha: Array, chain: Sequence[Filter], top: float) -> tuple[Array, Array]:
    """Colours through the chain weighted by alpha, as they are where nothing is left of it; and the filtered alpha."""
    straight, share = x, alpha if alpha.size else np.ones((*x.shape[:2], 1))
    premultiplied = x * share
    for kernel in chain:
        if kernel.expected not in (None, straight.shape[-1]):
            raise RefusedError("shape")
        kernel = replace(kernel, bias=kernel.bias / top)
        straight = kernel(straight)
        premultiplied, share = kernel.bare(premultiplied), kernel.coverage()(share) if alpha.size else share
        if not alpha.size:
            share = np.ones((*straight.shape[:2], 1))
        premultiplied = premultiplied + kernel.bias * share
    displayed = share > HIDDEN
    return np.where(displayed, premultiplied / np.where(displayed, share, 1), straight), share


def _ranged(y: Array, mode: str, dtype: np.dtype[Any]) -> tuple[Array, float]:
    """What is kept of results in units of white, and by how much errors grow."""
    if mode == "abs":
        return abs(y), 1
    if mode == "offset":
        info = None if dtype.kind == "f" else np.iinfo(dtype)
        return y + ((int(info.max) + int(info.min) + 1) / 2 / info.max if info else 0.5), 1
    if mode == "rescale":
        height = float(np.ptp(y))
        return (y - y.min()) / (height or 1), 3 / (height or 1)
    return y, 1


def _errors(dtype: np.dtype[Any], chain: Sequence[Filter], share: Array, light: bool) -> Array:
    """How far from the exact result computation may be, in units of white: some ulps of the largest possible sum."""
    narrow = dtype.itemsize <= 2 or dtype == np.float32
    gain = np.prod([max(1.0, kernel.gain) for kernel in chain])
    slope = 12.92 if light else 1.0
    errors: Array = ERROR * (2.0**-24 if narrow else 2.0**-53) * gain * slope / np.where(share > HIDDEN, share, 1)
    return errors


def _add_alpha(picture: Expected, alpha: Array, top: float, *, stays: bool) -> None:
    if stays:
        picture.untouched.append((picture.values.shape[-1], -1))
    errors = np.full_like(alpha, ERROR * 2.0**-24 * top)
    picture.values = np.concatenate((picture.values, alpha * top), -1)
    picture.errors = np.concatenate((picture.errors, errors), -1)
