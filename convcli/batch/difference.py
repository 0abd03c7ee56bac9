"""How two pictures or arrays differ, sample by sample, and the pairs of two folders."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from convcli.batch.names import finding, inputs
from convcli.errors import ImageError, UsageError, reason
from convcli.records import late, record

if TYPE_CHECKING:
    import numpy as np

    from convcli.engine.dtypes import Array
else:
    np = late("numpy")

#: Samples of a band: differences are made of so many at once.
_BAND: Final = 1 << 20
#: Endings of the arrays that are paired in folders, beside those of pictures.
ARRAYS: Final = (".npy", ".npz")


@record(eq=False)
class Samples:
    """What was read of a file: `array` (height, width, channels) of a picture, or of any shape; `kind` in words."""

    name: str
    array: Array
    kind: str
    channels: tuple[str, ...]


@record
class Difference:
    """How much two arrays of numbers differ, all of it or one channel.

    `largest` is the greatest |a - b|, `at` its place by axes; `mean` and `rmse` are its mean and root mean square, in
    the units of the samples; `psnr_db` is 20 log10(peak / rmse), infinite for equal ones. `beyond` samples of `samples`
    differ by more than the tolerance. Samples that are NaN in both are equal; those that are in one alone
    (`nan_in_one`) are beyond every tolerance and in no mean.
    """

    samples: int
    largest: float
    at: tuple[int, ...]
    mean: float
    rmse: float
    peak: float
    beyond: int
    nan_in_one: int

    @property
    def psnr_db(self) -> float:
        if self.rmse in (0, math.inf):
            return math.inf if self.rmse == 0 else -math.inf
        return 20 * math.log10(self.peak / self.rmse)


def read(name: str, *, max_pixels: int) -> Samples:
    """The samples of a picture, of an array file, or of stdin (-). Raises ImageError."""
    from convcli.pictures import reading

    place = "stdin" if name == inputs.STANDARD else name
    inputs.check_input(name)
    data = inputs.read_input(name, max_pixels)
    if data.startswith(inputs.ARRAYS):
        from convcli.files import npy

        array = npy.read_npy(data, place=place)
        if not array.size:
            raise ImageError(f"an array of shape {array.shape} holds no samples", place=place)
        shape = "x".join(map(str, array.shape))
        return Samples(name=place, array=array, kind=f"an array {shape} {array.dtype}", channels=())
    picture = reading.decode(data, place=place, max_pixels=max_pixels)
    height, width = picture.pixels.shape[:2]
    kind = f"{width} x {height} {picture.channels} {picture.pixels.dtype}"
    return Samples(name=place, array=picture.pixels, kind=kind, channels=_names(picture.channels))


def _names(channels: Any) -> tuple[str, ...]:
    colours = ("r", "g", "b") if channels.colours == 3 else ("grey",)
    if channels.alpha:
        return (*colours, "alpha")
    return colours if channels.count == len(colours) else tuple(str(number) for number in range(channels.count))


def check(left: Samples, right: Samples) -> None:
    """Raise ImageError where sizes, channels or dtypes differ: then there are no samples to compare."""
    if (left.array.shape, left.array.dtype, left.channels) != (right.array.shape, right.array.dtype, right.channels):
        raise ImageError(f"{left.name} is {left.kind}, {right.name} is {right.kind}")


def peak_of(dtype: Any) -> float:
    """White: the largest number of an integer dtype, 1 of floats and booleans."""
    return float(np.iinfo(dtype).max) if np.dtype(dtype).kind in "iu" else 1.0


def difference(left: Array, right: Array, *, tolerance: float, peak: float) -> list[Difference]:
    """How two arrays (..., channels) of one shape differ: in all, and each channel alone.

    It takes the memory of some rows beside the arrays. Source: the definitions of mean absolute error, RMSE and PSNR.
    """
    channels = left.shape[-1]
    a, b = left.reshape(-1, channels), right.reshape(-1, channels)
    sums, squares = np.zeros(channels), np.zeros(channels)
    beyond, nans, places = (np.zeros(channels, np.int64) for _ in range(3))
    largest = np.full(channels, -1.0)
    step = max(_BAND // max(channels, 1), 1)
    for start in range(0, len(a), step):
        apart = distance(a[start : start + step], b[start : start + step])
        odd = np.isnan(apart)
        nans += odd.sum(axis=0)
        beyond += (odd | (apart > tolerance)).sum(axis=0)
        apart[odd] = 0
        sums += apart.sum(axis=0)
        squares += np.square(apart).sum(axis=0)
        rows = apart.argmax(axis=0)
        most = apart[rows, np.arange(channels)]
        places = np.where(most > largest, start + rows, places)
        largest = np.maximum(most, largest)
    count = len(a) - nans

    def one(chosen: list[int]) -> Difference:
        most = max(chosen, key=lambda channel: largest[channel])
        total = int(count[chosen].sum())
        return Difference(
            samples=len(a) * len(chosen), largest=max(float(largest[most]), 0.0),
            at=tuple(int(n) for n in np.unravel_index(places[most] * channels + most, left.shape)),
            mean=float(sums[chosen].sum() / total) if total else 0.0,
            rmse=math.sqrt(squares[chosen].sum() / total) if total else 0.0,
            peak=peak, beyond=int(beyond[chosen].sum()), nan_in_one=int(nans[chosen].sum()),
        )  # fmt: skip

    return [one(list(range(channels))), *(one([channel]) for channel in range(channels))]


def distance(a: Array, b: Array) -> Array:
    """|a - b| in float64: 0 where both are NaN or the same infinity, NaN where one alone is NaN."""
    if a.dtype.kind in "iu":
        # Exact also beyond 2^53; of signed numbers the difference wraps, and is right without a sign.
        return (np.maximum(a, b) - np.minimum(a, b)).view(f"u{a.dtype.itemsize}").astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(a.astype(np.float64) - b.astype(np.float64))
    apart[(a == b) | (np.isnan(a) & np.isnan(b))] = 0
    return apart


def drawn(left: Samples, right: Samples, largest: float) -> Array:
    """|a - b| as pixels (height, width, 1 or 3) of 8 bits, the largest difference being white.

    Of channels beside the colours, the greatest is in all. Raises ImageError for arrays that are no pictures.
    """
    if left.array.ndim not in (2, 3):
        raise ImageError(f"a difference of {left.kind} is no picture", hint="arrays of rows and columns are drawn")
    shape = left.array.shape if left.array.ndim == 3 else (*left.array.shape, 1)
    a, b = left.array.reshape(shape), right.array.reshape(shape)
    colours = 3 if left.channels[:3] == ("r", "g", "b") or (not left.channels and shape[2] == 3) else 1
    pixels = np.zeros((*shape[:2], colours), np.uint8)
    rows = max(_BAND // max(shape[1] * shape[2], 1), 1)
    for start in range(0, shape[0], rows):
        apart = distance(a[start : start + rows], b[start : start + rows])
        shares = np.where(np.isnan(apart), 1, apart / largest if 0 < largest < math.inf else apart > 0)
        beside = shares[..., colours:].max(axis=2, keepdims=True, initial=0)
        pixels[start : start + rows] = np.rint(255 * np.maximum(shares[..., :colours], beside))
    return pixels


def pairs(left: str, right: str) -> Iterator[tuple[str, str, str]]:
    """The files below two folders that have one name: that, and their paths; one that the other lacks is empty."""
    several = [_below(folder) for folder in (left, right)]
    if not (several[0] or several[1]):
        raise ImageError("no picture and no array is in either folder", place=f"{left}, {right}")
    for name in sorted({*several[0], *several[1]}, key=finding.natural):
        yield name, several[0].get(name, ""), several[1].get(name, "")


def _below(folder: str) -> dict[str, str]:
    """The pictures and arrays below a folder, by their paths in it."""
    from convcli.pictures.registry import FORMATS

    endings = {*ARRAYS, *(ending for row in FORMATS.values() if row.decode for ending in row.extensions)}
    listed: dict[str, str] = {}

    def refuse(error: OSError) -> None:
        raise ImageError(reason(error), place=str(error.filename)) from error

    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            ending = os.path.splitext(name)[1].lower()
            if not name.startswith(".") and ending in endings:
                path = os.path.join(place, name)
                listed[os.path.relpath(path, folder)] = path
    return listed


def tolerance_of(text: str, peak: float) -> float:
    """A tolerance as written, in samples or in % of white. Raises UsageError."""
    number = text.strip().removesuffix("%")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise UsageError(f"--tolerance {text} is no number from 0 on", hint="--tolerance 2, or --tolerance 1%")
    return value * peak / 100 if text.strip().endswith("%") else value
