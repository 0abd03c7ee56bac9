"""Smooth functions of the place as polynomials: their values at some Chebyshev points of a tile tell all others.

Polynomials through such points converge geometrically, and their last coefficients are as large as what is missing
(Trefethen 2013, "Approximation Theory and Approximation Practice", chapters 3 and 8).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from convcli.engine.sampled.parts import Places

    #: Displacements down and right, `(h, w)` each, of places `(h, 1)` and `(1, w)`.
    Formula: TypeAlias = Callable[[Places, Places], tuple[Places, Places]]

#: Points along an axis of a tile: more of them where the first are too few. Beyond the last the formula is as fast.
POINTS = (12, 24, 48)
#: Pixels that the last coefficients are at most: float32 rounds places, of up to 256, a hundred times as much.
ENOUGH = 1e-7


def coefficients(
    of: Formula, rows: Places, columns: Sequence[Places], moves: Sequence[int]
) -> Iterator[tuple[int, Places]]:
    """Of tiles side by side, those that polynomials are near: the number of each, and its coefficients
    `(2, n, n)` for displacements."""
    for count in POINTS:
        if not moves:
            return
        points, inverse = _points(count), _inverse(count)
        down = _spanned(rows, points)[:, None]
        right = np.concatenate([_spanned(columns[number], points) for number in moves])[None, :]
        values = np.stack(of(down, right)).reshape(2, count, len(moves), count).transpose(2, 0, 1, 3)
        terms = inverse @ values @ inverse.T
        last = np.concatenate([terms[..., -2:, :].reshape(len(moves), -1), terms[..., -2:].reshape(len(moves), -1)], 1)
        near = abs(last).sum(axis=1) <= ENOUGH
        yield from ((number, _shortened(own)) for number, own, one in zip(moves, terms, near, strict=True) if one)
        moves = [number for number, one in zip(moves, near, strict=True) if not one]


def _shortened(terms: Places) -> Places:
    """Coefficients `(2, n, n)` without the last ones, which change no place by more than `ENOUGH`."""
    sizes = abs(terms).sum(axis=0)
    rest = sizes.sum() - sizes.cumsum(axis=0).cumsum(axis=1).diagonal()
    count = max(2, int(np.argmax(rest <= ENOUGH)) + 1)
    return terms[:, :count, :count]


def _spanned(places: Places, points: Places) -> Places:
    """Points from -1 to 1 moved between the first and the last of places."""
    first, last = float(places[0, 0]), float(places[-1, -1])
    moved: Places = (first + last) / 2 + (last - first) / 2 * points
    return moved


def _points(count: int) -> Places:
    """Chebyshev's points."""
    points: Places = np.cos(_angles(count))
    return points


def _angles(count: int) -> Places:
    angles: Places = np.pi * (np.arange(count) + 0.5) / count
    return angles


@lru_cache
def values(length: int, count: int) -> Places:
    """Of Chebyshev's polynomials at so many places from -1 to 1: `(length, count)`."""
    values: Places = np.cos(np.arccos(np.linspace(-1, 1, length))[:, None] * np.arange(count))
    return values


@lru_cache
def _inverse(count: int) -> Places:
    """What makes coefficients of values at the points: `(count, count)`."""
    inverse: Places = np.cos(np.arange(count)[:, None] * _angles(count))
    inverse *= np.where(np.arange(count), 2, 1)[:, None] / count
    return inverse


@lru_cache
def curvatures(count: int) -> Places:
    """An eighth of the greatest second derivative of Chebyshev's polynomials."""
    squares = np.arange(count) ** 2
    curved: Places = squares * (squares - 1) / 24
    return curved
