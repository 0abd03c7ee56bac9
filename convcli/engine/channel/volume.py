"""Convolution of a volume by transforms of its slices: each slice is transformed once, and the sums over the kernel's
slices are made of spectra.

Two tiles share a complex transform, as in `fourier`.
"""

from __future__ import annotations

import itertools
import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.lib.stride_tricks import as_strided

from convcli.engine.borders import read_window
from convcli.engine.channel.correlation import Correlation
from convcli.engine.channel.direct import CHANNEL_LIMIT
from convcli.engine.channel.fourier import kernel_spectrum
from convcli.engine.channel.phases import correlate_small, is_small
from convcli.engine.geometry import Gather
from convcli.engine.memory import scratch
from convcli.engine.plan import FOURIER_AREA, Plane, direct_cost
from convcli.engine.processor import processor
from convcli.engine.threads import Cuts
from convcli.engine.transforms import FAST, fourier_cost, fourier_tile

if TYPE_CHECKING:
    from convcli.engine.dtypes import Floats

#: Nanoseconds to add up the result of one slice of the kernel.
ADDED = 0.3
#: The most bytes of the spectra of as many slices as the kernel has.
RING_BYTES = 1 << 22
#: Slices of a band for each that it reads beyond them, so that little is done again.
FOLDED_SLICES = 16
#: Nanoseconds to multiply and add one sample's spectrum.
PRODUCT = 0.5
#: Nanoseconds for the transforms of a sample there and back, and for the calls that a slice of the kernel takes.
TRANSFORMS, CALLS = 5.0, 5_000.0


def pays(taps: Floats, lengths: tuple[int, ...]) -> bool:
    """Whether spectra cost less than one direct convolution per slice of the kernel (which is what else is done)."""
    deep, high, wide = taps.shape
    if min(high, wide) == 1:
        return False
    work = Plane(taps=(high, wide), height=lengths[1], width=lengths[2], processor=processor())
    transform = fourier_cost(fourier_tile(work), work)
    slice_by_slice = deep * min(direct_cost((high, wide), high * wide, processor()), transform)
    # Half of a transform is the way there, done again for the slices that bands share.
    shared = transform * (1 + (deep - 1) / (2 * lengths[0]))
    return bool(shared + PRODUCT * deep < slice_by_slice)


def are_small(x: Floats, taps: Floats) -> bool:
    """Whether `correlate_slices` serves."""
    return x.flags.c_contiguous and is_small(x[0], taps[0])


