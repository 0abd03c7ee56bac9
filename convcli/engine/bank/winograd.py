"""3x3 filter banks by Winograd's minimal filtering F(4x4, 3x3): 36 products for 16 outputs instead of 144.

A tile of 6x6 samples is transformed to 36 values, the channels are mixed by one matrix product per value, and 36 sums
are transformed back to 4x4 outputs. The transforms are matrix products too, of 36x36 and 16x36, for thousands of tiles
in one call.

Lavin & Gray 2015, arXiv:1509.09308; the points 0, +-sqrt(1/2), +-sqrt(2) and infinity round least (Barabasz et al.
2020, arXiv:1803.10986): errors are 1e-6 of the largest output in float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.lib.stride_tricks import as_strided

from convcli.engine.dtypes import channels_first
from convcli.engine.memory import scratch

if TYPE_CHECKING:
    import numpy.typing as npt

    from convcli.engine.dtypes import DTypeLike, Floats

TAPS = 3
#: Outputs and samples of a tile along an axis.
STEP = 4
SIDE = STEP + TAPS - 1
#: Bytes of the values of all tiles that go through the products together: few calls, within reach of the cache.
TILES_BYTES = 5 << 19
#: The work of a product, in multiply-adds, up to which OpenBLAS does not rearrange its operands, and the least tiles
#: that are worth it.
UNPACKED, LEAST_TILES = 1_000_000, 64
#: Samples between the values of one place in the tiles and the next: else they lie a power of two apart, and evict one
#: another from the cache.
APART = 16


@lru_cache(maxsize=1)
def transforms() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """`(backward, filters, samples)`: `y = backward @ ((filters @ w) * (samples @ x))` for 6 samples and 3 taps.

    By Toom and Cook: polynomials are multiplied by their values at 5 points and their leading coefficients.
    """
    points = np.array([0, 0.5**0.5, -(0.5**0.5), 2**0.5, -(2**0.5)])
    backward, filters, samples = np.zeros((STEP, SIDE)), np.zeros((SIDE, TAPS)), np.zeros((SIDE, SIDE))
    for i, point in enumerate(points):
        others = np.delete(points, i)
        filters[i] = point ** np.arange(TAPS) / np.prod(point - others)
        backward[:, i] = point ** np.arange(STEP)
        samples[i, : SIDE - 1] = np.poly(others)[::-1]
    filters[-1, -1] = backward[-1, -1] = 1
    samples[-1] = np.poly(points)[::-1]
    return backward, filters, samples


@lru_cache(maxsize=4)
def _planar(dtype: str) -> tuple[Floats, Floats]:
    """The transforms of samples (36x36) and of sums (16x36) over both axes; columns before rows on either side."""
    backward, _, samples = transforms()
    return np.kron(samples, samples).astype(dtype), np.kron(backward, backward).astype(dtype)


def transformed(weights: Floats) -> Floats:
    """`(36, out, in)` of a bank `(out, in, 3, 3)`, computed in float64."""
    _, filters, _ = transforms()
    both = np.kron(filters, filters)
    taps = weights.transpose(3, 2, 0, 1).reshape(TAPS * TAPS, -1).astype(np.float64)
    spectra = (both @ taps).astype(weights.dtype)
    return np.ascontiguousarray(spectra.reshape(SIDE * SIDE, *weights.shape[:2]))


def multiply_tiles(planes: Floats, spectra: Floats, dilation: Sequence[int], y: Floats) -> None:
    """Fills `y` `(height, width, out)` from `planes` `(channels, height + 2 d, width + 2 d)`; finite samples only.

    Every phase of a dilation is a bank of its own, without one.
    """
    down, across = dilation
    for phase in range(min(down, y.shape[0])):
        for other in range(min(across, y.shape[1])):
            _multiply(planes[:, phase::down, other::across], spectra, y[phase::down, other::across])


def _multiply(planes: Floats, spectra: Floats, y: Floats) -> None:
    """As `multiply_tiles`, of neighbouring taps."""
    height, width, outputs = y.shape
    across, high = -(-width // STEP), -(-height // STEP)
    channels = planes.shape[0]
    most = max(1, TILES_BYTES // (SIDE**2 * max(channels, outputs) * y.itemsize))
    small = UNPACKED // (channels * outputs)
    down = max(1, (min(most, small) if small >= LEAST_TILES else most) // across)
    # Even shares.
    down = -(-high // -(-high // down))
    by_planes = channels_first(y)
    into, back = _planar(y.dtype.str)
    for top in range(0, height, down * STEP):
        rows = min(down, -(-(height - top) // STEP))
        tiles = rows * across
        samples, values = (_places(name, SIDE**2, channels, tiles, y.dtype) for name in ("samples", "values"))
        sums, results = (
            _places("sums", SIDE**2, outputs, tiles, y.dtype),
            _places("results", STEP**2, outputs, tiles, y.dtype),
        )
        _gather(planes[:, top : top + rows * STEP + TAPS - 1], samples.reshape(SIDE, SIDE, channels, rows, across))
        # One product a channel: columns by the hundred are laid out for OpenBLAS faster than by the thousand.
        np.matmul(into, _by_channels(samples), out=_by_channels(values))
        np.matmul(spectra, values, out=sums)
        np.matmul(back, _by_channels(sums), out=_by_channels(results))
        _put(results.reshape(STEP, STEP, outputs, rows, across), by_planes[:, top : top + rows * STEP])


def _places(name: str, places: int, channels: int, tiles: int, dtype: DTypeLike) -> Floats:
    """`(places, channels, tiles)` in the scratch array `name`."""
    size = channels * tiles
    return scratch(name, (places, size + APART), dtype)[:, :size].reshape(places, channels, tiles)


def _by_channels(values: Floats) -> Floats:
    """`(places, channels, tiles)` with the channels in front; a view."""
    return values.transpose(1, 0, 2)


def _gather(planes: Floats, samples: Floats) -> None:
    """The samples of all tiles, those of one place in a tile together: `(6 across, 6 down, channels, rows, across)`."""
    rows, across = samples.shape[3:]
    read = (rows * STEP + TAPS - 1, across * STEP + TAPS - 1)
    if planes.shape[1:] != read:
        whole, (high, wide) = scratch("tiles", (len(planes), *read), planes.dtype), planes.shape[1:]
        whole[:, :high, :wide] = planes
        whole[:, high:], whole[:, :, wide:] = 0, 0
        planes = whole
    plane_step, row_step, step = planes.strides
    steps = (step, row_step, plane_step, STEP * row_step, STEP * step)
    np.copyto(samples, as_strided(planes, samples.shape, steps))


def _put(results: Floats, y: Floats) -> None:
    """`(4 across, 4 down, out, rows, across)` put together as `y` `(out, height, width)`."""
    _, _, outputs, rows, across = results.shape
    merged = scratch("merged", (STEP, outputs, rows, across * STEP), results.dtype)
    for down in range(STEP):
        cv2.merge([part[down].reshape(-1, across) for part in results], merged[down].reshape(-1, across, STEP))
    whole = y.shape[1] // STEP
    plane_step, row_step, step = y.strides
    target = as_strided(y, (STEP, outputs, whole, y.shape[2]), (row_step, plane_step, STEP * row_step, step))
    np.copyto(target, merged[:, :, :whole, : y.shape[2]])
    for down in range(y.shape[1] % STEP):
        y[:, whole * STEP + down] = merged[down, :, whole, : y.shape[2]]
