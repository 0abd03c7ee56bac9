"""The painted pond, pond.png: lily pads, two lotus flowers and two koi over a tiled floor, seen from above."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from painting import Field, blend, cover, finish, grid, noise, paint


def lily(rng: np.random.Generator, canvas: Field, place: tuple[float, float], radius: float, notch: float) -> None:
    """A lily pad at `place` (y, x) with its cut towards the angle `notch` (radians)."""
    y, x = grid((canvas.shape[0], canvas.shape[1]))
    dy, dx = y - np.float32(place[0]), x - np.float32(place[1])
    reach, turn = np.hypot(dy, dx), np.arctan2(dy, dx) - np.float32(notch)
    fold = np.abs(np.arctan2(np.sin(turn), np.cos(turn)))  # 0 in the cut, pi opposite
    rim = radius * (1 + 0.03 * np.cos(9 * turn))
    leaf = cover(rim - reach, 2) * cover((fold - 0.22) * reach, 3)
    paint(
        canvas,
        0.5 * cover(radius * 1.02 - np.hypot(dy - 7, dx - 5), 8) * cover((fold - 0.2) * reach, 8),
        (0.02, 0.07, 0.09),
    )
    veins = np.clip(1 - np.abs((fold * 3.5) % 1 - 0.5) * reach / 4, 0, 1) * np.clip(1.1 - reach / radius, 0, 1)
    tone = np.clip(0.45 + 0.5 * noise(rng, leaf.shape, (40, 40), 4) + 0.25 * reach / radius - 0.2 * dy / radius, 0, 1)
    colour = blend(tone.astype(np.float32), (0.13, 0.34, 0.14), (0.52, 0.70, 0.28))
    paint(colour, (0.45 * veins).astype(np.float32), (0.80, 0.88, 0.52))
    paint(colour, cover(3.0 - np.abs(reach - rim + 3), 3) * np.float32(0.6), (0.66, 0.76, 0.36))
    paint(canvas, leaf, colour)


def lotus(canvas: Field, place: tuple[float, float], radius: float) -> None:
    """A pink flower of three rings of petals."""
    y, x = grid((canvas.shape[0], canvas.shape[1]))
    dy, dx = y - np.float32(place[0]), x - np.float32(place[1])
    reach, turn = np.hypot(dy, dx), np.arctan2(dy, dx)
    for part, shift, colour in (
        (1.0, 0.0, (0.93, 0.55, 0.68)),
        (0.74, 0.45, (0.97, 0.70, 0.79)),
        (0.5, 0.0, (1.0, 0.86, 0.90)),
    ):
        petal = radius * part * (0.62 + 0.38 * np.abs(np.cos(3.5 * (turn + shift))))
        light = (0.72 + 0.28 * np.clip(reach / petal, 0, 1)).astype(np.float32)
        paint(canvas, cover(petal - reach, 2), np.asarray(colour, np.float32) * light[..., None])
    paint(canvas, cover(radius * 0.2 - reach, 3), (0.98, 0.82, 0.25))


def koi(rng: np.random.Generator, canvas: Field, place: tuple[float, float], heading: float, long: float) -> None:
    """A fish below the surface, `long` pixels, its nose towards `heading` (radians)."""
    y, x = grid((canvas.shape[0], canvas.shape[1]))
    dy, dx = y - np.float32(place[0]), x - np.float32(place[1])
    along = (dx * np.cos(heading) + dy * np.sin(heading)) / long
    side = (dy * np.cos(heading) - dx * np.sin(heading)) / long + 0.07 * np.sin(along * 5 + 1)
    body = 0.13 * np.sqrt(np.clip(1 - (along / 0.5) ** 2, 0, 1)) * np.clip(0.75 + along, 0, 1)
    tail = np.clip(-along - 0.38, 0, 0.24) * 0.75 * cover((0.62 + along) * long)
    fins = 0.24 * np.clip(1 - np.abs(along - 0.12 + np.abs(side) * 0.5) / 0.08, 0, 1)
    shape = cover((np.maximum(np.maximum(body, tail), fins) - np.abs(side)) * long - 1.5, 3)
    patch = cover(noise(rng, shape.shape, (long / 3, long / 3), 3) * 40, 4)
    colour = blend(patch, (0.93, 0.38, 0.12), (0.98, 0.93, 0.86)) * (1 - 2.2 * np.abs(side)[..., None])
    paint(canvas, shape.astype(np.float32) * np.float32(0.9), colour.astype(np.float32))


def pond() -> NDArray[np.uint8]:
    """A tiled pond from above, with lily pads, a lotus and two koi: (192, 256, rgb) uint8."""
    rng = np.random.default_rng(11)
    shape = (384, 512)
    y, x = grid(shape)
    depth = np.hypot((x - 250) / 330, (y - 190) / 250).astype(np.float32) + 0.25 * noise(rng, shape, (90, 90), 5)
    canvas = blend(np.clip(depth, 0, 1), (0.10, 0.36, 0.42), (0.03, 0.17, 0.24))
    tones = rng.random((14, 18), dtype=np.float32) + noise(rng, (14, 18), (6, 6), 2)
    rows, columns = (np.arange(n) // 30 for n in shape)
    joint = np.maximum(np.abs(y % 30 - 15), np.abs(x % 30 - 15)) - np.float32(13.2)
    tiles = blend(np.clip(tones[rows][:, columns], 0, 1), (0.05, 0.27, 0.36), (0.20, 0.55, 0.56))
    paint(tiles, cover(joint, 1.5), (0.50, 0.72, 0.69))
    paint(canvas, np.clip(0.95 - 0.55 * depth, 0.25, 1), tiles)
    net = np.abs(noise(rng, shape, (46, 46), 2)) + 0.5 * np.abs(noise(rng, shape, (30, 30), 2))
    paint(canvas, (0.35 * np.clip(1 - net * 5, 0, 1)).astype(np.float32), (0.52, 0.80, 0.78))
    koi(rng, canvas, (215, 205), -0.5, 150)
    koi(rng, canvas, (135, 330), 2.5, 115)
    pads = (
        (70, 85, 62, 0.6),
        (315, 105, 70, -0.7),
        (330, 400, 74, -2.2),
        (60, 445, 56, 2.4),
        (240, 478, 40, 3.0),
        (38, 255, 34, 1.4),
    )
    for row, column, radius, notch in pads:
        lily(rng, canvas, (row, column), radius, notch)
    lotus(canvas, (322, 385), 44)
    lotus(canvas, (62, 92), 30)
    return finish(canvas, (256, 192))