def folded_rows(taps: Floats) -> int:
    """The most rows of outputs for which all of `taps` `(kz, ky, kx)` are one small kernel; 0 where that doesn't pay.

    In a block of so many rows the slices below each other are a tall plane, on which the kernel's slices lie a block's
    rows apart, with zeros between them that cost nothing.
    """
    deep, high, wide = taps.shape
    rows = ((FOURIER_AREA - 1) // wide - high) // max(1, deep - 1) - (high - 1)
    if deep == 1 or rows < 1:
        return 0
    at_once = direct_cost((1, 1), taps.size, processor()) * (rows + high - 1) / rows
    return rows if at_once < deep * (direct_cost((high, wide), high * wide, processor()) + ADDED) else 0


def folded(work: Correlation) -> Cuts | None:
    """Taps `(kz, ky, kx)` on all of an input `(z, y, x, channels)` as one small kernel; None where that can't be.

    Blocks are read by the border rule, once, and filtered while they are in the cache.
    """
    x, taps, windows = work.x, work.taps, work.windows
    most, channels = folded_rows(taps), x.shape[3]
    plain = all(isinstance(window, Gather) and window.stride == window.dilation == 1 for window in windows)
    if not (most and plain and channels <= CHANNEL_LIMIT):
        return None
    (deep, height, width), (high, wide) = (window.length for window in windows), taps.shape[1:]
    count = -(-height // most)
    tops = [height * part // count for part in range(count + 1)]
    out = work.sink.target(taps.dtype)
    left, right = windows[2].reads(0, width)

    def band(slices: tuple[int, int]) -> None:
        ends = windows[0].reads(*slices)
        shape = (slices[1] - slices[0], height, width, channels)
        y = scratch("folded", shape, taps.dtype) if out is None else out[slice(*slices)]
        for top, bottom in itertools.pairwise(tops):
            rows = windows[1].reads(top, bottom)
            size = (ends[1] - ends[0], rows[1] - rows[0], right - left, channels)
            block = scratch("window", size, taps.dtype)
            read_window(x, [ends, rows, (left, right)], work.border, taps.dtype, out=block)
            kernel = np.zeros(((len(taps) - 1) * size[1] + high, wide), taps.dtype)
            for z, part in enumerate(taps):
                kernel[z * size[1] : z * size[1] + high] = part
            sums = correlate_small(block.reshape(-1, *size[2:]), kernel)
            np.copyto(y[:, top:bottom], as_volume(sums, size)[: shape[0], : bottom - top, :width])
        work.sink.store(y, slices[0])

    return Cuts(band, parts(deep, len(taps)))


def parts(deep: int, taps: int) -> list[tuple[int, int]]:
    """The slices of an output in an even number of bands."""
    count = min(deep, 2 * max(1, deep // (2 * FOLDED_SLICES * (taps - 1))))
    return list(itertools.pairwise(deep * part // count for part in range(count + 1)))


def band_slices(taps: Floats, lengths: tuple[int, ...]) -> int:
    """The slices that a band should have: every band reads those of its halo again, and spectra are made of them."""
    return -(-lengths[0] // (2 if pays(taps, lengths) else 4))


def correlate_volume(x: Floats, taps: Floats, lengths: tuple[int, ...], into: Floats | None = None) -> Floats:
    """`taps` `(kz, ky, kx)` on `x` `(z, y, x, channels)` wherever it fits; samples finite and of like size."""
    high, wide = taps.shape[1:]
    tile = slice_tile((taps.shape[0], high, wide), (lengths[0], lengths[1], lengths[2]), x.itemsize)
    spectra = [kernel_spectrum(part.tobytes(), part.shape, part.dtype.str, tile) for part in np.ascontiguousarray(taps)]
    y = np.empty((*lengths, x.shape[3]), x.dtype) if into is None else into
    down, across = min(lengths[1], tile[0] - high + 1), min(lengths[2], tile[1] - wide + 1)
    places = [
        (0, channel, min(top, lengths[1] - down), min(left, lengths[2] - across))
        for channel in range(x.shape[3])
        for top in range(0, lengths[1], down)
        for left in range(0, lengths[2], across)
    ]
    deep = lengths[0]
    if len(places) % 2 and deep > 1:
        # No place is left without a partner where each is cut in two along z.
        deep = -(-deep // 2)
        places = [(start, *place) for _, *place in places for start in (0, lengths[0] - deep)]
    read = (deep + taps.shape[0] - 1, down + high - 1, across + wide - 1)
    for first in range(0, len(places), 2):
        sources, targets = [], []
        for start, channel, top, left in places[first : first + 2]:
            sources.append(x[start : start + read[0], top : top + read[1], left : left + read[2], channel])
            targets.append(y[start : start + deep, top : top + down, left : left + across, channel])
        _pair(sources, spectra, tile, targets)
    return y


@lru_cache(maxsize=64)
def slice_tile(taps: tuple[int, int, int], lengths: tuple[int, int, int], itemsize: int) -> tuple[int, int]:
    """Sides of the tiles of slices: those with the least work of which a ring of spectra, as many as the kernel has
    slices, stays within reach of the cache."""
    deep = taps[0]
    sides = [
        [side for side in FAST if 1.5 * k <= side <= max(2 * (length + k), 64)]
        for k, length in zip(taps[1:], lengths[1:], strict=True)
    ]
    best: tuple[float, tuple[int, int]] | None = None
    for tile in itertools.product(*sides):
        places = math.prod(-(-n // (side - k + 1)) for side, k, n in zip(tile, taps[1:], lengths[1:], strict=True))
        work = places * ((TRANSFORMS + PRODUCT * deep) * tile[0] * tile[1] + CALLS * deep)
        # One place without a partner is cut in two along z, and more of its slices are done again.
        cost = work * (1.15 if places % 2 else 1.0), (tile[0], tile[1])
        if deep * tile[0] * tile[1] * 2 * itemsize <= RING_BYTES and (best is None or cost < best):
            best = cost
    return best[1] if best else fourier_tile(Plane(taps=taps[1:], height=lengths[1], width=lengths[2]))


def correlate_slices(x: Floats, taps: Floats, lengths: tuple[int, ...], into: Floats | None = None) -> Floats:
    """As `correlate_volume`, for few taps a slice and any samples: slices below each other are one tall plane.

    So each slice of the kernel is one call, whose results between two slices of the volume mean nothing.
    """
    deep, height, width = lengths
    rows, columns, channels = x.shape[1:]
    y = np.empty((*lengths, channels), x.dtype) if into is None else into
    begun = False
    for z, part in enumerate(taps):
        if not part.any() and (begun or z + 1 < len(taps)):
            continue
        tall = x[z : z + deep].reshape(deep * rows, columns, channels)
        # The last rows of the plane mean nothing either: `correlate_small` leaves them out, but they are in memory.
        sums = correlate_small(tall, part)
        plane = as_volume(sums, (deep, rows, columns, channels))[:, :height, :width]
        if begun:
            np.add(y, plane, out=y)
        else:
            np.copyto(y, plane)
            begun = True
    return y


def as_volume(part: Floats, shape: tuple[int, ...]) -> Floats:
    """The array of scratch that `part` is a part of, from its corner on, as slices."""
    row, column, channel = part.strides
    return as_strided(part, shape, (shape[1] * row, row, column, channel))


def _pair(sources: list[Floats], spectra: list[Any], tile: tuple[int, int], targets: list[Floats]) -> None:
    """One or two tiles through all slices; the spectra of the last slices are kept in a ring."""
    deep, dtype = len(spectra), sources[0].dtype
    rows, columns = sources[0].shape[1:]
    ring = scratch("ring", (deep, *tile, 2), dtype)
    ring.fill(0)
    spectral = ring.view(spectra[0].dtype)[..., 0]
    total = scratch("total", (*tile, 2), dtype)
    summed = total.view(spectra[0].dtype)[..., 0]
    term = scratch("term", tile, spectra[0].dtype)
    for z in range(sources[0].shape[0]):
        slot = ring[z % deep]
        slot[rows:], slot[:, columns:] = 0, 0
        for part, source in enumerate((sources[0], sources[-1])):
            slot[:rows, :columns, part] = source[z]
        cv2.dft(slot, dst=slot)
        start = z - deep + 1
        if start < 0:
            continue
        for dz, spectrum in enumerate(spectra):
            held = spectral[(start + dz) % deep]
            np.multiply(held, spectrum, out=term if dz else summed)
            if dz:
                np.add(summed, term, out=summed)
        cv2.dft(total, dst=total, flags=cv2.DFT_INVERSE)
        for part, target in enumerate(targets):
            target[start] = total[: target.shape[1], : target.shape[2], part]
