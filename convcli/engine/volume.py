"""Convolution of a volume by transforms of its slices: each slice is transformed once, and the sums over the kernel's
slices are made of spectra.

Two tiles share a complex transform, as in `fourier`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convcli.engine.fourier import kernel_spectrum
from convcli.engine.plan import Plane, direct_cost, fourier_cost, fourier_tile
from convcli.engine.threads import scratch

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.floating[Any]]

#: Nanoseconds to multiply and add one sample's spectrum.
PRODUCT = 0.5


def pays(taps: Array, lengths: tuple[int, ...]) -> bool:
    """Whether spectra cost less than one direct convolution per slice of the kernel (which is what else is done)."""
    deep, high, wide = taps.shape
    if min(high, wide) == 1:
        return False
    work = Plane(taps=(high, wide), height=lengths[1], width=lengths[2])
    transform = fourier_cost(fourier_tile(work), work)
    slice_by_slice = deep * min(direct_cost((high, wide), high * wide), transform)
    # Half of a transform is the way there, done again for the slices that bands share.
    shared = transform * (1 + (deep - 1) / (2 * lengths[0]))
    return bool(shared + PRODUCT * deep < slice_by_slice)


def correlate_volume(x: Array, taps: Array, lengths: tuple[int, ...]) -> Array:
    """`taps` `(kz, ky, kx)` on `x` `(z, y, x, channels)` wherever it fits; samples finite and of like size."""
    import numpy as np

    high, wide = taps.shape[1:]
    tile = fourier_tile(Plane(taps=(high, wide), height=lengths[1], width=lengths[2]))
    spectra = [kernel_spectrum(part.tobytes(), part.shape, part.dtype.str, tile) for part in np.ascontiguousarray(taps)]
    y = np.empty((*lengths, x.shape[3]), x.dtype)
    down, across = min(lengths[1], tile[0] - high + 1), min(lengths[2], tile[1] - wide + 1)
    places = [
        (channel, min(top, lengths[1] - down), min(left, lengths[2] - across))
        for channel in range(x.shape[3])
        for top in range(0, lengths[1], down)
        for left in range(0, lengths[2], across)
    ]
    read = (down + high - 1, across + wide - 1)
    for first in range(0, len(places), 2):
        pair = places[first : first + 2]
        sources = [x[:, top : top + read[0], left : left + read[1], channel] for channel, top, left in pair]
        targets = [y[:, top : top + down, left : left + across, channel] for channel, top, left in pair]
        _pair(sources, spectra, tile, targets)
    return y


def _pair(sources: list[Array], spectra: list[Any], tile: tuple[int, int], targets: list[Array]) -> None:
    """One or two tiles through all slices; the spectra of the last slices are kept in a ring."""
    import cv2
    import numpy as np

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
