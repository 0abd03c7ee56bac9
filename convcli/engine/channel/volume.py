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

from convcli.engine.channel.fourier import kernel_spectrum
from convcli.engine.memory import scratch
from convcli.engine.plan import Plane, direct_cost
from convcli.engine.processor import processor
from convcli.engine.transforms import FAST, fourier_cost, fourier_tile

if TYPE_CHECKING:
    from convcli.engine.dtypes import Floats

#: The most bytes of the spectra of as many slices as the kernel has.
RING_BYTES = 1 << 22
#: What the transforms of a slice take of those of a plane alone, and nanoseconds of a slice of the kernel: for the
#: products of a sample's spectrum, and to add up results.
TRANSFORMED, MULTIPLIED, ADDED = 0.35, 0.25, 0.15
#: The same products beside which tiles are chosen.
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
    slice_by_slice = deep * (min(direct_cost((high, wide), high * wide, processor()), transform) + ADDED)
    # Half of a transform is the way there, done again for the slices that bands share.
    shared = TRANSFORMED * transform * (1 + (deep - 1) / (2 * lengths[0]))
    return bool(shared + MULTIPLIED * deep < slice_by_slice)


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
