"""What samples are: the float type they are filtered in, their limits, how they lie in memory; signatures of inputs."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

if TYPE_CHECKING:
    # For annotations alone: at run time `numpy.typing` would only take time.
    from numpy.typing import ArrayLike as ArrayLike, DTypeLike as DTypeLike, NDArray

    Array = NDArray[Any]
    Floats = NDArray[np.floating[Any]]


def work_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """The float dtype in which samples of `dtype` are filtered: one that holds each of them exactly."""
    kind = np.dtype(dtype)
    exact_in_float32 = kind.itemsize <= 2 or (kind.kind == "f" and kind.itemsize == 4)
    return np.dtype(np.float32 if exact_in_float32 else np.float64)


def limits(dtype: DTypeLike) -> tuple[float, float]:
    """The least and greatest number an array of `dtype` keeps; infinite for floats."""
    return _limits(np.dtype(dtype))


@cache
def _limits(dtype: np.dtype[Any]) -> tuple[float, float]:
    if dtype.kind == "b":
        return 0, 1
    if dtype.kind == "f":
        return -np.inf, np.inf
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


@cache
def dtype_name(dtype: np.dtype[Any] | str) -> str:
    """As `str` gives it: "uint8". numpy makes it anew each time, which takes as long as opening a file."""
    return str(dtype)


def planar(x: Array) -> bool:
    """Whether the channels of `(*spatial, channels)` lie as planes, as networks keep them: each one row after row."""
    if x.ndim < 3 or x.shape[-1] == 1:
        return False
    whole = x.shape[0] * x.strides[0]
    return x[..., 0].flags.c_contiguous and x.strides[-1] >= whole


def channels_first(x: Array) -> Array:
    """`(*spatial, channels)` as `(channels, *spatial)`: a view. `numpy.moveaxis` takes ten times as long."""
    return x.transpose(-1, *range(x.ndim - 1))


def channels_last(planes: Array) -> Array:
    """`(channels, *spatial)` as `(*spatial, channels)`: a view."""
    return planes.transpose(*range(1, planes.ndim), 0)


def settled(x: Array) -> Array:
    """`x` itself where it lies pixel after pixel or as planes, else a copy that does.

    So the same numbers take the same way through the engine, and give the same result to the last bit.
    """
    plain = x.flags.c_contiguous or planar(x)
    return x if plain and x.flags.aligned else np.ascontiguousarray(x)


def copy_pixels(target: Array, source: Array) -> None:
    """`numpy.copyto` of `(..., channels)`: pixels that don't lie side by side move whole, in a quarter of the time."""
    size, channels = source.itemsize, source.shape[-1]
    if channels > 1 and target.strides[-1] == source.strides[-1] == size and target.dtype == source.dtype:
        kind = np.dtype((np.void, channels * size))
        target, source = target.view(kind), source.view(kind)
    np.copyto(target, source)


def rectify(x: Floats) -> Floats:
    """`max(x, 0)`, in place; a NaN stays one.

    numpy's `clip` takes several samples at a time, its `maximum` with one number a single one.
    """
    return x.clip(0, np.inf, out=x)


def per_channel(band: Floats, numbers: Floats, *, planes: bool = False) -> tuple[Floats, Floats]:
    """A view of `band` and one number, or one per channel, in shapes that fit each other.

    Where pixels lie one after the other, a row of them is taken at once: numpy is slow where the innermost axis is few
    channels long. `planes`: the channels are the first of three axes.
    """
    if numbers.size == 1:
        return band, numbers
    if planes:
        return band, numbers[:, None, None]
    if band.flags.c_contiguous and band.ndim > 1:
        numbers = np.tile(numbers, band.shape[-2])
        return band.reshape(-1, numbers.size), numbers
    return band, numbers


#: `call(x, out)`: all of a result, see `Signature`.
Call: TypeAlias = "Callable[[Array, Array | None], Array]"


class Signature(NamedTuple):
    """An input `(*spatial, channels)` of `shape` and `dtype`, spatial in the order of `axes`, whose channels lie as
    `planes` or pixel by pixel; `work` is the dtype of the arithmetic, `algorithm` the one that is asked for.

    A `Call` for it makes all of the result `(*lengths, channels out)` in `work` at once, by plain calls of a library,
    without threads of ours or bands: in `out`, laid out as the input is, or else in an array of scratch. A `native` one
    makes it in the dtype of the input, always in `out`: the nearest to sums in floats, and, where it is to be `exact`,
    to the last bit what rounding the floats of other calls makes of them. Where nothing else runs the library's own
    threads may be in it: `threaded`.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    axes: str
    planes: bool
    work: DTypeLike
    algorithm: str | None = None
    native: bool = False
    exact: bool = True
    threaded: bool = False

    @classmethod
    def of(cls, x: Array, axes: str, work: DTypeLike, algorithm: str | None = None) -> Signature:
        return cls(shape=x.shape, dtype=x.dtype, axes=axes, planes=planar(x), work=work, algorithm=algorithm)
