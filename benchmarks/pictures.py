"""Pictures to measure on, made here: seeded, and like photographs in what codecs notice of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

Array = np.ndarray[Any, Any]

#: Standard deviation of the sensor's noise, in levels of 8 bits.
GRAIN = 2.5

#: Megapixels above which a picture is this large a one, mirrored over and over.
LARGE = 12


def photograph(megapixels: float, seed: int = 0) -> Array:
    """A picture (height, width, 3) of bytes, 4:3: clouds of falling contrast towards fine detail, edges, grain.

    Amplitudes fall with the frequency as in pictures of nature (Field 1987); objects with sharp outlines lie on top. A
    PNG of it takes about 1.6 bytes per pixel, a JPEG of quality 92 about 0.23, as those of cameras do.
    """
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    width = round(height * 4 / 3)
    if megapixels > LARGE:
        part = photograph(LARGE, seed)
        margins = ((0, height - part.shape[0]), (0, width - part.shape[1]), (0, 0))
        return np.pad(part, margins, mode="symmetric")
    rng = np.random.default_rng(seed)
    light = clouds(rng, height, width, 1)
    tint = clouds(rng, (height + 7) // 8, (width + 7) // 8, 3)
    picture = 110 + 35 * light[..., None] + 14 * cv2.resize(tint, (width, height), interpolation=cv2.INTER_LINEAR)
    for _ in range(60):
        centre = [int(n) for n in rng.integers(0, (width, height))]
        axes = [int(n) for n in rng.integers(height // 100 + 1, height // 8 + 2, 2)]
        mask = np.zeros((height, width), np.uint8)
        cv2.ellipse(mask, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
        cv2.add(picture, rng.uniform(-50, 50, 4), dst=picture, mask=mask)
    grain = rng.standard_normal((height, width, 3), np.float32)
    return np.clip(np.rint(picture + GRAIN * grain), 0, 255).astype(np.uint8)


def clouds(rng: np.random.Generator, height: int, width: int, channels: int) -> Array:
    """Noise (height, width[, channels]) whose amplitude falls by 15 % an octave, of standard deviation near 1."""
    actual = np.zeros((height, width, channels) if channels > 1 else (height, width), np.float32)
    cells, amplitude = 3, 1.0
    while cells < max(height, width) / 2:
        shape = (cells * height // width + 2, cells + 2, channels)
        grid = rng.standard_normal(shape, np.float32)
        actual += amplitude * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        cells, amplitude = cells * 2, amplitude * 0.85
    return actual / 1.9


def save(path: Path, picture: Array, *, quickly: bool = False) -> Path:
    """Writes `picture` as others do: PNG by libpng's defaults, JPEG and WebP of quality 92, uncompressed TIFF, PPM.

    `quickly` takes OpenCV's settings instead, where the time to read the file is of no interest.
    """
    settings = {
        ".png": [
            *(cv2.IMWRITE_PNG_COMPRESSION, 6),
            *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_FILTERED),
            *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_ALL_FILTERS),
        ],
        ".jpg": [cv2.IMWRITE_JPEG_QUALITY, 92],
        ".webp": [cv2.IMWRITE_WEBP_QUALITY, 92],
        ".ppm": [],
        ".tif": [cv2.IMWRITE_TIFF_COMPRESSION, cv2.IMWRITE_TIFF_COMPRESSION_NONE],
    }
    if not cv2.imwrite(str(path), picture, [] if quickly else settings[path.suffix]):
        raise OSError(f"{path}: could not be written")
    return path


def read(path: Path) -> Array:
    """The samples of a file as they are stored."""
    try:
        actual = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        actual = None
    if actual is None:
        raise OSError(f"no {path.suffix[1:]} file that OpenCV reads")
    return actual
