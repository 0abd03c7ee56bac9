"""The painted landscape, scene.jpg, and the brushes it shares with pond.png: a few noises and shapes.

Everything is drawn at twice the size in float32, (y, x, rgb) in 0..1, and reduced at the end. Shapes are fields of
distance in pixels passed through a soft step, so that a difference in the last bit of a float can't move an edge.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[Any]  # float32
Colour = tuple[float, float, float]

SUN = (0.430, 0.315)  # x, y as parts of the width and height
HORIZON = 0.60


def noise(rng: np.random.Generator, shape: tuple[int, int], cell: tuple[float, float], octaves: int) -> Field:
    """Fractal noise, mean 0 and spread about 0.3; `cell` is the size of its largest lumps (y, x) in pixels."""
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        rows, columns = (max(2, int(n / c * 2**octave) + 2) for n, c in zip(shape, cell, strict=True))
        grid = rng.random((rows, columns), dtype=np.float32) - np.float32(0.5)
        total += cv2.resize(grid, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC) * np.float32(0.55**octave)
    return total


def cover(distance: Field, softness: float = 1.0) -> Field:
    """1 inside (distance > 0), 0 outside, with an edge `softness` pixels wide."""
    return np.clip(distance / np.float32(softness) + np.float32(0.5), 0, 1).astype(np.float32)


def paint(canvas: Field, alpha: Field, colour: Colour | Field) -> None:
    """Lay `colour` over `canvas` in place, `alpha` (y, x) in 0..1."""
    canvas += alpha[..., None] * (np.asarray(colour, np.float32) - canvas)


def blend(weight: Field, low: Colour, high: Colour) -> Field:
    """Colours (y, x, rgb) between `low` (weight 0) and `high` (weight 1)."""
    return np.asarray(low, np.float32) + weight[..., None] * (
        np.asarray(high, np.float32) - np.asarray(low, np.float32)
    )


def grid(shape: tuple[int, int]) -> tuple[Field, Field]:
    """Pixel coordinates (y, x), as a column and a row."""
    y = np.arange(shape[0], dtype=np.float32)[:, None]
    return y, np.arange(shape[1], dtype=np.float32)[None]


def sky(rng: np.random.Generator, shape: tuple[int, int]) -> Field:
    """A late-afternoon sky with a low sun and lit clouds."""
    y, x = grid(shape)
    height = np.clip(y / (shape[0] * HORIZON), 0, 1) + 0 * x
    canvas = blend(height**1.3, (0.20, 0.43, 0.74), (0.99, 0.84, 0.63))
    reach = np.hypot((x - SUN[0] * shape[1]) / shape[1], (y - SUN[1] * shape[0]) / shape[1]).astype(np.float32)
    canvas += np.exp(-reach / 0.15)[..., None] * np.asarray((0.30, 0.20, 0.05), np.float32)
    above = noise(rng, (shape[0] + 16, shape[1]), (shape[0] / 9, shape[1] / 4), 7)
    lumps = above[16:] + 0.10 * np.cos(height * 9)
    cloud = np.clip(lumps * 2.6 - 0.25, 0, 1) * np.clip(1.15 - height, 0, 1)
    shade = np.clip(0.55 + 1.8 * (above[16:] - above[:-16]), 0, 1)
    paint(canvas, cloud * np.float32(0.9), blend(shade, (0.66, 0.62, 0.70), (1.0, 0.95, 0.87)))
    paint(canvas, cover(0.026 * shape[1] - reach * shape[1], 2.5), (1.0, 0.97, 0.82))
    return canvas


def ridge(rng: np.random.Generator, width: int, level: float, rough: float, cell: float) -> Field:
    """A mountain line: the height of the ridge in pixels for every column (1, x)."""
    line = noise(rng, (2, width), (2, cell), 8)[:1]
    sharp = -np.abs(noise(rng, (2, width), (2, cell * 0.8), 6)[:1])
    return level + rough * (line + 1.2 * sharp)


def mountains(rng: np.random.Generator, canvas: Field) -> None:
    """Three ranges, bluer and paler with distance; the farthest two carry snow."""
    height, width = canvas.shape[:2]
    y, x = grid((height, width))
    ranges = (  # level, roughness, cell, rock, lit rock, haze, snow
        (0.35, 0.30, 0.34, (0.42, 0.47, 0.60), (0.73, 0.70, 0.72), 0.42, 0.100),
        (0.23, 0.26, 0.28, (0.27, 0.34, 0.45), (0.58, 0.54, 0.54), 0.22, 0.045),
        (0.12, 0.14, 0.22, (0.13, 0.24, 0.21), (0.33, 0.42, 0.27), 0.08, 0.0),
    )
    for level, rough, cell, dark, lit, haze, snow in ranges:
        top = HORIZON * height - ridge(rng, width, level * height, rough * height, cell * width)
        depth = y - top
        rock = noise(rng, (height, width), (height / 7, height / 9), 8) + depth / height * np.float32(0.6)
        slope = (rock - np.roll(rock, 3, axis=1)) * 9 + (rock - np.roll(rock, 2, axis=0)) * 4
        colour = blend(np.clip(0.48 + slope, 0, 1), dark, lit)
        if snow:
            patch = cover(snow * height * (1 + 2.2 * rock + 1.5 * np.clip(slope, -0.3, 0.3)) - depth, height / 70)
            paint(colour, patch, blend(np.clip(0.6 + slope, 0, 1), (0.66, 0.72, 0.84), (1.0, 0.98, 0.95)))
        mist = np.clip(haze + 0.55 * (depth / height) ** 1.0, 0, 0.8) + 0 * x
        paint(colour, mist.astype(np.float32), (0.90, 0.82, 0.74))
        paint(canvas, cover(depth, 1.6), colour)


def pines(rng: np.random.Generator, canvas: Field, count: int, span: tuple[float, float], size: float) -> None:
    """A stand of firs on the far shore between the parts `span` of the width."""
    height, width = canvas.shape[:2]
    y, x = grid((height, width))
    for _ in range(count):
        middle = width * (span[0] + (span[1] - span[0]) * rng.random())
        tall = height * size * (0.6 + 0.7 * rng.random())
        foot = HORIZON * height + height * 0.012 * rng.random()
        left, right = (int(np.clip(middle + s * tall * 0.3, 0, width - 1)) for s in (-1, 1))
        above, below = max(0, int(foot - tall - 2)), int(foot + 3)
        box = (slice(above, below), slice(left, right + 1))
        part = (y[box[0]] - (foot - tall)) / tall
        tier = part * 7 - np.floor(part * 7)
        reach = tall * 0.19 * (part * 0.75 + 0.25 * part * tier + 0.10 * tier)
        frayed = reach * (1 + 0.5 * noise(rng, (below - above, right + 1 - left), (5, 4), 2))
        colour = blend(
            np.clip(0.75 * tier + 0.02 * (middle - x[:, box[1]]), 0, 1), (0.05, 0.12, 0.09), (0.25, 0.36, 0.18)
        )
        alpha = (
            cover(frayed - np.abs(x[:, box[1]] - middle)) * cover(y[box[0]] - (foot - tall)) * cover(foot - y[box[0]])
        )
        paint(canvas[box], alpha.astype(np.float32), colour)


def lake(rng: np.random.Generator, canvas: Field) -> None:
    """The water: what stands above it mirrored, broken by waves that grow towards us, with the sun's glitter."""
    height, width = canvas.shape[:2]
    shore = int(HORIZON * height)
    y, x = grid((height - shore, width))
    near = (y + 6) / (height - shore)
    waves = sum(
        noise(rng, (height - shore, width), (cell, cell * 9), 3) * np.clip(near * 14 / cell, 0.05, 1.6)
        for cell in (5.0, 12.0, 30.0)
    )
    source_y = shore - 2 - y * np.float32(1.06) + waves * (5 + 46 * near)
    mirror = cv2.remap(
        canvas,
        (x + waves * 9 + 0 * y).astype(np.float32),
        np.clip(source_y, 0, shore - 2).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    water = mirror * np.float32(0.80) + np.asarray((0.0, 0.02, 0.045), np.float32)
    paint(water, np.clip(0.12 + 0.45 * near + 0.35 * waves, 0, 0.75).astype(np.float32), (0.06, 0.20, 0.30))
    path = np.exp(-(((x - SUN[0] * width) / (width * (0.018 + 0.075 * near))) ** 2))
    glitter = np.clip(waves * 3.4 - 0.35, 0, 1) * path
    paint(water, glitter.astype(np.float32), (1.0, 0.92, 0.72))
    canvas[shore:] = water


def headland(rng: np.random.Generator, canvas: Field) -> Field:
    """The rocky point on the right, grass on top; returns its upper line (1, x)."""
    height, width = canvas.shape[:2]
    y, x = grid((height, width))
    part = np.clip((x / width - 0.50) / 0.20, 0, 1)
    rise = part * part * (3 - 2 * part) * np.float32(0.20) + np.clip(x / width - 0.70, 0, 1) * 0.05
    top = (
        height * (0.83 - rise - 0.03 * np.clip(part * 8, 0, 1))
        + noise(rng, (2, width), (2, 60), 6)[:1] * height * 0.025
    )
    foot = (
        height * (0.79 + 0.11 * np.clip((x / width - 0.50) / 0.5, 0, 1)) + noise(rng, (2, width), (2, 90), 6)[:1] * 26
    )
    rock = noise(rng, (height, width), (34, 46), 7)
    slope = (rock - np.roll(rock, 2, axis=1)) * 2.2 + (rock - np.roll(rock, 3, axis=0)) * 3.2 + rock * 0.35
    colour = blend(np.clip(0.42 + slope, 0, 1), (0.20, 0.17, 0.17), (0.74, 0.64, 0.53))
    blades = noise(rng, (height, width), (26, 5), 5) + 0.5 * noise(rng, (height, width), (60, 90), 4)
    grass = cover(height * 0.050 * (1 + 1.6 * rock) - (y - top), 9)
    paint(colour, grass, blend(np.clip(0.5 + blades, 0, 1), (0.14, 0.25, 0.09), (0.58, 0.62, 0.25)))
    wet = np.clip(1 - (foot - y) / 16, 0, 0.75).astype(np.float32)
    paint(colour, wet, (0.10, 0.11, 0.12))
    paint(canvas, cover(y - top, 1.5) * cover(foot - y, 1.5), colour)
    foam = (
        np.clip(1 - np.abs(y - foot - 3 - 5 * rock) / 4, 0, 1) * np.clip(part * 5, 0, 1) * np.clip(0.6 + rock * 2, 0, 1)
    )
    paint(canvas, foam.astype(np.float32), (0.93, 0.95, 0.95))
    return np.asarray(top, np.float32)


def lighthouse(canvas: Field, middle: float, foot: float, tall: float) -> None:
    """A tower with red and white stripes, `tall` pixels from foot to roof, standing at (foot, middle)."""
    height, width = canvas.shape[:2]
    y, x = grid((height, width))
    up = (foot - y) / tall  # 0 at the foot, 1 at the tip
    across = (x - middle) / tall

    def block(low: float, high: float, half: float | Field, colour: Colour | Field) -> None:
        inside = cover((half - np.abs(across)) * tall) * cover((up - low) * tall) * cover((high - up) * tall)
        round_light = np.clip(1.04 - 1.5 * (across / half + 0.40) ** 2 * 0.28, 0.45, 1.05)
        paint(canvas, inside, np.asarray(colour, np.float32) * round_light[..., None])

    taper = (0.105 - 0.042 * np.clip(up / 0.78, 0, 1)).astype(np.float32)
    stripe = cover((np.abs((up + 0.003) / 0.26 % 1 - 0.5) - 0.25) * 0.26 * tall)
    block(0.0, 0.78, taper, blend(stripe + 0 * across, (0.80, 0.13, 0.11), (0.97, 0.95, 0.90)))
    block(-0.02, 0.02, 0.13, (0.55, 0.50, 0.46))
    for level in (0.16, 0.42, 0.66):
        block(level, level + 0.050, 0.014, (0.16, 0.16, 0.20))
    block(0.0, 0.075, 0.026, (0.30, 0.18, 0.12))
    block(0.770, 0.800, 0.096, (0.20, 0.20, 0.23))
    block(0.800, 0.905, 0.046, (1.0, 0.90, 0.55))
    for offset in (-0.044, -0.022, 0.0, 0.022, 0.044):
        bar = cover((0.0035 - np.abs(across - offset)) * tall) * cover((up - 0.80) * tall) * cover((0.905 - up) * tall)
        paint(canvas, bar, (0.20, 0.18, 0.20))
    for level in (0.822, 0.842):
        rail = cover((0.0022 - np.abs(up - level)) * tall) * cover((0.094 - np.abs(across)) * tall)
        paint(canvas, rail, (0.16, 0.16, 0.19))
    dome = np.sqrt(np.clip(1 - ((up - 0.90) / 0.075) ** 2, 0, 1)).astype(np.float32) * np.float32(0.058) + np.float32(
        1e-4
    )
    block(0.900, 0.975, dome, (0.72, 0.12, 0.10))
    block(0.970, 1.020, 0.0045, (0.25, 0.22, 0.22))


def boat(canvas: Field, middle: float, water: float, tall: float) -> None:
    """A small sailing boat and the shimmer below it."""
    y, x = grid((canvas.shape[0], canvas.shape[1]))
    up, across = (water - y) / tall, (x - middle) / tall
    hull = (
        cover((0.34 - 0.10 * (0.14 - up) / 0.14 - np.abs(across)) * tall) * cover(up * tall) * cover((0.14 - up) * tall)
    )
    main = (
        cover((across - 0.02) * tall)
        * cover((0.36 * (1 - (up - 0.18) / 0.82) - across) * tall)
        * cover((up - 0.18) * tall)
    )
    jib = (
        cover((-0.02 - across) * tall)
        * cover((0.27 * (1 - (up - 0.20) / 0.65) + across) * tall)
        * cover((up - 0.20) * tall)
    )
    glow = (
        cover((0.26 - np.abs(across + 0.05 * np.sin(y * 0.9))) * tall) * np.clip(1 + up / 0.9, 0, 1) * cover(-up * tall)
    )
    paint(canvas, glow.astype(np.float32) * np.float32(0.45), (0.95, 0.92, 0.86))
    paint(canvas, main, (0.99, 0.97, 0.92))
    paint(canvas, jib, (0.93, 0.88, 0.82))
    paint(canvas, hull, (0.42, 0.16, 0.10))


def meadow(rng: np.random.Generator, canvas: Field) -> None:
    """The bank at our feet: blades of grass and flowers."""
    height, width = canvas.shape[:2]
    y, x = grid((height, width))
    edge = height * (0.905 - 0.05 * np.cos(x / width * 5.0)) + noise(rng, (2, width), (2, 120), 5)[:1] * 30
    tone = noise(rng, (height, width), (50, 6), 5) + 0.6 * noise(rng, (height, width), (70, 160), 4)
    paint(canvas, cover(y - edge, 2), blend(np.clip(0.42 + tone, 0, 1), (0.05, 0.13, 0.05), (0.36, 0.47, 0.16)))
    board = np.ascontiguousarray(canvas)
    for _ in range(1500):
        column = int(rng.integers(0, width))
        foot = edge[0, column] + rng.random() * (height - edge[0, column] + 20)
        long, lean = 18 + 34 * rng.random(), rng.normal() * 9
        steps = np.linspace(0, 1, 6)
        points = np.stack([column + lean * steps**2, foot - long * steps], axis=1)
        colour = np.array((0.16, 0.28, 0.08)) + rng.random() * np.array((0.50, 0.46, 0.16))
        cv2.polylines(board, [np.rint(points * 16).astype(np.int32)], False, colour.tolist(), 2, cv2.LINE_AA, 4)
    for _ in range(150):
        column = int(rng.integers(0, width))
        row = edge[0, column] - 8 + rng.random() * (height - edge[0, column])
        petals = ((0.97, 0.93, 0.86), (0.95, 0.75, 0.18), (0.80, 0.27, 0.32), (0.62, 0.50, 0.85))[
            int(rng.integers(0, 4))
        ]
        radius = 2.5 + 2.8 * rng.random()
        cv2.circle(board, (column * 16, int(row * 16)), int(radius * 16), petals, -1, cv2.LINE_AA, 4)
        cv2.circle(board, (column * 16, int(row * 16)), int(radius * 6), (0.98, 0.82, 0.30), -1, cv2.LINE_AA, 4)
    canvas[:] = board


def finish(canvas: Field, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Reduce to `size` (width, height) and round to (y, x, rgb) uint8."""
    small = cv2.resize(np.clip(canvas, 0, 1), size, interpolation=cv2.INTER_AREA)
    return np.rint(np.clip(small, 0, 1) * 255).astype(np.uint8)


def scene() -> NDArray[np.uint8]:
    """A lake between mountains, with a lighthouse: (480, 640, rgb) uint8."""
    rng = np.random.default_rng(7)
    shape = (960, 1280)
    canvas = sky(rng, shape)
    mountains(rng, canvas)
    pines(rng, canvas, 46, (0.0, 0.26), 0.085)
    pines(rng, canvas, 60, (0.26, 1.0), 0.035)
    lake(rng, canvas)
    boat(canvas, 0.330 * shape[1], 0.675 * shape[0], 0.085 * shape[0])
    top = headland(rng, canvas)
    middle = int(0.755 * shape[1])
    lighthouse(canvas, middle, float(top[0, middle]) + 8, 0.52 * shape[0])
    meadow(rng, canvas)
    return finish(canvas, (640, 480))
