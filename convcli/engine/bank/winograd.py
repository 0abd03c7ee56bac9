"""3x3 filter banks by Winograd's minimal filtering: F(4x4, 3x3) makes 16 outputs by 36 products instead of 144.

A tile of 6x6 samples is transformed to 36 values, the channels are mixed by one matrix product per value, and 36 sums
are transformed back to 4x4 outputs. The transforms are matrix products too, of 36x36 and 16x36, for all tiles and
channels. Tiles are copied as pixels, all channels of a sample in one piece: planes are turned first. F(2x2, 3x3) has 16
products for 4 outputs, and weights of 16 values instead of 36: small maps of many channels mostly read those.

Lavin & Gray 2015, arXiv:1509.09308; the points 0, +-sqrt(1/2), +-sqrt(2) and infinity round least (Barabasz et al.
2020, arXiv:1803.10986): errors are 1e-6 of the largest output in float32, with 0, +-1 and infinity a third of that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from convcli.engine.bank.layouts import part, part_to, pixels
from convcli.engine.dtypes import channels_last
from convcli.engine.memory import prepared, scratch

if TYPE_CHECKING:
    import numpy.typing as npt

    from convcli.engine.dtypes import Array, DTypeLike, Floats

TAPS = 3
#: Outputs of a tile along an axis, and the finite points of its polynomials.
POINTS = {2: (0.0, 1.0, -1.0), 4: (0.0, 0.5**0.5, -(0.5**0.5), 2**0.5, -(2**0.5))}
#: Bytes of the values of all tiles that go through the products together: few calls, within reach of the cache.
TILES_BYTES = 5 << 19
#: The work of a product, in multiply-adds, up to which OpenBLAS does not rearrange its operands, and the least tiles
#: that are worth it.
UNPACKED, LEAST_TILES = 1_000_000, 64
#: Samples between the values of one place in the tiles and the next: else they lie a power of two apart, and evict one
#: another from the cache.
APART = 16


def transforms(step: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """`(backward, filters, samples)`: `y = backward @ ((filters @ w) * (samples @ x))` for `step` outputs and 3 taps.

    By Toom and Cook: polynomials are multiplied by their values at points and their leading coefficients.
    """
    points = np.array(POINTS[step])
    side = len(points) + 1
    backward, filters, samples = np.zeros((step, side)), np.zeros((side, TAPS)), np.zeros((side, side))
    for i, point in enumerate(points):
        others = np.delete(points, i)
        filters[i] = point ** np.arange(TAPS) / np.prod(point - others)
        backward[:, i] = point ** np.arange(step)
        samples[i, : side - 1] = np.poly(others)[::-1]
    filters[-1, -1] = backward[-1, -1] = 1
    samples[-1] = np.poly(points)[::-1]
    return backward, filters, samples


@lru_cache(maxsize=4)
def _planar(step: int, dtype: str) -> tuple[Floats, Floats]:
    """The transforms of samples and of sums over both axes, 36x36 and 16x36 for 4 outputs a side."""
    backward, _, samples = transforms(step)
    return np.kron(samples, samples).astype(dtype), np.kron(backward, backward).astype(dtype)


def transformed(weights: Floats, step: int) -> Floats:
    """`(36, in, out)` of a bank `(out, in, 3, 3)` for tiles of 4 outputs a side, `(16, in, out)` of 2."""
    _, filters, _ = transforms(step)
    taps = weights.transpose(2, 3, 1, 0).reshape(TAPS * TAPS, -1).astype(np.float64)
    spectra = (np.kron(filters, filters) @ taps).astype(weights.dtype)
    return spectra.reshape(-1, weights.shape[1], weights.shape[0])


def multiply_tiles(
    x: Array, spectra: Floats, dilation: Sequence[int], y: Floats, first: tuple[int, int] = (0, 0)
) -> None:
    """Fills `y` `(height, width, out)` from `x` `(*spatial, channels)`, which the first output reads from `first` on;
    beyond it there are zeros. Finite samples only.

    Either lies as planes or as pixels. The samples of a tile are a dilation apart; the tiles between them are others.
    Of tiles that are too many for the caches each phase is made by itself: where `is_by_phases`, `first` is 0.
    """
    (height, width, outputs), (places, channels, _) = y.shape, spectra.shape
    step, (apart, beside) = math.isqrt(places) - TAPS + 1, dilation
    across, high = -(-width // (step * beside)), -(-height // (step * apart))
    most, phases, small = _most(spectra), apart * beside, UNPACKED // (channels * outputs)
    if is_by_phases(spectra, dilation, width):
        _by_phases(x, spectra, dilation, y)
        return
    down = max(1, (min(most, small) if small >= LEAST_TILES else most) // (across * phases))
    # Even shares.
    down = -(-high // -(-high // down))
    for top in range(0, high, down):
        size = (min(down, high - top), across, channels, outputs)
        room = prepared((Room, *size, step, *dilation, y.dtype), partial(Room, size, step, tuple(dilation), y.dtype))
        start, stop = top * step * apart, (top + size[0]) * step * apart
        room.fill(x, spectra, y[start:stop], (first[0] + start, first[1]))


def is_by_phases(spectra: Floats, dilation: Sequence[int], width: int) -> bool:
    """Whether a row of tiles of all phases of a dilation is more than the caches hold."""
    phases, step = math.prod(dilation), math.isqrt(len(spectra)) - TAPS + 1
    return phases > 1 and -(-width // (step * dilation[1])) * phases > _most(spectra)


def _most(spectra: Floats) -> int:
    """Tiles whose values the caches hold."""
    places, *channels = spectra.shape
    size: int = places * max(channels) * spectra.itemsize
    return max(1, TILES_BYTES // size)


def _by_phases(x: Array, spectra: Floats, dilation: Sequence[int], y: Floats) -> None:
    """The same, each phase of the dilation by itself: where the tiles of all are too many."""
    x, turned = pixels(x), y.strides[2] != y.itemsize
    target = scratch("phases", y.shape, y.dtype) if turned else y
    for down, across in np.ndindex(min(dilation[0], y.shape[0]), min(dilation[1], y.shape[1])):
        own = slice(down, None, dilation[0]), slice(across, None, dilation[1])
        multiply_tiles(x[own], spectra, (1, 1), target[own])
    if turned:
        part_to(target, y)


class Room:
    """Where some tiles are transformed, mixed and put together: views of scratch arrays.

    Of each phase of the dilation there are `(rows, across)` tiles; the rest of `size` are channels and outputs.
    """

    def __init__(
        self, size: tuple[int, int, int, int], step: int, dilation: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        rows, across, channels, outputs = size
        side, (apart, beside) = step + TAPS - 1, dilation
        grid, tiles = (*dilation, rows, across), math.prod(dilation) * rows * across
        high, wide = rows * step * apart, across * step * beside
        self._into, self._back = _planar(step, dtype.str)
        self.whole = scratch("whole tiles", (high + (TAPS - 1) * apart, wide + (TAPS - 1) * beside, channels), dtype)
        row, pixel, sample = self.whole.strides
        steps = (apart * row, beside * pixel, row, pixel, step * apart * row, step * beside * pixel, sample)
        self._read: Floats = np.ndarray((side, side, *grid, channels), dtype, self.whole, 0, steps)
        # What was read last is done with: its place is the next results', and in the cache.
        samples, values = (_places(name, side**2, tiles * channels, dtype) for name in ("tiles", "values"))
        sums, results = (
            _places("tiles", side**2, tiles * outputs, dtype), _places("values", step**2, tiles * outputs, dtype)
        )  # fmt: skip
        self._samples, self._values = samples.reshape(self._read.shape), values.reshape(-1, tiles, channels)
        self._sums = sums.reshape(-1, tiles, outputs)
        self._results = results.reshape(step, step, *grid, outputs).transpose(4, 0, 2, 5, 1, 3, 6)
        self._there, self._again = _parts(self._into, samples, values), _parts(self._back, sums, results)
        self.merged = scratch("merged", (high, wide, outputs), dtype)

    def fill(self, x: Array, spectra: Floats, y: Floats, first: tuple[int, int]) -> None:
        """Fills `y` `(height, width, out)` from `x` from sample `first` on; tiles may reach beyond either."""
        self._take(x, *first)
        np.copyto(self._samples, self._read)
        np.matmul(self._into, self._there[0], out=self._there[1])
        np.matmul(self._values, spectra, out=self._sums)
        np.matmul(self._back, self._again[0], out=self._again[1])
        self._put(y)

    def _take(self, x: Array, top: int, left: int) -> None:
        """Copies pixels, or planes; what tiles read beyond them is 0."""
        whole, (high, wide) = self.whole, self.whole.shape[:2]
        start, stop = min(max(0, -top), high), max(0, min(high, len(x) - top))
        begin, end = min(max(0, -left), wide), max(0, min(wide, x.shape[1] - left))
        whole[:start], whole[stop:], whole[:, :begin], whole[:, end:] = 0, 0, 0, 0
        if start < stop and begin < end:
            x = x[top + start : top + stop]
            x = x if x.strides[2] == x.itemsize else pixels(x)
            whole[start:stop, begin:end] = x[:, left + begin : left + end]

    def _put(self, y: Floats) -> None:
        """Puts tiles together."""
        (height, width), merged, turned = y.shape[:2], self.merged, y.strides[2] != y.itemsize
        direct = not turned and (height, width) == merged.shape[:2]
        np.copyto((y if direct else merged).reshape(self._results.shape), self._results)
        if turned and width == merged.shape[1]:
            part_to(merged[:height], y)
        elif not direct:
            merged = channels_last(part(merged, "turned")) if turned else merged
            np.copyto(y, merged[:height, :width])


def _places(name: str, places: int, size: int, dtype: DTypeLike) -> Floats:
    """`(places, size)` in the scratch array `name`."""
    return scratch(name, (places, size + APART), dtype)[:, :size]


def _parts(matrix: Floats, values: Floats, results: Floats) -> tuple[Floats, Floats]:
    """`values` and `results` `(places, size)` of a product with `matrix`, in parts that OpenBLAS need not rearrange."""
    size = values.shape[1]
    count = -(-size * matrix.size // UNPACKED)
    while size % count:
        count += 1
    first, second = (places.reshape(len(places), count, -1).swapaxes(0, 1) for places in (values, results))
    return first, second
