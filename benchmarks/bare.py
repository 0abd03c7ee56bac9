"""The bare calls of numpy and OpenCV that do a layer's arithmetic and nothing else: what our packages can reach."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from benchmarks import peers
from benchmarks.model import Array

if TYPE_CHECKING:
    from benchmarks.functions import Layer

Runs = Mapping[str, Callable[[], object]]
#: Winograd's F(4x4, 3x3): products for each tile of 4x4 results.
TILE, PRODUCTS = 4, 36
#: Pixels of more channels are read by `remap` in parts.
REMAPPED = 4


def layer(one: Layer) -> Runs:
    """The calls by name, each with memory for its result; columns and tiles are not gathered, nor results put in place.

    Products of all taps, and of Winograd's tiles; kernels on single channels are `filter2D` (over all rows where there
    is a stride), or a multiplication and an addition for each tap.
    """
    if one.groups == one.inputs > 1:
        return {**_planes(one), "multiply, add": _multiply_adds(one)}
    if one.plain:
        return _planes(one)
    winograd = (one.taps, one.stride, one.groups, len(one.size)) == (3, 1, 1, 2) and not one.transposed
    return {"matmul": _product(one), **({"Winograd's products": _tiles(one)} if winograd else {})}


def network(layers: Sequence[Layer]) -> Runs:
    """The fastest of each layer's, one after the other."""
    fastest = [min(layer(one).values(), key=peers.seconds) for one in layers]
    return {"each layer's": lambda: [run() for run in fastest]}


def deformable(channels: int, height: int, width: int) -> Runs:
    """3x3 taps from `channels` to as many: a `remap` for each tap and four channels, then the product of all."""
    places = np.random.default_rng(0).uniform(0, (width, height), (height, width, 2)).astype(np.float32)
    places.sort(axis=0)
    places.sort(axis=1)
    parts = [min(REMAPPED, channels - start) for start in range(0, channels, REMAPPED)]
    pixels = {count: (_ones(height, width, count), _ones(height, width, count)) for count in set(parts)}
    product = _matmul(channels, 9 * channels, height * width)
    none: Any = None

    def run() -> None:
        for count in parts * 9:
            x, y = pixels[count]
            cv2.remap(x, places, none, cv2.INTER_LINEAR, dst=y)
        product()

    return {"remap, matmul": run}


def _ones(*shape: int) -> Array:
    return np.ones(shape, np.float32)


def _matmul(rows: int, inner: int, columns: int, batch: int = 1) -> Callable[[], object]:
    left, right = _ones(batch, rows, inner), _ones(batch, inner, columns)
    product = np.empty((batch, rows, columns), np.float32)
    return lambda: np.matmul(left, right, out=product)


def _product(one: Layer) -> Callable[[], object]:
    """All taps of all inputs by all results; of transposed layers all inputs by all taps, which then are added up."""
    taps = one.taps ** len(one.size)
    if one.transposed:
        rows, inner, pixels = one.outputs * taps, one.inputs, math.prod(one.size)
    else:
        rows, inner = one.outputs // one.groups, one.inputs // one.groups * taps
        pixels = math.prod(-(-n // one.stride) for n in one.size)
    # Channels last are rows of pixels.
    return _matmul(pixels, inner, rows, one.groups) if one.last else _matmul(rows, inner, pixels, one.groups)


def _tiles(one: Layer) -> Callable[[], object]:
    tiles = math.prod(-(-n // TILE) for n in one.size)
    if one.last:
        return _matmul(tiles, one.inputs, one.outputs, PRODUCTS)
    return _matmul(one.outputs, one.inputs, tiles, PRODUCTS)


def _planes(one: Layer) -> Runs:
    """`filter2D` of every plane: once for each phase of a transposed kernel, for each slice of taps of a volume."""
    rank, times, taps = len(one.size), one.inputs, one.taps
    rows = math.prod(one.size[:-1])
    if one.transposed:
        times, taps = one.stride**rank, max(1, taps // one.stride)
    elif rank == 3:
        times = taps
    kernel = np.full((taps if rank > 1 else 1, taps), 1 / taps, np.float32)
    x, y = _ones(rows, one.size[-1]), _ones(rows, one.size[-1])
    return {"filter2D": lambda: [cv2.filter2D(x, -1, kernel, dst=y) for _ in range(times)]}


def _multiply_adds(one: Layer) -> Callable[[], object]:
    x = _ones(one.inputs, *(-(-n // one.stride) for n in one.size))
    product, total, weight = np.empty_like(x), np.zeros_like(x), _ones(one.inputs, *[1] * len(one.size))

    def run() -> None:
        for _ in range(one.taps ** len(one.size)):
            np.multiply(x, weight, out=product)
            np.add(total, product, out=total)

    return run
